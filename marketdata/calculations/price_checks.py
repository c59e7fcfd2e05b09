"""What a price must satisfy before it is believed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_PRICE = 1e7
MAX_JUMP = 0.40
NOT_FINITE, NOT_POSITIVE, TOO_LARGE, JUMP = "not_finite", "not_positive", "too_large", "jump"


@dataclass(frozen=True, slots=True)
class PriceVerdicts:
    """One verdict a price; a price is accepted, quarantined or rejected."""

    accepted: NDArray[np.bool_]
    quarantined: NDArray[np.bool_]  # plausible, but waits for a second source
    reasons: tuple[str | None, ...]  # None where accepted


def check(
    prices: NDArray[np.float64],
    previous: NDArray[np.float64],
    explained: NDArray[np.bool_] | None = None,
) -> PriceVerdicts:
    """Judge prices against sanity and against the price before each.

    Parameters
    ----------
    prices : ndarray, shape (n,)
        Dollars.
    previous : ndarray, shape (n,)
        Last accepted price of the same instrument; NaN where there is none.
    explained : ndarray of bool, shape (n,), optional
        A corporate action or a second source confirms the move.

    Returns
    -------
    PriceVerdicts
        Not finite, not positive and above ten million are rejected; a move beyond 40% that
        nothing explains is quarantined.

    Raises
    ------
    ValueError
        The shapes disagree.
    """
    if prices.shape != previous.shape:
        raise ValueError(f"{prices.size} prices, {previous.size} before them")
    confirmed = np.zeros(prices.shape, dtype=bool) if explained is None else explained
    finite = np.isfinite(prices)
    positive = np.greater(prices, 0.0, where=finite, out=np.zeros(prices.shape, dtype=bool))
    large = np.greater(prices, MAX_PRICE, where=finite, out=np.zeros(prices.shape, dtype=bool))
    known = finite & positive & ~large & np.isfinite(previous) & (previous > 0)
    move = np.divide(prices, previous, out=np.ones(prices.shape), where=known) - 1.0
    jump = known & (np.abs(move) > MAX_JUMP) & ~confirmed
    reasons = np.select(
        [~finite, ~positive, large, jump], [NOT_FINITE, NOT_POSITIVE, TOO_LARGE, JUMP], ""
    )
    accepted = reasons == ""
    return PriceVerdicts(accepted, jump, tuple(str(text) or None for text in reasons))


def check_one(price: float, previous: float | None = None, explained: bool = False) -> str | None:
    """Reason a single price is not accepted, or None; see `check`."""
    verdict = check(
        np.array([price], dtype=np.float64),
        np.array([np.nan if previous is None else previous], dtype=np.float64),
        np.array([explained]),
    )
    return verdict.reasons[0]
