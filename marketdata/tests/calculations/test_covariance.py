"""Laws of the EWMA recursions, the daily matrix with holes, and the matrix kept live."""

import numpy as np
import pytest

from marketdata.calculations import covariance

SEEDS = range(20)


def panel(seed, rows=300, assets=6):
    """Daily returns with a common factor."""
    rng = np.random.default_rng(seed)
    return rng.normal(0.0, 0.01, (rows, 1)) + rng.normal(0.0, 0.007, (rows, assets))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_recursion_gives_a_symmetric_positive_matrix(seed):
    matrix = covariance.ewma_series(panel(seed))

    assert (matrix == matrix.T).all()
    assert np.linalg.eigvalsh(matrix)[0] > -1e-18


def test_decay_one_keeps_and_decay_zero_replaces():
    old, returns = np.diag([4e-4, 1e-4]), np.array([0.02, -0.01])

    assert (covariance.ewma_update(old, returns, 1.0) == old).all()
    assert covariance.ewma_update(old, returns, 0.0) == pytest.approx(np.outer(returns, returns))


def test_shuffling_the_assets_shuffles_the_matrix():
    returns, order = panel(1), np.array([3, 0, 5, 1, 4, 2])

    shuffled = covariance.ewma_window(returns[:, order])

    assert shuffled == pytest.approx(covariance.ewma_window(returns)[np.ix_(order, order)])


def test_a_portfolios_variance_is_the_ewma_of_its_own_returns():
    returns, exposures = panel(2), np.array([5.0, -3.0, 2.0, 0.0, 1.0, -1.0])

    own = covariance.ewma_window((returns @ exposures)[:, None])[0, 0]

    assert exposures @ covariance.ewma_window(returns) @ exposures == pytest.approx(own)


def test_the_daily_matrix_uses_the_last_252_rows():
    returns = panel(3)

    result = covariance.daily_matrix(returns)

    weights = 0.94 ** np.arange(251, -1, -1)
    expected = np.einsum("t,ti,tj->ij", weights / weights.sum(), returns[-252:], returns[-252:])
    assert result.matrix == pytest.approx(expected)
    assert (result.repair, result.known.all()) == (0.0, True)


@pytest.mark.parametrize("seed", SEEDS)
def test_holes_use_the_rows_both_assets_have_and_the_result_is_a_covariance(seed):
    returns = panel(seed)
    rng = np.random.default_rng(seed)
    returns[rng.random(returns.shape) < 0.05] = np.nan
    returns[:-80, 2] = np.nan

    result = covariance.daily_matrix(returns)

    assert np.isfinite(result.matrix).all()
    assert np.linalg.eigvalsh(result.matrix)[0] > -1e-15
    assert result.observations[2] <= 80
    both = np.isfinite(returns[-252:, 0])
    weights = 0.94 ** np.arange(251, -1, -1)[both]
    own = (weights * returns[-252:, 0][both] ** 2).sum() / weights.sum()
    assert result.matrix[0, 0] == pytest.approx(own)


def test_an_asset_with_too_little_history_is_unknown_not_zero():
    returns = panel(4)
    returns[:-59, 1] = np.nan

    result = covariance.daily_matrix(returns)

    assert result.known.tolist() == [True, False, True, True, True, True]
    assert result.matrix.shape == (5, 5)


def test_two_assets_that_never_traded_together_are_not_both_known():
    returns = panel(5, rows=252, assets=3)
    returns[:100, 0] = np.nan
    returns[100:, 1] = np.nan

    result = covariance.daily_matrix(returns)

    assert result.known.tolist() == [True, False, True]
    assert np.isfinite(result.matrix).all()


@pytest.mark.parametrize("returns", [np.zeros((0, 3)), np.full((300, 3), np.nan)])
def test_a_panel_without_returns_knows_nobody(returns):
    result = covariance.daily_matrix(returns)

    assert not result.known.any()
    assert result.matrix.shape == (0, 0)


def test_one_row_is_its_outer_product():
    row = np.array([[0.01, -0.02]])

    assert covariance.ewma_window(row) == pytest.approx(row.T @ row)


def test_an_empty_window_is_refused():
    with pytest.raises(ValueError, match="empty window"):
        covariance.ewma_window(np.zeros((0, 2)))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("ticks", [1, 31, 32, 33, 200])
def test_the_kept_matrix_equals_the_plain_recursion(seed, ticks):
    rng = np.random.default_rng(seed)
    start = covariance.ewma_window(panel(seed))
    rows = rng.normal(0.0, 0.01, (ticks, 6))
    kept = covariance.EwmaMatrix(start)
    for number, row in enumerate(rows):
        kept.update(row) if number % 7 == 3 else kept.record(row)
    exposures = rng.normal(0.0, 1e5, 6)

    product, matrix = kept.times(exposures), kept.matrix()

    plain = covariance.ewma_series(rows, initial=start)
    assert matrix == pytest.approx(plain, rel=1e-10, abs=1e-18)
    assert (matrix == matrix.T).all()
    assert product == pytest.approx(plain @ exposures, rel=1e-9, abs=1e-9)


def test_the_scale_is_renewed_before_it_vanishes():
    kept = covariance.EwmaMatrix(np.eye(2) * 1e-4)
    row = np.array([0.01, 0.02])
    for _ in range(20_000):
        kept.record(row)

    assert kept.matrix() == pytest.approx(np.outer(row, row))


def test_recording_a_tick_does_not_touch_the_matrix_until_a_batch_is_full():
    kept = covariance.EwmaMatrix(np.eye(3), batch=4)
    before = kept._triangle.full()
    for _ in range(3):
        kept.record(np.ones(3))

    assert (kept._triangle.full() == before).all()
