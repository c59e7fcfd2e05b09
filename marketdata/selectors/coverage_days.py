"""How whole each dataset is, session by session, and what exactly is missing of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import Case, CharField, Count, OuterRef, QuerySet, Subquery, Value, When

from marketdata.choices import InstrumentKind, QuarantineState
from marketdata.constants import TENORS, VIX
from marketdata.models import (
    DailyBar,
    Instrument,
    OptionContract,
    OptionGreeks,
    OptionQuote,
    QuarantinedPrice,
    TreasuryYield,
)
from marketdata.providers.sources import BARS
from marketdata.selectors import calendar, coverage

ETF, STOCK, INDEX, VIX_LEVEL, OTHER = "etf", "stock", "index", "vix", "other"
YIELDS, QUOTES, GREEKS = "yields", "option_quotes", "greeks"
LABELS = {
    ETF: "ETF prices",
    STOCK: "Stock prices",
    INDEX: "Index levels",
    VIX_LEVEL: "VIX",
    OTHER: "Other prices",
    YIELDS: "Treasury yields",
    QUOTES: "Option quotes",
    GREEKS: "Greeks",
}
PRICES = (ETF, STOCK, INDEX, VIX_LEVEL, OTHER)
_KINDS = {InstrumentKind.ETF: ETF, InstrumentKind.STOCK: STOCK, InstrumentKind.INDEX: INDEX}


@dataclass(frozen=True, slots=True)
class Strip:
    """One dataset: how many of its items each session has, and how many it should have."""

    dataset: str
    label: str
    there: tuple[int, ...]
    due: tuple[int, ...]

    @property
    def shares(self) -> list[float | None]:
        """As fractions; None where nothing was due."""
        pairs = zip(self.there, self.due, strict=True)
        return [min(there / due, 1.0) if due else None for there, due in pairs]


@dataclass(frozen=True, slots=True)
class Missing:
    """One item without a row of a session; `held` is the reason of a price in quarantine."""

    item: str
    held: str = ""
    doubt_id: UUID | None = None


def days(*, until: date, count: int = coverage.STRIP) -> list[date]:
    """The newest sessions up to a day, oldest first."""
    return calendar.between(calendar.previous(until, count - 1), until)


def strips(*, sessions: Sequence[date]) -> list[Strip]:
    """Every dataset of the market over these sessions; without an item a dataset is left out.

    An instrument is due from its first price on; one without any is due throughout.
    """
    found = _prices(sessions)
    found.append(_yields(sessions))
    return [*found, *_options(sessions)]


def missing(*, dataset: str, day: date) -> list[Missing]:
    """The items of a dataset of prices or yields that a session lacks, by name."""
    if dataset == YIELDS:
        stored = TreasuryYield.objects.filter(session_date=day).values_list("tenor", flat=True)
        return [Missing(tenor) for tenor in TENORS if tenor not in set(stored)]
    if dataset not in PRICES:
        return []
    there = set(DailyBar.objects.filter(session_date=day).values_list("instrument_id", flat=True))
    lacking = [
        each
        for each, first in _due(day)
        if _dataset(each) == dataset and each.pk not in there and (first is None or first <= day)
    ]
    doubts = {
        symbol: (reason, pk)
        for symbol, reason, pk in QuarantinedPrice.objects.filter(
            dataset=BARS, session_date=day, state=QuarantineState.HELD
        ).values_list("symbol", "reason", "pk")
    }
    return [Missing(each.symbol, *doubts.get(each.symbol, ("", None))) for each in lacking]


def _prices(sessions: Sequence[date]) -> list[Strip]:
    due: dict[str, list[int]] = {}
    members = _due(sessions[-1])
    for each, first in members:
        line = due.setdefault(_dataset(each), [0] * len(sessions))
        for place, day in enumerate(sessions):
            line[place] += first is None or first <= day
    there = _counted(sessions, [each.pk for each, _ in members])
    return [
        Strip(
            name,
            LABELS[name],
            tuple(there.get((name, day), 0) for day in sessions),
            tuple(due[name]),
        )
        for name in PRICES
        if name in due
    ]


def _counted(sessions: Sequence[date], members: list[UUID]) -> dict[tuple[str, date], int]:
    """Instruments with a price, by dataset and session: counted where the rows are."""
    kinds = [When(instrument__symbol=VIX, then=Value(VIX_LEVEL))]
    kinds += [When(instrument__kind=kind, then=Value(name)) for kind, name in _KINDS.items()]
    rows = (
        DailyBar.objects.filter(
            instrument__in=members, session_date__range=(sessions[0], sessions[-1])
        )
        .annotate(part=Case(*kinds, default=Value(OTHER), output_field=CharField()))
        .values_list("part", "session_date")
        .annotate(Count("instrument_id", distinct=True))
    )
    return {(part, day): count for part, day, count in rows}


def _due(until: date) -> list[tuple[Instrument, date | None]]:
    """The members of the universe with their first session."""
    members = coverage.due(session_date=until)
    oldest = DailyBar.objects.filter(instrument=OuterRef("pk")).order_by("session_date")
    firsts = dict(
        Instrument.objects.filter(pk__in=[each.pk for each in members])
        .annotate(first=Subquery(oldest.values("session_date")[:1]))
        .values_list("pk", "first")
    )
    return [(each, firsts.get(each.pk)) for each in members]


def _dataset(instrument: Instrument) -> str:
    if instrument.symbol == VIX:
        return VIX_LEVEL
    return _KINDS.get(InstrumentKind(instrument.kind), OTHER)


def _yields(sessions: Sequence[date]) -> Strip:
    rows = (
        TreasuryYield.objects.filter(session_date__range=(sessions[0], sessions[-1]))
        .values_list("session_date")
        .annotate(Count("tenor", distinct=True))
    )
    counts = dict(rows)
    there = tuple(counts.get(day, 0) for day in sessions)
    return Strip(YIELDS, LABELS[YIELDS], there, (len(TENORS),) * len(sessions))


def _options(sessions: Sequence[date]) -> list[Strip]:
    """Quotes of contracts, and how many of those that were valued got their figures.

    Which contracts were listed on a past day is not known: a session without a row lacks as many
    as the one before it had, and sessions before the first row lack none.
    """
    if not OptionContract.objects.filter(expiry__gte=sessions[0]).exists():
        return []
    span = {"session_date__range": (sessions[0], sessions[-1])}
    quoted = _by_session(OptionQuote.objects.filter(**span))
    valued = _by_session(OptionGreeks.objects.filter(**span))
    figured = _by_session(OptionGreeks.objects.filter(delta__isnull=False, **span))
    return [
        _as_before(QUOTES, sessions, quoted, quoted),
        _as_before(GREEKS, sessions, valued, figured),
    ]


def _by_session(rows: QuerySet[Any]) -> dict[date, int]:
    return dict(rows.values_list("session_date").annotate(Count("contract_id", distinct=True)))


def _as_before(
    name: str, sessions: Sequence[date], asked: dict[date, int], there: dict[date, int]
) -> Strip:
    due, last = [], 0
    for day in sessions:
        last = asked.get(day, last)
        due.append(last)
    return Strip(name, LABELS[name], tuple(there.get(day, 0) for day in sessions), tuple(due))
