"""Adjusted closes: what a source's own adjustment says of the rows that are stored already."""

import numpy as np
from numpy.typing import NDArray

ROUNDED = 1.5e-4  # dollars by which a stored close and its adjusted one may be off together
LEAST, MOST = 0.55, 1.8  # beyond this it is no dividend: a half may be a split


def rescale(*, close: float, adjusted: float, told: float) -> float | None:
    """Return the factor that brings a stored adjusted close to what its source says now.

    Parameters
    ----------
    close, adjusted : float
        As stored for one session, above zero.
    told : float
        Adjusted close over close of that session as the source has them now.

    Returns
    -------
    float or None
        None where rounding explains the difference, and where no dividend could.
    """
    factor = 1.0 / fit(close=close, adjusted=adjusted, told=told)
    return None if factor == 1.0 or not LEAST <= factor <= MOST else factor


def fit(*, close: float, adjusted: float, told: float) -> float:
    """Return the factor that brings what a source says to the level of a stored adjusted close.

    Parameters
    ----------
    close, adjusted : float
        As stored for one session, above zero.
    told : float
        Adjusted close over close of that session as the source has them, above zero.

    Returns
    -------
    float
        1 where rounding explains the difference.
    """
    factor = adjusted / close / told
    return 1.0 if abs(1.0 / factor - 1.0) <= ROUNDED / min(close, adjusted) else factor


def lacking(
    *, before: tuple[float, float], after: tuple[float, float], amount: float
) -> float | None:
    """Return what adjusted closes before an ex-date lack for a dividend, as a factor.

    Parameters
    ----------
    before, after : (float, float)
        Close and adjusted close of the last session before the ex-date and of the first from it
        on, in the same shares, above zero.
    amount : float
        Dollars a share, in those shares, above zero.

    Returns
    -------
    float or None
        1 - amount / close before, by which the adjusted closes before are multiplied. None where
        they have a step of their own at the ex-date, where rounding hides one, and for what can
        be no dividend.
    """
    step = (before[1] / before[0]) / (after[1] / after[0])
    noise = ROUNDED / min(before) + ROUNDED / min(after)
    factor = 1.0 - amount / before[0]
    if abs(step - 1.0) > noise or 1.0 - factor <= noise or factor < LEAST:
        return None
    return factor


def total_return(close: NDArray[np.float64], adjusted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one series whose returns are those of the adjusted closes where there are any.

    Parameters
    ----------
    close : ndarray, shape (t,)
        Oldest first, above zero.
    adjusted : ndarray, shape (t,)
        NaN where a row has none: the returns from and to it are those of the closes.

    Returns
    -------
    ndarray, shape (t,)
        The last row keeps its own level.
    """
    known = ~np.isnan(adjusted)
    base = np.where(known, adjusted, close)
    edges = np.flatnonzero(known[:-1] != known[1:])
    if not edges.size:
        return base
    steps = np.ones(base.size)
    steps[edges] = close[edges] / base[edges] * base[edges + 1] / close[edges + 1]
    return base * np.cumprod(steps[::-1])[::-1]
