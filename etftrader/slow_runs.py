"""Steps of the day that work longer than they should: one alert of the house while one does."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from etftrader.core import clock
from etftrader.core.records import JobRun
from etftrader.schedule import STEP
from etftrader.selectors import runs
from marketdata.selectors import sessions
from risk.choices import AlertKind, Severity
from risk.models import Alert
from risk.services import alerts

# after so long somebody is told; what ends a run is its lease
AFTER: Mapping[str, timedelta] = {
    STEP["prices"].name: timedelta(minutes=5),
    STEP["greeks"].name: timedelta(minutes=10),
}
PREFIX = "slow:"


def tell() -> None:
    """Raise what works too long by now, resolve what has ended. Twice is once."""
    now = clock.now()
    slow = {run.step: run for run in _working() if run.started_at + AFTER[run.step] < now}
    told = Alert.objects.of_book(None).filter(key__startswith=PREFIX).exclude(state="resolved")
    known = dict(told.values_list("key", "detail"))
    if not (slow or known):
        return
    as_of = sessions.moment().as_of
    for step, run in slow.items():
        detail = _detail(run)
        if known.pop(f"{PREFIX}{step}", None) != detail:
            _raise(run, detail, as_of)
    for key in known:
        alerts.resolve(portfolio_id=None, key=key, as_of=as_of)


def _working() -> list[JobRun]:
    """Runs of watched steps that work, the oldest last."""
    rows = JobRun.objects.filter(status=JobRun.Status.RUNNING, step__in=list(AFTER))
    return list(rows.filter(started_at__isnull=False).order_by("-started_at", "pk"))


def _detail(run: JobRun) -> str:
    usual = runs.estimates(of=[run]).get(run.pk)
    words = f"It usually takes {_words(timedelta(seconds=usual))}. " if usual is not None else ""
    began = f"{run.started_at:%H:%M} UTC" if run.started_at else "a while ago"
    return (
        f"It began at {began} for the session {run.as_of}. {words}Its page shows how far it is and "
        "what it said; cancel it there and run it again if it stands still."
    )


def _raise(run: JobRun, detail: str, as_of: datetime) -> None:
    alerts.raise_once(
        portfolio_id=None,
        kind=AlertKind.DATA,
        key=f"{PREFIX}{run.step}",
        severity=Severity.WARNING,
        title=f"{STEP[run.step].label} takes longer than {_words(AFTER[run.step])}",
        detail=detail,
        as_of=as_of,
        session_date=run.as_of,
    )


def _words(span: timedelta) -> str:
    seconds = round(span.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{round(seconds / 60)} min"
