"""Greeks of a book: unit Greeks times quantity and multiplier, summed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ORDER = ("delta", "gamma", "theta", "vega", "rho")


@dataclass(frozen=True, slots=True)
class BookGreeks:
    """Sums over a book; theta per calendar day, vega and rho per point."""

    delta: float
    gamma: float
    theta: float
    vega: float
    rho: float
    dollar_delta: float
    gamma_1pct_dollar: float
    skipped: int


def total(
    quantities: NDArray[np.float64],
    multipliers: NDArray[np.float64],
    underlying_prices: NDArray[np.float64],
    is_option: NDArray[np.bool_],
    unit_greeks: NDArray[np.float64],
) -> BookGreeks:
    """Add up the Greeks of a book.

    Parameters
    ----------
    quantities, multipliers, underlying_prices : ndarray, shape (n,)
        Signed units, units per contract, dollars of the underlying.
    is_option : ndarray of bool, shape (n,)
        A stock adds its quantity to delta and nothing to the others.
    unit_greeks : ndarray, shape (n, 5)
        delta, gamma, theta, vega, rho of one unit; a row with NaN is left out.

    Returns
    -------
    BookGreeks
        `skipped` counts the options left out. `gamma_1pct_dollar` is the change of dollar delta
        for a 1% move of the underlying. Zeros for an empty book.
    """
    stock = np.zeros_like(unit_greeks)
    stock[:, 0] = 1.0
    units = np.where(is_option[:, None], unit_greeks, stock)
    known = np.isfinite(units).all(axis=1)
    scale = np.where(is_option, quantities * multipliers, quantities)[known]
    spot = underlying_prices[known]
    units = units[known]
    delta, gamma, theta, vega, rho = (float(part) for part in scale @ units)
    return BookGreeks(
        delta=delta,
        gamma=gamma,
        theta=theta,
        vega=vega,
        rho=rho,
        dollar_delta=float(scale @ (units[:, 0] * spot)),
        gamma_1pct_dollar=float(scale @ (units[:, 1] * spot**2)) * 0.01,
        skipped=int((~known).sum()),
    )
