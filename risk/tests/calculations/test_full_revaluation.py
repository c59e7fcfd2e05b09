"""Paths and options valued on them, against the closed form and other ways to the same number."""

import math

import numpy as np
import pytest

from marketdata.calculations.options import bsm
from risk.calculations import full_revaluation
from risk.tests.calculations.books import random_covariance

Z = 1.6448536269514722
TERMS = (0.04, 0.01, 0.25, 30 / 365)  # rate, yield, volatility, years


def test_paths_have_the_covariance_and_mirror_each_other():
    covariance = random_covariance(np.random.default_rng(3), 5)

    paths = full_revaluation.draws(covariance, 200_000)

    assert paths.shape == (5, 200_000)
    assert np.array_equal(paths[:, :100_000], -paths[:, 100_000:])
    scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    assert np.abs(np.cov(paths) / scale - covariance / scale).max() < 0.02


def test_the_same_asset_has_the_same_paths_whoever_asks_beside_it():
    covariance = random_covariance(np.random.default_rng(4), 6)

    alone = full_revaluation.draws(covariance, 1_000, rows=[4])
    every = full_revaluation.draws(covariance, 1_000)

    assert np.allclose(alone[0], every[4], rtol=1e-12, atol=0.0)
    assert not np.allclose(full_revaluation.draws(covariance, 1_000, 7)[4], every[4])


def test_a_singular_covariance_is_drawn_from_too():
    twin = np.array([[4e-4, 4e-4], [4e-4, 4e-4]])

    one, other = full_revaluation.draws(twin, 10_000, horizon=4.0)

    assert one == pytest.approx(other, abs=1e-9)
    assert one.std() == pytest.approx(0.04, rel=0.03)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_paths_come_in_pairs(count):
    with pytest.raises(ValueError, match="pairs"):
        full_revaluation.draws(np.eye(2), count)


def test_a_covariance_with_a_hole_is_refused():
    with pytest.raises(ValueError, match="finite"):
        full_revaluation.draws(np.array([[np.nan]]), 10)


@pytest.mark.parametrize("years", [0.5 / 365, 2 / 365, 0.1, 2.0])
def test_lines_between_nodes_lose_nothing_that_counts(years):
    [returns] = full_revaluation.draws(np.array([[4e-4]]), 10_000)
    strikes, calls = np.array([90.0, 100.0, 101.0, 115.0]), np.array([1.0, 0.0, 1.0, 0.0])

    gains = full_revaluation.option_gains(returns, 100.0, strikes, 0.04, 0.01, 0.25, years, calls)

    for strike, call, row in zip(strikes, calls, gains, strict=True):
        terms = (strike, 0.04, 0.01, 0.25, years, call)
        exact = bsm(100.0 * np.exp(returns), *terms).values[0] - bsm(100.0, *terms).values[0][0]
        assert row == pytest.approx(exact, abs=1e-3)


@pytest.mark.parametrize(("quantity", "sign"), [(10.0, -1), (-10.0, 1)])
@pytest.mark.parametrize(("is_call", "way"), [(True, 1), (False, -1)])
def test_one_option_loses_what_its_price_does_at_the_quantile_of_the_spot(
    quantity, sign, is_call, way
):
    found = full_revaluation.of_one_option(
        quantity, 100.0, 100.0, 100.0, *TERMS, is_call, daily_volatility=0.02
    )

    worst = 100.0 * math.exp(sign * way * Z * 0.02)
    now, then = (bsm(spot, 100.0, *TERMS, is_call).values[0][0] for spot in (100.0, worst))
    assert found.value_at_risk == pytest.approx(-quantity * 100.0 * (then - now), rel=0.02)
    assert found.expected_shortfall > found.value_at_risk


def test_an_option_without_a_volatility_is_refused():
    with pytest.raises(ValueError, match="no_volatility"):
        full_revaluation.option_gains(
            np.array([-0.01, 0.01]), 100.0, 100.0, 0.0, 0.0, np.nan, 0.1, True
        )
