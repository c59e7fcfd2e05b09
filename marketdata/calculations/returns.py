"""Returns from a panel of closes whose rows are sessions, gaps included."""

import numpy as np
from numpy.typing import NDArray

MAX_GAP = 5


def simple_returns(
    prices: NDArray[np.float64],
    session_numbers: NDArray[np.integer] | None = None,
    *,
    max_gap: int = MAX_GAP,
) -> NDArray[np.float64]:
    """Simple return of each session over the last session the asset had a price.

    Parameters
    ----------
    prices : ndarray, shape (t, n)
        Adjusted closes, oldest first, NaN where there is none; zero and negative count as none.
    session_numbers : ndarray of int, shape (t,), optional
        Place of each row in the calendar; consecutive sessions without it.
    max_gap : int
        Sessions a return may span; over a longer gap it is dropped.

    Returns
    -------
    ndarray, shape (t - 1, n)
        Row i belongs to session i + 1; NaN where there is no return. Never filled with zero.

    Raises
    ------
    ValueError
        The session numbers do not rise or do not fit the rows.
    """
    now, before = _pairs(prices, session_numbers, max_gap)
    return now / before - 1.0


def log_returns(
    prices: NDArray[np.float64],
    session_numbers: NDArray[np.integer] | None = None,
    *,
    max_gap: int = MAX_GAP,
) -> NDArray[np.float64]:
    """Log return of each session over the last session with a price; see `simple_returns`."""
    now, before = _pairs(prices, session_numbers, max_gap)
    return np.log(now / before)


def _pairs(
    prices: NDArray[np.float64],
    session_numbers: NDArray[np.integer] | None,
    max_gap: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows, assets = prices.shape
    numbers = np.arange(rows) if session_numbers is None else np.asarray(session_numbers)
    if numbers.shape != (rows,) or (np.diff(numbers) <= 0).any():
        raise ValueError("session numbers must rise, one a row")
    if rows < 2:
        return np.empty((0, assets)), np.empty((0, assets))
    priced = np.isfinite(prices) & (prices > 0)
    clean = np.where(priced, prices, np.nan)
    row = np.where(priced, np.arange(rows)[:, None], -1)
    latest = np.maximum.accumulate(row, axis=0)[:-1]
    gap = numbers[1:, None] - numbers[np.maximum(latest, 0)]
    usable = (latest >= 0) & (gap <= max_gap)
    before = np.take_along_axis(clean, np.maximum(latest, 0), axis=0)
    return clean[1:], np.where(usable, before, np.nan)
