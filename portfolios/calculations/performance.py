"""Performance figures of a return series, alone and beside a benchmark."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DAYS_PER_YEAR = 252
SMALLEST = 1e-12


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
    index = np.concatenate([[1.0], np.cumprod(1.0 + returns)])
    return float((index / np.maximum.accumulate(index) - 1.0).min())


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
    excess = returns - daily_rate(rf_annual)
    growth = float(np.prod(1.0 + returns))
    annual = growth ** (DAYS_PER_YEAR / count) - 1.0 if growth > 0.0 else -1.0
    spread = float(returns.std(ddof=1)) if count > 1 else None
    downside = math.sqrt(float(np.mean(np.minimum(excess, 0.0) ** 2)) * DAYS_PER_YEAR)
    mean = float(excess.mean())
    depth = max_drawdown(returns)
    skew, kurtosis = _shape(returns)
    decided = returns[returns != 0.0]
    return Summary(
        cumulative_return=growth - 1.0,
        annual_return=annual,
        annual_volatility=None if spread is None else spread * math.sqrt(DAYS_PER_YEAR),
        sharpe=_ratio(mean * math.sqrt(DAYS_PER_YEAR), spread),
        sortino=_ratio(mean * DAYS_PER_YEAR, downside),
        downside_deviation=downside,
        max_drawdown=depth,
        calmar=_ratio(annual, -depth),
        skew=skew,
        excess_kurtosis=kurtosis,
        hit_rate=float((decided > 0.0).mean()) if decided.size else None,
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
    if returns.size < 2:
        return Relative(*[None] * 6)
    free = daily_rate(rf_annual)
    together = np.cov(returns, benchmark, ddof=1)
    spread, market = math.sqrt(together[0, 0]), math.sqrt(together[1, 1])
    beta = float(together[0, 1] / together[1, 1]) if market > SMALLEST else None
    alpha = (
        None if beta is None else float((returns - free).mean() - beta * (benchmark - free).mean())
    )
    active = returns - benchmark
    error = float(active.std(ddof=1))
    return Relative(
        beta=beta,
        alpha_daily=alpha,
        alpha_annual=None if alpha is None else (1.0 + alpha) ** DAYS_PER_YEAR - 1.0,
        tracking_error=error * math.sqrt(DAYS_PER_YEAR),
        information_ratio=_ratio(float(active.mean()) * math.sqrt(DAYS_PER_YEAR), error),
        correlation=(
            float(np.clip(together[0, 1] / (spread * market), -1.0, 1.0))
            if min(spread, market) > SMALLEST
            else None
        ),
    )


def _ratio(numerator: float, denominator: float | None) -> float | None:
    if denominator is None or abs(denominator) < SMALLEST:
        return None
    return numerator / denominator


def _shape(returns: NDArray[np.float64]) -> tuple[float | None, float | None]:
    centred = returns - returns.mean()
    variance = float(np.mean(centred**2))
    if math.sqrt(variance) < SMALLEST:
        return None, None
    skew = float(np.mean(centred**3)) / variance**1.5
    return skew, float(np.mean(centred**4)) / variance**2 - 3.0
