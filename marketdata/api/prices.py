"""Daily bars, never later than the market clock."""

from typing import Any

from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api.fields import MoneyField
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from marketdata.api import asked
from marketdata.api.instruments import named
from marketdata.models import DailyBar, Instrument
from marketdata.selectors import instruments, sessions

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
