"""What positions are worth and how exposed they are: one position, a book, groups of a book."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNIT = 10_000  # exact sums count in 1e-4 of a dollar
EXACT_LIMIT = 9e14  # dollars that still fit a 64-bit count of those units


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


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which rows make up which group: sorted once, reused until the book changes."""

    order: NDArray[np.intp]  # (m,), rows of the book in group order
    starts: NDArray[np.intp]  # (g,), where each present group begins in that order
    present: NDArray[np.intp]  # (g,), the group number it has
    size: int  # groups there are, present or not

    def arrange(self, amounts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Lay rows out in group order, contiguous, so that every later sum is one sweep."""
        return np.ascontiguousarray(amounts[self.order])


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


def grouping(
    labels: NDArray[np.integer], size: int, rows: NDArray[np.integer] | None = None
) -> Grouping:
    """Sort rows into groups once.

    Parameters
    ----------
    labels : ndarray of int, shape (m,)
        Group number, 0 <= label < size, of each row.
    size : int
        How many groups there are.
    rows : ndarray of int, shape (m,), optional
        The book row each label belongs to, for rows in several groups (tags). Without it, row i
        belongs to label i.

    Raises
    ------
    ValueError
        A label lies outside the groups.
    """
    if labels.size and (labels.min() < 0 or labels.max() >= size):
        raise ValueError(f"labels must lie between 0 and {size - 1}")
    by_label = np.argsort(labels, kind="stable")
    present, starts = np.unique(labels[by_label], return_index=True)
    order = by_label if rows is None else np.asarray(rows)[by_label]
    return Grouping(order.astype(np.intp), starts.astype(np.intp), present.astype(np.intp), size)


def to_units(amounts: NDArray[np.float64]) -> NDArray[np.int64]:
    """Dollars as whole numbers of 1e-4, in which sums are exact and order does not matter.

    Raises
    ------
    ValueError
        An amount is not finite or beyond 9e14 dollars.
    """
    if not np.all(np.abs(amounts) <= EXACT_LIMIT):
        raise ValueError("an amount is not finite, or too large to be summed exactly")
    return np.rint(amounts * UNIT).astype(np.int64)


def exact_sums(arranged: NDArray[np.int64], groups: Grouping) -> NDArray[np.int64]:
    """Sum by group, equal to a Decimal sum to the last digit.

    Parameters
    ----------
    arranged : ndarray of int64, shape (m,) or (m, k)
        Units of 1e-4 dollars, laid out by `groups.arrange`.
    groups : Grouping
        The same grouping.

    Returns
    -------
    ndarray of int64, shape (size,) or (size, k)
        Zero for a group without rows.
    """
    sums = np.zeros((groups.size, *arranged.shape[1:]), dtype=np.int64)
    if arranged.shape[0]:
        sums[groups.present] = np.add.reduceat(arranged, groups.starts, axis=0)
    return sums


def float_sums(
    columns: NDArray[np.float64], labels: NDArray[np.integer], size: int
) -> NDArray[np.float64]:
    """Sum by group in floating point, without sorting first.

    Parameters
    ----------
    columns : ndarray, shape (k, n)
        One measure a row (struct of arrays).
    labels : ndarray of int, shape (n,)
        Group number of each position.
    size : int
        How many groups there are.

    Returns
    -------
    ndarray, shape (k, size)
        Agrees with exact sums to rounding.
    """
    return np.stack([np.bincount(labels, weights=column, minlength=size) for column in columns])


def concentration(signed: NDArray[np.float64]) -> tuple[float, float] | None:
    """Herfindahl index of |exposure| and its inverse; None for a book without exposure."""
    gross = float(np.abs(signed).sum())
    if gross <= 0:
        return None
    index = float(((np.abs(signed) / gross) ** 2).sum())
    return index, 1.0 / index
