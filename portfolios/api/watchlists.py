"""Watchlists and the symbols on them: one's own, each and in batches."""

from typing import Any
from uuid import UUID

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api import batch, versions
from etftrader.core.api.fields import StrictSerializer, WholeField
from etftrader.core.api.idempotent import once
from etftrader.core.api.registry import TAGGED, Op, operation
from marketdata.selectors import sessions
from portfolios.api.watchlist_acts import Items, Lists
from portfolios.api.watchlist_documents import ItemRow, ListRow
from portfolios.models import Watchlist, WatchlistItem
from portfolios.selectors import watchlists as read
from portfolios.services import watchlists as write

SYMBOL, NOTE, NAME = 32, 200, 60


class ListFields(StrictSerializer):
    """What may change of a list."""

    name = serializers.CharField(max_length=NAME, required=False)
    order = WholeField(max_value=write.MAX_ORDER, required=False)


class NewList(ListFields):
    """A new list; `customer` may name nobody but the caller."""

    name = serializers.CharField(max_length=NAME)
    customer = serializers.UUIDField(required=False)


class WholeList(ListFields):
    """A list as a whole: what is left out gets its default."""

    name = serializers.CharField(max_length=NAME)
    order = WholeField(max_value=write.MAX_ORDER, default=0)


class ChangedList(batch.Keyed, ListFields):
    """One list of a batch."""


class ItemFields(StrictSerializer):
    """What may change of a symbol on a list."""

    symbol = serializers.CharField(max_length=SYMBOL, required=False)
    note = serializers.CharField(max_length=NOTE, allow_blank=True, required=False)
    order = WholeField(max_value=write.MAX_ORDER, required=False)


class NewItem(ItemFields):
    """A symbol for a list; `instrument` is another name for the symbol."""

    watchlist = serializers.UUIDField()
    instrument = serializers.CharField(max_length=SYMBOL, required=False)


class WholeItem(ItemFields):
    """A symbol on its list as a whole: what is left out gets its default."""

    symbol = serializers.CharField(max_length=SYMBOL)
    note = serializers.CharField(max_length=NOTE, allow_blank=True, default="")
    order = WholeField(max_value=write.MAX_ORDER, default=0)


class ChangedItem(batch.Keyed, ItemFields):
    """One symbol of a batch."""


class ListFilters(filters.FilterSet):
    """Filters of the lists."""

    name = filters.CharFilter(lookup_expr="iexact")
    name__icontains = filters.CharFilter(field_name="name", lookup_expr="icontains")
    updated_at__gt = filters.IsoDateTimeFilter(field_name="updated_at", lookup_expr="gt")

    class Meta:
        model = Watchlist
        fields = ("name",)


class ItemFilters(filters.FilterSet):
    """Filters of the symbols; a foreign list is as empty as one that never was."""

    watchlist = filters.UUIDFilter(field_name="watchlist_id")
    symbol = filters.CharFilter(lookup_expr="iexact")
    resolved = filters.BooleanFilter(method="known")
    updated_at__gt = filters.IsoDateTimeFilter(field_name="updated_at", lookup_expr="gt")

    class Meta:
        model = WatchlistItem
        fields = ("symbol",)

    def known(self, rows: Any, name: str, value: bool) -> Any:
        """Those with an instrument, or those without."""
        return rows.filter(instrument__isnull=not value)


@operation(
    get=Op("signed_in", "Your watchlists", lists=True),
    post=Op("signed_in:trade", "Make a watchlist"),
)
class Watchlists(Lists):
    """GET, POST /watchlists."""

    serializer_class = ListRow
    queryset = Watchlist.objects.none()
    filterset_class = ListFilters
    ordering_fields = ("order", "name", "created_at", "updated_at")

    def get(self, request: Any) -> Response:
        """In their order."""
        return self.listing(read.of_actor(actor=self.actor), ListRow)

    @extend_schema(request=NewList, responses={201: dict})
    def post(self, request: Any) -> Response:
        """The empty list; 409 `name_taken`."""
        asked = self.checked(NewList)
        return once(request, lambda: Response(self.made(asked), 201))


@operation(
    post=Op("signed_in:trade", "Make several watchlists", query=batch.PARTIAL),
    patch=Op("signed_in:trade", "Change several watchlists", query=batch.PARTIAL),
    delete=Op("signed_in:trade", "Delete several watchlists", query=batch.PARTIAL),
)
class WatchlistBatch(Lists):
    """POST, PATCH, DELETE /watchlists/batch: all or nothing, unless `partial=true`."""

    @extend_schema(request=NewList(many=True), responses={201: dict, 207: dict})
    def post(self, request: Any) -> Response:
        """The lists in the order of the question."""

        def effect() -> Response:
            return batch.create(request, serializer=NewList, make=self.made)

        return once(request, effect)

    @extend_schema(request=ChangedList(many=True), responses={200: dict, 207: dict})
    def patch(self, request: Any) -> Response:
        """The changed lists."""
        return self.all_changed(request, ChangedList)

    @extend_schema(request=batch.Keyed(many=True), responses={200: dict, 207: dict})
    def delete(self, request: Any) -> Response:
        """The lists as they were."""
        return self.all_removed(request)


@operation(
    get=Op("signed_in", "One watchlist"),
    put=Op("signed_in:trade", "Replace a watchlist's name and place"),
    patch=Op("signed_in:trade", "Change a watchlist's name or place"),
    delete=Op("signed_in:trade", "Delete a watchlist with what is on it"),
)
class OneWatchlist(Lists):
    """GET, PUT, PATCH, DELETE /watchlists/{watchlist_id}."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, watchlist_id: UUID) -> Response:
        """The list with its entity tag; its symbols are at `items_url`."""
        row = self.row(watchlist_id)
        if versions.is_unchanged(request, row):
            return versions.tagged(Response(status=304), row)
        return versions.tagged(Response(self.document(row)), row)

    @extend_schema(request=WholeList, responses={200: dict})
    def put(self, request: Any, watchlist_id: UUID) -> Response:
        """The replaced list; its symbols stay."""
        return self.changed(request, watchlist_id, WholeList)

    @extend_schema(request=ListFields, responses={200: dict})
    def patch(self, request: Any, watchlist_id: UUID) -> Response:
        """The changed list."""
        return self.changed(request, watchlist_id, ListFields)

    @extend_schema(responses={204: None})
    def delete(self, request: Any, watchlist_id: UUID) -> Response:
        """The list is gone, and what was on it."""
        return self.removed(request, watchlist_id)


@operation(
    get=Op("signed_in", "The symbols on your watchlists", lists=True),
    post=Op("signed_in:trade", "Put a symbol on a watchlist"),
)
class WatchlistItems(Items):
    """GET, POST /watchlist-items."""

    serializer_class = ItemRow
    queryset = WatchlistItem.objects.none()
    filterset_class = ItemFilters
    ordering_fields = ("order", "symbol", "created_at", "updated_at")

    def get(self, request: Any) -> Response:
        """By list, then in their order."""
        return self.listing(read.items(actor=self.actor), ItemRow)

    def shown(self, rows: Any) -> None:
        """Their look-ups and suggestions are asked for together."""
        self.documents(list(rows or ()))

    @extend_schema(request=NewItem, responses={201: dict})
    def post(self, request: Any) -> Response:
        """The symbol; one that nobody knows stays `unresolved`, or is looked up by a job."""
        asked = self.checked(NewItem)

        def effect() -> Response:
            made = self.added(asked)
            write.look_up(of=[made], session_date=sessions.latest(), by=self.actor)
            return Response(self.document(made), 201)

        return once(request, effect)


@operation(
    post=Op("signed_in:trade", "Put several symbols on watchlists", query=batch.PARTIAL),
    patch=Op("signed_in:trade", "Change several symbols", query=batch.PARTIAL),
    delete=Op("signed_in:trade", "Take several symbols off", query=batch.PARTIAL),
)
class WatchlistItemBatch(Items):
    """POST, PATCH, DELETE /watchlist-items/batch: all or nothing, unless `partial=true`."""

    @extend_schema(request=NewItem(many=True), responses={201: dict, 207: dict})
    def post(self, request: Any) -> Response:
        """The symbols in the order of the question; one job looks the unknown ones up."""
        added: list[WatchlistItem] = []

        def make(item: dict[str, Any]) -> dict[str, Any]:
            made = self.added(item)
            added.append(made)
            return self.document(made)

        def effect() -> Response:
            answer = batch.create(request, serializer=NewItem, make=make)
            write.look_up(of=added, session_date=sessions.latest(), by=self.actor)
            return answer

        return once(request, effect)

    @extend_schema(request=ChangedItem(many=True), responses={200: dict, 207: dict})
    def patch(self, request: Any) -> Response:
        """The changed symbols."""
        return self.all_changed(request, ChangedItem)

    @extend_schema(request=batch.Keyed(many=True), responses={200: dict, 207: dict})
    def delete(self, request: Any) -> Response:
        """The symbols as they were."""
        return self.all_removed(request)


@operation(
    get=Op("signed_in", "One symbol on a watchlist", versions=TAGGED),
    put=Op("signed_in:trade", "Replace a symbol on a watchlist"),
    patch=Op("signed_in:trade", "Change the symbol, its note or its place"),
    delete=Op("signed_in:trade", "Take a symbol off its watchlist"),
)
class OneWatchlistItem(Items):
    """GET, PUT, PATCH, DELETE /watchlist-items/{item_id}."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, item_id: UUID) -> Response:
        """The symbol, how it stands, and what may have been meant."""
        row = self.row(item_id)
        return versions.tagged(Response(self.document(row)), row)

    @extend_schema(request=WholeItem, responses={200: dict})
    def put(self, request: Any, item_id: UUID) -> Response:
        """The replaced symbol; it stays on its list."""
        return self.changed(request, item_id, WholeItem)

    @extend_schema(request=ItemFields, responses={200: dict})
    def patch(self, request: Any, item_id: UUID) -> Response:
        """The changed symbol."""
        return self.changed(request, item_id, ItemFields)

    @extend_schema(responses={204: None})
    def delete(self, request: Any, item_id: UUID) -> Response:
        """The symbol is off its list."""
        return self.removed(request, item_id)
