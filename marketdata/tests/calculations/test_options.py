"""Laws of the closed form, its arithmetic and array paths, time to expiry and shocks."""

import math
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.calculations import options
from marketdata.calculations.options import CODE, FIELDS, bsm, bsm_one, pnl, time_to_expiry

spots = st.floats(5.0, 500.0)
moneyness = st.floats(-2.0, 2.0)  # in standard deviations
rates = st.floats(-0.02, 0.12)
yields = st.floats(0.0, 0.08)
volatilities = st.floats(0.05, 1.2)
times = st.floats(0.02, 3.0)
contracts = st.tuples(spots, moneyness, rates, yields, volatilities, times).map(
    lambda c: (c[0], c[0] * math.exp(c[1] * c[4] * math.sqrt(c[5])), *c[2:])
)
anything = st.one_of(
    st.none(),
    st.floats(),
    st.sampled_from([0.0, -1.0, 1e-300, 5e-324, 1e308, math.inf, -math.inf, math.nan]),
)


def both(contract):
    """Call and put of one contract, as rows of FIELDS."""
    return [bsm(*contract, right).row(0) for right in (True, False)]


def random_contracts(count, seed=3):
    rng = np.random.default_rng(seed)
    spot = rng.uniform(20.0, 300.0, count)
    return [
        spot,
        spot * np.exp(rng.normal(0.0, 0.3, count)),
        rng.uniform(-0.01, 0.08, count),
        rng.uniform(0.0, 0.05, count),
        rng.uniform(0.05, 0.9, count),
        rng.uniform(0.01, 2.0, count),
        rng.random(count) < 0.5,
    ]


@given(contracts)
def test_put_call_parity_holds_for_price_and_greeks(contract):
    spot, strike, rate, dividend_yield, _, years = contract
    call, put = both(contract)
    share, money = math.exp(-dividend_yield * years), math.exp(-rate * years)

    gap = spot * share - strike * money
    assert call["price"] - put["price"] == pytest.approx(gap, abs=1e-11 * (spot + strike))
    assert call["delta"] - put["delta"] == pytest.approx(share, abs=1e-12)
    assert call["gamma"] == pytest.approx(put["gamma"], rel=1e-12)
    assert call["vega"] == pytest.approx(put["vega"], rel=1e-12)
    assert call["rho"] - put["rho"] == pytest.approx(strike * years * money / 100, rel=1e-9)


@given(contracts, st.booleans())
def test_greeks_are_the_slopes_of_the_price(contract, is_call):
    spot, strike, rate, _, volatility, years = contract
    wide, tiny = 1e-4 * spot, 1e-5
    moves = {
        "delta": ((spot + wide, *contract[1:]), (spot - wide, *contract[1:]), 2 * wide),
        "vega": (
            (*contract[:4], volatility + tiny, years),
            (*contract[:4], volatility - tiny, years),
            200 * tiny,
        ),
        "rho": (
            (spot, strike, rate + tiny, *contract[3:]),
            (spot, strike, rate - tiny, *contract[3:]),
            200 * tiny,
        ),
        "theta": (
            (*contract[:5], years - 1e-3 * years),
            (*contract[:5], years + 1e-3 * years),
            2e-3 * years * 365,
        ),
    }
    here = bsm(*contract, is_call).row(0)

    for name, (up, down, width) in moves.items():
        slope = (bsm(*up, is_call).row(0)["price"] - bsm(*down, is_call).row(0)["price"]) / width
        scale = spot * 1e-6 + abs(here[name]) * 1e-4
        assert here[name] == pytest.approx(slope, abs=scale), name
    up, down = (bsm(s, *contract[1:], is_call).row(0)["delta"] for s in (spot + wide, spot - wide))
    assert here["gamma"] == pytest.approx((up - down) / (2 * wide), rel=1e-3, abs=1e-9)


@given(contracts, st.booleans())
def test_a_price_moves_the_right_way(contract, is_call):
    spot, strike, rate, dividend_yield, volatility, years = contract
    here = bsm(*contract, is_call).row(0)["price"]
    sign = 1 if is_call else -1
    dust = 1e-12 * (spot + strike)

    assert sign * (bsm(1.01 * spot, *contract[1:], is_call).row(0)["price"] - here) >= -dust
    assert sign * (here - bsm(spot, 1.01 * strike, *contract[2:], is_call).row(0)["price"]) >= -dust
    assert bsm(*contract[:4], volatility + 0.01, years, is_call).row(0)["price"] >= here - dust
    floor = sign * (spot * math.exp(-dividend_yield * years) - strike * math.exp(-rate * years))
    assert here >= max(floor, 0.0) - 1e-9


def test_arrays_and_plain_arithmetic_agree():
    given_ = random_contracts(10_000)

    arrays = bsm(*given_).values

    singles = np.array([bsm_one(*row)[1] for row in zip(*given_, strict=True)]).T
    assert np.abs(arrays - singles).max() < 1e-11


def test_the_answer_goes_where_it_is_told():
    given_, out = random_contracts(5_000), np.empty((6, 5_000))

    assert bsm(*given_, out=out).values is out
    assert (out == bsm(*given_).values).all()


def test_an_out_of_the_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"out is \(6, 3\), the contracts need \(6, 2\)"):
        bsm([1.0, 2.0], 1.0, 0.0, 0.0, 0.2, 1.0, True, out=np.empty((6, 3)))


@pytest.mark.parametrize("copies", [1, 50])
@pytest.mark.parametrize(
    ("contract", "word"),
    [
        ((100.0, 90.0, 0.0, 0.0, None, 1.0), "no_volatility"),
        ((100.0, 90.0, 0.0, 0.0, 0.0, 1.0), "no_volatility"),
        ((100.0, 90.0, 0.0, 0.0, math.inf, 1.0), "no_volatility"),
        ((0.0, 90.0, 0.0, 0.0, 0.2, 1.0), "no_spot"),
        ((-5.0, -5.0, 0.0, 0.0, 0.2, 1.0), "no_spot"),
        ((100.0, 0.0, 0.0, 0.0, 0.2, 1.0), "no_strike"),
        ((100.0, 90.0, None, 0.0, 0.2, 1.0), "no_rate"),
        ((100.0, 90.0, 0.0, math.nan, 0.2, 1.0), "no_dividend_yield"),
        ((100.0, 90.0, 0.0, 0.0, 0.2, math.nan), "no_time"),
        ((100.0, 90.0, -1e6, 0.0, 0.2, 1.0), "out_of_range"),
    ],
)
def test_what_cannot_be_priced_is_null_with_its_reason(contract, word, copies):
    columns = [[value] * copies for value in contract]
    priced = bsm(*columns, True)

    assert priced.reasons() == [word] * copies
    assert all(priced.column(name).tolist() == [None] * copies for name in FIELDS)
    assert priced.row(0) == dict.fromkeys(FIELDS)


@pytest.mark.parametrize("copies", [1, 50])
def test_an_expired_option_is_its_intrinsic_value_without_greeks(copies):
    spot = [107.0] * copies
    call = bsm(spot, 100.0, None, None, None, 0.0, True)
    put = bsm(spot, 120.0, None, None, None, -0.5, False)
    worthless = bsm([0.0] * copies, 100.0, 0.0, 0.0, 0.2, 0.0, True)

    assert (call.values[0] == 7.0).all()
    assert (put.values[0] == 13.0).all()
    assert (worthless.values[0] == 0.0).all()
    assert not call.values[1:].any()
    assert not put.values[1:].any()
    assert call.reasons() == [None] * copies


def test_one_bad_contract_leaves_its_neighbours_alone():
    given_ = [np.array(one, dtype=float) for one in random_contracts(100)]
    clean = bsm(*given_).values.copy()
    given_[4][7], given_[0][9], given_[5][11] = np.nan, -1.0, 0.0

    priced = bsm(*given_)

    others = np.delete(np.arange(100), [7, 9, 11])
    assert (priced.values[:, others] == clean[:, others]).all()
    assert np.flatnonzero(priced.reason).tolist() == [7, 9]


@given(st.lists(st.tuples(*[anything] * 6, st.booleans()), min_size=1, max_size=30))
def test_no_input_raises_or_shows_nan(rows):
    columns = [list(column) for column in zip(*rows, strict=True)]

    priced = bsm(*columns)

    for place, reason in enumerate(priced.reasons()):
        found = list(priced.row(place).values())
        if reason is None:
            assert all(math.isfinite(value) for value in found)
        else:
            assert found == [None] * 6
    for name in FIELDS:
        assert all(value is None or math.isfinite(value) for value in priced.column(name).tolist())


def test_every_reason_has_its_own_place():
    assert len(CODE) == len(options.REASONS)


@pytest.mark.parametrize(
    ("moment", "am_settled", "hours"),
    [
        ("2024-03-08T16:00:00-05:00", False, 167.0),  # the clocks go forward
        ("2024-03-08T16:00:00-05:00", True, 160.5),
        ("2024-03-15T15:00:00-04:00", False, 1.0),
        ("2024-03-15T20:00:00+00:00", False, 0.0),
        ("2024-03-18T10:00:00-04:00", False, 0.0),
    ],
)
def test_time_to_expiry_counts_the_hours_that_pass(moment, am_settled, hours):
    years = time_to_expiry(datetime.fromisoformat(moment), date(2024, 3, 15), am_settled=am_settled)

    assert years == pytest.approx(hours / (365 * 24), abs=1e-12)


def test_time_in_autumn_has_an_hour_more():
    before = datetime(2024, 11, 1, 16, tzinfo=ZoneInfo("America/New_York"))

    assert time_to_expiry(before, date(2024, 11, 8)) == pytest.approx(169 / 8760, abs=1e-12)
    assert time_to_expiry(before.astimezone(UTC), date(2024, 11, 8)) == pytest.approx(169 / 8760)


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="valuation: a time without an offset"):
        time_to_expiry(datetime(2024, 3, 8, 16), date(2024, 3, 15))  # noqa: DTZ001


BOOK = ([-5, 2], 100, [100.0, 90.0], 105.0, 0.04, 0.01, [0.25, 0.3], 0.4, [True, False])


def test_a_shock_of_nothing_gains_nothing():
    gain = pnl(*BOOK, spot_change=0.0)

    assert gain.full_revaluation.tolist() == [0.0, 0.0]
    assert gain.delta_gamma.tolist() == [0.0, 0.0]


def test_the_expansion_is_wrong_by_the_third_order():
    wrong = []
    for change in (4.0, 2.0, 1.0):
        gain = pnl(*BOOK, spot_change=change)
        wrong.append(np.abs(gain.full_revaluation.data - gain.delta_gamma.data))

    assert (wrong[0] / wrong[1] > 6.5).all()
    assert (wrong[1] / wrong[2] > 6.5).all()


def test_small_moves_of_everything_agree_with_the_expansion():
    gain = pnl(*BOOK, spot_change=0.01, volatility_change=1e-4, rate_change=1e-4, days=0.01)

    assert gain.full_revaluation.data == pytest.approx(gain.delta_gamma.data, rel=2e-3)


def test_a_shock_of_what_has_no_price_is_null():
    gain = pnl(1, 100, [100.0, 100.0], 100.0, 0.0, 0.0, [None, 0.2], 1.0, True, spot_change=-100.0)

    assert gain.full_revaluation.tolist() == [None, None]
    assert gain.delta_gamma.tolist() == [None, None]
    assert options.in_words(gain.reason) == ["no_volatility", "no_spot"]
