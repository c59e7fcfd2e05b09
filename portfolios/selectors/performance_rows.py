"""The columns of snapshots a performance is made of: one query, no object a row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from portfolios.calculations.periods import CUSTOM, Period, anchor
from portfolios.choices import SnapshotKind
from portfolios.models import PortfolioSnapshot

COLUMNS = (
    "kind",
    "pk",
    "session_date",
    "nav",
    "flows",
    "daily_pnl",
    "daily_return",
    "twr_index",
    "fees",
    "income",
    "quality",
    "coverage",
    "var_95_1d",
    "cumulative_pnl",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One session's snapshot."""

    pk: int
    session_date: date
    nav: Decimal
    flows: Decimal
    daily_pnl: Decimal
    daily_return: float | None
    twr_index: float
    fees: Decimal
    income: Decimal
    quality: str
    coverage: float | None
    var: float | None
    cumulative_pnl: Decimal


@dataclass(frozen=True, slots=True)
class Stretch:
    """A period's snapshots, the base first; `hypothetical` ones lie before the first of all."""

    rows: tuple[Row, ...]
    hypothetical: tuple[Row, ...]
    opened: date | None  # session of the portfolio's first snapshot
    newest: Row | None  # whatever the period, none after the day asked for

    @property
    def dates(self) -> list[date]:
        """Sessions, the base first."""
        return [row.session_date for row in self.rows]

    @property
    def later(self) -> list[Row]:
        """Rows after the base that have a return."""
        return [row for row in self.rows[1:] if row.daily_return is not None]

    @property
    def returns(self) -> NDArray[np.float64]:
        """Daily returns freed of flows, shape (t,)."""
        return np.array([row.daily_return for row in self.later], dtype=np.float64)


def stretch(*, portfolio_id: UUID, period: Period, until: date) -> Stretch:
    """The snapshots of a period, none after `until`.

    A preset's base is the newest session not after the day it looks back to, else the first of
    all; a custom one's is the first from its start on. Hypothetical snapshots never count; those
    before the first actual one are handed out to be drawn, when the stretch begins there.
    """
    found = PortfolioSnapshot.objects.filter(
        portfolio_id=portfolio_id, session_date__lte=until
    ).order_by("session_date", "kind")
    actual: list[Row] = []
    made_up: list[Row] = []
    for kind, *values in found.values_list(*COLUMNS).iterator(2000):
        (actual if kind == SnapshotKind.ACTUAL else made_up).append(Row(*values))
    if not actual:
        return Stretch((), (), None, None)
    opened = actual[0].session_date
    kept = inside(actual, period)
    before = [row for row in made_up if row.session_date < opened]
    shown = before if kept and kept[0].session_date == opened else []
    return Stretch(tuple(kept), tuple(shown), opened, actual[-1])


def inside(rows: Sequence[Row], period: Period) -> list[Row]:
    """The rows of a period, oldest first, the base before all."""
    kept = [row for row in rows if period.end is None or row.session_date <= period.end]
    if not kept:
        return []
    if period.name == CUSTOM:
        return [row for row in kept if period.start is None or row.session_date >= period.start]
    since = anchor(period, kept[-1].session_date)
    if since is None:
        return kept
    first = max((at for at, row in enumerate(kept) if row.session_date <= since), default=0)
    return kept[first:]
