"""Volatility between strikes and tenors, and the quotes simulated from the bundled smile."""

import math

import numpy as np
import pytest

from marketdata.calculations.implied_volatility import implied_volatility
from marketdata.calculations.smile import (
    at_strike,
    between_tenors,
    read_smile,
    simulated_quotes,
)
from marketdata.providers.reference import smile_rows

SMILE = read_smile(smile_rows())
DAY = {"spot": 208.0, "three_month_yield": 0.0027, "vix": 20.0}


def quotes(strike=208.0, years=30 / 365, is_call=True, **day):
    return simulated_quotes(SMILE, strike=strike, years=years, is_call=is_call, **(DAY | day))


def test_a_strike_between_two_quotes_lies_on_their_line_and_outside_is_flat():
    found = at_strike([110.0, 90.0, 100.0], [0.2, 0.3, 0.22], [80.0, 90.0, 95.0, 108.0, 150.0])

    assert found.tolist() == pytest.approx([0.3, 0.3, 0.26, 0.204, 0.2])


def test_what_is_no_quote_is_left_out():
    found = at_strike([90.0, 100.0, 100.0, 110.0, -5.0], [None, 0.2, 0.3, 0.0, 9.0], [95.0, None])

    assert found.tolist() == [0.25, None]
    assert at_strike([100.0], [math.nan], [100.0]).tolist() == [None]


def test_total_variance_is_linear_between_tenors():
    tenors, volatilities = np.array([0.25, 1.0]), np.array([[0.3] * 4, [0.2] * 4])

    found = between_tenors(tenors, volatilities, np.array([0.1, 0.25, 0.5, 2.0]))

    between = math.sqrt((0.0225 + (0.04 - 0.0225) / 3) / 0.5)
    assert found.tolist() == pytest.approx([0.3, 0.3, between, 0.2])


def test_one_tenor_serves_all_times():
    found = between_tenors(np.array([0.5]), np.array([[0.2, 0.3]]), np.array([0.1, 2.0]))

    assert found.tolist() == [0.2, 0.3]


def test_tenors_must_rise():
    with pytest.raises(ValueError, match="tenors must be positive and rise"):
        between_tenors(np.array([0.5, 0.5]), np.ones((2, 1)), np.ones(1))


def test_the_bundled_smile_is_what_its_description_says():
    assert len(SMILE.years) == 4
    assert SMILE.at_the_money() == pytest.approx(0.2324, abs=5e-5)
    assert all((np.diff(x) > 0).all() for x in SMILE.places)


def test_a_smile_needs_options_out_of_the_money():
    with pytest.raises(ValueError, match="no out-of-the-money option"):
        read_smile([])


def test_thirty_days_at_the_money_the_volatility_is_the_vix():
    rate = math.log1p(0.0027)
    forward = 208.0 * math.exp((rate - 0.02) * 30 / 365)

    found = quotes(strike=forward)

    middle = 0.5 * (found.bid_volatility + found.ask_volatility)
    assert middle.tolist()[0] == pytest.approx(
        0.20, abs=1e-6
    )  # variances, not volatilities, are mixed
    assert found.rate == pytest.approx(rate)
    assert (found.label, found.vol_source) == ("SIMULATED", "smile_2022_vix_scaled")
    assert (found.quality, found.dividend_yield) == ("fallback", 0.02)


def test_quotes_are_the_prices_of_their_volatilities():
    strike, is_call = np.linspace(150.0, 260.0, 60), np.arange(60) % 2 == 0
    found = quotes(strike=strike, years=0.3, is_call=is_call)

    assert found.reasons() == [None] * 60
    assert (found.ask >= found.bid).all()
    for price, volatility in (
        (found.bid, found.bid_volatility),
        (found.ask, found.ask_volatility),
    ):
        again = implied_volatility(price, 208.0, strike, found.rate, 0.02, 0.3, is_call)
        good = again.reason == 0
        assert good.sum() > 50
        assert np.abs(again.values - volatility.data)[good].max() < 1e-6


def test_a_low_strike_is_dearer_in_volatility_than_a_high_one():
    found = quotes(strike=[170.0, 208.0, 230.0])

    low, middle, high = found.ask_volatility.tolist()
    assert low > middle > high


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"vix": None}, "no_vix"),
        ({"vix": 0.0}, "no_vix"),
        ({"spot": None}, "no_spot"),
        ({"three_month_yield": None}, "no_rate"),
        ({"three_month_yield": math.nan}, "no_rate"),
        ({"three_month_yield": -1.0}, "no_rate"),
        ({"strike": 0.0}, "no_strike"),
        ({"years": 0.0}, "expired"),
        ({"years": None}, "no_time"),
    ],
)
def test_a_quote_without_its_ingredients_is_null(change, word):
    found = quotes(**change)

    assert found.reasons() == [word]
    assert found.bid.tolist() == found.ask.tolist() == found.ask_volatility.tolist() == [None]
