"""A row of a file as typed values, or its errors: a holding, a trade, or cash."""

import hashlib
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from etftrader.core.money import CENT, MAX_AMOUNT, plain, to_money
from etftrader.core.tables import unguard
from portfolios.calculations import csv_cells, csv_layout
from portfolios.calculations.csv_cells import Message, Reading

CONTRACT = Decimal(100)  # shares of a listed option; an adjusted one may differ
HALF_PLACE = Decimal("0.0000005")  # what a price of six places may be off by
SIDES = {
    "BUY": 1,
    "B": 1,
    "BOUGHT": 1,
    "COVER": 1,
    "SELL": -1,
    "S": -1,
    "SOLD": -1,
    "SHORT": -1,
}
DEPOSIT, WITHDRAWAL, FEE = "deposit", "withdrawal", "fee"
DIVIDEND, INTEREST = "dividend", "interest"
# signs of what changes the cash; a short pays dividends
CASH_TYPES = {DEPOSIT: 1, WITHDRAWAL: -1, FEE: -1, DIVIDEND: 0, INTEREST: 1}


@dataclass(frozen=True, slots=True)
class PositionRow:
    """One holding as the file says it; `quantity` signed, the cost exact where it is given."""

    ticker: str
    quantity: Decimal
    entry_price: Decimal
    entry_date: date
    tags: str = ""
    cost_basis: Decimal | None = None

    @property
    def day(self) -> date:
        """Its date."""
        return self.entry_date

    @property
    def fingerprint(self) -> str:
        """The same holding has the same text, whatever the file."""
        return _print(self.ticker, self.quantity, self.entry_price, self.entry_date)

    def said(self) -> dict[str, Any]:
        """As it is kept and told."""
        told: dict[str, Any] = {
            "ticker": self.ticker,
            "quantity": plain(self.quantity),
            "entry_price": plain(self.entry_price),
            "entry_date": self.entry_date.isoformat(),
            "tags": self.tags,
        }
        return told | ({"cost_basis": plain(self.cost_basis)} if self.cost_basis else {})


@dataclass(frozen=True, slots=True)
class TradeRow:
    """One fill; `quantity` signed, `fee` not negative.

    `taken_back` says that it was reversed where it comes from, or is itself a reversal.
    """

    ticker: str
    quantity: Decimal
    price: Decimal
    trade_date: date
    fee: Decimal = Decimal(0)
    tags: str = ""
    reference: str = ""
    executed_at: datetime | None = None
    taken_back: bool = False

    @property
    def day(self) -> date:
        """Its date."""
        return self.trade_date

    @property
    def when(self) -> str:
        """Its time within the day, for comparison; one without stands at the end of the day."""
        return self.executed_at.isoformat() if self.executed_at else "end"

    @property
    def fingerprint(self) -> str:
        """The same fill has the same text; the sender's number tells twins apart."""
        parts: list[Any] = [self.ticker, self.quantity, self.price, self.trade_date, self.fee]
        parts += [self.reference] + ([self.executed_at] if self.executed_at else [])
        return _print("trade", *parts)

    def said(self) -> dict[str, Any]:
        """As it is kept and told."""
        told: dict[str, Any] = {
            "ticker": self.ticker,
            "quantity": plain(self.quantity),
            "price": plain(self.price),
            "trade_date": self.trade_date.isoformat(),
            "fee": plain(self.fee),
            "tags": self.tags,
            "reference": self.reference,
        }
        return told | ({"executed_at": self.when} if self.executed_at else {})


@dataclass(frozen=True, slots=True)
class CashRow:
    """Cash in or out; `amount` is what the balance changes by."""

    type: str
    amount: Decimal
    booked_on: date
    reason: str = ""
    ticker: str = ""
    reference: str = ""
    tags: str = ""

    @property
    def day(self) -> date:
        """Its date."""
        return self.booked_on

    @property
    def fingerprint(self) -> str:
        """The same movement has the same text."""
        parts = (self.type, self.amount, self.booked_on, self.ticker, self.reason, self.reference)
        return _print("cash", *parts)

    def said(self) -> dict[str, Any]:
        """As it is kept and told."""
        return {
            "type": self.type,
            "amount": plain(self.amount),
            "date": self.booked_on.isoformat(),
            "reason": self.reason,
            "ticker": self.ticker,
            "reference": self.reference,
        }


Row = PositionRow | TradeRow | CashRow
LEFT_OUT = Message("row", "no_row", "A sum, a remark or an empty line: nothing is read of it.")
SUMS = {"total", "totals", "subtotal", "grand total"}
# a sum has none of these
_OF_A_ROW = {
    csv_layout.POSITIONS: ("entry_date",),
    csv_layout.TRADES: ("trade_date",),
    csv_layout.CASH: ("type",),
}
_DECIMALS = frozenset({"quantity", "entry_price", "cost_basis", "price", "fee", "amount"})
_DATES = {"entry_date": "entry_date", "trade_date": "trade_date", "date": "booked_on"}
_CLASSES: dict[str, type[Row]] = {
    csv_layout.POSITIONS: PositionRow,
    csv_layout.TRADES: TradeRow,
    csv_layout.CASH: CashRow,
}


def from_said(kind: str, said: Mapping[str, Any]) -> Row:
    """A row from what was kept of it."""
    values: dict[str, Any] = {}
    for name, value in said.items():
        if name in _DECIMALS:
            values[name] = Decimal(value)
        elif name == "executed_at":
            values[name] = datetime.fromisoformat(value)
        else:
            values[_DATES.get(name, name)] = date.fromisoformat(value) if name in _DATES else value
    return _CLASSES[kind](**values)


def read_row(
    kind: str, cells: Mapping[str, str], *, until: date, decimal_comma: bool = False
) -> Reading:
    """Read one row.

    Parameters
    ----------
    kind : str
        positions, trades or cash.
    cells : mapping of field name to str
        As they stand in the file; absent fields are empty.
    until : date
        The newest session that has begun: what is dated after it lies in the future.
    decimal_comma : bool
        Amounts are written 12,50.

    Returns
    -------
    Reading
        Every error of the row, not only the first.
    """
    reading = Reading()
    given = {name: unguard(text).strip() for name, text in cells.items()}
    if _is_no_row(kind, given):
        reading.left_out = LEFT_OUT
        return reading
    for name, text in given.items():
        if not text.isprintable() and any(unicodedata.category(each) == "Cc" for each in text):
            reading.err(name, "control_character", "The cell holds a control character.")
    if not reading.errors:
        row = _READERS[kind](given, until, decimal_comma, reading)
        reading.currency = csv_cells.read_currency(given.get("currency", ""), reading)
        reading.row = None if reading.errors else row
    return reading


def _is_no_row(kind: str, given: Mapping[str, str]) -> bool:
    """Whether it is what files have below their rows: a sum, a remark, an empty line."""
    mapped = [name for name in csv_layout.SHAPES[kind].required if name in given]
    said = [name for name in mapped if given[name]]
    first = given.get("ticker", "") if kind != csv_layout.CASH else given.get("date", "")
    if first.lower().rstrip(":") in SUMS:
        return not any(given.get(name) for name in _OF_A_ROW[kind])
    return bool(mapped) and (not said or (said == ["ticker"] and " " in first))


def _position(
    given: Mapping[str, str], until: date, comma: bool, reading: Reading
) -> PositionRow | None:
    ticker = csv_cells.read_ticker(given.get("ticker", ""), reading)
    quantity = csv_cells.read_amount("quantity", given.get("quantity", ""), comma, reading)
    price = csv_cells.read_price("entry_price", given.get("entry_price", ""), comma, reading)
    entered = csv_cells.read_date("entry_date", given.get("entry_date", ""), until, reading)
    if quantity is not None:
        word = given.get("position_type", "")
        quantity = csv_cells.signed(quantity, word, ticker, reading)
    if price is not None and quantity is not None:
        csv_cells.check_value(quantity * price * multiplier(ticker), "quantity", reading)
    cost = _cost(given.get("cost_basis", ""), comma, quantity, price, ticker, reading)
    option = csv_cells.option_of(ticker)
    if option is not None and option.expiry < until:
        hint = "Bring in what became of it: shares or cash."
        reading.err("ticker", "expired", f"{ticker} ended on {option.expiry}.", hint)
    for name in ("fee", "cash"):
        if given.get(name, "").strip("0.,"):
            reading.warn(name, "ignored", "A holding brought in at cost moves no cash.")
    if reading.errors or quantity is None or price is None or entered is None:
        return None
    return PositionRow(ticker, quantity, price, entered, given.get("tags", ""), cost)


def multiplier(ticker: str) -> Decimal:
    """Units of a contract, 1 for anything else."""
    return CONTRACT if csv_cells.option_of(ticker) else Decimal(1)


def _cost(
    text: str,
    comma: bool,
    quantity: Decimal | None,
    price: Decimal | None,
    ticker: str,
    reading: Reading,
) -> Decimal | None:
    """The whole cost, which is exact where the price per unit had to be rounded."""
    if not text or quantity is None or price is None:
        return None
    cost = csv_cells.read_amount("cost_basis", text, comma, reading)
    if cost is None:
        return None
    cost = abs(cost).copy_sign(quantity)
    units = quantity * multiplier(ticker)
    if abs(cost - units * price) > abs(units) * HALF_PLACE + HALF_PLACE:
        detail = f"Quantity times price is {plain(to_money(units * price))}, not {plain(cost)}."
        reading.err("cost_basis", "contradiction", detail, "Correct one of them, or empty it.")
        return None
    return cost


def _trade(given: Mapping[str, str], until: date, comma: bool, reading: Reading) -> TradeRow | None:
    ticker = csv_cells.read_ticker(given.get("ticker", ""), reading)
    quantity = csv_cells.read_amount("quantity", given.get("quantity", ""), comma, reading)
    price = csv_cells.read_price("price", given.get("price", ""), comma, reading)
    day = csv_cells.read_date("trade_date", given.get("trade_date", ""), until, reading)
    fee: Decimal | None = Decimal(0)
    if given.get("fee"):
        fee = csv_cells.read_amount("fee", given["fee"], comma, reading, zero=True)
    gone = any(given.get(name) for name in ("reverses", "reversed_by"))
    if fee is not None and fee < 0 and not gone:
        reading.err("fee", "negative", "A fee is not below zero.")
    if quantity is not None:
        quantity = _sided(quantity, given.get("side", ""), reading)
    if quantity is not None and price is not None:
        csv_cells.check_value(quantity * price * multiplier(ticker), "quantity", reading)
    option = csv_cells.option_of(ticker)
    if option is not None and day is not None and day > option.expiry:
        detail = f"{ticker} ended on {option.expiry}, before it was traded."
        reading.err("trade_date", "expired", detail)
    at = csv_cells.read_moment("executed_at", given.get("executed_at", ""), day, reading)
    reference = csv_cells.read_reference(given.get("reference", ""), reading)
    if reading.errors or quantity is None or price is None or day is None or fee is None:
        return None
    tags = given.get("tags", "")
    return TradeRow(ticker, quantity, price, day, fee, tags, reference, at, gone)


def _sided(quantity: Decimal, word: str, reading: Reading) -> Decimal:
    side = " ".join(word.upper().replace("_", " ").split())
    if not side:
        return quantity
    first = side.partition(" ")[0]
    if first not in SIDES:
        reading.err("side", "unknown_side", f'"{word[:20]}" is neither BUY nor SELL.')
        return quantity
    if SIDES[first] > 0 > quantity:
        detail = "A purchase has a positive quantity."
        reading.err("side", "contradiction", detail, "Change the sign or the side.")
    return abs(quantity) * SIDES[first]


def _cash(given: Mapping[str, str], until: date, comma: bool, reading: Reading) -> CashRow | None:
    day = csv_cells.read_date("date", given.get("date", ""), until, reading)
    amount = csv_cells.read_amount("amount", given.get("amount", ""), comma, reading)
    word = given.get("type", "").lower()
    if not word:
        reading.err("type", "required", "The type is missing.")
    elif word not in CASH_TYPES:
        known = ", ".join(CASH_TYPES)
        reading.err("type", "unknown_type", f'"{word[:20]}" is none of {known}.')
    elif amount is not None:
        amount = _flowing(amount, word, reading)
    ticker = ""
    if given.get("ticker"):
        ticker = csv_cells.read_ticker(given["ticker"], reading)
    reference = csv_cells.read_reference(given.get("reference", ""), reading)
    reason = given.get("reason", "")[:200]
    if reading.errors or day is None or amount is None:
        return None
    return CashRow(word, amount, day, reason, ticker, reference)


def _flowing(amount: Decimal, word: str, reading: Reading) -> Decimal:
    sign = CASH_TYPES[word]
    if sign > 0 > amount:
        hint = "Change the sign, or write withdrawal or fee."
        reading.err("amount", "contradiction", f"A {word} is above zero.", hint)
    if word in (DEPOSIT, WITHDRAWAL) and amount != amount.quantize(CENT):
        reading.err("amount", "too_many_decimals", "Cash moves in whole cents.")
    if abs(amount) > MAX_AMOUNT:
        reading.err("amount", "too_large", "The number is too large.")
    return abs(amount) * sign if sign else amount


def _print(*parts: Any) -> str:
    texts = (
        format(part.normalize(), "f") if isinstance(part, Decimal) else str(part) for part in parts
    )
    return hashlib.sha256("|".join(texts).encode()).hexdigest()


_READERS: dict[str, Callable[[Mapping[str, str], date, bool, Reading], Row | None]] = {
    csv_layout.POSITIONS: _position,
    csv_layout.TRADES: _trade,
    csv_layout.CASH: _cash,
}

__all__ = ["CashRow", "Message", "PositionRow", "Reading", "TradeRow", "from_said", "read_row"]
