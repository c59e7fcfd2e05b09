"""Closed lots of a tax year and income: figures worked out by hand, every way of writing them."""

import csv
import io
import json
from datetime import date
from decimal import Decimal

import pytest
from openpyxl import load_workbook
from pypdf import PdfReader

from etftrader.core import clock
from etftrader.core.actor import system
from etftrader.reports import writers
from etftrader.selectors import report_documents
from marketdata.models import CorporateAction, Instrument
from portfolios.choices import EntryKind
from portfolios.selectors import income
from portfolios.services import corporate_actions, ledger, reversals
from trading.tests import world

pytestmark = pytest.mark.django_db
BY = system("test")
LAST_YEAR, NEW_YEAR, SPRING = date(2015, 12, 30), date(2016, 1, 4), date(2016, 4, 1)


@pytest.fixture
def book():
    world.make_market(playing=False)
    made = world.make_portfolio(cash="0", allow_short=True)
    ledger.book_flow(
        portfolio_id=made.pk,
        amount=Decimal(100_000),
        session_date=LAST_YEAR,
        source="test:in",
        by=BY,
    )
    return made


def fill(book, symbol, quantity, price, day, fee="0"):
    return ledger.book_fill(
        portfolio_id=book.pk,
        instrument=Instrument.objects.get(symbol=symbol),
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee=Decimal(fee),
        source=f"test:{symbol}:{quantity}:{day}",
        session_date=day,
    )


def document(book, kind, start=None, end=world.YESTERDAY):
    return report_documents.document_of(portfolio=book, kind=kind, start=start, end=end)


def block(found, title):
    return next(each for each in found.blocks if each.title == title)


def figures(found, title):
    return {each.label: each.value for each in block(found, title).items}


@pytest.fixture
def traded(book):
    """100 at 100 and 50 at 110; 20 sold in the old year, 100 in the new; 10 sold short, 4 back."""
    ledger.book_cash(
        portfolio_id=book.pk, kind=EntryKind.INTEREST, amount=Decimal(7), session_date=LAST_YEAR,
        source="test:o", by=BY,
    )  # fmt: skip
    fill(book, "AAA", "100", "100", LAST_YEAR, "1")
    fill(book, "AAA", "-20", "101", date(2015, 12, 31), "1")
    fill(book, "AAA", "50", "110", NEW_YEAR, "2")
    fill(book, "BBB", "-10", "50", NEW_YEAR, "1")
    fill(book, "AAA", "-100", "120", SPRING, "3")
    fill(book, "BBB", "4", "45", SPRING, "1")
    return book


def test_the_lots_of_a_year_are_first_in_first_out(traded):
    found = document(traded, "tax_year")

    rows = block(found, "Closed lots").rows
    assert found.title == "Closed lots, 2016"
    assert found.start == date(2016, 1, 1)
    assert [tuple(row[:6]) for row in rows] == [
        ("AAA", "long", 80, LAST_YEAR, SPRING, 93),
        ("AAA", "long", 20, NEW_YEAR, SPRING, 88),
        ("BBB", "short", 4, NEW_YEAR, SPRING, 88),
    ]
    # proceeds, cost, gain: 80 at 120 for 100, 20 at 120 for 110, 4 sold at 50 bought back at 45
    assert [tuple(row[6:]) for row in rows] == [
        (9600, 8000, 1600),
        (2400, 2200, 200),
        (200, 180, 20),
    ]
    told = figures(found, "Realised")
    assert (told["Proceeds"], told["Cost"]) == (12_200, 10_380)
    assert told["Gain before commissions"] == 1_820
    assert (told["Commissions of the period"], told["Gain after them"]) == (7, 1_813)
    assert block(found, "By instrument").rows == (
        ("AAA", 12_000, 10_200, 1_800),
        ("BBB", 200, 180, 20),
    )


def test_a_lot_belongs_to_the_year_it_closed_in(traded):
    before = document(traded, "tax_year", end=date(2015, 12, 31))
    stretch = document(traded, "tax_year", start=date(2015, 12, 31), end=SPRING)

    assert [tuple(row[2:6]) for row in block(before, "Closed lots").rows] == [
        (20, LAST_YEAR, date(2015, 12, 31), 1)
    ]
    assert len(block(stretch, "Closed lots").rows) == 4
    assert stretch.title == "Closed lots, 2015-12-31 to 2016-04-01"


def test_what_was_not_yet_booked_at_the_end_is_not_told(traded):
    found = document(traded, "tax_year", end=date(2016, 3, 31))

    assert block(found, "Closed lots").rows == ()
    assert figures(found, "Realised")["Commissions of the period"] == 3


def test_the_lots_are_the_same_in_every_file(traded):
    found = document(traded, "tax_year")

    text = list(csv.reader(io.StringIO(writers.write(found, "csv").decode())))
    sheets = load_workbook(io.BytesIO(writers.write(found, "xlsx"))).worksheets
    told = json.loads(writers.write(found, "json"))
    paper = PdfReader(io.BytesIO(writers.write(found, "pdf")))

    lot = ["AAA", "long", "80.000000", "2015-12-30", "2016-04-01", "93",
           "9600.000000", "8000.000000", "1600.000000"]  # fmt: skip
    assert lot in text
    assert [cell.value for cell in sheets[2][2]][6:] == [9600, 8000, 1600]
    assert told["blocks"][1]["rows"][0][8] == "1600.000000"
    assert "$1,820.00" in "\n".join(each.extract_text() for each in paper.pages)


@pytest.fixture
def earning(traded):
    """Interest, some of it taken back, a tax and a fee, beside the commissions."""

    def cash(kind, amount, source):
        ledger.book_cash(
            portfolio_id=traded.pk, kind=EntryKind(kind), amount=Decimal(amount), session_date=SPRING,
            source=source, by=BY,
        )  # fmt: skip

    cash("interest", "12.50", "test:i")
    cash("interest", "99", "test:no")
    reversals.reverse(portfolio_id=traded.pk, source="test:no", reason="a mistake", by=BY)
    cash("tax", "5", "test:t")
    cash("fee", "2", "test:f")
    return traded


def test_income_is_what_came_in_without_selling(earning):
    found = document(earning, "income")

    told = figures(found, "Income")
    assert (told["Dividends"], told["Interest"], told["Income"]) == (
        0,
        Decimal("12.50"),
        Decimal("12.50"),
    )
    assert told["Costs"] == 14
    assert block(found, "Bookings").rows == ((SPRING, "interest", "", Decimal("12.50"), SPRING),)
    assert dict(block(found, "Costs of the period").rows) == {
        "Commissions": 7, "Fees": 2, "Taxes": 5
    }  # fmt: skip
    assert len(block(document(earning, "income", start=LAST_YEAR), "Bookings").rows) == 2


def test_a_dividend_counts_on_its_ex_date_and_says_when_it_was_paid(book):
    fill(book, "AAA", "100", "100", NEW_YEAR)
    fill(book, "BBB", "-10", "50", NEW_YEAR)
    for symbol, amount in (("AAA", "0.50"), ("BBB", "1")):
        CorporateAction.objects.create(
            instrument=Instrument.objects.get(symbol=symbol),
            kind="dividend",
            ex_date=date(2016, 3, 18),
            pay_date=SPRING if symbol == "AAA" else date(2016, 9, 1),
            amount=Decimal(amount),
            status="applied",
            source="test",
            applied_at=clock.now(),
        )
    corporate_actions.book_due(session_date=SPRING)

    found = income.of_portfolio(portfolio=book, start=date(2016, 1, 1), until=world.YESTERDAY)

    assert [(e.symbol, e.amount, e.session_date, e.paid_on) for e in found.earned] == [
        ("AAA", 50, date(2016, 3, 18), SPRING),
        ("BBB", -10, date(2016, 3, 18), None),
    ]
    told = figures(document(book, "income"), "Income")
    assert (told["Dividends"], told["Of it not yet paid"]) == (40, -10)


def test_income_needs_few_queries(earning, django_assert_max_num_queries):
    with django_assert_max_num_queries(3):
        income.of_portfolio(portfolio=earning, start=LAST_YEAR, until=world.YESTERDAY)
