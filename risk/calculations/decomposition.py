"""Where a VaR sits: marginal, component and incremental parts, and a book that answers at once."""

import math
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from risk.calculations.var import ROUNDING, VAR_CONFIDENCE, quantile, variance


@dataclass(frozen=True, slots=True)
class VarParts:
    """One VaR and its Euler parts, in dollars; arrays in the order of the exposures."""

    total: float
    marginal: NDArray[np.float64]
    component: NDArray[np.float64]

    @property
    def percent(self) -> NDArray[np.float64]:
        """Each component as a fraction of the total; zeros for a riskless book."""
        return self.component / self.total if self.total else np.zeros_like(self.component)


@dataclass(frozen=True, slots=True)
class Incremental:
    """VaR before and after a trade, in full, and its first-order guess."""

    before: float
    after: float
    marginal_approximation: float

    @property
    def incremental(self) -> float:
        """After minus before; negative for a hedge."""
        return self.after - self.before


def components(
    exposures: NDArray[np.float64],
    covariance: NDArray[np.float64],
    *,
    confidence: float = VAR_CONFIDENCE,
    z: float | None = None,
) -> VarParts:
    """Parametric VaR of one period with its marginal and component parts.

    Parameters
    ----------
    exposures : ndarray, shape (n,)
        Signed dollar delta exposures by underlying. Cash is not among them.
    covariance : ndarray, shape (n, n)
        Of returns, per period. The VaR has the same period.
    confidence : float
        One-sided; the quantile is exact (0.95 gives 1.644854).
    z : float, optional
        Overrides the quantile, to compare with reports that round it to 1.65.

    Returns
    -------
    VarParts
        `total` positive for a loss. `marginal` (n,): dollars of VaR per dollar of exposure added.
        `component` (n,): sums to `total`; negative for a hedge. All zero for a riskless book.

    Raises
    ------
    ValueError
        The shapes disagree, or the variance is negative beyond rounding.

    References
    ----------
    Jorion, Value at Risk, 3rd ed., ch. 7.
    """
    total = variance(exposures, covariance)
    size = np.abs(exposures)
    if total <= ROUNDING * 1e-6 * float(size @ np.abs(covariance) @ size):
        nothing = np.zeros(exposures.size)
        return VarParts(total=0.0, marginal=nothing, component=nothing)
    factor = quantile(confidence, z)
    sigma = math.sqrt(total)
    marginal = factor * (covariance @ exposures) / sigma
    return VarParts(factor * sigma, marginal, exposures * marginal)


def incremental(
    exposures: NDArray[np.float64],
    trade: NDArray[np.float64],
    covariance: NDArray[np.float64],
    *,
    confidence: float = VAR_CONFIDENCE,
    z: float | None = None,
) -> Incremental:
    """VaR with and without a trade.

    Parameters
    ----------
    exposures, trade : ndarray, shape (n,)
        Signed dollars held, and signed dollars added.
    covariance : ndarray, shape (n, n)
        Of returns, per period.
    confidence, z : float
        As in `components`.

    Returns
    -------
    Incremental
        The marginal approximation converges to the increment as the trade shrinks.

    Raises
    ------
    ValueError
        The shapes disagree, or a variance is negative beyond rounding.
    """
    if trade.shape != exposures.shape:
        raise ValueError(f"trade {trade.shape} does not fit exposures {exposures.shape}")
    now = components(exposures, covariance, confidence=confidence, z=z)
    factor = quantile(confidence, z)
    after = factor * math.sqrt(variance(exposures + trade, covariance))
    return Incremental(now.total, after, float(now.marginal @ trade))


class PortfolioVariance:
    """Variance of one book and covariance times its exposures, kept, so that a question is O(1).

    `variance` is in dollars squared; `exposures`, `with_book` (covariance x exposures) and
    `diagonal` (variances of the assets) have shape (n,) and one order.
    """

    __slots__ = ("_pairs", "diagonal", "exposures", "variance", "volatility", "with_book")

    def __init__(self, exposures: NDArray[np.float64], covariance: NDArray[np.float64]) -> None:
        self.variance = variance(exposures, covariance)
        self.volatility = math.sqrt(self.variance)
        self.exposures = np.array(exposures, dtype=np.float64)
        self.with_book = np.array(covariance @ exposures, dtype=np.float64)
        self.diagonal = np.array(np.diag(covariance), dtype=np.float64)
        self._pairs: list[tuple[float, float]] = []

    def added(self, row: int, dollars: float) -> float:
        """Volatility added by `dollars` more of asset `row`; times z, the incremental VaR."""
        # Python floats in pairs: indexing an array twice would cost more than the arithmetic.
        try:
            twice_with, own = self._pairs[row]
            return sqrt(self.variance + dollars * (twice_with + dollars * own)) - self.volatility
        except ValueError:  # rounding below zero: the trade takes all the risk away
            return -self.volatility
        except IndexError:
            if self._pairs:
                raise
            self._pairs = list(
                zip((2.0 * self.with_book).tolist(), self.diagonal.tolist(), strict=True)
            )
            if not self._pairs:
                raise
        return self.added(row, dollars)

    def added_everywhere(self, dollars: float) -> NDArray[np.float64]:
        """`added` for every asset in turn, shape (n,)."""
        after = self.variance + dollars * (2.0 * self.with_book + dollars * self.diagonal)
        return np.sqrt(np.maximum(after, 0.0)) - self.volatility

    def added_by_legs(
        self,
        rows: NDArray[np.intp],
        dollars: NDArray[np.float64],
        covariance: NDArray[np.float64],
    ) -> float:
        """Volatility added by several legs at once: O(legs squared)."""
        inside = dollars @ covariance[np.ix_(rows, rows)] @ dollars
        after = self.variance + float(2.0 * dollars @ self.with_book[rows] + inside)
        return math.sqrt(max(after, 0.0)) - self.volatility

    def parts(self, confidence: float = VAR_CONFIDENCE) -> VarParts:
        """VaR with marginal and component parts; no further matrix work."""
        if self.variance <= 0.0:
            nothing = np.zeros(self.exposures.size)
            return VarParts(0.0, nothing, nothing)
        factor = quantile(confidence)
        marginal = factor * self.with_book / self.volatility
        return VarParts(factor * self.volatility, marginal, self.exposures * marginal)

    def trade(self, row: int, dollars: float, column: NDArray[np.float64]) -> None:
        """Take a trade into the book; `column` (n,) is the asset's column of the covariance."""
        change = dollars * (2.0 * self.with_book.item(row) + dollars * self.diagonal.item(row))
        self.variance = max(self.variance + change, 0.0)
        self.volatility = math.sqrt(self.variance)
        self.exposures[row] += dollars
        self.with_book += dollars * column
        self._pairs = []

    def tick(self, returns: NDArray[np.float64], decay: float) -> None:
        """Follow one EWMA step of the covariance, exposures held: O(n), exact."""
        gain = float(self.exposures @ returns)
        self.variance = decay * self.variance + (1.0 - decay) * gain * gain
        self.volatility = math.sqrt(self.variance)
        self.with_book *= decay
        self.with_book += (1.0 - decay) * gain * returns
        self.diagonal *= decay
        self.diagonal += (1.0 - decay) * returns**2
        self._pairs = []
