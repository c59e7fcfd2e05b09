"""Trades over the API: lists and single fills; POST by symbol is order, check and fill in one."""

from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from etftrader.core.api.lists import CursorPages
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import NotFound
from marketdata.api import as_of
from portfolios.api.owned import OF_PORTFOLIO, OwnedView
from portfolios.constants import Action
from portfolios.selectors import access
from trading.api import orders
from trading.api.serializers import OrderSerializer, TradeBody, TradeSerializer
from trading.models import Trade
from trading.selectors import trades

FILTERS = {
    "instrument__symbol": ["exact"],
    "side": ["exact"],
    "executed_at": ["gte", "lt"],
    "session_date": ["exact", "gte", "lte"],
}


class TradeList(ApiView):
    """What the lists of trades share."""

    pagination_class = CursorPages
    cursor_ordering = ("-executed_at", "-pk")
    filterset_fields = FILTERS
    serializer_class = TradeSerializer
    queryset = Trade.objects.none()

    def told(self, rows: QuerySet[Trade]) -> HttpResponse:
        """The fills, at a past close those made by then."""
        close = as_of.asked(self.request).close
        known = rows if close is None else rows.filter(executed_at__lte=close)
        return self.listing(known, TradeSerializer, at=close)


@operation(get=Op("portfolio:view", "List a portfolio's trades", lists=True, query=as_of.AS_OF))
class PortfolioTrades(TradeList):
    """Fills of one portfolio, newest first."""

    def get(self, request: Request, portfolio_id: UUID) -> HttpResponse:
        """List."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        return self.told(trades.of_portfolio(portfolio.pk))


@operation(
    get=Op(
        "signed_in",
        "List the trades of every portfolio you see",
        lists=True,
        query=OF_PORTFOLIO | as_of.AS_OF,
    ),
    post=Op(
        "signed_in:trade", "Trade by symbol: order, check and fill", limit="orders", money=True
    ),
)
class Trades(TradeList, OwnedView):
    """Fills of all portfolios; POST {portfolio_id, symbol, side, quantity} trades."""

    def get(self, request: Request) -> HttpResponse:
        """List."""
        return self.told(self.of_portfolio(trades.visible(self.actor)))

    @extend_schema(request=TradeBody, responses={201: OrderSerializer})
    def post(self, request: Request) -> Response:
        """Place the order; the answer is the order, 422 when the check refuses it."""
        body = TradeBody(data=request.data)
        body.is_valid(raise_exception=True)
        portfolio = access.portfolio_for(
            self.actor, body.validated_data["portfolio_id"], Action.TRADE
        )
        return orders.place(request, portfolio, body.ticket(orders.key_of(request)))


@operation(get=Op("signed_in", "Read a trade", query=as_of.AS_OF))
class TradeDetail(OwnedView):
    """One fill."""

    serializer_class = TradeSerializer

    def get(self, request: Request, trade_id: UUID) -> Response:
        """Read it; a fill never changes, and is missing at a close before it."""
        close = as_of.asked(request).close
        trade = trades.visible(self.actor).filter(pk=trade_id).first()
        if trade is None or (close is not None and trade.executed_at > close):
            raise NotFound("There is no such trade.")
        self.shown([trade])
        return Response(TradeSerializer(trade, context={"at": close}).data)
