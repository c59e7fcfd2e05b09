"""Orders and trades of a portfolio, and where a trade's own address leads."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views import View

from etftrader.core.actor import Actor
from etftrader.core.errors import NotFound
from etftrader.core.pages import render_page
from etftrader.core.table_files import page_of
from marketdata.selectors import calendar
from portfolios.constants import Action
from portfolios.models import Portfolio
from portfolios.selectors import access
from portfolios.views.as_of import past_session
from trading.calculations import order_states
from trading.constants import BLOTTER_PAGE
from trading.models import Order
from trading.selectors import orders as read
from trading.selectors import past_orders
from trading.selectors import trades as fills
from trading.views import tables

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
        close = _close(request)
        waiting = _orders(portfolio.pk, close, working_only=True)
        show = OPEN if OPEN in asked or (ALL not in asked and waiting.exists()) else ALL
        every = waiting if show == OPEN else _orders(portfolio.pk, close)
        page = page_of(request, every, BLOTTER_PAGE)
        rows = list(page.object_list)
        if close is not None:
            rows = past_orders.restored(rows, at=close)
        works = any(order.state in order_states.OPEN for order in rows)
        may_trade = works and close is None and access.may(actor, portfolio, Action.TRADE)
        table = tables.orders(
            rows,
            portfolio.pk,
            may_trade=may_trade,
            empty="No order waits." if show == OPEN else "No orders yet.",
            page=page,
        )
        count = page.paginator.count if may_trade and show == OPEN else 0
        context = _frame(request, portfolio, show) | {"table": table, "open_count": count}
        panels = dict.fromkeys((OPEN, ALL), "trading/orders_table.html")
        return render_page(request, "trading/orders.html", context, panels=panels)


class TradesPage(LoginRequiredMixin, View):
    """GET /portfolios/<portfolio_id>/trades/: every fill with its costs."""

    def get(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """Fills, newest first."""
        portfolio = access.portfolio_for(Actor.of(request), portfolio_id)
        close = _close(request)
        made = fills.of_portfolio(portfolio.pk)
        if close is not None:
            made = past_orders.fills(portfolio.pk, at=close)
        page = page_of(request, made, BLOTTER_PAGE)
        table = tables.trades(page.object_list, portfolio.pk, page=page, at=close)
        told = {"table": table, "costs": tables.costs(table["rows"])}
        context = _frame(request, portfolio, "trades") | told
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


def _close(request: HttpRequest) -> datetime | None:
    """The past close the page was asked for; None is now."""
    past = past_session(request)
    return calendar.close_time(past) if past else None


def _orders(
    portfolio_id: UUID, close: datetime | None, *, working_only: bool = False
) -> QuerySet[Order]:
    if close is None:
        return read.of_portfolio(portfolio_id, working_only=working_only)
    return past_orders.placed(portfolio_id, at=close, working_only=working_only)


def _frame(request: HttpRequest, portfolio: Portfolio, show: str) -> dict[str, Any]:
    base = reverse("orders", kwargs={"portfolio_id": portfolio.pk})
    past = past_session(request)
    kept = f"&as_of={past}" if past else ""
    trades = reverse("trades", kwargs={"portfolio_id": portfolio.pk})
    return {"portfolio": portfolio, "tab": "orders"} | {
        "views": [
            {"key": OPEN, "label": "Open", "url": f"{base}?show={OPEN}{kept}"},
            {"key": ALL, "label": "All orders", "url": f"{base}?show={ALL}{kept}"},
            {"key": "trades", "label": "Trades", "url": f"{trades}?{kept[1:]}" if kept else trades},
        ],
        "view": show,
    }
