"""Orders and trades of fills that a file has brought; the books are moved by who calls."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import F

from etftrader.core import clock
from etftrader.core.actor import Actor
from marketdata.selectors import sessions
from portfolios.events import FileFill, Returned
from portfolios.models import Portfolio
from trading import live
from trading.choices import OrderSource, OrderState, PriceSource, Side
from trading.constants import NOTE_LENGTH
from trading.models import Order, OrderEvent, Trade
from trading.services.busts import OPPOSITE

BATCH = 500
ZERO = Decimal(0)


def record(portfolio: Portfolio, fills: Sequence[FileFill], by: Actor) -> None:
    """Keep a filled order and its trade for each fill, at the file's own price and time.

    Each has its numbered event; the audit line is the file's. The caller holds the portfolio's
    lock. Whoever watches the orders is told of the last one.
    """
    now, number = clock.now(), _numbers(portfolio, len(fills))
    orders = [_order(portfolio, each, by) for each in fills]
    events = [
        _event(order, number + place, by, now, trade=str(each.trade_id), file=each.row)
        for place, (order, each) in enumerate(zip(orders, fills, strict=True))
    ]
    trades = [_trade(order, each, now) for order, each in zip(orders, fills, strict=True)]
    Order.objects.bulk_create(orders, batch_size=BATCH)
    OrderEvent.objects.bulk_create(events, batch_size=BATCH)
    Trade.objects.bulk_create(trades, batch_size=BATCH)
    live.publish_order(orders[-1], events[-1])


def take_back(portfolio: Portfolio, told: Returned, by: Actor) -> None:
    """Mark orders as busted and keep the opposite of each trade; what was busted before stays.

    The caller has reversed their bookings and holds the portfolio's lock.
    """
    for place in range(0, len(told.trade_ids), BATCH):
        _take_back(portfolio, told, told.trade_ids[place : place + BATCH], by)


def _take_back(portfolio: Portfolio, told: Returned, ids: Sequence[UUID], by: Actor) -> None:
    found = Trade.objects.filter(pk__in=ids, portfolio=portfolio, reversed_by__isnull=True)
    known = {each.pk: each for each in found.select_related("instrument", "order__instrument")}
    trades = [known[key] for key in ids if key in known]
    if not trades:
        return
    now, as_of = clock.now(), sessions.moment().as_of
    number = _numbers(portfolio, len(trades))
    orders, events, opposites = [], [], []
    for place, trade in enumerate(trades):
        order = trade.order
        before, order.state = order.state, OrderState.BUSTED
        order.version, order.updated_at = order.version + 1, now
        orders.append(order)
        event = _event(order, number + place, by, now, reason=told.reason)
        event.from_state, event.as_of = before, as_of
        events.append(event)
        opposites.append(_opposite(trade, told, as_of, now))
    Order.objects.bulk_update(orders, ["state", "version", "updated_at"], batch_size=100)
    OrderEvent.objects.bulk_create(events, batch_size=BATCH)
    Trade.objects.bulk_create(opposites, batch_size=BATCH)
    live.publish_order(orders[-1], events[-1])


def _numbers(portfolio: Portfolio, count: int) -> int:
    """The first of so many numbers of the orders channel, under the portfolio's lock."""
    mine = Portfolio.objects.filter(pk=portfolio.pk)
    mine.update(order_events=F("order_events") + count)
    last: int = mine.values_list("order_events", flat=True).get()
    return last - count + 1


def _order(portfolio: Portfolio, each: FileFill, by: Actor) -> Order:
    return Order(
        portfolio_id=portfolio.pk,
        instrument=each.instrument,
        client_order_id=each.row,
        side=Side.BUY if each.quantity > 0 else Side.SELL,
        quantity=abs(each.quantity),
        filled_quantity=abs(each.quantity),
        average_price=each.price,
        state=OrderState.FILLED,
        source=OrderSource.IMPORT,
        note=each.note[:NOTE_LENGTH],
        placed_as_of=each.executed_at,
        session_date=each.session_date,
        placed_by_id=by.user_id,
        last_bar=each.executed_at,
    )


def _event(order: Order, number: int, by: Actor, now: datetime, **detail: str) -> OrderEvent:
    return OrderEvent(
        portfolio_id=order.portfolio_id,
        number=number,
        order=order,
        from_state="",
        to_state=order.state,
        as_of=order.placed_as_of,
        recorded_at=now,
        by_label=by.label,
        detail=detail,
    )


def _trade(order: Order, each: FileFill, now: datetime) -> Trade:
    return Trade(
        id=each.trade_id,
        order=order,
        portfolio_id=order.portfolio_id,
        instrument=each.instrument,
        side=order.side,
        quantity=order.quantity,
        price=each.price,
        price_source=PriceSource.BOOKED,
        reference_price=each.price,
        commission=each.fee,
        spread_cost=ZERO,
        impact_cost=ZERO,
        currency=each.instrument.currency,
        exchange_rate=each.exchange_rate,
        realized_pnl=each.realized_pnl,
        executed_at=each.executed_at,
        session_date=each.session_date,
        recorded_at=now,
    )


def _opposite(trade: Trade, told: Returned, as_of: datetime, now: datetime) -> Trade:
    return Trade(
        order_id=trade.order_id,
        portfolio_id=trade.portfolio_id,
        instrument_id=trade.instrument_id,
        side=OPPOSITE[trade.side],
        quantity=trade.quantity,
        price=trade.price,
        price_source=trade.price_source,
        reference_price=trade.reference_price,
        commission=-trade.commission,
        spread_cost=-trade.spread_cost,
        impact_cost=-trade.impact_cost,
        currency=trade.currency,
        exchange_rate=trade.exchange_rate,
        realized_pnl=-trade.realized_pnl,
        executed_at=as_of,
        session_date=told.session_date,
        recorded_at=now,
        reverses=trade,
    )
