"""Pages of trading, below /portfolios/<portfolio_id>/."""

from django.urls import path

from trading.views import basket_page, basket_ticket, blotter, costs, order_acts, order_page, ticket

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
        order_page.OrderPage.as_view(),
        name="order_detail",
    ),
    path(
        "portfolios/<uuid:portfolio_id>/orders/<uuid:order_id>/cancel/",
        order_acts.CancelOrder.as_view(),
        name="order_cancel",
    ),
    path(
        "portfolios/<uuid:portfolio_id>/orders/<uuid:order_id>/replace/",
        order_acts.ReplaceOrder.as_view(),
        name="order_replace",
    ),
    path(
        "portfolios/<uuid:portfolio_id>/orders/<uuid:order_id>/bust/",
        order_acts.BustOrder.as_view(),
        name="order_bust",
    ),
    path(
        "portfolios/<uuid:portfolio_id>/orders/cancel-open/",
        order_acts.CancelOpen.as_view(),
        name="orders_cancel_open",
    ),
    path(
        "portfolios/<uuid:portfolio_id>/basket/",
        basket_ticket.BasketTicketPage.as_view(),
        name="basket",
    ),
    path(
        "portfolios/<uuid:portfolio_id>/baskets/<uuid:basket_id>/",
        basket_page.BasketPage.as_view(),
        name="basket_detail",
    ),
    path(
        "portfolios/<uuid:portfolio_id>/baskets/<uuid:basket_id>/cancel/",
        basket_page.CancelBasket.as_view(),
        name="basket_cancel",
    ),
    path("portfolios/<uuid:portfolio_id>/costs/", costs.CostsPage.as_view(), name="costs"),
    path("symbols/", ticket.Symbols.as_view(), name="symbols"),
]
