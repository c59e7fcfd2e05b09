"""REST of performance: the whole sheet, its parts, benchmarks with their tag."""

import uuid
from decimal import Decimal

import pytest
from rest_framework.test import APIClient

from etftrader.core.records import AuditEvent
from etftrader.testing.rows import module_rows
from portfolios.models import Membership, Portfolio
from portfolios.tests.factories import make_portfolio, make_user
from portfolios.tests.performance_book import FIRST, LAST, make_world

pytestmark = [pytest.mark.django_db, pytest.mark.urls("portfolios.tests.book_urls")]
TAILS = ("/performance", "/performance/rolling", "/performance/contributions", "/benchmarks")


@pytest.fixture(scope="module")
def staged(django_db_setup, django_db_blocker):
    with module_rows(django_db_blocker):
        yield make_world()


@pytest.fixture
def book(staged):
    return Portfolio.objects.get(pk=staged.book.pk)


@pytest.fixture
def owner(book):
    return client_of(make_user())


def client_of(user):
    found = APIClient()
    found.force_authenticate(user)
    return found


def at(book, tail=""):
    return f"/api/v1/portfolios/{book.pk}{tail}"


@pytest.mark.parametrize("tail", TAILS)
def test_members_read_and_nobody_else_learns_of_it(book, tail):
    stranger = client_of(make_user("stranger@example.com"))

    assert client_of(make_user()).get(at(book, tail)).status_code == 200
    assert stranger.get(at(book, tail)).status_code == 404
    assert APIClient().get(at(book, tail)).status_code == 401
    assert stranger.get(f"/api/v1/portfolios/{uuid.uuid4()}{tail}").status_code == 404


def test_the_whole_sheet_names_units_rates_and_reasons(book, owner):
    document = owner.get(at(book, "/performance")).json()
    data = document["data"]

    assert (data["start"], data["end"], data["period"]) == (
        FIRST.isoformat(),
        LAST.isoformat(),
        "opening",
    )
    assert data["risk_free_rate"] == pytest.approx(0.0025)
    assert "rf 0.25% a year" in data["formulas"]["sharpe"]
    assert data["reasons"] == {}
    assert data["benchmark"] == data["benchmarks"][0]["symbol"] == "SPY"
    assert data["benchmarks"][0]["basis"] == "price"
    assert data["beta"] == data["benchmarks"][0]["beta"]
    assert data["costs"] == {"commissions": "10.00"}
    assert data["trades"]["round_trips"] == 4
    assert len(data["series"]) == data["sessions"] + 1
    assert {each["code"] for each in document["meta"]["warnings"]} == {
        "short_history",
        "price_series",
    }


def test_a_benchmark_changes_nothing_of_the_portfolios_own(book, owner):
    usual = owner.get(at(book, "/performance")).json()["data"]
    other = owner.get(at(book, "/performance?benchmark=QQQ,AAA")).json()["data"]

    beside = {
        *("benchmark", "benchmarks", "alpha", "beta", "correlation", "tracking_error"),
        *("information_ratio", "reasons", "formulas"),
    }
    assert {name: usual[name] for name in usual.keys() - beside} == {
        name: other[name] for name in other.keys() - beside
    }
    assert [each["symbol"] for each in other["benchmarks"]] == ["QQQ", "AAA"]


def test_parts_add_up_to_the_gain(book, owner):
    data = owner.get(at(book, "/performance/contributions?period=3M")).json()["data"]

    parts = sum(Decimal(each["pnl"]) for each in data["contributions"])
    assert parts + Decimal(data["unexplained"]) == Decimal(data["cumulative_pnl"])
    assert Decimal(data["unexplained"]) == 0


def test_rolling_figures_begin_with_the_first_full_window(book, owner):
    data = owner.get(at(book, "/performance/rolling")).json()["data"]

    assert [each["sessions"] for each in data["windows"]] == [63, 126]
    whole = owner.get(at(book, "/performance")).json()["data"]["sessions"]
    assert [len(each["points"]) for each in data["windows"]] == [whole - 62, whole - 125]
    assert data["windows"][0]["points"][-1]["session_date"] == LAST.isoformat()


def test_as_of_answers_what_was_known(book, owner):
    past = owner.get(at(book, "/performance?as_of=2016-02-29")).json()
    own = owner.get(at(book, "/performance?end=2016-02-29&start=2015-09-14")).json()

    assert past["data"] == own["data"] | {"period": "opening"}
    assert past["as_of"].startswith("2016-02-29T21:00")


@pytest.mark.parametrize(
    ("query", "attr", "code"),
    [
        ("period=2Y", "period", "validation_error"),
        ("period=1M&start=2016-01-04", "period", "validation_error"),
        ("start=2016-03-01&end=2016-02-01", "start", "validation_error"),
        ("end=2030-01-01", "end", "after_market_clock"),
        ("benchmark=NOPE", "benchmark", "unknown_symbol"),
        ("benchmark=SPY,QQQ,AAA,BBB", "benchmark", "validation_error"),
        ("colour=red", None, "unknown_parameter"),
    ],
)
def test_bad_questions_name_what_is_wrong(book, owner, query, attr, code):
    answer = owner.get(at(book, f"/performance?{query}"))

    told = answer.json()
    assert answer.status_code == 400
    if attr is None:
        assert told["code"] == code
    else:
        assert [(each["attr"], each["code"]) for each in told["errors"]] == [(attr, code)]


def test_nothing_yet_is_null_with_reasons(owner):
    data = owner.get(at(make_portfolio(name="New"), "/performance")).json()["data"]

    assert (data["reason"], data["end"], data["sharpe"], data["trades"]) == (
        "no_snapshots",
        None,
        None,
        None,
    )
    assert data["reasons"]["cumulative_return"] == "no_snapshots"


def test_benchmarks_are_set_as_a_whole_under_their_tag(book, owner):
    known = owner.get(at(book, "/benchmarks"))
    tag = known["ETag"]
    assert (known.json()["symbols"], known.json()["is_default"]) == (["SPY"], True)
    assert owner.get(at(book, "/benchmarks"), HTTP_IF_NONE_MATCH=tag).status_code == 304

    body = {"symbols": ["qqq", "AAA"]}
    without = owner.put(at(book, "/benchmarks"), body, format="json")
    first = owner.put(at(book, "/benchmarks"), body, format="json", HTTP_IF_MATCH=tag)
    late = owner.put(at(book, "/benchmarks"), body, format="json", HTTP_IF_MATCH=tag)

    assert (without.status_code, first.status_code, late.status_code) == (428, 200, 412)
    assert first.json()["symbols"] == ["QQQ", "AAA"]
    event = AuditEvent.objects.filter(action="portfolio.benchmarks").get()
    assert event.after == {"benchmarks": ["QQQ", "AAA"]}
    again = owner.put(
        at(book, "/benchmarks"), {"symbols": []}, format="json", HTTP_IF_MATCH=first["ETag"]
    )
    assert (again.json()["symbols"], again.json()["is_default"]) == (["SPY"], True)


@pytest.mark.parametrize("symbols", [["A", "B", "C", "D"], ["NOPE"], ["SPY", "SPY"], "SPY", None])
def test_bad_benchmarks_change_nothing(book, owner, symbols):
    tag = owner.get(at(book, "/benchmarks"))["ETag"]
    answer = owner.put(
        at(book, "/benchmarks"), {"symbols": symbols}, format="json", HTTP_IF_MATCH=tag
    )

    assert answer.status_code == 400, answer.content
    assert owner.get(at(book, "/benchmarks"))["ETag"] == tag


def test_a_viewer_sets_no_benchmarks(book):
    viewer = make_user("viewer@example.com")
    Membership.objects.create(portfolio=book, user=viewer, role="viewer")

    answer = client_of(viewer).put(at(book, "/benchmarks"), {"symbols": ["QQQ"]}, format="json")

    assert answer.status_code == 403


def test_a_sheet_costs_few_queries(book, owner, django_assert_max_num_queries):
    with django_assert_max_num_queries(8):
        assert owner.get(at(book, "/performance")).status_code == 200
