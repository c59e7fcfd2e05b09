"""Greeks of positions and their scenarios: sums, units, parity, zero shock, finite differences."""

import time

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from marketdata.calculations import american, options
from portfolios.calculations import greeks
from portfolios.calculations.greeks import Legs

SPOT = 208.1
MOVES = np.linspace(-0.2, 0.2, 41)
VOLATILITY_MOVES = np.array([-0.3, 0.0, 0.3])


def legs(**fields):
    """Options on one underlying; a scalar stands for all of them."""
    base = {
        "quantity": 1.0,
        "multiplier": 100.0,
        "strike": 210.0,
        "rate": 0.003,
        "dividend_yield": 0.02,
        "volatility": 0.17,
        "years": 0.16,
        "is_call": True,
        "early": False,
    } | fields
    count = max(np.size(each) for each in base.values())
    kinds = {"is_call": bool, "early": bool}
    return Legs(
        **{
            name: np.broadcast_to(np.asarray(each, dtype=kinds.get(name, float)), count).copy()
            for name, each in base.items()
        }
    )


def unit_greeks(some):
    priced = options.bsm(
        SPOT, some.strike, some.rate, some.dividend_yield, some.volatility, some.years,
        some.is_call,
    )  # fmt: skip
    return priced.values[1:].T


def rows_of(some):
    spots = np.full(some.strike.size, SPOT)
    options_only = np.ones(some.strike.size, dtype=bool)
    return greeks.figures(some.quantity, some.multiplier, spots, options_only, unit_greeks(some))


books = st.lists(
    st.tuples(
        st.integers(-50, 50).filter(bool),
        st.floats(120, 320),
        st.floats(0.05, 0.9),
        st.floats(0.01, 2.0),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


def book(drawn, **fields):
    quantity, strike, volatility, years, is_call = zip(*drawn, strict=True)
    return legs(
        quantity=quantity, strike=strike, volatility=volatility, years=years, is_call=is_call,
        **fields,
    )  # fmt: skip


def test_a_share_has_a_delta_of_one_and_nothing_else():
    found = greeks.total(
        np.array([10.0, -4.0]),
        np.array([1.0, 1.0]),
        np.array([50.0, 200.0]),
        np.array([False, False]),
        np.full((2, 5), np.nan),
    )

    assert (found.delta, found.gamma, found.theta, found.vega, found.rho) == (6, 0, 0, 0, 0)
    assert found.dollar_delta == 10 * 50 - 4 * 200
    assert found.delta_per_pct == pytest.approx(-3.0)
    assert found.skipped == 0


def test_a_leg_without_figures_is_left_out_and_counted():
    units = np.array([[0.5, 0.01, -0.02, 0.3, 0.1], [np.nan] * 5, [np.nan] * 5])
    found = greeks.total(
        np.array([2.0, 3.0, 7.0]),
        np.array([100.0, 100.0, 1.0]),
        np.array([50.0, 50.0, np.nan]),
        np.array([True, True, False]),
        units,
    )

    assert found.skipped == 2
    assert found.delta == pytest.approx(100.0)
    assert found.rho_per_bp == pytest.approx(0.2)
    # for 1 %: gamma x S^2 / 10,000
    assert found.gamma_per_pct2 == pytest.approx(2 * 100 * 0.01 * 50**2 / 1e4)


def test_no_positions_are_zeros():
    found = greeks.summed(np.empty((0, 7)))

    assert found.dollar_delta == found.theta == 0.0
    assert found.skipped == 0


def test_volatility_of_several_is_weighted_with_vega():
    levels = np.array([0.1, 0.3, np.nan])

    assert greeks.mean_volatility(levels, np.array([-3.0, 1.0, 9.0])) == pytest.approx(0.15)
    assert greeks.mean_volatility(levels, np.zeros(3)) == pytest.approx(0.2)
    assert greeks.mean_volatility(np.array([np.nan]), np.ones(1)) is None


@given(books)
@settings(deadline=None)
def test_the_sum_of_the_legs_is_the_total(drawn):
    some = book(drawn)
    rows = rows_of(some)

    whole = greeks.summed(rows)
    for place, name in enumerate(greeks.FIGURES):
        assert getattr(whole, name) == pytest.approx(rows[:, place].sum())
    table = greeks.grid(some, 0.0, SPOT, moves=MOVES, volatility_moves=VOLATILITY_MOVES)
    alone = [
        greeks.grid(
            some.part([place]), 0.0, SPOT,
            moves=MOVES, volatility_moves=VOLATILITY_MOVES,
        )
        for place in range(some.strike.size)
    ]  # fmt: skip
    assert table == pytest.approx(sum(alone), abs=1e-6)


@given(books, st.booleans())
@settings(max_examples=30, deadline=None)
def test_nothing_is_gained_without_a_shock(drawn, early):
    some = book(drawn, early=early)

    still = greeks.gains(some, SPOT, moves=0.0)
    table = greeks.grid(some, 37.0, SPOT, moves=np.zeros(1), volatility_moves=np.zeros(1))

    assert (still == 0.0).all()
    assert table.item() == 0.0


@given(st.floats(-1e5, 1e5), st.floats(1.0, 1e4))
def test_the_underlying_itself_gains_exactly_its_move(units, spot):
    none = legs().part(slice(0))

    shown = greeks.profile(none, np.empty((0, 7)), units, spot, moves=MOVES, days=7.0)
    table = greeks.grid(none, units, spot, moves=MOVES, volatility_moves=VOLATILITY_MOVES)

    for line in (shown.today, shown.later, shown.at_expiry, shown.delta_gamma, *table):
        assert line == pytest.approx(units * spot * MOVES)


@given(
    st.floats(150, 280),
    st.floats(0.06, 0.8),
    st.floats(0.02, 2.0),
    st.sampled_from([-0.3, -0.1, 0.0, 0.2]),
    st.sampled_from([0.0, 3.0]),
)
def test_a_call_less_a_put_is_a_forward_whatever_the_volatility(
    strike, volatility, years, volatility_move, days
):
    pair = legs(
        quantity=[1.0, -1.0], strike=strike, volatility=volatility, years=years,
        is_call=[True, False],
    )  # fmt: skip

    found = greeks.gains(pair, SPOT, moves=MOVES, volatility_moves=volatility_move, days=days).sum(
        axis=0
    )

    def forward(spot, left):
        return spot * np.exp(-0.02 * left) - strike * np.exp(-0.003 * left)

    left = years - days / 365.0
    expected = 100.0 * (forward(SPOT * (1.0 + MOVES), left) - forward(SPOT, years))
    assert found == pytest.approx(expected, abs=1e-6)


@given(books)
@settings(deadline=None)
def test_small_moves_agree_with_the_greeks(drawn):
    some = book(drawn)
    assume((some.volatility * np.sqrt(some.years) > 0.03).all())
    rows = rows_of(some)
    whole = greeks.summed(rows)
    # what single legs may be off by, before they cancel
    size = np.abs(rows).sum(axis=0)
    step = 1e-4

    up, down = greeks.gains(some, SPOT, moves=[step, -step]).sum(axis=0)
    more, less = greeks.gains(
        some, SPOT, moves=0.0, volatility_moves=[step, -step]
    ).sum(axis=0)  # fmt: skip
    later = greeks.gains(some, SPOT, moves=0.0, days=0.01).sum()

    assert (up - down) / 2 == pytest.approx(
        whole.dollar_delta * step, abs=2e-3 * size[5] * step + 1e-6
    )
    assert up + down == pytest.approx(
        whole.gamma * (SPOT * step) ** 2, abs=2e-2 * size[1] * (SPOT * step) ** 2 + 1e-6
    )
    by_leg = 100.0 * rows[:, 3] * some.volatility * step
    if (some.volatility * (1.0 - step) > greeks.FLOOR).all():
        assert (more - less) / 2 == pytest.approx(
            by_leg.sum(), abs=2e-3 * np.abs(by_leg).sum() + 1e-6
        )
    assert later == pytest.approx(whole.theta * 0.01, abs=2e-2 * size[2] * 0.01 + 1e-6)


def test_the_gain_is_that_of_the_contracts_kernel():
    some = legs(
        quantity=[3.0, -2.0], strike=[200.0, 215.0], volatility=[0.2, 0.16], is_call=[False, True]
    )

    found = greeks.gains(some, SPOT, moves=-0.07, volatility_moves=0.25, days=5.0)[:, 0]

    for place in range(2):
        one = [each[place] for each in some]
        gain = options.pnl(
            one[0], one[1], SPOT, one[2], one[3], one[4], one[5], one[6], one[7],
            spot_change=-0.07 * SPOT, volatility_change=0.25 * one[5], days=5.0,
        )  # fmt: skip
        assert found[place] == pytest.approx(gain.full_revaluation[0])


def test_the_line_at_expiry_is_intrinsic_and_bends_at_the_strike():
    some = legs(strike=SPOT, quantity=-5.0)
    price = options.bsm(SPOT, SPOT, 0.003, 0.02, 0.17, 0.16, True).values[0, 0]

    shown = greeks.profile(some, rows_of(some), 0.0, SPOT, moves=MOVES, days=7.0)

    payoff = np.maximum(SPOT * MOVES, 0.0)
    assert shown.at_expiry == pytest.approx(-500.0 * (payoff - price))
    assert greeks.first_expiry_days(some) == pytest.approx(0.16 * 365)
    # a short option gains as time passes
    middle = MOVES.size // 2
    assert 0.0 == shown.today[middle] < shown.later[middle] < shown.at_expiry[middle]


def test_the_line_at_expiry_is_at_the_first_expiry_of_several():
    some = legs(years=[0.05, 0.5], quantity=[1.0, 1.0])

    shown = greeks.profile(some, rows_of(some), 0.0, SPOT, moves=np.zeros(1), days=1.0)

    later = greeks.gains(some, SPOT, moves=0.0, days=0.05 * 365)
    assert shown.at_expiry[0] == pytest.approx(later.sum())
    price = options.bsm(SPOT, 210.0, 0.003, 0.02, 0.17, 0.45, True).values[0, 0]
    before = options.bsm(SPOT, 210.0, 0.003, 0.02, 0.17, 0.5, True).values[0, 0]
    assert later[1, 0] == pytest.approx(100.0 * (price - before))


def test_the_expansion_stands_beside_the_full_revaluation():
    some = legs(quantity=10.0)

    shown = greeks.profile(
        some, rows_of(some), 100.0, SPOT, moves=np.array([-0.005, 0.0, 0.005]), days=0.0,
        volatility_move=0.01,
    )  # fmt: skip

    assert shown.delta_gamma == pytest.approx(shown.today, rel=5e-3)
    assert not np.array_equal(shown.delta_gamma, shown.today)


def test_a_volatility_does_not_fall_below_the_floor_but_may_be_below_it():
    low = legs(volatility=[0.06, 0.04])

    down = greeks.gains(low, SPOT, moves=0.0, volatility_moves=-0.3)[:, 0]
    to_floor = greeks.gains(low, SPOT, moves=0.0, volatility_moves=greeks.FLOOR / 0.06 - 1)[:, 0]

    assert down[0] == pytest.approx(to_floor[0])
    assert down[0] < 0.0
    assert down[1] == 0.0


def test_american_legs_are_revalued_on_a_tree():
    put = legs(strike=250.0, is_call=False, early=True, rate=0.05, years=1.0, dividend_yield=0.0)
    moves = np.array([-0.1, 0.1])

    found = greeks.gains(put, SPOT, moves=moves)[0]

    fine = american.american(
        SPOT * (1.0 + np.append(moves, 0.0)), 250.0, 0.05, 0.0, 0.17, 1.0, False
    ).values[0]
    assert found == pytest.approx(100.0 * (fine[:2] - fine[2]), abs=5.0)
    closed = greeks.gains(put._replace(early=np.array([False])), SPOT, moves=moves)[0]
    assert np.abs(found - closed).max() > 20.0


@pytest.mark.parametrize("steps", [51, 201])
def test_fewer_steps_stay_near_the_fine_tree(steps):
    grid = np.meshgrid([0.8, 0.95, 1.0, 1.05, 1.2], [0.1, 0.3], [0.05, 1.0], [True, False])
    level, volatility, years, is_call = (each.ravel() for each in grid)

    coarse = american.american(
        100.0 * level, 100.0, 0.05, 0.03, volatility, years, is_call, steps=steps
    )
    fine = american.american(
        100.0 * level, 100.0, 0.05, 0.03, volatility, years, is_call, steps=1001
    )

    assert np.abs(coarse.values[0] - fine.values[0]).max() < (0.02 if steps == 51 else 0.005)


@pytest.mark.parametrize("is_call", [True, False])
@pytest.mark.parametrize("years", [0.02, 0.25, 1.5])
def test_between_its_spots_a_tree_is_interpolated(years, is_call):
    level = 0.05 if is_call else 0.0
    one = legs(years=years, is_call=is_call, early=True, rate=0.04, dividend_yield=level)
    given = (210.0, 0.04, level, 0.17, years, is_call)

    found = greeks.gains(one, SPOT, moves=MOVES + 0.003)[0] / 100.0

    exact = american.american(SPOT * (1.003 + MOVES), *given).values[0]
    base = american.american(SPOT, *given).values[0, 0]
    assert np.abs(found - (exact - base)).max() < 4e-4 * SPOT


def test_fifty_legs_are_revalued_within_a_page():
    rng = np.random.default_rng(5)
    some = legs(
        quantity=rng.integers(-9, 9, 50), strike=rng.uniform(180, 240, 50),
        years=rng.uniform(0.02, 0.5, 50), is_call=rng.random(50) > 0.5, early=rng.random(50) > 0.5,
    )  # fmt: skip
    rows = rows_of(some)
    best = np.inf
    for _ in range(5):
        began = time.process_time()
        greeks.profile(some, rows, 10.0, SPOT, moves=MOVES, days=7.0, volatility_move=0.15)
        greeks.grid(some, 10.0, SPOT, moves=MOVES[::5], volatility_moves=np.linspace(-0.3, 0.3, 7))
        best = min(best, time.process_time() - began)

    assert best < 0.1
