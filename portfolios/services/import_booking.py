"""Rows of a checked file booked: all at once, or as a part of a long file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from etftrader.core import audit, clock, jobs
from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict
from etftrader.core.money import plain, to_money
from marketdata.models import Instrument
from marketdata.selectors import calendar
from portfolios import live
from portfolios.calculations import csv_layout, csv_rows
from portfolios.calculations.csv_rows import CashRow, PositionRow, Row, TradeRow
from portfolios.choices import (
    CashType,
    Duplicates,
    EntryKind,
    ImportStatus,
    LedgerAccount,
    RowVerdict,
)
from portfolios.models import ImportBatch, ImportRow, Portfolio, Position
from portfolios.selectors.exchange_tape import History
from portfolios.services import (
    booking,
    csv_import,
    import_fills,
    import_market,
    import_plan,
    import_rows,
    import_store,
    ledger,
    locking,
    running,
    tags,
)
from portfolios.services.booking import Booking, Leg, Opening
from portfolios.services.import_plan import Plan

LONG_FILE = 500  # rows from which a commit is a job, in parts
CASH_KINDS = {
    "deposit": EntryKind.DEPOSIT,
    "withdrawal": EntryKind.WITHDRAWAL,
    "fee": EntryKind.FEE,
    "interest": EntryKind.INTEREST,
}


@dataclass(slots=True)
class Entry:
    """A row about to be booked."""

    kept: ImportRow
    said: Row
    day: date


@dataclass(frozen=True, slots=True)
class Work:
    """A file being booked."""

    batch: ImportBatch
    portfolio: Portfolio
    known: Mapping[str, Instrument]
    by: Actor
    rates: History

    def rate(self, instrument: Instrument, day: date) -> Decimal | None:
        """The book's money for one unit of what it is priced in; today's is not known yet."""
        return self.rates.rate(instrument.currency, min(day, self.batch.session_date))

    @property
    def reason(self) -> str:
        """What stands in the ledger."""
        return f"import of {self.batch.file_name}"[:300]


def is_long(batch: ImportBatch) -> bool:
    """Whether a commit takes so long that a job does it."""
    return csv_import.bookable(batch) > LONG_FILE


@transaction.atomic
def commit(
    *, batch_id: UUID, partial: bool = False, by: Actor, session_date: date | None = None
) -> ImportBatch:
    """Book a checked file's rows in one transaction: all of them, or with `partial` the good ones.

    A committed file answers again what it did. Rows that another file has booked meanwhile are
    left out. The history of the holdings is valued by a job, up to `session_date`.
    Raises Conflict when rows are bad and `partial` is not asked for, or another file is being
    booked, and what the books refuse.
    """
    batch = csv_import.locked(batch_id)
    if batch.status == ImportStatus.COMMITTED:
        return batch
    if batch.status != ImportStatus.CHECKED:
        raise Conflict(f"The import was {batch.status}.", code=f"import_{batch.status}")
    check(batch, partial=partial)
    plan = import_plan.of(batch)
    batch.result = foresee(batch, plan, by)
    for part in plan.parts(import_plan.AT_ONCE):
        book_rows(batch, part, by)
    return conclude(batch, plan.oldest, session_date or batch.session_date, by)


def check(batch: ImportBatch, *, partial: bool) -> None:
    """Raise Conflict for a file that may not be booked now; the caller holds the lock."""
    wrong = batch.rows.filter(verdict=RowVerdict.ERROR).exclude(decision=Duplicates.SKIP)
    bad = 0 if partial else wrong.count()
    if bad:
        rows = "row has errors" if bad == 1 else "rows have errors"
        raise Conflict(
            f"{bad} {rows}. Mend them, skip them, or leave them out with partial=true.",
            code="import_has_errors",
            errors_count=bad,
        )
    under_way = ImportBatch.objects.filter(
        portfolio=batch.portfolio_id, status__in=(ImportStatus.BOOKING, ImportStatus.UNDOING)
    )
    other = under_way.exclude(pk=batch.pk).first()
    if other is not None:
        raise Conflict(
            f"{other.file_name} is {other.status} in this portfolio. Wait for it, or finish it.",
            code="import_under_way",
        )


def foresee(batch: ImportBatch, plan: Plan, by: Actor) -> dict[str, int]:
    """What the import will have done; options nobody has had are made. Raises Conflict."""
    opened = Position.objects.open().filter(portfolio=batch.portfolio_id)
    there = set(opened.values_list("instrument_id", flat=True))
    known = import_market.ensure(plan.tickers, batch.user_id, by) if plan.tickers else {}
    moved = batch.kind != csv_layout.CASH
    touched = {each.pk for each in known.values()} if moved else set()
    skipped = batch.counts.get(RowVerdict.DUPLICATE, 0) + plan.repeated
    return {
        "created": len(touched - there),
        "updated": len(touched & there),
        "booked": plan.rows,
        "skipped": skipped + batch.counts.get(RowVerdict.UNCHANGED, 0),
        "warnings": batch.counts.get(RowVerdict.WARNING, 0),
        "bad_rows": batch.counts.get(RowVerdict.ERROR, 0),
    }


def book_rows(batch: ImportBatch, lines: Sequence[int], by: Actor) -> None:
    """Book rows in the order of `lines`; the caller holds the lock, in its transaction."""
    entries = _entries(batch, lines)
    tickers = {each.said.ticker for each in entries if each.said.ticker}
    known = import_market.ensure(tickers, batch.user_id, by) if tickers else {}
    rates = History(batch.portfolio.base_currency, batch.session_date)
    work = Work(batch, batch.portfolio, known, by, rates)
    _BOOKERS[batch.kind](work, entries)
    rows = [each.kept for each in entries]
    import_store.note_sources(batch.pk, {each.ordinal: each.source for each in rows})
    _tag(work, entries)


def conclude(batch: ImportBatch, oldest: date | None, until: date, by: Actor) -> ImportBatch:
    """Everything is booked: say so, and have the history valued."""
    batch.status, batch.problems = ImportStatus.COMMITTED, []
    batch.committed_at = clock.now()
    batch.version += 1
    batch.save(
        update_fields=["status", "problems", "committed_at", "result", "version", "updated_at"]
    )
    audit.record(
        by=by,
        action="import.commit",
        object_type="import",
        object_id=batch.pk,
        chain=batch.portfolio_id,
        after={"file": batch.file_name, "hash": batch.file_hash, **batch.result},
    )
    # a session that runs is valued at its own close
    if oldest is not None and calendar.on_or_before(oldest) <= until:
        value_history(batch, calendar.on_or_before(oldest), until, by)
    live.publish_import(batch)
    return batch


def _entries(batch: ImportBatch, lines: Sequence[int]) -> list[Entry]:
    found: dict[int, ImportRow] = {}
    for place in range(0, len(lines), csv_import.BATCH):
        part = lines[place : place + csv_import.BATCH]
        # another attempt may have been faster
        rows = batch.rows.filter(ordinal__in=part, source="")
        found |= {row.ordinal: row for row in rows}
    entries = []
    for row in (found[line] for line in lines if line in found):
        said = import_rows.parsed(row, batch.kind)
        row.source = _source(batch, row)
        entries.append(Entry(row, said, calendar.on_or_before(said.day)))
    return entries


def _source(batch: ImportBatch, row: ImportRow) -> str:
    """Under which it is booked; a trade's booking names its trade."""
    if batch.kind == csv_layout.TRADES:
        return import_fills.source_of(uuid4())
    return _name(batch, row)


def _name(batch: ImportBatch, row: ImportRow) -> str:
    return f"import:{batch.pk}:{row.ordinal}"


def _positions(work: Work, entries: Sequence[Entry]) -> None:
    openings = []
    for each in _merged(entries):
        said = each.said
        assert isinstance(said, PositionRow)
        instrument, price = work.known[said.ticker], said.entry_price
        if said.cost_basis is not None:
            # not rounded: quantity times price gives the cost to the last place
            price = said.cost_basis / (said.quantity * instrument.multiplier)
        about = each.day, each.kept.source, work.reason
        rate = work.rate(instrument, each.day)
        openings.append(Opening(instrument, said.quantity, price, *about, rate))
    ledger.book_openings(portfolio_id=work.portfolio.pk, openings=openings)


def _merged(entries: Sequence[Entry]) -> list[Entry]:
    """Rows to be merged are one booking with the first of their ticker, date and side."""
    found: list[Entry] = []
    first: dict[tuple[str, date, bool], int] = {}
    for each in entries:
        said = each.said
        assert isinstance(said, PositionRow)
        key = (said.ticker, said.entry_date, said.quantity > 0)
        choice = each.kept.decision or each.kept.batch.duplicates
        if choice == Duplicates.MERGE and key in first:
            other = found[first[key]]
            each.kept.source = other.kept.source
            assert isinstance(other.said, PositionRow)
            found[first[key]] = replace(other, said=_sum(other.said, said))
        else:
            first.setdefault(key, len(found))
            found.append(each)
    return found


def _sum(one: PositionRow, other: PositionRow) -> PositionRow:
    """Two lots as one: what they cost together, at their average price."""
    units = one.quantity + other.quantity
    cost = _cost(one) + _cost(other)
    price = cost / (units * csv_rows.multiplier(one.ticker))
    words = ",".join(each.tags for each in (one, other) if each.tags)
    return replace(one, quantity=units, entry_price=price, cost_basis=cost, tags=words)


def _cost(said: PositionRow) -> Decimal:
    scale = csv_rows.multiplier(said.ticker)
    return said.cost_basis or to_money(said.quantity * said.entry_price * scale)


def _trades(work: Work, entries: Sequence[Entry]) -> None:
    fills, running = [], import_rows.running(work.batch)
    for each in entries:
        said = each.said
        assert isinstance(said, TradeRow)
        wanted = import_fills.Wanted(
            trade_id=UUID(each.kept.source.removeprefix(import_fills.TRADE)),
            row=_name(work.batch, each.kept),
            instrument=work.known[said.ticker],
            quantity=said.quantity,
            price=said.price,
            fee=said.fee,
            executed_at=said.executed_at or _end_of(each.day, running),
            session_date=each.day,
            rate=work.rate(work.known[said.ticker], each.day),
            note=said.reference,
        )
        fills.append(wanted)
    import_fills.book(portfolio=work.portfolio, fills=fills, by=work.by)


def _end_of(day: date, running: datetime | None) -> datetime:
    """A session's close, or how far the running one has come."""
    close = calendar.close_time(day)
    return close if running is None else min(close, running)


def _cash(work: Work, entries: Sequence[Entry]) -> None:
    for each in entries:
        said = each.said
        assert isinstance(said, CashRow)
        reason = said.reason or work.reason
        if said.type == "dividend":
            _dividend(work, said, each, reason)
        else:
            ledger.book_cash(
                portfolio_id=work.portfolio.pk,
                kind=CASH_KINDS[said.type],
                amount=abs(said.amount),
                session_date=each.day,
                source=each.kept.source,
                reason=reason,
                by=work.by,
            )


def _dividend(work: Work, said: CashRow, each: Entry, reason: str) -> Booking:
    """Income that came in cash, or that a short has paid."""
    [portfolio] = locking.lock_portfolios(work.portfolio.pk)
    ledger.check_open(portfolio)
    ledger.check_session(portfolio, each.day)
    running.take_cash(portfolio, said.amount)
    legs = [Leg(LedgerAccount.CASH, said.amount), Leg(LedgerAccount.INCOME, -said.amount)]
    source = each.kept.source
    made = booking.append(portfolio, EntryKind.PAYMENT, source, each.day, legs, reason)
    kind = CashType.DIVIDEND
    booking.document(portfolio, made, kind, said.amount, each.day, reason, work.by)
    figures: dict[str, Any] = {"amount": plain(said.amount), "symbol": said.ticker}
    booking.record(portfolio, made, "cash.dividend", work.by, reason=reason, **figures)
    return made


_BOOKERS: dict[str, Callable[[Work, Sequence[Entry]], None]] = {
    csv_layout.POSITIONS: _positions,
    csv_layout.TRADES: _trades,
    csv_layout.CASH: _cash,
}


def _tag(work: Work, entries: Sequence[Entry]) -> None:
    tagged = [each for each in entries if each.said.tags]
    if not tagged:
        return
    positions = {
        each.instrument_id: each for each in Position.objects.filter(portfolio=work.portfolio)
    }
    made: dict[tuple[str, str], Any] = {}
    wanted: dict[UUID, dict[Any, Any]] = {}
    for each in tagged:
        mine = wanted.setdefault(work.known[each.said.ticker].pk, {})
        for kind, name in tags.parse(each.said.tags):
            key = (kind, name.lower())
            if key not in made:
                made[key] = tags.find_or_make(user=work.batch.user, kind=kind, name=name)
            mine[made[key].pk] = made[key]
    for instrument_id, mine in wanted.items():
        tags.assign(position=positions[instrument_id], tags=mine.values())


def value_history(batch: ImportBatch, start: date, until: date, by: Actor) -> None:
    """Request the snapshots from a session on, by a job."""
    jobs.request(
        "portfolios.take_snapshots",
        as_of=until,
        portfolio_ids=[batch.portfolio_id],
        inputs={"start": start.isoformat(), "import": str(batch.pk)},
        requested_by=by.user_id,
        request_id=by.request_id,
    )
