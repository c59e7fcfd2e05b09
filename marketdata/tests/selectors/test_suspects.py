"""Prices behind which a newer one waits for a person: their class, and what ends it."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from etftrader.core.actor import system
from marketdata.calculations import tick_batch
from marketdata.calculations.tick_batch import Tick
from marketdata.models import Instrument, QuarantinedPrice
from marketdata.providers.base import BarRow, SymbolHistory
from marketdata.selectors import calendar, prices, quotes, sessions
from marketdata.services import (
    bar_sync,
    contracts,
    greeks,
    option_quotes,
    price_gate,
    ticks,
)
from marketdata.tests.option_world import DAY, NEXT, bars, clock_at, spy

pytestmark = pytest.mark.django_db
BY = system("tests")
EVE = date(2016, 6, 21)
CALL = "SPY160819C00212000"


@pytest.fixture
def acme():
    made = Instrument.objects.create(symbol="ACME", name="ACME", kind="stock", price_basis="close")
    bars(made, [(EVE, 100.0)])
    clock_at(DAY)
    return made


def bring_in(of, day, close, source="csv"):
    """A source's close goes through the gate; what is believed is stored."""
    row = BarRow(
        symbol=of.symbol, session_date=day, open=None, high=None, low=None, close=close,
        adj_close=None, volume=None, source=source, price_basis="close",
    )  # fmt: skip
    said = SymbolHistory(of.symbol, (row,), (), ())
    bar_sync.write({of.symbol: of}, [said], until=day, brought=bar_sync.Brought())
    return QuarantinedPrice.objects.filter(
        symbol=of.symbol, session_date=day, source=source
    ).first()


def mark(of, day=DAY):
    return prices.newest_closes(instruments=[of], session_date=day)[of.pk]


def told(mark):
    return str(mark.price_class), mark.reason, float(mark.price), mark.session_date


def heard(symbol, price, at):
    batch = tick_batch.batch([Tick(symbol=symbol, at=at, price=price, source="yfinance")])
    return ticks.ingest(batch, now=at)


def playing(at):
    return replace(sessions.moment(), playing=NEXT, session_date=DAY, bar=30, bars=390, as_of=at)


@pytest.mark.parametrize(
    ("verdict", "after"),
    [("accept", ("eod", "", 160.0, DAY)), ("reject", ("stale", "", 100.0, EVE))],
)
def test_a_close_with_a_newer_one_in_quarantine_is_suspect_until_it_is_decided(
    acme, verdict, after
):
    assert mark(acme).price_class == "stale"
    doubt = bring_in(acme, DAY, 160.0)

    assert told(mark(acme)) == ("suspect", "price_suspect", 100.0, EVE)
    assert not mark(acme).usable
    # what was known the evening before is not touched by what came later
    assert told(mark(acme, EVE)) == ("eod", "", 100.0, EVE)

    getattr(price_gate, verdict)(doubt_id=doubt.pk, by=BY)

    assert told(mark(acme)) == after


def test_a_later_close_that_is_believed_ends_the_doubt(acme):
    bring_in(acme, DAY, 160.0)

    bring_in(acme, NEXT, 101.0)

    assert told(mark(acme, NEXT)) == ("eod", "", 101.0, NEXT)


@pytest.mark.parametrize("close", [106.0, 94.0])
def test_of_two_sources_that_differ_the_stored_close_is_suspect(acme, close):
    doubt = bring_in(acme, EVE, close, "yfinance")

    assert doubt.reason == "sources_differ"
    assert told(mark(acme, EVE)) == ("suspect", "price_suspect", 100.0, EVE)
    price_gate.reject(doubt_id=doubt.pk, by=BY)
    assert mark(acme, EVE).price_class == "eod"


def test_an_open_doubt_that_agrees_with_the_stored_close_is_none(acme):
    jump, same = bring_in(acme, DAY, 160.0), bring_in(acme, DAY, 161.0, "yfinance")

    price_gate.accept(doubt_id=jump.pk, by=BY)

    same.refresh_from_db()
    assert same.state == "held"
    assert told(mark(acme)) == ("eod", "", 160.0, DAY)


@pytest.mark.parametrize("close", [float("nan"), float("inf"), 0.0, -1.0, 1e8])
def test_garbage_casts_no_doubt(acme, close):
    assert bring_in(acme, DAY, close).state == "held"

    assert told(mark(acme)) == ("stale", "", 100.0, EVE)


def test_a_tick_that_is_held_makes_the_quote_suspect_until_a_newer_one_is_believed(acme):
    noon = calendar.open_time(NEXT) + timedelta(minutes=150)
    bars(acme, [(DAY, 100.0)])
    heard("ACME", 101.0, noon)
    assert heard("ACME", 150.0, noon + timedelta(seconds=20)).held == 1
    moment = playing(noon + timedelta(seconds=30))

    live = prices.live_marks(instruments=[acme], moment=moment)[acme.pk]
    said = quotes.told(symbols=["ACME"], now=moment.as_of)["ACME"]

    assert told(live) == ("suspect", "price_suspect", 101.0, NEXT)
    assert (said["quality"], said["reason"], said["price"]) == (
        "suspect",
        "price_suspect",
        "101.00",
    )

    heard("ACME", 101.5, noon + timedelta(seconds=40))
    later = noon + timedelta(seconds=50)
    live = prices.live_marks(instruments=[acme], moment=playing(later))[acme.pk]
    assert told(live) == ("live", "", 101.5, NEXT)
    assert quotes.told(symbols=["ACME"], now=later)["ACME"]["quality"] == "live"


@pytest.mark.parametrize("verdict", ["accept", "reject"])
def test_a_decision_about_a_tick_gives_the_quote_its_age_back(acme, verdict):
    noon = calendar.open_time(NEXT) + timedelta(minutes=150)
    bars(acme, [(DAY, 100.0)])
    heard("ACME", 101.0, noon)
    heard("ACME", 150.0, noon + timedelta(seconds=20))
    moment = playing(noon + timedelta(seconds=90))
    assert prices.live_marks(instruments=[acme], moment=moment)[acme.pk].price_class == "suspect"

    getattr(price_gate, verdict)(doubt_id=QuarantinedPrice.objects.get().pk, by=BY)

    assert prices.live_marks(instruments=[acme], moment=moment)[acme.pk].price_class == "delayed"


def test_what_an_option_is_worth_by_a_doubtful_underlying_is_doubtful_and_keeps_its_value():
    fund = spy(until=DAY)
    clock_at(DAY)
    [made] = contracts.ensure(symbols=[CALL], by=BY).contracts.values()
    option_quotes.simulate(session_date=DAY)
    greeks.compute(session_date=DAY, held=[made.instrument_id])
    thing = made.instrument
    before = prices.newest_closes(instruments=[thing], session_date=NEXT)[thing.pk]
    assert before.price_class == "model"

    doubt = bring_in(fund, NEXT, 120.0)

    # without a quote of its own it follows the last good close of the underlying
    after = prices.newest_closes(instruments=[thing], session_date=NEXT)[thing.pk]
    assert (str(after.price_class), after.reason) == ("suspect", "price_suspect")
    assert (after.price, after.as_of) == (before.price, before.as_of)
    # what was quoted at the close it is of is as good as it was
    quoted = prices.newest_closes(instruments=[thing], session_date=DAY)[thing.pk]
    assert quoted.price_class == "eod"
    price_gate.reject(doubt_id=doubt.pk, by=BY)
    assert prices.newest_closes(instruments=[thing], session_date=NEXT)[thing.pk] == before


def test_doubts_cost_one_query_whatever_is_asked(acme, django_assert_num_queries):
    others = [
        Instrument.objects.create(symbol=f"X{n}", name="X", kind="etf", price_basis="close")
        for n in range(30)
    ]
    for each in others:
        bars(each, [(EVE, 50.0)])
    with django_assert_num_queries(1):  # the closes say that nothing is held back
        prices.newest_closes(instruments=[acme, *others], session_date=EVE)
    for each in others:
        bring_in(each, EVE, 90.0, "yfinance")
    with django_assert_num_queries(2):
        found = prices.newest_closes(instruments=[acme, *others], session_date=EVE)
    assert {str(each.price_class) for each in found.values()} == {"eod", "suspect"}
