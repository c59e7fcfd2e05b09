"""A checked file mended in place: a cell, what becomes of a duplicate, the columns, a symbol.

Every edit judges the whole file anew: a mended row may make another one a duplicate.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from etftrader.core.errors import BadInput, Conflict, NotFound, VersionMismatch
from etftrader.core.tables import MAX_CELL
from portfolios.calculations import csv_cells, csv_layout
from portfolios.calculations.csv_cells import Reading
from portfolios.calculations.csv_layout import SHAPES
from portfolios.choices import Duplicates, ImportStatus
from portfolios.models import ImportBatch, ImportMapping, ImportRow
from portfolios.services import csv_import

MAX_RENAMED = 500
_KEPT = ("counts", "totals", "dialect", "duplicates", "version", "updated_at")


@transaction.atomic
def fix(
    *,
    batch_id: UUID,
    ordinal: int,
    cells: Mapping[str, str] | None = None,
    decision: str | None = None,
    everywhere: bool = False,
    if_match_version: int | None = None,
) -> ImportRow:
    """Write other text into cells of a row, or say what becomes of it as a duplicate.

    Parameters
    ----------
    ordinal : int
        The line of the file on which the row begins.
    cells : mapping of field to text
        Instead of what stands in the file, which stays in `raw`.
    decision : str
        skip, import or merge; empty as the file's.
    everywhere : bool
        Rows with the same ticker mean the new one too.
    if_match_version : int
        Of the row, as it was read; None asks for no match.

    Raises
    ------
    NotFound, VersionMismatch, BadInput
    Conflict
        The file is no longer only checked.
    """
    batch, row = open_row(batch_id, ordinal)
    if if_match_version is not None and row.version != if_match_version:
        raise VersionMismatch("It was changed since you read it.", version=row.version)
    if cells:
        _check_cells(cells, batch.kind)
        if everywhere and "ticker" in cells:
            _rename(batch, row, cells["ticker"])
        row.fixed = row.fixed | dict(cells)
    if decision is not None:
        row.decision = _decided(decision) if decision else ""
    row.version += 1
    row.save(update_fields=["fixed", "decision", "version"])
    judge_again(batch)
    return ImportRow.objects.select_related("batch").get(pk=row.pk)


@transaction.atomic
def choose(*, batch_id: UUID, duplicates: str, if_match_version: int | None = None) -> ImportBatch:
    """Say what becomes of rows with the ticker and date of another, where they do not say it.

    Rows that were booked before are booked again only one by one. Raises as `fix`.
    """
    batch = open_file(batch_id, if_match_version)
    batch.duplicates = _decided(duplicates)
    return judge_again(batch)


@transaction.atomic
def remap(
    *,
    batch_id: UUID,
    columns: Mapping[str, int | str],
    decimal_comma: bool | None = None,
    symbols: Mapping[str, str] | None = None,
    if_match_version: int | None = None,
) -> ImportBatch:
    """Say which column is which field; remembered for the person's next file with this header.

    `symbols` names the instrument that is meant by a ticker of the file. Raises as `fix`.
    """
    batch = open_file(batch_id, if_match_version)
    said = batch.dialect
    found = csv_layout.mapped(columns, said["header"], batch.kind)
    comma = said["decimal_comma"] if decimal_comma is None else decimal_comma
    if decimal_comma is None and found != said["columns"]:
        lines = [row.raw for row in batch.rows.only("raw").iterator(csv_import.BATCH)]
        comma = csv_layout.has_decimal_comma(lines, found, batch.kind)
    renamed = said.get("symbols", {})
    if symbols is not None:
        renamed = {_symbol(old): _symbol(new) for old, new in symbols.items()}
    if len(renamed) > MAX_RENAMED:
        raise BadInput(f"At most {MAX_RENAMED} symbols are renamed.", attr="symbols")
    told: dict[str, Any] = {"columns": found, "decimal_comma": comma, "symbols": renamed}
    batch.dialect = said | told
    ImportMapping.objects.update_or_create(
        user=batch.user,
        kind=batch.kind,
        header_hash=csv_layout.print_of(said["header"]),
        defaults={"columns": found, "decimal_comma": decimal_comma},
    )
    return judge_again(batch)


def open_row(batch_id: UUID, ordinal: int) -> tuple[ImportBatch, ImportRow]:
    """A file that can be changed, locked, and a row of it. Raises NotFound, Conflict."""
    batch = open_file(batch_id)
    row = batch.rows.filter(ordinal=ordinal).first()
    if row is None:
        raise NotFound("There is no such row.")
    return batch, row


def open_file(batch_id: UUID, version: int | None = None) -> ImportBatch:
    """A file that can be changed, locked. Raises NotFound, VersionMismatch, Conflict."""
    batch = csv_import.locked(batch_id)
    if version is not None and batch.version != version:
        raise VersionMismatch("It was changed since you read it.", version=batch.version)
    if batch.status != ImportStatus.CHECKED:
        raise Conflict(
            f"The import is {batch.status}; only a checked one can be changed.",
            code=f"import_{batch.status}",
        )
    return batch


def judge_again(batch: ImportBatch) -> ImportBatch:
    """Give its rows their verdicts anew, and keep what was changed on it."""
    csv_import.rejudge(batch)
    batch.version += 1
    batch.save(update_fields=_KEPT)
    return batch


def _check_cells(cells: Mapping[str, str], kind: str) -> None:
    fields = SHAPES[kind].fields
    for name, text in cells.items():
        if name not in fields:
            raise BadInput(f"{name[:40]} is no field of {kind}: {', '.join(fields)}.", attr=name)
        if len(text) > MAX_CELL:
            raise BadInput(f"A cell has at most {MAX_CELL} characters.", attr=name)


def _decided(text: str) -> str:
    if text not in Duplicates.values:
        raise BadInput(f"A duplicate is one of {', '.join(Duplicates.values)}.", attr="duplicates")
    return text


def _rename(batch: ImportBatch, row: ImportRow, meant: str) -> None:
    place = batch.dialect["columns"].get("ticker")
    stood = row.raw[place] if place is not None and place < len(row.raw) else ""
    stood = row.fixed.get("ticker", stood)
    renamed = {**batch.dialect.get("symbols", {}), _symbol(stood): _symbol(meant)}
    if len(renamed) > MAX_RENAMED:
        raise BadInput(f"At most {MAX_RENAMED} symbols are renamed.", attr="ticker")
    batch.dialect = batch.dialect | {"symbols": renamed}


def _symbol(text: str) -> str:
    reading = Reading()
    symbol = csv_cells.read_ticker(text.strip(), reading)
    if reading.errors:
        raise BadInput(reading.errors[0].detail, attr="ticker", code=reading.errors[0].code)
    return symbol
