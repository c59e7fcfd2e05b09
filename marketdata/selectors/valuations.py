"""Estimates of what instruments are worth, of those an actor may see."""

from datetime import date
from uuid import UUID

from django.db.models import QuerySet

from etftrader.core.actor import Actor
from etftrader.core.errors import NotFound
from marketdata.models import Instrument, Valuation


def visible(*, actor: Actor, until: date) -> QuerySet[Valuation]:
    """Valuations as of a session or before it, newest first, of instruments the actor sees."""
    return (
        Valuation.objects.for_actor(actor)
        .filter(instrument__in=Instrument.objects.for_actor(actor), as_of_date__lte=until)
        .select_related("instrument")
        .order_by("-as_of_date", "instrument__symbol", "method", "pk")
    )


def find(*, valuation_id: UUID | str, actor: Actor, until: date) -> Valuation:
    """One of them. Raises NotFound."""
    try:
        wanted = UUID(str(valuation_id))
    except ValueError as error:
        raise NotFound("There is no such valuation.") from error
    found = visible(actor=actor, until=until).filter(pk=wanted).first()
    if found is None:
        raise NotFound("There is no such valuation.")
    return found
