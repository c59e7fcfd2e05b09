"""Jobs: what runs, what waits, what ran and how it ended; cancel it, do again what failed."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.paginator import Page
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.views.decorators.http import require_POST

from etftrader import slow_runs
from etftrader.core import job_log, table_files
from etftrader.core import jobs as core_jobs
from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict, NotAllowed, NotFound
from etftrader.core.pages import done, is_fragment, paged, render_page
from etftrader.core.records import OPEN, AuditEvent, JobRun
from etftrader.selectors import runs
from etftrader.services import acts
from etftrader.views import run_words
from etftrader.views.back import back
from etftrader.views.decisions import choice
from etftrader.views.permissions import may_operate
from etftrader.views.run_words import label, reason
from marketdata.selectors import quarantine

PAGE = 50
FINISHED = [each for each in JobRun.Status.values if each not in OPEN]
EVERY_S = 2  # how often a panel with an open run is drawn, whatever the socket says
COLUMNS = (
    {"key": "name", "label": "Job", "sub": "note", "css": "fold"},
    {"key": "status", "label": "Status", "kind": "tag"},
    {"key": "session", "label": "Session", "priority": "p3"},
    {"key": "scope", "label": "Scope", "priority": "p3"},
    {"key": "created", "label": "Asked for", "kind": "moment", "moment": "full", "priority": "p2"},
    {"key": "took", "label": "Took", "fmt": "age", "priority": "p2"},
    {"key": "outcome", "label": "Outcome", "css": "fold"},
)
LEVELS = {"WARNING": "watch", "ERROR": "bad", "CRITICAL": "bad"}
NO_LOG = "No line is kept: they are for a week. The program's own log has every one."
PANELS = {"open": "etftrader/jobs_open.html", "jobs": "etftrader/jobs_table.html"}


@login_required
def jobs(request: HttpRequest) -> HttpResponse:
    """Runs the person may see: what is open, then what has ended, newest first."""
    actor = Actor.of(request)
    panel = request.GET.get("panel") if is_fragment(request) else None
    context: dict[str, Any] = {
        "all_jobs": actor.reads_all,
        "channels": f"data user.{actor.user_id}.jobs",
        "held": quarantine.held() if panel is None else 0,
        "section": "jobs",
    }
    if panel in (None, "open"):
        context |= _open(actor)
    if panel in (None, "jobs"):
        context |= _finished(request, actor)
    return render_page(request, "etftrader/jobs.html", context, panels=PANELS)


@login_required
def job(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """One run: how it stands, its items, inputs, who asked, what was tried."""
    actor = Actor.of(request)
    run = _run(actor, job_id)
    usual = runs.estimates(of=[run]).get(run.pk)
    lines = runs.history(run=run)
    asked_by = runs.people([run.requested_by])
    context = {
        "run": run,
        "name": label(run),
        "progress": run_words.progress(actor, run, likely=usual),
        "usual_s": usual,
        "alert_s": _alert_after(run),
        "every": EVERY_S if run.status in OPEN else None,
        "log": _log(actor, run),
        "events": _events(actor, run, lines, asked_by),
        "items": _items(run, runs.names(actor=actor, run=run)),
        "inputs": [(name, _plain(value)) for name, value in sorted(run.inputs.items())],
        "results": _results(run),
        "asked_by": _who(actor, run.requested_by, asked_by),
        "may_retry": may_operate(actor) and run.status not in OPEN,
        "channels": f"data user.{actor.user_id}.jobs",
        "section": "jobs",
    }
    panels = {"run": "etftrader/job_run.html"}
    return render_page(request, "etftrader/job.html", context, panels=panels)


@login_required
@require_POST
def retry(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Do a finished job again as a whole."""
    actor = Actor.of(request)
    run = _run(actor, job_id)
    _require_operator(actor)
    message = "The job runs again."
    try:
        run = acts.retry(run=run, by=actor)
    except Conflict as error:
        message = error.detail
    return done(request, reverse("job_detail", args=[run.pk]), message)


@login_required
@require_POST
def mend(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Do what failed of a job again, and nothing else."""
    actor = Actor.of(request)
    run = _run(actor, job_id)
    _require_operator(actor)
    count = len(run_words.failed_items(run))
    message = f"{count} failed item{'' if count == 1 else 's'} asked for again."
    try:
        core_jobs.retry_failed(run, by=actor)
    except Conflict as error:
        message = error.detail
    return done(request, back(request, reverse("job_detail", args=[run.pk])), message)


@login_required
@require_POST
def cancel(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """End a job that waits or works."""
    actor = Actor.of(request)
    run = _run(actor, job_id)
    if run.requested_by != actor.user_id and not may_operate(actor):
        raise NotAllowed("Only operators cancel what others asked for.")
    message = f"{label(run)} is cancelled."
    try:
        core_jobs.cancel(run, by=actor)
    except Conflict as error:
        message = error.detail
    return done(request, back(request, reverse("job_detail", args=[run.pk])), message)


def _run(actor: Actor, job_id: UUID) -> JobRun:
    run = JobRun.objects.for_actor(actor).filter(pk=job_id).first()
    if run is None:
        raise NotFound("There is no such job.")
    return run


def _require_operator(actor: Actor) -> None:
    if not may_operate(actor):
        raise NotAllowed("Operators run jobs again.")


def _open(actor: Actor) -> dict[str, Any]:
    found = runs.open_runs(actor=actor)
    likely = runs.estimates(of=found)
    running = sum(run.status == JobRun.Status.RUNNING for run in found)
    return {
        "open_runs": [run_words.progress(actor, run, likely=likely.get(run.pk)) for run in found],
        "open_words": f"{running} running, {len(found) - running} queued",
        "every": EVERY_S if found else None,
    }


def _finished(request: HttpRequest, actor: Actor) -> dict[str, Any]:
    kinds = runs.kinds(actor=actor)
    chosen = _chosen(request.GET, kinds)
    found = runs.finished(actor=actor, **chosen)
    page = table_files.page_of(request, found, PAGE)
    query = QueryDict(mutable=True)
    for name, value in _written(chosen).items():
        query[name] = value
    table = paged(
        page,
        key="jobs",
        caption="Jobs that have ended, newest first",
        columns=COLUMNS,
        row=_row,
        query=query.urlencode(),
        empty="No job has run yet. The day's steps appear here with the first close."
        if actor.reads_all
        else "You have asked for no job yet. Operators see those of the system here.",
    )
    return {
        "table": table | {"filtered": bool(query), "clear_url": reverse("jobs")},
        "fields": _fields(chosen, kinds),
        "query": query.urlencode(),
        "page_of": _span(page),
    }


def _chosen(given: QueryDict, kinds: list[str]) -> dict[str, Any]:
    """The filters of the address that mean something."""
    chosen: dict[str, Any] = {}
    if given.get("status") in FINISHED:
        chosen["status"] = given["status"]
    if given.get("job") in kinds:
        chosen["job"] = given["job"]
    try:
        chosen["on"] = date.fromisoformat(given.get("date", ""))
    except ValueError:
        pass
    return chosen


def _written(chosen: dict[str, Any]) -> dict[str, str]:
    named = {"on": "date"}
    return {named.get(key, key): str(value) for key, value in chosen.items()}


def _fields(chosen: dict[str, Any], kinds: list[str]) -> list[dict[str, Any]]:
    states = {each: each.capitalize() for each in FINISHED}
    labels = {each: run_words.job_label(each) for each in kinds}
    return [
        choice("status", "Status", chosen.get("status", ""), states),
        choice("job", "Job", chosen.get("job", ""), labels),
        {"name": "date", "label": "Session, YYYY-MM-DD", "value": str(chosen.get("on", ""))},
    ]


def _span(page: Page) -> str:
    return f"{page.start_index()}–{page.end_index()} of {page.paginator.count}"


def _row(run: JobRun) -> dict[str, Any]:
    took = runs.duration(run)
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
        "took_reason": "it never began",
        "outcome": reason(run) or run_words.outcome(run) or " ",
    }


def _plain(value: Any) -> str:
    """What a run was given or left behind, as people write it."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(each)}" for name, each in value.items())
    return ", ".join(map(_plain, value)) if isinstance(value, list) else str(value)


def _who(actor: Actor, user_id: UUID | None, people: dict[UUID, str]) -> str:
    if user_id is None:
        return "the timetable"
    return "you" if user_id == actor.user_id else people.get(user_id, "a former user")


def _alert_after(run: JobRun) -> float | None:
    after = slow_runs.AFTER.get(run.step)
    return after.total_seconds() if after else None


def _log(actor: Actor, run: JobRun) -> dict[str, Any] | None:
    """The tail of its log, newest line first; None for who may not read all: it names any book."""
    if not actor.reads_all:
        return None
    lines = job_log.tail(run.pk)
    if lines is None:
        return {"rows": [], "why": "The live store is away; the program's own log has every line."}
    rows = [
        {
            "at": each.at,
            "text": each.text,
            "kind": LEVELS.get(each.level, "plain"),
            "level": each.level,
        }
        for each in reversed(lines)
    ]
    return {"rows": rows, "why": NO_LOG}


def _events(
    actor: Actor, run: JobRun, lines: list[AuditEvent], people: dict[UUID, str]
) -> list[dict[str, Any]]:
    """What happened to a run, in order: asked for, tried again, begun, ended."""
    found: list[tuple[datetime, str, str, str]] = [
        (run.created_at, "Asked for", _who(actor, run.requested_by, people), "done")
    ]
    words = {"job.retry": "Asked for again", "job.cancel": "Cancelled"}
    for line in lines:
        told = words.get(line.action, line.action)
        again = (line.after or {}).get("items")
        told += f", {again} items" if again else ""
        who = "you" if line.actor_id == actor.user_id else line.actor_label
        found.append((line.recorded_at, told, who if actor.reads_all else "", "done"))
    if run.enqueued_at is not None:
        found.append((run.enqueued_at, "Handed to the workers", "", "done"))
    if run.started_at is not None:
        attempt = f"Attempt {run.attempt} began"
        found.append((run.started_at, attempt, run.worker if actor.reads_all else "", "done"))
    if run.heartbeat_at is not None and (run.note or run.status == JobRun.Status.RUNNING):
        found.append((run.heartbeat_at, _last_word(run), "", "done"))
    events = [
        {"at": at, "text": text, "who": who, "state": state}
        for at, text, who, state in sorted(found, key=lambda each: each[0])
    ]
    if run.finished_at is not None and run.status not in OPEN:
        state = "bad" if run.status in run_words.BAD else "done"
        words_of = f"Ended: {run.status}"
        events.append({"at": run.finished_at, "text": words_of, "who": "", "state": state})
    elif run.status in OPEN:
        events.append({"at": None, "text": "Not ended yet", "who": "", "state": "todo"})
    return events


def _last_word(run: JobRun) -> str:
    """What a run said last while it worked, and how far it was."""
    words = "Worker still at it" if run.status == JobRun.Status.RUNNING else "Last word"
    told = f": {run.note}" if run.note else ""
    return f"{words}{told}{f', {run.done} of {run.total}' if run.total else ''}"


def _results(run: JobRun) -> list[tuple[str, str]]:
    """Every figure a run left behind: its counts, and what else it answered."""
    told = run.counts | {
        name: value
        for name, value in run.result.items()
        if name not in ("counts", "warnings") and value not in (None, "", [], {})
    }
    return [(name, _plain(value)) for name, value in sorted(told.items())]


def _items(run: JobRun, names: dict[str, str]) -> dict[str, Any]:
    rank = {"failed": 0, "waiting": 1, "skipped": 2}
    items = [each for each in run.items if isinstance(each, dict)]
    items.sort(key=lambda each: rank.get(str(each.get("status")), 3))
    return {
        "id": "items",
        "caption": "Outcome by item",
        "tools": len(items) > PAGE,
        "columns": [
            {"key": "item", "label": "Item", "sort": True},
            {"key": "status", "label": "Outcome", "kind": "tag"},
            {"key": "reason", "label": "Reason", "css": "wrap"},
        ],
        "rows": [
            {
                "item": names.get(str(each.get("item")), str(each.get("item", ""))),
                "status": str(each.get("status", "")),
                "reason": run_words.reason_of(each) or " ",
            }
            for each in items
        ],
        "empty": {"text": "This run reports no single items."},
    }
