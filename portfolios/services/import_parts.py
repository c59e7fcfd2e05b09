"""A long file booked by a job, a part after the other; taken back where a part is refused.

Between the parts others write. A job that was cut short goes on where it stood: what is booked
is known by the rows' sources, and each part is one transaction.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from django.db import transaction

from etftrader.core import jobs
from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict, DomainError, LeaseLost
from etftrader.core.records import JobRun
from portfolios.choices import ImportStatus
from portfolios.models import ImportBatch
from portfolios.selectors import imports
from portfolios.services import csv_import, import_booking, import_plan, import_undo
from portfolios.services.import_plan import Plan

PART = 250  # rows a transaction: others write between, and wait no longer than that


def book(*, batch_id: UUID, partial: bool = False, session_date: date | None = None) -> ImportBatch:
    """Book a checked file for the person who checked it: all of its rows, or none.

    Arguments as of `import_booking.commit`. What the books refuse takes back what was booked
    before; the import is then checked again where that was nothing, else undone. Raises what
    refused it, LeaseLost where the job was cancelled: the import can then be gone on with.
    """
    batch = _begin(batch_id, partial)
    if batch.status != ImportStatus.BOOKING:
        return batch
    by = Actor.of_user(batch.user)
    try:
        plan = import_plan.of(batch)
        _foresee(batch, plan, by)
        _book(batch, plan, by)
    except LeaseLost:
        raise
    except DomainError as refusal:
        _give_up(batch, refusal, by)
        raise
    return _end(batch, session_date or batch.session_date, by)


@transaction.atomic
def request_booking(*, batch: ImportBatch, partial: bool, as_of: date, by: Actor) -> JobRun:
    """Ask a worker to book a long file, or to go on with one; twice is once.

    From now on the file is not changed any more. Raises Conflict as `import_booking.commit`.
    """
    _begin(batch.pk, partial)
    inputs = {"batch_id": str(batch.pk), "partial": partial}
    return _request(imports.BOOKING, inputs, as_of, by)


@transaction.atomic
def request_undo(*, batch: ImportBatch, reason: str, as_of: date, by: Actor) -> JobRun:
    """Ask a worker to take a long file back, or to go on with it. Raises as `import_undo.undo`."""
    said = import_undo.begin(batch.pk, reason)
    return _request(imports.UNDOING, {"batch_id": str(batch.pk), "reason": said}, as_of, by)


def _request(job: str, inputs: dict[str, Any], as_of: date, by: Actor) -> JobRun:
    return jobs.request(
        job, as_of=as_of, inputs=inputs, requested_by=by.user_id, request_id=by.request_id
    )


@transaction.atomic
def _begin(batch_id: UUID, partial: bool) -> ImportBatch:
    batch = csv_import.locked(batch_id)
    if batch.status in (ImportStatus.COMMITTED, ImportStatus.BOOKING):
        return batch
    if batch.status != ImportStatus.CHECKED:
        raise Conflict(f"The import was {batch.status}.", code=f"import_{batch.status}")
    import_booking.check(batch, partial=partial)
    batch.status, batch.problems, batch.result = ImportStatus.BOOKING, [], {}
    batch.version += 1
    batch.save(update_fields=["status", "problems", "result", "version", "updated_at"])
    return batch


@transaction.atomic
def _foresee(batch: ImportBatch, plan: Plan, by: Actor) -> None:
    """Keep what it will have done; an attempt after the first finds it there."""
    if batch.result:
        return
    now = csv_import.locked(batch.pk)
    oldest = plan.oldest.isoformat() if plan.oldest else None
    now.result = import_booking.foresee(now, plan, by) | {"oldest": oldest}
    now.save(update_fields=["result", "updated_at"])
    batch.result = now.result


def _book(batch: ImportBatch, plan: Plan, by: Actor) -> None:
    total = batch.result["booked"]
    done = total - plan.rows
    for part in plan.parts(PART):
        with transaction.atomic():
            now = csv_import.locked(batch.pk)
            if now.status == ImportStatus.COMMITTED:
                return
            if now.status != ImportStatus.BOOKING:
                raise Conflict(f"The import is {now.status}.", code=f"import_{now.status}")
            import_booking.book_rows(now, part, by)
            jobs.hold()
        done += len(part)
        jobs.progress(done=done, total=total, note="Booking rows")


@transaction.atomic
def _end(batch: ImportBatch, until: date, by: Actor) -> ImportBatch:
    now = csv_import.locked(batch.pk)
    if now.status != ImportStatus.BOOKING:
        return now
    oldest = now.result.pop("oldest", None)
    done = import_booking.conclude(now, date.fromisoformat(oldest) if oldest else None, until, by)
    jobs.hold()
    return done


def _give_up(batch: ImportBatch, refusal: DomainError, by: Actor) -> None:
    """Nothing of it stays: checked again where nothing was booked, else undone."""
    with transaction.atomic():
        now = csv_import.locked(batch.pk)
        if now.status != ImportStatus.BOOKING:
            return
        now.problems = [problem(refusal)]
        booked = now.rows.exclude(source="").exists()
        if not booked:
            now.status, now.result = ImportStatus.CHECKED, {}
        now.version += 1
        now.save(update_fields=["status", "problems", "result", "version", "updated_at"])
    if booked:
        reason = f"Not all of it could be booked: {refusal.detail}"
        import_undo.undo_in_parts(batch_id=batch.pk, reason=reason[:300], by=by)


def problem(refusal: DomainError) -> Mapping[str, Any]:
    """What the file's page says of it."""
    return {"code": refusal.code, "detail": refusal.detail}
