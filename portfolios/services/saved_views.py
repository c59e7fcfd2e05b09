"""Ways of looking at positions kept under a name: one's own, one of them the default."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, NotFound, VersionMismatch
from portfolios.constants import MAX_SAVED_VIEWS
from portfolios.models import SavedView, User
from portfolios.selectors.position_filters import cleaned
from portfolios.selectors.saved_views import NO_VIEW

MAX_NAME = 60


@transaction.atomic
def create(
    *, user: User, name: str, query: Mapping[str, Any], is_default: bool = False, by: Actor
) -> SavedView:
    """Keep a way of looking. Raises BadInput at 50, Conflict for a name taken."""
    audit.serialise(f"views:{user.pk}")
    mine = SavedView.objects.filter(user=user)
    if mine.count() >= MAX_SAVED_VIEWS:
        raise BadInput(f"You have {MAX_SAVED_VIEWS} views, which is the most.", attr="name")
    title = _name(name)
    _check_free(mine, title)
    if is_default:
        _no_default(user.pk)
    made = SavedView.objects.create(
        user=user, name=title, query=cleaned(query), is_default=is_default
    )
    _record(by, "saved_view.created", made, after=_told(made))
    return made


@transaction.atomic
def update(
    *, view_id: UUID, changes: dict[str, Any], if_match_version: int | None = None, by: Actor
) -> SavedView:
    """Change name, filters or default. Raises NotFound, VersionMismatch, BadInput, Conflict."""
    row = _touched(view_id, if_match_version, by)
    before = _told(row)
    if "name" in changes:
        row.name = _name(changes["name"])
        _check_free(SavedView.objects.filter(user=row.user_id).exclude(pk=row.pk), row.name)
    if "query" in changes:
        row.query = cleaned(changes["query"])
    if changes.get("is_default") and not row.is_default:
        _no_default(row.user_id)
    row.is_default = changes.get("is_default", row.is_default)
    row.save(update_fields=["name", "query", "is_default"])
    _record(by, "saved_view.changed", row, before=before, after=_told(row))
    return row


@transaction.atomic
def delete(*, view_id: UUID, if_match_version: int | None = None, by: Actor) -> None:
    """Forget a view. Raises NotFound and VersionMismatch."""
    row = _touched(view_id, if_match_version, by)
    _record(by, "saved_view.deleted", row, before=_told(row))
    row.delete()


def _touched(view_id: UUID, wanted: int | None, by: Actor) -> SavedView:
    mine = SavedView.objects.for_actor(by).filter(pk=view_id)
    audit.serialise(f"views:{by.user_id}")
    same = mine if wanted is None else mine.filter(version=wanted)
    if not same.update(version=F("version") + 1, updated_at=clock.now()):
        current = mine.values_list("version", flat=True).first()
        if current is None:
            raise NotFound(NO_VIEW)
        raise VersionMismatch("The view was changed since it was read.", version=current)
    return mine.get()


def _no_default(user_id: Any) -> None:
    SavedView.objects.filter(user_id=user_id, is_default=True).update(
        is_default=False, version=F("version") + 1, updated_at=clock.now()
    )


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not 1 <= len(name) <= MAX_NAME:
        raise BadInput(f"A view has a name of 1 to {MAX_NAME} characters.", attr="name")
    return name


def _check_free(rows: Any, name: str) -> None:
    if rows.filter(name__iexact=name).exists():
        raise Conflict(f"You have a view called {name}.", attr="name", code="name_taken")


def _told(row: SavedView) -> dict[str, Any]:
    return {"name": row.name, "query": row.query, "is_default": row.is_default}


def _record(by: Actor, action: str, row: SavedView, **sides: Any) -> None:
    audit.record(by=by, action=action, object_type="saved_view", object_id=row.pk, **sides)
