"""One-minute bars between two real closes, a seeded bridge; and longer bars of minutes."""

import hashlib
from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from marketdata.calculations.correlation import from_covariance

BARS_PER_DAY = 390


def minute_path(
    symbols: Sequence[str],
    session_date: date,
    previous: NDArray[np.float64],
    closes: NDArray[np.float64],
    covariance: NDArray[np.float64],
    overnight_factor: NDArray[np.float64],
    *,
    bars: int = BARS_PER_DAY,
    held: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Closing prices of a session's bars, simulated between two closes that are real.

    Parameters
    ----------
    symbols : sequence of str, length n
        With the session they seed the noise: the same session plays the same way every time, in
        whatever order the symbols come.
    session_date : date
        The session played.
    previous, closes : ndarray, shape (n,)
        Close before the session, and its own; dollars, positive.
    covariance : ndarray, shape (n, n)
        Of daily returns, known before the session.
    overnight_factor : ndarray, shape (n,)
        Daily over intraday volatility, at least 1.
    bars : int
        390, or fewer on a day that closes early.
    held : ndarray of bool, shape (n,), optional
        Stays at the previous close until the last bar (indices such as the VIX).

    Returns
    -------
    ndarray, shape (bars, n)
        The last row equals `closes` exactly. Each later bar of a full session has 1/389 of the
        share 1/f^2 of a day's variance and the first bar the rest, so that a matrix built from
        these bars agrees with the daily one.

    Raises
    ------
    ValueError
        The shapes disagree, a price is not positive, or there are fewer than two bars.
    """
    size = len(symbols)
    if covariance.shape != (size, size) or previous.shape != (size,) or closes.shape != (size,):
        raise ValueError(f"prices and covariance do not fit {size} symbols")
    if not (np.all(previous > 0) and np.all(closes > 0) and np.isfinite(closes / previous).all()):
        raise ValueError("a bridge needs two positive, finite closes")
    if bars < 2:
        raise ValueError("a session has at least two bars")
    shares = variance_shares(overnight_factor, bars)
    elapsed = np.cumsum(shares, axis=0)
    elapsed[-1] = 1.0
    noise = _noise(symbols, session_date, covariance, bars) * np.sqrt(shares)
    walk = np.cumsum(noise, axis=0)
    moves = np.log(closes / previous)
    bridge = walk + elapsed * (moves - walk[-1])
    prices = previous * np.exp(bridge)
    if held is not None:
        prices[:-1, held] = previous[held]
    prices[-1] = closes
    return prices


def variance_shares(
    overnight_factor: NDArray[np.float64], bars: int = BARS_PER_DAY
) -> NDArray[np.float64]:
    """Share of a day's variance that falls on each bar.

    Parameters
    ----------
    overnight_factor : ndarray, shape (n,)
        Daily over intraday volatility; less than 1 counts as 1.
    bars : int
        Bars of the session. On a short day a bar is as lively as on any other, and the first bar
        takes what the missing ones leave.

    Returns
    -------
    ndarray, shape (bars, n)
        Columns sum to 1.
    """
    factor = np.maximum(overnight_factor, 1.0)
    later = 1.0 / factor**2 / (BARS_PER_DAY - 1)
    shares = np.broadcast_to(later, (bars, factor.size)).copy()
    shares[0] = np.maximum(1.0 - later * (bars - 1), 0.0)
    return shares / shares.sum(axis=0)


def intervals(ends: NDArray[np.int64], seconds: int) -> list[tuple[int, int, int]]:
    """Which bars make up each longer one.

    Parameters
    ----------
    ends : ndarray of int64, shape (n,)
        Ends of the short bars, ascending, seconds since 1970-01-01.
    seconds : int
        Length of a longer bar; it ends at a whole multiple.

    Returns
    -------
    list of (int, int, int)
        End in seconds, first row, row after the last. A longer bar whose minutes have not all
        come, or were not all traded, has fewer rows.
    """
    if not ends.size:
        return []
    whole = -(-ends // seconds) * seconds
    starts = np.flatnonzero(np.concatenate(([True], whole[1:] != whole[:-1])))
    stops = np.append(starts[1:], ends.size)
    return list(zip(whole[starts].tolist(), starts.tolist(), stops.tolist(), strict=True))


def _noise(
    symbols: Sequence[str], session_date: date, covariance: NDArray[np.float64], bars: int
) -> NDArray[np.float64]:
    """Rows of correlated normals with a day's volatility, shape (bars, n)."""
    own = np.column_stack(
        [_generator(symbol, session_date).standard_normal(bars) for symbol in symbols]
    )
    values, vectors = np.linalg.eigh(from_covariance(covariance))
    # The symmetric root, unlike a triangular one, does not depend on the order of the symbols.
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    volatility = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    return (own @ root) * volatility


def _generator(symbol: str, session_date: date) -> np.random.Generator:
    digest = hashlib.sha256(f"{symbol}|{session_date.isoformat()}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))
