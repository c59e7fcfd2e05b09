"""A split and a dividend in a day: prices, books, waiting orders and stops change once, together."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from etftrader import day, outcomes, tasks
from etftrader.core import jobs
from etftrader.core.actor import Actor, system
from etftrader.core.records import AuditEvent, JobRun
from etftrader.schedule import STEPS
from etftrader.services import actions, beginning
from marketdata.models import CorporateAction, DailyBar, Instrument, OptionContract
from marketdata.selectors import calendar, sessions
from marketdata.services import action_edits, price_sync, replay
from portfolios.models import LedgerEntry, Portfolio, PortfolioSnapshot, Position
from portfolios.tests import factories
from risk.models import Alert, StopEvent, StopLossLevel
from risk.services import stop_loss
from trading.models import Order
from trading.services import order_splits
from trading.tests import world

pytestmark = pytest.mark.django_db
BY = system("test")
DAYS = calendar.between(date(2020, 2, 3), date(2020, 7, 6))
START, EX, AFTER = date(2020, 6, 29), date(2020, 6, 30), date(2020, 7, 1)
OPENED = date(2020, 6, 22)
DRIFT = (0, 0.4, -0.3, 0.2, -0.5, 0.6, -0.1)


@pytest.fixture(autouse=True)
def played(tmp_path: Path, settings: Any) -> None:
    """AAA splits four for one at EX and pays half a dollar a new share a session later."""
    settings.MARKETDATA_PROVIDER, settings.CSV_FOLDER = "csv", str(tmp_path)
    settings.REPLAY_START_GIVEN, settings.REPLAY_START = True, START
    lines = ["date,symbol,close,volume,split,dividend"]
    for place, session in enumerate(DAYS):
        level = 400 + DRIFT[place % 7] * 4
        split, dividend = ("4" if session == EX else ""), ("0.5" if session == AFTER else "")
        close = level / 4 if session >= EX else level
        lines.append(f"{session},AAA,{close},1000000,{split},{dividend}")
        lines.append(f"{session},BBB,{50 + DRIFT[(place * 3) % 7]},1000000,,")
        lines.append(f"{session},^VIX,18,,,")
    (tmp_path / "prices.csv").write_text("\n".join([*lines, ""]))


@pytest.fixture
def book() -> Portfolio:
    """A hundred shares since a week ago, with stops on, at the eve of the split."""
    replay.ensure()
    price_sync.load_history(until=START)
    aaa = Instrument.objects.get(symbol="AAA")
    portfolio = factories.make_portfolio(cash=100_000, session_date=OPENED, opened_on=OPENED)
    factories.fill(portfolio, aaa, 100, 400, session_date=OPENED)
    stop_loss.set_rule(
        portfolio_id=portfolio.pk,
        enabled=True,
        mode="table",
        ratchet=True,
        if_match_version=None,
        by=BY,
    )
    day.run(session_date=START, by=BY)
    portfolio.refresh_from_db()
    return portfolio


def order(portfolio: Portfolio, quantity: Any, placed: datetime, **fields: Any) -> Order:
    given = {
        "instrument": Instrument.objects.get(symbol="AAA"),
        "client_order_id": f"{quantity} {placed:%d}",
        "side": "buy",
        "state": "accepted",
        "session_date": START,
    }
    return Order.objects.create(
        portfolio=portfolio, quantity=Decimal(quantity), placed_as_of=placed, **given | fields
    )


def held(portfolio: Portfolio) -> Decimal:
    return Position.objects.get(portfolio=portfolio, instrument__symbol="AAA").quantity


def close_of(session: date) -> Decimal:
    return DailyBar.objects.get(instrument__symbol="AAA", session_date=session).close


def snapshot(portfolio: Portfolio, session: date) -> PortfolioSnapshot:
    return PortfolioSnapshot.objects.get(portfolio=portfolio, session_date=session)


def everything() -> list[Any]:
    return [
        list(LedgerEntry.objects.order_by("pk").values("pk", "seq", "amount")),
        list(Position.objects.order_by("pk").values("pk", "quantity", "cost_basis")),
        list(PortfolioSnapshot.objects.order_by("pk").values("pk", "nav", "daily_pnl")),
        list(StopLossLevel.objects.order_by("pk").values("pk", "stop_price", "extreme")),
        list(Order.objects.order_by("pk").values("pk", "quantity", "state", "version")),
        list(DailyBar.objects.order_by("instrument", "session_date").values("close", "revision")),
    ]


def test_a_split_changes_prices_books_and_stops_once_and_no_value(book: Portfolio) -> None:
    before = StopLossLevel.objects.get(portfolio=book)
    level = close_of(START)
    assert before.stop_price > 300

    runs = day.advance(by=BY, until=EX)

    assert {run.status for run in runs} == {"succeeded"}
    assert [run.step for run in runs] == [step.name for step in STEPS]
    assert held(book) == 400
    assert close_of(START) == pytest.approx(level / 4, abs=Decimal("0.0001"))
    after = snapshot(book, EX)
    assert after.nav == Decimal(60_000) + 400 * close_of(EX)
    assert abs(after.identity_gap) < Decimal("0.01")
    # the session before keeps its value: it is told in its own shares
    assert abs(snapshot(book, START).nav - (Decimal(60_000) + 100 * level)) < Decimal("0.01")
    stop = StopLossLevel.objects.get(portfolio=book)
    assert stop.session_date == EX
    assert float(stop.stop_price) == pytest.approx(float(before.stop_price) / 4, rel=0.02)
    assert (stop.state, StopEvent.objects.filter(kind="triggered").count()) == ("armed", 0)

    whole = everything()
    again = day.run(session_date=EX, by=BY)
    assert [run.pk for run in again] == [run.pk for run in runs]
    day.run(session_date=EX, by=BY, again=True)
    assert everything() == whole

    day.advance(by=BY, until=AFTER)
    assert snapshot(book, AFTER).nav == Decimal(60_000) + 400 * close_of(AFTER) + 200
    assert abs(snapshot(book, AFTER).identity_gap) < Decimal("0.01")
    day.run(session_date=AFTER, by=BY, again=True)
    paid = LedgerEntry.objects.filter(source__endswith=":paid", leg=1)
    assert paid.count() == 1


def test_a_closed_book_still_gets_what_it_is_owed(book: Portfolio) -> None:
    day.advance(by=BY, until=EX)
    factories.fill(book, Instrument.objects.get(symbol="AAA"), -400, 100, session_date=AFTER)
    Portfolio.objects.filter(pk=book.pk).update(status="closed")

    day.advance(by=BY, until=AFTER)

    [run] = [each for each in day.status(session_date=AFTER) if each.step == "bookings"]
    assert run.portfolio_ids == [str(book.pk)]
    # it held at the open of the ex-date
    paid = LedgerEntry.objects.get(portfolio=book, source__endswith=":paid", account="cash")
    assert paid.amount == 200
    assert "snapshots" not in {each.step for each in day.status(session_date=AFTER)}


def test_a_split_by_hand_that_no_price_shows_changes_no_book(book: Portfolio) -> None:
    bbb = Instrument.objects.get(symbol="BBB")
    factories.fill(book, bbb, 100, 50, session_date=OPENED)
    before = list(DailyBar.objects.filter(instrument=bbb).order_by("session_date").values())
    boss = Actor.of_user(factories.make_user("boss@example.com", is_superuser=True))

    actions.enter(
        symbol="BBB", kind="split", ex_date=START, ratio=Decimal(4), latest=START, by=boss
    )
    jobs.run_now(JobRun.objects.get(job="etftrader.revise"))

    assert CorporateAction.objects.get(instrument=bbb).status == "pending"
    assert Position.objects.get(portfolio=book, instrument=bbb).quantity == 100
    kept = DailyBar.objects.filter(instrument=bbb).order_by("session_date")
    assert list(kept.values()) == before
    steps = {each.step: each for each in day.status(session_date=START)}
    run = steps["actions"]
    [item] = [each for each in run.items if each["status"] == "skipped"]
    assert item["reason"]["code"] == "price_contradicts"
    assert [each["code"] for each in run.warnings] == ["action_held"]
    # nobody's books wait for the person who decides, and staff are told once
    assert (run.status, steps["bookings"].status) == ("succeeded", "succeeded")
    for _ in range(2):
        day.run(session_date=START, by=BY, steps=["actions"], again=True)
        outcomes.heed(run_id=run.pk)
        tasks.sweep()
    [told] = Alert.objects.of_book(None)
    assert (told.key, told.state, told.count) == ("actions_held", "open", 1)
    assert "BBB, 2020-06-29" in told.detail
    assert "Reject the split" in told.detail

    action_edits.reject(
        action_id=CorporateAction.objects.get(instrument=bbb).pk, reason="a slip", by=boss
    )
    tasks.sweep()
    told.refresh_from_db()
    assert told.state == "resolved"


def test_waiting_orders_ask_for_the_shares_after_the_split_once(book: Portfolio) -> None:
    eve = calendar.close_time(START)
    mine = order(book, "10", eve)
    partly = order(book, "9", eve, state="partially_filled", filled_quantity=4, average_price=404)
    later = order(book, "7", calendar.open_time(EX))
    replay.close(by=BY)

    for _ in range(2):
        order_splits.restate(portfolio_ids=[book.pk], session_date=EX)

    for each in (mine, partly, later):
        each.refresh_from_db()
    assert (mine.quantity, mine.version, mine.state) == (40, 2, "accepted")
    assert (partly.quantity, partly.filled_quantity, partly.average_price) == (36, 16, 101)
    assert (later.quantity, later.version) == (7, 1)
    event = mine.events.get()
    assert (event.from_state, event.to_state) == ("accepted", "accepted")
    assert event.detail["reason"] == "4 new for 1 old: 40.00 instead of 10.00"
    lines = AuditEvent.objects.filter(action="order.restated")
    assert {each.object_id for each in lines} == {str(mine.pk), str(partly.pk)}


def test_an_order_of_which_nothing_whole_is_left_is_cancelled(book: Portfolio) -> None:
    small = order(book, "3", calendar.close_time(START))
    replay.close(by=BY)
    CorporateAction.objects.filter(kind="split").update(ratio=Decimal("0.1"))

    order_splits.restate(portfolio_ids=[book.pk], session_date=EX)

    small.refresh_from_db()
    assert small.state == "cancelled"
    assert "nothing whole" in small.events.get().detail["reason"]


def test_history_that_starts_over_has_its_prices_back_and_splits_again(book: Portfolio) -> None:
    aaa = Instrument.objects.get(symbol="AAA")
    whole = list(DailyBar.objects.filter(instrument=aaa).order_by("session_date").values("close"))
    contract = OptionContract.objects.create(
        instrument=factories.make_instrument("AAA200918C00400000", kind="option"),
        underlying=aaa,
        root="AAA",
        expiry=date(2020, 9, 18),
        strike=400,
        right="call",
    )
    day.advance(by=BY, until=EX)
    day.advance(by=BY, until=AFTER)
    contract.refresh_from_db()
    assert contract.strike == 100

    replay.start_over(by=BY)

    assert sessions.latest() == START
    assert set(CorporateAction.objects.values_list("status", flat=True)) == {"pending"}
    rows = DailyBar.objects.filter(instrument=aaa).order_by("session_date")
    assert list(rows.values("close")) == whole
    contract.refresh_from_db()
    assert (contract.strike, contract.instrument.symbol) == (400, "AAA200918C00400000")
    taken = AuditEvent.objects.filter(action="corporate_action.taken_back")
    assert taken.count() == 2
    price_sync.sync(session_date=EX)
    assert close_of(START) == pytest.approx(whole[-1]["close"] / 4, abs=Decimal("0.0001"))


def test_greeks_that_fail_leave_valuations_degraded_until_they_are_mended(
    settings: Any,
) -> None:
    # before 2014 the bundle has no VIX: there is nothing to make option quotes from
    session = date(2013, 6, 26)
    settings.MARKETDATA_PROVIDER, settings.REPLAY_START = "bundled", session
    factories.make_clock(session)
    spy = factories.make_instrument("SPY")
    portfolio = factories.make_portfolio(cash=10_000, session_date=session, opened_on=session)
    factories.fill(portfolio, spy, 10, 160, session_date=session)

    runs = {run.step: run for run in day.run(session_date=session, by=BY)}

    assert runs["greeks"].status == "failed"
    taken = runs["snapshots"]
    assert taken.status == "succeeded"
    assert [each["code"] for each in taken.warnings] == ["degraded"]
    assert "Greeks did not end well" in taken.warnings[0]["detail"]
    assert PortfolioSnapshot.objects.filter(portfolio=portfolio).count() == 1
    same = [run for run in day.run(session_date=session, by=BY) if run.step == "snapshots"]
    assert same[0].finished_at == taken.finished_at  # nothing better can be done now
    type(taken).objects.filter(pk=runs["greeks"].pk).update(status="succeeded")

    mended = [run for run in day.run(session_date=session, by=BY) if run.step == "snapshots"]

    assert mended[0].pk == taken.pk
    assert (mended[0].status, mended[0].warnings) == ("succeeded", [])
    assert mended[0].finished_at > taken.finished_at


def test_greeks_are_computed_for_what_is_held_and_watched_with_a_second_opinion(
    settings: Any,
) -> None:
    session = world.YESTERDAY
    settings.MARKETDATA_PROVIDER, settings.REPLAY_START = "bundled", session
    factories.make_clock(session)
    spy = factories.make_instrument("SPY")
    price_sync.load_history(until=session)
    price_run = jobs.request(
        "marketdata.compute_greeks",
        as_of=session,
        inputs={"watched": [str(spy.pk)]},
        queue=False,
    )

    done = jobs.run_now(price_run)

    assert done.status == "succeeded"
    [item] = done.items
    assert (item["item"], item["status"]) == ("SPY", "ok")
    assert done.counts["contracts"] == done.counts["quotes"] > 100
    opinion = done.result["second_opinion"]
    assert (opinion["engine"], opinion["compared"]) == ("mibian", 20)
    assert opinion["largest_difference"] < 1e-9
    again = jobs.run_now(
        jobs.request(
            "marketdata.compute_greeks",
            as_of=session,
            inputs={"watched": [str(spy.pk)], "again": 1},
            queue=False,
        )
    )
    assert (again.counts["written"], again.counts["quotes"]) == (0, 0)


def test_an_empty_replay_of_a_folder_begins_on_its_first_session() -> None:
    moment = beginning.begin(say=lambda words: None)

    assert (moment.session_date, moment.live) == (START, False)
    assert {run.step: run.status for run in day.status(session_date=START)}["covariance"] == (
        "succeeded"
    )
    assert DailyBar.objects.filter(instrument__symbol="AAA").count() > 90
