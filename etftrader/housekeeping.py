"""Signs of life, and the removal of what need not be kept."""

from datetime import datetime, timedelta
from typing import Any

from axes.models import AccessAttempt, AccessLog
from django.contrib.sessions.models import Session
from django.db.models import Q, QuerySet
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from etftrader.core import clock, livestate
from etftrader.core.records import IdempotencyKey, JobRun, OutboxEvent
from marketdata.selectors import sessions
from marketdata.services import minute_bars
from portfolios.choices import ImportStatus
from portfolios.models import ApiToken, ImportBatch, TokenFamily

BEAT_KEY, SENDER_KEY = "life:worker", "life:timetable"
BEAT_TTL_S = 600
CLOCKS_DIFFER = timedelta(hours=1)  # more than two machines and the tokens' leeway ever do
BATCH = 1000  # rows a transaction: writers on SQLite wait for no more than that


def beat() -> None:
    """Note that the timetable was sent and a worker took it."""
    livestate.client().set(BEAT_KEY, clock.now().isoformat(), ex=BEAT_TTL_S)


def send() -> None:
    """Note that the timetable is awake, whether or not anything is due."""
    livestate.client().set(SENDER_KEY, clock.now().isoformat(), ex=BEAT_TTL_S)


def last_beat() -> datetime | None:
    """When a worker last showed itself; None when that is not known."""
    return _shown(BEAT_KEY)


def last_sent() -> datetime | None:
    """When the timetable last showed itself; None when that is not known."""
    return _shown(SENDER_KEY)


def _shown(key: str) -> datetime | None:
    try:
        text = livestate.client().get(key)
    except livestate.LiveError:
        return None
    return datetime.fromisoformat(text.decode()) if text else None  # type: ignore[union-attr]


def waiting_events() -> int:
    """How many announcements are not delivered yet."""
    return OutboxEvent.objects.filter(delivered_at__isnull=True).count()


def failed_jobs() -> int:
    """How many runs ended badly and stay so."""
    return JobRun.objects.filter(status__in=("failed", "dead")).count()


def prune(*, keep: timedelta) -> dict[str, int]:
    """Delete what nobody can use any more; the answer counts rows by kind.

    `keep` holds for what people may still look at: announcements, answers, sign-ins, personal
    tokens, wrong passwords, files that were checked and never booked. Sessions and refresh tokens
    go when they have expired: their dates refuse them from then on, used ones included.
    """
    now = clock.now()
    before, over = now - keep, now - CLOCKS_DIFFER
    ended = Q(expires_at__lt=before) | Q(revoked_at__lt=before)
    unbooked = ImportBatch.objects.exclude(status__in=(ImportStatus.COMMITTED, ImportStatus.UNDONE))
    return {
        "events": _delete(OutboxEvent.objects.filter(delivered_at__lt=before)),
        "keys": _delete(IdempotencyKey.objects.filter(money=False, created_at__lt=before)),
        "sessions": _delete(Session.objects.filter(expire_date__lt=over)),
        "refresh_tokens": _delete(OutstandingToken.objects.filter(expires_at__lt=over)),
        "families": _delete(TokenFamily.objects.filter(expires_at__lt=before)),
        "tokens": _delete(ApiToken.objects.filter(ended)),
        "attempts": _delete(AccessAttempt.objects.filter(attempt_time__lt=before)),
        "logins": _delete(AccessLog.objects.filter(attempt_time__lt=before)),
        "imports": _delete(unbooked.filter(updated_at__lt=before)),
        # their age is that of the market: a replay's minutes are of its own year
        **minute_bars.prune(now=sessions.now()),
    }


def _delete(rows: QuerySet[Any]) -> int:
    """Delete the rows and what hangs on them, some at a time; count the rows themselves."""
    count = 0
    while keys := list(rows.values_list("pk", flat=True)[:BATCH]):
        count += rows.model._default_manager.filter(pk__in=keys).delete()[1][rows.model._meta.label]
    return count
