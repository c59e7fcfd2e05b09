"""The terms of a proposed trade, and how far each limit lets it go, in closed form."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from risk.calculations.historical import historical
from risk.calculations.var import quantile

POLISH = 60
FARTHEST = 1e9  # units


@dataclass(frozen=True, slots=True)
class Gate:
    """What one covariance matrix says about the book and the asset traded; all the check needs."""

    name: str
    variance: float  # of the book before the trade, dollars squared
    with_asset: float  # row of covariance x exposures that belongs to the asset, dollars
    asset_variance: float  # of the asset's return

    def after(self, dollars: float) -> float:
        """Variance of the book with `dollars` more of the asset."""
        changed = self.variance + dollars * (2.0 * self.with_asset + dollars * self.asset_variance)
        return max(changed, 0.0)

    def loss(self, confidence: float) -> float:
        """VaR of the book before the trade, dollars."""
        return quantile(confidence) * math.sqrt(self.variance)

    def loss_after(self, order: "Trade", quantity: float, confidence: float) -> float:
        """VaR of the book once a quantity is traded, dollars."""
        dollars = order.side * order.exposure(quantity)
        return quantile(confidence) * math.sqrt(self.after(dollars))


@dataclass(frozen=True, slots=True, eq=False)
class PathGate:
    """What paths drawn from one matrix say: gains of the book and of a unit traded, dollars."""

    name: str
    gains: NDArray[np.float64]  # (p,)
    unit: NDArray[np.float64]  # (p,) of one unit held long

    def loss(self, confidence: float) -> float:
        """VaR of the book before the trade, dollars."""
        return _quantile_loss(self.gains, confidence)

    def loss_after(self, order: "Trade", quantity: float, confidence: float) -> float:
        """VaR of the book once a quantity is traded, dollars."""
        return _quantile_loss(self.gains + order.side * quantity * self.unit, confidence)


@dataclass(frozen=True, slots=True)
class Trade:
    """One proposed order and what it costs; `side` is +1 to buy, -1 to sell."""

    side: int
    quantity: float
    price: float
    multiplier: float = 1.0
    lot: float = 1.0  # smallest tradable quantity: 1 for whole shares
    commission: float = 0.0  # dollars an order
    cost_per_unit: float = 0.0  # dollars a unit
    cost_bp: float = 0.0  # basis points of the value
    impact: float = 0.0  # fraction of the value per square root of a unit
    delta: float | None = None  # signed delta dollars of a unit of an option; None: its value
    mark: float | None = None  # what the book values a unit at; None: the price it trades at

    def exposure(self, quantity: float) -> float:
        """Signed delta dollars of a quantity held long: what risk counts."""
        return quantity * self.delta if self.delta is not None else self.value(quantity)

    @property
    def direction(self) -> int:
        """+1 when a unit traded adds to what is long in the underlying, else -1."""
        return self.side if self.exposure(1.0) >= 0.0 else -self.side

    def value(self, quantity: float) -> float:
        """Dollars of a quantity, unsigned."""
        return quantity * self.price * self.multiplier

    def worth(self, quantity: float) -> float:
        """Dollars a quantity counts in the book once it is traded, unsigned."""
        return quantity * (self.price if self.mark is None else self.mark) * self.multiplier

    def lost(self, quantity: float) -> float:
        """Dollars a quantity is traded worse than it is valued at; a better price gives nothing."""
        return max(self.side * (self.value(quantity) - self.worth(quantity)), 0.0)

    def cost(self, quantity: float) -> float:
        """Estimated cost of a quantity in dollars."""
        rate = self.cost_bp / 1e4 + self.impact * math.sqrt(quantity)
        return self.commission + quantity * self.cost_per_unit + self.value(quantity) * rate


@dataclass(frozen=True, slots=True)
class Book:
    """The portfolio the order would meet, in dollars; `held` in signed units of the asset."""

    cash: float
    held: float
    equity: float = math.nan
    gross: float = math.nan
    allow_short: bool = False
    exposure: float | None = None  # signed delta dollars in the underlying; None: value of `held`

    def exposed(self, order: Trade) -> float:
        """Signed delta dollars held in what the order trades."""
        return order.value(self.held) if self.exposure is None else self.exposure


def by_cash(order: Trade, cash: float) -> float:
    """Units whose price and estimated costs the cash covers."""
    return _spend(order, cash - order.commission, order.value(1.0))


def by_variance(order: Trade, gates: Sequence[Gate], sigma_limit: float) -> float:
    """Units up to which no matrix's volatility passes the limit.

    In a book already beyond it, units up to which the largest volatility stays below today's.

    Parameters
    ----------
    order : Trade
        Gives the side and the delta dollars of a unit.
    gates : sequence of Gate
        One per covariance matrix.
    sigma_limit : float
        VaR limit over the normal quantile, dollars.

    Returns
    -------
    float
        Root d of d^2 S_ii + 2 d (S x)_i + sigma^2 = ceiling, over the delta dollars of a unit.
    """
    if math.isinf(sigma_limit):
        return math.inf
    unit = abs(order.exposure(1.0))
    if unit == 0.0:
        return math.inf
    ceiling = max(max(sigma_limit, 0.0) ** 2, *(gate.variance for gate in gates))
    return min(_root(gate, order.direction, ceiling) for gate in gates) / unit


def by_paths(
    order: Trade, gates: Sequence[PathGate], limit: float, confidence: float, most: float
) -> float:
    """Units up to which no matrix's loss quantile passes the limit, by halving.

    In a book already beyond it, units up to which the largest loss stays below today's. Infinite
    when `most`, where something else ends the range, passes; what nothing ends is looked for up
    to `FARTHEST` units.
    """
    if math.isinf(limit):
        return math.inf
    ceiling = max(limit, *(gate.loss(confidence) for gate in gates))

    def passes(quantity: float) -> bool:
        return max(gate.loss_after(order, quantity, confidence) for gate in gates) <= ceiling

    low, high = 0.0, min(most, FARTHEST)
    if passes(high):
        return math.inf
    if math.isinf(most):
        step = order.lot
        while step < high and passes(step):
            low, step = step, 2.0 * step
        high = min(step, high)
    while high - low > max(order.lot / 2.0, 1e-12 * high):
        middle = (low + high) / 2.0
        low, high = (middle, high) if passes(middle) else (low, middle)
    return high


def by_weight(order: Trade, book: Book, weight: float) -> float:
    """Units up to which the position stays within a share of equity, or below what it is."""
    unit = abs(order.exposure(1.0))
    if math.isinf(weight) or unit == 0.0:
        return math.inf
    exposure = book.exposed(order)
    ceiling = max(weight * max(book.equity, 0.0), abs(exposure))
    return (ceiling - order.direction * exposure) / unit


def by_margin(order: Trade, book: Book, fraction: float) -> float:
    """Units up to which equity less costs covers a fraction of the gross exposure after."""
    unit = order.worth(1.0)
    held = order.worth(book.held)
    free = book.equity - order.commission - fraction * book.gross
    turned = 2.0 * abs(held) if held * order.side < 0.0 else 0.0
    # Past the turning point gross grows by every dollar traded, so the rest is spending again.
    reach = _spend(order, free + fraction * turned, fraction * unit + order.lost(1.0))
    return max(reach, turned / unit if unit > 0.0 else 0.0)


def _quantile_loss(gains: NDArray[np.float64], confidence: float) -> float:
    found = historical(gains, confidence).value_at_risk
    assert found is not None
    # a book that gains even there has nothing at risk
    return max(found, 0.0)


def _root(gate: Gate, side: int, ceiling: float) -> float:
    a, b, c = gate.asset_variance, side * gate.with_asset, gate.variance - ceiling
    if a <= 0.0:
        return -c / (2.0 * b) if b > 0.0 else math.inf
    reach = math.sqrt(max(b * b - a * c, 0.0))
    # The form without subtraction of like numbers, on either side of b = 0.
    if b > 0.0:
        return -c / (b + reach)
    return (reach - b) / a


def _spend(order: Trade, budget: float, unit: float) -> float:
    """Units that fit a budget at so many dollars each, with proportional costs and impact."""
    if budget <= 0.0:
        return 0.0
    linear = unit + order.value(1.0) * order.cost_bp / 1e4 + order.cost_per_unit
    quantity = budget / linear
    if order.impact <= 0.0:
        return quantity
    steep = order.value(1.0) * order.impact
    # Newton on a convex increasing function from above: monotone, so the first rest ends it.
    for _ in range(POLISH):
        root = math.sqrt(quantity)
        excess = quantity * (linear + steep * root) - budget
        step = excess / (linear + 1.5 * steep * root)
        if step <= 1e-15 * quantity:
            break
        quantity -= step
    return quantity
