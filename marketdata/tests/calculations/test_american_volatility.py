"""Volatility of options that may be exercised early: what the tree is priced with comes back."""

import numpy as np
import pytest

from marketdata.calculations.american import american, american_greeks
from marketdata.calculations.american_volatility import american_volatility
from marketdata.calculations.implied_volatility import implied_volatility

STRIKES = np.array([70.0, 90.0, 100.0, 110.0, 130.0, 150.0])


@pytest.mark.parametrize(("rate", "dividend_yield"), [(0.06, 0.0), (0.01, 0.08), (0.05, 0.05)])
@pytest.mark.parametrize("is_call", [True, False])
def test_prices_of_the_tree_give_their_volatility_back(rate, dividend_yield, is_call):
    given = (100.0, STRIKES, rate, dividend_yield)
    price = american(*given, 0.35, 0.75, is_call).values[0]

    found = american_volatility(price, *given, 0.75, is_call)

    kept = price > np.maximum((100.0 - STRIKES) * (1 if is_call else -1), 0.0) + 1e-9
    assert kept.sum() >= 4
    assert found.reasons() == [None if each else "below_intrinsic" for each in kept]
    price, given = price[kept], (100.0, STRIKES[kept], rate, dividend_yield)
    shown = american_greeks(*given, found.values[kept], 0.75, is_call)
    on_tree = np.array([model == "lr201" for model in shown.models])
    assert on_tree.any() == (dividend_yield > 0.0 if is_call else rate >= dividend_yield)
    assert found.values[kept][on_tree] == pytest.approx(0.35, abs=1e-7)
    gap = np.abs(shown.priced.values[0] - price)
    assert (gap <= np.where(on_tree, 1e-6, np.maximum(0.01, 0.005 * price) + 1e-9)).all()


def test_a_price_that_exercise_pays_today_has_none_though_the_closed_form_has_one():
    given = (100.0, 115.0, 0.10, 0.0, 0.5, False)

    assert implied_volatility(15.0, *given).reasons() == [None]
    assert american_volatility(15.0, *given).reasons() == ["below_intrinsic"]


def test_a_price_of_no_time_value_has_none():
    found = american_volatility(
        [30.0, 29.0, 200.0, np.nan, 5.0], 100.0, 130.0, 0.05, 0.0, [0.5, 0.5, 0.5, 0.5, 0.0], False
    )

    assert found.reasons() == [
        "below_intrinsic",
        "below_intrinsic",
        "above_maximum",
        "no_price",
        "expired",
    ]
    assert np.isnan(found.values).all()


def test_where_exercise_is_worth_nothing_the_closed_form_answers():
    given = (100.0, STRIKES, 0.03, 0.0, 0.5, True)
    price = american(*given[:4], 0.25, *given[4:]).values[0]

    assert american_volatility(price, *given).values.tolist() == pytest.approx(
        implied_volatility(price, *given).values.tolist()
    )
