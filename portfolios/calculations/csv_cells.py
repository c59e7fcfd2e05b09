"""Cells of a file as typed values, or what is wrong with them: column, code, sentence, way out."""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from etftrader.core.formats import NEW_YORK
from etftrader.core.money import MAX_AMOUNT, parse_amount
from marketdata.calculations import option_symbols
from marketdata.calculations.option_symbols import OptionSymbol, SymbolProblem

OLD_YEARS = 5
PLACES = 6
SHOWN = 40
MAX_REFERENCE = 64
# signs and rights of the codes people write beside a quantity
TYPES = {
    "LONG": (1, ""),
    "SHORT": (-1, ""),
    "LC": (1, "C"),
    "LP": (1, "P"),
    "SC": (-1, "C"),
    "SP": (-1, "P"),
}

_OPTION = re.compile(r".*[0-9]{6} ?[A-Z] ?[0-9]{8}\Z")
_CURRENCY = re.compile(r"[A-Z]{3}\Z")
_SYMBOL = re.compile(r"[A-Z0-9.\-^=]{1,24}\Z")
_CLASSED = re.compile(r"([A-Z]{1,5})[./\-]([A-Z])\Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?\Z")
_COMMA_NUMBER = re.compile(r"[+-]?[0-9]{1,12},[0-9]{1,8}\Z")


@dataclass(frozen=True, slots=True)
class Message:
    """What is wrong with one cell, and what would be right."""

    field: str
    code: str
    detail: str
    hint: str = ""


@dataclass(slots=True)
class Reading:
    """A row read: what it says, or None with errors; warnings do not stop it.

    What is no row at all, a sum or a remark, says so in `left_out`.
    """

    row: Any = None
    left_out: Message | None = None
    errors: list[Message] = field(default_factory=list)
    warnings: list[Message] = field(default_factory=list)
    currency: str = ""  # of its amounts, where it says so

    def err(self, name: str, code: str, detail: str, hint: str = "") -> None:
        """Add an error of a cell."""
        self.errors.append(Message(name, code, detail, hint))

    def warn(self, name: str, code: str, detail: str, hint: str = "") -> None:
        """Add a warning of a cell."""
        self.warnings.append(Message(name, code, detail, hint))


def spellings(symbol: str) -> tuple[str, ...]:
    """A symbol and the other ways to write its share class: BRK-B, BRK.B and BRK/B are one."""
    classed = _CLASSED.match(symbol)
    if classed is None:
        return (symbol,)
    root, letter = classed.groups()
    return tuple(f"{root}{mark}{letter}" for mark in "-./")


def option_of(symbol: str) -> OptionSymbol | None:
    """The parts of a symbol that was read as an option's; None for anything else."""
    if not _OPTION.match(symbol):
        return None
    try:
        return option_symbols.parse(symbol)
    except SymbolProblem:
        return None


def read_ticker(text: str, reading: Reading) -> str:
    """Read a symbol: an option in its compact form, a share class with a hyphen."""
    symbol = text.upper() if text.isascii() else text
    if not symbol:
        reading.err("ticker", "required", "The ticker is missing.")
    elif _OPTION.match(symbol):
        return _option(text, reading)
    elif _CLASSED.match(symbol):
        return spellings(symbol)[0]
    elif not _SYMBOL.match(symbol):
        reading.err(
            "ticker",
            "invalid_symbol",
            f'"{text[:SHOWN]}" is not a ticker.',
            f"Letters, digits, . - ^ and =, at most 24; an option as {option_symbols.EXAMPLE}.",
        )
    return symbol


def _option(text: str, reading: Reading) -> str:
    try:
        symbol = option_symbols.parse(text)
    except SymbolProblem as problem:
        reading.err("ticker", "invalid_option", f"Option symbol, {problem.field}: {problem.detail}")
        return text
    for warning in symbol.warnings:
        reading.warn("ticker", "adjusted_root", warning)
    return symbol.compact


def read_amount(
    name: str, text: str, decimal_comma: bool, reading: Reading, *, zero: bool = False
) -> Decimal | None:
    """Read a plain number of at most six places; 0 only where it may be."""
    if not text:
        reading.err(name, "required", f"The {name.replace('_', ' ')} is missing.")
        return None
    plain = text.replace(",", ".") if decimal_comma and _COMMA_NUMBER.match(text) else text
    try:
        value = parse_amount(plain)
    except ValueError:
        hint = "Write it like 1234.50, without thousands separators, exponent or currency."
        reading.err(name, "not_a_number", f'"{text[:SHOWN]}" is not a plain number.', hint)
        return None
    exponent = value.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > PLACES:
        reading.err(name, "too_many_decimals", f"At most {PLACES} decimal places.")
        return None
    if not value and not zero:
        reading.err(name, "zero", f"The {name.replace('_', ' ')} is not zero.")
        return None
    return value


def read_price(name: str, text: str, decimal_comma: bool, reading: Reading) -> Decimal | None:
    """Read a number above zero."""
    value = read_amount(name, text, decimal_comma, reading, zero=True)
    if value is not None and value <= 0:
        reading.err(name, "not_positive", "A price is above zero.")
        return None
    return value


def read_date(name: str, text: str, until: date, reading: Reading) -> date | None:
    """Read YYYY-MM-DD, not after the newest session; long ago is a warning."""
    if not text:
        reading.err(name, "required", f"The {name.replace('_', ' ')} is missing.")
        return None
    try:
        found = date.fromisoformat(text) if _DATE.match(text) else None
    except ValueError:
        found = None
    if found is None:
        reading.err(name, "not_a_date", f'"{text[:SHOWN]}" is not a date.', "YYYY-MM-DD")
        return None
    if found > until:
        detail = f"{found} lies after {until}, the newest session that has begun."
        reading.err(name, "future_date", detail, "Bring it in once its session has begun.")
        return None
    if (until - found).days > OLD_YEARS * 365.25:
        reading.warn(name, "old_date", f"{found} is more than {OLD_YEARS} years ago.")
    return found


def read_moment(name: str, text: str, day: date | None, reading: Reading) -> datetime | None:
    """Read when on a day it was: HH:MM or HH:MM:SS in New York, or a whole ISO 8601 time; UTC."""
    if not text:
        return None
    try:
        if _TIME.match(text):
            clock = time.fromisoformat(text)
            local = datetime.combine(day or date.min, clock, tzinfo=NEW_YORK)
        else:
            local = datetime.fromisoformat(text)
            if local.tzinfo is None:
                local = local.replace(tzinfo=NEW_YORK)
        there, found = local.astimezone(NEW_YORK).date(), local.astimezone(UTC)
    except (ValueError, OverflowError):
        hint = "14:30:05 (New York), or 2016-06-22T18:30:05Z"
        reading.err(name, "not_a_time", f'"{text[:SHOWN]}" is not a time.', hint)
        return None
    if day is not None and there != day:
        detail = f"In New York that is {there}, but the row is of {day}."
        reading.err(name, "contradiction", detail, "Correct one of them, or empty the time.")
        return None
    return found


def signed(quantity: Decimal, word: str, ticker: str, reading: Reading) -> Decimal:
    """Give a quantity the sign of its type code; what contradicts it is an error."""
    kind = word.upper()
    if not kind:
        return quantity
    if kind not in TYPES:
        known = ", ".join(TYPES)
        reading.err("position_type", "unknown_type", f'"{word[:20]}" is none of {known}.')
        return quantity
    sign, right = TYPES[kind]
    option = option_of(ticker)
    if (option.right if option else "") != right:
        what = f"a {'call' if option.right == 'C' else 'put'}" if option else "no option"
        detail = f"{kind} and {ticker}: it is {what}."
        hint = f"Write {_code(quantity, option)}."
        reading.err("position_type", "contradiction", detail, hint)
    elif sign > 0 > quantity:
        reading.err(
            "position_type",
            "contradiction",
            "A long position has a positive quantity.",
            "Change the sign or the type.",
        )
    return -abs(quantity) if sign < 0 else quantity


def type_of(quantity: Decimal, ticker: str) -> str:
    """The type code of a holding."""
    return _code(quantity, option_of(ticker))


def _code(quantity: Decimal, option: OptionSymbol | None) -> str:
    if option is None:
        return "LONG" if quantity > 0 else "SHORT"
    return ("L" if quantity > 0 else "S") + option.right


def check_value(value: Decimal, name: str, reading: Reading) -> None:
    """Refuse an amount beyond what can be booked."""
    if abs(value) > MAX_AMOUNT:
        reading.err(name, "too_large", "Quantity times price is too large.")


def read_currency(text: str, reading: Reading) -> str:
    """Read the currency a row says its amounts are in; empty where it says none."""
    code = text.upper()
    if code and not _CURRENCY.match(code):
        reading.err("currency", "unknown_currency", f'"{text[:20]}" is no currency such as USD.')
        return ""
    return code


def read_reference(text: str, reading: Reading) -> str:
    """Read the sender's own number of a row."""
    if len(text) > MAX_REFERENCE:
        reading.err("reference", "too_long", f"At most {MAX_REFERENCE} characters.")
    return text
