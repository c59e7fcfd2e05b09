"""Where a basket stands, and what a spread is called."""

from datetime import date
from decimal import Decimal
from itertools import permutations

import pytest

from trading.calculations import baskets
from trading.calculations.baskets import OptionLeg
from trading.calculations.order_states import OPEN
from trading.choices import BasketState, OrderState, SpreadName

JULY, AUGUST, MAY = date(2016, 7, 15), date(2016, 8, 19), date(2016, 5, 20)
CALL, PUT = "call", "put"


def leg(side, strike, right, expiry=JULY, quantity=1, underlying="SPY"):
    return OptionLeg(underlying, expiry, Decimal(strike), right, side, Decimal(quantity))


NAMED = {
    "bull call": ("vertical", [leg("buy", 200, CALL), leg("sell", 210, CALL)]),
    "bear put": ("vertical", [leg("buy", 210, PUT, quantity=5), leg("sell", 200, PUT, quantity=5)]),
    "long straddle": ("straddle", [leg("buy", 200, CALL), leg("buy", 200, PUT)]),
    "short straddle": ("straddle", [leg("sell", 200, CALL), leg("sell", 200, PUT)]),
    "strangle": ("strangle", [leg("buy", 210, CALL), leg("buy", 200, PUT)]),
    "guts": ("custom", [leg("buy", 200, CALL), leg("buy", 210, PUT)]),
    "calendar": ("calendar", [leg("sell", 200, CALL), leg("buy", 200, CALL, AUGUST)]),
    "diagonal": ("custom", [leg("sell", 200, CALL), leg("buy", 210, CALL, AUGUST)]),
    "ratio": ("custom", [leg("buy", 200, CALL), leg("sell", 210, CALL, quantity=2)]),
    "two bought": ("custom", [leg("buy", 200, CALL), leg("buy", 210, CALL)]),
    "risk reversal": ("custom", [leg("buy", 210, CALL), leg("sell", 200, PUT)]),
    "straddle of two months": ("custom", [leg("buy", 200, CALL), leg("buy", 200, PUT, AUGUST)]),
    "butterfly": (
        "custom",
        [leg("buy", 200, CALL), leg("sell", 210, CALL, quantity=2), leg("buy", 220, CALL)],
    ),
    "condor": (
        "custom",
        [
            leg("buy", 190, PUT),
            leg("sell", 195, PUT),
            leg("sell", 205, CALL),
            leg("buy", 210, CALL),
        ],
    ),
}


@pytest.mark.parametrize(("name", "legs"), NAMED.values(), ids=NAMED)
def test_a_spread_is_called_by_its_legs_in_whatever_order(name, legs):
    assert {baskets.name(each) for each in permutations(legs)} == {name}
    assert name in SpreadName.values


@pytest.mark.parametrize(
    ("legs", "why"),
    [
        ([leg("buy", 200, CALL)], "2 to 4 legs"),
        ([leg("buy", 200 + n, CALL) for n in range(5)], "2 to 4 legs"),
        ([leg("buy", 200, CALL), leg("buy", 200, PUT, underlying="QQQ")], "one underlying"),
        ([leg("buy", 200, CALL, each) for each in (MAY, JULY, AUGUST)], "one expiry, or two"),
        ([leg("buy", 200, CALL), leg("sell", 200, CALL)], "once"),
        ([leg("buy", 200, CALL), leg("buy", 200, PUT, quantity="0.5")], "whole contracts"),
    ],
)
def test_what_is_no_spread_says_why(legs, why):
    with pytest.raises(ValueError, match=why):
        baskets.name(legs)


def test_a_ratio_is_in_lowest_terms():
    assert baskets.ratio([Decimal(10), Decimal(20), Decimal(10)]) == (1, 2, 1)
    assert baskets.ratio([Decimal(3), Decimal(2)]) == (3, 2)


@pytest.mark.parametrize("state", OrderState.values)
def test_legs_that_stand_alike_are_where_the_basket_stands(state):
    assert baskets.state([state] * 3, filled=False) == state


@pytest.mark.parametrize("one", OrderState.values)
@pytest.mark.parametrize("two", OrderState.values)
@pytest.mark.parametrize("filled", [True, False])
def test_any_two_states_make_one(one, two, filled):
    told = baskets.state([one, two], filled=filled)

    assert told in BasketState.values
    assert (told in OPEN) == bool({one, two} & OPEN)
    if one != two and {one, two} & OPEN:
        assert told == ("partially_filled" if filled else "accepted")
    elif one != two:
        assert told == "ended"


def test_no_orders_are_no_basket():
    with pytest.raises(ValueError, match="at least one"):
        baskets.state([], filled=False)
