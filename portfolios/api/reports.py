"""What is computed of one portfolio: summary, exposures, performance, history, data quality."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput, NotEnoughData
from etftrader.core.money import plain
from marketdata.selectors import freshness, sessions
from portfolios.api import documents
from portfolios.models import Portfolio
from portfolios.selectors import access, snapshots
from portfolios.selectors import performance as performances
from portfolios.selectors import positions as read
from portfolios.selectors.positions import Worth

CLOSES = "quantity x price x multiplier, signed"
TWR = "time-weighted daily, inflows at the beginning and outflows at the end of a day"


def worth_of(request: Any, portfolio: Portfolio) -> Worth:
    """The portfolio valued now, or at the session `as_of` asks for."""
    moment = sessions.moment()
    asked = documents.session_asked(request, moment)
    if asked is None or asked == moment.current:
        return read.now(portfolio=portfolio, moment=moment)
    found = read.at(portfolio=portfolio, session_date=asked)
    if found is None:
        raise NotEnoughData(
            f"Nothing was valued by {asked}.", reason="no_snapshots", as_of=asked.isoformat()
        )
    return found


def summary(portfolio: Portfolio, worth: Worth) -> dict[str, Any]:
    """Equity, the day, exposure."""
    found = worth.valuation
    state = {"state": portfolio.state, "positions": len(found.lines)}
    return documents.valued(
        worth,
        {
            "name": portfolio.name,
            "nav": plain(found.nav),
            "cash": plain(found.cash),
            "cash_weight": float(found.cash / found.nav) if found.nav > 0 else None,
            "day_pnl": plain(worth.day_pnl),
            "day_return": worth.day_return,
            "unrealized_pnl": plain(found.unrealized_pnl),
            "gross_exposure": plain(found.gross),
            "net_exposure": plain(found.net),
            **state,
        },
        CLOSES,
    )


def exposures(worth: Worth) -> dict[str, Any]:
    """Long, short, gross, net, by sector, concentration."""
    found = worth.valuation
    nav = found.nav if found.nav > 0 else None
    spread = read.concentration(worth)
    return documents.valued(
        worth,
        {
            "nav": plain(found.nav),
            "cash": plain(found.cash),
            "long_exposure": plain(found.long),
            "short_exposure": plain(found.short),
            "gross_exposure": plain(found.gross),
            "net_exposure": plain(found.net),
            "gross_delta_exposure": plain(found.gross_delta),
            "net_delta_exposure": plain(found.net_delta),
            "leverage": float(found.gross / nav) if nav else None,
            "reason": "" if nav else "non_positive_equity",
            "long_count": sum(1 for e in found.lines if e.exposure and e.exposure > 0),
            "short_count": sum(1 for e in found.lines if e.exposure and e.exposure < 0),
            "hhi": spread[0] if spread else None,
            "effective_positions": spread[1] if spread else None,
            "by_sector": [
                {**each, "net": plain(each["net"]), "gross": plain(each["gross"])}
                for each in read.by_sector(worth)
            ],
        },
        CLOSES,
    )


def performance(request: Any, portfolio: Portfolio) -> dict[str, Any]:
    """Return, risk, falls and the series."""
    moment = sessions.moment()
    until = documents.session_asked(request, moment) or moment.session_date
    start = documents.session_asked(request, moment, "start")
    if start is not None and start > until:
        raise BadInput("The stretch ends before it begins.", attr="start")
    found = performances.performance(portfolio_id=portfolio.pk, until=until, start=start)
    as_of = sessions.at_close(found.end).as_of if found.end else None
    beside = found.relative
    data = {
        "start": found.start.isoformat() if found.start else None,
        "end": found.end.isoformat() if found.end else None,
        "sessions": found.sessions,
        "cumulative_return": found.cumulative_return,
        "cumulative_pnl": plain(found.cumulative_pnl),
        "annual_return": found.annual_return,
        "annual_volatility": found.annual_volatility,
        "sharpe": found.sharpe,
        "sortino": found.sortino,
        "calmar": found.calmar,
        "hit_rate": found.hit_rate,
        "max_drawdown": found.max_drawdown,
        "reason": found.reason,
        "benchmark": found.benchmark,
        "beta": beside.beta if beside else None,
        "tracking_error": beside.tracking_error if beside else None,
        "information_ratio": beside.information_ratio if beside else None,
        "correlation": beside.correlation if beside else None,
        "drawdowns": [
            {
                "peak": each.peak.isoformat(),
                "trough": each.trough.isoformat(),
                "recovery": each.recovery.isoformat() if each.recovery else None,
                "depth": each.depth,
                "length_days": each.length_days,
            }
            for each in found.drawdowns
        ],
        "series": [
            {
                "session_date": each.session_date.isoformat(),
                "nav": plain(each.nav),
                "twr_index": each.twr_index,
                "daily_return": each.daily_return,
                "drawdown": each.drawdown,
            }
            for each in found.series
        ],
    }
    warnings = [{"code": code, "detail": f"{found.sessions} sessions"} for code in found.flags]
    newest = found.series[-1] if found.series else None
    return documents.calculated(
        portfolio,
        as_of,
        data,
        method=TWR,
        annualisation=252,
        quality=newest.quality if newest else "missing",
        coverage=newest.coverage if newest else None,
        warnings=warnings,
    )


@operation(
    get=Op(
        "portfolio:view", "Equity, the day's gain, exposure", query=documents.AS_OF, refuses=(422,)
    )
)
class Summary(ApiView):
    """GET /api/v1/portfolios/{portfolio_id}/summary."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """Now, or at a past close."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        return Response(summary(portfolio, worth_of(request, portfolio)))


@operation(
    get=Op(
        "portfolio:view",
        "Long, short, gross, net, by sector",
        query=documents.AS_OF,
        refuses=(422,),
    )
)
class Exposures(ApiView):
    """GET /api/v1/portfolios/{portfolio_id}/exposures."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """Now, or at a past close."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        return Response(exposures(worth_of(request, portfolio)))


@operation(
    get=Op("portfolio:view", "Return freed of flows, ratios, drawdowns", query=documents.STRETCH)
)
class Performance(ApiView):
    """GET /api/v1/portfolios/{portfolio_id}/performance."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """Since opening, or since `start`, up to `as_of`."""
        return Response(performance(request, access.portfolio_for(self.actor, portfolio_id)))


@operation(get=Op("portfolio:view", "Equity by session", query=documents.STRETCH))
class History(ApiView):
    """GET /api/v1/portfolios/{portfolio_id}/history."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """Session, equity, flows and gain, oldest first."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        moment = sessions.moment()
        until = documents.session_asked(request, moment) or moment.session_date
        start = documents.session_asked(request, moment, "start")
        rows = snapshots.series(portfolio_id=portfolio.pk, until=until, start=start)
        points = [
            {
                "session_date": row.session_date.isoformat(),
                "nav": plain(row.nav),
                "flows": plain(row.flows),
                "daily_pnl": plain(row.daily_pnl),
                "var_95_1d": row.var_95_1d,
            }
            for row in rows
        ]
        as_of = sessions.at_close(rows[-1].session_date).as_of if rows else None
        quality = rows[-1].quality if rows else "missing"
        found = documents.calculated(
            portfolio, as_of, {"points": points}, method="snapshots", quality=quality
        )
        return Response(found)


@operation(get=Op("portfolio:view", "What the figures rest on: prices, ages, gaps"))
class DataQuality(ApiView):
    """GET /api/v1/portfolios/{portfolio_id}/data-quality."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """Price of each position with its age and class, and the state of the data sets."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        moment = sessions.moment()
        worth = read.now(portfolio=portfolio, moment=moment)
        prices = [
            {
                "symbol": each.line.symbol,
                "price_session": each.mark.session_date.isoformat()
                if each.mark and each.mark.session_date
                else None,
                "price_class": each.mark.price_class if each.mark else "",
                "source": each.mark.source if each.mark else "",
                "reason": each.reason,
            }
            for each in worth.valuation.lines
        ]
        datasets = [
            {
                "dataset": each.dataset,
                "newest": each.newest.isoformat() if each.newest else None,
                "lag_sessions": each.lag_sessions,
                "covered": each.covered,
                "total": each.total,
            }
            for each in freshness.datasets(moment=moment)
        ]
        data = {"prices": prices, "datasets": datasets}
        return Response(documents.valued(worth, data, "price classes of held instruments"))
