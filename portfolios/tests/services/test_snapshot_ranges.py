"""Ranges of snapshots in parts: bookings pass between them, and what was done stands."""

import threading
import time
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, connections
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from etftrader.core import jobs
from etftrader.core.records import JobRun
from marketdata.models import Instrument
from marketdata.selectors import calendar
from marketdata.tests.option_world import bars
from portfolios.models import LedgerEntry, Portfolio, PortfolioSnapshot, PositionSnapshot
from portfolios.services import reversals, snapshots
from portfolios.tests import factories

pytestmark = pytest.mark.django_db(transaction=True)
LAST = factories.WEDNESDAY
DAYS = calendar.between(calendar.previous(LAST, 23), LAST)
PATIENCE_S = 5.0  # a booking waits no longer
JOB = "portfolios.take_snapshots"
BOOKINGS = 20


@pytest.fixture
def books() -> list[Portfolio]:
    """Three books: with a past of all kinds, opened in the middle, and short of a halted name."""
    factories.make_clock(LAST)
    funds = [factories.make_instrument(symbol) for symbol in ("AAA", "BBB", "HALT")]
    for size, fund in enumerate(funds[:2], 1):
        closes = {day: 100 * size + (7 * place) % 5 for place, day in enumerate(DAYS)}
        factories.make_closes(fund, closes)
    factories.make_closes(funds[2], {DAYS[0]: 40, DAYS[1]: 41})
    made = [
        factories.make_portfolio(
            name=f"Book {place}", cash=100_000, session_date=DAYS[since], allow_short=True
        )
        for place, since in enumerate((0, 5, 0))
    ]
    for place, day in enumerate(DAYS):
        factories.fill(made[0], funds[place % 2], 10 - 3 * (place % 4), 99, fee=1, session_date=day)
        if place == 6:
            factories.deposit(made[0], -2_500, session_date=day, source="d:out")
            reversals.reverse(
                portfolio_id=made[0].pk, source=f"test:AAA:10:99:{DAYS[0]}", reason="bust",
                by=factories.HOUSE, session_date=day,
            )  # fmt: skip
    factories.opening(made[0], funds[0], 20, 98, session_date=DAYS[2])
    factories.fill(made[1], funds[1], 7, "201.25", fee="0.35", session_date=DAYS[5])
    factories.fill(made[2], funds[2], -30, "40.5", session_date=DAYS[1])
    return sorted(made, key=lambda each: each.pk)


def asked(books: list[Portfolio], start: date | None = DAYS[0]) -> JobRun:
    return jobs.request(
        JOB, as_of=LAST, portfolio_ids=[each.pk for each in books],
        inputs={"start": start.isoformat()} if start else {}, queue=False,
    )  # fmt: skip


def in_parts(books: list[Portfolio], at_once: int, days: list[date] = DAYS) -> int:
    ids = [each.pk for each in books]
    return len(snapshots.take_in_parts(portfolio_ids=ids, sessions=days, at_once=at_once))


def columns() -> list[list[dict[str, Any]]]:
    """Every column of all snapshots and of their lines, but for their numbers and their time."""
    rows = PortfolioSnapshot.objects.order_by("portfolio", "session_date").values()
    lines = PositionSnapshot.objects.order_by(
        "snapshot__portfolio", "snapshot__session_date", "instrument"
    ).annotate(book=F("snapshot__portfolio"), day=F("snapshot__session_date"))
    without = {"id", "taken_at", "snapshot_id"}
    return [
        [{name: row[name] for name in row.keys() - without} for row in found]
        for found in (rows, lines.values())
    ]


def statements(work: Any) -> list[str]:
    with CaptureQueriesContext(connection) as seen:
        work()
    return [each["sql"] for each in seen.captured_queries]


def begun(told: list[str]) -> int:
    """How many transactions there were."""
    return sum(each.startswith("BEGIN") for each in told)


@pytest.mark.parametrize("at_once", [1, 3, 7, 40])
def test_parts_give_what_one_transaction_gives(books: list[Portfolio], at_once: int) -> None:
    assert in_parts(books, at_once) == 24 + 19 + 24
    found = columns()
    PositionSnapshot.objects.all().delete()
    PortfolioSnapshot.objects.all().delete()

    snapshots.take_range(portfolio_ids=[each.pk for each in books], sessions=DAYS)

    assert found == columns()
    # and of a past that stands nothing differs either
    assert in_parts(books, at_once) == 24 + 19 + 24
    assert found == columns()


def test_each_part_locks_all_books_at_once_and_reads_no_ledger_again(
    books: list[Portfolio],
) -> None:
    whole, parts = (statements(lambda n=n: in_parts(books, n)) for n in (40, 6))

    assert (begun(whole), begun(parts)) == (1, 4)
    ledgers = [[each for each in told if '_ledgerentry"."hash"' in each] for told in (whole, parts)]
    assert [len(each) for each in ledgers] == [1, 1]
    if connection.features.has_select_for_update:
        locks = [each for each in parts if "FOR UPDATE" in each]
        assert len(locks) == 4
        assert all("ORDER BY" in each for each in locks)


def test_many_positions_are_fewer_sessions_a_part(
    books: list[Portfolio], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "LINES_AT_ONCE", 24)  # of which these hold four

    assert begun(statements(lambda: in_parts(books, 40))) == 4


def test_a_night_asks_no_more_than_ever(books: list[Portfolio]) -> None:
    run = asked(books, start=None)

    told = statements(lambda: jobs.run_now(run))

    assert PortfolioSnapshot.objects.count() == 3
    # the second transaction closes the run
    assert (len(told), begun(told)) == (37, 2)


def between_parts(monkeypatch: pytest.MonkeyPatch, place: int, act: Any) -> list[int]:
    """Have something happen before a part is taken, the first being 0; where each one began."""
    part: Any = snapshots._take_part
    began: list[int] = []

    def looked(ids: Any, days: Any, start: int, *given: Any) -> Any:
        if len(began) == place:
            act()
        began.append(start)
        return part(ids, days, start, *given)

    monkeypatch.setattr(snapshots, "_take_part", looked)
    monkeypatch.setattr(snapshots, "LINES_AT_ONCE", 24)
    return began


class Deposits:
    """A deposit in each book by somebody else; the books are free when it is done in time."""

    def __init__(self, books: list[Portfolio], day: date = LAST) -> None:
        self.thread = threading.Thread(target=self.book, args=[books, day])
        self.done_in_time: bool | None = None

    def book(self, books: list[Portfolio], day: date) -> None:
        try:
            for each in reversed(books):
                factories.deposit(each, 1_000, session_date=day, source="d:meanwhile")
        finally:
            connections.close_all()

    def go(self) -> None:
        self.thread.start()
        self.thread.join(PATIENCE_S)
        self.done_in_time = not self.thread.is_alive()


def test_bookings_pass_between_the_parts_of_a_range(
    books: list[Portfolio], monkeypatch: pytest.MonkeyPatch
) -> None:
    deposits = Deposits(books)
    between_parts(monkeypatch, 2, deposits.go)

    run = jobs.run_now(asked(books))

    deposits.thread.join(60)
    assert deposits.done_in_time
    assert (run.status, run.counts["snapshots"]) == ("succeeded", 67)
    last = PortfolioSnapshot.objects.filter(session_date=LAST)
    assert set(last.values_list("flows", flat=True)) == {Decimal(1_000)}


@pytest.mark.skipif(connection.vendor == "sqlite", reason="one writer at a time has no order")
def test_a_booking_waits_for_no_more_than_the_part_at_work(
    books: list[Portfolio], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for while the books are locked, and done before the range is."""
    deposits, walk = Deposits(books), snapshots._walk
    seen: list[bool] = []

    def locked(*given: Any, **named: Any) -> Any:
        if not seen:
            deposits.thread.start()
        seen.append(LedgerEntry.objects.filter(source="d:meanwhile").exists())
        done = walk(*given, **named)
        time.sleep(0.3)
        return done

    monkeypatch.setattr(snapshots, "_walk", locked)
    between_parts(monkeypatch, -1, None)
    jobs.run_now(asked(books))
    deposits.thread.join(60)

    assert (seen[0], any(seen)) == (False, True)


def test_a_booking_of_a_session_that_was_passed_is_gone_back_to(
    books: list[Portfolio], monkeypatch: pytest.MonkeyPatch
) -> None:
    late = next(each for each in books if each.name == "Book 2")
    fund = Instrument.objects.get(symbol="BBB")
    began = between_parts(
        monkeypatch, 2,
        lambda: factories.opening(late, fund, 5, 200, session_date=DAYS[4]),
    )  # fmt: skip

    run = jobs.run_now(asked(books))

    assert began == [0, 6, 12, 10, 16, 22]
    assert (run.status, run.counts["snapshots"]) == ("succeeded", 67)
    found = columns()
    monkeypatch.undo()
    PositionSnapshot.objects.all().delete()
    PortfolioSnapshot.objects.all().delete()
    snapshots.take_range(portfolio_ids=[each.pk for each in books], sessions=DAYS)
    assert unrevised(found) == unrevised(columns())


def unrevised(found: list[list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    return [[{**row, "revision": 0} for row in rows] for rows in found]


def test_a_range_that_is_cut_short_goes_on_and_doubles_nothing(
    books: list[Portfolio], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = asked(books)

    def taken_over() -> None:
        # its lease ran out, and another worker has it
        JobRun.objects.filter(pk=run.pk).update(attempt=F("attempt") + 1)

    began = between_parts(monkeypatch, 2, taken_over)
    jobs.run_now(run)
    first = dict(PortfolioSnapshot.objects.values_list("pk", "taken_at"))
    # of the part whose results came too late nothing stays
    assert set(PortfolioSnapshot.objects.values_list("session_date", flat=True)) == set(DAYS[:12])
    assert began == [0, 6, 12]

    JobRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    run = jobs.run_now(run)

    assert (run.status, run.attempt) == ("succeeded", 3)
    assert PortfolioSnapshot.objects.count() == 67
    assert set(PortfolioSnapshot.objects.values_list("revision", flat=True)) == {1}
    kept = PortfolioSnapshot.objects.filter(pk__in=first)
    assert dict(kept.values_list("pk", "taken_at")) == first


def test_a_night_that_was_taken_over_writes_nothing(
    books: list[Portfolio], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, running = asked(books, start=None), snapshots._take_running

    def taken_over(*given: Any) -> Any:
        JobRun.objects.filter(pk=run.pk).update(attempt=F("attempt") + 1)
        return running(*given)

    monkeypatch.setattr(snapshots, "_take_running", taken_over)
    jobs.run_now(run)

    assert not PortfolioSnapshot.objects.exists()


def test_a_book_that_fails_in_a_range_is_named_and_the_others_are_valued(
    books: list[Portfolio], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshots.snapshot_rows.before

    def refuses(portfolio_id: Any, day: date) -> Any:
        if portfolio_id == books[1].pk:
            raise ValueError("this one")
        return before(portfolio_id, day)

    monkeypatch.setattr(snapshots.snapshot_rows, "before", refuses)

    run = jobs.run_now(asked(books))

    told = {each["item"]: each["status"] for each in run.items}
    assert told == {str(each.pk): "failed" if each == books[1] else "ok" for each in books}
    assert set(PortfolioSnapshot.objects.values_list("portfolio", flat=True)) == {
        books[0].pk, books[2].pk,
    }  # fmt: skip


def test_what_stands_behind_the_range_rests_on_it(books: list[Portfolio]) -> None:
    """The clock moved on between the wish and the work: the next day's gain begins anew."""
    ids = [each.pk for each in books]
    snapshots.take_range(portfolio_ids=ids, sessions=DAYS[:-1])
    bars(Instrument.objects.get(symbol="BBB"), [(DAYS[-2], 150.0)])
    # one book has its snapshot of the new session by then, by the unrevised close
    early = next(each for each in books if each.name == "Book 1")
    snapshots.take(portfolio_ids=[early.pk], session_date=LAST)
    run = JobRun.objects.get(pk=asked(books).pk)
    JobRun.objects.filter(pk=run.pk).update(as_of=DAYS[-2])

    run = jobs.run_now(run)

    assert (run.status, run.counts["snapshots"]) == ("succeeded", 64)
    eve, last = PortfolioSnapshot.objects.filter(portfolio=early).order_by("session_date")[17:]
    assert (eve.revision, last.revision) == (2, 2)
    assert last.daily_pnl == last.nav - eve.nav - last.flows
    # the others have none yet, and their night begins at the revised close
    assert PortfolioSnapshot.objects.filter(session_date=LAST).count() == 1
    found = columns()
    snapshots.take_range(portfolio_ids=[early.pk], sessions=DAYS)
    assert columns() == found


def test_bookings_get_in_while_a_range_is_at_work(
    books: list[Portfolio], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's one lock has no queue: who waits looks for it now and then, and must find it free."""
    other = factories.make_portfolio(name="Beside", cash=100)
    days = calendar.between(calendar.previous(LAST, 79), LAST)
    passed: list[int] = []

    def book_on() -> None:
        try:
            for number in range(BOOKINGS):
                factories.deposit(other, 1, session_date=LAST, source=f"d:beside:{number}")
                passed.append(number)
        finally:
            connections.close_all()

    beside = threading.Thread(target=book_on)
    began = between_parts(monkeypatch, 1, beside.start)

    in_parts(books, 1, days)

    in_time = len(passed)
    beside.join(60)
    assert len(began) == len(days)
    assert in_time == len(passed) == BOOKINGS


def test_a_night_takes_many_overtaken_ones_again_in_parts(
    books: list[Portfolio], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_parts(books, 40, DAYS[:-1])
    late = next(each for each in books if each.name == "Book 2")
    monkeypatch.setattr(snapshots, "AT_ONCE", 6)
    fund = Instrument.objects.get(symbol="BBB")
    factories.opening(late, fund, 5, 200, session_date=DAYS[2])
    part, began = snapshots._retake_part, []

    def with_a_booking(*given: Any) -> Any:
        if not began:
            # of a session before those that are to be taken again
            factories.opening(late, fund, 1, 200, session_date=DAYS[1], source="o:meanwhile")
        began.append(given[1])
        return part(*given)

    monkeypatch.setattr(snapshots, "_retake_part", with_a_booking)
    ids = [each.pk for each in books]
    taken = snapshots.take(portfolio_ids=ids, session_date=LAST)

    assert [len(began), len(taken)] == [8, 3]
    monkeypatch.undo()
    found = columns()
    PositionSnapshot.objects.all().delete()
    PortfolioSnapshot.objects.all().delete()
    snapshots.take_range(portfolio_ids=ids, sessions=DAYS)
    assert unrevised(found) == unrevised(columns())


def test_a_night_takes_few_overtaken_ones_again_with_itself(books: list[Portfolio]) -> None:
    in_parts(books, 40, DAYS[:-1])
    fund = Instrument.objects.get(symbol="BBB")
    factories.opening(books[0], fund, 5, 200, session_date=DAYS[-4])
    ids = [each.pk for each in books]

    told = statements(lambda: snapshots.take(portfolio_ids=ids, session_date=LAST))

    assert begun(told) == 1
    row = PortfolioSnapshot.objects.get(portfolio=books[0], session_date=DAYS[-2])
    assert row.revision == 2
