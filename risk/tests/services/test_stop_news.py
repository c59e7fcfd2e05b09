"""Which closes of stops are news, and what telling them costs and locks."""

from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from etftrader.core import push
from portfolios.models import Portfolio
from portfolios.tests import factories
from risk.models import StopLossLevel
from risk.services import stop_loss

pytestmark = pytest.mark.django_db
MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (date(2016, 6, day) for day in (20, 21, 22, 23))
CLOSES = {MONDAY: 100, TUESDAY: 110, WEDNESDAY: 109, THURSDAY: 90}


@pytest.fixture
def fund():
    factories.make_clock(THURSDAY)
    vix = factories.make_instrument("^VIX", kind="index")
    factories.make_closes(vix, {MONDAY: 20, TUESDAY: 21, WEDNESDAY: 22, THURSDAY: 23})
    made = factories.make_instrument("AAA")
    factories.make_closes(made, CLOSES)
    return made


def made(fund, name="Book", enabled=True, mode="table"):
    book = factories.make_portfolio(name=name, cash=100_000)
    factories.fill(book, fund, 10, 100, source=f"test:{name}")
    stop_loss.set_rule(
        portfolio_id=book.pk, enabled=enabled, mode=mode, ratchet=True, if_match_version=None,
        by=factories.HOUSE,
    )  # fmt: skip
    return book


def numbers(book):
    return Portfolio.objects.values_list("alert_events", flat=True).get(pk=book.pk)


def close(day, *books):
    """The statements of one evaluation."""
    with CaptureQueriesContext(connection) as seen:
        stop_loss.evaluate(portfolio_ids=[each.pk for each in books], session_date=day)
    return [each["sql"].replace("-", "") for each in seen.captured_queries]


def about(statements, verb, model):
    """Where statements of a kind about a table stand among all of them."""
    wanted = f'{verb} "{model._meta.db_table}"'
    return [place for place, sql in enumerate(statements) if wanted in sql]


@pytest.mark.parametrize("mode", ["table", "vol_scaled"])
def test_a_close_that_moves_no_stop_takes_no_number_and_locks_no_book(fund, mode):
    book = made(fund, mode=mode)
    for day in (MONDAY, TUESDAY):
        close(day, book)
    assert numbers(book) == 2

    statements = close(WEDNESDAY, book)

    level = StopLossLevel.objects.get()
    assert (level.session_date, level.close, level.vix) == (WEDNESDAY, 109, 22)
    assert numbers(book) == 2
    assert about(statements, "UPDATE", Portfolio) == []

    close(THURSDAY, book)
    assert StopLossLevel.objects.get().state == "triggered"
    assert numbers(book) == 4  # its alert, then the stops


def test_books_without_stops_are_not_asked_about(fund):
    books = [made(fund, f"Book {number}", enabled=False) for number in range(4)]

    statements = close(MONDAY, *books)

    assert len(about(statements, "FROM", StopLossLevel)) == 1
    assert [numbers(each) for each in books] == [0] * 4


def test_books_are_told_of_in_the_order_of_their_ids_each_after_its_stops(fund):
    books = sorted((made(fund, f"Book {number}") for number in range(4)), key=lambda b: b.pk)

    statements = close(MONDAY, *reversed(books))

    locks = about(statements, "UPDATE", Portfolio)
    assert [key.pk for place in locks for key in books if key.pk.hex in statements[place]] == [
        each.pk for each in books
    ]
    kept = about(statements, "INSERT INTO", StopLossLevel)
    assert sorted([*kept, *locks]) == [
        each for pair in zip(kept, locks, strict=True) for each in pair
    ]


def test_nothing_is_pushed_before_the_commit(fund, django_capture_on_commit_callbacks):
    book = made(fund)
    channel = f"portfolio.{book.pk}.alerts"

    with django_capture_on_commit_callbacks(execute=True):
        close(MONDAY, book)
        assert push.newest(channel) is None

    assert push.newest(channel)["event"] == "stop.updated"
