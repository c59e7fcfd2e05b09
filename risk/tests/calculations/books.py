"""Random books for tests: exposures and covariances with a known seed."""

import numpy as np


def random_covariance(rng, size, rows=None):
    """A covariance of daily returns with one common factor."""
    common = rng.normal(0.0, 0.01, (rows or 3 * size + 5, 1))
    returns = common + rng.normal(0.0, 0.008, (common.size, size))
    return returns.T @ returns / len(returns)


def random_book(seed, size=8):
    """Long-short exposures in dollars and the covariance of their returns."""
    rng = np.random.default_rng(seed)
    return rng.normal(0.0, 50_000.0, size), random_covariance(rng, size)
