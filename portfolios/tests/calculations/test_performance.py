"""Laws of returns, performance figures and drawdowns."""

from datetime import date, timedelta

import numpy as np
import pytest

from portfolios.calculations import drawdowns, performance, returns, round_trips

SEEDS = range(20)
START = date(2016, 1, 4)


def series(seed, count=250):
    """Daily returns."""
    return np.random.default_rng(seed).normal(0.0004, 0.011, count)


def grown(changes, flows):
    """Equity that earns `changes`, with flows at the end of each day."""
    levels = [100_000.0]
    for change, flow in zip(changes, flows, strict=True):
        levels.append(levels[-1] * (1 + change) + flow)
    return np.array(levels)


@pytest.mark.parametrize("seed", SEEDS)
def test_flows_do_not_change_the_time_weighted_return(seed):
    changes = series(seed)
    flows = np.random.default_rng(seed).choice([0.0, 5_000.0, -900.0], changes.size)

    result = returns.time_weighted(grown(changes, flows), flows, "eod")

    assert result.returns == pytest.approx(changes, abs=1e-12)
    assert result.total == pytest.approx(np.prod(1 + changes) - 1)


def test_a_day_that_began_with_nothing_has_no_return():
    result = returns.time_weighted(np.array([0.0, 100.0, 110.0]), np.array([0.0, 0.0]))

    assert np.isnan(result.returns[0])
    assert result.returns[1] == pytest.approx(0.1)
    assert result.total is None


def test_no_day_at_all_returns_nothing_and_total_zero():
    result = returns.time_weighted(np.array([100.0]), np.zeros(0))

    assert (result.returns.size, result.total) == (0, 0.0)


def test_flows_of_another_length_are_refused():
    with pytest.raises(ValueError, match="need 2 flows"):
        returns.time_weighted(np.ones(3), np.ones(3))


@pytest.mark.parametrize("rate", [-0.9, -0.3, 0.0, 0.07, 3.0])
def test_one_deposit_over_a_year_earns_its_simple_return(rate):
    found = returns.xirr([START, START + timedelta(days=365)], [-1_000.0, 1_000.0 * (1 + rate)])

    assert found == pytest.approx(rate, abs=1e-9)


def test_the_root_nearest_to_zero_is_taken():
    # -100 + 230/(1+r) - 132/(1+r)^2 = 0 at r = 0.1 and r = 0.2
    days = [START, START + timedelta(days=365), START + timedelta(days=730)]

    assert returns.xirr(days, [-100.0, 230.0, -132.0]) == pytest.approx(0.1)


@pytest.mark.parametrize("amounts", [[], [-5.0], [0.0, 0.0], [10.0, 5.0]])
def test_flows_of_one_sign_have_no_rate(amounts):
    assert returns.xirr([START] * len(amounts), amounts) is None


def test_a_dietz_return_without_capital_is_none():
    assert returns.modified_dietz(0.0, 10.0, [], 30) is None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_drawdown_lies_between_nothing_and_everything(seed):
    assert -1.0 <= performance.max_drawdown(series(seed)) <= 0.0


@pytest.mark.parametrize("seed", SEEDS)
def test_the_deepest_episode_is_the_maximum_drawdown(seed):
    changes = series(seed)
    index = np.concatenate([[50.0], 50.0 * np.cumprod(1 + changes)])
    dates = [START + timedelta(days=day) for day in range(index.size)]

    deepest = drawdowns.drawdowns(dates, index)[0]

    assert deepest.depth == pytest.approx(performance.max_drawdown(changes))
    assert drawdowns.drawdowns(dates, index * 7)[0].trough == deepest.trough


def test_an_index_that_only_rises_has_no_drawdown():
    assert drawdowns.drawdowns([START, START + timedelta(days=1)], np.array([1.0, 1.1])) == ()


@pytest.mark.parametrize("seed", SEEDS)
def test_reversing_the_excess_flips_the_sharpe_ratio(seed):
    changes = series(seed)

    assert performance.summary(-changes).sharpe == pytest.approx(
        -performance.summary(changes).sharpe
    )


def test_a_series_against_itself_has_beta_one_and_alpha_zero():
    beside = performance.relative(series(1), series(1), 0.03)

    assert beside.beta == pytest.approx(1.0)
    assert beside.alpha_annual == pytest.approx(0.0, abs=1e-12)
    assert beside.information_ratio is None


@pytest.mark.parametrize("changes", [np.zeros(0), np.array([0.01]), np.zeros(30)])
def test_degenerate_series_give_finite_figures_or_none(changes):
    figures = performance.summary(changes)
    beside = performance.relative(changes, np.zeros_like(changes))

    for name in (*performance.Summary.__slots__, *performance.Relative.__slots__):
        value = getattr(figures, name, None) or getattr(beside, name, None)
        assert value is None or np.isfinite(value)
    assert figures.sharpe is None
    assert beside.beta is None


def test_a_total_loss_is_minus_one_a_year():
    assert performance.summary(np.array([0.1, -1.0])).annual_return == -1.0


def test_no_trade_has_no_figures():
    trips = round_trips.round_trips([])

    assert (trips.win_rate, trips.profit_factor, trips.expectancy) == (None, None, None)
