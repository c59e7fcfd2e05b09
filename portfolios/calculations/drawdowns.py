"""The falls of an index from its highs: when each began, how deep it went, when it was made up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Drawdown:
    """One episode; `depth` is negative, days are calendar days from the peak."""

    peak: date
    trough: date
    recovery: date | None
    depth: float
    days_to_trough: int
    length_days: int


def drawdowns(
    dates: Sequence[date], index: NDArray[np.float64], top: int = 5
) -> tuple[Drawdown, ...]:
    """The deepest falls of an index, deepest first.

    Parameters
    ----------
    dates : sequence of date, length t
        Oldest first, beginning with the base.
    index : ndarray, shape (t,)
        Positive levels.
    top : int
        How many to return.

    Returns
    -------
    tuple of Drawdown
        From the latest date of the running maximum to the first level at or above it; an open
        episode runs to the last date. Empty for an index that never falls.

    Raises
    ------
    ValueError
        Lengths differ, or a level is not positive and finite.
    """
    levels = [float(level) for level in index]
    if len(dates) != len(levels):
        raise ValueError(f"{len(dates)} dates and {len(levels)} levels")
    if not all(0.0 < level < float("inf") for level in levels):
        raise ValueError("an index has positive, finite levels")
    episodes: list[Drawdown] = []
    peak = trough = 0
    for place in range(1, len(levels)):
        if levels[place] >= levels[peak]:
            if trough != peak:
                episodes.append(_episode(dates, levels, peak, trough, place))
            peak = trough = place
        elif trough == peak or levels[place] < levels[trough]:
            trough = place
    if trough != peak:
        episodes.append(_episode(dates, levels, peak, trough, None))
    return tuple(sorted(episodes, key=lambda fall: (fall.depth, fall.peak))[:top])


def _episode(
    dates: Sequence[date], levels: Sequence[float], peak: int, trough: int, recovery: int | None
) -> Drawdown:
    end = dates[-1] if recovery is None else dates[recovery]
    return Drawdown(
        peak=dates[peak],
        trough=dates[trough],
        recovery=None if recovery is None else dates[recovery],
        depth=levels[trough] / levels[peak] - 1.0,
        days_to_trough=(dates[trough] - dates[peak]).days,
        length_days=(end - dates[peak]).days,
    )
