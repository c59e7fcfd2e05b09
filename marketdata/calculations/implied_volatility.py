"""Implied volatility of many options at once, by Halley steps on the time value."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketdata.calculations.normal import DENSITY_AT_ZERO, columns, mills
from marketdata.calculations.options import BLOCK, CODE, in_words, nullable, why_not

LOWEST, HIGHEST = 1e-4, 10.0
STEPS, MORE_STEPS = 5, 30
# A last relative step up to this leaves nothing to gain: the order is three.
CLOSE = 1e-6
# At the money the inflection lies at 0; the search starts beside it.
SMALLEST_START = 1e-8


@dataclass(frozen=True, slots=True)
class Implied:
    """Implied volatilities of n prices; `reason[i]` says why price i has none."""

    values: NDArray[np.float64]  # (n,), fractions a year; NaN under a reason
    reason: NDArray[np.uint8]  # (n,)

    def volatility(self) -> np.ma.MaskedArray[Any, Any]:
        """Fractions a year, shape (n,), masked where there is none."""
        return nullable(self.values, self.reason)

    def reasons(self) -> list[str | None]:
        """The reason of each price in words, None where it has a volatility."""
        return in_words(self.reason)


def implied_volatility(
    price: Any,
    spot: Any,
    strike: Any,
    rate: Any,
    dividend_yield: Any,
    years: Any,
    is_call: Any,
) -> Implied:
    """The volatility at which the Black-Scholes-Merton price is the given one.

    Parameters
    ----------
    price, spot, strike, rate, dividend_yield, years : array_like, broadcast to (n,)
        Price a share in currency; rates continuous, fractions a year; None or NaN if unknown.
    is_call : array_like of bool, broadcast to (n,)
        False is a put.

    Returns
    -------
    Implied
        Between 1e-4 and 10. Without one the reason is `expired`, `below_intrinsic` (no time
        value), `above_maximum` (dearer than the share, or than the discounted strike for a put),
        `no_solution` (outside 1e-4 to 10) or the missing input's (`no_price`, `no_spot`, ...).

    Notes
    -----
    By put-call parity only time value matters, so each price is turned into that of the
    out-of-the-money option, in units of sqrt(forward * strike). With x = -|ln(F/K)|,
    s = sigma sqrt(T), h = x/s, t = s/2 and M(z) = N(-z) exp(z^2/2), the normalised price is
    exp(-(h^2+t^2)/2) (M(-h-t) - M(t-h)), and its distance from the upper bound the same with
    a plus and |h+t|. Halley's method on 1/ln(price) below the inflection sqrt(2|x|), and on
    ln(distance) above it, needs one logarithm and no exponential a step and cannot overflow.
    """
    given = columns(price, spot, strike, rate, dividend_yield, years, is_call)
    values = np.empty(given[0].size)
    reason = np.empty(given[0].size, dtype=np.uint8)
    # A solver keeps more arrays than the pricer: half its block stays in the cache.
    step = BLOCK // 2
    with np.errstate(all="ignore"):
        for start in range(0, values.size, step):
            part = slice(start, start + step)
            values[part], reason[part] = _block([one[part] for one in given])
    return Implied(values, reason)


def _block(
    given: list[NDArray[np.float64]],
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    price, spot, strike, rate, dividend_yield, years, is_call = given
    sign = np.where(is_call != 0.0, 1.0, -1.0)
    owed = strike * np.exp(-rate * years)
    worth = spot * np.exp(-dividend_yield * years)
    floor = np.maximum(sign * (worth - owed), 0.0)
    above = price >= np.where(sign > 0.0, worth, owed)
    good = (price > floor) & ~above & (years > 0.0) & (spot > 0.0) & (strike > 0.0)
    if good.all():
        found = _solve(price - floor, worth, owed) / np.sqrt(years)
    else:
        found = np.full(price.size, np.nan)
        found[good] = _solve((price - floor)[good], worth[good], owed[good])
        found[good] /= np.sqrt(years[good])
    solved = (found >= LOWEST) & (found <= HIGHEST)
    reason = np.zeros(price.size, dtype=np.uint8)
    if not solved.all():
        reason = _reasons(given, price <= floor, above)
        reason[(reason == 0) & ~solved] = CODE["no_solution"]
        found[reason != 0] = np.nan
    return found, reason


def _reasons(
    given: list[NDArray[np.float64]], below: NDArray[np.bool_], above: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    price, spot, strike, rate, dividend_yield, years, _ = given
    reason = why_not(spot, strike, rate, dividend_yield, np.ones(price.size), years)
    reason[years <= 0.0] = CODE["expired"]
    for name, holds in (
        ("no_price", ~np.isfinite(price)),
        ("below_intrinsic", below),
        ("above_maximum", above),
    ):
        reason[(reason == 0) & holds] = CODE[name]
    return reason


def _solve(
    time_value: NDArray[np.float64], worth: NDArray[np.float64], owed: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Deviation sigma sqrt(T) of each positive time value, from discounted share and strike."""
    x = np.abs(np.log(worth / owed))
    x *= -1.0
    beta = time_value / np.sqrt(worth * owed)
    most = np.exp(0.5 * x)
    start = np.maximum(np.sqrt(-2.0 * x), SMALLEST_START)
    # The price at the inflection, where h + t = 0.
    low = beta < 0.5 * most - np.exp(-0.25 * start * start) * mills(start)
    target = np.log(np.where(low, beta, most - beta))
    s, last = _halley(x, start, start, low, target, STEPS)
    # Near the money a small price lies many halvings below the inflection.
    loose = np.flatnonzero(~(np.abs(last) <= CLOSE * s))
    for _ in range(MORE_STEPS):
        if not loose.size:
            break
        s[loose], last = _halley(x[loose], s[loose], start[loose], low[loose], target[loose], 1)
        loose = loose[~(np.abs(last) <= CLOSE * s[loose])]
    return s


def _halley(
    x: NDArray[np.float64],
    s: NDArray[np.float64],
    inflection: NDArray[np.float64],
    low: NDArray[np.bool_],
    target: NDArray[np.float64],
    steps: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Improved sigma sqrt(T), and the last step taken."""
    s = s.copy()
    aim = 1.0 / target
    side = np.where(low, -1.0, 1.0)
    # Below the inflection s stays under it, above it over it.
    ceiling, bottom = np.where(low, inflection, np.inf), np.where(low, 0.0, inflection)
    step = np.zeros_like(s)
    for _ in range(steps):
        h = x / s
        t = 0.5 * s
        gap = mills(t - h)
        gap *= side
        gap += mills(np.abs(h + t))
        log_value = np.log(gap)
        log_value -= 0.5 * (h * h + t * t)
        slope = DENSITY_AT_ZERO / gap
        bend = h * h / s - 0.5 * t
        inverse = 1.0 / log_value
        newton = np.where(low, (inverse - aim) * log_value * log_value, log_value - target)
        newton /= slope
        bend -= np.where(low, slope + 2.0 * slope * inverse, -slope)
        step = newton / np.maximum(1.0 + 0.5 * newton * bend, 0.5)
        np.maximum(step, -0.75 * s, out=step)
        s += step
        np.minimum(s, ceiling, out=s)
        np.maximum(s, bottom, out=s)
    return s, step
