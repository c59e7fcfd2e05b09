"""The chain as a table: both sides of a strike, ages on the market clock, nothing later."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from marketdata.models import OptionQuote
from marketdata.selectors import calendar, option_chain, sessions
from marketdata.services import contracts, greeks, option_quotes
from marketdata.tests.option_world import BY, DAY, NEXT, chain, option, spy

pytestmark = pytest.mark.django_db
AUGUST = date(2016, 8, 19)


def table(of, day=DAY, **how):
    return option_chain.table(underlying=of, moment=sessions.at_close(day), **how)


def test_the_nearest_expiry_is_shown_and_the_others_are_named():
    of = spy()
    option_quotes.simulate(session_date=DAY)
    greeks.compute(session_date=DAY, watched=[of.pk])

    found = table(of)

    assert found.expiry == date(2016, 7, 15)
    assert list(found.expiries) == [
        date(2016, 7, 15),
        AUGUST,
        date(2016, 9, 16),
        date(2016, 12, 16),
    ]
    assert found.expiries[AUGUST] == 2 * len(found.lines)
    strikes = [each.strike for each in found.lines]
    assert strikes == sorted(strikes)
    for line in found.lines:
        assert (line.call.contract.right, line.put.contract.right) == ("call", "put")
        assert line.call.contract.strike == line.put.contract.strike == line.strike
        assert line.call.greeks.delta - line.put.greeks.delta == pytest.approx(1.0, abs=0.2)
        assert (line.call.age_seconds, line.call.quality) == (0, "fallback")
        assert line.call.greeks_reason == ""


def test_one_expiry_is_asked_for_and_an_unknown_one_is_empty():
    of = spy()
    contracts.ensure(symbols=["SPY160819C00212000", "SPY160916P00200000"], by=BY)

    [line] = table(of, expiry=AUGUST).lines

    assert (line.strike, line.put) == (Decimal(212), None)
    assert line.call.quote_reason == line.call.volatility_reason == "no_quote"
    assert line.call.greeks_reason == "not_computed"
    assert table(of, expiry=date(2016, 8, 20)).lines == ()
    assert table(of, day=date(2016, 9, 16)).expiry == date(2016, 9, 16)
    assert table(of, day=date(2016, 9, 19)).expiries == {}


def test_a_quote_ages_and_then_is_none():
    of = spy()
    option_quotes.store(chain=chain(option("SPY160819C00212000")), session_date=DAY, by=BY)

    def side(day):
        return table(of, day=day).lines[0].call

    assert (side(DAY).quality, side(DAY).age_seconds) == ("eod", 0)
    assert (side(NEXT).quality, side(NEXT).age_seconds) == ("stale", 86_400)
    assert side(calendar.next(DAY, 5)).quote is not None
    assert side(calendar.next(DAY, 6)).quote is None


def test_nothing_after_the_clock_is_shown():
    of = spy()
    option_quotes.store(chain=chain(option("SPY160819C00212000")), session_date=DAY, by=BY)
    before = table(of)
    OptionQuote.objects.create(
        contract=before.lines[0].call.contract,
        session_date=NEXT,
        as_of=calendar.close_time(NEXT),
        source="yfinance",
        bid=Decimal(99),
    )
    OptionQuote.objects.create(
        contract=before.lines[0].call.contract,
        session_date=DAY,
        as_of=calendar.close_time(DAY) + timedelta(seconds=1),
        source="csv",
        bid=Decimal(98),
    )

    assert table(of) == before


def test_the_table_takes_the_same_queries_for_any_number_of_strikes(
    django_assert_num_queries,
):
    of = spy()
    option_quotes.simulate(session_date=DAY)
    moment = sessions.at_close(DAY)

    with django_assert_num_queries(4):
        found = option_chain.table(underlying=of, moment=moment)
        assert len(found.lines) > 40
