"""Pages of trading, below /portfolios/<pid>/."""

from django.urls import path

from trading.views import blotter, ticket

urlpatterns = [
    path("portfolios/<uuid:pid>/trade/", ticket.TicketPage.as_view(), name="trade"),
    path("portfolios/<uuid:pid>/orders/", blotter.OrdersPage.as_view(), name="orders"),
    path("portfolios/<uuid:pid>/trades/", blotter.TradesPage.as_view(), name="trades"),
    path(
        "portfolios/<uuid:pid>/orders/<uuid:oid>/", blotter.OrderPage.as_view(), name="order_detail"
    ),
    path(
        "portfolios/<uuid:pid>/orders/<uuid:oid>/cancel/",
        blotter.CancelOrder.as_view(),
        name="order_cancel",
    ),
    path("symbols/", ticket.Symbols.as_view(), name="symbols"),
]
