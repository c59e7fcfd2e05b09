"""Files over the API: check them, list them, and the one-call upload."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response

from etftrader.core import audit, idempotency
from etftrader.core.actor import Actor
from etftrader.core.api import parameters
from etftrader.core.api.fields import StrictSerializer
from etftrader.core.api.idempotent import REPLAYED
from etftrader.core.api.jobs import document as job_document
from etftrader.core.api.parsers import StrictJSONParser
from etftrader.core.api.registry import Op, operation
from etftrader.core.errors import BadInput
from etftrader.core.idempotency import Answer
from etftrader.core.tables import MAX_COLUMNS
from marketdata.selectors import sessions
from portfolios.api import import_documents
from portfolios.api.owned import OwnedView
from portfolios.api.rows import ImportBatchRow
from portfolios.choices import RowVerdict
from portfolios.constants import Action
from portfolios.models import ImportBatch, Portfolio
from portfolios.selectors import access, people
from portfolios.selectors import imports as read
from portfolios.services import csv_import, import_booking, import_parts

PARTIAL = {
    "partial": parameters.flag("true books the good rows; without it one bad row refuses the file.")
}
MAX_PASTED = 900_000  # characters; longer files come as files


class FileBody(StrictSerializer):
    """A file, or its text; `portfolio` where the address does not name it."""

    file = serializers.FileField(required=False, allow_empty_file=True)
    content = serializers.CharField(
        required=False, max_length=MAX_PASTED, trim_whitespace=False, allow_blank=True
    )
    file_name = serializers.CharField(required=False, max_length=200, default="pasted.csv")
    portfolio = serializers.UUIDField(required=False)
    kind = serializers.CharField(default="positions", max_length=12)
    columns = serializers.JSONField(required=False)
    encoding = serializers.CharField(default="utf-8", max_length=12)
    delimiter = serializers.CharField(
        default="", max_length=1, allow_blank=True, trim_whitespace=False
    )

    def validate_columns(self, value: Any) -> dict[str, int | str]:
        """Field to a column's name or place."""
        return columns_of(value)


def columns_of(value: Any) -> dict[str, int | str]:
    """A mapping of field to column as it came. Raises ValidationError."""
    good = isinstance(value, dict) and len(value) <= MAX_COLUMNS
    if not good or not all(isinstance(each, int | str) for each in value.values()):
        raise serializers.ValidationError(
            "Send an object: field to the column's name, or its place from 0."
        )
    return value


class FileView(OwnedView):
    """What the addresses that take a file share."""

    parser_classes = (MultiPartParser, StrictJSONParser)

    def given(self) -> tuple[dict[str, Any], bytes]:
        """The body and the bytes of the file. Raises BadInput without one."""
        asked = self.checked(FileBody)
        file = asked.get("file")
        if file is not None:
            if not file.name.lower().endswith(".csv"):
                raise BadInput("Only .csv files are read.", attr="file", code="not_csv")
            asked["file_name"] = file.name
            return asked, file.read()
        if "content" not in asked:
            raise BadInput("A file is missing.", attr="file", code="required")
        return asked, asked["content"].encode()

    def read(self, asked: dict[str, Any], data: bytes) -> csv_import.ReadFile:
        """Read the file. Raises BadInput for one that is no table."""
        return csv_import.read(
            data=data,
            user=people.me(self.actor),
            kind=asked["kind"],
            encoding=asked["encoding"],
            delimiter=asked["delimiter"],
            columns=asked.get("columns"),
        )

    def check(
        self, portfolio: Portfolio, asked: dict[str, Any], file: csv_import.ReadFile
    ) -> ImportBatch:
        """Check the file for a portfolio."""
        moment = sessions.moment()
        return csv_import.check(
            portfolio_id=portfolio.pk,
            user=people.me(self.actor),
            file_name=asked["file_name"],
            file=file,
            session_date=moment.session_date,
            running=csv_import.running(moment),
        )

    def once(
        self,
        request: Any,
        asked: dict[str, Any],
        data: bytes,
        effect: Callable[[csv_import.ReadFile], Answer],
    ) -> Response:
        """One effect per key; the file's content is part of what the key stands for.

        The file is read while no lock is held, and not at all for a repeat.
        """
        files: list[csv_import.ReadFile] = []
        body = {
            name: str(value) for name, value in asked.items() if name not in ("file", "content")
        } | {"content": audit.digest(data.hex())}
        assert self.actor.user_id is not None
        answer = idempotency.once(
            user_id=self.actor.user_id,
            operation=f"POST {request.resolver_match.route.rstrip('/')}"[:120],
            key=request.META.get("HTTP_IDEMPOTENCY_KEY"),
            print_of=idempotency.fingerprint(request.get_full_path(), body),
            before=lambda: files.append(self.read(asked, data)),
            effect=lambda: effect(files[0]),
            money=False,
        )
        response = Response(answer.body, answer.status)
        if answer.status == 201:
            response["Location"] = answer.body["url"]
        if answer.replayed:
            response[REPLAYED] = "true"
        return response


def checked_import(view: FileView, request: Any, portfolio: Portfolio) -> Response:
    """201 with the checked import; nothing is booked."""
    asked, data = view.given()

    def effect(file: csv_import.ReadFile) -> Answer:
        batch = view.check(portfolio, asked, file)
        return Answer(201, import_documents.import_batch(batch))

    return view.once(request, asked, data, effect)


def uploaded(view: FileView, request: Any, portfolio: Portfolio) -> Response:
    """Check, and commit a file without errors; with `partial=true` the good rows of any file."""
    asked, data = view.given()
    partial = request.query_params.get("partial") == "true"

    def effect(file: csv_import.ReadFile) -> Answer:
        batch = view.check(portfolio, asked, file)
        bad = batch.counts[RowVerdict.ERROR]
        job = None
        if import_booking.is_long(batch) and (partial or not bad):
            job = job_document(queue(batch, partial, view.actor))
        elif partial or not bad:
            batch = import_booking.commit(
                batch_id=batch.pk,
                partial=partial,
                by=view.actor,
                session_date=sessions.moment().session_date,
            )
        errors = batch.rows.filter(verdict=RowVerdict.ERROR).order_by("ordinal")[:100]
        document = import_documents.import_batch(batch) | {
            "import_id": str(batch.pk),
            "errors": [import_documents.import_row(row) for row in errors],
            "job": job,
        }
        return Answer(202 if job else (201 if batch.status == "committed" else 200), document)

    return view.once(request, asked, data, effect)


def queue(batch: ImportBatch, partial: bool, by: Actor) -> Any:
    """Request the job that commits a long file."""
    as_of = sessions.moment().session_date
    return import_parts.request_booking(batch=batch, partial=partial, as_of=as_of, by=by)


@operation(
    get=Op("signed_in", "List imports", lists=True),
    post=Op("portfolio:trade", "Check a file; nothing is booked"),
)
class Imports(FileView):
    """GET, POST /api/v1/imports."""

    serializer_class = ImportBatchRow
    queryset = ImportBatch.objects.none()
    filterset_fields = ("status", "kind")

    def get(self, request: Any) -> HttpResponse:
        """Newest first."""
        return self.listing(read.batches(actor=self.actor), ImportBatchRow)

    @extend_schema(request=FileBody, responses={201: dict})
    def post(self, request: Any) -> Response:
        """The checked import of the named portfolio, the default one when none is named."""
        asked = self.checked(FileBody).get("portfolio")
        known = asked or access.default_portfolio(self.actor).pk
        return checked_import(self, request, access.portfolio_for(self.actor, known, Action.TRADE))


@operation(
    get=Op("portfolio:view", "List a portfolio's imports", lists=True),
    post=Op("portfolio:trade", "Check a file for a portfolio; nothing is booked"),
)
class PortfolioImports(FileView):
    """GET, POST /api/v1/portfolios/{portfolio_id}/imports."""

    serializer_class = ImportBatchRow
    queryset = ImportBatch.objects.none()
    filterset_fields = ("status", "kind")

    def get(self, request: Any, portfolio_id: UUID) -> HttpResponse:
        """Newest first."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        self.noted = True  # the door wrote the line
        rows = read.batches(actor=self.actor, portfolio_id=portfolio.pk)
        return self.listing(rows, ImportBatchRow)

    @extend_schema(request=FileBody, responses={201: dict})
    def post(self, request: Any, portfolio_id: UUID) -> Response:
        """The checked import."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.TRADE)
        return checked_import(self, request, portfolio)


@operation(post=Op("portfolio:trade", "Check a file and book it when clean", query=PARTIAL))
class Upload(FileView):
    """POST /api/v1/portfolios/{portfolio_id}/upload."""

    @extend_schema(request=FileBody, responses={200: dict, 201: dict, 202: dict})
    def post(self, request: Any, portfolio_id: UUID) -> Response:
        """201 booked; 200 only checked, because rows are bad; 202 a job books a long file."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.TRADE)
        return uploaded(self, request, portfolio)


@operation(post=Op("portfolio:trade", "Upload to your default portfolio", query=PARTIAL))
class DefaultUpload(FileView):
    """POST /api/v1/portfolio/upload."""

    @extend_schema(request=FileBody, responses={200: dict, 201: dict, 202: dict})
    def post(self, request: Any) -> Response:
        """Like the upload of a named portfolio."""
        known = access.default_portfolio(self.actor).pk
        return uploaded(self, request, access.portfolio_for(self.actor, known, Action.TRADE))
