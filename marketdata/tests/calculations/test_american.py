"""American options: published values, bounds, the premium rule, and input without a tree."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketdata.calculations.american import american, american_greeks
from marketdata.calculations.options import FIELDS, bsm

anything = st.one_of(
    st.none(), st.floats(), st.sampled_from([0.0, -1.0, 1e-300, 1e308, math.inf, math.nan])
)


@pytest.mark.parametrize(
    ("volatility", "years", "value"),
    [(0.2, 1.0, 4.478), (0.2, 2.0, 4.840), (0.4, 1.0, 7.101), (0.4, 2.0, 8.508)],
)
def test_puts_of_longstaff_and_schwartz(volatility, years, value):
    """Finite differences of their table 1: strike 40, spot 36, rate 6 %, less exercise dates."""
    found = american(36.0, 40.0, 0.06, 0.0, volatility, years, False).price().tolist()[0]

    assert found == pytest.approx(value, abs=0.015)


def test_a_call_without_dividends_is_european():
    strike = np.linspace(60.0, 150.0, 40)
    tree = american(100.0, strike, 0.05, 0.0, 0.3, 0.8, True)
    closed = bsm(100.0, strike, 0.05, 0.0, 0.3, 0.8, True)

    assert np.abs(tree.values[0] - closed.values[0]).max() < 5e-4
    # the tree's delta is that of one step later
    assert np.abs(tree.values[1] - closed.values[1]).max() < 1e-3
    assert set(american_greeks(100.0, strike, 0.05, 0.0, 0.3, 0.8, True).models) == {"bsm"}


@pytest.mark.parametrize("seed", range(3))
def test_it_is_worth_at_least_exercise_and_waiting(seed):
    rng = np.random.default_rng(seed)
    spot, strike = rng.uniform(50.0, 150.0, 150), rng.uniform(50.0, 150.0, 150)
    rate, dividend = rng.uniform(-0.01, 0.1, 150), rng.uniform(0.0, 0.1, 150)
    volatility, years = rng.uniform(0.02, 1.0, 150), rng.uniform(0.01, 3.0, 150)
    is_call = rng.random(150) < 0.5
    given_ = (spot, strike, rate, dividend, volatility, years, is_call)

    tree = american(*given_)

    sign = np.where(is_call, 1.0, -1.0)
    assert not tree.reason.any()
    assert (tree.values[0] >= bsm(*given_).values[0] - 1e-4 * spot).all()
    assert (tree.values[0] >= sign * (spot - strike) - 1e-9).all()
    assert (np.abs(tree.values[1]) <= 1.0 + 1e-9).all()


def test_the_tree_is_shown_where_exercise_is_worth_more_than_half_a_percent():
    shown = american_greeks([50.0, 100.0], 50.0, 0.1, 0.0, 0.4, 0.4164, [False, True])

    assert shown.models == ["lr201", "bsm"]
    assert shown.premium.tolist()[0] == pytest.approx(0.2076, abs=2e-3)


def test_the_trees_greeks_are_slopes_of_the_tree():
    shown = american_greeks(50.0, 50.0, 0.1, 0.0, 0.4, 0.4164, False).priced.row(0)

    def price(spot=50.0, rate=0.1, volatility=0.4, years=0.4164):
        return american(spot, 50.0, rate, 0.0, volatility, years, False).values[0, 0]

    assert shown["price"] == price()
    assert shown["delta"] == pytest.approx((price(50.5) - price(49.5)) / 1.0, abs=2e-3)
    assert shown["gamma"] == pytest.approx((price(50.5) - 2 * price() + price(49.5)) / 0.25)
    assert shown["vega"] == price(volatility=0.41) - price()
    assert shown["rho"] == price(rate=0.11) - price()
    assert shown["theta"] == price(years=0.4164 - 1 / 365) - price()
    assert shown["theta"] < 0.0 < shown["gamma"]


def test_deep_in_the_money_it_is_exercised_now():
    shown = american_greeks(100.0, 200.0, 0.05, 0.0, 0.2, 0.5, False)

    assert shown.models == ["lr201"]
    row = shown.priced.row(0)
    assert row["price"] == pytest.approx(100.0, abs=1e-9)
    assert row["delta"] == pytest.approx(-1.0, abs=1e-9)
    assert row["vega"] == pytest.approx(0.0, abs=1e-9)


def test_without_randomness_the_best_time_is_taken():
    """A call on a share that pays 8 % at 2 %: waiting only loses, so it is exercised at once."""
    tree = american([120.0, 80.0], 100.0, 0.02, 0.08, 1e-7, 1.0, True)

    assert tree.price().tolist() == pytest.approx([20.0, 0.0])
    assert tree.delta().tolist() == pytest.approx([1.0, 0.0])


def test_expired_and_incomplete_contracts():
    shown = american_greeks([90.0, 90.0, None], 100.0, 0.05, 0.0, [None, None, 0.2], [0.0, 1, 1], 0)

    assert shown.models == ["bsm", None, None]
    assert shown.priced.reasons() == [None, "no_volatility", "no_spot"]
    assert shown.priced.row(0) == dict.fromkeys(FIELDS, 0.0) | {"price": 10.0}
    assert shown.premium.tolist() == [0.0, None, None]


@settings(max_examples=40)
@given(st.lists(st.tuples(*[anything] * 6, st.booleans()), min_size=1, max_size=8))
def test_no_input_raises_or_shows_nan(rows):
    shown = american_greeks(*[list(column) for column in zip(*rows, strict=True)])

    for place, reason in enumerate(shown.priced.reasons()):
        found = list(shown.priced.row(place).values())
        assert found == [None] * 6 if reason else all(math.isfinite(one) for one in found)
        assert (shown.models[place] is None) == (reason is not None)
