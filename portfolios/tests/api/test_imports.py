"""The wizard over the API: rows mended, columns mapped, booked, taken back, exported."""

import json
import uuid

import pytest
from rest_framework.test import APIClient

from portfolios.models import ImportBatch, Membership, Portfolio, Position
from portfolios.tests.factories import (
    MONDAY,
    WEDNESDAY,
    make_clock,
    make_instrument,
    make_portfolio,
    make_user,
)

pytestmark = [pytest.mark.django_db, pytest.mark.urls("portfolios.tests.book_urls")]
V1 = "/api/v1"
FILE = "ticker,quantity,entry_price,entry_date\nAAA,10,90,2016-06-20\nBBX,x,1,2016-06-20\n"


@pytest.fixture(autouse=True)
def unlimited(settings):
    settings.RATE_LIMITS = {name: (100_000, 1) for name in settings.RATE_LIMITS}


@pytest.fixture
def book():
    make_clock(WEDNESDAY)
    make_instrument("AAA")
    make_instrument("BBB")
    return make_portfolio(cash=1_000, session_date=MONDAY)


def client_of(user) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def owner(book):
    return client_of(make_user())


def post(client, url, body=None, **headers):
    key = headers.pop("key", uuid.uuid4().hex)
    return client.post(url, body or {}, format="json", HTTP_IDEMPOTENCY_KEY=key, **headers)


def patch(client, url, body, tag=None):
    extra = {"HTTP_IF_MATCH": tag} if tag else {}
    return client.patch(url, body, format="json", **extra)


def checked(client, book, text=FILE, **more):
    answer = post(client, f"{V1}/portfolios/{book.pk}/imports", {"content": text, **more})
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_wrong_row_that_is_skipped_holds_nobody_up(book, owner):
    told = checked(owner, book)
    refused = post(owner, told["commit_url"])
    assert (refused.status_code, refused.json()["code"]) == (409, "import_has_errors")
    assert refused.json()["detail"].startswith("1 row has errors.")

    row = owner.get(f"{told['rows_url']}/3")
    patch(owner, f"{told['rows_url']}/3", {"decision": "skip"}, row["ETag"])
    done = post(owner, told["commit_url"])

    assert (done.status_code, done.json()["status"]) == (200, "committed")
    assert Position.objects.open().get(portfolio=book).instrument.symbol == "AAA"


def test_a_row_is_mended_booked_and_taken_back(book, owner):
    told = checked(owner, book)
    assert (told["counts"]["error"], told["totals"]["positions_after"]) == (1, 1)
    row = owner.get(f"{told['rows_url']}/3")
    assert (row.status_code, row["ETag"]) == (200, '"v1"')
    assert {each["field"] for each in row.json()["messages"]} == {"quantity"}
    mended = patch(owner, f"{told['rows_url']}/3", {"cells": {"quantity": "4", "ticker": "BBB"}}, row["ETag"])  # fmt: skip

    assert mended.status_code == 200, mended.content
    assert (mended.json()["verdict"], mended.json()["file"]["counts"]["error"]) == ("new", 0)
    assert mended.json()["file"]["totals"]["positions_after"] == 2
    stale = patch(owner, f"{told['rows_url']}/3", {"cells": {"quantity": "5"}}, row["ETag"])
    assert (stale.status_code, stale.json()["code"]) == (412, "version_mismatch")
    assert stale.json()["object"]["fixed"]["quantity"] == "4"

    done = post(owner, told["commit_url"], key="commit-once-1")
    again = post(owner, told["commit_url"], key="commit-once-1")
    assert (done.status_code, done.json()["created"]) == (200, 2)
    assert again["Idempotent-Replayed"] == "true"
    assert Position.objects.exclude(quantity=0).count() == 2
    late = patch(owner, f"{told['rows_url']}/3", {"cells": {"quantity": "5"}})
    assert (late.status_code, late.json()["code"]) == (409, "import_committed")

    undone = post(owner, done.json()["undo_url"], {"reason": "wrong file"})
    assert (undone.status_code, undone.json()["status"]) == (200, "undone")
    assert not Position.objects.exclude(quantity=0).exists()
    assert undone.json()["undo_reason"] == "wrong file"


def test_what_was_not_booked_is_not_taken_back(book, owner):
    told = checked(owner, book)

    refused = post(owner, f"{told['url']}/undo", {"reason": "x"})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_committed")
    assert post(owner, f"{told['url']}/undo", {}).status_code == 400


def test_columns_are_mapped_and_remembered(book, owner):
    text = "Papier;Zahl;Kurs;Tag\nAAA;10;90,5;2016-06-20\n"
    names = {"ticker": "Papier", "quantity": 1, "entry_price": "Kurs", "entry_date": "Tag"}
    refused = post(owner, f"{V1}/portfolios/{book.pk}/imports", {"content": text})
    assert refused.status_code == 400

    told = checked(owner, book, text, columns=names)
    assert told["counts"]["new"] == 1
    shown = owner.get(told["mapping_url"])
    assert [each["field"] for each in shown.json()["header"]] == list(names)
    assert shown.json()["header"][2]["samples"] == ["90,5"]
    swapped = names | {"quantity": 2, "entry_price": 1}
    body = {"columns": swapped}
    put = owner.put(told["mapping_url"], body, format="json", HTTP_IF_MATCH=shown["ETag"])
    assert put.status_code == 200, put.content
    row = owner.get(f"{told['rows_url']}/2").json()
    assert (row["parsed"]["quantity"], row["parsed"]["entry_price"]) == ("90.50", "10.00")
    stale = owner.put(told["mapping_url"], body, format="json", HTTP_IF_MATCH=shown["ETag"])
    assert stale.status_code == 412
    again = checked(owner, book, text.replace("10;", "11;"))
    assert owner.get(again["mapping_url"]).json()["remembered"] is True


@pytest.mark.parametrize(
    "body",
    [
        {"columns": []},
        {"columns": {"ticker": 0}},
        {"columns": {"ticker": None}},
        {"columns": {"ticker": 99, "quantity": 1, "entry_price": 2, "entry_date": 3}},
        {"columns": {str(n): n for n in range(60)}},
        {},
        {"columns": {}, "more": 1},
    ],
)
def test_a_mapping_that_is_none_is_a_400(book, owner, body):
    told = checked(owner, book)

    answer = owner.put(told["mapping_url"], body, format="json")

    assert answer.status_code == 400, answer.content


def test_duplicates_are_decided_for_the_file(book, owner):
    told = checked(owner, book, FILE.partition("BBX")[0] + "AAA,5,91,2016-06-20\n")
    assert told["counts"]["duplicate"] == 1
    tag = owner.get(told["url"])["ETag"]

    merged = patch(owner, told["url"], {"duplicates": "merge"}, tag)

    assert (merged.status_code, merged.json()["counts"]["warning"]) == (200, 1)
    assert merged.json()["duplicates"] == "merge"
    assert patch(owner, told["url"], {"duplicates": "skip"}, tag).status_code == 412
    assert patch(owner, told["url"], {"duplicates": "burn"}).status_code == 400
    known = owner.get(told["url"], HTTP_IF_NONE_MATCH=merged["ETag"])
    assert known.status_code == 304


def test_strangers_see_nothing_and_viewers_change_nothing(book, owner):
    told = checked(owner, book)
    viewer = make_user("viewer@example.com")
    Membership.objects.create(portfolio=book, user=viewer, role="viewer")
    stranger = client_of(make_user("stranger@example.com"))
    acts = [
        lambda who: patch(who, told["url"], {"duplicates": "merge"}),
        lambda who: patch(who, f"{told['rows_url']}/2", {"cells": {"quantity": "1"}}),
        lambda who: who.put(told["mapping_url"], {"columns": {}}, format="json"),
        lambda who: post(who, f"{told['url']}/commit"),
        lambda who: post(who, f"{told['url']}/undo", {"reason": "x"}),
    ]

    assert [act(stranger).status_code for act in acts] == [404] * 5
    assert [act(client_of(viewer)).status_code for act in acts] == [403] * 5
    for url in (told["url"], told["mapping_url"], f"{told['rows_url']}/2"):
        assert stranger.get(url).status_code == 404
        assert client_of(viewer).get(url).status_code == 200
    assert ImportBatch.objects.get().version == 1


def test_trades_and_cash_come_over_the_same_door(book, owner):
    trades = "ticker,side,quantity,price,trade_date\nAAA,BUY,2,100,2016-06-21\n"
    moves = "date,type,amount\n2016-06-22,deposit,50\n"

    for kind, text in (("trades", trades), ("cash", moves)):
        told = checked(owner, book, text, kind=kind)
        assert post(owner, told["commit_url"]).status_code == 200

    assert Portfolio.objects.get(pk=book.pk).cash == 850
    prices = post(owner, f"{V1}/imports", {"content": "date,close\n", "kind": "prices"})
    assert (prices.status_code, prices.json()["code"]) == (403, "prices_are_shared")


def test_positions_are_exported_so_that_they_can_be_imported(book, owner):
    told = checked(owner, book, FILE.partition("BBX")[0])
    post(owner, told["commit_url"])

    answer = owner.get(f"{V1}/export/portfolio/{book.pk}")

    assert answer["Content-Type"].startswith("text/csv")
    assert b"AAA,LONG,10,90,2016-06-20,,USD,900" in answer.content
    again = checked(owner, book, answer.content.decode())
    assert again["counts"]["new"] == again["counts"]["update"] == 0
    stranger = client_of(make_user("stranger@example.com"))
    assert stranger.get(f"{V1}/export/portfolio/{book.pk}").status_code == 404
    assert json.dumps(again["counts"])
