"""Stored closes of names in doubt: one run for many wishes, each book once, a failure named."""

from datetime import date, timedelta
from decimal import Decimal
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from etftrader.core import jobs
from etftrader.core.actor import system
from etftrader.core.errors import LeaseLost
from etftrader.core.job_telling import at_work
from etftrader.core.records import JobRun, OutboxEvent
from marketdata.events import doubt_raised, doubt_settled
from marketdata.models import Instrument, OptionContract, OptionGreeks
from marketdata.selectors import calendar
from marketdata.services import price_gate, quarantine
from marketdata.tests.option_world import bars
from marketdata.tests.selectors.test_suspects import bring_in
from portfolios.models import PortfolioSnapshot, PositionSnapshot
from portfolios.selectors import doubted_lines
from portfolios.services import snapshots
from portfolios.tests import factories
from risk import live, tasks
from risk.services import monitor, revaluations
from risk.tests.doubt_cases import carried_out, carry_out

pytestmark = pytest.mark.django_db
BY = system("tests")
FIRST, LAST = date(2016, 6, 9), factories.WEDNESDAY
DAYS = calendar.between(FIRST, LAST)
MONDAY, TUESDAY = factories.MONDAY, factories.TUESDAY
NAMES = ("AAA", "BBB")


@pytest.fixture(autouse=True)
def _fresh_memory():
    monitor.forget()
    yield
    monitor.forget()


def held(symbol, *, name="", fund=None, without=()):
    """A book that holds a fund since the first session, valued every session."""
    fund = fund or factories.make_instrument(symbol)
    if not without and not fund.bars.exists():
        factories.make_closes(fund, dict.fromkeys(DAYS, 100))
    portfolio = factories.make_portfolio(
        name=name or symbol, cash=100_000, session_date=FIRST, opened_on=FIRST
    )
    factories.fill(portfolio, fund, 100, 100, session_date=FIRST, source=f"fill:{name}{symbol}")
    snapshots.take_range(portfolio_ids=[portfolio.pk], sessions=DAYS)
    return portfolio


@pytest.fixture
def books():
    """One book holds AAA, the other BBB; the risk of every night is there."""
    factories.make_clock(LAST)
    return tuple(held(symbol) for symbol in NAMES)


def fund_of(symbol="AAA"):
    return Instrument.objects.get(symbol=symbol)


def doubts(symbol="AAA", *days, value=150.0):
    return [bring_in(fund_of(symbol), day, value) for day in days]


def told(event):
    return list(OutboxEvent.objects.filter(name=event.name).order_by("pk"))


def heard(event):
    for each in told(event):
        words = dict(each.payload)
        tasks.revalue_holders(instrument_ids=words.pop("instrument_id"), **words)


def classes(portfolio):
    rows = PositionSnapshot.objects.filter(snapshot__portfolio=portfolio)
    return dict(rows.values_list("snapshot__session_date", "price_class"))


def revisions(portfolio):
    rows = PortfolioSnapshot.objects.filter(portfolio=portfolio)
    return dict(rows.values_list("session_date", "revision"))


def suspect_days(portfolio):
    return sorted(day for day, name in classes(portfolio).items() if name == "suspect")


def wishes(status="queued"):
    return JobRun.objects.filter(job=revaluations.JOB, status=status)


def test_a_doubt_about_monday_that_is_found_on_wednesday_marks_monday_alone(books):
    book, other = books
    [doubt] = doubts("AAA", MONDAY)
    [event] = told(doubt_raised)
    assert event.payload["newest"] == ""

    carry_out(event)

    assert suspect_days(book) == [MONDAY]
    assert suspect_days(other) == []
    # what is shown rests on a newer close
    assert live.load(book.pk) is None

    price_gate.reject(doubt_id=doubt.pk, by=BY)
    [event] = told(doubt_settled)
    carry_out(event)
    assert suspect_days(book) == []


def test_many_decisions_are_one_wish_and_each_book_is_walked_once(books):
    days = [DAYS[2], DAYS[4], TUESDAY]
    held_back = [each for name in NAMES for each in doubts(name, *days)]
    heard(doubt_raised)
    [run] = carried_out()
    assert [suspect_days(each) for each in books] == [days, days]
    before = [revisions(each) for each in books]

    decided = quarantine.decide(
        doubt_ids=[each.pk for each in held_back], verdict=quarantine.REJECT, by=BY
    )
    assert len(decided.done) == 6
    heard(doubt_settled)

    [wish] = wishes()
    keys = [str(fund_of(name).pk) for name in NAMES]
    assert wish.inputs["doubted"] == dict.fromkeys(keys, DAYS[2].isoformat())
    # what is shown rests on a later close
    assert wish.inputs["live"] == []
    [run] = carried_out()
    assert {each["item"] for each in run.items} == {str(b.pk) for b in books}
    assert [live.load(each.pk) for each in books] == [None, None]
    assert [suspect_days(each) for each in books] == [[], []]
    for book, was in zip(books, before, strict=True):
        # twice would be two revisions
        assert all(now <= was[day] + 1 for day, now in revisions(book).items())


def test_of_many_newest_prices_the_first_is_shown_at_once_the_others_by_the_run_they_join(books):
    held_back = [each for name in NAMES for each in doubts(name, LAST)]
    for decide in (None, price_gate.reject):
        for each in held_back if decide else ():
            decide(doubt_id=each.pk, by=BY)
        heard(doubt_settled if decide else doubt_raised)

        [wish] = wishes()
        assert wish.inputs["live"] == [str(fund_of("BBB").pk)]
        [run] = carried_out()
        assert {each["item"] for each in run.items} == {"live figures", *(str(b.pk) for b in books)}
        shown = {live.load(each.pk).value["price_class"] for each in books}
        assert shown == {"eod" if decide else "suspect"}


def test_where_no_line_is_concerned_and_nothing_shown_nothing_is_asked(books):
    book, _ = books
    [doubt] = doubts("AAA", MONDAY)
    # the valuations never knew it: they were taken again since, or it came and went
    price_gate.reject(doubt_id=doubt.pk, by=BY)

    heard(doubt_settled)

    assert not wishes().exists()
    assert live.load(book.pk) is None
    # but what is being taken may have read the doubt
    jobs.request("portfolios.take_snapshots", as_of=LAST, portfolio_ids=[book.pk], queue=False)
    heard(doubt_settled)
    assert wishes().exists()


@pytest.mark.parametrize("at_once", [1, 3, 40])
def test_a_walk_in_parts_gives_what_one_walk_gives(books, at_once):
    book, other = books
    bars(fund_of(), [(MONDAY, 130.0)])
    bars(fund_of("BBB"), [(MONDAY, 130.0)])

    changed = snapshots.retake_in_parts(
        portfolio_id=book.pk, first=DAYS[1], last=MONDAY, at_once=at_once
    )
    snapshots.retake(portfolio_id=other.pk, start=DAYS[1])

    assert changed == 3  # Monday, Tuesday that begins there, and the drawdown from the new peak
    columns = ("session_date", "revision", "nav", "daily_pnl", "twr_index", "drawdown")
    rows = [
        list(PortfolioSnapshot.objects.filter(portfolio=each).values_list(*columns).order_by("pk"))
        for each in books
    ]
    assert rows[0] == rows[1]


def test_each_part_is_a_transaction_and_none_follows_one_that_stayed_as_it_was(books):
    book, _ = books

    def begun(**how):
        with CaptureQueriesContext(connection) as asked:
            snapshots.retake_in_parts(portfolio_id=book.pk, first=DAYS[0], at_once=3, **how)
        return sum(each["sql"].startswith("SAVEPOINT") for each in asked.captured_queries)

    assert len(DAYS) == 10
    assert begun() == 4
    assert begun(last=DAYS[0]) == 2


def test_a_book_that_fails_is_named_and_the_others_are_done(books):
    book, other = books
    for name in NAMES:
        doubts(name, TUESDAY)
    heard(doubt_raised)
    # a database that refuses this one book's rows
    refuse(book)
    [run] = wishes()

    done = jobs.run_now(run)

    items = {each["item"]: each for each in done.items}
    assert done.status == "partial"
    assert items[str(book.pk)]["status"] == "failed"
    assert "unexpected" in items[str(book.pk)]["reason"]["detail"]
    assert items[str(other.pk)]["status"] == "ok"
    assert (suspect_days(book), suspect_days(other)) == ([], [TUESDAY])

    allow()
    kept = revisions(other)
    again = jobs.run_now(jobs.retry_failed(done, by=BY))

    assert again.status == "succeeded"
    assert suspect_days(book) == [TUESDAY]
    assert revisions(other) == kept


def refuse(portfolio):
    """The table takes no change of a portfolio's snapshots any more."""
    key = portfolio.pk.hex if connection.vendor == "sqlite" else str(portfolio.pk)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "CREATE TRIGGER refused_here BEFORE UPDATE ON portfolios_portfoliosnapshot "
                f"WHEN NEW.portfolio_id = '{key}' BEGIN SELECT RAISE(ABORT, 'refused'); END"
            )
        else:
            cursor.execute(
                "CREATE FUNCTION refused_here() RETURNS trigger AS $$ BEGIN "
                "RAISE EXCEPTION 'refused'; END $$ LANGUAGE plpgsql"
            )
            cursor.execute(
                "CREATE TRIGGER refused_here BEFORE UPDATE ON portfolios_portfoliosnapshot "
                f"FOR EACH ROW WHEN (NEW.portfolio_id = '{key}') EXECUTE FUNCTION refused_here()"
            )


def allow():
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DROP TRIGGER refused_here")
        else:
            cursor.execute("DROP TRIGGER refused_here ON portfolios_portfoliosnapshot")


def test_an_attempt_that_was_cut_short_goes_on_where_its_books_began(books):
    book, _ = books
    bars(fund_of(), [(MONDAY, 130.0)])
    wanted = {book.pk: DAYS[1]}
    revaluations.ask(books=wanted)
    [run] = wishes()
    claimed = jobs.claim(run.pk)

    # nothing shows any more that this book was to be walked
    with at_work(claimed):
        told_so = revaluations.retake(doubted={}, books=wanted)

    assert [each["status"] for each in told_so["items"]] == ["ok"]
    assert revisions(book)[MONDAY] == 2
    claimed.refresh_from_db()
    assert claimed.inputs["books"] == {str(book.pk): DAYS[1].isoformat()}

    # somebody else has it by now: what the lost attempt has found out counts no more
    JobRun.objects.filter(pk=run.pk).update(attempt=2)
    with at_work(claimed), pytest.raises(LeaseLost):
        revaluations.retake(doubted={}, books={book.pk: DAYS[4]})
    run.refresh_from_db()
    assert run.inputs["books"] == {str(book.pk): DAYS[1].isoformat()}


def test_books_for_which_there_is_no_time_are_asked_for_anew(books):
    for name in NAMES:
        doubts(name, TUESDAY)
    since = {fund_of(name).pk: TUESDAY for name in NAMES}

    said = revaluations.retake(doubted=since, budget_s=-1.0)

    assert said["counts"] == {"portfolios": 1, "left": 1}
    [rest] = wishes()
    assert list(rest.inputs["books"].values()) == [TUESDAY.isoformat()]
    carried_out()
    assert [suspect_days(each) for each in books] == [[TUESDAY], [TUESDAY]]


def test_a_run_that_failed_and_waits_again_takes_no_further_wish(books):
    [doubt] = doubts("AAA", TUESDAY)
    heard(doubt_raised)
    JobRun.objects.filter(job=revaluations.JOB).update(attempt=1)

    price_gate.reject(doubt_id=doubt.pk, by=BY)
    heard(doubt_settled)

    assert sorted(wishes().values_list("attempt", flat=True)) == [0, 1]


def test_a_name_no_book_ever_held_is_nobodys_wish(books):
    fund = factories.make_instrument("CCC")
    bars(fund, [(MONDAY, 50.0)])
    bring_in(fund, MONDAY, 90.0)

    heard(doubt_raised)

    assert not wishes().exists()


def test_the_end_of_a_doubt_walks_no_nights_without_a_price():
    factories.make_clock(LAST)
    fund = factories.make_instrument("AAA")
    book = held("AAA", fund=fund, without=DAYS)
    assert set(classes(book).values()) == {""}
    bars(fund, [(TUESDAY, 100.0), (LAST, 100.0)])
    since = {fund.pk: FIRST}

    assert doubted_lines.books(doubted=since, arrived=()) == {}
    # and the first price is none of the nights before it
    found = doubted_lines.books(doubted={}, arrived=[fund.pk])
    assert found == {book.pk: doubted_lines.Span(TUESDAY, LAST)}

    revaluations.ask(arrived=[fund.pk])
    carried_out()
    assert doubted_lines.books(doubted={}, arrived=[fund.pk]) == {}
    assert {day: name for day, name in classes(book).items() if name} == dict.fromkeys(
        (TUESDAY, LAST), "eod"
    )


def test_the_first_value_of_an_option_mends_the_nights_that_have_one():
    factories.make_clock(LAST)
    fund = factories.make_instrument("AAA")
    factories.make_closes(fund, dict.fromkeys(DAYS, 100))
    call = Instrument.objects.create(
        symbol="AAA160819C00100000", name="call", kind="option", price_basis="close",
        multiplier=Decimal(100),
    )  # fmt: skip
    contract = OptionContract.objects.create(
        instrument=call, underlying=fund, root="AAA", expiry=date(2016, 8, 19),
        strike=Decimal(100), right="call",
    )  # fmt: skip
    book = factories.make_portfolio(name="call", cash=100_000, session_date=FIRST, opened_on=FIRST)
    factories.opening(book, call, 1, 3, session_date=FIRST)
    snapshots.take_range(portfolio_ids=[book.pk], sessions=DAYS)
    OptionGreeks.objects.create(
        contract=contract, session_date=TUESDAY, price=3.5, delta=0.5, underlying_price=100.0
    )

    assert doubted_lines.books(doubted={}, arrived=[fund.pk]) == {
        book.pk: doubted_lines.Span(TUESDAY, TUESDAY)
    }
    tasks.revalue_holders(instrument_ids=str(fund.pk))
    carried_out()

    assert classes(book)[TUESDAY] == "model"
    assert doubted_lines.books(doubted={}, arrived=[fund.pk]) == {}


def test_a_history_with_an_old_doubt_leaves_the_years_after_it_alone():
    factories.make_clock(LAST)
    fund = factories.make_instrument("AAA")
    factories.make_closes(fund, {day: 100 for day in DAYS if day != DAYS[1]})
    book = held("AAA", fund=fund)
    bring_in(fund, DAYS[1], 300.0)
    before = revisions(book)

    [event] = told(doubt_raised)
    carry_out(event)

    # its session had no price of its own: the one before it is the last good one
    assert suspect_days(book) == [DAYS[1]]
    after = revisions(book)
    assert {day for day in DAYS if after[day] != before[day]} == {DAYS[1]}


@pytest.mark.django_db(transaction=True)
def test_of_many_wishes_at_once_none_is_forgotten():
    factories.make_clock(LAST)
    keys = [factories.make_instrument(f"N{place}").pk for place in range(4)]
    start = Barrier(len(keys))

    def ask(key):
        try:
            start.wait(20)
            revaluations.ask(doubted={key: FIRST + timedelta(days=1)})
        finally:
            connection.close()

    threads = [Thread(target=ask, args=[key]) for key in keys]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)

    asked = {key for run in wishes() for key in run.inputs["doubted"]}
    assert asked == {str(key) for key in keys}
