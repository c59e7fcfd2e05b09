"""Exposures and covariance on one axis: the crossing from labels to arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class RiskInputs:
    """Aligned arrays: entry i of each belongs to symbols[i]."""

    symbols: tuple[str, ...]
    exposures: NDArray[np.float64]  # (n,), signed dollar delta exposure
    covariance: NDArray[np.float64]  # (n, n), of daily returns
    missing: tuple[str, ...]  # held, but without a covariance: the caller refuses or reports


def align(
    exposures: Mapping[str, float],
    known: Sequence[str],
    covariance: NDArray[np.float64],
) -> RiskInputs:
    """Cut the market's covariance down to what is held; name what it does not know."""
    row_of = {symbol: row for row, symbol in enumerate(known)}
    held = tuple(sorted(set(exposures) & set(row_of)))
    rows = [row_of[symbol] for symbol in held]
    return RiskInputs(
        symbols=held,
        exposures=np.array([exposures[symbol] for symbol in held], dtype=np.float64),
        covariance=covariance[np.ix_(rows, rows)],
        missing=tuple(sorted(set(exposures) - set(row_of))),
    )
