"""Paths of the gate for what is priced in another currency: price and exchange rate move at once.

Seeded faults: the rate's path is left out, or turned the wrong way, or applied to today's value.
"""

from datetime import date

import numpy as np
import pytest

from marketdata.calculations.options import bsm
from risk.calculations import full_revaluation
from risk.constants import GATE_PATHS
from risk.selectors.covariance import Matrix
from risk.services.pretrade_options import Foreign, Model, Scenarios

LABELS = ("DAX", "EURUSD=X", "GBPUSD=X")
COVARIANCE = np.array([[4e-4, -3e-5, 0.0], [-3e-5, 4e-5, 2e-5], [0.0, 2e-5, 5e-5]])
MATRIX = Matrix(LABELS, COVARIANCE, None, date(2016, 6, 22), method="ewma")
DAX, EURO, POUND = full_revaluation.draws(COVARIANCE, GATE_PATHS)


@pytest.mark.parametrize(
    ("legs", "rate"),
    [
        ((("EURUSD=X", 1),), EURO),
        ((("EURUSD=X", -1),), -EURO),
        ((("EURUSD=X", 1), ("GBPUSD=X", -1)), EURO - POUND),
    ],
)
def test_a_share_is_worth_its_price_times_the_rate_of_the_path(legs, rate):
    made = Scenarios({}, {}, {"DAX": 125.0}, {"DAX": Foreign(125.0, legs)})
    expected = 125.0 * (np.exp(DAX + rate) - 1.0)
    np.testing.assert_allclose(made.unit(MATRIX, "DAX"), expected, atol=1e-9)


def test_an_option_is_valued_again_in_its_own_currency_and_converted():
    model = Model("DAX", 100.0, 0.0, 0.0, 0.2, 0.25, is_call=True)
    [now] = bsm(100.0, 100.0, 0.0, 0.0, 0.2, 0.25, 1.0).values[0]
    of = Foreign(125.0 * now, (("EURUSD=X", 1),))
    made = Scenarios({"CALL": model}, {"CALL": 100.0}, {"CALL": 125.0}, {"CALL": of})
    then = bsm(100.0 * np.exp(DAX), 100.0, 0.0, 0.0, 0.2, 0.25, 1.0).values[0]
    expected = 125.0 * (then * np.exp(EURO) - now)
    np.testing.assert_allclose(made.unit(MATRIX, "CALL"), expected, atol=125e-4)


def test_within_one_currency_no_rate_is_drawn():
    made = Scenarios({}, {}, {"DAX": 125.0})
    np.testing.assert_allclose(made.unit(MATRIX, "DAX"), 125.0 * np.expm1(DAX), atol=1e-12)
