"""Bars written beside a split that is applied: one series whoever is first, and little is read."""

import threading
from collections.abc import Callable, Iterator
from datetime import date

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from marketdata.models import CorporateAction, DailyBar, Instrument, PriceSeries
from marketdata.providers.base import BarRow, SymbolHistory
from marketdata.selectors import calendar
from marketdata.services import bar_store, bar_sync, corporate_actions
from marketdata.services.bar_sync import Brought
from marketdata.services.price_gate import Passed
from marketdata.tests import histories

DAYS = calendar.between(date(2020, 6, 1), date(2020, 6, 30))
LACKING, EVE, EX = DAYS[5], DAYS[15], DAYS[16]
SHORT_S = 0.5  # what runs unhindered ends within it; what waits does not


class Interrupted(tuple[BarRow, ...]):
    """Rows beside which something happens when they are first looked at."""

    act: Callable[[], object] | None = None

    def __iter__(self) -> Iterator[BarRow]:
        act, self.act = self.act, None
        if act is not None:
            act()
        return super().__iter__()


def row(symbol: str, day: date, close: float) -> BarRow:
    return BarRow(symbol, day, None, None, None, close, None, 1000, "csv", "close")


@pytest.fixture
def spy(transactional_db: None) -> Instrument:
    """At 400 up to the eve of a split four for one, a session amid lacks its close."""
    fund = Instrument.objects.create(symbol="SPY", name="SPY", kind="etf", price_basis="close")
    rows = [row("SPY", day, 400.0) for day in DAYS if day <= EVE and day != LACKING]
    bar_store.upsert(rows, {"SPY": fund})
    bar_store.pack_series(fund, rows)
    histories.split(fund, 4, EX, latest=EVE)
    return fund


def in_thread(act: Callable[[], object]) -> threading.Thread:
    def run() -> None:
        try:
            act()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def assert_one_series() -> None:
    closes = dict(DailyBar.objects.values_list("session_date", "close"))
    assert closes == {day: 100 for day in DAYS if day <= EVE}
    assert set(DailyBar.objects.values_list("volume", flat=True)) == {4000}
    assert set(PriceSeries.objects.get().close.tolist()) == {100.0}
    assert CorporateAction.objects.get().status == "applied"


def test_a_split_applied_while_bars_are_judged_waits_for_them(spy: Instrument) -> None:
    threads = []

    def split() -> None:
        threads.append(in_thread(lambda: corporate_actions.apply_due(session_date=EX)))
        threads[0].join(SHORT_S)

    rows = Interrupted([row("SPY", LACKING, 400.0)])
    rows.act = split
    told = SymbolHistory("SPY", rows)
    bar_sync.write({"SPY": spy}, [told], until=EVE, brought=Brought())
    threads[0].join(60)

    assert_one_series()


def test_bars_that_come_while_a_split_is_applied_are_in_its_shares(spy: Instrument) -> None:
    told = SymbolHistory("SPY", (row("SPY", LACKING, 400.0),))

    def bring() -> None:
        bar_sync.write({"SPY": spy}, [told], until=EVE, brought=Brought())

    with transaction.atomic():
        action = CorporateAction.objects.select_related("instrument").get()
        assert corporate_actions.apply(action=action) is not None
        thread = in_thread(bring)
        thread.join(SHORT_S)
    thread.join(60)

    assert_one_series()


@pytest.mark.django_db
def test_whole_histories_are_written_in_several_transactions() -> None:
    days = calendar.between(date(2009, 1, 2), date(2020, 6, 30))
    names = [f"S{place}" for place in range(11)]
    made = {
        name: Instrument.objects.create(symbol=name, name=name, kind="etf", price_basis="close")
        for name in names
    }
    told = [
        SymbolHistory(
            name, tuple(row(name, day, 100.0 + place % 5) for place, day in enumerate(days))
        )
        for name in names
    ]
    brought = Brought()

    bar_sync.write(made, told, until=days[-1], brought=brought)

    assert [len(part) for part in bar_sync._parts(told)] == [9, 2]
    assert brought.written == DailyBar.objects.count() == len(days) * len(names)
    assert [each.item for each in brought.outcomes] == names
    assert brought.changed == dict.fromkeys(names, days[0])
    assert set(PriceSeries.objects.values_list("last_session", flat=True)) == {days[-1]}


@pytest.mark.django_db
def test_what_is_compared_is_what_was_asked_for() -> None:
    days = calendar.between(date(2015, 1, 2), date(2020, 6, 30))
    made = {}
    for symbol in ("AAA", "BBB"):
        fund = Instrument.objects.create(
            symbol=symbol, name=symbol, kind="etf", price_basis="close"
        )
        bar_store.upsert([row(symbol, day, 100.0) for day in days], {symbol: fund})
        made[symbol] = fund
    asked = {"AAA": days[100:600], "BBB": [days[0], days[-1]]}
    judged = {
        symbol: Passed([row(symbol, day, 100.0) for day in mine], 0, 0)
        for symbol, mine in asked.items()
    }

    found = bar_sync._stored(made, judged)

    wanted = {(made[symbol].pk, day) for symbol, mine in asked.items() for day in mine}
    assert {(key, day) for key, day, *_ in found} == wanted


def night(names: list[str]) -> int:
    """A session's closes of some names, each with a history; how many questions that takes."""
    days = DAYS[:6]
    made = {
        name: Instrument.objects.create(symbol=name, name=name, kind="etf", price_basis="close")
        for name in names
    }
    for name, fund in made.items():
        before = [row(name, day, 100.0) for day in days[:-1]]
        bar_store.upsert(before, {name: fund})
        bar_store.pack_series(fund, before)
    told = [SymbolHistory(name, (row(name, days[-1], 101.0),)) for name in names]
    brought = Brought()
    with CaptureQueriesContext(connection) as asked:
        bar_sync.write(made, told, until=days[-1], brought=brought)
    assert brought.written == len(names)
    assert brought.changed == dict.fromkeys(names, days[-1])
    return len(asked)


@pytest.mark.django_db
def test_a_night_of_many_names_is_written_in_several_transactions() -> None:
    most = bar_sync.MOST_SYMBOLS
    told = [SymbolHistory(f"S{place}", (row(f"S{place}", EX, 1.0),)) for place in range(60)]
    assert [len(part) for part in bar_sync._parts(told)] == [most, most, 60 - 2 * most]

    alone = night(["A"])
    one = night([f"B{place}" for place in range(most)])
    two = night([f"C{place}" for place in range(2 * most)])

    # what a further part costs beside its symbols
    each = (one - alone) / (most - 1)
    assert two - one - most * each <= 20
