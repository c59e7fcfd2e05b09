"""What is missing is fetched, judged and written once; what fails is named and stays as it was."""

import shutil
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import numpy as np
import pytest
from django.db import DatabaseError, connection

from etftrader.core import jobs
from etftrader.core.outbound import line
from etftrader.core.records import JobRun
from etftrader.testing.yahoo_server import Asked, Reply, YahooServer
from marketdata.models import (
    CorporateAction,
    DailyBar,
    DataRefresh,
    Instrument,
    PriceSeries,
    QuarantinedPrice,
    TreasuryYield,
)
from marketdata.providers import sources, yahoo_session
from marketdata.selectors import calendar
from marketdata.services import absences, corporate_actions, price_sync, universes
from marketdata.tasks import sync_prices

pytestmark = pytest.mark.django_db
DAY = date(2020, 6, 30)
END = date(2020, 12, 11)  # the last session of the stocks


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.MARKETDATA_PROVIDER = "csv"
    settings.CSV_FOLDER = str(tmp_path)
    return tmp_path


def put(folder: Path, shared: Path, **names: str) -> None:
    """Copy files of the shared data under other names: a folder of links is not read."""
    for name, of in names.items():
        shutil.copy(shared / "data" / of, folder / f"{name.replace('VIX', '^VIX')}.csv.gz")


def file(folder: Path, name: str, *lines: str, header: str = "date,symbol,close") -> None:
    (folder / name).write_text("\n".join([header, *lines, ""]))


def closes(symbol: str) -> dict[date, float]:
    rows = DailyBar.objects.filter(instrument__symbol=symbol).order_by("session_date")
    return {day: float(close) for day, close in rows.values_list("session_date", "close")}


def outcomes(synced: price_sync.Synced) -> dict[str, tuple[str, str]]:
    return {each.item: (each.status, each.reason) for each in synced.outcomes}


def stored() -> list[Any]:
    """Everything a second run must leave as it is."""
    return [
        list(DailyBar.objects.order_by("instrument", "session_date", "source").values()),
        list(PriceSeries.objects.order_by("pk").values_list("pk", "revision")),
        list(TreasuryYield.objects.order_by("session_date", "tenor").values()),
        list(QuarantinedPrice.objects.order_by("pk").values("pk", "state", "times_seen")),
    ]


# --- the shared files --------------------------------------------------------------------------


def test_the_shared_files_come_in_and_the_unexplained_split_is_held(
    folder: Path, shared_folder: Path
) -> None:
    put(
        folder,
        shared_folder,
        etf="etf_daily_2016_2021.csv.gz",
        stock="stock_daily_2016_2020.csv.gz",
        VIX="vix_daily_1990_2026.csv.gz",
        yields="ust_cmt_yields_2005_2026.csv.gz",
    )

    synced = price_sync.load_history(until=END)

    assert Instrument.objects.count() == 44 + 24 + 1
    assert {each: record.status for each, record in synced.records.items()} == {
        "daily_bars": "degraded",
        "vix": "succeeded",
        "yields": "succeeded",
    }
    assert synced.records["daily_bars"].missing == ["SLY"]
    doubts = QuarantinedPrice.objects.filter(state="held")
    assert set(doubts.values_list("symbol", flat=True)) == {"SLY"}
    first = doubts.order_by("session_date").first()
    assert first.reason == "split_without_action"
    assert float(first.compared_with) / float(first.value) == pytest.approx(2, rel=0.05)
    assert max(closes("SLY")) < first.session_date
    # a price a person has yet to judge is no gap
    assert doubts.count() + len(closes("SLY")) == len(calendar.between(min(closes("SLY")), END))
    assert len(closes("SPY")) == len(calendar.between(date(2016, 4, 28), END))
    vix = closes("^VIX")
    assert (min(vix), max(vix)) == (date(2008, 1, 2), END)
    assert vix[date(2020, 3, 16)] == 82.69
    assert vix[date(2018, 2, 5)] / vix[date(2018, 2, 2)] > 2
    curve = TreasuryYield.objects.filter(session_date=END)
    assert dict(curve.values_list("tenor", "percent"))["10Y"] == 0.90
    assert curve.count() == 9

    before = stored()
    again = price_sync.sync(session_date=END)

    assert stored() == before
    assert {record.written for record in again.records.values()} == {0}
    assert outcomes(again)["SPY"] == ("skipped", "nothing was missing")
    assert not DataRefresh.objects.filter(
        dataset="provider", started_at__gte=again.records["daily_bars"].started_at
    ).exists()


def test_splits_of_a_file_explain_its_prices_and_restate_its_history_once(
    folder: Path, shared_folder: Path
) -> None:
    put(folder, shared_folder, stock="stock_daily_2016_2020.csv.gz")
    price_sync.load_history(until=date(2020, 8, 28))
    before = closes("AAPL")
    assert before[date(2020, 8, 28)] == 499.23

    price_sync.sync(session_date=date(2020, 8, 31))

    assert not QuarantinedPrice.objects.filter(symbol="AAPL").exists()
    split = CorporateAction.objects.get(instrument__symbol="AAPL", kind="split")
    # what came with the prices is applied with them, once
    assert (split.ex_date, split.ratio, split.status) == (date(2020, 8, 31), 4, "applied")
    assert CorporateAction.objects.filter(instrument__symbol="AAPL", kind="dividend").exists()
    assert corporate_actions.apply_due(session_date=date(2020, 8, 31))["items"] == []
    assert closes("AAPL")[date(2020, 8, 28)] == pytest.approx(499.23 / 4, abs=1e-4)
    assert closes("AAPL")[date(2020, 8, 31)] == 129.04

    # a session before the split that is fetched after it comes in the shares after it
    aapl = Instrument.objects.get(symbol="AAPL")
    lost = date(2020, 6, 15)
    whole = closes("AAPL")
    DailyBar.objects.filter(instrument=aapl, session_date=lost).delete()
    again = price_sync.sync(session_date=date(2020, 8, 31))
    assert again.records["daily_bars"].written == 1
    assert closes("AAPL") == whole
    assert PriceSeries.objects.get(instrument=aapl).close.tolist() == list(whole.values())


def test_a_whole_history_with_splits_is_one_series_after_they_are_applied(
    folder: Path, shared_folder: Path
) -> None:
    put(folder, shared_folder, stock="stock_daily_2016_2020.csv.gz")

    price_sync.load_history(until=END)

    assert not CorporateAction.objects.exclude(status="applied").exists()
    assert not QuarantinedPrice.objects.exists()
    for symbol in ("AAPL", "NEE"):
        series = PriceSeries.objects.get(instrument__symbol=symbol)
        moves = np.diff(series.close) / series.close[:-1]
        assert abs(moves).max() < 0.25, symbol
    assert closes("AAPL")[date(2016, 1, 4)] == pytest.approx(105.35 / 4, abs=1e-4)


# --- gaps --------------------------------------------------------------------------------------


def test_gaps_in_the_middle_are_found_and_only_they_are_written(folder: Path) -> None:
    days = calendar.between(date(2020, 6, 1), DAY)
    file(folder, "SPY.csv", *(f"{day},{300 + place}" for place, day in enumerate(days)),
         header="date,close")  # fmt: skip
    price_sync.load_history(until=DAY)
    spy = Instrument.objects.get(symbol="SPY")
    whole = closes("SPY")
    holes = [days[3], days[4], days[10]]
    DailyBar.objects.filter(instrument=spy, session_date__in=holes).delete()

    synced = price_sync.sync(session_date=DAY)

    assert synced.records["daily_bars"].written == 3
    assert closes("SPY") == whole
    assert PriceSeries.objects.get(instrument=spy).close.tolist() == list(whole.values())


def test_a_session_the_source_does_not_have_is_asked_for_once(folder: Path) -> None:
    days = calendar.between(date(2020, 6, 1), DAY)
    file(folder, "a.csv", *(f"{day},SPY,300" for day in days if day != days[5]))
    price_sync.load_history(until=DAY)
    asked = DataRefresh.objects.filter(dataset="provider")
    before = asked.count()

    first = price_sync.sync(session_date=DAY, datasets=["daily_bars"])
    second = price_sync.sync(session_date=DAY, datasets=["daily_bars"])

    assert outcomes(first)["SPY"] == outcomes(second)["SPY"] == ("skipped", "nothing was missing")
    assert asked.count() == before

    assert absences.known(["SPY"]) == {"SPY": frozenset({days[5]})}

    # who asks for it by name asks the source
    named = price_sync.sync(session_date=DAY, symbols=["SPY"])
    assert outcomes(named)["SPY"] == ("ok", "the source has no new session")


def test_late_corrections_come_in_when_recent_sessions_are_asked_for_again(folder: Path) -> None:
    file(folder, "a.csv", "2020-06-26,SPY,298", "2020-06-29,SPY,300", "2020-06-30,SPY,301")
    price_sync.load_history(until=DAY)
    file(folder, "a.csv", "2020-06-26,SPY,999", "2020-06-29,SPY,300", "2020-06-30,SPY,301.5")
    assert price_sync.sync(session_date=DAY).records["daily_bars"].written == 0

    told = sync_prices(session_date=DAY.isoformat(), again=2, datasets=["daily_bars"])

    assert told["counts"] == {"daily_bars": 1}
    assert closes("SPY")[DAY] == 301.5
    assert closes("SPY")[date(2020, 6, 26)] == 298
    assert DailyBar.objects.get(session_date=DAY).revision == 1
    assert PriceSeries.objects.get().close.tolist() == [298.0, 300.0, 301.5]


def test_a_dividend_told_late_is_followed_though_no_close_changed(folder: Path) -> None:
    header = "date,symbol,close,dividend"
    file(folder, "a.csv", "2020-06-29,SPY,300,", "2020-06-30,SPY,301,", header=header)
    price_sync.load_history(until=DAY)
    file(folder, "a.csv", "2020-06-29,SPY,300,1.5", "2020-06-30,SPY,301,", header=header)

    synced = price_sync.sync(session_date=DAY, again_from=date(2020, 6, 29))

    assert synced.records["daily_bars"].written == 0
    assert synced.changed == {"SPY": date(2020, 6, 29)}
    assert price_sync.sync(session_date=DAY, again_from=date(2020, 6, 29)).changed == {}


def test_garbage_never_is_a_price_and_the_next_run_asks_again(folder: Path) -> None:
    file(folder, "a.csv", "2020-06-29,SPY,300", "2020-06-30,SPY,-5")
    synced = price_sync.load_history(until=DAY)

    assert closes("SPY") == {date(2020, 6, 29): 300}
    assert synced.records["daily_bars"].status == "failed"
    [doubt] = QuarantinedPrice.objects.all()
    assert (doubt.reason, doubt.raw["close"]) == ("not_positive", "-5.0")

    file(folder, "a.csv", "2020-06-29,SPY,300", "2020-06-30,SPY,301.5")
    assert outcomes(price_sync.sync(session_date=DAY))["SPY"] == ("ok", "")
    assert closes("SPY")[DAY] == 301.5


def test_yields_nobody_can_believe_are_kept_back(folder: Path) -> None:
    header = "date,DGS2,DGS10"
    file(folder, "y.csv", "2020-06-29,0.15,64", "2020-06-30,0.16,0.66", header=header)

    synced = price_sync.sync(session_date=DAY, datasets=["yields"])

    assert list(synced.records) == ["yields"]
    told = TreasuryYield.objects.order_by("session_date", "tenor")
    assert list(told.values_list("session_date", "tenor", "percent", "source")) == [
        (date(2020, 6, 29), "2Y", 0.15, "csv"),
        (DAY, "10Y", 0.66, "csv"),
        (DAY, "2Y", 0.16, "csv"),
    ]
    [doubt] = QuarantinedPrice.objects.all()
    assert (doubt.dataset, doubt.symbol, doubt.value) == ("yields", "10Y", "64.0")


def test_the_volatility_index_may_double_but_holds_no_impossible_figure(folder: Path) -> None:
    header = "date,symbol,open,high,low,close"
    file(folder, "v.csv", "2020-06-29,^VIX,20,21,19,20", "2020-06-30,^VIX,40,45,38,42",
         header=header)  # fmt: skip
    price_sync.load_history(until=DAY)
    assert closes("^VIX") == {date(2020, 6, 29): 20, DAY: 42}

    file(folder, "v.csv", "2020-06-29,^VIX,20,999999999999,19,20.5", header=header)
    price_sync.sync(session_date=DAY, datasets=["vix"], again_from=date(2020, 6, 29))

    assert closes("^VIX")[date(2020, 6, 29)] == 20
    [doubt] = QuarantinedPrice.objects.all()
    assert doubt.reason == "inconsistent"


def test_a_second_source_replaces_the_first_ones_price_and_a_session_has_one(
    folder: Path, settings: Any
) -> None:
    file(folder, "a.csv", "2020-06-29,SPY,300", "2020-06-30,SPY,301")
    price_sync.load_history(until=DAY)
    DailyBar.objects.filter(session_date=DAY).update(source="yfinance")

    price_sync.sync(session_date=DAY, datasets=["daily_bars"], again_from=DAY)

    assert list(DailyBar.objects.order_by("session_date").values_list("close", "source")) == [
        (300, "csv"),
        (301, "csv"),
    ]
    assert PriceSeries.objects.get().close.tolist() == [300.0, 301.0]


def test_a_symbol_nobody_knows_fails_with_suggestions(folder: Path) -> None:
    file(folder, "a.csv", "2020-06-30,SPY,300")
    price_sync.load_history(until=DAY)

    synced = price_sync.sync(session_date=DAY, symbols=["SPZ"])

    assert outcomes(synced) == {"SPZ": ("failed", "unknown_symbol: did you mean SPY?")}


# --- sources asked over the network, on this machine ---------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A line to Yahoo of the test's own, without its pauses: the shared one is the process's."""
    own = line.Line("yfinance", per_minute=10_000, spacing_s=0.0, sleep=lambda seconds: None)
    monkeypatch.setattr(yahoo_session, "line", lambda: own)
    return None


@pytest.fixture
def yahoo(shared_folder: Path, settings: Any, quick: None) -> Iterator[YahooServer]:
    settings.MARKETDATA_PROVIDER = "yfinance"
    with YahooServer(shared_folder / "data" / "yahoo_fixtures") as server:
        settings.YAHOO_BASE_URL = server.url
        yield server


def funds(*symbols: str) -> None:
    for symbol in symbols:
        Instrument.objects.create(symbol=symbol, name=symbol, kind="etf", price_basis="close")


def test_yahoo_by_settings_alone_and_the_second_run_asks_nothing(yahoo: YahooServer) -> None:
    funds("SPY", "TLT")

    synced = price_sync.sync(session_date=DAY, datasets=["daily_bars"])

    assert outcomes(synced)["SPY"] == ("ok", "")
    assert synced.records["daily_bars"].status == "succeeded"
    assert synced.records["daily_bars"].source == "yfinance"
    assert synced.records["daily_bars"].written == 250
    assert closes("SPY")[date(2020, 3, 16)] == pytest.approx(239.85)
    assert CorporateAction.objects.filter(instrument__symbol="SPY", kind="dividend").count() == 2
    asked = yahoo.count("/v8/finance/chart/")
    assert asked == 2

    before = stored()
    again = price_sync.sync(session_date=DAY, datasets=["daily_bars"])

    assert yahoo.count("/v8/finance/chart/") == asked
    assert stored() == before
    assert outcomes(again) == dict.fromkeys(("SPY", "TLT"), ("skipped", "nothing was missing"))


def test_only_the_missing_sessions_symbol_is_asked_for(yahoo: YahooServer) -> None:
    funds("SPY", "TLT")
    price_sync.sync(session_date=DAY, datasets=["daily_bars"])
    whole = closes("TLT")
    hole = date(2020, 4, 1)
    DailyBar.objects.filter(instrument__symbol="TLT", session_date=hole).delete()
    yahoo.asked.clear()

    price_sync.sync(session_date=DAY, datasets=["daily_bars"])

    charts = [each.path for each in yahoo.asked if "chart" in each.path]
    assert [path.rsplit("/")[-1] for path in charts] == ["TLT"]
    assert closes("TLT") == whole


ANSWERS = {
    "empty": [Reply.json({"chart": {"result": [], "error": None}})],
    "rate limited": [Reply(429, b"Too Many Requests")],
    "html": [Reply(200, b"<html>consent</html>", {"Content-Type": "text/html"})],
    "cut off": [Reply(200, b'{"chart": {"resu', {"Content-Type": "application/json"})],
    "failing inside": [Reply(503, b"")],
    "null": [Reply.json(None)],
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_bad_answer_leaves_the_last_good_price_and_says_why(
    yahoo: YahooServer, name: str
) -> None:
    funds("SPY")
    price_sync.sync(session_date=date(2020, 6, 29), datasets=["daily_bars"])
    before = stored()
    yahoo.say("/chart/SPY", *ANSWERS[name])

    synced = price_sync.sync(session_date=DAY, datasets=["daily_bars"])

    record = synced.records["daily_bars"]
    assert record.status == "failed"
    assert record.error
    status, reason = outcomes(synced)["SPY"]
    assert status == "failed"
    assert reason in record.error or record.error.startswith("SPY: ")
    assert stored() == before


def test_one_symbol_fails_and_its_neighbour_is_kept_and_a_retry_asks_for_the_failed_one(
    yahoo: YahooServer,
) -> None:
    funds("SPY", "TLT")
    yahoo.say("/chart/SPY", Reply(429, b""), Reply(429, b""), Reply(429, b""), Reply(429, b""),
              Reply(429, b""), yahoo.reply(Asked("GET", "/v8/finance/chart/SPY", {}, {})))  # fmt: skip
    run = jobs.request(
        "marketdata.sync_prices", as_of=DAY, inputs={"datasets": ["daily_bars"]}, queue=False
    )

    run = jobs.run_now(run)

    assert run.status == "partial"
    said = {each["item"]: each["status"] for each in run.items}
    assert said == {"SPY": "failed", "TLT": "ok"}
    yahoo.asked.clear()

    retry = jobs.request(run.job, as_of=run.as_of, scope=run.scope, inputs=run.inputs, queue=False)
    again = jobs.run_now(retry)

    assert again.pk == run.pk
    assert again.status == "succeeded"
    assert {each["item"]: each["status"] for each in again.items} == {"SPY": "ok", "TLT": "skipped"}
    assert yahoo.count("/chart/TLT") == 0
    assert JobRun.objects.count() == 1


def test_the_next_source_is_asked_and_the_first_is_called_degraded(
    yahoo: YahooServer, settings: Any, tmp_path: Path
) -> None:
    settings.MARKETDATA_PROVIDER = "yfinance,csv"
    settings.CSV_FOLDER = str(tmp_path)
    file(tmp_path, "a.csv", "2020-06-30,AAA,10", "2020-06-30,BBB,20", "2020-06-30,CCC,30")
    funds("AAA", "BBB", "CCC", "SPY")
    yahoo.say("/chart/AAA", Reply.json(None))
    yahoo.say("/chart/BBB", Reply.json(None))
    yahoo.say("/chart/CCC", Reply.json(None))
    yahoo.say("/chart/SPY", Reply.json(None))

    synced = price_sync.sync(session_date=DAY, datasets=["daily_bars"], start=DAY)

    assert closes("AAA") == {DAY: 10}
    assert DailyBar.objects.get(instrument__symbol="AAA").source == "csv"
    record = synced.records["daily_bars"]
    assert (record.status, record.received, record.missing) == ("degraded", 3, ["SPY"])
    assert record.source == "csv"
    told = {
        each.source: (each.status, each.expected, each.received)
        for each in DataRefresh.objects.filter(dataset="provider")
    }
    assert told == {"yfinance": ("failed", 4, 0), "csv": ("succeeded", 4, 3)}
    assert "csv: no file has" in outcomes(synced)["SPY"][1]


def test_a_source_that_is_not_set_up_says_so_and_the_next_one_serves(
    yahoo: YahooServer, settings: Any
) -> None:
    settings.MARKETDATA_PROVIDER = "csv,yfinance"
    settings.CSV_FOLDER = ""
    funds("SPY")

    synced = price_sync.sync(session_date=DAY, datasets=["daily_bars"])

    assert synced.records["daily_bars"].status == "succeeded"
    told = DataRefresh.objects.get(dataset="provider", source="csv")
    assert "CSV_FOLDER is not set" in told.error


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_a_source_is_asked(yahoo: YahooServer) -> None:
    """Asked in the middle, another connection can write at once."""
    funds("SPY", "TLT")
    trouble: list[str] = []
    answer = yahoo.reply

    def reply(asked: Asked) -> Reply:
        try:
            with connection.cursor() as cursor:
                if connection.vendor == "sqlite":
                    cursor.execute("PRAGMA busy_timeout = 0")
                else:
                    cursor.execute("SET lock_timeout = '100ms'")
            Instrument.objects.filter(symbol="SPY").update(name="written")
        except DatabaseError as error:
            trouble.append(str(error))
        finally:
            connection.close()
        return answer(asked)

    yahoo.reply = reply  # type: ignore[method-assign]
    price_sync.sync(session_date=DAY, datasets=["daily_bars"])

    assert yahoo.count("/v8/finance/chart/") == 2
    assert trouble == []
    assert Instrument.objects.get(symbol="SPY").name == "written"


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_are_one(folder: Path) -> None:
    days = calendar.between(date(2020, 1, 2), DAY)
    lines = [f"{day},{symbol},{100 + place % 7}" for place, day in enumerate(days)
             for symbol in ("AAA", "BBB", "CCC")]  # fmt: skip
    file(folder, "a.csv", *lines)
    universes.discover(until=DAY)
    ready, trouble = Barrier(3), []

    def run() -> None:
        try:
            ready.wait()
            price_sync.sync(session_date=DAY, datasets=["daily_bars"])
        except (DatabaseError, RuntimeError) as error:
            trouble.append(error)
        finally:
            connection.close()

    runs = [Thread(target=run) for _ in range(3)]
    for each in runs:
        each.start()
    for each in runs:
        each.join()

    assert trouble == []
    assert DailyBar.objects.count() == 3 * len(days)
    assert set(DailyBar.objects.values_list("revision", flat=True)) == {0}
    for series in PriceSeries.objects.all():
        assert series.close.tolist() == [100 + place % 7 for place in range(len(days))]


# --- which sources -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "bars", "yields"),
    [
        ("bundled", ["bundled"], ["bundled"]),
        ("yfinance", ["yfinance"], ["yfinance"]),
        ("yfinance, csv", ["yfinance", "csv"], ["yfinance", "csv"]),
        ("yfinance,fred,csv", ["yfinance", "csv"], ["fred", "yfinance", "csv"]),
        ("fred", [], ["fred"]),
    ],
)
def test_the_settings_name_the_sources_and_their_order(
    settings: Any, said: str, bars: Sequence[str], yields: Sequence[str]
) -> None:
    settings.MARKETDATA_PROVIDER = said

    assert list(sources.serving("daily_bars")) == bars
    assert list(sources.serving("yields")) == yields


@pytest.mark.parametrize(
    ("said", "words"),
    [("yahoo", "No provider is called yahoo"), ("", "called nothing"), ("bundled,csv", "no other")],
)
def test_settings_that_name_no_usable_source_are_refused(
    settings: Any, said: str, words: str
) -> None:
    settings.MARKETDATA_PROVIDER = said

    with pytest.raises(price_sync.BadInput, match=words):
        price_sync.sync(session_date=DAY)


def test_a_dataset_nobody_fetches_is_refused(folder: Path) -> None:
    with pytest.raises(price_sync.BadInput, match="tea leaves is not fetched"):
        price_sync.sync(session_date=DAY, datasets=["tea leaves"])


def test_the_bundle_is_not_asked_to_justify_its_real_days(settings: Any) -> None:
    """AMD rose by half on 2016-04-22, the VIX on the day after the Brexit vote."""
    price_sync.load_history(until=date(2016, 6, 24))

    assert not QuarantinedPrice.objects.exists()
    amd, vix = closes("AMD"), closes("^VIX")
    assert amd[date(2016, 4, 22)] / amd[date(2016, 4, 21)] > 1.4
    assert vix[date(2016, 6, 24)] == 25.76
