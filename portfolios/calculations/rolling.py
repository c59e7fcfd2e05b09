"""Figures over a window that moves along a return series, and how its returns are spread."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from portfolios.calculations.performance import DAYS_PER_YEAR, SMALLEST, daily_rate

WINDOWS = (63, 126)  # sessions: a quarter, half a year
BINS = 21


@dataclass(frozen=True, slots=True)
class Rolling:
    """One figure a day, shape (t,); NaN until the window is full or where it divides by zero."""

    volatility: NDArray[np.float64]
    sharpe: NDArray[np.float64]
    beta: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of returns between edges, and what a normal law of the same moments expects."""

    edges: tuple[float, ...]  # b + 1
    counts: tuple[int, ...]
    expected: tuple[float, ...]
    mean: float
    deviation: float


def rolling(
    returns: NDArray[np.float64],
    window: int,
    rf_annual: float = 0.0,
    benchmark: NDArray[np.float64] | None = None,
) -> Rolling:
    """Volatility, Sharpe ratio and beta over the last `window` days of each day.

    Parameters
    ----------
    returns : ndarray, shape (t,)
        Simple daily returns.
    window : int
        Days, at least 2.
    rf_annual : float
        Risk-free rate, fraction a year.
    benchmark : ndarray, shape (t,), optional
        Returns of the same days, NaN where unknown; a window with one has no beta.

    Returns
    -------
    Rolling
        Annualised with 252 days, ddof 1; the formulas of `performance.summary` and `relative`.
    """
    shape = returns.shape
    volatility, sharpe, beta = (np.full(shape, np.nan) for _ in range(3))
    if returns.size >= window:
        seen = sliding_window_view(returns, window)
        spread = seen.std(axis=1, ddof=1)
        excess = seen.mean(axis=1) - daily_rate(rf_annual)
        steady = spread < SMALLEST
        last = slice(window - 1, None)
        volatility[last] = spread * math.sqrt(DAYS_PER_YEAR)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = excess / spread * math.sqrt(DAYS_PER_YEAR)
        sharpe[last] = np.where(steady, np.nan, ratio)
        if benchmark is not None:
            beta[last] = _beta(seen, sliding_window_view(benchmark, window))
    return Rolling(volatility, sharpe, beta)


def _beta(mine: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    other = theirs - theirs.mean(axis=1, keepdims=True)
    own = mine - mine.mean(axis=1, keepdims=True)
    square = np.vecdot(other, other)
    flat = square <= SMALLEST**2 * mine.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        found: NDArray[np.float64] = np.where(flat, np.nan, np.vecdot(own, other) / square)
    return found


def histogram(returns: NDArray[np.float64], bins: int = BINS) -> Histogram | None:
    """Counts in equal bins around zero, with the normal law of the same mean and deviation.

    Parameters
    ----------
    returns : ndarray, shape (t,)
        Simple daily returns.
    bins : int
        How many at most.

    Returns
    -------
    Histogram or None
        Edges are round: zero is one of them. None for fewer than two days or no spread.
    """
    if returns.size < 2:
        return None
    mean, deviation = float(returns.mean()), float(returns.std(ddof=1))
    if deviation < SMALLEST:
        return None
    low, high = float(returns.min()), float(returns.max())
    width = _round_width((high - low) / bins)
    first = math.floor(low / width + 1e-9)
    count = max(math.ceil(high / width - 1e-9) - first, 1)
    edges = np.array([(first + place) * width for place in range(count + 1)])
    counts, _ = np.histogram(np.clip(returns, edges[0], edges[-1]), bins=edges)
    below = [0.5 * (1.0 + math.erf((edge - mean) / deviation / math.sqrt(2.0))) for edge in edges]
    expected = np.diff(np.array(below)) * returns.size
    return Histogram(
        tuple(edges.tolist()),
        tuple(int(each) for each in counts),
        tuple(expected.tolist()),
        mean,
        deviation,
    )


def _round_width(least: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is not below `least`."""
    power: float = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1.0, 2.0, 2.5, 5.0, 10.0) if step * power >= least)
