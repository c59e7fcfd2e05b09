"""Positions with options, trades and cash: what each kind of file books."""

from decimal import Decimal

import pytest

from etftrader.core.errors import Conflict, DomainError
from marketdata.models import Instrument, OptionContract
from portfolios.models import CashTransaction, LedgerEntry, Portfolio, Position
from portfolios.services import csv_import, verification
from portfolios.tests.factories import MONDAY, make_instrument, make_portfolio
from portfolios.tests.services.importing import (
    CASH,
    POSITIONS,
    TRADES,
    bring,
    check,
    codes,
    commit,
    verdicts,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def portfolio():
    make_instrument("SPY")
    for symbol in ("NFLX", "BRK-B"):
        make_instrument(symbol, kind="stock")
    return make_portfolio(cash=10_000, session_date=MONDAY)


def held(portfolio):
    rows = Position.objects.filter(portfolio=portfolio).exclude(quantity=0)
    return {row.instrument.symbol: row.quantity for row in rows}


def cash(portfolio):
    return Portfolio.objects.get(pk=portfolio.pk).cash


def test_options_are_made_from_their_symbols_and_cost_a_hundred_times_their_price(portfolio):
    text = (
        POSITIONS
        + "spy   160819c00212000,60,4.22,2016-06-21,\nSPY160819P00200000,-5,3,2016-06-21,\n"
    )

    batch = check(portfolio, text)
    assert not OptionContract.objects.exists()
    assert verdicts(batch) == ["new", "new"]
    commit(batch)

    call = Position.objects.get(instrument__symbol="SPY160819C00212000")
    assert (call.quantity, call.cost_basis) == (60, Decimal("25320"))
    assert held(portfolio)["SPY160819P00200000"] == -5
    assert verification.verify(portfolio_id=portfolio.pk) == []


@pytest.mark.parametrize("mark", "-./")
def test_a_share_class_is_one_instrument_however_it_is_written(portfolio, mark):
    bring(portfolio, POSITIONS + f"brk{mark}b,3,140,2016-06-20,\n")

    assert held(portfolio) == {"BRK-B": 3}


def test_a_class_known_with_a_point_is_found_too(portfolio):
    make_instrument("BF.B", kind="stock")

    batch = bring(portfolio, POSITIONS + "BF-B,3,140,2016-06-20,\n")

    assert batch.rows.get().parsed["ticker"] == "BF.B"


def test_what_is_held_is_updated_or_unchanged(portfolio):
    bring(portfolio, POSITIONS + "SPY,10,200,2016-06-20,\n")
    other = make_portfolio(name="Other")
    bring(other, POSITIONS + "SPY,10,200,2016-06-20,\n")
    rows = "SPY,10.0,200.00,2016-06-20,\nSPY,5,201,2016-06-21,\nNFLX,1,90,2016-06-20,\n"

    again = check(portfolio, POSITIONS + rows)
    assert verdicts(again) == ["duplicate", "update", "new"]
    # brought by another door, the same holding is no duplicate but stands there already
    Position.objects.filter(portfolio=other)
    other.imports.all()[0].rows.update(source="")
    same = check(other, POSITIONS + rows)
    assert verdicts(same) == ["unchanged", "update", "new"]
    done = commit(same)
    assert (done.result["booked"], done.result["skipped"]) == (2, 1)


def test_trades_are_fills_with_fees_in_the_order_of_their_dates(portfolio):
    rows = "SPY,SELL,4,210,2016-06-22,1\nSPY,BUY,10,200,2016-06-21,1.5\n"

    batch = bring(portfolio, TRADES + rows, kind="trades")

    assert verdicts(batch) == ["new", "new"]
    position = Position.objects.get(portfolio=portfolio, instrument__symbol="SPY")
    assert (position.quantity, position.realized_pnl, position.fees) == (6, 40, Decimal("2.5"))
    assert cash(portfolio) == Decimal("10000") - 2000 - Decimal("1.5") + 840 - 1
    sources = LedgerEntry.objects.filter(portfolio=portfolio, kind="fill").order_by("seq")
    of_rows = dict(batch.rows.values_list("source", "ordinal"))
    assert [of_rows[each] for each in dict.fromkeys(sources.values_list("source", flat=True))] == [
        3,
        2,
    ]
    assert batch.result["booked"] == 2
    assert verification.verify(portfolio_id=portfolio.pk) == []


@pytest.mark.parametrize(
    ("rows", "field", "code"),
    [
        ("SPY,BUY,100,200,2016-06-21,1\n", "quantity", "insufficient_cash"),
        ("SPY,SELL,1,200,2016-06-21,1\n", "quantity", "oversell"),
        ("SPY,BUY,1,200,2016-06-17,1\n", "trade_date", "session_is_past"),
        ("SPY,BUY,-1,200,2016-06-21,1\n", "side", "contradiction"),
    ],
)
def test_what_cash_holdings_and_books_do_not_allow_is_an_error_of_its_row(
    portfolio, rows, field, code
):
    batch = check(portfolio, TRADES + rows, kind="trades")

    assert verdicts(batch) == ["error"]
    assert (field, code) in codes(batch, 2)
    assert batch.counts["error"] == 1
    assert batch.totals["cash_after"] == batch.totals["cash_before"]


def test_a_refused_trade_moves_nothing_for_those_after_it(portfolio):
    rows = (
        "SPY,BUY,100,200,2016-06-21,1\nSPY,BUY,10,200,2016-06-21,1\nSPY,SELL,10,200,2016-06-22,1\n"
    )

    batch = check(portfolio, TRADES + rows, kind="trades")
    assert verdicts(batch) == ["error", "new", "new"]
    done = commit(batch, partial=True)

    assert done.result["booked"] == 2
    assert held(portfolio) == {}


def test_the_same_trades_again_change_nothing_and_a_reference_tells_twins_apart(portfolio):
    header = "ticker,quantity,price,trade_date,reference\n"
    rows = "SPY,1,200,2016-06-21,a\nSPY,1,200,2016-06-21,b\nSPY,1,200,2016-06-21,b\n"

    first = bring(portfolio, header + rows, kind="trades")
    again = bring(portfolio, header + rows, kind="trades")

    assert verdicts(first) == ["new", "new", "duplicate"]
    assert verdicts(again) == ["duplicate"] * 3
    assert again.result["booked"] == 0
    assert held(portfolio) == {"SPY": 2}


def test_cash_moves_by_its_type(portfolio):
    rows = (
        "2016-06-21,deposit,500,rent\n2016-06-21,withdrawal,100,boat\n2016-06-21,fee,4.5,\n"
        "2016-06-22,dividend,12.34,SPY\n2016-06-22,interest,1.25,\n"
    )

    batch = bring(portfolio, CASH + rows, kind="cash")

    assert verdicts(batch) == ["new"] * 5
    moved = Decimal("500") - 100 - Decimal("4.5") + Decimal("12.34") + Decimal("1.25")
    assert cash(portfolio) == 10_000 + moved
    papers = CashTransaction.objects.filter(portfolio=portfolio).order_by("ledger_seq")
    assert [row.type for row in papers][1:] == [
        "deposit",
        "withdrawal",
        "fee",
        "dividend",
        "interest",
    ]
    assert [row.external_flow for row in papers][1:] == [True, True, False, False, False]
    assert verification.verify(portfolio_id=portfolio.pk) == []


def test_more_cash_than_there_is_cannot_be_withdrawn(portfolio):
    rows = "2016-06-22,withdrawal,10000.01,\n2016-06-21,withdrawal,1,\n"

    batch = check(portfolio, CASH + rows, kind="cash")

    assert verdicts(batch) == ["error", "new"]
    assert codes(batch, 2) == [("amount", "insufficient_cash")]


def test_prices_are_left_to_operators(portfolio):
    with pytest.raises(DomainError) as refusal:
        check(portfolio, "date,symbol,close\n2016-06-21,SPY,1\n", kind="prices")

    assert (refusal.value.code, refusal.value.status) == ("prices_are_shared", 403)


def test_a_file_that_books_trades_into_a_halted_book_is_refused_whole(portfolio):
    batch = check(portfolio, TRADES + "SPY,BUY,1,200,2016-06-21,1\n", kind="trades")
    Portfolio.objects.filter(pk=portfolio.pk).update(state="halted")

    with pytest.raises(Conflict):
        commit(batch)

    assert held(portfolio) == {}
    batch.refresh_from_db()
    assert batch.status == "checked"


def test_an_instrument_that_went_away_since_the_check_is_refused_whole(portfolio):
    batch = check(portfolio, POSITIONS + "SPY,1,1,2016-06-20,\nNFLX,1,1,2016-06-20,\n")
    Instrument.objects.filter(symbol="NFLX").update(symbol="GONE")

    with pytest.raises(Conflict) as refusal:
        commit(batch)

    assert refusal.value.code == "instrument_gone"
    assert held(portfolio) == {}


@pytest.mark.parametrize("kind", ["positions", "trades", "cash"])
def test_templates_are_files_we_read(portfolio, kind):
    batch = check(make_portfolio(name="Empty"), csv_import.template(kind), kind=kind)

    assert not codes(batch, 2) or kind != "cash"
    assert (
        batch.dialect["columns"].keys()
        >= {"positions": {"ticker", "tags"}, "trades": {"fee"}, "cash": {"type"}}[kind]
    )
