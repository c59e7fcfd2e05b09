"""Laws of marginal, component and incremental VaR, and of the book that keeps them."""

import numpy as np
import pytest

from risk.calculations import decomposition, var
from risk.calculations.books import BookVariances, DriftingBooks
from risk.tests.calculations.books import random_book

SEEDS = range(20)
DECAY = 0.94


def test_two_uncorrelated_assets_by_hand():
    # sigma = sqrt((500,000 x .02)^2 + (500,000 x .01)^2) = 11,180.34; x 1.644854 = 18,390.02; 4 : 1
    parts = decomposition.components(np.array([500_000.0, 500_000.0]), np.diag([0.02**2, 0.01**2]))

    assert parts.total == pytest.approx(18_390.02, abs=0.01)
    assert parts.component == pytest.approx([14_712.02, 3_678.00], abs=0.01)


@pytest.mark.parametrize("seed", SEEDS)
def test_components_sum_to_the_total(seed):
    exposures, covariance = random_book(seed)

    parts = decomposition.components(exposures, covariance)

    assert parts.component.sum() == pytest.approx(parts.total, rel=1e-12)
    assert parts.percent.sum() == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_marginal_is_the_slope_of_the_var(seed):
    exposures, covariance = random_book(seed)
    nudge = np.zeros(exposures.size)
    nudge[3] = 1.0

    up = var.parametric(exposures + nudge, covariance).total
    down = var.parametric(exposures - nudge, covariance).total

    marginal = decomposition.components(exposures, covariance).marginal[3]
    assert marginal == pytest.approx((up - down) / 2, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_selling_everything_takes_the_whole_var_away(seed):
    exposures, covariance = random_book(seed)

    change = decomposition.incremental(exposures, -exposures, covariance)

    assert change.incremental == pytest.approx(-change.before)
    assert change.after == 0.0


def test_the_marginal_guess_gets_better_as_the_trade_shrinks():
    exposures, covariance = random_book(5)
    trade = np.zeros(exposures.size)
    trade[0] = 10_000.0

    errors = [
        abs(change.incremental / change.marginal_approximation - 1.0)
        for change in (
            decomposition.incremental(exposures, trade / size, covariance) for size in (1, 10, 100)
        )
    ]

    assert errors[0] > errors[1] > errors[2]


def test_a_riskless_book_has_parts_of_zero():
    parts = decomposition.components(np.array([1e6, -1e6]), np.full((2, 2), 4e-4))

    assert parts.total == 0.0
    assert not parts.component.any()
    assert not parts.percent.any()


def test_a_trade_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="does not fit exposures"):
        decomposition.incremental(np.ones(3), np.ones(2), np.eye(3))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_kept_book_answers_as_a_full_recomputation(seed):
    exposures, covariance = random_book(seed)
    trade = np.zeros(exposures.size)
    trade[2] = 12_345.0
    kept = decomposition.PortfolioVariance(exposures, covariance)

    change = decomposition.incremental(exposures, trade, covariance, z=1.0)

    assert kept.added(2, 12_345.0) == pytest.approx(change.incremental, rel=1e-9)
    assert kept.added_everywhere(12_345.0)[2] == pytest.approx(change.incremental, rel=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_kept_book_follows_ticks_and_trades(seed):
    exposures, covariance = random_book(seed)
    rng = np.random.default_rng(seed)
    kept = decomposition.PortfolioVariance(exposures, covariance)
    for row in rng.integers(0, exposures.size, 30):
        returns = rng.normal(0.0, 0.01, exposures.size)
        covariance = DECAY * covariance + (1 - DECAY) * np.outer(returns, returns)
        kept.tick(returns, DECAY)
        exposures[row] += 1_000.0
        kept.trade(int(row), 1_000.0, covariance[:, row])

    fresh = decomposition.components(exposures, covariance)

    assert kept.parts().total == pytest.approx(fresh.total, rel=1e-10)
    assert kept.parts().component == pytest.approx(fresh.component, rel=1e-8, abs=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_several_legs_at_once_are_the_sum_of_their_dollars(seed):
    exposures, covariance = random_book(seed)
    rows, dollars = np.array([1, 4, 6]), np.array([5_000.0, -8_000.0, 2_500.0])
    trade = np.zeros(exposures.size)
    trade[rows] = dollars

    added = decomposition.PortfolioVariance(exposures, covariance).added_by_legs(
        rows, dollars, covariance
    )

    change = decomposition.incremental(exposures, trade, covariance, z=1.0)
    assert added == pytest.approx(change.incremental, rel=1e-9)


def test_many_books_follow_a_tick_like_one_book_each():
    rng = np.random.default_rng(3)
    _, covariance = random_book(3, size=12)
    rows = np.array([rng.choice(12, 4, replace=False) for _ in range(30)])
    dollars = rng.normal(0.0, 1e5, rows.shape)
    books = BookVariances(rows, dollars, covariance, parts=True)
    for _ in range(25):
        returns = rng.normal(0.0, 0.01, 12)
        covariance = DECAY * covariance + (1 - DECAY) * np.outer(returns, returns)
        books.tick(returns, DECAY)

    dense = np.zeros((30, 12))
    np.put_along_axis(dense, rows, dollars, axis=1)
    expected = [var.parametric(x, covariance).total for x in dense]
    assert books.value_at_risk() == pytest.approx(expected, rel=1e-10)
    held = np.take_along_axis(dense @ covariance, rows, axis=1)
    assert books.with_book() == pytest.approx(held, rel=1e-9)


@pytest.mark.parametrize("ticks", [0, 1, 15, 16, 17, 400])
def test_books_that_drift_are_measured_on_their_blocks_as_on_the_matrix(ticks):
    rng = np.random.default_rng(4)
    window = rng.normal(0.0, 0.01, (298, 12))
    rows = np.array([rng.choice(12, 4, replace=False) for _ in range(30)])
    books = DriftingBooks(rows, window, DECAY)
    for returns in (later := rng.normal(0.0, 0.01, (ticks, 12))):
        books.tick(returns)
    dollars = rng.normal(0.0, 1e5, rows.shape)

    variances = books.variances(dollars)

    recursion = np.zeros((12, 12))
    for returns in np.vstack([window, later]):
        recursion = DECAY * recursion + (1 - DECAY) * np.outer(returns, returns)
    dense = np.zeros((30, 12))
    np.put_along_axis(dense, rows, dollars, axis=1)
    assert variances == pytest.approx(np.einsum("pi,ij,pj->p", dense, recursion, dense), rel=1e-9)


def test_a_row_that_is_not_an_asset_is_refused():
    kept = decomposition.PortfolioVariance(*random_book(1))

    with pytest.raises(IndexError):
        kept.added(99, 1.0)
