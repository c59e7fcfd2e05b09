"""Saved views: one's own."""

from uuid import UUID

from django.db.models import QuerySet

from etftrader.core.actor import Actor
from etftrader.core.errors import NotFound
from portfolios.models import SavedView

NO_VIEW = "There is no such view."


def of_actor(*, actor: Actor) -> QuerySet[SavedView]:
    """One's own views by name."""
    return SavedView.objects.for_actor(actor).order_by("name", "pk")


def one(*, actor: Actor, view_id: UUID | str) -> SavedView:
    """One view of the actor's. Raises NotFound."""
    try:
        key = view_id if isinstance(view_id, UUID) else UUID(view_id)
    except ValueError as error:
        raise NotFound(NO_VIEW) from error
    found = of_actor(actor=actor).filter(pk=key).first()
    if found is None:
        raise NotFound(NO_VIEW)
    return found
