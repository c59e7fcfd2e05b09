"""The gate before the price tables: believes, holds back, refuses; a person decides the doubts."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict, NotFound
from etftrader.core.money import plain
from marketdata.calculations import bar_gate
from marketdata.choices import QuarantineState
from marketdata.events import doubt_settled, prices_revised
from marketdata.models import DailyBar, Instrument, QuarantinedPrice
from marketdata.providers.base import BarRow
from marketdata.services import bar_store, price_decisions
from marketdata.services.price_decisions import HALF_A_UNIT, Decisions, Split

BARS = "daily_bars"
REJECTED = "rejected_before"
CORRECTED = "corrected"  # a figure that a person replaced
_FIGURES = ("open", "high", "low", "close", "adj_close", "volume")


@dataclass(frozen=True, slots=True)
class Stopped:
    """A session's price that did not come through."""

    session_date: date
    verdict: str  # held or refused
    reason: str
    known: bool  # it was held or decided before


@dataclass(frozen=True, slots=True)
class Passed:
    """What came through, and what did not."""

    rows: list[BarRow]
    held: int
    refused: int
    elsewhere: frozenset[date] = frozenset()  # sessions that another source's price stands for
    stopped: tuple[Stopped, ...] = ()


def admit(
    *,
    instrument: Instrument,
    rows: Sequence[BarRow],
    until: date,
    free: frozenset[date] = frozenset(),
    run_id: UUID | None = None,
) -> Passed:
    """Judge one instrument's rows of one source, oldest first; doubts are kept as they came.

    The moves of `free` sessions are not judged. A close that stands there from another source is
    a second opinion. Of two rows of one session the later believed one counts. A doubt that a
    person has decided stays decided: the same figure again is believed, or left out, without a
    new row.
    """
    rows = sorted(rows, key=lambda each: each.session_date)
    if not rows:
        return Passed([], 0, 0)
    decided = price_decisions.read(instrument, rows)
    others = _elsewhere(instrument, rows)
    # what a person rejected or corrected is left out, however plausible it is, and vouches for
    # nothing after it
    rejected = [row for row in rows if decided.is_rejected(row)]
    doubts = [(row, bar_gate.Judged(bar_gate.REFUSED, REJECTED)) for row in rejected]
    rows = [row for row in rows if not decided.is_rejected(row)]
    verdicts = bar_gate.judge(
        [_figures(row) for row in rows],
        until=until,
        last=_last_believed(instrument, rows[0].session_date) if rows else None,
        splits=_unapplied(decided.splits),
        others=others,
        confirmed=frozenset(row.session_date for row in rows if decided.is_accepted(row)),
        free=free,
    )
    doubts += [
        (row, verdict)
        for row, verdict in zip(rows, verdicts, strict=True)
        if verdict.verdict != bar_gate.ACCEPTED
    ]
    _keep(instrument, doubts, decided, run_id)
    held = sum(1 for _, verdict in doubts if verdict.verdict == bar_gate.HELD)
    believed = {
        row.session_date: row
        for row, verdict in zip(rows, verdicts, strict=True)
        if verdict.verdict == bar_gate.ACCEPTED
    }
    elsewhere = frozenset(believed.keys() & others.keys())
    stopped = tuple(
        Stopped(row.session_date, verdict.verdict, verdict.reason or "", bool(decided.of(row)))
        for row, verdict in doubts
    )
    return Passed(list(believed.values()), held, len(doubts) - held, elsewhere, stopped)


@transaction.atomic
def accept(*, doubt_id: UUID, note: str = "", by: Actor) -> QuarantinedPrice:
    """Believe a price that was held back: it is stored, and the doubts behind it are judged anew.

    Twice is once. Raises NotFound; Conflict when it was rejected, or is no price at all.
    """
    audit.serialise("daily bars")
    doubt = _found(doubt_id)
    if doubt.instrument is None or doubt.reason in _IMPOSSIBLE:
        raise Conflict("This is no price that could be stored; reject it.", code="not_a_price")
    if not _decide(doubt, QuarantineState.ACCEPTED, note, by):
        return doubt
    if doubt.dataset != BARS:
        # a tick's time is over: the next ones are held against the accepted price
        _record(doubt, by, before=None, price=doubt.value)
        _tell_settled(doubt)
        return doubt
    splits = price_decisions.splits(doubt.instrument)
    row = row_of(doubt, splits)
    before = _stored_close(doubt.instrument, row)
    _set_aside(doubt.instrument, row, by)
    _store(doubt.instrument, [row])
    followers = _judge_followers(doubt, splits, by)
    prices_revised.announce(symbol=doubt.instrument.symbol, since=doubt.session_date.isoformat())
    _record(doubt, by, before={"close": before}, close=repr(row.close), followers=followers)
    return doubt


@transaction.atomic
def reject(*, doubt_id: UUID, note: str = "", by: Actor) -> QuarantinedPrice:
    """Leave a price out for good: no stored price changes, the one before it counts again.

    Twice is once. Raises NotFound; Conflict when it was accepted.
    """
    doubt = _found(doubt_id)
    if _decide(doubt, QuarantineState.REJECTED, note, by):
        _record(doubt, by, before=None)
        _tell_settled(doubt)
    return doubt


def _tell_settled(doubt: QuarantinedPrice) -> None:
    """Only what is as new as the newest close puts a price in doubt: older ones are no news."""
    if doubt.instrument is None:
        return
    newer = DailyBar.objects.filter(
        instrument=doubt.instrument, session_date__gt=doubt.session_date
    )
    if not newer.exists():
        doubt_settled.announce(instrument_id=str(doubt.instrument.pk))


_IMPOSSIBLE = ("not_finite", "not_positive", "too_large", bar_gate.FUTURE)


def _judge_followers(doubt: QuarantinedPrice, splits: Sequence[Split], by: Actor) -> int:
    """Later doubts of the series were held against a price that no longer is the last one.

    The answer counts those that are believed now.
    """
    assert doubt.instrument is not None
    waiting = list(
        QuarantinedPrice.objects.filter(
            instrument=doubt.instrument,
            dataset=BARS,
            source=doubt.source,
            state=QuarantineState.HELD,
            session_date__gt=doubt.session_date,
        ).order_by("session_date")
    )
    pending = _unapplied(splits)
    note = f"follows {doubt.session_date}, which was accepted"
    believed = 0
    for each in waiting:
        if each.reason in _IMPOSSIBLE:
            continue
        row = row_of(each, splits)
        [judged] = bar_gate.judge(
            [_figures(row)],
            until=row.session_date,
            last=_last_believed(doubt.instrument, row.session_date),
            splits=pending,
            others=_elsewhere(doubt.instrument, [row]),
        )
        if judged.verdict == bar_gate.ACCEPTED:
            _store(doubt.instrument, [row])
            _decide(each, QuarantineState.ACCEPTED, note, by)
            believed += 1
    return believed


def _set_aside(instrument: Instrument, row: BarRow, by: Actor) -> None:
    """What the same source had said before stays rejected, so that it does not come back."""
    for stored in DailyBar.objects.filter(
        instrument=instrument, session_date=row.session_date, source=row.source
    ).select_related("instrument"):
        if abs(float(stored.close) - row.close) > HALF_A_UNIT:
            keep_rejected(stored, CORRECTED, by)


def keep_rejected(row: DailyBar, reason: str, by: Actor) -> None:
    """The figure as it stood, so that a source which still has it does not bring it back."""
    if row.instrument.owner_id is not None:
        return  # what only its owner sees is not shown to everybody
    raw = {name: getattr(row, name) for name in _FIGURES}
    splits = price_decisions.splits(row.instrument)
    QuarantinedPrice.objects.update_or_create(
        symbol=row.instrument.symbol,
        dataset=BARS,
        session_date=row.session_date,
        source=row.source,
        value=repr(float(row.close)),
        defaults={
            "instrument": row.instrument,
            "price_basis": row.price_basis,
            "raw": {
                **{name: None if value is None else str(value) for name, value in raw.items()},
                "revision": row.revision,
                **price_decisions.raw_units(splits, row.session_date),
            },
            "reason": reason,
            "state": QuarantineState.REJECTED,
            "decided_by": by.user_id,
            "decided_at": clock.now(),
            "note": f"{reason} by {by.label}"[:300],
        },
    )


def _store(instrument: Instrument, rows: list[BarRow]) -> None:
    bar_store.upsert(rows, {instrument.symbol: instrument})
    bar_store.take_over(instrument, rows)
    bar_store.pack_series(instrument, rows)


def row_of(doubt: QuarantinedPrice, splits: Sequence[Split]) -> BarRow:
    """The row as its source gave it, in the shares of what is stored today.

    What can be no price or volume beside the close is left out.
    """
    shares = price_decisions.shares_since(splits, doubt)
    raw = doubt.raw
    figures = {name: None if raw.get(name) is None else float(raw[name]) for name in _FIGURES}
    volume = figures.pop("volume")
    close = figures.pop("close")
    assert close is not None
    usable = {
        name: price / shares if price is not None and bar_gate.possible_price(price) else None
        for name, price in figures.items()
    }
    known = volume is not None and bar_gate.possible_volume(volume)
    return BarRow(
        symbol=doubt.instrument.symbol if doubt.instrument else doubt.symbol,
        session_date=doubt.session_date,
        close=close / shares,
        volume=round(int(raw["volume"]) * shares) if known else None,
        source=doubt.source,
        price_basis=doubt.price_basis,
        **usable,
    )


def _figures(row: BarRow) -> bar_gate.Row:
    return bar_gate.Row(
        row.session_date, row.close, row.open, row.high, row.low, row.volume, row.adj_close
    )


def _last_believed(instrument: Instrument, before: date) -> tuple[date, float] | None:
    stored = (
        DailyBar.objects.filter(instrument=instrument, session_date__lt=before)
        .order_by("-session_date")
        .values_list("session_date", "close")
        .first()
    )
    return None if stored is None else (stored[0], float(stored[1]))


def _elsewhere(instrument: Instrument, rows: Sequence[BarRow]) -> dict[date, float]:
    """What other sources have of the same sessions."""
    stored = DailyBar.objects.filter(
        instrument=instrument,
        session_date__range=(rows[0].session_date, rows[-1].session_date),
    ).exclude(source=rows[0].source)
    return {day: float(close) for day, close in stored.values_list("session_date", "close")}


def _unapplied(splits: Sequence[Split]) -> dict[date, float]:
    """Ratios that explain a move. Applied ones are in the stored prices already."""
    return {each.ex_date: each.ratio for each in splits if each.pending}


def _keep(
    instrument: Instrument,
    doubts: Iterable[tuple[BarRow, bar_gate.Judged]],
    decided: Decisions,
    run_id: UUID | None,
) -> None:
    fresh, seen = [], []
    for row, verdict in doubts:
        known = decided.of(row)
        if known is None:
            fresh.append(_doubt(instrument, row, verdict, decided.splits, run_id))
        else:
            seen.append(known.doubt_id)
    if seen:
        again = QuarantinedPrice.objects.filter(pk__in=seen)
        again.update(times_seen=F("times_seen") + 1)
    QuarantinedPrice.objects.bulk_create(fresh, batch_size=500, ignore_conflicts=True)


def _doubt(
    instrument: Instrument,
    row: BarRow,
    verdict: bar_gate.Judged,
    splits: Sequence[Split],
    run_id: UUID | None,
) -> QuarantinedPrice:
    figures = {name: value for name, value in asdict(row).items() if name in _FIGURES}
    raw = {name: None if value is None else repr(value) for name, value in figures.items()}
    return QuarantinedPrice(
        instrument=instrument,
        symbol=instrument.symbol,
        dataset=BARS,
        session_date=row.session_date,
        source=row.source,
        price_basis=row.price_basis,
        raw=raw | price_decisions.raw_units(splits, row.session_date),
        value=repr(row.close),
        compared_with="" if verdict.compared_with is None else f"{verdict.compared_with:.6g}",
        reason=verdict.reason or "",
        run_id=run_id,
    )


def _found(doubt_id: UUID) -> QuarantinedPrice:
    found = QuarantinedPrice.objects.select_related("instrument").filter(pk=doubt_id).first()
    if found is None:
        raise NotFound("There is no such price in quarantine.")
    return found


def _stored_close(instrument: Instrument, row: BarRow) -> str | None:
    stored = DailyBar.objects.filter(
        instrument=instrument, session_date=row.session_date
    ).values_list("close", flat=True)
    return next((plain(close) for close in stored), None)


def _decide(doubt: QuarantinedPrice, state: QuarantineState, note: str, by: Actor) -> bool:
    """Set a held price's state; of several deciders one wins. False when it was decided alike.

    Raises Conflict when it was decided otherwise.
    """
    held = QuarantinedPrice.objects.filter(pk=doubt.pk, state=QuarantineState.HELD)
    won = held.update(
        state=state,
        note=note[:300],
        decided_by=by.user_id,
        decided_at=clock.now(),
        updated_at=clock.now(),
        version=F("version") + 1,
    )
    doubt.refresh_from_db()
    if doubt.state != state:
        raise Conflict(f"This price was {doubt.state} already.", code="already_decided")
    return bool(won)


def _record(
    doubt: QuarantinedPrice, by: Actor, *, before: dict[str, Any] | None, **after: object
) -> None:
    audit.record(
        by=by,
        action=f"price.{doubt.state}",
        object_type="quarantined_price",
        object_id=doubt.pk,
        before=before,
        after={
            "symbol": doubt.symbol,
            "session_date": doubt.session_date.isoformat(),
            "reason": doubt.reason,
            **after,
        },
        reason=doubt.note,
    )
