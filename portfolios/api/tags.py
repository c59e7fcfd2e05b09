"""Tags: one's own, each and in batches, and those of positions; strategies with their legs."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api import batch, parameters, versions
from etftrader.core.api.fields import StrictSerializer
from etftrader.core.api.idempotent import once
from etftrader.core.api.registry import CHECKED, TAGGED, Op, operation
from etftrader.core.errors import BadInput, NotEnoughData
from marketdata.api import as_of
from portfolios.api import tag_documents
from portfolios.api.owned import OF_PORTFOLIO, OwnedView
from portfolios.api.positions import SeveralView, one_currency
from portfolios.api.tag_documents import StrategyRow, TagRow
from portfolios.api.watchlist_acts import Rows
from portfolios.choices import TagKind
from portfolios.constants import MAX_TAGGED, MAX_TAGS_PER_POSITION
from portfolios.models import Position, Tag
from portfolios.selectors import people, snapshots, strategies
from portfolios.selectors import tags as read
from portfolios.services import tags as write
from portfolios.services import tags_on_positions as on_positions
from portfolios.services.tags_on_positions import Wanted

WORD = 70  # a name with its prefix
ARCHIVED = {"archived": parameters.flag("true lists the deleted ones that can still be restored.")}


class TagFields(StrictSerializer):
    """What may change of a tag."""

    name = serializers.CharField(max_length=WORD, required=False)
    kind = serializers.ChoiceField(choices=TagKind.choices, required=False)
    colour = serializers.CharField(max_length=7, required=False)
    description = serializers.CharField(
        max_length=write.MAX_DESCRIPTION, allow_blank=True, required=False
    )


class NewTag(TagFields):
    """A new tag; `#strategy:` before its name makes it a strategy."""

    name = serializers.CharField(max_length=WORD)


class ChangedTag(batch.Keyed, TagFields):
    """One tag of a batch."""


class Words(StrictSerializer):
    """All tags of a position."""

    tags = serializers.ListField(
        child=serializers.CharField(max_length=WORD), max_length=MAX_TAGS_PER_POSITION
    )


class BulkWords(StrictSerializer):
    """Tags for many positions; an empty `strategy` takes the strategies off."""

    positions = serializers.ListField(
        child=serializers.UUIDField(), min_length=1, max_length=MAX_TAGGED
    )
    add = serializers.ListField(
        child=serializers.CharField(max_length=WORD),
        max_length=MAX_TAGS_PER_POSITION,
        required=False,
    )
    remove = serializers.ListField(
        child=serializers.CharField(max_length=WORD),
        max_length=MAX_TAGS_PER_POSITION,
        required=False,
    )
    strategy = serializers.CharField(
        max_length=WORD, allow_blank=True, allow_null=True, required=False
    )


class TagFilters(filters.FilterSet):
    """Filters of the tags."""

    kind = filters.ChoiceFilter(choices=TagKind.choices)
    name__icontains = filters.CharFilter(field_name="name", lookup_expr="icontains")
    updated_at__gt = filters.IsoDateTimeFilter(field_name="updated_at", lookup_expr="gt")

    class Meta:
        model = Tag
        fields = ("kind",)


class TagView(Rows):
    """Rows that are tags."""

    def row(self, key: UUID | str) -> Tag:
        """One's own tag with its usage."""
        return read.one(actor=self.actor, tag_id=key)

    def document(self, row: Tag) -> dict[str, Any]:
        """One tag on the wire."""
        return tag_documents.tag(row)

    def change(self, row: Tag, fields: dict[str, Any], version: int | None) -> Tag:
        """The changed tag."""
        write.update(tag_id=row.pk, changes=fields, if_match_version=version, by=self.actor)
        return self.row(row.pk)

    def remove(self, row: Tag, version: int | None) -> None:
        """Archive the tag."""
        write.archive(tag_id=row.pk, if_match_version=version, by=self.actor)

    def made(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The document of a new tag."""
        made = write.create(user=people.me(self.actor), by=self.actor, **asked)
        return self.document(self.row(made.pk))


@operation(
    get=Op("signed_in", "Your tags", lists=True, query=ARCHIVED),
    post=Op("signed_in:trade", "Make a tag"),
)
class Tags(TagView):
    """GET, POST /tags."""

    serializer_class = TagRow
    queryset = Tag.objects.none()
    filterset_class = TagFilters
    ordering_fields = ("name", "kind", "last_used_at", "created_at", "updated_at")

    def get(self, request: Any) -> Response | HttpResponse:
        """By kind and name, each with how many positions have it."""
        text = request.query_params.get("archived", "false")
        if text not in ("true", "false"):
            raise BadInput("archived is true or false.", attr="archived")
        return self.listing(read.of_actor(actor=self.actor, archived=text == "true"), TagRow)

    @extend_schema(request=NewTag, responses={201: dict})
    def post(self, request: Any) -> Response:
        """The new tag; 409 `name_taken`."""
        asked = self.checked(NewTag)
        return once(request, lambda: Response(self.made(asked), 201))


@operation(
    post=Op("signed_in:trade", "Make several tags", query=batch.PARTIAL),
    patch=Op("signed_in:trade", "Change several tags", query=batch.PARTIAL),
    delete=Op("signed_in:trade", "Delete several tags", query=batch.PARTIAL),
)
class TagBatch(TagView):
    """POST, PATCH, DELETE /tags/batch: all or nothing, unless `partial=true`."""

    @extend_schema(request=NewTag(many=True), responses={201: dict, 207: dict})
    def post(self, request: Any) -> Response:
        """The tags in the order of the question."""

        def effect() -> Response:
            return batch.create(request, serializer=NewTag, make=self.made)

        return once(request, effect)

    @extend_schema(request=ChangedTag(many=True), responses={200: dict, 207: dict})
    def patch(self, request: Any) -> Response:
        """The changed tags."""
        return self.all_changed(request, ChangedTag)

    @extend_schema(request=batch.Keyed(many=True), responses={200: dict, 207: dict})
    def delete(self, request: Any) -> Response:
        """The tags as they were."""
        return self.all_removed(request)


@operation(
    get=Op("signed_in", "One tag", versions=TAGGED),
    patch=Op("signed_in:trade", "Change a tag"),
    delete=Op("signed_in:trade", "Delete a tag: off every position, for 30 days to be restored"),
)
class OneTag(TagView):
    """GET, PATCH, DELETE /tags/{tag_id}."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, tag_id: UUID) -> Response:
        """The tag with its entity tag, archived or not."""
        row = self.row(tag_id)
        return versions.tagged(Response(self.document(row)), row)

    @extend_schema(request=TagFields, responses={200: dict})
    def patch(self, request: Any, tag_id: UUID) -> Response:
        """The changed tag."""
        return self.changed(request, tag_id, TagFields)

    @extend_schema(responses={204: None})
    def delete(self, request: Any, tag_id: UUID) -> Response:
        """The tag is off its positions, and archived."""
        return self.removed(request, tag_id)


@operation(post=Op("signed_in:trade", "Restore a deleted tag", refuses=(409,)))
class RestoreTag(TagView):
    """POST /tags/{tag_id}/restore."""

    @extend_schema(request=None, responses={200: dict})
    def post(self, request: Any, tag_id: UUID) -> Response:
        """The tag, on its positions again; `left_out` names those that are full by now."""

        def effect() -> Response:
            _, full = write.restore(tag_id=tag_id, by=self.actor)
            row = self.row(tag_id)
            return versions.tagged(Response(self.document(row) | {"left_out": full}), row)

        return once(request, effect)


@operation(post=Op("signed_in:trade", "Change the tags of many positions", refuses=(403,)))
class BulkAssign(OwnedView):
    """POST /tags/bulk-assign: all of them, or none."""

    @extend_schema(request=BulkWords, responses={200: dict})
    def post(self, request: Any) -> Response:
        """Each position with its tags afterwards."""
        asked = self.checked(BulkWords)
        wanted = Wanted(
            add=tuple(asked.get("add", ())),
            remove=tuple(asked.get("remove", ())),
            strategy=asked.get("strategy"),
        )

        def effect() -> Response:
            rows = on_positions.bulk_assign(
                position_ids=asked["positions"],
                wanted=wanted,
                user=people.me(self.actor),
                by=self.actor,
            )
            marks = read.of_positions(position_ids=[each.pk for each in rows])
            told = [tag_documents.tags_of(each, marks[each.pk]) for each in rows]
            return Response({"count": len(told), "results": told})

        return once(request, effect)


@dataclass(frozen=True, slots=True)
class _Versioned:
    """What the entity tag of a position's tags counts."""

    version: int


@operation(
    get=Op(
        "signed_in",
        "The tags of a position",
        query=as_of.AS_OF,
        versions=TAGGED,
        refuses=(422,),
    ),
    put=Op("signed_in:trade", "Replace the tags of a position", versions=CHECKED, refuses=(403,)),
)
class PositionTags(OwnedView):
    """GET, PUT /positions/{position_id}/tags."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, position_id: UUID) -> Response:
        """Its tags, with the entity tag of their own version; at a past close those of then."""
        row = read.position_for(self.actor, position_id)
        past = as_of.past(request)
        if past is not None:
            return Response(self._at_close(row, past))
        return self._answer(row)

    @extend_schema(request=Words, responses={200: dict})
    def put(self, request: Any, position_id: UUID) -> Response:
        """Exactly these; those it has stay whoever put them there."""
        row = read.position_for(self.actor, position_id)
        version = versions.check(request, _Versioned(row.tags_version))
        now = on_positions.replace(
            position_id=row.pk,
            words=self.checked(Words)["tags"],
            if_match_version=version,
            user=people.me(self.actor),
            by=self.actor,
        )
        return self._answer(now)

    def _at_close(self, row: Position, past: date) -> dict[str, Any]:
        kept = snapshots.line_of(position=row, until=past)
        if kept is None:
            raise as_of.before_book(past)
        if kept.tags is None:
            raise NotEnoughData(
                "Tags were not kept in the snapshot of that session.", reason=as_of.NOT_KEPT
            )
        return tag_documents.tags_of(row, read.marks_of(row.pk, read.thawed(kept.tags)))

    def _answer(self, row: Position) -> Response:
        marks = read.of_positions(position_ids=[row.pk])
        told = Response(tag_documents.tags_of(row, marks[row.pk]))
        return versions.tagged(told, _Versioned(row.tags_version))


@operation(
    get=Op(
        "signed_in",
        "Strategies with their legs, exposure, gains and Greeks",
        lists=True,
        query=as_of.AS_OF | OF_PORTFOLIO,
    )
)
class Strategies(SeveralView):
    """GET /strategies."""

    serializer_class = StrategyRow
    queryset = Tag.objects.none()

    def get(self, request: Any) -> Response | HttpResponse:
        """By name, over the portfolios one sees, now or with the legs and tags of a past close."""
        worths = self.worths(request)
        one_currency(worths)
        found = strategies.of(worths, past=as_of.past(request) is not None)
        return self.listing(found, StrategyRow)
