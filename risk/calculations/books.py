"""Many books at once: their variances follow a tick of the market without touching the matrix."""

import numpy as np
from numpy.typing import NDArray

from risk.calculations.var import VAR_CONFIDENCE, quantile


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


class WindowedBooks:
    """Variances of books whose exposures drift: the EWMA as a weighted window of returns.

    Never forms a matrix: a book costs window x held, whatever the number of assets, and a tick
    writes one column. Exact to decay^window (1e-8 for 298 rows at 0.94).
    """

    __slots__ = ("_age", "_books", "_newest", "_returns", "_rows", "_starts")

    def __init__(self, rows: NDArray[np.intp], returns: NDArray[np.float64], decay: float) -> None:
        """Take in who holds what, and the window of returns.

        Parameters
        ----------
        rows : ndarray of int, shape (p, h)
            Asset of each holding.
        returns : ndarray, shape (m, n)
            Oldest first.
        decay : float
            Per row.
        """
        self._books, held = rows.shape
        self._rows = rows.ravel()
        self._starts = np.arange(0, self._books * held + 1, held)
        self._returns = np.ascontiguousarray(returns.T)
        self._age = (1.0 - decay) * decay ** np.arange(len(returns), dtype=np.float64)
        self._newest = len(returns) - 1

    def tick(self, returns: NDArray[np.float64]) -> None:
        """Replace the oldest row of the window by a new one, shape (n,)."""
        self._newest = (self._newest + 1) % self._age.size
        self._returns[:, self._newest] = returns

    def variances(self, dollars: NDArray[np.float64]) -> NDArray[np.float64]:
        """Variance of every book at these exposures, shape (p, h) in, (p,) out."""
        from scipy import sparse

        shape = (self._books, self._returns.shape[0])
        holdings = sparse.csr_matrix((dollars.ravel(), self._rows, self._starts), shape=shape)
        gains = np.asarray(holdings @ self._returns)
        newest_first = np.arange(self._newest, self._newest - self._age.size, -1) % self._age.size
        weights = np.empty_like(self._age)
        weights[newest_first] = self._age
        np.square(gains, out=gains)
        return gains @ weights
