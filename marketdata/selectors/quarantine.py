"""Prices that were held back: which ones, how many, why."""

from django.db.models import Count, QuerySet

from etftrader.core.actor import Actor
from marketdata.choices import QuarantineState
from marketdata.models import QuarantinedPrice


def rows(*, actor: Actor) -> QuerySet[QuarantinedPrice]:
    """Every doubt the actor may see, newest session first; instruments are there."""
    return (
        QuarantinedPrice.objects.for_actor(actor)
        .select_related("instrument")
        .order_by("-session_date", "symbol", "pk")
    )


def held_by_reason() -> dict[str, int]:
    """How many prices wait for a person, by reason."""
    counted = (
        QuarantinedPrice.objects.filter(state=QuarantineState.HELD)
        .values_list("reason")
        .annotate(Count("pk"))
        .order_by("reason")
    )
    return dict(counted)
