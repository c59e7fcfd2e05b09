"""Dividends and splits that became known after units had gone to another book.

What is booked late must stand where it would have stood in time. Seeded faults: a split's units
stay in the book they left, their value is no flow, they go along at a cost, a price of before the
ex-date is taken for one of after it.
"""

from decimal import Decimal
from uuid import uuid4

import pytest

from etftrader.core.errors import Conflict
from marketdata.models import CorporateAction
from marketdata.services import corporate_actions as market
from portfolios.models import CashTransaction, PortfolioSnapshot, Position
from portfolios.services import corporate_actions, reversals, snapshots, transfers, verification
from portfolios.services.transfers import Act
from portfolios.tests.factories import (
    HOUSE,
    TUESDAY,
    WEDNESDAY,
    fill,
    make_closes,
    make_instrument,
    make_portfolio,
)
from portfolios.tests.services.test_corporate_actions import FRIDAY, THURSDAY, WEEK

pytestmark = pytest.mark.django_db


@pytest.fixture
def fund():
    """Four for one on Wednesday, at an unchanged value: 100, 101, 25.25, 26, 27."""
    found = make_instrument("AAA")
    make_closes(found, dict(zip(WEEK, (100, 101, "25.25", 26, 27), strict=True)))
    return found


def known(fund, **fields):
    values = {"kind": "split", "ex_date": WEDNESDAY, "source": "csv", "ratio": Decimal(4)}
    made = CorporateAction.objects.create(instrument=fund, **values | fields)
    market.apply(action=made)
    return CorporateAction.objects.select_related("instrument").get(pk=made.pk)


def dividend(fund, **fields):
    return known(fund, kind="dividend", ratio=None, amount=Decimal("0.50"), **fields)


def booked(action, day=FRIDAY, books=None):
    return corporate_actions.apply(action=action, session_date=day, portfolio_ids=books)


def moved(origin, target, fund, units, price, day=THURSDAY):
    return transfers.of_holding(
        origin_id=origin.pk,
        target_id=target.pk,
        instrument=fund,
        quantity=Decimal(str(units)),
        price=Decimal(str(price)),
        act=Act(day, HOUSE, "tidying up", uuid4()),
    )


def two(fund, units=10, **fields):
    made = [make_portfolio(name=name, cash=2000, **fields) for name in ("From", "To")]
    fill(made[0], fund, units, 100)
    return made


def held(portfolio, fund):
    row = Position.objects.get(portfolio=portfolio, instrument=fund)
    return row.quantity, row.cost_basis, row.realized_pnl


def take(days, *books):
    for day in days:
        snapshots.take(portfolio_ids=[each.pk for each in books], session_date=day)


def days_of(portfolio):
    rows = PortfolioSnapshot.objects.filter(portfolio=portfolio).order_by("session_date")
    return [
        (row.session_date, row.nav, row.flows, row.daily_pnl, round(row.twr_index, 12))
        for row in rows
    ]


def sound(*books):
    gaps = PortfolioSnapshot.objects.filter(portfolio__in=books).values_list("identity_gap")
    assert set(gaps) <= {(0,)}
    return [each for book in books for each in verification.verify(portfolio_id=book.pk)] == []


def in_time(fund, units, price):
    """The same week with the split known on its day: days and holdings of both books."""
    books = two(fund)
    take(WEEK[:2], *books)
    booked(known(fund), WEDNESDAY)
    take([WEDNESDAY], *books)
    moved(*books, fund, units, price)
    take([THURSDAY, FRIDAY], *books)
    return [(held(each, fund), days_of(each)) for each in books]


@pytest.mark.parametrize(("units", "all_of_it"), [(4, 16), (10, 40)])
def test_a_split_known_after_a_transfer_stands_where_it_would_have_in_time(fund, units, all_of_it):
    origin, target = two(fund)
    take(WEEK[:3], origin, target)
    moved(origin, target, fund, units, 26)
    take([THURSDAY], origin, target)

    assert booked(known(fund))["counts"]["splits"] == 1

    take([FRIDAY], origin, target)
    late = [(held(each, fund), days_of(each)) for each in (origin, target)]
    assert late[1][0] == (all_of_it, units * 100, -(all_of_it * 26 - units * 100))
    assert sound(origin, target)
    other = make_instrument("BBB")
    make_closes(other, dict(zip(WEEK, (100, 101, "25.25", 26, 27), strict=True)))
    assert late == in_time(other, all_of_it, 26)
    booked(CorporateAction.objects.get(instrument=fund))
    assert [held(each, fund) for each in (origin, target)] == [each for each, _ in late]


def test_a_split_known_before_a_transfer_moves_nothing_of_its_own(fund):
    origin, target = two(fund)
    booked(known(fund), THURSDAY)

    moved(origin, target, fund, 16, 26)
    booked(CorporateAction.objects.get())

    assert held(origin, fund) == (24, 600, 16)
    assert held(target, fund) == (16, 400, -16)
    assert sound(origin, target)


def test_what_went_at_a_price_of_before_the_split_went_at_its_whole_value(fund):
    # nobody had seen a price since: 4 at 101 are 16 at 25.25
    origin, target = two(fund)
    moved(origin, target, fund, 4, 101, WEDNESDAY)

    booked(known(fund))
    take([TUESDAY, WEDNESDAY], origin, target)

    assert held(origin, fund) == (24, 600, 4)
    assert held(target, fund) == (16, 400, -4)
    rows = PortfolioSnapshot.objects.filter(session_date=WEDNESDAY).order_by("flows")
    assert [(each.flows, each.daily_pnl) for each in rows] == [(-404, 0), (404, 0)]
    assert sound(origin, target)


def test_units_that_went_on_and_back_take_their_part_along(fund):
    origin, second = two(fund, whole_shares=False)
    third = make_portfolio(name="Third", cash=1, whole_shares=False)
    fill(second, fund, 2, 100)
    moved(origin, second, fund, 8, 26)
    moved(second, third, fund, 5, 26)
    moved(third, origin, fund, 1, 26, FRIDAY)
    fill(third, fund, -4, 27, session_date=FRIDAY)

    booked(known(fund))

    # of 10 and 2 at the ex-date: 3 here, 5 there, 4 there; four new ones of the last are sold
    assert [held(each, fund)[0] for each in (origin, second, third)] == [12, 20, 12]
    assert sound(origin, second, third)


def test_a_fraction_is_paid_where_the_split_was_counted(fund):
    make_closes(make_instrument("CCC"), dict.fromkeys(WEEK, 30))
    fund = make_instrument("CCC")
    origin, target = two(fund, units=5)
    moved(origin, target, fund, 3, 30)

    counts = booked(known(fund, ratio=Decimal("1.5")))["counts"]

    # 7.5 in all, of them 4.5 gone: four whole ones, and the half is paid with the rest
    assert [held(each, fund)[0] for each in (origin, target)] == [3, 4]
    assert counts["in_lieu"] == 1
    assert sound(origin, target)


def test_a_short_takes_its_part_along(fund):
    origin, target = two(fund, units=-10, allow_short=True)
    moved(origin, target, fund, 4, 26)

    booked(known(fund))

    assert held(origin, fund) == (-24, -600, -16)
    assert held(target, fund) == (-16, -400, 16)
    assert sound(origin, target)


def test_a_transfer_taken_back_before_took_nothing_and_after_it_stays(fund):
    origin, target = two(fund)
    gone, stays = (moved(origin, target, fund, units, 26) for units in (4, 2))
    for row in (stays, gone):
        reversals.reverse(
            portfolio_id=origin.pk, source=f"transfer:{row.pk}", reason="wrong", by=HOUSE
        )
    stays = moved(origin, target, fund, 2, 26)

    booked(known(fund))

    assert [held(each, fund)[0] for each in (origin, target)] == [32, 8]
    for side in (origin, target):
        with pytest.raises(Conflict, match="dividend or split"):
            reversals.reverse(
                portfolio_id=side.pk, source=f"transfer:{stays.pk}", reason="wrong", by=HOUSE
            )
    assert sound(origin, target)


def test_a_dividend_belongs_to_the_book_that_held_at_the_ex_date_in_either_order(fund):
    origin, target = two(fund)
    moved(origin, target, fund, 3, 101, TUESDAY)  # before the ex-date: theirs
    moved(origin, target, fund, 4, 26, THURSDAY)  # after it: ours
    late = dividend(fund)

    booked(late)

    def papers(book):
        rows = CashTransaction.objects.filter(portfolio=book, type="dividend")
        return list(rows.values_list("amount", flat=True))

    assert (papers(origin), papers(target)) == ([Decimal("3.5")], [Decimal("1.5")])
    moved(target, origin, fund, 7, 27, FRIDAY)
    booked(late)
    assert (papers(origin), papers(target)) == ([Decimal("3.5")], [Decimal("1.5")])
    assert sound(origin, target)


def test_a_dividend_counts_the_units_that_a_late_split_brought_along(fund):
    origin, target = two(fund)
    moved(origin, target, fund, 4, 26)
    booked(known(fund))

    booked(dividend(fund, ex_date=FRIDAY))

    rows = CashTransaction.objects.filter(type="dividend").order_by("amount")
    assert [(row.portfolio_id, row.amount) for row in rows] == [(target.pk, 8), (origin.pk, 12)]
    assert sound(origin, target)


def test_units_that_follow_are_worth_what_the_transfers_rate_makes_of_them(fund):
    """A fund in pounds in books of dollars: every amount at the rate of its booking."""
    type(fund).objects.filter(pk=fund.pk).update(currency="GBP")
    fund.refresh_from_db()
    pair = make_instrument("GBPUSD=X", kind="fx")
    make_closes(pair, dict.fromkeys(WEEK, "1.5"))
    origin, target = (make_portfolio(name=name, cash=2000) for name in ("From", "To"))
    fill(origin, fund, 10, 100, rate="1.5")
    take(WEEK[:3], origin, target)
    transfers.of_holding(
        origin_id=origin.pk,
        target_id=target.pk,
        instrument=fund,
        quantity=Decimal(4),
        price=Decimal(26),
        rate=Decimal("1.5"),
        act=Act(THURSDAY, HOUSE, "tidying up", uuid4()),
    )
    take([THURSDAY], origin, target)

    assert booked(known(fund))["counts"]["splits"] == 1

    take([FRIDAY], origin, target)
    cost = 400 * Decimal("1.5")
    assert held(target, fund) == (16, cost, -(16 * 26 * Decimal("1.5") - cost))
    flows = dict(
        PortfolioSnapshot.objects.filter(portfolio=target).values_list("session_date", "flows")
    )
    assert flows[THURSDAY] == 16 * 26 * Decimal("1.5")
    assert sound(origin, target)
