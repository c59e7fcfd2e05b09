"""Cash, transfers, accounts and the life of portfolios over the API."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from portfolios.models import Account, Portfolio, Transfer
from portfolios.services import snapshots, tokens
from portfolios.tests.factories import (
    MONDAY,
    TUESDAY,
    actor,
    fill,
    make_clock,
    make_closes,
    make_instrument,
    make_portfolio,
    make_user,
)

pytestmark = [pytest.mark.django_db, pytest.mark.urls("portfolios.tests.book_urls")]
V1 = "/api/v1"


class Api:
    """A client with a token of its own."""

    def __init__(self, user) -> None:
        scopes = ["read", "trade", "admin"]
        token = tokens.create_personal(user=user, name="t", scopes=scopes, by=actor(user))[1]
        self.headers = {"HTTP_AUTHORIZATION": f"Token {token}"}

    def __call__(self, method, path, body=None, **extra):
        send = getattr(Client(), method)
        json = ({} if body is None else body) if method != "get" else {}
        more = () if method == "get" else ("application/json",)
        return send(f"{V1}{path}", json, *more, **self.headers, **extra)


@pytest.fixture
def stage(settings):
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (1_000_000, 1))
    make_clock(TUESDAY)
    owner = make_user()
    fund = make_instrument()
    make_closes(fund, {MONDAY: 100, TUESDAY: 130})
    book = make_portfolio(owner=owner, name="Main", cash=10_000)
    other = make_portfolio(owner=owner, name="Other", cash=1_000)
    fill(book, fund, 10, 100)
    return Api(owner), book, other


@pytest.mark.parametrize(
    ("kind", "cash"),
    [
        ("deposit", 9005),
        ("interest", 9005),
        ("withdrawal", 8995),
        ("fee", 8995),
        ("tax", 8995),
        ("borrow_fee", 8995),
    ],
)
def test_each_kind_of_cash_goes_its_way(stage, kind, cash):
    api, book, _ = stage
    body = {"portfolio": str(book.pk), "type": kind, "amount": "5"}

    answer = api("post", "/cash-transactions", body)

    assert answer.status_code == 201
    assert answer.json()["external_flow"] is (kind in ("deposit", "withdrawal"))
    assert Portfolio.objects.get(pk=book.pk).cash == cash
    row = api("get", f"/cash-transactions/{answer.json()['id']}").json()
    assert row["type"] == kind
    taken = api("delete", f"/cash-transactions/{row['id']}", {"reason": "typing error"})
    assert taken.status_code == 200
    assert taken.json()["reverses"] == row["id"]
    assert Portfolio.objects.get(pk=book.pk).cash == 9000


def test_cash_of_every_book_is_listed_and_filtered(stage):
    api, book, other = stage
    api("post", f"/portfolios/{other.pk}/cash", {"type": "fee", "amount": "5"})

    def found(query):
        answer = api("get", f"/cash-transactions{query}")
        assert answer.status_code == 200, answer.content
        return {(row["portfolio"], row["type"]) for row in answer.json()["results"]}

    assert found("") == {
        (str(book.pk), "deposit"),
        (str(other.pk), "deposit"),
        (str(other.pk), "fee"),
    }
    assert found("?type=fee") == {(str(other.pk), "fee")}
    assert found(f"?portfolio={book.pk}") == {(str(book.pk), "deposit")}
    assert found("?external_flow=false&session_date__gte=2016-06-21") == {(str(other.pk), "fee")}
    assert api("get", "/cash-transactions?typ=fee").status_code == 400
    stranger = Api(make_user("stranger@example.com"))
    assert stranger("get", "/cash-transactions").json()["results"] == []


def test_a_batch_is_booked_whole_or_not_at_all(stage):
    api, book, _ = stage
    good = {"portfolio": str(book.pk), "type": "deposit", "amount": "5"}
    bad = good | {"type": "withdrawal", "amount": "1000000"}

    refused = api("post", "/cash-transactions/batch", [good, bad])
    done = api("post", "/cash-transactions/batch", [good, good | {"amount": "6"}])

    assert (refused.status_code, done.status_code) == (400, 201)
    assert Portfolio.objects.get(pk=book.pk).cash == 9011
    ids = [row["id"] for row in done.json()]
    assert api("delete", "/cash-transactions/batch", ids).status_code == 200
    assert Portfolio.objects.get(pk=book.pk).cash == 9000


def test_an_account_with_one_open_book_names_it(stage):
    api, book, _ = stage
    body = {"account": str(book.account_id), "type": "deposit", "amount": "5"}

    several = api("post", "/cash-transactions", body)
    Portfolio.objects.filter(name="Other").update(status="closed")
    one = api("post", "/cash-transactions", body)

    assert several.json()["errors"][0]["code"] == "portfolio_required"
    assert one.json()["portfolio"] == str(book.pk)


def test_units_go_over_at_the_price_of_the_moment_and_come_back(stage):
    api, book, other = stage
    path = f"/portfolios/{book.pk}/transfers"
    body = {"to": str(other.pk), "type": "holding", "symbol": "aaa", "quantity": "4"}

    made = api("post", path, body)

    assert made.status_code == 201, made.content
    told = made.json()
    assert (told["price"], told["amount"], told["cost_basis"]) == ("130.00", "520.00", "400.00")
    assert [row["id"] for row in api("get", path).json()["results"]] == [told["id"]]
    assert api("get", f"/portfolios/{other.pk}/transfers").json()["results"][0]["to"] == str(
        other.pk
    )
    back = api("post", f"{path}/{told['id']}/reverse", {"reason": "wrong book"})
    assert back.status_code == 201
    assert [each.positions.get().quantity for each in (book, other)] == [10, 0]


def test_a_transfer_to_a_book_one_has_no_part_in_is_a_transfer_to_nowhere(stage):
    api, book, _ = stage
    hers = make_portfolio(owner=make_user("her@example.com"), name="Hers")
    path = f"/portfolios/{book.pk}/transfers"

    for body, attr in (
        ({"to": str(hers.pk), "type": "cash", "amount": "5"}, "to"),
        ({"to": str(book.pk), "type": "cash", "amount": "5"}, "to"),
        ({"to": str(hers.pk), "type": "cash"}, "amount"),
        ({"to": str(hers.pk), "type": "cash", "amount": "5", "symbol": "AAA"}, "symbol"),
    ):
        answer = api("post", path, body)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["attr"] == attr
    assert not Transfer.objects.exists()


def test_a_book_that_holds_something_is_archived_not_closed_and_opens_again(stage):
    api, book, other = stage
    path = f"/portfolios/{book.pk}"

    refused = api("delete", path, HTTP_IF_MATCH="*")
    stored = api("post", f"{path}/archive", {"reason": "a pause"})

    assert (refused.status_code, refused.json()["code"]) == (409, "positions_held")
    assert (stored.status_code, stored.json()["status"]) == (200, "archived")
    names = [row["name"] for row in api("get", "/portfolios").json()["results"]]
    assert names == ["Other"]
    assert api("get", path).status_code == 200
    late = api("post", f"{path}/cash", {"type": "deposit", "amount": "5"})
    assert (late.status_code, late.json()["code"]) == (409, "portfolio_closed")
    again = api("post", f"{path}/reopen", {})
    assert (again.status_code, again.json()["status"]) == (200, "active")
    assert api("delete", f"/portfolios/{other.pk}", HTTP_IF_MATCH="*").status_code == 200


def test_a_name_taken_meanwhile_keeps_a_book_shut(stage):
    api, book, _ = stage
    api("post", f"/portfolios/{book.pk}/archive", {})
    api("post", "/portfolios", {"name": "main"})

    answer = api("post", f"/portfolios/{book.pk}/reopen", {})

    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")


def test_an_account_is_opened_changed_and_closed_when_nothing_is_open_in_it(stage):
    api, book, _ = stage
    made = api("post", "/accounts", {"name": "Savings", "account_type": "saving"})
    assert made.status_code == 201
    path = f"/accounts/{made.json()['id']}"
    tag = api("get", path)["ETag"]

    changed = api("patch", path, {"name": "Rainy day"}, HTTP_IF_MATCH=tag)
    stale = api("patch", path, {"name": "Sunny day"}, HTTP_IF_MATCH=tag)
    busy = api("delete", f"/accounts/{book.account_id}")
    closed = api("delete", path)

    assert (changed.status_code, changed.json()["name"]) == (200, "Rainy day")
    assert stale.status_code == 412
    assert (busy.status_code, busy.json()["code"]) == (409, "portfolios_open")
    assert closed.json()["status"] == "closed"
    late = api("post", "/portfolios", {"name": "Third", "account": made.json()["id"]})
    assert late.status_code == 409
    assert api("post", f"{path}/reopen", {}).json()["status"] == "active"
    stranger = Api(make_user("stranger@example.com"))
    assert stranger("patch", path, {"name": "Mine"}).status_code == 404
    assert stranger("get", path).status_code == 404


def test_staff_read_an_account_and_change_none(stage):
    _, book, _ = stage
    clerk = make_user("staff@example.com", is_staff=True)
    clerk.groups.add(Group.objects.get_or_create(name="Auditor")[0])
    staff, path = Api(clerk), f"/accounts/{book.account_id}"

    assert staff("get", path).status_code == 200
    for method, address in (
        ("put", path),
        ("patch", path),
        ("delete", path),
        ("post", f"{path}/reopen"),
    ):
        refused = staff(method, address, {"name": "Mine"})
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert Account.objects.get(pk=book.account_id).name != "Mine"


def test_wealth_is_told_by_type_of_account(stage):
    api, book, other = stage
    saving = Account.objects.create(
        customer=book.account.customer, name="Savings", account_type="saving"
    )
    Portfolio.objects.filter(pk=other.pk).update(account=saving)

    told = api("get", "/portfolio/asset-allocation-by-account-type").json()

    # 9,000 cash and ten at 130 in the one, 1,000 in the other
    assert told["total"] == "11300.00"
    assert {row["account_type"]: row["nav"] for row in told["results"]} == {
        "paper": "10300.00",
        "saving": "1000.00",
    }
    assert sum(row["share"] for row in told["results"]) == pytest.approx(1.0)
    assert Decimal(told["total"]) == 11300


def test_a_book_of_holdings_takes_no_trades_and_may_become_a_ledger(stage):
    api, book, _ = stage
    made = api("post", "/portfolios", {"name": "Held", "tracking_mode": "holdings"})
    held = Portfolio.objects.get(pk=made.json()["id"])
    assert made.json()["tracking_mode"] == "holdings"

    with pytest.raises(Exception, match="keeps holdings"):
        fill(held, make_instrument(), 1, 100, session_date=TUESDAY)
    one = api("patch", f"/portfolios/{held.pk}", {"tracking_mode": "ledger"}, HTTP_IF_MATCH="*")
    two = api("patch", f"/portfolios/{book.pk}", {"tracking_mode": "holdings"}, HTTP_IF_MATCH="*")

    assert one.json()["tracking_mode"] == "ledger"
    assert (two.status_code, two.json()["code"]) == (409, "trades_booked")


def test_lots_of_a_book_and_of_a_position(stage):
    api, book, _ = stage
    fund = make_instrument()
    fill(book, fund, 10, 120, session_date=TUESDAY)
    fill(book, fund, -15, 130, session_date=TUESDAY)
    path = f"/portfolios/{book.pk}/lots"
    snapshots.take(portfolio_ids=[book.pk], session_date=MONDAY)

    rows = api("get", path).json()["results"]
    even = api("get", f"{path}?method=average&state=open&symbol=aaa").json()["results"]
    past = api("get", f"{path}?as_of=2016-06-20").json()["results"]

    told = [(row["state"], row["quantity"], row["cost_basis"]) for row in rows]
    assert told == [
        ("open", "5.00", "600.00"),
        ("closed", "10.00", "1000.00"),
        ("closed", "5.00", "600.00"),
    ]
    assert (rows[0]["unrealized_pnl"], rows[0]["mark"]) == ("50.00", "130.00")
    assert [(row["realized_pnl"], row["holding_days"]) for row in rows[1:]] == [
        ("300.00", 1),
        ("50.00", 0),
    ]
    assert [(row["cost_basis"], row["price"]) for row in even] == [("550.00", "110.00")]
    assert [(row["state"], row["cost_basis"]) for row in past] == [("open", "1000.00")]
    assert api("get", f"{path}?method=lifo").status_code == 400
    held = book.positions.get()
    assert api("get", f"/positions/{held.pk}/lots").json()["results"] == rows
    stranger = Api(make_user("stranger@example.com"))
    assert stranger("get", f"/positions/{held.pk}/lots").status_code == 404
