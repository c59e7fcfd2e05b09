"""The basket ticket and the page of a basket: check first, place once, cancel what waits."""

import re
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from marketdata.selectors import sessions
from portfolios.models import Membership, Portfolio
from risk.models import PreTradeCheck
from trading.models import Basket, Order, Trade
from trading.selectors import baskets as read
from trading.services import baskets
from trading.services.basket_tickets import BasketTicket
from trading.tests import world
from trading.tests.services.test_order_types import limit
from trading.tests.world import buy, sell

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true"}
LINES = "sell 50 AAA\nbuy 100 BBB"


@pytest.fixture
def book():
    world.make_market()
    made = world.make_portfolio(cash="1000")
    world.lift_var_limit(made)
    world.hold(made, "AAA", "100")
    return made


@pytest.fixture
def browser(book):
    return signed_in(book.account.customer.user)


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def page(book, name="basket/"):
    return f"/portfolios/{book.pk}/{name}"


def typed(browser, book, lines=LINES, **changes):
    text = browser.get(page(book)).content.decode()
    key = re.search(r'name="idempotency_key" value="([0-9a-f]{32})"', text).group(1)
    said = {"kind": "basket", "lines": lines, "time_in_force": "day", "note": ""}
    return said | {"idempotency_key": key} | changes


def waiting(book):
    return baskets.submit(
        portfolio_id=book.pk,
        ticket=BasketTicket(
            legs=(limit(sell, "200", "50"), limit(buy, "9", "10", symbol="BBB")), note="a plan"
        ),
        by=world.actor(book.account.customer.user),
        moment=sessions.moment(),
    )


def test_the_ticket_is_filled_from_its_address(browser, book):
    text = browser.get(page(book) + "?kind=spread&lines=sell+1+AAA%0Abuy+2+BBB").content.decode()

    assert "sell 1 AAA\nbuy 2 BBB</textarea>" in text
    assert re.search(r'value="spread"[^>]*checked', text)
    assert re.search(r"<button[^>]*data-place[^>]*disabled", text)
    assert 'data-check-state="pending"' in text


def test_the_check_fragment_has_one_verdict_and_a_row_a_leg(browser, book):
    answer = browser.post(page(book, "basket/?panel=check"), typed(browser, book), **HTMX)

    text = answer.content.decode()
    assert answer.status_code == 200
    assert re.search(r'data-check-state="(approved|warned)"', text)
    assert "Sell 50 AAA" in text
    assert "Buy 100 BBB" in text
    assert "<html" not in text
    assert PreTradeCheck.objects.count() == 1
    assert not Order.objects.exists()


def test_a_refused_check_names_the_leg(browser, book):
    said = typed(browser, book, "buy 100 BBB\nsell 50 AAA")

    text = browser.post(page(book, "basket/?panel=check"), said, **HTMX).content.decode()

    assert 'data-check-state="rejected"' in text
    rows = re.findall(r'<tr data-row="leg-\d">.*?</tr>', text, re.S)
    assert ["not enough cash" in each for each in rows] == [True, False]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("sell 50 AAA\nhold 1 BBB", "Line 2: &quot;hold&quot; is neither buy nor sell"),
        ("sell 50 AAA", "A basket has 2 to 50 legs"),
        ("sell 50 AAA\nbuy 1 NOPE", "Leg 2: NOPE is not known"),
        ("sell 50 AAA\nbuy 1 AAA", "Leg 1 already".lower()),
        ("", "This field is required"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(browser, book, lines, why):
    said = typed(browser, book, lines)

    part = browser.post(page(book, "basket/?panel=check"), said, **HTMX)
    whole = browser.post(page(book), said)

    assert (part.status_code, whole.status_code) == (422, 422)
    assert why in part.content.decode()
    assert why in whole.content.decode()
    assert f"{lines}</textarea>" in whole.content.decode()
    assert not PreTradeCheck.objects.exists()


def test_without_javascript_the_first_post_checks_and_the_second_places(browser, book):
    said = typed(browser, book)
    text = browser.post(page(book), said).content.decode()
    place = re.search(r'data-place name="place" value="([0-9a-f]{32})">', text).group(1)
    assert not Order.objects.exists()

    other = browser.post(page(book), said | {"place": place, "lines": LINES.replace("100", "90")})
    assert (other.status_code, Order.objects.count()) == (200, 0)
    placed = browser.post(page(book), said | {"place": place})

    basket = Basket.objects.get()
    assert (placed.status_code, placed["Location"]) == (303, page(book, f"baskets/{basket.pk}/"))
    assert basket.client_basket_id == said["idempotency_key"]
    assert read.state(basket) == "filled"
    assert Portfolio.objects.get().cash == Decimal(996)


def test_a_double_press_is_one_basket(browser, book):
    said = typed(browser, book) | {"place": ""}

    first, second = browser.post(page(book), said), browser.post(page(book), said)

    assert first["Location"] == second["Location"]
    assert Trade.objects.count() == 2
    assert "nothing was placed twice" in browser.get(second["Location"]).content.decode()


def test_a_refused_basket_keeps_the_ticket_and_gets_a_new_key(browser, book):
    said = typed(browser, book, "buy 100 BBB\nsell 50 AAA") | {"place": ""}

    answer = browser.post(page(book), said)

    text = answer.content.decode()
    basket = Basket.objects.get()
    assert answer.status_code == 422
    assert page(book, f"baskets/{basket.pk}/") in text
    assert said["idempotency_key"] not in text.split("idempotency_key")[1][:60]
    assert "buy 100 BBB\nsell 50 AAA</textarea>" in text


def test_the_page_of_a_basket_shows_legs_and_check_and_cancels(browser, book):
    made = waiting(book)

    text = browser.get(page(book, f"baskets/{made.pk}/")).content.decode()
    assert "Basket of 2" in text
    assert "a plan" in text
    assert text.count(page(book, "orders/")) >= 2
    done = browser.post(page(book, f"baskets/{made.pk}/cancel/"))
    again = browser.post(page(book, f"baskets/{made.pk}/cancel/"))

    assert (done.status_code, again.status_code) == (303, 303)
    assert read.state(read.loaded(made.pk)) == "cancelled"
    after = browser.get(done["Location"]).content.decode()
    assert "nothing of it waits" in after
    assert "/cancel/" not in after


def test_the_blotter_and_an_order_lead_to_their_basket(browser, book):
    made = waiting(book)
    address = page(book, f"baskets/{made.pk}/")

    rows = browser.get(page(book, "orders/")).content.decode()
    order = browser.get(page(book, f"orders/{made.legs.get(leg=2).pk}/")).content.decode()

    assert f'<a href="{address}">Basket, leg 1</a>' in rows
    assert f'<a href="{address}">Basket, leg 2</a>' in order
    assert page(book) in rows


def asked(browser, address):
    with CaptureQueriesContext(connection) as questions:
        assert browser.get(address).status_code == 200
    return len(questions)


def test_pages_ask_no_more_than_those_of_one_order_however_many_legs(browser, book):
    for symbol in ("CCC", "DDD"):
        world.make_instrument(symbol)
    made = waiting(book)
    order = made.legs.get(leg=1)
    asked(browser, page(book, f"baskets/{made.pk}/"))  # the first request learns the shell
    few = asked(browser, page(book, f"baskets/{made.pk}/"))
    legs = (buy("1", "AAA"), *(buy("1", symbol) for symbol in ("BBB", "CCC", "DDD")))
    many = baskets.submit(
        portfolio_id=book.pk,
        ticket=BasketTicket(legs=legs),
        by=world.actor(book.account.customer.user),
        moment=sessions.moment(),
    )

    assert asked(browser, page(book, f"baskets/{many.pk}/")) <= few
    assert few <= asked(browser, page(book, f"orders/{order.pk}/"))
    assert asked(browser, page(book)) <= asked(browser, page(book, "trade/?symbol=AAA"))


def test_a_page_with_its_frame_asks_at_most_twelve_questions(browser, book):
    made = waiting(book)

    for address in (page(book), page(book, f"baskets/{made.pk}/")):
        asked(browser, address)  # the first request learns the shell
        assert asked(browser, address) <= 12, address


def test_who_may_not_trade_sees_and_cannot_place(book):
    viewer = world.make_user("viewer@example.com")
    Membership.objects.create(portfolio=book, user=viewer, role="viewer")
    made, client = waiting(book), signed_in(viewer)

    assert "does not" in client.get(page(book)).content.decode()
    assert client.get(page(book, f"baskets/{made.pk}/")).status_code == 200
    assert client.post(page(book), {"lines": LINES}).status_code == 403
    assert client.post(page(book, f"baskets/{made.pk}/cancel/")).status_code == 403


def test_a_stranger_and_another_portfolio_find_nothing(browser, book):
    made = waiting(book)
    stranger = signed_in(world.make_user("stranger@example.com"))
    other = world.make_portfolio(name="Other")

    assert stranger.get(page(book)).status_code == 404
    assert stranger.get(page(book, f"baskets/{made.pk}/")).status_code == 404
    assert stranger.post(page(book, f"baskets/{made.pk}/cancel/")).status_code == 404
    assert browser.get(page(other, f"baskets/{made.pk}/")).status_code == 404
    assert browser.post(page(other, f"baskets/{made.pk}/cancel/")).status_code == 404
