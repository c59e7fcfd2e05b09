"""A chain of the morning, and none at the close: what a book's options are worth that evening.

A made market answers in Yahoo's shapes; settings alone choose it.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from etftrader.core.records import OutboxEvent
from etftrader.testing.yahoo_market import Listed, YahooMarket
from marketdata.events import prices_arrived
from marketdata.models import OptionContract, OptionGreeks, OptionQuote
from marketdata.selectors import calendar, prices
from marketdata.selectors.option_inputs import ASYNCHRONOUS
from marketdata.services import nightly_greeks
from marketdata.tests.option_market import FRIDAY, ILL, MONDAY, SATURDAY, opened
from marketdata.tests.option_world import bars, clock_at
from portfolios.services import snapshots
from portfolios.tests import factories

pytestmark = pytest.mark.django_db
FUNDS = {"HELD": Listed("Held", "ETF", 100.0)}
TEN = datetime(2026, 6, 22, 14, 0, tzinfo=UTC)  # of the Monday after, in New York
EVENING = datetime(2026, 6, 22, 22, 0, tzinfo=UTC)


@pytest.fixture
def wall() -> Iterator[Any]:
    with time_machine.travel(SATURDAY, tick=True) as traveller:
        yield traveller


@pytest.fixture
def market(wall: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[YahooMarket]:
    with opened(FUNDS, settings, monkeypatch) as made:
        yield made


def test_of_a_fetched_chain_only_what_is_held_is_told_of_as_valued_at_last(
    market: YahooMarket,
) -> None:
    told = OutboxEvent.objects.filter(name=prices_arrived.name)
    told.delete()  # of the fund itself
    nightly_greeks.fetch(symbol="HELD", session_date=FRIDAY)
    contract, other = OptionContract.objects.order_by("expiry", "strike", "right")[:2]
    assert OptionGreeks.objects.filter(contract=other, price__isnull=False).exists()
    assert not told.exists()

    book = factories.make_portfolio(cash=10_000, session_date=FRIDAY)
    factories.opening(book, contract.instrument, 1, 2, session_date=FRIDAY)
    OptionGreeks.objects.all().delete()
    nightly_greeks.fetch(symbol="HELD", session_date=FRIDAY)

    [event] = told
    assert event.payload == {"instrument_ids": str(contract.underlying_id)}


def test_a_morning_s_quote_is_no_mark_of_a_close_whose_chain_failed(
    market: YahooMarket, wall: Any
) -> None:
    nightly_greeks.fetch(symbol="HELD", session_date=FRIDAY)
    contract = OptionContract.objects.filter(right="call", strike=100).order_by("expiry")[0]
    option, fund = contract.instrument, contract.underlying
    book = factories.make_portfolio(cash=10_000, session_date=FRIDAY)
    factories.opening(book, option, 1, 2, session_date=FRIDAY)

    wall.move_to(TEN)
    nightly_greeks.fetch(symbol="HELD", session_date=FRIDAY)
    quotes = OptionQuote.objects.filter(contract=contract, session_date=MONDAY)
    morning = quotes.get()
    assert TEN <= morning.as_of < calendar.close_time(MONDAY)
    assert morning.bid is not None
    assert morning.ask is not None
    middle = (morning.bid + morning.ask) / 2

    # the fund closes three dollars up, and the chain does not come
    bars(fund, [(MONDAY, 103.0)])
    wall.move_to(EVENING)
    clock_at(MONDAY)
    market.say("/options/HELD", ILL)
    night = nightly_greeks.run(session_date=MONDAY, held=[option.pk])
    [taken] = snapshots.take(portfolio_ids=[book.pk], session_date=MONDAY)

    assert [(each["item"], each["status"]) for each in night["items"]] == [("HELD", "failed")]
    row = OptionGreeks.objects.get(contract=contract, session_date=MONDAY)
    assert row.price is not None
    assert ASYNCHRONOUS in row.flags
    mark = prices.marks(instruments=[option], session_date=MONDAY)[option.pk]
    assert (mark.price_class, mark.source) == ("model", "model")
    assert mark.as_of == calendar.close_time(MONDAY)
    assert float(mark.price or 0) == pytest.approx(row.price, abs=0.00005)
    assert float(mark.price or 0) > float(middle) + 1
    [held] = taken.positions.filter(instrument=option)
    assert held.price == mark.price
    assert held.price is not None
    assert taken.nav == taken.cash + 100 * held.price

    # a chain that comes later that evening is the close's
    market.forget("/options/HELD")
    nightly_greeks.run(session_date=MONDAY, held=[option.pk])
    late = prices.marks(instruments=[option], session_date=MONDAY)[option.pk]
    assert quotes.get().as_of == calendar.close_time(MONDAY)
    assert (late.price_class, late.source, late.price) == ("eod", "yfinance", middle)
