"""Implied volatility against Brent's root, the price it came from, and prices without one."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from marketdata.calculations.implied_volatility import implied_volatility
from marketdata.calculations.options import bsm, bsm_one

anything = st.one_of(
    st.none(),
    st.floats(),
    st.sampled_from([0.0, -1.0, 1e-300, 1e308, math.inf, -math.inf, math.nan]),
)


def wide_contracts(count, seed):
    """Volatilities of 2e-4 to 9.5, an hour to ten years, up to four deviations off the money."""
    rng = np.random.default_rng(seed)
    spot = rng.uniform(20.0, 300.0, count)
    volatility = np.exp(rng.uniform(np.log(2e-4), np.log(9.5), count))
    years = np.exp(rng.uniform(np.log(1e-4), np.log(10.0), count))
    strike = spot * np.exp(rng.uniform(-4.0, 4.0, count) * volatility * np.sqrt(years))
    rate, dividend = rng.uniform(-0.02, 0.08, count), rng.uniform(0.0, 0.05, count)
    return [spot, strike, rate, dividend, volatility, years, rng.random(count) < 0.5]


@pytest.mark.parametrize("seed", range(4))
def test_the_volatility_behind_a_price_is_found_again(seed):
    columns = wide_contracts(20_000, seed)
    spot, strike, rate, dividend, volatility, years, is_call = columns
    priced = bsm(*columns)
    told = (priced.reason == 0) & (priced.values[4] > 1e-6 * np.maximum(spot, strike))

    found = implied_volatility(priced.values[0], spot, strike, rate, dividend, years, is_call)

    assert told.sum() > 12_000
    assert not found.reason[told].any()
    assert np.abs(found.values - volatility)[told].max() < 1e-10


def test_it_is_brents_root():
    columns = [one[:300] for one in wide_contracts(3_000, 9)]
    spot, strike, rate, dividend, _, years, is_call = columns
    priced = bsm(*columns)
    cents = np.round(priced.values[0], 2)
    found = implied_volatility(cents, spot, strike, rate, dividend, years, is_call)
    compared = 0

    for place in np.flatnonzero(found.reason == 0).tolist():
        row = [float(one[place]) for one in columns]
        slope = bsm_one(*row[:4], found.values[place], *row[5:])[1][4]
        if slope < 1e-6 * max(row[:2]):
            continue
        root = brentq(
            lambda v, row=row, place=place: bsm_one(*row[:4], v, *row[5:])[1][0] - cents[place],
            1e-4,
            10.0,
            xtol=1e-13,
            rtol=1e-14,
        )
        assert abs(root - found.values[place]) < 1e-10
        compared += 1
    assert compared > 100


@pytest.mark.parametrize("time_value", [1e-12, 1e-9, 1e-6])
def test_tiny_prices_are_solved_to_their_last_digits(time_value):
    strike = 100.0 * np.exp(np.linspace(0.05, 1.5, 40))

    found = implied_volatility(time_value, 100.0, strike, 0.0, 0.0, 0.5, True)

    again = bsm(100.0, strike, 0.0, 0.0, found.values, 0.5, True).values[0]
    assert not found.reason.any()
    assert again == pytest.approx(np.full(40, time_value), rel=1e-9, abs=3e-14)


def test_at_the_money_and_beside_it():
    strike = 100.0 * (1.0 + np.array([0.0, 1e-16, 1e-12, 1e-8, 1e-5]))
    price = bsm(100.0, strike, 0.0, 0.0, 0.2, 0.25, False).values[0]

    found = implied_volatility(price, 100.0, strike, 0.0, 0.0, 0.25, False)

    assert found.values == pytest.approx(np.full(5, 0.2), abs=1e-12)


@pytest.mark.parametrize(
    ("inputs", "word"),
    [
        ((5.0, 100.0, 100.0, 0.05, 0.0, 0.0, True), "expired"),
        ((5.0, None, 100.0, 0.05, 0.0, -1.0, True), "expired"),
        ((0.0, 100.0, 100.0, 0.05, 0.0, 1.0, True), "below_intrinsic"),
        ((40.0, 100.0, 50.0, 0.05, 0.0, 0.12, True), "below_intrinsic"),
        ((100.0, 100.0, 50.0, 0.05, 0.0, 0.12, True), "above_maximum"),
        ((99.0, 100.0, 100.0, 0.05, 0.0, 1.0, False), "above_maximum"),
        ((99.999, 100.0, 100.0, 0.0, 0.0, 0.01, True), "no_solution"),
        ((1e-250, 100.0, 100.001, 0.0, 0.0, 1e-4, True), "no_solution"),
        ((None, 100.0, 100.0, 0.05, 0.0, 1.0, True), "no_price"),
        ((5.0, -1.0, 100.0, 0.05, 0.0, 1.0, True), "no_spot"),
        ((5.0, 100.0, 0.0, 0.05, 0.0, 1.0, True), "no_strike"),
        ((5.0, 100.0, 100.0, math.nan, 0.0, 1.0, True), "no_rate"),
        ((5.0, 100.0, 100.0, 0.05, None, 1.0, True), "no_dividend_yield"),
        ((5.0, 100.0, 100.0, 0.05, 0.0, None, True), "no_time"),
    ],
)
def test_a_price_without_volatility_says_why(inputs, word):
    found = implied_volatility(*inputs)

    assert found.reasons() == [word]
    assert found.volatility().tolist() == [None]


@given(st.lists(st.tuples(*[anything] * 6, st.booleans()), min_size=1, max_size=20))
def test_no_input_raises_or_shows_nan(rows):
    found = implied_volatility(*[list(column) for column in zip(*rows, strict=True)])

    for value, reason in zip(found.volatility().tolist(), found.reasons(), strict=True):
        assert (value is None) == (reason is not None)
        assert value is None or 1e-4 <= value <= 10.0
