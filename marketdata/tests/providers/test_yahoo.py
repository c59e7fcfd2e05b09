"""Yahoo through the real library and our session, asked on this machine only."""

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from etftrader.core.outbound.answers import Limits
from etftrader.core.outbound.line import Line
from etftrader.testing.yahoo_server import (
    JSON,
    Asked,
    Reply,
    StreamServer,
    YahooServer,
    endless,
    priced,
    trickle,
)
from marketdata.providers import yahoo_quotes, yahoo_session
from marketdata.providers.base import ProviderFailed, SymbolHistory
from marketdata.providers.yahoo import YahooProvider
from marketdata.selectors import calendar

START, END = date(2020, 1, 2), date(2020, 6, 30)
MEGABYTE = 1024 * 1024


@pytest.fixture
def server(shared_folder: Path, settings: Any) -> Iterator[YahooServer]:
    fixtures = shared_folder / "data" / "yahoo_fixtures"
    if not fixtures.is_dir():
        pytest.skip(f"{fixtures} is absent: this test replays its answers")
    with YahooServer(fixtures) as running:
        settings.YAHOO_BASE_URL = running.url
        yield running


@pytest.fixture
def naps() -> list[float]:
    return []


@pytest.fixture
def yahoo(server: YahooServer, naps: list[float]) -> YahooProvider:
    line = Line("yfinance", per_minute=10_000, spacing_s=0.0, sleep=naps.append)
    session = yahoo_session.session(line, limits=Limits(connect_s=0.5, read_s=1.0))
    return YahooProvider(until=date(2020, 12, 31), session=session)


def asked(yahoo: YahooProvider, *symbols: str) -> list[SymbolHistory]:
    return list(yahoo.histories(symbols or ("SPY",), START, END))


def fails(yahoo: YahooProvider, code: str, words: str) -> None:
    """SPY fails for the reason named; TLT beside it is kept."""
    spy, tlt = asked(yahoo, "SPY", "TLT")
    assert spy.failure is not None
    assert (spy.failure.code, spy.bars, spy.dividends) == (code, (), ())
    assert words in spy.failure.detail
    assert tlt.failure is None
    assert len(tlt.bars) == 125


def test_a_fixture_becomes_bars_with_both_prices_and_dividends(
    yahoo: YahooProvider, server: YahooServer
) -> None:
    [spy] = asked(yahoo)
    told = server.chart("SPY")["chart"]["result"][0]
    quote = told["indicators"]["quote"][0]

    assert spy.failure is None
    assert [bar.close for bar in spy.bars] == quote["close"]
    assert [bar.adj_close for bar in spy.bars] == told["indicators"]["adjclose"][0]["adjclose"]
    assert [bar.volume for bar in spy.bars] == quote["volume"]
    assert [bar.session_date for bar in spy.bars][:2] == [date(2020, 1, 2), date(2020, 1, 3)]
    assert spy.bars[-1].session_date == END
    assert {bar.price_basis for bar in spy.bars} == {"close"}
    assert [(row.ex_date, row.amount, row.kind) for row in spy.dividends] == [
        (date(2020, 3, 20), 1.4056, "cash"),
        (date(2020, 6, 19), 1.3662, "cash"),
    ]
    assert (spy.splits, spy.gaps, spy.currency) == ((), (), "USD")


def test_the_days_of_a_half_year_in_which_clocks_change_are_the_exchanges(
    yahoo: YahooProvider,
) -> None:
    """The opening is at 14:30 in UTC till 6 March, at 13:30 from 9 March on."""
    [spy] = asked(yahoo)

    assert [bar.session_date for bar in spy.bars] == calendar.between(START, END)


def test_every_request_goes_to_the_base_address_and_none_elsewhere(
    yahoo: YahooProvider, server: YahooServer
) -> None:
    asked(yahoo)

    meant = {each.headers.get("X-Forwarded-Host") for each in server.asked}
    assert meant <= yahoo_session.HOSTS
    assert "query2.finance.yahoo.com" in meant
    assert all(each.headers["Host"] == server.url.partition("//")[2] for each in server.asked)


def test_only_the_days_asked_for_come_back(yahoo: YahooProvider) -> None:
    [spy] = yahoo.histories(["SPY"], date(2020, 3, 2), date(2020, 3, 6))

    assert [bar.session_date.day for bar in spy.bars] == [2, 3, 4, 5, 6]


def test_nothing_after_the_clock_comes_back(server: YahooServer, yahoo: YahooProvider) -> None:
    yahoo.until = date(2020, 3, 4)

    assert max(bar.session_date for bar in asked(yahoo)[0].bars) == date(2020, 3, 4)
    assert yahoo.last_session() == date(2020, 3, 4)
    before = len(server.asked)
    [later] = yahoo.histories(["SPY"], date(2020, 3, 5), END)
    assert (later.bars, later.failure) == ((), None)
    assert len(server.asked) == before


def test_dividends_outside_the_time_asked_for_stay_out(yahoo: YahooProvider) -> None:
    [spy] = yahoo.histories(["SPY"], date(2020, 3, 20), date(2020, 6, 18))
    assert [row.ex_date for row in spy.dividends] == [date(2020, 3, 20)]
    [spy] = yahoo.histories(["SPY"], date(2020, 3, 21), date(2020, 6, 19))
    assert [row.ex_date for row in spy.dividends] == [date(2020, 6, 19)]


def test_a_day_in_the_far_east_is_that_exchanges_day(
    yahoo: YahooProvider, server: YahooServer
) -> None:
    chart = server.chart("SPY")
    result = chart["chart"]["result"][0]
    result["meta"] |= {"symbol": "0700.HK", "exchangeTimezoneName": "Asia/Hong_Kong"}
    # opening at 09:30 in Hong Kong is 13 hours before the fixture's 09:30 in New York
    result["timestamp"] = [each - 13 * 3600 for each in result["timestamp"]]
    server.say("/chart/0700.HK", Reply.json(chart))

    [found] = yahoo.histories(["0700.HK"], date(2020, 1, 3), date(2020, 1, 6))

    assert [bar.session_date.day for bar in found.bars] == [3, 6]


def test_splits_are_new_shares_for_one_old(yahoo: YahooProvider, server: YahooServer) -> None:
    chart = server.chart("SPY")
    result = chart["chart"]["result"][0]
    moment = result["timestamp"][10]
    result["events"]["splits"] = {
        str(moment): {"date": moment, "numerator": 4, "denominator": 1, "splitRatio": "4:1"}
    }
    server.say("/chart/SPY", Reply.json(chart))

    [split] = asked(yahoo)[0].splits

    assert (split.ratio, split.ex_date) == (4.0, date(2020, 1, 16))


def test_an_unknown_symbol_fails_alone_and_is_asked_once(
    yahoo: YahooProvider, server: YahooServer
) -> None:
    nope, qqq = asked(yahoo, "NOPE", "QQQ")

    assert nope.failure is not None
    assert nope.failure.code == "provider_not_found"
    assert "no such symbol" in nope.failure.detail
    assert len(qqq.bars) == 125
    assert server.count("/chart/NOPE") == 1


def test_bars_of_some_symbols_come_and_of_none_is_a_failure(yahoo: YahooProvider) -> None:
    assert {row.symbol for row in yahoo.bars(["NOPE", "QQQ"], START, END)} == {"QQQ"}
    with pytest.raises(ProviderFailed, match="any of 2 symbols; NOPE"):
        list(yahoo.bars(["NOPE", "NADA"], START, END))


def test_too_many_requests_once_is_waited_out(
    yahoo: YahooProvider, server: YahooServer, naps: list[float]
) -> None:
    good = Reply.json(server.chart("SPY"))
    server.say("/chart/SPY", Reply(429, b"", {"Retry-After": "7"}), good)

    assert asked(yahoo)[0].failure is None
    assert max(naps) == 7.0


def test_too_many_requests_for_ever_ends_after_five_tries(
    yahoo: YahooProvider, server: YahooServer, naps: list[float]
) -> None:
    server.say("/chart/SPY", Reply(429))

    fails(yahoo, "provider_rate_limited", "429")
    assert server.count("/chart/SPY") == 5
    assert len(naps) == 4


def test_a_source_that_keeps_failing_is_left_alone(
    yahoo: YahooProvider, server: YahooServer
) -> None:
    server.say("/chart/", Reply(500))

    codes = [answer.failure.code for answer in asked(yahoo, "A", "B", "C", "D", "E")]

    assert codes == ["provider_error"] * 3 + ["provider_paused"] * 2
    assert server.count("/chart/E") == 0


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(200, b"", {"Content-Type": JSON}), "not readable"),
        (Reply(200, b"\x00\xff garbage", {"Content-Type": JSON}), "not readable"),
        (Reply(200, b"[" * 200_000, {"Content-Type": JSON}), "not readable"),
        (Reply(200, b'{"chart": {"result": [{"meta"', {"Content-Type": JSON}), "not readable"),
        (Reply(200, b"<html>Sorry</html>", {"Content-Type": "text/html"}), "web page"),
        (Reply(200, b"<!doctype html><p>", {"Content-Type": JSON}), "web page"),
    ],
    ids=["no body", "garbage", "nested", "cut json", "html", "html called json"],
)
def test_an_answer_that_is_no_json(
    yahoo: YahooProvider, server: YahooServer, reply: Reply, words: str
) -> None:
    server.say("/chart/SPY", reply)

    fails(yahoo, "provider_answer_unreadable", words)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"chart": None},
        {"chart": {"result": None, "error": None}},
        {"chart": {"result": [], "error": None}},
        {"chart": {"result": [{}], "error": None}},
        {"chart": {"result": [{"meta": {"symbol": "SPY"}}], "error": None}},
        {"chart": {"result": "SPY", "error": None}},
        {"chart": {"result": None, "error": {"code": "x", "description": "Not today"}}},
    ],
    ids=str,
)
def test_json_without_prices_fails_in_words(
    yahoo: YahooProvider, server: YahooServer, value: object
) -> None:
    server.say("/chart/SPY", Reply.json(value))

    fails(yahoo, "provider_answer_unreadable", "Yahoo")


def changed(server: YahooServer, **columns: list[float | None]) -> Reply:
    chart = server.chart("SPY")
    quote = chart["chart"]["result"][0]["indicators"]["quote"][0]
    quote.update(columns)
    return Reply.json(chart)


@pytest.mark.parametrize("column", ["open", "high", "low", "close"])
def test_a_column_without_values_fails_the_symbol(
    yahoo: YahooProvider, server: YahooServer, column: str
) -> None:
    server.say("/chart/SPY", changed(server, **{column: [None] * 125}))

    fails(yahoo, "empty_answer", column.capitalize())


def test_no_rows_fail_the_symbol(yahoo: YahooProvider, server: YahooServer) -> None:
    chart = server.chart("SPY")
    result = chart["chart"]["result"][0]
    result["timestamp"] = []
    for rows in (*result["indicators"]["quote"], *result["indicators"]["adjclose"]):
        rows.update({name: [] for name in rows})
    server.say("/chart/SPY", Reply.json(chart))

    fails(yahoo, "empty_answer", "no rows")


def test_a_day_without_a_close_is_a_gap_and_infinity_is_left_to_the_gate(
    yahoo: YahooProvider, server: YahooServer
) -> None:
    closes = server.chart("SPY")["chart"]["result"][0]["indicators"]["quote"][0]["close"]
    server.say("/chart/SPY", changed(server, close=[None, float("inf"), *closes[2:]]))

    [spy] = asked(yahoo)

    assert spy.gaps == (date(2020, 1, 2),)
    assert spy.bars[0].close == float("inf")
    assert len(spy.bars) == 124


def test_a_volume_yahoo_does_not_name_is_unknown(yahoo: YahooProvider, server: YahooServer) -> None:
    server.say("/chart/SPY", changed(server, volume=[None, *[5] * 124]))

    assert [bar.volume for bar in asked(yahoo)[0].bars[:2]] == [None, 5]


def test_an_answer_for_another_symbol_is_refused(yahoo: YahooProvider, server: YahooServer) -> None:
    server.say("/chart/SPY", Reply.json(server.chart("QQQ")))

    fails(yahoo, "wrong_symbol", "asked for SPY, answered for QQQ")


def test_columns_in_another_order_give_the_same_rows(
    yahoo: YahooProvider, server: YahooServer
) -> None:
    before = asked(yahoo)
    chart = server.chart("SPY")
    [quote] = chart["chart"]["result"][0]["indicators"]["quote"]
    chart["chart"]["result"][0]["indicators"]["quote"] = [dict(sorted(quote.items()))]
    server.say("/chart/SPY", Reply.json(chart))

    assert asked(yahoo) == before


def test_a_body_cut_off_is_no_answer(yahoo: YahooProvider, server: YahooServer) -> None:
    body = json.dumps(server.chart("SPY")).encode()
    server.say("/chart/SPY", Reply(200, body[:900], {"Content-Type": JSON}, claims=len(body)))

    fails(yahoo, "provider_unreachable", "broke off")


def test_a_body_of_a_hundred_megabytes_is_cut_at_ten(
    yahoo: YahooProvider, server: YahooServer
) -> None:
    huge = endless(b" " * 65_536, 100 * MEGABYTE)
    server.say("/chart/SPY", Reply(200, headers={"Content-Type": JSON}, pieces=huge))

    fails(yahoo, "provider_answer_too_large", "larger")
    assert server.sent_bytes < 30 * MEGABYTE


def test_a_small_body_that_unpacks_to_a_huge_one_is_cut(
    yahoo: YahooProvider, server: YahooServer
) -> None:
    packed = gzip.compress(b" " * (60 * MEGABYTE), 6)
    headers = {"Content-Type": JSON, "Content-Encoding": "gzip"}
    server.say("/chart/SPY", Reply(200, packed, headers))

    fails(yahoo, "provider_answer_too_large", "larger")
    assert len(packed) < MEGABYTE


def test_a_slow_body_ends_by_the_clock(server: YahooServer, naps: list[float]) -> None:
    slow = trickle(b" ", every_s=0.1, times=100)
    server.say("/chart/SPY", Reply(200, headers={"Content-Type": JSON}, pieces=slow))
    line = Line("yfinance", per_minute=10_000, spacing_s=0.0, sleep=naps.append)
    session = yahoo_session.session(line, limits=Limits(connect_s=0.1, read_s=0.3))
    began = time.monotonic()

    [spy] = asked(YahooProvider(until=END, session=session))

    assert time.monotonic() - began < 5 * 0.4 + 3
    assert spy.failure is not None
    assert spy.failure.code == "provider_timeout"
    assert "in time" in spy.failure.detail


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "http://query1.finance.yahoo.com/v8/finance/chart/SPY",
        "https://query1.finance.yahoo.com.evil.example/",
        "https://query1.finance.yahoo.com:8443/",
        "https://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "//evil.example/x",
    ],
)
def test_a_redirect_outside_the_list_is_not_followed(
    yahoo: YahooProvider, server: YahooServer, target: str
) -> None:
    server.say("/chart/SPY", Reply(302, headers={"Location": target}))

    fails(yahoo, "address_refused", "")


def test_a_redirect_inside_the_list_is_followed(yahoo: YahooProvider, server: YahooServer) -> None:
    target = "https://query1.finance.yahoo.com/v8/finance/chart/SPY/moved"
    server.say("/chart/SPY", Reply(302, headers={"Location": target}))
    server.say("/chart/SPY/moved", Reply.json(server.chart("SPY")))

    assert asked(yahoo)[0].failure is None


def test_redirects_in_a_circle_end(yahoo: YahooProvider, server: YahooServer) -> None:
    target = "https://query2.finance.yahoo.com/v8/finance/chart/SPY"
    server.say("/chart/SPY", Reply(302, headers={"Location": target}))

    fails(yahoo, "provider_answer_unreadable", "redirects")


@pytest.mark.parametrize(
    "symbol", ["", "spy", "../x", "..", "A/B", "A%2FB", "A B", "A" * 25, "ÄBC", "US0378331005"]
)
def test_a_symbol_that_is_none_never_reaches_an_address(
    yahoo: YahooProvider, server: YahooServer, symbol: str
) -> None:
    [answer] = asked(yahoo, symbol)

    assert answer.failure is not None
    assert answer.failure.code == "invalid_symbol"
    assert server.asked == []


def indexed(server: YahooServer, symbol: str, level: float) -> None:
    """Let an index stand at one level throughout."""
    chart = server.chart("SPY")
    result = chart["chart"]["result"][0]
    result["meta"] |= {"symbol": symbol, "instrumentType": "INDEX"}
    result.pop("events", None)
    for rows in (*result["indicators"]["quote"], *result["indicators"]["adjclose"]):
        rows.update({name: [level] * 125 for name in rows})
    server.say(f"/chart/{symbol}", Reply.json(chart))


def test_yields_are_percent_and_a_tenfold_quote_is_mended(
    yahoo: YahooProvider, server: YahooServer
) -> None:
    for symbol, level in {"^IRX": 1.5, "^FVX": 1.6, "^TNX": 190.0 / 10 * 2, "^TYX": 900}.items():
        indexed(server, symbol, level)

    answer = yahoo.curve(START, date(2020, 1, 3))

    assert [(row.session_date.day, row.tenor, row.percent) for row in answer.rows] == [
        (day, tenor, percent)
        for day in (2, 3)
        for tenor, percent in (("3M", 1.5), ("5Y", 1.6), ("10Y", 3.8))
    ]
    [failure] = answer.failures
    assert (failure.subject, failure.code) == ("^TYX", "yield_out_of_range")


def test_the_volatility_index_is_a_level_without_volume(
    yahoo: YahooProvider, server: YahooServer
) -> None:
    indexed(server, "^VIX", 21.17)

    [answer] = asked(yahoo, "^VIX")

    assert {bar.price_basis for bar in answer.bars} == {"index_level"}
    assert server.count("/chart/^VIX") == 1


def test_the_chain_of_the_fixture(yahoo: YahooProvider, server: YahooServer) -> None:
    listed = yahoo.expirations("TWX")
    chain = yahoo.chain("TWX", date(2014, 7, 19))
    told = server.chain()["optionChain"]["result"][0]["options"][0]

    assert listed[:2] == (date(2014, 6, 21), date(2014, 7, 19))
    assert chain.underlying_price == 70.88
    assert len(chain.rows) == len(told["calls"]) + len(told["puts"])
    first = chain.rows[0]
    assert (first.contract, first.right, first.strike) == ("TWX140719C00047500", "C", 47.5)
    assert (first.bid, first.ask, first.implied_volatility) == (22.5, 24.35, None)
    assert first.last_trade_at == datetime(2014, 6, 5, tzinfo=UTC)


def test_a_side_of_zero_is_no_quote(yahoo: YahooProvider, server: YahooServer) -> None:
    chain = server.chain()
    chain["optionChain"]["result"][0]["options"][0]["calls"][0] |= {"bid": 0, "volume": None}
    server.say("/options/TWX", Reply.json(chain))

    first = yahoo.chain("TWX", date(2014, 7, 19)).rows[0]

    assert (first.bid, first.volume) == (None, None)


def test_a_chain_of_8748_contracts_is_read_whole(yahoo: YahooProvider, server: YahooServer) -> None:
    chain = server.chain()
    [listed] = chain["optionChain"]["result"][0]["options"]
    for side, letter in (("calls", "C"), ("puts", "P")):
        listed[side] = [
            {
                **listed[side][0],
                "strike": n / 2,
                "contractSymbol": f"TWX140719{letter}{n * 500:08d}",
            }
            for n in range(1, 4375)
        ]
    server.say("/options/TWX", Reply.json(chain))

    assert len(yahoo.chain("TWX", date(2014, 7, 19)).rows) == 8748


def test_a_chain_of_another_day_or_name_is_refused(
    yahoo: YahooProvider, server: YahooServer
) -> None:
    with pytest.raises(ProviderFailed, match="does not expire on 2014-06-21"):
        yahoo.chain("TWX", date(2014, 6, 21))
    with pytest.raises(ProviderFailed, match="cannot be found"):
        yahoo.chain("TWX", date(2014, 6, 22))
    with pytest.raises(ProviderFailed, match="no such symbol"):
        yahoo.expirations("NOPE")
    server.say("/options/GE", Reply.json(server.chain()))
    with pytest.raises(ProviderFailed, match="asked for GE, answered for TWX"):
        yahoo.chain("GE", date(2014, 7, 19))


def test_a_fund_in_fractions(yahoo: YahooProvider) -> None:
    fund = yahoo.fund("SPY")

    assert (fund.name, fund.kind, fund.category) == ("SPY Trust", "etf", "Large Blend")
    assert (fund.expense_ratio, fund.dividend_yield) == (0.000945, 0.0178)
    assert fund.price_to_earnings == 24.5
    assert fund.price_to_book == pytest.approx(1 / 0.27)
    assert fund.sector_weights == {"technology": 0.31, "healthcare": 0.14}
    assert fund.asset_classes == {"stockPosition": 0.998, "cashPosition": 0.002}
    assert fund.top_holdings == (("AAPL", "Apple", 0.058),)
    assert fund.bond_duration is None


def test_an_unknown_fund_is_a_failure(yahoo: YahooProvider) -> None:
    with pytest.raises(ProviderFailed, match="no such symbol"):
        yahoo.fund("NOPE")


def test_quotes_by_polling(yahoo: YahooProvider) -> None:
    answer = yahoo.quotes(["SPY", "NOPE", "bad symbol", "QQQ"])

    assert [row.symbol for row in answer.rows] == ["SPY", "QQQ"]
    assert [(f.subject, f.code) for f in answer.failures] == [
        ("bad symbol", "invalid_symbol"),
        ("NOPE", "empty_answer"),
    ]
    spy = answer.rows[0]
    assert (spy.price, spy.bid, spy.ask) == (308.36, 308.35, None)
    assert spy.as_of == datetime(2020, 6, 30, 20, 0, tzinfo=UTC)
    assert spy.delay_minutes == 15


def test_quotes_of_many_symbols_take_one_question_a_hundred(
    yahoo: YahooProvider, server: YahooServer
) -> None:
    yahoo.quotes([f"S{n}" for n in range(250)])

    assert server.count("/finance/quote") == 3


def test_a_crumb_that_has_expired_is_fetched_again(
    yahoo: YahooProvider, server: YahooServer
) -> None:
    stale = {"finance": {"error": {"code": "Unauthorized", "description": "Invalid Crumb"}}}
    good = server.reply(Asked("GET", "/v7/finance/quote", {"symbols": ["SPY"]}, {}))
    server.say("/finance/quote", Reply.json(stale, 401), good)

    assert [row.symbol for row in yahoo.quotes(["SPY"]).rows] == ["SPY"]
    assert server.count("/getcrumb") >= 1


def test_the_stream_gives_the_same_rows(yahoo: YahooProvider, settings: Any) -> None:
    moment = 1593547200
    messages = [
        priced("SPY", 308.25, seconds=moment, volume=7),
        "garbage",
        json.dumps({"message": "AAAA"}),
        priced("OTHER", 1.0, seconds=moment, volume=1),
        priced("SPY", 309.5, seconds=moment + 1, volume=8),
    ]
    with StreamServer(*messages) as stream:
        settings.YAHOO_STREAM_URL = stream.url
        rows = list(yahoo.stream(["SPY", "QQQ"]))

    assert [(row.symbol, row.price, row.volume) for row in rows] == [
        ("SPY", 308.25, 7),
        ("SPY", 309.5, 8),
    ]
    assert rows[0].as_of == datetime(2020, 6, 30, 20, 0, tzinfo=UTC)
    assert stream.subscribed == [{"subscribe": ["SPY", "QQQ"]}]


def test_a_stream_of_garbage_ends(yahoo: YahooProvider, settings: Any) -> None:
    with StreamServer(*["garbage"] * 30) as stream:
        settings.YAHOO_STREAM_URL = stream.url
        with pytest.raises(ProviderFailed, match="nothing readable"):
            list(yahoo.stream(["SPY"]))


def test_where_no_stream_opens_prices_are_polled(
    yahoo: YahooProvider, settings: Any, naps: list[float]
) -> None:
    settings.YAHOO_STREAM_URL = "ws://127.0.0.1:1/"
    feed = yahoo_quotes.live(["SPY"], yahoo._session, every_s=15, sleep=naps.append)

    refused, polled, again = next(feed), next(feed), next(feed)

    assert refused.failures[0].code == "provider_unreachable"
    assert polled.rows == again.rows
    assert polled.rows[0].price == 308.36
    assert 15 in naps


def test_the_library_stays_out_of_a_process_that_asks_nothing() -> None:
    script = (
        "import sys, django; django.setup(); import marketdata.providers.yahoo; "
        "print([name for name in ('yfinance', 'curl_cffi', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.strip() == "[]"
