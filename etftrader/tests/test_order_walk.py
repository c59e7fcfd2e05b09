"""An order's whole walk: ticket, check, rejection, largest size, fill, books, messages, close."""

import re
from decimal import Decimal

import pytest
from django.test import Client

from etftrader.core import audit, push
from etftrader.core.events import sweep
from etftrader.core.records import OutboxEvent
from marketdata.selectors import sessions
from portfolios.models import LedgerEntry, Portfolio, Position
from portfolios.services import verification
from risk.models import PreTradeCheck
from trading.models import Order, Trade
from trading.services import execution
from trading.tasks import fill_waiting
from trading.tests import world

CHECK = {"HTTP_HX_REQUEST": "true"}


def ticket(client, address, quantity):
    text = client.get(address).content.decode()
    key = re.search(r'name="idempotency_key" value="([0-9a-f]{32})"', text).group(1)
    return {"symbol": "AAA", "side": "buy", "quantity": quantity, "idempotency_key": key}


@pytest.mark.django_db(transaction=True)
def test_from_a_rejected_check_to_the_largest_size_in_the_books():
    world.make_market()
    portfolio = world.make_portfolio()
    client = Client()
    client.force_login(portfolio.account.customer.user)
    address = f"/portfolios/{portfolio.pk}/trade/"

    said = ticket(client, address, "950")
    refused = client.post(f"{address}?panel=check", said, **CHECK).content.decode()
    largest = re.search(r'data-max-quantity="(\d+)"', refused).group(1)
    rejected = client.post(address, said | {"place": ""})
    said = ticket(client, address, largest)
    passing = client.post(f"{address}?panel=check", said, **CHECK).content.decode()
    placed = client.post(address, said | {"place": ""})

    # 3 % of 100,000 / (1.644854 x 0.02) = 91,193 dollars at 100
    assert largest == "911"
    assert 'data-check-state="rejected"' in refused
    assert 'data-check-state="warned"' in passing
    assert (rejected.status_code, placed.status_code) == (422, 303)
    filled = Order.objects.get(state="filled")
    assert Order.objects.get(state="rejected").reasons == ["VAR_LIMIT"]
    assert PreTradeCheck.objects.filter(context="order").count() == 2
    trade = Trade.objects.get()
    assert (trade.order_id, trade.quantity, trade.price) == (filled.pk, 911, Decimal("100.02"))
    # 911 x 100.02 + 1.00 = 91,119.22
    portfolio.refresh_from_db()
    assert portfolio.cash == Decimal("8880.78")
    assert Position.objects.get().quantity == 911
    assert LedgerEntry.objects.filter(source=f"trade:{trade.pk}").count() == 5
    assert verification.verify(portfolio_id=portfolio.pk) == []
    assert audit.verify() == []
    blotter = client.get(f"/portfolios/{portfolio.pk}/orders/?show=all").content.decode()
    assert "VaR would exceed its limit" in blotter
    told = push.newest(f"portfolio.{portfolio.pk}.orders")
    assert (told["event"], told["data"]["number"]) == ("trade.created", 2)
    assert told["data"]["id"] == str(trade.pk)
    sweep()
    assert not OutboxEvent.objects.filter(
        name="trading.trade_filled", delivered_at__isnull=True
    ).exists()


@pytest.mark.django_db(transaction=True)
def test_an_order_of_the_night_fills_on_the_first_bar_and_the_rest_ends_at_the_close():
    world.make_market(playing=False)
    portfolio = world.make_portfolio()
    client = Client()
    client.force_login(portfolio.account.customer.user)
    address = f"/portfolios/{portfolio.pk}/trade/"
    for quantity in ("5", "7"):
        client.post(address, ticket(client, address, quantity) | {"place": ""})
    first, second = Order.objects.order_by("created_at")

    moment = world.open_session()
    client.post(f"/portfolios/{portfolio.pk}/orders/{second.pk}/cancel/")
    trades = execution.fill_waiting(moment=moment)
    world.next_bar()
    world.quote("AAA", Decimal(100), age_s=120)
    client.post(address, ticket(client, address, "9") | {"place": ""})
    world.close_session()
    told = fill_waiting(session_date="2016-06-23")

    assert [trade.order_id for trade in trades] == [first.pk]
    states = list(Order.objects.order_by("created_at").values_list("state", flat=True))
    assert states == ["filled", "cancelled", "filled"]
    assert list(Trade.objects.order_by("executed_at").values_list("price_source", flat=True)) == [
        "SIM",
        "close",
    ]
    assert told["counts"] == {"filled": 1, "expired": 0}
    assert Portfolio.objects.get().order_events == 6
    assert Position.objects.get().quantity == 14
    assert verification.verify(portfolio_id=portfolio.pk) == []
    assert sessions.moment().session_date == world.TODAY
