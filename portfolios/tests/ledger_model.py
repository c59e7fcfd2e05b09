"""A portfolio in whole numbers: what the books must come to, without a line of theirs.

Money and units are millionths. Prices are ten-thousandths of a dollar, so that a fill of
hundredths of a unit is exact.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

MICRO = 1_000_000
CENT = 10_000
PRICE = 10_000  # the scale of prices


def half_up(numerator: int, denominator: int) -> int:
    """Round away from zero at one half."""
    sign = 1 if (numerator < 0) == (denominator < 0) else -1
    whole, rest = divmod(abs(numerator), abs(denominator))
    return sign * (whole + (2 * rest >= abs(denominator)))


def worth(units: int, price: int) -> int:
    """Units at a price, in millionths of a dollar."""
    return half_up(units * price, PRICE)


class Refused(Exception):
    """What the books must say no to, by its code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Row:
    """One booking; `paid` is what its units cost, `cash` what it moved."""

    seq: int
    kind: str
    source: str
    day: date
    cash: int = 0
    symbol: str = ""
    units: int = 0
    paid: int = 0
    price: int = 0
    carried: int = 0
    gone: bool = False


@dataclass
class Holding:
    """What is held of one symbol."""

    units: int = 0
    cost: int = 0
    realized: int = 0


@dataclass
class Model:
    """One portfolio."""

    allow_short: bool
    whole: bool
    cash: int = 0
    seq: int = 0
    rows: list[Row] = field(default_factory=list)
    owed: dict[str, tuple[int, date]] = field(default_factory=dict)  # by action: amount, pay day

    def holding(self, symbol: str) -> Holding:
        """Everything of a symbol that still stands, in order."""
        held = Holding()
        for row in self._standing(symbol):
            _apply(held, row)
        return held

    def _standing(self, symbol: str, without: Row | None = None) -> list[Row]:
        return [
            row
            for row in self.rows
            if row.symbol == symbol and row.units and not row.gone and row is not without
        ]

    def held_before(self, symbol: str, day: date) -> int:
        """Units at the open of a session."""
        return sum(row.units for row in self._standing(symbol) if row.day < day)

    def pay(self, change: int) -> None:
        """Move cash, or refuse."""
        if self.cash + change < 0:
            raise Refused("limit_breached")
        self.cash += change

    def add(self, kind: str, source: str, day: date, **figures: object) -> Row:
        """Keep a booking."""
        self.seq += 1
        row = Row(self.seq, kind, source, day, **figures)  # type: ignore[arg-type]
        self.rows.append(row)
        return row

    # --- bookings ---------------------------------------------------------------------------

    def flow(self, kind: str, source: str, day: date, amount: int) -> None:
        """Cash alone; signed."""
        self.pay(amount)
        self.add(kind, source, day, cash=amount)

    def fill(self, source: str, day: date, symbol: str, units: int, price: int, fee: int) -> None:
        """Bought, or sold below zero."""
        held = self.holding(symbol).units
        if units < 0 and held + units < 0 and not self.allow_short:
            raise Refused("limit_breached")
        paid = worth(units, price)
        self.pay(-paid - fee)
        cash = -paid - fee
        self.add("fill", source, day, cash=cash, symbol=symbol, units=units, paid=paid, price=price)

    def open(self, source: str, day: date, symbol: str, units: int, price: int) -> None:
        """Brought in at cost."""
        paid = worth(units, price)
        self.add("opening", source, day, symbol=symbol, units=units, paid=paid, price=price)

    def split_units(self, key: str, day: date, symbol: str, ratio: tuple[int, int]) -> int:
        """What a split adds to what was held at its open; none when it is booked."""
        before = self.held_before(symbol, day)
        if any(row.source == key for row in self.rows):
            return 0
        return half_up(before * ratio[0], ratio[1]) - before

    def grow(self, source: str, day: date, symbol: str, units: int, value: int = 0) -> None:
        """Units more or fewer at no cost, and what they were worth in the book they come from."""
        self.add("split", source, day, symbol=symbol, units=units, carried=value)

    def in_lieu(self, key: str, day: date, symbol: str, close: int) -> None:
        """Whole-share books sell the fraction."""
        left = self.holding(symbol).units
        fraction = left - (abs(left) // MICRO * MICRO) * (1 if left > 0 else -1)
        paid = worth(-fraction, close)
        if self.whole and fraction and self.cash - paid >= 0:
            self.cash -= paid
            source = f"{key}:lieu"
            self.add(
                "fill", source, day, cash=-paid, symbol=symbol, units=-fraction, paid=paid,
                price=close,
            )  # fmt: skip

    def dividend(self, key: str, ex: date, pays: date, symbol: str, per_share: int) -> None:
        """Owed from its ex-date on."""
        amount = half_up(self.held_before(symbol, ex) * per_share, PRICE)
        if amount and key not in self.owed:
            self.owed[key] = (amount, pays)
            self.add("dividend", key, ex, symbol=symbol)

    def settle(self, key: str, day: date) -> None:
        """Pay what is owed when it is due and there is cash for it."""
        amount, pays = self.owed.get(key, (0, day))
        paid = f"{key}:paid"
        due = amount and pays <= day and not any(row.source == paid for row in self.rows)
        if due and self.cash + amount >= 0:
            self.cash += amount
            self.add("payment", paid, day)

    # --- corrections ------------------------------------------------------------------------

    def reversible(self, row: Row) -> None:
        """Refuse while something rests on it; its cash is asked for in the end."""
        if row.source.startswith("action:"):
            raise Refused("corporate_action")
        if row.symbol:
            self._check_rest(row)
        if self.cash - row.cash < 0:
            raise Refused("cash_spent")

    def _check_rest(self, row: Row) -> None:
        later = [each for each in self.rows if each.symbol == row.symbol and each.seq > row.seq]
        if any(each.source.startswith("action:") for each in later):
            raise Refused("corporate_action_since")
        if any(each.kind == "out" and not each.gone for each in later):
            raise Refused("later_bookings")
        oversold = self._oversells(row.symbol, row) - self._oversells(row.symbol)
        if oversold and not self.allow_short:
            raise Refused("later_bookings")

    def _oversells(self, symbol: str, without: Row | None = None) -> set[int]:
        held, found = 0, set()
        for each in self._standing(symbol, without):
            held += each.units
            if each.kind == "fill" and each.units < 0 and held < 0:
                found.add(each.seq)
        return found

    def reverse(self, row: Row, day: date) -> None:
        """Take it back; everything else is as it was."""
        self.cash -= row.cash
        row.gone = True
        self.add("reversal", f"reversal:{row.source}", day)


def _apply(held: Holding, row: Row) -> None:
    if row.kind == "split":
        before, held.units = held.units, held.units + row.units
        if before * held.units <= 0:
            held.realized, held.cost = held.realized - held.cost, 0
        held.realized -= row.carried
        return
    if held.units == 0 or (held.units > 0) == (row.units > 0):
        held.units, held.cost = held.units + row.units, held.cost + row.paid
    else:
        _close(held, row)
    held.realized -= row.carried


def _close(held: Holding, row: Row) -> None:
    closed = min(abs(row.units), abs(held.units))
    sign = 1 if row.units > 0 else -1
    flips = abs(row.units) > closed
    paid = worth(sign * closed, row.price) if flips else row.paid
    all_of_it = closed == abs(held.units)
    removed = held.cost if all_of_it else half_up(held.cost * closed, abs(held.units))
    held.realized -= paid + removed
    held.cost += row.paid - paid - removed
    held.units += row.units


@dataclass(frozen=True)
class Move:
    """Units that went from one book to another."""

    origin: Model
    target: Model
    gone: Row
    come: Row
    price: int


@dataclass(frozen=True)
class Split:
    """New for old units of a symbol, with its close before (in new units) and since."""

    key: str
    day: date
    symbol: str
    ratio: tuple[int, int]
    before: int
    close: int


def split(model: Model, what: Split, moves: list[Move]) -> None:
    """Split what a book held at the open; what was moved since takes its part along."""
    units = model.split_units(what.key, what.day, what.symbol, what.ratio)
    if not units:
        return
    held = model.held_before(what.symbol, what.day)
    parts = list(_parts(model, units, what, moves))
    steps = [lambda: model.grow(what.key, what.day, what.symbol, units)]
    steps += [lambda each=each: _follow(what, *each) for each in parts]  # type: ignore[misc]
    if (units < 0) == (held < 0):
        for step in steps:
            step()
    else:  # the last book first, so that none is empty on the way
        for step in reversed(steps):
            step()
    model.in_lieu(what.key, what.day, what.symbol, what.before)


def _parts(model: Model, units: int, what: Split, moves: list[Move]) -> Iterator[tuple[Move, int]]:
    there = {id(model): units}
    for move in moves:
        mine = there.get(id(move.origin), 0)
        if move.gone.symbol != what.symbol or move.gone.day < what.day or move.gone.gone:
            continue
        rows = [row for row in move.origin.rows if row.symbol == what.symbol and not row.gone]
        held = sum(row.units for row in rows if row.seq < move.gone.seq)
        part = half_up(mine * move.come.units, held)
        if move.target.whole:
            sign = 1 if move.come.units > 0 else -1
            whole = abs(move.come.units + part) // MICRO * MICRO
            part = sign * whole - move.come.units
        if mine and part:
            there[id(move.origin)] = mine - part
            there[id(move.target)] = there.get(id(move.target), 0) + part
            yield move, part


def _follow(what: Split, move: Move, part: int) -> None:
    new, old = what.ratio
    # nearer to the close in new units, or in old ones
    paid, middle = move.price**2 * old, what.close**2 * new
    is_old = paid > middle if new > old else paid < middle
    value = 0 if is_old else worth(part, move.price)
    stem = f"{what.key}:follows:{move.gone.source.removeprefix('transfer:')}:"
    for model, sign in ((move.origin, -1), (move.target, 1)):
        number = sum(row.source.startswith(stem) for row in model.rows)
        day = move.gone.day
        model.grow(f"{stem}{number}", day, what.symbol, sign * part, sign * value)
