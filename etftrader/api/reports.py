"""Reports over the API: asked for, followed, downloaded, made again, scheduled; exports taken."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.choices import Cadence, ReportFormat, ReportKind, ReportStatus
from etftrader.core.api.fields import StrictSerializer, moment
from etftrader.core.api.idempotent import once
from etftrader.core.api.registry import Op, operation
from etftrader.core.errors import BadInput, Conflict, NotFound
from etftrader.core.records import AuditEvent
from etftrader.models import ReportRun, ReportSchedule
from etftrader.reports import writers
from etftrader.selectors import reports as read
from etftrader.services import reports
from etftrader.services.reports import Wish
from marketdata.selectors import sessions
from portfolios.api.owned import OF_PORTFOLIO, OwnedView
from portfolios.selectors import access, people

KINDS = {
    ReportKind.TEAR_SHEET: "Performance of a period: figures, charts, months, drawdowns, parts.",
    ReportKind.POSITIONS: "What was held at a close, and what it was worth.",
    ReportKind.TRADES: "Every fill of a period with its costs and what it realised.",
    ReportKind.TAX_YEAR: "What was sold, lot by lot, oldest first: dates, proceeds, cost, gain.",
    ReportKind.INCOME: "Dividends and interest of a period by instrument, and what was taken off.",
    ReportKind.ARCHIVE: "Everything: positions, trades, cash, values by session, the ledger.",
}


class ReportRequest(StrictSerializer):
    """What a report is to be; without an `end` it is of the last close."""

    portfolio = serializers.UUIDField()
    kind = serializers.ChoiceField(ReportKind.choices)
    format = serializers.ChoiceField(ReportFormat.choices)
    start = serializers.DateField(required=False, allow_null=True)
    end = serializers.DateField(required=False, allow_null=True)


class ScheduleRequest(StrictSerializer):
    """A report that is made again and again."""

    portfolio = serializers.UUIDField()
    kind = serializers.ChoiceField(ReportKind.choices)
    format = serializers.ChoiceField(ReportFormat.choices)
    cadence = serializers.ChoiceField(Cadence.choices)


class Nothing(StrictSerializer):
    """A body without fields."""


class ReportDocument(serializers.BaseSerializer):
    """A report on the wire."""

    def to_representation(self, report: ReportRun) -> dict[str, Any]:
        """How far it is, and where its file is."""
        return document(report)


class ScheduleDocument(serializers.BaseSerializer):
    """A schedule on the wire."""

    def to_representation(self, row: ReportSchedule) -> dict[str, Any]:
        """What is made when."""
        return {
            "id": str(row.pk),
            "portfolio": str(row.portfolio_id),
            "kind": row.kind,
            "format": row.file_format,
            "cadence": row.cadence,
            "enabled": row.enabled,
            "made_by": row.made_by.email,
            "last_session": str(row.last_session) if row.last_session else None,
            "created_at": moment(row.created_at),
        }


class ExportDocument(serializers.BaseSerializer):
    """A file of a list that was taken."""

    def to_representation(self, event: AuditEvent) -> dict[str, Any]:
        """Which list, when, how much."""
        return {
            "id": event.pk,
            "list": (event.after or {}).get("path", event.object_id),
            "format": (event.after or {}).get("format"),
            "rows": (event.after or {}).get("rows"),
            "bytes": (event.after or {}).get("bytes"),
            "at": moment(event.recorded_at),
        }


@operation(
    get=Op("signed_in", summary="Reports", lists=True, query=OF_PORTFOLIO),
    post=Op("signed_in", summary="Ask for a report", limit="jobs"),
)
class Reports(OwnedView):
    """GET, POST /reports."""

    serializer_class = ReportRequest
    queryset = ReportRun.objects.none()
    filterset_fields = ("kind", "file_format", "status", "end")
    ordering_fields = ("created_at", "end")
    ordering = ("-created_at",)

    def get(self, request: Any) -> Any:
        """Of the portfolios you may see, newest first."""
        return self.listing(self.of_portfolio(read.visible(self.actor)), ReportDocument)

    @extend_schema(request=ReportRequest, responses={202: dict})
    def post(self, request: Any) -> Response:
        """202 with the report; its file is there when `status` is ready."""
        asked = self.checked(ReportRequest)
        portfolio = access.portfolio_for(self.actor, asked["portfolio"])

        def effect() -> Response:
            end = asked.get("end") or sessions.latest()
            if end > sessions.latest():
                raise BadInput("That close is not known yet.", attr="end")
            report = reports.ask(
                portfolio=portfolio,
                wish=Wish(asked["kind"], asked["format"], end, asked.get("start")),
                user_id=people.me(self.actor).pk,
                by=self.actor,
            )
            return _accepted(report)

        return once(request, effect)


class ReportView(OwnedView):
    """One report, of a portfolio the caller may see."""

    def _found(self, report_id: UUID) -> ReportRun:
        report = read.one(self.actor, report_id)
        self.shown([report])
        return report


@operation(
    get=Op("signed_in", summary="One report"),
    delete=Op("signed_in", summary="Remove a report and its file"),
)
class OneReport(ReportView):
    """GET, DELETE /reports/{report_id}."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, report_id: UUID) -> Response:
        """How far it is."""
        report = self._found(report_id)
        return Response(document(report))

    @extend_schema(responses={204: None})
    def delete(self, request: Any, report_id: UUID) -> Response:
        """Who made it may, and the portfolio's owner."""
        reports.remove(report=self._found(report_id), by=self.actor)
        return Response(status=204)


@operation(get=Op("signed_in", summary="How far a report is"))
class ReportState(ReportView):
    """GET /reports/{report_id}/status."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, report_id: UUID) -> Response:
        """The same document, under the name it is asked for elsewhere."""
        return Response(document(self._found(report_id)))


@operation(get=Op("signed_in", summary="A report's file"))
class ReportDownload(ReportView):
    """GET /reports/{report_id}/download."""

    @extend_schema(responses={(200, "application/octet-stream"): bytes})
    def get(self, request: Any, report_id: UUID) -> Any:
        """The file; 409 while it is being made, 404 when its thirty days are over."""
        return file_response(self._found(report_id))


@operation(post=Op("signed_in", summary="Make a report again", limit="jobs"))
class ReportAgain(ReportView):
    """POST /reports/{report_id}/rerun: with the inputs kept."""

    @extend_schema(request=Nothing, responses={202: dict})
    def post(self, request: Any, report_id: UUID) -> Response:
        """202 with the report."""
        report = self._found(report_id)
        return once(request, lambda: _accepted(reports.again(report=report, by=self.actor)))


@operation(get=Op("signed_in", summary="Kinds of reports there are"))
class ReportTemplates(OwnedView):
    """GET /reports/templates."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """Each kind with what it says and the formats it comes in."""
        found = [
            {
                "kind": str(kind),
                "name": str(kind.label),
                "says": words,
                "formats": ReportFormat.values,
            }
            for kind, words in KINDS.items()
        ]
        return Response({"count": len(found), "results": found})


@operation(
    get=Op("signed_in", summary="Scheduled reports", lists=True, query=OF_PORTFOLIO),
    post=Op("signed_in", summary="Schedule a report"),
)
class ReportSchedules(OwnedView):
    """GET, POST /reports/schedules."""

    serializer_class = ScheduleRequest
    queryset = ReportSchedule.objects.none()
    filterset_fields = ("kind", "cadence")
    ordering_fields = ("created_at",)

    def get(self, request: Any) -> Any:
        """Of the portfolios you may see."""
        return self.listing(self.of_portfolio(read.schedules(self.actor)), ScheduleDocument)

    @extend_schema(request=ScheduleRequest, responses={201: dict})
    def post(self, request: Any) -> Response:
        """201; 409 when there is such a schedule already."""
        asked = self.checked(ScheduleRequest)
        portfolio = access.portfolio_for(self.actor, asked["portfolio"])

        def effect() -> Response:
            row = reports.schedule(
                portfolio=portfolio,
                user=people.me(self.actor),
                kind=asked["kind"],
                file_format=asked["format"],
                cadence=asked["cadence"],
                by=self.actor,
            )
            return Response(ScheduleDocument(row).data, 201)

        return once(request, effect)


@operation(delete=Op("signed_in", summary="End a schedule"))
class OneReportSchedule(OwnedView):
    """DELETE /reports/schedules/{report_schedule_id}: what it made stays."""

    @extend_schema(responses={204: None})
    def delete(self, request: Any, report_schedule_id: UUID) -> Response:
        """Who scheduled it may, and the portfolio's owner."""
        reports.unschedule(schedule_id=report_schedule_id, by=self.actor)
        return Response(status=204)


@operation(get=Op("signed_in", summary="Files of lists you took", lists=True))
class ExportHistory(OwnedView):
    """GET /export/history: your own, newest first."""

    serializer_class = ExportDocument
    queryset = AuditEvent.objects.none()

    def get(self, request: Any) -> Any:
        """Each with its list, format and size."""
        return self.listing(read.taken(self.actor), ExportDocument)


def document(report: ReportRun) -> dict[str, Any]:
    """A report with where its file is, or why there is none."""
    url = f"/api/v1/reports/{report.pk}"
    ready = report.status == ReportStatus.READY
    return {
        "id": str(report.pk),
        "url": url,
        "portfolio": str(report.portfolio_id),
        "kind": report.kind,
        "format": report.file_format,
        "start": str(report.start) if report.start else None,
        "end": str(report.end),
        "status": report.status,
        "reason": report.reason or None,
        "detail": report.detail or None,
        "made_by": report.made_by.email,
        "schedule": str(report.schedule_id) if report.schedule_id else None,
        "job": f"/api/v1/jobs/{report.job}" if report.job else None,
        "size": report.size,
        "checksum": report.checksum or None,
        "download_url": f"{url}/download" if ready else None,
        "created_at": moment(report.created_at),
        "finished_at": moment(report.finished_at) if report.finished_at else None,
        "expires_at": moment(report.expires_at) if report.expires_at else None,
    }


def file_response(report: ReportRun) -> HttpResponse:
    """A report's file. Raises Conflict while it is made, NotFound when there is none."""
    data = read.file_of(report)
    if data is None and report.status == ReportStatus.QUEUED:
        raise Conflict("The report is being made.", code="report_not_ready")
    if data is None:
        raise NotFound("There is no file: make the report again.")
    name = writers.file_name(report.portfolio.name, report.kind, report.end, report.file_format)
    return _file(data, name, report.file_format)


def _file(data: bytes, name: str, file_format: str) -> HttpResponse:
    response = HttpResponse(data, content_type=writers.TYPES[file_format])
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response


def _accepted(report: ReportRun) -> Response:
    body = document(report)
    return Response(body, 202, headers={"Location": body["url"], "Retry-After": "1"})
