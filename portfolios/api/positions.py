"""Positions and accounts over the API, and the caller's default portfolio by its short address."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import NotFound
from etftrader.core.money import plain
from marketdata.selectors import sessions
from portfolios.api import documents, reports
from portfolios.api.owned import OwnedView
from portfolios.api.rows import AccountRow, PositionRow
from portfolios.models import Account, Portfolio, Position
from portfolios.selectors import access
from portfolios.selectors import positions as read
from portfolios.selectors.positions import Worth

OF_SYMBOL = documents.AS_OF | {"symbol": "Only the position in this symbol."}


def written(worth: Worth) -> list[dict[str, Any]]:
    """The positions of a valued portfolio by symbol."""
    key = worth.portfolio.pk
    ids, tags = read.ids_of(portfolio_id=key), read.tags_of(portfolio_id=key)
    return [
        documents.position(
            each, key, ids.get(each.line.instrument_id), tags.get(each.line.instrument_id)
        )
        for each in worth.valuation.lines
    ]


@operation(
    get=Op(
        "portfolio:view",
        "List a portfolio's positions",
        lists=True,
        query=OF_SYMBOL,
        refuses=(422,),
    )
)
class PortfolioPositions(ApiView):
    """GET /api/v1/portfolios/{portfolio_id}/positions."""

    serializer_class = PositionRow
    queryset = Position.objects.none()

    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """Valued now, or at a past close; by symbol."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        rows = written(reports.worth_of(request, portfolio))
        wanted = request.query_params.get("symbol", "").upper()
        if wanted:
            rows = [row for row in rows if row["symbol"] == wanted]
        return self.listing(rows, PositionRow)


@operation(get=Op("signed_in", "List the positions of every portfolio you see", lists=True))
class Positions(OwnedView):
    """GET /api/v1/positions."""

    serializer_class = PositionRow
    queryset = Position.objects.none()

    def get(self, request: Any) -> Response:
        """By portfolio and symbol, valued now."""
        moment = sessions.moment()
        seen = list(Portfolio.objects.for_actor(self.actor).open().order_by("name", "pk"))
        self.shown(seen)
        rows = [row for each in seen for row in written(read.now(portfolio=each, moment=moment))]
        return self.listing(rows, PositionRow)


@operation(get=Op("signed_in", "Read a position"))
class OnePosition(OwnedView):
    """GET /api/v1/positions/{position_id}."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, position_id: UUID) -> Response:
        """With its value, realised gain and fees."""
        row = (
            Position.objects.for_actor(self.actor)
            .select_related("portfolio", "instrument")
            .filter(pk=position_id)
            .first()
        )
        if row is None:
            raise NotFound("There is no such position.")
        self.shown([row])
        told: dict[str, Any] = {
            "id": str(row.pk),
            "url": f"{documents.BASE}/positions/{row.pk}",
            "portfolio": str(row.portfolio_id),
            "symbol": row.instrument.symbol,
            "quantity": plain(row.quantity),
            "cost_basis": plain(row.cost_basis),
        }
        worth = read.now(portfolio=row.portfolio, moment=sessions.moment())
        held = [each for each in written(worth) if each["id"] == str(row.pk)]
        told |= held[0] if held else {}
        told |= {
            "realized_pnl": plain(row.realized_pnl),
            "fees": plain(row.fees),
            "opened_on": row.opened_on.isoformat() if row.opened_on else None,
            "closed_on": row.closed_on.isoformat() if row.closed_on else None,
            "version": row.version,
        }
        return Response(told)


@operation(get=Op("signed_in", "List your accounts", lists=True))
class Accounts(OwnedView):
    """GET /api/v1/accounts."""

    serializer_class = AccountRow
    queryset = Account.objects.none()

    def get(self, request: Any) -> Response:
        """In the order they were made."""
        rows = Account.objects.for_actor(self.actor).order_by("created_at", "pk")
        return self.listing(rows, AccountRow)


@operation(get=Op("signed_in", "Read an account"))
class OneAccount(OwnedView):
    """GET /api/v1/accounts/{account_id}."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, account_id: UUID) -> Response:
        """One account."""
        row = Account.objects.for_actor(self.actor).filter(pk=account_id).first()
        if row is None:
            raise NotFound("There is no such account.")
        self.shown([row])
        return Response(documents.account(row))


@operation(
    get=Op(
        "signed_in",
        "Summary and positions of your default portfolio",
        query=documents.AS_OF,
        refuses=(422,),
    )
)
class Default(ApiView):
    """GET /api/v1/portfolio."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """The default portfolio, now or at a past close."""
        portfolio = access.default_portfolio(self.actor)
        worth = reports.worth_of(request, portfolio)
        found = reports.summary(portfolio, worth)
        found["data"]["holdings"] = written(worth)
        return Response(found)


@operation(
    get=Op(
        "signed_in",
        "Exposures of your default portfolio",
        query=documents.AS_OF,
        refuses=(422,),
    )
)
class DefaultExposures(ApiView):
    """GET /api/v1/portfolio/exposures."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """The default portfolio's exposures."""
        portfolio = access.default_portfolio(self.actor)
        return Response(reports.exposures(reports.worth_of(request, portfolio)))


@operation(get=Op("signed_in", "Performance of your default portfolio", query=documents.STRETCH))
class DefaultPerformance(ApiView):
    """GET /api/v1/portfolio/performance."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """The default portfolio's performance."""
        return Response(reports.performance(request, access.default_portfolio(self.actor)))
