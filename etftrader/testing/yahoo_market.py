"""A made market that answers in Yahoo's shapes up to the last close of today's calendar.

Every price is drawn from a seeded walk: it looks like a market and is none. A test runs the whole
product against it by configuration alone.
"""

import math
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from etftrader.testing.yahoo_server import Asked, Reply, YahooServer, quote, summary

YEARS = 2
ABSENT = {"chart": {"result": None, "error": {"code": "Not Found", "description": "No data"}}}
EXPIRIES_IN = (30, 58)  # days, moved to the Friday before
VOLATILITY, STRIKES = 0.18, 9


@dataclass(frozen=True)
class Listed:
    """One made symbol: what it is, and where its walk ends."""

    name: str
    kind: str  # ETF, EQUITY or INDEX
    last: float
    daily: float = 0.01
    has_options: bool = True


class YahooMarket(YahooServer):
    """Charts, quotes, fund pages and one option chain for the listed symbols; 404 for others."""

    def __init__(self, listed: Mapping[str, Listed]) -> None:
        self.opens = _opens(datetime.now(UTC))
        super().__init__(Path())
        self.listed = dict(listed)
        self.days = [moment.date() for moment in self.opens]
        self.spoiled: dict[tuple[str, date], float] = {}
        self.late: dict[str, date] = {}

    def spoil(self, symbol: str, day: date, factor: float) -> None:
        """Tell a wrong bar of a symbol from now on."""
        self.spoiled[symbol, day] = factor

    def keep_back(self, symbol: str, since: date) -> None:
        """Tell no bar of a symbol from a session on, until `tell` is called."""
        self.late[symbol] = since

    def tell(self, symbol: str) -> None:
        """Tell every bar of a symbol from now on."""
        del self.late[symbol]

    def closes(self, symbol: str) -> "np.ndarray[Any, np.dtype[np.float64]]":
        """The walk of a symbol, one close a session, rounded to cents."""
        told = self.listed[symbol]
        chance = np.random.default_rng(zlib.crc32(symbol.encode()))
        steps = chance.normal(0.0, told.daily, len(self.days))
        path = np.exp(np.cumsum(steps) - np.sum(steps)) * told.last
        return np.round(path, 2)

    def reply(self, asked: Asked) -> Reply:
        """Answer as Yahoo does."""
        path, symbol = asked.path, asked.path.rsplit("/", 1)[-1]
        if path.endswith("/getcrumb"):
            return Reply(200, b"crumb-of-tests", {"Content-Type": "text/plain"})
        if path.endswith("/v7/finance/quote"):
            names = asked.query.get("symbols", [""])[0].split(",")
            found = [self._quote(each) for each in names if each in self.listed]
            return Reply.json({"quoteResponse": {"result": found, "error": None}})
        if symbol not in self.listed:
            return Reply.json(ABSENT, 404)
        if "/v8/finance/chart/" in path:
            return Reply.json(self._chart(symbol, asked))
        if "/v7/finance/options/" in path:
            return Reply.json(self._options(symbol, asked))
        if "/fundamentals-timeseries/" in path:
            return Reply.json({"timeseries": {"result": [], "error": None}})
        if "/v10/finance/quoteSummary/" in path:
            page = summary(symbol) | {"quoteType": self._kind(symbol)}
            return Reply.json({"quoteSummary": {"result": [page], "error": None}})
        return Reply.json(ABSENT, 404)

    def _kind(self, symbol: str) -> dict[str, str]:
        told = self.listed[symbol]
        return {"quoteType": told.kind, "longName": told.name, "exchange": "PCX"}

    def _chart(self, symbol: str, asked: Asked) -> dict[str, Any]:
        first = int(asked.query.get("period1", ["0"])[0])
        until = int(asked.query.get("period2", [str(2**40)])[0])
        closes = self.closes(symbol)
        rows = [
            (moment, float(close) * self.spoiled.get((symbol, moment.date()), 1.0))
            for moment, close in zip(self.opens, closes, strict=True)
            if first <= moment.timestamp() < until
            and moment.date() < self.late.get(symbol, date.max)
        ]
        prices = [round(close, 2) for _, close in rows]
        told = self.listed[symbol]
        meta = {
            "currency": "USD",
            "symbol": symbol,
            "exchangeName": "PCX",
            "fullExchangeName": "NYSEArca",
            "instrumentType": told.kind,
            "longName": told.name,
            "exchangeTimezoneName": "America/New_York",
            "timezone": "EST",
            "gmtoffset": -18000,
            "regularMarketPrice": float(closes[-1]),
            "regularMarketTime": int(self.opens[-1].timestamp()),
            "priceHint": 2,
            "dataGranularity": "1d",
            "range": "",
            "validRanges": ["1d", "5d", "1mo", "1y", "max"],
        }
        values = {
            "open": prices,
            "high": [round(each * 1.004, 2) for each in prices],
            "low": [round(each * 0.996, 2) for each in prices],
            "close": prices,
            "volume": [1_000_000 + 1_000 * place for place in range(len(prices))],
        }
        result = {
            "meta": meta,
            "timestamp": [int(moment.timestamp()) for moment, _ in rows],
            "indicators": {"quote": [values], "adjclose": [{"adjclose": prices}]},
        }
        return {"chart": {"result": [result], "error": None}}

    def _quote(self, symbol: str) -> dict[str, Any]:
        closes = self.closes(symbol)
        told = self.listed[symbol]
        return quote(symbol) | {
            "quoteType": told.kind,
            "longName": told.name,
            "regularMarketPrice": float(closes[-1]),
            "regularMarketPreviousClose": float(closes[-2]),
            "regularMarketTime": int((self.opens[-1] + timedelta(hours=6.5)).timestamp()),
            "bid": round(float(closes[-1]) - 0.01, 2),
            "ask": round(float(closes[-1]) + 0.01, 2),
        }

    def _options(self, symbol: str, asked: Asked) -> dict[str, Any]:
        expiries = [self._friday(days) for days in self._expire_in(symbol)]
        stamps = [int(datetime(*day.timetuple()[:3], tzinfo=UTC).timestamp()) for day in expiries]
        [wanted] = map(int, asked.query.get("date", stamps[:1] or ["0"]))
        spot = float(self.closes(symbol)[-1])
        strikes = [
            float(round(spot) + 5 * step) for step in range(-(STRIKES // 2), STRIKES // 2 + 1)
        ]
        block = []
        if wanted in stamps:
            day = expiries[stamps.index(wanted)]
            sides = {
                side: [self._contract(symbol, day, strike, side, spot) for strike in strikes]
                for side in ("calls", "puts")
            }
            block = [{"expirationDate": wanted, "hasMiniOptions": False, **sides}]
        result = {
            "underlyingSymbol": symbol,
            "expirationDates": stamps,
            "strikes": strikes,
            "hasMiniOptions": False,
            "quote": self._quote(symbol),
            "options": block,
        }
        return {"optionChain": {"result": [result], "error": None}}

    def _expire_in(self, symbol: str) -> tuple[int, ...]:
        return EXPIRIES_IN if self.listed[symbol].has_options else ()

    def _friday(self, days: int) -> date:
        day = self.days[-1] + timedelta(days=days)
        return day - timedelta(days=(day.weekday() - 4) % 7)

    def _contract(
        self, symbol: str, day: date, strike: float, side: str, spot: float
    ) -> dict[str, Any]:
        years = (day - self.days[-1]).days / 365
        middle = _forward_value(spot, strike, years, 1 if side == "calls" else -1)
        right = "C" if side == "calls" else "P"
        return {
            "contractSymbol": f"{symbol}{day:%y%m%d}{right}{round(strike * 1000):08d}",
            "strike": strike,
            "currency": "USD",
            "lastPrice": round(middle, 2),
            "change": 0.0,
            "percentChange": 0.0,
            "volume": 10,
            "openInterest": 100,
            "bid": max(round(middle - 0.02, 2), 0.0),
            "ask": round(middle + 0.02, 2),
            "contractSize": "REGULAR",
            "expiration": int(datetime(*day.timetuple()[:3], tzinfo=UTC).timestamp()),
            "lastTradeDate": int((self.opens[-1] + timedelta(hours=6)).timestamp()),
            "impliedVolatility": VOLATILITY,
            "inTheMoney": middle > 0,
        }


def _opens(now: datetime) -> list[datetime]:
    """When the sessions of the last years opened that have closed by now."""
    import exchange_calendars

    with warnings.catch_warnings():
        # the library's own affair with its pandas
        warnings.simplefilter("ignore")
        exchange = exchange_calendars.get_calendar("XNYS", start=f"{now.year - YEARS}-01-02")
        sessions = exchange.schedule
    closed = sessions[sessions["close"] <= now]
    return [moment.to_pydatetime() for moment in closed["open"]]


def _forward_value(spot: float, strike: float, years: float, sign: int) -> float:
    """Undiscounted value of an option on a forward; good enough to look like a price."""
    spread = VOLATILITY * math.sqrt(years)
    high = (math.log(spot / strike) + spread**2 / 2) / spread
    chance = [(1 + math.erf(sign * d / math.sqrt(2))) / 2 for d in (high, high - spread)]
    return sign * (spot * chance[0] - strike * chance[1])
