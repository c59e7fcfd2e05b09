"""The running totals beside the ledger: cash of a portfolio, holdings of its positions.

Callers hold the portfolio's lock.
"""

from datetime import date
from decimal import Decimal

from etftrader.core.errors import LimitBreached
from etftrader.core.money import plain
from marketdata.models import Instrument
from portfolios.calculations import postings
from portfolios.calculations.cost_basis import Holding, add_units, apply_fill
from portfolios.calculations.postings import Totals
from portfolios.models import Portfolio, Position

ZERO = Decimal(0)


def take_cash(portfolio: Portfolio, change: Decimal) -> None:
    """Move a portfolio's cash, not saved yet. Raises LimitBreached when there is not enough."""
    cash = portfolio.cash + change
    if cash < 0:
        raise LimitBreached(
            "Not enough cash.",
            reason="INSUFFICIENT_CASH",
            cash=plain(portfolio.cash),
            needed=plain(-change),
        )
    portfolio.cash = cash


def check_holding(portfolio: Portfolio, position: Position, quantity: Decimal) -> None:
    """A holding brought in short may be bought back; only `allow_short` may go further down."""
    if quantity < 0 and position.quantity + quantity < 0 and not portfolio.allow_short:
        raise LimitBreached(
            "More sold than held.", reason="OVERSELL", held=plain(max(position.quantity, ZERO))
        )


def position_of(portfolio: Portfolio, instrument: Instrument) -> Position:
    """The one position of an instrument, made at its first booking."""
    position, _ = Position.objects.get_or_create(portfolio=portfolio, instrument=instrument)
    position.portfolio = portfolio  # the row under the lock, not a second reading of it
    return position


def move(
    position: Position,
    instrument: Instrument,
    quantity: Decimal,
    paid: Decimal,
    session_date: date,
    fee: Decimal = ZERO,
) -> Decimal:
    """Apply a fill to the running totals; the answer is what it realised.

    The price is taken from the booked amount, so that a replay of the ledger gives the same.
    """
    before = _holding(position)
    price = postings.price_of(quantity, paid, instrument.multiplier)
    after = apply_fill(before, quantity, price, instrument.multiplier)
    if not before.quantity or before.quantity * after.quantity < 0:
        position.opened_on, position.closed_on = session_date, None
    if not after.quantity:
        position.closed_on = session_date
    _keep(position, after, position.fees + fee)
    return after.realized_pnl - before.realized_pnl


def grow(position: Position, units: Decimal, session_date: date) -> None:
    """Apply a split's units to the running totals, as a replay of the ledger does."""
    before = _holding(position)
    after = add_units(before, units)
    if not before.quantity:
        position.opened_on, position.closed_on = session_date, None
    if not after.quantity:
        position.closed_on = session_date
    _keep(position, after, position.fees)


def _holding(position: Position) -> Holding:
    return Holding(position.quantity, position.cost_basis, position.realized_pnl)


def _keep(position: Position, holding: Holding, fees: Decimal) -> None:
    position.quantity = holding.quantity
    position.cost_basis = holding.cost_basis
    position.realized_pnl = holding.realized_pnl
    position.fees = fees
    position.version += 1


def carry(position: Position, gain: Decimal) -> None:
    """Leave out what a holding that came in had earned in the book it came from."""
    position.realized_pnl -= gain


def restore(
    portfolio: Portfolio, instrument: Instrument, totals: Totals, session_date: date
) -> Decimal:
    """Set one instrument's running totals to those of its ledger after a reversal.

    Answers by how much the realised P&L changed.
    """
    position = position_of(portfolio, instrument)
    before = position.realized_pnl
    holding = totals.holdings.get(instrument.pk, Holding())
    position.opened_on = totals.opened.get(instrument.pk)
    position.closed_on = None if holding.quantity else session_date
    _keep(position, holding, totals.fees)
    position.save()
    return holding.realized_pnl - before
