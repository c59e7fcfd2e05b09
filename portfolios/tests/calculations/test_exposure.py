"""Laws of exposures, Greeks and the day's profit."""

from itertools import pairwise

import numpy as np
import pytest

from portfolios.calculations import daily_pnl, exposure, greeks

SEEDS = range(20)


def random_positions(seed, count=40):
    """Columns of a mixed book."""
    rng = np.random.default_rng(seed)
    is_option = rng.random(count) < 0.4
    return (
        np.round(rng.normal(0.0, 100.0, count)),
        rng.uniform(1.0, 300.0, count),
        np.where(is_option, 100.0, 1.0),
        rng.uniform(10.0, 300.0, count),
        is_option,
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_negating_a_book_negates_its_net_and_keeps_its_gross(seed):
    quantity, *rest = random_positions(seed)
    book, mirror = exposure.exposures(quantity, *rest), exposure.exposures(-quantity, *rest)

    assert mirror.net == pytest.approx(-book.net)
    assert mirror.gross == pytest.approx(book.gross)
    assert (mirror.long, mirror.long_count) == (pytest.approx(-book.short), book.short_count)
    assert book.options + book.stocks == pytest.approx(book.net)


def test_an_empty_book_has_exposures_of_zero():
    nothing = np.zeros(0)

    book = exposure.exposures(nothing, nothing, nothing, nothing, nothing.astype(bool))

    assert (book.gross, book.net, book.long_count, book.notional) == (0.0, 0.0, 0, 0.0)


def test_an_option_without_a_delta_is_skipped_and_named():
    quantity, price, multiplier = (
        np.array([10.0, 2.0]),
        np.array([5.0, 3.0]),
        np.array([1.0, 100.0]),
    )
    spot, option, delta = np.array([5.0, 50.0]), np.array([False, True]), np.array([np.nan, np.nan])

    book = exposure.delta_exposure(quantity, price, multiplier, spot, option, delta)

    assert (book.total, book.skipped) == (50.0, 1)
    assert np.isnan(book.per_position[1])


def test_a_position_without_a_basis_has_no_gain_in_percent():
    assert exposure.value(10.0, 5.0, 1.0, 0.0).unrealized_pnl_fraction is None


def test_concentration_of_equal_positions_is_their_number():
    assert exposure.concentration(np.array([5.0, -5.0, 5.0, 5.0])) == pytest.approx((0.25, 4.0))
    assert exposure.concentration(np.zeros(3)) is None


def test_greeks_of_a_book_and_its_mirror_cancel():
    quantity, _, multiplier, spot, option = random_positions(1)
    units = np.random.default_rng(1).normal(size=(40, 5))

    book = greeks.total(quantity, multiplier, spot, option, units)
    mirror = greeks.total(-quantity, multiplier, spot, option, units)

    assert mirror.vega == pytest.approx(-book.vega)
    assert mirror.dollar_delta == pytest.approx(-book.dollar_delta)


def test_an_empty_book_has_greeks_of_zero():
    nothing = np.zeros(0)

    book = greeks.total(nothing, nothing, nothing, nothing.astype(bool), np.zeros((0, 5)))

    assert (book.delta, book.vega, book.skipped) == (0.0, 0.0, 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_days_of_a_position_sum_to_its_whole_profit(seed):
    rng = np.random.default_rng(seed)
    closes, quantity, total, cash = rng.uniform(50.0, 60.0, 21), 0.0, 0.0, 0.0
    for yesterday, today in pairwise(closes):
        fills = [
            daily_pnl.DayFill(float(rng.normal(0.0, 50.0)), float(rng.uniform(50.0, 60.0)), 1.0)
            for _ in range(3)
        ]
        there = daily_pnl.daily_pnl(quantity, yesterday, today, fills=fills).pnl
        back = daily_pnl.daily_pnl(quantity, yesterday, today, fills=fills[::-1]).pnl
        assert there == pytest.approx(back)
        total += there
        quantity += sum(fill.quantity for fill in fills)
        cash -= sum(fill.quantity * fill.price + fill.fee for fill in fills)

    assert total == pytest.approx(cash + quantity * closes[-1])


def test_a_day_without_a_position_has_no_return():
    assert daily_pnl.daily_pnl(0.0, 50.0, 51.0).simple_return is None
