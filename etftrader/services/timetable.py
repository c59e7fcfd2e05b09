"""The timetable as people keep it: each entry in words, switched, moved and run at will."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.db import transaction
from django.db.models import Q, Subquery
from django_celery_beat.models import CrontabSchedule, PeriodicTask, PeriodicTasks

from etftrader import outcomes
from etftrader.core import audit, clock, jobs
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, NotFound, VersionMismatch
from etftrader.core.records import JobRun
from etftrader.schedule import STEP, STEPS, TIMERS
from marketdata.selectors import sessions
from marketdata.services import calendar_check

# what the timetable may start: its name, the task, the task's arguments
ENTRIES: dict[str, tuple[str, str]] = {
    **{timer.name: (timer.task, "{}") for timer in TIMERS},
    **{
        f"day: {step.name}": ("etftrader.run_step", json.dumps({"step": step.name}))
        for step in STEPS
    },
}
NEW_YORK = "America/New_York"
# clocks are changed within these hours: nothing is planned there
QUIET = (time(0, 0), time(4, 0))
CLOSE = time(16, 0)
# what a timer is called, and what goes without while it is off
TIMER_WORDS = {
    "sweep": ("Sweep", "what an outage left behind is neither delivered nor caught up"),
    "heartbeat": ("Heartbeat", "nobody can tell whether a worker lives"),
    "audit": ("Audit chain", "nobody rechecks the audit chains"),
    "prune": ("Clean-up", "expired sign-ins, old answers and old minutes stay"),
    "files": ("Watched folder", "new files in the folder are not brought in"),
    "verify": (
        "Late and corrected prices",
        "corrections of new sessions are not looked for",
    ),
    "rates": ("Late yields", "yields that come in the evening wait for the next session"),
    "backfill": ("Gaps of the past", "sessions that were missed stay missing"),
    "funds": ("Funds and companies", "sectors and facts of funds grow old"),
    "calendar": ("Exchange calendar", "a session the exchange has moved is not noticed"),
}
# what the queue's own program adds to the timetable
OTHER_WORDS = {
    "celery.backend_cleanup": ("Old answers of tasks", "expired answers of tasks stay"),
}
# a timer whose work is a run of its own: that run is what people ask for and look at
RUNS = {
    "etftrader.verify_audit": (outcomes.AUDIT, "all chains"),
    "etftrader.verify_calendar": (calendar_check.JOB, calendar_check.SCOPE),
}
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timetable. Times of runs are wall-clock moments, not the market clock's."""

    id: int
    name: str
    label: str
    task: str
    when: str  # "Weekdays 17:35 ET"
    time: str | None  # HH:MM in New York, where it can be moved
    enabled: bool
    needs: tuple[str, ...]  # labels of the steps it waits for
    next_run_at: datetime | None
    last_run_at: datetime | None
    last_run: JobRun | None  # the newest run of its job; None where it keeps none
    count: int
    of_house: bool
    without: str  # what goes without while it is off
    version: int


def entry_of(row: PeriodicTask) -> str:
    """The timetable's name of what a row runs; empty for anything else."""
    for name, (task, kwargs) in ENTRIES.items():
        if row.task == task and row.args in ("", "[]") and row.kwargs == kwargs:
            return name
    return ""


def entries() -> list[Entry]:
    """Every entry: the day's steps in their order, then the timers, then what is not ours."""
    order = {name: place for place, name in enumerate([*_steps_first()])}
    rows = list(PeriodicTask.objects.select_related("crontab", "interval").order_by("name"))
    rows.sort(key=lambda row: order.get(entry_of(row), len(order)))
    newest = _newest_runs({_job(row)[0] for row in rows})
    return [_entry(row, newest) for row in rows]


def entry(entry_id: int) -> Entry:
    """One entry. Raises NotFound."""
    row = _row(entry_id)
    return _entry(row, _newest_runs({_job(row)[0]}))


@transaction.atomic
def change(
    *,
    entry_id: int,
    by: Actor,
    enabled: bool | None = None,
    at: str | None = None,
    version: int | None = None,
    reason: str = "",
) -> Entry:
    """Switch an entry on or off, or move it to another time of day; Beat follows in seconds.

    Parameters
    ----------
    entry_id : int
    by : Actor
    enabled : bool, optional
    at : str, optional
        HH:MM in New York. The days it runs on stay.
    version : int, optional
        The one that was read; another one now refuses the change.
    reason : str
        For the audit line.

    Raises
    ------
    NotFound
    BadInput
        No time of day, one within the hours in which clocks change, before a step it needs or
        after one that needs it; or an entry that runs every so often.
    VersionMismatch
        Somebody was faster.
    """
    # the entry, its hours and Beat's mark are three rows: one change at a time takes them
    audit.serialise("timetable")
    row = _row(entry_id)
    if version is not None and version != _version(row):
        raise VersionMismatch("It was changed since you read it.")
    crontab = row.crontab if at is None else _moved(row, at)
    before = {"enabled": row.enabled, "when": words(row)}
    same = PeriodicTask.objects.filter(
        pk=row.pk,
        enabled=row.enabled,
        crontab_id=row.crontab_id,
        interval_id=row.interval_id,
    )
    switched = enabled is not None and enabled != row.enabled
    moved = crontab != row.crontab
    if not switched and not moved:
        return entry(entry_id)
    # without a last run Beat counts from now on: nothing that was due before is made up for
    won = same.update(
        enabled=row.enabled if enabled is None else enabled,
        crontab=crontab,
        last_run_at=None,
        date_changed=clock.now(),
    )
    if not won:
        raise VersionMismatch("It was changed since you read it.")
    PeriodicTasks.update_changed()
    row = _row(entry_id)
    audit.record(
        by=by,
        action="schedule.change",
        object_type="schedule",
        object_id=str(row.pk),
        before={"name": row.name, **before},
        after={"name": row.name, "enabled": row.enabled, "when": words(row)},
        reason=reason,
    )
    return entry(entry_id)


def run_now(*, entry_id: int, by: Actor) -> JobRun:
    """Ask for what an entry does, now: a run to follow. The same wish while open is one run.

    Raises NotFound; Conflict for an entry that is not of the house.
    """
    row = _row(entry_id)
    name = entry_of(row)
    if not name:
        raise Conflict("Only steps and timers of the house are run from here.", code="not_ours")
    step = STEP.get(name.removeprefix("day: ")) if name.startswith("day: ") else None
    job, scope = ("etftrader.run_day", "") if step else _job(row)
    with transaction.atomic():
        return jobs.request(
            job,
            as_of=sessions.latest(),
            scope=scope,
            inputs={"steps": [step.name]} if step else {},
            requested_by=by.user_id,
            request_id=by.request_id,
        )


def words(row: PeriodicTask) -> str:
    """When an entry runs, for people."""
    if row.interval is not None:
        every, period = row.interval.every, row.interval.period
        return f"Every {every} {period}" if every != 1 else f"Every {period.removesuffix('s')}"
    at = _time_of(row.crontab)
    if at is None:
        return str(row.crontab or "Never")
    zone = "ET" if str(row.crontab.timezone) == NEW_YORK else str(row.crontab.timezone)
    return f"{_days_in_words(row.crontab)} {at} {zone}"


def _steps_first() -> Iterable[str]:
    yield from (f"day: {step.name}" for step in STEPS)
    yield from (timer.name for timer in TIMERS)


def _row(entry_id: int) -> PeriodicTask:
    rows = PeriodicTask.objects.select_related("crontab", "interval")
    row = rows.filter(pk=entry_id).first()
    if row is None:
        raise NotFound("There is no such entry of the timetable.")
    return row


def _entry(row: PeriodicTask, newest: dict[str, JobRun]) -> Entry:
    name = entry_of(row)
    step = STEP.get(name.removeprefix("day: ")) if name.startswith("day: ") else None
    if step is not None:
        label = step.label
        without = f"{label} runs only when somebody asks, and the steps that need it wait"
    else:
        known = TIMER_WORDS.get(name) or OTHER_WORDS.get(row.name)
        label, without = known or (_readable(row.name), "it does not run")
    return Entry(
        id=row.pk,
        name=row.name,
        label=label,
        task=row.task,
        when=words(row),
        time=_time_of(row.crontab),
        enabled=row.enabled,
        needs=tuple(STEP[each].label for each in step.needs) if step else (),
        next_run_at=_next(row),
        last_run_at=row.last_run_at,
        last_run=newest.get(_job(row)[0]),
        count=row.total_run_count,
        of_house=bool(name),
        without=without,
        version=_version(row),
    )


def _readable(name: str) -> str:
    """Somebody's own name as it stands; a task's name as words."""
    if " " in name:
        return name
    plain = name.rpartition(".")[2].replace("_", " ").replace("-", " ").strip()
    return f"{plain[:1].upper()}{plain[1:]}" or name


def _job(row: PeriodicTask) -> tuple[str, str]:
    """The job whose runs an entry leads to, and their scope where it is always the same."""
    name = entry_of(row)
    if name.startswith("day: "):
        return STEP[name.removeprefix("day: ")].task, ""
    return RUNS.get(row.task, (row.task, ""))


def _newest_runs(tasks: set[str]) -> dict[str, JobRun]:
    """The newest run of each job; one query."""
    wanted = Q(pk__in=[])
    for task in sorted(tasks):
        newest = JobRun.objects.filter(job=task).order_by("-created_at", "-pk").values("pk")
        wanted |= Q(pk=Subquery(newest[:1]))
    return {run.job: run for run in JobRun.objects.filter(wanted)}


def _time_of(crontab: CrontabSchedule | None) -> str | None:
    """HH:MM of a crontab that means one time of day on some weekdays, or on a day of the month."""
    if crontab is None or crontab.month_of_year != "*":
        return None
    if crontab.day_of_month != "*" and not _monthly(crontab):
        return None
    if not (crontab.hour.isdigit() and crontab.minute.isdigit()):
        return None
    return f"{int(crontab.hour):02d}:{int(crontab.minute):02d}"


def _monthly(crontab: CrontabSchedule) -> bool:
    """Whether it means one day of every month."""
    return crontab.day_of_month.isdigit() and crontab.day_of_week == "*"


def _days_in_words(crontab: CrontabSchedule) -> str:
    if _monthly(crontab):
        return f"Day {crontab.day_of_month} of the month"
    days = sorted(crontab.schedule.day_of_week)
    if len(days) == len(_DAYS):
        return "Daily"
    if days == [1, 2, 3, 4, 5]:
        return "Weekdays"
    if len(days) == 1:
        return f"{_DAYS[days[0]]}s"
    return ", ".join(_DAYS[day][:3] for day in days)


def _next(row: PeriodicTask) -> datetime | None:
    """When Beat sends it next; None while it is off or its rule is not one of ours."""
    if not row.enabled:
        return None
    now = clock.now()
    if row.interval is not None:
        since = row.last_run_at or row.date_changed or now
        return max(since + row.interval.schedule.run_every, now)
    at = _time_of(row.crontab)
    if at is None:
        return None
    zone, rule = row.crontab.timezone, row.crontab.schedule
    today = now.astimezone(zone).date()
    for ahead in range(63):  # the 31st of a month comes after two months at the latest
        due = datetime.combine(today + timedelta(days=ahead), time.fromisoformat(at), zone)
        fits = due.isoweekday() % 7 in rule.day_of_week and due.day in rule.day_of_month
        if due > now and fits:
            return due
    return None


def _version(row: PeriodicTask) -> int:
    """A number of what people may change: Beat's own notes leave it alone."""
    said = f"{row.enabled} {row.crontab_id} {row.interval_id}"
    return int.from_bytes(hashlib.sha256(said.encode()).digest()[:4], "big")


def _moved(row: PeriodicTask, at: str) -> CrontabSchedule:
    """The rule of the same days at another time. Raises BadInput."""
    old = row.crontab
    if _time_of(old) is None:
        raise BadInput(f"{row.name} runs {words(row).lower()}; it has no time of day.", attr="time")
    try:
        wanted = time.fromisoformat(at) if len(at) == len("HH:MM") else None
    except ValueError:
        wanted = None
    if wanted is None:
        raise BadInput("A time is written HH:MM, like 17:15.", attr="time")
    if QUIET[0] <= wanted < QUIET[1]:
        raise BadInput(
            "Clocks are changed between 00:00 and 04:00. Choose 04:00 or later.", attr="time"
        )
    _check_order(row, wanted)
    found, _ = CrontabSchedule.objects.get_or_create(
        minute=str(wanted.minute),
        hour=str(wanted.hour),
        day_of_week=old.day_of_week,
        day_of_month=old.day_of_month,
        month_of_year=old.month_of_year,
        timezone=old.timezone,
    )
    return found


def _check_order(row: PeriodicTask, wanted: time) -> None:
    """A step begins after the close and not before what it needs. Raises BadInput."""
    step = STEP.get(entry_of(row).removeprefix("day: "))
    if step is None:
        return
    if time.fromisoformat(step.at) >= CLOSE > wanted:
        raise BadInput(f"{step.label} works on a close: 16:00 or later.", attr="time")
    times = _times_of_steps()
    for name in step.needs:
        if name in times and times[name] > wanted:
            raise BadInput(
                f"{step.label} needs {STEP[name].label}, which begins at {times[name]:%H:%M}.",
                attr="time",
            )
    for each in STEPS:
        if step.name in each.needs and each.name in times and times[each.name] < wanted:
            raise BadInput(
                f"{each.label} needs it and begins at {times[each.name]:%H:%M}. Move that first.",
                attr="time",
            )


def _times_of_steps() -> dict[str, time]:
    rows = PeriodicTask.objects.select_related("crontab").filter(task="etftrader.run_step")
    return {
        entry_of(row).removeprefix("day: "): time.fromisoformat(at)
        for row in rows
        if entry_of(row) and (at := _time_of(row.crontab))
    }
