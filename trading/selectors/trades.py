"""Fills as they are read, with what each of them cost."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import QuerySet

from etftrader.core.actor import Actor
from trading.models import Trade


def visible(actor: Actor) -> QuerySet[Trade]:
    """Every fill the actor may see, newest first."""
    return (
        Trade.objects.for_actor(actor)
        .select_related("instrument", "order", "reversed_by")
        .order_by("-executed_at", "-pk")
    )


def of_portfolio(portfolio_id: UUID) -> QuerySet[Trade]:
    """A portfolio's fills, newest first."""
    return (
        Trade.objects.filter(portfolio_id=portfolio_id)
        .select_related("instrument", "order", "order__placed_by", "reversed_by")
        .order_by("-executed_at", "-pk")
    )


def recent(*, portfolio_id: UUID, instrument_id: UUID, limit: int) -> list[Trade]:
    """The last fills in one instrument."""
    rows = of_portfolio(portfolio_id)
    return list(rows.filter(instrument_id=instrument_id)[:limit])


def reversal(trade: Trade, by: datetime | None = None) -> Trade | None:
    """The trade that took this one back, if there is one, or there was one by a moment."""
    later: Trade | None = getattr(trade, "reversed_by", None)
    if later is not None and by is not None and later.executed_at > by:
        return None
    return later


def cost(trade: Trade) -> Decimal:
    """Commission, spread and impact together, dollars."""
    return trade.commission + trade.spread_cost + trade.impact_cost


def cost_bp(trade: Trade) -> float | None:
    """Total cost in basis points of the traded value at the reference price."""
    value = trade.reference_price * trade.quantity * trade.instrument.multiplier
    return float(cost(trade) / value) * 1e4 if value else None
