"""Returns of a portfolio with flows: time-weighted, modified Dietz, money-weighted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

SPLIT, START_OF_DAY, END_OF_DAY = "split", "bod", "eod"
SMALLEST = 1e-12
LOWEST, HIGHEST = -0.9999, 1e4


@dataclass(frozen=True, slots=True)
class TimeWeighted:
    """Each day's return and the chained total; NaN on a day that began with nothing."""

    returns: NDArray[np.float64]
    total: float | None


@dataclass(frozen=True, slots=True)
class DatedFlow:
    """Money in (+) or out (-) on a day of the period, counted from its start."""

    day: float
    amount: float


def time_weighted(
    equity: NDArray[np.float64], flows: NDArray[np.float64], timing: str = SPLIT
) -> TimeWeighted:
    """Daily returns freed of external flows, and their product.

    Parameters
    ----------
    equity : ndarray, shape (t + 1,)
        End-of-day equity in dollars, beginning with the base.
    flows : ndarray, shape (t,)
        Net external flow of each day, in positive.
    timing : str
        "bod": flows before the day's moves; "eod": after; "split": in before, out after.

    Returns
    -------
    TimeWeighted
        Fractions. A day whose base is not positive has no return (NaN) and `total` is None.

    Raises
    ------
    ValueError
        Lengths or timing are wrong.
    """
    if equity.size != flows.size + 1:
        raise ValueError(f"{equity.size} equities need {equity.size - 1} flows, not {flows.size}")
    if timing not in (SPLIT, START_OF_DAY, END_OF_DAY):
        raise ValueError(f"not a timing: {timing!r}")
    at_start = {
        SPLIT: np.maximum(flows, 0.0),
        START_OF_DAY: flows,
        END_OF_DAY: np.zeros_like(flows),
    }[timing]
    base = equity[:-1] + at_start
    after = equity[1:] - (flows - at_start)
    usable = base > SMALLEST
    returns = np.divide(after, base, out=np.full(base.shape, np.nan), where=usable) - 1.0
    return TimeWeighted(returns, float(np.prod(1.0 + returns) - 1.0) if usable.all() else None)


def modified_dietz(
    begin: float, end: float, flows: Sequence[DatedFlow], days: float
) -> float | None:
    """Return of a period without daily values; None when the average capital is not positive.

    Parameters
    ----------
    begin, end : float
        Equity at both ends.
    flows : sequence of DatedFlow
        Day 0 weighs fully, day `days` not at all.
    days : float
        Length of the period.

    Returns
    -------
    float or None
        Fraction for the whole period.
    """
    capital = begin + sum(flow.amount * (days - flow.day) / days for flow in flows)
    gain = end - begin - sum(flow.amount for flow in flows)
    return gain / capital if capital > SMALLEST else None


def xirr(dates: Sequence[date], amounts: Sequence[float]) -> float | None:
    """Money-weighted annual return of dated cash flows.

    Parameters
    ----------
    dates : sequence of date
        Of the flows; the first is the origin of time (ACT/365).
    amounts : sequence of float
        As the investor sees them: deposits negative, withdrawals and the final value positive.

    Returns
    -------
    float or None
        The rate closest to zero of those between -0.9999 and 10,000 that price the flows at
        nothing; None without a sign change or without such a rate.

    Raises
    ------
    ValueError
        The series have different lengths.
    """
    if len(dates) != len(amounts):
        raise ValueError(f"{len(dates)} dates and {len(amounts)} amounts")
    flows = np.asarray(amounts, dtype=np.float64)
    if not flows.size or not (flows.min() < 0.0 < flows.max()):
        return None
    years = np.array([(day - dates[0]).days / 365.0 for day in dates])
    # A grid fine near zero finds every sign change; each is then closed in on.
    grid = np.unique(
        np.concatenate(
            [-np.geomspace(-LOWEST, 1e-6, 800), [0.0], np.geomspace(1e-6, HIGHEST, 1_600)]
        )
    )
    values = _present_values(grid, flows, years)
    roots = [float(rate) for rate in grid[values == 0.0]]
    for place in np.flatnonzero(values[:-1] * values[1:] < 0.0):
        roots.append(_root_between(float(grid[place]), float(grid[place + 1]), flows, years))
    return min(roots, key=abs) if roots else None


def money_weighted(
    dates: Sequence[date], equity: tuple[float, float], flows: Sequence[float]
) -> tuple[float | None, float | None]:
    """What each dollar earned while it was there: over the period, and a year.

    Parameters
    ----------
    dates : sequence of date, length t + 1
        The base, then each day.
    equity : tuple of float
        At the base and at the end.
    flows : sequence of float, length t
        Net external flow of each day after the base, in positive.

    Returns
    -------
    tuple of float or None
        The rate over the whole period and the annual one (ACT/365); None as in `xirr`, and for a
        period without a day.
    """
    if len(dates) < 2 or dates[-1] == dates[0]:
        return None, None
    begin, end = equity
    moved = [(day, -flow) for day, flow in zip(dates[1:], flows, strict=True) if flow]
    days = [dates[0], *(day for day, _ in moved), dates[-1]]
    annual = xirr(days, [-begin, *(amount for _, amount in moved), end])
    if annual is None:
        return None, None
    years = (dates[-1] - dates[0]).days / 365.0
    return (1.0 + annual) ** years - 1.0, annual


@dataclass(frozen=True, slots=True)
class Year:
    """A calendar year's returns: twelve months, None without a session, and the whole."""

    year: int
    months: tuple[float | None, ...]
    total: float


def calendar_years(dates: Sequence[date], changes: Sequence[float]) -> tuple[Year, ...]:
    """Daily returns compounded by month and by year.

    Parameters
    ----------
    dates : sequence of date, length t
        Oldest first.
    changes : sequence of float, length t
        Simple returns of these days.

    Returns
    -------
    tuple of Year
        Oldest first; the months multiply to the year.
    """
    grown: dict[int, dict[int, float]] = {}
    for day, change in zip(dates, changes, strict=True):
        months = grown.setdefault(day.year, {})
        months[day.month] = months.get(day.month, 1.0) * (1.0 + change)
    return tuple(
        Year(
            year,
            tuple(months[each] - 1.0 if each in months else None for each in range(1, 13)),
            math.prod(months.values()) - 1.0,
        )
        for year, months in sorted(grown.items())
    )


def _present_values(
    rates: NDArray[np.float64], flows: NDArray[np.float64], years: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.exp(-np.outer(np.log1p(rates), years)) @ flows


def _root_between(
    low: float, high: float, flows: NDArray[np.float64], years: NDArray[np.float64]
) -> float:
    from scipy.optimize import brentq

    def value(rate: float) -> float:
        return float(_present_values(np.array([rate]), flows, years)[0])

    return float(brentq(value, low, high, xtol=1e-14, rtol=1e-14, maxiter=200))
