"""EWMA covariance: recursions, the daily matrix of a panel with holes, the cheap live update."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketdata.calculations import correlation
from marketdata.calculations.covariance_triangle import Triangle

DAILY_DECAY = 0.94
WINDOW = 252
START_ROWS = 60
BATCH = 32
SMALLEST_SCALE = 1e-100
NEGATIVE = -1e-12


@dataclass(frozen=True, slots=True)
class Decay:
    """What a daily decay factor means, per day and per bar."""

    per_bar: float
    half_life_days: float
    half_life_bars: float
    effective_observations: float
    window_1pct: int


@dataclass(frozen=True, slots=True)
class DailyCovariance:
    """The daily matrix of the assets that have enough history, and which those are."""

    matrix: NDArray[np.float64]  # (k, k), of daily simple returns, for the k known assets
    known: NDArray[np.bool_]  # (n,), in the order of the panel's columns
    observations: NDArray[np.int64]  # (n,), returns inside the window
    repair: float  # Frobenius distance of the correlation repair; 0 when none was needed


def ewma_update(
    covariance: NDArray[np.float64], returns: NDArray[np.float64], decay: float = DAILY_DECAY
) -> NDArray[np.float64]:
    """One step of the recursion: decay times the old matrix plus the new outer product.

    Parameters
    ----------
    covariance : ndarray, shape (n, n)
        Per period.
    returns : ndarray, shape (n,)
        Of the period, fraction; mean taken as zero.
    decay : float
        0 replaces the matrix, 1 keeps it.

    Returns
    -------
    ndarray, shape (n, n)
        A new, symmetric array.

    Raises
    ------
    ValueError
        The shapes disagree or the decay lies outside [0, 1].

    References
    ----------
    J.P. Morgan/Reuters, RiskMetrics Technical Document, 4th ed., 1996, section 5.2.
    """
    if covariance.shape != (returns.size, returns.size):
        raise ValueError(f"covariance {covariance.shape} does not fit {returns.size} returns")
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"not a decay factor: {decay}")
    return decay * covariance + (1.0 - decay) * np.outer(returns, returns)


def ewma_series(
    returns: NDArray[np.float64],
    decay: float = DAILY_DECAY,
    initial: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Apply the recursion to rows in order; without `initial` the first row starts it.

    Parameters
    ----------
    returns : ndarray, shape (t, n)
        Oldest first.
    decay : float
        Per row.
    initial : ndarray, shape (n, n), optional
        Matrix before the first row.

    Returns
    -------
    ndarray, shape (n, n)
        After the last row.

    Raises
    ------
    ValueError
        No rows and no initial matrix.
    """
    rows = returns
    if initial is None:
        if not len(returns):
            raise ValueError("no returns and no matrix to start from")
        initial, rows = np.outer(returns[0], returns[0]), returns[1:]
    covariance = np.array(initial, dtype=np.float64)
    for row in rows:
        covariance = ewma_update(covariance, row, decay)
    return covariance


def ewma_window(returns: NDArray[np.float64], decay: float = DAILY_DECAY) -> NDArray[np.float64]:
    """Weighted second moment of a window, weights decay^age normalised to one.

    Parameters
    ----------
    returns : ndarray, shape (t, n)
        Oldest first, no holes.
    decay : float
        Per row.

    Returns
    -------
    ndarray, shape (n, n)
        Zero-mean, symmetric, positive semi-definite.

    Raises
    ------
    ValueError
        The window is empty.
    """
    if not len(returns):
        raise ValueError("an empty window has no covariance")
    rows = returns * np.sqrt(window_weights(len(returns), decay))[:, None]
    return rows.T @ rows


def window_weights(rows: int, decay: float = DAILY_DECAY) -> NDArray[np.float64]:
    """Weights of a window's rows, oldest first, summing to one."""
    weights = decay ** np.arange(rows - 1, -1, -1, dtype=np.float64)
    return weights / weights.sum()


def decay_facts(daily: float = DAILY_DECAY, bars_per_day: int = 390) -> Decay:
    """Half-lives, effective sample and window of a daily decay factor in (0, 1)."""
    if not 0.0 < daily < 1.0:
        raise ValueError(f"not a decay factor: {daily}")
    per_bar = daily ** (1.0 / bars_per_day)
    return Decay(
        per_bar=per_bar,
        half_life_days=math.log(0.5) / math.log(daily),
        half_life_bars=math.log(0.5) / math.log(per_bar),
        effective_observations=(1.0 + daily) / (1.0 - daily),
        window_1pct=math.ceil(math.log(0.01) / math.log(daily)),
    )


def daily_matrix(
    returns: NDArray[np.float64],
    decay: float = DAILY_DECAY,
    *,
    window: int = WINDOW,
    minimum: int = START_ROWS,
) -> DailyCovariance:
    """The daily EWMA matrix of a returns panel, holes allowed.

    Parameters
    ----------
    returns : ndarray, shape (t, n)
        Simple daily returns, oldest first, NaN where an asset has none.
    decay : float
        Per session.
    window : int
        Newest rows used.
    minimum : int
        Returns an asset needs inside the window to be known at all.

    Returns
    -------
    DailyCovariance
        Covers only known assets: the caller names the others and refuses or reports them. Complete
        columns give the windowed EWMA exactly; a pair with holes uses the rows both have, its
        weights normalised again, and the correlations are repaired when that cost definiteness.
    """
    rows = returns[-window:]
    present = np.isfinite(rows)
    observations = present.sum(axis=0)
    known = observations >= max(minimum, 1)
    kept, mask = rows[:, known], present[:, known]
    if not known.any():
        return DailyCovariance(np.zeros((0, 0)), known, observations, 0.0)
    if mask.all():
        return DailyCovariance(ewma_window(kept, decay), known, observations, 0.0)
    weights = window_weights(len(rows), decay)
    filled = np.where(mask, kept, 0.0) * np.sqrt(weights)[:, None]
    seen = mask * np.sqrt(weights)[:, None]
    shared = seen.T @ seen
    lonely = shared <= 0.0
    while lonely.any():
        # A pair that never traded together has no covariance: the shorter history goes unknown.
        worst = np.flatnonzero(lonely.any(axis=0))
        column = worst[np.argmin(observations[known][worst])]
        known = known.copy()
        known[np.flatnonzero(known)[column]] = False
        filled, shared = np.delete(filled, column, 1), _without(shared, column)
        lonely = shared <= 0.0
    matrix, distance = repaired(filled.T @ filled / shared)
    return DailyCovariance(matrix, known, observations, distance)


def repaired(covariance: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """The matrix with its correlations made valid, and how far they moved (Frobenius).

    A matrix whose smallest correlation eigenvalue is not below -1e-12 is returned as it is.
    """
    volatility = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    raw = correlation.from_covariance(covariance)
    if raw.size == 0 or np.linalg.eigvalsh(raw)[0] >= NEGATIVE:
        return covariance, 0.0
    valid = correlation.nearest_correlation(raw)
    return valid * np.outer(volatility, volatility), float(np.linalg.norm(valid - raw))


def _without(matrix: NDArray[np.float64], row: int) -> NDArray[np.float64]:
    return np.delete(np.delete(matrix, row, 0), row, 1)


class EwmaMatrix:
    """An EWMA covariance that records a tick in O(n) and pays for the matrix once a batch.

    The matrix is scale x triangle: a tick changes the scale and adds one outer product to one
    triangle, in place. Recorded ticks wait in a buffer and enter together as one rank-k update.
    """

    __slots__ = ("_pending", "_roots", "_scale", "_triangle", "_waiting", "decay", "size")

    def __init__(
        self,
        initial: NDArray[np.float64],
        decay: float = DAILY_DECAY,
        *,
        batch: int = BATCH,
    ) -> None:
        if initial.ndim != 2 or initial.shape[0] != initial.shape[1]:
            raise ValueError(f"not a square matrix: {initial.shape}")
        if not 0.0 < decay < 1.0:
            raise ValueError(f"not a decay factor: {decay}")
        self.size = initial.shape[0]
        self.decay = decay
        self._triangle = Triangle(initial)
        self._scale = 1.0
        self._pending = np.empty((batch, self.size))
        # Square roots of the weights of a batch, oldest first; fewer rows use the newest of them.
        ages = np.arange(batch - 1, -1, -1, dtype=np.float64)
        self._roots = np.sqrt((1.0 - decay) * decay**ages)
        self._waiting = 0

    def record(self, returns: NDArray[np.float64]) -> None:
        """Note one tick, shape (n,): O(n), except once a batch."""
        self._pending[self._waiting] = returns
        self._waiting += 1
        if self._waiting == len(self._pending):
            self.settle()

    def update(self, returns: NDArray[np.float64]) -> None:
        """Take one tick into the matrix now: one sweep over one triangle, nothing allocated.

        Raises ValueError unless `returns` has shape (n,).
        """
        if returns.shape != (self.size,):
            raise ValueError(f"{returns.shape} returns for {self.size} assets")
        if self._waiting:
            self.settle()
        self._scale *= self.decay
        self._triangle.add_one((1.0 - self.decay) / self._scale, returns)
        if self._scale < SMALLEST_SCALE:
            self._renormalise()

    def settle(self) -> None:
        """Take the recorded ticks into the matrix together."""
        count = self._waiting
        if not count:
            return
        self._scale *= self.decay**count
        columns = np.empty((self.size, count))
        np.multiply(self._pending[:count].T, self._roots[-count:], out=columns)
        self._triangle.add_many(1.0 / self._scale, columns)
        self._waiting = 0
        if self._scale < SMALLEST_SCALE:
            self._renormalise()

    def matrix(self) -> NDArray[np.float64]:
        """The whole covariance, shape (n, n), as a new symmetric array."""
        self.settle()
        full = self._triangle.full()
        full *= self._scale
        return full

    def times(self, exposures: NDArray[np.float64]) -> NDArray[np.float64]:
        """Covariance times a vector, shape (n,), recorded ticks included, without settling."""
        older = self._scale * self._triangle.times(exposures)
        count = self._waiting
        if not count:
            return older
        rows = self._pending[:count]
        weighted = self._roots[-count:] ** 2 * (rows @ exposures)
        return self.decay**count * older + rows.T @ weighted

    def replace(self, covariance: NDArray[np.float64]) -> None:
        """Go on from another matrix of the same size; forgets recorded ticks."""
        if covariance.shape != (self.size, self.size):
            raise ValueError(f"covariance {covariance.shape} does not fit {self.size} assets")
        self._triangle.replace(covariance)
        self._scale, self._waiting = 1.0, 0

    def _renormalise(self) -> None:
        self._triangle.scale(self._scale)
        self._scale = 1.0
