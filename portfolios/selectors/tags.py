"""Tags: one's own with how much they are used, and those of positions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet

from etftrader.core import clock
from etftrader.core.actor import Actor
from etftrader.core.errors import NotFound
from portfolios.choices import TagKind
from portfolios.constants import TAG_ARCHIVE_DAYS, Action
from portfolios.models import Position, PositionTag, Tag
from portfolios.selectors import access

NO_TAG = "There is no such tag."
NO_POSITION = "There is no such position."
STRATEGY_PREFIX = "#strategy:"
RECENT = 8


@dataclass(frozen=True, slots=True)
class Mark:
    """A tag as it stands on a position."""

    id: UUID
    name: str
    kind: str
    colour: str

    @property
    def is_strategy(self) -> bool:
        """Whether it groups legs."""
        return self.kind == TagKind.STRATEGY

    @property
    def word(self) -> str:
        """As it is written and read: strategies with their prefix."""
        return spelled(self.kind, self.name)


@dataclass(frozen=True, slots=True)
class Marked:
    """A position's id and tags: regular ones and strategies, each by name."""

    position_id: UUID | None = None
    tags: tuple[Mark, ...] = ()
    strategies: tuple[Mark, ...] = ()

    @property
    def words(self) -> list[str]:
        """All of them as they are written."""
        return [each.word for each in (*self.tags, *self.strategies)]


UNMARKED = Marked()


def spelled(kind: str, name: str) -> str:
    """A tag's name with the prefix of its kind."""
    return f"{STRATEGY_PREFIX}{name}" if kind == TagKind.STRATEGY else name


def of_actor(*, actor: Actor, archived: bool = False) -> QuerySet[Tag]:
    """One's own tags by kind and name, with `usage_count` and `open_count` of positions."""
    rows = Tag.objects.for_actor(actor).filter(archived_at__isnull=not archived)
    if archived:
        rows = rows.filter(archived_at__gt=clock.now() - timedelta(days=TAG_ARCHIVE_DAYS))
    open_ones = Count("tagged", filter=~Q(tagged__position__quantity=0))
    counted = rows.annotate(usage_count=Count("tagged"), open_count=open_ones)
    return counted.order_by("kind", "name", "pk")


def one(*, actor: Actor, tag_id: UUID | str) -> Tag:
    """One tag of the actor's, archived or not, with its usage. Raises NotFound."""
    try:
        key = tag_id if isinstance(tag_id, UUID) else UUID(tag_id)
    except ValueError as error:
        raise NotFound(NO_TAG) from error
    for archived in (False, True):
        found = of_actor(actor=actor, archived=archived).filter(pk=key).first()
        if found is not None:
            return found
    raise NotFound(NO_TAG)


def recent(*, actor: Actor) -> list[Tag]:
    """The tags one put on positions last, newest first."""
    mine = Tag.objects.for_actor(actor).active().filter(last_used_at__isnull=False)
    return list(mine.order_by("-last_used_at", "name")[:RECENT])


def position_for(actor: Actor, position_id: UUID, action: str = Action.VIEW) -> Position:
    """One position the actor may do this with. Raises NotFound and NotAllowed."""
    rows = Position.objects.for_actor(actor).select_related("instrument")
    found = rows.filter(pk=position_id).first()
    if found is None:
        raise NotFound(NO_POSITION)
    access.portfolio_for(actor, found.portfolio_id, action)
    return found


def standing(*, portfolio_ids: Iterable[UUID]) -> dict[tuple[UUID, UUID], list[Mark]]:
    """The tags by (portfolio, instrument) of everything ever held: one query."""
    rows = PositionTag.objects.filter(
        position__portfolio_id__in=list(portfolio_ids), tag__archived_at__isnull=True
    )
    place = ("position__portfolio_id", "position__instrument_id")
    found: dict[tuple[UUID, UUID], list[Mark]] = {}
    for portfolio_id, instrument_id, *values in rows.order_by("tag__name", "pk").values_list(
        *place, "tag_id", "tag__name", "tag__kind", "tag__colour"
    ):
        found.setdefault((portfolio_id, instrument_id), []).append(Mark(*values))
    return found


def frozen(marks: Iterable[Mark]) -> list[dict[str, str]]:
    """Tags as a snapshot keeps them."""
    return [
        {"id": str(each.id), "name": each.name, "kind": each.kind, "colour": each.colour}
        for each in marks
    ]


def thawed(kept: Iterable[dict[str, str]]) -> list[Mark]:
    """The tags a snapshot kept."""
    return [Mark(UUID(each["id"]), each["name"], each["kind"], each["colour"]) for each in kept]


def ids(*, portfolio_ids: Iterable[UUID]) -> dict[tuple[UUID, UUID], UUID]:
    """The id of a position by (portfolio, instrument): one query."""
    rows = Position.objects.filter(portfolio_id__in=list(portfolio_ids))
    return {
        (book, thing): key
        for key, book, thing in rows.values_list("pk", "portfolio_id", "instrument_id")
    }


def of_positions(*, position_ids: Iterable[UUID]) -> dict[UUID, Marked]:
    """The same by position, of these positions: one query."""
    wanted = list(position_ids)
    words = _words(PositionTag.objects.filter(position_id__in=wanted))
    return {key: marks_of(key, words.get(key, ())) for key in wanted}


def version_of(*, position_id: str) -> int | None:
    """The version of a position's tags, for a form that changes them."""
    try:
        key = UUID(position_id)
    except ValueError:
        return None
    return Position.objects.filter(pk=key).values_list("tags_version", flat=True).first()


def _words(rows: QuerySet[PositionTag]) -> dict[UUID, list[Mark]]:
    found: dict[UUID, list[Mark]] = {}
    columns = ("position_id", "tag_id", "tag__name", "tag__kind", "tag__colour")
    known = rows.filter(tag__archived_at__isnull=True).values_list(*columns)
    for position_id, *values in known.order_by(F("tag__name"), "pk"):
        found.setdefault(position_id, []).append(Mark(*values))
    return found


def marks_of(key: UUID | None, words: Iterable[Mark]) -> Marked:
    """A position's id and its tags, told apart by kind."""
    every = list(words)
    return Marked(
        key,
        tuple(each for each in every if not each.is_strategy),
        tuple(each for each in every if each.is_strategy),
    )
