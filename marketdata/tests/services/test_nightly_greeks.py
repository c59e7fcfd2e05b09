"""Chains after a close: held ones decide, watched ones in turn, what is settled is not asked again.

A made market answers in Yahoo's shapes; settings alone choose it.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
import time_machine
from django.core.cache import cache

from etftrader.core import jobs
from etftrader.core.records import JobRun
from etftrader.testing.yahoo_market import Listed, YahooMarket
from marketdata.models import (
    DataRefresh,
    Instrument,
    OptionContract,
    OptionGreeks,
    OptionQuote,
    ReplayClock,
)
from marketdata.selectors import calendar, provider_states
from marketdata.services import chain_sync, nightly_greeks
from marketdata.tests.option_market import FRIDAY, ILL, MONDAY, SATURDAY, opened
from marketdata.tests.option_world import DAY as BUNDLED_DAY
from marketdata.tests.option_world import clock_at, instrument, spy

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 6, 22, 16, 0, tzinfo=UTC)  # of the Monday after, in New York
FUNDS = {
    "HELD": Listed("Held", "ETF", 100.0),
    "SEEN": Listed("Watched", "ETF", 50.0),
    "NONE": Listed("Without options", "ETF", 20.0, has_options=False),
}
CONTRACTS = 2 * 2 * 9  # expiries, sides, strikes


@pytest.fixture
def wall() -> Iterator[Any]:
    with time_machine.travel(SATURDAY, tick=True) as traveller:
        yield traveller


@pytest.fixture
def market(wall: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[YahooMarket]:
    with opened(FUNDS, settings, monkeypatch) as made:
        forget()
        yield made


def forget() -> None:
    """Lose what the session has settled, as an emptied store does."""
    names = Instrument.objects.values_list("symbol", flat=True)
    cache.delete_many([chain_sync._key(each, FRIDAY) for each in (*names, *FUNDS)])


def pk(symbol: str) -> Any:
    return Instrument.objects.get(symbol=symbol).pk


def held_contract() -> Any:
    """An option on HELD that some book holds: known from a night before."""
    nightly_greeks.run(session_date=FRIDAY, watched=[pk("HELD")])
    forget()
    return OptionContract.objects.filter(underlying__symbol="HELD")[0].instrument_id


def job(**inputs: Any) -> JobRun:
    wish = jobs.request(
        "marketdata.compute_greeks", as_of=FRIDAY, scope="all", inputs=inputs, queue=False
    )
    return jobs.run_now(wish)


def told(run: JobRun) -> dict[str, str]:
    return {each["item"]: each["status"] for each in run.items}


def test_a_watched_fund_gets_its_chain_and_greeks(market: YahooMarket) -> None:
    run = job(watched=[str(pk("SEEN")), str(pk("NONE"))])

    assert (run.status, told(run)) == ("succeeded", {"SEEN": "ok", "NONE": "skipped"})
    assert run.counts["quotes"] == run.counts["contracts"] == CONTRACTS
    assert set(OptionQuote.objects.values_list("contract__underlying__symbol", "source")) == {
        ("SEEN", "yfinance")
    }
    priced = OptionGreeks.objects.filter(session_date=FRIDAY, delta__isnull=False)
    assert priced.filter(vol_source="quote").count() > 8
    assert priced.count() == CONTRACTS
    asked = market.count("/options/")
    assert asked == 2 + 2  # the lists of both, and two expiries

    again = job(watched=[str(pk("SEEN")), str(pk("NONE"))])

    # what the session has settled is not asked for again
    assert (again.status, market.count("/options/")) == ("succeeded", asked)
    assert (again.counts["quotes"], again.counts["written"]) == (0, 0)
    record = DataRefresh.objects.get(dataset="option_quotes")
    assert (record.source, record.status, record.expected, record.received) == (
        "yfinance", "succeeded", 2, 2,
    )  # fmt: skip
    assert provider_states.states()[0].state == "ok"


def test_a_watched_chain_that_fails_leaves_the_step_partial_with_its_reason(
    market: YahooMarket,
) -> None:
    market.say("/options/SEEN", ILL)

    run = job(watched=[str(pk("SEEN"))])

    assert (run.status, told(run)) == ("partial", {"SEEN": "failed", "Greeks": "ok"})
    assert "yfinance: SEEN" in run.items[0]["reason"]
    record = DataRefresh.objects.get(dataset="option_quotes")
    assert (record.status, record.missing) == ("failed", ["SEEN"])
    market.forget("/options/SEEN")
    again = job(watched=[str(pk("SEEN"))])
    assert (again.status, told(again)) == ("succeeded", {"SEEN": "ok"})


def test_what_is_held_decides_whatever_came_of_the_rest(market: YahooMarket) -> None:
    option = held_contract()
    market.say("/options/HELD", ILL)
    wish = {"held": [str(option)], "watched": [str(pk("SEEN")), str(pk("HELD"))]}

    run = job(**wish)

    assert (run.status, told(run)) == ("failed", {"HELD": "failed"})
    # and yet the others came, and all were priced
    assert OptionQuote.objects.filter(contract__underlying__symbol="SEEN").exists()
    market.forget("/options/HELD")
    market.say("/options/SEEN", ILL)
    forget()
    run = job(**wish)
    assert (run.status, told(run)) == ("partial", {"HELD": "ok", "SEEN": "failed"})


def test_a_retry_asks_for_the_failed_underlyings_only(market: YahooMarket) -> None:
    market.say("/options/SEEN", ILL)
    run = job(watched=[str(pk("SEEN")), str(pk("HELD"))])
    assert told(run) == {"SEEN": "failed", "HELD": "ok"}
    market.forget("/options/SEEN")
    market.asked.clear()

    mended = nightly_greeks.run(
        session_date=FRIDAY, watched=[pk("SEEN"), pk("HELD")], only=["SEEN"]
    )

    assert [each["item"] for each in mended["items"]] == ["SEEN"]
    assert {each.path.rsplit("/")[-1] for each in market.asked if "/options/" in each.path} == {
        "SEEN"
    }


def test_watched_underlyings_come_in_turn_and_held_ones_every_night(
    market: YahooMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"W{place:02}" for place in range(7)]
    for name in names:
        market.listed[name] = Listed(name, "ETF", 30.0, has_options=False)
        instrument(name)
    option = held_contract()
    monkeypatch.setattr(chain_sync, "MOST_WATCHED", 3)
    watched = [str(pk(name)) for name in names]

    run = job(held=[str(option)], watched=watched)

    asked = set(told(run)) - {"HELD"}
    assert len(asked) == 3
    assert told(run)["HELD"] == "ok"
    [warning] = run.warnings
    assert warning["code"] == "chains_left_out"
    assert all((name in warning["detail"]) is (name not in asked) for name in names)
    # more runs of the same session bring no more
    assert set(told(job(held=[str(option)], watched=watched))) - {"HELD"} == asked
    # in as many sessions as it takes everybody is asked
    turns = [chain_sync._turn(names, day)[0] for day in calendar.between(date(2026, 6, 8), FRIDAY)]
    assert {len(each) for each in turns} == {3}
    assert {name for turn in turns[:3] for name in turn} == set(names)


def test_nothing_is_asked_of_past_sessions_and_of_one_that_runs(
    market: YahooMarket, wall: Any
) -> None:
    nightly_greeks.run(session_date=calendar.previous(FRIDAY), watched=[pk("SEEN")])
    wall.move_to(NOON)
    nightly_greeks.run(session_date=FRIDAY, watched=[pk("SEEN")])

    assert market.count("/options/") == 0


def test_a_trade_within_the_quarter_of_an_hour_after_the_close_is_of_the_session(
    market: YahooMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = int(calendar.close_time(FRIDAY).timestamp()) + 14 * 60
    plain = YahooMarket._contract
    monkeypatch.setattr(
        YahooMarket,
        "_contract",
        lambda self, *given: plain(self, *given) | {"lastTradeDate": late},
    )

    nightly_greeks.run(session_date=FRIDAY, watched=[pk("SEEN")])

    rows = OptionQuote.objects.all()
    assert set(rows.values_list("as_of", flat=True)) == {calendar.close_time(FRIDAY)}
    assert rows.count() == CONTRACTS


def test_asked_for_by_name_a_chain_is_fetched_whatever_was_known(market: YahooMarket) -> None:
    job(watched=[str(pk("SEEN")), str(pk("NONE"))])
    asked = market.count("/options/")

    seen = nightly_greeks.fetch(symbol="SEEN", session_date=FRIDAY)
    none = nightly_greeks.fetch(symbol="NONE", session_date=FRIDAY)

    assert market.count("/options/") == asked + 3 + 1
    assert [(each["item"], each["status"]) for each in seen["items"]] == [("SEEN", "ok")]
    assert none["items"] == [
        {
            "item": "NONE",
            "status": "skipped",
            "reason": "no_options: no source lists options on it",
        }
    ]


def test_while_a_session_runs_quotes_are_of_its_moment(market: YahooMarket, wall: Any) -> None:
    wall.move_to(NOON)
    ReplayClock.objects.update(playing=MONDAY)

    told = nightly_greeks.fetch(symbol="SEEN", session_date=FRIDAY)

    assert [each["status"] for each in told["items"]] == ["ok"]
    [(day, first)] = set(OptionQuote.objects.values_list("session_date", "as_of"))
    assert day == MONDAY
    assert first >= NOON
    # the close's own Greeks have no quotes of that close: past volatility stands in and says so
    assert set(OptionGreeks.objects.values_list("session_date", "vol_source")) == {
        (FRIDAY, "hist_vol")
    }


def test_a_source_that_is_away_is_named_for_each_underlying(
    market: YahooMarket, settings: Any
) -> None:
    settings.MARKETDATA_PROVIDER, settings.MARKETDATA_PROVIDER_CHAINS = "fred", ""

    told = nightly_greeks.fetch(symbol="SEEN", session_date=FRIDAY)

    assert [(each["item"], each["status"], each["reason"]) for each in told["items"]] == [
        ("SEEN", "failed", "no source of option chains is configured")
    ]


def test_on_bundled_history_quotes_are_simulated_and_others_have_none(settings: Any) -> None:
    settings.MARKETDATA_PROVIDER = "bundled"
    spy()
    instrument("TLT")
    clock_at(BUNDLED_DAY)

    shown = nightly_greeks.fetch(symbol="SPY", session_date=BUNDLED_DAY)
    other = nightly_greeks.fetch(symbol="TLT", session_date=BUNDLED_DAY)

    assert [(each["item"], each["status"]) for each in shown["items"]] == [("SPY", "ok")]
    assert shown["counts"]["contracts"] > 400
    assert [(each["item"], each["status"]) for each in other["items"]] == [("TLT", "skipped")]
