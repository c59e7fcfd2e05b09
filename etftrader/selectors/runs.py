"""Runs of jobs as people follow them: what is open, how long it may take, what came of it."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet, Subquery

from etftrader.core import clock
from etftrader.core.actor import Actor
from etftrader.core.records import OPEN, AuditEvent, JobRun
from etftrader.services.updates import CHAINS as CHAIN
from etftrader.services.updates import JOB as SYNC
from portfolios.models import Portfolio, User

ADVANCE, DAY, GREEKS = "etftrader.advance", "etftrader.run_day", "marketdata.compute_greeks"
CHAINS = (ADVANCE, DAY)  # runs whose work is other runs
SAMPLE = 5  # finished runs that an estimate is made of
MOST_OPEN = 40
RUNNING, QUEUED = JobRun.Status.RUNNING, JobRun.Status.QUEUED


def open_runs(*, actor: Actor) -> list[JobRun]:
    """What runs and what waits, running first, the oldest first."""
    rows = JobRun.objects.for_actor(actor).filter(status__in=OPEN)
    found = list(rows.order_by("created_at", "pk")[:MOST_OPEN])
    return sorted(found, key=lambda run: run.status != RUNNING)


def finished(
    *, actor: Actor, status: str = "", job: str = "", on: date | None = None
) -> QuerySet[JobRun]:
    """What has ended, newest first, narrowed by status, job and session."""
    rows = JobRun.objects.for_actor(actor).exclude(status__in=OPEN)
    if status:
        rows = rows.filter(status=status)
    if job:
        rows = rows.filter(job=job)
    if on is not None:
        rows = rows.filter(as_of=on)
    return rows.order_by("-created_at", "-pk")


def kinds(*, actor: Actor) -> list[str]:
    """The jobs that ever ran, by name."""
    rows = JobRun.objects.for_actor(actor).order_by("job")
    return list(rows.values_list("job", flat=True).distinct())


def last_update(*, actor: Actor) -> JobRun | None:
    """The newest run that was asked for to bring data in."""
    asked = Q(job=ADVANCE) | Q(job=SYNC, step="")
    return JobRun.objects.for_actor(actor).filter(asked).order_by("-created_at", "-pk").first()


def last_chain(*, symbol: str) -> JobRun | None:
    """The newest run that was asked for to fetch a chain: whoever did, all see what comes of it."""
    rows = JobRun.objects.filter(job=CHAIN, inputs__symbol=symbol)
    return rows.order_by("-created_at", "-pk").first()


def estimates(*, of: Iterable[JobRun]) -> dict[UUID, float]:
    """Seconds each run usually takes in all, from the last ones of its kind; one query.

    A step of the day is another kind than the same job asked for by itself.
    """
    wanted = Q(pk__in=[])
    of = list(of)
    for job, step in sorted({_kind(run) for run in of}):
        last = JobRun.objects.filter(job=job, step=step, status="succeeded").order_by("-created_at")
        wanted |= Q(pk__in=Subquery(last.values("pk")[:SAMPLE]))
    if not of:
        return {}
    took: dict[tuple[str, str], list[float]] = {}
    for run in JobRun.objects.filter(wanted):
        if (seconds := duration(run)) is not None:
            took.setdefault(_kind(run), []).append(seconds.total_seconds())
    return {run.pk: median(took[_kind(run)]) for run in of if _kind(run) in took}


def _kind(run: JobRun) -> tuple[str, str]:
    return run.job, run.step


def duration(run: JobRun) -> timedelta | None:
    """How long it took, or has taken so far; None before its beginning."""
    if run.started_at is None:
        return None
    if run.finished_at is None:
        return clock.now() - run.started_at if run.status == RUNNING else None
    return max(run.finished_at - run.started_at, timedelta(0))


def history(*, run: JobRun) -> list[AuditEvent]:
    """Who asked for it again or cancelled it, oldest first."""
    lines = AuditEvent.objects.filter(object_type="job", object_id=str(run.pk))
    return list(lines.order_by("pk")[:50])


def people(ids: Iterable[UUID | None]) -> dict[UUID, str]:
    """How those who asked sign in."""
    known = {each for each in ids if each is not None}
    return dict(User.objects.filter(pk__in=known).values_list("pk", "email")) if known else {}


def names(*, actor: Actor, run: JobRun) -> dict[str, str]:
    """Names of the portfolios that are items of a run, where the reader may see them."""
    ids = []
    for each in run.items:
        try:
            ids.append(UUID(str(each.get("item"))))
        except (ValueError, AttributeError):
            continue
    known = Portfolio.objects.for_actor(actor).filter(pk__in=ids) if ids else ()
    return {str(each.pk): each.name for each in known}


def second_opinion(*, until: date) -> tuple[date, Mapping[str, Any]] | None:
    """The newest comparison of our Greeks with the other engine's, and its session."""
    rows = JobRun.objects.filter(job=GREEKS, as_of__lte=until, finished_at__isnull=False)
    for run in rows.order_by("-as_of", "-finished_at")[:SAMPLE]:
        told = run.result.get("second_opinion") if isinstance(run.result, dict) else None
        if isinstance(told, dict):
            return run.as_of, told
    return None


def seen_working(*, since: datetime) -> datetime | None:
    """When a worker last said that it works on a run; None when none has since then."""
    rows = JobRun.objects.filter(heartbeat_at__gte=since).order_by("-heartbeat_at")
    return rows.values_list("heartbeat_at", flat=True).first()
