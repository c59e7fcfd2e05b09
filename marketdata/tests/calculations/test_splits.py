"""Ratios as fractions, rounding, and whether a history knows a split."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.calculations.splits import exact_ratio, is_absent, is_restated, times, whole

CENT = Decimal("0.01")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("4", Fraction(4)),
        ("0.1", Fraction(1, 10)),
        ("1.5", Fraction(3, 2)),
        ("0.333333", Fraction(1, 3)),
        ("0.066667", Fraction(1, 15)),
        ("1.054", Fraction(527, 500)),
    ],
)
def test_a_written_ratio_is_read_as_the_fraction_it_stands_for(written, meant):
    assert exact_ratio(Decimal(written)) == meant


@given(st.integers(1, 1000), st.integers(1, 400))
def test_every_fraction_with_a_small_denominator_survives_six_places(above, below):
    meant = Fraction(above, below)
    written = (Decimal(above) / below).quantize(Decimal("0.000001"))

    found = exact_ratio(written)

    assert abs(found - meant) < Fraction(1, 1_000_000)
    if abs(meant - Fraction(written)) <= Fraction(1, 2_000_000) and below <= 400:
        assert found == meant


@pytest.mark.parametrize("wrong", ["0", "-2", "NaN", "Infinity"])
def test_what_is_no_ratio_is_refused(wrong):
    with pytest.raises(ValueError, match="not a split ratio"):
        exact_ratio(Decimal(wrong))


def test_rounding_is_once_and_half_up():
    assert times(Decimal("10"), Fraction(1, 3), CENT) == Decimal("3.33")
    assert times(Decimal("0.03"), Fraction(1, 2), CENT) == Decimal("0.02")
    assert times(Decimal("-0.03"), Fraction(1, 2), CENT) == Decimal("-0.02")


def test_only_two_or_more_for_one_keeps_standard_options():
    told = [whole(exact_ratio(Decimal(text))) for text in ("2", "4", "1.5", "0.1")]
    assert told == [True, True, False, False]


@pytest.mark.parametrize(
    ("before", "after", "ratio", "known"),
    [
        (499.23, 129.04, 4, False),
        (124.81, 129.04, 4, True),
        (124.81, 90.0, 4, True),  # a bad day is no split
        (10.0, 98.0, Fraction(1, 10), False),
        (100.0, 98.0, Fraction(1, 10), True),
    ],
)
def test_a_history_without_the_splits_step_knows_it(before, after, ratio, known):
    assert is_restated(before, after, Fraction(ratio)) is known


@pytest.mark.parametrize(
    ("before", "after", "ratio", "absent"),
    [
        (100.0, 100.0, 4, True),
        (100.0, 100.0, Fraction(5, 4), True),
        (100.0, 100.0, Fraction(1, 10), True),
        (100.0, 80.0, 4, True),  # a bad day is no split
        (400.0, 100.0, 4, False),
        (400.0, 140.0, 4, False),
        (100.0, 100.0, Fraction(527, 500), False),  # within a day's own move
        (100.0, 104.0, Fraction(11, 10), False),
    ],
)
def test_prices_deny_a_split_only_where_no_move_of_a_day_hides_it(before, after, ratio, absent):
    assert is_absent(before, after, Fraction(ratio)) is absent
