"""Laws of group sums: exact, complete, and equal to a plain Decimal loop."""

from decimal import Decimal

import numpy as np
import pytest

from portfolios.calculations import aggregation

SEEDS = range(20)


@pytest.mark.parametrize("seed", SEEDS)
def test_exact_group_sums_equal_decimals_to_the_last_digit(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 30, 500)
    amounts = np.round(rng.normal(0.0, 1e6, (3, 500)), 4)
    groups = aggregation.grouping(labels, 33)

    sums = aggregation.exact_sums(groups.arrange(aggregation.to_units(amounts)), groups)

    for group in range(33):
        for column in range(3):
            own = amounts[column, labels == group]
            expected = sum((Decimal(f"{value:.4f}") for value in own), Decimal(0))
            assert Decimal(int(sums[column, group])) / 10_000 == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_float_group_sums_agree_with_the_exact_ones(seed):
    rng = np.random.default_rng(seed)
    labels, amounts = rng.integers(0, 9, 300), np.round(rng.normal(0.0, 1e5, (2, 300)), 4)
    groups = aggregation.grouping(labels, 9)

    exact = (
        aggregation.exact_sums(groups.arrange(aggregation.to_units(amounts)), groups)
        / aggregation.UNIT
    )

    assert aggregation.float_sums(amounts, labels, 9) == pytest.approx(exact)


def test_a_position_in_two_tags_counts_fully_in_each():
    # tag 0 holds positions 0 and 1, tag 1 holds position 1, tag 2 nothing
    groups = aggregation.grouping(np.array([1, 0, 0]), 3, rows=np.array([1, 0, 1]))
    units = aggregation.to_units(np.array([10.0, 2.5]))

    assert aggregation.exact_sums(groups.arrange(units), groups).tolist() == [125_000, 25_000, 0]


def test_no_rows_at_all_sum_to_zero():
    groups = aggregation.grouping(np.zeros(0, dtype=int), 4)

    assert (
        aggregation.exact_sums(np.zeros((2, 0), dtype=np.int64), groups).tolist() == [[0] * 4] * 2
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e15])
def test_an_amount_that_cannot_be_summed_exactly_is_refused(bad):
    with pytest.raises(ValueError, match="summed exactly"):
        aggregation.to_units(np.array([1.0, bad]))


def test_a_label_outside_the_groups_is_refused():
    with pytest.raises(ValueError, match="between 0 and 2"):
        aggregation.grouping(np.array([0, 3]), 3)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_whole_book_adds_up_like_decimals(seed):
    rng = np.random.default_rng(seed)
    count = 400
    signed = np.round(rng.normal(0.0, 1e5, count), 2)
    measures = np.round(rng.normal(0.0, 50.0, (5, count)), 4)
    is_option, underlying = rng.random(count) < 0.4, rng.integers(0, 30, count)
    rows = np.repeat(np.arange(count), rng.integers(0, 3, count))
    tags = rng.integers(0, 7, rows.size)
    exact = [Decimal(f"{value:.2f}") for value in signed]

    sums = aggregation.ExactBook(
        signed,
        measures,
        is_option,
        aggregation.grouping(underlying, 30),
        aggregation.grouping(tags, 7, rows),
    ).sums()

    assert Decimal(sums.long) / 10_000 == sum(value for value in exact if value > 0)
    assert Decimal(sums.short) / 10_000 == sum(value for value in exact if value < 0)
    assert Decimal(sums.gross) / 10_000 == sum(abs(value) for value in exact)
    pairs = zip(exact, is_option, strict=True)
    assert Decimal(sums.options) / 10_000 == sum(value for value, option in pairs if option)
    assert sums.options + sums.stocks == sums.net == sums.by_underlying[0].sum()
    assert sums.measures / 10_000 == pytest.approx(measures.sum(axis=1))
    tagged = [sum(exact[row] for row in rows[tags == tag]) for tag in range(7)]
    assert [Decimal(int(value)) / 10_000 for value in sums.by_tag] == tagged


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("count", "further"), [(0, 5), (1, 5), (60, 0), (60, 5), (900, 2)])
def test_positions_without_measures_change_no_group(seed, count, further):
    rng = np.random.default_rng(seed)
    groups = 40
    signed = np.round(rng.normal(0.0, 1e5, count), 2)
    is_option, underlying = rng.random(count) < 0.3, rng.integers(0, groups, count)
    measures = np.round(rng.normal(0.0, 50.0, (further, count)), 4) * is_option
    grouped = aggregation.grouping(underlying, groups)

    sums = aggregation.ExactBook(signed, measures, is_option, grouped, grouped).sums()

    units = aggregation.to_units(np.vstack([signed[None, :], measures]))
    plain = np.zeros((1 + further, groups), dtype=np.int64)
    np.add.at(plain, (slice(None), underlying), units)
    assert (sums.by_underlying == plain).all()
    assert sums.measures.tolist() == plain[1:].sum(axis=1).tolist()
    assert sums.by_tag.tolist() == plain[0].tolist()


def test_a_grouping_counts_its_rows():
    assert aggregation.grouping(np.array([2, 0, 2]), 4).counts().tolist() == [1, 0, 2, 0]


def test_a_position_without_an_underlying_is_refused():
    groups = aggregation.grouping(np.array([0]), 1)

    with pytest.raises(ValueError, match="exactly one underlying"):
        aggregation.ExactBook(np.ones(2), np.zeros((0, 2)), np.zeros(2, bool), groups, groups)
