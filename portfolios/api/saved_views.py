"""Saved views of the positions page: one's own."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api import versions
from etftrader.core.api.fields import StrictSerializer
from etftrader.core.api.idempotent import once
from etftrader.core.api.registry import Op, operation
from portfolios.api import tag_documents
from portfolios.api.tag_documents import ViewRow
from portfolios.api.watchlist_acts import Rows
from portfolios.models import SavedView
from portfolios.selectors import people
from portfolios.selectors import saved_views as read
from portfolios.services import saved_views as write


class ViewFields(StrictSerializer):
    """What may change of a view."""

    name = serializers.CharField(max_length=write.MAX_NAME, required=False)
    query = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)
    is_default = serializers.BooleanField(required=False)


class NewView(ViewFields):
    """A new view."""

    name = serializers.CharField(max_length=write.MAX_NAME)
    query = serializers.DictField(child=serializers.CharField(allow_blank=True))


class Views(Rows):
    """Rows that are views."""

    def row(self, key: UUID | str) -> SavedView:
        """One's own view."""
        return read.one(actor=self.actor, view_id=key)

    def document(self, row: SavedView) -> dict[str, Any]:
        """One view on the wire."""
        return tag_documents.saved_view(row)

    def change(self, row: SavedView, fields: dict[str, Any], version: int | None) -> SavedView:
        """The changed view."""
        return write.update(view_id=row.pk, changes=fields, if_match_version=version, by=self.actor)

    def remove(self, row: SavedView, version: int | None) -> None:
        """Forget the view."""
        write.delete(view_id=row.pk, if_match_version=version, by=self.actor)


@operation(
    get=Op("signed_in", "Your saved views of positions", lists=True),
    post=Op("signed_in:trade", "Save a view of positions"),
)
class SavedViews(Views):
    """GET, POST /saved-views."""

    serializer_class = ViewRow
    queryset = SavedView.objects.none()
    ordering_fields = ("name", "created_at", "updated_at")

    def get(self, request: Any) -> Response | HttpResponse:
        """By name."""
        return self.listing(read.of_actor(actor=self.actor), ViewRow)

    @extend_schema(request=NewView, responses={201: dict})
    def post(self, request: Any) -> Response:
        """The view; a new default takes the place of the one before."""
        asked = self.checked(NewView)

        def effect() -> Response:
            made = write.create(user=people.me(self.actor), by=self.actor, **asked)
            return Response(self.document(made), 201)

        return once(request, effect)


@operation(
    get=Op("signed_in", "One saved view"),
    patch=Op("signed_in:trade", "Change a saved view"),
    delete=Op("signed_in:trade", "Delete a saved view"),
)
class OneSavedView(Views):
    """GET, PATCH, DELETE /saved-views/{view_id}."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, view_id: UUID) -> Response:
        """The view with its entity tag."""
        row = self.row(view_id)
        if versions.is_unchanged(request, row):
            return versions.tagged(Response(status=304), row)
        return versions.tagged(Response(self.document(row)), row)

    @extend_schema(request=ViewFields, responses={200: dict})
    def patch(self, request: Any, view_id: UUID) -> Response:
        """The changed view."""
        return self.changed(request, view_id, ViewFields)

    @extend_schema(responses={204: None})
    def delete(self, request: Any, view_id: UUID) -> Response:
        """The view is gone."""
        return self.removed(request, view_id)
