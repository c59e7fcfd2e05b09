"""Tables as XLSX: one sheet, typed numbers, text that no spreadsheet runs."""

import io
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from etftrader.core.tables import guard

TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_LONGEST = 32_767  # characters a cell of the format holds
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


Sheet = tuple[str, Sequence[str], Iterable[Sequence[Any]]]  # title, head, rows


def write(header: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "Table") -> bytes:
    """Write a workbook with one sheet, row by row.

    Parameters
    ----------
    header : sequence of str
        Column names; the row stays in view.
    rows : iterable of sequences
        Numbers and dates are typed; text is guarded against formulas; None is empty.
    title : str
        Of the sheet.

    Returns
    -------
    bytes
        The file.
    """
    return write_many([(title, header, rows)])


def write_many(sheets: Iterable[Sheet]) -> bytes:
    """Write a workbook of several sheets; titles that are alike are numbered."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)
    for title, header, rows in sheets:
        sheet = book.create_sheet(_title(title))
        sheet.freeze_panes = "A2"

        def cell(value: Any, sheet: Any = sheet) -> Any:
            if not isinstance(value, str):
                return value
            made = WriteOnlyCell(sheet, _text(value))
            made.data_type = "s"  # a text that looks like a formula is a text
            return made

        sheet.append([cell(str(name)) for name in header])
        for row in rows:
            sheet.append([cell(_plain(value)) for value in row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | Decimal):
        return value
    if isinstance(value, datetime):
        return value.isoformat()  # the format knows no time zones
    return value if isinstance(value, date) else str(value)


def _text(value: str) -> str:
    return guard(_UNWRITABLE.sub("\ufffd", value))[:_LONGEST]


def _title(text: str) -> str:
    return re.sub(r"[\[\]:*?/\\]", " ", text)[:31] or "Table"
