"""Stored adjusted closes brought to what their source says of the same sessions now.

A source that adjusts for dividends restates all it has at every one. What comes in day by day
knows of a dividend only from its ex-date on: what is stored from before is restated here, or the
return of the ex-date would lack it.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from marketdata.calculations import bar_gate
from marketdata.calculations.adjusted import rescale
from marketdata.models import DailyBar, Instrument
from marketdata.providers.base import BarRow
from marketdata.services import restatement

logger = logging.getLogger(__name__)

MOST_COMPARED = 50_000  # rows: more of them are a whole history, with nothing stored before it


@dataclass
class Told:
    """What a source says of one instrument: adjusted close over close, by session."""

    levels: dict[date, float] = field(default_factory=dict)
    written: frozenset[date] = frozenset()  # sessions whose rows are replaced anyway


def told(rows: Iterable[BarRow], shares: Iterable[BarRow], written: Iterable[date]) -> Told:
    """What rows say; `shares` are the same rows with closes in the shares of the stored ones."""
    levels = {
        row.session_date: row.adj_close / same.close
        for row, same in zip(rows, shares, strict=True)
        if row.adj_close is not None and bar_gate.possible_price(row.adj_close)
    }
    return Told(levels, frozenset(written))


def align(said: Mapping[UUID, Told]) -> set[UUID]:
    """Restate what is stored of these instruments; answers whose rows changed.

    Before the first session both sides know, every row by the same factor; from it on, each as
    its source has it. The caller holds the transaction and writes the series anew.
    """
    said = {key: each for key, each in said.items() if each.levels}
    days = {day for each in said.values() for day in each.levels}
    if not days or sum(len(each.levels) for each in said.values()) > MOST_COMPARED:
        return set()
    rows = DailyBar.objects.filter(
        instrument__in=list(said),
        session_date__range=(min(days), max(days)),
        adj_close__isnull=False,
    ).order_by("instrument_id", "session_date")
    stored: dict[UUID, list[DailyBar]] = {}
    for bar in rows.iterator(2_000):
        if bar.session_date in said[bar.instrument_id].levels:
            stored.setdefault(bar.instrument_id, []).append(bar)
    return {key for key, bars in stored.items() if _align(said[key], bars)}


def repack(instrument: Instrument) -> None:
    """Write an instrument's packed series anew."""
    restatement.repack(instrument)


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
