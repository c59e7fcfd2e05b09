"""Words on positions: made when first used, unique per user whatever the case."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, NotFound, VersionMismatch
from portfolios.choices import TagKind
from portfolios.constants import (
    MAX_TAGS_PER_POSITION,
    MAX_TAGS_PER_USER,
    TAG_ARCHIVE_DAYS,
    TAG_COLOUR,
)
from portfolios.models import Position, PositionTag, Tag, User
from portfolios.selectors.tags import NO_TAG, STRATEGY_PREFIX

MAX_NAME, MAX_DESCRIPTION = 50, 200
REGULAR, STRATEGY = TagKind.REGULAR.value, TagKind.STRATEGY.value
_NAME = re.compile(r"[\w .\-]+\Z")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\Z")
_COLUMNS = ("name", "kind", "colour", "description")


def parse(text: str) -> list[tuple[str, str]]:
    """Read a comma list into (kind, name), each once. Raises BadInput for a malformed name."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for piece in text.split(","):
        if piece.strip():
            kind, name = word(piece)
            found[kind, name.lower()] = (kind, name)
    if len(found) > MAX_TAGS_PER_POSITION:
        raise _too_many()
    return list(found.values())


def word(text: str, *, attr: str = "tags") -> tuple[str, str]:
    """Read one tag into (kind, name). Raises BadInput for what is none."""
    plain = text.strip()
    kind = STRATEGY if plain.lower().startswith(STRATEGY_PREFIX) else REGULAR
    name = plain[len(STRATEGY_PREFIX) :] if kind == STRATEGY else plain.lstrip("#")
    name = " ".join(name.split())
    if not name or len(name) > MAX_NAME or not _NAME.match(name):
        raise BadInput(
            f'"{plain[:60]}" is not a tag: letters, digits, space, _ - and ., at most 50.',
            attr=attr,
            code="invalid_tag",
        )
    return kind, name


@transaction.atomic
def find_or_make(*, user: User, kind: str, name: str) -> Tag:
    """Return the user's tag of that name, a new one when there is none."""
    _one_at_a_time(user.pk)
    mine = Tag.objects.filter(user=user).active()
    found = mine.filter(kind=kind, name__iexact=name).first()
    if found is not None:
        return found
    _check_room(user.pk)
    return Tag.objects.create(user=user, kind=kind, name=name)


@transaction.atomic
def assign(*, position: Position, tags: Iterable[Tag]) -> int:
    """Put tags on a position; the answer counts those that are new there."""
    wanted = {tag.pk: tag for tag in tags}
    rows = PositionTag.objects.filter(position=position)
    there = set(rows.active().values_list("tag_id", flat=True))
    fresh = [tag for key, tag in wanted.items() if key not in there]
    if len(there) + len(fresh) > MAX_TAGS_PER_POSITION:
        raise _too_many()
    PositionTag.objects.bulk_create([PositionTag(position=position, tag=tag) for tag in fresh])
    if fresh:
        used(tag.pk for tag in fresh)
        Position.objects.filter(pk=position.pk).update(tags_version=F("tags_version") + 1)
    return len(fresh)


@transaction.atomic
def assign_by_symbol(*, portfolio_id: UUID, user: User, name: str, symbols: Iterable[str]) -> int:
    """Put one tag on the positions of these symbols; the answer counts the newly tagged."""
    [(kind, plain)] = parse(name)
    tag = find_or_make(user=user, kind=kind, name=plain)
    positions = Position.objects.filter(
        portfolio_id=portfolio_id, instrument__symbol__in=list(symbols)
    )
    return sum(assign(position=position, tags=[tag]) for position in positions)


@transaction.atomic
def create(
    *,
    user: User,
    name: str,
    kind: str = "",
    colour: str = TAG_COLOUR,
    description: str = "",
    by: Actor,
) -> Tag:
    """Make a tag; `#strategy:` in the name says its kind too.

    Raises BadInput for a bad name, kind or colour and at the limit, Conflict for a name taken.
    """
    told, plain = word(name, attr="name")
    if kind and told == STRATEGY and kind != STRATEGY:
        raise BadInput("The name says strategy, the kind does not.", attr="kind")
    made = Tag(
        user=user,
        name=plain,
        kind=_kind(kind or told),
        colour=_colour(colour),
        description=_description(description),
    )
    _one_at_a_time(user.pk)
    _check_room(user.pk)
    _check_free(made)
    made.save(force_insert=True)
    _record(by, "tag.created", made, after=_told(made))
    return made


@transaction.atomic
def update(
    *, tag_id: UUID, changes: dict[str, Any], if_match_version: int | None = None, by: Actor
) -> Tag:
    """Change a tag's name, kind, colour or description.

    Raises NotFound, VersionMismatch, BadInput, Conflict.
    """
    row = _touched(tag_id, if_match_version, by)
    if row.archived_at is not None:
        raise Conflict("An archived tag is restored before it is changed.", code="archived")
    before = _told(row)
    if "name" in changes:
        told, row.name = word(changes["name"], attr="name")
        row.kind = STRATEGY if told == STRATEGY else row.kind
    row.kind = _kind(changes.get("kind", row.kind))
    row.colour = _colour(changes.get("colour", row.colour))
    row.description = _description(changes.get("description", row.description))
    _check_free(row)
    row.save(update_fields=[*_COLUMNS, "updated_at"])
    _record(by, "tag.changed", row, before=before, after=_told(row))
    return row


@transaction.atomic
def archive(*, tag_id: UUID, if_match_version: int | None = None, by: Actor) -> Tag:
    """Take a tag off every position; for 30 days it can be restored with all of them.

    Raises NotFound and VersionMismatch. One that is archived already stays so.
    """
    row = _touched(tag_id, if_match_version, by)
    if row.archived_at is None:
        row.archived_at = clock.now()
        row.save(update_fields=["archived_at", "updated_at"])
        held = PositionTag.objects.filter(tag=row).count()
        _record(by, "tag.archived", row, before=_told(row), after={"positions": held})
    _forget(row.user_id)
    return row


@transaction.atomic
def restore(
    *, tag_id: UUID, if_match_version: int | None = None, by: Actor
) -> tuple[Tag, list[str]]:
    """Bring an archived tag back; the answer names positions that are full by now.

    Raises NotFound, VersionMismatch, Conflict when its name was taken, BadInput at the limit.
    """
    row = _touched(tag_id, if_match_version, by)
    if row.archived_at is None:
        raise Conflict("This tag is not archived.", code="not_archived")
    _check_room(row.user_id)
    row.archived_at = None
    _check_free(row)
    full = _full(row)
    row.save(update_fields=["archived_at", "updated_at"])
    _record(by, "tag.restored", row, after=_told(row) | {"left_out": full})
    return row, full


def used(tag_ids: Iterable[UUID]) -> None:
    """Note that tags were put on a position just now."""
    Tag.objects.filter(pk__in=list(tag_ids)).update(last_used_at=clock.now())


def _full(tag: Tag) -> list[str]:
    """Take the tag off positions that have all they may have without it; their symbols."""
    held = PositionTag.objects.filter(tag=tag).select_related("position__instrument")
    full = []
    for row in held.order_by("pk"):
        others = PositionTag.objects.filter(position=row.position).active()
        if others.count() >= MAX_TAGS_PER_POSITION:
            full.append(row.position.instrument.symbol)
            row.delete()
    return full


def _touched(tag_id: UUID, wanted: int | None, by: Actor) -> Tag:
    """The actor's tag, its version raised: nobody else writes to it until the end."""
    mine = Tag.objects.for_actor(by).filter(pk=tag_id).exclude(archived_at__lt=_oldest())
    owner = mine.values_list("user_id", flat=True).first()
    if owner is None:
        raise NotFound(NO_TAG)
    _one_at_a_time(owner)
    same = mine if wanted is None else mine.filter(version=wanted)
    if not same.update(version=F("version") + 1, updated_at=clock.now()):
        current = mine.values_list("version", flat=True).first()
        if current is None:
            raise NotFound(NO_TAG)
        raise VersionMismatch("The tag was changed since it was read.", version=current)
    return mine.get()


def _forget(user_id: Any) -> None:
    Tag.objects.filter(user_id=user_id, archived_at__lt=_oldest()).delete()


def _oldest() -> datetime:
    """What was archived before that is gone for good."""
    return clock.now() - timedelta(days=TAG_ARCHIVE_DAYS)


def _one_at_a_time(user_id: Any) -> None:
    """Whoever counts a user's tags waits for the other; taken after the lock of portfolios."""
    audit.serialise(f"tags:{user_id}")


def _check_room(user_id: Any) -> None:
    if Tag.objects.filter(user_id=user_id).active().count() >= MAX_TAGS_PER_USER:
        raise BadInput(
            f"You have {MAX_TAGS_PER_USER} tags, which is the most.",
            attr="tags",
            code="too_many_tags",
        )


def _check_free(row: Tag) -> None:
    named = Tag.objects.filter(user_id=row.user_id, kind=row.kind, name__iexact=row.name)
    if named.active().exclude(pk=row.pk).exists():
        raise Conflict(f"You have a tag called {row.name}.", attr="name", code="name_taken")


def _kind(text: str) -> str:
    if text not in TagKind.values:
        raise BadInput("A tag is regular or strategy.", attr="kind")
    return text


def _colour(text: str) -> str:
    if not _COLOUR.match(text):
        raise BadInput(
            "A colour is written #RRGGBB, such as #6B7280.", attr="colour", code="invalid_colour"
        )
    return text.upper()


def _description(text: str) -> str:
    plain = " ".join(text.split())
    if len(plain) > MAX_DESCRIPTION:
        raise BadInput(f"At most {MAX_DESCRIPTION} characters.", attr="description")
    return plain


def _too_many() -> BadInput:
    return BadInput(
        f"A position has at most {MAX_TAGS_PER_POSITION} tags.", attr="tags", code="too_many_tags"
    )


def _told(row: Tag) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _COLUMNS}


def _record(by: Actor, action: str, row: Tag, **sides: Any) -> None:
    audit.record(by=by, action=action, object_type="tag", object_id=row.pk, **sides)
