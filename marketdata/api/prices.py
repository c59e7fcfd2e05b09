"""Daily bars and latest prices, never later than the market clock."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.actor import Actor
from etftrader.core.api.fields import MoneyField
from etftrader.core.api.fields import moment as told
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.money import plain
from marketdata.api import asked
from marketdata.api.instruments import named
from marketdata.models import DailyBar, Instrument, Quote
from marketdata.selectors import instruments, prices, sessions
from marketdata.selectors.prices import Mark
from marketdata.selectors.sessions import Moment

SPAN = ("start", "end")


class BarSerializer(serializers.ModelSerializer):
    """One session of one instrument from one source."""

    symbol = serializers.CharField(source="instrument.symbol")
    open = MoneyField(allow_null=True)
    high = MoneyField(allow_null=True)
    low = MoneyField(allow_null=True)
    close = MoneyField()
    adj_close = MoneyField(allow_null=True)

    class Meta:
        model = DailyBar
        fields = (
            "symbol",
            "session_date",
            "open",
            "high",
            "low",
            "close",
            "adj_close",
            "volume",
            "price_basis",
            "source",
            "revision",
        )


class BarList(ApiView):
    """What the lists of bars share."""

    serializer_class = BarSerializer
    queryset = DailyBar.objects.none()

    def bars(self, **where: Any) -> Any:
        """Bars of what the actor may see, newest first, up to the last known close."""
        start, end = asked.span(self.request, sessions.moment())
        rows = DailyBar.objects.for_actor(self.actor).filter(session_date__lte=end, **where)
        if start:
            rows = rows.filter(session_date__gte=start)
        return rows.select_related("instrument").order_by(
            "-session_date", "instrument__symbol", "source"
        )


@operation(
    get=Op("signed_in", summary="Daily bars", lists=True, query=("symbol", "source", *SPAN))
)
class Prices(BarList):
    """GET /prices (also /market-data): of all instruments you may see, or of one `symbol`."""

    def get(self, request: Any) -> Response:
        """Newest first; an `end` after the market clock is cut to it."""
        where: dict[str, Any] = {"instrument__in": Instrument.objects.for_actor(self.actor)}
        symbol = request.query_params.get("symbol")
        if symbol:
            where = {"instrument": instruments.find(symbol, self.actor)}
        source = request.query_params.get("source")
        if source:
            where["source"] = source
        return self.listing(self.bars(**where), BarSerializer)


@operation(get=Op("signed_in", summary="Daily bars of one instrument", lists=True, query=SPAN))
class PricesOf(BarList):
    """GET /market/prices/{symbol}."""

    def get(self, request: Any, symbol: str) -> Response:
        """Newest first; an `end` after the market clock is cut to it."""
        return self.listing(self.bars(instrument=named(symbol, self)), BarSerializer)


@operation(get=Op("signed_in", summary="Latest prices by symbol", query=("symbols",)))
class CurrentPrices(ApiView):
    """GET /market/current-prices?symbols=SPY,TLT: price, class, source and age of each."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """One entry a symbol asked for; a price that is not there is null with a reason."""
        moment = sessions.moment()
        found = [entry for _, entry in latest(asked.symbols(request), self.actor, moment)]
        return Response({"as_of": told(moment.as_of), "results": found})


@operation(get=Op("signed_in", summary="Latest quotes, keyed by symbol", query=("symbols",)))
class Quotes(ApiView):
    """GET /quotes?symbols=SPY,TLT: an object with one member for each symbol asked for."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """Quotes while a session plays, the last closes otherwise."""
        moment = sessions.moment()
        return Response(dict(latest(asked.symbols(request), self.actor, moment)))


def latest(wanted: list[str], actor: Actor, moment: Moment) -> list[tuple[str, dict[str, Any]]]:
    """(symbol asked for, quote) in the order asked."""
    found = asked.visible(wanted, actor)
    marks = prices.live_marks(instruments=set(found.values()), moment=moment)
    spreads = _spreads(found, actor, moment)
    return [
        (
            word,
            quote(marks[found[word].pk], spreads.get(found[word].pk), moment)
            if word in found
            else _unknown(word, moment),
        )
        for word in wanted
    ]


def quote(mark: Mark, spread: Quote | None, moment: Moment) -> dict[str, Any]:
    """One quote on the wire; the change is over the previous close."""
    before = mark.previous_close
    change = None if mark.price is None or before is None else mark.price - before
    return {
        "symbol": mark.symbol,
        "price": _text(mark.price),
        "change": _text(change),
        "changeRate": None if change is None or not before else float(change / before),
        "timestamp": told(mark.as_of) if mark.as_of else None,
        "volume": mark.volume,
        "bid": _text(spread.bid if spread else None),
        "ask": _text(spread.ask if spread else None),
        "previous_close": _text(mark.previous_close),
        "session_date": mark.session_date,
        "source": mark.source or None,
        "age_seconds": int((moment.as_of - mark.as_of).total_seconds()) if mark.as_of else None,
        "quality": mark.price_class or None,
        "reason": mark.reason or None,
    }


def _spreads(
    found: Mapping[str, Instrument], actor: Actor, moment: Moment
) -> dict[UUID, Quote]:
    """Bids and asks of the session being played; a closed market has none."""
    if moment.playing is None:
        return {}
    rows = Quote.objects.for_actor(actor).filter(
        instrument__in=list(found.values()),
        session_date=moment.playing,
        as_of__lte=moment.as_of,
    )
    return {each.instrument_id: each for each in rows}


def _unknown(symbol: str, moment: Moment) -> dict[str, Any]:
    # every figure null and a reason: a program that asked for ten gets ten entries
    nothing = Mark(UUID(int=0), symbol, None, None, None, "", "", "unknown_symbol")
    return quote(nothing, None, moment)


def _text(amount: Any) -> str | None:
    return plain(amount) if amount is not None else None
