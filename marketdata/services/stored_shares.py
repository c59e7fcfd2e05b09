"""An answer's prices in the shares the stored ones are in: after every split that was applied.

What stands in the table of actions counts, whoever told it: a split that a person rejected,
entered or corrected is none, one or another one for what sources say of the past, too.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from uuid import UUID

from etftrader.core.money import MAX_AMOUNT
from marketdata.calculations import bar_gate
from marketdata.calculations.splits import exact_ratio, is_restated
from marketdata.choices import ActionKind, ActionStatus
from marketdata.models import CorporateAction, Instrument
from marketdata.providers import sources
from marketdata.providers.base import BarRow, SymbolHistory
from marketdata.selectors import undone_splits
from marketdata.selectors.corporate_actions import CLOSE_ENOUGH, NEAR


@dataclass(frozen=True, slots=True)
class StoredSplit:
    """A split as it stands in the table of actions."""

    ex_date: date
    ratio: Fraction  # new shares for one old
    applied: bool


@dataclass(frozen=True, slots=True)
class _Step:
    """What rows before an ex-date are divided by."""

    ex_date: date
    prices: float
    adjusted: float


def splits(instruments: Iterable[Instrument]) -> dict[UUID, list[StoredSplit]]:
    """The splits of instruments, rejected ones too, oldest first."""
    rows = CorporateAction.objects.filter(
        instrument__in=[each.pk for each in instruments], kind=ActionKind.SPLIT
    ).order_by("ex_date")
    found: dict[UUID, list[StoredSplit]] = {}
    for each, _ in undone_splits.shown(rows):
        if each.ratio is not None:
            applied = each.status == ActionStatus.APPLIED
            split = StoredSplit(each.ex_date, exact_ratio(each.ratio), applied)
            found.setdefault(each.instrument_id, []).append(split)
    return found


def restate(answer: SymbolHistory, known: Sequence[StoredSplit], *, until: date) -> SymbolHistory:
    """The same answer with its rows in the shares of the stored ones; volumes go the other way.

    Prices as traded know no split. A source that restates its history knows those it tells, and
    those of which its prices show no step. About splits after `until` it was not asked.
    """
    rows = [row for row in (answer.anchor, *answer.bars) if row is not None]
    if not rows or not known:
        return answer
    own = answer.splits if answer.own_splits is None else answer.own_splits
    told = {split.ex_date: split.ratio for split in own}
    # a symbol is taken whole from one source
    if rows[0].source in sources.AS_TRADED:
        steps = [_as_traded(each, told, rows) for each in known if each.applied]
    else:
        steps = _restating(known, told, rows, until)
    steps = [each for each in steps if (each.prices, each.adjusted) != (1.0, 1.0)]
    if not steps:
        return answer
    return replace(
        answer,
        bars=tuple(_divided(row, steps) for row in answer.bars),
        anchor=None if answer.anchor is None else _divided(answer.anchor, steps),
    )


def _as_traded(split: StoredSplit, told: Mapping[date, float], rows: Sequence[BarRow]) -> _Step:
    """Beside prices as traded, adjusted closes know a split or do not: it is seen in them."""
    stored = float(split.ratio)
    ratio = _told_ratio(split, told.get(split.ex_date, stored))
    knows = _adjusted_know(rows, split.ex_date, ratio)
    return _Step(split.ex_date, stored, stored / ratio if knows else stored)


def _restating(
    known: Sequence[StoredSplit], told: Mapping[date, float], rows: Sequence[BarRow], until: date
) -> list[_Step]:
    """What a source has done for splits and the stored rows have not, or the other way round."""
    twins = {day: _twin(day, ratio, known) for day, ratio in told.items()}
    steps = []
    for split in known:
        factor = float(split.ratio) if split.applied else 1.0
        if split.ex_date in told:
            factor /= _told_ratio(split, told[split.ex_date])
        elif split not in twins.values() and (split.ex_date > until or _show_no_step(rows, split)):
            factor = 1.0
        steps.append(_Step(split.ex_date, factor, factor))
    for day, twin in twins.items():
        if twin is not None:
            factor = 1.0 / _told_ratio(twin, told[day])
            steps.append(_Step(day, factor, factor))
    return steps


def _twin(day: date, ratio: float, known: Sequence[StoredSplit]) -> StoredSplit | None:
    """The split under which a told one was not recorded anew: sources date one differently."""
    if any(split.ex_date == day for split in known):
        return None
    near = [
        split
        for split in known
        if abs(split.ex_date - day) <= NEAR and (split.ratio > 1) == (ratio > 1)
    ]
    return near[0] if near else None


def _told_ratio(split: StoredSplit, told: float) -> float:
    """What a source divided by; the stored ratio where the two differ by rounding at the most."""
    stored = float(split.ratio)
    # what could not be recorded is no ratio either
    usable = 0.0 < told < float(MAX_AMOUNT)
    return told if usable and abs(told - stored) > float(CLOSE_ENOUGH) * stored else stored


def _show_no_step(rows: Sequence[BarRow], split: StoredSplit) -> bool:
    """Whether the prices on both sides of an ex-date are in the same shares."""
    usable = [row for row in rows if bar_gate.possible_price(row.close)]
    before, after = _around(usable, split.ex_date)
    if before is None or after is None:
        return False
    return is_restated(before.close, after.close, split.ratio)


def _adjusted_know(rows: Sequence[BarRow], ex_date: date, ratio: float) -> bool:
    """Whether adjusted closes leave the closes as traded at an ex-date, by a split's ratio."""
    before, after = _around([row for row in rows if level(row) is not None], ex_date)
    past = None if before is None else level(before)
    # a source is taken to adjust to the newest price
    since = 1.0 if after is None else level(after)
    if past is None or since is None:
        return False
    return not is_restated(since, past, Fraction(ratio))


def level(row: BarRow) -> float | None:
    """Adjusted close over close; None where there is none, or figures that can be no prices."""
    if row.adj_close is None or not bar_gate.possible_price(row.adj_close):
        return None
    return row.adj_close / row.close if bar_gate.possible_price(row.close) else None


def _around(rows: Sequence[BarRow], ex_date: date) -> tuple[BarRow | None, BarRow | None]:
    """The last row before an ex-date and the first from it on."""

    def day(row: BarRow) -> date:
        return row.session_date

    before = max((row for row in rows if day(row) < ex_date), key=day, default=None)
    after = min((row for row in rows if day(row) >= ex_date), key=day, default=None)
    return before, after


def _divided(row: BarRow, steps: Sequence[_Step]) -> BarRow:
    later = [each for each in steps if each.ex_date > row.session_date]
    if not later:
        return row
    prices = math.prod(each.prices for each in later)
    adjusted = math.prod(each.adjusted for each in later)
    return replace(
        row,
        open=None if row.open is None else row.open / prices,
        high=None if row.high is None else row.high / prices,
        low=None if row.low is None else row.low / prices,
        close=row.close / prices,
        adj_close=None if row.adj_close is None else row.adj_close / adjusted,
        volume=None if row.volume is None else round(row.volume * prices),
    )
