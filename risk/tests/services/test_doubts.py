"""A price in doubt: one rule for the night, the live page, the close and the gate, and its end."""

from datetime import date
from decimal import Decimal

import pytest

from etftrader.core import push
from etftrader.core.records import OutboxEvent
from etftrader.testing.rows import module_rows
from marketdata.choices import Source
from marketdata.events import doubt_raised, doubt_settled, prices_arrived
from marketdata.models import DailyBar, Instrument, QuarantinedPrice
from marketdata.services import price_gate
from marketdata.tests.option_world import bars
from marketdata.tests.selectors.test_suspects import bring_in
from portfolios.models import Portfolio, PortfolioSnapshot
from portfolios.selectors import holdings, positions
from portfolios.services import ledger, snapshots
from risk import live
from risk.models import Alert, LimitBreach, RiskMetric
from risk.selectors import var as selector
from risk.services import covariance, limits, monitor, pretrade_inputs, var
from risk.tests import factories
from risk.tests.doubt_cases import carry_out
from risk.tests.services.test_monitor import at, begun, moment_of
from risk.tests.services.test_pretrade import judged

pytestmark = pytest.mark.django_db
START, PLAYED = factories.START, date(2016, 6, 23)
BOUGHT = date(2016, 3, 31)


@pytest.fixture(scope="module")
def staged(django_db_setup, django_db_blocker):
    with module_rows(django_db_blocker):
        factories.load_bundle()
        row = covariance.compute_daily(session_date=START)
        covariance.ensure_stressed(session_date=START)
        portfolio = factories.make_rotation()
        measured(portfolio)
        yield portfolio.pk, row


@pytest.fixture
def stage(staged):
    monitor.forget()
    portfolio_id, row = staged
    yield Portfolio.objects.get(pk=portfolio_id), begun(row)
    monitor.forget()


def measured(portfolio):
    [row] = snapshots.take(portfolio_ids=[portfolio.pk], session_date=START)
    var.compute(portfolio_ids=[portfolio.pk], session_date=START)
    row.refresh_from_db()
    return row


def doubted(symbol, value="230.0"):
    """A second source of the last close is held back."""
    return QuarantinedPrice.objects.create(
        instrument=Instrument.objects.get(symbol=symbol), symbol=symbol, dataset="daily_bars",
        session_date=START, source="csv", raw={"close": value}, value=value,
        reason="sources_differ",
    )  # fmt: skip


def outside(symbol="OFF", closes=((BOUGHT, 50.0), (START, 50.0))):
    """A fund no matrix and no live state knows."""
    fund = Instrument.objects.create(
        symbol=symbol, name=symbol, kind="etf", price_basis="close", active=True
    )
    if closes:
        bars(fund, closes)
    return fund


def bought(portfolio, fund, quantity=100):
    ledger.book_fill(
        portfolio_id=portfolio.pk, instrument=fund, quantity=Decimal(quantity), price=Decimal(50),
        fee=Decimal(0), source=f"test:{fund.symbol}", session_date=START,
    )  # fmt: skip


def told(event):
    return list(OutboxEvent.objects.filter(name=event.name).order_by("pk"))


def left_out(record):
    return {each["symbol"] for each in record.risk["components"] if each["component"] is None}


def test_the_night_the_live_page_the_close_and_the_gate_say_the_same(stage, monkeypatch):
    portfolio, state = stage
    before = portfolio.snapshots.get(session_date=START)
    monkeypatch.setattr(pretrade_inputs, "DEPENDENCY_MAX_S", 60.0)
    doubted("SPY")

    row = measured(portfolio)
    metric = RiskMetric.objects.get(portfolio=portfolio, session_date=START)
    stored = selector.of_metric(metric, limits.in_force(portfolio_id=portfolio.pk))
    close = monitor.revalue_one(portfolio_id=portfolio.pk, moment=factories.closing())
    playing = monitor.revalue(state=at(state, 1), moment=moment_of(1))[portfolio.pk]

    # it keeps its last good value, and leaves the risk
    assert (row.nav, row.revision, row.quality) == (before.nav, before.revision + 1, "stale")
    assert row.var_95_1d < before.var_95_1d - 100
    [excluded] = metric.excluded
    assert (excluded["symbol"], excluded["reason"]) == ("SPY", "price_suspect")
    line = row.positions.get(instrument__symbol="SPY")
    assert (line.price_class, line.reason, float(line.price)) == ("suspect", "price_suspect", 208.1)
    for each in (stored, close, playing):
        assert float(each.value["nav"]) == pytest.approx(float(row.nav), abs=0.01)
        assert float(each.risk["var"]) == pytest.approx(row.var_95_1d, abs=0.02)
        assert float(each.risk["stressed_var"]) == pytest.approx(row.stressed_var_95_1d, abs=0.02)
        assert each.risk["coverage"] == pytest.approx(row.risk_coverage, rel=1e-6)
        assert each.risk["quality"] == metric.quality == "limited"
        assert each.value["price_class"] == "suspect"
        assert left_out(each) == {"SPY"}
    page = positions.now(portfolio=portfolio, moment=factories.closing())
    past = positions.at(portfolio=portfolio, session_date=START)
    assert page.nav == past.nav == row.nav
    assert page.valuation.coverage == past.valuation.coverage == row.coverage
    # without a sure VaR the gate lets nothing through
    verdict = judged(portfolio, "TLT", "buy", 1)
    assert (verdict.status, verdict.reasons) == ("UNAVAILABLE", ("PRICE_SUSPECT",))


def test_a_walk_over_the_past_marks_it_as_the_night_did(stage):
    portfolio, _ = stage
    earlier = date(2016, 6, 21)
    doubted("SPY")
    night = measured(portfolio)

    [eve, again] = snapshots.take_range(portfolio_ids=[portfolio.pk], sessions=[earlier, START])

    # what was known the evening before is not touched by what came later
    assert eve.positions.get(instrument__symbol="SPY").price_class == "eod"
    assert again.positions.get(instrument__symbol="SPY").price_class == "suspect"
    assert (again.nav, again.coverage) == (night.nav, night.coverage)


def test_a_doubt_that_comes_after_the_night_revises_it_and_its_end_does_too(stage):
    portfolio, _ = stage
    before = portfolio.snapshots.get(session_date=START)
    fund = Instrument.objects.get(symbol="SPY")

    doubt = bring_in(fund, START, 230.0)
    [event] = told(doubt_raised)
    since = START.isoformat()
    assert event.payload == {"instrument_id": str(fund.pk), "since": since, "newest": "yes"}
    carry_out(event)

    row = portfolio.snapshots.get(session_date=START)
    assert (row.revision, row.nav) == (before.revision + 1, before.nav)
    assert row.var_95_1d < before.var_95_1d - 100
    assert live.load(portfolio.pk).value["price_class"] == "suspect"

    price_gate.reject(doubt_id=doubt.pk, by=factories.HOUSE)
    [event] = told(doubt_settled)
    carry_out(event)

    row.refresh_from_db()
    assert row.positions.get(instrument__symbol="SPY").price_class == "eod"
    assert row.var_95_1d == pytest.approx(before.var_95_1d)
    assert (row.quality, row.coverage) == (before.quality, before.coverage)
    assert live.load(portfolio.pk).value["price_class"] == "eod"
    # twice is once
    carry_out(event)
    assert portfolio.snapshots.get(session_date=START).revision == row.revision


def test_an_old_doubt_that_is_settled_mends_the_record_of_its_session(stage):
    portfolio, _ = stage
    loss = portfolio.snapshots.get(session_date=START).var_95_1d
    doubt = bring_in(Instrument.objects.get(symbol="SPY"), START, 230.0)
    measured(portfolio)
    factories.advance(PLAYED)
    [later] = snapshots.take(portfolio_ids=[portfolio.pk], session_date=PLAYED)
    assert later.positions.get(instrument__symbol="SPY").price_class == "eod"

    price_gate.reject(doubt_id=doubt.pk, by=factories.HOUSE)
    [event] = told(doubt_settled)
    carry_out(event)

    row = portfolio.snapshots.get(session_date=START)
    assert row.positions.get(instrument__symbol="SPY").price_class == "eod"
    assert row.var_95_1d == pytest.approx(loss)


def test_the_stream_forgets_a_doubt_that_was_settled_although_no_book_moved(
    stage, django_capture_on_commit_callbacks
):
    portfolio, state = stage
    bought(portfolio, outside())
    doubt = doubted("OFF", "60.0")
    first = monitor.revalue(state=at(state, 1), moment=moment_of(1))[portfolio.pk]
    assert first.value["price_class"] == "suspect"

    price_gate.reject(doubt_id=doubt.pk, by=factories.HOUSE)
    with django_capture_on_commit_callbacks(execute=True):
        found = monitor.revalue(state=at(state, 2), moment=moment_of(2))[portfolio.pk]

    assert found.ledger_seq == first.ledger_seq
    assert found.value["price_class"] == live.load(portfolio.pk).value["price_class"] == "eod"
    shown = push.newest(f"portfolio.{portfolio.pk}.value")["data"]
    assert (shown["price_class"], shown["as_of"]) == ("eod", "2016-06-23T13:32:00Z")


def test_the_stream_takes_a_price_in_that_was_missing_although_no_book_moved(stage):
    portfolio, state = stage
    fund = outside(closes=())
    bought(portfolio, fund)
    first = monitor.revalue(state=at(state, 1), moment=moment_of(1))[portfolio.pk]
    assert first.value["marks"]["OFF"]["price"] is None

    bars(fund, [(START, 55.0)])
    found = monitor.revalue(state=at(state, 2), moment=moment_of(2))[portfolio.pk]

    assert found.value["marks"]["OFF"]["price"] == "55.0000"
    assert float(found.value["nav"]) == pytest.approx(float(first.value["nav"]) + 5_500, abs=0.01)


def test_between_sessions_the_first_price_of_a_held_name_reaches_its_holders(
    stage, django_capture_on_commit_callbacks
):
    portfolio, _ = stage
    fund = outside(closes=())
    bought(portfolio, fund)
    other = factories.make_portfolio(name="Other")
    row = measured(portfolio)
    with django_capture_on_commit_callbacks(execute=True):
        monitor.after_close(portfolio_ids=[portfolio.pk], moment=factories.closing())
    assert live.load(portfolio.pk).value["marks"]["OFF"]["price"] is None

    bring_in(fund, START, 55.0)
    [event] = told(prices_arrived)
    assert event.payload == {"instrument_ids": str(fund.pk)}
    assert holdings.held_among(instrument_ids=[fund.pk]) == {fund.pk}
    carry_out(event)

    assert live.load(portfolio.pk).value["marks"]["OFF"]["price"] == "55.0000"
    assert live.load(other.pk) is None
    again = PortfolioSnapshot.objects.get(pk=row.pk)
    assert (again.nav, again.revision) == (row.nav + 5_500, row.revision + 1)
    # what follows the first price is no arrival
    bring_in(fund, PLAYED, 56.0)
    assert len(told(prices_arrived)) == 1


def test_only_what_some_book_holds_is_asked_about(stage):
    portfolio, _ = stage
    held, alone = outside("HELD"), outside("ALONE")
    bought(portfolio, held)

    assert holdings.held_among(instrument_ids=[held.pk, alone.pk]) == {held.pk}


def test_a_close_that_was_simulated_marks_the_limits_it_breaks(stage):
    portfolio, _ = stage
    fund = outside(closes=())
    DailyBar.objects.create(
        instrument=fund, session_date=START, source=Source.SIM, close=Decimal(50),
        price_basis="close",
    )  # fmt: skip
    limits.change(
        as_of=factories.CLOSE,
        portfolio_id=portfolio.pk, measure="var", value=Decimal(100), unit="currency",
        reason="test", by=factories.HOUSE,
    )  # fmt: skip
    limits.evaluate(portfolio_ids=[portfolio.pk], session_date=START)
    real = LimitBreach.objects.get(portfolio=portfolio)
    assert (real.to_state, real.simulated) == ("breach", False)

    bought(portfolio, fund)
    measured(portfolio)
    limits.change(
        as_of=factories.CLOSE,
        portfolio_id=portfolio.pk, measure="gross", value=Decimal(100), unit="currency",
        reason="test", by=factories.HOUSE,
    )  # fmt: skip
    limits.evaluate(portfolio_ids=[portfolio.pk], session_date=START)

    made_up = LimitBreach.objects.get(portfolio=portfolio, measure="gross")
    assert (made_up.to_state, made_up.simulated) == ("breach", True)
    assert Alert.objects.get(portfolio=portfolio, key="limit:gross").simulated is True
    metric = RiskMetric.objects.get(portfolio=portfolio, session_date=START)
    stored = selector.of_metric(metric, limits.in_force(portfolio_id=portfolio.pk))
    close = monitor.revalue_one(portfolio_id=portfolio.pk, moment=factories.closing())
    assert stored.risk["simulated"] is close.risk["simulated"] is True
