"""What positions are worth and how exposed they are: one position, and a whole book."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PositionValue:
    """One position in dollars; `market_value` is absolute, the rest is signed."""

    market_value: float
    exposure: float
    cost_basis: float
    unrealized_pnl: float
    unrealized_pnl_fraction: float | None  # of the absolute basis; None when the basis is 0


@dataclass(frozen=True, slots=True)
class Exposures:
    """A book's totals in dollars; `short` is zero or negative, `gross` = long - short."""

    gross: float
    net: float
    long: float
    short: float
    long_count: int
    short_count: int
    options: float
    stocks: float
    notional: float


@dataclass(frozen=True, slots=True)
class DeltaExposure:
    """Dollar delta of a book; NaN in `per_position` marks an option left out: it has no delta."""

    raw: float
    total: float
    per_position: NDArray[np.float64]
    skipped: int


def value(quantity: float, price: float, multiplier: float, average_cost: float) -> PositionValue:
    """Value one position.

    Parameters
    ----------
    quantity : float
        Signed units, long positive.
    price, average_cost : float
        Dollars per unit.
    multiplier : float
        1 for shares, 100 for most listed options.

    Returns
    -------
    PositionValue
        Gain positive, for long and short alike.
    """
    exposure = quantity * price * multiplier
    basis = quantity * average_cost * multiplier
    gain = quantity * (price - average_cost) * multiplier
    return PositionValue(abs(exposure), exposure, basis, gain, gain / abs(basis) if basis else None)


def exposures(
    quantities: NDArray[np.float64],
    prices: NDArray[np.float64],
    multipliers: NDArray[np.float64],
    underlying_prices: NDArray[np.float64],
    is_option: NDArray[np.bool_],
) -> Exposures:
    """Long, short, gross, net and notional exposure of a book.

    Parameters
    ----------
    quantities, prices, multipliers, underlying_prices : ndarray, shape (n,)
        Signed units, dollars per unit, units per contract, dollars of the underlying.
    is_option : ndarray of bool, shape (n,)
        Options count their notional by the underlying, everything else by its exposure.

    Returns
    -------
    Exposures
        Zeros for an empty book.
    """
    signed = quantities * prices * multipliers
    long = float(signed[signed > 0].sum())
    short = float(signed[signed < 0].sum())
    options = float(signed[is_option].sum())
    on_spot = np.abs(quantities * underlying_prices * multipliers)
    return Exposures(
        gross=long - short,
        net=long + short,
        long=long,
        short=short,
        long_count=int((signed > 0).sum()),
        short_count=int((signed < 0).sum()),
        options=options,
        stocks=float(signed[~is_option].sum()),
        notional=float(np.where(is_option, on_spot, np.abs(signed)).sum()),
    )


def delta_exposure(
    quantities: NDArray[np.float64],
    prices: NDArray[np.float64],
    multipliers: NDArray[np.float64],
    underlying_prices: NDArray[np.float64],
    is_option: NDArray[np.bool_],
    deltas: NDArray[np.float64],
) -> DeltaExposure:
    """Dollar delta by position: what risk is computed on.

    Parameters
    ----------
    quantities, prices, multipliers, underlying_prices : ndarray, shape (n,)
        As in `exposures`; quantities signed.
    is_option : ndarray of bool, shape (n,)
        A stock counts with delta 1, whatever `deltas` says.
    deltas : ndarray, shape (n,)
        Of one unit, not multiplied by the side; NaN where there is none.

    Returns
    -------
    DeltaExposure
        An option without a delta contributes nothing and is counted in `skipped`.
    """
    raw = quantities * prices * multipliers
    on_underlying = quantities * multipliers * deltas * underlying_prices
    per_position = np.where(is_option, on_underlying, raw)
    missing = np.isnan(per_position)
    return DeltaExposure(
        raw=float(raw.sum()),
        total=float(per_position[~missing].sum()),
        per_position=per_position,
        skipped=int((missing & is_option).sum()),
    )


def concentration(signed: NDArray[np.float64]) -> tuple[float, float] | None:
    """Herfindahl index of |exposure| and its inverse; None for a book without exposure."""
    gross = float(np.abs(signed).sum())
    if gross <= 0:
        return None
    index = float(((np.abs(signed) / gross) ** 2).sum())
    return index, 1.0 / index
