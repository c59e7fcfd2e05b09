"""Buttons of the blotter and of an order: cancel, cancel all, replace, take back."""

from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views import View

from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, DomainError, VersionMismatch
from etftrader.core.pages import UNPROCESSABLE, done
from marketdata.selectors import sessions
from portfolios.constants import Action
from portfolios.selectors import access
from trading.forms import BustForm, ReplaceForm
from trading.services import amending, busts, orders
from trading.views import order_page


class CancelOrder(LoginRequiredMixin, View):
    """POST: take back what is not filled; a filled order says so."""

    def post(self, request: HttpRequest, portfolio_id: UUID, order_id: UUID) -> HttpResponse:
        """Cancel and go back to the blotter."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id, Action.TRADE)
        order = order_page.order_of(actor, portfolio, order_id)
        message = "Order cancelled."
        try:
            orders.cancel(order_id=order.pk, by=actor, moment=sessions.moment())
        except Conflict as error:
            message = error.detail
        return done(request, reverse("orders", kwargs={"portfolio_id": portfolio.pk}), message)


class CancelOpen(LoginRequiredMixin, View):
    """POST: take back every order that waits, and say how many there were."""

    def post(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """Cancel them all and go back to the blotter."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id, Action.TRADE)
        ended = amending.cancel_open(portfolio_id=portfolio.pk, by=actor, moment=sessions.moment())
        count = len(ended)
        message = f"{count} {'order' if count == 1 else 'orders'} cancelled."
        url = reverse("orders", kwargs={"portfolio_id": portfolio.pk})
        return done(request, url, message if count else "No order waited.")


class ReplaceOrder(LoginRequiredMixin, View):
    """POST: other terms for an order that waits, if a new check approves them."""

    def post(self, request: HttpRequest, portfolio_id: UUID, order_id: UUID) -> HttpResponse:
        """Replace and show the order; refused, the page shows the check and what was typed."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id, Action.TRADE)
        order = order_page.order_of(actor, portfolio, order_id)
        form = ReplaceForm(order, request.POST)
        if not form.is_valid():
            return order_page.shown(request, portfolio, order, UNPROCESSABLE, replacing=form)
        try:
            made = amending.replace_order(
                order_id=order.pk,
                changes=form.changes(),
                if_match_version=form.cleaned_data["version"],
                by=actor,
                moment=sessions.moment(),
            )
        except VersionMismatch:
            message = "The order has changed since you opened the page; nothing was replaced."
            return done(request, order_page.address(order), message)
        except BadInput as error:
            field = str(error.figures.get("attr", ""))
            form.add_error(field if field in form.fields else None, error.detail)
            return order_page.shown(request, portfolio, order, UNPROCESSABLE, replacing=form)
        except Conflict as error:
            return done(request, order_page.address(order), error.detail)
        if not made.approved:
            form.add_error(None, "The new check refuses these terms; the order stays as it is.")
            return order_page.shown(
                request, portfolio, order, UNPROCESSABLE, replacing=form, refused_by=made.check
            )
        return done(request, order_page.address(order), "Order replaced.")


class BustOrder(LoginRequiredMixin, View):
    """POST by staff: take a filled order back, with a reason."""

    def post(self, request: HttpRequest, portfolio_id: UUID, order_id: UUID) -> HttpResponse:
        """Reverse it and show it; what stands in the way is said on the page."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id)
        order = order_page.order_of(actor, portfolio, order_id)
        order_page.check_may_bust(actor)
        form = BustForm(request.POST)
        if form.is_valid():
            try:
                busts.bust(
                    order_id=order.pk,
                    reason=form.cleaned_data["reason"],
                    by=actor,
                    moment=sessions.moment(),
                )
            except DomainError as error:
                form.add_error(None, error.detail)
            else:
                return done(request, order_page.address(order), "The fills were reversed.")
        return order_page.shown(request, portfolio, order, UNPROCESSABLE, busting=form)
