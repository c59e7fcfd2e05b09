"""Books beside each other: one base, the same figures as alone, differences, past closes."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from etftrader.core import clock
from marketdata.selectors import calendar
from portfolios.calculations.periods import CUSTOM, OPENING, Period
from portfolios.models import PortfolioSnapshot
from portfolios.selectors.comparison import compare
from portfolios.selectors.performance import tear_sheet
from trading.tests import world

pytestmark = pytest.mark.django_db
DAYS = calendar.between(date(2016, 1, 4), world.YESTERDAY)
FIRST, SECOND = [0.01, -0.005, 0.002], [0.003, 0.001]  # daily returns, over and over


def record(book, returns, days):
    """Snapshots of a book that earned these returns, day after day."""
    index, nav, rows = 1.0, Decimal(100_000), []
    for place, day in enumerate(days):
        made = returns[place % len(returns)] if place else None
        index *= 1.0 + (made or 0.0)
        gain = Decimal(str(round(float(nav) * (made or 0.0), 2)))
        nav += gain
        rows.append(
            PortfolioSnapshot(
                portfolio=book, session_date=day, nav=nav, cash=nav, long_exposure=0,
                short_exposure=0, gross_exposure=0, net_exposure=0, daily_pnl=gain,
                daily_return=made, twr_index=index, ledger_seq=1, ledger_hash="0" * 64,
                taken_at=clock.now(),
            )
        )  # fmt: skip
    PortfolioSnapshot.objects.bulk_create(rows)


@pytest.fixture
def books():
    """The second one began twenty sessions later."""
    world.make_market(playing=False)
    first, second = world.make_portfolio(name="First"), world.make_portfolio(name="Second")
    record(first, FIRST, DAYS)
    record(second, SECOND, DAYS[20:])
    return first, second


@pytest.fixture
def browser(books):
    client = Client()
    client.force_login(books[0].account.customer.user)
    return client


def test_all_stand_on_one_base_and_have_the_figures_they_have_alone(books):
    found = compare(portfolios=books, period=Period(OPENING), as_of=world.YESTERDAY)

    span = Period(CUSTOM, DAYS[20], world.YESTERDAY)
    assert found.dates == tuple(DAYS[20:])
    for side, book in zip(found.sides, books, strict=True):
        alone = tear_sheet(portfolio=book, period=span, as_of=world.YESTERDAY, against=[])
        assert {name: each.value for name, each in side.figures.items()} == {
            name: each.value for name, each in alone.figures.items()
        }
        assert side.level[0] == 1.0
        total = side.figures["cumulative_return"].value
        assert side.level[-1] == pytest.approx(1.0 + total, abs=1e-12)


def test_correlation_is_of_the_returns_of_the_same_days(books):
    found = compare(portfolios=books, period=Period(OPENING), as_of=world.YESTERDAY)

    size = len(DAYS) - 21
    one = [FIRST[place % 3] for place in range(21, 21 + size)]
    other = [SECOND[place % 2] for place in range(1, 1 + size)]
    expected = np.corrcoef(one, other)[0, 1]
    assert found.sides[0].correlation.value == pytest.approx(1.0)
    assert found.sides[1].correlation.value == pytest.approx(expected, abs=1e-9)


def test_nothing_after_the_close_asked_for_counts(books, browser):
    until = DAYS[40]
    first, second = books
    page = browser.get(f"/portfolios/compare/?book1={first.pk}&book2={second.pk}&as_of={until}")

    found = page.context["found"]
    assert found.dates[-1] == until
    assert page.context["table"]["rows"][0]["book1"]["value"] == found.sides[0].rows[-1].nav
    assert "Past figures" in page.content.decode()


def test_a_stretch_too_short_for_ratios_says_so(books):
    span = Period(CUSTOM, DAYS[-5], None)

    found = compare(portfolios=books, period=span, as_of=world.YESTERDAY)

    figures = found.sides[0].figures
    assert figures["sharpe"].value is None
    assert figures["sharpe"].reason == "insufficient_history"
    assert figures["cumulative_return"].value is not None
    assert found.sides[1].correlation.reason == "insufficient_history"


def test_books_without_a_common_session_have_no_figures(books, browser):
    third = world.make_portfolio(name="Third")
    record(third, FIRST, [DAYS[0] - timedelta(days=5)])

    page = browser.get(f"/portfolios/compare/?book1={books[1].pk}&book2={third.pk}")

    assert page.status_code == 200
    assert page.context["found"].dates == ()
    assert "no session in common" in page.content.decode()


def test_the_page_shows_figures_and_differences_from_the_first(books, browser):
    first, second = books
    page = browser.get(f"/portfolios/compare/?book1={second.pk}&book2={first.pk}&period=3M")

    rows = {row["id"]: row for row in page.context["table"]["rows"]}
    less = {row["id"]: row for row in page.context["differences"]["rows"]}
    total = rows["cumulative_return"]
    gap = Decimal(str(total["book2"]["value"])) - Decimal(str(total["book1"]["value"]))
    assert less["cumulative_return"]["book2"]["value"] == gap
    assert (
        less["nav"]["book2"]["value"]
        == rows["nav"]["book2"]["value"] - rows["nav"]["book1"]["value"]
    )
    assert "First less Second" in page.content.decode()


def test_without_a_choice_the_first_two_are_compared(books, browser):
    page = browser.get("/portfolios/compare/")
    one = browser.get(f"/portfolios/compare/?book1={books[1].pk}")

    assert [each.name for each in page.context["found"].sides] == ["First", "Second"]
    assert [each.name for each in one.context["found"].sides] == ["Second", "First"]


def test_who_has_one_book_is_told_that_two_are_needed(books):
    client = Client()
    other = world.make_user("alone@example.com")
    client.force_login(other)
    world.make_portfolio(user=other, name="Alone")

    assert (
        "needs two portfolios of one currency"
        in client.get("/portfolios/compare/").content.decode()
    )


def test_a_foreign_book_is_no_book(books):
    client = Client()
    other = world.make_user("stranger@example.com")
    client.force_login(other)
    own = [world.make_portfolio(user=other, name=name).pk for name in ("Own", "Two")]

    foreign = client.get(f"/portfolios/compare/?book1={own[0]}&book2={books[0].pk}")

    assert foreign.status_code == 404
    assert client.get(f"/portfolios/compare/?book1={own[0]}&book2=nothing").status_code == 404
    assert Client().get("/portfolios/compare/").status_code == 302


@pytest.mark.parametrize("twice", ["book2", "book3"])
def test_a_book_is_chosen_once(books, browser, twice):
    address = f"/portfolios/compare/?book1={books[0].pk}&book2={books[1].pk}"

    page = browser.get(f"{address}&{twice}={books[0].pk}")

    assert page.status_code == 422
    assert "Choose each portfolio once." in page.content.decode()


def test_the_page_needs_few_queries(books, browser, django_assert_max_num_queries):
    browser.get("/glossary/")
    with CaptureQueriesContext(connection) as frame:
        browser.get("/glossary/")
    shell = len(frame)
    more = [world.make_portfolio(name=name) for name in ("Third", "Fourth")]
    for book in more:
        record(book, SECOND, DAYS[30:])
    names = "&".join(f"book{n}={each.pk}" for n, each in enumerate((*books, *more), start=1))
    browser.get(f"/portfolios/compare/?{names}")

    with django_assert_max_num_queries(12 + shell):
        page = browser.get(f"/portfolios/compare/?{names}")
    assert len(page.context["found"].sides) == 4
