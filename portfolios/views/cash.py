"""The cash page of a portfolio: what moved it, booking, transfers, taking back with a reason."""

import uuid
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views import View

from etftrader.core import table_files
from etftrader.core.actor import Actor
from etftrader.core.errors import DomainError, NotFound
from etftrader.core.idempotency import Answer
from etftrader.core.pages import UNPROCESSABLE, done, render_page, render_refusal
from marketdata.selectors import exchange_rates, instruments, prices, sessions
from portfolios.constants import Action
from portfolios.forms.cash import CashForm, ReversalForm, TransferForm
from portfolios.models import LedgerEntry, Portfolio
from portfolios.selectors import access
from portfolios.selectors import cash as read
from portfolios.services import reversals, transfers
from portfolios.views import as_of, book_tables
from portfolios.views.once import move, once

PAGE_TEMPLATE = "portfolios/cash.html"
ROWS = 50
BEFORE = "This was booked before; nothing moved twice."


@dataclass(slots=True)
class Forms:
    """The forms as they came; fresh ones stand for the rest."""

    cash: CashForm | None = None
    transfer: TransferForm | None = None
    reversal: ReversalForm | None = None
    seq: int | None = None  # the booking to be taken back


class BookView(LoginRequiredMixin, View):
    """What the page and its forms share."""

    def page(
        self,
        request: HttpRequest,
        portfolio: Portfolio,
        forms: Forms | None = None,
        status: int = 200,
    ) -> HttpResponse:
        """The whole page."""
        context = self.context(request, portfolio, forms or Forms())
        return render_page(request, PAGE_TEMPLATE, context, status=status)

    def refused(
        self, request: HttpRequest, portfolio: Portfolio, forms: Forms, error: DomainError
    ) -> HttpResponse:
        """The page again, with the refusal on the form that was sent."""
        context = self.context(request, portfolio, forms)
        sent: BaseForm | None = forms.cash or forms.transfer or forms.reversal
        return render_refusal(request, PAGE_TEMPLATE, context, error, form=sent)

    def booked(
        self, request: HttpRequest, portfolio: Portfolio, answer: Answer, words: str
    ) -> HttpResponse:
        """Back to the page."""
        url = reverse("portfolio_cash", args=[portfolio.pk])
        return done(request, url, BEFORE if answer.replayed else words)

    def context(self, request: HttpRequest, portfolio: Portfolio, forms: Forms) -> dict[str, Any]:
        """Everything the template shows; a past close shows no form."""
        actor, until = Actor.of(request), as_of.past_session(request)
        rows = read.entries(portfolio=portfolio, until=until)
        page = table_files.page_of(request, rows, ROWS)
        moved = read.movements(portfolio=portfolio, shown=list(page.object_list), until=until)
        may = until is None and access.may(actor, portfolio, Action.TRADE)
        may = may and portfolio.status == "active"
        context: dict[str, Any] = {
            "portfolio": portfolio,
            "tab": "cash",
            "may_trade": may,
            "balance": moved[0].balance if until and moved else portfolio.cash,
            "is_now": until is None,
        }
        if may:
            context |= _forms(actor, portfolio, forms)
        able = read.reversible(portfolio=portfolio, shown=moved) if may else set()
        return context | {"table": book_tables.cash(page, moved, portfolio, able)}


def _forms(actor: Actor, portfolio: Portfolio, forms: Forms) -> dict[str, Any]:
    key = {"idempotency_key": uuid.uuid4().hex}
    found: dict[str, Any] = {"form": forms.cash or CashForm(initial=key)}
    if forms.seq is not None:
        found["reversal_seq"] = forms.seq
        found["reversal_form"] = forms.reversal or ReversalForm(initial=key)
    transfer = forms.transfer or TransferForm(initial=key, **_choices(actor, portfolio))
    if transfer.fields["to"].queryset:  # type: ignore[attr-defined]
        found["transfer_form"] = transfer
    return found


def _choices(actor: Actor, portfolio: Portfolio) -> dict[str, Any]:
    """Other open books the actor trades in, and the symbols held here."""
    others = Portfolio.objects.for_actor(actor, Action.TRADE).open().exclude(pk=portfolio.pk)
    symbols = read.symbols_held(portfolio=portfolio)
    return {"portfolios": others.order_by("name", "pk"), "symbols": symbols}


class CashPage(BookView):
    """GET, POST /portfolios/<id>/cash/."""

    def get(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """The forms beside everything that moved cash, newest first."""
        return self.page(request, access.portfolio_for(Actor.of(request), portfolio_id))

    def post(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """Book it once."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id, Action.TRADE)
        form = CashForm(request.POST)
        if not form.is_valid():
            return self.page(request, portfolio, Forms(cash=form), UNPROCESSABLE)
        said = form.cleaned_data

        def effect() -> Answer:
            paper = move(portfolio, said["type"], said["amount"], said["reason"], actor)
            return Answer(201, {"cash": str(paper.pk)})

        try:
            answer = once(request, actor, "cash.move", said, effect)
        except DomainError as error:
            return self.refused(request, portfolio, Forms(cash=form), error)
        return self.booked(request, portfolio, answer, "Booked.")


class TransferPage(BookView):
    """GET, POST /portfolios/<id>/transfer/."""

    def get(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """The cash page, where the form stands."""
        return self.page(request, access.portfolio_for(Actor.of(request), portfolio_id))

    def post(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """Move cash, or units at their price of this moment."""
        actor = Actor.of(request)
        origin = access.portfolio_for(actor, portfolio_id, Action.TRADE)
        form = TransferForm(request.POST, **_choices(actor, origin))
        if not form.is_valid():
            return self.page(request, origin, Forms(transfer=form), UNPROCESSABLE)
        said, moment = form.cleaned_data, sessions.moment()
        act = transfers.Act(moment.current, actor, said["note"])
        between = {"origin_id": origin.pk, "target_id": said["to"].pk, "act": act}
        thing = instruments.find(form.symbol, actor) if form.symbol else None
        marks = prices.live_marks(instruments=[thing] if thing else [], moment=moment)
        rate = exchange_rates.of_moment(thing, origin.base_currency, moment) if thing else None

        def effect() -> Answer:
            if thing is None:
                made = transfers.of_cash(amount=said["size"], **between)
            else:
                price = marks[thing.pk].price
                made = transfers.of_holding(
                    instrument=thing, quantity=said["size"], price=price, rate=rate, **between
                )
            return Answer(201, {"transfer": str(made.pk)})

        try:
            answer = once(request, actor, "transfers.create", said, effect)
        except DomainError as error:
            return self.refused(request, origin, Forms(transfer=form), error)
        return self.booked(request, origin, answer, f"Moved to {said['to'].name}.")


class ReversePage(BookView):
    """GET, POST /portfolios/<id>/cash/<seq>/reverse/."""

    def get(self, request: HttpRequest, portfolio_id: UUID, seq: int) -> HttpResponse:
        """The cash page, asking why."""
        portfolio = access.portfolio_for(Actor.of(request), portfolio_id, Action.TRADE)
        _booking(portfolio, seq)
        return self.page(request, portfolio, Forms(seq=seq))

    def post(self, request: HttpRequest, portfolio_id: UUID, seq: int) -> HttpResponse:
        """Take it back; of a transfer both sides."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id, Action.TRADE)
        booking = _booking(portfolio, seq)
        for other in read.other_sides(portfolio_id=portfolio.pk, seqs=[seq]).values():
            access.portfolio_for(actor, other, Action.TRADE)
        form = ReversalForm(request.POST)
        forms = Forms(reversal=form, seq=seq)
        if not form.is_valid():
            return self.page(request, portfolio, forms, UNPROCESSABLE)
        said = form.cleaned_data

        def effect() -> Answer:
            made = reversals.reverse(
                portfolio_id=portfolio.pk, source=booking.source, reason=said["reason"], by=actor
            )
            return Answer(201, {"seq": made.seq})

        try:
            answer = once(request, actor, "cash.reverse", said, effect)
        except DomainError as error:
            return self.refused(request, portfolio, forms, error)
        return self.booked(request, portfolio, answer, f"Booking {seq} is taken back.")


def _booking(portfolio: Portfolio, seq: int) -> LedgerEntry:
    """A cash booking that can be taken back here; trades are taken back by staff."""
    found = portfolio.entries.filter(seq=seq, leg=1, kind__in=read.BY_HAND).first()
    if found is None:
        raise NotFound("There is no such booking of cash.")
    return found
