"""Laws of the trailing stop: it never loosens, fires once, scales with prices, ignores bad ones."""

import numpy as np
import pytest

from risk.calculations import stop_loss

SEEDS = range(20)


def walk(seed, count=120):
    """A path of closes from 100 and a VIX for each."""
    rng = np.random.default_rng(seed)
    closes = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, count)))
    return closes.tolist(), rng.uniform(10.0, 40.0, count).tolist()


def history(closes, vix, side="long"):
    """Every state of a stop along a path, the trigger's included."""
    states = [stop_loss.opened(side, 100.0)]
    for close, level in zip(closes, vix, strict=True):
        states.append(stop_loss.step(states[-1], close, level))
    return states[1:]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_long_stop_never_falls(seed):
    prices = [state.stop_price for state in history(*walk(seed))]

    assert prices == sorted(prices)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_short_stop_never_rises(seed):
    prices = [state.stop_price for state in history(*walk(seed), side="short")]

    assert prices == sorted(prices, reverse=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_close_at_a_time_ends_where_the_whole_history_does(seed):
    closes, vix = walk(seed)

    whole = stop_loss.trailing(100.0, closes, vix)

    assert whole.stop == history(closes, vix)[-1]


def test_a_triggered_stop_stays_as_it_is():
    states = history([100.0, 87.0, 150.0], [20.0, 20.0, 20.0])

    assert states[1].triggered
    assert states[2] is states[1]


@pytest.mark.parametrize("side", ["long", "short"])
def test_a_split_scales_the_stop(side):
    closes, vix = walk(7)
    unsplit = stop_loss.trailing(100.0, closes, vix, side)

    halves = stop_loss.trailing(50.0, [close / 2 for close in closes], vix, side)

    assert halves.triggered_index == unsplit.triggered_index
    assert halves.stop.stop_price == pytest.approx(unsplit.stop.stop_price / 2)
    scaled = stop_loss.after_split(unsplit.stop, 2.0)
    assert scaled.stop_price == pytest.approx(halves.stop.stop_price)


@pytest.mark.parametrize("close", [None, 0.0, -1.0, float("nan"), float("inf")])
def test_a_price_that_is_not_one_never_triggers(close):
    before = stop_loss.step(stop_loss.opened("long", 100.0), 100.0, 20.0)

    assert stop_loss.step(before, close, 20.0) is before


def test_a_jump_nobody_confirms_never_triggers():
    before = stop_loss.step(stop_loss.opened("long", 100.0), 100.0, 20.0)

    assert stop_loss.is_jump(50.0, 100.0)
    assert stop_loss.step(before, 50.0, 20.0, confirmed=False) is before


def test_without_the_ratchet_a_calmer_vix_loosens_the_stop():
    tense = stop_loss.step(stop_loss.opened("long", 100.0), 100.0, 30.0)

    calm = stop_loss.step(tense, 100.0, 12.0, ratchet=False)

    assert (tense.stop_price, calm.stop_price) == (90.0, 85.0)


def test_an_unknown_vix_uses_the_middle_distance():
    assert stop_loss.vix_regime(None) == stop_loss.Regime("unknown", 0.12)


def test_no_close_leaves_a_stop_without_a_price():
    run = stop_loss.trailing(100.0, [], [])

    assert (run.stop.stop_price, run.stop.distance, run.triggered_index) == (None, None, None)


def test_series_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="2 closes and 1 VIX"):
        stop_loss.trailing(100.0, [1.0, 2.0], [20.0])
