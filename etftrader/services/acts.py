"""Acts of the roof: ask for the next session, for a day again, for a fresh timetable."""

from datetime import datetime

from django.db import transaction
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from etftrader.core import audit, clock, jobs
from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict
from etftrader.core.records import OPEN, JobRun
from etftrader.schedule import STEPS, TIMERS
from marketdata.selectors import sessions
from marketdata.services import replay

ZONE = "America/New_York"


def update_data(*, by: Actor) -> JobRun:
    """Ask for the next session: its close, then its day. The same wish while open is one job.

    Raises NoMoreHistory when the clock stands on the last session, Conflict while the market is
    live.
    """
    if sessions.is_live():
        raise Conflict(
            "The market is live: its sessions close by themselves, so there is nothing to advance. "
            "Prices that are missing are asked for on the data page.",
            code="market_is_live",
        )
    target = replay.next_session(sessions.moment())
    waiting = JobRun.objects.filter(job="etftrader.advance", status__in=OPEN).first()
    if waiting is not None:
        return waiting
    with transaction.atomic():
        return jobs.request(
            "etftrader.advance",
            as_of=target,
            inputs={"round": sessions.moment().round},
            requested_by=by.user_id,
            request_id=by.request_id,
        )


def retry(*, run: JobRun, by: Actor) -> JobRun:
    """Run a finished job again, as a whole. Raises Conflict while it is open."""
    if run.status in OPEN:
        raise Conflict("The job has not ended yet.", code="job_already_running")
    with transaction.atomic():
        again = jobs.request(
            run.job,
            as_of=run.as_of,
            scope=run.scope,
            portfolio_ids=run.portfolio_ids,
            inputs=run.inputs,
            step=run.step,
            requested_by=by.user_id,
            request_id=by.request_id,
        )
        _note(again, "job.retry", by, before=run.status)
    return again


def _note(run: JobRun, action: str, by: Actor, *, before: str) -> None:
    """The run keeps who asked for it first; this line keeps who came after."""
    audit.record(
        by=by,
        action=action,
        object_type="job",
        object_id=run.pk,
        before={"status": str(before)},
        after={"status": str(run.status), "job": run.job, "as_of": str(run.as_of)},
    )


@transaction.atomic
def setup_schedules() -> int:
    """Write the timetable's defaults; what an admin changed stays. The answer counts new rows."""
    made = 0
    for timer in TIMERS:
        if timer.every_s:
            every, _ = IntervalSchedule.objects.get_or_create(
                every=timer.every_s, period=IntervalSchedule.SECONDS
            )
            when = {"interval": every}
        else:
            when = {"crontab": _crontab(timer.at, timer.weekdays, timer.month_days)}
        made += _entry(timer.name, timer.task, when, "{}")
    for step in STEPS:
        when = {"crontab": _crontab(step.at, "1-5")}
        made += _entry(
            f"day: {step.name}", "etftrader.run_step", when, f'{{"step": "{step.name}"}}'
        )
    return made


def _crontab(at: str, weekdays: str, month_days: str = "*") -> CrontabSchedule:
    hour, minute = at.split(":")
    found, _ = CrontabSchedule.objects.get_or_create(
        minute=str(int(minute)),
        hour=str(int(hour)),
        day_of_week=weekdays,
        day_of_month=month_days,
        month_of_year="*",
        timezone=ZONE,
    )
    return found


def _entry(name: str, task: str, when: dict[str, object], arguments: str) -> int:
    _, created = PeriodicTask.objects.get_or_create(
        name=name, defaults={"task": task, "kwargs": arguments, **when}
    )
    return int(created)


def worker_is_late(last: datetime | None, *, after_s: float = 90.0) -> bool:
    """Whether no worker has shown itself for that long."""
    if last is None:
        return True
    return (clock.now() - last).total_seconds() > after_s
