"""Value at risk in closed form: parametric, its normal expected shortfall, Cornish-Fisher."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

VAR_CONFIDENCE = 0.95
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class ParametricVar:
    """A VaR in dollars, positive for a loss, with the quantile and volatility behind it."""

    total: float
    sigma: float  # of one period, dollars
    z: float


@dataclass(frozen=True, slots=True)
class NormalTail:
    """VaR and expected shortfall of a normal loss, in the unit of its sigma."""

    value_at_risk: float
    expected_shortfall: float


@dataclass(frozen=True, slots=True)
class CornishFisher:
    """A VaR corrected for skew and kurtosis, or the reason there is none."""

    value_at_risk: float | None
    z_cf: float | None
    reason: str | None = None


def quantile(confidence: float, z: float | None = None) -> float:
    """The one-sided normal quantile of a confidence (0.95 gives 1.644854), or `z` if given.

    Raises ValueError outside (0, 1).
    """
    if z is not None:
        return z
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"not a confidence: {confidence}")
    return NormalDist().inv_cdf(confidence)


def variance(exposures: NDArray[np.float64], covariance: NDArray[np.float64]) -> float:
    """Portfolio variance in dollars squared; rounding below zero is clipped.

    Raises ValueError when the shapes disagree, a number is not finite, or the variance is
    negative beyond rounding.
    """
    if covariance.shape != (exposures.size, exposures.size):
        raise ValueError(f"covariance {covariance.shape} does not fit {exposures.size} exposures")
    with np.errstate(invalid="ignore", over="ignore"):
        total = float(exposures @ covariance @ exposures)
    if not math.isfinite(total):
        raise ValueError("an exposure or a covariance is not finite")
    if total <= 0.0:
        size = np.abs(exposures)
        if total < -ROUNDING * float(size @ np.abs(covariance) @ size):
            raise ValueError(f"negative variance {total:.3g}: repair the covariance first")
        return 0.0
    return total


def parametric(
    exposures: NDArray[np.float64],
    covariance: NDArray[np.float64],
    *,
    confidence: float = VAR_CONFIDENCE,
    horizon_days: float = 1.0,
    z: float | None = None,
) -> ParametricVar:
    """Normal VaR of a book of dollar delta exposures.

    Parameters
    ----------
    exposures : ndarray, shape (n,)
        Signed dollars by underlying.
    covariance : ndarray, shape (n, n)
        Of daily returns.
    confidence : float
        One-sided.
    horizon_days : float
        Scales by its square root, which assumes independent days; show it up to 10 only.
    z : float, optional
        Overrides the quantile, to compare with reports that round it to 1.65.

    Returns
    -------
    ParametricVar
        Zero for an empty or riskless book.

    Raises
    ------
    ValueError
        The shapes disagree, or the variance is negative beyond rounding.

    References
    ----------
    J.P. Morgan/Reuters, RiskMetrics Technical Document, 4th ed., 1996.
    """
    factor = quantile(confidence, z)
    sigma = math.sqrt(variance(exposures, covariance))
    return ParametricVar(factor * sigma * math.sqrt(horizon_days), sigma, factor)


def expected_shortfall(sigma: float, confidence: float = VAR_CONFIDENCE) -> NormalTail:
    """Mean loss beyond the VaR of a normal book (2.0627 sigma at 95%).

    Parameters
    ----------
    sigma : float
        Volatility of the P&L over the horizon, dollars or fraction.
    confidence : float
        One-sided.

    Returns
    -------
    NormalTail
        Both positive for a loss, in the unit of `sigma`.
    """
    z = quantile(confidence)
    return NormalTail(z * sigma, sigma * NormalDist().pdf(z) / (1.0 - confidence))


def cornish_fisher(
    mu: float,
    sigma: float,
    skew: float,
    excess_kurtosis: float,
    confidence: float = VAR_CONFIDENCE,
) -> CornishFisher:
    """VaR with the normal quantile bent by skew and excess kurtosis.

    Parameters
    ----------
    mu, sigma : float
        Mean and volatility of the return over the horizon.
    skew, excess_kurtosis : float
        Population moments, zero for a normal.
    confidence : float
        One-sided.

    Returns
    -------
    CornishFisher
        None with `outside_domain` where the bent quantile is not monotone in the normal one.

    References
    ----------
    Maillard, A User's Guide to the Cornish Fisher Expansion, 2018.
    """
    a = excess_kurtosis / 8.0 - skew**2 / 6.0
    b = skew / 3.0
    c = 1.0 - excess_kurtosis / 8.0 + 5.0 * skew**2 / 36.0
    rises = (a > 0.0 and b * b < 4.0 * a * c) or (a == 0.0 and b == 0.0)
    if not (c > 0.0 and rises):
        return CornishFisher(None, None, "outside_domain")
    z = -quantile(confidence)
    bent = (
        z
        + (z**2 - 1.0) * skew / 6.0
        + (z**3 - 3.0 * z) * excess_kurtosis / 24.0
        - (2.0 * z**3 - 5.0 * z) * skew**2 / 36.0
    )
    return CornishFisher(-(mu + sigma * bent), bent)
