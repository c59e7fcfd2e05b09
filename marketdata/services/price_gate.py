"""The gate before the price tables: believes, holds back, refuses; a person decides the doubts."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict, NotFound
from etftrader.core.money import plain
from marketdata.calculations import bar_gate
from marketdata.choices import QuarantineState
from marketdata.events import doubt_raised, doubt_settled, prices_revised
from marketdata.models import DailyBar, Instrument, QuarantinedPrice
from marketdata.providers.base import BarRow
from marketdata.services import bar_store, gate_rows, price_decisions
from marketdata.services.gate_rows import FIGURES
from marketdata.services.price_decisions import HALF_A_UNIT, Decisions, Split

BARS = "daily_bars"
REJECTED = "rejected_before"
CORRECTED = "corrected"  # a figure that a person replaced


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
    others = gate_rows.elsewhere(instrument, rows)
    # what a person rejected or corrected is left out, however plausible it is, and vouches for
    # nothing after it
    rejected = [row for row in rows if decided.is_rejected(row)]
    doubts = [(row, bar_gate.Judged(bar_gate.REFUSED, REJECTED)) for row in rejected]
    rows = [row for row in rows if not decided.is_rejected(row)]
    verdicts = bar_gate.judge(
        [gate_rows.figures(row) for row in rows],
        until=until,
        last=gate_rows.last_believed(instrument, rows[0].session_date) if rows else None,
        splits=gate_rows.pending(decided.splits),
        others=others,
        confirmed=frozenset(row.session_date for row in rows if decided.is_accepted(row)),
        free=free,
    )
    doubts += [
        (row, verdict)
        for row, verdict in zip(rows, verdicts, strict=True)
        if verdict.verdict != bar_gate.ACCEPTED
    ]
    held = sum(1 for _, verdict in doubts if verdict.verdict == bar_gate.HELD)
    believed = {
        row.session_date: row
        for row, verdict in zip(rows, verdicts, strict=True)
        if verdict.verdict == bar_gate.ACCEPTED
    }
    _keep(instrument, doubts, decided, run_id, newest=max(believed, default=None))
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
    row = gate_rows.row_of(doubt, splits)
    before = _stored_close(doubt.instrument, row)
    _set_aside(doubt.instrument, row, by)
    _store(doubt.instrument, [row])
    behind = _held(doubt.instrument, doubt.session_date).filter(
        source=doubt.source, session_date__gt=doubt.session_date
    )
    note = f"follows {doubt.session_date}, which was accepted"
    followers = len(judge_again(doubt.instrument, behind, note=note, by=by))
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
    """An old one is news too: the record of its session may leave the name out."""
    if doubt.instrument is not None:
        since = doubt.session_date.isoformat()
        doubt_settled.announce(instrument_id=str(doubt.instrument.pk), since=since)


def _tell_raised(
    instrument: Instrument, fresh: Sequence[QuarantinedPrice], newest: date | None
) -> None:
    """A session in doubt is news for its record; what is shown now only by the newest close.

    `newest` is the last session whose price is about to be stored. Garbage casts no doubt.
    """
    days = [each.session_date for each in fresh if each.reason not in _IMPOSSIBLE]
    if not days:
        return
    newer = DailyBar.objects.filter(instrument=instrument, session_date__gt=max(days))
    old = (newest is not None and newest > max(days)) or newer.exists()
    doubt_raised.announce(
        instrument_id=str(instrument.pk),
        since=min(days).isoformat(),
        newest="" if old else "yes",
    )


_IMPOSSIBLE = ("not_finite", "not_positive", "too_large", bar_gate.FUTURE)


def judge_again(
    instrument: Instrument, waiting: Iterable[QuarantinedPrice], *, note: str, by: Actor
) -> list[QuarantinedPrice]:
    """Believe held closes that stored prices and pending splits explain by now, oldest first.

    The answer holds those that are believed. The caller holds the transaction and its lock.
    """
    splits = price_decisions.splits(instrument)
    pending = gate_rows.pending(splits)
    believed = []
    for each in list(waiting):
        if each.reason in _IMPOSSIBLE:
            continue
        row = gate_rows.row_of(each, splits)
        [judged] = bar_gate.judge(
            [gate_rows.figures(row)],
            until=row.session_date,
            last=gate_rows.last_believed(instrument, row.session_date),
            splits=pending,
            others=gate_rows.elsewhere(instrument, [row]),
        )
        if judged.verdict == bar_gate.ACCEPTED:
            _store(instrument, [row])
            _decide(each, QuarantineState.ACCEPTED, note, by)
            believed.append(each)
    return believed


def settle(*, instrument: Instrument, since: date, note: str, by: Actor) -> int:
    """Believe closes held for their move, from a session on, that a split explains by now.

    Each has its line; who values by them is told once. The answer counts them. The caller holds
    the transaction and its lock.
    """
    waiting = _held(instrument, since).filter(reason__in=bar_gate.MOVES)
    believed = judge_again(instrument, waiting, note=note, by=by)
    for each in believed:
        _record(each, by, before=None)
    if believed:
        first = believed[0].session_date.isoformat()
        prices_revised.announce(symbol=instrument.symbol, since=first)
    return len(believed)


def _held(instrument: Instrument, since: date) -> QuerySet[QuarantinedPrice]:
    rows = QuarantinedPrice.objects.filter(
        instrument=instrument,
        dataset=BARS,
        state=QuarantineState.HELD,
        session_date__gte=since,
    )
    return rows.select_related("instrument").order_by("session_date", "created_at")


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
    raw = {name: getattr(row, name) for name in FIGURES}
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


def _keep(
    instrument: Instrument,
    doubts: Iterable[tuple[BarRow, bar_gate.Judged]],
    decided: Decisions,
    run_id: UUID | None,
    *,
    newest: date | None,
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
    if not fresh:
        return
    with transaction.atomic():
        QuarantinedPrice.objects.bulk_create(fresh, batch_size=500, ignore_conflicts=True)
        _tell_raised(instrument, fresh, newest)


def _doubt(
    instrument: Instrument,
    row: BarRow,
    verdict: bar_gate.Judged,
    splits: Sequence[Split],
    run_id: UUID | None,
) -> QuarantinedPrice:
    figures = {name: value for name, value in asdict(row).items() if name in FIGURES}
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
