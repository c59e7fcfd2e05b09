"""Signs of life, and the removal of what need not be kept."""

from datetime import datetime, timedelta

from django.contrib.sessions.models import Session
from django_celery_beat.models import PeriodicTask

from etftrader.core import clock, livestate
from etftrader.core.records import IdempotencyKey, JobRun, OutboxEvent
from portfolios.models import TokenFamily

BEAT_KEY = "life:worker"
BEAT_TTL_S = 600


def beat() -> None:
    """Note that the timetable was sent and a worker took it."""
    livestate.client().set(BEAT_KEY, clock.now().isoformat(), ex=BEAT_TTL_S)


def last_beat() -> datetime | None:
    """When a worker last showed itself; None when that is not known."""
    try:
        text = livestate.client().get(BEAT_KEY)
    except livestate.LiveError:
        return None
    return datetime.fromisoformat(text.decode()) if text else None  # type: ignore[union-attr]


def waiting_events() -> int:
    """How many announcements are not delivered yet."""
    return OutboxEvent.objects.filter(delivered_at__isnull=True).count()


def failed_jobs() -> int:
    """How many runs ended badly and stay so."""
    return JobRun.objects.filter(status__in=("failed", "dead")).count()


def batches(*, limit: int) -> list[JobRun]:
    """The newest requests to run a day, newest first."""
    return list(JobRun.objects.filter(job="etftrader.run_day").order_by("-created_at")[:limit])


def timetable() -> list[PeriodicTask]:
    """Every entry of the timetable by name, as administrators left it."""
    return list(PeriodicTask.objects.select_related("crontab", "interval").order_by("name"))


def prune(*, keep: timedelta) -> dict[str, int]:
    """Delete delivered announcements, spent keys of requests without money, ended sessions."""
    before = clock.now() - keep
    return {
        "events": OutboxEvent.objects.filter(delivered_at__lt=before).delete()[0],
        "keys": IdempotencyKey.objects.filter(money=False, created_at__lt=before).delete()[0],
        "sessions": Session.objects.filter(expire_date__lt=clock.now()).delete()[0],
        "families": TokenFamily.objects.filter(expires_at__lt=before).delete()[0],
    }
