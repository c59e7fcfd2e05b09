"""Marks of options: the quote's middle, the model's value, what they settle at, and in between."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from marketdata.calculations import options
from marketdata.models import DailyBar, Instrument, OptionGreeks, OptionQuote, Quote, ReplayClock
from marketdata.providers.bundled import BundledProvider
from marketdata.selectors import calendar, option_marks, prices, sessions, terms
from marketdata.services import contracts, greeks, option_quotes
from marketdata.tests.option_world import BY, DAY, NEXT, bars, clock_at, spy

pytestmark = pytest.mark.django_db
CALL, PUT = "SPY160819C00212000", "SPY160819P00200000"


@pytest.fixture
def world():
    """SPY on the 22nd, two contracts with simulated quotes and Greeks of that close."""
    fund = spy(until=DAY)
    clock_at(DAY)
    made = contracts.ensure(symbols=[CALL, PUT], by=BY).contracts
    option_quotes.simulate(session_date=DAY)
    greeks.compute(session_date=DAY, held=[each.instrument_id for each in made.values()])
    return fund, made


def mark(made, symbol=CALL, day=DAY):
    thing = made[symbol].instrument
    return prices.marks(instruments=[thing], session_date=day)[thing.pk]


def play(fund, price, *, minute=30):
    """The 23rd runs, with SPY at a price."""
    at = calendar.open_time(NEXT) + timedelta(minutes=minute)
    ReplayClock.objects.update(playing=NEXT, bar=minute, as_of=at)
    Quote.objects.update_or_create(
        instrument=fund,
        defaults={"price": Decimal(str(price)), "previous_close": Decimal("208.10"),
                  "session_date": NEXT, "as_of": at, "source": "SIM"},
    )  # fmt: skip
    return sessions.moment()


def test_terms_in_words():
    spy(until=DAY)
    odd = contracts.ensure(symbols=["SPY160819C00212500"], by=BY).contracts
    [found] = terms.of_instruments(each.instrument_id for each in odd.values()).values()
    assert (found.words, found.underlying, found.is_call) == (
        "SPY 19 Aug 2016 212.5 call", "SPY", True,
    )  # fmt: skip


def test_the_middle_of_the_session_s_quote_with_its_greeks(world):
    _, made = world
    quote = OptionQuote.objects.get(contract=made[CALL], session_date=DAY)
    row = OptionGreeks.objects.get(contract=made[CALL], session_date=DAY)

    found = mark(made)

    assert found.price == (quote.bid + quote.ask) / 2
    assert float(found.price) == pytest.approx(4.79, abs=0.0051)
    assert (found.source, found.price_class, found.reason) == ("SIM", "eod", "")
    assert (found.greeks.delta, found.greeks.spot, found.greeks.iv) == (row.delta, 208.1, row.iv)
    assert mark(made, PUT).greeks.delta < 0 < found.greeks.delta


def test_without_a_two_sided_quote_the_model_s_value_says_so(world):
    _, made = world
    OptionQuote.objects.filter(contract=made[CALL]).update(bid=None)
    row = OptionGreeks.objects.get(contract=made[CALL], session_date=DAY)

    found = mark(made)

    assert float(found.price) == pytest.approx(row.price, abs=0.00005)
    assert (found.price_class, found.source) == ("model", "SIM")
    row.flags = []
    row.save()
    assert mark(made).source == "model"


def test_a_quote_beyond_the_bounds_of_arbitrage_is_no_mark(world):
    _, made = world
    quotes = OptionQuote.objects.filter(contract=made[CALL])
    # dearer than the share itself
    quotes.update(bid="0.05", ask="4000", iv=None, reason="above_maximum")
    row = OptionGreeks.objects.get(contract=made[CALL], session_date=DAY)

    found = mark(made)

    assert float(found.price) == pytest.approx(row.price, abs=0.00005)
    assert found.price_class == "model"
    # a quote whose volatility only lacks a rate is a quote
    quotes.update(bid="4.70", ask="4.90", reason="no_rate")
    assert float(mark(made).price) == pytest.approx(4.80)


@pytest.mark.parametrize(
    ("minutes", "kind"), [(-360, "model"), (-16, "model"), (-15, "eod"), (15, "eod"), (16, "model")]
)
def test_a_quote_far_from_the_close_is_no_mark_of_it(world, minutes, kind):
    _, made = world
    close = calendar.close_time(DAY)
    quotes = OptionQuote.objects.filter(contract=made[CALL])
    quotes.update(bid="9.00", ask="9.20", source="yfinance", iv=0.4, reason="",
                  as_of=close + timedelta(minutes=minutes))  # fmt: skip
    row = OptionGreeks.objects.get(contract=made[CALL], session_date=DAY)

    found = mark(made)

    assert (found.price_class, found.session_date) == (kind, DAY)
    if kind == "model":
        assert float(found.price) == pytest.approx(row.price, abs=0.00005)
        assert (found.as_of, found.source) == (close, "SIM")
    else:
        assert (float(found.price), found.source) == (9.1, "yfinance")


def test_a_later_quote_far_from_the_close_does_not_hide_the_one_at_it(world):
    _, made = world
    quote = OptionQuote.objects.get(contract=made[CALL])
    before = mark(made)
    quote.pk, quote.source, quote.bid, quote.ask = None, "yfinance", Decimal(9), Decimal(10)
    quote.as_of = calendar.close_time(DAY) + timedelta(hours=2)
    quote.save(force_insert=True)

    assert mark(made) == before


def test_without_either_there_is_no_price_but_a_reason(world):
    _, made = world
    OptionQuote.objects.filter(contract=made[CALL]).delete()
    OptionGreeks.objects.filter(contract=made[CALL]).update(
        price=None, delta=None, reason="no_volatility"
    )
    assert (mark(made).price, mark(made).reason) == (None, "no_volatility")
    assert mark(made).greeks is None
    OptionGreeks.objects.filter(contract=made[CALL]).delete()
    assert (mark(made).price, mark(made).reason) == (None, "no_price")


def test_no_quote_of_another_session_stands_in(world):
    fund, made = world
    bars(fund, [(NEXT, 210.0)])

    found = mark(made, day=NEXT)

    assert (found.price, found.reason) == (None, "no_price")
    # and what was quoted on the 22nd is the close before it
    assert found.previous_close == mark(made).price


@pytest.mark.parametrize(
    ("symbol", "close", "worth"),
    [(CALL, 215.25, "3.25"), (CALL, 211.0, "0"), (PUT, 190.5, "9.5"), (PUT, 200.0, "0")],
)
def test_on_its_last_day_and_after_it_is_worth_its_intrinsic_value(world, symbol, close, worth):
    fund, made = world
    expiry = date(2016, 8, 19)
    bars(fund, [(expiry, close), (date(2016, 8, 22), 100.0)])

    for day, kind in ((expiry, "eod"), (date(2016, 8, 22), "stale")):
        found = mark(made, symbol, day)
        assert (found.price, found.price_class) == (Decimal(worth), kind)
        assert (found.session_date, found.greeks.delta, found.greeks.gamma) == (expiry, 0, 0)


def test_a_missing_close_on_the_last_day_is_no_price(world):
    _, made = world

    found = mark(made, day=date(2016, 8, 19))

    assert (found.price, found.reason) == (None, "no_settlement_price")


def test_an_expiry_without_a_session_settles_at_the_close_before(world):
    fund, _ = world
    saturday = contracts.ensure(symbols=["SPY160820C00200000"], by=BY).contracts
    bars(fund, [(date(2016, 8, 19), 205.0)])

    [end] = option_marks.settlements(saturday.values()).values()

    assert (end.session_date, end.intrinsic) == (date(2016, 8, 19), Decimal("5"))


def test_while_a_session_plays_an_option_follows_its_underlying(world):
    fund, made = world
    things = [made[CALL].instrument, made[PUT].instrument]
    close = {each: mark(made, each) for each in (CALL, PUT)}
    moment = play(fund, 210.1)

    found = {each.symbol: each for each in prices.live_marks(
        instruments=things, moment=moment).values()}  # fmt: skip

    for symbol, sign in ((CALL, 1), (PUT, -1)):
        live, before = found[symbol], close[symbol]
        row = OptionGreeks.objects.get(contract=made[symbol], session_date=DAY)
        moved = float(live.price - before.price)
        # two dollars of delta, bent by gamma, less the night's theta
        guess = row.delta * 2 + row.gamma * 2 + row.theta * 0.75
        assert moved == pytest.approx(guess, abs=0.05)
        assert moved * sign > 0
        assert (live.source, live.price_class) == ("SIM", "model")
        assert (live.as_of, live.session_date) == (moment.as_of, NEXT)
        assert live.previous_close == before.price
        assert live.greeks.spot == 210.1


def test_an_unchanged_spot_at_the_same_moment_changes_no_price(world):
    _, made = world
    things = {each.instrument_id: each for each in made.values()}
    closes = option_marks.closing(
        instruments=[each.instrument for each in made.values()], session_date=DAY
    )
    engine = option_marks.Revaluation(things, DAY, closes)
    spots = dict.fromkeys({each.underlying_id for each in made.values()}, 208.1)

    found = engine.values(spots, calendar.close_time(DAY))

    for key, (price, _) in found.items():
        assert price == pytest.approx(float(closes[key].price), abs=1e-9)


def test_the_closed_form_at_a_played_spot_by_hand(world):
    fund, made = world
    OptionGreeks.objects.update(model="bsm")
    row = OptionGreeks.objects.get(contract=made[PUT], session_date=DAY)
    close = mark(made, PUT)
    moment = play(fund, 205.0, minute=200)

    thing = made[PUT].instrument
    found = prices.live_marks(instruments=[thing], moment=moment)[thing.pk]

    years = options.time_to_expiry(moment.as_of, date(2016, 8, 19))
    _, value = options.bsm_one(205.0, 200.0, row.rate, row.dividend_yield, row.iv, years, 0.0)
    basis = float(close.price) - row.price
    assert float(found.price) == pytest.approx(value[0] + basis, abs=0.00006)
    assert found.greeks.delta == pytest.approx(value[1], abs=1e-12)


def test_between_the_close_and_its_greeks_the_newest_ones_serve(world):
    fund, made = world
    source = BundledProvider(until=NEXT)
    bars(fund, [(row.session_date, row.close) for row in source.bars(["SPY"], DAY, NEXT)])
    ReplayClock.objects.update(session_date=NEXT, as_of=calendar.close_time(NEXT))
    thing = made[CALL].instrument

    found = prices.live_marks(instruments=[thing], moment=sessions.moment())[thing.pk]

    assert (found.price_class, found.session_date) == ("model", NEXT)
    assert found.price > mark(made).price
    assert found.previous_close == mark(made).price
    # what is kept of the session stays without
    assert mark(made, day=NEXT).price is None


def test_nothing_after_the_moment_is_read(world):
    fund, made = world
    moment = play(fund, 209.0)
    thing = made[CALL].instrument
    before = prices.live_marks(instruments=[thing], moment=moment)[thing.pk]
    bars(fund, [(NEXT, 300.0)])
    later = OptionGreeks.objects.get(contract=made[CALL], session_date=DAY)
    later.pk, later.session_date, later.iv, later.price = None, NEXT, 0.9, 30.0
    later.save(force_insert=True)

    assert prices.live_marks(instruments=[thing], moment=moment)[thing.pk] == before


def test_a_contract_that_is_over_is_not_revalued(world):
    fund, made = world
    expiry = date(2016, 8, 19)
    bars(fund, [(expiry, 215.0)])
    at = calendar.open_time(date(2016, 8, 22)) + timedelta(minutes=5)
    moment = replace(
        sessions.moment(), playing=date(2016, 8, 22), session_date=expiry, as_of=at, bar=5
    )
    thing = made[CALL].instrument

    found = prices.live_marks(instruments=[thing], moment=moment)[thing.pk]

    assert found.price == Decimal(3)


def test_a_close_some_source_reported_serves_where_nothing_else_does(world):
    _, made = world
    OptionQuote.objects.all().delete()
    OptionGreeks.objects.all().delete()
    thing = made[CALL].instrument
    DailyBar.objects.create(
        instrument=thing, session_date=DAY, source="csv", close=Decimal("4.8"), price_basis="close"
    )

    assert (mark(made).price, mark(made).source) == (Decimal("4.8"), "csv")
    assert Instrument.objects.get(pk=thing.pk).kind == "option"
