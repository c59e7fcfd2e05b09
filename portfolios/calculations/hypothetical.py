"""What a book would have been worth had it been held before it was opened."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Past:
    """Dollars by session, oldest first; `first` is the place of the first one that is known."""

    exposures: NDArray[np.float64]  # (sessions, lines), signed
    nav: NDArray[np.float64]
    index: NDArray[np.float64]  # 1 at the end, where the real book begins
    first: int


def values(
    quantities: NDArray[np.float64],
    closes: NDArray[np.float64],
    *,
    fixed: float,
    opening_nav: float,
) -> Past:
    """Value constant holdings at past closes.

    Parameters
    ----------
    quantities : ndarray of shape (n,)
        Signed units times the multiplier, as they were held at the opening.
    closes : ndarray of shape (t, n)
        Dollars a unit in the opening's units, NaN where there is none.
    fixed : float
        Dollars that stand still: cash, and what has no closes.
    opening_nav : float
        Dollars at the opening, positive.

    Returns
    -------
    Past
        Known from the first session on from which every close of every later one is there.

    Raises
    ------
    ValueError
        Shapes do not fit, or the opening is worth nothing.

    Notes
    -----
    Holdings and cash do not change: no trades, flows, dividends or costs are made up.
    """
    if closes.ndim != 2 or closes.shape[1] != quantities.shape[0]:
        raise ValueError(f"closes are sessions by {quantities.shape[0]} lines")
    if not opening_nav > 0.0:
        raise ValueError("a book that is worth nothing has no past to compare with")
    whole = np.isfinite(closes).all(axis=1)
    gaps = np.flatnonzero(~whole)
    first = int(gaps[-1]) + 1 if gaps.size else 0
    exposures = closes * quantities
    nav = exposures.sum(axis=1) + fixed
    return Past(exposures, nav, nav / opening_nav, first)
