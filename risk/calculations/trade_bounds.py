"""How far a trade can go before each limit stops it, in units, in closed form."""

import math
from collections.abc import Sequence
from typing import Protocol

POLISH = 60


class Order(Protocol):
    """What a bound needs to know of the order."""

    @property
    def side(self) -> int: ...  # noqa: D102
    @property
    def commission(self) -> float: ...  # noqa: D102
    @property
    def cost_per_unit(self) -> float: ...  # noqa: D102
    @property
    def cost_bp(self) -> float: ...  # noqa: D102
    @property
    def impact(self) -> float: ...  # noqa: D102
    def value(self, quantity: float) -> float: ...  # noqa: D102
    def cost(self, quantity: float) -> float: ...  # noqa: D102


class Owner(Protocol):
    """What a bound needs to know of the book."""

    @property
    def held(self) -> float: ...  # noqa: D102
    @property
    def equity(self) -> float: ...  # noqa: D102
    @property
    def gross(self) -> float: ...  # noqa: D102


class Quadratic(Protocol):
    """Variance of a book as a function of the dollars added of one asset."""

    @property
    def variance(self) -> float: ...  # noqa: D102
    @property
    def with_asset(self) -> float: ...  # noqa: D102
    @property
    def asset_variance(self) -> float: ...  # noqa: D102


def by_cash(order: Order, cash: float) -> float:
    """Units whose price and estimated costs the cash covers."""
    return _spend(order, cash - order.commission, 1.0, order.value(1.0))


def by_variance(order: Order, gates: Sequence[Quadratic], sigma_limit: float) -> float:
    """Units up to which no matrix's volatility passes the limit.

    In a book already beyond it, units up to which the largest volatility stays below today's.

    Parameters
    ----------
    order : Order
        Gives the side and the dollars of a unit.
    gates : sequence of Quadratic
        One per covariance matrix.
    sigma_limit : float
        VaR limit over the normal quantile, dollars.

    Returns
    -------
    float
        Root d of d^2 S_ii + 2 d (S x)_i + sigma^2 = ceiling, over the dollars of a unit.
    """
    if math.isinf(sigma_limit):
        return math.inf
    ceiling = max(sigma_limit**2, *(gate.variance for gate in gates))
    unit = order.value(1.0)
    return min(_root(gate, order.side, ceiling) for gate in gates) / unit


def by_weight(order: Order, book: Owner, weight: float) -> float:
    """Units up to which the position stays within a share of equity, or below what it is."""
    if math.isinf(weight):
        return math.inf
    exposure = order.value(book.held)
    ceiling = max(weight * max(book.equity, 0.0), abs(exposure))
    return (ceiling - order.side * exposure) / order.value(1.0)


def by_margin(order: Order, book: Owner, fraction: float) -> float:
    """Units up to which equity less costs covers a fraction of the gross exposure after."""
    unit = order.value(1.0)
    exposure = order.value(book.held)
    reduces = exposure * order.side < 0.0
    free = book.equity - order.commission - fraction * book.gross
    turned = 2.0 * abs(exposure) if reduces else 0.0
    # Past the turning point gross grows by every dollar traded, so the rest is spending again.
    reach = _spend(order, free + fraction * turned, fraction, unit)
    return max(reach, turned / unit)


def _root(gate: Quadratic, side: int, ceiling: float) -> float:
    a, b, c = gate.asset_variance, side * gate.with_asset, gate.variance - ceiling
    if a <= 0.0:
        return -c / (2.0 * b) if b > 0.0 else math.inf
    reach = math.sqrt(max(b * b - a * c, 0.0))
    # The form without subtraction of like numbers, on either side of b = 0.
    if b > 0.0:
        return -c / (b + reach)
    return (reach - b) / a


def _spend(order: Order, budget: float, share: float, unit: float) -> float:
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
