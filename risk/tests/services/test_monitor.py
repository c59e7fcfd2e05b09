"""The live revaluation: all books on a bar, one after a trade, with and without the live store."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.test import override_settings

from etftrader.core import livestate, push
from etftrader.core.records import OutboxEvent
from etftrader.testing.rows import module_rows
from marketdata import live as market_live
from marketdata.events import doubt_settled
from marketdata.models import Instrument, QuarantinedPrice, Quote
from marketdata.selectors import calendar, prices
from marketdata.selectors.sessions import Moment
from marketdata.services import price_gate, stream
from portfolios.models import Portfolio, PortfolioSnapshot
from portfolios.selectors import holdings
from portfolios.services import ledger, snapshots
from risk import live
from risk.models import Alert, LimitBreach
from risk.services import covariance, limits, monitor, var
from risk.tests import factories
from risk.tests.doubt_cases import carry_out

pytestmark = pytest.mark.django_db

PLAYED = date(2016, 6, 23)


@pytest.fixture(autouse=True)
def _fresh_memory():
    monitor.forget()
    yield
    monitor.forget()


def moment_of(bar):
    opens = calendar.open_time(PLAYED)
    return Moment(
        as_of=opens + timedelta(minutes=bar), session_date=factories.START, playing=PLAYED, bar=bar,
        bars=390, round=1, revision=1, ended=False,
    )  # fmt: skip


def begun(row):
    matrix = covariance.matrices.of_row(row)
    closes = {s: float(np.asarray(x)[-1]) for s, x in _series(matrix.labels).items()}
    return stream.begin(
        moment=moment_of(0), labels=matrix.labels, covariance=matrix.values, covariance_id=row.pk,
        previous_close=closes, factors={}, source="SIM",
    )  # fmt: skip


def _series(labels):
    from marketdata.models import PriceSeries

    rows = PriceSeries.objects.filter(instrument__symbol__in=labels).select_related("instrument")
    return {each.instrument.symbol: each.close for each in rows}


def at(state, bar, factor=1.0):
    return replace(state, bar=bar, as_of=moment_of(bar).as_of, prices=state.previous_close * factor)


@pytest.fixture(scope="module")
def staged(django_db_setup, django_db_blocker):
    with module_rows(django_db_blocker):
        factories.load_bundle()
        row = covariance.compute_daily(session_date=factories.START)
        covariance.ensure_stressed(session_date=factories.START)
        portfolio = factories.make_rotation()
        snapshots.take(portfolio_ids=[portfolio.pk], session_date=factories.START)
        var.compute(portfolio_ids=[portfolio.pk], session_date=factories.START)
        yield portfolio.pk, row


@pytest.fixture
def stage(staged):
    portfolio_id, row = staged
    return Portfolio.objects.get(pk=portfolio_id), begun(row)


def test_before_the_first_bar_the_live_var_is_that_of_the_close(stage):
    portfolio, state = stage

    found = monitor.revalue(state=at(state, 1), moment=moment_of(1))

    risk = found[portfolio.pk].risk
    # the hybrid matrix starts as the daily one
    assert float(risk["var"]) == pytest.approx(9_924.57, abs=0.02)
    assert float(risk["var_daily"]) == pytest.approx(9_924.57, abs=0.02)
    assert risk["simulated"] is True
    assert float(found[portfolio.pk].value["nav"]) == pytest.approx(1_014_548.55, abs=0.01)
    parts = sum(float(each["component"]) for each in risk["components"])
    assert parts == pytest.approx(float(risk["var"]), abs=0.2)
    assert sum(each["share"] for each in risk["components"]) == pytest.approx(1.0)


def test_a_bar_moves_nav_exposures_and_the_pnl_of_the_day(stage):
    portfolio, state = stage

    found = monitor.revalue(state=at(state, 2, 1.01), moment=moment_of(2))

    # 1 % of 1,014,548.55 - 10,326.72
    value = found[portfolio.pk].value
    assert float(value["day_pnl"]) == pytest.approx(10_042.22, abs=0.02)
    assert value["day_return"] == pytest.approx(10_042.22 / 1_014_548.55, rel=1e-5)


def test_what_is_brought_in_or_paid_in_while_a_session_plays_is_no_gain(stage):
    portfolio, state = stage
    before = monitor.revalue(state=at(state, 2, 1.01), moment=moment_of(2))[portfolio.pk]
    ledger.book_opening(
        portfolio_id=portfolio.pk, instrument=Instrument.objects.get(symbol="TLT"),
        quantity=Decimal(300), price=Decimal("131.5"), session_date=PLAYED, source="test:opening",
    )  # fmt: skip
    ledger.book_flow(
        portfolio_id=portfolio.pk, amount=Decimal(5_000), session_date=PLAYED, source="test:in",
        by=factories.HOUSE,
    )  # fmt: skip

    after = monitor.revalue(state=at(state, 3, 1.01), moment=moment_of(3))[portfolio.pk]

    # the opening gained what it is worth above its cost, and nothing else
    worth = 300 * 1.01 * state.previous_close[state.symbols.index("TLT")]
    gained = float(after.value["day_pnl"]) - float(before.value["day_pnl"])
    assert gained == pytest.approx(worth - 300 * 131.5, abs=0.02)
    nav = float(after.value["nav"]) - float(before.value["nav"])
    assert nav == pytest.approx(worth + 5_000, abs=0.02)
    # and the page that values the book now says the same
    flow = holdings.flows_of(after={portfolio.pk: factories.START}, until=PLAYED)[portfolio.pk]
    assert flow == Decimal(300) * Decimal("131.5") + 5_000


@pytest.mark.parametrize("amount", [-500_000, 500_000])
def test_what_goes_out_worked_all_day_and_what_comes_in_does_too(stage, amount):
    portfolio, state = stage
    opening = float(portfolio.snapshots.get(session_date=factories.START).nav)
    if amount < 0:
        ledger.book_flow(
            portfolio_id=portfolio.pk, amount=Decimal(-amount), session_date=factories.START,
            source="test:before", by=factories.HOUSE,
        )  # fmt: skip
        snapshots.take(portfolio_ids=[portfolio.pk], session_date=factories.START)
        opening -= amount
    ledger.book_flow(
        portfolio_id=portfolio.pk, amount=Decimal(amount), session_date=PLAYED,
        source="test:flow", by=factories.HOUSE,
    )  # fmt: skip

    value = monitor.revalue(state=at(state, 2, 1.01), moment=moment_of(2))[portfolio.pk].value

    base = opening + max(amount, 0)
    assert value["day_return"] == pytest.approx(float(value["day_pnl"]) / base, rel=1e-5)


def test_a_value_is_as_fresh_as_the_oldest_price_in_it(stage):
    portfolio, state = stage
    mixed = factories.make_portfolio(name="Mixed", cash=2_000_000)
    fund = factories.make_private(mixed)
    factories.hold(mixed, "SPY", 1_000)
    mark = prices.marks(instruments=[fund], session_date=factories.START)[fund.pk]

    found = monitor.revalue(state=at(state, 3), moment=moment_of(3))

    assert found[portfolio.pk].value["price_class"] == "live"
    assert found[mixed.pk].value["price_class"] == mark.price_class != "live"
    # between sessions the closes count, the oldest of them
    at_rest = monitor.revalue_one(portfolio_id=mixed.pk, moment=factories.closing())
    assert at_rest.value["price_class"] == mark.price_class


def test_a_price_in_doubt_keeps_the_value_and_leaves_the_risk(stage):
    portfolio, state = stage
    fund = Instrument.objects.get(symbol="SPY")
    before = monitor.revalue(state=at(state, 30), moment=moment_of(30))[portfolio.pk]
    Quote.objects.create(
        instrument=fund, price=Decimal("208.10"), session_date=PLAYED, source="SIM",
        as_of=moment_of(29).as_of,
    )  # fmt: skip
    doubt = QuarantinedPrice.objects.create(
        instrument=fund, symbol="SPY", dataset="quotes", session_date=PLAYED, source="yfinance",
        as_of=moment_of(30).as_of, raw={"price": "300.0"}, value="300.0", reason="jump",
    )  # fmt: skip

    found = monitor.revalue(state=at(state, 31), moment=moment_of(31))[portfolio.pk]

    assert (found.value["price_class"], found.value["nav"]) == ("suspect", before.value["nav"])
    assert float(found.risk["var"]) < float(before.risk["var"])
    left_out = [each["symbol"] for each in found.risk["components"] if each["component"] is None]
    assert left_out == ["SPY"]
    share = 321 * 208.10 / sum(abs(float(m["exposure"])) for m in found.value["marks"].values())
    assert found.risk["coverage"] == pytest.approx(1 - share, rel=1e-4)
    assert found.risk["quality"] == "limited"

    price_gate.reject(doubt_id=doubt.pk, by=factories.HOUSE)
    after = monitor.revalue(state=at(state, 32), moment=moment_of(32))[portfolio.pk]
    assert (after.value["price_class"], after.risk["coverage"]) == ("live", 1.0)


def test_a_close_in_doubt_is_left_out_of_the_figures_between_sessions(stage):
    portfolio, _ = stage
    before = monitor.revalue_one(portfolio_id=portfolio.pk, moment=factories.closing())
    QuarantinedPrice.objects.create(
        instrument=Instrument.objects.get(symbol="SPY"), symbol="SPY", dataset="daily_bars",
        session_date=factories.START, source="csv", raw={"close": "230.0"}, value="230.0",
        reason="sources_differ",
    )  # fmt: skip

    found = monitor.revalue_one(portfolio_id=portfolio.pk, moment=factories.closing())

    assert (found.value["price_class"], found.value["nav"]) == ("suspect", before.value["nav"])
    assert before.value["price_class"] == "eod"
    parts = {each["symbol"]: each["component"] for each in found.risk["components"]}
    assert [symbol for symbol, part in parts.items() if part is None] == ["SPY"]
    assert found.risk["coverage"] < 1.0


def test_after_a_rejection_the_books_that_hold_the_name_are_measured_again(
    stage, django_capture_on_commit_callbacks
):
    portfolio, _ = stage
    other = factories.make_portfolio(name="Other", cash=100_000)
    factories.hold(other, "TLT", 10)
    fund = Instrument.objects.get(symbol="SPY")
    doubt = QuarantinedPrice.objects.create(
        instrument=fund, symbol="SPY", dataset="daily_bars", session_date=factories.START,
        source="csv", raw={"close": "230.0"}, value="230.0", reason="sources_differ",
    )  # fmt: skip
    with django_capture_on_commit_callbacks(execute=True):
        monitor.after_close(portfolio_ids=[portfolio.pk], moment=factories.closing())
    left_out = live.load(portfolio.pk)
    assert (left_out.risk["quality"], left_out.value["price_class"]) == ("limited", "suspect")
    kept = set(PortfolioSnapshot.objects.values_list("pk", "revision"))

    price_gate.reject(doubt_id=doubt.pk, by=factories.HOUSE)
    [event] = OutboxEvent.objects.filter(name=doubt_settled.name)
    carry_out(event)

    found = live.load(portfolio.pk)
    assert (found.risk["quality"], found.value["price_class"]) == ("full", "eod")
    assert float(found.risk["var"]) == pytest.approx(9_924.57, abs=0.02)
    assert live.load(other.pk) is None
    assert set(PortfolioSnapshot.objects.values_list("pk", "revision")) == kept


def test_it_agrees_with_one_book_at_a_time(stage):
    portfolio, state = stage
    other = factories.make_portfolio(name="Pair", allow_short=True)
    factories.hold(other, "SPY", 1_000)
    factories.hold(other, "EEM", -3_500)
    bar = at(state, 3, 0.99)

    found = monitor.revalue(state=bar, moment=moment_of(3))

    place = {symbol: row for row, symbol in enumerate(bar.symbols)}
    for book in (portfolio, other):
        exposures = np.zeros(len(bar.symbols))
        for position in book.positions.all():
            row = place[position.instrument.symbol]
            exposures[row] = float(position.quantity) * bar.prices[row]
        expected = 1.6448536269514722 * np.sqrt(exposures @ bar.hybrid @ exposures)
        assert float(found[book.pk].risk["var"]) == pytest.approx(expected, abs=0.01)


def test_channels_and_record_carry_the_whole_value(stage, django_capture_on_commit_callbacks):
    portfolio, state = stage

    with django_capture_on_commit_callbacks(execute=True):
        for bar in (1, 2, 3):
            monitor.revalue(state=at(state, bar), moment=moment_of(bar))

    told = push.newest(f"portfolio.{portfolio.pk}.risk")
    assert told["event"] == "risk.updated"
    assert told["data"]["as_of"] == "2016-06-23T13:33:00Z"
    assert set(live.RiskUpdate.__annotations__) == set(told["data"])
    assert set(push.newest(f"portfolio.{portfolio.pk}.value")["data"]) == set(
        live.ValueUpdate.__annotations__
    )
    record = live.load(portfolio.pk)
    assert len(record.times) == len(record.series) == 3
    assert record.times[-1] == moment_of(3).as_of.timestamp()


def test_the_line_of_today_is_bounded_and_goes_on_after_a_restart(stage):
    portfolio, state = stage
    for bar in (1, 2):
        monitor.revalue(state=at(state, bar), moment=moment_of(bar))

    monitor.forget()
    monitor.revalue(state=at(state, 3), moment=moment_of(3))

    assert len(live.load(portfolio.pk).times) == 3


def test_books_are_read_again_only_when_their_ledger_moved(stage, django_assert_num_queries):
    portfolio, state = stage
    monitor.revalue(state=at(state, 1), moment=moment_of(1))

    # portfolios, prices in doubt, the matrix in force, limits
    with django_assert_num_queries(4):
        monitor.revalue(state=at(state, 2), moment=moment_of(2))

    factories.hold(portfolio, "SPY", -321, factories.START)
    found = monitor.revalue(state=at(state, 3), moment=moment_of(3))
    assert "SPY" not in found[portfolio.pk].value["marks"]


def test_a_live_breach_is_one_simulated_alert_and_goes_when_it_ends(
    stage, django_capture_on_commit_callbacks
):
    portfolio, state = stage
    limits.change(
        as_of=factories.CLOSE,
        portfolio_id=portfolio.pk, measure="var", value=Decimal("9000"), unit="currency",
        reason="test", by=factories.HOUSE,
    )  # fmt: skip

    with django_capture_on_commit_callbacks(execute=True):
        for bar in range(1, 6):
            monitor.revalue(state=at(state, bar), moment=moment_of(bar))

    alert = Alert.objects.get(portfolio=portfolio, key="limit:var")
    assert (alert.severity, alert.simulated, alert.count) == ("critical", True, 1)
    assert LimitBreach.objects.filter(portfolio=portfolio).count() == 1
    told = push.newest(f"portfolio.{portfolio.pk}.limits")["data"]["limits"]
    assert next(each for each in told if each["measure"] == "var")["state"] == "breach"

    monitor.revalue(state=at(state, 6, 0.5), moment=moment_of(6))
    alert.refresh_from_db()
    assert alert.state == "resolved"


def test_without_the_live_store_figures_and_alerts_go_on(stage):
    portfolio, state = stage
    livestate.client.cache_clear()
    livestate.script.cache_clear()
    with override_settings(LIVE_URL="redis://127.0.0.1:1/0"):
        found = monitor.revalue(state=at(state, 1), moment=moment_of(1))
    livestate.client.cache_clear()
    livestate.script.cache_clear()

    assert float(found[portfolio.pk].risk["var"]) == pytest.approx(9_924.57, abs=0.02)
    assert live.load(portfolio.pk) is None

    monitor.revalue(state=at(state, 2), moment=moment_of(2))
    assert len(live.load(portfolio.pk).times) == 2


def test_one_book_between_sessions_is_measured_at_the_close(stage):
    portfolio, _ = stage
    factories.hold(portfolio, "TLT", 50, factories.START)

    record = monitor.revalue_one(portfolio_id=portfolio.pk, moment=factories.closing())

    assert record.risk["method"] == "parametric_ewma"
    assert (record.risk["simulated"], record.risk["played"]) == (False, False)
    assert float(record.risk["var"]) < 9_924.57


def test_one_book_in_a_session_uses_the_live_state(stage):
    portfolio, state = stage
    market_live.save(at(state, 4))

    record = monitor.revalue_one(portfolio_id=portfolio.pk, moment=moment_of(4))

    assert record.risk["method"] == "hybrid"
    assert record.risk["as_of"] == "2016-06-23T13:34:00Z"


def test_a_private_fund_keeps_its_value_and_lowers_the_coverage(stage):
    _, state = stage
    portfolio = factories.make_portfolio(name="Private", cash=2_000_000)
    factories.make_private(portfolio)
    factories.hold(portfolio, "SPY", 1_000)

    found = monitor.revalue(state=at(state, 1), moment=moment_of(1))[portfolio.pk]

    # 208,100 of 458,100
    assert found.risk["coverage"] == pytest.approx(208_100 / 458_100)
    assert found.risk["quality"] == "limited"


def test_empty_and_closed_portfolios_are_left_alone(stage):
    portfolio, state = stage
    empty = factories.make_portfolio(name="Empty")

    found = monitor.revalue(state=at(state, 1), moment=moment_of(1))

    assert set(found) == {portfolio.pk}
    assert monitor.revalue_one(portfolio_id=empty.account_id, moment=moment_of(1)) is None
