"""Prices that were held back: which ones, how many, why, and what a person has to know of each."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import numpy as np
from django.db.models import Count, Max, QuerySet

from etftrader.core.actor import Actor
from etftrader.core.errors import NotFound
from etftrader.core.formats import number
from marketdata.calculations import bar_gate, price_checks
from marketdata.choices import ActionKind, ActionStatus, InstrumentKind, QuarantineState
from marketdata.models import CorporateAction, DailyBar, PriceSeries, QuarantinedPrice
from marketdata.providers.sources import BARS
from marketdata.selectors import undone_splits
from marketdata.selectors.coverage import GARBAGE
from marketdata.selectors.tick_references import DATASET as TICKS

UNITS = "units"  # beside raw figures: stored shares for one of the session's, where it is not 1
OURS = (UNITS, "revision")  # what stands beside raw figures and came from no source
SPLITTABLE = (InstrumentKind.ETF, InstrumentKind.STOCK)
LINE = 30  # closes before a doubt that its line shows
_EPOCH = date(1970, 1, 1)
WORDS = {
    price_checks.JUMP: "moved more than 40 % from the last accepted price",
    price_checks.NOT_FINITE: "is no number",
    price_checks.NOT_POSITIVE: "is zero or negative",
    price_checks.TOO_LARGE: "is above ten million",
    bar_gate.FUTURE: "is dated after the market clock",
    bar_gate.INCONSISTENT: "lies outside its own session's range",
    bar_gate.MAGNITUDE: "is about 100 or 1,000 times the last accepted price",
    bar_gate.PLACEHOLDER: "switched to exactly 1.00",
    bar_gate.SOURCES_DIFFER: "differs by more than 5 % from another source",
    bar_gate.SPLIT: "looks like a split that is not recorded",
    "out_of_range": "is no yield between −2 % and 25 %",
    "unknown_tenor": "is of a maturity nobody knows",
    "corrected": "was corrected by a person",
    "withdrawn": "was withdrawn by a person",
}


@dataclass(frozen=True, slots=True)
class Doubt:
    """A price in quarantine with what helps to judge it; figures are None where they are none.

    All figures are in the shares of what is stored today.
    """

    row: QuarantinedPrice
    shares: float  # of today for one of those the row's own figures are in
    value: float | None
    before: float | None  # what it was held against
    difference: float | None  # as a fraction of that
    believable: bool  # whether it can be accepted at all
    is_last: bool  # whether it would become the newest price of its series
    days: tuple[date, ...]  # sessions of the line
    line: tuple[float, ...]  # closes before its session, and the doubt as the last point


def rows(*, actor: Actor) -> QuerySet[QuarantinedPrice]:
    """Every doubt the actor may see, newest session first; instruments are there."""
    return (
        QuarantinedPrice.objects.for_actor(actor)
        .select_related("instrument")
        .order_by("-session_date", "symbol", "pk")
    )


def one(*, actor: Actor, doubt_id: UUID) -> QuarantinedPrice:
    """One doubt. Raises NotFound."""
    found = rows(actor=actor).filter(pk=doubt_id).first()
    if found is None:
        raise NotFound("There is no such price in quarantine.")
    return found


def held() -> int:
    """How many prices wait for a person."""
    return QuarantinedPrice.objects.filter(state=QuarantineState.HELD).count()


def held_by_reason() -> dict[str, int]:
    """How many prices wait for a person, by reason."""
    counted = (
        QuarantinedPrice.objects.filter(state=QuarantineState.HELD)
        .values_list("reason")
        .annotate(Count("pk"))
        .order_by("reason")
    )
    return dict(counted)


def in_words(reason: str) -> str:
    """Why a price is not believed, as the rest of a sentence about it."""
    return WORDS.get(reason, reason.replace("_", " "))


def looked_at(doubts: Sequence[QuarantinedPrice]) -> list[Doubt]:
    """The figures around each doubt; four queries for all of them, at the most."""
    ids = {each.instrument_id for each in doubts if each.instrument_id is not None}
    series = {each.pk: each for each in PriceSeries.objects.filter(pk__in=ids)}
    newest = dict(
        DailyBar.objects.filter(instrument__in=ids)
        .values_list("instrument_id")
        .annotate(Max("session_date"))
    )
    since = shares(doubts)
    return [_look(each, since[each.pk], series, newest) for each in doubts]


def shares(doubts: Iterable[QuarantinedPrice]) -> dict[UUID, float]:
    """Stored shares of today for one of those each doubt's figures are in, by doubt."""
    found = list(doubts)
    splits = _applied({each.instrument_id for each in found if each.instrument_id is not None})
    return {each.pk: _since(each, splits) for each in found}


def _applied(instrument_ids: Iterable[UUID]) -> dict[UUID, list[tuple[date, float]]]:
    """Ex-dates and ratios of the splits that stand in prices."""
    rows = CorporateAction.objects.filter(
        instrument__in=list(instrument_ids), kind=ActionKind.SPLIT, status=ActionStatus.APPLIED
    )
    found: dict[UUID, list[tuple[date, float]]] = {}
    for each, day in undone_splits.shown(rows.order_by("ex_date")):
        if each.ratio is not None:
            found.setdefault(each.instrument_id, []).append((day, float(each.ratio)))
    return found


def _since(doubt: QuarantinedPrice, splits: Mapping[UUID, list[tuple[date, float]]]) -> float:
    own = splits.get(doubt.instrument_id, []) if doubt.instrument_id is not None else []
    units = math.prod(ratio for day, ratio in own if day > doubt.session_date)
    return units / float(doubt.raw.get(UNITS) or 1.0)


def as_given(doubt: QuarantinedPrice) -> list[tuple[str, str | None]]:
    """The row as its source gave it, by name."""
    return sorted((name, told) for name, told in doubt.raw.items() if name not in OURS)


@dataclass(frozen=True, slots=True)
class Guess:
    """The split that a move held back would be; without a ratio where none is near."""

    doubt: QuarantinedPrice  # the first price that waits for it
    ratio: Decimal | None


def may_be_split(doubt: QuarantinedPrice) -> bool:
    """Whether it waits for its move alone, as a split that nobody has told makes it."""
    splits = doubt.instrument is not None and doubt.instrument.kind in SPLITTABLE
    waits = doubt.state == QuarantineState.HELD and doubt.dataset == BARS
    return splits and waits and doubt.reason in bar_gate.MOVES


def as_split(doubt: QuarantinedPrice) -> Guess:
    """What the move would be as a split: of the first price held since the last accepted one."""
    bars = DailyBar.objects.filter(
        instrument=doubt.instrument_id, source=doubt.source, session_date__lt=doubt.session_date
    )
    accepted = bars.aggregate(last=Max("session_date"))["last"] or date.min
    waiting = QuarantinedPrice.objects.filter(
        instrument=doubt.instrument_id,
        dataset=BARS,
        source=doubt.source,
        state=QuarantineState.HELD,
        reason__in=bar_gate.MOVES,
        session_date__gt=accepted,
        session_date__lte=doubt.session_date,
    )
    first = waiting.order_by("session_date").first() or doubt
    before, close = _figure(first.compared_with, 1.0), _figure(first.value, 1.0)
    return Guess(first, bar_gate.likeliest_split(before, close) if before and close else None)


def waiting_behind(doubt: QuarantinedPrice) -> int:
    """How many later prices of the same series are judged anew when this one is accepted."""
    if doubt.instrument_id is None:
        return 0
    return QuarantinedPrice.objects.filter(
        instrument_id=doubt.instrument_id,
        dataset=BARS,
        source=doubt.source,
        state=QuarantineState.HELD,
        session_date__gt=doubt.session_date,
    ).count()


def _look(
    doubt: QuarantinedPrice,
    since: float,
    series: dict[UUID, PriceSeries],
    newest: dict[UUID, date],
) -> Doubt:
    value, before = _figure(doubt.value, since), _figure(doubt.compared_with, since)
    key = doubt.instrument_id
    last = newest.get(key) if key is not None else None
    days, line = _line(doubt, value, series.get(key) if key is not None else None)
    return Doubt(
        row=doubt,
        shares=since,
        value=value,
        before=before,
        difference=value / before - 1.0 if value is not None and before else None,
        believable=key is not None and doubt.reason not in GARBAGE,
        is_last=last is None or doubt.session_date >= last,
        days=days,
        line=line,
    )


def _figure(text: str, since: float) -> float | None:
    found = number(text)
    return None if found is None else float(found) / since


def _line(
    doubt: QuarantinedPrice, value: float | None, series: PriceSeries | None
) -> tuple[tuple[date, ...], tuple[float, ...]]:
    days: list[date] = []
    closes: list[float] = []
    if series is not None and doubt.dataset in (BARS, TICKS):
        end = int(np.searchsorted(series.sessions, (doubt.session_date - _EPOCH).days))
        part = slice(max(end - LINE, 0), end)
        days = [_EPOCH + timedelta(days=int(day)) for day in series.sessions[part]]
        closes = series.close[part].tolist()
    if value is not None:
        days.append(doubt.session_date)
        closes.append(value)
    return tuple(days), tuple(closes)
