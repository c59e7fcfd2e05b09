"""A loopback server that stands where Yahoo or FRED would: replays fixtures and bad manners.

`YahooServer` answers charts, chains, quotes and fund pages from a folder of fixtures; `say` puts
scripted answers in front of any path. Nothing in it leaves this machine.
"""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

JSON = "application/json;charset=utf-8"
CHARTS = "v8_chart_{}_1d_2020H1.json"
CHAIN = "v7_options_TWX_20140605.json"
MOST_HELD_S = 120.0
NO_SUCH = {"chart": {"result": None, "error": {"code": "Not Found", "description": "No data"}}}


@dataclass(frozen=True)
class Reply:
    """One scripted answer; `pieces` streams a body that never lies in memory as a whole."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    # not part of the name a test gets: a function's address differs in every process
    pieces: Callable[[], Iterator[bytes]] | None = field(default=None, repr=False)
    claims: int | None = None  # a Content-Length that may be a lie

    @classmethod
    def json(cls, value: object, status: int = 200, **headers: str) -> "Reply":
        """Answer with a JSON body."""
        return cls(status, json.dumps(value).encode(), {"Content-Type": JSON, **headers})


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]


class ReplayServer:
    """An HTTP server on a free loopback port with a script and a memory."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.sent_bytes = 0
        self._script: list[tuple[str, list[Reply]]] = []
        self._held: dict[str, threading.Event] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        serve = self._server.serve_forever
        self._thread = threading.Thread(target=serve, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """Base address of the server."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def say(self, part: str, *replies: Reply) -> None:
        """Answer paths that contain `part` with these in order; the last one is repeated."""
        self._script.insert(0, (part, list(replies)))

    def forget(self, part: str) -> None:
        """Answer paths that contain `part` as before they were scripted."""
        self._script = [each for each in self._script if each[0] != part]

    @contextmanager
    def hold(self, part: str) -> Iterator[None]:
        """Keep who asks for paths that contain `part` waiting until the block ends."""
        self._held[part] = free = threading.Event()
        try:
            yield
        finally:
            del self._held[part]
            free.set()

    def count(self, part: str) -> int:
        """How many requests had `part` in their path."""
        return sum(part in each.path for each in self.asked)

    def reply(self, asked: Asked) -> Reply:
        """Answer what no script covers."""
        return Reply(404, b"", {})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _wait(self, asked: Asked) -> None:
        for part, free in list(self._held.items()):
            if part in asked.path:
                free.wait(MOST_HELD_S)

    def _scripted(self, asked: Asked) -> Reply | None:
        for part, replies in self._script:
            if part in asked.path:
                return replies.pop(0) if len(replies) > 1 else replies[0]
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                asked = Asked(
                    self.command, unquote(parts.path), parse_qs(parts.query), dict(self.headers)
                )
                server.asked.append(asked)
                server._wait(asked)
                self._send(server._scripted(asked) or server.reply(asked))

            do_POST = do_GET

            def _send(self, reply: Reply) -> None:
                try:
                    self.send_response(reply.status)
                    for name, value in reply.headers.items():
                        self.send_header(name, value)
                    claims = len(reply.body) if reply.claims is None else reply.claims
                    if reply.pieces is None or reply.claims is not None:
                        self.send_header("Content-Length", str(claims))
                    self.send_header("Connection", "close")
                    self.end_headers()
                    for piece in reply.pieces() if reply.pieces else [reply.body]:
                        self.wfile.write(piece)
                        self.wfile.flush()
                        server.sent_bytes += len(piece)
                except OSError:
                    return  # the client hung up, as it may

            def log_message(self, *words: object) -> None:
                pass

        return Handler


class YahooServer(ReplayServer):
    """Yahoo's paths over a folder of fixtures, with the cookie and crumb errands."""

    def __init__(self, fixtures: Path) -> None:
        super().__init__()
        self._fixtures = fixtures

    def reply(self, asked: Asked) -> Reply:
        """Answer as Yahoo does: data of the fixtures, 404 for every other symbol."""
        path, symbol = asked.path, asked.path.rsplit("/", 1)[-1]
        if path.endswith("/getcrumb"):
            return Reply(200, b"crumb-of-tests", {"Content-Type": "text/plain"})
        if "/v8/finance/chart/" in path:
            return self._fixture(CHARTS.format(symbol))
        if "/v7/finance/options/" in path:
            return self._fixture(CHAIN) if symbol == "TWX" else Reply.json(NO_SUCH, 404)
        if path.endswith("/v7/finance/quote"):
            symbols = asked.query.get("symbols", [""])[0].split(",")
            found = [quote(each) for each in symbols if self._has(each)]
            return Reply.json({"quoteResponse": {"result": found, "error": None}})
        if "/fundamentals-timeseries/" in path and self._has(symbol):
            return Reply.json({"timeseries": {"result": [], "error": None}})
        if "/v10/finance/quoteSummary/" in path and self._has(symbol):
            return Reply.json({"quoteSummary": {"result": [summary(symbol)], "error": None}})
        return Reply.json(NO_SUCH, 404)

    def chart(self, symbol: str) -> dict[str, Any]:
        """Return a fixture's chart for a test to change."""
        found: dict[str, Any] = json.loads((self._fixtures / CHARTS.format(symbol)).read_text())
        return found

    def chain(self) -> dict[str, Any]:
        """Return the fixture's option chain for a test to change."""
        found: dict[str, Any] = json.loads((self._fixtures / CHAIN).read_text())
        return found

    def _has(self, symbol: str) -> bool:
        return (self._fixtures / CHARTS.format(symbol)).is_file()

    def _fixture(self, name: str) -> Reply:
        path = self._fixtures / name
        if path.is_file():
            return Reply(200, path.read_bytes(), {"Content-Type": JSON})
        return Reply.json(NO_SUCH, 404)


def quote(symbol: str) -> dict[str, Any]:
    """One quote in Yahoo's shape."""
    return {
        "symbol": symbol,
        "quoteType": "ETF",
        "longName": f"{symbol} Trust",
        "currency": "USD",
        "regularMarketPrice": 308.36,
        "regularMarketTime": 1593547200,
        "regularMarketPreviousClose": 303.99,
        "regularMarketVolume": 113394800,
        "bid": 308.35,
        "ask": 0,
        "exchangeDataDelayedBy": 15,
        "marketState": "CLOSED",
    }


def summary(symbol: str) -> dict[str, Any]:
    """A fund's page in Yahoo's shape: the modules the library asks for."""
    return {
        "quoteType": {"quoteType": "ETF", "longName": f"{symbol} Trust", "exchange": "PCX"},
        "summaryDetail": {"yield": 0.0178, "trailingPE": 24.5, "totalAssets": 2.7e11},
        "summaryProfile": {"longBusinessSummary": "Tracks an index."},
        "fundProfile": {
            "categoryName": "Large Blend",
            "family": "Family of tests",
            "feesExpensesInvestment": {"annualReportExpenseRatio": 0.000945},
        },
        "topHoldings": {
            "stockPosition": 0.998,
            "cashPosition": 0.002,
            "holdings": [{"symbol": "AAPL", "holdingName": "Apple", "holdingPercent": 0.058}],
            "equityHoldings": {"priceToEarnings": 0.0408, "priceToBook": 0.27},
            "bondHoldings": {},
            "sectorWeightings": [{"technology": 0.31}, {"healthcare": 0.14}],
        },
    }


def chart(
    symbol: str,
    closes: Mapping[date, float | None],
    *,
    splits: Mapping[date, int] | None = None,
    dividends: Mapping[date, float] | None = None,
) -> dict[str, Any]:
    """One daily chart in Yahoo's shape; a split of so many for one stands as an event of its day.

    Yahoo restates its history at every split: closes and dividends are to be given so. Its
    adjusted closes are those before an ex-date less what was paid, as a part of the last close.
    """
    days = sorted(closes)
    prices = [closes[day] for day in days]
    events: dict[str, Any] = {
        "splits": {
            str(stamp(day)): {"date": stamp(day), "numerator": ratio, "denominator": 1}
            for day, ratio in (splits or {}).items()
        },
        "dividends": {
            str(stamp(day)): {"date": stamp(day), "amount": amount}
            for day, amount in (dividends or {}).items()
        },
    }
    meta = {
        "currency": "USD",
        "symbol": symbol,
        "instrumentType": "EQUITY",
        "exchangeTimezoneName": "America/New_York",
        "timezone": "EDT",
        "gmtoffset": -14400,
        "dataGranularity": "1d",
        "priceHint": 2,
        "validRanges": ["1d", "1mo", "1y", "max"],
    }
    columns = {name: prices for name in ("open", "high", "low", "close")}
    result = {
        "meta": meta,
        "timestamp": [stamp(day) for day in days],
        "events": {name: told for name, told in events.items() if told},
        "indicators": {
            "quote": [{**columns, "volume": [1_000_000] * len(days)}],
            "adjclose": [{"adjclose": adjusted(closes, dividends or {})}],
        },
    }
    return {"chart": {"result": [result], "error": None}}


def adjusted(
    closes: Mapping[date, float | None], dividends: Mapping[date, float]
) -> list[float | None]:
    """Closes by day, each less every dividend after it."""
    told: list[float | None] = []
    factor, later = 1.0, None
    for day in sorted(closes, reverse=True):
        close = closes[day]
        if later is not None and close is not None:
            paid = sum(amount for ex, amount in dividends.items() if day < ex <= later)
            factor *= 1.0 - paid / close
        told.append(None if close is None else close * factor)
        later = day if close is not None else later
    return told[::-1]


def stamp(day: date) -> int:
    """A second within a day's session, in summer and in winter."""
    return int(datetime(day.year, day.month, day.day, 14, 30, tzinfo=UTC).timestamp())


def endless(piece: bytes, total: int) -> Callable[[], Iterator[bytes]]:
    """Make a body of `total` bytes that is made while it is sent."""
    return lambda: (piece for _ in range(total // len(piece)))


def trickle(piece: bytes, *, every_s: float, times: int) -> Callable[[], Iterator[bytes]]:
    """Make a body that comes one piece at a time, slowly."""

    def pieces() -> Iterator[bytes]:
        for _ in range(times):
            yield piece
            time.sleep(every_s)

    return pieces


class StreamServer:
    """A streaming socket that sends prepared prices after the subscription, then closes."""

    def __init__(self, *messages: str) -> None:
        from websockets.sync.server import serve

        self.subscribed: list[object] = []
        self._messages = messages
        self._server = serve(self._speak, "127.0.0.1", 0, compression=None)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Address of the socket."""
        return f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}/?version=2"

    def _speak(self, line: Any) -> None:
        self.subscribed.append(json.loads(line.recv()))
        for message in self._messages:
            line.send(message)

    def __enter__(self) -> "StreamServer":
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._server.shutdown()
        self._thread.join(5)


def priced(symbol: str, price: float, *, seconds: int, volume: int) -> str:
    """One streamed message as Yahoo packs it: protobuf in base64 in JSON."""
    from yfinance.pricing_pb2 import PricingData

    data = PricingData(id=symbol, price=price, time=seconds * 1000, day_volume=volume)
    return json.dumps({"message": base64.b64encode(data.SerializeToString()).decode()})
