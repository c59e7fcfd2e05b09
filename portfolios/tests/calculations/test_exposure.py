"""Laws of exposures, Greeks, groups and the day's profit."""

from decimal import Decimal

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


@pytest.mark.parametrize("seed", SEEDS)
def test_exact_group_sums_equal_decimals_to_the_last_digit(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 30, 500)
    amounts = np.round(rng.normal(0.0, 1e6, (500, 3)), 4)
    groups = exposure.grouping(labels, 33)

    sums = exposure.exact_sums(groups.arrange(exposure.to_units(amounts)), groups)

    for group in range(33):
        for column in range(3):
            own = amounts[labels == group, column]
            expected = sum((Decimal(f"{value:.4f}") for value in own), Decimal(0))
            assert Decimal(int(sums[group, column])) / 10_000 == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_float_group_sums_agree_with_the_exact_ones(seed):
    rng = np.random.default_rng(seed)
    labels, amounts = rng.integers(0, 9, 300), np.round(rng.normal(0.0, 1e5, (300, 2)), 4)
    groups = exposure.grouping(labels, 9)

    exact = exposure.exact_sums(groups.arrange(exposure.to_units(amounts)), groups) / exposure.UNIT

    assert exposure.float_sums(amounts.T, labels, 9) == pytest.approx(exact.T)


def test_a_position_in_two_tags_counts_fully_in_each():
    # tag 0 holds positions 0 and 1, tag 1 holds position 1, tag 2 nothing
    groups = exposure.grouping(np.array([1, 0, 0]), 3, rows=np.array([1, 0, 1]))
    units = exposure.to_units(np.array([10.0, 2.5]))

    assert exposure.exact_sums(groups.arrange(units), groups).tolist() == [125_000, 25_000, 0]


def test_no_rows_at_all_sum_to_zero():
    groups = exposure.grouping(np.zeros(0, dtype=int), 4)

    assert exposure.exact_sums(np.zeros((0, 2), dtype=np.int64), groups).tolist() == [[0, 0]] * 4


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e15])
def test_an_amount_that_cannot_be_summed_exactly_is_refused(bad):
    with pytest.raises(ValueError, match="summed exactly"):
        exposure.to_units(np.array([1.0, bad]))


def test_a_label_outside_the_groups_is_refused():
    with pytest.raises(ValueError, match="between 0 and 2"):
        exposure.grouping(np.array([0, 3]), 3)


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
    for yesterday, today in zip(closes[:-1], closes[1:], strict=True):
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
