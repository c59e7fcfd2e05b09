"""The trade ticket: the check beside the form, and the one press that places the order."""

import uuid
from typing import Any
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views import View

from etftrader.core import idempotency
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, DomainError, NotAllowed
from etftrader.core.idempotency import Answer
from etftrader.core.pages import UNPROCESSABLE, done, is_fragment, render_page, render_refusal
from marketdata.selectors import instruments, sessions
from portfolios.constants import Action
from portfolios.models import Portfolio
from portfolios.selectors import access
from portfolios.services import ledger
from risk.choices import CheckStatus
from risk.models import PreTradeCheck
from trading import live
from trading.choices import OrderState, OrderType
from trading.constants import RECENT_TRADES
from trading.forms import FIELDS, TicketForm
from trading.models import Order
from trading.selectors import trades
from trading.services import orders
from trading.services.placing import Placing
from trading.views import check_panel, tables

PAGE = "trading/ticket.html"
CHECK = "trading/ticket_check.html"
RECENT = "trading/ticket_recent.html"
OPERATION = "orders.place"
WAITS_FOR = {
    OrderType.MARKET.value: "the next price",
    OrderType.MARKET_ON_CLOSE.value: "the close of the session",
}
PREFILLED = ("symbol", "side", "quantity", "order_type", "limit_price", "stop_price")


class TicketPage(LoginRequiredMixin, View):
    """GET the ticket; POST the check (`?panel=check`, or without JavaScript first) or the order."""

    def get(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """The empty ticket, or one filled from the address (`?symbol=&side=&quantity=`)."""
        portfolio = access.portfolio_for(Actor.of(request), portfolio_id, Action.VIEW)
        given = {name: request.GET[name] for name in PREFILLED if name in request.GET}
        form = _fresh(given)
        context = _context(request, portfolio, form, given.get("symbol", ""))
        return render_page(request, PAGE, context, panels={"recent": RECENT})

    def post(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """Check or place."""
        actor = Actor.of(request)
        form = TicketForm(request.POST)
        try:
            portfolio = access.portfolio_for(actor, portfolio_id, Action.TRADE)
        except NotAllowed as error:
            if not is_fragment(request):
                raise
            barred = TicketForm({})
            barred.errors.clear()
            barred.add_error(None, error.detail)
            return _panel(request, barred, status=error.status)
        if is_fragment(request):
            return self._fragment(request, portfolio, form, actor)
        if not form.is_valid():
            return _again(request, portfolio, form, UNPROCESSABLE)
        placed = request.POST.get("place")
        seen = placed == "" or placed == check_panel.fingerprint(form.ticket())
        try:
            if placed is None or not seen:
                made = _check(portfolio, form, actor)
                return _again(request, portfolio, form, 200, made)
            return self._place(request, portfolio, form, actor)
        except BadInput as error:
            _blame(form, error)
            return _again(request, portfolio, form, UNPROCESSABLE)
        except DomainError as error:
            context = _context(request, portfolio, form, form.cleaned_data["symbol"])
            return render_refusal(request, PAGE, context, error, form=form)

    def _fragment(
        self, request: HttpRequest, portfolio: Portfolio, form: TicketForm, actor: Actor
    ) -> HttpResponse:
        shown = None
        try:
            if form.is_valid():
                shown = check_panel.of(_check(portfolio, form, actor))
        except BadInput as error:
            _blame(form, error)
        except DomainError as error:
            form.add_error(None, error.detail)
        return _panel(request, form, shown, status=UNPROCESSABLE if form.errors else 200)

    def _place(
        self, request: HttpRequest, portfolio: Portfolio, form: TicketForm, actor: Actor
    ) -> HttpResponse:
        ticket = form.ticket()
        placing = Placing(
            portfolio_id=portfolio.pk, ticket=ticket, by=actor, market_clock=sessions.moment
        )

        def effect() -> Answer:
            order = placing.submit()
            status = UNPROCESSABLE if order.state == OrderState.REJECTED else 201
            return Answer(status=status, body={"order": str(order.pk)})

        assert actor.user_id is not None
        answer = idempotency.once(
            user_id=actor.user_id,
            operation=OPERATION,
            key=ticket.client_order_id,
            print_of=idempotency.fingerprint(request.path, form.said()),
            effect=effect,
            before=placing.gather,
        )
        order = Order.objects.for_actor(actor).get(pk=answer.body["order"])
        if order.state == OrderState.REJECTED:
            return _again(request, portfolio, form, UNPROCESSABLE, order.check_made, order)
        url = reverse("order_detail", kwargs={"portfolio_id": portfolio.pk, "order_id": order.pk})
        return done(request, url, _message(order, answer.replayed))


class Symbols(LoginRequiredMixin, View):
    """GET ?q=: suggestions for the symbol field."""

    def get(self, request: HttpRequest) -> JsonResponse:
        """Symbols and names that match, symbols first."""
        text = request.GET.get("q", "")[:32]
        found = instruments.search(text, Actor.of(request)) if text.isprintable() else []
        return JsonResponse(
            {"results": [{"symbol": each.symbol, "name": each.name} for each in found]}
        )


def _check(portfolio: Portfolio, form: TicketForm, actor: Actor) -> PreTradeCheck:
    return orders.check(
        portfolio_id=portfolio.pk, ticket=form.ticket(), by=actor, moment=sessions.moment()
    )


def _panel(
    request: HttpRequest, form: TicketForm, shown: dict[str, Any] | None = None, *, status: int
) -> HttpResponse:
    context = {"form": form, "check": shown}
    return render_page(request, CHECK, context, panels={"check": CHECK}, status=status)


def barred(request: HttpRequest, portfolio: Portfolio) -> str:
    """Why this person may not trade here; nothing when they may."""
    try:
        access.portfolio_for(Actor.of(request), portfolio.pk, Action.TRADE)
        ledger.check_keeps_trades(portfolio)
    except (NotAllowed, Conflict) as error:
        return error.detail
    return ""


def _fresh(given: dict[str, str]) -> TicketForm:
    """A form with a key of its own: the same page sent twice is one order."""
    return TicketForm(initial={**given, "idempotency_key": uuid.uuid4().hex})


def _again(
    request: HttpRequest,
    portfolio: Portfolio,
    form: TicketForm,
    status: int,
    made: PreTradeCheck | None = None,
    refused: Order | None = None,
) -> HttpResponse:
    """The ticket with what was typed; a refused order gets a new key, the next try is another."""
    if refused is not None:
        form = TicketForm({**dict(form.data.items()), "idempotency_key": uuid.uuid4().hex})
        form.is_valid()
    symbol = form.cleaned_data.get("symbol", "") if form.is_bound else ""
    context = _context(request, portfolio, form, symbol)
    if made is not None:
        context["check"] = check_panel.of(made)
        approved = made.status == CheckStatus.APPROVED and refused is None
        context["place"] = check_panel.fingerprint(form.ticket()) if approved else ""
        context["refused"] = refused
    return render_page(request, PAGE, context, status=status)


def _context(
    request: HttpRequest, portfolio: Portfolio, form: TicketForm, symbol: str
) -> dict[str, Any]:
    context = {"portfolio": portfolio, "tab": "trade"} | {
        "form": form,
        "place": "",
        "symbol": symbol,
        "barred": barred(request, portfolio),
    }
    known = instruments.by_symbols([symbol]) if symbol and symbol.isprintable() else {}
    if known:
        [instrument] = known.values()
        rows = trades.recent(
            portfolio_id=portfolio.pk, instrument_id=instrument.pk, limit=RECENT_TRADES
        )
        context["instrument"] = instrument
        context["recent"] = tables.trades(rows, portfolio.pk, table_id="recent")
    return context


def _blame(form: TicketForm, error: BadInput) -> None:
    """Put the sentence on the field it is about."""
    attr = str(error.figures.get("attr", ""))
    field = FIELDS.get(attr, attr)
    form.add_error(field if field in form.fields else None, error.detail)


def _message(order: Order, replayed: bool) -> str:
    if replayed:
        return "This order was placed before; nothing was placed twice."
    if order.state == OrderState.FILLED:
        return "Order filled."
    if order.state == OrderState.PARTIALLY_FILLED:
        return (
            f"{live.amount(order.filled_quantity)} of {live.amount(order.quantity)} filled, as "
            "much as the volume allowed; the rest waits for the next price."
        )
    return f"Order accepted; it waits for {WAITS_FOR.get(order.order_type, 'its price')}."
