"""Option quotes: what is kept, what is not and why, and the volatility beside each."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from threading import Barrier, Thread

import numpy as np
import pytest
from django.db import DatabaseError, connection

from etftrader.core.errors import DomainError
from marketdata.calculations.american import american_greeks
from marketdata.models import OptionContract, OptionGreeks, OptionQuote
from marketdata.providers.base import ProviderFailed
from marketdata.providers.bundled_options import BundledOptions, expiries, monthly
from marketdata.selectors import calendar, option_inputs
from marketdata.services import contracts, greeks, option_quotes
from marketdata.tests.option_world import (
    BY,
    DAY,
    NEXT,
    TWX_DAY,
    chain,
    option,
    spy,
    twx,
    twx_chains,
)

pytestmark = pytest.mark.django_db
# the start of the demonstration, as the product's description prints it
MIDS = {
    "SPY160819C00212000": 4.79,
    "SPY160916C00216000": 4.41,
    "SPY160819P00200000": 4.46,
    "SPY160916P00191000": 3.75,
    "SPY160715C00212000": 2.44,
    "SPY160819C00219000": 2.11,
    "SPY160715P00202000": 2.41,
    "SPY160916P00179000": 1.83,
}
BAD = [
    ({"bid": 5.0, "ask": 4.9}, "bid_above_ask"),
    ({"bid": -0.01}, "negative"),
    ({"ask": float("nan")}, "not_finite"),
    ({"last": float("inf")}, "not_finite"),
    ({"ask": 2e7, "bid": 1.0}, "too_large"),
    ({"volume": -1}, "negative"),
    ({"open_interest": -5}, "negative"),
    ({"source": "rumour"}, "unknown_source"),
    ({"underlying": "QQQ"}, "other_chain"),
    ({"expiration": date(2016, 9, 16)}, "other_chain"),
    ({"last_trade_at": calendar.close_time(DAY) + timedelta(minutes=1)}, "after_the_moment"),
    ({"strike": 213.0}, "wrong_contract"),
    ({"contract": "SPY"}, "bad_option_symbol"),
]


def keep(*rows, day=DAY, **how):
    return option_quotes.store(chain=chain(*rows), session_date=day, by=BY, **how)


@pytest.mark.parametrize(("fields", "code"), BAD)
def test_a_row_that_is_no_quote_is_kept_out_with_its_reason(fields, code):
    spy()
    bad = {"contract": "SPY160819C00212000"} | fields

    done = keep(option("SPY160819C00210000", strike=210.0), option(**bad))

    assert [each.code for each in done.refused] == [code]
    assert (done.received, done.written) == (2, 1)
    [stored] = OptionQuote.objects.select_related("contract__instrument")
    assert stored.contract.instrument.symbol == "SPY160819C00210000"
    assert done.item() == {"item": "SPY 2016-08-19", "status": "ok", "reason": f"{code} 1"}


def test_an_expired_chain_leaves_nothing():
    spy()
    row = option("SPY160520C00210000", strike=210.0, expiration=date(2016, 5, 20))

    done = option_quotes.store(
        chain=chain(row, expiration=date(2016, 5, 20)), session_date=DAY, by=BY
    )

    assert [each.code for each in done.refused] == ["expired"]
    assert not OptionContract.objects.exists()


def test_one_contract_spelled_twice_is_one_quote():
    spy()
    rows = (option("SPY160819C00212000"), option("SPY   160819C00212000", bid=1.0))

    done = keep(*rows)

    assert [each.code for each in done.refused] == ["twice"]
    assert OptionQuote.objects.get().bid == Decimal("4.7")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"bid": None}, "no_two_sided_quote"),
        ({"bid": 0.0}, "no_two_sided_quote"),
        ({"ask": None}, "no_two_sided_quote"),
        ({"strike": 190.0, "contract": "SPY160819C00190000"}, "below_intrinsic"),
        ({"bid": 209.0, "ask": 210.0}, "above_maximum"),
    ],
)
def test_a_quote_without_a_volatility_says_why(fields, reason):
    spy()

    done = keep(option(**({"contract": "SPY160819C00212000"} | fields)))

    stored = OptionQuote.objects.get()
    assert (stored.iv, stored.vol_source, stored.reason) == (None, "", reason)
    assert (done.volatilities, done.reasons) == (0, {reason: 1})


def test_without_yields_there_is_no_volatility():
    of = spy()
    option_inputs.TreasuryYield.objects.all().delete()

    keep(option("SPY160819C00212000"))

    assert OptionQuote.objects.get().reason == "no_rate"
    assert OptionQuote.objects.get().contract.underlying == of


def test_a_second_run_writes_nothing_and_a_correction_replaces():
    spy()
    first = option("SPY160819C00212000")

    assert keep(first).written == 1
    assert keep(first).written == 0
    assert keep(replace(first, bid=4.8)).written == 1

    stored = OptionQuote.objects.get()
    assert stored.bid == Decimal("4.8")
    assert stored.underlying_price == Decimal("208.1")


def test_an_older_quote_never_replaces_a_newer_one():
    spy()
    close = calendar.close_time(DAY)
    keep(option("SPY160819C00212000"), as_of=close)

    done = keep(option("SPY160819C00212000", bid=1.0), as_of=close - timedelta(minutes=30))

    assert done.written == 0
    assert OptionQuote.objects.get().bid == Decimal("4.7")


def test_the_time_warner_chain_is_kept_whole_with_american_volatilities(shared_folder):
    twx()

    done = [
        option_quotes.store(chain=each, session_date=TWX_DAY, by=BY)
        for each in twx_chains(shared_folder)
    ]

    assert sum(each.received for each in done) == sum(each.written for each in done) == 184
    assert all(not each.refused for each in done)
    quotes = list(OptionQuote.objects.select_related("contract"))
    holes = [each for each in quotes if not (each.bid and each.ask)]
    assert {each.reason for each in holes} == {"no_two_sided_quote"}
    assert all(each.iv is None for each in holes)
    known = [each for each in quotes if each.iv is not None]
    assert len(known) > 90
    assert 0.15 < np.median([each.iv for each in known]) < 0.35
    assert {each.vol_source for each in known} == {"quote"}


def test_the_american_model_gives_the_time_warner_mids_back(shared_folder):
    of = twx()
    for each in twx_chains(shared_folder):
        option_quotes.store(chain=each, session_date=TWX_DAY, by=BY)
    inputs = option_inputs.market(underlying_ids=[of.pk], session_date=TWX_DAY)
    known = list(OptionQuote.objects.filter(iv__isnull=False).select_related("contract"))
    years = np.array(
        [option_quotes.time_to_expiry(each.as_of, each.contract.expiry) for each in known]
    )

    shown = american_greeks(
        70.88,
        [float(each.contract.strike) for each in known],
        inputs.rate(years)[0],
        0.018,
        [each.iv for each in known],
        years,
        [each.contract.right == "call" for each in known],
    )

    mids = np.array([float(each.bid + each.ask) / 2 for each in known])
    gaps = np.abs(shown.priced.values[0] - mids)
    on_tree = np.array([model == "lr201" for model in shown.models])
    assert on_tree.sum() >= 3
    assert gaps[on_tree].max() < 1e-6
    assert gaps.max() < 1e-6


def test_the_bundled_quotes_are_those_of_the_description():
    spy()
    contracts.ensure(symbols=MIDS, by=BY)

    done = option_quotes.simulate(session_date=DAY)

    assert [each.expiration for each in done] == [
        date(2016, 7, 15),
        date(2016, 8, 19),
        date(2016, 9, 16),
        date(2016, 12, 16),
    ]
    assert all(not each.refused and each.failure is None for each in done)
    quotes = {
        each.contract.instrument.symbol: each
        for each in OptionQuote.objects.select_related("contract__instrument")
    }
    assert len(quotes) > 400
    for symbol, mid in MIDS.items():
        found = (quotes[symbol].bid + quotes[symbol].ask) / 2
        assert float(found) == pytest.approx(mid, abs=0.0051), symbol
    assert {each.source for each in quotes.values()} == {"SIM"}
    near = [each for each in quotes.values() if each.iv is not None]
    assert {each.vol_source for each in near} == {"smile_2022_vix_scaled"}
    assert len(near) > 0.9 * len(quotes)


def test_simulated_calls_and_puts_agree_with_parity():
    of = spy()
    option_quotes.simulate(session_date=DAY)
    inputs = option_inputs.market(underlying_ids=[of.pk], session_date=DAY)
    rate = inputs.rates["3M"]
    pairs: dict[tuple[date, Decimal], dict[str, float]] = {}
    for each in OptionQuote.objects.select_related("contract"):
        if each.bid and each.ask:
            key = (each.contract.expiry, each.contract.strike)
            pairs.setdefault(key, {})[each.contract.right] = float(each.bid + each.ask) / 2
    both = {key: value for key, value in pairs.items() if len(value) == 2}
    assert len(both) > 150

    for (expiry, strike), value in both.items():
        years = option_quotes.time_to_expiry(inputs.moment, expiry)
        forward = 208.1 * np.exp(-0.02 * years) - float(strike) * np.exp(-rate * years)
        assert value["call"] - value["put"] == pytest.approx(forward, abs=2e-4)


def test_quotes_of_the_next_session_exist_only_for_the_next_session():
    spy(until=NEXT)

    option_quotes.simulate(session_date=DAY)
    before = set(OptionQuote.objects.values_list("contract_id", "bid", "ask", "iv"))
    assert option_quotes.simulate(session_date=DAY)[0].written == 0
    option_quotes.simulate(session_date=NEXT)

    kept = OptionQuote.objects.filter(session_date=DAY)
    assert set(kept.values_list("contract_id", "bid", "ask", "iv")) == before
    assert OptionQuote.objects.filter(session_date=NEXT).count() >= len(before)


def test_what_the_bundle_cannot_quote_it_says():
    with pytest.raises(ProviderFailed, match="of SPY only"):
        BundledOptions(until=DAY).expirations("TLT")
    with pytest.raises(ProviderFailed, match="no contract that expires"):
        BundledOptions(until=DAY).chain("SPY", date(2016, 7, 1))
    late = date(2016, 7, 5)
    assert {each.failure.code for each in option_quotes.simulate(session_date=late)} == {"no_spot"}


def test_one_failing_underlying_leaves_the_others_whole():
    spy()

    done = option_quotes.sync(
        source=BundledOptions(until=DAY), underlyings=["TLT", "SPY"], session_date=DAY
    )

    assert done[0].failure.code == "no_options"
    assert done[0].item()["status"] == "failed"
    assert sum(each.written for each in done[1:]) > 400


def test_a_name_without_options_is_no_failure_and_far_expiries_wait():
    asked = []

    class Many:
        def expirations(self, symbol):
            if symbol == "TLT":
                raise ProviderFailed("TLT has no listed options", code="empty_answer")
            return [DAY - timedelta(days=1), *(DAY + timedelta(days=7 * n) for n in range(1, 40))]

        def chain(self, symbol, day):
            asked.append(day)
            raise ProviderFailed("not today", code="rate_limited")

    spy()
    done = option_quotes.sync(source=Many(), underlyings=["TLT", "SPY"], session_date=DAY)

    assert {each.underlying for each in done} == {"SPY"}
    assert asked == [DAY + timedelta(days=7 * n) for n in range(1, option_quotes.EXPIRIES + 1)]


def test_monthly_expiries_are_third_fridays_or_the_day_before():
    assert monthly(2016, 7) == date(2016, 7, 15)
    assert monthly(2014, 4) == date(2014, 4, 17)  # Good Friday
    assert expiries(date(2016, 6, 17))[0] == date(2016, 6, 17)
    assert expiries(date(2016, 6, 20)) == (
        date(2016, 7, 15),
        date(2016, 8, 19),
        date(2016, 9, 16),
        date(2016, 12, 16),
    )


@pytest.mark.django_db(transaction=True)
def test_runs_at_once_leave_one_row_a_contract():
    of = spy()
    together, errors = Barrier(4), []

    def run():
        together.wait()
        try:
            option_quotes.simulate(session_date=DAY)
            greeks.compute(session_date=DAY, watched=[of.pk])
        except (DatabaseError, DomainError) as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [Thread(target=run) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert errors == []
    contracts_ = OptionContract.objects.count()
    assert contracts_ == OptionQuote.objects.count() == OptionGreeks.objects.count() > 400
    assert option_quotes.simulate(session_date=DAY)[0].written == 0
    assert greeks.compute(session_date=DAY, watched=[of.pk]).written == 0
