"""What the positions page sends: tags of one or many, and views to keep. Forms without script."""

from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views import View

from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, DomainError
from etftrader.core.pages import done
from portfolios.constants import Action
from portfolios.selectors import access, people, saved_views, tags
from portfolios.selectors.position_filters import VIEW_PARAMETERS
from portfolios.services import saved_views as views
from portfolios.services import tags_on_positions as write
from portfolios.services.tags_on_positions import Wanted

BACK = 2_000  # characters of an address that is gone back to


class PositionTags(LoginRequiredMixin, View):
    """POST /positions/<id>/tags/: exactly these, from the field in the table."""

    def post(self, request: HttpRequest, position_id: UUID) -> HttpResponse:
        """Save and go back to where the field stood."""
        actor = Actor.of(request)
        row = tags.position_for(actor, position_id)
        words = ""
        try:
            write.replace(
                position_id=row.pk,
                words=request.POST.get("tags", "").split(","),
                if_match_version=_whole(request.POST.get("version", "")),
                user=people.me(actor),
                by=actor,
            )
            words = f"The tags of {row.instrument.symbol} are saved."
        except DomainError as error:
            messages.error(request, error.detail)
        return done(request, _back(request, row.portfolio_id), words)


class PositionsTag(LoginRequiredMixin, View):
    """POST /portfolios/<id>/positions/tag/: those ticked, all or none."""

    def post(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """Add tags, take tags off, or set the strategy."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id, Action.NOTE)
        words = ""
        try:
            rows = write.bulk_assign(
                position_ids=_ids(request.POST.getlist("position")),
                wanted=_wanted(request.POST.get("act", ""), request.POST.get("words", "")),
                user=people.me(actor),
                by=actor,
            )
            words = f"{len(rows)} position{'' if len(rows) == 1 else 's'} changed."
        except DomainError as error:
            messages.error(request, error.detail)
        return done(request, _back(request, portfolio.pk), words)


class SaveView(LoginRequiredMixin, View):
    """POST /portfolios/<id>/positions/view/: keep, change or delete a view of the page."""

    def post(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """Open the view that was kept."""
        actor, said = Actor.of(request), request.POST
        portfolio = access.portfolio_for(actor, portfolio_id)
        page = reverse("positions", args=[portfolio.pk])
        try:
            return self._kept(request, actor, page)
        except DomainError as error:
            messages.error(request, error.detail)
        return done(request, f"{page}?{_query(said.get('query', ''))}")

    def _kept(self, request: HttpRequest, actor: Actor, page: str) -> HttpResponse:
        said = request.POST
        asked = dict(parse_qsl(said.get("query", "")[:BACK]))
        query = {name: asked[name] for name in VIEW_PARAMETERS if name in asked}
        name, default = said.get("name", ""), said.get("is_default") == "on"
        key, version = said.get("view", ""), _whole(said.get("version", ""))
        old = saved_views.one(actor=actor, view_id=key) if key else None
        if old is not None and said.get("act") == "delete":
            views.delete(view_id=old.pk, if_match_version=version, by=actor)
            return done(request, f"{page}?view=", f"{old.name} is forgotten.")
        if old is not None and old.name.lower() == " ".join(name.split()).lower():
            changes = {"name": name, "query": query, "is_default": default}
            row = views.update(view_id=old.pk, changes=changes, if_match_version=version, by=actor)
        else:
            row = views.create(
                user=people.me(actor), name=name, query=query, is_default=default, by=actor
            )
        return done(request, f"{page}?{urlencode({**row.query, 'view': row.pk})}", "View kept.")


def _wanted(act: str, words: str) -> Wanted:
    named = tuple(each for each in words.split(",") if each.strip())
    if act == "strategy":
        if len(named) > 1:
            raise BadInput("A position is a leg of one strategy set here.", attr="words")
        return Wanted(strategy=named[0] if named else "")
    if act not in ("add", "remove"):
        raise BadInput("Choose what to do.", attr="act")
    return Wanted(add=named) if act == "add" else Wanted(remove=named)


def _ids(texts: list[str]) -> list[UUID]:
    try:
        return [UUID(each) for each in texts]
    except ValueError as error:
        raise BadInput("A position is named by its id.", attr="position") from error


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _back(request: HttpRequest, portfolio_id: UUID) -> str:
    """The positions page with the parameters it had: never another address."""
    if request.POST.get("to") == "position" and (key := request.POST.get("position", "")):
        [position_id] = _ids([key])
        return reverse("position", args=[portfolio_id, position_id])
    query = _query(request.POST.get("back", ""))
    return reverse("positions", args=[portfolio_id]) + (f"?{query}" if query else "")


def _query(text: str) -> str:
    return urlencode(parse_qsl(text[:BACK], keep_blank_values=True))
