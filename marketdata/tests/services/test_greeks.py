"""Greeks of a close: the inputs in their order, one row a contract, nothing from later."""

from datetime import date, timedelta
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from marketdata.calculations.options import bsm
from marketdata.models import (
    CorporateAction,
    OptionContract,
    OptionGreeks,
    OptionQuote,
    TreasuryYield,
)
from marketdata.selectors import calendar
from marketdata.selectors import greeks as read
from marketdata.services import contracts, greeks, option_quotes
from marketdata.tests.option_world import (
    BY,
    DAY,
    NEXT,
    TWX_DAY,
    bars,
    chain,
    instrument,
    option,
    spy,
    twx,
    twx_chains,
)

pytestmark = pytest.mark.django_db
# unit deltas of the demonstration's start, as the product's description prints them
DELTAS = {
    "SPY160819C00212000": 0.411,
    "SPY160916C00216000": 0.348,
    "SPY160819P00200000": -0.329,
    "SPY160916P00191000": -0.234,
    "SPY160715C00212000": 0.356,
    "SPY160819C00219000": 0.242,
    "SPY160715P00202000": -0.302,
    "SPY160916P00179000": -0.124,
}
CALL = "SPY160819C00212000"


def make(*symbols):
    return contracts.ensure(symbols=symbols, by=BY).contracts


def held(*symbols):
    return [each.instrument_id for each in make(*symbols).values()]


def row(symbol=CALL, day=DAY):
    return OptionGreeks.objects.get(contract__instrument__symbol=symbol, session_date=day)


def european(found):
    """The closed form at the inputs kept with a row."""
    contract = OptionContract.objects.get(pk=found.contract_id)
    priced = bsm(
        found.underlying_price,
        float(contract.strike),
        found.rate,
        found.dividend_yield,
        found.iv,
        found.t_years,
        contract.right == "call",
    )
    return SimpleNamespace(**priced.row(0))


def test_the_demonstrations_contracts_have_the_deltas_of_the_description():
    spy()
    ids = held(*DELTAS)
    option_quotes.simulate(session_date=DAY)

    done = greeks.compute(session_date=DAY, held=ids)

    assert (done.contracts, done.written, done.nulls) == (8, 8, {})
    assert done.vol_sources == {"smile_2022_vix_scaled": 8}
    for symbol, delta in DELTAS.items():
        found = row(symbol)
        assert european(found).delta == pytest.approx(delta, abs=0.0006), symbol
        assert found.model in ("bsm", "lr201")
        assert found.delta == pytest.approx(delta, abs=0.0006 if found.model == "bsm" else 0.004)
        assert found.flags == ["fallback:assumed_yield", "simulated"]
        assert found.gamma > 0
        assert found.vega > 0
        assert found.theta < 0
        assert (found.underlying_price, found.dividend_yield) == (208.1, 0.02)
        assert found.rate == pytest.approx(np.log(1.0027))


def test_every_living_contract_of_a_watched_underlying_is_priced():
    of = spy()
    option_quotes.simulate(session_date=DAY)

    done = greeks.compute(session_date=DAY, watched=[of.pk])

    assert done.contracts == done.written == OptionContract.objects.count()
    assert sum(done.models.values()) == done.contracts
    assert done.models["lr201"] > 10
    assert done.nulls == {}
    assert done.opinion.compared == 20
    assert done.opinion.largest < 1e-9
    said = done.result()["second_opinion"]
    assert (said["engine"], said["compared"]) == ("mibian", 20)
    assert said["largest_difference"] == done.opinion.largest


def test_a_second_run_writes_nothing():
    of = spy()
    option_quotes.simulate(session_date=DAY)
    greeks.compute(session_date=DAY, watched=[of.pk])

    with CaptureQueriesContext(connection) as queries:
        again = greeks.compute(session_date=DAY, watched=[of.pk])

    assert again.written == 0
    assert not [each for each in queries if each["sql"].startswith(("INSERT", "UPDATE"))]
    OptionQuote.objects.filter(contract_id=row().contract_id).update(iv=0.5)
    assert greeks.compute(session_date=DAY, watched=[of.pk]).written == 1
    assert row().iv == 0.5


def test_reading_takes_the_same_queries_for_any_number_of_contracts():
    spy()
    counts = []
    for strikes in (range(150, 155), range(155, 300)):
        make(*(f"SPY160819C{strike * 1000:08d}" for strike in strikes))
        ids = OptionContract.objects.values_list("instrument_id", flat=True)
        option_quotes.simulate(session_date=DAY)
        with CaptureQueriesContext(connection) as queries:
            greeks.compute(session_date=DAY, held=list(ids))
        counts.append(sum(each["sql"].startswith("SELECT") for each in queries))

    assert counts[0] == counts[1] <= 8


def test_a_missing_volatility_is_interpolated_in_strike():
    spy()
    ids = held(CALL, "SPY160819C00210000", "SPY160819C00214000")
    for strike, bid in ((210.0, 5.8), (214.0, 3.7)):
        name = f"SPY160819C{int(strike) * 1000:08d}"
        option_quotes.store(
            chain=chain(option(name, strike=strike, bid=bid, ask=bid + 0.1)),
            session_date=DAY,
            by=BY,
        )

    greeks.compute(session_date=DAY, held=ids)

    low, high = (row(f"SPY160819C00{each}000").iv for each in (210, 214))
    assert row().vol_source == "smile"
    assert row().iv == pytest.approx((low + high) / 2)
    assert row("SPY160819C00210000").vol_source == "quote"
    assert low != high


def test_without_quotes_past_volatility_stands_in_and_says_so():
    of = spy()
    greeks.compute(session_date=DAY, held=held(CALL))

    found = row()
    series = of.series
    returns = np.diff(series.close[-61:]) / series.close[-61:-1]
    assert found.vol_source == "hist_vol"
    assert found.iv == pytest.approx(returns.std(ddof=1) * np.sqrt(252))
    assert found.flags == ["fallback:assumed_yield", "fallback:hist_vol"]
    assert found.model == "lr201"  # dividends above the rate: exercise before the end counts
    gap = found.price - european(found).price
    assert max(0.01, 0.005 * found.price) < gap < 0.03


def test_without_any_volatility_there_is_a_reason_and_no_figure():
    of = instrument(assumed_dividend_yield=0.02)
    bars(of, [(DAY, 208.1)])
    TreasuryYield.objects.create(session_date=DAY, tenor="3M", percent=0.27, source="bundled")

    done = greeks.compute(session_date=DAY, held=held(CALL))

    found = row()
    assert done.nulls == {"no_volatility": 1}
    assert (found.price, found.delta, found.vega, found.iv) == (None, None, None, None)
    assert (found.reason, found.model, found.vol_source) == ("no_volatility", "", "")


def test_an_old_yield_serves_five_days_and_not_six():
    spy()
    ids = held(CALL)
    TreasuryYield.objects.filter(session_date__gt=DAY - timedelta(days=5)).delete()
    TreasuryYield.objects.filter(session_date=DAY - timedelta(days=5)).update(percent=0.5)
    assert TreasuryYield.objects.filter(session_date=DAY - timedelta(days=5)).exists()

    greeks.compute(session_date=DAY, held=ids)
    assert row().rate == pytest.approx(np.log(1.005))
    assert "stale_rate" in row().flags

    TreasuryYield.objects.filter(session_date__gte=DAY - timedelta(days=5)).delete()
    greeks.compute(session_date=DAY, held=ids)
    assert (row().reason, row().delta, row().rate) == ("no_rate", None, None)


def test_the_yield_is_the_one_nearest_in_tenor():
    of = spy()
    ids = held(CALL, "SPY181221C00210000")
    curve = dict(TreasuryYield.objects.filter(session_date=DAY).values_list("tenor", "percent"))

    greeks.compute(session_date=DAY, held=ids)

    assert row().rate == pytest.approx(np.log1p(curve["3M"] / 100))
    assert row("SPY181221C00210000").rate == pytest.approx(np.log1p(curve["2Y"] / 100))
    assert of.options.count() == 2


def test_dividends_of_twelve_months_give_the_yield():
    of = spy()
    for day, amount in (
        (DAY - timedelta(days=366), "9"),
        (DAY - timedelta(days=364), "2"),
        (DAY, "1"),
        (NEXT, "7"),
    ):
        CorporateAction.objects.create(
            instrument=of, kind="dividend", ex_date=day, amount=Decimal(amount), source="csv"
        )

    greeks.compute(session_date=DAY, held=held(CALL))

    assert row().dividend_yield == pytest.approx(3.0 / 208.1)
    assert "fallback:assumed_yield" not in row().flags


def test_an_underlying_that_never_paid_has_a_yield_of_nothing():
    spy(assumed_dividend_yield=None)

    greeks.compute(session_date=DAY, held=held(CALL))

    assert row().dividend_yield == 0.0
    assert "no_dividends_known" in row().flags


def test_an_expiring_contract_is_worth_what_exercise_pays():
    spy(until=date(2016, 6, 24))
    day = date(2016, 6, 17)
    ids = held("SPY160617C00205000", "SPY160617P00205000")
    spot = float(OptionContract.objects.first().underlying.bars.get(session_date=day).close)

    greeks.compute(session_date=day, held=ids)
    greeks.compute(session_date=NEXT, held=ids, watched=[])

    for when in (day, NEXT):
        call, put = (row(f"SPY160617{each}00205000", when) for each in "CP")
        assert call.price == pytest.approx(max(spot - 205.0, 0.0))
        assert put.price == pytest.approx(max(205.0 - spot, 0.0))
        for each in (call, put):
            assert {each.delta, each.gamma, each.theta, each.vega, each.rho} == {0.0}
            assert (each.reason, each.t_years) == ("expired", 0.0)


def test_expired_contracts_are_not_watched():
    of = spy()
    make("SPY160617C00205000", CALL)

    assert greeks.compute(session_date=DAY, watched=[of.pk]).contracts == 1


def test_a_stale_close_is_flagged_and_an_old_one_is_none():
    of = spy(until=date(2016, 6, 15))
    ids = held(CALL)
    assert of.options.count() == 1

    greeks.compute(session_date=DAY, held=ids)
    assert "stale_price" in row().flags
    assert row().underlying_price is not None

    greeks.compute(session_date=NEXT, held=ids)
    assert row(day=NEXT).reason == "no_spot"


def test_quotes_far_from_the_close_are_flagged():
    spy()
    noon = calendar.close_time(DAY) - timedelta(minutes=16)
    option_quotes.store(chain=chain(option(CALL)), session_date=DAY, as_of=noon, by=BY)

    greeks.compute(session_date=DAY, held=held(CALL))

    assert "asynchronous" in row().flags


def test_nothing_after_the_session_changes_a_figure():
    of = spy()
    ids = held(CALL)
    option_quotes.simulate(session_date=DAY)
    greeks.compute(session_date=DAY, held=ids)
    before = OptionGreeks.objects.values().get()

    bars(of, [(NEXT, 999.0)])
    for tenor in ("3M", "2Y"):
        TreasuryYield.objects.create(session_date=NEXT, tenor=tenor, percent=20.0, source="bundled")
    OptionQuote.objects.create(
        contract=of.options.get(instrument__symbol=CALL),
        session_date=NEXT,
        as_of=calendar.close_time(NEXT),
        source="SIM",
        iv=3.0,
        vol_source="quote",
    )

    assert greeks.compute(session_date=DAY, held=ids).written == 0
    assert OptionGreeks.objects.values().get() == before


def test_selectors_answer_nothing_later_and_nothing_old():
    spy()
    ids = held(CALL)
    greeks.compute(session_date=DAY, held=ids)
    [found] = OptionGreeks.objects.all()
    key = found.contract_id

    assert read.of_session(contract_ids=[key], session_date=DAY) == {key: found}
    assert read.of_session(contract_ids=[key], session_date=NEXT) == {}
    assert read.of_instruments(instrument_ids=ids, session_date=DAY) == {ids[0]: found}
    assert read.latest(contract_ids=[key], until=calendar.previous(DAY)) == {}
    assert read.latest(contract_ids=[key], until=calendar.next(DAY, 5)) == {key: found}
    assert read.latest(contract_ids=[key], until=calendar.next(DAY, 6)) == {}


def test_the_time_warner_chain_has_sane_greeks(shared_folder):
    of = twx()
    for each in twx_chains(shared_folder):
        option_quotes.store(chain=each, session_date=TWX_DAY, by=BY)

    done = greeks.compute(session_date=TWX_DAY, watched=[of.pk])

    assert done.contracts == 184
    assert done.nulls == {}
    assert set(done.vol_sources) == {"quote", "smile"}
    rows = list(OptionGreeks.objects.select_related("contract"))
    for each in rows:
        low, high = (0.0, 1.0) if each.contract.right == "call" else (-1.0, 0.0)
        assert low - 1e-9 <= each.delta <= high + 1e-9
        assert each.gamma >= -1e-9
        assert each.vega >= -1e-9
    quoted = {
        each.contract_id: float(each.bid + each.ask) / 2
        for each in OptionQuote.objects.filter(iv__isnull=False)
    }
    gaps = [
        abs(each.price - quoted[each.contract_id]) for each in rows if each.contract_id in quoted
    ]
    assert max(gaps) < 1e-6
    assert done.opinion.largest < 1e-9


def test_no_contracts_is_no_work():
    done = greeks.compute(session_date=DAY)

    assert (done.contracts, done.written) == (0, 0)
    assert done.result()["second_opinion"]["reason"] == "no_contracts"
