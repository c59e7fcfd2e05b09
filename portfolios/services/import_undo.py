"""A booked file taken back within a day: every booking reversed, or none."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from etftrader.core import audit, clock, jobs
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, DomainError, LeaseLost, NotFound
from portfolios.choices import EntryKind, ImportStatus, LedgerAccount
from portfolios.models import ImportBatch, LedgerEntry
from portfolios.selectors import ledger as books
from portfolios.services import csv_import, import_fills, reversals
from portfolios.services.import_booking import LONG_FILE

WITHIN = timedelta(hours=24)
PART = 250  # bookings a transaction
OPEN = (ImportStatus.COMMITTED, ImportStatus.BOOKING, ImportStatus.UNDOING)


def is_long(batch: ImportBatch) -> bool:
    """Whether taking it back lasts so long that a job does it."""
    stopped = batch.status in (ImportStatus.BOOKING, ImportStatus.UNDOING)
    return stopped or bool((batch.result or {}).get("booked", 0) > LONG_FILE)


@transaction.atomic
def undo(*, batch_id: UUID, reason: str, by: Actor) -> ImportBatch:
    """Reverse everything a file has booked; it can be brought again afterwards. Twice is once.

    Raises
    ------
    BadInput
        No reason is given.
    Conflict
        It was not booked (`not_committed`), more than a day ago (`undo_too_late`), or a later
        booking rests on one of its own (`later_bookings`, with `seq` and `source`), or its cash
        is spent (`cash_spent`).
    """
    batch = csv_import.locked(batch_id)
    if batch.status == ImportStatus.UNDONE:
        return batch
    said = check(batch, reason)
    _take_back(batch, _sources(batch), said, by)
    return _end(batch, said, by)


def undo_in_parts(*, batch_id: UUID, reason: str, by: Actor | None = None) -> ImportBatch:
    """Do the same from a job, a part after the other; what stands in the way is said before.

    Where a booking between the parts is in the way, the rest stays, and can be gone on with.
    """
    batch = ImportBatch.objects.select_related("user").filter(pk=batch_id).first()
    if batch is None:
        raise NotFound("There is no such import.")
    if batch.status == ImportStatus.UNDONE:
        return batch
    said, by = begin(batch_id, reason), by or Actor.of_user(batch.user)
    try:
        left = _left(batch)
        reversals.check(portfolio_id=batch.portfolio_id, sources=set(left))
        done, total = 0, len(left)
        for part in _parts(batch, left):
            with transaction.atomic():
                now = csv_import.locked(batch_id)
                if now.status != ImportStatus.UNDOING:
                    return now
                _take_back(now, part, said, by)
                jobs.hold()
            done += len(part)
            jobs.progress(done=done, total=total, note="Taking rows back")
    except LeaseLost:
        raise
    except DomainError as refusal:
        _stop(batch_id, refusal)
        raise
    with transaction.atomic():
        now = csv_import.locked(batch_id)
        jobs.hold()
        return now if now.status == ImportStatus.UNDONE else _end(now, said, by)


def check(batch: ImportBatch, reason: str) -> str:
    """The reason as it is kept. Raises BadInput, Conflict."""
    if batch.status not in OPEN:
        raise Conflict("Nothing of it was booked.", code="not_committed")
    if not reason.strip():
        raise BadInput("Say why it is taken back.", attr="reason", code="required")
    if batch.committed_at is not None and batch.status == ImportStatus.COMMITTED:
        if clock.now() - batch.committed_at > WITHIN:
            raise Conflict(
                "It was booked more than a day ago. Reverse single bookings instead.",
                code="undo_too_late",
                committed_at=batch.committed_at.isoformat(),
            )
    return reason.strip()[:300]


def _count(batch: ImportBatch) -> int:
    return len(set(batch.rows.exclude(source="").values_list("source", flat=True)))


def _sources(batch: ImportBatch) -> list[str]:
    rows = batch.rows.exclude(source="").order_by("ordinal")
    return list(dict.fromkeys(rows.values_list("source", flat=True)))


def _take_back(batch: ImportBatch, sources: Sequence[str], reason: str, by: Actor) -> None:
    if not sources:
        return
    made = reversals.reverse_many(
        portfolio_id=batch.portfolio_id, sources=sources, reason=reason, by=by
    )
    newest = books.newest_session(batch.portfolio_id)
    assert newest is not None
    # the newest booking was reversed first
    order = [sources[place] for place in sorted(range(len(made)), key=lambda each: made[each].seq)]
    import_fills.returned(
        portfolio=batch.portfolio, sources=order, reason=reason, session_date=newest, by=by
    )


@transaction.atomic
def begin(batch_id: UUID, reason: str) -> str:
    """Nothing but its undoing is done with a long file any more. Raises as `undo`."""
    now = csv_import.locked(batch_id)
    said = check(now, reason)
    if now.status != ImportStatus.UNDOING:
        now.status, now.undo_reason, now.problems = ImportStatus.UNDOING, said, []
        now.version += 1
        now.save(update_fields=["status", "undo_reason", "problems", "version", "updated_at"])
    return said


@transaction.atomic
def _stop(batch_id: UUID, refusal: DomainError) -> None:
    """Say what is in the way; a file of which nothing is taken back yet stays as it was."""
    now = csv_import.locked(batch_id)
    now.problems = [{"code": refusal.code, "detail": refusal.detail}]
    if now.status == ImportStatus.UNDOING and now.committed_at and len(_left(now)) == _count(now):
        now.status, now.undo_reason = ImportStatus.COMMITTED, ""
    now.version += 1
    now.save(update_fields=["status", "undo_reason", "problems", "version", "updated_at"])


def _end(batch: ImportBatch, reason: str, by: Actor) -> ImportBatch:
    batch.status, batch.undone_at = ImportStatus.UNDONE, clock.now()
    batch.undo_reason, batch.problems = reason, []
    batch.version += 1
    names = ["status", "undone_at", "undo_reason", "problems", "version", "updated_at"]
    batch.save(update_fields=names)
    audit.record(
        by=by,
        action="import.undo",
        object_type="import",
        object_id=batch.pk,
        chain=batch.portfolio_id,
        after={"file": batch.file_name, "hash": batch.file_hash, "bookings": len(_sources(batch))},
        reason=reason,
    )
    return batch


def _left(batch: ImportBatch) -> dict[str, tuple[str, int, Decimal]]:
    """What is not reversed yet: source to instrument, number and cash."""
    mine = batch.rows.exclude(source="").values("source")
    legs = LedgerEntry.objects.filter(portfolio=batch.portfolio_id, source__in=mine)
    found: dict[str, tuple[str, int, Decimal]] = {}
    columns = ("source", "seq", "account", "instrument_id", "amount")
    for source, seq, account, key, amount in legs.values_list(*columns).iterator(2_000):
        there, _, cash = found.get(source, ("", seq, Decimal(0)))
        if account == LedgerAccount.CASH:
            cash += amount
        found[source] = (str(key) if key else there, seq, cash)
    again = LedgerEntry.objects.filter(portfolio=batch.portfolio_id, kind=EntryKind.REVERSAL, leg=1)
    for source in again.values_list("source", flat=True).iterator(2_000):
        found.pop(source.removeprefix(books.REVERSAL), None)
    return found


def _parts(batch: ImportBatch, left: dict[str, tuple[str, int, Decimal]]) -> Iterator[list[str]]:
    """An instrument's bookings together, the newest first; what brings cash back goes before.

    So no part takes more cash than is there, where all of them together do not.
    """
    cash: dict[str, Decimal] = {}
    for source, (key, _, amount) in left.items():
        group = key or source
        cash[group] = cash.get(group, Decimal(0)) + amount
    order = sorted(left, key=lambda each: _place(each, left[each], cash))
    for place in range(0, len(order), PART):
        yield order[place : place + PART]


def _place(
    source: str, told: tuple[str, int, Decimal], cash: dict[str, Decimal]
) -> tuple[bool, str, int]:
    key, seq, _ = told
    return cash[key or source] > 0, key, -seq


def until(batch: ImportBatch) -> str | None:
    """Until when it can be taken back; None when it cannot. One that stopped can at any time."""
    if batch.status in (ImportStatus.BOOKING, ImportStatus.UNDOING):
        return clock.now().isoformat()
    if batch.status != ImportStatus.COMMITTED or batch.committed_at is None:
        return None
    ends = batch.committed_at + WITHIN
    return ends.isoformat() if ends > clock.now() else None
