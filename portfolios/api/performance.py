"""Performance over the API: the tear sheet, its parts, and what a portfolio is compared with."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api import parameters, versions
from etftrader.core.api.fields import StrictSerializer
from etftrader.core.api.registry import REQUIRED, UNCHANGED, Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput
from marketdata.api import as_of
from marketdata.api.as_of import AsOf
from marketdata.api.asked import bound
from marketdata.selectors import sessions
from portfolios.api import documents
from portfolios.api import performance_documents as told
from portfolios.calculations.periods import CUSTOM, OPENING, PRESETS, Period
from portfolios.constants import MAX_BENCHMARKS, Action
from portfolios.models import Portfolio
from portfolios.selectors import access, performance_benchmarks
from portfolios.selectors.performance import TearSheet, tear_sheet
from portfolios.services import benchmarks

TWR = "time-weighted daily, inflows at the beginning and outflows at the end of a day"
LINKED = "daily gains in currency, added up: the parts are the whole"
QUERY = documents.STRETCH | {
    "period": parameters.Parameter(
        "How far back from the last session; not beside start or end.",
        enum=list(PRESETS),
        default=OPENING,
    ),
    "end": parameters.day("The last session to look at, YYYY-MM-DD; the newest without it."),
    "benchmark": parameters.several(
        "Symbols to compare with instead of the portfolio's own benchmarks.", MAX_BENCHMARKS
    ),
}


class BenchmarksRequest(StrictSerializer):
    """What to compare with, the first one first; an empty list is the default again."""

    symbols = serializers.ListField(
        child=serializers.CharField(max_length=32), max_length=MAX_BENCHMARKS
    )


def sheet_of(request: Any, portfolio: Portfolio) -> TearSheet:
    """The tear sheet a request asks for. Raises BadInput."""
    asked = as_of.asked(request)
    named = request.query_params.get("benchmark")
    against = performance_benchmarks.checked(named.split(","), "benchmark") if named else None
    period = _period(request, asked)
    return tear_sheet(portfolio=portfolio, period=period, as_of=asked.until, against=against)


def _period(request: Any, asked: AsOf) -> Period:
    start = bound(request, "start", asked.now)
    end = bound(request, "end", asked.now)
    name = request.query_params.get("period")
    if name is not None and name not in PRESETS:
        raise BadInput(f"A period is one of {', '.join(PRESETS)}.", attr="period")
    if start is None and end is None:
        return Period(name or OPENING)
    if name is not None:
        raise BadInput("Name a period, or its first and last day.", attr="period")
    last = min((each for each in (end, asked.past) if each), default=None)
    if start is not None and last is not None and start > last:
        raise BadInput("The stretch ends before it begins.", attr="start")
    return Period(CUSTOM, start, end)


def document(
    request: Any,
    portfolio: Portfolio,
    part: Callable[[TearSheet], dict[str, Any]] = told.whole,
    method: str = TWR,
) -> dict[str, Any]:
    """A tear sheet, or one part of it, in the outer shape of everything calculated."""
    found = sheet_of(request, portfolio)
    last = found.rows[-1] if found.rows else None
    return documents.calculated(
        portfolio,
        sessions.at_close(found.end).as_of if found.end else None,
        part(found),
        method=method,
        annualisation=252,
        quality=last.quality if last else "missing",
        coverage=last.coverage if last else None,
        warnings=[{"code": code, "detail": detail} for code, detail in found.warnings],
    )


@operation(get=Op("portfolio:view", "Return freed of flows, ratios, drawdowns", query=QUERY))
class Performance(ApiView):
    """GET /api/v1/portfolios/{portfolio_id}/performance."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """Since opening, or over a period, up to `as_of`, against the benchmarks."""
        return Response(document(request, access.portfolio_for(self.actor, portfolio_id)))


@operation(get=Op("portfolio:view", "Rolling Sharpe ratio, volatility and beta", query=QUERY))
class RollingPerformance(ApiView):
    """GET /api/v1/portfolios/{portfolio_id}/performance/rolling."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """Over the last 63 and 126 sessions of each day."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        return Response(document(request, portfolio, told.rolling))


@operation(get=Op("portfolio:view", "What each position gave to the gain", query=QUERY))
class Contributions(ApiView):
    """GET /api/v1/portfolios/{portfolio_id}/performance/contributions."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """In currency, so that the parts add up to the gain of the period exactly."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        return Response(document(request, portfolio, told.contributions, LINKED))


@operation(
    get=Op("portfolio:view", "What a portfolio is compared with", versions=UNCHANGED),
    put=Op("portfolio:manage", "Set its benchmarks; send If-Match", versions=REQUIRED),
)
class Benchmarks(ApiView):
    """GET, PUT /api/v1/portfolios/{portfolio_id}/benchmarks."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """Symbols in their order; the tag is the portfolio's version."""
        row = access.portfolio_for(self.actor, portfolio_id)
        if versions.is_unchanged(request, row):
            return versions.tagged(Response(status=304), row)
        return versions.tagged(Response(self._document(row)), row)

    @extend_schema(request=BenchmarksRequest, responses={200: dict})
    def put(self, request: Any, portfolio_id: UUID) -> Response:
        """The whole list."""
        row = access.portfolio_for(self.actor, portfolio_id, Action.MANAGE)
        version = versions.check(request, row, required=True)
        asked = self.checked(BenchmarksRequest)
        done = benchmarks.set_benchmarks(
            portfolio_id=row.pk,
            symbols=asked["symbols"],
            if_match_version=version,
            by=self.actor,
        )
        return versions.tagged(Response(self._document(done)), done)

    def _document(self, row: Portfolio) -> dict[str, Any]:
        chosen = performance_benchmarks.of_portfolio(portfolio_id=row.pk)
        return {
            "portfolio": str(row.pk),
            "symbols": [each.symbol for each in chosen],
            "is_default": not performance_benchmarks.kept(portfolio_id=row.pk),
            "version": row.version,
        }
