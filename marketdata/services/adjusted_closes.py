"""Stored adjusted closes brought to what their source says of the same sessions now.

A source that adjusts for dividends restates all it has at every one. What comes in day by day
knows of a dividend only from its ex-date on: what is stored from before is restated here, or the
return of the ex-date would lack it.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from uuid import UUID

from django.db.models import Max

from marketdata.calculations.adjusted import ROUNDED, fit, rescale
from marketdata.models import DailyBar, Instrument
from marketdata.providers.base import BarRow
from marketdata.services import restatement
from marketdata.services.stored_shares import level

logger = logging.getLogger(__name__)

MOST_COMPARED = 50_000  # rows: more of them are a whole history, with nothing stored before it


@dataclass
class Told:
    """What a source says of one instrument: adjusted close over close, by session."""

    levels: dict[date, float] = field(default_factory=dict)
    written: frozenset[date] = frozenset()  # sessions whose rows are replaced anyway


@dataclass(frozen=True, slots=True)
class Fit:
    """What brings the adjusted closes of an answer to the level of the stored ones."""

    factor: float
    stored: Mapping[date, float]

    def of(self, row: BarRow) -> BarRow:
        """The row at that level; as it is stored where rounding explains the difference."""
        if row.adj_close is None:
            return row
        adjusted = row.adj_close * self.factor
        stands = self.stored.get(row.session_date)
        same = stands is not None and abs(adjusted - stands) <= ROUNDED
        return replace(row, adj_close=stands if same else adjusted)


@dataclass
class Aligned:
    """Instruments whose stored adjusted closes changed, and answers that have to change."""

    restated: set[UUID] = field(default_factory=set)
    fits: dict[UUID, Fit] = field(default_factory=dict)

    def fitted(self, key: UUID, rows: list[BarRow]) -> list[BarRow]:
        """Rows of one instrument's answer at the level of what is stored."""
        mine = self.fits.get(key)
        return rows if mine is None else [mine.of(row) for row in rows]


def told(rows: Iterable[BarRow], written: Iterable[date]) -> Told:
    """What rows say, which are in the shares of the stored ones."""
    levels = {row.session_date: level(row) for row in rows}
    known = {day: each for day, each in levels.items() if each is not None}
    return Told(known, frozenset(written))


def align(said: Mapping[UUID, Told]) -> Aligned:
    """Bring what is stored of these instruments and what sources say of them to one level.

    Where an answer reaches the newest stored adjusted close, the source is right: before the
    first session both sides know, every stored row is changed by the same factor; from it on,
    each as its source has it. An answer that ends before knows nothing of what was paid since: it
    is brought to the stored level of the last session both sides know. The caller holds the
    transaction, fits the rows it writes and writes the series anew.
    """
    said = {key: each for key, each in said.items() if each.levels}
    days = {day for each in said.values() for day in each.levels}
    if not days or sum(len(each.levels) for each in said.values()) > MOST_COMPARED:
        return Aligned()
    rows = DailyBar.objects.filter(
        instrument__in=list(said),
        session_date__range=(min(days), max(days)),
        adj_close__isnull=False,
    ).order_by("instrument_id", "session_date")
    stored: dict[UUID, list[DailyBar]] = {}
    for bar in rows.iterator(2_000):
        if bar.session_date in said[bar.instrument_id].levels:
            stored.setdefault(bar.instrument_id, []).append(bar)
    aligned = Aligned()
    short = _ending_before(said)
    for key, bars in stored.items():
        if key in short:
            aligned.fits[key] = _fit(said[key], bars)
        elif _align(said[key], bars):
            aligned.restated.add(key)
    return aligned


def repack(instrument: Instrument) -> None:
    """Write an instrument's packed series anew."""
    restatement.repack(instrument)


def _ending_before(said: Mapping[UUID, Told]) -> set[UUID]:
    """Whose stored adjusted closes go on after the last session their source speaks of."""
    ends = {key: max(each.levels) for key, each in said.items()}
    rows = DailyBar.objects.filter(
        instrument__in=list(ends),
        session_date__gt=min(ends.values()),
        adj_close__isnull=False,
    )
    newest = rows.order_by().values_list("instrument_id").annotate(newest=Max("session_date"))
    return {key for key, day in newest if day > ends[key]}


def _fit(told: Told, bars: list[DailyBar]) -> Fit:
    stored = {bar.session_date: float(bar.adj_close) for bar in bars if bar.adj_close is not None}
    last = bars[-1]
    factor = fit(
        close=float(last.close),
        adjusted=stored[last.session_date],
        told=told.levels[last.session_date],
    )
    return Fit(factor, stored)


def _align(told: Told, bars: list[DailyBar]) -> bool:
    changed = 0
    for place, bar in enumerate(bars):
        factor = _factor(told, bar)
        if factor is None:
            continue
        if place == 0:
            logger.info(
                "adjusted closes restated",
                extra={"instrument": str(bar.instrument_id), "factor": round(factor, 8)},
            )
            changed += restatement.readjust(bar.instrument_id, before=bar, factor=factor)
        if bar.session_date not in told.written:
            changed += restatement.readjust_one(bar, factor=factor)
    return changed > 0


def _factor(told: Told, bar: DailyBar) -> float | None:
    assert bar.adj_close is not None
    return rescale(
        close=float(bar.close),
        adjusted=float(bar.adj_close),
        told=told.levels[bar.session_date],
    )
