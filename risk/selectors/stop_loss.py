"""Where stops stand, for pages and the API."""

from datetime import date
from uuid import UUID

from django.db.models import QuerySet

from etftrader.core.actor import Actor
from portfolios.choices import PortfolioStatus
from risk.models import StopEvent, StopLossLevel, StopLossRule


def levels(*, portfolio_id: UUID) -> list[StopLossLevel]:
    """Every stop of a portfolio, the nearest first."""
    rows = StopLossLevel.objects.filter(portfolio_id=portfolio_id).select_related("instrument")
    return sorted(rows, key=lambda each: (each.distance is None, each.distance or 0.0))


def visible(actor: Actor) -> QuerySet[StopLossLevel]:
    """Stops of the portfolios an actor may see, the nearest first."""
    rows = StopLossLevel.objects.for_actor(actor).select_related("instrument", "portfolio")
    return rows.order_by("distance", "pk")


def watched(actor: Actor) -> QuerySet[StopLossLevel]:
    """The same of portfolios that are open: those of closed ones stand where they stood."""
    return visible(actor).filter(portfolio__status=PortfolioStatus.ACTIVE)


def events(actor: Actor, *, until: date | None = None) -> QuerySet[StopEvent]:
    """What happened to stops in the portfolios an actor may see, newest first."""
    rows = StopEvent.objects.for_actor(actor).select_related("instrument", "portfolio")
    if until is not None:
        rows = rows.filter(session_date__lte=until)
    return rows.order_by("-session_date", "-pk")


def rule(*, portfolio_id: UUID) -> StopLossRule:
    """How a portfolio's stops work; an unsaved one with version 0 are the defaults."""
    found = StopLossRule.objects.filter(portfolio_id=portfolio_id).first()
    return found or StopLossRule(portfolio_id=portfolio_id, version=0)
