"""Performance figures of a return series, alone and beside a benchmark."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

DAYS_PER_YEAR = 252
SMALLEST = 1e-12
ROOT_YEAR: Final = math.sqrt(DAYS_PER_YEAR)


@dataclass(frozen=True, slots=True)
class Summary:
    """A series in figures; None where a denominator vanishes or there is too little."""

    cumulative_return: float | None
    annual_return: float | None
    annual_volatility: float | None
    sharpe: float | None
    sortino: float | None
    downside_deviation: float | None
    max_drawdown: float | None
    calmar: float | None
    skew: float | None
    excess_kurtosis: float | None
    hit_rate: float | None


@dataclass(frozen=True, slots=True)
class Relative:
    """A series beside its benchmark; None where a denominator vanishes."""

    beta: float | None
    alpha_daily: float | None
    alpha_annual: float | None
    tracking_error: float | None
    information_ratio: float | None
    correlation: float | None


def daily_rate(annual: float) -> float:
    """A yearly rate per trading day, compounded."""
    return (1.0 + annual) ** (1.0 / DAYS_PER_YEAR) - 1.0


def max_drawdown(returns: NDArray[np.float64]) -> float:
    """Deepest fall from a running high, the start included; 0 when there is none, never above."""
    return _fall(_index(returns))


def summary(returns: NDArray[np.float64], rf_annual: float = 0.0) -> Summary:
    """Return, risk and shape of a daily series.

    Parameters
    ----------
    returns : ndarray, shape (t,)
        Simple daily returns, fraction, no holes.
    rf_annual : float
        Risk-free rate, fraction a year.

    Returns
    -------
    Summary
        Volatilities with ddof 1, annualised by 252; moments are population moments. All None for
        an empty series.
    """
    count = returns.size
    if not count:
        return Summary(*[None] * 11)
    free = daily_rate(rf_annual)
    mean = float(np.add.reduce(returns)) / count
    index = _index(returns)
    growth = float(index[-1])
    annual = growth ** (DAYS_PER_YEAR / count) - 1.0 if growth > 0.0 else -1.0
    depth = _fall(index)
    below = np.minimum(returns - free, 0.0)
    downside = math.sqrt(float(below @ below) / count) * ROOT_YEAR
    centred = returns - mean
    squares = centred * centred
    variance = float(np.add.reduce(squares)) / count
    spread = math.sqrt(variance * count / (count - 1)) if count > 1 else None
    shaped = math.sqrt(variance) >= SMALLEST
    return Summary(
        cumulative_return=growth - 1.0,
        annual_return=annual,
        annual_volatility=None if spread is None else spread * ROOT_YEAR,
        sharpe=_ratio((mean - free) * ROOT_YEAR, spread),
        sortino=_ratio((mean - free) * DAYS_PER_YEAR, downside),
        downside_deviation=downside,
        max_drawdown=depth,
        calmar=_ratio(annual, -depth),
        skew=float(squares @ centred) / count / variance**1.5 if shaped else None,
        excess_kurtosis=float(squares @ squares) / count / variance**2 - 3.0 if shaped else None,
        hit_rate=_hits(returns),
    )


def relative(
    returns: NDArray[np.float64], benchmark: NDArray[np.float64], rf_annual: float = 0.0
) -> Relative:
    """Beta, alpha and tracking of a series against a benchmark.

    Parameters
    ----------
    returns, benchmark : ndarray, shape (t,)
        Simple daily returns of the same dates.
    rf_annual : float
        Risk-free rate, fraction a year.

    Returns
    -------
    Relative
        Alpha is compounded over 252 days. All None with fewer than two days.

    Raises
    ------
    ValueError
        The series have different lengths.
    """
    if returns.shape != benchmark.shape:
        raise ValueError(f"{returns.size} returns, {benchmark.size} of the benchmark")
    count = returns.size
    if count < 2:
        return Relative(*[None] * 6)
    free = daily_rate(rf_annual)
    mine, theirs = (float(np.add.reduce(each)) / count for each in (returns, benchmark))
    own, other = returns - mine, benchmark - theirs
    active = own - other
    spread, market, error = (
        math.sqrt(float(each @ each) / (count - 1)) for each in (own, other, active)
    )
    together = float(own @ other) / (count - 1)
    beta = together / (market * market) if market > SMALLEST else None
    alpha = None if beta is None else mine - free - beta * (theirs - free)
    return Relative(
        beta=beta,
        alpha_daily=alpha,
        alpha_annual=None if alpha is None else (1.0 + alpha) ** DAYS_PER_YEAR - 1.0,
        tracking_error=error * ROOT_YEAR,
        information_ratio=_ratio((mine - theirs) * ROOT_YEAR, error),
        correlation=(
            min(max(together / (spread * market), -1.0), 1.0)
            if min(spread, market) > SMALLEST
            else None
        ),
    )


def _ratio(numerator: float, denominator: float | None) -> float | None:
    if denominator is None or abs(denominator) < SMALLEST:
        return None
    return numerator / denominator


def _index(returns: NDArray[np.float64]) -> NDArray[np.float64]:
    """What 1 grows to, the 1 included: shape (t + 1,)."""
    index = np.empty(returns.size + 1)
    index[0] = 1.0
    np.add(returns, 1.0, out=index[1:])
    return np.multiply.accumulate(index, out=index)


def _fall(index: NDArray[np.float64]) -> float:
    return float(np.minimum.reduce(index / np.maximum.accumulate(index))) - 1.0


def _hits(returns: NDArray[np.float64]) -> float | None:
    decided = int(np.count_nonzero(returns))
    return int(np.count_nonzero(returns > 0.0)) / decided if decided else None
