"""Pages of portfolios themselves: the list, a new one, cash, settings, closing."""

import uuid
from typing import Any
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views import View

from etftrader.core import idempotency
from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict, DomainError, VersionMismatch
from etftrader.core.idempotency import Answer
from etftrader.core.pages import UNPROCESSABLE, done, render_page, render_refusal
from marketdata.selectors import sessions
from portfolios.constants import Action
from portfolios.forms.books import CashForm, CloseForm, PortfolioForm, SettingsForm
from portfolios.models import Portfolio
from portfolios.selectors import access, people
from portfolios.selectors import cash as cash_reads
from portfolios.selectors import portfolios as read
from portfolios.services import cash
from portfolios.services import portfolios as write
from portfolios.views import book_tables

LIST, NEW = "portfolios/list.html", "portfolios/new.html"
CASH, SETTINGS = "portfolios/cash.html", "portfolios/portfolio_settings.html"
PAGE = 50  # rows of the cash table


class PortfoliosPage(LoginRequiredMixin, View):
    """GET /portfolios/."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Every portfolio one may see; closed ones with `?closed=1`."""
        closed = request.GET.get("closed") == "1"
        actor = Actor.of(request)
        rows = read.visible(actor=actor, until=sessions.latest(), closed=closed)
        access.note_reading(actor, [each.portfolio for each in rows])
        context = {"table": book_tables.portfolios(rows), "closed": closed}
        return render_page(request, LIST, context)


class NewPortfolio(LoginRequiredMixin, View):
    """GET, POST /portfolios/new/."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """The empty form."""
        form = PortfolioForm(initial={"idempotency_key": uuid.uuid4().hex})
        return render_page(request, NEW, {"form": form})

    def post(self, request: HttpRequest) -> HttpResponse:
        """Make it, with its first deposit, and open it."""
        form = PortfolioForm(request.POST)
        if not form.is_valid():
            return render_page(request, NEW, {"form": form}, status=UNPROCESSABLE)
        actor, said = Actor.of(request), form.cleaned_data

        def effect() -> Answer:
            made = write.create(
                user=people.me(actor),
                name=said["name"],
                description=said["description"],
                allow_short=said["allow_short"],
                by=actor,
            )
            if said["cash"] is not None:
                _move(made, "deposit", said["cash"], "First deposit", actor)
            return Answer(201, {"portfolio": str(made.pk)})

        try:
            _check_trader(actor)
            answer = _once(request, actor, "portfolios.create", said, effect)
        except DomainError as error:
            return render_refusal(request, NEW, {"form": form}, error, form=form)
        page = "portfolio_cash" if said["cash"] is not None else "imports"
        if page == "imports":
            url = f"{reverse('imports')}?portfolio={answer.body['portfolio']}"
        else:
            url = reverse(page, args=[answer.body["portfolio"]])
        return done(request, url, f"{said['name']} is open.")


class CashPage(LoginRequiredMixin, View):
    """GET, POST /portfolios/<id>/cash/."""

    def get(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """The form beside everything that moved cash, newest first."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id)
        form = CashForm(initial={"idempotency_key": uuid.uuid4().hex})
        return self._page(request, actor, portfolio, form)

    def post(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """Book it once."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id, Action.TRADE)
        form = CashForm(request.POST)
        if not form.is_valid():
            return self._page(request, actor, portfolio, form, UNPROCESSABLE)
        said = form.cleaned_data

        def effect() -> Answer:
            paper = _move(portfolio, said["type"], said["amount"], said["reason"], actor)
            return Answer(201, {"cash": str(paper.pk)})

        try:
            answer = _once(request, actor, "cash.move", said, effect)
        except DomainError as error:
            context = self._context(actor, portfolio, form)
            return render_refusal(request, CASH, context, error, form=form)
        words = "Booked." if not answer.replayed else "This was booked before; nothing moved twice."
        return done(request, reverse("portfolio_cash", args=[portfolio.pk]), words)

    def _page(
        self,
        request: HttpRequest,
        actor: Actor,
        portfolio: Portfolio,
        form: CashForm,
        status: int = 200,
    ) -> HttpResponse:
        context = self._context(actor, portfolio, form, request.GET.get("page"))
        return render_page(request, CASH, context, status=status)

    def _context(
        self, actor: Actor, portfolio: Portfolio, form: CashForm, number: str | None = None
    ) -> dict[str, Any]:
        found = cash_reads.entries(portfolio=portfolio)
        page = Paginator(found, PAGE).get_page(number)
        moved = cash_reads.movements(portfolio=portfolio, shown=list(page.object_list))
        return {
            "portfolio": portfolio,
            "tab": "cash",
            "form": form,
            "may_trade": access.may(actor, portfolio, Action.TRADE),
            "table": book_tables.cash(page, moved, portfolio.pk),
        }


class SettingsPage(LoginRequiredMixin, View):
    """GET, POST /portfolios/<id>/settings/."""

    def get(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """What can be changed, and closing."""
        portfolio = access.portfolio_for(Actor.of(request), portfolio_id, Action.MANAGE)
        fields = ("name", "description", "notes", "allow_short", "version")
        form = SettingsForm(initial={name: getattr(portfolio, name) for name in fields})
        return render_page(request, SETTINGS, _settings(portfolio, form))

    def post(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """Keep the changes, unless somebody else was faster."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id, Action.MANAGE)
        form = SettingsForm(request.POST)
        if not form.is_valid():
            context = _settings(portfolio, form)
            return render_page(request, SETTINGS, context, status=UNPROCESSABLE)
        said = dict(form.cleaned_data)
        try:
            read_version = said.pop("version")
            write.update(portfolio_id=portfolio.pk, if_match_version=read_version, by=actor, **said)
        except VersionMismatch:
            # the form keeps the old version: only a fresh page shows what it would overwrite
            error: DomainError = Conflict("The portfolio was changed meanwhile. Reload the page.")
            return render_refusal(request, SETTINGS, _settings(portfolio, form), error, form=form)
        except DomainError as error:
            return render_refusal(request, SETTINGS, _settings(portfolio, form), error, form=form)
        return done(request, reverse("portfolio_settings", args=[portfolio.pk]), "Saved.")


class ClosePortfolio(LoginRequiredMixin, View):
    """POST /portfolios/<id>/close/."""

    def post(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """Close it when its name was typed."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id, Action.MANAGE)
        form = CloseForm(request.POST)
        if not form.is_valid() or form.cleaned_data["confirm"] != portfolio.name:
            fields = ("name", "description", "notes", "allow_short", "version")
            kept = SettingsForm(initial={name: getattr(portfolio, name) for name in fields})
            context = _settings(portfolio, kept, form)
            form.add_error("confirm", "Type the name exactly as it stands above.")
            return render_page(request, SETTINGS, context, status=UNPROCESSABLE)
        write.close(portfolio_id=portfolio.pk, by=actor, reason=form.cleaned_data["reason"])
        return done(request, reverse("portfolios"), f"{portfolio.name} is closed.")


def _settings(
    portfolio: Portfolio, form: SettingsForm, close: CloseForm | None = None
) -> dict[str, Any]:
    return {
        "portfolio": portfolio,
        "tab": "settings",
        "form": form,
        "close_form": close or CloseForm(),
    }


def _check_trader(actor: Actor) -> None:
    """The site group says whether somebody may keep books at all."""
    if "Trader" not in actor.groups:
        raise Conflict("Your account may only read.")


def _move(portfolio: Portfolio, kind: str, amount: Any, reason: str, actor: Actor) -> Any:
    return cash.move(
        portfolio_id=portfolio.pk,
        kind=kind,
        amount=amount,
        session_date=sessions.moment().current,
        source=f"cash:{uuid.uuid4()}",
        reason=reason,
        by=actor,
    )


def _once(
    request: HttpRequest, actor: Actor, operation: str, said: dict[str, Any], effect: Any
) -> Answer:
    assert actor.user_id is not None
    body = {name: str(value) for name, value in said.items() if name != "idempotency_key"}
    return idempotency.once(
        user_id=actor.user_id,
        operation=operation,
        key=said["idempotency_key"],
        print_of=idempotency.fingerprint(request.path, body),
        effect=effect,
    )
