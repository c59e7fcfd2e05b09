"""Pages of portfolios themselves: the list, a new one, settings, closing."""

import uuid
from typing import Any
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views import View

from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict, DomainError, VersionMismatch
from etftrader.core.idempotency import Answer
from etftrader.core.pages import UNPROCESSABLE, done, render_page, render_refusal
from marketdata.selectors import exchange_rates, sessions
from portfolios.constants import Action
from portfolios.forms.books import CloseForm, PortfolioForm, SettingsForm
from portfolios.models import Portfolio
from portfolios.selectors import access, people
from portfolios.selectors import portfolios as read
from portfolios.services import portfolios as write
from portfolios.views import book_tables
from portfolios.views.invitations import offers
from portfolios.views.once import move, once

LIST, NEW = "portfolios/list.html", "portfolios/new.html"
SETTINGS = "portfolios/portfolio_settings.html"
FIELDS = ("name", "description", "notes", "allow_short", "tracking_mode", "version")


class PortfoliosPage(LoginRequiredMixin, View):
    """GET /portfolios/."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Every portfolio one may see; closed ones with `?closed=1`."""
        closed = request.GET.get("closed") == "1"
        actor = Actor.of(request)
        rows = read.visible(actor=actor, until=sessions.latest(), closed=closed)
        access.note_reading(actor, [each.portfolio for each in rows])
        context = {
            "table": book_tables.portfolios(rows),
            "closed": closed,
            "offers": offers(actor),
        }
        return render_page(request, LIST, context)


class NewPortfolio(LoginRequiredMixin, View):
    """GET, POST /portfolios/new/."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """The empty form."""
        actor, chosen = Actor.of(request), request.GET.get("account", "")
        form = PortfolioForm(
            initial={"idempotency_key": uuid.uuid4().hex, "account": chosen},
            accounts=people.open_accounts(actor=actor),
            currencies=exchange_rates.known(),
        )
        return render_page(request, NEW, {"form": form})

    def post(self, request: HttpRequest) -> HttpResponse:
        """Make it, with its first deposit, and open it."""
        actor = Actor.of(request)
        accounts = {str(each.pk): each for each in people.open_accounts(actor=actor)}
        currencies = exchange_rates.known()
        form = PortfolioForm(request.POST, accounts=accounts.values(), currencies=currencies)
        if not form.is_valid():
            return render_page(request, NEW, {"form": form}, status=UNPROCESSABLE)
        said = form.cleaned_data

        def effect() -> Answer:
            made = write.create(
                user=people.me(actor),
                name=said["name"],
                account=accounts.get(said["account"]),
                description=said["description"],
                allow_short=said["allow_short"],
                base_currency=said["base_currency"],
                by=actor,
            )
            if said["cash"] is not None:
                move(made, "deposit", said["cash"], "First deposit", actor)
            return Answer(201, {"portfolio": str(made.pk)})

        try:
            _check_trader(actor)
            answer = once(request, actor, "portfolios.create", said, effect)
        except DomainError as error:
            return render_refusal(request, NEW, {"form": form}, error, form=form)
        page = "portfolio_cash" if said["cash"] is not None else "imports"
        if page == "imports":
            url = f"{reverse('imports')}?portfolio={answer.body['portfolio']}"
        else:
            url = reverse(page, args=[answer.body["portfolio"]])
        return done(request, url, f"{said['name']} is open.")


class SettingsPage(LoginRequiredMixin, View):
    """GET, POST /portfolios/<id>/settings/."""

    def get(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """What can be changed, and closing."""
        portfolio = access.portfolio_for(Actor.of(request), portfolio_id, Action.MANAGE)
        return render_page(request, SETTINGS, _settings(portfolio, _kept(portfolio)))

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
        """Close or archive it when its name was typed."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id, Action.MANAGE)
        form = CloseForm(request.POST)
        if not form.is_valid() or form.cleaned_data["confirm"] != portfolio.name:
            if not form.errors:
                form.add_error("confirm", "Type the name exactly as it stands above.")
            context = _settings(portfolio, _kept(portfolio), form)
            return render_page(request, SETTINGS, context, status=UNPROCESSABLE)
        how = form.cleaned_data["how"]
        act = write.close if how == "close" else write.archive
        try:
            act(portfolio_id=portfolio.pk, by=actor, reason=form.cleaned_data["reason"])
        except DomainError as error:
            context = _settings(portfolio, _kept(portfolio), form)
            return render_refusal(request, SETTINGS, context, error, form=form)
        word = "closed" if how == "close" else "archived"
        return done(request, reverse("portfolios"), f"{portfolio.name} is {word}.")


class ReopenPortfolio(LoginRequiredMixin, View):
    """POST /portfolios/<id>/reopen/."""

    def post(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """Let it take bookings again."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id, Action.MANAGE)
        try:
            write.reopen(portfolio_id=portfolio.pk, by=actor)
        except DomainError as error:
            form = _kept(portfolio)
            context = _settings(portfolio, form)
            return render_refusal(request, SETTINGS, context, error)
        return done(request, reverse("portfolio_cash", args=[portfolio.pk]), "It is open again.")


def _kept(portfolio: Portfolio) -> SettingsForm:
    return SettingsForm(initial={name: getattr(portfolio, name) for name in FIELDS})


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
