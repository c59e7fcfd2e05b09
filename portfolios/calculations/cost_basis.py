"""Cost basis of a holding, kept exactly: quantity and basis in Decimal, no rounded average."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from etftrader.core.money import to_money
from marketdata.calculations.splits import exact_ratio, times

ZERO = Decimal(0)
ONE = Decimal(1)
WHOLE = Decimal("1e-6")


@dataclass(frozen=True, slots=True)
class Holding:
    """What is held of one instrument, what it cost, and what closing parts of it has earned."""

    quantity: Decimal = ZERO
    cost_basis: Decimal = ZERO
    realized_pnl: Decimal = ZERO

    def average_cost(self, multiplier: Decimal = ONE) -> Decimal | None:
        """Price per unit paid (sold, for a short); None when flat."""
        if not self.quantity:
            return None
        return self.cost_basis / (self.quantity * multiplier)


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution; `quantity` signed, `fee` positive."""

    quantity: Decimal
    price: Decimal
    fee: Decimal = ZERO
    symbol: str = ""
    multiplier: Decimal = ONE


@dataclass(frozen=True, slots=True)
class Dividend:
    """Cash per unit on the ex-date; a short pays it."""

    per_share: Decimal
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class Split:
    """`ratio` new units for one old unit."""

    ratio: Decimal
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """A holding with the totals that are neither basis nor realised P&L."""

    holding: Holding = Holding()
    fees: Decimal = ZERO
    dividends: Decimal = ZERO
    cash_flow: Decimal = ZERO


def apply_fill(
    holding: Holding, quantity: Decimal, price: Decimal, multiplier: Decimal = ONE
) -> Holding:
    """Book one fill by the average-cost rule.

    Parameters
    ----------
    holding : Holding
        State before the fill.
    quantity : Decimal
        Signed units bought (+) or sold (-).
    price : Decimal
        Per unit, before fees. Fees are in neither the basis nor the realised P&L.
    multiplier : Decimal
        Units of the underlying per contract; 1 for shares.

    Returns
    -------
    Holding
        A flip realises the closed part only; the rest opens at the fill price. Flat has basis 0.

    Raises
    ------
    ValueError
        The quantity is zero, or the price is negative or not finite.
    """
    if not quantity:
        raise ValueError("a fill of zero units is not a fill")
    if not price.is_finite() or price < 0:
        raise ValueError(f"not a price: {price}")
    paid = to_money(quantity * price * multiplier)
    if not holding.quantity or (holding.quantity > 0) == (quantity > 0):
        return replace(
            holding,
            quantity=holding.quantity + quantity,
            cost_basis=holding.cost_basis + paid,
        )
    closed = min(abs(quantity), abs(holding.quantity))
    flips = abs(quantity) > closed
    # One rounding of the whole amount: the opened rest takes what the closed part leaves of it.
    paid_to_close = to_money(closed.copy_sign(quantity) * price * multiplier) if flips else paid
    removed = (
        holding.cost_basis
        if closed == abs(holding.quantity)
        else to_money(holding.cost_basis * closed / abs(holding.quantity))
    )
    return Holding(
        quantity=holding.quantity + quantity,
        cost_basis=holding.cost_basis - removed + (paid - paid_to_close),
        realized_pnl=holding.realized_pnl - paid_to_close - removed,
    )


def apply_split(holding: Holding, ratio: Decimal) -> Holding:
    """Multiply the units by `ratio` new per old; the basis stays, so the average cost divides.

    Raises ValueError for a ratio that is not positive and finite. The quantity keeps six places.
    """
    quantity = times(holding.quantity, exact_ratio(ratio), WHOLE)
    return add_units(holding, quantity - holding.quantity)


def add_units(holding: Holding, units: Decimal) -> Holding:
    """Add units that cost nothing. Where none of the old ones are left, their cost is lost.

    A split that became known after a fill of its day may leave the other side held: those units
    cost nothing either.
    """
    quantity = holding.quantity + units
    if quantity * holding.quantity > 0 or not holding.cost_basis:
        return replace(holding, quantity=quantity)
    return Holding(quantity, realized_pnl=holding.realized_pnl - holding.cost_basis)


def split_fraction(holding: Holding) -> Decimal:
    """Signed part of a unit that a whole-share portfolio sells for cash after a split."""
    return holding.quantity - holding.quantity.to_integral_value(rounding="ROUND_DOWN")


def dividend_amount(holding: Holding, per_share: Decimal) -> Decimal:
    """Cash of a dividend, six places: positive for a long holding, negative for a short one."""
    return to_money(holding.quantity * per_share)


def unrealized_pnl(holding: Holding, mark: Decimal, multiplier: Decimal = ONE) -> Decimal:
    """Value at `mark` over cost, signed; zero when flat."""
    return to_money(holding.quantity * mark * multiplier) - holding.cost_basis


def apply_events(
    events: Iterable[Fill | Dividend | Split],
    multiplier: Decimal = ONE,
    start: History | None = None,
) -> History:
    """Run the events of one instrument in order.

    Parameters
    ----------
    events : iterable of Fill, Dividend or Split
        Oldest first. The multiplier given here is used for every fill.
    multiplier : Decimal
        Units of the underlying per contract.
    start : History, optional
        State to go on from; empty by default.

    Returns
    -------
    History
        Net P&L is realised + unrealised + dividends - fees.
    """
    state = start or History()
    for event in events:
        if isinstance(event, Fill):
            paid = to_money(event.quantity * event.price * multiplier)
            state = replace(
                state,
                holding=apply_fill(state.holding, event.quantity, event.price, multiplier),
                fees=state.fees + to_money(event.fee),
                cash_flow=state.cash_flow - paid - to_money(event.fee),
            )
        elif isinstance(event, Dividend):
            amount = dividend_amount(state.holding, event.per_share)
            state = replace(
                state,
                dividends=state.dividends + amount,
                cash_flow=state.cash_flow + amount,
            )
        else:
            state = replace(state, holding=apply_split(state.holding, event.ratio))
    return state
