"""Transfers between two books of one owner: nothing is made, nothing lost, no return changes.

Seeded faults: basis at market value, flow at cost, one side only, the gain counted twice.
"""

import uuid
from decimal import Decimal

import pytest

from etftrader.core.errors import BadInput, Conflict, LimitBreached, NotFound
from etftrader.core.records import AuditEvent
from portfolios.models import CashTransaction, Portfolio, PortfolioSnapshot, Position, Transfer
from portfolios.services import reversals, snapshots, transfers, verification
from portfolios.services.transfers import Act
from portfolios.tests.factories import (
    HOUSE,
    MONDAY,
    TUESDAY,
    fill,
    make_closes,
    make_instrument,
    make_portfolio,
    make_user,
    opening,
)

pytestmark = pytest.mark.django_db
NOW = Act(TUESDAY, HOUSE, "tidying up")


def two(**fields) -> tuple[Portfolio, Portfolio]:
    return (
        make_portfolio(name="From", cash=10_000, **fields),
        make_portfolio(name="To", cash=1_000, **fields),
    )


def sound(*books: Portfolio) -> bool:
    return all(verification.verify(portfolio_id=each.pk) == [] for each in books)


def units(origin, target, fund, quantity, price, act=NOW) -> Transfer:
    return transfers.of_holding(
        origin_id=origin.pk,
        target_id=target.pk,
        instrument=fund,
        quantity=Decimal(str(quantity)),
        price=None if price is None else Decimal(str(price)),
        act=act,
    )


def money(origin, target, amount, act=NOW) -> Transfer:
    return transfers.of_cash(
        origin_id=origin.pk, target_id=target.pk, amount=Decimal(str(amount)), act=act
    )


def held(portfolio, fund) -> tuple:
    row = Position.objects.get(portfolio=portfolio, instrument=fund)
    return row.quantity, row.cost_basis, row.realized_pnl


def test_cash_goes_over_with_a_paper_on_either_side():
    origin, target = two()

    row = money(origin, target, "250.50")

    origin.refresh_from_db()
    target.refresh_from_db()
    assert (origin.cash, target.cash) == (Decimal("9749.50"), Decimal("1250.50"))
    papers = CashTransaction.objects.filter(type="transfer").order_by("amount")
    assert [(each.amount, each.external_flow) for each in papers] == [
        (Decimal("-250.50"), True),
        (Decimal("250.50"), True),
    ]
    assert (row.origin_seq, row.target_seq) == (2, 2)
    assert AuditEvent.objects.filter(action__startswith="transfer.").count() == 2
    assert sound(origin, target)


def test_the_basis_goes_along_and_each_book_keeps_what_it_has_earned():
    # 10 at 100; at 130 four go over: 4 x 30 = 120 were earned here, whatever happens there
    origin, target = two()
    fund = make_instrument()
    fill(origin, fund, 10, 100)

    row = units(origin, target, fund, 4, 130)

    assert (row.amount, row.cost_basis) == (520, 400)
    assert held(origin, fund) == (6, 600, 120)
    assert held(target, fund) == (4, 400, -120)
    fill(target, fund, -4, 140, session_date=TUESDAY)
    # sold at 140 it has gained 40 since it came: 160 over its cost, 120 of them elsewhere
    assert held(target, fund) == (0, 0, 40)
    assert sound(origin, target)


def test_both_returns_are_what_they_would_be_without():
    origin, target = two()
    fund = make_instrument()
    make_closes(fund, {MONDAY: 100, TUESDAY: 120})
    fill(origin, fund, 50, 100)
    for each in (origin, target):
        snapshots.take(portfolio_ids=[each.pk], session_date=MONDAY)

    units(origin, target, fund, 30, 120)
    for each in (origin, target):
        snapshots.take(portfolio_ids=[each.pk], session_date=TUESDAY)

    left, right = (
        PortfolioSnapshot.objects.get(portfolio=each, session_date=TUESDAY)
        for each in (origin, target)
    )
    # 50 x 20 on 10,000 there; nothing was held here
    assert left.twr_index == pytest.approx(1.1)
    assert (left.daily_pnl, left.flows, left.identity_gap) == (1000, -3600, 0)
    assert right.twr_index == pytest.approx(1.0)
    assert (right.daily_pnl, right.flows, right.identity_gap) == (0, 3600, 0)
    assert left.nav + right.nav == 12_000
    line = right.positions.get()
    assert (line.daily_pnl, line.cost_basis, line.unrealized_pnl) == (0, 3000, 600)
    again = snapshots.take_range(portfolio_ids=[origin.pk, target.pk], sessions=[MONDAY, TUESDAY])
    assert {each.revision for each in again} == {1}


def test_a_short_goes_over_where_shorts_are_allowed():
    origin, target = two(allow_short=True)
    fund = make_instrument()
    fill(origin, fund, -10, 100)

    units(origin, target, fund, 10, 90)

    assert held(origin, fund) == (0, 0, 100)
    assert held(target, fund) == (-10, -1000, -100)
    assert sound(origin, target)


def test_taken_back_both_sides_are_as_before():
    origin, target = two()
    fund = make_instrument()
    fill(origin, fund, 10, 100)
    row = units(origin, target, fund, 4, 130)
    paid = money(target, origin, 500)

    reversals.reverse(
        portfolio_id=origin.pk, source=f"transfer:{paid.pk}", reason="wrong book", by=HOUSE
    )
    reversals.reverse(
        portfolio_id=target.pk, source=f"transfer:{row.pk}", reason="wrong book", by=HOUSE
    )

    origin.refresh_from_db()
    target.refresh_from_db()
    assert (origin.cash, target.cash) == (9000, 1000)
    assert held(origin, fund) == (10, 1000, 0)
    assert held(target, fund) == (0, 0, 0)
    assert sound(origin, target)


def test_a_transfer_sold_over_there_is_not_taken_back_here():
    origin, target = two()
    fund = make_instrument()
    fill(origin, fund, 10, 100, source="trade:1")
    row = units(origin, target, fund, 4, 130)
    fill(target, fund, -1, 130, session_date=TUESDAY)

    for book, source in ((origin, f"transfer:{row.pk}"), (origin, "trade:1")):
        with pytest.raises(Conflict) as refusal:
            reversals.reverse(portfolio_id=book.pk, source=source, reason="x", by=HOUSE)
        assert refusal.value.code == "later_bookings"

    assert held(origin, fund) == (6, 600, 120)
    assert sound(origin, target)


def test_the_same_id_moves_once():
    origin, target = two()
    act = Act(TUESDAY, HOUSE, transfer_id=uuid.uuid4())

    first, again = (money(origin, target, 100, act) for _ in range(2))

    assert first == again
    assert Transfer.objects.count() == 1
    origin.refresh_from_db()
    assert origin.cash == 9900


def test_what_cannot_go_over_is_refused_and_nothing_moves():
    origin, target = two()
    stranger = make_portfolio(name="Hers", owner=make_user("other@example.com"))
    fund, other = make_instrument(), make_instrument("BBB")
    fill(origin, fund, 10, 100)
    opening(target, fund, -3, 100)
    opening(origin, other, -2, 10)
    before = [Portfolio.objects.get(pk=each.pk).ledger_seq for each in (origin, target)]

    for act, kind, code in (
        (lambda: money(origin, origin, 5), BadInput, "validation_error"),
        (lambda: money(origin, target, 0), BadInput, "validation_error"),
        (lambda: money(origin, target, "0.001"), BadInput, "validation_error"),
        (lambda: money(origin, target, 10_001), LimitBreached, "limit_breached"),
        (lambda: money(origin, stranger, 5), Conflict, "other_owner"),
        (lambda: units(origin, target, fund, 11, 100), LimitBreached, "limit_breached"),
        (lambda: units(origin, target, fund, 1, 100), Conflict, "opposite_holding"),
        (lambda: units(origin, target, fund, 1, None), Conflict, "no_price"),
        (lambda: units(origin, target, fund, "0.5", 100), BadInput, "validation_error"),
        (lambda: units(origin, target, other, 1, 10), Conflict, "short_not_allowed"),
        (
            lambda: transfers.of_cash(
                origin_id=origin.pk, target_id=uuid.uuid4(), amount=Decimal(5), act=NOW
            ),
            NotFound,
            "not_found",
        ),
    ):
        with pytest.raises(kind) as refusal:
            act()
        assert refusal.value.code == code
    assert before == [Portfolio.objects.get(pk=each.pk).ledger_seq for each in (origin, target)]
    assert not Transfer.objects.exists()
