"""Whose a run is: a lease on the database's clock, and the attempt as its fencing number."""

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from django.db import DatabaseError, connection
from django.db.models import F, Q
from django.db.models.functions import Now

from etftrader.core import clock
from etftrader.core.errors import LeaseLost
from etftrader.core.records import JobRun

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
HEARTBEAT_S = 10.0  # how often a run that works extends its lease


class NotYet(Exception):
    """What a run needs is not there yet: it goes back to the queue, and is sent by the sweeper."""


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


def put_back(run: JobRun, why: str) -> None:
    """Give a claimed run back as if it had not been taken. Raises LeaseLost."""
    waits = {"status": "queued", "attempt": run.attempt - 1, "enqueued_at": clock.now()}
    renew(run, **waits, note=why[:200], started_at=None, lease_until=None)


@contextmanager
def heartbeat(run: JobRun) -> Iterator[None]:
    """Extend the lease while the work goes on: a long run is not an abandoned one."""
    done = threading.Event()
    beating = threading.Thread(target=_beat, args=[run, done], daemon=True)
    beating.start()
    try:
        yield
    finally:
        done.set()
        beating.join()


def _beat(run: JobRun, done: threading.Event) -> None:
    while not done.wait(HEARTBEAT_S):
        try:
            renew(run)
        except LeaseLost:
            return  # the run's own next write finds out
        except DatabaseError as error:
            logger.warning("lease not extended", extra={"run": str(run.pk), "error": str(error)})
        finally:
            connection.close()  # this thread's own
