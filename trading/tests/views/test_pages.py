"""The ticket and the blotters: check first, place once, see what happened; with and without htmx."""

import re
from decimal import Decimal

import pytest
from django.test import Client

from etftrader.core import push
from marketdata.selectors import sessions
from portfolios.models import Membership, Portfolio
from risk.models import PreTradeCheck
from trading.models import Order, Trade
from trading.tests import world

pytestmark = pytest.mark.django_db

HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def book():
    world.make_market()
    return world.make_portfolio()


@pytest.fixture
def browser(book):
    client = Client()
    client.force_login(book.account.customer.user)
    return client


def page(book, name=""):
    return f"/portfolios/{book.pk}/{name}"


def typed(browser, book, **changes):
    """The fields of a freshly rendered ticket, filled in."""
    text = browser.get(page(book, "trade/")).content.decode()
    key = re.search(r'name="idempotency_key" value="([0-9a-f]{32})"', text).group(1)
    said = {"symbol": "AAA", "side": "buy", "quantity": "10", "note": "", "idempotency_key": key}
    return said | changes


def test_the_ticket_shows_an_empty_form_with_place_disabled(browser, book):
    answer = browser.get(page(book, "trade/"))

    text = answer.content.decode()
    assert answer.status_code == 200
    assert re.search(r"<button[^>]*data-place[^>]*disabled", text)
    assert 'data-check-state="pending"' in text


def test_the_check_fragment_carries_verdict_and_largest_size(browser, book):
    answer = browser.post(
        page(book, "trade/?panel=check"), typed(browser, book, quantity="950"), **HTMX
    )

    text = answer.content.decode()
    assert answer.status_code == 200
    assert 'data-check-state="rejected"' in text
    assert 'data-max-quantity="911"' in text
    assert 'data-suggested="901"' in text  # 1 % of an unused limit stays free
    assert "VaR would exceed its limit" in text
    assert "<html" not in text
    assert PreTradeCheck.objects.count() == 1
    assert not Order.objects.exists()


def test_the_check_of_a_wrong_field_says_so(browser, book):
    answer = browser.post(
        page(book, "trade/?panel=check"), typed(browser, book, symbol="NOPE"), **HTMX
    )

    assert answer.status_code == 422
    assert 'data-check-state="error"' in answer.content.decode()
    assert "NOPE is not known" in answer.content.decode()
    assert not PreTradeCheck.objects.exists()


def test_without_javascript_the_first_post_checks_and_the_second_places(browser, book):
    said = typed(browser, book)

    checked = browser.post(page(book, "trade/"), said)

    text = checked.content.decode()
    place = re.search(r'data-place name="place" value="([0-9a-f]{32})">', text).group(1)
    assert checked.status_code == 200
    assert 'data-check-state="warned"' in text or 'data-check-state="approved"' in text
    assert not Order.objects.exists()
    placed = browser.post(page(book, "trade/"), said | {"place": place})
    order = Order.objects.get()
    assert placed.status_code == 303
    assert placed["Location"] == page(book, f"orders/{order.pk}/")
    assert order.state == "filled"


def test_changed_inputs_are_checked_again_before_they_are_placed(browser, book):
    said = typed(browser, book)
    text = browser.post(page(book, "trade/"), said).content.decode()
    place = re.search(r'data-place name="place" value="([0-9a-f]{32})">', text).group(1)

    answer = browser.post(page(book, "trade/"), said | {"place": place, "quantity": "20"})

    assert answer.status_code == 200
    assert not Order.objects.exists()
    assert PreTradeCheck.objects.count() == 2


def test_a_double_submit_is_one_order_and_leads_to_it_twice(browser, book):
    said = typed(browser, book) | {"place": ""}

    first = browser.post(page(book, "trade/"), said)
    second = browser.post(page(book, "trade/"), said)

    assert (first.status_code, second.status_code) == (303, 303)
    assert first["Location"] == second["Location"]
    assert Trade.objects.count() == 1


def test_a_rejected_order_keeps_the_inputs_and_shows_the_failing_check(browser, book):
    said = typed(browser, book, quantity="950") | {"place": ""}

    answer = browser.post(page(book, "trade/"), said)

    text = answer.content.decode()
    key = re.search(r'name="idempotency_key" value="([0-9a-f]{32})"', text).group(1)
    assert answer.status_code == 422
    assert "Nothing was traded" in text
    assert "VaR would exceed its limit" in text
    assert 'value="950"' in text
    assert key != said["idempotency_key"]
    assert Order.objects.get().state == "rejected"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"quantity": "0"}, "greater than 0"),
        ({"quantity": "ten"}, "plain decimal number"),
        ({"quantity": "1.5"}, "whole shares"),
        ({"symbol": "NOPE"}, "not known"),
    ],
)
def test_bad_input_is_told_at_its_field(browser, book, change, sentence):
    answer = browser.post(page(book, "trade/"), typed(browser, book, **change) | {"place": ""})

    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not Order.objects.exists()


def test_the_blotter_shows_open_and_all_orders_with_failing_checks(browser, book):
    browser.post(page(book, "trade/"), typed(browser, book, quantity="950") | {"place": ""})
    world.quote("AAA", Decimal(100), age_s=120)
    browser.post(page(book, "trade/"), typed(browser, book, quantity="5") | {"place": ""})

    waiting = browser.get(page(book, "orders/?show=open")).content.decode()
    assert browser.get(page(book, "orders/")).context["view"] == "open"
    everything = browser.get(page(book, "orders/?show=all")).content.decode()

    assert "VaR would exceed its limit" not in waiting
    # cancelling writes, so the button posts: a link could not
    order = Order.objects.get(state="accepted")
    assert f'hx-post="{page(book, f"orders/{order.pk}/cancel/")}"' in waiting
    assert "VaR would exceed its limit" in everything


def test_a_panel_refreshes_itself_alone(browser, book):
    answer = browser.get(page(book, "orders/?panel=all"), **HTMX)

    assert answer.status_code == 200
    assert "<html" not in answer.content.decode()
    assert 'id="panel-all"' in answer.content.decode()
    assert browser.get(page(book, "orders/?panel=nothing"), **HTMX).status_code == 404


def test_an_order_shows_its_timeline_and_its_cost(browser, book):
    browser.post(page(book, "trade/"), typed(browser, book) | {"place": ""})
    order = Order.objects.get()

    text = browser.get(page(book, f"orders/{order.pk}/")).content.decode()

    assert "Checked: approved" in text
    assert "100.02" in text


def test_trades_show_price_costs_and_source(browser, book):
    browser.post(page(book, "trade/"), typed(browser, book) | {"place": ""})

    text = browser.get(page(book, "trades/")).content.decode()

    assert "simulated price" in text
    assert "12.0" in text  # 1.20 of 1,000 dollars in basis points


def test_a_trades_own_address_leads_to_its_order(browser, book):
    browser.post(page(book, "trade/"), typed(browser, book) | {"place": ""})
    trade = Trade.objects.get()
    other = world.make_portfolio(name="Other")

    answer = browser.get(page(book, f"trades/{trade.pk}/"))

    assert (answer.status_code, answer["Location"]) == (
        302,
        page(book, f"orders/{trade.order_id}/"),
    )
    assert browser.get(page(book, f"trades/{trade.order_id}/")).status_code == 404
    assert browser.get(page(other, f"trades/{trade.pk}/")).status_code == 404


def test_a_waiting_order_is_cancelled_from_the_page(browser, book):
    world.quote("AAA", Decimal(100), age_s=120)
    browser.post(page(book, "trade/"), typed(browser, book) | {"place": ""})
    order = Order.objects.get()

    answer = browser.post(page(book, f"orders/{order.pk}/cancel/"))

    order.refresh_from_db()
    assert (answer.status_code, answer["Location"]) == (303, page(book, "orders/"))
    assert order.state == "cancelled"


def test_suggestions_put_symbols_first(browser):
    world.make_instrument("ZZZ", name="Follows AAA closely")

    answer = browser.get("/symbols/?q=aaa")

    assert [each["symbol"] for each in answer.json()["results"]] == ["AAA", "ZZZ"]


@pytest.mark.parametrize("name", ["trade/", "orders/", "trades/"])
def test_a_stranger_sees_what_a_missing_portfolio_shows(book, name):
    client = Client()
    client.force_login(world.make_user("stranger@example.com"))

    assert client.get(page(book, name)).status_code == 404
    assert client.post(page(book, "trade/"), {"symbol": "AAA"}).status_code == 404


def test_a_viewer_sees_the_orders_and_cannot_place_one(book):
    viewer = world.make_user("viewer@example.com")
    Membership.objects.create(portfolio=book, user=viewer, role="viewer")
    client = Client()
    client.force_login(viewer)

    assert client.get(page(book, "orders/")).status_code == 200
    assert client.post(page(book, "trade/"), {"symbol": "AAA"}).status_code == 403


def test_nobody_is_sent_to_the_sign_in(book):
    answer = Client().get(page(book, "trade/"))

    assert answer.status_code == 302


@pytest.mark.parametrize("name", ["trade/?symbol=AAA", "orders/?show=all", "trades/"])
def test_a_page_costs_a_bounded_number_of_queries(
    browser, book, name, django_assert_max_num_queries
):
    for _ in range(3):
        browser.post(page(book, "trade/"), typed(browser, book) | {"place": ""})
    now = sessions.now().isoformat().replace("+00:00", "Z")
    strip = [{"symbol": "AAA", "last": "100", "change": 0.0, "kind": "price"}]
    push.send_now("market", "market.updated", {"as_of": now, "strip": strip})

    with django_assert_max_num_queries(12):
        browser.get(page(book, name))


def test_orders_open_on_the_tab_where_the_last_one_is(browser, book):
    browser.post(page(book, "trade/"), typed(browser, book) | {"place": ""})
    assert Order.objects.get().state == "filled"

    answer = browser.get(page(book, "orders/"))

    assert answer.context["view"] == "all"
    assert "No order waits." not in answer.content.decode()
    assert "No order waits." in browser.get(page(book, "orders/?show=open")).content.decode()


def reader(book):
    viewer = world.make_user("reader@example.com")
    Membership.objects.create(portfolio=book, user=viewer, role="viewer")
    client = Client()
    client.force_login(viewer)
    return client


def test_who_may_not_trade_reads_why_instead_of_a_ticket(browser, book):
    text = reader(book).get(page(book, "trade/")).content.decode()

    assert "Your role in this portfolio does not include this." in text
    assert "data-ticket" not in text
    assert 'name="quantity"' not in text
    assert 'name="quantity"' in browser.get(page(book, "trade/")).content.decode()


def test_a_refused_check_says_why_in_the_place_of_the_check(browser, book):
    said = typed(browser, book)

    answer = reader(book).post(page(book, "trade/?panel=check"), said, **HTMX)

    text = answer.content.decode()
    assert answer.status_code == 403
    assert 'data-check-state="error"' in text
    assert "Your role in this portfolio does not include this." in text


def test_a_quantity_of_too_many_digits_is_called_too_long(browser, book):
    for quantity in ("1234567890123", "1.123456789", "1" * 25):
        said = typed(browser, book, quantity=quantity)
        text = browser.post(page(book, "trade/"), said).content.decode()
        assert "is too long: at most 12 digits" in text
        assert "plain decimal" not in text


def test_a_short_sale_is_named_as_one_and_shows_its_margin(browser, book):
    Portfolio.objects.update(allow_short=True)

    opening = browser.post(
        page(book, "trade/?panel=check"), typed(browser, book, side="sell"), **HTMX
    ).content.decode()
    browser.post(page(book, "trade/"), typed(browser, book, side="sell", place=""))
    cover, flip = (
        browser.post(
            page(book, "trade/?panel=check"), typed(browser, book, quantity=size), **HTMX
        ).content.decode()
        for size in ("10", "11")
    )

    assert "<b>Sell short 10 AAA</b>" in opening
    assert "Equity for margin" in opening
    assert Order.objects.get().state == "filled"
    assert "<b>Buy to cover 10 AAA</b>" in cover
    assert "<b>Cover and buy 11 AAA</b>" in flip
    assert "sells short" in browser.get(page(book, "trade/")).content.decode()


def test_without_shorts_the_ticket_does_not_speak_of_them(browser, book):
    checked = browser.post(
        page(book, "trade/?panel=check"), typed(browser, book, side="sell"), **HTMX
    ).content.decode()

    assert "more would be sold than is held" in checked
    assert "Equity for margin" not in checked
    assert "sells short" not in browser.get(page(book, "trade/")).content.decode()


def test_a_book_of_holdings_shows_no_form_and_refuses_one_that_was_sent(browser, book):
    said = typed(browser, book, place="")
    Portfolio.objects.update(tracking_mode="holdings")

    shown = browser.get(page(book, "trade/")).content.decode()
    sent = browser.post(page(book, "trade/"), said)

    assert "keeps holdings, not trades" in shown
    assert "data-place" not in shown
    assert sent.status_code == 422
    assert "keeps holdings, not trades" in sent.content.decode()
    assert not Order.objects.exists()
