"""What accepting a price would move: the books that hold what it prices."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from django.db.models import Count

from etftrader.core.actor import Actor
from marketdata.providers.sources import BARS
from marketdata.selectors.quarantine import Doubt
from portfolios.models import Position


def holders(*, actor: Actor, instrument_ids: Iterable[UUID]) -> dict[UUID, int]:
    """How many of the books the actor may see hold each instrument."""
    rows = (
        Position.objects.for_actor(actor)
        .open()
        .filter(instrument__in=set(instrument_ids), portfolio__status="active")
        .values_list("instrument_id")
        .annotate(Count("portfolio_id", distinct=True))
    )
    return dict(rows)


def effect(doubt: Doubt, held_by: Mapping[UUID, int], *, all_books: bool) -> str:
    """What accepting it does, as the rest of a sentence."""
    row = doubt.row
    if not doubt.believable:
        unknown = row.instrument_id is None and row.dataset == BARS
        why = "its symbol is not known here" if unknown else "it is no price"
        return f"cannot be accepted: {why}"
    if row.dataset != BARS:
        return "stores nothing; the next quotes are held against it"
    if not doubt.is_last:
        return f"fills session {row.session_date:%-d %b %Y}; today's NAV stays"
    count = held_by.get(row.instrument_id, 0) if row.instrument_id else 0
    if not count:
        return "becomes the last price; no book holds it" if all_books else "becomes the last price"
    whose = "" if all_books else " of yours"
    return f"becomes the last price: moves NAV of {count} book{'' if count == 1 else 's'}{whose}"
