"""Sums of one book along several groupings at once: sector, type, account and so on.

Positions that agree in every coarse grouping make up a cell. Amounts are swept into cells once, and
each of those groupings adds up its cells. One with too many groups for that is swept by itself.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from portfolios.calculations.aggregation import Grouping, exact_sums, grouping

PLACES = 6  # of booked money
SAFE = 2**62  # what a 64-bit count of millionths holds with room to spare
FEW = 8  # positions a cell, at least on average, for the cells to be worth their second sweep


class Cube:
    """A book laid out once per version; its groups are then a sweep or two away."""

    __slots__ = ("_alone", "_amounts", "_cells", "_coarse")

    def __init__(
        self, amounts: NDArray, labels: Mapping[str, tuple[NDArray[np.integer], int]]
    ) -> None:
        """Lay a book out.

        Parameters
        ----------
        amounts : ndarray of int64 or object, shape (k, n)
            Whole units of k measures of n positions, as `to_micro` makes them.
        labels : mapping of str to (ndarray of int, shape (n,), int)
            Of each grouping the group every position belongs to, and how many groups there are.

        Raises
        ------
        ValueError
            A label lies outside its groups, or a grouping does not label every position.
        """
        count = amounts.shape[1]
        cell = np.zeros(count, dtype=np.int64)
        coarse: dict[str, tuple[NDArray[np.integer], int]] = {}
        self._alone: dict[str, tuple[Grouping, NDArray]] = {}
        for name, (label, size) in sorted(labels.items(), key=lambda item: item[1][1]):
            _check(name, label, size, count)
            cells, finer = np.unique(cell * size + label, return_inverse=True)
            if cells.size * FEW <= count:
                cell, coarse[name] = finer, (label, size)
            else:
                own = grouping(label, size)
                self._alone[name] = (own, own.arrange(amounts))
        numbers, first = np.unique(cell, return_index=True)
        self._cells = grouping(cell, numbers.size)
        self._amounts = self._cells.arrange(amounts)
        self._coarse = {
            name: grouping(label[first], size) for name, (label, size) in coarse.items()
        }

    def sums(self) -> dict[str, NDArray]:
        """Sums by grouping, shape (k, groups) each, equal to Decimal sums to the last digit."""
        found = {name: exact_sums(amounts, own) for name, (own, amounts) in self._alone.items()}
        if self._coarse:
            cells = exact_sums(self._amounts, self._cells)
            for name, each in self._coarse.items():
                found[name] = exact_sums(each.arrange(cells), each)
        return found


def _check(name: str, label: NDArray[np.integer], size: int, count: int) -> None:
    if label.size != count:
        raise ValueError(f"{name} does not label every position")
    if count and (label.min() < 0 or label.max() >= size):
        raise ValueError(f"{name}: labels must lie between 0 and {size - 1}")


def overlapping(amounts: NDArray, pairs: Grouping) -> NDArray:
    """Sums by groups that share positions (tags): each counts fully in every one it is in.

    Parameters
    ----------
    amounts : ndarray of int64 or object, shape (k, n)
        As a `Cube` takes them.
    pairs : Grouping
        Made of (position, group) pairs.

    Returns
    -------
    ndarray, shape (k, groups)
        Their total exceeds the book's where groups overlap.
    """
    return exact_sums(pairs.arrange(amounts), pairs)


def to_micro(columns: Sequence[Sequence[Decimal | int]]) -> NDArray:
    """Money as whole millionths, in which sums are exact and order does not matter.

    Parameters
    ----------
    columns : sequence of k sequences of n Decimal
        Dollars with at most six places, or plain counts.

    Returns
    -------
    ndarray, shape (k, n)
        int64; of Python integers where a sum could leave 64 bits.

    Raises
    ------
    ValueError
        An amount has more than six places or is not finite.
    """
    whole = [[_micro(each) for each in column] for column in columns]
    largest = max((sum(map(abs, column)) for column in whole), default=0)
    return np.array(whole, dtype=np.int64 if largest < SAFE else object).reshape(len(whole), -1)


def from_micro(units: int) -> Decimal:
    """Whole millionths as money."""
    return Decimal(int(units)).scaleb(-PLACES)


def _micro(amount: Decimal | int) -> int:
    scaled = Decimal(amount).scaleb(PLACES)
    if not scaled.is_finite() or scaled != scaled.to_integral_value():
        raise ValueError(f"not an amount of money: {amount}")
    return int(scaled)
