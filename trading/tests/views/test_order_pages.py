"""Pages of orders that wait: the ticket's terms, replacing, cancelling all, taking back, costs."""

import re
from decimal import Decimal

import pytest
from django.test import Client

from etftrader.core import push
from etftrader.core.formats import show
from marketdata.selectors import sessions
from portfolios.models import Membership
from trading.models import CostModel, Order, Trade
from trading.services import orders
from trading.tests import world
from trading.tests.services.test_order_types import limit, place
from trading.tests.views.test_pages import HTMX, page, typed
from trading.tests.world import buy

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def book():
    world.make_market()
    made = world.make_portfolio()
    world.lift_var_limit(made)
    return made


@pytest.fixture
def browser(book):
    client = Client()
    client.force_login(book.account.customer.user)
    return client


def seen(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def test_a_limit_order_is_checked_and_placed_without_a_script(browser, book):
    said = typed(browser, book, order_type="limit", limit_price="98.50", time_in_force="gtc")

    checked = browser.post(page(book, "trade/"), said)
    seal = re.search(r'name="place" value="([0-9a-f]{32})"', checked.content.decode()).group(1)
    placed = browser.post(page(book, "trade/"), said | {"place": seal})

    order = Order.objects.get()
    assert (order.order_type, order.limit_price, order.time_in_force) == ("limit", D("98.5"), "gtc")
    assert (placed.status_code, placed["Location"]) == (303, page(book, f"orders/{order.pk}/"))
    shown = seen(browser.get(placed["Location"]))
    assert "Limit 98.50, good till cancelled." in shown
    assert "it waits for its price" in shown
    listed = seen(browser.get(page(book, "orders/?show=open")))
    assert "Limit 98.50, good till cancelled" in listed


def test_another_price_is_checked_before_it_is_placed(browser, book):
    said = typed(browser, book, order_type="limit", limit_price="98.50")
    checked = browser.post(page(book, "trade/"), said)
    seal = re.search(r'name="place" value="([0-9a-f]{32})"', checked.content.decode()).group(1)

    again = browser.post(page(book, "trade/"), said | {"place": seal, "limit_price": "99"})

    assert again.status_code == 200
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    ("size", "told"),
    [
        ({"quantity": "1,050", "sized_by": "amount"}, "Buy 10 AAA $1,000.00 position then 1.0%"),
        ({"quantity": "5", "sized_by": "weight"}, "Buy 50 AAA $5,000.00 position then 5.0%"),
        ({"quantity": "7"}, "Buy 7 AAA $700.00 position then 0.7%"),
    ],
)
def test_the_check_says_quantity_amount_and_weight(browser, book, size, told):
    answer = browser.post(page(book, "trade/?panel=check"), typed(browser, book, **size), **HTMX)

    assert told in seen(answer)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"order_type": "limit"}, "A limit order needs a limit price."),
        ({"stop_price": "9"}, "A market order has no stop price; leave it empty."),
        ({"order_type": "stop", "stop_price": "x"}, "Give a number such as 95."),
        ({"quantity": "9", "sized_by": "amount"}, "does not pay for the smallest quantity"),
    ],
)
def test_terms_that_do_not_fit_are_said_beside_their_field(browser, book, change, told):
    answer = browser.post(page(book, "trade/"), typed(browser, book, **change))

    assert answer.status_code == 422
    assert told in seen(answer)


def test_terms_are_replaced_from_the_orders_page(browser, book):
    order = place(book, limit(buy, "90"))
    address = page(book, f"orders/{order.pk}/")
    said = {"quantity": "20", "limit_price": "91", "time_in_force": "day", "version": order.version}
    assert "Replace order" in seen(browser.get(address))

    done = browser.post(f"{address}replace/", said)
    late = browser.post(f"{address}replace/", said)
    shown = seen(browser.get(address))

    order.refresh_from_db()
    assert (done.status_code, order.quantity, order.limit_price) == (303, 20, 91)
    assert late.status_code == 303
    assert "The order has changed since you opened the page" in shown
    assert "Replaced: 20.00, limit 91.00, day instead of 10.00, limit 90.00, day" in shown


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"limit_price": "0"}, "A limit price is above 0"),
        ({"quantity": "many"}, "Give a number such as 100."),
        ({"quantity": "5000"}, "The new check refuses these terms; the order stays as it is."),
    ],
)
def test_terms_that_are_refused_stay_in_the_form(browser, book, change, told):
    order = place(book, limit(buy, "90"))
    address = page(book, f"orders/{order.pk}/")
    said = {"quantity": "20", "limit_price": "91", "time_in_force": "day", "version": order.version}

    answer = browser.post(f"{address}replace/", said | change)

    assert answer.status_code == 422
    assert told in seen(answer)
    assert Order.objects.get().limit_price == 90


def test_all_open_orders_are_cancelled_with_their_number_on_the_button(browser, book):
    for price in ("90", "91"):
        place(book, limit(buy, price))
    assert "Cancel all 2 open" in seen(browser.get(page(book, "orders/?show=open")))

    done = browser.post(page(book, "orders/cancel-open/"))

    assert done.status_code == 303
    assert "2 orders cancelled." in seen(browser.get(page(book, "orders/?show=all")))
    assert set(Order.objects.values_list("state", flat=True)) == {"cancelled"}
    browser.post(page(book, "orders/cancel-open/"))
    assert "No order waited." in seen(browser.get(page(book, "orders/")))


def test_a_viewer_has_no_buttons_and_may_not_press_them(book):
    order = place(book, limit(buy, "90"))
    viewer = world.make_user("viewer@example.com")
    Membership.objects.create(portfolio=book, user=viewer, role="viewer")
    client = Client()
    client.force_login(viewer)

    shown = seen(client.get(page(book, f"orders/{order.pk}/")))
    assert "Replace order" not in shown
    assert "Cancel all" not in seen(client.get(page(book, "orders/?show=open")))
    for act in (f"orders/{order.pk}/replace/", f"orders/{order.pk}/bust/", "orders/cancel-open/"):
        assert client.post(page(book, act)).status_code == 403
    assert client.post(page(book, "costs/"), {"preset": "zero", "version": 0}).status_code == 403
    assert Order.objects.get().state == "accepted"


def test_an_operator_reverses_the_fills_with_a_reason(browser, book):
    order = place(book, buy("10"))
    address = page(book, f"orders/{order.pk}/")
    assert "Reverse the fills" not in seen(browser.get(address))
    assert browser.post(f"{address}bust/", {"reason": "mine"}).status_code == 403
    operator = world.make_user("operator@example.com", is_staff=True)
    world.add_to_group(operator, "Operator")
    staff = Client()
    staff.force_login(operator)

    assert "Reverse the fills" in seen(staff.get(address))
    assert staff.post(f"{address}bust/", {"reason": " "}).status_code == 422
    done = staff.post(f"{address}bust/", {"reason": "a test order"})

    assert (done.status_code, Trade.objects.count()) == (303, 2)
    shown = seen(browser.get(address))
    assert "Busted: a test order" in shown
    assert "reversed" in shown
    assert "reversal" in seen(browser.get(page(book, "trades/")))
    late = staff.post(f"{address}bust/", {"reason": "again"})
    assert "The order is busted and cannot become busted." in seen(late)


def test_the_owner_chooses_costs(browser, book):
    shown = seen(browser.get(page(book, "costs/")))
    assert "Options, 0.65 a contract" in shown

    done = browser.post(page(book, "costs/"), {"preset": "simple", "version": 0})
    late = browser.post(page(book, "costs/"), {"preset": "zero", "version": 0})
    own = {"preset": "custom", "version": 1, "half_spread_bp": "-1"}
    wrong = browser.post(page(book, "costs/"), own)
    right = browser.post(page(book, "costs/"), own | {"half_spread_bp": "", "impact_y": "0"})

    assert (done.status_code, late.status_code) == (303, 422)
    assert "Somebody changed the costs meanwhile" in seen(late)
    assert "The half spread bp is from 0 to 1,000." in seen(wrong)
    assert right.status_code == 303
    row = CostModel.objects.get()
    assert (row.preset, row.half_spread_bp, row.impact_y) == ("custom", None, 0.0)


@pytest.mark.parametrize("name", ["orders/?show=open", "orders/{}/", "trade/?symbol=AAA", "costs/"])
def test_a_page_of_orders_costs_a_bounded_number_of_queries(
    browser, book, name, django_assert_max_num_queries
):
    for number in range(6):
        order = place(book, limit(buy, "90", client_order_id=f"c-{number}"))
    place(book, buy("1"))
    browser.get(page(book, "trade/"))  # what a signed-in browser asks for once
    now = sessions.now().isoformat().replace("+00:00", "Z")
    strip = [{"symbol": "AAA", "last": "100", "change": 0.0, "kind": "price"}]
    push.send_now("market", "market.updated", {"as_of": now, "strip": strip})

    with django_assert_max_num_queries(12):
        assert browser.get(page(book, name.format(order.pk))).status_code == 200


def test_the_trades_page_draws_what_each_fill_cost(browser, book):
    for quantity in ("10", "20", "30"):
        orders.submit(
            portfolio_id=book.pk,
            ticket=world.buy(quantity),
            by=world.actor(book.account.customer.user),
            moment=sessions.moment(),
        )
        world.next_bar()

    page = browser.get(f"/portfolios/{book.pk}/trades/")

    shown = page.context["costs"]
    costs = sorted(row["cost_bp"] for row in page.context["table"]["rows"])
    assert shown["level"]["value"] == costs[1]
    assert sorted(each["value"] for each in shown["dots"]) == costs
    text = page.content.decode()
    assert text.count('<circle class="f1"') == 3
    assert f"median {show(costs[1], 'bp1')}" in text


def test_without_a_fill_there_is_no_chart_of_costs(browser, book):
    page = browser.get(f"/portfolios/{book.pk}/trades/")

    assert page.context["costs"]["dots"] == []
    assert "What fills cost" not in page.content.decode()
