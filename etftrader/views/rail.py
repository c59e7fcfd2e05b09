"""The open portfolios of whoever asks, read once for a page and the frame around it."""

from django.db.models import Exists, OuterRef
from django.http import HttpRequest

from etftrader.core.actor import Actor
from portfolios.constants import Action
from portfolios.models import Portfolio

_KEPT = "_open_portfolios"


def portfolios(request: HttpRequest) -> list[Portfolio]:
    """By name, each with `may_trade`, `may_manage` and `may_note`, for buttons."""
    known: list[Portfolio] | None = getattr(request, _KEPT, None)
    if known is None:
        actor = Actor.of(request)
        rows = Portfolio.objects.for_actor(actor).open()
        rows = rows.annotate(
            may_trade=_may(actor, Action.TRADE),
            may_manage=_may(actor, Action.MANAGE),
            may_note=_may(actor, Action.NOTE),
        )
        known = list(rows.order_by("name", "pk"))
        setattr(request, _KEPT, known)
    return known


def _may(actor: Actor, action: Action) -> Exists:
    """In the query that reads the rail; the door asks again."""
    return Exists(Portfolio.objects.for_actor(actor, action).filter(pk=OuterRef("pk")))
