"""Jobs: what ran, how it ended, run it again."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from etftrader import services
from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict, NotAllowed, NotFound
from etftrader.core.pages import done, paged, render_page
from etftrader.core.records import OPEN, JobRun
from etftrader.schedule import STEP
from etftrader.views.permissions import may_operate
from portfolios.models import Portfolio

PAGE = 50
EVENTS = ("job.created", "job.progress", "job.finished")
COLUMNS = (
    {"key": "name", "label": "Job", "sub": "note"},
    {"key": "status", "label": "Status", "kind": "tag"},
    {"key": "session", "label": "Session"},
    {"key": "scope", "label": "Scope", "priority": "p3"},
    {"key": "created", "label": "Asked for", "kind": "moment", "moment": "full", "priority": "p2"},
    {"key": "took", "label": "Took, s", "fmt": "ratio2", "priority": "p2"},
    {"key": "done", "label": "Items", "fmt": "int", "priority": "p3"},
    {"key": "reason", "label": "Error"},
)


@login_required
def jobs(request: HttpRequest) -> HttpResponse:
    """Runs the person may see, newest first."""
    actor = Actor.of(request)
    status = request.GET.get("status", "")
    rows = JobRun.objects.for_actor(actor).order_by("-created_at", "-pk")
    if status in JobRun.Status.values:
        rows = rows.filter(status=status)
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    context = {
        "table": _table(page, status, staff=actor.is_staff),
        "fields": [
            {
                "name": "status",
                "label": "Status",
                "value": status,
                "choices": [
                    {"value": value, "label": value.capitalize()} for value in JobRun.Status.values
                ],
            }
        ],
        "all_jobs": actor.is_staff,
        "channels": f"user.{actor.user_id}.jobs data",
    }
    return render_page(
        request, "etftrader/jobs.html", context, panels={"jobs": "etftrader/jobs_table.html"}
    )


@login_required
def job(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """One run: outcome by item, inputs, what went wrong."""
    actor = Actor.of(request)
    run = _run(actor, job_id)
    context = {
        "run": run,
        "name": label(run),
        "took": duration(run),
        "progress": {
            "id": run.pk,
            "name": label(run),
            "state": run.status,
            "done": run.done,
            "total": run.total,
            "step": run.note,
            "elapsed_s": duration(run),
        },
        "items": _items(run, _names(actor, run)),
        "inputs": sorted(run.inputs.items()),
        "counts": sorted(run.counts.items()),
        "may_retry": may_operate(actor) and run.status not in OPEN,
        "channels": f"user.{actor.user_id}.jobs data",
    }
    return render_page(
        request, "etftrader/job.html", context, panels={"run": "etftrader/job_run.html"}
    )


@login_required
@require_POST
def retry(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Run a finished job again."""
    actor = Actor.of(request)
    run = _run(actor, job_id)
    if not may_operate(actor):
        raise NotAllowed("Operators run jobs again.")
    message = "The job runs again."
    try:
        run = services.retry(run=run, by=actor)
    except Conflict as error:
        message = error.detail
    return done(request, reverse("job_detail", args=[run.pk]), message)


def label(run: JobRun) -> str:
    """A run in words: the step of the day, else the task's name."""
    if run.step in STEP:
        return STEP[run.step].label
    return run.job.rpartition(".")[2].replace("_", " ").capitalize()


def duration(run: JobRun) -> timedelta | None:
    """How long it took; None before its end."""
    if run.started_at is None or run.finished_at is None:
        return None
    return run.finished_at - run.started_at


def reason(run: JobRun) -> str:
    """Why it ended badly, in its own words."""
    return str((run.error or {}).get("detail", ""))


def _run(actor: Actor, job_id: UUID) -> JobRun:
    run = JobRun.objects.for_actor(actor).filter(pk=job_id).first()
    if run is None:
        raise NotFound("There is no such job.")
    return run


def _table(page: Page, status: str, *, staff: bool) -> dict[str, Any]:
    table = paged(
        page,
        key="jobs",
        caption="Jobs, newest first",
        columns=COLUMNS,
        row=_row,
        query=f"status={status}" if status else "",
        empty="No job has run yet. The day's steps appear here with the first close."
        if staff
        else "You have asked for no job yet. Operators see those of the system here.",
    )
    return table | {"filtered": bool(status), "clear_url": reverse("jobs")}


def _row(run: JobRun) -> dict[str, Any]:
    took = duration(run)
    return {
        "id": run.pk,
        "name": label(run),
        "url": reverse("job_detail", args=[run.pk]),
        "note": run.note,
        "status": run.status,
        "session": f"{run.as_of:%-d %b %Y}",
        "scope": run.scope,
        "created": run.created_at,
        "took": took.total_seconds() if took else None,
        "took_reason": "not finished",
        "done": run.done,
        "reason": reason(run) or " ",
    }


def _names(actor: Actor, run: JobRun) -> dict[str, str]:
    """Names of the portfolios that are items of a run, where the reader may see them."""
    ids = []
    for each in run.items:
        with suppress(ValueError, AttributeError):
            ids.append(UUID(str(each.get("item"))))
    known = Portfolio.objects.for_actor(actor).filter(pk__in=ids) if ids else ()
    return {str(each.pk): each.name for each in known}


def _items(run: JobRun, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": "items",
        "caption": "Outcome by item",
        "columns": [
            {"key": "item", "label": "Item"},
            {"key": "status", "label": "Outcome", "kind": "tag"},
            {"key": "reason", "label": "Reason"},
        ],
        "rows": [
            {
                "item": names.get(str(each.get("item")), str(each.get("item", ""))),
                "status": str(each.get("status", "")),
                "reason": str(each.get("reason") or " "),
            }
            for each in run.items
            if isinstance(each, dict)
        ],
        "empty": {"text": "This run reports no single items."},
    }
