"""The admin: orders and trades are shown, never changed; the kill switch asks for a reason."""

import pytest
from django.test import Client
from django.urls import reverse

from etftrader.core.records import AuditEvent
from marketdata.selectors import sessions
from trading.models import Order, OrderEvent, Trade, TradingHalt
from trading.services import orders
from trading.tests import world

pytestmark = pytest.mark.django_db


def staff(email="staff@example.com", group=None, **fields):
    user = world.make_user(email, is_staff=True, **fields)
    if group:
        world.add_to_group(user, group)
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("model", [Order, OrderEvent, Trade, TradingHalt])
def test_records_open_and_search_and_cannot_be_changed(model):
    world.make_market()
    portfolio = world.make_portfolio()
    by = world.actor(portfolio.account.customer.user)
    orders.submit(portfolio_id=portfolio.pk, ticket=world.buy("1"), by=by, moment=sessions.moment())
    client = staff(is_superuser=True)
    name = f"admin:trading_{model._meta.model_name}"

    assert client.get(reverse(f"{name}_changelist")).status_code == 200
    assert client.get(reverse(f"{name}_changelist"), {"q": "AAA"}).status_code == 200
    assert client.get(reverse(f"{name}_add")).status_code == 403
    row = model.objects.first()
    if row is not None:
        assert client.post(reverse(f"{name}_change", args=[row.pk]), {}).status_code == 403
        assert client.post(reverse(f"{name}_delete", args=[row.pk]), {}).status_code == 403


@pytest.mark.parametrize("group", ["Operator", "Admin"])
def test_an_operator_stops_and_releases_trading_with_reasons(group):
    client = staff(group=group)
    address = reverse("admin:trading_tradinghalt_switch")

    assert b"Stop trading" in client.get(address).content
    client.post(address, {"act": "start", "reason": "a strange feed"})
    halt = TradingHalt.objects.get()
    assert b"a strange feed" in client.get(address).content
    client.post(address, {"act": "end", "reason": "the feed is fine"})

    halt.refresh_from_db()
    assert (halt.reason, halt.ended_by) == ("a strange feed", "staff@example.com")
    assert list(
        AuditEvent.objects.filter(action__startswith="trading.").values_list("action", "reason")
    ) == [("trading.halted", "a strange feed"), ("trading.resumed", "the feed is fine")]


def test_a_switch_without_a_reason_does_nothing():
    client = staff(group="Operator")

    client.post(reverse("admin:trading_tradinghalt_switch"), {"act": "start", "reason": " "})

    assert not TradingHalt.objects.exists()


@pytest.mark.parametrize("group", [None, "Risk manager"])
def test_other_staff_cannot_press_the_switch(group):
    client = staff(group=group)

    client.post(reverse("admin:trading_tradinghalt_switch"), {"act": "start", "reason": "fun"})

    assert not TradingHalt.objects.exists()
