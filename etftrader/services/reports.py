"""Reports: asked for, built by a job, kept with a checksum for thirty days, made again, removed."""

import hashlib
import logging
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.urls import reverse

from etftrader.choices import Cadence, ReportFormat, ReportKind, ReportStatus
from etftrader.core import audit, clock, jobs, push
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, DomainError, NotAllowed, NotFound
from etftrader.models import ReportFile, ReportRun, ReportSchedule
from etftrader.reports import writers
from etftrader.selectors import report_documents
from marketdata.selectors import calendar
from portfolios.models import Portfolio, User
from portfolios.services import locking

logger = logging.getLogger(__name__)

JOB = "etftrader.build_report"
KEPT = timedelta(days=30)
A_DAY = 100  # reports a person asks for
MAX_BYTES = 20_000_000
TOO_LONG = 300


class TooManyReports(DomainError):
    """A person asks for so many reports a day."""

    code, status = "too_many_reports", 429


@dataclass(frozen=True, slots=True)
class Wish:
    """What a report is to be."""

    kind: str
    file_format: str
    end: date  # a session that has closed
    start: date | None = None  # None: since the book was opened


@transaction.atomic
def ask(
    *, portfolio: Portfolio, wish: Wish, user_id: UUID, by: Actor, schedule_id: UUID | None = None
) -> ReportRun:
    """Keep a wish and ask the workers for it.

    Raises BadInput for a period that is none, TooManyReports, Conflict for a session a schedule
    has a report of.
    """
    _check(portfolio, wish)
    if schedule_id is None:
        _count(user_id)
    try:
        with transaction.atomic():
            report = ReportRun.objects.create(
                portfolio=portfolio,
                made_by_id=user_id,
                schedule_id=schedule_id,
                kind=wish.kind,
                file_format=wish.file_format,
                start=wish.start,
                end=wish.end,
            )
    except IntegrityError as error:
        raise Conflict("This schedule has its report of that session.") from error
    _request(report, by)
    audit.record(
        by=by,
        action="report.ask",
        object_type="report",
        object_id=report.pk,
        chain=portfolio.pk,
        after={"kind": wish.kind, "format": wish.file_format, "end": wish.end.isoformat()},
    )
    return report


@transaction.atomic
def again(*, report: ReportRun, by: Actor) -> ReportRun:
    """Make a report anew with the inputs kept; one that is under way goes on."""
    locking.lock_portfolios(report.portfolio_id)
    report.refresh_from_db()
    if report.status != ReportStatus.QUEUED:
        report.status, report.reason, report.detail = ReportStatus.QUEUED, "", ""
        report.version += 1
        report.save(update_fields=["status", "reason", "detail", "version", "updated_at"])
        _request(report, by)
        _note(report, by, "report.again")
    return report


@transaction.atomic
def remove(*, report: ReportRun, by: Actor) -> None:
    """Remove a report and its file; who made it may, and the portfolio's owner.

    Raises NotAllowed.
    """
    locking.lock_portfolios(report.portfolio_id)
    owns = Portfolio.objects.for_actor(by, "manage").filter(pk=report.portfolio_id).exists()
    if report.made_by_id != by.user_id and not owns:
        raise NotAllowed("Who made a report removes it, or the portfolio's owner.")
    _note(report, by, "report.remove")
    report.delete()


def build(*, report_id: UUID) -> dict[str, object]:
    """Make the document of a report, write it down, keep the file: all of it or nothing.

    A report that was removed meanwhile is left alone. What cannot be told is kept as the report's
    reason; everything else is raised and fails the run.
    """
    report = ReportRun.objects.select_related("portfolio").filter(pk=report_id).first()
    if report is None:
        return {"counts": {"removed": 1}}
    try:
        document = report_documents.document_of(
            portfolio=report.portfolio, kind=report.kind, start=report.start, end=report.end
        )
        data = writers.write(document, report.file_format)
        if len(data) > MAX_BYTES:
            raise BadInput("The file would be larger than 20 MB: choose a shorter period.")
    except DomainError as error:
        _close(report, ReportStatus.FAILED, reason=error.code, detail=error.detail[:TOO_LONG])
        return {"counts": {"failed": 1}, "warnings": [{"code": error.code, "detail": error.detail}]}
    except Exception:
        told = "Something went wrong while it was made. Make it again; staff see the job."
        _close(report, ReportStatus.FAILED, reason="error", detail=told)
        raise
    _close(report, ReportStatus.READY, data=data)
    return {"counts": {"bytes": len(data)}}


def due(*, session_date: date) -> list[UUID]:
    """Ask for what is to be made after a close; twice is once. Gives the ids asked for."""
    asked = []
    rows = ReportSchedule.objects.filter(enabled=True).select_related("portfolio", "made_by")
    for row in rows.order_by("pk"):
        start = _began(row.cadence, session_date)
        if start is None or (row.last_session and row.last_session >= session_date):
            continue
        by = Actor.of_user(row.made_by)
        if not Portfolio.objects.for_actor(by).filter(pk=row.portfolio_id).exists():
            continue  # no longer theirs to see
        wish = Wish(row.kind, row.file_format, session_date, start)
        try:
            with transaction.atomic():
                report = ask(
                    portfolio=row.portfolio,
                    wish=wish,
                    user_id=row.made_by_id,
                    by=by,
                    schedule_id=row.pk,
                )
                ReportSchedule.objects.filter(pk=row.pk).update(last_session=session_date)
        except (BadInput, Conflict) as error:
            logger.info("report not due", extra={"schedule": str(row.pk), "why": error.detail})
            continue
        asked.append(report.pk)
    return asked


@transaction.atomic
def schedule(
    *, portfolio: Portfolio, user: User, kind: str, file_format: str, cadence: str, by: Actor
) -> ReportSchedule:
    """Have a report made after the last close of each week, month or quarter. Raises Conflict."""
    _known(kind, file_format)
    if cadence not in Cadence.values:
        raise BadInput("Weekly, monthly or quarterly.", attr="cadence")
    try:
        with transaction.atomic():
            row = ReportSchedule.objects.create(
                portfolio=portfolio,
                made_by=user,
                kind=kind,
                file_format=file_format,
                cadence=cadence,
            )
    except IntegrityError as error:
        raise Conflict("This report is scheduled already.", code="already_scheduled") from error
    audit.record(
        by=by,
        action="report.schedule",
        object_type="report_schedule",
        object_id=row.pk,
        chain=portfolio.pk,
        after={"kind": kind, "format": file_format, "cadence": cadence},
    )
    return row


@transaction.atomic
def unschedule(*, schedule_id: UUID, by: Actor) -> None:
    """Make it no more; the reports it made stay. Raises NotFound and NotAllowed."""
    row = ReportSchedule.objects.for_actor(by).filter(pk=schedule_id).first()
    if row is None:
        raise NotFound("There is no such schedule.")
    owns = Portfolio.objects.for_actor(by, "manage").filter(pk=row.portfolio_id).exists()
    if row.made_by_id != by.user_id and not owns:
        raise NotAllowed("Who scheduled a report ends it, or the portfolio's owner.")
    audit.record(
        by=by,
        action="report.unschedule",
        object_type="report_schedule",
        object_id=row.pk,
        chain=row.portfolio_id,
        before={"kind": row.kind, "format": row.file_format, "cadence": row.cadence},
    )
    row.delete()


def expire() -> int:
    """Remove files whose time has passed; their reports stay and can be made again."""
    over = ReportRun.objects.filter(status=ReportStatus.READY, expires_at__lt=clock.now())
    ids = list(over.values_list("pk", flat=True)[:1000])
    with transaction.atomic():
        ReportFile.objects.filter(report_id__in=ids).delete()
        return ReportRun.objects.filter(pk__in=ids, status=ReportStatus.READY).update(
            status=ReportStatus.EXPIRED
        )


def _check(portfolio: Portfolio, wish: Wish) -> None:
    _known(wish.kind, wish.file_format)
    if wish.start is not None and wish.start > wish.end:
        raise BadInput("The period ends before it begins.", attr="start")
    if portfolio.opened_on is not None and wish.end < portfolio.opened_on:
        raise BadInput(f"The book was opened on {portfolio.opened_on}.", attr="end")
    if not calendar.is_session(wish.end):
        raise BadInput("The exchange was closed on that day.", attr="end")


def _known(kind: str, file_format: str) -> None:
    if kind not in ReportKind.values:
        raise BadInput(f"A report is one of {', '.join(ReportKind.values)}.", attr="kind")
    if file_format not in ReportFormat.values:
        raise BadInput(f"A format is one of {', '.join(ReportFormat.values)}.", attr="format")


def _count(user_id: UUID) -> None:
    since = clock.now() - timedelta(days=1)
    if ReportRun.objects.filter(made_by_id=user_id, created_at__gte=since).count() >= A_DAY:
        raise TooManyReports(f"{A_DAY} reports a day are made for a person.", retry_after=3600)


def _request(report: ReportRun, by: Actor) -> None:
    run = jobs.request(
        JOB,
        as_of=report.end,
        scope=f"report:{report.pk}:{report.version}",
        inputs={"report_id": str(report.pk)},
        requested_by=by.user_id,
    )
    ReportRun.objects.filter(pk=report.pk).update(job=run.pk)
    report.job = run.pk


@transaction.atomic
def _close(
    report: ReportRun, status: str, *, data: bytes = b"", reason: str = "", detail: str = ""
) -> None:
    locking.lock_portfolios(report.portfolio_id)
    now = clock.now()
    done = ReportRun.objects.filter(pk=report.pk).update(
        status=status,
        reason=reason,
        detail=detail,
        size=len(data) or None,
        checksum=hashlib.sha256(data).hexdigest() if data else "",
        finished_at=now,
        expires_at=now + KEPT if data else None,
        updated_at=now,
    )
    if done and data:
        ReportFile.objects.update_or_create(report_id=report.pk, defaults={"data": data})
    if done:
        told = {"id": str(report.pk), "status": status, "url": reverse("reports")}
        push.publish(f"user.{report.made_by_id}.notices", "report.ready", told)


def _began(cadence: str, session_date: date) -> date | None:
    """The first day of the stretch that ends with a session; None where it goes on."""
    following = calendar.next(session_date)
    if cadence == Cadence.WEEKLY:
        start = session_date - timedelta(days=session_date.weekday())
        return start if following - timedelta(days=following.weekday()) != start else None
    months = 3 if cadence == Cadence.QUARTERLY else 1

    def first(day: date) -> date:
        return date(day.year, (day.month - 1) // months * months + 1, 1)

    start = first(session_date)
    return start if first(following) != start else None


def _note(report: ReportRun, by: Actor, action: str) -> None:
    audit.record(
        by=by,
        action=action,
        object_type="report",
        object_id=report.pk,
        chain=report.portfolio_id,
        before={"kind": report.kind, "format": report.file_format, "status": report.status},
    )
