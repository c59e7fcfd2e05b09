"""The page of a performance: tear sheet, periods, benchmarks, states, what it costs."""

import re
import uuid

import pytest
from django.test import Client

from etftrader.testing.rows import module_rows
from portfolios.models import Membership, Portfolio
from portfolios.tests.factories import make_portfolio, make_user
from portfolios.tests.performance_book import FIRST, LAST, make_world

pytestmark = [pytest.mark.django_db, pytest.mark.urls("portfolios.tests.book_urls")]
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture(scope="module")
def staged(django_db_setup, django_db_blocker):
    with module_rows(django_db_blocker):
        yield make_world()


@pytest.fixture
def book(staged):
    return Portfolio.objects.get(pk=staged.book.pk)


@pytest.fixture
def client(book):
    return browser()


def browser(email="owner@example.com"):
    found = Client()
    found.force_login(make_user(email))
    return found


def address(book, tail=""):
    return f"/portfolios/{book.pk}/performance/{tail}"


def shown(client, path, **headers):
    answer = client.get(path, **headers)
    assert answer.status_code == 200, answer.content[:400]
    return answer, answer.content.decode()


def test_the_page_is_the_tear_sheet(client, book):
    page, text = shown(client, address(book))

    for words in (
        "Total return", "Money-weighted", "Sharpe", "Information ratio", "Return by month",
        "Under water", "The deepest falls", "What gave the gain", "Round trips closed",
        "Commissions", "Growth of 100", "Rolling Sharpe ratio",
    ):  # fmt: skip
        assert words.lower() in text.lower(), words
    assert page.context["sheet"].end == LAST
    assert text.count('<svg class="chart"') >= 6
    assert text.count('class="chart-table"') >= 6
    assert not re.search(r"\b(nan|None|inf)\b", re.sub(r"<[^>]*>", " ", text))


def test_every_ratio_prints_its_own_formula_with_the_rates(client, book):
    page, text = shown(client, address(book))

    figures = page.context["sheet"].figures
    for name in ("sharpe", "sortino", "calmar", "annual_volatility"):
        assert f'href="/glossary/#{name}" title="' in text or name == "calmar"
        assert figures[name].formula.split("; ")[0].replace("÷", "÷") in text
    assert "rf 0.25% a year" in text


def test_a_period_is_a_link_that_works_without_scripts_and_with(client, book):
    page, text = shown(client, address(book, "?period=3M&scale=log"))
    assert 'aria-current="true">3M</a>' in text
    assert page.context["sheet"].start.isoformat() == "2016-03-22"
    assert "logarithmic scale" in text

    panel, part = shown(client, address(book, "?period=3M&panel=sheet"), **HTMX)
    assert panel["HX-Push-Url"] == address(book, "?period=3M")
    assert part.lstrip().startswith('<div class="stack" id="panel-sheet"')
    assert "<html" not in part


def test_days_of_ones_own_and_benchmarks_come_by_the_form(client, book):
    page, text = shown(client, address(book, "?start=2015-12-01&end=2016-03-31&benchmark=qqq,spy"))

    sheet = page.context["sheet"]
    assert (sheet.start.isoformat(), sheet.end.isoformat()) == ("2015-12-01", "2016-03-31")
    assert [each.symbol for each in sheet.beside] == ["QQQ", "SPY"]
    assert 'value="2015-12-01"' in text
    assert "prices alone" in text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?start=2016-03-31&end=2015-12-01", "It ends before it begins."),
        ("?benchmark=NOPE", "NOPE is not known"),
        ("?start=yesterday", "Enter a valid date."),
        ("?period=9Y", "9Y is not one of the available choices"),
    ],
)
def test_what_cannot_be_shown_is_said(client, book, query, said):
    page, text = shown(client, address(book, query))

    assert said in text
    assert page.context["sheet"].start == FIRST


def test_a_past_close_is_shown_as_it_was(client, book):
    page, text = shown(client, address(book, "?as_of=2016-02-29"))

    assert page.context["sheet"].end.isoformat() == "2016-02-29"
    assert "Past figures" in text
    assert 'name="as_of" value="2016-02-29"' in text
    assert "Keep benchmarks" not in text


def test_a_short_history_says_what_it_needs(client, book):
    _, text = shown(client, address(book, "?start=2015-09-14&end=2015-09-24"))

    assert "needs 20 sessions, has 8" in text
    assert "They need 63 sessions; this period has 8" in text


def test_a_new_portfolio_says_where_its_performance_begins(client):
    _, text = shown(client, address(make_portfolio(name="New")))

    assert "Performance begins with the first snapshot" in text


def test_hypothetical_days_are_dashed(client, book):
    like = book.snapshots.order_by("session_date").first()
    like.pk, like.session_date, like.kind = None, FIRST.replace(day=11), "hypothetical"
    like.save(force_insert=True)

    _, text = shown(client, address(book))

    assert 'stroke-dasharray="2 4"' in text
    assert "hypothetical, before the books begin" in text


def test_the_owner_keeps_benchmarks_and_a_late_one_is_told(client, book):
    where = address(book, "benchmarks/")
    kept = client.post(where, {"symbols": "QQQ, AAA", "version": book.version})
    late = client.post(where, {"symbols": "SPY", "version": book.version})
    book.refresh_from_db()
    bad = client.post(where, {"symbols": "NOPE", "version": book.version})

    assert (kept.status_code, kept["Location"]) == (303, address(book))
    page, _ = shown(client, address(book))
    assert [each.symbol for each in page.context["sheet"].beside] == ["QQQ", "AAA"]
    assert late.status_code == bad.status_code == 422
    assert "changed meanwhile" in late.content.decode()
    assert "NOPE is not known" in bad.content.decode()


def test_a_stranger_finds_nothing_and_a_viewer_keeps_no_benchmarks(book):
    stranger, viewer = browser("stranger@example.com"), make_user("viewer@example.com")
    Membership.objects.create(portfolio=book, user=viewer, role="viewer")
    reader = browser("viewer@example.com")
    data = {"symbols": "QQQ", "version": book.version}

    assert stranger.get(address(book)).status_code == 404
    assert stranger.post(address(book, "benchmarks/"), data).status_code == 404
    assert stranger.get(f"/portfolios/{uuid.uuid4()}/performance/").status_code == 404
    assert "Keep benchmarks" not in shown(reader, address(book))[1]
    assert reader.post(address(book, "benchmarks/"), data).status_code == 403
    assert Client().get(address(book)).status_code == 302


def test_the_page_costs_few_queries(client, book, django_assert_max_num_queries):
    shown(client, address(book))
    with django_assert_max_num_queries(12) as seen:
        shown(client, address(book))
    assert len(seen) <= 12
    with django_assert_max_num_queries(12):
        shown(client, address(book, "?period=3M&benchmark=QQQ,SPY,AAA"))
