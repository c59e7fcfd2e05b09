"""Runs of jobs: requested as rows, claimed with a lease and a fencing number, named failures."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from celery import current_app, shared_task
from celery.signals import worker_ready
from django.conf import settings
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.module_loading import autodiscover_modules
from kombu.exceptions import OperationalError as BrokerAway

from etftrader.core import audit, clock
from etftrader.core.errors import DomainError, LeaseLost
from etftrader.core.events import Event
from etftrader.core.records import OPEN, JobRun

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
HEARTBEAT_S = 10.0  # how often a run that works extends its lease
MAX_ATTEMPTS = 5
REQUEUE_AFTER = timedelta(seconds=15)
BROKER_REST_S = 5.0  # how long nobody asks the broker after it did not answer

job_finished = Event("core.job_finished")  # run_id


def request(
    job: str,
    *,
    as_of: date,
    scope: str = "",
    portfolio_ids: list[UUID] | None = None,
    inputs: dict[str, Any] | None = None,
    step: str = "",
    withheld: Mapping[str, dict[str, Any]] | None = None,
    requested_by: UUID | None = None,
    request_id: str = "",
    queue: bool = True,
    goes_on: bool = False,
) -> JobRun:
    """Write a run and put it on the queue; the same wish while one is open returns that one.

    A scheduled run names its scope and is unique per (job, scope, session); a finished one is
    opened again, so a rerun supersedes. Without a scope the run is on demand: its scope carries
    the hash of its inputs. Portfolios in `withheld` (id -> problem) are named as failed and not
    worked on. A rerun that `goes_on` keeps counting attempts, so that the fifth is the last.
    """
    portfolio_ids = portfolio_ids or []
    given = {"inputs": inputs or {}, "portfolios": [str(each) for each in portfolio_ids]}
    on_demand = audit.digest([job, as_of, given]) if not scope else ""
    values: dict[str, Any] = {
        "inputs": given["inputs"],
        "inputs_hash": on_demand,
        "portfolio_ids": given["portfolios"],
        "step": step,
        "requested_by": requested_by,
        "request_id": request_id,
        "code_version": settings.CODE_VERSION,
        "total": len(portfolio_ids),
        "items": [
            {"item": each, "status": "failed", "reason": problem}
            for each, problem in (withheld or {}).items()
        ],
    }
    try:
        with transaction.atomic():
            run = _open_run(job, scope or f"ask:{clock.now():%H%M%S%f}", as_of, values, goes_on)
    except IntegrityError:
        # the same wish is open already
        run = JobRun.objects.get(job=job, inputs_hash=on_demand, status__in=OPEN)
    if queue and run.status == JobRun.Status.QUEUED:
        transaction.on_commit(lambda: enqueue(run.pk), robust=True)
    return run


def _open_run(job: str, scope: str, as_of: date, values: dict[str, Any], goes_on: bool) -> JobRun:
    run, created = JobRun.objects.get_or_create(job=job, scope=scope, as_of=as_of, defaults=values)
    if not created and run.status not in OPEN:
        JobRun.objects.filter(pk=run.pk).exclude(status__in=OPEN).update(
            **values,
            status=JobRun.Status.QUEUED,
            attempt=F("attempt") if goes_on else 0,
            done=0,
            enqueued_at=None,
            error=None,
            finished_at=None,
        )
        run.refresh_from_db()
    return run


def enqueue(run_id: UUID) -> bool:
    """Hand a queued run to the workers; False when the broker is away (the sweeper retries)."""
    try:
        send("etftrader.run_job", run_id=str(run_id))
    except (BrokerAway, OSError) as error:
        logger.warning("job waits", extra={"run": str(run_id), "error": str(error)[:200]})
        return False
    JobRun.objects.filter(pk=run_id).update(enqueued_at=clock.now())
    return True


class _Broker:
    """When this process may ask the broker again."""

    ask_again_at = 0.0


def send(task: str, **words: str) -> None:
    """Put a task on the queue, by name.

    Raises BrokerAway or OSError; at once when the broker did not answer a moment ago, so that
    one request waits for its time-out and not each of them. The sweepers send it later.
    """
    if time.monotonic() < _Broker.ask_again_at:
        raise BrokerAway("The broker did not answer a moment ago.")
    try:
        current_app.send_task(task, kwargs=words, retry=False)
    except (BrokerAway, OSError):
        _Broker.ask_again_at = time.monotonic() + BROKER_REST_S
        raise


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
    kept: dict[str, Any] = {"lease_until": Now() + LEASE, "heartbeat_at": Now()}
    if not ours.update(**(kept | changes)):
        raise LeaseLost("Another worker has taken this run over.", run=str(run.pk))


@shared_task(name="etftrader.run_job")
def run_job(*, run_id: str, **later: object) -> None:
    """Run one JobRun; what fails is named, the rest is done."""
    run = claim(run_id)
    if run is not None:
        carry_out(run)


def run_now(run: JobRun) -> JobRun:
    """Claim and carry out in this process; the run's final state is the answer."""
    claimed = claim(run.pk)
    if claimed is not None:
        carry_out(claimed)
    run.refresh_from_db()
    return run


def carry_out(run: JobRun) -> None:
    """Do a claimed run's work and close it."""
    try:
        with _heartbeat(run):
            items, result = _work(run)
    except LeaseLost:
        logger.warning("lease lost", extra={"run": str(run.pk), "job": run.job})
        return
    except Exception as error:  # a job's failure is kept with the run
        logger.exception("job failed", extra={"run": str(run.pk), "job": run.job})
        _fail(run, error)
        return
    failed = [item for item in items if item["status"] == "failed"]
    succeeded = len(items) - len(failed)
    status = "succeeded" if not failed else ("partial" if succeeded else _ended_badly(run))
    _close(run, status, items=items, result=result)


@contextmanager
def _heartbeat(run: JobRun) -> Iterator[None]:
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


def _work(run: JobRun) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Call the task's body; slices of portfolios share a transaction with their tick."""
    body = _body(run.job)
    given = {**run.inputs, "session_date": run.as_of.isoformat(), "run_id": str(run.pk)}
    if not run.portfolio_ids:
        result = body(**given) or {}
        return list(result.pop("items", [])) if isinstance(result, dict) else [], result
    # a run that waits has no items but those named when it was requested
    withheld = [item for item in run.items if item["status"] == "failed"]
    named = {item["item"] for item in withheld}
    due = [each for each in run.portfolio_ids if each not in named]
    if not due:
        return withheld, {}
    try:
        with transaction.atomic():
            result = body(portfolio_ids=due, **given) or {}
            renew(run, done=len(due))
        return [*withheld, *_items(due, result)], result
    except (LeaseLost, KeyboardInterrupt):
        raise
    except Exception:  # one at a time, so that the bad one is named
        logger.exception("slice repeated one by one", extra={"run": str(run.pk)})
    return [*withheld, *(_one(run, body, each, given) for each in due)], {}


def _items(portfolio_ids: Iterable[str], result: dict[str, Any]) -> list[dict[str, Any]]:
    """One item per portfolio: what the task says of it, else that it is done."""
    told = {item["item"]: item for item in result.pop("items", [])}
    return [told.get(each, {"item": each, "status": "ok"}) for each in portfolio_ids]


def _body(job: str) -> Callable[..., Any]:
    """The task's function; outside a worker the tasks are imported at the first need."""
    if job not in current_app.tasks:
        autodiscover_modules("tasks")
    return current_app.tasks[job].run


def _one(run: JobRun, body: Any, portfolio_id: str, given: dict[str, Any]) -> dict[str, Any]:
    try:
        with transaction.atomic():
            result = body(portfolio_ids=[portfolio_id], **given) or {}
            renew(run, done=F("done") + 1)
    except LeaseLost:
        raise
    except Exception as error:
        logger.exception("portfolio failed", extra={"run": str(run.pk), "item": portfolio_id})
        return {"item": portfolio_id, "status": "failed", "reason": _problem(error)}
    return _items([portfolio_id], result)[0]


def _fail(run: JobRun, error: Exception) -> None:
    if connection.needs_rollback:
        connection.set_rollback(False)
    _close(run, _ended_badly(run), error=_problem(error))


def _ended_badly(run: JobRun) -> str:
    return "dead" if run.attempt >= MAX_ATTEMPTS else "failed"


def _close(run: JobRun, status: str, **changes: object) -> None:
    with transaction.atomic():
        renew(run, status=status, lease_until=None, finished_at=Now(), **changes)
        job_finished.announce(run_id=str(run.pk))


def _problem(error: Exception) -> dict[str, Any]:
    if isinstance(error, DomainError):
        figures = {name: str(value) for name, value in error.figures.items()}
        return {"code": error.code, "detail": error.detail, **figures}
    return {"code": "internal_error", "detail": f"{type(error).__name__}: {error}"[:300]}


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


def cancel(run: JobRun) -> bool:
    """Cancel a queued run; False when it had begun."""
    waiting = JobRun.objects.filter(pk=run.pk, status="queued")
    return bool(waiting.update(status="cancelled", finished_at=clock.now()))
