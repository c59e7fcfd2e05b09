"""FRED's yields by key and without one, asked on this machine only."""

import logging
import traceback
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from etftrader.core.outbound.answers import Limits
from etftrader.core.outbound.client import Client
from etftrader.core.outbound.errors import NotReached
from etftrader.core.outbound.line import Line
from etftrader.core.outbound.rules import Rules
from etftrader.testing.yahoo_server import Asked, ReplayServer, Reply, endless
from marketdata.providers import fred
from marketdata.providers.base import ProviderFailed
from marketdata.providers.fred import TENORS, FredProvider

START, END = date(2020, 1, 2), date(2020, 1, 8)
SERIES = {"2020-01-02": "1.88", "2020-01-03": "1.80", "2020-01-06": ".", "2020-01-07": "1.83"}
KEY = "canary-key-7f3a"


class FredServer(ReplayServer):
    """Both of FRED's paths over one small series, in pages of two."""

    def reply(self, asked: Asked) -> Reply:
        if asked.path.endswith("fredgraph.csv"):
            rows = [f"{day},{value}" for day, value in SERIES.items()]
            text = "\n".join([f"observation_date,{asked.query['id'][0]}", *rows])
            return Reply(200, text.encode(), {"Content-Type": "text/csv"})
        offset = int(asked.query["offset"][0])
        page = list(SERIES.items())[offset : offset + 2]
        told = [{"date": day, "value": value} for day, value in page]
        return Reply.json({"count": len(SERIES), "offset": offset, "observations": told})


@pytest.fixture
def server() -> Iterator[FredServer]:
    with FredServer() as running:
        yield running


Make = Callable[..., FredProvider]


@pytest.fixture
def source(server: FredServer) -> Make:
    def made(key: str = "") -> FredProvider:
        rules = Rules("fred", frozenset({fred.API_HOST, fred.CSV_HOST}), base_url=server.url)
        line = Line("fred", per_minute=10_000, spacing_s=0.0, sleep=lambda seconds: None)
        client = Client(rules, line, limits=Limits(connect_s=0.5, read_s=1))
        return FredProvider(until=date(2020, 12, 31), client=client, api_key=key)

    return made


@pytest.mark.parametrize("key", ["", KEY])
def test_yields_in_percent_without_the_missing_days(
    source: Make, server: FredServer, key: str
) -> None:
    answer = source(key).curve(START, END, ["DGS10", "DGS1MO"])

    assert answer.failures == ()
    assert [(row.session_date.day, row.tenor, row.percent) for row in answer.rows] == [
        (day, tenor, percent)
        for day, percent in ((2, 1.88), (3, 1.80), (7, 1.83))
        for tenor in ("1M", "10Y")
    ]
    assert {row.source for row in answer.rows} == {"fred"}


def test_with_a_key_every_page_is_read(source: Make, server: FredServer) -> None:
    source(KEY).curve(START, END, ["DGS10"])

    assert [each.query["offset"] for each in server.asked] == [["0"], ["2"]]
    assert server.asked[0].query["observation_start"] == ["2020-01-02"]
    assert server.asked[0].query["series_id"] == ["DGS10"]


def test_nothing_after_the_clock_is_asked_or_kept(source: Make, server: FredServer) -> None:
    fred_source = source()
    fred_source.until = date(2020, 1, 3)

    assert len(fred_source.curve(START, END, ["DGS10"]).rows) == 2
    assert server.asked[0].query["coed"] == ["2020-01-03"]


def test_a_time_after_the_clock_is_not_asked_for(source: Make, server: FredServer) -> None:
    assert list(source().yields(date(2021, 1, 4), date(2021, 1, 8))) == []
    assert server.asked == []


def test_all_eleven_tenors_by_day_then_tenor(source: Make) -> None:
    rows = list(source().yields(START, START))

    assert [row.tenor for row in rows] == list(TENORS.values())


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (
            Reply(200, b"<html>Bad</html>", {"Content-Type": "text/html"}),
            "provider_answer_unreadable",
        ),
        (Reply(200, b"", {"Content-Type": "text/csv"}), "wrong_symbol"),
        (Reply(200, b"observation_date,DGS30\n2020-01-02,1\n"), "wrong_symbol"),
        (Reply(200, b"observation_date,DGS10\n"), "empty_answer"),
        (Reply(200, b"observation_date,DGS10\n2020-01-02,abc\n"), "provider_failed"),
        (Reply(200, b"observation_date,DGS10\n2020-01-02,nan\n"), "provider_failed"),
        (Reply(200, b"observation_date,DGS10\n02.01.2020,1\n"), "provider_failed"),
        (Reply(200, b"observation_date,DGS10\n2020-01-02\n"), "provider_failed"),
        (Reply(200, b'observation_date,DGS10\n"2020-01-02,1\n'), "provider_failed"),
        (Reply(200, b"\xff\xfe\x00"), "provider_answer_unreadable"),
        (Reply(200, pieces=endless(b"x" * 65_536, 100_000_000)), "provider_answer_too_large"),
        (Reply(429), "provider_rate_limited"),
        (Reply(503), "provider_error"),
        (Reply(404), "provider_not_found"),
        (Reply(302, headers={"Location": "https://evil.example/"}), "provider_answer_unreadable"),
    ],
    ids=str,
)
def test_a_series_without_an_answer_is_named_and_the_other_is_kept(
    source: Make, server: FredServer, reply: Reply, code: str
) -> None:
    good = server.reply(Asked("GET", "/fredgraph.csv", {"id": ["DGS30"]}, {}))
    answers = {"DGS10": reply, "DGS30": good}
    server.reply = lambda asked: answers[asked.query["id"][0]]  # type: ignore[method-assign]

    answer = source().curve(START, END, ["DGS10", "DGS30"])

    assert [(each.subject, each.code) for each in answer.failures] == [("DGS10", code)]
    assert [row.tenor for row in answer.rows] == ["30Y"] * 3


@pytest.mark.parametrize(
    "value",
    [
        [],
        None,
        {},
        {"count": "4", "observations": []},
        {"count": 4, "observations": [1]},
        {"count": 4, "observations": []},
        {"count": 10**9, "observations": [{"date": "2020-01-02", "value": "1"}]},
        {"count": 1, "observations": [{"date": None, "value": "1"}]},
        {"count": 1, "observations": [{"date": "2020-01-02", "value": 1e400}]},
    ],
    ids=str,
)
def test_json_that_is_no_page_is_a_failure(source: Make, server: FredServer, value: Any) -> None:
    server.say("/observations", Reply.json(value))

    answer = source(KEY).curve(START, END, ["DGS10"])

    assert answer.rows == ()
    assert len(answer.failures) == 1


def test_a_series_we_do_not_know_is_not_asked(source: Make, server: FredServer) -> None:
    answer = source().curve(START, END, ["../DGS10"])

    assert answer.failures[0].code == "unknown_series"
    assert server.asked == []


def test_when_every_series_fails_the_source_failed(source: Make, server: FredServer) -> None:
    server.say("/", Reply(500))

    with pytest.raises(ProviderFailed, match="DGS1MO"):
        list(source().yields(START, END))


@pytest.mark.parametrize("way", ["cut off", "nobody there"])
def test_the_key_stands_in_no_message_and_no_log(
    server: FredServer, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    caplog.set_level(logging.INFO)
    server.say("/observations", Reply(200, b"{", claims=900))
    base = server.url if way == "cut off" else "http://127.0.0.1:1"
    rules = Rules("fred", frozenset({fred.API_HOST}), base_url=base)
    line = Line("fred", per_minute=10_000, spacing_s=0.0, sleep=lambda seconds: None)
    client = Client(rules, line, limits=Limits(connect_s=0.5, read_s=1))

    told = FredProvider(until=END, client=client, api_key=KEY).curve(START, END, ["DGS10"])
    with pytest.raises(NotReached) as failure:
        client.json(fred.API, {"api_key": KEY})

    words = "".join(traceback.format_exception(failure.value))
    assert KEY not in told.failures[0].detail
    assert "the connection failed" in words
    assert KEY not in words
    assert KEY not in caplog.text


def test_fred_has_no_prices(source: Make) -> None:
    with pytest.raises(ProviderFailed, match="yields only"):
        list(source().bars(["SPY"], START, END))


def test_the_settings_name_the_address_and_the_key(server: FredServer, settings: Any) -> None:
    settings.FRED_BASE_URL, settings.FRED_API_KEY = server.url, KEY
    settings.FRED_CALLS_PER_MINUTE = 10_000

    [row, *_] = FredProvider(until=END).curve(START, START, ["DGS10"]).rows

    assert row.percent == 1.88
    assert server.asked[0].query["api_key"] == [KEY]
