"""Safe CSV, in and out: size, encoding, delimiter, quoting, and the guard against formulas."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from etftrader.core.errors import BadInput, DomainError

MAX_BYTES = 10_000_000
MAX_ROWS = 100_000
MAX_COLUMNS = 50
MAX_CELL = 4_096
DELIMITERS = (",", ";", "\t")
ENCODINGS = ("utf-8", "cp1252")
_BOM = "\ufeff"
# a spreadsheet takes a cell that begins so for a formula; the wide forms are its synonyms
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class TooLarge(DomainError):
    """More bytes, rows or columns than we read."""

    code, status = "too_large", 413


class Unreadable(BadInput):
    """The file is no table we can read; the sentence says where."""

    code = "unreadable_file"


@dataclass(frozen=True, slots=True)
class Line:
    """One record: the line of the file it begins on, and its cells as they stand there."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Every record that is not empty, and how it was read."""

    lines: tuple[Line, ...]
    encoding: str
    delimiter: str


def read(data: bytes, *, encoding: str = "utf-8", delimiter: str = "") -> Table:
    """Read a CSV file.

    Parameters
    ----------
    data : bytes
        The file, at most 10 MB.
    encoding : str
        UTF-8, with or without a byte order mark; cp1252 only because the user chose it.
    delimiter : str
        Comma, semicolon or tab; found out from the first lines when empty.

    Returns
    -------
    Table
        At most 100,000 records of at most 50 cells.

    Raises
    ------
    TooLarge
        Beyond a limit.
    Unreadable
        Wrong encoding, broken quotes, a cell over 4 kB: with the line.
    """
    if len(data) > MAX_BYTES:
        raise TooLarge("A file may have 10 MB.", attr="file")
    text = _decode(data, encoding)
    chosen = delimiter or _delimiter(text)
    if chosen not in DELIMITERS:
        raise Unreadable("Columns are separated by comma, semicolon or tab.", attr="delimiter")
    lines = tuple(_lines(text, chosen))
    if not lines:
        raise Unreadable("The file is empty.", attr="file", code="empty_file")
    return Table(lines, encoding, chosen)


def _decode(data: bytes, encoding: str) -> str:
    if encoding not in ENCODINGS:
        raise Unreadable("Files are read as utf-8 or cp1252.", attr="encoding")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Unreadable(
            "The file is UTF-16. Save it as CSV UTF-8.", attr="file", code="wrong_encoding"
        )
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        hint = " If it was saved in Western European, choose cp1252." if encoding == "utf-8" else ""
        raise Unreadable(
            f"Line {line} is not {encoding} text.{hint}",
            attr="file",
            code="wrong_encoding",
            line=line,
        ) from error
    if "\x00" in text:
        line = text.count("\n", 0, text.index("\x00")) + 1
        raise Unreadable(f"Line {line} holds a zero byte.", attr="file", line=line)
    return text.removeprefix(_BOM)


def _delimiter(text: str) -> str:
    """The separator that stands most often outside quotes in the first lines."""
    head = text[:20_000].splitlines()[:20]
    outside = ["".join(line.split('"')[::2]) for line in head]
    counts = {each: max((line.count(each) for line in outside), default=0) for each in DELIMITERS}
    best = max(DELIMITERS, key=lambda each: counts[each])
    return best if counts[best] else ","


def _lines(text: str, delimiter: str) -> Iterable[Line]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    count, start = 0, 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise Unreadable(
                f"The record that begins on line {start} cannot be read: {error}.",
                attr="file",
                line=start,
            ) from error
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            count += 1
            _check(start, count, cells)
            yield Line(start, tuple(cells))
        start = reader.line_num + 1


def _check(line: int, count: int, cells: Sequence[str]) -> None:
    # one more than the limit, for the header
    if count > MAX_ROWS + 1:
        raise TooLarge(f"A file may have {MAX_ROWS:,} rows.", attr="file")
    if len(cells) > MAX_COLUMNS:
        told = f"Line {line} has {len(cells)} columns; {MAX_COLUMNS} are read."
        raise TooLarge(told, attr="file")
    for place, cell in enumerate(cells, start=1):
        if len(cell) > MAX_CELL:
            raise Unreadable(
                f"Line {line}, column {place}: the cell is longer than {MAX_CELL} characters.",
                attr="file",
                line=line,
            )


def guard(text: str) -> str:
    """Put an apostrophe before text a spreadsheet would run as a formula.

    Text that begins with apostrophes before such a sign gets one too: `unguard` gives back every
    text as it was.
    """
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def unguard(text: str) -> str:
    """Take back the apostrophe `guard` put there."""
    return text[1:] if text.startswith("'") and guard(text[1:]) == text else text


def write(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Write a CSV file by RFC 4180, UTF-8.

    Parameters
    ----------
    header : sequence of str
        Column names.
    rows : iterable of sequences
        Text is guarded against formulas; numbers are typed and stay as they are; None is empty.

    Returns
    -------
    bytes
        With CRLF line ends.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([guard(name) for name in header])
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return out.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return guard(str(value))
