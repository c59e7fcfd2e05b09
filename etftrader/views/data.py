"""Data: the market clock, whether every dataset is there, whether the day ran, one button."""

from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_required
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from etftrader import day, housekeeping, services
from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict, NotAllowed
from etftrader.core.pages import done, render_page
from etftrader.core.records import JobRun
from etftrader.schedule import STEP
from etftrader.views.jobs import duration, reason
from etftrader.views.permissions import may_advance, may_operate
from marketdata.providers import reference
from marketdata.selectors import calendar, freshness, sessions
from marketdata.selectors.freshness import DatasetStatus
from marketdata.selectors.sessions import Moment
from portfolios.choices import SnapshotKind
from portfolios.models import PortfolioSnapshot
from risk.models import CovarianceSnapshot

PANELS = {
    "clock": "etftrader/data_clock.html",
    "datasets": "etftrader/data_datasets.html",
    "day": "etftrader/data_day.html",
}


@login_required
def data(request: HttpRequest) -> HttpResponse:
    """Can I trust today's numbers?"""
    actor = Actor.of(request)
    moment = sessions.moment()
    beat = housekeeping.last_beat()
    context: dict[str, Any] = {
        "moment": moment,
        "can_advance": may_advance(actor) and not moment.ended,
        "notice": reference.NOTICE,
        "attribution": _attribution(),
        "beat": beat,
        "worker_late": services.worker_is_late(beat),
        "channels": f"data user.{actor.user_id}.jobs",
    }
    panel = request.GET.get("panel")
    if panel in (None, "datasets"):
        context["table"] = _datasets(actor, moment)
    if panel in (None, "day"):
        runs = day.status(session_date=moment.session_date)
        seen = actor.is_staff or may_operate(actor)
        context["day"] = _day(runs, may_retry=may_operate(actor), linked=seen)
    return render_page(request, "etftrader/data.html", context, panels=PANELS)


@login_required
@require_POST
def advance(request: HttpRequest) -> HttpResponse:
    """Ask for the next session and go back."""
    actor = Actor.of(request)
    if not may_advance(actor):
        raise NotAllowed("Operators update the data.")
    try:
        run = services.update_data(by=actor)
        message = f"Session {run.as_of:%a %-d %b %Y} is being loaded."
    except Conflict as error:
        message = error.detail
    return done(request, _back(request), message)


@lru_cache(maxsize=1)
def _attribution() -> str:
    """Where the bundled data comes from and under which licences, as the bundle says it."""
    return (reference.DATA / "NOTICE").read_text()


def _back(request: HttpRequest) -> str:
    """The page the button stood on."""
    told = request.headers.get("Referer", "")
    safe = url_has_allowed_host_and_scheme(
        told, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    path = urlsplit(told).path if safe else ""
    return path if path.startswith("/") and not path.startswith("//") else reverse("data")


def _datasets(actor: Actor, moment: Moment) -> dict[str, Any]:
    rows = [_dataset(each) for each in freshness.datasets(moment=moment)]
    rows += [_covariance(actor, moment), _snapshots(actor, moment)]
    return {
        "id": "datasets-table",
        "caption": "Datasets with their newest session, lag and coverage",
        "columns": [
            {"key": "label", "label": "Dataset", "sub": "missing"},
            {"key": "newest", "label": "Newest"},
            {"key": "lag", "label": "Lag, sessions", "fmt": "int", "term": "lag", "priority": "p2"},
            {"key": "state", "label": "State", "kind": "tag"},
            {"key": "coverage", "label": "Coverage", "fmt": "pct0", "term": "coverage",
             "priority": "p2"},
            {"key": "there", "label": "Items", "priority": "p2"},
            {"key": "source", "label": "Source", "priority": "p3"},
            {"key": "at", "label": "Refreshed", "kind": "moment", "moment": "full",
             "priority": "p3"},
            {"key": "error", "label": "Last error", "priority": "p3"},
        ],
        "rows": rows,
    }  # fmt: skip


def _dataset(each: DatasetStatus) -> dict[str, Any]:
    missing = ", ".join(each.missing[:8])
    more = f" and {len(each.missing) - 8} more" if len(each.missing) > 8 else ""
    return _line(each.label, each.newest, each.lag_sessions) | {
        "missing": f"missing {missing}{more}" if missing else "",
        "coverage": each.coverage,
        "coverage_reason": "no items are expected",
        "there": f"{each.covered} of {each.total}",
        "source": each.source or " ",
        "at": each.refreshed_at,
        "error": each.last_error or " ",
    }


def _covariance(actor: Actor, moment: Moment) -> dict[str, Any]:
    newest = (
        CovarianceSnapshot.objects.for_actor(actor)
        .filter(kind="daily", session_date__lte=moment.session_date)
        .order_by("-session_date")
        .values("session_date", "method", "observations", "labels")
        .first()
    )
    day_of = newest["session_date"] if newest else None
    return _line("Covariance matrix", day_of, _lag(day_of, moment)) | {
        "there": f"{len(newest['labels'])} symbols" if newest else "none",
        "source": f"{newest['method']}, {newest['observations']} sessions" if newest else " ",
        "coverage": None,
        "coverage_reason": "symbols with a long enough history",
        "error": " ",
    }


def _snapshots(actor: Actor, moment: Moment) -> dict[str, Any]:
    rows = PortfolioSnapshot.objects.for_actor(actor).filter(
        kind=SnapshotKind.ACTUAL, session_date__lte=moment.session_date
    )
    newest = rows.aggregate(day=Max("session_date"))["day"]
    return _line("Portfolio snapshots", newest, _lag(newest, moment)) | {
        "there": "your portfolios",
        "source": "valuation at the close",
        "coverage": None,
        "coverage_reason": "counted per portfolio",
        "error": " ",
    }


def _line(label: str, newest: Any, lag: int | None) -> dict[str, Any]:
    state = {"text": "none", "kind": "bad"}
    if lag is not None:
        state = {"text": "late", "kind": "watch"} if lag else {"text": "on time", "kind": "ok"}
    return {
        "label": label,
        "newest": f"{newest:%a %-d %b %Y}" if newest else None,
        "newest_reason": "no row yet",
        "lag": lag,
        "lag_reason": "no row yet",
        "state": state,
    }


def _lag(newest: Any, moment: Moment) -> int | None:
    return len(calendar.between(newest, moment.session_date)) - 1 if newest else None


def _day(runs: list[JobRun], *, may_retry: bool, linked: bool) -> dict[str, Any]:
    return {
        "id": "day-table",
        "caption": "Steps of the day in their order",
        "columns": [
            {"key": "step", "label": "Step", "sub": "scope"},
            {"key": "status", "label": "Status", "kind": "tag"},
            {"key": "took", "label": "Took, s", "fmt": "ratio2"},
            {"key": "done", "label": "Items", "fmt": "int", "priority": "p2"},
            {"key": "ended", "label": "Ended", "kind": "moment", "moment": "full",
             "priority": "p3"},
            {"key": "error", "label": "Error", "priority": "p2"},
            *(
                [
                    {"key": "retry", "label": "", "kind": "template",
                     "template": "etftrader/cell_retry.html"}
                ]
                if may_retry
                else []
            ),
        ],
        "rows": [_step(run, linked=linked) for run in runs],
        "empty": {"text": "The steps of this session have not been asked for yet."},
    }  # fmt: skip


def _step(run: JobRun, *, linked: bool) -> dict[str, Any]:
    took = duration(run)
    ended_badly = run.status in ("failed", "dead", "partial")
    return {
        "id": run.pk,
        "step": STEP[run.step].label,
        "scope": "" if STEP[run.step].per == "session" else run.scope.split(" ", 2)[-1],
        "url": reverse("job_detail", args=[run.pk]) if linked else "",
        "status": run.status,
        "took": took.total_seconds() if took else None,
        "took_reason": "not finished",
        "done": run.done,
        "ended": run.finished_at,
        "error": reason(run) or " ",
        "retry": reverse("job_retry", args=[run.pk]) if ended_badly else "",
    }
