"""Pages of trading, below /portfolios/<portfolio_id>/."""

from django.urls import path

from trading.views import blotter, ticket

urlpatterns = [
    path("portfolios/<uuid:portfolio_id>/trade/", ticket.TicketPage.as_view(), name="trade"),
    path("portfolios/<uuid:portfolio_id>/orders/", blotter.OrdersPage.as_view(), name="orders"),
    path("portfolios/<uuid:portfolio_id>/trades/", blotter.TradesPage.as_view(), name="trades"),
    path(
        "portfolios/<uuid:portfolio_id>/trades/<uuid:trade_id>/",
        blotter.TradePage.as_view(),
        name="trade_detail",
    ),
    path(
        "portfolios/<uuid:portfolio_id>/orders/<uuid:order_id>/",
        blotter.OrderPage.as_view(),
        name="order_detail",
    ),
    path(
        "portfolios/<uuid:portfolio_id>/orders/<uuid:order_id>/cancel/",
        blotter.CancelOrder.as_view(),
        name="order_cancel",
    ),
    path("symbols/", ticket.Symbols.as_view(), name="symbols"),
]
