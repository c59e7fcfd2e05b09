"""Lots of a holding for display: what was bought when, what of it was sold, held how long.

The books keep one cost basis a holding, by average cost. Lots tell the same units by the day they
came: first in, first out with their own cost, or all of them at the average.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from etftrader.core.money import to_money
from portfolios.calculations import postings as books
from portfolios.calculations.cost_basis import ONE, ZERO, Holding
from portfolios.calculations.postings import SPLIT, Posting, Totals


class Method(StrEnum):
    """Which units go first, and at what cost."""

    FIFO = "fifo"
    AVERAGE = "average"


@dataclass(frozen=True, slots=True)
class Lot:
    """Units of one day that are still there; quantity and cost signed alike."""

    opened_on: date
    quantity: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class ClosedLot:
    """Units of one day that have gone on another; `cost` and `proceeds` signed, + for a long."""

    opened_on: date
    closed_on: date
    quantity: Decimal
    cost: Decimal
    proceeds: Decimal

    @property
    def realized(self) -> Decimal:
        """Proceeds over cost, before fees."""
        return self.proceeds - self.cost

    @property
    def days(self) -> int:
        """Calendar days held."""
        return (self.closed_on - self.opened_on).days


@dataclass(slots=True)
class LotBook:
    """The lots of one holding, oldest first."""

    open: list[Lot] = field(default_factory=list)
    closed: list[ClosedLot] = field(default_factory=list)
    carried: Decimal = ZERO  # gain that came along from other books, in no lot's realised P&L


def lots(
    bookings: Sequence[Posting], multiplier: Decimal = ONE, method: Method = Method.FIFO
) -> LotBook:
    """Tell a holding by its lots.

    Parameters
    ----------
    bookings : sequence of Posting
        All of one instrument, by number; reversed pairs are left out here.
    multiplier : Decimal
        Units per contract.
    method : Method
        `FIFO`: each lot has its own cost, and the oldest go first. `AVERAGE`: the oldest go first
        too, every lot at the average cost.

    Returns
    -------
    LotBook
        Quantities of the open lots add up to the holding's exactly; with `AVERAGE` their costs and
        the realised P&L of the closed ones do too. With `FIFO` cost and realised P&L together do,
        so that a flat holding has earned the same. Splits change units, never days or cost.
    """
    found, held = LotBook(), Holding()
    for booking in books.effective(bookings):
        if booking.traded is None:
            continue
        key, units = booking.traded
        after = _after(held, key, booking, multiplier)
        found.carried += booking.money("carried")
        if booking.kind == SPLIT:
            _grow(found, units, held, booking.session_date)
        else:
            _trade(found, booking, held, after, method)
        held = after
        if method == Method.AVERAGE:
            found.open = _even(found.open, held)
    return found


def _after(held: Holding, key: UUID, booking: Posting, multiplier: Decimal) -> Holding:
    totals = books.fold([booking], {key: multiplier}, Totals(holdings={key: held}))
    return totals.holdings[key]


def _trade(found: LotBook, booking: Posting, held: Holding, after: Holding, method: Method) -> None:
    assert booking.traded is not None
    units, paid, day = booking.traded[1], booking.money("market"), booking.session_date
    if not held.quantity or (held.quantity > 0) == (units > 0):
        found.open.append(Lot(day, units, paid))
        return
    flips = held.quantity * after.quantity < 0
    rest = after.cost_basis if flips else ZERO
    removed = held.cost_basis if flips else held.cost_basis - after.cost_basis
    closing = held.quantity if flips else -units
    average = removed if method == Method.AVERAGE else None
    _close(found, closing, rest - paid, average, day)
    if flips:
        found.open.append(Lot(day, after.quantity, rest))


def _close(
    found: LotBook, units: Decimal, proceeds: Decimal, average: Decimal | None, day: date
) -> None:
    """Take units off the oldest lots; the last piece takes what rounding leaves."""
    left, paid, cost = units, proceeds, average
    while left:
        lot = found.open[0]
        take = lot.quantity if abs(lot.quantity) <= abs(left) else left
        last = take == left
        share = paid if last else to_money(proceeds * take / units)
        if average is None:
            part = _part(lot, take)
        else:
            assert cost is not None
            part = cost if last else to_money(average * take / units)
            cost -= part
        found.closed.append(ClosedLot(lot.opened_on, day, take, part, share))
        own = _part(lot, take)
        if take == lot.quantity:
            found.open.pop(0)
        else:
            found.open[0] = replace(lot, quantity=lot.quantity - take, cost=lot.cost - own)
        left, paid = left - take, paid - share


def _part(lot: Lot, take: Decimal) -> Decimal:
    return lot.cost if take == lot.quantity else to_money(lot.cost * take / lot.quantity)


def _grow(found: LotBook, units: Decimal, held: Holding, day: date) -> None:
    """Spread a split's units over the lots."""
    if not held.quantity:
        found.open.append(Lot(day, units, ZERO))
        return
    total = held.quantity + units
    if not total:
        _close(found, held.quantity, ZERO, None, day)
        return
    grown, left = [], total
    for place, lot in enumerate(found.open, start=1):
        last = place == len(found.open)
        mine = left if last else to_money(lot.quantity * total / held.quantity)
        left -= mine
        grown.append(replace(lot, quantity=mine))
    found.open = [lot for lot in grown if lot.quantity]
    lost = [lot for lot in grown if not lot.quantity]
    if lost:
        # too small to be kept: its cost goes with the youngest that is there
        young = found.open[-1]
        spare = sum((lot.cost for lot in lost), ZERO)
        found.open[-1] = replace(young, cost=young.cost + spare)


def _even(lots_: Sequence[Lot], held: Holding) -> list[Lot]:
    """The same units, all at the average cost."""
    even, left = [], held.cost_basis
    for place, lot in enumerate(lots_, start=1):
        last = place == len(lots_)
        cost = left if last else to_money(held.cost_basis * lot.quantity / held.quantity)
        left -= cost
        even.append(replace(lot, cost=cost))
    return even
