"""Daily bars as programs read them: a page of them, or one by its id."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery

from etftrader.core.actor import Actor
from etftrader.core.errors import NotFound
from marketdata.choices import InstrumentKind
from marketdata.models import DailyBar, Instrument


@dataclass(frozen=True, slots=True)
class Revision:
    """What stands for a bar's version in entity tags."""

    version: int


def visible(*, actor: Actor, until: date) -> QuerySet[DailyBar]:
    """Bars up to a close of what the actor may see, each with the close before it."""
    before = DailyBar.objects.filter(
        instrument=OuterRef("instrument"), session_date__lt=OuterRef("session_date")
    ).order_by("-session_date")
    return (
        DailyBar.objects.for_actor(actor)
        .filter(instrument__in=Instrument.objects.for_actor(actor), session_date__lte=until)
        .annotate(close_before=Subquery(before.values("close")[:1]))
        .select_related("instrument")
    )


def key_of(bar: DailyBar) -> str:
    """The id of a bar: its instrument, its session, its source."""
    return f"{bar.instrument_id}:{bar.session_date.isoformat()}:{bar.source}"


def find(*, price_id: str, actor: Actor, until: date) -> DailyBar:
    """The bar of an id. Raises NotFound."""
    found = visible(actor=actor, until=until).filter(**_key(price_id)).first()
    if found is None:
        raise NotFound("There is no such price.")
    return found


def change(bar: DailyBar) -> float | None:
    """Move from the close before, in percent; None for the first bar of a series."""
    before = getattr(bar, "close_before", None)
    return None if not before else float(bar.close / before - 1) * 100


def revision(bar: DailyBar) -> Revision:
    """The version of a bar: 1 as it came, one more with every correction."""
    return Revision(bar.revision + 1)


def _key(price_id: str) -> dict[str, Any]:
    parts = price_id.split(":")
    try:
        instrument, day, source = parts
        return {
            "instrument_id": UUID(instrument),
            "session_date": date.fromisoformat(day),
            "source": source[:12],
        }
    except ValueError as error:
        raise NotFound("There is no such price.") from error


def of_many(
    *, instruments: Iterable[Instrument], start: date, until: date
) -> dict[UUID, list[DailyBar]]:
    """Bars of a stretch by instrument, oldest first; who has none is absent."""
    rows = DailyBar.objects.filter(
        instrument__in=[each.pk for each in instruments], session_date__range=(start, until)
    ).order_by("session_date", "source")
    found: dict[UUID, list[DailyBar]] = {}
    for bar in rows.iterator(chunk_size=5000):
        found.setdefault(bar.instrument_id, []).append(bar)
    return found


def factor_funds(*, actor: Actor) -> list[Instrument]:
    """The funds whose prices stand for factors, by factor and symbol."""
    tilted = Instrument.objects.for_actor(actor).filter(kind=InstrumentKind.ETF, active=True)
    return list(tilted.exclude(factor_tilt="").order_by("factor_tilt", "symbol"))
