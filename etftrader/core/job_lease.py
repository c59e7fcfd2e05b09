"""Whose a run is: a lease on the database's clock, and the attempt as its fencing number."""

import os
import socket
from datetime import timedelta
from uuid import UUID

from django.db.models import F, Q
from django.db.models.functions import Now

from etftrader.core.errors import LeaseLost
from etftrader.core.records import JobRun

LEASE = timedelta(seconds=60)


def claim(run_id: UUID | str) -> JobRun | None:
    """Take the lease of a waiting or abandoned run; None when it is somebody else's or done."""
    free = Q(status="queued") | Q(status="running", lease_until__lt=Now())
    taken = JobRun.objects.filter(free, pk=run_id).update(
        status="running",
        attempt=F("attempt") + 1,
        lease_until=Now() + LEASE,
        heartbeat_at=Now(),
        started_at=Now(),
        worker=f"{socket.gethostname()}:{os.getpid()}",
    )
    return JobRun.objects.get(pk=run_id) if taken else None


def renew(run: JobRun, **changes: object) -> None:
    """Extend the lease inside the transaction whose results it guards. Raises LeaseLost."""
    ours = JobRun.objects.filter(pk=run.pk, attempt=run.attempt, status="running")
    kept: dict[str, object] = {"lease_until": Now() + LEASE, "heartbeat_at": Now()}
    if not ours.update(**(kept | changes)):
        raise LeaseLost("Another worker has taken this run over.", run=str(run.pk))
