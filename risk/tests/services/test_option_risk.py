"""Options in the risk: by delta, on their underlying's column; live, at the close, at the gate."""

import math
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from etftrader.core.records import OutboxEvent
from etftrader.testing.rows import module_rows
from marketdata.calculations.options import bsm, time_to_expiry
from marketdata.events import prices_arrived
from marketdata.models import (
    DailyBar,
    Instrument,
    OptionContract,
    OptionGreeks,
    OptionQuote,
    QuarantinedPrice,
)
from marketdata.providers.bundled import BundledProvider
from marketdata.selectors import calendar
from marketdata.selectors.sessions import Moment
from marketdata.services import contracts, greeks, nightly_greeks, option_quotes, stream
from marketdata.tests.option_world import BY, yields
from portfolios.choices import EntryKind, LedgerAccount
from portfolios.models import Portfolio
from portfolios.services import booking, ledger, locking, snapshots
from portfolios.services.booking import Leg
from risk import live, tasks
from risk.models import Alert, LimitBreach, PositionRisk, RiskMetric
from risk.selectors import var as selector
from risk.services import covariance, limits, monitor, pretrade, var
from risk.services.pretrade import ProposedTrade
from risk.tests import factories

pytestmark = pytest.mark.django_db
START, PLAYED = factories.START, date(2016, 6, 23)
CALL, PUT, SOLD = "SPY160819C00212000", "SPY160819P00200000", "SPY160715C00212000"
HELD = {CALL: 60, PUT: 80, SOLD: -50}
SHARES = {"SPY": 500, "XLE": 1_000, "EEM": -2_000}
SPOT = 208.10
Z = 1.6448536269514722


@pytest.fixture(scope="module")
def staged(django_db_setup, django_db_blocker):
    with module_rows(django_db_blocker):
        factories.load_bundle()
        yields(BundledProvider(until=START).yields(date(2016, 6, 13), START))
        row = covariance.compute_daily(session_date=START)
        covariance.ensure_stressed(session_date=START)
        made = contracts.ensure(symbols=list(HELD), by=BY).contracts
        option_quotes.simulate(session_date=START)
        greeks.compute(session_date=START, held=[each.instrument_id for each in made.values()])
        portfolio = factories.make_portfolio(name="Overlay", allow_short=True)
        for symbol, quantity in SHARES.items():
            factories.hold(portfolio, symbol, quantity)
        for symbol, quantity in HELD.items():
            ledger.book_opening(
                portfolio_id=portfolio.pk, instrument=made[symbol].instrument,
                quantity=Decimal(quantity), price=Decimal(2), session_date=START,
                source=f"test:{symbol}",
            )  # fmt: skip
        snapshots.take(portfolio_ids=[portfolio.pk], session_date=START)
        var.compute(portfolio_ids=[portfolio.pk], session_date=START)
        yield portfolio.pk, row


@pytest.fixture
def stage(staged):
    portfolio_id, row = staged
    monitor.forget()
    yield Portfolio.objects.get(pk=portfolio_id), covariance.matrices.of_row(row)
    monitor.forget()


def unit(symbol):
    return OptionGreeks.objects.get(contract__instrument__symbol=symbol, session_date=START)


def delta_dollars():
    """By underlying, from the ingredients."""
    closes = {"SPY": SPOT, **{s: close(s) for s in ("XLE", "EEM")}}
    dollars = {symbol: n * closes[symbol] for symbol, n in SHARES.items()}
    options = {s: n * 100 * unit(s).delta * SPOT for s, n in HELD.items()}
    dollars["SPY"] += sum(options.values())
    return dollars, options


def close(symbol):
    return float(DailyBar.objects.get(instrument__symbol=symbol, session_date=START).close)


def quadratic(dollars, matrix):
    x = np.array([dollars.get(symbol, 0.0) for symbol in matrix.labels])
    return math.sqrt(x @ matrix.values @ x)


def test_the_var_of_the_close_is_that_of_the_delta_dollars_by_underlying(stage):
    portfolio, matrix = stage
    dollars, options = delta_dollars()

    row = portfolio.snapshots.get(session_date=START)
    metric = RiskMetric.objects.get(portfolio=portfolio, session_date=START)

    assert row.var_95_1d == pytest.approx(Z * quadratic(dollars, matrix), rel=1e-8)
    assert (metric.excluded, metric.coverage) == ([], 1.0)
    said = next(each for each in metric.warnings if each["code"] == "options_by_delta")
    assert said["detail"].startswith("3 options enter by delta only")
    parts = {each.instrument.symbol: each for each in PositionRisk.objects.filter(metric=metric)}
    assert sum(each.component for each in parts.values()) == pytest.approx(row.var_95_1d)
    # what is on one underlying shares its marginal, and its component by delta dollars
    assert {parts[s].marginal for s in (CALL, PUT, SOLD)} == {parts["SPY"].marginal}
    for symbol, amount in options.items():
        assert parts[symbol].delta_exposure == pytest.approx(amount, abs=1e-5)
        assert parts[symbol].component == pytest.approx(amount * parts["SPY"].marginal, rel=1e-6)
        assert parts[symbol].exposure == pytest.approx(
            float(row.positions.get(instrument__symbol=symbol).exposure)
        )


def test_an_option_without_a_delta_is_left_out_with_the_reason(stage):
    portfolio, _ = stage
    OptionGreeks.objects.filter(contract__instrument__symbol=CALL).delete()
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=START)

    [metric] = var.compute(portfolio_ids=[portfolio.pk], session_date=START).values()

    [left] = metric.excluded
    assert (left["symbol"], left["reason"]) == (CALL, "no_delta")
    assert left["exposure"] > 0
    assert 0 < metric.coverage < 1
    part = PositionRisk.objects.get(metric=metric, instrument__symbol=CALL)
    assert (part.component, part.delta_exposure, part.reason) == (None, None, "no_delta")


def test_limits_count_delta_dollars_by_underlying(stage):
    portfolio, _ = stage
    dollars, _ = delta_dollars()
    nav = float(portfolio.snapshots.get(session_date=START).nav)

    found = limits.evaluate(portfolio_ids=[portfolio.pk], session_date=START)[portfolio.pk]

    by = {each.limit.measure: each for each in found}
    gross = sum(abs(each) for each in dollars.values())
    assert by["gross"].observed == pytest.approx(gross / nav, rel=1e-9)
    largest = max(dollars, key=lambda symbol: abs(dollars[symbol]))
    assert by["position_weight"].symbol == largest
    # the page reads the same from the stored run
    metric = RiskMetric.objects.get(portfolio=portfolio, session_date=START)
    record = selector.of_metric(metric, limits.in_force(portfolio_id=portfolio.pk))
    shown = {each["measure"]: each["observed"] for each in record.limits}
    assert shown["gross"] == pytest.approx(gross / nav, rel=1e-9)
    assert float(record.value["nav"]) == pytest.approx(nav, abs=0.01)


def moment_of(bar):
    return Moment(
        as_of=calendar.open_time(PLAYED) + timedelta(minutes=bar), session_date=START,
        playing=PLAYED, bar=bar, bars=390, round=1, revision=1, ended=False,
    )  # fmt: skip


def state_at(matrix, bar, factors):
    closes = {symbol: close(symbol) for symbol in matrix.labels if symbol in known(matrix)}
    begun = stream.begin(
        moment=moment_of(0), labels=matrix.labels, covariance=matrix.values,
        covariance_id=matrix.snapshot_id, previous_close=closes, factors={}, source="SIM",
    )  # fmt: skip
    moved = np.array([factors.get(symbol, 1.0) for symbol in begun.symbols])
    prices = begun.previous_close * moved
    return replace(begun, bar=bar, as_of=moment_of(bar).as_of, prices=prices)


def known(matrix):
    rows = DailyBar.objects.filter(session_date=START, instrument__symbol__in=matrix.labels)
    return set(rows.values_list("instrument__symbol", flat=True))


def test_a_live_bar_values_options_at_the_played_spot(stage):
    portfolio, matrix = stage
    still = state_at(matrix, 1, {})
    up = state_at(matrix, 2, {"SPY": 1.01})

    first = monitor.revalue(state=still, moment=moment_of(1))[portfolio.pk]
    second = monitor.revalue(state=up, moment=moment_of(2))[portfolio.pk]

    for symbol, sign in ((CALL, 1), (PUT, -1), (SOLD, -1)):
        before, after = (each.value["marks"][symbol] for each in (first, second))
        assert (float(after["exposure"]) - float(before["exposure"])) * sign > 0
        assert (float(after["price"]) > float(before["price"])) == (symbol != PUT)
    # a first-order guess with gamma, from the stored Greeks
    moved = 0.01 * SPOT
    guess = sum(
        n * 100 * (unit(s).delta * moved + 0.5 * unit(s).gamma * moved**2) for s, n in HELD.items()
    )
    gained = sum(
        float(second.value["marks"][s]["exposure"]) - float(first.value["marks"][s]["exposure"])
        for s in HELD
    )
    assert gained == pytest.approx(guess, abs=0.03 * abs(guess) + 150)
    # the VaR is that of the live delta dollars under the live matrix
    live = {}
    for symbol, mark in second.value["marks"].items():
        name = symbol if symbol in SHARES else "SPY"
        live[name] = live.get(name, 0.0) + float(mark["delta_exposure"])
    x = np.array([live.get(symbol, 0.0) for symbol in up.symbols])
    assert float(second.risk["var"]) == pytest.approx(Z * math.sqrt(x @ up.hybrid @ x), rel=1e-5)
    parts = [float(each["component"]) for each in second.risk["components"]]
    assert sum(parts) == pytest.approx(float(second.risk["var"]), abs=0.05)
    named = {each["symbol"]: each["underlying"] for each in second.risk["components"]}
    assert (named[CALL], named["SPY"]) == ("SPY", None)
    assert second.risk["coverage"] == 1.0


def test_many_books_share_one_pass_over_the_contracts(stage, django_assert_num_queries):
    portfolio, matrix = stage
    first, second = state_at(matrix, 1, {}), state_at(matrix, 2, {"SPY": 0.99})
    monitor.revalue(state=first, moment=moment_of(1))

    # portfolios, prices in doubt, the matrix in force, limits: no contract is read again
    with django_assert_num_queries(4):
        found = monitor.revalue(state=second, moment=moment_of(2))
    assert found[portfolio.pk].value["marks"][CALL]["price"] is not None


def test_live_options_are_of_the_class_of_a_model_and_simulated_where_their_quotes_were(stage):
    portfolio, matrix = stage
    plain = factories.make_portfolio(name="Plain")
    factories.hold(plain, "SPY", 100)
    played = state_at(matrix, 1, {})
    found = monitor.revalue(state=played, moment=moment_of(1))
    assert found[portfolio.pk].value["price_class"] == "model"
    assert found[plain.pk].value["price_class"] == "live"
    assert found[portfolio.pk].value["played"] is found[plain.pk].value["played"] is True

    # quotes of a live market: what is simulated is the volatility of the options
    quoted = replace(state_at(matrix, 2, {}), source="yfinance")
    found = monitor.revalue(state=quoted, moment=moment_of(2))
    assert [found[each.pk].risk["simulated"] for each in (portfolio, plain)] == [True, False]
    assert [found[each.pk].value["simulated"] for each in (portfolio, plain)] == [True, False]
    assert found[portfolio.pk].value["played"] is False


def test_an_option_follows_its_underlying_into_doubt(stage):
    portfolio, matrix = stage
    before = monitor.revalue(state=state_at(matrix, 1, {}), moment=moment_of(1))[portfolio.pk]
    QuarantinedPrice.objects.create(
        instrument=Instrument.objects.get(symbol="SPY"), symbol="SPY", dataset="quotes",
        session_date=PLAYED, as_of=moment_of(1).as_of, source="yfinance",
        raw={"price": "90.0"}, value="90.0", reason="jump",
    )  # fmt: skip

    found = monitor.revalue(state=state_at(matrix, 1, {}), moment=moment_of(1))[portfolio.pk]

    assert (found.value["price_class"], found.value["nav"]) == ("suspect", before.value["nav"])
    parts = {each["symbol"]: each["component"] for each in found.risk["components"]}
    assert {symbol for symbol, part in parts.items() if part is None} == {"SPY", *HELD}


def test_an_option_on_a_doubtful_close_is_left_out_by_the_night_the_close_and_the_stream(stage):
    portfolio, matrix = stage
    before = portfolio.snapshots.get(session_date=START)
    QuarantinedPrice.objects.create(
        instrument=Instrument.objects.get(symbol="SPY"), symbol="SPY", dataset="daily_bars",
        session_date=START, source="csv", raw={"close": "230.0"}, value="230.0",
        reason="sources_differ",
    )  # fmt: skip

    [row] = snapshots.take(portfolio_ids=[portfolio.pk], session_date=START)
    [metric] = var.compute(portfolio_ids=[portfolio.pk], session_date=START).values()
    row.refresh_from_db()
    close = monitor.revalue_one(portfolio_id=portfolio.pk, moment=factories.closing())
    playing = monitor.revalue(state=state_at(matrix, 1, {}), moment=moment_of(1))[portfolio.pk]

    # its own quote is as good as it was; its delta was taken at the close in doubt
    assert row.nav == before.nav
    assert {each["symbol"]: each["reason"] for each in metric.excluded} == dict.fromkeys(
        ("SPY", *HELD), "price_suspect"
    )
    assert (row.vega_dollars, row.gamma_1pct_dollars) == (None, None)
    for each in (close, playing):
        assert float(each.risk["var"]) == pytest.approx(row.var_95_1d, abs=0.02)
        parts = {part["symbol"]: part["component"] for part in each.risk["components"]}
        assert {symbol for symbol, part in parts.items() if part is None} == {"SPY", *HELD}
    assert float(close.value["nav"]) == pytest.approx(float(row.nav), abs=0.01)


def test_the_first_value_of_a_held_option_reaches_its_holders_between_sessions(
    stage, django_capture_on_commit_callbacks
):
    portfolio, _ = stage
    symbol = "SPY160916P00191000"
    [made] = contracts.ensure(symbols=[symbol], by=BY).contracts.values()
    OptionQuote.objects.filter(contract=made).delete()
    ledger.book_opening(
        portfolio_id=portfolio.pk, instrument=made.instrument, quantity=Decimal(10),
        price=Decimal(2), session_date=START, source=f"test:{symbol}",
    )  # fmt: skip
    with django_capture_on_commit_callbacks(execute=True):
        monitor.after_close(portfolio_ids=[portfolio.pk], moment=factories.closing())
    assert live.load(portfolio.pk).value["marks"][symbol]["price"] is None

    for _ in range(2):
        nightly_greeks.run(session_date=START, held=[made.instrument_id])
    [event] = OutboxEvent.objects.filter(name=prices_arrived.name)
    assert event.payload == {"instrument_ids": str(made.underlying_id)}
    tasks.revalue_holders(**event.payload)

    shown = live.load(portfolio.pk).value["marks"][symbol]
    assert float(shown["price"]) > 0
    assert float(shown["delta_exposure"]) < 0


def test_limits_of_a_close_with_simulated_quotes_say_so(stage):
    portfolio, _ = stage
    limits.change(
        as_of=factories.CLOSE,
        portfolio_id=portfolio.pk, measure="var", value=Decimal(100), unit="currency",
        reason="test", by=factories.HOUSE,
    )  # fmt: skip

    limits.evaluate(portfolio_ids=[portfolio.pk], session_date=START)

    breach = LimitBreach.objects.get(portfolio=portfolio, measure="var")
    assert (breach.to_state, breach.simulated) == ("breach", True)
    assert Alert.objects.get(portfolio=portfolio, key="limit:var").simulated is True


def test_who_holds_only_an_option_on_a_name_is_measured_with_its_holders(stage):
    portfolio, _ = stage
    alone = factories.make_portfolio(name="Option alone")
    other = factories.make_portfolio(name="Another name")
    factories.hold(other, "XLE", 10)
    ledger.book_opening(
        portfolio_id=alone.pk, instrument=Instrument.objects.get(symbol=CALL), quantity=Decimal(1),
        price=Decimal(2), session_date=START, source="test:alone",
    )  # fmt: skip
    spy = Instrument.objects.get(symbol="SPY").pk

    found = monitor.revalue_holders(instrument_ids=[spy], moment=factories.closing())

    assert set(found) == {portfolio.pk, alone.pk}
    assert found[alone.pk] == monitor.revalue_one(portfolio_id=alone.pk, moment=factories.closing())
    ids = Instrument.objects.filter(symbol=SOLD).values_list("pk", flat=True)
    held = monitor.revalue_holders(instrument_ids=ids, moment=factories.closing())
    assert set(held) == {portfolio.pk}


def test_between_sessions_one_book_agrees_with_the_run_of_the_close(stage):
    portfolio, _ = stage

    record = monitor.revalue_one(portfolio_id=portfolio.pk, moment=factories.closing())

    # closes of options that rest on simulated quotes say so, and are no simulated minute
    metric = RiskMetric.objects.get(portfolio=portfolio, session_date=START)
    stored = selector.of_metric(metric, limits.in_force(portfolio_id=portfolio.pk))
    for each in (record, stored):
        assert (each.value["simulated"], each.risk["simulated"]) == (True, True)
        assert (each.value["played"], each.value["source"]) == (False, "close")
        assert each.value["price_class"] == "eod"
    row = portfolio.snapshots.get(session_date=START)
    assert float(record.risk["var"]) == pytest.approx(row.var_95_1d, abs=0.01)
    assert float(record.value["nav"]) == pytest.approx(float(row.nav), abs=0.01)


def judged(portfolio, symbol, side, quantity):
    portfolio.refresh_from_db()
    inputs = pretrade.gather(
        portfolio_id=portfolio.pk, symbols=[symbol], moment=factories.closing()
    )
    return pretrade.judge(
        portfolio=portfolio,
        inputs=inputs,
        proposed=[ProposedTrade(symbol, side, Decimal(quantity))],
        by=factories.HOUSE,
    )


def revalued(units, matrix, count=200_000):
    """VaR of signed units by another generator, path by path, without a grid."""
    names = ["SPY", "XLE", "EEM"]
    rows = [matrix.row(name) for name in names]
    root = np.linalg.cholesky(matrix.values[np.ix_(rows, rows)])
    moves = np.random.default_rng(1).standard_normal((count, len(names))) @ root.T
    gain = np.zeros(count)
    for symbol, held in units.items():
        if symbol in names:
            gain += held * close(symbol) * np.expm1(moves[:, names.index(symbol)])
            continue
        row, contract = unit(symbol), OptionContract.objects.get(instrument__symbol=symbol)
        years = time_to_expiry(factories.closing().as_of, contract.expiry)
        terms = (float(contract.strike), row.rate, row.dividend_yield, row.iv, years)
        call = contract.right == "call"
        value = bsm(SPOT * np.exp(moves[:, 0]), *terms, call).values[0]
        gain += held * 100 * (value - bsm(SPOT, *terms, call).values[0][0])
    return -np.quantile(gain, 0.05)


def test_the_gate_values_the_options_of_an_option_book_again(stage):
    portfolio, matrix = stage
    dollars, _ = delta_dollars()
    before = revalued({**SHARES, **HELD}, matrix)

    verdict = judged(portfolio, "SPY", "buy", 100)

    assert float(verdict.before["var"]) == pytest.approx(before, rel=0.03)
    # what is bought to hedge the short calls gains where they lose
    after = revalued({**SHARES, **HELD, "SPY": 600}, matrix)
    assert float(verdict.after["var"]) == pytest.approx(after, rel=0.03)
    assert float(verdict.before["es"]) > float(verdict.before["var"])
    assert float(verdict.before["delta_gross"]) == pytest.approx(
        sum(abs(each) for each in dollars.values()), abs=0.02
    )
    meta = verdict.document["meta"]
    assert (meta["method"], meta["options_by_delta"]) == ("full_revaluation_10000", 0)
    assert float(judged(portfolio, "SPY", "sell", 5).before["var"]) == float(verdict.before["var"])


def test_a_few_long_options_beside_shares_count_by_delta(stage):
    matrix = stage[1]
    book = factories.make_portfolio(name="Shares")
    factories.hold(book, "SPY", 2_000)
    bring(book, CALL, 2)
    delta = 200 * unit(CALL).delta * SPOT
    assert delta < 0.05 * (delta + 2_000 * SPOT)

    few, many = judged(book, "SPY", "buy", 1), judged(book, CALL, "buy", 20)

    assert few.document["meta"]["method"] == "parametric_ewma"
    assert few.document["meta"]["options_by_delta"] == 1
    dollars = {"SPY": 2_000 * SPOT + delta}
    assert float(few.before["var"]) == pytest.approx(Z * quadratic(dollars, matrix), abs=0.01)
    # the order itself makes it a book of options: both sides are measured alike
    assert many.document["meta"]["method"] == "full_revaluation_10000"
    assert float(many.before["var"]) == pytest.approx(
        revalued({"SPY": 2_000, CALL: 2}, matrix), rel=0.03
    )


def bring(portfolio, symbol, quantity):
    """Bring in contracts at two dollars a share."""
    ledger.book_opening(
        portfolio_id=portfolio.pk, instrument=Instrument.objects.get(symbol=symbol),
        quantity=Decimal(quantity), price=Decimal(2), session_date=START, source=f"test:{symbol}",
    )  # fmt: skip


def test_a_call_is_sold_short_only_where_shorts_are_allowed_and_as_far_as_it_is_revalued(stage):
    matrix = stage[1]
    barred = factories.make_portfolio(name="Barred")
    book = factories.make_portfolio(name="Writer", cash=100_000, allow_short=True)
    limits.change(
        as_of=factories.CLOSE, portfolio_id=book.pk, measure="gross", value=Decimal(10),
        reason="test", by=factories.HOUSE,
    )  # fmt: skip

    assert judged(barred, CALL, "sell", 1).reasons == ("OVERSELL",)
    verdict = judged(book, CALL, "sell", 40)

    assert verdict.reasons == ("VAR_LIMIT",)
    assert verdict.binding == "VAR_LIMIT"
    exact = revalued({CALL: -40}, matrix)
    assert float(verdict.after["var"]) == pytest.approx(exact, rel=0.03)
    # its delta alone says less than what a short option loses
    by_delta = Z * 4_000 * unit(CALL).delta * SPOT * math.sqrt(own_variance(matrix))
    assert exact > 1.03 * by_delta
    most = verdict.max_quantity
    assert most > 0
    assert judged(book, CALL, "sell", most).status == "APPROVED"
    assert "VAR_LIMIT" in judged(book, CALL, "sell", most + 1).reasons


def own_variance(matrix):
    return matrix.values[matrix.row("SPY"), matrix.row("SPY")]


def test_a_short_option_that_cannot_be_valued_again_refuses(stage):
    portfolio, _ = stage
    OptionGreeks.objects.filter(contract__instrument__symbol=SOLD).update(dividend_yield=None)

    verdict = judged(portfolio, "XLE", "buy", 1)

    assert (verdict.status, verdict.reasons) == ("UNAVAILABLE", ("VAR_UNAVAILABLE",))


@pytest.mark.parametrize(("symbol", "side"), [(CALL, "buy"), (PUT, "buy"), (SOLD, "buy")])
def test_an_order_for_an_option_counts_with_what_it_gains_and_costs_its_premium(
    stage, symbol, side
):
    portfolio, matrix = stage
    held = {**SHARES, **HELD}
    before = revalued(held, matrix)
    after = revalued({**held, symbol: held[symbol] + 5}, matrix)
    quote = OptionQuote.objects.get(contract__instrument__symbol=symbol, session_date=START)
    premium = 500 * float(quote.bid + quote.ask) / 2

    verdict = judged(portfolio, symbol, side, 5)

    assert verdict.status == "APPROVED"
    assert verdict.incremental_var == pytest.approx(after - before, rel=0.1)
    spent = float(verdict.before["cash"]) - float(verdict.after["cash"])
    assert spent == pytest.approx(premium, abs=0.2)
    # the size it says passes does pass, and one more does not
    most = verdict.max_quantity
    assert judged(portfolio, symbol, side, most).status == "APPROVED"
    assert judged(portfolio, symbol, side, most + 1).status == "REJECTED"


def test_what_cannot_be_measured_cannot_be_bought_and_does_not_stop_the_rest(stage):
    portfolio, _ = stage
    OptionGreeks.objects.filter(contract__instrument__symbol=CALL).delete()

    refused = judged(portfolio, CALL, "buy", 1)
    passed = judged(portfolio, "XLE", "buy", 1)

    assert (refused.status, refused.reasons) == ("UNAVAILABLE", ("VAR_UNAVAILABLE",))
    assert passed.status == "APPROVED"
    left = passed.document["meta"]["excluded"]
    assert [(each["symbol"], each["reason"]) for each in left] == [(CALL, "no_delta")]


def test_dividends_to_come_are_in_the_equity_of_the_gate_and_of_live_figures(stage):
    portfolio, matrix = stage
    state = state_at(matrix, 1, {})
    nav = float(monitor.revalue(state=state, moment=moment_of(1))[portfolio.pk].value["nav"])
    equity = float(judged(portfolio, "XLE", "buy", 1).before["nav"])
    [row] = locking.lock_portfolios(portfolio.pk)
    booking.append(
        row,
        EntryKind.DIVIDEND,
        "action:00000000-0000-4000-8000-000000000001",
        START,
        [Leg(LedgerAccount.ACCRUED, Decimal(5_000)), Leg(LedgerAccount.INCOME, Decimal(-5_000))],
        "",
    )

    monitor.forget()
    later = monitor.revalue(state=state, moment=moment_of(1))[portfolio.pk]

    assert float(later.value["nav"]) == pytest.approx(nav + 5_000, abs=0.02)
    assert float(later.value["day_pnl"]) == pytest.approx(5_000, abs=500)
    after = judged(portfolio, "XLE", "buy", 1)
    assert float(after.before["nav"]) == pytest.approx(equity + 5_000, abs=0.01)
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=START)
    [metric] = var.compute(portfolio_ids=[portfolio.pk], session_date=START).values()
    record = selector.of_metric(metric, limits.in_force(portfolio_id=portfolio.pk))
    assert float(record.value["nav"]) == pytest.approx(equity + 5_000, abs=0.01)


def test_a_contract_is_not_traded_after_the_close_of_its_last_day(stage):
    portfolio, _ = stage
    OptionContract.objects.filter(instrument__symbol=SOLD).update(expiry=START)

    refused = judged(portfolio, SOLD, "buy", 1)

    assert (refused.status, refused.reasons) == ("REJECTED", ("SYMBOL_INACTIVE",))
