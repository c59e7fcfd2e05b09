"""What is computed of one portfolio: summary, exposures, history, data quality."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.money import plain
from marketdata.api import as_of
from marketdata.api.asked import bound
from marketdata.selectors import freshness, sessions
from portfolios.api import documents, group_documents
from portfolios.models import Portfolio
from portfolios.selectors import access, groups, snapshots
from portfolios.selectors import positions as read
from portfolios.selectors.positions import Worth

CLOSES = "quantity x price x multiplier, signed"


def worth_of(request: Any, portfolio: Portfolio) -> Worth:
    """The portfolio valued now, or at the session `as_of` asks for."""
    asked = as_of.asked(request)
    if asked.past is None:
        return read.now(portfolio=portfolio, moment=asked.now)
    found = read.at(portfolio=portfolio, session_date=asked.past)
    if found is None:
        raise as_of.before_book(asked.past)
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


def exposures_asked(request: Any, portfolio: Portfolio) -> dict[str, Any]:
    """Exposures now or at the close asked for, with the groups asked for."""
    by = group_documents.groupings(request.query_params.get("group_by", ""))
    worth = worth_of(request, portfolio)
    found = exposures(worth, by)
    said = group_documents.warnings(by, [worth])
    found["meta"]["warnings"] = [*found["meta"]["warnings"], *said]
    return found


def exposures(worth: Worth, by: Sequence[str] = ()) -> dict[str, Any]:
    """Long, short, gross, net, delta, Greeks, concentration; by sector and what else is asked."""
    found = worth.valuation
    nav = found.nav if found.nav > 0 else None
    rows = groups.held([worth])
    told = group_documents.grouped(rows, by, found.nav)
    whole, spread = told["total"], told["concentration"]
    data = {
        "nav": plain(found.nav),
        "cash": plain(found.cash),
        "long_exposure": plain(found.long),
        "short_exposure": plain(found.short),
        "gross_exposure": plain(found.gross),
        "net_exposure": plain(found.net),
        "options_exposure": whole["options_exposure"],
        "stock_exposure": whole["stock_exposure"],
        "notional": whole["notional"],
        "gross_delta_exposure": plain(found.gross_delta),
        "net_delta_exposure": plain(found.net_delta),
        "greeks": whole["greeks"],
        "leverage": float(found.gross / nav) if nav else None,
        "reason": "" if nav else "non_positive_equity",
        "long_count": sum(1 for e in found.lines if e.exposure and e.exposure > 0),
        "short_count": sum(1 for e in found.lines if e.exposure and e.exposure < 0),
        "hhi": spread["hhi"],
        "effective_positions": spread["effective_positions"],
        "concentration": spread,
        "delta_excluded": whole["delta_excluded"],
        "by_sector": [
            {**each, "net": plain(each["net"]), "gross": plain(each["gross"])}
            for each in read.by_sector(worth)
        ],
        "groups": told["groups"],
    }
    return documents.valued(worth, data, CLOSES)


@operation(
    get=Op("portfolio:view", "Equity, the day's gain, exposure", query=as_of.AS_OF, refuses=(422,))
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
        "Long, short, gross, net, Greeks, concentration, by sector and other groups",
        query=as_of.AS_OF | group_documents.GROUP_BY,
        refuses=(422,),
    )
)
class Exposures(ApiView):
    """GET /api/v1/portfolios/{portfolio_id}/exposures."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """Now, or at a past close."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        return Response(exposures_asked(request, portfolio))


@operation(get=Op("portfolio:view", "Equity by session", query=documents.STRETCH))
class History(ApiView):
    """GET /api/v1/portfolios/{portfolio_id}/history."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """Session, equity, flows and gain, oldest first."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        asked = as_of.asked(request)
        start = bound(request, "start", asked.now)
        rows = snapshots.series(portfolio_id=portfolio.pk, until=asked.until, start=start)
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
        at = sessions.at_close(rows[-1].session_date).as_of if rows else None
        quality = rows[-1].quality if rows else "missing"
        found = documents.calculated(
            portfolio, at, {"points": points}, method="snapshots", quality=quality
        )
        return Response(found)


@operation(
    get=Op(
        "portfolio:view",
        "What the figures rest on: prices, ages, gaps",
        query=as_of.AS_OF,
        refuses=(422,),
    )
)
class DataQuality(ApiView):
    """GET /api/v1/portfolios/{portfolio_id}/data-quality."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """Price of each position with its age and class, and the state of the data sets."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        worth = worth_of(request, portfolio)
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
            for each in freshness.datasets(moment=as_of.shown(request))
        ]
        data = {"prices": prices, "datasets": datasets}
        return Response(documents.valued(worth, data, "price classes of held instruments"))
