"""Words on positions: made when first used, unique per user whatever the case."""

import re
from collections.abc import Iterable
from uuid import UUID

from django.db import transaction

from etftrader.core.errors import BadInput
from portfolios.constants import MAX_TAGS_PER_POSITION, MAX_TAGS_PER_USER
from portfolios.models import Position, PositionTag, Tag, User

MAX_NAME = 50
STRATEGY_PREFIX = "#strategy:"
REGULAR, STRATEGY = "regular", "strategy"
_NAME = re.compile(r"[\w .\-]+\Z")


def parse(text: str) -> list[tuple[str, str]]:
    """Read a comma list into (kind, name), each once. Raises BadInput for a malformed name."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for piece in text.split(","):
        word = piece.strip()
        if not word:
            continue
        kind = STRATEGY if word.lower().startswith(STRATEGY_PREFIX) else REGULAR
        name = word[len(STRATEGY_PREFIX) :] if kind == STRATEGY else word.lstrip("#")
        name = " ".join(name.split())
        if not name or len(name) > MAX_NAME or not _NAME.match(name):
            raise BadInput(
                f'"{word[:60]}" is not a tag: letters, digits, space, _ - and ., at most 50.',
                attr="tags",
                code="invalid_tag",
            )
        found[kind, name.lower()] = (kind, name)
    if len(found) > MAX_TAGS_PER_POSITION:
        raise BadInput(
            f"A position has at most {MAX_TAGS_PER_POSITION} tags.",
            attr="tags",
            code="too_many_tags",
        )
    return list(found.values())


@transaction.atomic
def find_or_make(*, user: User, kind: str, name: str) -> Tag:
    """Return the user's tag of that name, a new one when there is none."""
    mine = Tag.objects.filter(user=user)
    found = mine.filter(kind=kind, name__iexact=name).first()
    if found is not None:
        return found
    if mine.count() >= MAX_TAGS_PER_USER:
        raise BadInput(
            f"You have {MAX_TAGS_PER_USER} tags, which is the most.",
            attr="tags",
            code="too_many_tags",
        )
    return Tag.objects.create(user=user, kind=kind, name=name)


@transaction.atomic
def assign(*, position: Position, tags: Iterable[Tag]) -> int:
    """Put tags on a position; the answer counts those that are new there."""
    wanted = {tag.pk: tag for tag in tags}
    there = set(PositionTag.objects.filter(position=position).values_list("tag_id", flat=True))
    fresh = [tag for key, tag in wanted.items() if key not in there]
    if len(there) + len(fresh) > MAX_TAGS_PER_POSITION:
        raise BadInput(
            f"A position has at most {MAX_TAGS_PER_POSITION} tags.",
            attr="tags",
            code="too_many_tags",
        )
    PositionTag.objects.bulk_create([PositionTag(position=position, tag=tag) for tag in fresh])
    return len(fresh)


@transaction.atomic
def assign_by_symbol(*, portfolio_id: UUID, user: User, name: str, symbols: Iterable[str]) -> int:
    """Put one tag on the positions of these symbols; the answer counts the newly tagged."""
    [(kind, word)] = parse(name)
    tag = find_or_make(user=user, kind=kind, name=word)
    positions = Position.objects.filter(
        portfolio_id=portfolio_id, instrument__symbol__in=list(symbols)
    )
    return sum(assign(position=position, tags=[tag]) for position in positions)
