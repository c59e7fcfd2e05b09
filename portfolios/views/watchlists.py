"""Watchlists: what is moving, how old is this price, and which symbols are followed at all."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views import View

from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, DomainError, VersionMismatch
from etftrader.core.pages import UNPROCESSABLE, done, render_page, render_refusal
from marketdata.selectors import sessions
from marketdata.selectors.sessions import Moment
from portfolios.forms.watchlists import ArrangeForm, NameForm, SymbolForm, SymbolsForm
from portfolios.models import Watchlist
from portfolios.selectors import people
from portfolios.selectors import watchlists as read
from portfolios.services import watchlists as write
from portfolios.views import watchlist_tables
from portfolios.views.as_of import kept, moment_of, past_session, shown_moment

PAGE = "portfolios/watchlists.html"
NEW_ID = "id_new_%s"  # two forms of the page ask for a name
PANELS = {"list": "portfolios/watchlist_list.html"}


class WatchlistsPage(LoginRequiredMixin, View):
    """GET /watchlists/ (the first list) and /watchlists/<id>/; `?edit=1` arranges it."""

    def get(self, request: HttpRequest, watchlist_id: UUID | None = None) -> HttpResponse:
        """One open list, the others as tabs."""
        shown = _open(Actor.of(request), watchlist_id)
        editing = request.GET.get("edit") == "1" and past_session(request) is None
        context = _context(request, shown, moment=shown_moment(request), editing=editing)
        return render_page(request, PAGE, context, panels=PANELS)


class NewWatchlist(WatchlistsPage):
    """POST /watchlists/new/."""

    def post(self, request: HttpRequest) -> HttpResponse:
        """Make an empty list and open it."""
        actor, form = Actor.of(request), NameForm(request.POST, auto_id=NEW_ID)
        if not form.is_valid():
            return _refused(request, _open(actor, None), {"new_form": form})
        try:
            made = write.create(user=people.me(actor), name=form.cleaned_data["name"], by=actor)
        except DomainError as error:
            context = _context(request, _open(actor, None), new_form=form)
            return render_refusal(request, PAGE, context, error, form=form)
        return done(request, _address(made), f"{made.name} is made.")


class AddSymbols(WatchlistsPage):
    """POST /watchlists/<id>/symbols/."""

    def post(self, request: HttpRequest, watchlist_id: UUID) -> HttpResponse:
        """Add what can be added; when not all went smoothly the page says so symbol by symbol."""
        actor, form = Actor.of(request), SymbolsForm(request.POST)
        row = read.one(actor=actor, watchlist_id=watchlist_id)
        if not form.is_valid():
            return _refused(request, row, {"add_form": form})
        try:
            verdicts = write.add_many(
                watchlist_id=row.pk,
                symbols=form.cleaned_data["symbols"],
                session_date=sessions.latest(),
                by=actor,
            )
        except DomainError as error:
            context = _context(request, row, add_form=form)
            return render_refusal(request, PAGE, context, error, form=form)
        if all(each.verdict == "added" for each in verdicts):
            count = len(verdicts)
            words = f"{count} symbols are" if count > 1 else f"{verdicts[0].symbol} is"
            return done(request, _address(row), f"{words} on {row.name}.")
        told = watchlist_tables.verdicts(verdicts)
        row = read.one(actor=actor, watchlist_id=watchlist_id)
        return render_page(request, PAGE, _context(request, row, verdicts=told))


class Arrange(WatchlistsPage):
    """POST /watchlists/<id>/arrange/: order, notes, removals; one press of an arrow as well."""

    def post(self, request: HttpRequest, watchlist_id: UUID) -> HttpResponse:
        """Save, and stay with the arrows while one of them was pressed."""
        actor, form = Actor.of(request), ArrangeForm(request.POST)
        row = read.one(actor=actor, watchlist_id=watchlist_id)
        if not form.is_valid():
            return _refused(request, row, {"edit_form": form}, editing=True)
        said = form.cleaned_data
        try:
            write.arrange(
                watchlist_id=row.pk,
                order=said["order"],
                notes=said["notes"],
                removed=said["removed"],
                if_match_version=said["version"],
                by=actor,
            )
        except VersionMismatch as error:
            words = "The list was changed elsewhere. This is how it stands now; nothing was saved."
            form.add_error(None, words)
            context = _context(request, row, edit_form=form, editing=True)
            return render_page(request, PAGE, context, status=error.status)
        except DomainError as error:
            context = _context(request, row, edit_form=form, editing=True)
            return render_refusal(request, PAGE, context, error, form=form)
        if request.POST.get("move"):
            return done(request, f"{_address(row)}?edit=1")
        return done(request, _address(row), f"{row.name} is saved.")


class RenameWatchlist(WatchlistsPage):
    """POST /watchlists/<id>/rename/."""

    def post(self, request: HttpRequest, watchlist_id: UUID) -> HttpResponse:
        """Another name for the list."""
        actor, form = Actor.of(request), NameForm(request.POST)
        row = read.one(actor=actor, watchlist_id=watchlist_id)
        if not form.is_valid():
            return _refused(request, row, {"name_form": form}, editing=True)
        name = form.cleaned_data["name"]
        try:
            write.update(watchlist_id=row.pk, changes={"name": name}, by=actor)
        except DomainError as error:
            context = _context(request, row, name_form=form, editing=True)
            return render_refusal(request, PAGE, context, error, form=form)
        return done(request, _address(row), f"The list is called {name} now.")


class DeleteWatchlist(LoginRequiredMixin, View):
    """POST /watchlists/<id>/delete/."""

    def post(self, request: HttpRequest, watchlist_id: UUID) -> HttpResponse:
        """The list is gone; the next one opens."""
        row = read.one(actor=Actor.of(request), watchlist_id=watchlist_id)
        write.delete(watchlist_id=row.pk, by=Actor.of(request))
        return done(request, reverse("watchlists"), f"{row.name} is deleted.")


class OneSymbol(LoginRequiredMixin, View):
    """POST /watchlists/symbols/<id>/<act>/: meant another one, look it up again, take it off."""

    def post(self, request: HttpRequest, item_id: UUID, act: str) -> HttpResponse:
        """Do it and go back to the list."""
        actor = Actor.of(request)
        row = read.item(actor=actor, item_id=item_id)
        try:
            words = self._do(act, request, row.pk, row.symbol)
        except (BadInput, Conflict) as error:
            messages.error(request, error.detail)
            words = ""
        return done(request, _address(row.watchlist), words)

    def _do(self, act: str, request: HttpRequest, item_id: UUID, symbol: str) -> str:
        """The act of the address; what to say afterwards."""
        actor, day = Actor.of(request), sessions.latest()
        if act == "remove":
            write.remove(item_id=item_id, by=actor)
            return f"{symbol} is off the list."
        if act == "retry":
            write.ask_again(item_id=item_id, session_date=day, by=actor)
            return f"{symbol} is being looked up."
        form = SymbolForm(request.POST)
        if not form.is_valid():
            raise BadInput("Name the symbol that is meant.", attr="symbol")
        meant = {"symbol": form.cleaned_data["symbol"]}
        now = write.change(item_id=item_id, changes=meant, session_date=day, by=actor)
        return f"{now.symbol} took the place of {symbol}."


def _open(actor: Actor, watchlist_id: UUID | None) -> Watchlist | None:
    """The list asked for, else the first one; None while there is none."""
    if watchlist_id is not None:
        return read.one(actor=actor, watchlist_id=watchlist_id)
    return read.of_actor(actor=actor).first()


def _context(
    request: HttpRequest,
    shown: Watchlist | None,
    *,
    moment: Moment | None = None,
    editing: bool = False,
    **forms: Any,
) -> dict[str, Any]:
    """The page around one list; a form that was refused takes the place of the fresh one.

    With a moment the prices are of then, of the symbols that are on the list now.
    """
    actor, moment, same = Actor.of(request), moment or moment_of(request), urlencode(kept(request))
    lists: list[Any] = list(read.of_actor(actor=actor))  # each with its number of symbols
    context: dict[str, Any] = {
        "moment": moment,
        "shown": shown,
        "tabs": [
            {
                "key": each.pk,
                "label": each.name,
                "url": f"{_address(each)}?{same}" if same else _address(each),
                "count": each.item_count,
            }
            for each in lists
        ],
        "tab": shown.pk if shown else None,
        "editing": editing and shown is not None,
        "new_form": NameForm(auto_id=NEW_ID),
        "channels": f"user.{actor.user_id}.jobs",
    }
    if shown is not None:
        items = list(read.items(actor=actor).filter(watchlist=shown))
        context |= {
            "version": shown.version,
            "items": items,
            "symbols": " ".join(_followed(items)),
            "add_form": SymbolsForm(),
            "name_form": NameForm(initial={"name": shown.name}),
        }
        if editing:
            context["lines"] = watchlist_tables.editable(items)
        else:
            context |= watchlist_tables.of_list(items, moment=moment, actor=actor, same=same)
    return context | forms


def _followed(items: list[Any]) -> list[str]:
    """What the socket is asked for: unknown ones too, so that they move once they are found."""
    return [each.instrument.symbol if each.instrument else each.symbol for each in items]


def _refused(
    request: HttpRequest, shown: Watchlist | None, forms: dict[str, Any], *, editing: bool = False
) -> HttpResponse:
    """The page again with a form that cannot be taken as it is."""
    context = _context(request, shown, editing=editing, **forms)
    return render_page(request, PAGE, context, status=UNPROCESSABLE)


def _address(row: Watchlist) -> str:
    return reverse("watchlist", args=[row.pk])
