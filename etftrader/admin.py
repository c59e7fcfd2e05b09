"""The house in the admin: runs of jobs, announcements, kept answers, the audit, reports."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from etftrader.core.actor import Actor
from etftrader.core.admin import ReadOnlyAdmin
from etftrader.core.api.registry import OPERATORS
from etftrader.core.errors import DomainError
from etftrader.core.records import AuditEvent, IdempotencyKey, JobRun, OutboxEvent
from etftrader.models import ReportFile, ReportRun, ReportSchedule
from etftrader.services import acts


@admin.action(description="Run again")
def run_again(modeladmin: Any, request: HttpRequest, queryset: QuerySet[JobRun]) -> None:
    """Request the chosen runs anew; what cannot be repeated now is told by name."""
    by = Actor.of(request)
    count = 0
    for run in queryset:
        try:
            acts.retry(run=run, by=by)
            count += 1
        except DomainError as error:
            messages.error(request, f"{run.job} of {run.as_of}: {error.detail}")
    if count:
        messages.success(request, f"{count} requested.")


@admin.register(JobRun)
class JobRunAdmin(ReadOnlyAdmin):
    """Runs of jobs: what was asked, how far it came, why it failed."""

    list_display = ("job", "as_of", "scope", "status", "done", "total", "created_at", "finished_at")
    list_filter = ("status", "step", "job")
    search_fields = ("job", "scope", "request_id")
    date_hierarchy = "as_of"
    ordering = ("-created_at", "-pk")
    actions = (run_again,)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Running again is for operators; other staff read."""
        found = super().get_actions(request)
        actor = Actor.of(request)
        if not (actor.is_staff and (actor.is_superuser or actor.groups & OPERATORS)):
            found.pop("run_again", None)
        return found


@admin.register(OutboxEvent)
class OutboxEventAdmin(ReadOnlyAdmin):
    """Announcements, delivered or waiting."""

    list_display = ("id", "name", "created_at", "delivered_at", "attempts")
    list_filter = ("name",)
    ordering = ("-id",)


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnlyAdmin):
    """Kept answers; the body of an answer is its user's and is not shown."""

    list_display = ("operation", "key", "user_id", "money", "status", "created_at")
    list_filter = ("money", "operation")
    search_fields = ("key",)
    exclude = ("body",)
    ordering = ("-id",)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """Who did what, line by line of the chain."""

    list_display = ("recorded_at", "actor_label", "action", "object_type", "object_id", "chain")
    list_filter = ("action", "object_type")
    search_fields = ("actor_label", "object_id", "request_id")
    date_hierarchy = "recorded_at"
    ordering = ("-id",)


@admin.register(ReportRun)
class ReportRunAdmin(ReadOnlyAdmin):
    """Reports people asked for: how far, how large, when they go."""

    list_display = ("kind", "file_format", "portfolio", "end", "status", "size", "created_at")
    list_filter = ("status", "kind", "file_format")
    search_fields = ("portfolio__name", "made_by__email")
    ordering = ("-created_at", "-pk")


@admin.register(ReportSchedule)
class ReportScheduleAdmin(ReadOnlyAdmin):
    """Reports that are made again and again."""

    list_display = ("kind", "file_format", "cadence", "portfolio", "made_by", "last_session")
    list_filter = ("cadence", "kind", "enabled")
    ordering = ("portfolio", "kind", "pk")


@admin.register(ReportFile)
class ReportFileAdmin(ReadOnlyAdmin):
    """Which reports have a file; what stands in it is for those who may see the portfolio."""

    list_display = ("report",)
    exclude = ("data",)
