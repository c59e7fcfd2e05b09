"""A symmetric matrix held as its lower triangle, laid out so that one sweep changes all of it."""

import numpy as np
from numpy.typing import NDArray

# Columns a strip; a square of this size stays in the cache.
WIDTH = 256


class Triangle:
    """The lower triangle of a symmetric matrix, cut into strips of columns.

    A strip is the square on the diagonal, of which the lower half counts, and the rectangle below
    it. Each lies in one piece in memory: a sweep reads and writes without a jump from column to
    column, and the upper half beyond the squares takes no memory.
    """

    __slots__ = ("_blas", "_strips", "size")

    def __init__(self, matrix: NDArray[np.float64], width: int = WIDTH) -> None:
        """Copy the lower triangle of a square matrix, shape (n, n)."""
        from scipy.linalg import blas

        self._blas = blas
        self.size = len(matrix)
        self._strips: list[
            tuple[slice, slice, NDArray[np.float64], NDArray[np.float64] | None]
        ] = []
        for start in range(0, self.size, width):
            stop = min(start + width, self.size)
            square = np.empty((stop - start, stop - start), order="F")
            below = np.empty((self.size - stop, stop - start), order="F")
            inside, rest = slice(start, stop), slice(stop, self.size)
            self._strips.append((inside, rest, square, below if below.size else None))
        self.replace(matrix)

    def replace(self, matrix: NDArray[np.float64]) -> None:
        """Take over another matrix of the same size; its upper half is not read."""
        for inside, rest, square, below in self._strips:
            square[...] = matrix[inside, inside]
            if below is not None:
                below[...] = matrix[rest, inside]

    def add_one(self, weight: float, vector: NDArray[np.float64]) -> None:
        """Add weight x vector x vector', vector of shape (n,), in place."""
        add_square, add_below = self._blas.dsyr, self._blas.dger
        for inside, rest, square, below in self._strips:
            here = vector[inside]
            add_square(weight, here, a=square, lower=1, overwrite_a=1)
            if below is not None:
                add_below(weight, vector[rest], here, a=below, overwrite_a=1)

    def add_many(self, weight: float, columns: NDArray[np.float64]) -> None:
        """Add weight x columns x columns', columns of shape (n, k), C order, in place."""
        add_square, add_below = self._blas.dsyrk, self._blas.dgemm
        for inside, rest, square, below in self._strips:
            # Rows of a C-ordered array are columns in BLAS's order: nothing is copied.
            here = columns[inside].T
            add_square(weight, here, beta=1.0, c=square, trans=1, lower=1, overwrite_c=1)
            if below is not None:
                there = columns[rest].T
                add_below(weight, there, here, beta=1.0, c=below, trans_a=1, overwrite_c=1)

    def scale(self, factor: float) -> None:
        """Multiply the matrix by a number, in place."""
        for _, _, square, below in self._strips:
            square *= factor
            if below is not None:
                below *= factor

    def times(self, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        """The matrix times a vector, shape (n,)."""
        result = np.zeros(self.size)
        for inside, rest, square, below in self._strips:
            here = vector[inside]
            result[inside] += self._blas.dsymv(1.0, square, here, lower=1)
            if below is not None:
                result[rest] += below @ here
                result[inside] += vector[rest] @ below
        return result

    def full(self) -> NDArray[np.float64]:
        """The whole matrix, shape (n, n), as a new symmetric array."""
        result = np.empty((self.size, self.size))
        for inside, rest, square, below in self._strips:
            result[inside, inside] = np.tril(square) + np.tril(square, -1).T
            if below is not None:
                result[rest, inside] = below
                result[inside, rest] = below.T
        return result
