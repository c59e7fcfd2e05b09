"""Greeks of a book: grouped by underlying, named where missing, at any session, in few queries."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from marketdata.calculations.options import bsm
from marketdata.models import DailyBar, OptionGreeks, OptionQuote, Quote, ReplayClock
from marketdata.selectors import calendar, sessions
from marketdata.tests.option_world import DAY, NEXT
from portfolios.models import Portfolio, Position
from portfolios.selectors import greeks, option_scenarios
from portfolios.services import snapshots
from portfolios.tests import option_book
from portfolios.tests.option_book import OPTIONS, SHARES, SPOT

pytestmark = pytest.mark.django_db
NEW_YORK = ZoneInfo("America/New_York")
CALL = "SPY160819C00212000"


def now(portfolio):
    return greeks.now(portfolio=portfolio, moment=sessions.moment())


def stored(symbol):
    return OptionGreeks.objects.get(contract__instrument__symbol=symbol, session_date=DAY)


def play(price, *, hours=2):
    """The session after is running; SPY trades at a price."""
    moment = calendar.open_time(NEXT) + timedelta(hours=hours)
    ReplayClock.objects.update(playing=NEXT, bar=60 * hours, as_of=moment)
    for symbol, level in (("SPY", price), ("TLT", 133)):
        Quote.objects.create(
            instrument=Position.objects.filter(instrument__symbol=symbol).first().instrument,
            price=level,
            session_date=NEXT,
            as_of=moment,
            source="SIM",
        )
    return moment


def test_positions_are_grouped_by_underlying_and_sum_to_the_book():
    found = now(option_book.make_book())

    assert [each.underlying for each in found.groups] == ["SPY", "TLT"]
    spy, tlt = found.groups
    assert (spy.spot, float(spy.shares), float(spy.contracts)) == (SPOT, SHARES, 153)
    assert (spy.next_expiry.isoformat(), found.live) == ("2016-07-15", False)
    delta = SHARES + 100 * sum(stored(name).delta * held for name, held in OPTIONS.items())
    assert spy.greeks.delta == pytest.approx(delta)
    assert spy.greeks.dollar_delta == pytest.approx(delta * SPOT)
    theta = 100 * sum(stored(name).theta * held for name, held in OPTIONS.items())
    assert found.greeks.theta == pytest.approx(theta)
    assert tlt.greeks.dollar_delta == pytest.approx(-50 * 133)
    assert (tlt.greeks.gamma, tlt.greeks.vega, tlt.iv) == (0, 0, None)
    for name in ("dollar_delta", "gamma_1pct_dollar", "theta", "vega", "rho"):
        whole = sum(getattr(each.greeks, name) for each in found.legs)
        assert getattr(found.greeks, name) == pytest.approx(whole)
        assert getattr(found.greeks, name) == pytest.approx(
            sum(getattr(each.greeks, name) for each in found.groups)
        )
    assert 0.1 < spy.iv < 0.3
    assert (found.coverage, found.excluded, found.quality) == (1.0, [], "full")


def test_the_ladder_has_a_rung_an_expiry():
    found = now(option_book.make_book())

    assert [each.expiry.isoformat() for each in found.ladder] == [
        "2016-07-15",
        "2016-08-19",
        "2016-09-16",
    ]
    first = found.ladder[0]
    assert (first.legs, float(first.contracts), first.missing) == (2, 38, 0)
    assert first.notional == pytest.approx(38 * 100 * SPOT)
    assert first.theta > 0 > found.ladder[2].theta
    assert sum(each.theta for each in found.ladder) == pytest.approx(found.greeks.theta)


def test_a_leg_without_volatility_is_in_no_sum_and_says_since_when():
    portfolio = option_book.make_book()
    whole = now(portfolio).greeks
    row = stored(CALL)
    blank = dict.fromkeys(("price", "delta", "gamma", "theta", "vega", "rho", "iv"))
    OptionGreeks.objects.filter(pk=row.pk).update(**blank, reason="no_volatility", model="")

    found = now(portfolio)

    [missing] = found.excluded
    assert (missing.symbol, missing.reason) == (CALL, "no_volatility")
    assert missing.detail == "no quote since 22 Jun 2016"
    assert (missing.greeks, missing.quality, found.quality) == (None, "missing", "missing")
    assert found.coverage == pytest.approx(9 / 10)
    assert (found.greeks.skipped, found.groups[0].greeks.skipped) == (1, 1)
    assert found.greeks.delta == pytest.approx(whole.delta - 1000 * row.delta)
    OptionQuote.objects.all().delete()
    assert now(portfolio).excluded[0].detail == "no volatility is known"


def test_a_contract_never_computed_is_named():
    portfolio = option_book.make_book(compute=False)

    found = now(portfolio)

    assert {each.reason for each in found.excluded} == {"not_computed"}
    assert len(found.excluded) == len(OPTIONS)
    assert found.greeks.dollar_delta == pytest.approx(SHARES * SPOT - 50 * 133)
    assert {each.theta for each in found.ladder} == {None}
    assert {each.missing for each in found.ladder} == {2, 3}


def test_without_a_price_of_the_underlying_nothing_of_it_counts():
    portfolio = option_book.make_book()
    DailyBar.objects.filter(instrument__symbol="SPY").delete()

    found = now(portfolio)

    assert {each.reason for each in found.excluded} == {"no_price"}
    assert found.greeks.dollar_delta == pytest.approx(-50 * 133)
    group = found.group("SPY")
    assert option_scenarios.scenario(group=group).reason == "no_price"


def test_in_a_session_the_figures_are_those_of_the_moment():
    portfolio = option_book.make_book()
    moment = play("205.00")

    found = now(portfolio)

    leg = next(each for each in found.legs if each.symbol == CALL)
    row = stored(CALL)
    expiry = datetime(2016, 8, 19, 16, tzinfo=NEW_YORK)
    years = (expiry - moment).total_seconds() / (365 * 86_400)
    expected = bsm(205.0, 212.0, row.rate, row.dividend_yield, row.iv, years, True).row(0)
    assert (found.live, found.session_date, found.as_of) == (True, NEXT, moment)
    assert (leg.spot, leg.computed_on) == (205.0, DAY)
    assert "revalued" in leg.flags
    assert leg.greeks.delta == pytest.approx(1000 * expected["delta"], rel=0.03)
    if leg.model == "bsm":
        assert leg.greeks.delta == pytest.approx(1000 * expected["delta"])
    assert found.group("TLT").greeks.dollar_delta == pytest.approx(-50 * 133)


def test_an_older_volatility_is_used_and_said():
    portfolio = option_book.make_book(until=NEXT)
    ReplayClock.objects.update(session_date=NEXT, as_of=calendar.close_time(NEXT))

    found = now(portfolio)

    legs = [each for each in found.legs if each.is_option]
    assert {each.quality for each in legs} == {"stale"}
    assert all({"revalued", "older_volatility"} <= {*each.flags} for each in legs)
    assert {each.computed_on for each in legs} == {DAY}
    assert found.quality == "stale"


def test_a_past_session_shows_the_book_and_the_figures_of_then():
    portfolio = option_book.make_book(until=NEXT)
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=DAY)
    before = now(portfolio).greeks
    ReplayClock.objects.update(session_date=NEXT, as_of=calendar.close_time(NEXT))
    option_book.price(NEXT)
    option_book.hold(portfolio, {"SPY160715C00205000": 3})

    then = greeks.at(portfolio=Portfolio.objects.get(pk=portfolio.pk), session_date=DAY)

    assert then.session_date == DAY
    assert len(then.legs) == len(OPTIONS) + 2
    assert then.greeks == before
    assert now(portfolio).greeks != before
    assert greeks.at(portfolio=portfolio, session_date=calendar.previous(DAY)) is None


def test_what_has_expired_has_no_greeks_and_no_scenario():
    portfolio = option_book.make_book({"SPY160622C00205000": 5, CALL: 1}, shares=0, other=False)

    found = now(portfolio)

    over, living = found.legs
    assert (over.reason, over.known, over.alive) == ("expired", True, False)
    assert over.greeks.dollar_delta == over.greeks.theta == 0.0
    assert found.excluded == []
    assert found.groups[0].next_expiry == living.contract.expiry
    shown = option_scenarios.scenario(group=found.groups[0])
    assert sum(shown.models.values()) == 1


def test_the_profile_moves_options_and_shares_together():
    group = now(option_book.make_book()).group("spy")

    shown = option_scenarios.scenario(group=group, horizon_days=7)

    middle = int(np.flatnonzero(shown.moves == 0.0)[0])
    assert shown.today[middle] == 0.0
    assert shown.grid[3, 4] == 0.0
    strikes = {212.0, 216.0, 200.0, 191.0, 219.0, 202.0, 179.0}
    assert set(shown.strikes) == strikes
    bends = SPOT * (1.0 + shown.moves)
    assert all(np.isclose(bends, strike, rtol=1e-9).any() for strike in strikes)
    # the grid's row without a change of volatility is the profile's line of today
    for column, move in enumerate(option_scenarios.GRID_SPOTS):
        place = int(np.flatnonzero(np.isclose(shown.moves, move))[0])
        assert shown.grid[3, column] == pytest.approx(shown.today[place], abs=0.05 * 153)
    near = int(np.flatnonzero(np.isclose(shown.moves, 0.01))[0])
    first_order = group.greeks.delta_per_pct + 0.5 * group.greeks.gamma_per_pct2
    assert shown.today[near] == pytest.approx(first_order, rel=0.1)
    assert shown.delta_gamma[near] == pytest.approx(first_order)
    assert shown.expiry_days == pytest.approx(23.0, abs=0.1)
    more = option_scenarios.scenario(group=group, volatility_shift=0.15)
    assert more.today[middle] != 0.0


def test_any_number_of_legs_takes_the_same_few_queries():
    counts = []
    portfolio = option_book.make_book({CALL: 1})
    for strikes in ((), range(190, 240)):
        option_book.hold(portfolio, {f"SPY160819P{each * 1000:08d}": 1 for each in strikes})
        option_book.price(DAY)
        with CaptureQueriesContext(connection) as queries:
            found = now(portfolio)
        counts.append(len(queries))
    assert len(found.legs) == 53
    assert counts[0] == counts[1] <= 8
