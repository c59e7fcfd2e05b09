"""Eight threads do the same morning at once: every action changes bars and books once."""

from collections import Counter
from datetime import date
from decimal import Decimal

import pytest

from etftrader.core.records import AuditEvent
from etftrader.testing import services
from marketdata.models import CorporateAction, DailyBar
from marketdata.services import corporate_actions as market
from portfolios.models import CashTransaction, LedgerEntry, Position
from portfolios.selectors import holdings
from portfolios.services import corporate_actions, verification
from portfolios.tests.factories import (
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    fill,
    make_closes,
    make_instrument,
    make_portfolio,
)

FRIDAY = date(2016, 6, 24)


@pytest.mark.django_db(transaction=True)
def test_the_same_actions_by_eight_threads_are_booked_once():
    fund = make_instrument("AAA")
    make_closes(fund, {MONDAY: 100, TUESDAY: 101})
    books = [make_portfolio(name=f"Book {n}", cash=3000, allow_short=True) for n in range(6)]
    for number, portfolio in enumerate(books):
        fill(portfolio, fund, 5 if number % 2 else -3, 100)
    shared = {"instrument": fund, "ex_date": WEDNESDAY, "source": "csv"}
    CorporateAction.objects.create(kind="split", ratio=Decimal("1.5"), **shared)
    CorporateAction.objects.create(
        kind="dividend", amount=Decimal("0.5"), pay_date=FRIDAY, **shared
    )

    outcomes = services.storm(
        "portfolios.tests.action_storm:morning",
        processes=2,
        threads=4,
        arguments={"session_date": FRIDAY.isoformat()},
        environment=services.child_environment(ETF_PROCESS="worker"),
    )
    # a thread that came before the others had applied everything saw less: one more round
    market.apply_due(session_date=FRIDAY)
    last = corporate_actions.book_due(session_date=FRIDAY)["counts"]

    assert [each for each in outcomes if "error" in each] == []
    told = Counter(last)
    for each in outcomes:
        told.update(each["value"])
    # six fractions: 7.5 and -4.5
    expected = {"applied": 2, "splits": 6, "in_lieu": 6, "dividends": 6, "payments": 6}
    assert {name: told[name] for name in expected} == expected
    assert list(DailyBar.objects.order_by("session_date").values_list("close", "revision")) == [
        (Decimal("66.666667"), 1),
        (Decimal("67.333333"), 1),
    ]
    quantities = Position.objects.order_by("portfolio__name").values_list("quantity", flat=True)
    assert list(quantities) == [-4, 7, -4, 7, -4, 7]
    for number, portfolio in enumerate(books):
        book = holdings.book(portfolio_id=portfolio.pk)
        held, half = (Decimal(5), Decimal("0.5")) if number % 2 else (Decimal(-3), Decimal("-0.5"))
        lieu, income = half * Decimal("67.3333"), held * Decimal("0.5")
        assert book.cash == 3000 - held * 100 + lieu + income
        assert book.receivables == 0
        assert verification.verify(portfolio_id=portfolio.pk) == []
    # deposit, fill, split, fraction, dividend, payment
    assert LedgerEntry.objects.values("portfolio", "seq").distinct().count() == 6 * 6
    assert CashTransaction.objects.filter(type="dividend").count() == 6
    assert AuditEvent.objects.filter(action="corporate_action.split").count() == 6
    assert AuditEvent.objects.filter(action="corporate_action.applied").count() == 2
