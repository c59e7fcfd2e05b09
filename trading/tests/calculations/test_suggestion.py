"""The suggested size: what it leaves free, and that it never passes the largest."""

import math
from decimal import Decimal

import pytest

from trading.calculations.suggestion import ROOM, with_room


def test_an_order_bound_by_cash_is_cut_by_the_room():
    assert with_room(Decimal(1000)) == Decimal(990)
    assert with_room(Decimal(50)) == Decimal(49)
    assert with_room(Decimal("0.5")) == Decimal("0.495")


def test_a_limit_half_used_by_hand():
    # 1 % of the limit is 2 % of the half that is free: 1,000 x 0.98
    assert with_room(Decimal(1000), used=50.0, limit=100.0) == Decimal(980)


def test_nothing_is_suggested_inside_the_room():
    assert with_room(Decimal(10), used=99.5, limit=100.0) == 0
    assert with_room(Decimal(0), used=50.0, limit=100.0) == 0
    assert with_room(Decimal(1)) == 0


def test_a_hedge_of_a_book_beyond_its_limit_is_cut_like_an_order():
    assert with_room(Decimal(100), used=120.0, limit=100.0) == Decimal(99)


@pytest.mark.parametrize("correlation", [-0.8, 0.0, 0.6, 1.0])
@pytest.mark.parametrize("used", [0.0, 30.0, 90.0, 98.0])
def test_the_suggested_size_leaves_the_room_free_whatever_the_correlation(used, correlation):
    """VaR of a book with an order of q dollars and a unit risk of 1: the largest meets 100."""
    limit = 100.0

    def loss(quantity):
        return math.sqrt(used**2 + 2 * correlation * used * quantity + quantity**2)

    side = correlation * used
    largest = Decimal(repr(-side + math.sqrt(side**2 - used**2 + limit**2))).quantize(
        Decimal("0.000001")
    )

    suggested = with_room(largest, used=used, limit=limit)

    assert 0 < suggested < largest
    assert loss(float(suggested)) <= (1 - ROOM) * limit + 1e-6
