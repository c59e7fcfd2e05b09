"""Lots against the holding they tell: by hand, and after any sequence."""

from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etftrader.core.money import to_money
from portfolios.calculations import postings
from portfolios.calculations.lots import ClosedLot, Lot, Method, lots
from portfolios.calculations.postings import Leg, Posting

KEY = UUID(int=1)
FIRST = date(2016, 6, 20)
ZERO = Decimal(0)


def posting(seq: int, units, price=None, *, day: int = 0, kind: str = "fill", carried=0) -> Posting:
    units, carried = Decimal(str(units)), Decimal(str(carried))
    legs = [Leg("holding", KEY, units), Leg("market", KEY, -units)]
    if price is not None:
        legs.append(Leg("market", None, to_money(units * Decimal(str(price)))))
    legs.append(Leg("carried", None, carried))
    when = FIRST + timedelta(days=day)
    return Posting(seq, kind, f"s:{seq}", when, "", tuple(legs))


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


# 10 at 100, 10 at 120, sell 15 at 130 on day 5, five left
BOUGHT = [posting(1, 10, 100), posting(2, 10, 120, day=2), posting(3, -15, 130, day=5)]


def test_first_in_first_out_by_hand():
    found = lots(BOUGHT)

    assert found.open == [Lot(day(2), Decimal(5), Decimal(600))]
    assert found.closed == [
        ClosedLot(day(0), day(5), Decimal(10), Decimal(1000), Decimal(1300)),
        ClosedLot(day(2), day(5), Decimal(5), Decimal(600), Decimal(650)),
    ]
    assert [(each.realized, each.days) for each in found.closed] == [(300, 5), (50, 3)]


def test_the_average_by_hand():
    # 20 for 2,200: 15 of them cost 1,650 and bring 1,950
    found = lots(BOUGHT, method=Method.AVERAGE)

    assert found.open == [Lot(day(2), Decimal(5), Decimal(550))]
    assert [each.cost for each in found.closed] == [1100, 550]
    assert sum(each.realized for each in found.closed) == 300


@pytest.mark.parametrize("method", Method)
def test_a_flip_closes_everything_and_opens_the_rest(method):
    found = lots([*BOUGHT, posting(4, -8, 110, day=6)], method=method)

    assert found.open == [Lot(day(6), Decimal(-3), Decimal(-330))]
    assert sum(each.realized for each in found.closed) == 1950 + 550 - 2200


def test_a_short_is_closed_by_what_is_bought():
    found = lots([posting(1, -10, 50), posting(2, 4, 40, day=9)])

    assert found.open == [Lot(day(0), Decimal(-6), Decimal(-300))]
    [closed] = found.closed
    assert (closed.quantity, closed.realized, closed.days) == (-4, 40, 9)


def test_a_split_keeps_days_and_cost():
    found = lots([*BOUGHT[:2], posting(3, 20, kind="split", day=3)])

    assert found.open == [
        Lot(day(0), Decimal(20), Decimal(1000)),
        Lot(day(2), Decimal(20), Decimal(1200)),
    ]


def test_what_was_taken_back_was_never_there():
    back = Posting(3, "reversal", "reversal:s:2", day(3), "", BOUGHT[1].legs, reverses="s:2")

    assert lots([*BOUGHT[:2], back]).open == [Lot(day(0), Decimal(10), Decimal(1000))]


def test_a_transfer_keeps_its_cost_and_what_it_had_gained_apart():
    found = lots([posting(1, 4, 100, kind="transfer", carried=120), posting(2, -4, 140, day=1)])

    assert found.carried == 120
    assert [each.realized for each in found.closed] == [160]


hundredths = st.integers(-30_000, 30_000).filter(bool).map(lambda number: Decimal(number) / 100)
prices = st.integers(1, 2_000_000).map(lambda number: Decimal(number) / 10_000)
events = st.lists(st.one_of(st.tuples(hundredths, prices), st.sampled_from([2, 3])), max_size=30)


@settings(max_examples=300, deadline=None)
@given(events, st.booleans())
def test_lots_are_the_holding_whatever_happened(sequence, to_the_end):
    bookings, held = [], ZERO
    for number, each in enumerate(sequence, start=1):
        if isinstance(each, int):
            if held:
                bookings.append(posting(number, held * (each - 1), kind="split", day=number))
                held *= each
        else:
            bookings.append(posting(number, each[0], each[1], day=number))
            held += each[0]
    if to_the_end and held:
        bookings.append(posting(99, -held, "12.5", day=99))
    holding = postings.fold(bookings, {}).holdings.get(KEY)
    if holding is None:
        return

    for method in Method:
        found = lots(bookings, method=method)
        cost = sum((each.cost for each in found.open), ZERO)
        earned = sum((each.realized for each in found.closed), ZERO)
        assert sum((each.quantity for each in found.open), ZERO) == holding.quantity
        assert earned - cost == holding.realized_pnl - holding.cost_basis
        assert all(each.quantity * holding.quantity > 0 for each in found.open)
        if method == Method.AVERAGE or not holding.quantity:
            assert (cost, earned) == (holding.cost_basis, holding.realized_pnl)
