"""What was held and decided of figures before: what a person put aside, no source brings back.

A figure is known again as it is stored, rounded, and in other shares where a split was applied,
or taken back, since.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.db.models import F

from marketdata.choices import ActionKind, ActionStatus, QuarantineState
from marketdata.models import CorporateAction, Instrument, QuarantinedPrice
from marketdata.providers.base import BarRow
from marketdata.providers.sources import BARS
from marketdata.selectors import undone_splits
from marketdata.selectors.quarantine import UNITS

HALF_A_UNIT = 0.000051  # prices are stored with four places


@dataclass(frozen=True, slots=True)
class Split:
    """New shares for one old."""

    ex_date: date
    ratio: float
    pending: bool  # not in the stored prices yet


@dataclass(frozen=True, slots=True)
class Known:
    """A figure that is in the quarantine."""

    doubt_id: UUID
    state: str
    value: str
    units: float  # `units_of` its session when it was put there

    def is_of(self, close: float, units: float) -> bool:
        """Whether this is the figure, as it is stored; in today's units where those changed."""
        scale = units / self.units
        if scale == 1.0 and self.value == repr(close):
            return True
        return abs(close * scale - float(self.value)) <= HALF_A_UNIT * max(scale, 1.0)


@dataclass(frozen=True, slots=True)
class Decisions:
    """The quarantine of one instrument's sessions, by session and source."""

    known: Mapping[tuple[date, str], Sequence[Known]]
    splits: Sequence[Split]

    def every(self, row: BarRow) -> list[Known]:
        """What stands there of a figure; what was decided last is the last."""
        found = self.known.get((row.session_date, row.source), ())
        units = units_of(self.splits, row.session_date) if found else 1.0
        return [each for each in found if each.is_of(row.close, units)]

    def of(self, row: BarRow) -> Known | None:
        """What was made of a figure; None when it was never doubted."""
        found = self.every(row)
        return found[-1] if found else None

    def is_rejected(self, row: BarRow) -> bool:
        """Whether a person put this figure aside."""
        known = self.of(row)
        return known is not None and known.state == QuarantineState.REJECTED

    def is_accepted(self, row: BarRow) -> bool:
        """Whether a person vouched for this figure."""
        known = self.of(row)
        return known is not None and known.state == QuarantineState.ACCEPTED


def read(instrument: Instrument, rows: Sequence[BarRow]) -> Decisions:
    """What is in the quarantine of the sessions of these rows, of which there is one at least."""
    days = [row.session_date for row in rows]
    found = QuarantinedPrice.objects.filter(
        instrument=instrument, dataset=BARS, session_date__range=(min(days), max(days))
    ).order_by(F("decided_at").asc(nulls_first=True), "created_at", "pk")
    known: dict[tuple[date, str], list[Known]] = {}
    for each in found:
        units = float(each.raw.get(UNITS) or 1.0)
        told = Known(each.pk, each.state, each.value, units)
        known.setdefault((each.session_date, each.source), []).append(told)
    return Decisions(known, splits(instrument))


def units_of(splits: Sequence[Split], session_date: date) -> float:
    """Stored shares for one of a session's own: what the splits applied since made of it."""
    return math.prod(
        each.ratio for each in splits if each.ex_date > session_date and not each.pending
    )


def shares_since(splits: Sequence[Split], doubt: QuarantinedPrice) -> float:
    """Stored shares of today for one of those a figure was put there in."""
    return units_of(splits, doubt.session_date) / float(doubt.raw.get(UNITS) or 1.0)


def raw_units(splits: Sequence[Split], session_date: date) -> dict[str, str]:
    """What is kept beside a raw figure, so that it is known again in other shares."""
    units = units_of(splits, session_date)
    return {} if units == 1.0 else {UNITS: repr(units)}


def splits(instrument: Instrument) -> list[Split]:
    """The splits that are believed and stand in prices, oldest first."""
    known = CorporateAction.objects.filter(instrument=instrument, kind=ActionKind.SPLIT)
    rows = known.exclude(status=ActionStatus.REJECTED).order_by("ex_date")
    return [
        Split(day, float(each.ratio), each.status == ActionStatus.PENDING)
        for each, day in undone_splits.shown(rows)
        if each.ratio is not None
    ]
