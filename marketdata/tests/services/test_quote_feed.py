"""The feed: what a source says becomes quotes, and the universe is followed while it runs."""

import time
from datetime import UTC, datetime, timedelta
from threading import Event, Thread

import pytest
from django.db import connection

from etftrader.core import clock, push
from marketdata import live
from marketdata.models import Instrument, Quote
from marketdata.providers.base import Failure, ProviderFailed, QuoteAnswer, QuoteRow
from marketdata.services import quote_feed
from marketdata.services.quote_feed import Feed, Listener

NOON = datetime(2016, 6, 23, 16, 0, tzinfo=UTC)


def told(symbol, price, seconds=0, **more):
    given = {
        "bid": None,
        "ask": None,
        "previous_close": None,
        "volume": None,
        "delay_minutes": 0,
        "market_state": "REGULAR",
        "currency": "USD",
        "source": "yfinance",
    } | more
    row = QuoteRow(symbol=symbol, price=price, as_of=NOON + timedelta(seconds=seconds), **given)
    return QuoteAnswer((row,))


class Source:
    """A source that says what a test wants, then waits for more."""

    name = "yfinance"

    def __init__(self, *answers, fails=0):
        self.asked, self.answers, self.fails = [], list(answers), fails
        self.end = Event()

    def live(self, symbols):
        self.asked.append(symbols)
        if self.fails:
            self.fails -= 1
            raise ProviderFailed("the line is down")
        yield from self.answers
        self.answers = []
        self.end.wait(20)


@pytest.fixture
def made():
    return [
        Instrument.objects.create(symbol=symbol, name=symbol, kind="etf", price_basis="close")
        for symbol in ("AAA", "BBB")
    ]


def soon(wanted):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if found := wanted():
            return found
        time.sleep(0.01)
    raise AssertionError("it did not come")


@pytest.mark.django_db(transaction=True)
def test_what_a_source_says_becomes_quotes_prices_and_a_push(made):
    source = Source(
        told("AAA", 101.0, volume=900), told("BBB", 50.0), told("AAA", 102.0, 5, bid=101.9)
    )
    feed = Feed(source)
    feed.follow_universe()
    soon(lambda: feed._listener.answers.qsize() == 3)

    done = feed.take(now=NOON + timedelta(seconds=30))
    source.end.set()
    feed.close()

    assert (done.stored, done.moved) == (3, 2)
    assert source.asked == [("AAA", "BBB")]
    quote = Quote.objects.get(instrument=made[0])
    assert (quote.price, quote.source, quote.as_of) == (
        102,
        "yfinance",
        NOON + timedelta(seconds=5),
    )
    assert live.last_prices().prices.tolist() == [102.0, 50.0]
    heard = push.newest("quotes")["data"]
    assert set(heard) == {"AAA", "BBB"}
    assert (heard["AAA"]["bid"], heard["AAA"]["age_seconds"], heard["AAA"]["quality"]) == (
        "101.90",
        25,
        "live",
    )


@pytest.mark.django_db(transaction=True)
def test_a_symbol_that_joins_is_asked_for_without_a_restart(made, monkeypatch):
    monkeypatch.setattr(quote_feed, "UNIVERSE_S", 0.0)
    source = Source(told("AAA", 101.0))
    feed = Feed(source)
    feed.follow_universe()
    first = feed._listener
    feed.follow_universe()
    assert feed._listener is first  # nothing changed, nothing begins anew

    Instrument.objects.create(symbol="CCC", name="C", kind="etf", price_basis="close")
    Instrument.objects.filter(symbol="BBB").update(active=False)
    feed.follow_universe()
    soon(lambda: len(source.asked) == 2)
    source.end.set()
    feed.close()

    assert first.over.is_set()
    assert source.asked[1] == ("AAA", "CCC") == feed.board.symbols


@pytest.mark.django_db(transaction=True)
def test_it_runs_until_it_is_told_to_stop(made, monkeypatch):
    monkeypatch.setattr(quote_feed, "EVERY_S", 0.02)
    now = clock.now()
    row = told("AAA", 101.0).rows[0]
    fresh = QuoteRow(**{name: getattr(row, name) for name in row.__slots__} | {"as_of": now})
    source, stop = Source(QuoteAnswer((fresh,))), Event()
    feed = Feed(source)

    def run():
        try:
            feed.run(stop=stop)
        finally:
            connection.close()

    runner = Thread(target=run)
    runner.start()
    try:
        soon(Quote.objects.exists)
    finally:
        stop.set()
        source.end.set()
        runner.join(10)

    assert not runner.is_alive()
    assert feed._listener is None


def test_a_source_that_fails_is_asked_again(monkeypatch):
    monkeypatch.setattr(quote_feed, "PAUSE_S", 0.01)
    source = Source(QuoteAnswer((), (Failure("AAA", "empty_answer", "nothing"),)), fails=3)
    listener = Listener(source, ["AAA"])
    try:
        soon(lambda: listener.answers.qsize() == 1)
        assert listener.heard() == []
        assert len(source.asked) == 4
    finally:
        listener.over.set()
        source.end.set()


def test_a_listener_that_is_over_keeps_nobody_waiting(monkeypatch):
    monkeypatch.setattr(quote_feed, "MOST_WAITING", 1)
    source = Source(told("AAA", 1.0), told("AAA", 2.0), told("AAA", 3.0))
    listener = Listener(source, ["AAA"])
    soon(listener.answers.full)

    listener.over.set()
    source.end.set()

    assert [row.price for row in listener.heard()][:1] == [1.0]
