"""The standard normal law as option pricing needs it: density, distribution, Mills' ratio."""

import math
from functools import cache
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
    result: NDArray[np.float64] = _special().ndtr(z, out=out)
    return result


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
    result = z * z
    result *= 0.5
    np.exp(result, out=result)
    result *= _special().ndtr(-z)
    far = np.flatnonzero(z > FAR)
    if far.size:
        result[far] = 0.5 * _special().erfcx(z[far] * ROOT_HALF)
    return result


def columns(*values: Any) -> list[NDArray[np.float64]]:
    """Broadcast numbers and arrays to float64 columns of one length; None becomes NaN."""
    arrays = [np.asarray(value, dtype=np.float64) for value in values]
    shape = arrays[0].shape
    if len(shape) == 1 and all(one.shape == shape for one in arrays):
        return arrays
    return list(np.broadcast_arrays(*(np.atleast_1d(one) for one in arrays)))


@cache
def _special() -> Any:
    # scipy costs a tenth of a second to load: whoever prices nothing does not pay for it
    from scipy import special

    return special
