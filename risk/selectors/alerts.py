"""Alerts and verdicts as pages and the API list them."""

from collections.abc import Iterable
from datetime import date
from uuid import UUID

from django.db.models import Q, QuerySet

from etftrader.core.actor import Actor
from etftrader.core.errors import NotAllowed
from marketdata.selectors import calendar
from portfolios.choices import PortfolioStatus
from portfolios.constants import Action
from portfolios.selectors import access
from risk.choices import AlertState
from risk.models import Alert, LimitBreach, PreTradeCheck


def visible(actor: Actor) -> QuerySet[Alert]:
    """Alerts of the portfolios an actor may see, newest change first."""
    rows = Alert.objects.for_actor(actor).select_related("portfolio")
    return rows.order_by("-last_seen", "-number", "pk")


def check_acknowledge(actor: Actor, alert: Alert) -> None:
    """Whether the actor may say it was seen: who may note in its book, of the house's operators.

    Raises NotFound or NotAllowed.
    """
    if alert.portfolio_id is not None:
        access.portfolio_for(actor, alert.portfolio_id, Action.NOTE)
    elif not may_operate(actor):
        raise NotAllowed("Operators acknowledge what concerns the whole house.")


def may_operate(actor: Actor) -> bool:
    """Whether this is staff that answers for the house's own runs."""
    return actor.is_superuser or access.staff_may(actor, Action.CALCULATE)


def unresolved(actor: Actor) -> QuerySet[Alert]:
    """Alerts whose condition still holds; nobody watches a portfolio that was closed."""
    watched = Q(portfolio__isnull=True) | Q(portfolio__status=PortfolioStatus.ACTIVE)
    return visible(actor).filter(watched).exclude(state=AlertState.RESOLVED)


def of_portfolio(*, portfolio_id: UUID, limit: int = 8) -> list[Alert]:
    """The newest alerts of a portfolio; those still open first."""
    rows = Alert.objects.filter(portfolio_id=portfolio_id).order_by("-last_seen", "-number")
    newest = list(rows[: limit * 4])
    order = {AlertState.OPEN: 0, AlertState.ACKNOWLEDGED: 1, AlertState.RESOLVED: 2}
    return sorted(newest, key=lambda each: order[AlertState(each.state)])[:limit]


def checks(
    *, portfolio_id: UUID, contexts: Iterable[str], limit: int = 20, session: date | None = None
) -> list[PreTradeCheck]:
    """The newest verdicts of a portfolio that counted, or those of one session."""
    rows = PreTradeCheck.objects.filter(portfolio_id=portfolio_id, context__in=list(contexts))
    if session is not None:
        hours = (calendar.open_time(session), calendar.close_time(session))
        rows = rows.filter(as_of__range=hours)
    return list(rows.defer("document").order_by("-created_at")[:limit])


def breaches(actor: Actor) -> QuerySet[LimitBreach]:
    """Changes of limit states in the portfolios an actor may see, newest first."""
    rows = LimitBreach.objects.for_actor(actor).select_related("portfolio")
    return rows.order_by("-as_of", "-pk")
