"""The one writer of the books."""

from datetime import date
from decimal import Decimal

import pytest
from django.db import transaction
from django.db.utils import DatabaseError

from etftrader.core.errors import BadInput, Conflict, LimitBreached, NotFound
from etftrader.core.records import AuditEvent, OutboxEvent
from portfolios.models import CashTransaction, LedgerEntry, Portfolio, Position
from portfolios.services import reversals, verification
from portfolios.tests.factories import (
    HOUSE,
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    deposit,
    fill,
    make_instrument,
    make_portfolio,
    opening,
)

pytestmark = pytest.mark.django_db


def reread(portfolio: Portfolio) -> Portfolio:
    return Portfolio.objects.get(pk=portfolio.pk)


def position(portfolio, instrument) -> Position:
    return Position.objects.get(portfolio=portfolio, instrument=instrument)


def test_a_deposit_moves_cash_and_stands_on_two_balanced_legs():
    portfolio = make_portfolio()

    booking = deposit(portfolio, "1000.50")

    legs = list(portfolio.entries.order_by("leg").values_list("account", "amount", "currency"))
    assert legs == [
        ("cash", Decimal("1000.50"), "USD"),
        ("external", Decimal("-1000.50"), "USD"),
    ]
    assert reread(portfolio).cash == Decimal("1000.50")
    assert (booking.seq, booking.replayed) == (1, False)
    assert reread(portfolio).opened_on == MONDAY
    assert OutboxEvent.objects.filter(name="portfolios.positions_changed").count() == 1
    assert AuditEvent.objects.filter(chain=str(portfolio.pk)).count() == 1


def test_a_purchase_and_a_sale_by_hand():
    # 10 at 100 + 10 at 110: basis 2,100; selling 5 at 120 earns 5 x (120 - 105) = 75, fees apart
    portfolio, fund = make_portfolio(cash=5000), make_instrument()
    fill(portfolio, fund, 10, 100, fee=1)
    fill(portfolio, fund, 10, 110, fee=1)

    sale = fill(portfolio, fund, -5, 120, fee=1, session_date=TUESDAY)

    held = position(portfolio, fund)
    assert (held.quantity, held.cost_basis) == (15, 1575)
    assert held.realized_pnl == sale.realized_pnl == 75
    assert held.fees == 3
    assert reread(portfolio).cash == 5000 - 1000 - 1100 + 600 - 3
    assert verification.verify(portfolio_id=portfolio.pk) == []


def test_the_same_source_books_once_and_gives_the_first_answer():
    portfolio, fund = make_portfolio(cash=5000), make_instrument()
    fill(portfolio, fund, 10, 100)
    first = fill(portfolio, fund, -4, 125, source="trade:1")

    again = fill(portfolio, fund, -4, 125, source="trade:1")

    assert again.replayed
    assert (again.seq, again.hash) == (first.seq, first.hash)
    assert again.realized_pnl == first.realized_pnl == 100
    assert position(portfolio, fund).quantity == 6
    assert reread(portfolio).ledger_seq == 3


def test_cash_that_does_not_cover_leaves_everything_untouched():
    portfolio, fund = make_portfolio(cash=99), make_instrument()
    told = OutboxEvent.objects.count()

    with pytest.raises(LimitBreached) as refusal:
        fill(portfolio, fund, 1, 100)

    assert refusal.value.figures["reason"] == "INSUFFICIENT_CASH"
    assert refusal.value.figures["cash"] == "99.00"
    assert not Position.objects.filter(quantity__gt=0).exists()
    assert reread(portfolio).ledger_seq == 1
    assert OutboxEvent.objects.count() == told


def test_the_fee_counts_when_cash_is_tight():
    portfolio, fund = make_portfolio(cash=100), make_instrument()

    with pytest.raises(LimitBreached):
        fill(portfolio, fund, 1, 100, fee="0.01")

    fill(portfolio, fund, 1, 100)
    assert reread(portfolio).cash == 0


def test_a_sell_of_more_than_held_is_refused():
    portfolio, fund = make_portfolio(cash=1000), make_instrument()
    fill(portfolio, fund, 7, 100)

    with pytest.raises(LimitBreached) as refusal:
        fill(portfolio, fund, -8, 100)

    assert refusal.value.figures == {"reason": "OVERSELL", "held": "7.00"}
    assert position(portfolio, fund).quantity == 7


def test_a_flip_realises_the_closed_part_only():
    # long 10 at 100, sell 15 at 90: closed 10 x (90 - 100) = -100; 5 short at 90
    portfolio, fund = make_portfolio(cash=1000, allow_short=True), make_instrument()
    fill(portfolio, fund, 10, 100)

    sale = fill(portfolio, fund, -15, 90)

    held = position(portfolio, fund)
    assert sale.realized_pnl == -100
    assert (held.quantity, held.cost_basis) == (-5, -450)
    assert verification.verify(portfolio_id=portfolio.pk) == []


def test_a_short_brought_in_may_be_covered_but_not_enlarged():
    portfolio, fund = make_portfolio(cash=1000), make_instrument()
    opening(portfolio, fund, -10, 50)

    fill(portfolio, fund, 4, 40)
    with pytest.raises(LimitBreached):
        fill(portfolio, fund, -1, 40)

    assert position(portfolio, fund).quantity == -6
    assert verification.verify(portfolio_id=portfolio.pk) == []


def test_an_opening_is_a_flow_of_its_value_and_moves_no_cash():
    portfolio, fund = make_portfolio(), make_instrument()

    opening(portfolio, fund, 10, "21.50")

    external = portfolio.entries.get(account="external")
    assert external.amount == -215
    assert reread(portfolio).cash == 0
    assert not CashTransaction.objects.exists()


def test_an_opening_may_bring_in_history_but_a_fill_may_not():
    portfolio, fund = make_portfolio(cash=1000, session_date=WEDNESDAY), make_instrument()

    opening(portfolio, fund, 10, 20, session_date=MONDAY)
    with pytest.raises(Conflict) as refusal:
        fill(portfolio, fund, 1, 20, session_date=TUESDAY)

    assert refusal.value.code == "session_is_past"
    assert reread(portfolio).opened_on == MONDAY


def test_a_halted_portfolio_refuses_trades_and_takes_corrections():
    portfolio, fund = make_portfolio(cash=1000), make_instrument()
    fill(portfolio, fund, 1, 100, source="trade:x")
    Portfolio.objects.filter(pk=portfolio.pk).update(state="halted")

    with pytest.raises(Conflict):
        fill(portfolio, fund, 2, 100)
    reversals.reverse(portfolio_id=portfolio.pk, source="trade:x", reason="wrong", by=HOUSE)

    assert position(portfolio, fund).quantity == 0
    assert reread(portfolio).cash == 1000


def test_a_reversal_leaves_the_state_as_if_the_booking_had_never_been():
    # 10 at 100, then 10 at 200 reversed: basis again 1,000, nothing realised
    portfolio, fund = make_portfolio(cash=5000), make_instrument()
    fill(portfolio, fund, 10, 100)
    fill(portfolio, fund, 10, 200, fee=5, source="trade:x")

    reversals.reverse(portfolio_id=portfolio.pk, source="trade:x", reason="bust", by=HOUSE)

    held = position(portfolio, fund)
    assert (held.quantity, held.cost_basis, held.realized_pnl) == (10, 1000, 0)
    assert held.fees == 0
    assert reread(portfolio).cash == 4000
    assert verification.verify(portfolio_id=portfolio.pk) == []


def test_a_reversed_deposit_has_a_paper_that_points_at_the_first():
    portfolio = make_portfolio()
    deposit(portfolio, 50, source="d:1")

    reversals.reverse(portfolio_id=portfolio.pk, source="d:1", reason="typing error", by=HOUSE)
    reversals.reverse(portfolio_id=portfolio.pk, source="d:1", reason="typing error", by=HOUSE)

    first, second = CashTransaction.objects.order_by("ledger_seq")
    assert second.reverses == first
    assert second.amount == -50
    assert reread(portfolio).cash == 0


def test_a_deposit_that_was_spent_cannot_be_reversed():
    portfolio, fund = make_portfolio(cash=100), make_instrument()
    fill(portfolio, fund, 1, 60)

    with pytest.raises(Conflict, match="spent"):
        reversals.reverse(portfolio_id=portfolio.pk, source="test:cash", reason="x", by=HOUSE)

    assert reread(portfolio).ledger_seq == 2


def test_a_booking_that_is_not_there_cannot_be_reversed():
    with pytest.raises(NotFound):
        reversals.reverse(portfolio_id=make_portfolio().pk, source="no", reason="x", by=HOUSE)


@pytest.mark.parametrize("amount", ["0", "0.0000001", "9300000000000"])
def test_amounts_that_cannot_be_kept_exactly_are_refused(amount):
    portfolio = make_portfolio()

    with pytest.raises(BadInput):
        deposit(portfolio, amount)

    assert not LedgerEntry.objects.exists()


def test_rows_of_the_ledger_can_neither_be_changed_nor_deleted():
    portfolio = make_portfolio(cash=10)

    for act in (
        lambda: LedgerEntry.objects.filter(portfolio=portfolio).update(amount=Decimal(1)),
        lambda: LedgerEntry.objects.filter(portfolio=portfolio).delete(),
        lambda: CashTransaction.objects.all().delete(),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            act()


def test_each_booking_names_the_hash_of_the_one_before():
    portfolio = make_portfolio(cash=10)
    deposit(portfolio, 5, session_date=date(2016, 6, 21), source="d:2")

    rows = list(portfolio.entries.order_by("seq", "leg").values_list("previous_hash", "hash"))

    assert rows[0][0] == "0" * 64
    assert rows[2][0] == rows[0][1] == rows[1][1]
    assert reread(portfolio).ledger_hash == rows[-1][1]
