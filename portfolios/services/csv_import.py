"""Positions from a file: every row checked and kept with its verdict, then all booked or none."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from etftrader.core import audit, clock, jobs, tables
from etftrader.core.actor import Actor, system
from etftrader.core.errors import BadInput, Conflict, DomainError, NotFound
from marketdata.selectors import calendar
from portfolios.calculations import csv_rows
from portfolios.choices import ImportStatus, RowVerdict
from portfolios.models import ImportBatch, ImportRow, Portfolio, Position, User
from portfolios.services import import_rows, ledger, locking, tags
from portfolios.services.booking import Opening

KIND = "positions"
FILES_A_DAY = 20
MAX_BOOKED = 10_000  # holdings written by one file, product.md 2.1
LONG_FILE = 500  # rows from which a commit is a job
BATCH = 1_000
BOOKABLE = (RowVerdict.NEW, RowVerdict.WARNING)


class TooManyFiles(DomainError):
    """A person checks so many files a day."""

    code, status = "too_many_files", 429


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file as a table with a header, before any row of it is judged."""

    table: tables.Table
    head: int  # place of the header among the lines
    columns: Mapping[str, int]
    comma: bool  # decimal comma
    digest: str

    @property
    def body(self) -> Sequence[tables.Line]:
        """The lines below the header."""
        return self.table.lines[self.head + 1 :]

    def dialect(self) -> dict[str, Any]:
        """How the file was read, as the batch keeps it."""
        line = self.table.lines[self.head]
        return {
            "encoding": self.table.encoding,
            "delimiter": self.table.delimiter,
            "header_line": line.number,
            "header": [cell.strip() for cell in line.cells],
            "columns": self.columns,
            "decimal_comma": self.comma,
        }


def read(
    *,
    data: bytes,
    user: User,
    kind: str = KIND,
    encoding: str = "utf-8",
    delimiter: str = "",
) -> ReadFile:
    """Read a person's file, which takes long: no transaction need be open for it.

    Raises BadInput for a file that is no table or lacks a column, TooLarge beyond a limit,
    TooManyFiles.
    """
    _check_day(user)
    if kind != KIND:
        raise BadInput("Only files of positions are read so far.", attr="kind")
    table = tables.read(data, encoding=encoding or "utf-8", delimiter=delimiter)
    cells = [line.cells for line in table.lines]
    head, columns = csv_rows.find_header(cells)
    comma = csv_rows.has_decimal_comma(cells[head + 1 :], columns)
    return ReadFile(table, head, columns, comma, hashlib.sha256(data).hexdigest())


@transaction.atomic
def check(
    *, portfolio_id: UUID, user: User, file_name: str, file: ReadFile, session_date: date
) -> ImportBatch:
    """Keep every row of a file with its verdict; nothing is booked.

    Raises TooManyFiles.
    """
    _check_day(user)
    batch = ImportBatch.objects.create(
        portfolio_id=portfolio_id,
        user=user,
        kind=KIND,
        file_name=file_name[:200],
        file_hash=file.digest,
        session_date=session_date,
        dialect=file.dialect(),
    )
    found: Counter[str] = Counter()
    judged = import_rows.judge(
        batch=batch, lines=file.body, columns=file.columns, comma=file.comma, user=user
    )
    for rows in judged:
        ImportRow.objects.bulk_create(rows)
        found.update(str(row.verdict) for row in rows)
    counts = {each.value: found.get(each.value, 0) for each in RowVerdict}
    batch.counts = counts | {"total": len(file.body)}
    batch.save(update_fields=["counts"])
    return batch


@transaction.atomic
def commit(
    *, batch_id: UUID, partial: bool = False, by: Actor, session_date: date | None = None
) -> ImportBatch:
    """Book a checked file's rows in one transaction: all of them, or with `partial` the good ones.

    A committed file answers again what it did. The history of the holdings is valued by a job, up
    to `session_date`. Raises Conflict when rows are bad and `partial` is not asked for.
    """
    batch = ImportBatch.objects.select_related("portfolio", "user").filter(pk=batch_id).first()
    if batch is None:
        raise NotFound("There is no such import.")
    [portfolio] = locking.lock_portfolios(batch.portfolio_id)
    batch.refresh_from_db(fields=["status", "result", "version"])
    if batch.status == ImportStatus.COMMITTED:
        return batch
    if batch.status != ImportStatus.CHECKED:
        raise Conflict("The import was discarded.")
    bad = batch.rows.filter(verdict=RowVerdict.ERROR).count()
    if bad and not partial:
        raise Conflict(
            f"{bad} rows have errors. Mend them, or leave them out with partial=true.",
            code="import_has_errors",
            errors_count=bad,
        )
    rows = list(batch.rows.filter(verdict__in=BOOKABLE).order_by("ordinal"))
    if len(rows) > MAX_BOOKED:
        raise tables.TooLarge(f"One file may bring {MAX_BOOKED:,} positions.", attr="file")
    result = _book(batch, portfolio, rows)
    result["bad_rows"] = bad
    batch.status = ImportStatus.COMMITTED
    batch.committed_at = clock.now()
    batch.result = result
    batch.version += 1
    batch.save(update_fields=["status", "committed_at", "result", "version", "updated_at"])
    audit.record(
        by=by,
        action="import.commit",
        object_type="import",
        object_id=batch.pk,
        chain=portfolio.pk,
        after={"file": batch.file_name, "hash": batch.file_hash, **result},
    )
    _value_history(batch, rows, session_date or batch.session_date, by)
    return batch


def commit_queued(*, batch_id: UUID, partial: bool) -> ImportBatch:
    """Book a long file from a job, for the person who checked it."""
    batch = ImportBatch.objects.select_related("user").filter(pk=batch_id).first()
    by = Actor.of_user(batch.user) if batch else system("import")
    return commit(batch_id=batch_id, partial=partial, by=by)


def is_long(batch: ImportBatch) -> bool:
    """Whether a commit takes so long that a job does it."""
    return sum(batch.counts.get(each, 0) for each in BOOKABLE) > LONG_FILE


@transaction.atomic
def discard(*, batch_id: UUID, by: Actor) -> ImportBatch:
    """Put a checked file away; nothing of it was booked. Doing it twice changes nothing."""
    batch = ImportBatch.objects.filter(pk=batch_id).first()
    if batch is None:
        raise NotFound("There is no such import.")
    locking.lock_portfolios(batch.portfolio_id)
    batch.refresh_from_db(fields=["status", "version"])
    if batch.status == ImportStatus.DISCARDED:
        return batch
    if batch.status == ImportStatus.COMMITTED:
        raise Conflict("The import was committed; its bookings can be reversed.")
    batch.status = ImportStatus.DISCARDED
    batch.version += 1
    batch.save(update_fields=["status", "version", "updated_at"])
    audit.record(
        by=by,
        action="import.discard",
        object_type="import",
        object_id=batch.pk,
        chain=batch.portfolio_id,
        after={"file": batch.file_name, "hash": batch.file_hash},
    )
    return batch


def error_file(*, batch: ImportBatch) -> bytes:
    """The bad rows as they stood in the file, with `error_field` and `error_message`."""
    header = [*batch.dialect["header"], "error_field", "error_message"]
    width = len(header) - 2
    rows = []
    for row in batch.rows.filter(verdict=RowVerdict.ERROR).order_by("ordinal").iterator(BATCH):
        cells = [tables.unguard(cell) for cell in row.raw[:width]]
        cells += [""] * (width - len(cells))
        fields = "; ".join(each["field"] for each in row.messages)
        details = " ".join(each["detail"] for each in row.messages)
        rows.append([*(_typed(cell) for cell in cells), fields, details])
    return tables.write(header, rows)


def _typed(cell: str) -> Any:
    """A plain negative number is a number, not a formula."""
    try:
        return csv_rows.parse_amount(cell)
    except ValueError:
        return cell


def _check_day(user: User) -> None:
    since = clock.now() - timedelta(days=1)
    if ImportBatch.objects.filter(user=user, created_at__gt=since).count() >= FILES_A_DAY:
        raise TooManyFiles(f"{FILES_A_DAY} files a day are checked; try again tomorrow.")


def _book(batch: ImportBatch, portfolio: Portfolio, rows: Sequence[ImportRow]) -> dict[str, int]:
    there = set(
        Position.objects.open().filter(portfolio=portfolio).values_list("instrument_id", flat=True)
    )
    known = import_rows.instruments_of(rows, batch.user)
    openings = []
    for row in rows:
        read = import_rows.parsed(row)
        row.source = f"import:{batch.file_hash[:16]}:{row.fingerprint[:16]}"
        openings.append(
            Opening(
                instrument=known[read.ticker],
                quantity=read.quantity,
                price=read.entry_price,
                session_date=calendar.on_or_before(read.entry_date),
                source=row.source,
                reason=f"import of {batch.file_name}"[:300],
            )
        )
    made = ledger.book_openings(portfolio_id=portfolio.pk, openings=openings)
    ImportRow.objects.bulk_update(rows, ["source"], batch_size=BATCH)
    held = {row.pk: each.instrument.pk for row, each in zip(rows, openings, strict=True)}
    _tag(batch, portfolio, held, rows)
    touched = {
        each.instrument.pk for each, done in zip(openings, made, strict=True) if not done.replayed
    }
    repeated = sum(done.replayed for done in made)
    return {
        "created": len(touched - there),
        "updated": len(touched & there),
        "booked": len(made) - repeated,
        "skipped": batch.counts.get(RowVerdict.DUPLICATE, 0) + repeated,
        "warnings": batch.counts.get(RowVerdict.WARNING, 0),
    }


def _tag(
    batch: ImportBatch,
    portfolio: Portfolio,
    instrument_of: Mapping[int, UUID],
    rows: Sequence[ImportRow],
) -> None:
    tagged = [row for row in rows if import_rows.parsed(row).tags]
    if not tagged:
        return
    positions = {each.instrument_id: each for each in Position.objects.filter(portfolio=portfolio)}
    made: dict[tuple[str, str], Any] = {}
    for row in tagged:
        wanted = []
        for kind, name in tags.parse(import_rows.parsed(row).tags):
            key = (kind, name.lower())
            if key not in made:
                made[key] = tags.find_or_make(user=batch.user, kind=kind, name=name)
            wanted.append(made[key])
        tags.assign(position=positions[instrument_of[row.pk]], tags=wanted)


def _value_history(batch: ImportBatch, rows: Sequence[ImportRow], until: date, by: Actor) -> None:
    """Request the snapshots since the oldest entry, by a job."""
    if not rows:
        return
    first = min(import_rows.parsed(row).entry_date for row in rows)
    jobs.request(
        "portfolios.take_snapshots",
        as_of=until,
        portfolio_ids=[batch.portfolio_id],
        inputs={"start": calendar.on_or_before(first).isoformat(), "import": str(batch.pk)},
        requested_by=by.user_id,
        request_id=by.request_id,
    )
