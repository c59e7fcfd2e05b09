"""VaR and expected shortfall from scenarios: as they were, or rescaled to today's volatility."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from risk.calculations.var import VAR_CONFIDENCE

NEAREST = 1e-9


@dataclass(frozen=True, slots=True)
class TailRisk:
    """Loss quantile and mean loss beyond it, in the unit of the P&L; None with its reason."""

    value_at_risk: float | None
    expected_shortfall: float | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class FilteredTail:
    """A filtered historical VaR, and the volatility it was rescaled to (of one period)."""

    value_at_risk: float | None
    expected_shortfall: float | None
    sigma_now: float | None
    reason: str | None = None


def historical(pnl: NDArray[np.float64], confidence: float = VAR_CONFIDENCE) -> TailRisk:
    """Loss quantile of scenarios and the mean of the tail.

    Parameters
    ----------
    pnl : ndarray, shape (t,)
        P&L of today's positions under each scenario, gains positive.
    confidence : float
        One-sided.

    Returns
    -------
    TailRisk
        The quantile is interpolated linearly and may be negative (no loss even there). The
        shortfall takes a fractional last scenario. `insufficient` without scenarios.

    Raises
    ------
    ValueError
        A scenario is not finite, or the confidence is not inside (0, 1).

    References
    ----------
    Hyndman and Fan, Sample quantiles in statistical packages, 1996 (type 7).
    Acerbi and Tasche, On the coherence of expected shortfall, 2002.
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"not a confidence: {confidence}")
    count = pnl.size
    if not count:
        return TailRisk(None, None, "insufficient")
    if not np.isfinite(pnl).all():
        raise ValueError("a scenario without a figure cannot be ranked")
    place = (count - 1) * (1.0 - confidence)
    low = min(math.floor(place + NEAREST), count - 1)
    tail = count * (1.0 - confidence)
    whole = min(math.floor(tail + NEAREST), count - 1)
    last = max(whole, min(low + 1, count - 1))
    # Only the tail needs an order: a partition finds it in linear time.
    worst = np.sort(np.partition(pnl, last)[: last + 1])
    share = max(place - low, 0.0)
    quantile = worst[low] + share * (worst[min(low + 1, count - 1)] - worst[low])
    shortfall = worst[:whole].sum() + (tail - whole) * worst[whole]
    return TailRisk(float(-quantile), float(-shortfall / tail))


def filtered_historical(
    returns: NDArray[np.float64],
    decay: float = 0.94,
    confidence: float = VAR_CONFIDENCE,
    value: float = 1.0,
) -> FilteredTail:
    """Historical VaR of returns rescaled from the volatility of their day to today's.

    Parameters
    ----------
    returns : ndarray, shape (t,)
        Simple returns, oldest first.
    decay : float
        Of the EWMA variance forecasts; 1 gives the plain historical figure.
    confidence : float
        One-sided.
    value : float
        Dollars exposed; the result is in dollars.

    Returns
    -------
    FilteredTail
        `insufficient` without returns; `no_variance` when a forecast is zero.

    Raises
    ------
    ValueError
        A return is not finite.

    References
    ----------
    Hull and White, Incorporating volatility updating into the historical simulation method, 1998.
    """
    if not returns.size:
        return FilteredTail(None, None, None, "insufficient")
    forecast = np.empty(returns.size + 1)
    forecast[0] = np.mean(returns**2)
    for place, squared in enumerate(returns**2):
        forecast[place + 1] = decay * forecast[place] + (1.0 - decay) * squared
    if not (forecast > 0.0).all():
        return FilteredTail(None, None, None, "no_variance")
    rescaled = returns * np.sqrt(forecast[-1] / forecast[:-1])
    tail = historical(value * rescaled, confidence)
    return FilteredTail(
        tail.value_at_risk, tail.expected_shortfall, math.sqrt(float(forecast[-1])), tail.reason
    )
