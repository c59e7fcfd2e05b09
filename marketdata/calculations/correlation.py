"""Correlations from series with holes, and the repair of matrices that are not correlations."""

import numpy as np
from numpy.typing import NDArray

VALID = -1e-12
CONSTANT = 1e-14


def from_covariance(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation matrix of a covariance; an asset without variance is uncorrelated with all.

    Parameters
    ----------
    covariance : ndarray, shape (n, n)
        Symmetric; a negative diagonal counts as zero.

    Returns
    -------
    ndarray, shape (n, n)
        Unit diagonal.
    """
    volatility = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    inverse = np.divide(1.0, volatility, out=np.zeros_like(volatility), where=volatility > 0)
    result = covariance * np.outer(inverse, inverse)
    np.fill_diagonal(result, 1.0)
    return result


def pairwise_correlation(
    series: NDArray[np.float64], min_overlap: int = 2
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Correlation of each pair over the rows both have.

    Parameters
    ----------
    series : ndarray, shape (t, n)
        One column an asset, NaN where it has no return.
    min_overlap : int
        Common rows a pair needs.

    Returns
    -------
    matrix : ndarray, shape (n, n)
        NaN below the overlap or for a series constant on it; diagonal 1.0 when defined.
    overlap : ndarray of int, shape (n, n)
        Common rows of each pair.
    """
    mask = np.isfinite(series)
    counts = mask.sum(axis=0)
    means = np.where(mask, series, 0.0).sum(axis=0) / np.maximum(counts, 1)
    # Centring by each column's own mean first keeps the pairwise sums free of cancellation.
    centred = np.where(mask, series - means, 0.0)
    seen = mask.astype(np.float64)
    overlap = seen.T @ seen
    shared = np.maximum(overlap, 1.0)
    sums, squares = centred.T @ seen, (centred**2).T @ seen
    covariances = centred.T @ centred - sums * sums.T / shared
    variances = squares - sums**2 / shared
    spread = variances > CONSTANT * np.maximum((series_scale(series, mask) ** 2)[:, None], 1e-300)
    defined = spread & spread.T & (overlap >= max(min_overlap, 2))
    scale = np.sqrt(np.where(defined, variances * variances.T, 1.0))
    matrix = np.where(defined, np.clip(covariances / scale, -1.0, 1.0), np.nan)
    diagonal = np.diag(defined)
    matrix[np.diag_indices_from(matrix)] = np.where(diagonal, 1.0, np.nan)
    return matrix, np.rint(overlap).astype(np.int64)


def series_scale(series: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Largest absolute value of each column, shape (n,), against which a spread is judged."""
    if not len(series):
        return np.zeros(series.shape[1])
    return np.abs(np.where(mask, series, 0.0)).max(axis=0)


def nearest_correlation(
    matrix: NDArray[np.float64], *, tolerance: float = 1e-10, max_rounds: int = 2_000
) -> NDArray[np.float64]:
    """The correlation matrix nearest to a symmetric matrix in the Frobenius norm.

    Parameters
    ----------
    matrix : ndarray, shape (n, n)
        Symmetric with unit diagonal, possibly indefinite.
    tolerance : float
        Relative change of a round at which the projections stop.
    max_rounds : int
        Rounds after which the last iterate is taken.

    Returns
    -------
    ndarray, shape (n, n)
        Unit diagonal, positive semi-definite; a valid matrix comes back unchanged.

    Raises
    ------
    ValueError
        The matrix is not square, not symmetric or not finite.

    References
    ----------
    Higham, Computing the nearest correlation matrix, IMA J. Numer. Anal. 22, 2002.
    """
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"not a square matrix: {matrix.shape}")
    if not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.T, atol=1e-10):
        raise ValueError("not a symmetric matrix of finite numbers")
    if not matrix.size or np.linalg.eigvalsh(matrix)[0] >= VALID:
        return matrix.copy()
    current = (matrix + matrix.T) / 2.0
    correction = np.zeros_like(current)
    for _ in range(max_rounds):
        shifted = current - correction
        definite = _definite(shifted)
        correction = definite - shifted
        previous, current = current, definite.copy()
        np.fill_diagonal(current, 1.0)
        if np.linalg.norm(current - previous) <= tolerance * np.linalg.norm(current):
            break
    # The last step to the unit diagonal can leave -1e-11: one congruence makes both hold.
    definite = _definite(current)
    scale = 1.0 / np.sqrt(np.diag(definite))
    definite *= np.outer(scale, scale)
    np.fill_diagonal(definite, 1.0)
    return (definite + definite.T) / 2.0


def _definite(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.maximum(values, 0.0)) @ vectors.T
