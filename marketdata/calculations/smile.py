"""Volatility between quoted strikes and tenors, and simulated quotes from a bundled smile."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from marketdata.calculations.normal import columns
from marketdata.calculations.options import CODE, OUT_OF_RANGE, bsm, in_words, nullable

ASSUMED_DIVIDEND_YIELD = 0.02
AT_THE_MONEY_YEARS = 30.0 / 365.0
QUALITY, VOL_SOURCE, LABEL = "fallback", "smile_2022_vix_scaled", "SIMULATED"


class QuotedVolatility(Protocol):
    """One option of a quoted smile; volatilities are fractions a year."""

    t_years: float
    forward: float
    strike: float
    right: str
    bid_iv: float
    ask_iv: float


@dataclass(frozen=True, slots=True)
class Smile:
    """Quoted volatilities by tenor over x = ln(strike / forward) / sqrt(years)."""

    years: NDArray[np.float64]  # (m,), rising
    places: tuple[NDArray[np.float64], ...]  # m arrays of x, rising
    bid: tuple[NDArray[np.float64], ...]
    ask: tuple[NDArray[np.float64], ...]

    def mid(self) -> tuple[NDArray[np.float64], ...]:
        """Middle of bid and ask volatility by tenor."""
        return tuple(0.5 * (low + high) for low, high in zip(self.bid, self.ask, strict=True))

    def at_the_money(self) -> float:
        """The smile's own 30-day volatility at x = 0, fraction a year."""
        place, years = np.zeros(1), np.full(1, AT_THE_MONEY_YEARS)
        return float(surface(self.years, self.places, self.mid(), place, years)[0])


@dataclass(frozen=True, slots=True)
class SimulatedQuotes:
    """Bid and ask of n contracts made from the smile: real ingredients, no real quote."""

    bid: np.ma.MaskedArray[Any, Any]  # currency a share
    ask: np.ma.MaskedArray[Any, Any]
    bid_volatility: np.ma.MaskedArray[Any, Any]  # fractions a year
    ask_volatility: np.ma.MaskedArray[Any, Any]
    reason: NDArray[np.uint8]
    rate: float | None
    dividend_yield: float = ASSUMED_DIVIDEND_YIELD
    vol_source: str = VOL_SOURCE
    quality: str = QUALITY
    label: str = LABEL

    def reasons(self) -> list[str | None]:
        """The reason of each contract in words, None where it has quotes."""
        return in_words(self.reason)


def at_strike(strikes: Any, volatilities: Any, wanted: Any) -> np.ma.MaskedArray[Any, Any]:
    """Volatility at other strikes of one expiry: linear in strike, flat outside.

    Parameters
    ----------
    strikes, volatilities : array_like, shape (k,)
        Quoted, in any order; pairs that are not positive numbers are left out, volatilities at
        one strike are averaged.
    wanted : array_like, shape (n,)
        Strikes asked for.

    Returns
    -------
    masked array, shape (n,)
        Fractions a year; masked everywhere when nothing is quoted, and where the strike is not a
        positive number.
    """
    quoted, level = columns(strikes, volatilities)
    asked = columns(wanted)[0]
    good = np.isfinite(quoted) & np.isfinite(level) & (quoted > 0.0) & (level > 0.0)
    known = np.isfinite(asked) & (asked > 0.0) & good.any()
    found = np.full(asked.size, np.nan)
    if good.any():
        found[known] = np.interp(asked[known], *_averaged(quoted[good], level[good]))
    return np.ma.MaskedArray(found, mask=~known)


def between_tenors(
    tenors: NDArray[np.float64], volatilities: NDArray[np.float64], years: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Volatility between tenors: total variance linear in time, volatility flat outside.

    Parameters
    ----------
    tenors : ndarray, shape (m,)
        Years, positive and rising.
    volatilities : ndarray, shape (m, n)
        One column for each time asked for, fractions a year.
    years : ndarray, shape (n,)
        Positive.

    Returns
    -------
    ndarray, shape (n,)
        Fractions a year.

    Raises
    ------
    ValueError
        The tenors do not rise from a positive one.
    """
    if tenors[0] <= 0.0 or (np.diff(tenors) <= 0.0).any():
        raise ValueError("tenors must be positive and rise")
    inside = np.clip(years, tenors[0], tenors[-1])
    later = np.clip(np.searchsorted(tenors, inside), 1, max(tenors.size - 1, 1))
    if tenors.size == 1:
        return volatilities[0].copy()
    own = np.arange(inside.size)
    first, second = tenors[later - 1], tenors[later]
    near = volatilities[later - 1, own] ** 2 * first
    far = volatilities[later, own] ** 2 * second
    total = near + (far - near) * (inside - first) / (second - first)
    result: NDArray[np.float64] = np.sqrt(total / inside)
    return result


def surface(
    tenors: NDArray[np.float64],
    places: Sequence[NDArray[np.float64]],
    volatilities: Sequence[NDArray[np.float64]],
    x: NDArray[np.float64],
    years: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Volatility at (x, years): linear in x in each tenor, then `between_tenors`."""
    table = np.stack(
        [np.interp(x, own, level) for own, level in zip(places, volatilities, strict=True)]
    )
    return between_tenors(tenors, table, years)


def read_smile(quotes: Sequence[QuotedVolatility]) -> Smile:
    """Order quoted options into a smile; only out-of-the-money ones count.

    Parameters
    ----------
    quotes : sequence
        Rows with t_years, forward, strike, right ("C" or "P"), bid_iv and ask_iv.

    Returns
    -------
    Smile

    Raises
    ------
    ValueError
        No out-of-the-money option is among them.
    """
    out = [q for q in quotes if (q.strike >= q.forward) == (q.right == "C")]
    if not out:
        raise ValueError("no out-of-the-money option in the smile")
    tenors = sorted({q.t_years for q in out})
    places, bids, asks = [], [], []
    for tenor in tenors:
        rows = [q for q in out if q.t_years == tenor]
        x = np.log([q.strike / q.forward for q in rows]) / np.sqrt(tenor)
        place, bid = _averaged(x, np.array([q.bid_iv for q in rows]))
        places.append(place)
        bids.append(bid)
        asks.append(_averaged(x, np.array([q.ask_iv for q in rows]))[1])
    return Smile(np.array(tenors), tuple(places), tuple(bids), tuple(asks))


def simulated_quotes(
    smile: Smile,
    *,
    spot: float | None,
    three_month_yield: float | None,
    vix: float | None,
    strike: Any,
    years: Any,
    is_call: Any,
) -> SimulatedQuotes:
    """Bid and ask of SPY options on a day that has a spot, a yield and a VIX but no quotes.

    Parameters
    ----------
    smile : Smile
        Its shape is used; its level is replaced by the day's VIX.
    spot : float or None
        Close, currency a share.
    three_month_yield : float or None
        Fraction a year; the rate is ln(1 + yield). The dividend yield is assumed to be 2 %.
    vix : float or None
        As it is quoted, in percent.
    strike, years, is_call : array_like, broadcast to (n,)
        The contracts.

    Returns
    -------
    SimulatedQuotes
        European values at the smile's bid and ask volatility times (vix / 100) over the smile's
        30-day at-the-money volatility. Null with `no_vix`, `no_rate`, `no_spot`, `no_strike`,
        `no_time` or `expired`.
    """
    price, level = columns(spot, vix)
    rate = None
    if three_month_yield is not None and -1.0 < three_month_yield < math.inf:
        rate = math.log1p(three_month_yield)
    strikes, times, calls, rates, spots, levels = columns(
        strike, years, is_call, rate, price[0], level[0]
    )
    missing = ~(np.isfinite(levels) & (levels > 0.0))
    with np.errstate(all="ignore"):
        forward = spots * np.exp((rates - ASSUMED_DIVIDEND_YIELD) * times)
        x = np.log(strikes / forward) / np.sqrt(times)
        scale = levels / 100.0 / smile.at_the_money()
        bid_vol = scale * surface(smile.years, smile.places, smile.bid, x, times)
        ask_vol = scale * surface(smile.years, smile.places, smile.ask, x, times)
    # The inputs are judged with any volatility: it is missing because one of them is.
    judged = bsm(spots, strikes, rates, ASSUMED_DIVIDEND_YIELD, 1.0, times, calls).reason
    sides = [
        bsm(spots, strikes, rates, ASSUMED_DIVIDEND_YIELD, vol, times, calls).values[0]
        for vol in (bid_vol, ask_vol)
    ]
    reason = judged.copy()
    reason[times <= 0.0] = CODE["expired"]
    reason[(reason == 0) & missing] = CODE["no_vix"]
    reason[(reason == 0) & ~np.isfinite(sides[0] + sides[1])] = OUT_OF_RANGE
    bid, ask, low, high = (nullable(one, reason) for one in (*sides, bid_vol, ask_vol))
    return SimulatedQuotes(bid, ask, low, high, reason, rate)


def _averaged(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distinct x, rising, with the mean of their y."""
    distinct, place = np.unique(x, return_inverse=True)
    return distinct, np.bincount(place, weights=y) / np.bincount(place)
