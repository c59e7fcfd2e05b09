"""Exposures and positions by group: sums to the digit, overlap, what is left out, the past."""

from datetime import date
from decimal import Decimal

import pytest
from rest_framework.test import APIClient

from marketdata.models import ReplayClock
from marketdata.selectors import calendar
from portfolios.models import Position, PositionSnapshot
from portfolios.services import snapshots
from portfolios.services import tags_on_positions as on_positions
from portfolios.services.tags_on_positions import Wanted
from portfolios.tests import option_book
from portfolios.tests.factories import (
    MONDAY,
    WEDNESDAY,
    actor,
    make_clock,
    make_closes,
    make_instrument,
    make_portfolio,
    make_user,
    opening,
)

pytestmark = [pytest.mark.django_db, pytest.mark.urls("portfolios.tests.book_urls")]
V1 = "/api/v1"
THURSDAY = date(2016, 6, 23)
HELD = {
    "AAA": ({"kind": "stock", "sector": "Energy"}, 10, 5),
    "BBB": ({"kind": "stock", "sector": "Energy"}, -4, 20),
    "CCC": ({"segment": "US large cap"}, 3, 30),
    "DDD": ({}, 2, 10),
}


@pytest.fixture(autouse=True)
def unlimited(settings):
    settings.RATE_LIMITS = {name: (100_000, 1) for name in settings.RATE_LIMITS}


@pytest.fixture
def client():
    made = APIClient()
    made.force_authenticate(make_user())
    return made


def tag(names, **wanted):
    rows = Position.objects.filter(instrument__symbol__in=names)
    on_positions.bulk_assign(
        position_ids=[each.pk for each in rows],
        wanted=Wanted(**wanted),
        user=make_user(),
        by=actor(),
    )


@pytest.fixture
def book():
    """50 AAA, 80 BBB short, 90 CCC and DDD, of which no price is known."""
    make_clock(WEDNESDAY)
    made = make_portfolio(cash=1000, allow_short=True)
    for symbol, (facts, units, price) in HELD.items():
        fund = make_instrument(symbol, **facts)
        if symbol != "DDD":
            make_closes(fund, {MONDAY: price, WEDNESDAY: price})
        opening(made, fund, units, price)
    tag(["AAA", "BBB"], add=("core", "hedge"), strategy="Pairs")
    tag(["CCC"], add=("core",))
    snapshots.take(portfolio_ids=[made.pk], session_date=WEDNESDAY)
    ReplayClock.objects.update(session_date=THURSDAY, as_of=calendar.close_time(THURSDAY))
    return made


def grouped(client, book, query):
    answer = client.get(f"{V1}/portfolios/{book.pk}/positions/grouped?{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def by_label(rows):
    return {row["label"]: row for row in rows}


@pytest.mark.parametrize("query", ["", "&as_of=2016-06-22"])
def test_groups_add_up_to_the_whole_now_and_at_a_past_close(client, book, query):
    found = grouped(client, book, f"group_by=type,sector,underlying,account,asset_class{query}")[
        "data"
    ]

    whole = found["total"]
    assert (whole["long_exposure"], whole["short_exposure"]) == ("140.00", "-80.00")
    assert (whole["gross_exposure"], whole["net_exposure"]) == ("220.00", "60.00")
    assert whole["excluded"] == [{"symbol": "DDD", "reason": "no_price"}]
    assert whole["coverage"] == pytest.approx(220 / 240)
    for rows in found["groups"].values():
        for name in ("net_exposure", "long_exposure", "short_exposure", "notional"):
            known = [Decimal(row[name]) for row in rows if row[name] is not None]
            assert sum(known) == Decimal(whole[name])
    sectors = by_label(found["groups"]["sector"])
    assert sectors["Energy"]["net_exposure"] == "-30.00"
    assert sectors["Energy"]["gross_share"] == pytest.approx(130 / 220)
    assert sectors["Unclassified"]["net_exposure"] is None
    assert sectors["Unclassified"]["reason"] == "no_price"
    assert sectors["Unclassified"]["weight"] is None


def test_concentration_is_of_positions_and_of_underlyings(client, book):
    found = grouped(client, book, "group_by=type")["data"]["concentration"]

    shares = [50 / 220, 80 / 220, 90 / 220]
    assert found["hhi"] == pytest.approx(sum(each**2 for each in shares))
    assert found["effective_positions"] == pytest.approx(1 / found["hhi"])
    assert [each["symbol"] for each in found["top"]] == ["CCC", "BBB", "AAA"]
    assert found["top_share"] == pytest.approx(1.0)


def test_a_position_counts_fully_in_each_tag_and_the_answer_says_so(client, book):
    answer = grouped(client, book, "group_by=tag,strategy")

    tags = by_label(answer["data"]["groups"]["tag"])
    assert {name: row["gross_exposure"] for name, row in tags.items()} == {
        "core": "220.00",
        "hedge": "130.00",
        "No tag": None,
    }
    assert by_label(answer["data"]["groups"]["strategy"])["Pairs"]["net_exposure"] == "-30.00"
    assert "overlapping_groups" in {each["code"] for each in answer["meta"]["warnings"]}


@pytest.mark.parametrize(
    ("query", "symbols"),
    [
        ("tag=core,hedge", ["AAA", "BBB", "CCC"]),
        ("tag=core,hedge&tag_mode=all", ["AAA", "BBB"]),
        ("tag=%23strategy:pairs", ["AAA", "BBB"]),
        ("strategy=PAIRS", ["AAA", "BBB"]),
        ("type=SHORT", ["BBB"]),
        ("underlying=ccc", ["CCC"]),
        ("quality=missing", ["DDD"]),
        ("search=energy", ["AAA", "BBB"]),
        ("symbol=aaa", ["AAA"]),
        ("group_by=tag", ["AAA", "BBB", "CCC", "DDD"]),
        ("tag=nothing", []),
    ],
)
def test_filters_of_the_list(client, book, query, symbols):
    for address in (f"{V1}/portfolios/{book.pk}/positions", f"{V1}/positions"):
        rows = client.get(f"{address}?{query}").json()["results"]
        assert sorted(row["symbol"] for row in rows) == symbols


@pytest.mark.parametrize(
    "query",
    ["type=WIDE", "tag_mode=some", "quality=fine", "group_by=colour", "tag_colour=x"],
)
def test_what_no_filter_understands_is_refused(client, book, query):
    assert client.get(f"{V1}/positions?{query}").status_code == 400


def test_a_position_tells_its_tags_strategies_and_quality(client, book):
    [row] = client.get(f"{V1}/positions?symbol=AAA").json()["results"]

    assert row["tags"] == ["core", "hedge", "#strategy:Pairs"]
    assert (row["strategies"], row["quality"]) == (["Pairs"], row["price_class"])


def test_pages_of_positions(client, book):
    answer = client.get(f"{V1}/positions?limit=2&offset=2").json()

    assert (answer["count"], [row["symbol"] for row in answer["results"]]) == (4, ["CCC", "DDD"])


def test_over_portfolios_groups_have_accounts_and_one_currency(client, book):
    other = make_portfolio(name="Second", cash=100)
    opening(other, make_instrument("AAA"), 2, 5)
    answer = client.get(f"{V1}/positions/grouped?group_by=account,underlying").json()

    assert answer["data"]["total"]["net_exposure"] == "70.00"
    assert by_label(answer["data"]["groups"]["underlying"])["AAA"]["positions"] == 2
    one = client.get(f"{V1}/positions/grouped?group_by=type&portfolio={other.pk}").json()
    assert one["data"]["total"]["net_exposure"] == "10.00"
    other.base_currency = "EUR"
    other.save()
    refused = client.get(f"{V1}/positions/grouped?group_by=type")
    assert (refused.status_code, refused.json()["reason"]) == (422, "several_currencies")
    assert client.get(f"{V1}/positions/grouped").status_code == 400


def test_tags_of_a_close_before_they_were_kept_are_those_of_today_and_it_says_so(client, book):
    PositionSnapshot.objects.update(tags=None)
    past, now = (
        {each["code"] for each in grouped(client, book, query)["meta"]["warnings"]}
        for query in ("group_by=tag&as_of=2016-06-22", "group_by=tag")
    )

    assert past - now == {"tags_of_today"}


def test_options_have_notional_and_delta_of_their_underlying(client):
    made = option_book.make_book()

    found = client.get(f"{V1}/portfolios/{made.pk}/exposures?group_by=type,underlying").json()

    data = found["data"]
    rows = {row["label"]: row for row in data["groups"]["underlying"]}
    assert set(rows) == {"SPY", "TLT"}
    assert Decimal(data["options_exposure"]) + Decimal(data["stock_exposure"]) == Decimal(
        data["net_exposure"]
    )
    assert Decimal(rows["SPY"]["delta_exposure"]) + Decimal(rows["TLT"]["delta_exposure"]) == (
        Decimal(data["net_delta_exposure"])
    )
    contracts = sum(abs(each) for each in option_book.OPTIONS.values())
    spot = Decimal("208.1")
    shares = abs(Decimal(rows["SPY"]["stock_exposure"])) + Decimal(50 * 133)
    assert float(data["notional"]) == pytest.approx(float(contracts * 100 * spot + shares), 1e-3)
    assert rows["SPY"]["greeks"]["dollar_delta"] == pytest.approx(
        float(rows["SPY"]["delta_exposure"]), rel=1e-6
    )
    assert {row["label"] for row in data["groups"]["type"]} == {
        "LONG", "SHORT", "LC", "LP", "SC", "SP",
    }  # fmt: skip


def test_an_option_without_greeks_is_left_out_of_delta_and_named(client):
    made = option_book.make_book(compute=False)

    data = client.get(f"{V1}/portfolios/{made.pk}/exposures").json()["data"]

    assert len(data["delta_excluded"]) == len(option_book.OPTIONS)
    assert data["greeks"]["skipped"] == len(option_book.OPTIONS)
