"""Documents as CSV, XLSX and JSON: the same blocks, every number typed."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from etftrader.core import tables, workbooks
from etftrader.reports.document import Block, Chart, Document, Figures, Grid, Table

Rows = list[Sequence[Any]]


def as_csv(document: Document) -> bytes:
    """One file: a block's title, its head, its rows, and an empty line."""
    parts = [_line([document.title]), _line([document.portfolio, *document.facts]), b"\r\n"]
    for each in document.blocks:
        head, rows = table_of(each)
        parts += [_line([each.title]), tables.write(head, rows), b"\r\n"]
    parts += [_line([note]) for note in document.notes]
    return b"".join(parts)


def as_xlsx(document: Document) -> bytes:
    """One sheet a block, the first says what the document is."""
    first: Rows = [[document.portfolio], *([fact] for fact in document.facts)]
    first += [[note] for note in document.notes]
    sheets = [("About", [document.title], first)]
    for number, each in enumerate(document.blocks, start=1):
        head, rows = table_of(each)
        sheets.append((f"{number} {each.title}", head, rows))
    return workbooks.write_many(sheets)


def as_json(document: Document) -> bytes:
    """The whole document; money as text, so that no place is lost."""
    body = asdict(document)
    body["blocks"] = [
        {"type": type(each).__name__.lower(), **asdict(each)} for each in document.blocks
    ]
    return json.dumps(body, default=_plain, ensure_ascii=False, indent=1).encode()


def table_of(block: Block) -> tuple[list[str], Rows]:
    """A block as a table: head and rows."""
    if isinstance(block, Figures):
        rows: Rows = [(each.label, each.value, each.note) for each in block.items]
        return ["Figure", "Value", "Note"], rows
    if isinstance(block, Table):
        total = [block.total] if block.total is not None else []
        return [each.name for each in block.columns], [*block.rows, *total]
    if isinstance(block, Grid):
        return ["Year", *block.columns], [(name, *cells) for name, cells in block.rows]
    return _chart(block)


def _chart(block: Chart) -> tuple[list[str], Rows]:
    values = zip(*(line.values for line in block.lines), strict=True)
    rows: Rows = [(day, *each) for day, each in zip(block.days, values, strict=True)]
    return ["Session", *(line.name for line in block.lines)], rows


def _line(cells: Sequence[str]) -> bytes:
    return tables.write(cells, ())


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in a document")
