"""The stressed covariance: a crisis window where there is history, a synthetic step elsewhere."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketdata.calculations.correlation import from_covariance, nearest_correlation

VOL_MULTIPLIER = 2.5
CORR_BLEND = 0.5
MINIMUM_RETURNS = 40
FROM_WINDOW, SYNTHETIC = 1, 3


@dataclass(frozen=True, slots=True)
class StressedMatrix:
    """A stressed covariance of daily returns, and where each asset's volatility came from."""

    matrix: NDArray[np.float64]  # (n, n)
    steps: NDArray[np.int64]  # (n,), 1 crisis window, 3 synthetic
    observations: NDArray[np.int64]  # (n,), returns inside the window
    repair: float  # Frobenius distance of the correlation repair

    @property
    def synthetic(self) -> NDArray[np.bool_]:
        """Assets whose figures are assumed rather than measured."""
        return self.steps == SYNTHETIC


def synthetic(
    covariance: NDArray[np.float64],
    vol_multiplier: float = VOL_MULTIPLIER,
    corr_blend: float = CORR_BLEND,
) -> NDArray[np.float64]:
    """Multiply every volatility and pull every correlation towards one.

    Parameters
    ----------
    covariance : ndarray, shape (n, n)
        Of daily returns, today.
    vol_multiplier : float
        Positive.
    corr_blend : float
        0 keeps the correlations, 1 makes them all one.

    Returns
    -------
    ndarray, shape (n, n)
        Positive semi-definite whenever `covariance` is.

    Raises
    ------
    ValueError
        A parameter lies outside its range.
    """
    if vol_multiplier <= 0.0 or not 0.0 <= corr_blend <= 1.0:
        raise ValueError("the multiplier must be positive, the blend between 0 and 1")
    blended = _blend(from_covariance(covariance), corr_blend)
    volatility = vol_multiplier * np.sqrt(np.maximum(np.diag(covariance), 0.0))
    return blended * np.outer(volatility, volatility)


def stressed(
    covariance: NDArray[np.float64],
    crisis_returns: NDArray[np.float64],
    *,
    minimum: int = MINIMUM_RETURNS,
    vol_multiplier: float = VOL_MULTIPLIER,
    corr_blend: float = CORR_BLEND,
) -> StressedMatrix:
    """Stressed covariance of a universe, some of which did not exist in the crisis.

    Parameters
    ----------
    covariance : ndarray, shape (n, n)
        Of daily returns, today.
    crisis_returns : ndarray, shape (t, n)
        Simple daily returns inside the crisis window, NaN where an asset has none.
    minimum : int
        Returns an asset needs inside the window.
    vol_multiplier, corr_blend : float
        Of the synthetic step, for the others.

    Returns
    -------
    StressedMatrix
        Window assets: equal-weight zero-mean second moment. Others: today's volatility times the
        multiplier. A pair takes its correlation from the higher step of the two; the whole is
        repaired to a valid correlation.

    Raises
    ------
    ValueError
        The shapes disagree.
    """
    size = covariance.shape[0]
    if covariance.shape != (size, size) or crisis_returns.shape[1:] != (size,):
        raise ValueError(f"returns of {crisis_returns.shape[1:]} assets, covariance of {size}")
    present = np.isfinite(crisis_returns)
    observations = present.sum(axis=0)
    from_window = observations >= max(minimum, 1)
    filled = np.where(present, crisis_returns, 0.0)
    shared = np.maximum(present.T.astype(np.float64) @ present, 1.0)
    window = filled.T @ filled / shared
    today = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    volatility = np.where(from_window, np.sqrt(np.diag(window)), vol_multiplier * today)
    assumed = _blend(from_covariance(covariance), corr_blend)
    both = np.outer(from_window, from_window)
    correlation = np.where(both, from_covariance(window), assumed)
    np.fill_diagonal(correlation, 1.0)
    valid = nearest_correlation(correlation)
    return StressedMatrix(
        matrix=valid * np.outer(volatility, volatility),
        steps=np.where(from_window, FROM_WINDOW, SYNTHETIC),
        observations=observations,
        repair=float(np.linalg.norm(valid - correlation)),
    )


def _blend(correlation: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    blended = (1.0 - share) * correlation + share
    np.fill_diagonal(blended, 1.0)
    return blended
