"""Files people bring: read, every row checked and kept with its verdict, nothing booked yet."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from etftrader.core import audit, clock, tables
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, DomainError, NotFound
from etftrader.core.formats import NEW_YORK
from etftrader.core.money import parse_amount
from marketdata.selectors.sessions import Moment
from portfolios.calculations import csv_layout
from portfolios.calculations.csv_layout import SHAPES, Layout
from portfolios.choices import ImportStatus, RowVerdict
from portfolios.models import ImportAlias, ImportBatch, ImportMapping, ImportRow, User
from portfolios.services import import_rows, import_store, locking
from portfolios.services.import_rows import BOOKABLE, RUNNING, Judge
from portfolios.services.import_store import Draft

FILES_A_DAY = 20
HEAD = 8_192  # bytes in which a header is recognised
SHARED = (
    "Prices are shared by everybody. An operator brings them in under Data, Files, or by "
    "POST /api/v1/data/import; they pass the same checks as every other source."
)
BATCH = 1_000
TEMPLATES: Mapping[str, tuple[tuple[str, ...], Sequence[Sequence[Any]]]] = {
    csv_layout.POSITIONS: (
        ("ticker", "quantity", "entry_price", "entry_date", "tags"),
        (
            ("SPY", 186, "211.89", "2015-06-22", "Core Holdings"),
            ("NFLX", -3200, "96.4143", "2015-06-22", "Short Value Traps"),
            (
                "SPY160819C00212000",
                60,
                "4.22",
                "2016-06-21",
                "Options Overlay,#strategy:spy_overlay",
            ),
        ),
    ),
    csv_layout.TRADES: (
        ("ticker", "side", "quantity", "price", "trade_date", "fee", "reference"),
        (("SPY", "BUY", 10, "208.10", "2016-06-22", "1.00", "A-1"),),
    ),
    csv_layout.CASH: (
        ("date", "type", "amount", "reason"),
        (
            ("2016-06-22", "deposit", "10000.00", "First deposit"),
            ("2016-06-22", "fee", "4.50", "Account fee"),
        ),
    ),
}


class TooManyFiles(DomainError):
    """A person checks so many files a day."""

    code, status = "too_many_files", 429


class PricesAreShared(DomainError):
    """Prices belong to everybody: operators bring them in, by another door."""

    code, status = "prices_are_shared", 403


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file as a table with a header, before any row of it is judged."""

    table: tables.Table
    layout: Layout
    comma: bool  # decimal comma
    digest: str
    kind: str
    remembered: bool = False  # the mapping is what the person chose before

    @property
    def head(self) -> tables.Line:
        """The header."""
        return self.table.lines[self.layout.head]

    @property
    def body(self) -> Sequence[tables.Line]:
        """The lines below the header."""
        return self.table.lines[self.layout.head + 1 :]

    def dialect(self) -> dict[str, Any]:
        """How the file was read, as the batch keeps it."""
        return {
            "encoding": self.table.encoding,
            "delimiter": self.table.delimiter,
            "header_line": self.head.number,
            "header": [cell.strip() for cell in self.head.cells],
            "columns": dict(self.layout.columns),
            "decimal_comma": self.comma,
            "remembered": self.remembered,
        }


def read(
    *,
    data: bytes,
    user: User,
    kind: str = csv_layout.POSITIONS,
    encoding: str = "utf-8",
    delimiter: str = "",
    columns: Mapping[str, int | str] | None = None,
    loose: bool = False,
) -> ReadFile:
    """Read a person's file, which takes long: no transaction need be open for it.

    Parameters
    ----------
    data : bytes
    kind : str
        positions, trades or cash.
    columns : mapping, optional
        Field to column, by name or place; found out, or as chosen before, when empty.
    loose : bool
        Take a file whose columns are to be mapped yet, if it has enough of them.

    Raises
    ------
    BadInput
        It is no table, or lacks a column.
    TooLarge, TooManyFiles
        Beyond a limit.
    PricesAreShared
        For prices.
    """
    check_kind(kind)
    _check_day(user)
    table = tables.read(data, encoding=encoding or "utf-8", delimiter=delimiter)
    cells = [line.cells for line in table.lines[: csv_layout.HEADER_WITHIN]]
    kept = {} if columns else remembered(user, kind)
    layout = csv_layout.find(cells, kind, aliases(kind), kept_columns(kept))
    header = cells[layout.head]
    if columns:
        layout = Layout(layout.head, csv_layout.mapped(columns, header, kind))
    enough = len(header) >= len(SHAPES[kind].required)
    if not (loose and enough):
        csv_layout.refuse_missing(layout, kind, header)
    mine = kept.get(csv_layout.print_of(header))
    below = [line.cells for line in table.lines[layout.head + 1 :]]
    comma = csv_layout.has_decimal_comma(below, layout.columns, kind)
    if mine is not None and mine.decimal_comma is not None:
        comma = mine.decimal_comma
    digest = hashlib.sha256(data).hexdigest()
    return ReadFile(table, layout, comma, digest, kind, mine is not None)


def running(moment: Moment) -> datetime | None:
    """How far the session that runs has come; None between sessions."""
    begun = moment.playing == moment.as_of.astimezone(NEW_YORK).date()
    return moment.as_of if begun else None


def holds_prices(data: bytes, encoding: str = "utf-8") -> bool:
    """Whether a file brings prices or yields, which go to another door."""
    head = data[:HEAD].decode(encoding or "utf-8", errors="replace").lstrip("\ufeff")
    lines = [re.split("[,;\t]", line) for line in head.splitlines()]
    return csv_layout.holds_prices(lines)


def check_kind(kind: str) -> None:
    """Raise BadInput for an unknown kind, and PricesAreShared."""
    if kind == csv_layout.PRICES:
        raise PricesAreShared(SHARED)
    if kind not in SHAPES:
        raise BadInput(f"A file holds {', '.join(SHAPES)}.", attr="kind", code="unknown_kind")


def aliases(kind: str) -> dict[str, str]:
    """Spellings of a kind's fields, as the house keeps them."""
    return dict(ImportAlias.objects.filter(kind=kind).values_list("alias", "field"))


def remembered(user: User, kind: str) -> dict[str, ImportMapping]:
    """A person's mappings by the header they are for."""
    return {each.header_hash: each for each in ImportMapping.objects.filter(user=user, kind=kind)}


def kept_columns(kept: Mapping[str, ImportMapping]) -> dict[str, Mapping[str, int]]:
    """Columns of mappings by header."""
    return {key: each.columns for key, each in kept.items()}


@transaction.atomic
def check(
    *,
    portfolio_id: UUID,
    user: User,
    file_name: str,
    file: ReadFile,
    session_date: date,
    running: datetime | None = None,
) -> ImportBatch:
    """Keep every row of a file with its verdict; nothing is booked.

    Parameters
    ----------
    session_date : date
        The last session whose close is known.
    running : datetime, optional
        How far the session after it has come: its rows up to then can be booked.

    Raises
    ------
    TooManyFiles
    """
    _check_day(user)
    batch = ImportBatch.objects.create(
        portfolio_id=portfolio_id,
        user=user,
        kind=file.kind,
        file_name=file_name[:200],
        file_hash=file.digest,
        session_date=session_date,
        dialect=file.dialect() | ({RUNNING: running.isoformat()} if running else {}),
    )
    judge, found = Judge(batch, user), Counter[str]()
    for start in range(0, len(file.body), BATCH):
        lines = file.body[start : start + BATCH]
        rows = [Draft(line.number, line.cells) for line in lines]
        judge.judge(rows)
        import_store.keep(batch.pk, rows)
        found.update(str(row.verdict) for row in rows)
    _conclude(batch, judge, found)
    batch.save(update_fields=["counts", "totals"])
    return batch


def rejudge(batch: ImportBatch) -> None:
    """Give every row of a checked file its verdict anew; the caller holds the lock and saves.

    Only rows that have become others are written.
    """
    judge, found = Judge(batch, batch.user), Counter[str]()
    for rows in _chunks(batch):
        before = [(row.verdict, row.parsed, row.fingerprint, row.messages) for row in rows]
        judge.judge(rows)
        changed = [
            row
            for row, old in zip(rows, before, strict=True)
            if (row.verdict, row.parsed, row.fingerprint, row.messages) != old
        ]
        for row in changed:
            row.version += 1
        ImportRow.objects.bulk_update(changed, _JUDGED, batch_size=200)
        found.update(str(row.verdict) for row in rows)
    _conclude(batch, judge, found)


_JUDGED = ["verdict", "parsed", "fingerprint", "messages", "version"]


def _chunks(batch: ImportBatch) -> Iterator[list[ImportRow]]:
    last = 0
    while rows := list(batch.rows.filter(ordinal__gt=last).order_by("ordinal")[:BATCH]):
        yield rows
        last = rows[-1].ordinal


def _conclude(batch: ImportBatch, judge: Judge, found: Counter[str]) -> None:
    """Refuse what cash and holdings do not cover, then count."""
    refused = judge.walk()
    lines = sorted(refused)
    for start in range(0, len(lines), BATCH):
        rows = list(batch.rows.filter(ordinal__in=lines[start : start + BATCH]))
        for row in rows:
            found[str(row.verdict)] -= 1
            found[RowVerdict.ERROR.value] += 1
            import_rows.refuse(row, refused[row.ordinal])
        ImportRow.objects.bulk_update(rows, ["verdict", "parsed", "messages"], batch_size=200)
    counts = {each.value: found.get(each.value, 0) for each in RowVerdict}
    batch.counts = counts | {"total": sum(counts.values())}
    batch.totals = judge.totals()


def bookable(batch: ImportBatch) -> int:
    """How many rows can be booked."""
    return sum(batch.counts.get(each, 0) for each in BOOKABLE)


def locked(batch_id: UUID) -> ImportBatch:
    """An import with its portfolio locked, as it stands now. Raises NotFound."""
    batch = ImportBatch.objects.select_related("user").filter(pk=batch_id).first()
    if batch is None:
        raise NotFound("There is no such import.")
    [portfolio] = locking.lock_portfolios(batch.portfolio_id)
    batch.refresh_from_db()
    batch.portfolio = portfolio
    return batch


@transaction.atomic
def discard(*, batch_id: UUID, by: Actor) -> ImportBatch:
    """Put a checked file away; nothing of it was booked. Doing it twice changes nothing."""
    batch = locked(batch_id)
    if batch.status == ImportStatus.DISCARDED:
        return batch
    if batch.status != ImportStatus.CHECKED:
        raise Conflict(f"The import is {batch.status}; what it booked can be undone for a day.")
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
        for name, text in row.fixed.items():
            if name in batch.dialect["columns"]:
                cells[batch.dialect["columns"][name]] = text
        fields = "; ".join(each["field"] for each in row.messages)
        details = " ".join(each["detail"] for each in row.messages)
        rows.append([*(_typed(cell) for cell in cells), fields, details])
    return tables.write(header, rows)


def _typed(cell: str) -> Any:
    """A plain negative number is a number, not a formula."""
    try:
        return parse_amount(cell)
    except ValueError:
        return cell


def template(kind: str) -> bytes:
    """A small file of the right form. Raises BadInput for an unknown kind."""
    check_kind(kind)
    header, rows = TEMPLATES[kind]
    return tables.write(header, rows)


def _check_day(user: User) -> None:
    since = clock.now() - timedelta(days=1)
    if ImportBatch.objects.filter(user=user, created_at__gt=since).count() >= FILES_A_DAY:
        raise TooManyFiles(f"{FILES_A_DAY} files a day are checked; try again tomorrow.")
