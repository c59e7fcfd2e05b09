"""The one place where an order's state changes: row, numbered event, audit line, message."""

from datetime import datetime
from typing import Any
from uuid import UUID

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict
from portfolios.models import Portfolio
from portfolios.services import locking, portfolios
from trading import live
from trading.calculations import order_states
from trading.models import Order, OrderEvent
from trading.selectors import orders as read


def born(
    order: Order, locked: Portfolio | None = None, /, *, by: Actor, as_of: datetime, **detail: Any
) -> OrderEvent:
    """Write a new order in its first state; the caller holds the portfolio's lock.

    `locked` is the portfolio's row as it was read under the lock, where the caller has it.
    """
    if not order_states.may_follow(None, order.state):
        raise Conflict(f"An order cannot begin as {order.state}.", state=order.state)
    order.save(force_insert=True)
    return _note(order, "", by, as_of, detail, locked=locked)


def move(
    order: Order,
    state: str,
    locked: Portfolio | None = None,
    /,
    *,
    by: Actor,
    as_of: datetime,
    **detail: Any,
) -> OrderEvent:
    """Move an order on, with whatever the caller changed on it.

    The caller holds the portfolio's lock and has re-read the order under it; `locked` as `born`.
    Raises Conflict with the present state when the move does not exist.
    """
    before = order.state
    if not order_states.may_follow(before, state):
        raise impossible(order, before, state)
    order.state = state
    order.version += 1
    order.save()
    return _note(order, before, by, as_of, detail, locked=locked)


def amended(order: Order, act: str, *, by: Actor, as_of: datetime, **detail: Any) -> OrderEvent:
    """Keep what was changed on an order that goes on waiting; the caller holds the lock.

    `act` says what happened: restated (by a split), replaced, triggered.
    """
    if order.state not in order_states.OPEN:
        raise impossible(order, order.state, act)
    order.version += 1
    order.save()
    return _note(order, order.state, by, as_of, {"act": act, **detail}, word=act)


def check_alone(order: Order) -> None:
    """Raise Conflict for a leg of a spread: it changes and ends with its spread."""
    if not read.is_of_spread(order):
        return
    assert order.basket is not None
    raise Conflict(
        "The order is a leg of a spread, which fills whole: cancel the spread instead.",
        code="leg_of_a_spread",
        basket=live.basket_url(order.basket.pk),
    )


def impossible(order: Order, before: str, wanted: str) -> Conflict:
    """The refusal of a move that does not exist, with the present state."""
    return Conflict(
        f"The order is {before.replace('_', ' ')} and cannot become {wanted.replace('_', ' ')}.",
        code="order_state",
        state=before,
        order=live.order_url(order.pk),
    )


def _note(
    order: Order,
    before: str,
    by: Actor,
    as_of: datetime,
    detail: dict[str, Any],
    *,
    word: str = "",
    locked: Portfolio | None = None,
) -> OrderEvent:
    event = OrderEvent(
        portfolio_id=order.portfolio_id,
        number=_number(order.portfolio_id, locked),
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
            **_prices(order),
        },
    )
    live.publish_order(order, event)
    return event


def _number(portfolio_id: UUID, locked: Portfolio | None) -> int:
    number = locking.next_order_number(locked) if locked is not None else None
    return number or portfolios.next_order_number(portfolio_id)


def _prices(order: Order) -> dict[str, str]:
    said = {"limit_price": order.limit_price, "stop_price": order.stop_price}
    return {name: live.amount(price) for name, price in said.items() if price is not None}
