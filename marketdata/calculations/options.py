"""Black-Scholes-Merton: price and five Greeks of many contracts, time to expiry, profit and loss.

Everywhere: rates, yields and volatilities are fractions a year, continuously compounded; time is
in years of 365 days; theta is per calendar day, vega and rho per percentage point.
"""

import math
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from marketdata.calculations.normal import DENSITY_AT_ZERO, ROOT_HALF, cdf, columns

FIELDS = ("price", "delta", "gamma", "theta", "vega", "rho")
DAYS_PER_YEAR = 365.0
SECONDS_PER_YEAR = DAYS_PER_YEAR * 86_400.0
POINTS = 100.0
# Blocks of this many contracts nearly stay in the second-level cache; smaller ones cost more calls.
BLOCK = 8192
# Below this many contracts, plain arithmetic is faster than arrays.
FEW = 12
NEW_YORK = ZoneInfo("America/New_York")
PM_SETTLEMENT, AM_SETTLEMENT = time(16, 0), time(9, 30)

# A reason is a place in this tuple; 0 says that the value is there.
REASONS: tuple[str | None, ...] = (
    None,
    "no_time",
    "no_volatility",
    "no_spot",
    "no_strike",
    "no_rate",
    "no_dividend_yield",
    "out_of_range",
    "no_price",
    "expired",
    "below_intrinsic",
    "above_maximum",
    "no_solution",
    "no_vix",
)
CODE = {name: place for place, name in enumerate(REASONS)}
OUT_OF_RANGE = CODE["out_of_range"]


@dataclass(frozen=True, slots=True)
class Priced:
    """Price and Greeks of n contracts; `reason[i]` says why contract i has none."""

    values: NDArray[np.float64]  # (6, n), rows as FIELDS; NaN under a reason
    reason: NDArray[np.uint8]  # (n,)

    def column(self, name: str) -> np.ma.MaskedArray[Any, Any]:
        """One of FIELDS, shape (n,), masked where it is null; `tolist` gives None there."""
        return nullable(self.values[FIELDS.index(name)], self.reason)

    def reasons(self) -> list[str | None]:
        """The reason of each contract in words, None where it has a price."""
        return in_words(self.reason)

    def row(self, place: int) -> dict[str, float | None]:
        """Price and Greeks of one contract."""
        if self.reason[place]:
            return dict.fromkeys(FIELDS)
        return dict(zip(FIELDS, self.values[:, place].tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class ShockPnl:
    """Gain of n positions under a shock, currency, masked with a reason where it is null."""

    full_revaluation: np.ma.MaskedArray[Any, Any]
    delta_gamma: np.ma.MaskedArray[Any, Any]
    reason: NDArray[np.uint8]


def bsm(
    spot: Any,
    strike: Any,
    rate: Any,
    dividend_yield: Any,
    volatility: Any,
    years: Any,
    is_call: Any,
    *,
    out: NDArray[np.float64] | None = None,
) -> Priced:
    """Price and Greeks of European options in one pass.

    Parameters
    ----------
    spot, strike, rate, dividend_yield, volatility, years : array_like, broadcast to (n,)
        None or NaN where unknown.
    is_call : array_like of bool, broadcast to (n,)
        False is a put.
    out : ndarray of float64, shape (6, n), optional
        Takes the answer, rows as FIELDS.

    Returns
    -------
    Priced
        Expired contracts (years <= 0) have their intrinsic value and Greeks of 0. Contracts with
        an input that is missing, or not positive where it must be, are null with a reason; so
        are those whose figures no float holds (`out_of_range`).

    Raises
    ------
    ValueError
        The inputs do not broadcast, or `out` has another shape.

    Notes
    -----
    Black and Scholes (1973) with Merton's (1973) dividend yield.
    """
    given = columns(spot, strike, rate, dividend_yield, volatility, years, is_call)
    count = given[0].size
    values = np.empty((len(FIELDS), count)) if out is None else out
    if values.shape != (len(FIELDS), count):
        raise ValueError(f"out is {values.shape}, the contracts need {(len(FIELDS), count)}")
    reason = np.zeros(count, dtype=np.uint8)
    if count < FEW:
        for place, contract in enumerate(zip(*(one.tolist() for one in given), strict=True)):
            reason[place], values[:, place] = bsm_one(*contract)
        return Priced(values, reason)
    work = np.empty((9, min(BLOCK, count)))
    with np.errstate(all="ignore"):
        if count <= BLOCK:
            _block(given, values, reason, work)
            return Priced(values, reason)
        for start in range(0, count, BLOCK):
            part = slice(start, start + BLOCK)
            _block([one[part] for one in given], values[:, part], reason[part], work)
    return Priced(values, reason)


def bsm_one(
    spot: float,
    strike: float,
    rate: float,
    dividend_yield: float,
    volatility: float,
    years: float,
    is_call: float,
) -> tuple[int, tuple[float, ...]]:
    """Reason and FIELDS of one contract, in plain arithmetic; NaN marks unknown inputs."""
    sign = 1.0 if is_call else -1.0
    if not (spot > 0.0 and strike > 0.0 and volatility > 0.0 and years > 0.0):
        return _not_alive(spot, strike, rate, dividend_yield, volatility, years, sign)
    try:
        root = math.sqrt(years)
        deviation = volatility * root
        drift = (rate - dividend_yield) * years
        d1 = (math.log(spot / strike) + drift) / deviation + 0.5 * deviation
        asset = math.exp(-dividend_yield * years)
        owed = strike * math.exp(-rate * years)
        bump = asset * DENSITY_AT_ZERO * math.exp(-0.5 * d1 * d1)
        near = 0.5 * math.erfc(-sign * ROOT_HALF * d1)
        far = 0.5 * math.erfc(-sign * ROOT_HALF * (d1 - deviation))
        worth = spot * asset * near
        answer: tuple[float, ...] = (
            max(sign * (worth - owed * far), 0.0),
            sign * asset * near,
            bump / (spot * deviation),
            (
                sign * (dividend_yield * worth - rate * owed * far)
                - 0.5 * spot * bump * volatility / root
            )
            / DAYS_PER_YEAR,
            spot * bump * root / POINTS,
            sign * owed * years * far / POINTS,
        )
    except (OverflowError, ValueError, ZeroDivisionError):
        answer = (math.nan,) * len(FIELDS)
    if math.isfinite(sum(answer)):
        return 0, answer
    return _not_alive(spot, strike, rate, dividend_yield, volatility, years, sign)


def why_not(
    spot: NDArray[np.float64],
    strike: NDArray[np.float64],
    rate: NDArray[np.float64],
    dividend_yield: NDArray[np.float64],
    volatility: NDArray[np.float64],
    years: NDArray[np.float64],
) -> NDArray[np.uint8]:
    """First missing or impossible input of each contract as a place in REASONS, else 0.

    An expired contract needs no rate and no volatility, and its spot may be 0.
    """
    alive = years > 0.0
    usable = np.isfinite(spot) & ((spot > 0.0) | (~alive & (spot == 0.0)))
    tests = [
        ("no_time", ~np.isfinite(years)),
        ("no_volatility", alive & ~(np.isfinite(volatility) & (volatility > 0.0))),
        ("no_spot", ~usable),
        ("no_strike", ~(np.isfinite(strike) & (strike > 0.0))),
        ("no_rate", alive & ~np.isfinite(rate)),
        ("no_dividend_yield", alive & ~np.isfinite(dividend_yield)),
    ]
    found = np.select([test for _, test in tests], [CODE[name] for name, _ in tests], 0)
    return found.astype(np.uint8)


def nullable(values: NDArray[np.float64], reason: NDArray[np.uint8]) -> np.ma.MaskedArray[Any, Any]:
    """The values, masked where there is a reason."""
    return np.ma.MaskedArray(values, mask=reason != 0)


def in_words(reason: NDArray[np.uint8]) -> list[str | None]:
    """Reason codes as words, None where there is no reason."""
    return [REASONS[code] for code in reason.tolist()]


def time_to_expiry(valuation: datetime, expiry: date, *, am_settled: bool = False) -> float:
    """Years from a moment to the settlement of an option, 0 once it is past.

    Parameters
    ----------
    valuation : datetime
        Aware; any zone.
    expiry : date
        The day the contract expires, in New York.
    am_settled : bool
        Settled at the opening (09:30) instead of 16:00, as the monthly index options are.

    Returns
    -------
    float
        Elapsed seconds over 365 * 86,400: a night in which the clocks change counts as it is.

    Raises
    ------
    ValueError
        The moment has no time zone.
    """
    if valuation.utcoffset() is None:
        raise ValueError("valuation: a time without an offset; add one, such as -05:00")
    at = AM_SETTLEMENT if am_settled else PM_SETTLEMENT
    settled = datetime.combine(expiry, at, tzinfo=NEW_YORK)
    return max(0.0, (settled.timestamp() - valuation.timestamp()) / SECONDS_PER_YEAR)


def pnl(
    quantity: Any,
    multiplier: Any,
    spot: Any,
    strike: Any,
    rate: Any,
    dividend_yield: Any,
    volatility: Any,
    years: Any,
    is_call: Any,
    *,
    spot_change: Any,
    volatility_change: Any = 0.0,
    rate_change: Any = 0.0,
    days: Any = 0.0,
) -> ShockPnl:
    """Gain of option positions when the market moves, revalued and by second-order expansion.

    Parameters
    ----------
    quantity : array_like, broadcast to (n,)
        Signed contracts; `multiplier` shares each.
    spot_change : array_like
        Currency a share, added to the spot.
    volatility_change, rate_change : array_like
        Fractions a year: three volatility points are 0.03.
    days : array_like
        Calendar days that pass.

    Returns
    -------
    ShockPnl
        A gain is positive. Null where today's or the shocked value is.
    """
    size, shares, now, change, vol_change, short_change, passed = columns(
        quantity, multiplier, spot, spot_change, volatility_change, rate_change, days
    )
    before = bsm(now, strike, rate, dividend_yield, volatility, years, is_call)
    bumped = [
        base + move
        for base, move in zip(
            columns(rate, volatility, years),
            (short_change, vol_change, -passed / DAYS_PER_YEAR),
            strict=True,
        )
    ]
    after = bsm(now + change, strike, bumped[0], dividend_yield, bumped[1], bumped[2], is_call)
    price, delta, gamma, theta, vega, rho = before.values
    with np.errstate(all="ignore"):
        held = size * shares
        full = held * (after.values[0] - price)
        expansion = delta * change + 0.5 * gamma * change**2 + theta * passed
        expansion = held * (expansion + POINTS * (vega * vol_change + rho * short_change))
    reason = np.where(before.reason != 0, before.reason, after.reason)
    lost = (reason == 0) & ~(np.isfinite(full) & np.isfinite(expansion))
    reason[lost] = OUT_OF_RANGE
    shown = partial(nullable, reason=reason)
    return ShockPnl(shown(full), shown(expansion), reason)


def _not_alive(
    spot: float,
    strike: float,
    rate: float,
    dividend_yield: float,
    volatility: float,
    years: float,
    sign: float,
) -> tuple[int, tuple[float, ...]]:
    inputs = columns(spot, strike, rate, dividend_yield, volatility, years)
    code = int(why_not(*inputs)[0])
    if code == 0 and years <= 0.0:
        return 0, (max(0.0, sign * (spot - strike)), 0.0, 0.0, 0.0, 0.0, 0.0)
    return code or OUT_OF_RANGE, (math.nan,) * len(FIELDS)


def _block(
    given: list[NDArray[np.float64]],
    values: NDArray[np.float64],
    reason: NDArray[np.uint8],
    work: NDArray[np.float64],
) -> None:
    """One block of contracts into `values` and `reason`."""
    spot, strike, _, _, volatility, years, is_call = given
    sign = np.where(is_call, 1.0, -1.0)
    given = [*given[:-1], sign]
    work = work[:, : spot.size]
    least = np.minimum(spot, strike)
    np.minimum(np.minimum(least, volatility, out=least), years, out=least)
    if np.minimum.reduce(least) > 0.0:
        _alive(given, values, work)
        if math.isfinite(np.add.reduce(values, axis=None)):
            return
    alive = least > 0.0
    _alive([np.where(alive, one, 1.0) for one in given], values, work)
    alive &= np.isfinite(values.sum(axis=0))
    bad = np.flatnonzero(~alive)
    code = why_not(*(one[bad] for one in given[:-1]))
    expired = (code == 0) & (years[bad] <= 0.0)
    code[(code == 0) & ~expired] = OUT_OF_RANGE
    reason[bad] = code
    values[:, bad] = np.where(expired, 0.0, np.nan)
    worth = np.maximum(sign[bad] * (spot[bad] - strike[bad]), 0.0)
    values[0, bad] = np.where(expired, worth, np.nan)


def _alive(
    given: list[NDArray[np.float64]], values: NDArray[np.float64], work: NDArray[np.float64]
) -> None:
    """The closed form, without a temporary that is not in `work`."""
    spot, strike, rate, dividend_yield, volatility, years, sign = given
    root, deviation, near, far, asset, owed, bump, scratch, half = work
    tails, amounts, exponents = work[2:4], work[4:6], work[4:7]
    price, delta, gamma, theta, vega, rho = values
    np.sqrt(years, out=root)
    np.multiply(volatility, root, out=deviation)
    np.negative(years, out=scratch)
    np.multiply(dividend_yield, scratch, out=asset)
    np.multiply(rate, scratch, out=owed)
    np.log(np.divide(spot, strike, out=near), out=near)
    near += np.subtract(asset, owed, out=scratch)
    near /= deviation
    near += np.multiply(deviation, 0.5, out=half)
    np.subtract(near, deviation, out=far)
    np.multiply(near, near, out=bump)
    bump *= -0.5
    np.exp(exponents, out=exponents)
    bump *= asset
    bump *= DENSITY_AT_ZERO
    asset *= spot
    owed *= strike
    tails *= sign
    cdf(tails, out=tails)
    tails *= sign
    tails *= amounts
    np.divide(near, spot, out=delta)
    np.subtract(near, far, out=price)
    np.maximum(price, 0.0, out=price)
    np.multiply(spot, deviation, out=scratch)
    np.divide(bump, scratch, out=gamma)
    bump *= spot
    np.multiply(bump, root, out=vega)
    vega *= 1.0 / POINTS
    np.multiply(far, years, out=rho)
    rho *= 1.0 / POINTS
    np.multiply(dividend_yield, near, out=theta)
    theta -= np.multiply(rate, far, out=scratch)
    bump *= half
    bump /= years
    theta -= bump
    theta *= 1.0 / DAYS_PER_YEAR
