"""Corrections: any booking is taken back exactly, or refused with what rests on it.

Seeded faults: the basis stays, fees stay, a later sale goes short unseen, one side of two.
"""

from decimal import Decimal

import pytest

from etftrader.core.errors import BadInput, Conflict, NotFound
from etftrader.core.records import AuditEvent
from marketdata.models import CorporateAction
from portfolios.choices import EntryKind
from portfolios.models import CashTransaction, Portfolio, PortfolioSnapshot, Position
from portfolios.services import corporate_actions, ledger, reversals, snapshots, verification
from portfolios.tests.factories import (
    HOUSE,
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    deposit,
    fill,
    make_closes,
    make_instrument,
    make_portfolio,
    opening,
)

pytestmark = pytest.mark.django_db


def state(portfolio: Portfolio) -> tuple:
    rows = Position.objects.filter(portfolio=portfolio).order_by("instrument__symbol")
    held = rows.values_list("quantity", "cost_basis", "realized_pnl", "fees")
    return Portfolio.objects.get(pk=portfolio.pk).cash, [each for each in held if any(each)]


def back(portfolio: Portfolio, source: str, **more) -> object:
    return reversals.reverse(
        portfolio_id=portfolio.pk, source=source, reason="wrong", by=HOUSE, **more
    )


@pytest.mark.parametrize("quantity", [5, -3, -10, -14])
def test_a_fill_taken_back_leaves_everything_as_before(quantity):
    portfolio, fund = make_portfolio(cash=9000, allow_short=True), make_instrument()
    fill(portfolio, fund, 10, 100, fee=2)
    before = state(portfolio)
    made = fill(portfolio, fund, quantity, 130, fee=3, source="trade:x")

    done = back(portfolio, "trade:x")

    assert state(portfolio) == before
    assert done.realized_pnl == -made.realized_pnl
    assert verification.verify(portfolio_id=portfolio.pk) == []
    assert back(portfolio, "trade:x").replayed


@pytest.mark.parametrize("kind", [each.value for each in ledger.AGAINST])
def test_cash_of_every_kind_is_taken_back(kind):
    portfolio = make_portfolio(cash=100)
    before = state(portfolio)
    ledger.book_cash(
        portfolio_id=portfolio.pk,
        kind=EntryKind(kind),
        amount=Decimal("12.34"),
        session_date=MONDAY,
        source="x",
        by=HOUSE,
    )
    assert verification.verify(portfolio_id=portfolio.pk) == []

    back(portfolio, "x")

    assert state(portfolio) == before
    paper = CashTransaction.objects.get(reverses__isnull=False)
    assert (paper.type, paper.reason) == (kind, "wrong")
    assert paper.amount == -paper.reverses.amount
    assert verification.verify(portfolio_id=portfolio.pk) == []


def test_what_was_sold_later_keeps_its_purchase():
    # 10 bought, 8 sold, 20 bought: today enough is held, but the sale had nothing to sell
    portfolio, fund = make_portfolio(cash=9000), make_instrument()
    fill(portfolio, fund, 10, 100, source="trade:1")
    sale = fill(portfolio, fund, -8, 110, source="trade:2")
    fill(portfolio, fund, 20, 100, source="trade:3")
    before = state(portfolio)

    with pytest.raises(Conflict) as refusal:
        back(portfolio, "trade:1")

    assert refusal.value.code == "later_bookings"
    assert refusal.value.figures == {"seq": sale.seq, "source": "trade:2"}
    assert state(portfolio) == before
    back(portfolio, "trade:2")
    back(portfolio, "trade:1")
    assert Position.objects.get().quantity == 20
    assert verification.verify(portfolio_id=portfolio.pk) == []


def test_a_book_of_shorts_lets_a_purchase_go_below_its_sale():
    portfolio, fund = make_portfolio(cash=9000, allow_short=True), make_instrument()
    fill(portfolio, fund, 10, 100, source="trade:1")
    fill(portfolio, fund, -8, 110, source="trade:2")

    back(portfolio, "trade:1")

    # as if only the sale had been: short 8 at 110
    held = Position.objects.get()
    assert (held.quantity, held.cost_basis, held.realized_pnl) == (-8, -880, 0)
    assert verification.verify(portfolio_id=portfolio.pk) == []


def test_an_import_is_taken_back_at_once_with_what_rests_on_it():
    portfolio, fund, other = make_portfolio(cash=9000), make_instrument(), make_instrument("BBB")
    before = state(portfolio)
    opening(portfolio, fund, 10, 50, source="import:7:1")
    opening(portfolio, other, -4, 20, source="import:7:2")
    fill(portfolio, fund, -10, 60, source="import:7:3")
    lines = AuditEvent.objects.filter(chain=str(portfolio.pk)).count()

    made = reversals.reverse_many(
        portfolio_id=portfolio.pk,
        sources=["import:7:1", "import:7:2", "import:7:3"],
        reason="wrong file",
        by=HOUSE,
    )

    assert state(portfolio) == before
    assert [each.replayed for each in made] == [False] * 3
    assert AuditEvent.objects.filter(chain=str(portfolio.pk)).count() == lines + 1
    assert verification.verify(portfolio_id=portfolio.pk) == []


def test_all_or_none_are_taken_back():
    portfolio, fund = make_portfolio(cash=9000), make_instrument()
    fill(portfolio, fund, 10, 100, source="trade:1")
    fill(portfolio, fund, -8, 110, source="trade:2")
    deposit(portfolio, 5, source="d:1")
    before = state(portfolio)

    with pytest.raises(Conflict):
        reversals.reverse_many(
            portfolio_id=portfolio.pk, sources=["d:1", "trade:1"], reason="x", by=HOUSE
        )

    assert state(portfolio) == before
    assert verification.verify(portfolio_id=portfolio.pk) == []


def test_a_reversal_says_why_and_is_final():
    portfolio = make_portfolio(cash=100)

    with pytest.raises(BadInput):
        reversals.reverse(portfolio_id=portfolio.pk, source="test:cash", reason=" ", by=HOUSE)
    with pytest.raises(NotFound):
        back(portfolio, "never")
    back(portfolio, "test:cash")
    with pytest.raises(Conflict) as refusal:
        back(portfolio, "reversal:test:cash")
    assert refusal.value.code == "reversal_of_reversal"


def test_spent_cash_says_how_much_is_missing():
    portfolio, fund = make_portfolio(cash=100), make_instrument()
    fill(portfolio, fund, 1, 60)

    with pytest.raises(Conflict, match=r"60\.00") as refusal:
        back(portfolio, "test:cash")

    assert refusal.value.code == "cash_spent"
    assert (refusal.value.figures["cash"], refusal.value.figures["needed"]) == ("40.00", "100.00")


def test_nothing_is_corrected_in_a_closed_book():
    portfolio = make_portfolio(cash=100)
    Portfolio.objects.filter(pk=portfolio.pk).update(status="archived")

    with pytest.raises(Conflict) as refusal:
        back(portfolio, "test:cash")

    assert refusal.value.code == "portfolio_closed"


def test_a_split_does_not_grow_what_was_taken_back_that_morning():
    portfolio, fund = make_portfolio(cash=9000), make_instrument()
    fill(portfolio, fund, 10, 100, source="trade:1")
    back(portfolio, "trade:1", session_date=TUESDAY)
    action = CorporateAction.objects.create(
        instrument=fund,
        kind="split",
        ratio=Decimal(4),
        ex_date=TUESDAY,
        source="csv",
        status="applied",
    )

    done = corporate_actions.apply(action=action, session_date=TUESDAY)

    assert done["counts"]["splits"] == 0
    assert Position.objects.get().quantity == 0


def test_the_snapshots_it_overtakes_are_taken_again():
    portfolio, fund = make_portfolio(cash=1000), make_instrument()
    make_closes(fund, {MONDAY: 100, TUESDAY: 110})
    fill(portfolio, fund, 5, 100, session_date=TUESDAY, source="trade:1")
    for day in (MONDAY, TUESDAY):
        snapshots.take(portfolio_ids=[portfolio.pk], session_date=day)

    back(portfolio, "trade:1")

    row = PortfolioSnapshot.objects.get(session_date=TUESDAY)
    assert (row.nav, row.position_count, row.revision) == (1000, 0, 2)
    assert PortfolioSnapshot.objects.get(session_date=MONDAY).revision == 1


def test_the_payment_of_a_dividend_keeps_nobody_from_correcting_what_came_after_its_ex_date():
    portfolio, fund = make_portfolio(cash=9000), make_instrument()
    fill(portfolio, fund, 10, 100, source="trade:1")
    action = CorporateAction.objects.create(
        instrument=fund, kind="dividend", amount=Decimal(2), ex_date=TUESDAY,
        pay_date=WEDNESDAY, source="csv", status="applied",
    )  # fmt: skip
    corporate_actions.apply(action=action, session_date=TUESDAY)
    fill(portfolio, fund, 5, 100, session_date=TUESDAY, source="trade:2")
    corporate_actions.apply(action=action, session_date=WEDNESDAY)
    paid = Portfolio.objects.get().cash

    back(portfolio, "trade:2", session_date=WEDNESDAY)

    assert Portfolio.objects.get().cash == paid + 500
    with pytest.raises(Conflict) as refused:
        back(portfolio, "trade:1", session_date=WEDNESDAY)
    assert refused.value.code == "corporate_action_since"
