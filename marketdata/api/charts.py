"""The prices behind a chart: one symbol, one range, with what happened and what was held back."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from etftrader.core.api import parameters
from etftrader.core.api.fields import moment as told
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput
from etftrader.core.money import plain
from marketdata.api import as_of, asked
from marketdata.api.instruments import named
from marketdata.models import CorporateAction, QuarantinedPrice
from marketdata.selectors import price_chart, quotes
from marketdata.selectors.price_chart import Chart, Point

STRETCH = as_of.AS_OF | {
    "range": parameters.Parameter(
        f"How far back: {', '.join(price_chart.RANGES)}; {price_chart.DEFAULT} without it.",
        enum=list(price_chart.RANGES),
        default=price_chart.DEFAULT,
    ),
    "interval": parameters.Parameter(
        "Length of a bar within a session, 1 or 5 minutes; 1 without it.",
        type="integer",
        enum=list(quotes.INTERVALS),
        default=1,
    ),
}


@operation(get=Op("signed_in", summary="Bars of one symbol for a chart", query=STRETCH))
class Bars(ApiView):
    """GET /market/bars/{symbol}?range=1Y: 5m, 1D, 1M, 3M, YTD, 1Y or Max."""

    path_words = asked.BY_SYMBOL

    @extend_schema(responses={200: dict})
    def get(self, request: Any, symbol: str) -> Response:
        """Oldest first, up to the market clock; without prices the list is empty and says why."""
        instrument = named(symbol, self)
        span = request.query_params.get("range") or price_chart.DEFAULT
        if span not in price_chart.RANGES:
            ranges = ", ".join(price_chart.RANGES)
            raise BadInput(f"range is one of {ranges}.", attr="range")
        interval = request.query_params.get("interval") or "1"
        if interval not in {str(each) for each in quotes.INTERVALS}:
            raise BadInput("interval is 1 or 5, in minutes.", attr="interval")
        moment = as_of.shown(request)
        actions = price_chart.actions(instrument=instrument)
        chart = price_chart.read(
            instrument=instrument,
            moment=moment,
            span=span,
            interval=int(interval),
            ratio=price_chart.later_splits(actions, moment.session_date),
        )
        known = price_chart.known(actions, moment.current)
        doubts = price_chart.held_back(instrument=instrument, moment=moment)
        return Response(
            {
                "symbol": instrument.symbol,
                "as_of": told(moment.as_of),
                "currency": instrument.currency,
                **document(chart),
                "actions": [_action(each) for each in known],
                "held_back": [_doubt(each) for each in doubts],
            }
        )


def document(chart: Chart) -> dict[str, Any]:
    """A chart's points on the wire."""
    return {
        "range": chart.range,
        "interval": chart.interval,
        "price_basis": list(chart.price_bases),
        "sources": list(chart.sources),
        "simulated": chart.simulated,
        "reason": chart.reason or None,
        "warnings": _warnings(chart),
        "count": len(chart.points),
        "bars": [_point(each, chart.intraday) for each in chart.points],
    }


def _warnings(chart: Chart) -> list[dict[str, str]]:
    if len(chart.price_bases) < 2:
        return []
    detail = f"Prices go from {' to '.join(chart.price_bases)}: no return lies across the change."
    return [{"code": "mixed_price_basis", "detail": detail}]


def _point(point: Point, intraday: bool) -> dict[str, Any]:
    return {
        "at": told(point.at) if intraday else point.at,
        "open": plain(point.open),
        "high": plain(point.high),
        "low": plain(point.low),
        "close": plain(point.close),
        "volume": point.volume,
    }


def _action(action: CorporateAction) -> dict[str, Any]:
    return {
        "kind": action.kind,
        "ex_date": action.ex_date,
        "pay_date": action.pay_date,
        "ratio": plain(action.ratio),
        "amount": plain(action.amount),
        "new_symbol": action.new_symbol or None,
        "status": action.status,
        "source": action.source,
    }


def _doubt(doubt: QuarantinedPrice) -> dict[str, Any]:
    return {
        "id": str(doubt.pk),
        "session_date": doubt.session_date,
        "dataset": doubt.dataset,
        "value": doubt.value,
        "compared_with": doubt.compared_with or None,
        "reason": doubt.reason,
        "source": doubt.source,
    }
