"""The triangle in strips against the whole matrix it stands for."""

import numpy as np
import pytest

from marketdata.calculations.covariance import EwmaMatrix
from marketdata.calculations.covariance_triangle import Triangle

WIDTHS = [1, 3, 4, 7, 11, 12]  # one column, uneven strips, exactly the size, more than it
SIZE = 11


def symmetric(seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(20, SIZE))
    return rows.T @ rows


@pytest.mark.parametrize("width", WIDTHS)
def test_every_change_of_the_triangle_is_that_of_the_matrix(width):
    rng = np.random.default_rng(width)
    matrix, vector, columns = symmetric(1), rng.normal(size=SIZE), rng.normal(size=(SIZE, 5))
    triangle = Triangle(matrix, width)

    triangle.add_one(0.3, vector)
    triangle.scale(0.5)
    triangle.add_many(2.0, columns)

    expected = 0.5 * (matrix + 0.3 * np.outer(vector, vector)) + 2.0 * columns @ columns.T
    full = triangle.full()
    assert full == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert (full == full.T).all()
    assert triangle.times(vector) == pytest.approx(expected @ vector, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("width", WIDTHS)
def test_another_matrix_is_taken_over_whole(width):
    triangle = Triangle(symmetric(1), width)

    triangle.replace(symmetric(2))

    assert (triangle.full() == np.tril(symmetric(2)) + np.tril(symmetric(2), -1).T).all()


def test_the_matrix_given_is_left_alone():
    matrix = symmetric(3)
    before = matrix.copy()

    Triangle(matrix, 4).add_one(1.0, np.ones(SIZE))

    assert (matrix == before).all()


@pytest.mark.parametrize("shape", [(4,), (6,), (5, 1), ()])
def test_returns_that_do_not_fit_change_nothing(shape):
    kept = EwmaMatrix(np.eye(5))

    with pytest.raises(ValueError, match="5 assets"):
        kept.update(np.ones(shape))

    assert (kept.matrix() == np.eye(5)).all()


def test_more_assets_than_a_strip_is_wide_follow_the_plain_recursion():
    rng = np.random.default_rng(5)
    start, rows = np.eye(300) * 1e-4, rng.normal(0.0, 0.01, (40, 300))
    kept = EwmaMatrix(start)
    plain = start
    for number, row in enumerate(rows):
        kept.update(row) if number % 5 == 2 else kept.record(row)
        plain = 0.94 * plain + 0.06 * np.outer(row, row)

    assert kept.times(row) == pytest.approx(plain @ row, rel=1e-10)
    assert kept.matrix() == pytest.approx(plain, rel=1e-10, abs=1e-18)
