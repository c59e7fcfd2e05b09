"""Laws of parametric VaR, its shortfall and the Cornish-Fisher correction."""

import numpy as np
import pytest

from risk.calculations import var
from risk.tests.calculations.books import random_book

SEEDS = range(20)


@pytest.mark.parametrize("seed", SEEDS)
def test_var_grows_with_the_size_of_the_book_and_forgets_its_sign(seed):
    exposures, covariance = random_book(seed)
    whole = var.parametric(exposures, covariance).total

    assert var.parametric(-2.5 * exposures, covariance).total == pytest.approx(2.5 * whole)


@pytest.mark.parametrize("seed", SEEDS)
def test_two_books_together_never_lose_more_than_apart(seed):
    first, covariance = random_book(seed)
    second, _ = random_book(seed + 1000)

    together = var.parametric(first + second, covariance).total

    apart = var.parametric(first, covariance).total + var.parametric(second, covariance).total
    assert together <= apart * (1 + 1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_the_symbols_does_not_matter(seed):
    exposures, covariance = random_book(seed)
    order = np.random.default_rng(seed).permutation(exposures.size)

    shuffled = var.parametric(exposures[order], covariance[np.ix_(order, order)]).total

    assert shuffled == pytest.approx(var.parametric(exposures, covariance).total, rel=1e-12)


def test_ten_days_lose_the_square_root_of_ten():
    exposures, covariance = random_book(1)
    one = var.parametric(exposures, covariance).total

    ten = var.parametric(exposures, covariance, horizon_days=10).total

    assert ten == pytest.approx(3.1622776601683795 * one)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.975, 0.99])
def test_the_mean_loss_beyond_the_var_is_larger_than_the_var(confidence):
    tail = var.expected_shortfall(1_000.0, confidence)

    assert tail.expected_shortfall > tail.value_at_risk > 0


def test_an_empty_book_loses_nothing():
    assert var.parametric(np.zeros(0), np.zeros((0, 0))).total == 0.0


def test_a_perfect_hedge_loses_nothing():
    assert var.parametric(np.array([1e6, -1e6]), np.full((2, 2), 4e-4)).total == 0.0


def test_rounding_below_zero_is_clipped():
    covariance = np.array([[1e-4, 1e-4 * (1 + 1e-12)], [1e-4 * (1 + 1e-12), 1e-4]])

    assert var.parametric(np.array([1.0, -1.0]), covariance).total == 0.0


def test_a_matrix_that_is_not_a_covariance_is_refused():
    with pytest.raises(ValueError, match="repair the covariance"):
        var.parametric(np.array([1.0, -1.0]), np.array([[1.0, 2.0], [2.0, 1.0]]))


def test_a_matrix_of_another_size_is_refused():
    with pytest.raises(ValueError, match="does not fit 3 exposures"):
        var.parametric(np.ones(3), np.eye(2))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_figure_that_is_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match="not finite"):
        var.parametric(np.array([1.0, bad]), np.eye(2))


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_a_confidence_outside_its_range_is_refused(confidence):
    with pytest.raises(ValueError, match="not a confidence"):
        var.parametric(np.ones(1), np.eye(1), confidence=confidence)


def test_without_skew_and_kurtosis_cornish_fisher_is_the_normal_var():
    bent = var.cornish_fisher(0.0, 0.02, 0.0, 0.0, 0.99)

    assert bent.value_at_risk == pytest.approx(0.02 * 2.3263478740408408)


def test_cornish_fisher_outside_its_domain_has_a_reason_and_no_figure():
    bent = var.cornish_fisher(0.0, 0.02, -2.0, 0.5)

    assert (bent.value_at_risk, bent.reason) == (None, "outside_domain")
