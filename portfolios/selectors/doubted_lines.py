"""Lines of stored valuations that rest on a price which is another one, or none, by now."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.db.models import Exists, Max, Min, OuterRef, Q, QuerySet

from marketdata.choices import PriceClass
from marketdata.models import DailyBar, OptionGreeks
from marketdata.selectors import open_doubts
from portfolios.choices import SnapshotKind
from portfolios.models import Position, PositionSnapshot


@dataclass(frozen=True, slots=True)
class Span:
    """The first and the last session of a book that is concerned."""

    first: date
    last: date


def books(*, doubted: Mapping[UUID, date], arrived: Iterable[UUID]) -> dict[UUID, Span]:
    """Return the portfolios with such lines and their sessions.

    Of `doubted` names, from their sessions on: lines in doubt, and those whose price is not newer
    than one that is held back. Of `arrived` names: lines without a price where there is one now.
    Options on a name count with it. A query or two a name.
    """
    fresh = list(arrived)
    named = ever_held(instrument_ids=[*doubted, *fresh])
    found: dict[UUID, Span] = {}
    for key, since in doubted.items():
        lines = _lines(named.get(key, ())).filter(snapshot__session_date__gte=since)
        _add(found, lines.filter(Q(price_class=PriceClass.SUSPECT) | _outdated(key)))
    for key in fresh:
        _add(found, _lines(named.get(key, ())).filter(_priced(), price__isnull=True))
    return found


def ever_held(*, instrument_ids: Iterable[UUID]) -> dict[UUID, set[UUID]]:
    """Return what some book holds or held of these names: by name itself and options on it."""
    asked = set(instrument_ids)
    named = Q(instrument__in=asked) | Q(instrument__option__underlying__in=asked)
    rows = Position.objects.filter(named).order_by()
    found: dict[UUID, set[UUID]] = {}
    pairs = rows.values_list("instrument_id", "instrument__option__underlying_id").distinct()
    for key, underlying in pairs:
        for name in {key, underlying} & asked:
            found.setdefault(name, set()).add(key)
    return found


def _lines(instrument_ids: Iterable[UUID]) -> QuerySet[PositionSnapshot]:
    rows = PositionSnapshot.objects.filter(instrument__in=list(instrument_ids))
    return rows.filter(snapshot__kind=SnapshotKind.ACTUAL)


def _outdated(instrument_id: UUID) -> Exists:
    """Whether a price of the name waits that was known then and is as new as the line's."""
    waiting = open_doubts.rows().filter(
        instrument=instrument_id,
        session_date__gte=OuterRef("price_session"),
        session_date__lte=OuterRef("snapshot__session_date"),
    )
    return Exists(waiting)


def _priced() -> Q:
    """Whether there is a close up to the line's session by now, or an option's value of it."""
    day = OuterRef("snapshot__session_date")
    bars = DailyBar.objects.filter(instrument=OuterRef("instrument"), session_date__lte=day)
    values = OptionGreeks.objects.filter(
        contract__instrument=OuterRef("instrument"), session_date=day, price__isnull=False
    )
    return Q(Exists(bars)) | Q(Exists(values))


def _add(found: dict[UUID, Span], lines: QuerySet[PositionSnapshot]) -> None:
    whose = lines.order_by().values_list("snapshot__portfolio")
    day = "snapshot__session_date"
    for portfolio_id, first, last in whose.annotate(first=Min(day), last=Max(day)):
        known = found.get(portfolio_id, Span(first, last))
        found[portfolio_id] = Span(min(first, known.first), max(last, known.last))
