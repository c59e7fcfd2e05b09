"""The baskets API: one verdict, one answer, one effect; foreign ones are missing."""

from decimal import Decimal

import pytest

from etftrader.core.records import AuditEvent
from marketdata.services import contracts
from marketdata.tests.option_world import BY
from portfolios.models import Membership, Portfolio
from risk.models import PreTradeCheck
from trading.models import Basket, Order, Trade
from trading.tests import world
from trading.tests.api.test_orders import Api

pytestmark = pytest.mark.django_db
SELL = {"symbol": "AAA", "side": "sell", "quantity": "50"}
BUY = {"symbol": "BBB", "side": "buy", "quantity": "100"}
SWAP = {"legs": [SELL, BUY]}
WAITS = {
    "legs": [
        SELL | {"order_type": "limit", "limit_price": "200"},
        BUY | {"order_type": "limit", "limit_price": "9"},
    ]
}


@pytest.fixture(autouse=True)
def _no_rate(settings):
    settings.RATE_LIMITS = {name: (100_000, 1) for name in settings.RATE_LIMITS}


@pytest.fixture
def book():
    world.make_market()
    made = world.make_portfolio(cash="1000")
    world.lift_var_limit(made)
    world.hold(made, "AAA", "100")
    return made


@pytest.fixture
def api(book):
    return Api(book.account.customer.user)


def baskets_of(book):
    return f"/portfolios/{book.pk}/baskets"


def test_a_basket_in_session_answers_201_with_its_filled_orders(api, book):
    answer = api.post(baskets_of(book), SWAP | {"note": "into BBB"}, key="key-00000001")

    told = answer.json()
    assert answer.status_code == 201
    assert (told["state"], told["kind"], told["spread_name"]) == ("filled", "basket", None)
    assert (told["client_basket_id"], told["note"], told["reasons"]) == (
        "key-00000001",
        "into BBB",
        [],
    )
    assert answer["Location"] == told["url"] == f"/api/v1/baskets/{told['id']}"
    assert [(leg["leg"], leg["state"], leg["basket"]) for leg in told["legs"]] == [
        (1, "filled", told["id"]),
        (2, "filled", told["id"]),
    ]
    assert told["legs"][0]["client_order_id"] == "key-00000001:1"
    assert api.get(f"/baskets/{told['id']}").json() == told
    assert api.get(baskets_of(book)).json()["results"] == [told]
    order = api.get(told["legs"][1]["url"].removeprefix("/api/v1")).json()
    assert (order["basket"], order["leg"]) == (told["id"], 2)


def test_the_same_key_gives_the_same_answer_and_one_effect(api, book):
    first = api.post(baskets_of(book), SWAP, key="key-00000001")

    second = api.post(baskets_of(book), SWAP, key="key-00000001")
    other = api.post(baskets_of(book), {"legs": [BUY, SELL]}, key="key-00000001")

    assert (second.status_code, second.json()) == (201, first.json())
    assert second["Idempotent-Replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert (Basket.objects.count(), Trade.objects.count()) == (1, 2)


def test_a_twin_without_a_key_is_suspected_and_can_be_confirmed(api, book):
    legs = {"legs": [SELL | {"quantity": "1"}, BUY | {"quantity": "1"}]}
    api.post(baskets_of(book), legs)

    twin = api.post(baskets_of(book), legs)
    meant = api.post(baskets_of(book), legs | {"confirm_duplicate": True})

    assert (twin.status_code, twin.json()["code"]) == (409, "duplicate_suspected")
    assert meant.status_code == 201
    assert Basket.objects.count() == 2


def test_a_refused_basket_answers_422_naming_the_leg_and_is_kept(api, book):
    answer = api.post(baskets_of(book), {"legs": [BUY, SELL]}, key="key-00000001")

    told = answer.json()
    assert answer.status_code == 422
    assert answer["Content-Type"].startswith("application/problem+json")
    assert (told["code"], told["reasons"]) == ("pretrade_rejected", ["INSUFFICIENT_CASH"])
    assert [leg["reasons"] for leg in told["legs"]] == [["INSUFFICIENT_CASH"], []]
    assert told["verdict"]["status"] == "REJECTED"
    assert told["basket"]["state"] == "rejected"
    assert told["basket_url"] == f"/api/v1/baskets/{Basket.objects.get().pk}"
    [check] = api.get(told["check_url"].removeprefix("/api/v1")).json()["results"]
    assert check["status"] == "REJECTED"
    assert Portfolio.objects.get().cash == 1000
    again = api.post(baskets_of(book), {"legs": [BUY, SELL]}, key="key-00000001")
    assert (again.status_code, again.json()) == (422, told)
    assert Order.objects.count() == 2


def test_a_check_answers_the_document_and_places_nothing(api, book):
    answer = api.post(f"{baskets_of(book)}/check", SWAP)

    told = answer.json()
    assert answer.status_code == 200
    assert (told["verdict"]["status"], told["basket"]["kind"]) == ("APPROVED", "basket")
    assert [(leg["leg"], leg["symbol"], leg["cash_after"]) for leg in told["legs"]] == [
        (1, "AAA", told["legs"][0]["cash_after"]),
        (2, "BBB", told["after"]["cash"]),
    ]
    assert told["id"] == str(PreTradeCheck.objects.get().pk)
    assert not Order.objects.exists()


def test_cancel_checks_the_version_and_says_where_it_stands(api, book):
    made = api.post(baskets_of(book), WAITS).json()
    address = f"/baskets/{made['id']}"
    read = api.get(address)
    assert (made["state"], made["version"], read["ETag"]) == ("accepted", 2, '"v2"')
    assert api.get(address, HTTP_IF_NONE_MATCH='"v2"').status_code == 304

    stale = api.post(f"{address}/cancel", {}, HTTP_IF_MATCH='"v9"')
    done = api.post(f"{address}/cancel", {}, key="key-00000009", HTTP_IF_MATCH='"v2"')
    again = api.post(f"{address}/cancel", {}, key="key-00000009", HTTP_IF_MATCH='"v2"')
    late = api.post(f"{address}/cancel", {})

    assert (stale.status_code, stale.json()["object"]["version"]) == (412, 2)
    assert (done.status_code, done.json()["state"], done.json()["version"]) == (
        200,
        "cancelled",
        4,
    )
    assert (again.status_code, again.json()) == (200, done.json())
    assert (late.status_code, late.json()["state"]) == (409, "cancelled")
    actions = AuditEvent.objects.filter(object_type="basket").order_by("seq")
    assert [each.action for each in actions] == ["basket.accepted", "basket.cancelled"]


@pytest.mark.parametrize(
    ("change", "attr"),
    [
        ({"legs": []}, "legs"),
        ({"legs": [SELL]}, "legs"),
        ({"legs": [SELL] * 51}, "legs"),
        ({"legs": [SELL, {"symbol": "BBB", "quantity": "1"}]}, "legs.1.side"),
        ({"legs": [SELL, BUY | {"client_order_id": "x"}]}, "legs.1.client_order_id"),
        ({"legs": [SELL, BUY | {"quantity": "-1"}]}, "legs.1.quantity"),
        ({"legs": [SELL, BUY | {"symbol": "NOPE"}]}, "legs.1.symbol"),
        ({"legs": [SELL, SELL]}, "legs.1.symbol"),
        ({"legs": "AAA"}, "legs"),
        ({"kind": "pair"}, "kind"),
        ({"kind": "spread"}, "legs.0.symbol"),
        ({"more": 1}, "more"),
    ],
)
def test_a_bad_body_is_400_and_names_leg_and_field(api, book, change, attr):
    answer = api.post(baskets_of(book), SWAP | change)

    assert answer.status_code == 400, answer.json()
    assert attr in {each["attr"] for each in answer.json()["errors"]}
    assert not Basket.objects.exists()


def test_who_only_sees_may_read_and_not_trade(api, book):
    made = api.post(baskets_of(book), WAITS).json()
    viewer = world.make_user("viewer@example.com")
    Membership.objects.create(portfolio=book, user=viewer, role="viewer")
    other = Api(viewer)

    assert other.get(f"/baskets/{made['id']}").status_code == 200
    assert other.post(baskets_of(book), SWAP).status_code == 403
    assert other.post(f"{baskets_of(book)}/check", SWAP).status_code == 403
    assert other.post(f"/baskets/{made['id']}/cancel", {}).status_code == 403


def test_a_stranger_finds_nothing(api, book):
    made = api.post(baskets_of(book), WAITS).json()
    stranger = Api(world.make_user("stranger@example.com"))

    told = {
        stranger.get(baskets_of(book)).status_code,
        stranger.post(baskets_of(book), SWAP).status_code,
        stranger.post(f"{baskets_of(book)}/check", SWAP).status_code,
        stranger.get(f"/baskets/{made['id']}").status_code,
        stranger.post(f"/baskets/{made['id']}/cancel", {}).status_code,
    }

    assert told == {404}


def test_a_list_reads_all_legs_at_once(api, book, django_assert_max_num_queries):
    for number in range(5):
        legs = [SELL | {"quantity": "1"}, BUY | {"quantity": str(number + 1)}]
        assert api.post(baskets_of(book), {"legs": legs}).status_code == 201

    with django_assert_max_num_queries(14):
        told = api.get(baskets_of(book)).json()

    assert [len(each["legs"]) for each in told["results"]] == [2] * 5


def test_a_spread_has_its_name(api, book):
    Portfolio.objects.update(allow_short=True)
    call, put = "AAA160715C00100000", "AAA160715P00100000"
    contracts.ensure(symbols=[call, put], by=BY)
    legs = [{"symbol": each, "side": "buy", "quantity": "1"} for each in (call, put)]

    answer = api.post(baskets_of(book), {"kind": "spread", "legs": legs})

    # nobody has priced them
    assert answer.status_code == 422
    assert answer.json()["basket"]["spread_name"] == "straddle"
    assert Decimal(answer.json()["basket"]["legs"][0]["quantity"]) == 1
