"""Orders and fills as they stood at a moment of the market clock."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery

from etftrader.core.money import to_money
from trading.models import Order, OrderEvent, Trade
from trading.selectors import orders, trades

ZERO = Decimal(0)
# what a replacement may change; an order keeps only its newest terms
TERMS = (
    "quantity",
    "limit_price",
    "stop_price",
    "time_in_force",
    "reasons",
    "check_id",
    "check_url",
    "replaced_as_of",
)


def placed(portfolio_id: UUID, *, at: datetime, working_only: bool = False) -> QuerySet[Order]:
    """Orders placed by then, newest first, each with the state it had as `then`."""
    rows: Any = known(orders.of_portfolio(portfolio_id), at=at)  # with an annotation
    return rows.filter(then__in=orders.WORKING) if working_only else rows


def known(rows: QuerySet[Order], *, at: datetime) -> QuerySet[Order]:
    """Those of some orders that were placed by then, each with the state it had as `then`."""
    events = OrderEvent.objects.filter(order=OuterRef("pk"), as_of__lte=at).order_by("-number")
    rows = rows.filter(placed_as_of__lte=at)
    return rows.annotate(then=Subquery(events.values("to_state")[:1]))


def at(order: Order, *, close: datetime) -> Order | None:
    """One order as it stood at a close; None when it was placed later."""
    rows = known(Order.objects.filter(pk=order.pk), at=close)
    return next(iter(restored(rows, at=close)), None)


def restored(rows: Iterable[Order], *, at: datetime) -> list[Order]:
    """The same orders with state, quantity and average price of then; never to be saved."""
    shown = list(rows)
    filled: dict[UUID, list[Trade]] = defaultdict(list)
    for trade in Trade.objects.filter(order__in=shown, executed_at__lte=at).order_by("pk"):
        filled[trade.order_id].append(trade)
    for order in shown:
        order.state = getattr(order, "then", None) or order.state
        order.filled_quantity, order.average_price = _filled(filled[order.pk])
        if order.triggered_at is not None and order.triggered_at > at:
            order.triggered_at = None
    return shown


def lost(order: Order, *, at: datetime) -> tuple[str, ...]:
    """What of an order was changed after then, and is not kept as it was."""
    changed = order.replaced_as_of is not None and order.replaced_as_of > at
    return TERMS if changed else ()


def fills(portfolio_id: UUID, *, at: datetime) -> QuerySet[Trade]:
    """Fills made by then, newest first."""
    return trades.of_portfolio(portfolio_id).filter(executed_at__lte=at)


def _filled(made: Sequence[Trade]) -> tuple[Decimal, Decimal | None]:
    """Quantity and average price of what was not taken back."""
    back = {each.reverses_id for each in made if each.reverses_id}
    kept = [each for each in made if each.reverses_id is None and each.pk not in back]
    quantity = sum((each.quantity for each in kept), ZERO)
    if not quantity:
        return ZERO, None
    paid = sum((each.quantity * each.price for each in kept), ZERO)
    return quantity, to_money(paid / quantity)
