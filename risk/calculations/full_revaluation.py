"""Value at risk of option books: every option valued again on paths that all positions share."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketdata.calculations.normal import columns
from marketdata.calculations.options import bsm
from risk.calculations.historical import TailRisk, historical
from risk.calculations.var import VAR_CONFIDENCE

PATHS = 50_000
SEED = 20_160_623
# An option's value is a smooth function of its one spot: between so many of its values on the
# range of the paths, straight lines are within 1e-4 of what it gains.
NODES = 513

Column = NDArray[np.float64]


def draws(
    covariance: Column,
    count: int,
    seed: int = SEED,
    *,
    rows: Sequence[int] | None = None,
    horizon: float = 1.0,
) -> Column:
    """Normal log returns on antithetic paths.

    Parameters
    ----------
    covariance : ndarray, shape (n, n)
        Of daily returns; eigenvalues below zero are clipped.
    count : int
        Paths, even: the second half mirrors the first.
    seed : int
        Of PCG64; the same seed, count and covariance give the same paths, whichever rows.
    rows : sequence of int, optional
        The k assets that are wanted; all of them by default.
    horizon : float
        Days.

    Returns
    -------
    ndarray, shape (k, count)

    Raises
    ------
    ValueError
        A count that is odd or below 2, or a covariance that is not square and finite.
    """
    size = len(covariance)
    if covariance.shape != (size, size) or not np.isfinite(covariance).all():
        raise ValueError("a covariance is square and finite")
    root = _root(np.ascontiguousarray(covariance).tobytes(), size)
    chosen = root if rows is None else root[list(rows)]
    half = (chosen * np.sqrt(horizon)) @ _normals(count, size, seed)
    return np.concatenate([half, -half], axis=1)


def option_gains(returns: Column, *terms: Any) -> Column:
    """Gains of options on one share along log returns of their underlying, without ageing.

    Parameters
    ----------
    returns : ndarray, shape (p,)
        Of the underlying.
    *terms : array_like, broadcast to (m,)
        Spot and strike, currency a share; rate, dividend yield and volatility, fractions a year
        continuously compounded; years to expiry; whether it is a call.

    Returns
    -------
    ndarray, shape (m, p)
        Currency a share, a gain for the holder positive.

    Raises
    ------
    ValueError
        An input is missing or impossible.
    """
    spot, *others = (each[:, None] for each in columns(*terms))
    nodes = np.linspace(returns.min(), returns.max(), NODES)
    spots = spot * np.exp(np.append(nodes, 0.0))
    given = np.broadcast_arrays(spots, *others)
    priced = bsm(*(each.ravel() for each in given))
    if priced.reason.any():
        why = next(each for each in priced.reasons() if each)
        raise ValueError(f"an option cannot be valued again: {why}")
    value = priced.values[0].reshape(spots.shape)
    return np.array([np.interp(returns, nodes, each[:-1]) - each[-1] for each in value])


def share_gains(returns: Column, price: float) -> Column:
    """Gain of one share along log returns, shape (p,)."""
    return price * np.expm1(returns)


def of_one_option(
    quantity: float,
    multiplier: float,
    *terms: Any,
    daily_volatility: float,
    confidence: float = VAR_CONFIDENCE,
    horizon: float = 1.0,
    count: int = PATHS,
    seed: int = SEED,
) -> TailRisk:
    """VaR and shortfall of one option position.

    Parameters
    ----------
    quantity, multiplier : float
        Signed contracts; shares of each.
    *terms
        As `option_gains` takes them from `spot` on.
    daily_volatility : float
        Of the underlying's log return, fraction.
    confidence, horizon, count, seed
        One-sided; days; paths; of PCG64.

    Returns
    -------
    TailRisk
        Dollars, a loss positive.
    """
    [returns] = draws(np.array([[daily_volatility**2]]), count, seed, horizon=horizon)
    [gains] = option_gains(returns, *terms)
    return historical(quantity * multiplier * gains, confidence)


@lru_cache(maxsize=8)
def _normals(count: int, size: int, seed: int) -> Column:
    if count < 2 or count % 2:
        raise ValueError(f"antithetic paths come in pairs, not {count}")
    found = np.random.Generator(np.random.PCG64(seed)).standard_normal((size, count // 2))
    found.setflags(write=False)
    return found


@lru_cache(maxsize=8)
def _root(covariance: bytes, size: int) -> Column:
    """A root F of a covariance, F F' = covariance; the matrices in force change once a bar."""
    level, direction = np.linalg.eigh(np.frombuffer(covariance).reshape(size, size))
    found: Column = direction * np.sqrt(np.maximum(level, 0.0))
    found.setflags(write=False)
    return found
