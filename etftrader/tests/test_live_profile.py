"""The live profile: the product's own processes on the real yfinance, switched by settings alone.

MARKETDATA_PROVIDER and YAHOO_BASE_URL name a server of this machine; nothing else differs from
production. Seeded faults it must catch: NaN passes the gate, an empty answer overwrites, a raw
call past the outbound rules, a retry that asks for everything, a page that asks a provider.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from etftrader.core import clock
from etftrader.core.records import JobRun
from etftrader.deploy import stores
from etftrader.testing import services
from etftrader.testing.yahoo_server import (
    JSON,
    Reply,
    StreamServer,
    YahooServer,
    chart,
    endless,
    priced,
    quote,
    trickle,
)
from marketdata import live
from marketdata.models import (
    CorporateAction,
    DailyBar,
    DataRefresh,
    Instrument,
    OptionContract,
    OptionGreeks,
    OptionQuote,
    QuarantinedPrice,
    Quote,
    Tick,
    TreasuryYield,
)
from marketdata.providers import yahoo_session
from marketdata.selectors import calendar, provider_states

pytestmark = pytest.mark.django_db(transaction=True)
MEGABYTE = 1024 * 1024
DAY = date(2020, 6, 30)
JUNE = calendar.between(date(2020, 6, 1), DAY)
EX_DATE = date(2020, 6, 15)
CHAIN_DAY, EXPIRY = date(2014, 6, 5), date(2014, 7, 19)
SYNC = {"datasets": ["daily_bars"], "start": JUNE[0].isoformat()}


@pytest.fixture
def yahoo(shared_folder: Path) -> Iterator[YahooServer]:
    fixtures = shared_folder / "data" / "yahoo_fixtures"
    if not fixtures.is_dir():
        pytest.skip(f"{fixtures} is absent: this test replays its answers")
    with YahooServer(fixtures) as server:
        yield server


class Product:
    """Commands and jobs of one installation, told by its environment where the prices come from."""

    def __init__(self, folder: Path, **settings: str) -> None:
        given = {
            "ETF_VAR": str(folder),
            "MARKETDATA_PROVIDER": "yfinance",
            "YAHOO_CALLS_PER_MINUTE": "10000",
            "OUTBOUND_CONNECT_S": "0.5",
            "OUTBOUND_READ_S": "1",
        }
        self.environment = services.child_environment(**given, **settings)
        del self.environment["ETF_TESTING"]

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=services.ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def call(self, entry: str, **arguments: Any) -> Any:
        """What one function of the live profile answers in a process of its own."""
        child = services.spawn(
            f"etftrader.tests.live_profile:{entry}",
            arguments=arguments,
            environment=self.environment,
        )
        try:
            answers = child.read()
            assert len(answers) == 1, child.complaints()
            return answers[0]
        finally:
            child.close()

    def sync(self, **wishes: Any) -> dict[str, Any]:
        given = {"job": "marketdata.sync_prices", "as_of": DAY.isoformat(), "inputs": SYNC}
        told: dict[str, Any] = self.call("carry_out", **(given | wishes))
        return told


@pytest.fixture
def product(yahoo: YahooServer, tmp_path: Path) -> Product:
    return Product(tmp_path, YAHOO_BASE_URL=yahoo.url)


def made(*symbols: str, **fields: Any) -> None:
    given = {"kind": "stock", "price_basis": "close"} | fields
    for symbol in symbols:
        Instrument.objects.create(symbol=symbol, name=symbol, **given)


def closes(symbol: str) -> dict[date, float]:
    rows = DailyBar.objects.filter(instrument__symbol=symbol).order_by("session_date")
    return {day: float(close) for day, close in rows.values_list("session_date", "close")}


def charts(server: YahooServer) -> list[str]:
    return [each.path.rsplit("/")[-1] for each in server.asked if "/chart/" in each.path]


def everything() -> list[Any]:
    """What a run that brings nothing must leave as it is."""
    return [
        list(DailyBar.objects.order_by("instrument", "session_date", "source").values()),
        list(QuarantinedPrice.objects.order_by("pk").values("pk", "value", "state")),
    ]


# --- sync and update -----------------------------------------------------------------------------


def test_an_empty_installation_fills_itself_and_a_second_run_asks_for_nothing(
    product: Product, yahoo: YahooServer
) -> None:
    months = ("--from", "2020-01-02", "--until", DAY.isoformat())
    assert product.command("migrate", "--check").returncode == 0

    first = product.command("backfill_prices", "SPY", "TLT", "NOPE", *months)

    assert first.returncode == 1, first.stderr
    assert "NOPE: unresolved" in first.stdout
    assert "250 rows written, 1 failed" in first.stdout
    told = yahoo.chart("SPY")["chart"]["result"][0]["indicators"]
    rows = DailyBar.objects.filter(instrument__symbol="SPY").order_by("session_date")
    assert [float(bar.close) for bar in rows] == pytest.approx(told["quote"][0]["close"], abs=5e-5)
    assert [float(bar.adj_close) for bar in rows] == pytest.approx(
        told["adjclose"][0]["adjclose"], abs=5e-5
    )
    assert set(rows.values_list("source", flat=True)) == {"yfinance"}
    assert Instrument.objects.get(symbol="TLT").name == "TLT Trust"
    assert CorporateAction.objects.filter(instrument__symbol="SPY", kind="dividend").count() == 2
    meant = {each.headers.get("X-Forwarded-Host") for each in yahoo.asked}
    assert meant <= yahoo_session.HOSTS

    before = everything()
    yahoo.asked.clear()
    second = product.command("backfill_prices", "SPY", "TLT", *months)

    assert second.returncode == 0, second.stderr
    assert "0 rows written, 0 failed" in second.stdout
    assert yahoo.asked == []
    assert everything() == before


def test_an_update_brings_the_missing_sessions_only(product: Product, yahoo: YahooServer) -> None:
    made("SPY", "TLT", kind="etf")
    product.sync()
    whole = closes("SPY")
    assert list(whole) == JUNE
    DailyBar.objects.filter(instrument__symbol="SPY", session_date__gte=date(2020, 6, 29)).delete()
    yahoo.asked.clear()

    told = product.sync()

    assert told["status"] == "succeeded"
    assert charts(yahoo) == ["SPY"]
    assert closes("SPY") == whole


# --- bad answers ---------------------------------------------------------------------------------


def steady(level: float = 100.0) -> dict[date, float]:
    return {day: round(level + 0.1 * place, 2) for place, day in enumerate(JUNE)}


def good(symbol: str) -> Reply:
    return Reply.json(chart(symbol, steady()))


BAD: dict[str, tuple[Callable[[str], Reply], str]] = {
    "AEMPTY": (
        lambda symbol: Reply.json({"chart": {"result": [], "error": None}}),
        "provider_answer_unreadable",
    ),
    "BNANS": (lambda symbol: Reply.json(chart(symbol, dict.fromkeys(JUNE))), "empty_answer"),
    "CHTML": (
        lambda symbol: Reply(200, b"<html>Sorry</html>", {"Content-Type": "text/html"}),
        "provider_answer_unreadable",
    ),
    "DCUT": (
        lambda symbol: Reply(200, good(symbol).body[:900], {"Content-Type": JSON}),
        "provider_answer_unreadable",
    ),
    "EHUGE": (
        lambda symbol: Reply(
            200, headers={"Content-Type": JSON}, pieces=endless(b" " * 65_536, 100 * MEGABYTE)
        ),
        "provider_answer_too_large",
    ),
    "FWRONG": (lambda symbol: Reply.json(chart("OTHER", steady())), "wrong_symbol"),
}
NEIGHBOURS = [f"{symbol[0]}Z" for symbol in BAD]
SLOW = Reply(200, headers={"Content-Type": JSON}, pieces=trickle(b" ", every_s=0.2, times=50))


def hundredfold(symbol: str) -> Reply:
    prices = steady()
    return Reply.json(chart(symbol, prices | {day: 100 * prices[day] for day in JUNE[-2:]}))


def halved(symbol: str) -> Reply:
    """Half the price from a day on, and no split that says so."""
    return Reply.json(
        chart(symbol, {day: each / (2 if day >= EX_DATE else 1) for day, each in steady().items()})
    )


def test_one_run_meets_every_bad_answer_and_its_retry_asks_for_the_failed_only(
    product: Product, yahoo: YahooServer
) -> None:
    others = ("GLATER", "HSLOW", "IHUNDRED", "JHALVED", "KSPLIT")
    made(*BAD, *NEIGHBOURS, *others)
    for symbol in NEIGHBOURS:
        yahoo.say(f"/chart/{symbol}", good(symbol))
    for symbol, (answer, _) in BAD.items():
        yahoo.say(f"/chart/{symbol}", answer(symbol))
    yahoo.say("/chart/GLATER", Reply(429, b"", {"Retry-After": "1"}), Reply(429), good("GLATER"))
    yahoo.say("/chart/HSLOW", SLOW, good("HSLOW"))
    yahoo.say("/chart/IHUNDRED", hundredfold("IHUNDRED"))
    yahoo.say("/chart/JHALVED", halved("JHALVED"))
    yahoo.say("/chart/KSPLIT", Reply.json(chart("KSPLIT", steady(), splits={EX_DATE: 4})))
    began = time.monotonic()

    first = product.sync()

    waited = time.monotonic() - began
    assert first["status"] == "partial"
    said = {each["item"]: (each["status"], each["reason"]) for each in first["items"]}
    for symbol, (_, code) in BAD.items():
        assert said[symbol][0] == "failed", symbol
        assert said[symbol][1].startswith(f"{code}: yfinance: "), symbol
        assert closes(symbol) == {}
    assert yahoo.sent_bytes < 30 * MEGABYTE
    for symbol in (*NEIGHBOURS, "GLATER", "HSLOW"):
        assert said[symbol] == ("ok", ""), symbol
        assert closes(symbol) == steady()
    assert yahoo.count("/chart/GLATER") == 3
    assert yahoo.count("/chart/HSLOW") == 2
    assert waited > 1.0  # the pause that was asked for

    prices = steady()
    doubts = QuarantinedPrice.objects.filter(state="held").order_by("symbol", "session_date")
    assert [
        (each.symbol, each.session_date, each.reason, float(each.value)) for each in doubts
    ] == [
        *(("IHUNDRED", day, "magnitude", 100 * prices[day]) for day in JUNE[-2:]),
        *(
            ("JHALVED", day, "split_without_action", prices[day] / 2)
            for day in JUNE
            if day >= EX_DATE
        ),
    ]
    assert said["IHUNDRED"] == ("ok", "2 held back, 0 refused, 20 taken")
    assert closes("IHUNDRED") == {day: prices[day] for day in JUNE[:-2]}
    assert closes("JHALVED") == {day: prices[day] for day in JUNE if day < EX_DATE}

    # a split that is told explains itself and is applied once
    assert closes("KSPLIT") == pytest.approx(prices)
    assert CorporateAction.objects.get(kind="split").status == "applied"

    before = everything()
    for symbol in BAD:
        yahoo.say(f"/chart/{symbol}", good(symbol))
    yahoo.asked.clear()

    retry = product.sync(scope=first["scope"])

    assert retry["id"] == first["id"]
    assert retry["status"] == "succeeded"
    # neither what is there nor what waits for a person is asked for
    assert charts(yahoo) == sorted(BAD)
    assert all(closes(symbol) == steady() for symbol in BAD)
    kept = {(row["instrument_id"], row["session_date"]): row for row in before[0]}
    now = {(row["instrument_id"], row["session_date"]): row for row in everything()[0]}
    assert {key: now[key] for key in kept} == kept
    assert everything()[1] == before[1]
    assert JobRun.objects.count() == 1


def test_a_provider_that_is_down_changes_nothing_is_named_and_comes_back(
    product: Product, yahoo: YahooServer, tmp_path: Path
) -> None:
    made("SPY", kind="etf")
    product.sync(inputs=SYNC | {"end": "2020-06-26"})
    before = everything()
    away = Product(tmp_path, YAHOO_BASE_URL=f"http://127.0.0.1:{stores.free_port()}")

    down = away.sync()

    assert down["status"] == "failed" or {each["status"] for each in down["items"]} == {"failed"}
    assert down["items"][0]["reason"].startswith("provider_unreachable: ")
    assert everything() == before
    record = DataRefresh.objects.filter(dataset="daily_bars").latest("finished_at")
    assert (record.status, record.missing) == ("failed", ["SPY"])
    asked = DataRefresh.objects.filter(dataset="provider").latest("finished_at")
    assert (asked.source, asked.status) == ("yfinance", "failed")
    assert "provider_unreachable" in asked.error or "SPY" in asked.error

    back = product.sync(scope=down["scope"])

    assert back["status"] == "succeeded"
    assert list(closes("SPY")) == JUNE


def test_three_questions_without_an_answer_make_a_source_degraded(
    product: Product, tmp_path: Path, settings: Any
) -> None:
    settings.MARKETDATA_PROVIDER = "yfinance"
    made("AAA", "BBB", "CCC", "DDD")
    away = Product(tmp_path, YAHOO_BASE_URL=f"http://127.0.0.1:{stores.free_port()}")

    told = away.sync(inputs={"datasets": ["daily_bars"], "start": DAY.isoformat()})

    codes = [each["reason"].partition(":")[0] for each in told["items"]]
    # after the third the source is left alone: nobody waits for a fourth
    assert codes == ["provider_unreachable"] * 3 + ["provider_paused"]
    [state] = provider_states.states()
    assert (state.provider, state.state) == ("yfinance", "degraded")


# --- quotes --------------------------------------------------------------------------------------


def soon(wanted: Callable[[], Any], within_s: float = 40.0) -> Any:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if found := wanted():
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come")


def last_close(symbol: str, price: str) -> None:
    DailyBar.objects.create(
        instrument=Instrument.objects.get(symbol=symbol),
        session_date=calendar.previous(clock.now().date(), 2),
        source="yfinance",
        close=price,
        price_basis="close",
    )


def test_the_feed_takes_the_stream_then_polls_and_holds_a_hundredfold_price(
    product: Product, yahoo: YahooServer
) -> None:
    made("SPY", "TLT", kind="etf")
    last_close("SPY", "308.36")
    last_close("TLT", "163.93")
    now = int(time.time())
    streamed = [
        priced("SPY", 309.0, seconds=now - 60, volume=900),
        "garbage",
        priced("SPY", 309.0, seconds=now - 60, volume=900),  # a copy
        priced("SPY", 309.5, seconds=now - 50, volume=1000),
        priced("SPY", 309.2, seconds=now - 55, volume=950),  # out of order
    ]
    polled = [
        quote("SPY") | {"regularMarketPrice": 310.0, "regularMarketTime": now - 30},
        quote("TLT") | {"regularMarketPrice": 16393.0, "regularMarketTime": now - 30},
    ]
    yahoo.say("/finance/quote", Reply.json({"quoteResponse": {"result": polled, "error": None}}))
    with StreamServer(*streamed) as stream:
        product.environment["YAHOO_STREAM_URL"] = stream.url
        feed = subprocess.Popen(
            [sys.executable, "manage.py", "consume_quotes"],
            cwd=services.ROOT,
            env=product.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            soon(lambda: Quote.objects.filter(instrument__symbol="SPY", price=310).exists())
            soon(lambda: QuarantinedPrice.objects.filter(symbol="TLT").exists())
        finally:
            os.kill(feed.pid, signal.SIGTERM)
            said, complaints = feed.communicate(timeout=30)

    assert feed.returncode == 0, complaints
    assert "listening to yfinance" in said
    prices = Tick.objects.filter(instrument__symbol="SPY").order_by("ts")
    assert [float(each) for each in prices.values_list("price", flat=True)] == [
        309.0,
        309.2,
        309.5,
        310.0,
    ]
    newest = Quote.objects.get(instrument__symbol="SPY")
    assert newest.as_of == datetime.fromtimestamp(now - 30, UTC)
    assert float(newest.previous_close) == 308.36
    [doubt] = QuarantinedPrice.objects.all()
    assert (doubt.symbol, doubt.dataset, doubt.value) == ("TLT", "quotes", "16393.0")
    assert not Quote.objects.filter(instrument__symbol="TLT").exists()
    board = live.last_prices()
    assert board is not None
    assert dict(zip(board.symbols, board.prices.tolist(), strict=True))["SPY"] == 310.0


# --- options -------------------------------------------------------------------------------------


def test_a_chain_becomes_quotes_volatilities_and_greeks(
    product: Product, yahoo: YahooServer
) -> None:
    made("TWX", assumed_dividend_yield=0.018)
    days = calendar.between(date(2014, 5, 1), CHAIN_DAY)
    yahoo.say("/chart/TWX", Reply.json(chart("TWX", dict.fromkeys(days, 70.88))))
    for symbol, percent in {"^IRX": 0.04, "^FVX": 1.65, "^TNX": 2.59, "^TYX": 3.44}.items():
        yahoo.say(f"/chart/{symbol}", Reply.json(chart(symbol, dict.fromkeys(days, percent))))
    wish = {"start": days[0].isoformat()}
    product.sync(as_of=CHAIN_DAY.isoformat(), inputs=wish)
    assert dict(
        TreasuryYield.objects.filter(session_date=CHAIN_DAY).values_list("tenor", "percent")
    ) == {"3M": 0.04, "5Y": 1.65, "10Y": 2.59, "30Y": 3.44}
    given = {"symbol": "TWX", "session_date": CHAIN_DAY.isoformat()}

    told = product.call("price_options", **given)

    listed = [each for each in told["chains"] if each["status"] == "ok"]
    assert [each["item"] for each in listed] == [f"TWX {EXPIRY}"]
    # the fixture answers one chain for every expiration: the others are refused, not stored
    assert {
        each["reason"].partition("contract")[0] for each in told["chains"] if each not in listed
    }
    assert OptionContract.objects.count() == 28
    quotes = OptionQuote.objects.all()
    assert set(quotes.values_list("contract__expiry", "source")) == {(EXPIRY, "yfinance")}
    assert quotes.filter(iv__isnull=False).count() >= 15
    assert told["greeks"]["contracts"] == told["greeks"]["written"] == 28
    assert told["greeks"]["second_opinion"]["largest_difference"] < 1e-9
    priced_rows = OptionGreeks.objects.filter(delta__isnull=False).select_related("contract")
    for row in priced_rows:
        sign = 1 if row.contract.right == "call" or row.contract.right == "C" else -1
        assert 0 <= sign * row.delta <= 1
    assert all(row.reason for row in OptionGreeks.objects.filter(delta__isnull=True))

    again = product.call("price_options", **given)

    assert again["greeks"]["written"] == 0
    assert OptionQuote.objects.count() == quotes.count()


# --- pages ---------------------------------------------------------------------------------------

FILLED = {"symbol": "SPY", "underlying": "SPY"}


def addresses(patterns: list[Any] | None = None, before: str = "/") -> Iterator[str]:
    """Every address of the product that needs no object of somebody's, with SPY for a symbol."""
    for each in get_resolver().url_patterns if patterns is None else patterns:
        route = before + str(getattr(each.pattern, "_route", ""))
        if isinstance(each, URLResolver):
            if not route.startswith(("/admin/", "/health/")):
                yield from addresses(each.url_patterns, route)
        elif (
            isinstance(each, URLPattern)
            and not route.startswith("/health/")
            and set(each.pattern.converters) <= FILLED.keys()
        ):
            for name, kind in each.pattern.converters.items():
                word = type(kind).__name__.removesuffix("Converter").lower()
                route = route.replace(f"<{word}:{name}>", FILLED[name])
                route = route.replace(f"<{name}>", FILLED[name])
            if "<" not in route and "(" not in route:
                yield route


def test_no_page_and_no_read_of_the_api_waits_for_a_provider(
    yahoo: YahooServer, settings: Any
) -> None:
    settings.MARKETDATA_PROVIDER, settings.YAHOO_BASE_URL = "yfinance", yahoo.url
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (100_000, 1))
    yahoo.say("/", SLOW)
    made("SPY", kind="etf")
    last_close("SPY", "308.36")
    person = get_user_model().objects.create_superuser(
        email="reader@example.com", password="a-long-Secret-9"
    )
    browser = Client(raise_request_exception=False)
    browser.force_login(person)
    paths = sorted(set(addresses()))
    assert "/data/" in paths
    assert len(paths) > 40

    slow, broken = [], []
    for path in paths:
        began = time.monotonic()
        status = browser.get(path).status_code
        if status >= 500:
            broken.append((path, status))
        if time.monotonic() - began > timedelta(seconds=5).total_seconds():
            slow.append(path)

    assert yahoo.asked == []
    assert slow == []
    assert broken == []
