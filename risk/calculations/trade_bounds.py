"""The terms of a proposed trade, and how far each limit lets it go, in closed form."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

POLISH = 60


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
    return _spend(order, cash - order.commission, 1.0, order.value(1.0))


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
    unit = order.value(1.0)
    exposure = order.value(book.held)
    reduces = exposure * order.side < 0.0
    free = book.equity - order.commission - fraction * book.gross
    turned = 2.0 * abs(exposure) if reduces else 0.0
    # Past the turning point gross grows by every dollar traded, so the rest is spending again.
    reach = _spend(order, free + fraction * turned, fraction, unit)
    return max(reach, turned / unit)


def _root(gate: Gate, side: int, ceiling: float) -> float:
    a, b, c = gate.asset_variance, side * gate.with_asset, gate.variance - ceiling
    if a <= 0.0:
        return -c / (2.0 * b) if b > 0.0 else math.inf
    reach = math.sqrt(max(b * b - a * c, 0.0))
    # The form without subtraction of like numbers, on either side of b = 0.
    if b > 0.0:
        return -c / (b + reach)
    return (reach - b) / a


def _spend(order: Trade, budget: float, share: float, unit: float) -> float:
    """Units whose value x share plus proportional costs and impact fit a budget."""
    if budget <= 0.0:
        return 0.0
    linear = unit * (share + order.cost_bp / 1e4) + order.cost_per_unit
    quantity = budget / linear
    if order.impact <= 0.0:
        return quantity
    steep = unit * order.impact
    # Newton on a convex increasing function from above: monotone, so the first rest ends it.
    for _ in range(POLISH):
        root = math.sqrt(quantity)
        excess = quantity * (linear + steep * root) - budget
        step = excess / (linear + 1.5 * steep * root)
        if step <= 1e-15 * quantity:
            break
        quantity -= step
    return quantity
