"""American options on a Leisen-Reimer tree, and the rule that says when the tree is shown."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketdata.calculations.normal import columns
from marketdata.calculations.options import (
    DAYS_PER_YEAR,
    FIELDS,
    OUT_OF_RANGE,
    Priced,
    bsm,
    in_words,
    nullable,
    why_not,
)

STEPS = 201
# Nodes of all the trees built side by side: so many stay in the cache.
NODES = 64 * (STEPS + 1)
PREMIUM_ABSOLUTE, PREMIUM_RELATIVE = 0.01, 0.005
SPOT_BUMP, POINT, DAY = 0.01, 0.01, 1.0 / DAYS_PER_YEAR
BSM, TREE = "bsm", "lr201"


@dataclass(frozen=True, slots=True)
class American:
    """Price and delta of n American options; `reason[i]` says why contract i has none."""

    values: NDArray[np.float64]  # (2, n): price, delta; NaN under a reason
    reason: NDArray[np.uint8]  # (n,)

    def price(self) -> np.ma.MaskedArray[Any, Any]:
        """Currency a share, shape (n,), masked where there is none."""
        return nullable(self.values[0], self.reason)

    def delta(self) -> np.ma.MaskedArray[Any, Any]:
        """Price change per 1.00 of the spot, shape (n,), masked where there is none."""
        return nullable(self.values[1], self.reason)

    def reasons(self) -> list[str | None]:
        """The reason of each contract in words, None where it has a price."""
        return in_words(self.reason)


@dataclass(frozen=True, slots=True)
class Shown:
    """The Greeks to show of n American options, which model gave each, and the premium."""

    priced: Priced
    models: list[str | None]  # "bsm", "lr201"; None under a reason
    premium: np.ma.MaskedArray[Any, Any]  # american - european, currency a share


def american(
    spot: Any,
    strike: Any,
    rate: Any,
    dividend_yield: Any,
    volatility: Any,
    years: Any,
    is_call: Any,
    *,
    steps: int = STEPS,
) -> American:
    """Price and delta of options that may be exercised at any time.

    Parameters
    ----------
    spot, strike, rate, dividend_yield, volatility, years : array_like, broadcast to (n,)
        Rates and volatilities are fractions a year; None or NaN where unknown.
    is_call : array_like of bool, broadcast to (n,)
        False is a put.
    steps : int
        Odd. Fewer are faster by their square; 51 are good to 0.02 % of the spot.

    Returns
    -------
    American
        Null with the reasons of `options.bsm`. Expired contracts: intrinsic value, delta 0.

    Notes
    -----
    Leisen and Reimer (1996): probabilities by the second Peizer-Pratt inversion, an odd number
    of steps, so that the strike lies between the two middle nodes at the end. Delta is
    (V_up - V_down) / (S_up - S_down) after the first step. Where the distribution is too narrow
    for the tree to branch, the share follows its forward, and the best time on the grid is taken.
    """
    given = columns(spot, strike, rate, dividend_yield, volatility, years, is_call)
    reason = why_not(*given[:-1])
    values = np.full((2, reason.size), np.nan)
    sign = np.where(given[-1] != 0.0, 1.0, -1.0)
    expired = (reason == 0) & (given[5] <= 0.0)
    worth = sign[expired] * (given[0][expired] - given[1][expired])
    values[:, expired] = np.maximum(worth, 0.0), np.zeros(worth.size)
    alive = np.flatnonzero((reason == 0) & ~expired)
    with np.errstate(all="ignore"):
        together = max(1, NODES // (steps + 1))
        for start in range(0, alive.size, together):
            rows = alive[start : start + together]
            values[:, rows] = _branch(*(one[rows] for one in (*given[:-1], sign)), steps=steps)
    lost = (reason == 0) & ~np.isfinite(values.sum(axis=0))
    reason[lost], values[:, lost] = OUT_OF_RANGE, np.nan
    return American(values, reason)


def american_greeks(
    spot: Any,
    strike: Any,
    rate: Any,
    dividend_yield: Any,
    volatility: Any,
    years: Any,
    is_call: Any,
) -> Shown:
    """Greeks of American options: the closed form, or the tree where early exercise is worth it.

    Parameters
    ----------
    spot, strike, rate, dividend_yield, volatility, years, is_call : array_like
        As for `american`.

    Returns
    -------
    Shown
        Where american - european exceeds both 0.01 and 0.5 % of the American price, everything is
        from the tree: gamma from spots 1 % up and down, theta one day later, vega and rho one
        point higher. Units are those of `options.bsm`.
    """
    given = columns(spot, strike, rate, dividend_yield, volatility, years, is_call)
    european, tree = bsm(*given), american(*given)
    reason = np.where(european.reason != 0, european.reason, tree.reason)
    values = european.values.copy()
    values[:, reason != 0] = np.nan
    premium = tree.values[0] - european.values[0]
    least = np.maximum(PREMIUM_ABSOLUTE, PREMIUM_RELATIVE * tree.values[0])
    early = np.flatnonzero((reason == 0) & (premium > least))
    if early.size:
        values[:, early] = _bumped([one[early] for one in given], tree.values[:, early])
        broken = early[~np.isfinite(values[:, early].sum(axis=0))]
        reason[broken], values[:, broken] = OUT_OF_RANGE, np.nan
    chosen = np.full(reason.size, BSM, dtype=object)
    chosen[early], chosen[reason != 0] = TREE, None
    return Shown(Priced(values, reason), chosen.tolist(), nullable(premium, reason))


def _bumped(given: list[NDArray[np.float64]], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """FIELDS from the tree; `centre` is its price and delta, which are known already."""
    spot, strike, rate, dividend_yield, volatility, years, is_call = given
    width = spot * SPOT_BUMP

    def price(
        spot: NDArray[np.float64] = spot,
        rate: NDArray[np.float64] = rate,
        volatility: NDArray[np.float64] = volatility,
        years: NDArray[np.float64] = years,
    ) -> NDArray[np.float64]:
        return american(spot, strike, rate, dividend_yield, volatility, years, is_call).values[0]

    here, delta = centre
    answer = np.empty((len(FIELDS), spot.size))
    answer[0], answer[1] = here, delta
    bent = price(spot=spot + width) - 2.0 * here + price(spot=spot - width)
    # Below the rounding of the prices a difference is none.
    answer[2] = np.where(np.abs(bent) > 1e-13 * here, bent, 0.0) / width**2
    answer[3] = price(years=np.maximum(years - DAY, 0.0)) - here
    answer[4] = price(volatility=volatility + POINT) - here
    answer[5] = price(rate=rate + POINT) - here
    return answer


def _branch(
    spot: NDArray[np.float64],
    strike: NDArray[np.float64],
    rate: NDArray[np.float64],
    dividend_yield: NDArray[np.float64],
    volatility: NDArray[np.float64],
    years: NDArray[np.float64],
    sign: NDArray[np.float64],
    *,
    steps: int,
) -> NDArray[np.float64]:
    """Price and delta, (2, n), of living contracts with complete inputs."""
    deviation = volatility * np.sqrt(years)
    d1 = (np.log(spot / strike) + (rate - dividend_yield) * years) / deviation + 0.5 * deviation
    under_share, under_money = _peizer_pratt(d1, steps), _peizer_pratt(d1 - deviation, steps)
    step = years / steps
    growth = np.exp((rate - dividend_yield) * step)
    up = growth * under_share / under_money
    down = growth * (1.0 - under_share) / (1.0 - under_money)
    narrow = ~((under_money > 0.0) & (under_money < 1.0) & (up > down) & (down > 0.0))
    narrow |= under_share >= 1.0
    discount = np.exp(-rate * step)
    price, delta = _backward(
        spot, strike, sign, np.where(narrow, 1.0, up), np.where(narrow, 1.0, down),
        discount * under_money, discount * (1.0 - under_money), steps=steps,
    )  # fmt: skip
    if narrow.any():
        rows = np.flatnonzero(narrow)
        price[rows], delta[rows] = _certain(
            *(one[rows] for one in (spot, strike, rate, dividend_yield, years, sign)), steps=steps
        )
    return np.stack([price, delta])


def _peizer_pratt(z: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    scaled = z / (steps + 1.0 / 3.0 + 0.1 / (steps + 1.0))
    spread = np.sqrt(-np.expm1(-scaled * scaled * (steps + 1.0 / 6.0)))
    result: NDArray[np.float64] = 0.5 + 0.5 * np.sign(z) * spread
    return result


def _backward(
    spot: NDArray[np.float64],
    strike: NDArray[np.float64],
    sign: NDArray[np.float64],
    up: NDArray[np.float64],
    down: NDArray[np.float64],
    weight_up: NDArray[np.float64],
    weight_down: NDArray[np.float64],
    *,
    steps: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """From the last nodes to the first; node j of a step has gone up j times."""
    ups = np.arange(steps + 1.0)[:, None]
    shares = spot * np.exp(ups * np.log(up) + (steps - ups) * np.log(down))
    shares *= sign
    due = sign * strike
    worth = np.maximum(shares - due, 0.0)
    scratch = np.empty_like(worth)
    per_step = 1.0 / down
    delta = np.zeros_like(spot)
    for nodes in range(steps, 0, -1):
        here, above, now = worth[:nodes], worth[1 : nodes + 1], scratch[:nodes]
        if nodes == 1:
            delta = (worth[1] - worth[0]) / (spot * (up - down))
        np.multiply(above, weight_up, out=now)
        here *= weight_down
        here += now
        shares[:nodes] *= per_step
        np.subtract(shares[:nodes], due, out=now)
        np.maximum(here, now, out=here)
    return worth[0].copy(), delta


def _certain(
    spot: NDArray[np.float64],
    strike: NDArray[np.float64],
    rate: NDArray[np.float64],
    dividend_yield: NDArray[np.float64],
    years: NDArray[np.float64],
    sign: NDArray[np.float64],
    *,
    steps: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Price and delta when the share surely follows its forward: exercise at the best time."""
    times = years * (np.arange(steps + 1.0)[:, None] / steps)
    share = np.exp(-dividend_yield * times)
    gains = sign * (spot * share - strike * np.exp(-rate * times))
    best = gains.argmax(axis=0)
    columns_ = np.arange(spot.size)
    gain = gains[best, columns_]
    delta = np.where(gain > 0.0, sign * share[best, columns_], 0.0)
    return np.maximum(gain, 0.0), delta
