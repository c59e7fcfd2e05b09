"""REST of tags, strategies and saved views: documents, versions, batches, whose they are."""

import pytest
from rest_framework.test import APIClient

from portfolios.models import Position, SavedView, Tag
from portfolios.tests.factories import (
    MONDAY,
    WEDNESDAY,
    fill,
    make_clock,
    make_closes,
    make_instrument,
    make_portfolio,
    make_user,
    opening,
)

pytestmark = [pytest.mark.django_db, pytest.mark.urls("portfolios.tests.book_urls")]
V1 = "/api/v1"
JSON = {"format": "json"}


def client_of(user) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture(autouse=True)
def unlimited(settings):
    settings.RATE_LIMITS = {name: (100_000, 1) for name in settings.RATE_LIMITS}


@pytest.fixture
def owner():
    return client_of(make_user())


@pytest.fixture
def held():
    """10 AAA bought at 5 and 4 BBB short at 20; they close at 6 and 18."""
    make_clock(WEDNESDAY)
    book = make_portfolio(cash=1000, allow_short=True)
    for symbol, units, price, close in (("AAA", 10, 5, 6), ("BBB", -4, 20, 18)):
        fund = make_instrument(symbol)
        make_closes(fund, {MONDAY: price, WEDNESDAY: close})
        opening(book, fund, units, price)
    return {each.instrument.symbol: each for each in Position.objects.all()}


def make(owner, **fields):
    answer = owner.post(f"{V1}/tags", fields, **JSON)
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_tag_is_made_read_changed_archived_and_restored(owner):
    made = make(owner, name="#strategy:Pairs", colour="#0E8F8A", description="two legs")
    assert (made["kind"], made["word"]) == ("strategy", "#strategy:Pairs")

    answer = owner.get(made["url"])
    assert answer["ETag"] == '"v1"'
    changed = owner.patch(made["url"], {"name": "Spread"}, HTTP_IF_MATCH='"v1"', **JSON)
    stale = owner.patch(made["url"], {"name": "Late"}, HTTP_IF_MATCH='"v1"', **JSON)

    assert (changed.status_code, changed["ETag"]) == (200, '"v2"')
    assert (stale.status_code, stale.json()["object"]["name"]) == (412, "Spread")
    assert owner.delete(made["url"], HTTP_IF_MATCH='"v2"').status_code == 204
    assert owner.get(f"{V1}/tags").json()["count"] == 0
    assert owner.get(f"{V1}/tags?archived=true").json()["count"] == 1
    again = owner.post(f"{made['url']}/restore", {}, **JSON)
    assert (again.status_code, again.json()["left_out"]) == (200, [])
    assert owner.get(f"{V1}/tags?kind=strategy").json()["count"] == 1
    assert owner.get(f"{V1}/tags?archived=perhaps").status_code == 400


def test_a_batch_of_tags_is_all_or_nothing(owner):
    bad = owner.post(f"{V1}/tags/batch", [{"name": "a"}, {"name": "a/b"}], **JSON)
    assert (bad.status_code, bad.json()["errors"][0]["attr"]) == (400, "1.name")
    assert not Tag.objects.exists()

    part = owner.post(f"{V1}/tags/batch?partial=true", [{"name": "a"}, {"name": "A"}], **JSON)
    assert part.status_code == 207
    assert [each["status"] for each in part.json()["results"]] == [201, 409]

    key = Tag.objects.get().pk
    gone = owner.delete(f"{V1}/tags/batch", [{"id": str(key), "version": 1}], **JSON)
    assert gone.status_code == 200
    assert Tag.objects.get().archived_at is not None


def test_tags_of_a_position_have_their_own_version(owner, held):
    at = f"{V1}/positions/{held['AAA'].pk}/tags"

    first = owner.put(at, {"tags": ["core", "#strategy:Pairs"]}, HTTP_IF_MATCH='"v1"', **JSON)
    stale = owner.put(at, {"tags": []}, HTTP_IF_MATCH='"v1"', **JSON)
    found = owner.get(at)

    assert first.status_code == 200, first.content
    assert [each["word"] for each in found.json()["tags"]] == ["core", "#strategy:Pairs"]
    assert found["ETag"] == '"v2"'
    assert stale.status_code == 412
    assert stale.json()["object"]["version"] == 2
    assert owner.put(at, {"tags": ["a/b"]}, **JSON).json()["errors"][0]["code"] == "invalid_tag"
    stranger = client_of(make_user("s@example.com"))
    assert stranger.get(at).status_code == 404
    assert stranger.put(at, {"tags": []}, **JSON).status_code == 404


def test_bulk_assign_answers_every_position_and_repeats_under_its_key(owner, held):
    body = {"positions": [str(each.pk) for each in held.values()], "add": ["core"]}

    first = owner.post(f"{V1}/tags/bulk-assign", body, HTTP_IDEMPOTENCY_KEY="bulk-assign-1", **JSON)
    again = owner.post(f"{V1}/tags/bulk-assign", body, HTTP_IDEMPOTENCY_KEY="bulk-assign-1", **JSON)

    assert first.status_code == again.status_code == 200
    assert first.json()["count"] == 2
    assert again["Idempotent-Replayed"] == "true"
    assert set(Position.objects.values_list("tags_version", flat=True)) == {2}
    empty = owner.post(f"{V1}/tags/bulk-assign", {"positions": body["positions"]}, **JSON)
    assert empty.status_code == 400


def test_strategies_add_their_legs_up(owner, held):
    body = {"positions": [str(each.pk) for each in held.values()], "strategy": "Pairs"}
    owner.post(f"{V1}/tags/bulk-assign", body, **JSON)
    fill(held["AAA"].portfolio, held["AAA"].instrument, -5, 7)

    [row] = owner.get(f"{V1}/strategies").json()["results"]

    assert (row["name"], row["word"]) == ("Pairs", "#strategy:Pairs")
    assert (row["long_exposure"], row["short_exposure"]) == ("30.00", "-72.00")
    assert (row["net_exposure"], row["unrealized_pnl"]) == ("-42.00", "13.00")
    assert row["realized_pnl"] == "10.00"
    assert row["greeks"]["dollar_delta"] == pytest.approx(-42)
    assert [leg["symbol"] for leg in row["legs"]] == ["AAA", "BBB"]
    other = client_of(make_user("s@example.com"))
    assert other.get(f"{V1}/strategies").json()["results"] == []


def test_a_saved_view_keeps_what_means_something_and_one_is_the_default(owner):
    at = f"{V1}/saved-views"
    wish = {"type": "LONG", "group": "sector", "columns": "weight,nonsense", "sort": "-weight"}
    made = owner.post(at, {"name": "Longs", "query": wish, "is_default": True}, **JSON).json()
    assert made["query"] == wish | {"columns": "weight"}

    owner.post(at, {"name": "All", "query": {}, "is_default": True}, **JSON)
    assert list(SavedView.objects.filter(is_default=True).values_list("name", flat=True)) == ["All"]

    assert owner.get(made["url"])["ETag"] == '"v2"'
    stale = owner.patch(made["url"], {"name": "L"}, HTTP_IF_MATCH='"v1"', **JSON)
    assert stale.status_code == 412
    taken = owner.patch(made["url"], {"name": "ALL"}, HTTP_IF_MATCH='"v2"', **JSON)
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
    odd = owner.post(at, {"name": "Odd", "query": {"page": "2"}}, **JSON)
    assert odd.status_code == 400
    stranger = client_of(make_user("s@example.com"))
    assert stranger.get(made["url"]).status_code == 404
    assert owner.delete(made["url"]).status_code == 204


def test_fifty_views_are_the_most(owner):
    user = make_user()
    SavedView.objects.bulk_create(SavedView(user=user, name=f"v{each}") for each in range(50))

    answer = owner.post(f"{V1}/saved-views", {"name": "more", "query": {}}, **JSON)

    assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, "name")
