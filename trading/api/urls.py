"""Addresses of trading below /api/v1."""

from etftrader.core.api.routes import route
from trading.api import orders, trades

urlpatterns = [
    *route("orders", orders.Orders, "api-orders"),
    *route("orders/by-client-id/<str:cid>", orders.OrderByClientId, "api-order-by-client-id"),
    *route("orders/<uuid:order_id>", orders.OrderDetail, "api-order"),
    *route("orders/<uuid:order_id>/cancel", orders.OrderCancel, "api-order-cancel"),
    *route("portfolios/<uuid:portfolio_id>/orders", orders.PortfolioOrders, "api-portfolio-orders"),
    *route("portfolios/<uuid:portfolio_id>/orders/check", orders.OrderCheck, "api-order-check"),
    *route("portfolios/<uuid:portfolio_id>/trades", trades.PortfolioTrades, "api-portfolio-trades"),
    *route("trades", trades.Trades, "api-trades"),
    *route("trades/<uuid:trade_id>", trades.TradeDetail, "api-trade"),
]
