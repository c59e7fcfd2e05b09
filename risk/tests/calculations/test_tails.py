"""Laws of scenario VaR, its filtered form, its backtests and the stressed matrix."""

import math

import numpy as np
import pytest

from risk.calculations import backtest, historical, stressed
from risk.tests.calculations.books import random_covariance

SEEDS = range(20)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_quantile_is_numpys_and_the_shortfall_lies_beyond_it(seed, confidence):
    pnl = np.random.default_rng(seed).standard_t(4, 500 + seed) * 1_000.0

    tail = historical.historical(pnl, confidence)

    assert tail.value_at_risk == pytest.approx(-np.quantile(pnl, 1 - confidence), rel=1e-12)
    assert tail.expected_shortfall >= tail.value_at_risk


def test_both_grow_with_the_confidence():
    pnl = np.random.default_rng(1).normal(0.0, 1.0, 400)
    tails = [historical.historical(pnl, c) for c in np.linspace(0.5, 0.999, 60)]

    losses = [tail.value_at_risk for tail in tails]
    shortfalls = [tail.expected_shortfall for tail in tails]

    assert losses == sorted(losses)
    assert shortfalls == sorted(shortfalls)


def test_one_scenario_is_its_own_tail():
    tail = historical.historical(np.array([-5.0]))

    assert (tail.value_at_risk, tail.expected_shortfall) == (5.0, pytest.approx(5.0))


def test_no_scenario_has_a_reason_and_no_figure():
    tail = historical.historical(np.zeros(0))

    assert (tail.value_at_risk, tail.reason) == (None, "insufficient")


def test_a_scenario_without_a_figure_is_refused():
    with pytest.raises(ValueError, match="cannot be ranked"):
        historical.historical(np.array([1.0, np.nan]))


def test_without_decay_the_filtered_var_is_the_plain_one():
    returns = np.random.default_rng(2).normal(0.0, 0.01, 300)

    filtered = historical.filtered_historical(returns, 1.0, 0.99, 1e5)

    plain = historical.historical(1e5 * returns, 0.99)
    assert filtered.value_at_risk == pytest.approx(plain.value_at_risk)


@pytest.mark.parametrize(
    ("returns", "reason"), [(np.zeros(0), "insufficient"), (np.zeros(50), "no_variance")]
)
def test_a_filtered_var_that_cannot_be_computed_says_why(returns, reason):
    filtered = historical.filtered_historical(returns)

    assert (filtered.value_at_risk, filtered.sigma_now, filtered.reason) == (None, None, reason)


def test_kupiec_is_zero_at_the_promise_and_grows_on_both_sides():
    figures = [backtest.kupiec(1_000, x, 0.05).lr for x in (20, 35, 50, 65, 80)]

    assert figures[2] == 0.0
    assert figures[0] > figures[1] > figures[2] < figures[3] < figures[4]


def test_clustered_exceptions_fail_independence_and_spread_ones_do_not():
    clustered = backtest.christoffersen(0.05, [1] * 10 + [0] * 190)
    spread = backtest.christoffersen(0.05, ([1] + [0] * 19) * 10)

    assert clustered.p_ind < 0.01 < 0.05 < spread.p_ind
    assert clustered.lr_cc == clustered.lr_uc + clustered.lr_ind


def test_the_basel_zones_begin_at_five_and_ten():
    zones = [backtest.traffic_light(250, x).zone for x in (0, 4, 5, 9, 10, 250)]

    assert zones == ["green", "green", "yellow", "yellow", "red", "red"]


def test_multipliers_exist_for_the_basel_table_only():
    assert backtest.traffic_light(500, 5).multiplier_1996 is None


@pytest.mark.parametrize("case", [(0, 0, 0.05), (10, 11, 0.05), (10, 1, 0.0)])
def test_a_count_that_is_not_one_is_refused(case):
    with pytest.raises(ValueError, match="cannot be tested"):
        backtest.kupiec(*case)


def test_assets_with_crisis_history_take_their_second_moment_from_it():
    rng = np.random.default_rng(4)
    today, crisis = random_covariance(rng, 4), rng.normal(0.0, 0.04, (60, 4))

    result = stressed.stressed(today, crisis)

    assert result.matrix == pytest.approx(crisis.T @ crisis / 60)
    assert not result.synthetic.any()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mixed_stressed_matrix_is_a_covariance_that_says_what_it_assumed(seed):
    rng = np.random.default_rng(seed)
    today, crisis = random_covariance(rng, 6), rng.normal(0.0, 0.04, (130, 6))
    crisis[:, 4] = np.nan
    crisis[35:, 5] = np.nan

    result = stressed.stressed(today, crisis)

    assert result.steps.tolist() == [1, 1, 1, 1, 3, 3]
    assert np.linalg.eigvalsh(result.matrix)[0] > -1e-12
    assert np.sqrt(result.matrix[4, 4]) == pytest.approx(2.5 * math.sqrt(today[4, 4]))
    assert result.matrix[0, 0] == pytest.approx(np.mean(crisis[:, 0] ** 2))


def test_without_any_crisis_history_the_matrix_is_the_synthetic_one():
    today = random_covariance(np.random.default_rng(5), 4)

    result = stressed.stressed(today, np.full((30, 4), np.nan))

    assert result.matrix == pytest.approx(stressed.synthetic(today))
    assert result.synthetic.all()
