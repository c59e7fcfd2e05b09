"""One import over the API: its rows, mended in place; its columns; booked, and taken back."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api import versions
from etftrader.core.api.fields import StrictSerializer
from etftrader.core.api.idempotent import once
from etftrader.core.api.jobs import document as job_document
from etftrader.core.api.registry import CHECKED, TAGGED, Op, operation
from etftrader.core.tables import MAX_CELL
from marketdata.selectors import sessions
from portfolios.api import import_documents
from portfolios.api.imports import PARTIAL, columns_of, queue
from portfolios.api.owned import OwnedView
from portfolios.api.rows import ImportedRow
from portfolios.choices import Duplicates, RowVerdict
from portfolios.constants import Action
from portfolios.models import ImportBatch, ImportRow
from portfolios.selectors import access
from portfolios.selectors import imports as read
from portfolios.services import (
    csv_import,
    import_booking,
    import_edits,
    import_parts,
    import_undo,
)

MAX_FIELDS, MAX_SYMBOLS = 20, 500


class ChangedRow(StrictSerializer):
    """Text instead of what stands in cells, or what becomes of a duplicate."""

    cells = serializers.DictField(
        child=serializers.CharField(max_length=MAX_CELL, allow_blank=True, trim_whitespace=False),
        required=False,
    )
    decision = serializers.ChoiceField(
        choices=[*Duplicates.values, ""], required=False, allow_blank=True
    )
    everywhere = serializers.BooleanField(default=False)

    def validate_cells(self, value: dict[str, str]) -> dict[str, str]:
        """A few fields."""
        if len(value) > MAX_FIELDS:
            raise serializers.ValidationError("A row has fewer fields.")
        return value


class Choice(StrictSerializer):
    """What becomes of the file's duplicates."""

    duplicates = serializers.ChoiceField(choices=Duplicates.choices)


class Columns(StrictSerializer):
    """Which column is which field, and which instrument a ticker means."""

    columns = serializers.JSONField()
    decimal_comma = serializers.BooleanField(required=False, allow_null=True, default=None)
    symbols = serializers.DictField(
        child=serializers.CharField(max_length=64), required=False, default=None, allow_null=True
    )

    def validate_columns(self, value: Any) -> dict[str, int | str]:
        """Field to a column's name or place."""
        return columns_of(value)

    def validate_symbols(self, value: dict[str, str] | None) -> dict[str, str] | None:
        """Not more than a file has."""
        if value and len(value) > MAX_SYMBOLS:
            raise serializers.ValidationError(f"At most {MAX_SYMBOLS} symbols.")
        return value


class Undo(StrictSerializer):
    """Why it is taken back."""

    reason = serializers.CharField(max_length=300)


class OneImportView(OwnedView):
    """What the addresses of one import share."""

    def batch(self, import_id: UUID, action: str = Action.VIEW) -> ImportBatch:
        """The import, if this may be done with it. Raises NotFound, NotAllowed."""
        found = read.find(actor=self.actor, import_id=import_id)
        if action == Action.VIEW:
            self.shown([found])
        else:
            access.portfolio_for(self.actor, found.portfolio_id, action)
        return found

    def told(self, import_id: UUID) -> Response:
        """The import as it stands now, with its entity tag."""
        batch = read.find(actor=self.actor, import_id=import_id)
        return versions.tagged(Response(import_documents.import_batch(batch)), batch)


@operation(
    get=Op("signed_in", "Read an import"),
    patch=Op("signed_in:trade", "Say what becomes of an import's duplicates"),
)
class OneImport(OneImportView):
    """GET, PATCH /api/v1/imports/{import_id}."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, import_id: UUID) -> Response:
        """Counts, result and where to go on."""
        batch = self.batch(import_id)
        if versions.is_unchanged(request, batch):
            return versions.tagged(Response(status=304), batch)
        return versions.tagged(Response(import_documents.import_batch(batch)), batch)

    @extend_schema(request=Choice, responses={200: dict})
    def patch(self, request: Any, import_id: UUID) -> Response:
        """Skip (the default), import or merge; every row is judged anew."""
        batch = self.batch(import_id, Action.TRADE)
        version = versions.check(request, batch)
        asked = self.checked(Choice)
        import_edits.choose(
            batch_id=batch.pk, duplicates=asked["duplicates"], if_match_version=version
        )
        return self.told(import_id)


@operation(
    get=Op("signed_in", "Which column of an import is which field", versions=TAGGED),
    put=Op("signed_in:trade", "Choose an import's columns", versions=CHECKED),
)
class ImportColumns(OneImportView):
    """GET, PUT /api/v1/imports/{import_id}/mapping."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, import_id: UUID) -> Response:
        """The header with sample values, and the fields a file of this kind has."""
        batch = self.batch(import_id)
        told = import_documents.import_mapping(batch, read.samples(batch))
        return versions.tagged(Response(told), batch)

    @extend_schema(request=Columns, responses={200: dict})
    def put(self, request: Any, import_id: UUID) -> Response:
        """Remembered for your next file with this header; every row is judged anew."""
        batch = self.batch(import_id, Action.TRADE)
        version = versions.check(request, batch)
        asked = self.checked(Columns)
        now = import_edits.remap(batch_id=batch.pk, if_match_version=version, **asked)
        told = import_documents.import_mapping(now, read.samples(now))
        return versions.tagged(Response(told), now)


class RowFilters(filters.FilterSet):
    """Filters of the rows."""

    verdict = filters.ChoiceFilter(choices=RowVerdict.choices)

    class Meta:
        model = ImportRow
        fields = ("verdict",)


@operation(get=Op("signed_in", "List an import's rows with their verdicts", lists=True))
class ImportRows(OneImportView):
    """GET /api/v1/imports/{import_id}/rows."""

    serializer_class = ImportedRow
    queryset = ImportRow.objects.none()
    filterset_class = RowFilters

    def get(self, request: Any, import_id: UUID) -> HttpResponse:
        """In the order of the file; `verdict=error` shows the bad ones."""
        batch = self.batch(import_id)
        return self.listing(batch.rows.order_by("ordinal"), ImportedRow)


@operation(
    get=Op("signed_in", "Read one row of an import"),
    patch=Op("signed_in:trade", "Mend one row of an import in place"),
)
class OneImportRow(OneImportView):
    """GET, PATCH /api/v1/imports/{import_id}/rows/{row}."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, import_id: UUID, row: int) -> Response:
        """By the line of the file on which it begins."""
        found = read.row(batch=self.batch(import_id), ordinal=row)
        if versions.is_unchanged(request, found):
            return versions.tagged(Response(status=304), found)
        return versions.tagged(Response(import_documents.import_row(found)), found)

    @extend_schema(request=ChangedRow, responses={200: dict})
    def patch(self, request: Any, import_id: UUID, row: int) -> Response:
        """The row with its new verdict, and the file: every row of it is judged anew."""
        batch = self.batch(import_id, Action.TRADE)
        version = versions.check(request, read.row(batch=batch, ordinal=row))
        asked = self.checked(ChangedRow)
        now = import_edits.fix(batch_id=batch.pk, ordinal=row, if_match_version=version, **asked)
        file = read.find(actor=self.actor, import_id=import_id)
        told = import_documents.import_row(now) | {"file": import_documents.import_batch(file)}
        return versions.tagged(Response(told), now)


@operation(get=Op("signed_in", "The bad rows as a file", limit="export"))
class ImportErrors(OneImportView):
    """GET /api/v1/imports/{import_id}/errors.csv."""

    @extend_schema(responses={(200, "text/csv"): bytes})
    def get(self, request: Any, import_id: UUID) -> HttpResponse:
        """With two more columns: `error_field` and `error_message`."""
        batch = self.batch(import_id)
        data = csv_import.error_file(batch=batch)
        return import_documents.download(data, f"import-{batch.pk}-errors.csv")


@operation(post=Op("signed_in:trade", "Book a checked import", query=PARTIAL, money=True))
class CommitImport(OneImportView):
    """POST /api/v1/imports/{import_id}/commit."""

    @extend_schema(request=StrictSerializer, responses={200: dict, 202: dict})
    def post(self, request: Any, import_id: UUID) -> Response:
        """All rows or none; with `partial=true` the good ones. A long file is booked by a job."""
        batch = self.batch(import_id, Action.TRADE)
        partial = request.query_params.get("partial") == "true"

        def effect() -> Response:
            if import_booking.is_long(batch) and batch.status in ("checked", "booking"):
                return Response(job_document(queue(batch, partial, self.actor)), 202)
            done = import_booking.commit(
                batch_id=batch.pk,
                partial=partial,
                by=self.actor,
                session_date=sessions.moment().session_date,
            )
            return Response(import_documents.import_batch(done))

        return once(request, effect)


@operation(post=Op("signed_in:trade", "Take a booked import back", money=True))
class UndoImport(OneImportView):
    """POST /api/v1/imports/{import_id}/undo."""

    @extend_schema(request=Undo, responses={200: dict, 202: dict})
    def post(self, request: Any, import_id: UUID) -> Response:
        """Within a day: every booking is reversed. 409 names the later booking that rests on it.

        A long file is taken back by a job.
        """
        batch = self.batch(import_id, Action.TRADE)
        asked = self.checked(Undo)

        def effect() -> Response:
            if import_undo.is_long(batch) and batch.status != "undone":
                run = import_parts.request_undo(
                    batch=batch,
                    reason=asked["reason"],
                    as_of=sessions.moment().session_date,
                    by=self.actor,
                )
                return Response(job_document(run), 202)
            done = import_undo.undo(batch_id=batch.pk, reason=asked["reason"], by=self.actor)
            return Response(import_documents.import_batch(done))

        return once(request, effect)
