"""Adjusted closes hold every dividend that was applied, also one their source knows nothing of.

A dividend by hand, or one that a source told long after its ex-date, would be missing from the
adjusted closes before it: the return of the ex-date would lack it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from uuid import UUID

from marketdata.calculations import bar_gate
from marketdata.calculations.adjusted import lacking
from marketdata.calculations.splits import exact_ratio
from marketdata.choices import ActionKind, ActionStatus, PriceBasis
from marketdata.models import CorporateAction, DailyBar, Instrument
from marketdata.providers.base import BarRow, SymbolHistory
from marketdata.selectors import corporate_actions as actions
from marketdata.selectors import undone_splits
from marketdata.selectors.corporate_actions import NEAR
from marketdata.services import restatement


@dataclass(frozen=True, slots=True)
class Paid:
    """A dividend as stored prices know it."""

    ex_date: date
    amount: float  # dollars, for one of the shares stored prices are in


def applied(instruments: Iterable[Instrument], *, since: date) -> dict[UUID, list[Paid]]:
    """The applied dividends of instruments from a day on, oldest first; three queries at most.

    A split that never was, and what took it back, changed the shares of books and of no price.
    """
    known = list(instruments)
    rows = CorporateAction.objects.filter(
        instrument__in=[each.pk for each in known],
        kind=ActionKind.DIVIDEND,
        status=ActionStatus.APPLIED,
        ex_date__gte=since,
    ).order_by("ex_date")
    found = list(rows)
    steps = _splits(known) if found else {}
    paid: dict[UUID, list[Paid]] = {}
    for each in found:
        assert each.amount is not None
        shares = actions.factor(steps.get(each.instrument_id, ()), each.ex_date)
        amount = float(each.amount) / float(shares)
        paid.setdefault(each.instrument_id, []).append(Paid(each.ex_date, amount))
    return paid


def _splits(instruments: Iterable[Instrument]) -> dict[UUID, list[tuple[date, Fraction]]]:
    """The applied splits that stand in prices, by instrument: since when, new shares for one."""
    rows = CorporateAction.objects.filter(
        instrument__in=[each.pk for each in instruments],
        kind=ActionKind.SPLIT,
        status=ActionStatus.APPLIED,
    ).order_by("ex_date")
    found: dict[UUID, list[tuple[date, Fraction]]] = {}
    for each, day in undone_splits.shown(rows):
        if each.ratio is not None:
            found.setdefault(each.instrument_id, []).append((day, exact_ratio(each.ratio)))
    return found


def adjust(answer: SymbolHistory, paid: Sequence[Paid]) -> SymbolHistory:
    """An answer in stored shares, its adjusted closes with the dividends its source leaves out."""
    for each in paid:
        factor = _lacking(each, [row for row in (answer.anchor, *answer.bars) if row is not None])
        if factor is not None:
            anchor = None if answer.anchor is None else _times(answer.anchor, each, factor)
            bars = tuple(_times(row, each, factor) for row in answer.bars)
            answer = replace(answer, bars=bars, anchor=anchor)
    return answer


def put_in(action: CorporateAction) -> int:
    """Restate what is stored from before a dividend that is not in it; counts the rows.

    The caller holds the transaction and its lock, and has marked the action applied.
    """
    first = actions.effective(action.ex_date)
    rows = DailyBar.objects.filter(
        instrument=action.instrument_id,
        session_date__range=(first - NEAR, first + NEAR),
        adj_close__isnull=False,
    ).exclude(price_basis=PriceBasis.ADJUSTED)
    bars = sorted(rows, key=lambda bar: bar.session_date)
    before = [bar for bar in bars if bar.session_date < first]
    after = [bar for bar in bars if bar.session_date >= first]
    if not before or not after:
        return 0  # its session will bring it
    if _splits_between(action, before[-1].session_date, after[0].session_date):
        return 0
    [paid] = [
        each
        for each in applied([action.instrument], since=action.ex_date)[action.instrument_id]
        if each.ex_date == action.ex_date
    ]
    factor = lacking(before=_pair(before[-1]), after=_pair(after[0]), amount=paid.amount)
    if factor is None:
        return 0
    changed = restatement.readjust(action.instrument_id, before=after[0], factor=factor)
    restatement.repack(action.instrument)
    return changed


def _splits_between(action: CorporateAction, before: date, after: date) -> bool:
    """Whether a split that is not applied lies between: the two are in different shares."""
    rows = CorporateAction.objects.filter(
        instrument=action.instrument_id,
        kind=ActionKind.SPLIT,
        status=ActionStatus.PENDING,
        ex_date__gt=before,
        ex_date__lte=after,
    )
    return rows.exists()


def _lacking(paid: Paid, rows: Sequence[BarRow]) -> float | None:
    usable = sorted((row for row in rows if _is_adjusted(row)), key=lambda each: each.session_date)
    before = [row for row in usable if paid.ex_date - NEAR <= row.session_date < paid.ex_date]
    after = [row for row in usable if paid.ex_date <= row.session_date <= paid.ex_date + NEAR]
    if not before or not after:
        return None
    return lacking(before=_pair(before[-1]), after=_pair(after[0]), amount=paid.amount)


def _is_adjusted(row: BarRow) -> bool:
    """Whether its adjusted close stands beside a close that knows no dividends."""
    if row.price_basis == PriceBasis.ADJUSTED or row.adj_close is None:
        return False
    return bar_gate.possible_price(row.adj_close) and bar_gate.possible_price(row.close)


def _pair(row: BarRow | DailyBar) -> tuple[float, float]:
    assert row.adj_close is not None
    return float(row.close), float(row.adj_close)


def _times(row: BarRow, paid: Paid, factor: float) -> BarRow:
    if row.session_date >= paid.ex_date or not _is_adjusted(row):
        return row
    assert row.adj_close is not None
    return replace(row, adj_close=row.adj_close * factor)
