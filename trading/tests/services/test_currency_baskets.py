"""Baskets, spreads and files in books that hold what is priced in another currency.

Seeded faults: a leg pays its own currency's number, what a sale brings is not converted for the
leg after it, a spread fills without a rate, a file's trade forgets the rate it was booked with.
"""

from decimal import Decimal

import pytest

from marketdata.services import contracts
from marketdata.tests.option_world import BY
from portfolios.models import Portfolio, Position
from portfolios.services import ledger, verification
from trading.models import Trade
from trading.selectors import baskets as read
from trading.tests import world
from trading.tests.services import test_baskets as plain
from trading.tests.services import test_imported_trades as files
from trading.tests.services import test_spreads as spreads
from trading.tests.services.test_currency_orders import LABELS, RATE, make_matrix, market
from trading.tests.world import buy, sell

__all__ = ["market"]
pytestmark = pytest.mark.django_db
D = Decimal


def cash(book):
    return Portfolio.objects.get(pk=book.pk).cash


@pytest.fixture
def book():
    made = world.make_portfolio(cash="1000")
    world.lift_var_limit(made)
    world.hold(made, "AAA", "100")
    return made


def test_a_sale_in_dollars_pays_for_euros_at_their_rate(book):
    # 12 x 99.98 - 1 come in; 20 x 100.02 + 1 would do in dollars and does not in euros
    refused = plain.place(book, sell("12"), buy("20", "DAX"), client_basket_id="much")
    assert (read.state(refused), read.reasons(refused)) == ("rejected", ["INSUFFICIENT_CASH"])

    made = plain.place(book, sell("12"), buy("17", "DAX"), client_basket_id="less")

    assert read.state(made) == "filled"
    assert cash(book) == 1000 + D("1198.76") - (17 * D("100.02") + 1) * RATE
    rates = dict(Trade.objects.values_list("instrument__symbol", "exchange_rate"))
    assert rates == {"AAA": None, "DAX": RATE}
    assert verification.verify(portfolio_id=book.pk) == []


def test_a_sale_in_euros_brings_what_they_are_worth(book):
    Portfolio.objects.filter(pk=book.pk).update(cash=0)
    ledger.book_opening(
        portfolio_id=book.pk,
        instrument=world.Instrument.objects.get(symbol="DAX"),
        quantity=D(10),
        price=D(100),
        session_date=world.YESTERDAY,
        source="test:dax",
        rate=RATE,
    )
    # 10 x 99.98 - 1 euros are 1,248.50 dollars: 24 of BBB, and 19 without the rate
    made = plain.place(book, sell("10", "DAX"), buy("24", "BBB"))
    assert read.state(made) == "filled"
    assert cash(book) == (10 * D("99.98") - 1) * RATE - (24 * D("50.01") + 1)


@pytest.fixture
def euros():
    """A book in euros that may be short, and American options."""
    contracts.ensure(symbols=[spreads.CALL, spreads.HIGHER], by=BY)
    world.ReplayClock.objects.update(
        playing=None, bar=0, as_of=world.calendar.close_time(world.YESTERDAY)
    )
    for symbol in (spreads.CALL, spreads.HIGHER):
        spreads.priced(symbol, world.YESTERDAY, *spreads.MIDDLES[symbol])
    made = world.make_portfolio(base_currency="EUR", allow_short=True)
    world.lift_var_limit(made)
    return made


def close():
    for symbol in (spreads.CALL, spreads.HIGHER):
        spreads.priced(symbol, world.TODAY, *spreads.MIDDLES[symbol])
    pair = world.Instrument.objects.get(symbol="EURUSD=X")
    world.make_bar(pair, world.TODAY, D("1.28"))
    return world.close_session()


def test_the_legs_of_a_spread_are_paid_at_the_rate_of_their_close(euros):
    made = spreads.vertical(euros)
    assert read.state(made) == "accepted"
    before = cash(euros)

    trades = spreads.fill(close())

    assert spreads.states(made) == ["filled", "filled"]
    rate = D("0.78125")  # a dollar at 1.28
    assert {each.exchange_rate for each in trades} == {rate}
    signs = {"buy": -1, "sell": 1}
    moved = sum(
        signs[each.side] * each.quantity * each.price * 100 - each.commission for each in trades
    )
    assert cash(euros) - before == pytest.approx(moved * rate, abs=D("0.00001"))
    assert verification.verify(portfolio_id=euros.pk) == []


def test_a_spread_is_judged_with_the_exchange_rate_of_its_options(euros):
    """A matrix without the pair measures none of it."""
    make_matrix(LABELS[:3])
    made = spreads.vertical(euros)
    assert (read.state(made), read.reasons(made)) == ("rejected", ["VAR_UNAVAILABLE"])


def test_a_file_s_trade_keeps_its_rate_and_gives_all_of_it_back(book):
    book.refresh_from_db()
    before = files.state(book)
    text = files.HEADER + "DAX,BUY,5,100,2016-06-22,2,15:00,B-9\n"

    batch = files.bring(book, text)

    trade = Trade.objects.get()
    assert (trade.currency, trade.exchange_rate, trade.commission) == ("EUR", RATE, D(2))
    held = Position.objects.get(portfolio=book, instrument__symbol="DAX")
    assert (held.cost_basis, held.fees) == (500 * RATE, 2 * RATE)
    assert cash(book) == 1000 - 502 * RATE
    assert verification.verify(portfolio_id=book.pk) == []
    files.undo(batch)
    assert files.state(book) == before
    assert Trade.objects.get(reverses=trade).exchange_rate == RATE
