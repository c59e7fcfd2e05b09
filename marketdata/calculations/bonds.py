"""Bonds with level coupons: price and yield, accrued interest, duration, convexity, DV01.

Conventions: the yield is nominal, a fraction a year, compounded as often as the coupon is paid
(street convention; for the last period too). Prices are per 100 of face value; the quoted price
is clean, what is paid is dirty = clean + accrued. Durations are in years, convexity in years
squared, DV01 in currency per 100 of face for one basis point. Interest runs from the issue: the
first coupon is paid on the first coupon day after it, and is short where the issue lies between
two coupon days (ICMA rule 251).
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
ACT_ACT, THIRTY_360 = BASES = ("act/act", "30/360")
NO_PRICE, MATURED, NO_SOLUTION = "no_price", "matured", "no_solution"
NOT_ISSUED, NO_YIELD, OUT_OF_RANGE = "not_issued", "no_yield", "out_of_range"
TOLERANCE = 1e-13
MOST_ROUNDS = 200
HIGHEST_RATE = 1e6


@dataclass(frozen=True, slots=True)
class Bond:
    """What a bond still pays, seen from a settlement day.

    coupon_rate is a fraction of face a year, paid in `frequency` parts; `periods` coupons are
    left, the first of them after the rest of a period of which `elapsed` (0 to under 1) is over.
    Of a full coupon that first one pays `first_coupon` (0 to 1) and `earned` of it has accrued,
    which is `elapsed` where nothing else is said.
    """

    coupon_rate: float
    frequency: int
    periods: int
    elapsed: float = 0.0
    first_coupon: float = 1.0
    earned: float | None = None
    issued: bool = True

    def __post_init__(self) -> None:
        if self.frequency not in FREQUENCIES:
            raise ValueError(f"frequency: {self.frequency} is none of {FREQUENCIES} a year")
        if self.periods < 0 or not 0.0 <= self.elapsed < 1.0:
            raise ValueError("periods: must not be negative, nor elapsed outside 0 to under 1")
        if not (math.isfinite(self.coupon_rate) and self.coupon_rate >= 0.0):
            raise ValueError(f"coupon_rate: {self.coupon_rate} is not a fraction of 0 or more")
        if not (0.0 <= self.first_coupon <= 1.0 and 0.0 <= (self.earned or 0.0) <= 1.0):
            raise ValueError("first_coupon: it and what is earned of it are 0 to 1 of a coupon")

    @property
    def reason(self) -> str | None:
        """Why it has no figures on that day; None while it lives."""
        if not self.issued:
            return NOT_ISSUED
        return None if self.periods else MATURED

    @property
    def coupon(self) -> float:
        """One full payment per 100 of face."""
        return FACE * self.coupon_rate / self.frequency

    @property
    def accrued(self) -> float:
        """Interest earned since the last coupon or the issue, per 100 of face."""
        earned = self.elapsed if self.earned is None else self.earned
        return self.coupon * earned if self.periods else 0.0

    def cash_flows(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Periods until each payment, and its amount per 100 of face."""
        times = np.arange(1.0, self.periods + 1.0) - self.elapsed
        amounts = np.full(self.periods, self.coupon)
        amounts[:1] *= self.first_coupon
        amounts[-1:] += FACE
        return times, amounts


@dataclass(frozen=True, slots=True)
class BondFigures:
    """Price and risk of a bond at a yield; None with a reason when there is none.

    Accrued interest needs no yield: a bond that lives has it.
    """

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
    issued: date | None = None,
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
    issued : date, optional
        The day interest runs from, before maturity. A bond is none before it, and its first
        coupon is short where it is no coupon day. Without it every coupon is a full one.

    Returns
    -------
    Bond

    Raises
    ------
    ValueError
        Unknown basis or frequency, or a negative coupon.

    Notes
    -----
    ICMA rule 251: a short first coupon pays its days over those of the whole period, which begins
    at the coupon day before the issue.
    """
    if basis not in BASES:
        raise ValueError(f"basis: {basis!r} is neither {ACT_ACT!r} nor {THIRTY_360!r}")
    if issued is not None and settlement < issued:
        return Bond(coupon_rate, frequency, 0, issued=False)
    if settlement >= maturity or frequency not in FREQUENCIES:
        return Bond(coupon_rate, frequency, 0)
    periods, before, after = _period(settlement, maturity, 12 // frequency)
    at_end = _is_month_end(maturity)

    def part(first: date, second: date) -> float:
        """Of the running period."""
        if basis == ACT_ACT:
            return (second - first).days / (after - before).days
        return min(1.0, _days_360(first, second, at_end) * frequency / 360.0)

    begins = before if issued is None else max(before, issued)
    first_coupon = part(begins, after) if begins > before else 1.0
    return Bond(
        coupon_rate,
        frequency,
        periods,
        elapsed=min(part(before, settlement), math.nextafter(1.0, 0.0)),
        first_coupon=first_coupon,
        earned=min(part(begins, settlement), first_coupon),
    )


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
        Reasons: `matured`, `not_issued`, `no_yield`, `out_of_range`.

    Notes
    -----
    Fabozzi, Bond Markets, Analysis, and Strategies: price volatility.
    """
    if of.reason:
        return BondFigures(reason=of.reason)
    if annual_yield is None or not math.isfinite(annual_yield) or annual_yield <= -of.frequency:
        return BondFigures(accrued=of.accrued, reason=NO_YIELD)
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
        return BondFigures(accrued=of.accrued, reason=OUT_OF_RANGE)
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
        Exact to about 1e-13 of the growth per period. Reasons: `matured`, `not_issued`,
        `no_price`, `no_solution` when it is not between -frequency and 1e6 * frequency.

    Notes
    -----
    The price falls and is convex in the yield, so it crosses the target once: Newton steps, each
    kept within a bracket that shrinks, with a bisection in place of a step that leaves it.
    """
    if of.reason:
        return BondYield(None, of.reason)
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


def _period(settlement: date, maturity: date, months: int) -> tuple[int, date, date]:
    """Coupons left, and the coupon days around a settlement: the first not after it."""
    apart = (maturity.year - settlement.year) * 12 + maturity.month - settlement.month
    periods = max(apart // months, 1)
    # that lands in or after the month of the settlement, of which the day decides
    while (before := _months_before(maturity, months * periods)) > settlement:
        periods += 1
    return periods, before, _months_before(maturity, months * (periods - 1))


def _months_before(day: date, months: int) -> date:
    """The same day some months earlier; a month's end stays one."""
    place = day.year * 12 + day.month - 1 - months
    year, month = divmod(place, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, last if _is_month_end(day) else min(day.day, last))


def _is_month_end(day: date) -> bool:
    return day.day == calendar.monthrange(day.year, day.month)[1]


def _days_360(first: date, second: date, at_end: bool) -> int:
    """Days of months of 30; where coupons fall on months' ends, February's is its 30th."""
    in_february = at_end and first.month == 2 and _is_month_end(first)
    start = 30 if in_february else min(first.day, 30)
    end = second.day
    if start == 30 and (end == 31 or (in_february and second.month == 2 and _is_month_end(second))):
        end = 30
    return (second.year - first.year) * 360 + (second.month - first.month) * 30 + end - start
