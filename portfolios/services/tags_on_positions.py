"""Tags put on positions and taken off: one position, or many in one transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from etftrader.core import audit
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, NotAllowed, VersionMismatch
from portfolios.constants import MAX_TAGGED, MAX_TAGS_PER_POSITION, Action
from portfolios.models import Position, PositionTag, Tag, User
from portfolios.selectors import access
from portfolios.selectors import tags as read
from portfolios.services import tags
from portfolios.services.locking import lock_portfolios

Key = tuple[str, str]  # kind, and name in lower case
There = dict[UUID, dict[Key, list[PositionTag]]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to become of the tags of some positions; `strategy` "" takes all of them off."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    strategy: str | None = None


@transaction.atomic
def replace(
    *,
    position_id: UUID,
    words: Iterable[str],
    if_match_version: int | None = None,
    user: User,
    by: Actor,
) -> Position:
    """Give a position exactly these tags; those it has stay whoever put them there.

    Raises NotFound, NotAllowed, VersionMismatch, BadInput for a malformed word or too many.
    """
    wanted = tags.parse(",".join(words))
    row = read.position_for(by, position_id, Action.NOTE)
    lock_portfolios(row.portfolio_id)
    row = Position.objects.select_related("instrument").get(pk=row.pk)
    if if_match_version is not None and row.tags_version != if_match_version:
        raise VersionMismatch(
            "The tags were changed since they were read.", version=row.tags_version
        )
    names = {(kind, name.lower()) for kind, name in wanted}
    there = _there([row.pk])
    mine = there[row.pk]
    fresh = [(kind, name) for kind, name in wanted if (kind, name.lower()) not in mine]
    if fresh or set(mine) - names:
        _change([row], there, gone=set(mine) - names, fresh=_made(user, fresh), by=by)
        row.refresh_from_db(fields=["tags_version"])
    return row


@transaction.atomic
def bulk_assign(
    *, position_ids: Sequence[UUID], wanted: Wanted, user: User, by: Actor
) -> list[Position]:
    """Change the tags of many positions together: all of them, or none.

    Parameters
    ----------
    position_ids : sequence of UUID
        At most 500, of any portfolios the actor may tag in.
    wanted : Wanted
        Words to add and to take off; a strategy takes the place of those a position has.
    user : User
        Whose new tags are made.
    by : Actor
        Who does it.

    Returns
    -------
    list of Position
        In the order asked for.

    Raises
    ------
    BadInput
        Nothing to do, too many positions, a malformed word, a position that would have too
        many tags: with the place in the list.
    """
    keys = list(dict.fromkeys(position_ids))
    add, remove = _read(keys, wanted)
    rows = _positions(keys, by)
    lock_portfolios(*{each.portfolio_id for each in rows})
    fresh = _made(user, add)
    there = _there(keys)
    gone = remove
    if wanted.strategy is not None:
        named = {(each.kind, each.name.lower()) for each in fresh}
        every = {key for mine in there.values() for key in mine}
        gone = gone | {key for key in every if key[0] == tags.STRATEGY and key not in named}
    _change(rows, there, gone=gone, fresh=fresh, by=by)
    return list(Position.objects.filter(pk__in=keys).select_related("instrument"))


def _read(keys: Sequence[UUID], wanted: Wanted) -> tuple[list[Key], set[Key]]:
    if not keys:
        raise BadInput("Choose at least one position.", attr="positions", code="required")
    if len(keys) > MAX_TAGGED:
        raise BadInput(f"At most {MAX_TAGGED} positions at once.", attr="positions")
    add = tags.parse(",".join(wanted.add))
    remove = {(kind, name.lower()) for kind, name in tags.parse(",".join(wanted.remove))}
    if wanted.strategy:
        _, name = tags.word(wanted.strategy, attr="strategy")
        add.append((tags.STRATEGY, name))
    if not add and not remove and wanted.strategy is None:
        raise BadInput("Say which tags to add or to take off.", attr="add", code="required")
    return add, remove


def _positions(keys: Sequence[UUID], by: Actor) -> list[Position]:
    """The positions, in their order; one that is not there is named by its place."""
    seen = Position.objects.for_actor(by).select_related("instrument").in_bulk(keys)
    allowed = set(
        Position.objects.for_actor(by, Action.NOTE).filter(pk__in=keys).values_list("pk", flat=True)
    )
    for place, key in enumerate(keys):
        if key not in seen:
            raise BadInput(read.NO_POSITION, attr=f"positions.{place}", code="does_not_exist")
        if key not in allowed:
            raise NotAllowed(
                "Your role in its portfolio does not include tags.", attr=f"positions.{place}"
            )
    for portfolio_id in sorted({each.portfolio_id for each in seen.values()}):
        access.portfolio_for(by, portfolio_id, Action.NOTE)
    return [seen[key] for key in keys]


def _there(keys: Sequence[UUID]) -> There:
    """Tags of each position by kind and name in lower case; two people may have the same word."""
    found: There = {key: {} for key in keys}
    rows = PositionTag.objects.filter(position_id__in=keys).active().select_related("tag")
    for row in rows:
        found[row.position_id].setdefault((row.tag.kind, row.tag.name.lower()), []).append(row)
    return found


def _made(user: User, words: Iterable[Key]) -> list[Tag]:
    return [tags.find_or_make(user=user, kind=kind, name=name) for kind, name in words]


def _change(
    rows: Sequence[Position], there: There, *, gone: set[Key], fresh: Sequence[Tag], by: Actor
) -> None:
    made: list[PositionTag] = []
    off: list[int] = []
    changed = []
    for place, row in enumerate(rows):
        mine = there[row.pk]
        left = {key: held for key, held in mine.items() if key not in gone}
        new = [tag for tag in fresh if (tag.kind, tag.name.lower()) not in left]
        if len(left) + len(new) > MAX_TAGS_PER_POSITION:
            raise BadInput(
                f"{row.instrument.symbol} would have more than {MAX_TAGS_PER_POSITION} tags.",
                attr=f"positions.{place}" if len(rows) > 1 else "tags",
                code="too_many_tags",
            )
        off += [each.pk for key in gone & set(mine) for each in mine[key]]
        made += [PositionTag(position=row, tag=tag) for tag in new]
        if new or len(left) < len(mine):
            before = [held[0].tag for held in mine.values()]
            after = [held[0].tag for held in left.values()] + new
            changed.append((row, _words(before), _words(after)))
    PositionTag.objects.filter(pk__in=off).delete()
    PositionTag.objects.bulk_create(made)
    keys = [row.pk for row, _, _ in changed]
    Position.objects.filter(pk__in=keys).update(tags_version=F("tags_version") + 1)
    tags.used({each.tag_id for each in made})
    _record(changed, by)


def _words(of: Iterable[Tag]) -> list[str]:
    return sorted(read.spelled(each.kind, each.name) for each in of)


def _record(changed: Sequence[tuple[Position, list[str], list[str]]], by: Actor) -> None:
    """One line a portfolio, in its own chain."""
    books: dict[UUID, dict[str, Any]] = {}
    for row, before, after in changed:
        sides = books.setdefault(row.portfolio_id, {"before": {}, "after": {}, "keys": []})
        sides["before"][row.instrument.symbol] = before
        sides["after"][row.instrument.symbol] = after
        sides["keys"].append(row.pk)
    for portfolio_id, sides in sorted(books.items()):
        keys = sides.pop("keys")
        audit.record(
            by=by,
            action="position.tagged",
            object_type="position",
            object_id=keys[0] if len(keys) == 1 else f"{len(keys)} rows",
            chain=portfolio_id,
            **sides,
        )
