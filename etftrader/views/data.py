"""Data: the market clock, whether every dataset is there, whether the day ran; update it."""

from functools import lru_cache
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from etftrader import day, housekeeping
from etftrader.core import table_files
from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict, NotAllowed
from etftrader.core.pages import done, is_fragment, render_page
from etftrader.core.records import JobRun
from etftrader.schedule import STEP
from etftrader.selectors import datasets, runs
from etftrader.services import acts
from etftrader.views import coverage, run_words, update
from etftrader.views.back import back
from etftrader.views.permissions import may_advance, may_operate
from marketdata.providers import reference
from marketdata.selectors import quarantine, sessions
from marketdata.selectors.freshness import DatasetStatus
from marketdata.selectors.sessions import Moment
from portfolios.views.as_of import moment_of

PANELS = {
    "clock": "etftrader/data_clock.html",
    "update": "etftrader/data_update.html",
    "datasets": "etftrader/data_datasets.html",
    "day": "etftrader/data_day.html",
    "coverage": "etftrader/data_coverage.html",
    "sources": "etftrader/data_sources.html",
}
DATASETS = (
    {"key": "label", "label": "Dataset", "sub": "missing"},
    {"key": "newest", "label": "Newest"},
    {"key": "lag", "label": "Lag", "term": "lag", "priority": "p3"},
    {"key": "state", "label": "State", "kind": "tag"},
    {"key": "coverage", "label": "Coverage", "kind": "template", "css": "bar",
     "template": "etftrader/cell_coverage.html", "term": "coverage", "priority": "p2",
     "parts": (("share", "Coverage"), ("there", "There"), ("total", "Expected"))},
    {"key": "source", "label": "Source", "priority": "p3"},
    {"key": "at", "label": "Refreshed", "kind": "moment", "moment": "short", "priority": "p3"},
    {"key": "error", "label": "Last error", "priority": "p2", "css": "wrap"},
)  # fmt: skip


@login_required
def data(request: HttpRequest) -> HttpResponse:
    """Can I trust today's numbers?"""
    actor = Actor.of(request)
    moment = moment_of(request)
    apart = is_fragment(request) or table_files.wanted(request)
    panel = request.GET.get("panel") if apart else None
    context: dict[str, Any] = {
        "moment": moment,
        "section": "data",
        "may_import": may_operate(actor),
        "channels": f"data user.{actor.user_id}.jobs",
    }
    if panel in (None, "clock"):
        context |= _clock()
    if panel in (None, "update"):
        context |= update.panel(actor, moment)
    if panel in (None, "datasets"):
        context |= {"table": _datasets(actor, moment), "held": quarantine.held()}
    if panel in (None, "day"):
        found = day.status(session_date=moment.session_date, moment=moment)
        seen = actor.reads_all
        context |= _day(found, moment, may_retry=may_operate(actor), linked=seen)
    # what looks far back comes by itself, after the page; without scripts when it is asked for
    far = panel is None and request.GET.get("show") == "coverage"
    if panel == "coverage" or far:
        context |= coverage.panel(request, actor, moment)
    if panel == "sources" or far:
        context |= coverage.sources(moment)
    return render_page(request, "etftrader/data.html", context, panels=PANELS)


@login_required
@require_POST
def advance(request: HttpRequest) -> HttpResponse:
    """Ask for the next session; the panel that asked shows how far it is."""
    actor = Actor.of(request)
    if not may_advance(actor):
        raise NotAllowed("Operators update the data.")
    try:
        run = acts.update_data(by=actor)
    except Conflict as refusal:
        messages.error(request, refusal.detail)
        return done(request, back(request, reverse("data")))
    if update.asked_in_place(request):
        return update.drawn(request, actor)
    message = f"Session {run.as_of:%a %-d %b %Y} is being loaded."
    return done(request, back(request, reverse("data")), message)


def _clock() -> dict[str, Any]:
    """The clock's panel: signs of life of worker and Beat, and where the data comes from."""
    beat = housekeeping.last_beat()
    late = acts.worker_is_late(beat)
    live = sessions.is_live()
    return {
        "notice": "" if live else reference.NOTICE,
        "attribution": _attribution(),
        "live_market": live,
        "beat": beat,
        "worker_late": late,
        "sent": housekeeping.last_sent() if late else None,
        "embedded": settings.EMBEDDED,
    }


@lru_cache(maxsize=1)
def _attribution() -> str:
    """Where the bundled data comes from and under which licences, as the bundle says it."""
    return (reference.DATA / "NOTICE").read_text()


def _datasets(actor: Actor, moment: Moment) -> dict[str, Any]:
    return {
        "id": "datasets-table",
        "caption": "Datasets with their newest session, lag and coverage",
        "columns": [*DATASETS, *update.action_column(actor)],
        "rows": [_dataset(each, moment) for each in datasets.standing(actor=actor, moment=moment)],
    }


def _dataset(each: DatasetStatus, moment: Moment) -> dict[str, Any]:
    missing = ", ".join(each.missing[:8])
    more = f" and {len(each.missing) - 8} more" if len(each.missing) > 8 else ""
    return {
        "id": each.dataset,
        "label": each.label,
        "missing": f"missing {missing}{more}" if missing else "",
        "newest": f"{each.newest:%a %-d %b %Y}" if each.newest else None,
        "newest_reason": "no row yet",
        "lag": _lag(each, moment),
        "lag_reason": "no row yet",
        "state": _state(each),
        "coverage": {
            "share": each.coverage,
            "there": each.covered,
            "total": each.total,
            "label": f"{each.label}: {each.covered} of {each.total} items",
        },
        "source": each.source or " ",
        "at": each.refreshed_at,
        "at_reason": "computed by the day's steps",
        "error": each.last_error or " ",
        "update": update.dataset_of(each.dataset),
    }


def _lag(each: DatasetStatus, moment: Moment) -> str | None:
    if each.lag_sessions is None:
        return None
    if each.dataset == "quotes" and moment.in_session and not each.lag_sessions:
        return "live"
    if not each.lag_sessions:
        return "on time"
    return f"{each.lag_sessions} session{'' if each.lag_sessions == 1 else 's'}"


def _state(each: DatasetStatus) -> dict[str, str]:
    if not each.due:
        quotes = each.dataset == "quotes"
        why = "The market is closed" if quotes else "Nothing of it is kept yet"
        return {"text": "not due", "kind": "plain", "title": why}
    if each.newest is None:
        return {"text": "none", "kind": "bad"}
    if each.lag_sessions:
        return {"text": "late", "kind": "watch"}
    if each.coverage is not None and each.coverage < 1:
        return {"text": "partial", "kind": "watch"}
    return {"text": "on time", "kind": "ok"}


def _day(found: list[JobRun], moment: Moment, *, may_retry: bool, linked: bool) -> dict[str, Any]:
    chain = _chain(found, moment)
    columns: list[dict[str, Any]] = [
        {"key": "step", "label": "Step", "sub": "scope"},
        {"key": "status", "label": "Status", "kind": "tag"},
        {"key": "took", "label": "Took, s", "fmt": "ratio2"},
        {"key": "done", "label": "Items", "fmt": "int", "priority": "p2"},
        {"key": "began", "label": "Began", "kind": "moment", "moment": "full", "priority": "p3"},
        {"key": "needs", "label": "Needs", "priority": "p3"},
        {"key": "error", "label": "Error", "priority": "p2", "css": "wrap"},
    ]
    if may_retry:
        template = "etftrader/cell_retry.html"
        columns.append({"key": "retry", "label": "", "kind": "template", "template": template})
    table = {
        "id": "day-table",
        "caption": "Steps of the day in their order",
        "columns": columns,
        "rows": [_step(run, linked=linked) for run in found],
        "empty": {"text": "The steps of this session have not been asked for yet."},
    }
    return {"day": table, "chain": chain}


def _step(run: JobRun, *, linked: bool) -> dict[str, Any]:
    took = runs.duration(run)
    step = STEP[run.step]
    return {
        "id": run.pk,
        "step": step.label,
        "scope": "" if step.per == "session" else run.scope.split(" ", 2)[-1],
        "url": reverse("job_detail", args=[run.pk]) if linked else "",
        "status": run.status,
        "took": took.total_seconds() if took else None,
        "took_reason": "not begun",
        "done": len(run.items) or run.done,
        "began": run.started_at,
        "needs": ", ".join(STEP[name].label for name in step.needs) or " ",
        "error": run_words.reason(run) or " ",
        "retry": reverse("job_retry", args=[run.pk]) if run.status in run_words.BAD else "",
    }


def _chain(found: list[JobRun], moment: Moment) -> dict[str, Any]:
    """The steps as bars: one row a step, its slices side by side."""
    rows: dict[str, dict[str, Any]] = {}
    for run in found:
        step = STEP[run.step]
        row = rows.setdefault(
            run.step, {"key": run.step, "label": step.label, "needs": step.needs, "bars": []}
        )
        took = runs.duration(run)
        if run.started_at is not None and took is not None:
            row["bars"].append(
                {
                    "asked": run.created_at if run.attempt == 1 else None,
                    "start": run.started_at,
                    "end": run.started_at + took,
                    "state": run.status,
                }
            )
    bad = sum(run.status in run_words.BAD for run in found)
    conclusion = f"{len(found)} runs of {len(rows)} steps, {bad} of them with failures."
    return {
        "id": "chain",
        "title": f"Steps of session {moment.session_date:%a %-d %b %Y} over time",
        "conclusion": conclusion,
        "rows": [row for row in rows.values() if row["bars"]],
        "empty": "",
    }
