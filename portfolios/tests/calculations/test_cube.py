"""The cube: sums by several groupings at once, equal to a Decimal loop digit for digit."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolios.calculations.aggregation import grouping
from portfolios.calculations.cube import Cube, from_micro, overlapping, to_micro

AMOUNT = st.decimals("-9000000000000", "9000000000000", places=6)


@st.composite
def books(draw):
    count = draw(st.integers(0, 80))
    money = draw(st.lists(st.lists(AMOUNT, min_size=count, max_size=count), min_size=1, max_size=3))
    labels = draw(
        st.lists(
            st.lists(st.integers(0, 3), min_size=count, max_size=count), min_size=1, max_size=4
        )
    )
    return money, labels


@given(books())
def test_sums_equal_a_decimal_loop_digit_for_digit_at_any_size(book):
    money, labels = book
    named = {str(place): (np.array(each, dtype=np.int64), 4) for place, each in enumerate(labels)}

    found = Cube(to_micro(money), named).sums()

    for place, each in enumerate(labels):
        for row, column in enumerate(money):
            loop = [Decimal(0)] * 4
            for label, amount in zip(each, column, strict=True):
                loop[label] += amount
            assert [from_micro(value) for value in found[str(place)][row]] == loop


def test_coarse_groupings_share_cells_and_fine_ones_stand_alone():
    rng = np.random.default_rng(3)
    money = [[Decimal(int(each)) for each in rng.integers(-50, 50, 400)] for _ in range(2)]
    labels = {"side": 2, "sector": 5, "name": 300}
    drawn = {name: (rng.integers(0, size, 400), size) for name, size in labels.items()}

    found = Cube(to_micro(money), drawn).sums()

    for name, (label, size) in drawn.items():
        for row, column in enumerate(money):
            loop = [Decimal(0)] * size
            for place, amount in zip(label.tolist(), column, strict=True):
                loop[place] += amount
            assert [from_micro(value) for value in found[name][row]] == loop


def test_groups_that_share_positions_count_each_fully():
    amounts = to_micro([[Decimal("1.5"), Decimal("-4")]])
    pairs = grouping(np.array([0, 1, 1]), 3, np.array([0, 0, 1]))

    found = overlapping(amounts, pairs)

    assert [from_micro(each) for each in found[0]] == [Decimal("1.5"), Decimal("-2.5"), 0]


def test_what_leaves_64_bits_is_counted_in_python_integers():
    amounts = to_micro([[Decimal("9000000000000")] * 3])

    assert amounts.dtype == object
    whole = Cube(amounts, {"all": (np.zeros(3, dtype=np.int64), 1)}).sums()["all"]
    assert from_micro(whole[0][0]) == Decimal("27000000000000")


@pytest.mark.parametrize("amount", ["0.0000001", "NaN", "Infinity"])
def test_what_is_no_booked_money_is_refused(amount):
    with pytest.raises(ValueError, match="not an amount of money"):
        to_micro([[Decimal(amount)]])


@pytest.mark.parametrize("labels", [[0], [0, 2], [-1, 0]])
def test_labels_that_do_not_fit_are_refused(labels):
    with pytest.raises(ValueError, match="label"):
        Cube(to_micro([[Decimal(1), Decimal(2)]]), {"x": (np.array(labels), 2)})
