"""Laws of the live matrix and of the simulated bars that feed it."""

from datetime import date, timedelta

import numpy as np
import pytest

from marketdata.calculations import bars, live_covariance

DAILY = np.array([[4e-4, 1.2e-4, -5e-5], [1.2e-4, 2.25e-4, 3e-5], [-5e-5, 3e-5, 1e-4]])
PRICES = np.array([100.0, 50.0, 20.0])
FACTOR = np.array([1.4, 1.2, 1.7])
SYMBOLS = ("AAA", "BBB", "CCC")
SESSION = date(2016, 6, 24)


def live():
    """A live covariance before its first bar."""
    return live_covariance.LiveCovariance(DAILY, PRICES, FACTOR)


def played(session=SESSION, closes=PRICES * 1.01, **options):
    """One simulated session."""
    return bars.minute_path(SYMBOLS, session, PRICES, closes, DAILY, FACTOR, **options)


def test_before_the_first_bar_the_live_matrix_is_the_daily_one():
    assert live().hybrid() == pytest.approx(DAILY, rel=1e-12)


def test_the_first_bar_sets_prices_and_nothing_else():
    state = live()

    state.on_bar(PRICES * 1.05, first=True)

    assert state.hybrid() == pytest.approx(DAILY, rel=1e-12)
    assert state.prices == pytest.approx(PRICES * 1.05)


def test_a_bar_moves_the_variance_by_hand():
    # decay 0.5^(1/390) = 0.998224269; variance of AAA a bar = 4e-4 / 390 / 1.96 = 5.23286e-7
    # after ln(1.002)^2 = 3.99201e-6: 0.998224269 x 5.23286e-7 + 0.001775731 x 3.99201e-6
    state = live()

    state.on_bar(PRICES * np.array([1.002, 1.0, 1.0]))

    assert state.bar_variance[0] == pytest.approx(5.29446e-7, rel=1e-5)


def test_five_bars_without_a_trade_make_a_symbol_stale_and_freeze_its_volatility():
    state = live()
    silent = np.array([np.nan, 50.0, 20.0])
    for _ in range(4):
        state.on_bar(silent)
    fading = state.bar_variance.copy()

    state.on_bar(silent)
    state.on_bar(silent)

    assert state.stale.tolist() == [True, False, False]
    assert state.bar_variance[0] == fading[0]
    assert state.bar_variance[1] < fading[1]
    assert state.prices[0] == 100.0


def test_a_trade_brings_a_stale_symbol_back():
    state = live()
    for _ in range(6):
        state.on_bar(np.array([np.nan, 50.0, 20.0]))

    state.on_bar(PRICES)

    assert not state.stale.any()


def test_the_raw_gauge_is_the_plain_recursion_scaled_to_a_session():
    state = live()
    matrix = DAILY / np.outer(FACTOR, FACTOR) / 390
    rng = np.random.default_rng(1)
    prices = PRICES
    for _ in range(70):
        returns = rng.normal(0.0, 5e-4, 3)
        prices = prices * np.exp(returns)
        state.on_bar(prices)
        matrix = 0.94 * matrix + 0.06 * np.outer(returns, returns)

    assert state.raw() == pytest.approx(390 * matrix, rel=1e-8)


def test_the_raw_gauge_stays_a_covariance_when_symbols_fall_silent():
    state = live()
    rng = np.random.default_rng(2)
    for _ in range(200):
        prices = PRICES * np.exp(rng.normal(0.0, 1e-3, 3))
        prices[0] = prices[0] if rng.random() < 0.1 else np.nan
        state.on_bar(prices)

    raw = state.raw()

    assert (raw == raw.T).all()
    assert np.linalg.eigvalsh(raw)[0] > -1e-14


def test_a_restored_state_goes_on_as_if_nothing_had_happened():
    first, path = live(), played()
    for row in path[:50]:
        first.on_bar(row)
    second = live_covariance.restore(first.arrays())
    for row in path[50:]:
        first.on_bar(row)
        second.on_bar(row)

    assert second.hybrid() == pytest.approx(first.hybrid(), rel=1e-12)
    assert second.raw() == pytest.approx(first.raw(), rel=1e-9)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.inf])
def test_a_price_that_is_not_one_is_refused_and_changes_nothing(bad):
    state = live()

    with pytest.raises(ValueError, match="positive, finite price"):
        state.on_bar(np.array([101.0, bad, 20.0]))

    assert (state.prices == PRICES).all()


def test_a_session_ends_exactly_at_the_real_close():
    closes = np.array([96.41, 50.33, 20.17])

    path = played(closes=closes)

    assert path.shape == (390, 3)
    assert (path[-1] == closes).all()
    assert (path > 0).all()


def test_a_session_plays_the_same_way_twice_and_another_one_differently():
    assert (played() == played()).all()
    assert (played()[:-1] != played(SESSION + timedelta(days=3))[:-1]).any()


def test_the_order_of_the_symbols_does_not_change_their_paths():
    order = [2, 0, 1]

    shuffled = bars.minute_path(
        tuple(SYMBOLS[place] for place in order),
        SESSION,
        PRICES[order],
        PRICES[order] * 1.01,
        DAILY[np.ix_(order, order)],
        FACTOR[order],
    )

    assert shuffled == pytest.approx(played()[:, order], rel=1e-12)


def test_a_held_index_keeps_its_last_close_until_the_close():
    path = played(held=np.array([False, False, True]))

    assert (path[:-1, 2] == 20.0).all()
    assert path[-1, 2] == pytest.approx(20.2)


@pytest.mark.parametrize("count", [390, 210])
def test_the_shares_of_a_days_variance_sum_to_one(count):
    shares = bars.variance_shares(FACTOR, count)

    assert shares.sum(axis=0) == pytest.approx(np.ones(3))
    assert shares[0, 0] == pytest.approx(1.0 - (count - 1) / 389 / 1.96)


def test_the_live_matrix_of_simulated_sessions_agrees_with_the_daily_one():
    state, total, count = live(), np.zeros((3, 3)), 0
    closes = PRICES
    for number in range(40):
        session = SESSION + timedelta(days=number)
        path = bars.minute_path(SYMBOLS, session, closes, closes, DAILY, FACTOR)
        for place, row in enumerate(path):
            state.on_bar(row, first=place == 0)
        total += state.hybrid()
        count += 1

    # 40 sessions with a half-life of one: about 5 % of noise in a variance
    assert total / count == pytest.approx(DAILY, rel=0.06)


def test_realised_correlation_of_the_bars_is_the_daily_one():
    returns = np.concatenate(
        [np.diff(np.log(played(SESSION + timedelta(days=n))), axis=0) for n in range(20)]
    )

    volatility = np.sqrt(np.diag(DAILY))
    assert np.corrcoef(returns.T) == pytest.approx(
        DAILY / np.outer(volatility, volatility), abs=0.04
    )


def test_closes_that_are_not_prices_are_refused():
    with pytest.raises(ValueError, match="two positive"):
        played(closes=np.array([0.0, 1.0, 1.0]))


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan])
def test_a_day_with_a_bad_open_is_left_out_of_the_overnight_factor(bad):
    rng = np.random.default_rng(1)
    closes = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, 60)))
    opens = closes * np.exp(rng.normal(0.0, 0.006, 60))
    without = np.delete(opens, 59), np.delete(closes, 59)
    opens[59] = bad

    assert live_covariance.overnight_factor(opens, closes) == pytest.approx(
        live_covariance.overnight_factor(*without)
    )


def test_a_session_without_a_move_has_the_usual_overnight_factor():
    assert live_covariance.overnight_factor(np.full(30, 5.0), np.full(30, 5.0)) == 1.4
