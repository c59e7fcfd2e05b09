"""Raw prices for programs: past bars, newest quotes, each with how good and how complete they are.

Everything is read-only, bounded, and of books and symbols the caller may see.
"""

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from etftrader.core.api import parameters
from etftrader.core.api.fields import moment as told
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput
from etftrader.core.money import plain
from marketdata import live
from marketdata.api import as_of, asked
from marketdata.models import DailyBar, Instrument
from marketdata.selectors import bar_rows, calendar, instruments, quotes
from portfolios.api import reports
from portfolios.selectors import access
from portfolios.selectors.positions import Worth

MOST_BARS = 25_000
QUARTER = timedelta(days=91)
STRETCH = asked.SPAN | {
    "start": parameters.day("The first day, YYYY-MM-DD; a quarter before `end` without it.")
}


@operation(
    get=Op(
        "portfolio:view",
        summary="Past prices of what a portfolio holds",
        query=STRETCH,
        refuses=(422,),
    )
)
class HistoricalPrices(ApiView):
    """GET /data/prices/historical/{portfolio_id}: the last quarter without `start`."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """Bars by symbol, oldest first; 400 where they would be too many for one answer."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        held = of_book(reports.worth_of(request, portfolio))
        return Response({"portfolio_id": str(portfolio.pk), **history(request, held)})


@operation(
    get=Op(
        "signed_in",
        summary="Newest quotes with their quality",
        query=asked.SYMBOLS | as_of.AS_OF,
        needs=("symbols",),
    )
)
class RawQuotes(ApiView):
    """GET /data/prices/quotes?symbols=SPY,TLT."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """One entry a symbol asked for; a price that is not there is null with a reason."""
        moment = as_of.shown(request)
        wanted = asked.symbols(request)
        found = quotes.latest(wanted=wanted, actor=self.actor, moment=moment)
        rows = [live.quote(each, now=moment.as_of) for each in found.values()]
        missing = {row["symbol"]: row["reason"] for row in rows if row["price"] is None}
        return Response(
            {
                "as_of": told(moment.as_of),
                "session_date": moment.current,
                "simulated": moment.simulated,
                "quotes": rows,
                "data_quality": {
                    "asked": len(wanted),
                    "priced": len(rows) - len(missing),
                    "by_class": Counter(row["quality"] for row in rows if row["quality"]),
                    "missing": missing,
                },
            }
        )


@operation(
    get=Op("signed_in", summary="Past prices of the funds that stand for factors", query=STRETCH)
)
class FactorPrices(ApiView):
    """GET /data/factors/etf-prices: the last quarter without `start`."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """Bars by symbol, oldest first, each with the factor it stands for."""
        funds = bar_rows.factor_funds(actor=self.actor)
        return Response(history(request, funds))


def history(request: Any, of: list[Instrument]) -> dict[str, Any]:
    """Bars of instruments over the stretch asked for. Raises BadInput for too many."""
    start, end = asked.span(request)
    start = start or end - QUARTER
    days = len(calendar.between(start, end))
    if days * len(of) > MOST_BARS:
        raise BadInput(
            f"{len(of)} symbols over {days} sessions are more than {MOST_BARS:,} prices. "
            f"Ask for at most {MOST_BARS // len(of)} sessions at once.",
            attr="start",
            code="too_many_rows",
        )
    found = bar_rows.of_many(instruments=of, start=start, until=end)
    return {
        "start": start,
        "end": end,
        "sessions": days,
        "instruments": [
            {
                "symbol": each.symbol,
                "name": each.name,
                "currency": each.currency,
                "factor": each.factor_tilt or None,
                "prices": [_bar(bar) for bar in found.get(each.pk, ())],
            }
            for each in of
        ],
        "data_quality": {
            "expected": days * len(of),
            "there": sum(len(rows) for rows in found.values()),
            "without_prices": [each.symbol for each in of if each.pk not in found],
            "incomplete": [each.symbol for each in of if 0 < len(found.get(each.pk, ())) < days],
        },
    }


def of_book(worth: Worth) -> list[Instrument]:
    """What a valued book holds, by symbol."""
    return instruments.of_ids(each.line.instrument_id for each in worth.valuation.lines)


def _bar(bar: DailyBar) -> dict[str, Any]:
    return {
        "session_date": bar.session_date,
        "close": plain(bar.close),
        "adj_close": plain(bar.adj_close),
        "volume": bar.volume,
        "source": bar.source,
    }
