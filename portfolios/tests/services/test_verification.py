"""The check of the books: what was tampered with is found at its number, and trading stops."""

import io
import json
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection

from etftrader.core import triggers
from etftrader.core.records import AuditEvent
from portfolios.models import LedgerEntry, Portfolio, Position
from portfolios.services import verification
from portfolios.tests.factories import (
    MONDAY,
    deposit,
    fill,
    make_instrument,
    make_portfolio,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def unguarded():
    """The ledger without its triggers: somebody got past them."""
    tables = ("portfolios_ledgerentry", "etftrader_auditevent")
    triggers.lift(connection, *tables)
    yield
    triggers.guard(connection, *tables)


def book():
    portfolio, fund = make_portfolio(cash=1000), make_instrument()
    fill(portfolio, fund, 3, 100)
    deposit(portfolio, 20, source="d:3")
    fill(portfolio, fund, -1, 110)
    return Portfolio.objects.get(pk=portfolio.pk)


def test_sound_books_have_no_problems():
    assert verification.verify(portfolio_id=book().pk) == []


@pytest.mark.parametrize(
    ("field", "value"), [("amount", Decimal("21")), ("reason", "bonus"), ("source", "d:9")]
)
def test_a_changed_leg_is_found_at_its_number(unguarded, field, value):
    portfolio = book()
    LedgerEntry.objects.filter(portfolio=portfolio, seq=3, leg=1).update(**{field: value})

    problems = verification.verify(portfolio_id=portfolio.pk)

    assert "booking 3 does not match its hash" in problems
    assert not any("booking 2" in each or "booking 4" in each for each in problems)


def test_a_deleted_booking_is_found(unguarded):
    portfolio = book()
    LedgerEntry.objects.filter(portfolio=portfolio, seq=3).delete()

    problems = verification.verify(portfolio_id=portfolio.pk)

    assert "booking 4 follows 2: numbers are missing" in problems


def test_a_changed_total_is_found_and_named():
    portfolio = book()
    Position.objects.filter(portfolio=portfolio).update(quantity=Decimal(5))
    Portfolio.objects.filter(pk=portfolio.pk).update(cash=Decimal(1))

    problems = verification.verify(portfolio_id=portfolio.pk)

    assert any(each.startswith("cash is 1") for each in problems)
    assert any("AAA: quantity is 5" in each for each in problems)


def test_a_changed_audit_line_is_found(unguarded):
    portfolio = book()
    AuditEvent.objects.filter(chain=str(portfolio.pk), seq=2).update(reason="other")

    problems = verification.verify(portfolio_id=portfolio.pk)

    assert problems == [f"audit chain {portfolio.pk}: line 2 does not fit its predecessor"]


def test_unsound_books_are_halted_with_an_audit_line_and_not_repaired():
    portfolio, other = book(), make_portfolio(name="Sound", cash=10)
    Portfolio.objects.filter(pk=portfolio.pk).update(cash=Decimal(1))

    unsound = verification.check_books(portfolio_ids=[portfolio.pk, other.pk], session_date=MONDAY)

    assert list(unsound) == [portfolio.pk]
    now = Portfolio.objects.get(pk=portfolio.pk)
    assert (now.state, now.cash) == ("halted", 1)
    assert Portfolio.objects.get(pk=other.pk).state == "active"
    assert AuditEvent.objects.filter(action="portfolio.halt").count() == 1


def test_a_halted_book_is_not_halted_again_every_night():
    portfolio = make_portfolio()
    first = verification.halt_unsound(portfolio_id=portfolio.pk, problems=["cash is off"])

    again = verification.halt_unsound(portfolio_id=portfolio.pk, problems=["cash is off"])

    assert again.version == first.version
    assert AuditEvent.objects.filter(action="portfolio.halt").count() == 1


def test_the_command_answers_one_where_something_is_wrong():
    portfolio = book()
    out = io.StringIO()
    call_command("ledger_verify", format="json", stdout=out)
    assert json.loads(out.getvalue())["unsound"] == 0

    Portfolio.objects.filter(pk=portfolio.pk).update(cash=Decimal(1))
    out = io.StringIO()
    with pytest.raises(SystemExit) as left:
        call_command("ledger_verify", portfolio=str(portfolio.pk), format="json", stdout=out)

    assert left.value.code == 1
    assert json.loads(out.getvalue())["portfolios"][0]["problems"]
