"""Performance figures of many portfolios at once: over whole histories, and carried a day on.

A day costs each portfolio the same however long its history is: what the figures need is kept in
nine numbers (Welford's mean and sum of squares, downside squares, log wealth, peak, worst fall).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portfolios.calculations.performance import DAYS_PER_YEAR, ROOT_YEAR, SMALLEST, daily_rate

Array = NDArray[np.float64]
BLOCK = 32  # portfolios at a time: their days stay in the cache


@dataclass(slots=True)
class Carried:
    """What is kept of p portfolios, each entry shape (p,); changed in place by `carry`."""

    count: Array
    mean: Array  # of daily returns
    squares: Array  # sum of squared deviations from the mean
    below: Array  # sum of squared returns under the risk-free rate
    wealth: Array  # log of what 1 has grown to
    peak: Array  # highest wealth so far, the start included
    worst: Array  # deepest wealth less peak, <= 0
    against: Array  # sum of products with the benchmark, both as deviations
    market: Array  # the benchmark's own mean and sum of squares, shape (2,)


@dataclass(frozen=True, slots=True)
class Table:
    """Ten figures of p portfolios, each shape (p,); NaN where a denominator vanishes."""

    cumulative_return: Array
    annual_return: Array
    annual_volatility: Array
    sharpe: Array
    sortino: Array
    downside_deviation: Array
    max_drawdown: Array
    calmar: Array
    beta: Array
    alpha: Array


def empty(portfolios: int) -> Carried:
    """Nothing known yet of so many portfolios."""
    count, mean, squares, below, wealth, peak, worst, against = np.zeros((8, portfolios))
    return Carried(count, mean, squares, below, wealth, peak, worst, against, np.zeros(2))


def carried(returns: Array, benchmark: Array, rf_annual: float = 0.0) -> Carried:
    """What is kept after whole histories, from one pass over them.

    Parameters
    ----------
    returns : ndarray, shape (p, t)
        Simple daily returns above -1, no holes.
    benchmark : ndarray, shape (t,)
        Those of the benchmark on the same days.
    rf_annual : float
        Risk-free rate, fraction a year.

    Returns
    -------
    Carried
        As carrying day after day gives it, up to rounding.
    """
    portfolios, days = returns.shape
    made = empty(portfolios)
    free = daily_rate(rf_annual)
    theirs = float(np.add.reduce(benchmark)) / days
    other = benchmark - theirs
    made.market[:] = theirs, float(other @ other)
    made.count[:] = days
    for first in range(0, portfolios, BLOCK):
        rows = slice(first, min(first + BLOCK, portfolios))
        # a day a row: the running products go over all portfolios of the block at once
        x = np.array(returns[rows].T, order="C")
        made.mean[rows] = mean = np.add.reduce(x, axis=0) / days
        made.against[rows] = other @ x
        low = np.minimum(x - free, 0.0)
        np.multiply(low, low, out=low)
        made.below[rows] = np.add.reduce(low, axis=0)
        off = np.subtract(x, mean, out=low)
        np.multiply(off, off, out=off)
        made.squares[rows] = np.add.reduce(off, axis=0)
        x += 1.0
        np.multiply.accumulate(x, axis=0, out=x)
        high = np.maximum.accumulate(x, axis=0, out=low)
        np.maximum(high, 1.0, out=high)
        made.wealth[rows], made.peak[rows] = np.log(x[-1]), np.log(high[-1])
        made.worst[rows] = np.log(np.minimum.reduce(np.divide(x, high, out=x), axis=0))
    return made


def carry(kept: Carried, returns: Array, benchmark: float, rf_annual: float = 0.0) -> None:
    """Add one day, in place.

    Parameters
    ----------
    kept : Carried
        Of p portfolios.
    returns : ndarray, shape (p,)
        The day's simple returns, above -1.
    benchmark : float
        The benchmark's return of the day.
    rf_annual : float
        The rate everything before was carried with.
    """
    free = daily_rate(rf_annual)
    kept.count += 1.0
    off = returns - kept.mean
    kept.mean += off / kept.count
    kept.squares += off * (returns - kept.mean)
    count = float(kept.count[0])
    theirs = benchmark - kept.market[0]
    kept.market[0] += theirs / count
    kept.market[1] += theirs * (benchmark - kept.market[0])
    off *= benchmark - kept.market[0]
    kept.against += off
    low = np.minimum(returns - free, 0.0)
    low *= low
    kept.below += low
    kept.wealth += np.log1p(returns)
    np.maximum(kept.peak, kept.wealth, out=kept.peak)
    np.minimum(kept.worst, kept.wealth - kept.peak, out=kept.worst)


def table(kept: Carried, rf_annual: float = 0.0) -> Table:
    """The ten figures of what is kept; the formulas of `performance.summary` and `relative`."""
    free = daily_rate(rf_annual)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(kept.squares / (kept.count - 1.0))
        downside = np.sqrt(kept.below / kept.count) * ROOT_YEAR
        annual = np.expm1(kept.wealth * (DAYS_PER_YEAR / kept.count))
        worst = np.expm1(kept.worst)
        excess = kept.mean - free
        beta = kept.against / kept.market[1] if kept.market[1] > SMALLEST**2 else np.nan
        daily = excess - beta * (kept.market[0] - free)
        return Table(
            cumulative_return=np.expm1(kept.wealth),
            annual_return=annual,
            annual_volatility=spread * ROOT_YEAR,
            sharpe=_over(excess * ROOT_YEAR, spread),
            sortino=_over(excess * DAYS_PER_YEAR, downside),
            downside_deviation=downside,
            max_drawdown=worst,
            calmar=_over(annual, -worst),
            beta=np.broadcast_to(beta, kept.mean.shape),
            alpha=np.expm1(DAYS_PER_YEAR * np.log1p(daily)),
        )


def _over(numerator: Array, denominator: Array) -> Array:
    found: Array = np.where(np.abs(denominator) < SMALLEST, np.nan, numerator / denominator)
    return found


def figures_of(made: Table, portfolio: int) -> dict[str, float | None]:
    """One portfolio's figures by name; None where there is none."""
    found = {name: float(getattr(made, name)[portfolio]) for name in Table.__slots__}
    return {name: value if math.isfinite(value) else None for name, value in found.items()}
