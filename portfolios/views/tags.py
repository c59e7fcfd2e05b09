"""Tags: what words are there, how much are they used, what do their colours say."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views import View

from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict, DomainError, VersionMismatch
from etftrader.core.pages import UNPROCESSABLE, done, render_page, render_refusal
from marketdata.selectors import sessions
from portfolios.constants import MAX_TAGS_PER_USER, TAG_ARCHIVE_DAYS
from portfolios.forms.tags import OTHER, TagForm
from portfolios.models import Tag
from portfolios.selectors import people
from portfolios.selectors import tags as read
from portfolios.services import tags as write

PAGE = "portfolios/tags.html"
COLUMNS: tuple[dict[str, Any], ...] = (
    {"key": "name", "label": "Tag", "css": "fold"},
    {"key": "colour", "label": "Colour", "kind": "template",
     "template": "portfolios/cell_colour.html", "priority": "p2"},
    {"key": "kind", "label": "Kind", "kind": "tag", "priority": "p2"},
    {"key": "open_count", "label": "Open", "fmt": "int"},
    {"key": "usage_count", "label": "All", "fmt": "int", "priority": "p3"},
    {"key": "used", "label": "Last used", "kind": "moment", "moment": "date", "priority": "p3"},
    {"key": "description", "label": "Description", "priority": "p3", "css": "fold"},
    {"key": "acts", "label": "", "kind": "actions"},
)  # fmt: skip


class TagsPage(LoginRequiredMixin, View):
    """GET /tags/; `?edit=<id>` opens one. POST makes a tag."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Own tags, the archived ones beside them."""
        actor, key = Actor.of(request), request.GET.get("edit", "")
        row = read.one(actor=actor, tag_id=key) if key else None
        return render_page(request, PAGE, _context(actor, row))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Make a tag."""
        actor, form = Actor.of(request), TagForm(request.POST, auto_id="id_tag_%s")
        if not form.is_valid():
            context = _context(actor, None, form=form)
            return render_page(request, PAGE, context, status=UNPROCESSABLE)
        try:
            made = write.create(user=people.me(actor), by=actor, **form.fields_said())
        except DomainError as error:
            return render_refusal(request, PAGE, _context(actor, None, form=form), error, form=form)
        return done(request, reverse("tags"), f"{made.name} is made.")


class OneTag(LoginRequiredMixin, View):
    """POST /tags/<id>/<act>/: save, archive, restore."""

    def post(self, request: HttpRequest, tag_id: UUID, act: str) -> HttpResponse:
        """Do it and go back to the list."""
        actor = Actor.of(request)
        row = read.one(actor=actor, tag_id=tag_id)
        if act == "save":
            return self._save(request, actor, row)
        try:
            words = self._archive(actor, row) if act == "archive" else self._restore(actor, row)
        except DomainError as error:
            messages.error(request, error.detail)
            words = ""
        return done(request, reverse("tags"), words)

    def _save(self, request: HttpRequest, actor: Actor, row: Tag) -> HttpResponse:
        form = TagForm(request.POST, auto_id="id_tag_%s")
        if not form.is_valid():
            context = _context(actor, row, form=form)
            return render_page(request, PAGE, context, status=UNPROCESSABLE)
        try:
            now = write.update(
                tag_id=row.pk,
                changes=form.fields_said(),
                if_match_version=form.cleaned_data["version"],
                by=actor,
            )
        except VersionMismatch as error:
            form = TagForm.of(read.one(actor=actor, tag_id=row.pk))
            words = "The tag was changed elsewhere. This is how it stands now; nothing was saved."
            messages.error(request, words)
            context = _context(actor, row, form=form)
            return render_page(request, PAGE, context, status=error.status)
        except DomainError as error:
            return render_refusal(request, PAGE, _context(actor, row, form=form), error, form=form)
        return done(request, reverse("tags"), f"{now.name} is saved.")

    def _archive(self, actor: Actor, row: Any) -> str:
        write.archive(tag_id=row.pk, by=actor)
        count = row.usage_count
        gone = f" and off {count} position{'' if count == 1 else 's'}" if count else ""
        return f"{row.name} is archived{gone}. For {TAG_ARCHIVE_DAYS} days it can be restored."

    def _restore(self, actor: Actor, row: Tag) -> str:
        _, full = write.restore(tag_id=row.pk, by=actor)
        left = f" It is no longer on {', '.join(full)}: no room there." if full else ""
        return f"{row.name} is restored.{left}"


def _context(actor: Actor, row: Any, form: TagForm | None = None) -> dict[str, Any]:
    mine = list(read.of_actor(actor=actor))
    archived = list(read.of_actor(actor=actor, archived=True))
    if row is not None and row.archived_at is not None:
        raise Conflict("An archived tag is restored before it is changed.", code="archived")
    return {
        "moment": sessions.moment(),
        "table": {
            "id": "tags-table",
            "caption": "Your tags",
            "columns": COLUMNS,
            "rows": [_line(each) for each in mine],
            "empty": {"text": "No tag yet. Make the first one here, or write it on a position."},
        },
        "archived": {
            "id": "archived-table",
            "caption": "Archived tags",
            "columns": [each for each in COLUMNS if each["key"] not in ("used", "open_count")],
            "rows": [_line(each) for each in archived],
        }
        if archived
        else None,
        "recent": read.recent(actor=actor),
        "row": row,
        "form": form or (TagForm.of(row) if row else TagForm(auto_id="id_tag_%s")),
        "other": OTHER,
        "count": len(mine),
        "most": MAX_TAGS_PER_USER,
        "days": TAG_ARCHIVE_DAYS,
    }


def _line(row: Any) -> dict[str, Any]:
    acts = [{"label": "Restore", "url": _address(row, "restore"), "method": "post"}]
    if row.archived_at is None:
        acts = [
            {"label": "Edit", "url": f"?edit={row.pk}#panel-tag", "method": ""},
            {"label": "Archive", "url": _address(row, "archive"), "method": "post"},
        ]
    return {
        "name": row.name,
        "colour": row.colour,
        "kind": row.kind,
        "open_count": row.open_count,
        "usage_count": row.usage_count,
        "used": row.last_used_at,
        "used_reason": "never",
        "description": row.description or " ",
        "acts": acts,
    }


def _address(row: Tag, act: str) -> str:
    return reverse(f"tag_{act}", args=[row.pk])
