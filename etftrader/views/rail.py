"""The open portfolios and alerts of whoever asks, read once for a page and the frame around it."""

from django.db.models import Exists, OuterRef
from django.http import HttpRequest

from etftrader.core.actor import Actor
from portfolios.constants import Action
from portfolios.models import Portfolio
from portfolios.selectors import access
from risk.selectors import alerts

_KEPT, _ALERTS = "_open_portfolios", "_open_alerts"


def portfolios(request: HttpRequest) -> list[Portfolio]:
    """By name, each with `may_trade`, `may_manage` and `may_note`, for buttons, and `is_own`."""
    known: list[Portfolio] | None = getattr(request, _KEPT, None)
    if known is None:
        actor = Actor.of(request)
        rows = Portfolio.objects.for_actor(actor).open()
        own = Portfolio.objects.for_actor(access.as_person(actor)).filter(pk=OuterRef("pk"))
        rows = rows.annotate(
            is_own=Exists(own),
            may_trade=_may(actor, Action.TRADE),
            may_manage=_may(actor, Action.MANAGE),
            may_note=_may(actor, Action.NOTE),
        )
        known = list(rows.order_by("name", "pk"))
        setattr(request, _KEPT, known)
    return known


def keep_open_alerts(request: HttpRequest, count: int) -> None:
    """Hand the number of open alerts, once known, to the frame around the page."""
    setattr(request, _ALERTS, count)


def open_alerts(request: HttpRequest) -> int:
    """How many alerts are open: as the page has counted them, else counted now."""
    known: int | None = getattr(request, _ALERTS, None)
    if known is None:
        known = alerts.unresolved(Actor.of(request)).filter(state="open").count()
    return known


def _may(actor: Actor, action: Action) -> Exists:
    """In the query that reads the rail; the door asks again."""
    return Exists(Portfolio.objects.for_actor(actor, action).filter(pk=OuterRef("pk")))
