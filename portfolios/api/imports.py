"""Files over the API: check, read the verdicts, commit; and the one-call upload."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response

from etftrader.core import audit, idempotency, jobs
from etftrader.core.api import parameters
from etftrader.core.api.fields import StrictSerializer
from etftrader.core.api.idempotent import REPLAYED, once
from etftrader.core.api.jobs import document as job_document
from etftrader.core.api.parsers import StrictJSONParser
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput
from etftrader.core.idempotency import Answer
from marketdata.selectors import sessions
from portfolios.api import documents
from portfolios.api.owned import OwnedView
from portfolios.api.rows import ImportBatchRow, ImportedRow
from portfolios.choices import RowVerdict
from portfolios.constants import Action
from portfolios.models import ImportBatch, ImportRow, Portfolio
from portfolios.selectors import access, people
from portfolios.selectors import imports as read
from portfolios.services import csv_import

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
    encoding = serializers.CharField(default="utf-8", max_length=12)
    delimiter = serializers.CharField(
        default="", max_length=1, allow_blank=True, trim_whitespace=False
    )


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
        )

    def check(
        self, portfolio: Portfolio, asked: dict[str, Any], file: csv_import.ReadFile
    ) -> ImportBatch:
        """Check the file for a portfolio."""
        return csv_import.check(
            portfolio_id=portfolio.pk,
            user=people.me(self.actor),
            file_name=asked["file_name"],
            file=file,
            session_date=sessions.moment().session_date,
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
        return Answer(201, documents.import_batch(batch))

    return view.once(request, asked, data, effect)


def uploaded(view: FileView, request: Any, portfolio: Portfolio) -> Response:
    """Check, and commit a file without errors; with `partial=true` the good rows of any file."""
    asked, data = view.given()
    partial = request.query_params.get("partial") == "true"

    def effect(file: csv_import.ReadFile) -> Answer:
        batch = view.check(portfolio, asked, file)
        bad = batch.counts[RowVerdict.ERROR]
        job = None
        if csv_import.is_long(batch) and (partial or not bad):
            job = job_document(queue(batch, partial, view))
        elif partial or not bad:
            batch = csv_import.commit(
                batch_id=batch.pk,
                partial=partial,
                by=view.actor,
                session_date=sessions.moment().session_date,
            )
        errors = batch.rows.filter(verdict=RowVerdict.ERROR).order_by("ordinal")[:100]
        document = documents.import_batch(batch) | {
            "import_id": str(batch.pk),
            "errors": [documents.import_row(row) for row in errors],
            "job": job,
        }
        return Answer(202 if job else (201 if batch.status == "committed" else 200), document)

    return view.once(request, asked, data, effect)


def queue(batch: ImportBatch, partial: bool, view: ApiView) -> Any:
    """Request the job that commits a long file."""
    return jobs.request(
        "portfolios.commit_import",
        as_of=sessions.moment().session_date,
        inputs={"batch_id": str(batch.pk), "partial": partial},
        requested_by=view.actor.user_id,
        request_id=view.actor.request_id,
    )


@operation(
    get=Op("signed_in", "List imports", lists=True),
    post=Op("portfolio:trade", "Check a file; nothing is booked"),
)
class Imports(FileView):
    """GET, POST /api/v1/imports."""

    serializer_class = ImportBatchRow
    queryset = ImportBatch.objects.none()

    def get(self, request: Any) -> Response:
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

    def get(self, request: Any, portfolio_id: UUID) -> Response:
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


@operation(get=Op("signed_in", "Read an import"))
class OneImport(OwnedView):
    """GET /api/v1/imports/{import_id}."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, import_id: UUID) -> Response:
        """Counts, result and where to go on."""
        batch = read.find(actor=self.actor, import_id=import_id)
        self.shown([batch])
        return Response(documents.import_batch(batch))


@operation(get=Op("signed_in", "List an import's rows with their verdicts", lists=True))
class ImportRows(OwnedView):
    """GET /api/v1/imports/{import_id}/rows."""

    serializer_class = ImportedRow
    queryset = ImportRow.objects.none()
    filterset_fields = ("verdict",)

    def get(self, request: Any, import_id: UUID) -> Response:
        """In the order of the file; `verdict=error` shows the bad ones."""
        batch = read.find(actor=self.actor, import_id=import_id)
        self.shown([batch])
        return self.listing(batch.rows.order_by("ordinal"), ImportedRow)


@operation(get=Op("signed_in", "The bad rows as a file", limit="export"))
class ImportErrors(OwnedView):
    """GET /api/v1/imports/{import_id}/errors.csv."""

    @extend_schema(responses={(200, "text/csv"): bytes})
    def get(self, request: Any, import_id: UUID) -> HttpResponse:
        """With two more columns: `error_field` and `error_message`."""
        batch = read.find(actor=self.actor, import_id=import_id)
        self.shown([batch])
        return error_download(batch)


def error_download(batch: ImportBatch) -> HttpResponse:
    """The error rows under a name of ours."""
    data = csv_import.error_file(batch=batch)
    response = HttpResponse(data, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="import-{batch.pk}-errors.csv"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


@operation(post=Op("signed_in:trade", "Book a checked import", query=PARTIAL, money=True))
class CommitImport(ApiView):
    """POST /api/v1/imports/{import_id}/commit."""

    @extend_schema(request=StrictSerializer, responses={200: dict, 202: dict})
    def post(self, request: Any, import_id: UUID) -> Response:
        """All rows or none; with `partial=true` the good ones. A long file is booked by a job."""
        batch = read.find(actor=self.actor, import_id=import_id)
        access.portfolio_for(self.actor, batch.portfolio_id, Action.TRADE)
        partial = request.query_params.get("partial") == "true"

        def effect() -> Response:
            if csv_import.is_long(batch) and batch.status == "checked":
                return Response(job_document(queue(batch, partial, self)), 202)
            done = csv_import.commit(
                batch_id=batch.pk,
                partial=partial,
                by=self.actor,
                session_date=sessions.moment().session_date,
            )
            return Response(documents.import_batch(done))

        return once(request, effect)


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
