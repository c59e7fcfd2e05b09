"""The one place where an order's state changes: row, numbered event, audit line, message."""

from datetime import datetime
from typing import Any

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict
from portfolios.services import portfolios
from trading import live
from trading.calculations import order_states
from trading.models import Order, OrderEvent


def born(order: Order, *, by: Actor, as_of: datetime, **detail: Any) -> OrderEvent:
    """Write a new order in its first state; the caller holds the portfolio's lock."""
    if not order_states.may_follow(None, order.state):
        raise Conflict(f"An order cannot begin as {order.state}.", state=order.state)
    order.save(force_insert=True)
    return _note(order, "", by, as_of, detail)


def move(order: Order, state: str, *, by: Actor, as_of: datetime, **detail: Any) -> OrderEvent:
    """Move an order on, with whatever the caller changed on it.

    The caller holds the portfolio's lock and has re-read the order under it.
    Raises Conflict with the present state when the move does not exist.
    """
    before = order.state
    if not order_states.may_follow(before, state):
        raise Conflict(
            f"The order is {before.replace('_', ' ')} and cannot become {state.replace('_', ' ')}.",
            code="order_state",
            state=before,
            order=live.order_url(order.pk),
        )
    order.state = state
    order.version += 1
    order.save()
    return _note(order, before, by, as_of, detail)


def restated(order: Order, *, by: Actor, as_of: datetime, **detail: Any) -> OrderEvent:
    """Keep what a split changed on an order that goes on waiting; the caller holds the lock."""
    order.version += 1
    order.save()
    return _note(order, order.state, by, as_of, detail, word="restated")


def _note(
    order: Order,
    before: str,
    by: Actor,
    as_of: datetime,
    detail: dict[str, Any],
    *,
    word: str = "",
) -> OrderEvent:
    event = OrderEvent(
        portfolio_id=order.portfolio_id,
        number=portfolios.next_order_number(order.portfolio_id),
        order=order,
        from_state=before,
        to_state=order.state,
        as_of=as_of,
        recorded_at=clock.now(),
        by_label=by.label,
        detail=detail,
    )
    event.save(force_insert=True)
    audit.record(
        by=by,
        action=f"order.{word or order.state}",
        object_type="order",
        object_id=order.pk,
        chain=order.portfolio_id,
        before={"state": before} if before else None,
        after={
            "state": order.state,
            "symbol": order.instrument.symbol,
            "side": order.side,
            "quantity": live.amount(order.quantity),
            "filled": live.amount(order.filled_quantity),
            "reasons": order.reasons,
        },
    )
    live.publish_order(order, event)
    return event
