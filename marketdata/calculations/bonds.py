"""Bonds with level coupons: price and yield, accrued interest, duration, convexity, DV01.

Conventions: the yield is nominal, a fraction a year, compounded as often as the coupon is paid
(street convention; for the last period too). Prices are per 100 of face value; the quoted price
is clean, what is paid is dirty = clean + accrued. Durations are in years, convexity in years
squared, DV01 in currency per 100 of face for one basis point.
"""

import calendar
import math
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

FACE = 100.0
BASIS_POINT = 1e-4
FREQUENCIES = (1, 2, 4, 12)
ACT_ACT, THIRTY_360 = "act/act", "30/360"
NO_PRICE, MATURED, NO_SOLUTION = "no_price", "matured", "no_solution"
TOLERANCE = 1e-13
MOST_ROUNDS = 200
HIGHEST_RATE = 1e6


@dataclass(frozen=True, slots=True)
class Bond:
    """What a bond still pays, seen from a settlement day.

    coupon_rate is a fraction of face a year, paid in `frequency` parts; `periods` coupons are
    left, the first of them after the rest of a period of which `elapsed` (0 to under 1) is over.
    """

    coupon_rate: float
    frequency: int
    periods: int
    elapsed: float = 0.0

    def __post_init__(self) -> None:
        if self.frequency not in FREQUENCIES:
            raise ValueError(f"frequency: {self.frequency} is none of {FREQUENCIES} a year")
        if self.periods < 0 or not 0.0 <= self.elapsed < 1.0:
            raise ValueError("periods: must not be negative, nor elapsed outside 0 to under 1")
        if not (math.isfinite(self.coupon_rate) and self.coupon_rate >= 0.0):
            raise ValueError(f"coupon_rate: {self.coupon_rate} is not a fraction of 0 or more")

    @property
    def coupon(self) -> float:
        """One payment per 100 of face."""
        return FACE * self.coupon_rate / self.frequency

    @property
    def accrued(self) -> float:
        """Interest earned since the last coupon, per 100 of face."""
        return self.coupon * self.elapsed if self.periods else 0.0

    def cash_flows(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Periods until each payment, and its amount per 100 of face."""
        times = np.arange(1.0, self.periods + 1.0) - self.elapsed
        amounts = np.full(self.periods, self.coupon)
        amounts[-1:] += FACE
        return times, amounts


@dataclass(frozen=True, slots=True)
class BondFigures:
    """Price and risk of a bond at a yield; None with a reason when there is none."""

    clean: float | None = None
    dirty: float | None = None
    accrued: float | None = None
    macaulay_duration: float | None = None
    modified_duration: float | None = None
    convexity: float | None = None
    dv01: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class BondYield:
    """A yield to maturity, fraction a year, or the reason why there is none."""

    value: float | None
    reason: str | None = None


def bond(
    settlement: date,
    maturity: date,
    coupon_rate: float,
    frequency: int = 2,
    basis: str = ACT_ACT,
) -> Bond:
    """A bond between two dates, its coupons counted back from maturity.

    Parameters
    ----------
    settlement, maturity : date
        A bond at or after maturity has no periods left.
    coupon_rate : float
        Fraction of face a year.
    frequency : int
        Coupons a year: 1, 2, 4 or 12. Coupons fall on the day of maturity, at a month's end where
        maturity does.
    basis : str
        How the elapsed part of the period is counted: "act/act" (ICMA, government bonds) or
        "30/360" (US corporate and municipal bonds).

    Returns
    -------
    Bond

    Raises
    ------
    ValueError
        Unknown basis or frequency, or a negative coupon.
    """
    if basis not in (ACT_ACT, THIRTY_360):
        raise ValueError(f"basis: {basis!r} is neither {ACT_ACT!r} nor {THIRTY_360!r}")
    if settlement >= maturity or frequency not in FREQUENCIES:
        return Bond(coupon_rate, frequency, 0)
    months, periods = 12 // frequency, 1
    while (before := _months_before(maturity, months * periods)) > settlement:
        periods += 1
    after = _months_before(maturity, months * (periods - 1))
    if basis == ACT_ACT:
        elapsed = (settlement - before).days / (after - before).days
    else:
        elapsed = _days_360(before, settlement) * frequency / 360.0
    return Bond(coupon_rate, frequency, periods, min(elapsed, math.nextafter(1.0, 0.0)))


def at_yield(of: Bond, annual_yield: float | None) -> BondFigures:
    """Price, durations, convexity and DV01 at a yield.

    Parameters
    ----------
    of : Bond
    annual_yield : float or None
        Nominal, fraction a year, above -frequency.

    Returns
    -------
    BondFigures
        Macaulay duration is the mean time of the discounted payments, modified duration
        -dP/dy / P, convexity d2P/dy2 / P (P dirty), DV01 = modified duration * P / 10,000.
        Reasons: `matured`, `no_yield`, `out_of_range`.

    Notes
    -----
    Fabozzi, Bond Markets, Analysis, and Strategies: price volatility.
    """
    if of.periods == 0:
        return BondFigures(reason=MATURED)
    if annual_yield is None or not math.isfinite(annual_yield) or annual_yield <= -of.frequency:
        return BondFigures(reason="no_yield")
    times, amounts = of.cash_flows()
    base = 1.0 + annual_yield / of.frequency
    with np.errstate(all="ignore"):
        present = amounts * base**-times
        dirty = float(present.sum())
        mean = float(present @ times) / dirty / of.frequency if dirty > 0.0 else math.nan
        second = float(present @ (times * (times + 1.0)))
        convexity = second / dirty / (base * of.frequency) ** 2 if dirty > 0.0 else math.nan
    modified = mean / base
    if not math.isfinite(dirty + mean + convexity):
        return BondFigures(reason="out_of_range")
    return BondFigures(
        clean=dirty - of.accrued,
        dirty=dirty,
        accrued=of.accrued,
        macaulay_duration=mean,
        modified_duration=modified,
        convexity=convexity,
        dv01=modified * dirty * BASIS_POINT,
    )


def to_yield(of: Bond, clean: float | None) -> BondYield:
    """The yield at which a bond costs a clean price per 100 of face.

    Parameters
    ----------
    of : Bond
    clean : float or None
        Quoted price; with accrued interest it must be positive.

    Returns
    -------
    BondYield
        Exact to about 1e-13 of the growth per period. Reasons: `matured`, `no_price`,
        `no_solution` when it is not between -frequency and 1e6 * frequency.

    Notes
    -----
    The price falls and is convex in the yield, so it crosses the target once: Newton steps, each
    kept within a bracket that shrinks, with a bisection in place of a step that leaves it.
    """
    if of.periods == 0:
        return BondYield(None, MATURED)
    if clean is None or not math.isfinite(clean) or clean + of.accrued <= 0.0:
        return BondYield(None, NO_PRICE)
    times, amounts = of.cash_flows()
    target = clean + of.accrued
    # Solved for the log of the growth per period, where any price has a finite answer.
    low, high = math.log(TOLERANCE), math.log(HIGHEST_RATE)
    if (
        not _log_price(times, amounts, high)[0]
        <= math.log(target)
        <= _log_price(times, amounts, low)[0]
    ):
        return BondYield(None, NO_SOLUTION)
    growth = min(max(math.log1p(of.coupon_rate / of.frequency), low), high)
    for _ in range(MOST_ROUNDS):
        value, slope = _log_price(times, amounts, growth)
        error = value - math.log(target)
        if error > 0.0:
            low = growth
        else:
            high = growth
        step = growth - error / slope
        if not low < step < high:
            step = 0.5 * (low + high)
        if abs(step - growth) <= TOLERANCE:
            return BondYield(of.frequency * math.expm1(step))
        growth = step
    return BondYield(None, NO_SOLUTION)


def _log_price(
    times: NDArray[np.float64], amounts: NDArray[np.float64], growth: float
) -> tuple[float, float]:
    """Log of the dirty price and its slope, at a log growth per period; it cannot overflow."""
    paid = amounts > 0.0
    powers = np.log(amounts[paid]) - times[paid] * growth
    largest = powers.max()
    shares = np.exp(powers - largest)
    total = shares.sum()
    return float(largest + math.log(total)), -float(shares @ times[paid] / total)


def _months_before(day: date, months: int) -> date:
    """The same day some months earlier; a month's end stays one."""
    place = day.year * 12 + day.month - 1 - months
    year, month = divmod(place, 12)
    last = calendar.monthrange(year, month + 1)[1]
    at_end = day.day == calendar.monthrange(day.year, day.month)[1]
    return date(year, month + 1, last if at_end else min(day.day, last))


def _days_360(first: date, second: date) -> int:
    start = min(first.day, 30)
    end = 30 if second.day == 31 and start == 30 else second.day
    return (second.year - first.year) * 360 + (second.month - first.month) * 30 + end - start
