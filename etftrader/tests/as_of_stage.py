"""A book at a past close and the day after it: what time travel is tried on."""

from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from django.test import Client

from etftrader.core.actor import Actor
from marketdata.models import TreasuryYield, Valuation
from marketdata.selectors import calendar, sessions
from portfolios.services import ledger, snapshots
from portfolios.services import tags as tag_services
from portfolios.services import tags_on_positions as tagging
from portfolios.services.tags_on_positions import Wanted
from risk.models import StopEvent, StopLossLevel
from risk.services import alerts, limits, stop_loss, var
from trading.models import Order, OrderEvent, Trade
from trading.services import orders
from trading.tests import world

DAY, CLOSE = world.YESTERDAY, calendar.close_time(world.YESTERDAY)


def make(settings: Any) -> SimpleNamespace:
    """A book valued at the close of the 22nd, with one thing of every kind; the 23rd is played."""
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (1_000_000, 1))
    world.make_market()
    TreasuryYield.objects.create(session_date=DAY, tenor="10Y", percent=1.69, source="bundled")
    book = world.make_portfolio()
    world.hold(book, "AAA", "300")
    world.hold(book, "BBB", "-100")
    owner = book.account.customer.user
    by = Actor.of_user(owner)
    held = book.positions.get(instrument__symbol="AAA")
    tag = tag_services.create(user=owner, by=by, name="core")
    plan = tag_services.create(user=owner, by=by, name="#strategy:carry")
    tagging.bulk_assign(
        position_ids=[held.pk], wanted=Wanted(add=("core",), strategy="carry"), user=owner, by=by
    )
    snapshots.take(portfolio_ids=[book.pk], session_date=DAY)
    var.compute(portfolio_ids=[book.pk], session_date=DAY)
    stop_loss.evaluate(portfolio_ids=[book.pk], session_date=DAY)
    # one stop that came near, as its event says, and one that nothing was ever told of
    StopLossLevel.objects.filter(instrument__symbol="AAA").update(
        stop_price=95, distance=0.05, state="near"
    )
    StopLossLevel.objects.filter(instrument__symbol="BBB").delete()
    limit = limits.change(
        portfolio_id=book.pk, measure="gross", value=Decimal(2), unit="fraction", watch=0.8,
        hard=True, reason="mandate", as_of=CLOSE, if_match_version=0, by=by,
    )  # fmt: skip
    alert = alerts.raise_once(
        portfolio_id=book.pk, kind="limit", key="limit:gross", severity="warning",
        title="Gross exposure is close to its limit", detail="", as_of=CLOSE, session_date=DAY,
    )  # fmt: skip
    thing = held.instrument
    order = Order.objects.create(
        portfolio=book, instrument=thing, side="buy", client_order_id="then", quantity=10,
        state="accepted", placed_as_of=CLOSE - timedelta(hours=1), session_date=DAY,
    )  # fmt: skip
    _moved(order, "accepted", CLOSE - timedelta(hours=1))
    trade = _filled(order, 4, CLOSE - timedelta(minutes=30))
    Order.objects.filter(pk=order.pk).update(filled_quantity=4, average_price=100)
    value = Valuation.objects.create(instrument=thing, as_of_date=DAY, method="dcf")
    StopEvent.objects.create(
        portfolio=book, instrument=thing, kind="warning", session_date=DAY, close=100,
        stop_price=95, regime="low", recorded_at=CLOSE,
    )  # fmt: skip
    book.refresh_from_db()
    client = Client()
    client.force_login(owner)
    return SimpleNamespace(
        book=book, owner=owner, by=by, held=held, tag=tag, plan=plan, alert=alert, limit=limit,
        order=order, trade=trade, value=value, client=client,
    )  # fmt: skip


def _moved(order: Order, state: str, at: Any) -> None:
    OrderEvent.objects.create(
        portfolio=order.portfolio, number=OrderEvent.objects.count() + 1_000, order=order,
        to_state=state, as_of=at, recorded_at=at, by_label="t",
    )  # fmt: skip


def _filled(order: Order, quantity: int, at: Any, **fields: Any) -> Trade:
    return Trade.objects.create(
        order=order, portfolio=order.portfolio, instrument=order.instrument, side="buy",
        quantity=quantity, price=100, price_source="close", reference_price=100, commission=0,
        spread_cost=0, impact_cost=0, currency="USD", executed_at=at, session_date=at.date(),
        recorded_at=at, **fields,
    )  # fmt: skip


def everything_happens(stage: SimpleNamespace) -> None:
    """What a day brings: trades, cash, other tags, another limit, an acknowledgement, a close."""
    book, by = stage.book, stage.by
    orders.submit(portfolio_id=book.pk, ticket=world.buy("5"), by=by, moment=sessions.moment())
    now = sessions.now()
    _moved(stage.order, "filled", now)
    _filled(stage.order, 6, now)
    _filled(stage.order, 4, now, reverses=stage.trade)
    Order.objects.filter(pk=stage.order.pk).update(state="filled", filled_quantity=10)
    ledger.book_flow(
        portfolio_id=book.pk, amount=Decimal(777), session_date=world.TODAY, source="t:later", by=by
    )
    tag_services.update(tag_id=stage.tag.pk, changes={"name": "renamed"}, by=by)
    tagging.replace(position_id=stage.held.pk, words=["other"], user=stage.owner, by=by)
    limits.change(
        portfolio_id=book.pk, measure="gross", value=Decimal(3), unit="fraction", watch=0.8,
        hard=True, reason="later", as_of=now, if_match_version=stage.limit.version, by=by,
    )  # fmt: skip
    alerts.acknowledge(alert_id=stage.alert.pk, note="seen", by=by)
    alerts.raise_once(
        portfolio_id=book.pk, kind="stop", key="stop:AAA", severity="critical", title="AAA",
        detail="", as_of=now, session_date=world.TODAY,
    )  # fmt: skip
    thing = stage.held.instrument
    Valuation.objects.create(instrument=thing, as_of_date=world.TODAY, method="dcf")
    StopEvent.objects.create(
        portfolio=book, instrument=thing, kind="triggered", session_date=world.TODAY, close=90,
        stop_price=95, regime="low", recorded_at=now,
    )  # fmt: skip
    TreasuryYield.objects.create(
        session_date=world.TODAY, tenor="10Y", percent=1.5, source="bundled"
    )
    world.close_session({"AAA": Decimal(120), "BBB": Decimal(40)})
    world.make_matrix(world.TODAY)
    snapshots.take(portfolio_ids=[book.pk], session_date=world.TODAY)
    var.compute(portfolio_ids=[book.pk], session_date=world.TODAY)
    stop_loss.evaluate(portfolio_ids=[book.pk], session_date=world.TODAY)
