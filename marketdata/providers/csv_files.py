"""Long files of bars and yields: plain or gzip, columns by name, read line by line, judged by row.

What a row holds is judged here only as far as it can be read; whether a price is believable is
the price gate's question, as for every other source.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from etftrader.core.errors import BadInput
from etftrader.core.outbound.rules import checked_symbol
from marketdata.choices import PriceBasis
from marketdata.providers.base import BarRow, DividendRow, SplitRow, YieldRow
from marketdata.providers.csv_text import (
    Content,
    Limits,
    Verdict,
    configured,
    refused,
    rows_of,
)
from marketdata.providers.fred import TENORS

NAME = "csv"
REQUIRED = ("date", "close")
PRICES = ("open", "high", "low", "adj_close")
# what exports write where they have nothing
BLANK = {"", ".", "null", "none", "nan", "n/a", "na", "-"}
NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,20})?")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
FIRST_DAY = date(1900, 1, 1)
LAST_DAY = date(2100, 1, 1)


@dataclass(frozen=True, slots=True)
class Line:
    """One usable line of prices, with what was paid or split on its day."""

    line: int
    bar: BarRow
    dividend: DividendRow | None = None
    split: SplitRow | None = None


@dataclass(frozen=True, slots=True)
class YieldLine:
    """One usable line of yields; missing tenors are left out."""

    line: int
    rows: tuple[YieldRow, ...]


@dataclass
class _Seen:
    """Which days a symbol had: a bit for each day, so that long files stay small in memory."""

    days: dict[str, bytearray] = field(default_factory=dict)

    def before(self, symbol: str, day: date) -> bool:
        """Mark a day and tell whether it was marked already."""
        bits = self.days.setdefault(symbol, bytearray((LAST_DAY - FIRST_DAY).days // 8 + 1))
        place, mask = divmod((day - FIRST_DAY).days, 8)
        known = bool(bits[place] & (1 << mask))
        bits[place] |= 1 << mask
        return known


def kind_of(source: Content, limits: Limits | None = None) -> str:
    """Return `bars` or `yields`, by the header. Raises FileRefused."""
    names = _header(rows_of(source, limits or configured()))
    if names.keys() & TENORS.keys():
        return "yields"
    _require(names)
    return "bars"


def bars(
    source: Content,
    *,
    symbol: str | None = None,
    until: date | None = None,
    limits: Limits | None = None,
) -> Iterator[Line | Verdict]:
    """Read a file of prices. `symbol` names all rows of a file that has no such column.

    Raises FileRefused for what ends the reading; bad rows are verdicts between the good ones.
    """
    rows = rows_of(source, limits or configured())
    names = _header(rows)
    _require(names)
    given = None if "symbol" in names else _given(symbol)
    seen = _Seen()
    for number, cells in rows:
        try:
            yield _line(_row(number, names, cells), given, until, seen)
        except _Unusable as unusable:
            yield unusable.verdict


def yields(
    source: Content, *, until: date | None = None, limits: Limits | None = None
) -> Iterator[YieldLine | Verdict]:
    """Read a file of yields: `date` and one column a FRED series, in percent a year.

    Raises FileRefused; bad rows are verdicts between the good ones.
    """
    rows = rows_of(source, limits or configured())
    names = _header(rows)
    series = [name for name in names if name in TENORS]
    if "date" not in names or not series:
        why = "a file of yields has date and one of DGS1MO to DGS30"
        raise refused(1, "date", "missing_column", why, "Name the columns so")
    seen = _Seen()
    for number, cells in rows:
        try:
            yield _yield_line(_row(number, names, cells), series, until, seen)
        except _Unusable as unusable:
            yield unusable.verdict


def _header(rows: Iterator[tuple[int, list[str]]]) -> dict[str, int]:
    """Return the place of each column by its name: small letters, series in capitals."""
    _, cells = next(rows, (1, []))
    if not cells:
        raise refused(1, "file", "empty_file", "the file is empty", "Give it a header line")
    names: dict[str, int] = {}
    for place, cell in enumerate(cells):
        text = cell.strip()
        name = text.upper() if text.upper() in TENORS else "_".join(text.lower().split())
        if name in names:
            why = f"{text[:24]!r} stands there twice"
            raise refused(1, text[:24] or "header", "duplicate_column", why, "Keep one of them")
        names[name] = place
    return names


def _require(names: dict[str, int]) -> None:
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        why = f"the header has no {' and no '.join(missing)}"
        remedy = "Write one line a symbol and day under date, symbol, close"
        raise refused(1, missing[0], "missing_column", why, remedy)


def _given(symbol: str | None) -> str:
    try:
        return checked_symbol(symbol)
    except BadInput as refusal:
        why = "the file has no column symbol and no symbol was given for it"
        remedy = "Give one at import, add the column or name the file after it"
        raise refused(1, "symbol", "missing_symbol", why, remedy) from refusal


def _row(line: int, names: dict[str, int], cells: Sequence[str]) -> "_Row":
    row = _Row(line, names, cells)
    if len(cells) != len(names):
        why = f"{len(cells)} cells stand under {len(names)} columns"
        raise row.unusable("row", "wrong_width", why, "Quote cells that hold the separator")
    return row


class _Unusable(Exception):
    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict


@dataclass(frozen=True, slots=True)
class _Row:
    """One line, its cells found by the names of the header."""

    line: int
    names: dict[str, int]
    cells: Sequence[str]

    def unusable(self, column: str, code: str, why: str, remedy: str) -> _Unusable:
        return _Unusable(Verdict(self.line, column, code, why, remedy))

    def text(self, column: str) -> str:
        place = self.names.get(column)
        return "" if place is None else self.cells[place].strip()

    def day(self, until: date | None) -> date:
        text = self.text("date")
        try:
            day = date.fromisoformat(text) if DATE.fullmatch(text) else None
        except ValueError:
            day = None
        if day is None or not FIRST_DAY <= day < LAST_DAY:
            why = f"{text[:24]!r} is no date"
            raise self.unusable("date", "bad_date", why, "Write it as 2020-03-16")
        if until is not None and day > until:
            why = f"{day} lies after {until}"
            raise self.unusable("date", "future_date", why, "Remove the line or import it later")
        return day

    def number(self, column: str) -> float | None:
        text = self.text(column)
        if text.lower() in BLANK:
            return None
        value = float(text) if NUMBER.fullmatch(text) else math.nan
        if not math.isfinite(value):
            why = f"{text[:24]!r} is no number"
            remedy = "Write digits and a point, without separators or exponent"
            raise self.unusable(column, "bad_number", why, remedy)
        return value

    def whole(self, column: str) -> int | None:
        value = self.number(column)
        if value is None:
            return None
        if value < 0 or value != int(value):
            why = f"{self.text(column)[:24]} is no number of shares"
            raise self.unusable(column, "bad_number", why, "Write a whole number of at least 0")
        return int(value)

    def symbol(self) -> str:
        text = self.text("symbol")
        try:
            return checked_symbol(text)
        except BadInput as refusal:
            raise self.unusable(
                "symbol", "bad_symbol", f"{text[:24]!r} is no symbol", refusal.detail
            ) from refusal


def _yield_line(row: _Row, series: Sequence[str], until: date | None, seen: _Seen) -> YieldLine:
    day = row.day(until)
    told = [(TENORS[name], row.number(name)) for name in series]
    if seen.before("", day):
        raise row.unusable("date", "duplicate", f"{day} came before", "Keep one line a day")
    found = (YieldRow(day, tenor, value, NAME) for tenor, value in told if value is not None)
    return YieldLine(row.line, tuple(found))


def _line(row: _Row, given: str | None, until: date | None, seen: _Seen) -> Line:
    day = row.day(until)
    symbol = given or row.symbol()
    close = row.number("close")
    if close is None:
        raise row.unusable("close", "no_close", "there is no close", "Fill it or remove the line")
    prices = {name: row.number(name) for name in PRICES}
    volume = row.whole("volume")
    dividend, split = row.number("dividend") or 0.0, row.number("split")
    if dividend < 0:
        why = f"{dividend} is less than nothing"
        raise row.unusable("dividend", "bad_number", why, "Write cash for one share, or 0")
    if split is not None and split < 0:
        why = f"{split} is no ratio"
        raise row.unusable("split", "bad_number", why, "Write new shares for one old, or 1")
    if seen.before(symbol, day):
        why = f"{symbol} on {day} came before"
        raise row.unusable("date", "duplicate", why, "Keep one line a symbol and day")
    basis = PriceBasis.INDEX_LEVEL if symbol.startswith("^") else PriceBasis.CLOSE
    bar = BarRow(
        symbol=symbol,
        session_date=day,
        close=close,
        volume=volume,
        source=NAME,
        price_basis=basis.value,
        **prices,
    )
    # exports write 0 or 1 on the days without a split
    divided = split is not None and split not in (0.0, 1.0)
    return Line(
        row.line,
        bar,
        DividendRow(symbol, day, dividend, None, "cash", NAME) if dividend else None,
        SplitRow(symbol, day, float(split or 1), NAME) if divided else None,
    )
