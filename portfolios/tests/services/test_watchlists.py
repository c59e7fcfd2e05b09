"""Watchlists behind the doors: look-ups at a live source, limits, two writers at once."""

import threading
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from etftrader.core import events, jobs
from etftrader.core.errors import BadInput, Conflict
from etftrader.core.records import JobRun, OutboxEvent
from etftrader.testing.yahoo_server import Reply, YahooServer, summary
from marketdata.models import DailyBar, Fundamental, Instrument
from marketdata.selectors import sessions
from portfolios.models import Watchlist, WatchlistItem
from portfolios.selectors import watchlists as read
from portfolios.services import watchlists as write
from portfolios.tasks import attach_symbols
from portfolios.tests.factories import actor, make_clock, make_instrument, make_user

DAY = date(2020, 6, 30)


@pytest.fixture
def followed(db: None) -> Watchlist:
    make_clock(DAY)
    return write.create(user=make_user(), name="Mine", by=actor())


def put_on(row: Watchlist, *symbols: str) -> list[write.Verdict]:
    return write.add_many(watchlist_id=row.pk, symbols=symbols, session_date=DAY, by=actor())


def standing(symbol: str) -> read.Standing:
    item = WatchlistItem.objects.select_related("instrument").get(symbol=symbol)
    return read.standings([item])[item.pk]


def test_a_new_fund_is_found_at_the_source_with_its_facts_and_prices(
    yahoo: YahooServer, followed: Watchlist
) -> None:
    [verdict] = put_on(followed, "spy")
    assert (verdict.verdict, standing("SPY").state) == ("unknown", "looking_up")
    assert yahoo.asked == []  # nobody waits for a source in a request

    run = jobs.run_now(JobRun.objects.get())

    assert (run.status, [each["status"] for each in run.items]) == ("succeeded", ["ok"])
    spy = Instrument.objects.get(symbol="SPY")
    assert (spy.name, spy.kind, spy.segment) == ("SPY Trust", "etf", "Large Blend")
    assert DailyBar.objects.filter(instrument=spy).count() == 125
    facts = Fundamental.objects.get(instrument=spy)
    assert (facts.source, facts.as_of, facts.expense_ratio) == ("yfinance", DAY, 0.000945)
    assert facts.top_holdings == [{"symbol": "AAPL", "name": "Apple", "weight": 0.058}]
    # the announcement leads to the lists that wait
    assert events.deliver(OutboxEvent.objects.get(name="marketdata.instruments_created").pk)
    attach_symbols()
    assert standing("SPY").state == "resolved"
    items = list(read.items(actor=actor()))
    [row] = read.rows(items, moment=sessions.moment(), actor=actor())
    assert row.quote.price == Decimal("308.36")
    assert len(row.closes) == read.SPARK_SESSIONS
    assert read.watched_instrument_ids() == {spy.pk}


def test_a_symbol_the_source_does_not_know_creates_nothing_and_says_why(
    yahoo: YahooServer, followed: Watchlist
) -> None:
    make_instrument("QQQ")
    put_on(followed, "QQZ", "SPY")

    run = jobs.run_now(JobRun.objects.get())

    assert run.status == "partial"
    assert not Instrument.objects.filter(symbol="QQZ").exists()
    told = standing("QQZ")
    assert told.state == "unresolved"
    assert told.reason == "yfinance: knows no such symbol"
    assert [each.symbol for each in told.near] == ["QQQ"]


def test_a_source_that_fails_leaves_the_symbol_for_another_try(
    yahoo: YahooServer, followed: Watchlist
) -> None:
    yahoo.say("quoteSummary", Reply(503, b"busy", {"Retry-After": "1"}))
    put_on(followed, "SPY")
    run = jobs.run_now(JobRun.objects.get())
    assert run.status == "failed"
    assert "503" in standing("SPY").reason or "busy" in standing("SPY").reason
    item = WatchlistItem.objects.get()

    with pytest.raises(Conflict, match="less than a minute"):
        write.ask_again(item_id=item.pk, session_date=DAY, by=actor())

    JobRun.objects.update(finished_at=run.finished_at.replace(year=2020))
    yahoo.say("quoteSummary", Reply.json({"quoteSummary": {"result": [summary("SPY")]}}))
    again = write.ask_again(item_id=item.pk, session_date=DAY, by=actor())
    assert jobs.run_now(again).status == "succeeded"
    attach_symbols()
    assert standing("SPY").state == "resolved"


def test_what_is_asked_for_already_is_not_asked_twice(
    yahoo: YahooServer, followed: Watchlist
) -> None:
    put_on(followed, "SPY", "AMD")
    other = write.create(user=make_user(), name="Other", by=actor())

    put_on(other, "SPY")

    assert [each.inputs["symbols"] for each in JobRun.objects.all()] == [["AMD", "SPY"]]


def test_who_asks_ten_times_a_minute_waits(yahoo: YahooServer, followed: Watchlist) -> None:
    for number in range(12):
        put_on(followed, f"ZZ{number}")

    assert JobRun.objects.count() == 10
    assert standing("ZZ11").reason == read.NOT_ASKED


def test_a_known_symbol_without_prices_gets_them(yahoo: YahooServer, followed: Watchlist) -> None:
    spy = make_instrument("SPY")
    put_on(followed, "SPY")

    run = jobs.run_now(JobRun.objects.get())

    assert run.status == "succeeded"
    assert DailyBar.objects.filter(instrument=spy).count() == 125
    spy.refresh_from_db()
    assert spy.name == "Fund SPY"
    assert yahoo.count("quoteSummary") == 0


def test_the_private_thing_of_somebody_is_not_rewritten_by_a_source(
    yahoo: YahooServer, followed: Watchlist
) -> None:
    owner = make_user("private@example.com")
    fields = {"owner_id": owner.pk, "pricing": "manual", "price_basis": "manual"}
    theirs = make_instrument("SPY", kind="private_fund", **fields)
    put_on(followed, "SPY")

    run = jobs.run_now(JobRun.objects.get())

    assert run.status == "failed"
    theirs.refresh_from_db()
    assert (theirs.name, theirs.kind) == ("Fund SPY", "private_fund")
    assert standing("SPY").state == "unresolved"
    assert yahoo.asked == []


def test_a_file_that_names_a_symbol_makes_it_known(
    followed: Watchlist, settings: Any, tmp_path: Path
) -> None:
    settings.MARKETDATA_PROVIDER, settings.CSV_FOLDER = "csv", str(tmp_path)
    lines = "\n".join(f"2020-06-{day},NEWCO,7" for day in (29, 30))
    (tmp_path / "a.csv").write_text(f"date,symbol,close\n{lines}\n")
    put_on(followed, "NEWCO", "OTHER")

    run = jobs.run_now(JobRun.objects.get())

    assert {each["item"]: each["status"] for each in run.items} == {
        "NEWCO": "ok",
        "OTHER": "failed",
    }
    assert standing("OTHER").reason == "csv: no file has it"
    attach_symbols()
    assert standing("NEWCO").state == "resolved"


def test_limits_say_what_they_are(followed: Watchlist, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "MAX_WATCHED", 2)
    monkeypatch.setattr(write, "MAX_UNKNOWN_SYMBOLS", 1)
    monkeypatch.setattr(write, "MAX_WATCHLISTS", 1)
    make_instrument("AAA")

    verdicts = put_on(followed, "ZZA", "ZZB", "AAA", "AAB")

    assert [each.verdict for each in verdicts] == ["unknown", "refused", "added", "refused"]
    assert "1 symbols that nobody knows" in verdicts[1].detail
    assert "A list holds 2 symbols" in verdicts[3].detail
    with pytest.raises(BadInput, match="1 lists"):
        write.create(user=make_user(), name="More", by=actor())


@pytest.mark.django_db(transaction=True)
def test_of_two_who_add_the_same_symbol_at_once_one_is_told() -> None:
    make_clock(DAY)
    make_instrument("AAA")
    by = actor(make_user())
    row = write.create(user=make_user(), name="Mine", by=by)
    told: list[str] = []
    start = threading.Barrier(4)

    def add() -> None:
        try:
            start.wait()
            write.add(watchlist_id=row.pk, symbol="AAA", by=by)
            told.append("added")
        except Conflict as error:
            told.append(error.code)
        finally:
            connection.close()

    people = [threading.Thread(target=add) for _ in range(4)]
    for each in people:
        each.start()
    for each in people:
        each.join()

    assert sorted(told) == ["added", "already_there", "already_there", "already_there"]
    assert WatchlistItem.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_what_is_found_while_it_is_edited_stays_found(transactional_db: None) -> None:
    """Another writer attaches between the reading of an item and its saving."""
    make_clock(DAY)
    by = actor(make_user())
    row = write.create(user=make_user(), name="Mine", by=by)
    item = write.add(watchlist_id=row.pk, symbol="AAA", by=by)
    make_instrument("AAA")
    stale = WatchlistItem.objects.get(pk=item.pk)
    assert write.attach() == 1

    with pytest.raises(Exception, match="changed since"):
        write._save(stale)

    assert WatchlistItem.objects.get(pk=item.pk).instrument is not None
