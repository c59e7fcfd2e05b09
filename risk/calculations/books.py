"""Many books at once: their variances follow a tick of the market without touching the matrix."""

import numpy as np
from numpy.typing import NDArray

from risk.calculations.var import VAR_CONFIDENCE, quantile

BATCH = 16  # ticks that wait before they enter the blocks
TOGETHER = 10  # books whose blocks are updated at once


class BookVariances:
    """Variances of p books under an EWMA covariance, at the exposures they had when taken in.

    A tick costs one gain per book, whatever the number of assets. Covariance times exposures, from
    which marginal and component parts follow, is kept on request, at the held names only.
    """

    __slots__ = ("_held", "_rows", "_with", "variances")

    def __init__(
        self,
        rows: NDArray[np.intp],
        dollars: NDArray[np.float64],
        covariance: NDArray[np.float64],
        *,
        parts: bool = False,
    ) -> None:
        """Take in books of equal length.

        Parameters
        ----------
        rows : ndarray of int, shape (p, h)
            Asset of each holding; a book with fewer names repeats any row with zero dollars.
        dollars : ndarray, shape (p, h)
            Signed dollar delta exposures.
        covariance : ndarray, shape (n, n)
            Of returns per tick, now.
        parts : bool
            Keep covariance times exposures too; a tick then costs about four times as much.
        """
        from scipy import sparse

        if rows.shape != dollars.shape:
            raise ValueError(f"rows {rows.shape} and dollars {dollars.shape} differ")
        books, held = rows.shape
        starts = np.arange(0, books * held + 1, held)
        self._held = sparse.csr_matrix(
            (dollars.ravel().astype(np.float64), rows.ravel(), starts),
            shape=(books, covariance.shape[0]),
        )
        self._rows = rows
        full = np.asarray(self._held @ covariance)
        with_book = np.take_along_axis(full, rows, axis=1)
        self.variances = np.einsum("ij,ij->i", dollars, with_book)
        self._with = with_book if parts else None

    def tick(self, returns: NDArray[np.float64], decay: float) -> None:
        """Follow one EWMA step, exposures held; exact. `returns` has shape (n,)."""
        gains = self._held @ returns
        self.variances *= decay
        self.variances += (1.0 - decay) * gains**2
        if self._with is None:
            return
        self._with *= decay
        update = returns[self._rows]
        update *= ((1.0 - decay) * gains)[:, None]
        self._with += update

    def value_at_risk(self, confidence: float = VAR_CONFIDENCE) -> NDArray[np.float64]:
        """VaR of every book, shape (p,), dollars, positive for a loss."""
        return quantile(confidence) * np.sqrt(np.maximum(self.variances, 0.0))

    def with_book(self) -> NDArray[np.float64]:
        """Covariance times exposures at the held names, shape (p, h).

        Raises ValueError unless the parts are kept.
        """
        if self._with is None:
            raise ValueError("these books keep no parts")
        return self._with


class DriftingBooks:
    """Variances of books whose exposures drift with prices: each keeps its block of the EWMA.

    A book of h names keeps the h x h covariances among them (8 h^2 bytes), whatever the number of
    assets. A tick is noted in O(n) and enters the blocks once a batch; until then it counts through
    the gain it gives each book. Exact, like the recursion on the whole matrix.
    """

    __slots__ = ("_blocks", "_decay", "_held", "_noted", "_rows", "_starts", "_waiting")

    def __init__(self, rows: NDArray[np.intp], returns: NDArray[np.float64], decay: float) -> None:
        """Take in who holds what, and the window of returns the covariances start from.

        Parameters
        ----------
        rows : ndarray of int, shape (p, h)
            Asset of each holding; a book with fewer names repeats any row with zero dollars.
        returns : ndarray, shape (m, n)
            Oldest first, weighted (1 - decay) decay^age; what lies before is taken as nothing.
        decay : float
            Per row.
        """
        books, held = rows.shape
        ages = np.arange(len(returns) - 1, -1, -1, dtype=np.float64)
        weighted = (returns * np.sqrt((1.0 - decay) * decay**ages)[:, None]).T.copy()
        self._decay = decay
        self._rows = rows
        self._held = rows.ravel()
        self._starts = np.arange(0, books * held + 1, held)
        self._blocks = np.zeros((books, held, held))
        self._noted = np.zeros((returns.shape[1], BATCH))  # one tick a column
        self._waiting = 0
        self._enter(weighted, 1.0)

    def tick(self, returns: NDArray[np.float64]) -> None:
        """Follow one EWMA step of the market; `returns` has shape (n,)."""
        self._noted[:, self._waiting] = returns
        self._waiting += 1
        if self._waiting == BATCH:
            self._enter(self._noted * np.sqrt(self._weights()), self._decay**BATCH)
            self._waiting = 0

    def variances(self, dollars: NDArray[np.float64]) -> NDArray[np.float64]:
        """Variance of every book at these exposures, shape (p, h) in, (p,) out."""
        with_book = np.matmul(self._blocks, dollars[:, :, None])[:, :, 0]
        settled = np.einsum("ij,ij->i", dollars, with_book)
        settled *= self._decay**self._waiting
        if self._waiting:
            gains = self._gains(dollars)
            settled += np.square(gains, out=gains) @ self._weights()
        return np.maximum(settled, 0.0, out=settled)

    def _gains(self, dollars: NDArray[np.float64]) -> NDArray[np.float64]:
        """What each noted tick gave each book at these exposures, shape (p, BATCH)."""
        from scipy import sparse

        shape = (len(self._rows), len(self._noted))
        holdings = sparse.csr_matrix((dollars.ravel(), self._held, self._starts), shape=shape)
        return np.asarray(holdings @ self._noted)

    def _weights(self) -> NDArray[np.float64]:
        """Of the noted ticks, shape (BATCH,); zero for the columns still to be filled."""
        weights = np.zeros(BATCH)
        ages = np.arange(self._waiting - 1, -1, -1, dtype=np.float64)
        weights[: self._waiting] = (1.0 - self._decay) * self._decay**ages
        return weights

    def _enter(self, weighted: NDArray[np.float64], fade: float) -> None:
        """Let weighted returns (n, k) enter the blocks, as many at once as stay in the cache."""
        for first in range(0, len(self._rows), TOGETHER):
            books = slice(first, first + TOGETHER)
            held = weighted[self._rows[books]]
            block = self._blocks[books]
            block *= fade
            block += np.matmul(held, held.transpose(0, 2, 1))
