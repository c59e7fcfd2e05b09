"""One basket: its verdict, its legs, and cancelling what of it waits."""

from typing import Any
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
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
from trading.models import Basket
from trading.selectors import baskets as read
from trading.selectors import orders as read_orders
from trading.services import baskets
from trading.views import basket_tables, tables


class BasketPage(LoginRequiredMixin, View):
    """GET one basket of a portfolio."""

    def get(self, request: HttpRequest, portfolio_id: UUID, basket_id: UUID) -> HttpResponse:
        """Where its orders stand, and the check that counted."""
        actor = Actor.of(request)
        portfolio, acts = access.portfolio_with_actions(actor, portfolio_id)
        basket = _of(actor, portfolio, basket_id)
        legs = list(basket.legs.all())
        works = any(each.state in order_states.OPEN for each in legs)
        may_trade = works and Action.TRADE in acts
        context: dict[str, Any] = {"portfolio": portfolio, "tab": "orders"} | {
            "basket": basket,
            "name": read.label(basket),
            "state": read.state(basket).label,
            "reasons": read_orders.in_words(read.reasons(basket)),
            "table": tables.orders(legs, portfolio.pk, may_trade=may_trade, empty="No legs."),
            "check": basket_tables.of(basket.check_made),
            "may_cancel": may_trade,
        }
        panels = {"basket": "trading/basket_panel.html"}
        return render_page(request, "trading/basket_detail.html", context, panels=panels)


class CancelBasket(LoginRequiredMixin, View):
    """POST: take back every order of a basket that waits."""

    def post(self, request: HttpRequest, portfolio_id: UUID, basket_id: UUID) -> HttpResponse:
        """Cancel and show it; one of which nothing waits says so."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id, Action.TRADE)
        basket = _of(actor, portfolio, basket_id)
        message = f"{read.label(basket)} cancelled."
        try:
            baskets.cancel(basket_id=basket.pk, by=actor, moment=sessions.moment())
        except Conflict as error:
            message = error.detail
        keys = {"portfolio_id": portfolio.pk, "basket_id": basket.pk}
        return done(request, reverse("basket_detail", kwargs=keys), message)


def _of(actor: Actor, portfolio: Portfolio, basket_id: UUID) -> Basket:
    found = read.visible(actor).filter(portfolio=portfolio, pk=basket_id).first()
    if found is None:
        raise NotFound("There is no such basket.")
    return found
