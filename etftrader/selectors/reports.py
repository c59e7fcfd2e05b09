"""Reports and their timetable as doors list them."""

from uuid import UUID

from django.db.models import QuerySet

from etftrader.choices import ReportStatus
from etftrader.core.actor import Actor
from etftrader.core.errors import NotFound
from etftrader.core.records import AuditEvent
from etftrader.models import ReportFile, ReportRun, ReportSchedule

EXPORTS = "export."


def visible(actor: Actor) -> QuerySet[ReportRun]:
    """Reports of the portfolios an actor may see, newest first."""
    rows = ReportRun.objects.for_actor(actor).select_related("portfolio", "made_by")
    return rows.order_by("-created_at", "-pk")


def one(actor: Actor, report_id: UUID) -> ReportRun:
    """One of them. Raises NotFound."""
    found = visible(actor).filter(pk=report_id).first()
    if found is None:
        raise NotFound("There is no such report.")
    return found


def file_of(report: ReportRun) -> bytes | None:
    """What was written; None while there is none, or no longer."""
    if report.status != ReportStatus.READY:
        return None
    found = ReportFile.objects.filter(report=report).values_list("data", flat=True).first()
    return bytes(found) if found is not None else None


def schedules(actor: Actor) -> QuerySet[ReportSchedule]:
    """What is made again and again, of the portfolios an actor may see."""
    rows = ReportSchedule.objects.for_actor(actor).select_related("portfolio", "made_by")
    return rows.order_by("portfolio__name", "kind", "cadence", "pk")


def taken(actor: Actor) -> QuerySet[AuditEvent]:
    """Files of lists the actor took, newest first."""
    rows = AuditEvent.objects.filter(action__startswith=EXPORTS, actor_id=actor.user_id)
    return rows.order_by("-recorded_at", "-pk")
