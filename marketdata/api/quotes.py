"""Quotes: the newest by symbol, and the minutes behind one, never later than the market clock."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from etftrader.core.actor import Actor
from etftrader.core.api import parameters
from etftrader.core.api.fields import moment as told
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput
from etftrader.core.money import plain
from marketdata import live
from marketdata.api import as_of, asked
from marketdata.selectors import instruments, quotes
from marketdata.selectors.quotes import MinuteRow
from marketdata.selectors.sessions import Moment

MINUTES, MOST_MINUTES = 5, 60
SYMBOLS = asked.SYMBOLS | as_of.AS_OF
MINUTES_OF = as_of.AS_OF | {
    "symbol": "Symbol of the instrument, such as SPY.",
    "minutes": parameters.Parameter(
        "How far back, in minutes, 1 to 60; 5 without it.",
        type="integer",
        minimum=1,
        maximum=MOST_MINUTES,
        default=MINUTES,
    ),
    "interval": parameters.Parameter(
        "Length of a bar in minutes, 1 or 5; 1 without it.",
        type="integer",
        enum=list(quotes.INTERVALS),
        default=1,
    ),
}


@operation(
    get=Op("signed_in", summary="Latest prices by symbol", query=SYMBOLS, needs=("symbols",))
)
class CurrentPrices(ApiView):
    """GET /market/current-prices?symbols=SPY,TLT: price, class, source and age of each."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """One entry a symbol asked for; a price that is not there is null with a reason."""
        moment = as_of.shown(request)
        found = _latest(asked.symbols(request), self.actor, moment)
        return Response({"as_of": told(moment.as_of), "results": list(found.values())})


@operation(
    get=Op(
        "signed_in",
        summary="Latest quotes, keyed by symbol",
        query=SYMBOLS,
        needs=("symbols",),
    )
)
class Quotes(ApiView):
    """GET /quotes?symbols=SPY,TLT: an object with one member for each symbol asked for."""

    tells_as_of = False

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """Quotes while a session plays, the last closes otherwise."""
        return Response(_latest(asked.symbols(request), self.actor, as_of.shown(request)))


@operation(
    get=Op(
        "signed_in",
        summary="Minute bars of one symbol",
        query=MINUTES_OF,
        needs=("symbol",),
    )
)
class QuoteHistory(ApiView):
    """GET /quotes/history?symbol=SPY&minutes=5&interval=1: bars up to the market clock."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """Oldest first; without minutes of that time the list is empty and says why."""
        symbol = request.query_params.get("symbol", "")
        if not symbol.strip():
            raise BadInput("Name a symbol, like symbol=SPY.", attr="symbol")
        minutes = _number(request, "minutes", MINUTES)
        if not 1 <= minutes <= MOST_MINUTES:
            raise BadInput(f"minutes lies between 1 and {MOST_MINUTES}.", attr="minutes")
        interval = _number(request, "interval", 1)
        if interval not in quotes.INTERVALS:
            raise BadInput("interval is 1 or 5, in minutes.", attr="interval")
        instrument = instruments.find(symbol, self.actor)
        moment = as_of.shown(request)
        found = quotes.history(
            instrument=instrument, moment=moment, minutes=minutes, interval=interval
        )
        return Response(
            {
                "symbol": instrument.symbol,
                "as_of": told(moment.as_of),
                "minutes": minutes,
                "interval": interval,
                "source": found.source or None,
                "reason": found.reason or None,
                "bars": [_bar(row) for row in found.rows],
            }
        )


def _latest(wanted: list[str], actor: Actor, moment: Moment) -> dict[str, Any]:
    """Quotes by the symbols asked for, in that order."""
    found = quotes.latest(wanted=wanted, actor=actor, moment=moment)
    return {symbol: live.quote(each, now=moment.as_of) for symbol, each in found.items()}


def _bar(row: MinuteRow) -> dict[str, Any]:
    return {
        "ts": told(row.ts),
        "open": plain(row.open),
        "high": plain(row.high),
        "low": plain(row.low),
        "close": plain(row.close),
        "volume": row.volume,
    }


def _number(request: Any, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise BadInput(f"{name} is a whole number.", attr=name)
    return int(text)
