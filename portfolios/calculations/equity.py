"""A portfolio's equity from its events, and the identity that proves the books add up."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from etftrader.core.money import to_money
from portfolios.calculations.cost_basis import (
    ONE,
    ZERO,
    Dividend,
    Fill,
    History,
    Split,
    apply_events,
    unrealized_pnl,
)

TOLERANCE = Decimal("0.005")


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money in (+) or out (-) of the portfolio from outside."""

    amount: Decimal


@dataclass(frozen=True, slots=True)
class Equity:
    """Cash plus signed exposure, and the parts it must equal."""

    cash: Decimal
    equity: Decimal
    net_flows: Decimal
    realized_pnl: Decimal
    unrealized_pnl: Decimal
    fees: Decimal
    dividends: Decimal

    @property
    def identity_gap(self) -> Decimal:
        """Equity less flows, P&L and dividends net of fees; below half a cent in sound books."""
        earned = self.realized_pnl + self.unrealized_pnl + self.dividends - self.fees
        return self.equity - self.net_flows - earned


def equity(
    events: Iterable[Transfer | Fill | Dividend | Split], marks: Mapping[str, Decimal]
) -> Equity:
    """Replay a portfolio's events and value what is left at the marks.

    Parameters
    ----------
    events : iterable
        Oldest first; fills, dividends and splits carry their symbol, fills their multiplier.
    marks : mapping of symbol to Decimal
        A price for every symbol still held.

    Returns
    -------
    Equity
        Exact to the six places each amount is booked with.

    Raises
    ------
    KeyError
        A held symbol has no mark.
    """
    flows = ZERO
    books: dict[str, History] = {}
    multipliers: dict[str, Decimal] = {}
    for event in events:
        if isinstance(event, Transfer):
            flows += to_money(event.amount)
            continue
        if isinstance(event, Fill):
            multipliers.setdefault(event.symbol, event.multiplier)
        multiplier = multipliers.get(event.symbol, ONE)
        books[event.symbol] = apply_events([event], multiplier, books.get(event.symbol))
    cash, exposure, unrealized = flows, ZERO, ZERO
    for symbol, book in books.items():
        cash += book.cash_flow
        if book.holding.quantity:
            multiplier = multipliers.get(symbol, ONE)
            exposure += to_money(book.holding.quantity * marks[symbol] * multiplier)
            unrealized += unrealized_pnl(book.holding, marks[symbol], multiplier)
    return Equity(
        cash=cash,
        equity=cash + exposure,
        net_flows=flows,
        realized_pnl=sum((book.holding.realized_pnl for book in books.values()), ZERO),
        unrealized_pnl=unrealized,
        fees=sum((book.fees for book in books.values()), ZERO),
        dividends=sum((book.dividends for book in books.values()), ZERO),
    )
