"""Volatility implied by prices of options that may be exercised at any time."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketdata.calculations.american import PREMIUM_ABSOLUTE, PREMIUM_RELATIVE, american
from marketdata.calculations.implied_volatility import (
    LOWEST,
    Implied,
    implied_volatility,
)
from marketdata.calculations.normal import columns
from marketdata.calculations.options import CODE, bsm

TOLERANCE = 1e-9
ROUNDS = 60
BELOW, NONE = CODE["below_intrinsic"], CODE["no_solution"]


def american_volatility(
    price: Any,
    spot: Any,
    strike: Any,
    rate: Any,
    dividend_yield: Any,
    years: Any,
    is_call: Any,
) -> Implied:
    """The volatility at which the model shown for an American option gives its price.

    Parameters
    ----------
    price, spot, strike, rate, dividend_yield, years, is_call : array_like
        As for `implied_volatility`.

    Returns
    -------
    Implied
        Where early exercise is worth nothing that counts (the rule of `american_greeks`), the
        closed form's volatility. Elsewhere the tree's; a price at or under what exercise pays
        today is `below_intrinsic` then, though the closed form may have a volatility for it.

    Notes
    -----
    The tree's price rises with volatility, and the closed form's volatility is never below the
    tree's. Between the two ends the Illinois variant of the false position.
    """
    given = columns(price, spot, strike, rate, dividend_yield, years, is_call)
    found = implied_volatility(*given)
    rows = _early(given, found)
    if rows.size:
        parts = [one[rows] for one in given]
        found.values[rows], found.reason[rows] = _on_the_tree(parts, found.values[rows])
    return found


def _early(given: list[NDArray[np.float64]], found: Implied) -> NDArray[np.intp]:
    """Places where early exercise counts."""
    _, spot, strike, rate, dividend_yield, years, is_call = given
    market = (spot, strike, rate, dividend_yield, found.values, years, is_call)
    european = bsm(*market)
    with np.errstate(all="ignore"):
        tree = american(*market).values[0]
        premium = tree - european.values[0]
        counts = premium > np.maximum(PREMIUM_ABSOLUTE, PREMIUM_RELATIVE * tree)
    return np.flatnonzero((found.reason == 0) & counts)


def _on_the_tree(
    given: list[NDArray[np.float64]], high: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    price, spot, strike, rate, dividend_yield, years, is_call = given

    def gap(volatility: NDArray[np.float64], rows: NDArray[np.intp]) -> NDArray[np.float64]:
        worth = american(
            spot[rows],
            strike[rows],
            rate[rows],
            dividend_yield[rows],
            volatility,
            years[rows],
            is_call[rows],
        )
        return worth.values[0] - price[rows]

    everything, low, high = np.arange(price.size), np.full(price.size, LOWEST), high.copy()
    under, over = gap(low, everything), gap(high, everything)
    reason = np.where(under >= -TOLERANCE * price, BELOW, 0).astype(np.uint8)
    reason[~np.isfinite(under + over)] = NONE
    values = np.where(reason == 0, high, np.nan)
    open_ = np.flatnonzero((reason == 0) & (over > 0.0))
    for _ in range(ROUNDS):
        if not open_.size:
            break
        step = over[open_] / (over[open_] - under[open_])
        middle = high[open_] - (high[open_] - low[open_]) * step
        values[open_] = middle
        here = gap(middle, open_)
        above = here > 0.0
        up, down = open_[above], open_[~above]
        # the end that stays put for two rounds loses half its weight, so both close in
        under[up] *= 0.5
        over[down] *= 0.5
        high[up], over[up] = middle[above], here[above]
        low[down], under[down] = middle[~above], here[~above]
        wide = (high[open_] - low[open_] > TOLERANCE) & (np.abs(here) > TOLERANCE)
        open_ = open_[wide]
    return values, reason
