"""Orders and trades of a portfolio, one order with its timeline, the cancel button."""

from typing import Any
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views import View

from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict, NotFound
from etftrader.core.pages import done, render_page
from marketdata.selectors import sessions
from portfolios.constants import Action
from portfolios.models import Portfolio
from portfolios.selectors import access
from trading.calculations import order_states
from trading.constants import BLOTTER_PAGE
from trading.models import Order
from trading.selectors import orders as read
from trading.selectors import trades as fills
from trading.services import orders
from trading.views import check_panel, tables

OPEN, ALL = "open", "all"


class OrdersPage(LoginRequiredMixin, View):
    """GET /portfolios/<portfolio_id>/orders/: the tabs Open and All orders."""

    def get(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """Orders, newest first; rejected ones say which checks failed.

        An address without a tab opens on what waits, or on all orders when nothing does.
        """
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id)
        # a panel that refreshes itself names its tab, the address of the page may not
        asked = (request.GET.get("show"), request.GET.get("panel"))
        waiting = read.of_portfolio(portfolio.pk, working_only=True)
        show = OPEN if OPEN in asked or (ALL not in asked and waiting.exists()) else ALL
        page = _page(request, waiting if show == OPEN else read.of_portfolio(portfolio.pk))
        rows = list(page.object_list)
        works = any(order.state in order_states.OPEN for order in rows)
        table = tables.orders(
            rows,
            portfolio.pk,
            may_trade=works and access.may(actor, portfolio, Action.TRADE),
            empty="No order waits." if show == OPEN else "No orders yet.",
            page=page,
        )
        context = _frame(portfolio, show) | {"table": table}
        panels = dict.fromkeys((OPEN, ALL), "trading/orders_table.html")
        return render_page(request, "trading/orders.html", context, panels=panels)


class TradesPage(LoginRequiredMixin, View):
    """GET /portfolios/<portfolio_id>/trades/: every fill with its costs."""

    def get(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """Fills, newest first."""
        portfolio = access.portfolio_for(Actor.of(request), portfolio_id)
        page = _page(request, fills.of_portfolio(portfolio.pk))
        table = tables.trades(page.object_list, portfolio.pk, page=page)
        context = _frame(portfolio, "trades") | {"table": table}
        panels = {"trades": "trading/trades_table.html"}
        return render_page(request, "trading/trades.html", context, panels=panels)


class TradePage(LoginRequiredMixin, View):
    """GET one trade of a portfolio: the order it filled."""

    def get(self, request: HttpRequest, portfolio_id: UUID, trade_id: UUID) -> HttpResponse:
        """To the order's page, which shows all its fills."""
        portfolio = access.portfolio_for(Actor.of(request), portfolio_id)
        trade = fills.of_portfolio(portfolio.pk).filter(pk=trade_id).first()
        if trade is None:
            raise NotFound("There is no such trade.")
        return redirect("order_detail", portfolio_id=portfolio.pk, order_id=trade.order_id)


class OrderPage(LoginRequiredMixin, View):
    """GET one order of a portfolio: its check, its timeline, its fills."""

    def get(self, request: HttpRequest, portfolio_id: UUID, order_id: UUID) -> HttpResponse:
        """The order, whatever became of it."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id)
        order = _order(actor, portfolio, order_id)
        rows = fills.of_portfolio(portfolio.pk).filter(order=order)
        working = order.state in order_states.OPEN
        context = {"portfolio": portfolio, "tab": "orders"} | {
            "order": order,
            "reasons": read.in_words(order.reasons),
            "steps": read.timeline(order),
            "table": tables.trades(rows, portfolio.pk),
            "check": check_panel.of(order.check_made) if order.check_made else None,
            "may_cancel": working and access.may(actor, portfolio, Action.TRADE),
        }
        panels = {"order": "trading/order_panel.html"}
        return render_page(request, "trading/order.html", context, panels=panels)


class CancelOrder(LoginRequiredMixin, View):
    """POST: take back what is not filled; a filled order says so."""

    def post(self, request: HttpRequest, portfolio_id: UUID, order_id: UUID) -> HttpResponse:
        """Cancel and go back to the blotter."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id, Action.TRADE)
        order = _order(actor, portfolio, order_id)
        message = "Order cancelled."
        try:
            orders.cancel(order_id=order.pk, by=actor, moment=sessions.moment())
        except Conflict as error:
            message = error.detail
        return done(request, reverse("orders", kwargs={"portfolio_id": portfolio.pk}), message)


def _order(actor: Actor, portfolio: Portfolio, order_id: UUID) -> Order:
    found = read.visible(actor).filter(portfolio=portfolio, pk=order_id)
    order = found.select_related("check_made", "instrument", "placed_by").first()
    if order is None:
        raise NotFound("There is no such order.")
    return order


def _page(request: HttpRequest, rows: Any) -> Page:
    return Paginator(rows, BLOTTER_PAGE).get_page(request.GET.get("page"))


def _frame(portfolio: Portfolio, show: str) -> dict[str, Any]:
    base = reverse("orders", kwargs={"portfolio_id": portfolio.pk})
    trades = reverse("trades", kwargs={"portfolio_id": portfolio.pk})
    return {"portfolio": portfolio, "tab": "orders"} | {
        "views": [
            {"key": OPEN, "label": "Open", "url": f"{base}?show={OPEN}"},
            {"key": ALL, "label": "All orders", "url": f"{base}?show={ALL}"},
            {"key": "trades", "label": "Trades", "url": trades},
        ],
        "view": show,
    }
