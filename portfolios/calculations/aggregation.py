"""Sums of a book by underlying, tag or any other group, exact to the last digit."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNIT = 10_000  # exact sums count in 1e-4 of a dollar
EXACT_LIMIT = 9e14  # dollars that still fit a 64-bit count of those units
KINDS = 4  # stocks held, stocks short, options held, options short


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which rows make up which group: sorted once, reused until the book changes."""

    order: NDArray[np.intp]  # (m,), rows of the book in group order
    starts: NDArray[np.intp]  # (g,), where each present group begins in that order
    present: NDArray[np.intp]  # (g,), the group number it has
    size: int  # groups there are, present or not

    def arrange(self, amounts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Lay columns (..., n) out in group order, contiguous, so that a sum is one sweep."""
        return np.ascontiguousarray(amounts[..., self.order])

    def counts(self) -> NDArray[np.int64]:
        """Rows in each group, shape (size,)."""
        result = np.zeros(self.size, dtype=np.int64)
        result[self.present] = np.diff(self.starts, append=self.order.size)
        return result


@dataclass(frozen=True, slots=True)
class BookSums:
    """A book's totals in units of 1e-4: exposures in dollars, measures in their own unit."""

    long: int
    short: int  # zero or negative
    gross: int
    net: int
    options: int
    stocks: int
    measures: NDArray[np.int64]  # (k,), totals of the further measures
    by_underlying: NDArray[np.int64]  # (1 + k, groups): exposure, then the measures
    by_tag: NDArray[np.int64]  # (tags,), exposure; a position counts fully in each of its tags


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
    arranged : ndarray of int64, shape (m,) or (k, m)
        Units of 1e-4 dollars, laid out by `groups.arrange`.
    groups : Grouping
        The same grouping.

    Returns
    -------
    ndarray of int64, shape (size,) or (k, size)
        Zero for a group without rows.
    """
    if not groups.starts.size:
        return np.zeros((*arranged.shape[:-1], groups.size), dtype=arranged.dtype)
    sums = np.add.reduceat(arranged, groups.starts, axis=-1)
    if groups.present.size == groups.size:
        return sums
    result = np.zeros((*arranged.shape[:-1], groups.size), dtype=arranged.dtype)
    result[..., groups.present] = sums
    return result


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


class ExactBook:
    """A book laid out once per version, whose totals and groups are then one sweep away."""

    __slots__ = (
        "_exposures",
        "_kinds",
        "_measured",
        "_measures",
        "_sided",
        "_tagged",
        "tags",
        "underlyings",
    )

    def __init__(
        self,
        exposures: NDArray[np.float64],
        measures: NDArray[np.float64],
        is_option: NDArray[np.bool_],
        underlyings: Grouping,
        tags: Grouping,
    ) -> None:
        """Lay a book out.

        Parameters
        ----------
        exposures : ndarray, shape (n,)
            Signed dollars.
        measures : ndarray, shape (k, n)
            Further measures to add up (Greeks), zero where a position has none.
        is_option : ndarray of bool, shape (n,)
            Splits the total into options and stocks.
        underlyings, tags : Grouping
            Of these positions; every position has one underlying.

        Raises
        ------
        ValueError
            An amount is not finite or too large, or a position has no underlying.
        """
        if underlyings.order.size != exposures.size:
            raise ValueError("every position has exactly one underlying")
        units = to_units(np.vstack([exposures[None, :], measures]))
        self.underlyings, self.tags = underlyings, tags
        self._exposures = underlyings.arrange(units[0])
        self._measured = _without_zeros(underlyings, units[1:])
        self._measures = self._measured.arrange(units[1:])
        self._kinds = grouping(2 * is_option.astype(np.intp) + (units[0] < 0), KINDS)
        self._sided = self._kinds.arrange(units[0])
        self._tagged = tags.arrange(units[0])

    def sums(self) -> BookSums:
        """Add everything up; totals come from the groups where they can."""
        by_underlying = np.empty((1 + len(self._measures), self.underlyings.size), dtype=np.int64)
        by_underlying[0] = exact_sums(self._exposures, self.underlyings)
        by_underlying[1:] = exact_sums(self._measures, self._measured)
        kinds = exact_sums(self._sided, self._kinds).tolist()
        long_stocks, short_stocks, long_options, short_options = kinds
        long, short = long_stocks + long_options, short_stocks + short_options
        return BookSums(
            long=long,
            short=short,
            gross=long - short,
            net=long + short,
            options=long_options + short_options,
            stocks=long_stocks + short_stocks,
            measures=by_underlying[1:].sum(axis=1),
            by_underlying=by_underlying,
            by_tag=exact_sums(self._tagged, self.tags),
        )


def _without_zeros(groups: Grouping, measures: NDArray[np.int64]) -> Grouping:
    """The same groups over fewer rows: those without any measure (stocks) add nothing.

    The first row of a group stays in any case, so that none is empty.
    """
    if not groups.starts.size:
        return groups
    kept = np.any(measures, axis=0)[groups.order]
    kept[groups.starts] = True
    counts = np.add.reduceat(kept, groups.starts, dtype=np.intp)
    return Grouping(groups.order[kept], np.cumsum(counts) - counts, groups.present, groups.size)
