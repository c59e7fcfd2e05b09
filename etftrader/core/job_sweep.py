"""What an outage left behind: runs that wait unsent, runs whose worker is gone, runs worn out."""

import logging
import os
import socket
from datetime import timedelta

from celery import shared_task
from celery.signals import worker_ready
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from etftrader.core import clock
from etftrader.core.job_queue import BrokerAway, send
from etftrader.core.jobs import MAX_ATTEMPTS, enqueue, job_finished
from etftrader.core.records import JobRun

logger = logging.getLogger(__name__)

REQUEUE_AFTER = timedelta(seconds=15)


def sweep(*, limit: int = 200) -> dict[str, int]:
    """Requeue what waits and what was abandoned; declare dead what keeps failing."""
    now = clock.now()
    _free_the_dead()
    worn = JobRun.objects.filter(status="running", lease_until__lt=Now(), attempt__gte=MAX_ATTEMPTS)
    dead = sum(_bury(run) for run in worn)
    lost = Q(status="running", lease_until__lt=Now())
    waiting = Q(status="queued") & (
        Q(enqueued_at__isnull=True) | Q(enqueued_at__lt=now - REQUEUE_AFTER)
    )
    old_enough = Q(created_at__lt=now - timedelta(seconds=5))
    again = JobRun.objects.filter((lost | waiting) & old_enough).order_by("created_at")
    sent = sum(enqueue(run_id) for run_id in again.values_list("pk", flat=True)[:limit])
    return {"dead": dead, "requeued": sent}


def _bury(run: JobRun) -> int:
    """Declare an abandoned run dead and say so; 0 when somebody was faster."""
    with transaction.atomic():
        same = JobRun.objects.filter(pk=run.pk, status="running", attempt=run.attempt)
        problem = {"code": "abandoned", "detail": "Every worker that took it was lost."}
        buried = same.filter(lease_until__lt=Now()).update(
            status="dead", finished_at=clock.now(), error=problem
        )
        if buried:
            job_finished.announce(run_id=str(run.pk))
    return buried


def _free_the_dead() -> None:
    """End the leases of processes of this machine that are no more; others run out."""
    host = socket.gethostname()
    held = JobRun.objects.filter(status="running", worker__startswith=f"{host}:")
    for run in held.filter(lease_until__gte=Now()):
        if not _lives(run.worker.rpartition(":")[2]):
            ours = JobRun.objects.filter(pk=run.pk, attempt=run.attempt, status="running")
            ours.update(lease_until=Now() - timedelta(seconds=1))


def _lives(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


@shared_task(name="etftrader.sweep_jobs")
def sweep_jobs(**later: object) -> None:
    """Requeue what the workers before left behind."""
    sweep()


@worker_ready.connect
def _look_around(**later: object) -> None:
    """A worker that starts asks for what was abandoned, rather than wait for the timetable."""
    try:
        send("etftrader.sweep_jobs")
    except (BrokerAway, OSError) as error:
        logger.warning("not swept", extra={"error": str(error)[:200]})
