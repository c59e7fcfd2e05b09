"""The standard normal law as option pricing needs it: density, distribution, Mills' ratio."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT_HALF = math.sqrt(0.5)
# Up to here tail times exponential is exact and three times as fast as erfcx; beyond it the one
# underflows and the other loses digits.
FAR = 4.0
DENSITY_AT_ZERO = 1.0 / math.sqrt(2.0 * math.pi)


def cdf(z: NDArray[np.float64], out: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Probability of a value below z, element by element; `out` may be z itself."""
    # scipy costs a tenth of a second to load: whoever prices nothing does not pay for it
    from scipy.special import ndtr

    result: NDArray[np.float64] = ndtr(z, out=out)
    return result


def cdf_one(z: float) -> float:
    """Probability of a value below z, for one number."""
    return 0.5 * math.erfc(-z * ROOT_HALF)


def mills(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """N(-z) exp(z^2 / 2): the upper tail without its exponential.

    Parameters
    ----------
    z : ndarray, one dimension
        Not negative; then nothing under- or overflows.

    Returns
    -------
    ndarray, shape of z
        Between 0 and 1/2, falling in z, relative error about 1e-15. N(-z)/n(z), Mills' ratio
        proper, is sqrt(2 pi) times this.
    """
    from scipy.special import erfcx, ndtr

    result = z * z
    result *= 0.5
    np.exp(result, out=result)
    result *= ndtr(-z)
    far = np.flatnonzero(z > FAR)
    if far.size:
        result[far] = 0.5 * erfcx(z[far] * ROOT_HALF)
    return result


def density_one(z: float) -> float:
    """Density at z, for one number."""
    return DENSITY_AT_ZERO * math.exp(-0.5 * z * z)


def columns(*values: Any) -> list[NDArray[np.float64]]:
    """Broadcast numbers and arrays to float64 columns of one length; None becomes NaN."""
    arrays = [np.asarray(value, dtype=np.float64) for value in values]
    shape = arrays[0].shape
    if len(shape) == 1 and all(one.shape == shape for one in arrays):
        return arrays
    return list(np.broadcast_arrays(*(np.atleast_1d(one) for one in arrays)))
