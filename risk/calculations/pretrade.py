"""The gate before a trade: cash, inventory, margin, VaR, weight; and the largest passing size."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from risk.calculations import trade_bounds
from risk.calculations.trade_bounds import Book, Gate, PathGate, Trade
from risk.calculations.var import VAR_CONFIDENCE, quantile, variance

APPROVED, REJECTED = "APPROVED", "REJECTED"
INSUFFICIENT_CASH, OVERSELL, MARGIN = "INSUFFICIENT_CASH", "OVERSELL", "MARGIN"
VAR_LIMIT, CONCENTRATION = "VAR_LIMIT", "CONCENTRATION"
NEAREST_LOT = 1e-9
LAST_DIGIT = 1e-9  # far below the six places of a booked quantity
STEPS = 64

Gates = Sequence[Gate] | Sequence[PathGate]


@dataclass(frozen=True, slots=True)
class Limits:
    """What must hold after the trade; infinite where nothing is limited."""

    value_at_risk: float = math.inf  # dollars
    position_weight: float = math.inf  # |delta dollars| in the asset over equity before the trade
    weight_is_hard: bool = True  # a soft limit warns and bounds nothing
    margin_fraction: float = 0.0  # equity over gross exposure, for books that may be short


@dataclass(frozen=True, slots=True)
class GateFigures:
    """One matrix's VaR before and after, in dollars."""

    name: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, with its figures; VaR is the larger of the gate matrices'."""

    status: str
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    var_before: float
    var_after: float
    estimated_cost: float
    cash_after: float
    weight_after: float | None
    largest_quantity: float
    binding: str | None  # the reason that ends the passing range; None when nothing does
    gates: tuple[GateFigures, ...] = ()

    @property
    def incremental_var(self) -> float:
        """VaR after minus before; negative for a hedge."""
        return self.var_after - self.var_before


def gate(
    name: str,
    exposures: NDArray[np.float64],
    covariance: NDArray[np.float64],
    row: int,
    beside: Sequence[tuple[int, float]] = (),
) -> Gate:
    """Read off a matrix what the check of one asset needs.

    Parameters
    ----------
    name : str
        Shown with the verdict.
    exposures : ndarray, shape (n,)
        Signed dollar delta exposures before the trade.
    covariance : ndarray, shape (n, n)
        Of daily returns; one matrix of the gate.
    row : int
        The asset traded.
    beside : sequence of (int, float), optional
        What comes with a dollar of it: rows of exchange rates with their signed dollars.

    Raises
    ------
    ValueError
        The shapes disagree, a number is not finite, or the variance is negative beyond rounding.
    """
    total = variance(exposures, covariance)
    parts = ((row, 1.0), *beside)
    column = sum((weight * covariance[place] for place, weight in parts), np.zeros_like(exposures))
    own = float(sum(weight * column[place] for place, weight in parts))
    if own < 0.0:
        raise ValueError(f"negative variance {own:.3g} of the asset traded")
    return Gate(name, total, float(column @ exposures), own)


def check(
    trade: Trade,
    book: Book,
    gates: Gates,
    limits: Limits,
    *,
    confidence: float = VAR_CONFIDENCE,
) -> Verdict:
    """Judge one order against the book, and say how large it could have been.

    Parameters
    ----------
    trade : Trade
        Side, positive quantity, price and estimated costs.
    book : Book
        State before the trade.
    gates : sequence of Gate, or of PathGate
        One per covariance matrix, by paths where options are valued again; the largest VaR
        counts. A trade that lowers it is never blocked by the VaR limit, one that lowers the
        position never by the weight limit.
    limits : Limits
        Limits in force; a VaR limit given as a share of equity is taken before the trade.
    confidence : float
        Of the VaR limit.

    Returns
    -------
    Verdict
        Reasons in the order cash, inventory, margin, VaR, weight. `largest_quantity` is the end of
        the passing range that starts at 0, in whole lots: submitted, it passes this same check.

    Raises
    ------
    ValueError
        No gate, or a quantity, price or side that is not one. A missing matrix is the caller's
        to refuse: this function never approves without one.
    """
    if not gates:
        raise ValueError("no covariance to judge the trade by")
    if trade.side not in (1, -1):
        raise ValueError(f"side must be +1 or -1, not {trade.side}")
    if not (0.0 < trade.quantity < math.inf and 0.0 < trade.price < math.inf and trade.lot > 0):
        raise ValueError("quantity, price and lot must be positive and finite")
    if math.isnan(limits.value_at_risk) or confidence <= 0.5:
        raise ValueError("no VaR limit to judge the trade by")
    if math.isfinite(limits.position_weight) and not math.isfinite(book.equity):
        raise ValueError("a weight limit needs the equity")
    if limits.margin_fraction > 0.0 and not math.isfinite(book.equity - book.gross):
        raise ValueError("a margin rule needs equity and gross exposure")
    figures = tuple(
        GateFigures(g.name, g.loss(confidence), g.loss_after(trade, trade.quantity, confidence))
        for g in gates
    )
    reasons = _refusals(trade, book, gates, limits, trade.quantity, confidence)
    heavy = _too_heavy(trade, book, limits, trade.quantity)
    largest, binding = _largest(trade, book, gates, limits, confidence)
    cost = trade.cost(trade.quantity)
    exposure_after = book.exposed(trade) + trade.side * trade.exposure(trade.quantity)
    return Verdict(
        status=REJECTED if reasons else APPROVED,
        reasons=reasons,
        warnings=(CONCENTRATION,) if heavy and not limits.weight_is_hard else (),
        var_before=max(f.before for f in figures),
        var_after=max(f.after for f in figures),
        estimated_cost=cost,
        cash_after=book.cash - trade.side * trade.value(trade.quantity) - cost,
        weight_after=exposure_after / book.equity if book.equity > 0 else None,
        largest_quantity=largest,
        binding=binding,
        gates=figures,
    )


def _refusals(
    trade: Trade, book: Book, gates: Gates, limits: Limits, quantity: float, confidence: float
) -> tuple[str, ...]:
    value = trade.value(quantity)
    found = []
    if trade.side > 0 and value + trade.cost(quantity) > book.cash:
        found.append(INSUFFICIENT_CASH)
    if trade.side < 0 and not book.allow_short and quantity > max(book.held, 0.0) + LAST_DIGIT:
        found.append(OVERSELL)
    if _short_of_margin(trade, book, limits, quantity):
        found.append(MARGIN)
    after = max(g.loss_after(trade, quantity, confidence) for g in gates)
    if after > limits.value_at_risk and after >= max(g.loss(confidence) for g in gates):
        found.append(VAR_LIMIT)
    if limits.weight_is_hard and _too_heavy(trade, book, limits, quantity):
        found.append(CONCENTRATION)
    return tuple(found)


def _too_heavy(trade: Trade, book: Book, limits: Limits, quantity: float) -> bool:
    if not math.isfinite(limits.position_weight):
        return False
    exposure = book.exposed(trade)
    before, after = abs(exposure), abs(exposure + trade.side * trade.exposure(quantity))
    return after >= before and after > limits.position_weight * max(book.equity, 0.0)


def _short_of_margin(trade: Trade, book: Book, limits: Limits, quantity: float) -> bool:
    if not (book.allow_short and limits.margin_fraction > 0.0):
        return False
    before = abs(trade.worth(book.held))
    after = abs(trade.worth(book.held + trade.side * quantity))
    gross = book.gross - before + after
    equity = book.equity - trade.cost(quantity) - trade.lost(quantity)
    return after >= before and equity < limits.margin_fraction * gross


def _largest(
    trade: Trade, book: Book, gates: Gates, limits: Limits, confidence: float
) -> tuple[float, str | None]:
    bounds = {
        INSUFFICIENT_CASH: trade_bounds.by_cash(trade, book.cash) if trade.side > 0 else math.inf,
        OVERSELL: (max(book.held, 0.0) if trade.side < 0 and not book.allow_short else math.inf),
        MARGIN: (
            trade_bounds.by_margin(trade, book, limits.margin_fraction)
            if book.allow_short and limits.margin_fraction > 0.0
            else math.inf
        ),
        VAR_LIMIT: math.inf,
        CONCENTRATION: (
            trade_bounds.by_weight(trade, book, limits.position_weight)
            if limits.weight_is_hard
            else math.inf
        ),
    }
    bounds[VAR_LIMIT] = _by_var(trade, gates, limits, confidence, min(bounds.values()))
    binding = min(bounds, key=lambda reason: bounds[reason])
    end = bounds[binding]
    if math.isinf(end):
        return math.inf, None

    def passes(quantity: float) -> bool:
        return not _refusals(trade, book, gates, limits, quantity, confidence)

    # The bound is exact up to rounding; the check itself has the last word about the last lot.
    lots = max(math.floor(end / trade.lot + NEAREST_LOT), 0)
    stride = max(1, round(1e-13 * lots))
    for _ in range(STEPS):
        if lots <= 0 or passes(lots * trade.lot):
            break
        lots = max(lots - stride, 0)
    else:
        lots = 0
    return lots * trade.lot, binding


def _by_var(trade: Trade, gates: Gates, limits: Limits, confidence: float, most: float) -> float:
    limit = limits.value_at_risk
    paths = [gate for gate in gates if isinstance(gate, PathGate)]
    if paths:
        return trade_bounds.by_paths(trade, paths, limit, confidence, most)
    known = [gate for gate in gates if isinstance(gate, Gate)]
    return trade_bounds.by_variance(trade, known, limit / quantile(confidence))
