"""Prices that a person accepted, corrected or withdrew: the books' past is valued anew, once."""

from datetime import date
from decimal import Decimal
from threading import Barrier, Thread

import pytest
from celery import current_app
from django.db import connection

from etftrader import receivers, revision, tasks
from etftrader.core import jobs
from etftrader.core.actor import system
from etftrader.core.records import JobRun, OutboxEvent
from marketdata.events import prices_revised
from marketdata.models import DailyBar, Instrument, QuarantinedPrice
from marketdata.providers.base import BarRow
from marketdata.selectors import calendar, sessions
from marketdata.services import bar_sync, price_edits, price_gate, quarantine
from marketdata.tests.option_world import bars
from portfolios.models import Portfolio, PortfolioSnapshot
from portfolios.services import snapshots
from portfolios.tests import factories

pytestmark = pytest.mark.django_db
BY = system("tests")
FIRST, LAST = date(2016, 6, 13), factories.WEDNESDAY
DAYS = calendar.between(FIRST, LAST)
NEXT = date(2016, 6, 23)
LACKING = date(2016, 6, 17)


@pytest.fixture
def books() -> tuple[Portfolio, Portfolio]:
    """One book holds AAA, the other BBB, valued every session; AAA lacks the close of the 17th."""
    factories.make_clock(LAST)
    made = []
    for place, symbol in enumerate(("AAA", "BBB")):
        fund = factories.make_instrument(symbol)
        days = [day for day in DAYS if symbol == "BBB" or day != LACKING]
        factories.make_closes(fund, dict.fromkeys(days, 100 + place))
        portfolio = factories.make_portfolio(
            name=symbol, cash=100_000, session_date=FIRST, opened_on=FIRST
        )
        factories.fill(portfolio, fund, 100, 100, session_date=FIRST, source=f"fill:{symbol}")
        snapshots.take_range(portfolio_ids=[portfolio.pk], sessions=DAYS)
        made.append(portfolio)
    return made[0], made[1]


def told(day: date, close: float, source: str = "csv") -> QuarantinedPrice:
    """A source tells a close that the gate holds back."""
    of = Instrument.objects.get(symbol="AAA")
    row = BarRow(
        symbol="AAA", session_date=day, open=None, high=None, low=None, close=close,
        adj_close=None, volume=None, source=source, price_basis="close",
    )  # fmt: skip
    assert bar_sync.admit(of, [row], until=LAST).held == 1
    return QuarantinedPrice.objects.get(session_date=day, source=source, value=repr(close))


def navs(portfolio: Portfolio) -> dict[date, tuple[Decimal, int]]:
    rows = PortfolioSnapshot.objects.filter(portfolio=portfolio).order_by("session_date")
    return {row.session_date: (row.nav, row.revision) for row in rows}


def heed() -> list[JobRun]:
    """What the workers do of the announcements so far; the runs that took snapshots."""
    return [jobs.run_now(run) for run in revised()]


def revised() -> list[JobRun]:
    """The revisions that were announced are done; the runs of snapshots they asked for."""
    for event in OutboxEvent.objects.filter(name=prices_revised.name).order_by("pk"):
        tasks.heed_prices(**event.payload)
    OutboxEvent.objects.filter(name=prices_revised.name).delete()
    for run in JobRun.objects.filter(job=revision.JOB, status="queued"):
        done = jobs.run_now(run)
        assert done.status in ("succeeded", "partial"), done.error
    return list(JobRun.objects.filter(job=revision.SNAPSHOTS, step="", status="queued"))


def test_an_announcement_is_heard_by_a_task_that_exists() -> None:
    assert receivers.revise in prices_revised.listeners
    assert tasks.heed_prices.name == receivers.HEED_PRICES
    assert receivers.HEED_PRICES in current_app.tasks


def test_an_accepted_past_close_revises_the_snapshots_since_then_once(
    books: tuple[Portfolio, Portfolio],
) -> None:
    book, other = books
    before, untouched = navs(book), navs(other)
    doubt = told(LACKING, 150.0)

    price_gate.accept(doubt_id=doubt.pk, by=BY)
    [run] = heed()

    assert run.portfolio_ids == [str(book.pk)]
    assert run.inputs["start"] == LACKING.isoformat()
    after = navs(book)
    changed = {day for day in DAYS if after[day] != before[day]}
    # the session itself, and the one whose day's gain begins there
    assert LACKING in changed
    assert min(changed) == LACKING
    assert after[LACKING] == (before[LACKING][0] + 100 * 50, before[LACKING][1] + 1)
    assert navs(other) == untouched

    # twice is once: the same decision, the same announcement, the same wish
    price_gate.accept(doubt_id=doubt.pk, by=BY)
    assert not OutboxEvent.objects.filter(name=prices_revised.name).exists()
    tasks.heed_prices(symbol="AAA", since=LACKING.isoformat())
    [again] = heed()
    assert again.status == "succeeded"
    assert navs(book) == after


def test_a_day_that_was_valued_before_the_revised_close_begins_at_it(
    books: tuple[Portfolio, Portfolio],
) -> None:
    """The clock moves on when the revision has ended, and its snapshots still wait."""
    book, other = books
    bar = DailyBar.objects.get(instrument__symbol="AAA", session_date=LAST)
    price_edits.update(bar=bar, changes={"close": Decimal(110)}, revision=0, until=LAST, by=BY)
    [run] = revised()
    bars(bar.instrument, [(NEXT, 112.0)])
    snapshots.take(portfolio_ids=[book.pk], session_date=NEXT)
    day = PortfolioSnapshot.objects.get(portfolio=book, session_date=NEXT)
    assert day.daily_pnl == 1_200  # the correction is no gain of this day

    assert jobs.run_now(run).status == "succeeded"

    day.refresh_from_db()
    assert (day.daily_pnl, day.revision) == (200, 2)
    assert day.daily_pnl == sum(each.daily_pnl for each in day.positions.all())
    assert NEXT not in navs(other)


def test_corrected_withdrawn_and_new_prices_revise_too(books: tuple[Portfolio, Portfolio]) -> None:
    book, _ = books
    fund = Instrument.objects.get(symbol="AAA")
    day = date(2016, 6, 15)
    nav, taken = navs(book)[day]
    bar = DailyBar.objects.get(instrument=fund, session_date=day)

    corrected = price_edits.update(
        bar=bar, changes={"close": Decimal(110)}, revision=0, until=LAST, by=BY
    )
    heed()
    assert navs(book)[day] == (nav + 1_000, taken + 1)

    assert isinstance(corrected, DailyBar)
    price_edits.withdraw(bar=corrected, revision=corrected.revision, by=BY)
    heed()
    # the close before it stands in for it
    assert navs(book)[day] == (nav, taken + 2)

    price_edits.create(instrument=fund, day=day, figures={"close": Decimal(90)}, until=LAST, by=BY)
    heed()
    assert navs(book)[day] == (nav - 1_000, taken + 3)


def test_a_rejected_price_and_a_rejected_edit_announce_nothing(
    books: tuple[Portfolio, Portfolio],
) -> None:
    doubt = told(LACKING, 150.0)
    fund = Instrument.objects.get(symbol="AAA")
    bar = DailyBar.objects.get(instrument=fund, session_date=date(2016, 6, 15))

    price_gate.reject(doubt_id=doubt.pk, by=BY)
    held = price_edits.update(
        bar=bar, changes={"close": Decimal(900)}, revision=0, until=LAST, by=BY
    )

    assert isinstance(held, price_edits.Held)
    assert not OutboxEvent.objects.filter(name=prices_revised.name).exists()


def test_many_edits_of_a_name_are_announced_once_from_the_first_on(
    books: tuple[Portfolio, Portfolio],
) -> None:
    fund = Instrument.objects.get(symbol="AAA")
    days = [date(2016, 6, 20), date(2016, 6, 14), date(2016, 6, 21)]

    with price_edits.together() as touched:
        for day in days:
            bar = DailyBar.objects.get(instrument=fund, session_date=day)
            price_edits.update(
                bar=bar, changes={"close": Decimal(101)}, revision=0, until=LAST, by=BY,
                touched=touched,
            )  # fmt: skip

    [event] = OutboxEvent.objects.filter(name=prices_revised.name)
    assert event.payload == {"symbol": "AAA", "since": "2016-06-14"}


def test_many_decisions_are_one_takenfrom_the_first_session_on(
    books: tuple[Portfolio, Portfolio],
) -> None:
    days = (date(2016, 6, 20), date(2016, 6, 14), date(2016, 6, 15))
    doubts = [told(day, 107.0) for day in days]
    decided = quarantine.decide(
        doubt_ids=[each.pk for each in doubts], verdict=quarantine.ACCEPT, by=BY
    )
    assert len(decided.done) == 3
    events = OutboxEvent.objects.filter(name=prices_revised.name).order_by("pk")
    assert events.count() == 3

    for event in events:
        tasks.heed_prices(**event.payload)

    [run] = JobRun.objects.filter(job=revision.JOB)
    assert run.inputs["changed"] == {"AAA": "2016-06-14"}


def test_a_change_while_a_takenworks_is_followed_by_another() -> None:
    factories.make_clock(LAST)
    tasks.heed_prices(symbol="AAA", since="2016-06-15")
    first = JobRun.objects.get(job=revision.JOB)
    assert jobs.claim(first.pk) is not None

    tasks.heed_prices(symbol="AAA", since="2016-06-15")
    tasks.heed_prices(symbol="BBB", since="2016-06-14")

    second = JobRun.objects.get(job=revision.JOB, status="queued")
    assert second.inputs["changed"] == {"AAA": "2016-06-15", "BBB": "2016-06-14"}
    assert sessions.latest() == second.as_of == LAST


@pytest.mark.django_db(transaction=True)
def test_of_many_who_ask_at_once_none_is_forgotten() -> None:
    factories.make_clock(LAST)
    symbols = [f"S{place}" for place in range(6)]
    start = Barrier(len(symbols))

    def ask(symbol: str) -> None:
        try:
            start.wait(20)
            tasks.heed_prices(symbol=symbol, since="2016-06-15")
        finally:
            connection.close()

    threads = [Thread(target=ask, args=[symbol]) for symbol in symbols]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)

    runs = JobRun.objects.filter(job=revision.JOB)
    asked = [symbol for run in runs for symbol in run.inputs["changed"]]
    assert set(asked) == set(symbols)


def test_an_announcement_that_was_rolled_back_was_none(books: tuple[Portfolio, Portfolio]) -> None:
    fund = Instrument.objects.get(symbol="AAA")
    bar = DailyBar.objects.get(instrument=fund, session_date=date(2016, 6, 15))

    def broken() -> None:
        with price_edits.together() as touched:
            price_edits.withdraw(bar=bar, revision=0, by=BY, touched=touched)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()

    assert not OutboxEvent.objects.filter(name=prices_revised.name).exists()
    assert DailyBar.objects.filter(instrument=fund, session_date=bar.session_date).exists()
