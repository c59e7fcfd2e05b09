"""A row of a positions file as typed values, or its errors: column, what is wrong, the fix."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from etftrader.core.errors import BadInput
from etftrader.core.money import MAX_AMOUNT, parse_amount
from etftrader.core.tables import unguard

REQUIRED = ("ticker", "quantity", "entry_price", "entry_date")
OPTIONAL = ("tags", "currency", "account", "fee", "cash", "position_type")
ALIASES = {
    "symbol": "ticker",
    "qty": "quantity",
    "shares": "quantity",
    "price": "entry_price",
    "cost": "entry_price",
    "trade date": "entry_date",
    "date": "entry_date",
    "strategy": "tags",
    "type": "position_type",
}
HEADER_WITHIN = 20  # lines in which a header is looked for
OLD_YEARS = 5
PLACES = 6
SHORT_WORDS, LONG_WORDS = ("SHORT",), ("LONG",)
OPTION_WORDS = ("LC", "LP", "SC", "SP")

_OCC = re.compile(r"[A-Z.]{1,6} *[0-9]{6}[CP][0-9]{8}\Z")
_SYMBOL = re.compile(r"[A-Z0-9.\-^=]{1,24}\Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_COMMA_NUMBER = re.compile(r"[+-]?[0-9]{1,12},[0-9]{1,8}\Z")
_POINT_NUMBER = re.compile(r"[+-]?[0-9]{1,12}\.[0-9]{1,8}\Z")


@dataclass(frozen=True, slots=True)
class Message:
    """What is wrong with one cell, and what would be right."""

    field: str
    code: str
    detail: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class PositionRow:
    """One holding as the file says it; `quantity` signed."""

    ticker: str
    quantity: Decimal
    entry_price: Decimal
    entry_date: date
    tags: str = ""

    @property
    def fingerprint(self) -> str:
        """The same holding has the same text, whatever the file."""
        parts = (
            self.ticker,
            format(self.quantity.normalize(), "f"),
            format(self.entry_price.normalize(), "f"),
            self.entry_date.isoformat(),
        )
        return hashlib.sha256("|".join(parts).encode()).hexdigest()


@dataclass(slots=True)
class Reading:
    """A row read: the holding, or None with errors; warnings do not stop it."""

    row: PositionRow | None = None
    errors: list[Message] = field(default_factory=list)
    warnings: list[Message] = field(default_factory=list)


def find_header(lines: Sequence[Sequence[str]]) -> tuple[int, dict[str, int]]:
    """Find the header among the first lines, and the column of each field.

    Parameters
    ----------
    lines : sequence of sequences of str
        Cells of the file's first records.

    Returns
    -------
    int, dict
        The header's index, and field name to column.

    Raises
    ------
    BadInput
        A required column is missing (it is named), or a field stands there twice.
    """
    best: tuple[int, dict[str, int]] | None = None
    for index, cells in enumerate(lines[:HEADER_WITHIN]):
        columns = _columns(cells)
        if best is None or len(_required(columns)) > len(_required(best[1])):
            best = index, columns
    index, columns = best or (0, {})
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise BadInput(
            f"The file has no column {', '.join(missing)}.",
            attr="file",
            code="missing_columns",
            missing=missing,
            hint=f"The first line should read {','.join(REQUIRED)}.",
        )
    names = [_field(cell) for cell in lines[index]]
    twice = sorted({name for name in names if name in REQUIRED and names.count(name) > 1})
    if twice:
        raise BadInput(
            f"The column {twice[0]} stands there twice.", attr="file", code="duplicate_column"
        )
    return index, columns


def _required(columns: Mapping[str, int]) -> set[str]:
    return columns.keys() & set(REQUIRED)


def _columns(cells: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for place, cell in enumerate(cells):
        name = _field(cell)
        if name in REQUIRED + OPTIONAL:
            found.setdefault(name, place)
    return found


def _field(cell: str) -> str:
    name = " ".join(cell.strip().strip("'").lower().replace("_", " ").split())
    name = ALIASES.get(name, name)
    return name.replace(" ", "_")


def has_decimal_comma(lines: Sequence[Sequence[str]], columns: Mapping[str, int]) -> bool:
    """Whether amounts are written 12,50: some are, and none is written 12.50."""
    places = [columns["quantity"], columns["entry_price"]]
    cells = [line[place].strip() for line in lines for place in places if place < len(line)]
    if any(_POINT_NUMBER.match(cell) for cell in cells):
        return False
    return any(_COMMA_NUMBER.match(cell) for cell in cells)


def read_row(cells: Mapping[str, str], *, until: date, decimal_comma: bool = False) -> Reading:
    """Read one row.

    Parameters
    ----------
    cells : mapping of field name to str
        As they stand in the file; absent fields are empty.
    until : date
        The market clock's session: an entry after it lies in the future.
    decimal_comma : bool
        Amounts are written 12,50.

    Returns
    -------
    Reading
        Every error of the row, not only the first.
    """
    reading = Reading()
    given = {name: unguard(text).strip() for name, text in cells.items()}
    for name, text in given.items():
        if any(unicodedata.category(letter) == "Cc" for letter in text):
            reading.errors.append(
                Message(name, "control_character", "The cell holds a control character.")
            )
            given[name] = ""
    if reading.errors:
        return reading
    ticker = _ticker(given.get("ticker", ""), reading)
    quantity = _amount("quantity", given.get("quantity", ""), decimal_comma, reading)
    price = _amount("entry_price", given.get("entry_price", ""), decimal_comma, reading)
    entered = _date(given.get("entry_date", ""), until, reading)
    if quantity is not None:
        quantity = _signed(quantity, given.get("position_type", ""), reading)
    if price is not None and price <= 0:
        _err(reading, "entry_price", "not_positive", "A price is above zero.")
    if quantity is not None and price is not None and abs(quantity * price) > MAX_AMOUNT:
        _err(reading, "quantity", "too_large", "Quantity times price is too large.")
    _others(given, reading)
    if reading.errors:
        return reading
    assert ticker
    assert quantity is not None
    assert price is not None
    assert entered is not None
    reading.row = PositionRow(ticker, quantity, price, entered, given.get("tags", ""))
    return reading


def _err(reading: Reading, name: str, code: str, detail: str, hint: str = "") -> None:
    reading.errors.append(Message(name, code, detail, hint))


def _ticker(text: str, reading: Reading) -> str:
    symbol = text.upper()
    if not symbol:
        _err(reading, "ticker", "required", "The ticker is missing.")
    elif _OCC.match(symbol):
        _err(reading, "ticker", "unsupported_kind", "Options are not supported yet.")
    elif not _SYMBOL.match(symbol):
        _err(
            reading,
            "ticker",
            "invalid_symbol",
            f'"{text[:40]}" is not a ticker.',
            "Letters, digits, . - ^ and =, at most 24.",
        )
    return symbol


def _amount(name: str, text: str, decimal_comma: bool, reading: Reading) -> Decimal | None:
    if not text:
        _err(reading, name, "required", f"The {name.replace('_', ' ')} is missing.")
        return None
    plain = text.replace(",", ".") if decimal_comma and _COMMA_NUMBER.match(text) else text
    try:
        value = parse_amount(plain)
    except ValueError:
        hint = "Write it like 1234.50, without thousands separators, exponent or currency."
        _err(reading, name, "not_a_number", f'"{text[:40]}" is not a plain number.', hint)
        return None
    exponent = value.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > PLACES:
        _err(reading, name, "too_many_decimals", f"At most {PLACES} decimal places.")
        return None
    if abs(value) > MAX_AMOUNT:
        _err(reading, name, "too_large", "The number is too large.")
        return None
    if name == "quantity" and not value:
        _err(reading, name, "zero", "A quantity is not zero.")
        return None
    return value


def _date(text: str, until: date, reading: Reading) -> date | None:
    if not text:
        _err(reading, "entry_date", "required", "The entry date is missing.")
        return None
    try:
        found = date.fromisoformat(text) if _DATE.match(text) else None
    except ValueError:
        found = None
    if found is None:
        _err(reading, "entry_date", "not_a_date", f'"{text[:40]}" is not a date.', "YYYY-MM-DD")
        return None
    if found > until:
        _err(
            reading,
            "entry_date",
            "future_date",
            f"{found} lies after {until}, the last session whose close is known.",
        )
        return None
    if (until - found).days > OLD_YEARS * 365.25:
        reading.warnings.append(
            Message("entry_date", "old_date", f"{found} is more than {OLD_YEARS} years ago.")
        )
    return found


def _signed(quantity: Decimal, word: str, reading: Reading) -> Decimal:
    kind = word.upper()
    if kind in OPTION_WORDS:
        _err(reading, "position_type", "unsupported_kind", "Options are not supported yet.")
    elif kind in SHORT_WORDS:
        return -abs(quantity)
    elif kind in LONG_WORDS and quantity < 0:
        _err(
            reading,
            "position_type",
            "contradiction",
            "A long position has a positive quantity.",
            "Change the sign or the type.",
        )
    elif kind and kind not in LONG_WORDS:
        _err(reading, "position_type", "unknown_type", f'"{word[:20]}" is not LONG or SHORT.')
    return quantity


def _others(given: Mapping[str, str], reading: Reading) -> None:
    currency = given.get("currency", "")
    if currency and currency.upper() != "USD":
        _err(reading, "currency", "unsupported_currency", "Books are kept in USD.")
    for name in ("fee", "cash"):
        text = given.get(name, "")
        if text and text.strip("0.,"):
            reading.warnings.append(
                Message(name, "ignored", "A holding brought in at cost moves no cash.")
            )
