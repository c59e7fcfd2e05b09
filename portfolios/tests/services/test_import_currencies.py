"""Files of what is priced in another currency: amounts in its own, booked at each day's rate."""

from decimal import Decimal

import pytest

from marketdata.models import DailyBar, PriceSeries
from portfolios.models import Portfolio, Position
from portfolios.services import csv_export, verification
from portfolios.tests.factories import (
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    make_closes,
    make_instrument,
    make_portfolio,
)
from portfolios.tests.services.importing import bring, check, codes, verdicts

pytestmark = pytest.mark.django_db

POSITIONS = "ticker,quantity,entry_price,entry_date,currency\n"
TRADES = "ticker,side,quantity,price,trade_date,fee,currency\n"
CASH = "date,type,amount,currency\n"


@pytest.fixture
def book():
    make_instrument("DAX", currency="EUR")
    make_instrument("SPY")
    pair = make_instrument("EURUSD=X", kind="fx")
    make_closes(pair, {MONDAY: "1.10", TUESDAY: "1.20", WEDNESDAY: "1.15"})
    return make_portfolio(cash=10_000)


def test_positions_cost_what_they_cost_at_the_rate_of_their_day(book):
    batch = check(book, POSITIONS + "DAX,10,100,2016-06-20,EUR\nSPY,5,200,2016-06-21,USD\n")
    assert verdicts(batch) == ["new", "new"]
    assert batch.totals["cost"] == "2100.00"
    bring(book, POSITIONS + "DAX,10,100,2016-06-20,EUR\nDAX,10,100,2016-06-21,\n")
    assert Position.objects.get(instrument__symbol="DAX").cost_basis == 1_100 + 1_200
    assert verification.verify(portfolio_id=book.pk) == []


def test_trades_pay_price_and_fee_at_the_rate_of_their_day(book):
    batch = check(book, TRADES + "DAX,BUY,10,100,2016-06-21,5,EUR\n", kind="trades")
    assert batch.totals["cash_after"] == "8794.00"
    bring(book, TRADES + "DAX,BUY,10,100,2016-06-21,5,EUR\n", kind="trades")
    assert Portfolio.objects.get(pk=book.pk).cash == 10_000 - 1_200 - 6
    assert verification.verify(portfolio_id=book.pk) == []


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("positions", POSITIONS + "DAX,10,100,2016-06-20,USD\n"),
        ("trades", TRADES + "DAX,BUY,1,100,2016-06-21,0,USD\n"),
        ("cash", CASH + "2016-06-21,deposit,100,EUR\n"),
    ],
)
def test_another_currency_than_its_own_is_refused_by_row_and_cell(book, kind, text):
    batch = check(book, text, kind=kind)
    assert verdicts(batch) == ["error"]
    assert codes(batch, batch.rows.get().ordinal) == [("currency", "unsupported_currency")]


def test_without_a_rate_of_the_day_the_row_names_the_pair_to_bring_in(book):
    DailyBar.objects.filter(instrument__symbol="EURUSD=X").delete()
    PriceSeries.objects.filter(instrument__symbol="EURUSD=X").delete()
    batch = check(book, POSITIONS + "DAX,10,100,2016-06-20,EUR\n")
    [row] = batch.rows.all()
    assert codes(batch, row.ordinal) == [("currency", "no_exchange_rate")]
    assert "EURUSD=X" in row.messages[0]["hint"]


def test_an_exchange_rate_is_not_held(book):
    batch = check(book, POSITIONS + "EURUSD=X,10,1.1,2016-06-20,\n")
    assert ("ticker", "not_tradable") in codes(batch, batch.rows.get().ordinal)


def test_what_is_sent_out_comes_back_as_it_was(book):
    bring(book, POSITIONS + "DAX,10,100,2016-06-20,EUR\nSPY,5,200,2016-06-21,USD\n")
    sent = csv_export.positions_file(portfolio_id=book.pk)
    other = make_portfolio(name="Other")
    bring(other, sent)
    rows = Position.objects.order_by("instrument__symbol").values_list("quantity", "cost_basis")
    assert list(rows.filter(portfolio=other)) == list(rows.filter(portfolio=book))
    assert rows.filter(portfolio=other).first() == (Decimal(10), Decimal(1_100))
