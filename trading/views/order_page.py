"""One order: its check, its timeline, its fills, and what may still be done with it."""

from typing import Any
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views import View

from etftrader.core.actor import Actor
from etftrader.core.api.registry import OPERATORS
from etftrader.core.errors import NotAllowed, NotFound
from etftrader.core.pages import render_page
from portfolios.constants import Action
from portfolios.models import Portfolio
from portfolios.selectors import access
from risk.models import PreTradeCheck
from trading.calculations import order_states
from trading.choices import OrderState
from trading.forms import BustForm, ReplaceForm
from trading.models import Order
from trading.selectors import orders as read
from trading.selectors import trades as fills
from trading.views import check_panel, tables


class OrderPage(LoginRequiredMixin, View):
    """GET one order of a portfolio."""

    def get(self, request: HttpRequest, portfolio_id: UUID, order_id: UUID) -> HttpResponse:
        """The order, whatever became of it."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id)
        return shown(request, portfolio, order_of(actor, portfolio, order_id))


def order_of(actor: Actor, portfolio: Portfolio, order_id: UUID) -> Order:
    """An order of a portfolio the actor sees. Raises NotFound."""
    found = read.visible(actor).filter(portfolio=portfolio, pk=order_id)
    order = found.select_related("check_made", "instrument", "placed_by", "basket").first()
    if order is None:
        raise NotFound("There is no such order.")
    return order


def address(order: Order) -> str:
    """Its page."""
    keys = {"portfolio_id": order.portfolio_id, "order_id": order.pk}
    return reverse("order_detail", kwargs=keys)


def shown(
    request: HttpRequest,
    portfolio: Portfolio,
    order: Order,
    status: int = 200,
    *,
    replacing: ReplaceForm | None = None,
    refused_by: PreTradeCheck | None = None,
    busting: BustForm | None = None,
) -> HttpResponse:
    """The page; a form that was sent shows what is wrong with it, a refusal its check."""
    actor = Actor.of(request)
    rows = fills.of_portfolio(portfolio.pk).filter(order=order)
    working = order.state in order_states.OPEN
    check = refused_by or order.check_made
    may_change = working and not read.is_of_spread(order)
    may_change = may_change and access.may(actor, portfolio, Action.TRADE)
    may_bust = _may_bust(actor) and order_states.may_follow(order.state, OrderState.BUSTED)
    context: dict[str, Any] = {"portfolio": portfolio, "tab": "orders"} | {
        "order": order,
        "terms": tables.terms_of(order),
        "reasons": read.in_words(order.reasons),
        "steps": read.timeline(order),
        "table": tables.trades(rows, portfolio.pk),
        "check": check_panel.of(check) if check else None,
        "check_sub": "of the refused change" if refused_by else "the one that counted",
        "may_cancel": may_change,
        "replace_form": (replacing or ReplaceForm(order)) if may_change else None,
        "bust_form": busting or (BustForm(auto_id="bust_%s") if may_bust else None),
    }
    panels = {"order": "trading/order_panel.html"}
    return render_page(request, "trading/order.html", context, panels=panels, status=status)


def check_may_bust(actor: Actor) -> None:
    """Raise NotAllowed for whoever is no operator."""
    if not _may_bust(actor):
        raise NotAllowed("Operators and administrators may take an order back.")


def _may_bust(actor: Actor) -> bool:
    return actor.is_superuser or bool(actor.groups & OPERATORS)
