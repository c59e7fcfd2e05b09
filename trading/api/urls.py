"""Addresses of trading below /api/v1."""

from etftrader.core.api.routes import route
from trading.api import baskets, batches, costs, ends, orders, trades

urlpatterns = [
    *route("orders", orders.Orders, "api-orders"),
    *route("orders/by-client-id/<str:cid>", orders.OrderByClientId, "api-order-by-client-id"),
    *route("orders/<uuid:order_id>", orders.OrderDetail, "api-order"),
    *route("orders/<uuid:order_id>/cancel", orders.OrderCancel, "api-order-cancel"),
    *route("portfolios/<uuid:portfolio_id>/orders", orders.PortfolioOrders, "api-portfolio-orders"),
    *route("orders/<uuid:order_id>/bust", ends.OrderBust, "api-order-bust"),
    *route("baskets/<uuid:basket_id>", baskets.BasketDetail, "api-basket"),
    *route("baskets/<uuid:basket_id>/cancel", baskets.BasketCancel, "api-basket-cancel"),
    *route(
        "portfolios/<uuid:portfolio_id>/baskets",
        baskets.PortfolioBaskets,
        "api-portfolio-baskets",
    ),
    *route("portfolios/<uuid:portfolio_id>/baskets/check", baskets.BasketCheck, "api-basket-check"),
    *route("portfolios/<uuid:portfolio_id>/costs", costs.Costs, "api-portfolio-costs"),
    *route("portfolios/<uuid:portfolio_id>/orders/batch", batches.OrderBatch, "api-order-batch"),
    *route(
        "portfolios/<uuid:portfolio_id>/orders/cancel-open",
        ends.CancelOpen,
        "api-orders-cancel-open",
    ),
    *route("portfolios/<uuid:portfolio_id>/orders/check", orders.OrderCheck, "api-order-check"),
    *route("portfolios/<uuid:portfolio_id>/trades", trades.PortfolioTrades, "api-portfolio-trades"),
    *route("trades", trades.Trades, "api-trades"),
    *route("trades/<uuid:trade_id>", trades.TradeDetail, "api-trade"),
]
