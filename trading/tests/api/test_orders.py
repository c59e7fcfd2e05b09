"""The orders API: who may, what comes back, what is kept, and that a retry is the same order."""

import uuid
from decimal import Decimal

import pytest
from django.test import Client

from portfolios.models import Membership, Portfolio
from portfolios.services import tokens
from risk.models import PreTradeCheck
from trading.models import Order, Trade
from trading.tests import world

pytestmark = pytest.mark.django_db

BUY = {"symbol": "AAA", "side": "buy", "quantity": "10"}


class Api:
    """A program with a personal token."""

    def __init__(self, user, scopes=("read", "trade")):
        by = world.actor(user)
        _, text = tokens.create_personal(user=user, name="test", scopes=list(scopes), by=by)
        self.client = Client()
        self.header = {"HTTP_AUTHORIZATION": f"Token {text}"}

    def get(self, address, **more):
        return self.client.get(f"/api/v1{address}", **self.header, **more)

    def post(self, address, body, key=None, **more):
        headers = {"HTTP_IDEMPOTENCY_KEY": key} if key else {}
        return self.client.post(
            f"/api/v1{address}",
            body,
            content_type="application/json",
            **self.header,
            **headers,
            **more,
        )


@pytest.fixture(autouse=True)
def _no_rate(settings):
    settings.RATE_LIMITS = {name: (100_000, 1) for name in settings.RATE_LIMITS}


@pytest.fixture
def book():
    world.make_market()
    return world.make_portfolio()


@pytest.fixture
def api(book):
    return Api(book.account.customer.user)


def test_an_order_in_session_answers_201_with_the_filled_order(api, book):
    answer = api.post(f"/portfolios/{book.pk}/orders", BUY, key="key-00000001")

    told = answer.json()
    assert answer.status_code == 201
    assert (told["state"], told["average_price"]) == ("filled", "100.02")
    assert told["client_order_id"] == "key-00000001"
    assert answer["Location"] == told["url"] == f"/api/v1/orders/{told['id']}"
    assert Portfolio.objects.get().cash == Decimal("98998.80")


def test_the_same_key_gives_the_same_answer_and_one_trade(api, book):
    first = api.post(f"/portfolios/{book.pk}/orders", BUY, key="key-00000001")

    second = api.post(f"/portfolios/{book.pk}/orders", BUY, key="key-00000001")

    assert (second.status_code, second.json()) == (201, first.json())
    assert second["Idempotent-Replayed"] == "true"
    assert Trade.objects.count() == 1


def test_a_key_for_another_body_is_refused(api, book):
    api.post(f"/portfolios/{book.pk}/orders", BUY, key="key-00000001")

    answer = api.post(f"/portfolios/{book.pk}/orders", BUY | {"quantity": "11"}, key="key-00000001")

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert Trade.objects.count() == 1


def test_a_twin_without_a_key_is_suspected_and_can_be_confirmed(api, book):
    api.post(f"/portfolios/{book.pk}/orders", BUY)

    twin = api.post(f"/portfolios/{book.pk}/orders", BUY)
    meant = api.post(f"/portfolios/{book.pk}/orders", BUY | {"confirm_duplicate": True})

    assert (twin.status_code, twin.json()["code"]) == (409, "duplicate_suspected")
    assert meant.status_code == 201
    assert Trade.objects.count() == 2


def test_a_rejected_order_answers_422_with_figures_and_is_kept(api, book):
    answer = api.post(
        f"/portfolios/{book.pk}/orders", BUY | {"quantity": "950"}, key="key-00000001"
    )

    told = answer.json()
    order = Order.objects.get()
    assert answer.status_code == 422
    assert answer["Content-Type"].startswith("application/problem+json")
    assert (told["code"], told["reasons"]) == ("pretrade_rejected", ["VAR_LIMIT"])
    assert told["verdict"]["max_quantity"] == "911"
    [check] = api.get(told["check_url"].removeprefix("/api/v1")).json()["results"]
    assert (check["id"], check["status"]) == (str(order.check_made_id), "REJECTED")
    assert told["order_url"] == f"/api/v1/orders/{order.pk}"
    assert {each["code"] for each in told["checks"] if each["passed"] is False} == {"VAR_LIMIT"}
    assert order.state == "rejected"
    assert not Trade.objects.exists()
    again = api.post(f"/portfolios/{book.pk}/orders", BUY | {"quantity": "950"}, key="key-00000001")
    assert (again.status_code, again.json()) == (422, told)
    assert Order.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"symbol": "AAAA"}, "symbol"),
        ({"quantity": "0"}, "quantity"),
        ({"quantity": "-1"}, "quantity"),
        ({"quantity": "1.5"}, "quantity"),
        ({"quantity": "0.1234567"}, "quantity"),
        ({"quantity": "1e3"}, "quantity"),
        ({"quantity": "NaN"}, "quantity"),
        ({"quantity": True}, "quantity"),
        ({"side": "short"}, "side"),
        ({"order_type": "iceberg"}, "order_type"),
        ({"order_type": "limit"}, "limit_price"),
        ({"client_order_id": "x" * 65}, "client_order_id"),
        ({"client_order_id": "a/b"}, "client_order_id"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_bad_input_names_the_field_and_writes_nothing(api, book, change, field):
    answer = api.post(f"/portfolios/{book.pk}/orders", BUY | change, key="key-00000001")

    told = answer.json()
    assert answer.status_code == 400, told
    assert told["code"] == "validation_error"
    assert told["errors"][0]["attr"] == field
    assert not Order.objects.exists()
    assert not PreTradeCheck.objects.exists()


def test_an_unknown_symbol_suggests_the_known_ones(api, book):
    answer = api.post(f"/portfolios/{book.pk}/orders", BUY | {"symbol": "AAAA"})

    [error] = answer.json()["errors"]
    assert (error["code"], error["hint"]) == ("unknown_symbol", "Did you mean AAA?")


def test_a_used_client_order_id_answers_409_with_the_order(api, book):
    first = api.post(f"/portfolios/{book.pk}/orders", BUY | {"client_order_id": "mine"})

    answer = api.post(
        f"/portfolios/{book.pk}/orders", BUY | {"client_order_id": "mine", "quantity": "3"}
    )

    assert (answer.status_code, answer.json()["code"]) == (409, "duplicate_client_order_id")
    assert answer.json()["order"] == first.json()["url"]


def test_a_check_answers_the_document_and_keeps_only_itself(api, book):
    answer = api.post(f"/portfolios/{book.pk}/orders/check", BUY | {"quantity": "950"})

    told = answer.json()
    assert answer.status_code == 200
    assert told["verdict"]["status"] == "REJECTED"
    assert told["verdict"]["max_quantity"] == "911"
    assert PreTradeCheck.objects.get().pk == uuid.UUID(told["id"])
    assert not Order.objects.exists()


def test_a_waiting_order_is_cancelled_once(api, book):
    world.quote("AAA", Decimal(100), age_s=120)
    order = api.post(f"/portfolios/{book.pk}/orders", BUY).json()
    assert order["state"] == "accepted"

    first = api.post(f"/orders/{order['id']}/cancel", {}, key="cancel-0001")
    second = api.post(f"/orders/{order['id']}/cancel", {}, key="cancel-0002")

    assert (first.status_code, first.json()["state"]) == (200, "cancelled")
    assert (second.status_code, second.json()["state"]) == (409, "cancelled")


def test_an_order_is_read_with_its_version_and_by_its_client_id(api, book):
    order = api.post(f"/portfolios/{book.pk}/orders", BUY | {"client_order_id": "mine"}).json()

    answer = api.get(f"/orders/{order['id']}")

    assert answer.json() == order
    assert answer["ETag"] == '"v1"'
    assert api.get(f"/orders/{order['id']}", HTTP_IF_NONE_MATCH='"v1"').status_code == 304
    assert api.get("/orders/by-client-id/mine").json() == order
    assert api.get("/orders/by-client-id/yours").status_code == 404


def test_orders_are_listed_filtered_and_refuse_unknown_parameters(api, book):
    api.post(f"/portfolios/{book.pk}/orders", BUY)
    api.post(f"/portfolios/{book.pk}/orders", BUY | {"quantity": "950"})

    everything = api.get(f"/portfolios/{book.pk}/orders").json()
    rejected = api.get("/orders?state=rejected").json()

    assert everything["count"] == 2
    assert [each["state"] for each in rejected["results"]] == ["rejected"]
    assert api.get("/orders?colour=red").json()["code"] == "unknown_parameter"


def test_trades_are_listed_by_cursor_and_read_one_by_one(api, book):
    for size in ("1", "2", "3"):
        api.post(f"/portfolios/{book.pk}/orders", BUY | {"quantity": size})

    page = api.get(f"/portfolios/{book.pk}/trades?limit=2").json()

    assert set(page) == {"next", "previous", "results"}
    assert len(page["results"]) == 2
    trade = page["results"][0]
    assert trade["cost_bp"] > 0
    assert api.get(f"/trades/{trade['id']}").json() == trade
    assert len(api.get("/trades").json()["results"]) == 3


def test_a_trade_by_symbol_is_order_check_and_fill(api, book):
    answer = api.post("/trades", BUY | {"portfolio_id": str(book.pk)})

    assert (answer.status_code, answer.json()["state"]) == (201, "filled")
    assert Order.objects.get().check_made.status == "APPROVED"


def test_an_order_may_name_its_account_instead(api, book):
    answer = api.post("/orders", BUY | {"account": str(book.account_id)})

    assert (answer.status_code, answer.json()["portfolio"]) == (201, str(book.pk))


def test_an_order_names_a_portfolio_or_an_account(api, book):
    answer = api.post("/orders", BUY)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"] == "portfolio_id"


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_strangers_portfolio_looks_like_a_missing_one(book, method):
    stranger = Api(world.make_user("stranger@example.com"))
    call = stranger.get if method == "get" else lambda address: stranger.post(address, BUY)

    there = call(f"/portfolios/{book.pk}/orders")
    nowhere = call(f"/portfolios/{uuid.uuid4()}/orders")

    assert (there.status_code, nowhere.status_code) == (404, 404)
    varying = {"instance", "request_id"}
    bodies = [{k: v for k, v in a.json().items() if k not in varying} for a in (there, nowhere)]
    assert bodies[0] == bodies[1]
    assert not Order.objects.exists()


def test_a_strangers_order_and_trade_look_like_missing_ones(api, book):
    order = api.post(f"/portfolios/{book.pk}/orders", BUY).json()
    stranger = Api(world.make_user("stranger@example.com"))

    assert stranger.get(f"/orders/{order['id']}").status_code == 404
    assert stranger.post(f"/orders/{order['id']}/cancel", {}).status_code == 404
    assert stranger.get(f"/trades/{Trade.objects.get().pk}").status_code == 404
    assert stranger.get("/orders").json()["count"] == 0


def test_a_viewer_reads_and_does_not_trade(api, book):
    viewer = world.make_user("viewer@example.com")
    Membership.objects.create(portfolio=book, user=viewer, role="viewer")

    theirs = Api(viewer)

    assert theirs.get(f"/portfolios/{book.pk}/orders").status_code == 200
    assert theirs.post(f"/portfolios/{book.pk}/orders", BUY).status_code == 403
    assert not Order.objects.exists()


def test_a_token_without_the_scope_does_not_trade(book):
    reader = Api(book.account.customer.user, scopes=("read",))

    assert reader.post(f"/portfolios/{book.pk}/orders", BUY).status_code == 403


def test_nobody_is_401(book):
    answer = Client().get(f"/api/v1/portfolios/{book.pk}/orders")

    assert answer.status_code == 401


def test_a_list_of_orders_costs_a_bounded_number_of_queries(
    api, book, django_assert_max_num_queries
):
    for size in range(1, 6):
        api.post(f"/portfolios/{book.pk}/orders", BUY | {"quantity": str(size)})

    with django_assert_max_num_queries(12):
        api.get(f"/portfolios/{book.pk}/orders")


@pytest.mark.parametrize("signed", [False, True])
def test_a_replay_needs_four_queries(api, book, signed, django_assert_num_queries):
    if signed:
        pair = tokens.issue(user=book.account.customer.user)
        api.header = {"HTTP_AUTHORIZATION": f"Bearer {pair.access}"}
    first = api.post(f"/portfolios/{book.pk}/orders", BUY, key="key-00000001")

    # the token with its person, the groups, the part in the portfolio, the kept answer
    with django_assert_num_queries(4):
        again = api.post(f"/portfolios/{book.pk}/orders", BUY, key="key-00000001")

    assert (again.status_code, again.json()) == (201, first.json())
    assert again["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("door", ["orders", "orders/check"])
def test_a_book_of_holdings_answers_409_at_the_order_and_at_its_check(api, book, door):
    Portfolio.objects.update(tracking_mode="holdings")

    answer = api.post(f"/portfolios/{book.pk}/{door}", BUY, key="key-00000001")

    assert (answer.status_code, answer.json()["code"]) == (409, "holdings_mode")
    assert not Order.objects.exists()


def test_a_short_sale_answers_201_and_one_beyond_its_margin_422_with_the_reason(api, book):
    Portfolio.objects.update(allow_short=True)
    short = {"symbol": "AAA", "side": "sell", "quantity": "100"}

    sold = api.post(f"/portfolios/{book.pk}/orders", short, key="key-00000001")
    far = api.post(
        f"/portfolios/{book.pk}/orders", short | {"quantity": "9000"}, key="key-00000002"
    )

    assert (sold.status_code, sold.json()["state"]) == (201, "filled")
    assert (far.status_code, far.json()["code"]) == (422, "pretrade_rejected")
    assert Order.objects.get(state="rejected").reasons[0] == "MARGIN"
