"""REST of the watchlists: whose they are, versions, batches, symbols nobody knows."""

import uuid
from typing import Any

import pytest
from rest_framework.test import APIClient

from etftrader.core.records import AuditEvent, JobRun
from marketdata.models import Instrument
from portfolios.constants import MAX_WATCHED
from portfolios.models import User, Watchlist, WatchlistItem
from portfolios.selectors import watchlists as read
from portfolios.services import watchlists as write
from portfolios.tests.factories import WEDNESDAY, actor, make_clock, make_instrument, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.urls("portfolios.tests.book_urls")]
LISTS, ITEMS = "/api/v1/watchlists", "/api/v1/watchlist-items"


@pytest.fixture(autouse=True)
def market(settings: Any) -> None:
    settings.RATE_LIMITS = {name: (100_000, 1) for name in settings.RATE_LIMITS}
    settings.MARKETDATA_PROVIDER = "bundled"
    make_clock(WEDNESDAY)
    for symbol in ("AAA", "AAB", "AAC", "BBB"):
        make_instrument(symbol)


def client_of(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def me() -> APIClient:
    return client_of(make_user())


@pytest.fixture
def other() -> APIClient:
    return client_of(make_user("stranger@example.com"))


@pytest.fixture
def mine(me: APIClient) -> dict[str, Any]:
    answer = me.post(LISTS, {"name": "Mine"})
    assert answer.status_code == 201, answer.content
    return answer.json()


def put_on(client: APIClient, a_list: dict[str, Any], symbol: str, **more: Any) -> dict[str, Any]:
    answer = client.post(ITEMS, {"watchlist": a_list["id"], "symbol": symbol, **more})
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_list_is_made_read_renamed_replaced_and_deleted(me, mine):
    one = me.get(mine["url"])
    assert one.json() == mine
    assert one["ETag"] == '"v1"'
    same = me.get(mine["url"], HTTP_IF_NONE_MATCH='"v1"')
    assert (same.status_code, same["ETag"]) == (304, '"v1"')

    renamed = me.patch(mine["url"], {"name": "Core"}, HTTP_IF_MATCH='"v1"')
    assert (renamed.json()["name"], renamed["ETag"]) == ("Core", '"v2"')
    replaced = me.put(mine["url"], {"name": "Whole"})
    assert (replaced.json()["name"], replaced.json()["order"]) == ("Whole", 0)

    assert me.delete(mine["url"], HTTP_IF_MATCH='"v3"').status_code == 204
    assert me.get(mine["url"]).status_code == 404
    actions = AuditEvent.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == [
        "watchlist.created",
        "watchlist.changed",
        "watchlist.changed",
        "watchlist.deleted",
    ]


def test_a_stale_version_is_told_what_stands_now(me, mine):
    assert me.patch(mine["url"], {"name": "First"}, HTTP_IF_MATCH='"v1"').status_code == 200

    late = me.patch(mine["url"], {"name": "Second"}, HTTP_IF_MATCH='"v1"')

    assert late.status_code == 412
    assert late.json()["object"]["name"] == "First"
    assert Watchlist.objects.get().name == "First"


@pytest.mark.parametrize("body", [{"name": ""}, {"name": "x" * 61}, {}, {"name": "A", "more": 1}])
def test_what_is_no_list_is_refused_with_the_field(me, body):
    answer = me.post(LISTS, body)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"] in ("name", "more")


def test_a_name_is_taken_in_any_case_and_by_oneself_only(me, other, mine):
    again = me.post(LISTS, {"name": " mine "})

    assert (again.status_code, again.json()["code"]) == (409, "name_taken")
    assert other.post(LISTS, {"name": "Mine"}).status_code == 201


def test_somebody_elses_customer_cannot_be_named(me, other):
    for customer in (str(uuid.uuid4()), "nonsense"):
        answer = me.post(LISTS, {"name": "Theirs", "customer": customer})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["attr"] == "customer"
    assert Watchlist.objects.count() == 0


def test_lists_are_filtered_ordered_and_paged(me, mine):
    me.post(f"{LISTS}/batch", [{"name": "Alpha"}, {"name": "Beta", "order": 9}])

    def names(query: str) -> list[str]:
        answer = me.get(f"{LISTS}?{query}")
        assert answer.status_code == 200, answer.content
        return [each["name"] for each in answer.json()["results"]]

    assert names("") == ["Mine", "Alpha", "Beta"]
    assert names("ordering=-name") == ["Mine", "Beta", "Alpha"]
    assert names("name__icontains=ET") == ["Beta"]
    assert names("limit=1&offset=1") == ["Alpha"]
    assert me.get(f"{LISTS}?colour=red").status_code == 400
    assert me.get(f"{LISTS}?ordering=colour").status_code == 400


def test_a_foreign_list_is_as_missing_as_none(me, other, mine):
    item = put_on(me, mine, "AAA")
    for url, thing in ((mine["url"], mine), (item["url"], item)):
        for method in ("get", "put", "patch", "delete"):
            body = {"name": "x"} if thing is mine else {"symbol": "BBB"}
            sent = None if method == "get" else body
            told = getattr(other, method)(url, sent)
            gone = getattr(other, method)(url[:-36] + str(uuid.uuid4()), sent)
            assert told.status_code == gone.status_code == 404, (method, url)
            assert told.json()["detail"] == gone.json()["detail"]
    assert other.get(LISTS).json()["count"] == other.get(ITEMS).json()["count"] == 0
    assert other.get(f"{ITEMS}?watchlist={mine['id']}").json()["results"] == []
    for key in (mine["id"], str(uuid.uuid4())):
        answer = other.post(ITEMS, {"watchlist": key, "symbol": "AAA"})
        assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, "watchlist")
    assert APIClient().get(LISTS).status_code == 401


def test_a_known_symbol_is_put_on_a_list_once(me, mine):
    item = put_on(me, mine, " aaa ", note="the first")

    assert item["state"] == "resolved"
    assert item["instrument"] == str(Instrument.objects.get(symbol="AAA").pk)
    assert (item["symbol"], item["name"], item["note"]) == ("AAA", "Fund AAA", "the first")
    assert item["suggestions"] == []
    again = me.post(ITEMS, {"watchlist": mine["id"], "instrument": "AAA"})
    assert (again.status_code, again.json()["code"]) == (409, "already_there")
    assert me.get(mine["url"]).json()["item_count"] == 1


def test_an_unknown_symbol_stays_unresolved_with_three_near_ones_and_a_reason(me, mine):
    item = put_on(me, mine, "AAD")

    assert (item["state"], item["instrument"], item["name"]) == ("unresolved", None, None)
    assert [each["symbol"] for each in item["suggestions"]] == ["AAA", "AAB", "AAC"]
    assert item["reason"] == read.CLOSED_WORLD
    # nobody could be asked, so nobody was
    assert not JobRun.objects.exists()
    assert not Instrument.objects.filter(symbol="AAD").exists()

    meant = me.patch(item["url"], {"symbol": "AAC"}, HTTP_IF_MATCH='"v1"').json()
    assert (meant["symbol"], meant["state"], meant["version"]) == ("AAC", "resolved", 2)


@pytest.mark.parametrize("symbol", ["", "A B", "../x", "x" * 33, "é"])
def test_what_is_no_symbol_is_refused(me, mine, symbol):
    answer = me.post(ITEMS, {"watchlist": mine["id"], "symbol": symbol})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"] == "symbol"
    assert WatchlistItem.objects.count() == 0


def test_symbol_and_instrument_must_agree(me, mine):
    for body in ({}, {"symbol": "AAA", "instrument": "BBB"}):
        answer = me.post(ITEMS, {"watchlist": mine["id"], **body})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["attr"] == "symbol"


def test_a_private_thing_is_watched_by_its_owner_only(me, other, mine):
    own = make_user()
    make_instrument("MYFUND", owner_id=own.pk, pricing="manual", price_basis="manual")

    assert put_on(me, mine, "MYFUND")["state"] == "resolved"
    theirs = other.post(LISTS, {"name": "Theirs"}).json()
    told = put_on(other, theirs, "MYFUND")
    missing = put_on(other, theirs, "MYFUNC")
    assert told["state"] == missing["state"] == "unresolved"
    assert "MYFUND" not in str(missing["suggestions"])


def test_symbols_are_filtered_and_ordered(me, mine):
    for symbol in ("BBB", "AAA", "ZZZ"):
        put_on(me, mine, symbol)

    def symbols(query: str) -> list[str]:
        return [each["symbol"] for each in me.get(f"{ITEMS}?{query}").json()["results"]]

    assert symbols(f"watchlist={mine['id']}") == ["BBB", "AAA", "ZZZ"]
    assert symbols("ordering=symbol") == ["AAA", "BBB", "ZZZ"]
    assert symbols("resolved=false") == ["ZZZ"]
    assert symbols("symbol=bbb") == ["BBB"]


def test_a_page_of_unknown_symbols_costs_no_more_than_one(me, mine, django_assert_max_num_queries):
    for number in range(12):
        put_on(me, mine, f"ZZ{number}")

    with django_assert_max_num_queries(8):
        assert len(me.get(ITEMS).json()["results"]) == 12


def test_a_batch_is_all_or_nothing_unless_it_may_be_partial(me, mine):
    items = [{"watchlist": mine["id"], "symbol": symbol} for symbol in ("AAA", "AAA", "x y", "BBB")]

    whole = me.post(f"{ITEMS}/batch", items)
    assert whole.status_code == 400
    assert whole.json()["errors"][0]["attr"] == "1.symbol"
    assert WatchlistItem.objects.count() == 0

    partial = me.post(f"{ITEMS}/batch?partial=true", items)
    assert partial.status_code == 207
    assert [each["status"] for each in partial.json()["results"]] == [201, 409, 400, 201]
    assert partial.json()["summary"] == {"created": 2, "failed": 2}
    assert set(WatchlistItem.objects.values_list("symbol", flat=True)) == {"AAA", "BBB"}


def test_a_batch_has_at_most_500_items_and_a_list_so_many_symbols(me, mine):
    many = [{"watchlist": mine["id"], "symbol": f"Q{number}"} for number in range(501)]

    assert me.post(f"{ITEMS}/batch", many).status_code == 413
    full = me.post(f"{ITEMS}/batch", many[: MAX_WATCHED + 1])
    assert full.status_code == 400
    assert WatchlistItem.objects.count() == 0


def test_items_and_lists_are_changed_and_deleted_in_batches(me, mine):
    one, two = (put_on(me, mine, symbol) for symbol in ("AAA", "BBB"))

    changed = me.patch(
        f"{ITEMS}/batch",
        [
            {"id": one["id"], "order": 5, "version": one["version"]},
            {"id": two["id"], "note": "hedge"},
        ],
    )
    assert changed.status_code == 200, changed.content
    assert [(each["order"], each["note"]) for each in changed.json()] == [(5, ""), (1, "hedge")]

    stale = me.patch(f"{ITEMS}/batch", [{"id": one["id"], "note": "x", "version": 1}])
    assert stale.status_code == 400
    assert stale.json()["errors"][0]["code"] == "version_mismatch"

    gone = me.delete(f"{ITEMS}/batch?partial=true", [one["id"], str(uuid.uuid4()), "nonsense"])
    assert [each["status"] for each in gone.json()["results"]] == [200, 404, 404]
    renamed = me.patch(f"{LISTS}/batch", [{"id": mine["id"], "name": "Other"}])
    assert renamed.json()[0]["name"] == "Other"
    assert me.delete(f"{LISTS}/batch", [{"id": mine["id"]}]).status_code == 200
    assert Watchlist.objects.count() == WatchlistItem.objects.count() == 0


def test_the_same_key_puts_a_symbol_on_the_list_once(me, mine):
    body = {"watchlist": mine["id"], "symbol": "AAA"}

    first, again = (me.post(ITEMS, body, HTTP_IDEMPOTENCY_KEY="once-0001") for _ in range(2))

    assert first.json() == again.json()
    assert again["Idempotent-Replayed"] == "true"
    assert WatchlistItem.objects.count() == 1


def test_who_watches_what_is_known_over_all_people(me, other, mine):
    put_on(me, mine, "AAA")
    put_on(me, mine, "ZZZ")
    theirs = other.post(LISTS, {"name": "Theirs"}).json()
    for symbol in ("AAA", "BBB"):
        put_on(other, theirs, symbol)

    watched = Instrument.objects.filter(pk__in=read.watched_instrument_ids())
    assert sorted(watched.values_list("symbol", flat=True)) == ["AAA", "BBB"]


def test_a_symbol_that_comes_to_be_known_is_attached_to_every_list_that_waits(me, other, mine):
    waiting = put_on(me, mine, "ZZZ")
    theirs = other.post(LISTS, {"name": "Theirs"}).json()
    put_on(other, theirs, "ZZZ")
    assert write.attach() == 0
    make_instrument("ZZZ")

    assert write.attach() == 2
    assert write.attach() == 0
    found = me.get(waiting["url"]).json()
    assert (found["state"], found["version"]) == ("resolved", 2)
    lines = AuditEvent.objects.filter(action="watchlist.symbols_found")
    assert [each.after for each in lines] == [{"symbols": ["ZZZ"]}]


def test_a_list_is_arranged_at_once_and_a_stale_page_changes_nothing(me, mine):
    items = [put_on(me, mine, symbol) for symbol in ("AAA", "AAB", "BBB")]
    first, second, third = (uuid.UUID(each["id"]) for each in items)
    row = Watchlist.objects.get()
    key, version = row.pk, row.version

    def arrange(version: int) -> Watchlist:
        return write.arrange(
            watchlist_id=key,
            order=[third, first],
            notes={first: "short"},
            removed={second},
            if_match_version=version,
            by=actor(),
        )

    arrange(version)
    with pytest.raises(Exception, match="changed since"):
        arrange(version)

    left = WatchlistItem.objects.order_by("order")
    assert [(each.symbol, each.note) for each in left] == [("BBB", ""), ("AAA", "short")]
