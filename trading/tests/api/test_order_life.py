"""Order types over the API: placing, sizing, replacing, ending, batches, filters, costs."""

from decimal import Decimal

import pytest

from marketdata.selectors import sessions
from portfolios.models import Portfolio
from trading.models import CostModel, Order, Trade
from trading.services import execution
from trading.tests import world
from trading.tests.api.test_orders import BUY, Api

pytestmark = pytest.mark.django_db
D = Decimal
LIMIT = BUY | {"order_type": "limit", "limit_price": "90"}


@pytest.fixture(autouse=True)
def _no_rate(settings):
    settings.RATE_LIMITS = {name: (100_000, 1) for name in settings.RATE_LIMITS}


@pytest.fixture
def book():
    world.make_market()
    made = world.make_portfolio()
    world.lift_var_limit(made)
    return made


@pytest.fixture
def api(book):
    return Api(book.account.customer.user)


@pytest.fixture
def staff(book):
    user = world.make_user("operator@example.com", is_staff=True)
    world.add_to_group(user, "Operator")
    return Api(user)


def patch(api, address, body, **more):
    return api.client.patch(
        f"/api/v1{address}", body, content_type="application/json", **api.header, **more
    )


def orders_of(book):
    return f"/portfolios/{book.pk}/orders"


def test_a_limit_order_waits_with_its_terms(api, book):
    body = LIMIT | {"time_in_force": "gtc", "client_order_id": "mine"}

    told = api.post(orders_of(book), body).json()

    assert (told["state"], told["order_type"], told["limit_price"]) == (
        "accepted",
        "limit",
        "90.00",
    )
    assert (told["time_in_force"], told["stop_price"], told["triggered_at"]) == ("gtc", None, None)
    assert api.get("/orders/by-client-id/mine").json() == told


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"order_type": "limit"}, "limit_price"),
        ({"limit_price": "9"}, "limit_price"),
        ({"order_type": "limit", "limit_price": "90.00001"}, "limit_price"),
        ({"order_type": "stop", "stop_price": "10000001"}, "stop_price"),
        ({"order_type": "stop_limit", "stop_price": "9"}, "limit_price"),
        ({"order_type": "market_on_close", "time_in_force": "gtc"}, "time_in_force"),
        ({"time_in_force": "ioc"}, "time_in_force"),
        ({"amount": "100"}, "quantity"),
        ({"quantity": None}, "quantity"),
        ({"side": None}, "side"),
    ],
)
def test_terms_that_do_not_fit_name_their_field(api, book, change, field):
    body = {name: value for name, value in (BUY | change).items() if value is not None}

    answer = api.post(orders_of(book), body)

    assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, field)
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    ("size", "side", "quantity"),
    [
        ({"side": "buy", "amount": "1050"}, "buy", "10.00"),
        (
            {"side": "buy", "amount": "1050", "order_type": "limit", "limit_price": "70"},
            "buy",
            "15.00",
        ),
        # 20 of 100 are 2 % of 102,000; 5 % are 51 of them
        ({"target_weight": "0.05"}, "buy", "31.00"),
        ({"target_weight": "0"}, "sell", "20.00"),
    ],
)
def test_an_amount_and_a_target_weight_become_a_quantity(api, book, size, side, quantity):
    world.hold(book, "AAA", "20")

    told = api.post(orders_of(book), {"symbol": "AAA"} | size).json()

    assert (told["side"], told["quantity"]) == (side, quantity)


@pytest.mark.parametrize(
    ("size", "field"),
    [
        ({"side": "buy", "amount": "99"}, "amount"),
        ({"side": "sell", "target_weight": "0.05"}, "side"),
        ({"target_weight": "0.02"}, "target_weight"),
        ({"target_weight": "11"}, "target_weight"),
    ],
)
def test_a_size_that_is_none_says_so(api, book, size, field):
    world.hold(book, "AAA", "20")
    if field == "target_weight" and size["target_weight"] == "0.02":
        Portfolio.objects.update(cash=D(98_000))

    answer = api.post(orders_of(book), {"symbol": "AAA"} | size)

    assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, field)


def test_a_fraction_portfolio_spends_an_amount_to_the_last_digit(api, book):
    Portfolio.objects.update(whole_shares=False)

    told = api.post(orders_of(book), {"symbol": "AAA", "side": "buy", "amount": "123.45"}).json()

    assert told["quantity"] == "1.2345"


def test_new_terms_need_the_version_that_was_read_if_one_is_given(api, book):
    url = api.post(orders_of(book), LIMIT).json()["url"].removeprefix("/api/v1")
    tag = api.get(url)["ETag"]

    done = patch(api, url, {"limit_price": "91"}, HTTP_IF_MATCH=tag)
    late = patch(api, url, {"limit_price": "92"}, HTTP_IF_MATCH=tag)

    assert (done.status_code, done.json()["limit_price"], done["ETag"] != tag) == (
        200,
        "91.00",
        True,
    )
    assert done["ETag"] == api.get(url)["ETag"]
    assert (late.status_code, late.json()["object"]["limit_price"]) == (412, "91.00")
    assert patch(api, url, {"limit_price": "91"}).status_code == 400
    assert patch(api, url, {"side": "sell"}).status_code == 400


def test_refused_terms_answer_422_and_the_order_stands(api, book):
    Portfolio.objects.update(cash=D(1_000))
    told = api.post(orders_of(book), LIMIT).json()
    url = told["url"].removeprefix("/api/v1")

    answer = patch(api, url, {"quantity": "12"})

    problem = answer.json()
    assert (answer.status_code, problem["reasons"]) == (422, ["INSUFFICIENT_CASH"])
    assert problem["detail"].startswith("The change was rejected")
    assert problem["order"]["quantity"] == "10.00"
    assert api.get(url).json() == told


def test_all_that_wait_are_cancelled_and_named(api, book):
    for number in range(3):
        api.post(orders_of(book), LIMIT | {"client_order_id": f"c-{number}"})
    api.post(orders_of(book), BUY)

    told = api.post(f"{orders_of(book)}/cancel-open", {}).json()

    assert told["cancelled"] == len(told["orders"]) == 3
    assert api.post(f"{orders_of(book)}/cancel-open", {}).json() == {"cancelled": 0, "orders": []}
    assert Order.objects.filter(state="cancelled").count() == 3


def test_an_operator_takes_a_fill_back_and_a_member_may_not(api, staff, book):
    order = api.post(orders_of(book), BUY).json()
    url = order["url"].removeprefix("/api/v1")

    assert api.post(f"{url}/bust", {"reason": "mine"}).status_code == 403
    assert staff.post(f"{url}/bust", {}).status_code == 400
    done = staff.post(f"{url}/bust", {"reason": "a test order"}, key="bust-0001")

    assert (done.status_code, done.json()["state"]) == (200, "busted")
    again = staff.post(f"{url}/bust", {"reason": "a test order"}, key="bust-0001")
    assert (again.status_code, again["Idempotent-Replayed"]) == (200, "true")
    late = staff.post(f"{url}/bust", {"reason": "once more"})
    assert (late.status_code, late.json()["state"]) == (409, "busted")
    assert Portfolio.objects.get().cash == 100_000
    both = api.get(f"/portfolios/{book.pk}/trades").json()["results"]
    old, new = sorted(both, key=lambda each: each["reverses"] is not None)
    assert (new["reverses"], old["reversed_by"]) == (old["id"], new["id"])
    assert (new["reversed_by"], old["reverses"]) == (None, None)


def test_a_batch_is_placed_in_order_or_not_at_all(api, book):
    Portfolio.objects.update(cash=D(2_000))
    good = [LIMIT, LIMIT | {"symbol": "BBB", "limit_price": "40"}]

    done = api.post(f"{orders_of(book)}/batch", good, key="batch-0001")
    again = api.post(f"{orders_of(book)}/batch", good, key="batch-0001")
    # 900 and 400 are spoken for
    poor = api.post(f"{orders_of(book)}/batch", [BUY | {"quantity": "1"}, LIMIT])

    assert (done.status_code, [each["state"] for each in done.json()]) == (201, ["accepted"] * 2)
    names = [each["client_order_id"] for each in done.json()]
    assert names == ["batch-0001:0", "batch-0001:1"]
    assert again.json() == done.json()
    assert again["Idempotent-Replayed"] == "true"
    assert poor.status_code == 400
    [error] = poor.json()["errors"]
    assert (error["attr"], error["code"]) == ("1", "pretrade_rejected")
    assert Order.objects.count() == 2
    assert not Trade.objects.exists()


def test_a_partial_batch_answers_each_by_itself(api, book):
    Portfolio.objects.update(cash=D(1_000))
    items = [
        BUY | {"quantity": "0"},
        BUY | {"quantity": "2"},
        BUY | {"symbol": "NONE"},
        BUY | {"quantity": "50"},
        BUY | {"symbol": "BBB", "quantity": "3"},
    ]

    answer = api.post(f"{orders_of(book)}/batch?partial=true", items, key="batch-0001")

    told = answer.json()
    assert answer.status_code == 207
    assert [each["status"] for each in told["results"]] == [400, 201, 400, 422, 201]
    assert told["results"][3]["object"]["state"] == "rejected"
    assert told["results"][4]["object"]["client_order_id"] == "batch-0001:4"
    assert told["summary"] == {"created": 2, "failed": 3}
    assert Trade.objects.count() == 2


@pytest.mark.parametrize("body", [{}, [], [BUY] * 501, ["x"]])
def test_what_is_no_batch_is_refused(api, book, body):
    answer = api.post(f"{orders_of(book)}/batch", body)

    assert answer.status_code in (400, 413)
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=accepted", 2),
        ("state__in=accepted,filled", 3),
        ("order_type=limit", 1),
        ("order_type__in=limit,stop", 2),
        ("instrument__symbol=BBB", 1),
        ("side=sell", 0),
        ("time_in_force=gtc", 1),
        ("session_date__gte=2016-06-23", 3),
        ("session_date__lte=2016-06-22", 0),
        ("created_at__lt=2016-06-22T00:00:00Z", 0),
    ],
)
def test_orders_are_filtered(api, book, query, found):
    api.post(orders_of(book), BUY)
    api.post(orders_of(book), LIMIT)
    stop = {"order_type": "stop", "stop_price": "70", "time_in_force": "gtc", "symbol": "BBB"}
    api.post(orders_of(book), BUY | stop)

    for address in (orders_of(book), "/orders"):
        assert api.get(f"{address}?{query}").json()["count"] == found
    assert api.get(f"{orders_of(book)}?kind=limit").status_code == 400


def test_a_portfolio_chooses_what_trading_costs(book):
    api = Api(book.account.customer.user, ("read", "trade", "admin"))
    address = f"/portfolios/{book.pk}/costs"
    first = api.get(address)
    assert (first.json()["preset"], first["ETag"]) == ("default", '"v0"')

    def put(body, tag):
        return api.client.put(
            f"/api/v1{address}",
            body,
            content_type="application/json",
            **api.header,
            **({"HTTP_IF_MATCH": tag} if tag else {}),
        )

    assert put({"preset": "zero"}, None).status_code == 428
    done = put({"preset": "zero"}, '"v0"')
    assert (done.status_code, done.json()["half_spread_bp"], done["ETag"]) == (200, 0.0, '"v1"')
    assert put({"preset": "simple"}, '"v0"').status_code == 412
    assert (
        put({"preset": "simple", "impact_y": 1}, '"v1"').json()["errors"][0]["attr"] == "impact_y"
    )
    api.post(orders_of(book), BUY)
    trade = Trade.objects.get()
    assert (trade.price, trade.commission) == (100, 0)
    own = put({"preset": "custom", "half_spread_bp": 5, "commission_minimum": "2"}, '"v1"')
    assert (own.json()["preset"], own.json()["commission_minimum"]) == ("custom", "2.00")
    wrong = put({"preset": "custom", "max_participation": 0}, '"v2"')
    assert wrong.json()["errors"][0]["attr"] == "max_participation"
    assert CostModel.objects.get().half_spread_bp == 5


def test_a_cancel_that_comes_after_the_fill_is_told_the_state(api, book):
    url = api.post(orders_of(book), LIMIT).json()["url"].removeprefix("/api/v1")
    execution.fill_waiting(moment=world.next_bar({"AAA": D(89)}))

    answer = api.post(f"{url}/cancel", {})

    assert (answer.status_code, answer.json()["state"]) == (409, "filled")
    assert sessions.moment().in_session
