"""Whether a VaR was exceeded as often as it promised: coverage, independence, the traffic light."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

CRITICAL_95 = 3.841458820694124
BASEL_DAYS, BASEL_CONFIDENCE = 250, 0.99
MULTIPLIERS_1996 = (3.0, 3.0, 3.0, 3.0, 3.0, 3.40, 3.50, 3.65, 3.75, 3.85, 4.0)
MULTIPLIERS_MAR99 = (1.5, 1.5, 1.5, 1.5, 1.5, 1.70, 1.76, 1.83, 1.88, 1.92, 2.0)


@dataclass(frozen=True, slots=True)
class Kupiec:
    """Unconditional coverage: likelihood ratio, its p-value, and whether 5% rejects."""

    lr: float
    p_value: float
    reject: bool


@dataclass(frozen=True, slots=True)
class Transitions:
    """How often a day without (0) or with (1) an exception followed each kind of day."""

    t00: int
    t01: int
    t10: int
    t11: int


@dataclass(frozen=True, slots=True)
class Christoffersen:
    """Coverage, independence and both together."""

    lr_uc: float
    lr_ind: float
    lr_cc: float
    p_ind: float
    p_cc: float


@dataclass(frozen=True, slots=True)
class TrafficLight:
    """Zone of the Basel table; the multipliers exist for 250 days at 99% only."""

    cumulative: float
    zone: str
    multiplier_1996: float | None
    multiplier_mar99: float | None


def kupiec(n: int, x: int, p: float) -> Kupiec:
    """Test of the number of exceptions.

    Parameters
    ----------
    n, x : int
        Days, and exceptions among them.
    p : float
        Exceptions promised per day (0.05 at 95%).

    Returns
    -------
    Kupiec
        0 when x = n p; finite for no exception at all.

    Raises
    ------
    ValueError
        Fewer days than exceptions, no day, or p outside (0, 1).

    References
    ----------
    Kupiec, Techniques for verifying the accuracy of risk measurement models, 1995.
    """
    if n <= 0 or not 0 <= x <= n or not 0.0 < p < 1.0:
        raise ValueError(f"{x} exceptions in {n} days at {p} cannot be tested")
    promised = _log_likelihood(n - x, x, p)
    observed = _log_likelihood(n - x, x, x / n)
    lr = max(-2.0 * (promised - observed), 0.0)
    return Kupiec(lr, math.erfc(math.sqrt(lr / 2.0)), lr > CRITICAL_95)


def christoffersen(
    p: float, hits: Sequence[int] | None = None, counts: Transitions | None = None
) -> Christoffersen:
    """Test of coverage and of exceptions coming in clusters.

    Parameters
    ----------
    p : float
        Exceptions promised per day.
    hits : sequence of 0 and 1, optional
        Day by day; its n - 1 transitions feed the independence part.
    counts : Transitions, optional
        Instead of `hits`.

    Raises
    ------
    ValueError
        Neither or both are given, or there is no day.

    References
    ----------
    Christoffersen, Evaluating interval forecasts, 1998.
    """
    if hits is not None and counts is None:
        pairs = list(pairwise(hits))
        counts = Transitions(*(pairs.count(pair) for pair in ((0, 0), (0, 1), (1, 0), (1, 1))))
        days, exceptions = len(hits), sum(hits)
    elif counts is not None and hits is None:
        days = counts.t00 + counts.t01 + counts.t10 + counts.t11
        exceptions = counts.t01 + counts.t11
    else:
        raise ValueError("give either the days or the transitions")
    quiet, struck = counts.t00 + counts.t01, counts.t10 + counts.t11
    following = counts.t01 + counts.t11
    together = _log_likelihood(
        counts.t00 + counts.t10, following, _share(following, quiet + struck)
    )
    apart = _log_likelihood(counts.t00, counts.t01, _share(counts.t01, quiet)) + _log_likelihood(
        counts.t10, counts.t11, _share(counts.t11, struck)
    )
    lr_uc = kupiec(days, exceptions, p).lr
    lr_ind = max(-2.0 * (together - apart), 0.0)
    lr_cc = lr_uc + lr_ind
    return Christoffersen(
        lr_uc, lr_ind, lr_cc, math.erfc(math.sqrt(lr_ind / 2.0)), math.exp(-lr_cc / 2.0)
    )


def traffic_light(n: int, x: int, confidence: float = BASEL_CONFIDENCE) -> TrafficLight:
    """Zone of a count of exceptions: green below 95% of the binomial, red from 99.99%.

    Raises ValueError unless 0 <= x <= n and the confidence lies inside (0, 1).

    References
    ----------
    Basel Committee, Supervisory framework for the use of backtesting, 1996; MAR99.
    """
    if not 0 <= x <= n or not 0.0 < confidence < 1.0:
        raise ValueError(f"{x} exceptions in {n} days at {confidence} have no zone")
    p = 1.0 - confidence
    logs = (_log_binomial(n, k) + _log_likelihood(n - k, k, p) for k in range(x + 1))
    cumulative = sum(math.exp(log) for log in logs)
    zone = "green" if cumulative < 0.95 else "yellow" if cumulative < 0.9999 else "red"
    standard = n == BASEL_DAYS and abs(confidence - BASEL_CONFIDENCE) < 1e-12
    return TrafficLight(
        min(cumulative, 1.0),
        zone,
        MULTIPLIERS_1996[min(x, 10)] if standard else None,
        MULTIPLIERS_MAR99[min(x, 10)] if standard else None,
    )


def _log_likelihood(misses: int, hits: int, p: float) -> float:
    """Log of (1-p)^misses p^hits, with 0 log 0 = 0."""
    total = 0.0
    if misses:
        total += misses * math.log1p(-p) if p < 1.0 else -math.inf
    if hits:
        total += hits * math.log(p) if p > 0.0 else -math.inf
    return total


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _log_binomial(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
