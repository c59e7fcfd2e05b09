"""Profit and loss of one position over one day, with the day's trades counted at their prices."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DayFill:
    """One fill of the day: signed units, dollars per unit, fee in dollars."""

    quantity: float
    price: float
    fee: float = 0.0


@dataclass(frozen=True, slots=True)
class DayPnl:
    """Dollars gained, and the same as a fraction of the opening value; None without one."""

    pnl: float
    simple_return: float | None


def daily_pnl(
    opening_quantity: float,
    opening_price: float,
    price: float,
    multiplier: float = 1.0,
    *,
    fills: Sequence[DayFill] = (),
    dividend_per_share: float = 0.0,
) -> DayPnl:
    """Gain of a day: what was held moves from close to close, what was traded from its fill.

    Parameters
    ----------
    opening_quantity : float
        Signed units at the previous close.
    opening_price : float
        The previous session's close, adjusted for a split effective today.
    price : float
        Today's close.
    multiplier : float
        Units per contract.
    fills : sequence of DayFill
        Order does not matter.
    dividend_per_share : float
        On the opening quantity; a short pays it.

    Returns
    -------
    DayPnl
        Gain positive.
    """
    held = opening_quantity * (price - opening_price) * multiplier
    income = opening_quantity * dividend_per_share
    traded = sum(fill.quantity * (price - fill.price) * multiplier for fill in fills)
    pnl = held + income + traded - sum(fill.fee for fill in fills)
    base = abs(opening_quantity * opening_price * multiplier)
    return DayPnl(pnl, pnl / base if base else None)
