"""The ticket of a basket or a spread: one check beside the lines, one press that places them."""

import uuid
from typing import Any
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views import View

from etftrader.core import idempotency
from etftrader.core.actor import Actor
from etftrader.core.audit import digest
from etftrader.core.errors import BadInput, DomainError, NotAllowed
from etftrader.core.idempotency import Answer
from etftrader.core.pages import UNPROCESSABLE, done, is_fragment, render_page, render_refusal
from marketdata.selectors import sessions
from portfolios.constants import Action
from portfolios.models import Portfolio
from portfolios.selectors import access
from risk.choices import CheckStatus
from risk.models import PreTradeCheck
from trading.choices import BasketState
from trading.forms import BasketForm
from trading.models import Basket
from trading.selectors import baskets as read
from trading.services import baskets
from trading.services.placing import PlacingBasket
from trading.views import basket_tables, ticket

PAGE = "trading/basket.html"
CHECK = "trading/basket_check.html"
OPERATION = "baskets.place"
PREFILLED = ("kind", "lines", "time_in_force")
MOST_PREFILLED = 6_000  # characters of the address


class BasketTicketPage(LoginRequiredMixin, View):
    """GET the ticket; POST the check (`?panel=check`, or first without JavaScript) or the order."""

    def get(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """The empty ticket, or one filled from the address (`?kind=&lines=`)."""
        portfolio = access.portfolio_for(Actor.of(request), portfolio_id, Action.VIEW)
        given = {
            name: request.GET[name][:MOST_PREFILLED] for name in PREFILLED if name in request.GET
        }
        form = BasketForm(initial={**given, "idempotency_key": uuid.uuid4().hex})
        return render_page(request, PAGE, _context(request, portfolio, form))

    def post(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """Check or place."""
        actor = Actor.of(request)
        form = BasketForm(request.POST)
        try:
            portfolio = access.portfolio_for(actor, portfolio_id, Action.TRADE)
        except NotAllowed as error:
            if not is_fragment(request):
                raise
            form.errors.clear()
            form.add_error(None, error.detail)
            return _panel(request, form, status=error.status)
        if is_fragment(request):
            return self._fragment(request, portfolio, form, actor)
        if not form.is_valid():
            return _again(request, portfolio, form, UNPROCESSABLE)
        placed = request.POST.get("place")
        try:
            if placed is None or placed not in ("", fingerprint(form)):
                return _again(request, portfolio, form, 200, _check(portfolio, form, actor))
            return self._place(request, portfolio, form, actor)
        except BadInput as error:
            _blame(form, error)
            return _again(request, portfolio, form, UNPROCESSABLE)
        except DomainError as error:
            context = _context(request, portfolio, form)
            return render_refusal(request, PAGE, context, error, form=form)

    def _fragment(
        self, request: HttpRequest, portfolio: Portfolio, form: BasketForm, actor: Actor
    ) -> HttpResponse:
        shown = None
        try:
            if form.is_valid():
                shown = basket_tables.of(_check(portfolio, form, actor))
        except BadInput as error:
            _blame(form, error)
        except DomainError as error:
            form.add_error(None, error.detail)
        return _panel(request, form, shown, status=UNPROCESSABLE if form.errors else 200)

    def _place(
        self, request: HttpRequest, portfolio: Portfolio, form: BasketForm, actor: Actor
    ) -> HttpResponse:
        asked = form.ticket()
        placing = PlacingBasket(
            portfolio_id=portfolio.pk, ticket=asked, by=actor, market_clock=sessions.moment
        )

        def effect() -> Answer:
            basket = placing.submit()
            refused = read.state(basket) == BasketState.REJECTED
            return Answer(status=UNPROCESSABLE if refused else 201, body={"basket": str(basket.pk)})

        assert actor.user_id is not None
        answer = idempotency.once(
            user_id=actor.user_id,
            operation=OPERATION,
            key=asked.client_basket_id,
            print_of=idempotency.fingerprint(request.path, form.said()),
            effect=effect,
            before=placing.gather,
        )
        basket = read.visible(actor).get(pk=answer.body["basket"])
        if read.state(basket) == BasketState.REJECTED:
            return _again(request, portfolio, form, UNPROCESSABLE, basket.check_made, basket)
        keys = {"portfolio_id": portfolio.pk, "basket_id": basket.pk}
        return done(request, reverse("basket_detail", kwargs=keys), _message(basket, answer))


def fingerprint(form: BasketForm) -> str:
    """Names the inputs a shown check is for."""
    said = form.said()
    return digest([said["kind"], said["lines"], said["time_in_force"]])[:32]


def _check(portfolio: Portfolio, form: BasketForm, actor: Actor) -> PreTradeCheck:
    return baskets.check(
        portfolio_id=portfolio.pk, ticket=form.ticket(), by=actor, moment=sessions.moment()
    )


def _panel(
    request: HttpRequest, form: BasketForm, shown: dict[str, Any] | None = None, *, status: int
) -> HttpResponse:
    context = {"form": form, "check": shown}
    return render_page(request, CHECK, context, panels={"check": CHECK}, status=status)


def _again(
    request: HttpRequest,
    portfolio: Portfolio,
    form: BasketForm,
    status: int,
    made: PreTradeCheck | None = None,
    refused: Basket | None = None,
) -> HttpResponse:
    """The ticket with what was typed; a refused basket gets a new key, the next try is another."""
    if refused is not None:
        form = BasketForm({**dict(form.data.items()), "idempotency_key": uuid.uuid4().hex})
        form.is_valid()
    context = _context(request, portfolio, form)
    if made is not None:
        context["check"] = basket_tables.of(made)
        approved = made.status == CheckStatus.APPROVED and refused is None
        context["place"] = fingerprint(form) if approved else ""
        context["refused"] = refused
    return render_page(request, PAGE, context, status=status)


def _context(request: HttpRequest, portfolio: Portfolio, form: BasketForm) -> dict[str, Any]:
    why = ticket.barred(request, portfolio)
    return {"portfolio": portfolio, "tab": "trade"} | {"form": form, "place": "", "barred": why}


def _blame(form: BasketForm, error: BadInput) -> None:
    """Put the sentence on the field it is about; a leg's field is a line of the text."""
    attr = str(error.figures.get("attr", ""))
    field = "lines" if attr.startswith("legs") else attr
    form.add_error(field if field in form.fields else None, error.detail)


def _message(basket: Basket, answer: Answer) -> str:
    name = read.label(basket)
    if answer.replayed:
        return "This was placed before; nothing was placed twice."
    if read.state(basket) == BasketState.FILLED:
        return f"{name} filled."
    return f"{name} accepted; its legs wait for their prices."
