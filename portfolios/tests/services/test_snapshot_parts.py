"""Snapshots taken again in parts: the ledger is read once, and noise is no revision."""

from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from marketdata.models import Instrument
from marketdata.selectors import calendar
from marketdata.tests.option_world import bars
from portfolios.models import LedgerEntry, Portfolio, PortfolioSnapshot
from portfolios.services import snapshots
from portfolios.tests import factories

pytestmark = pytest.mark.django_db
LAST = factories.WEDNESDAY
DAYS = calendar.between(calendar.previous(LAST, 9), LAST)


@pytest.fixture
def book() -> Portfolio:
    factories.make_clock(LAST)
    fund = factories.make_instrument("AAA")
    factories.make_closes(fund, {day: 100 + place for place, day in enumerate(DAYS)})
    made = factories.make_portfolio(cash=100_000, session_date=DAYS[0], opened_on=DAYS[0])
    factories.fill(made, fund, 100, 100, session_date=DAYS[0])
    snapshots.take_range(portfolio_ids=[made.pk], sessions=DAYS)
    return made


def retaken(book: Portfolio, place: int = 0) -> int:
    return snapshots.retake_in_parts(portfolio_id=book.pk, first=DAYS[place], at_once=3)


def readings(book: Portfolio) -> int:
    """How often its whole ledger is read."""
    with CaptureQueriesContext(connection) as seen:
        retaken(book)
    table = LedgerEntry._meta.db_table
    return sum(f'"{table}"."hash"' in each["sql"] for each in seen.captured_queries)


def figures(book: Portfolio) -> list[tuple[object, ...]]:
    rows = PortfolioSnapshot.objects.filter(portfolio=book).order_by("session_date")
    return list(rows.values_list("session_date", "nav", "cash", "fees", "daily_pnl", "ledger_seq"))


def test_the_ledger_is_read_once_for_all_parts(book: Portfolio) -> None:
    assert readings(book) == 1


def test_a_booking_that_passes_between_two_parts_is_in_those_after_it(
    book: Portfolio, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, seen = snapshots._retake_part, []
    bars(Instrument.objects.get(), [(DAYS[1], 90.0)])

    def with_a_booking(portfolio_id: UUID, *given: object) -> object:
        done = part(portfolio_id, *given)
        if not seen:
            factories.deposit(book, 500, session_date=DAYS[7], source="d:meanwhile")
        seen.append(done)
        return done

    monkeypatch.setattr(snapshots, "_retake_part", with_a_booking)
    retaken(book)

    assert len(seen) == 4
    after = figures(book)
    assert {row[0] for row in after if row[2] == Decimal(90_500)} == set(DAYS[7:])
    monkeypatch.undo()
    snapshots.retake(portfolio_id=book.pk, start=DAYS[0])
    assert [row[:-1] for row in figures(book)] == [row[:-1] for row in after]


@pytest.mark.parametrize(("factor", "changed"), [(1 + 4e-15, 0), (1 - 3e-14, 0), (1 + 1e-9, 9)])
def test_noise_in_an_index_revises_nothing_behind_it(
    book: Portfolio, factor: float, changed: int
) -> None:
    first = PortfolioSnapshot.objects.filter(portfolio=book, session_date=DAYS[0])
    first.update(twr_index=F("twr_index") * factor)

    assert retaken(book, 1) == changed


def test_money_is_compared_to_the_last_digit(book: Portfolio) -> None:
    row = PortfolioSnapshot.objects.filter(portfolio=book, session_date=DAYS[4])
    row.update(fees=Decimal("0.000001"))

    assert retaken(book) == 1
