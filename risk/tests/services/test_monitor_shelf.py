"""What a bar costs while prices are missing or in doubt, and how soon their end is seen."""

from datetime import timedelta
from decimal import Decimal

import pytest

from etftrader.core import clock
from marketdata.models import DailyBar, Instrument, OptionQuote, QuarantinedPrice
from marketdata.services import contracts, instruments, nightly_greeks, price_gate
from marketdata.tests.option_world import BY
from portfolios.models import Portfolio
from portfolios.services import ledger
from portfolios.tests import factories
from risk.services.monitor_shelf import ASK_AGAIN, Shelf
from risk.tests.factories import START
from risk.tests.services.test_monitor import moment_of
from risk.tests.services.test_option_risk import CALL, stage, staged

pytestmark = pytest.mark.django_db
assert stage  # the fixtures of the options' own tests: a book of them
assert staged


@pytest.fixture
def book():
    factories.make_clock(START)
    return factories.make_portfolio(cash=100_000)


def refreshed(shelf, bar):
    heads = dict(Portfolio.objects.values_list("pk", "ledger_seq"))
    shelf.refresh(heads, moment_of(bar))


def doubted(fund, value="60.0"):
    """Another source's close of the session, held back."""
    return QuarantinedPrice.objects.create(
        instrument=fund, symbol=fund.symbol, dataset="daily_bars", session_date=START,
        source="csv", raw={"close": value}, value=value, reason="sources_differ",
    )  # fmt: skip


def a_minute_later(monkeypatch):
    later = clock.now() + ASK_AGAIN + timedelta(seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)


@pytest.mark.parametrize("many", [2, 9])
def test_names_without_a_price_cost_one_query_a_bar_until_one_comes(
    book, many, django_assert_num_queries
):
    for number in range(many):
        factories.opening(book, factories.make_instrument(f"P{number}"), 1, 100)
    private = instruments.create_private(
        owner_id=book.pk, symbol="PRIVATE-FUND", name="Private fund"
    )
    factories.opening(book, private, 1, 100)
    shelf = Shelf()
    refreshed(shelf, 1)

    for bar in (2, 3):
        with django_assert_num_queries(2):  # the heads, and whether a price came
            refreshed(shelf, bar)

    factories.make_closes(Instrument.objects.get(symbol="P1"), {START: 55})
    instruments.value_manually(instrument=private, session_date=START, price=Decimal(70))
    refreshed(shelf, 4)
    found = {symbol: mark.price for symbol, mark in shelf.closes.items()}
    assert (found["P0"], found["P1"], found["PRIVATE-FUND"]) == (None, 55, 70)


def test_a_price_in_doubt_is_asked_about_once_the_doubt_is_settled(book, django_assert_num_queries):
    fund = factories.make_instrument("AAA")
    factories.make_closes(fund, {START: 50})
    factories.opening(book, fund, 1, 50)
    doubt = doubted(fund)
    shelf = Shelf()
    for bar in (1, 2):
        refreshed(shelf, bar)
    assert shelf.closes["AAA"].price_class == "suspect"

    for bar in (3, 4):
        with django_assert_num_queries(2):  # the heads, and what waits for a person
            refreshed(shelf, bar)

    price_gate.reject(doubt_id=doubt.pk, by=factories.HOUSE)
    refreshed(shelf, 5)
    assert shelf.closes["AAA"].price_class == "eod"


def test_what_no_doubt_tells_of_is_seen_within_a_minute(book, monkeypatch):
    fund = factories.make_instrument("AAA")
    factories.make_closes(fund, {START: 50})
    factories.opening(book, fund, 1, 50)
    doubted(fund)
    shelf = Shelf()
    for bar in (1, 2):
        refreshed(shelf, bar)
    # the source corrects itself: the two agree
    DailyBar.objects.filter(instrument=fund).update(close=Decimal(60))

    refreshed(shelf, 3)
    assert shelf.closes["AAA"].price_class == "suspect"
    a_minute_later(monkeypatch)
    refreshed(shelf, 4)

    mark = shelf.closes["AAA"]
    assert (mark.price, mark.price_class) == (60, "eod")


def test_an_option_without_a_value_leaves_the_valuation_of_the_others_alone(
    stage, monkeypatch, django_assert_num_queries
):
    portfolio, _ = stage
    symbol = "SPY160916P00191000"
    [made] = contracts.ensure(symbols=[symbol], by=BY).contracts.values()
    OptionQuote.objects.filter(contract=made).delete()
    ledger.book_opening(
        portfolio_id=portfolio.pk, instrument=made.instrument, quantity=Decimal(10),
        price=Decimal(2), session_date=START, source=f"test:{symbol}",
    )  # fmt: skip
    shelf = Shelf()
    refreshed(shelf, 1)
    built = shelf.options
    assert shelf.closes[symbol].price is None
    refreshed(shelf, 2)

    with django_assert_num_queries(2):
        refreshed(shelf, 3)
    a_minute_later(monkeypatch)
    refreshed(shelf, 4)
    assert shelf.options is built

    nightly_greeks.run(session_date=START, held=[made.instrument_id])
    a_minute_later(monkeypatch)
    refreshed(shelf, 5)

    assert shelf.closes[symbol].price > 0
    assert {made.instrument_id, Instrument.objects.get(symbol=CALL).pk} <= set(
        shelf.options.contracts
    )
