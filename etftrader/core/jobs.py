"""Runs of jobs: requested as rows, claimed with a lease and a fencing number, named failures."""

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from typing import Any
from uuid import UUID

from celery import Task, current_app, shared_task
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.module_loading import autodiscover_modules

from etftrader.core import audit, clock, job_log
from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict, DomainError, LeaseLost
from etftrader.core.events import Event
from etftrader.core.job_lease import NotYet, claim, heartbeat, put_back, renew
from etftrader.core.job_queue import BrokerAway, send
from etftrader.core.job_telling import at_work, hold, progress, publish, remember
from etftrader.core.records import ASKED, OPEN, JobRun

__all__ = [
    "BrokerAway",
    "InParts",
    "NotYet",
    "cancel",
    "claim",
    "enqueue",
    "hold",
    "job_finished",
    "progress",
    "remember",
    "renew",
    "request",
    "retry_failed",
    "run_job",
    "run_now",
    "send",
]

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
WAITS = "needs_failed"  # the code of what only waits for an earlier step
FAILED = (JobRun.Status.PARTIAL, JobRun.Status.FAILED, JobRun.Status.DEAD)

job_finished = Event("core.job_finished")  # run_id


class InParts(Task):
    """A task whose slices have transactions of their own, each of which says `hold`.

    It bears being called again where it was cut short.
    """


def request(
    job: str,
    *,
    as_of: date,
    scope: str = "",
    portfolio_ids: list[UUID] | None = None,
    inputs: dict[str, Any] | None = None,
    step: str = "",
    withheld: Mapping[str, dict[str, Any]] | None = None,
    warnings: Iterable[dict[str, Any]] = (),
    requested_by: UUID | None = None,
    request_id: str = "",
    queue: bool = True,
    goes_on: bool = False,
) -> JobRun:
    """Write a run and put it on the queue; the same wish while one is open returns that one.

    A scheduled run names its scope and is unique per (job, scope, session); a finished one is
    opened again, so a rerun supersedes. Without a scope the run is on demand: its scope carries
    the hash of its inputs. Portfolios in `withheld` (id -> problem) are named as failed and not
    worked on; `warnings` stand in the run's own. A rerun that `goes_on` keeps counting attempts,
    so that the fifth is the last.
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
        "warnings": list(warnings),
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
        publish("job.created", run)
    return run


def _open_run(job: str, scope: str, as_of: date, values: dict[str, Any], goes_on: bool) -> JobRun:
    run, created = JobRun.objects.get_or_create(job=job, scope=scope, as_of=as_of, defaults=values)
    if not created and run.status not in OPEN:
        JobRun.objects.filter(pk=run.pk).exclude(status__in=OPEN).update(
            **values,
            status=JobRun.Status.QUEUED,
            attempt=F("attempt") if goes_on else 0,
            done=0,
            note="",
            counts={},
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
    """Do a claimed run's work and close it; the last it says is kept for who looks at it."""
    with job_log.kept(run.pk):
        job_log.say(f"Attempt {run.attempt} begins")
        _do(run)


def _do(run: JobRun) -> None:
    try:
        with heartbeat(run), at_work(run):
            items, result = _work(run)
    except LeaseLost:
        _note_loss(run)
        return
    except NotYet as wait:
        _put_back(run, str(wait))
        return
    except Exception as error:  # a job's failure is kept with the run
        logger.exception("job failed", extra={"run": str(run.pk), "job": run.job})
        _fail(run, error)
        return
    _end(run, items, result)


def _note_loss(run: JobRun) -> None:
    """It was cancelled, or another process has it: what it would say counts no more."""
    logger.warning("lease lost", extra={"run": str(run.pk), "job": run.job})


def _put_back(run: JobRun, why: str) -> None:
    try:
        put_back(run, why)
        job_log.say(f"Waits: {why}")
    except LeaseLost:
        _note_loss(run)


def _end(run: JobRun, items: list[dict[str, Any]], result: dict[str, Any]) -> None:
    failed = [item for item in items if item["status"] == "failed"]
    succeeded = len(items) - len(failed)
    status = "succeeded" if not failed else ("partial" if succeeded else _ended_badly(run))
    counts, said = _dict(result.get("counts")), result.get("warnings")
    warnings = [*run.warnings, *(each for each in said or () if isinstance(each, dict))]
    _close(run, status, items=items, result=result, counts=counts, warnings=warnings)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _work(run: JobRun) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Call the task's body; slices of portfolios share a transaction with their tick.

    One `InParts` has its own. A run that is retried does the items that are asked for anew; the
    others stand.
    """
    body = _body(run.job)
    given = {**run.inputs, "session_date": run.as_of.isoformat(), "run_id": str(run.pk)}
    asked = [item["item"] for item in run.items if item["status"] == ASKED]
    kept = [item for item in run.items if item["status"] != ASKED]
    if not run.portfolio_ids:
        result = body(**given, **({"only": asked} if asked else {}))
        if not isinstance(result, dict):
            return kept if asked else [], {}
        items = list(result.pop("items", []))
        return _merged(kept, items) if asked else items, result
    # a run that waits has no items but those named when it was requested
    named = {item["item"] for item in kept}
    due = [each for each in asked or run.portfolio_ids if each not in named]
    if not due:
        return kept, {}
    try:
        with _together(run.job):
            result = body(portfolio_ids=due, **given) or {}
            renew(run, done=len(run.portfolio_ids))
        return [*kept, *_items(due, result)], result
    except (LeaseLost, NotYet, KeyboardInterrupt):
        raise
    except Exception:  # one at a time, so that the bad one is named
        logger.exception("slice repeated one by one", extra={"run": str(run.pk)})
    done = [*kept]
    for place, each in enumerate(due):
        done.append(_one(run, body, each, given))
        progress(done=len(named) + place + 1, total=len(run.portfolio_ids))
    return done, {}


def _merged(kept: list[dict[str, Any]], items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The items of all attempts: of one that was done again the newer."""
    again = {item["item"] for item in items}
    return [*(item for item in kept if item["item"] not in again), *items]


def _items(portfolio_ids: Iterable[str], result: dict[str, Any]) -> list[dict[str, Any]]:
    """One item per portfolio: what the task says of it, else that it is done."""
    told = {item["item"]: item for item in result.pop("items", [])}
    return [told.get(each, {"item": each, "status": "ok"}) for each in portfolio_ids]


def _body(job: str) -> Callable[..., Any]:
    """The task's function; outside a worker the tasks are imported at the first need."""
    if job not in current_app.tasks:
        autodiscover_modules("tasks")
    return current_app.tasks[job].run


def _together(job: str) -> AbstractContextManager[Any]:
    """What a slice and its tick share: a transaction, or none for a task that has its own."""
    in_parts = isinstance(current_app.tasks[job], InParts)
    return nullcontext() if in_parts else transaction.atomic()


def _one(run: JobRun, body: Any, portfolio_id: str, given: dict[str, Any]) -> dict[str, Any]:
    try:
        with _together(run.job):
            result = body(portfolio_ids=[portfolio_id], **given) or {}
            renew(run)
    except LeaseLost:
        raise
    except Exception as error:
        logger.exception("portfolio failed", extra={"run": str(run.pk), "item": portfolio_id})
        return {"item": portfolio_id, "status": "failed", "reason": problem(error)}
    return _items([portfolio_id], result)[0]


def _fail(run: JobRun, error: Exception) -> None:
    if connection.needs_rollback:
        connection.set_rollback(False)
    _close(run, _ended_badly(run), error=problem(error))


def _ended_badly(run: JobRun) -> str:
    return "dead" if run.attempt >= MAX_ATTEMPTS else "failed"


def _close(run: JobRun, status: str, **changes: object) -> None:
    try:
        with transaction.atomic():
            renew(run, status=status, lease_until=None, finished_at=Now(), **changes)
            job_finished.announce(run_id=str(run.pk))
            run.status = status
            publish("job.finished", run)
        job_log.say(f"Ended: {status}")
    except LeaseLost:
        _note_loss(run)


def problem(error: Exception) -> dict[str, Any]:
    """What is kept of a failure, for whoever asked for the run."""
    if isinstance(error, DomainError):
        figures = {name: str(value) for name, value in error.figures.items()}
        return {"code": error.code, "detail": error.detail, **figures}
    # its words may name what whoever asked must not see; they stand in the log
    return {"code": "internal_error", "detail": f"An unexpected {type(error).__name__}."}


@transaction.atomic
def retry_failed(run: JobRun, *, by: Actor) -> JobRun:
    """Ask again for what failed of a run, as its next attempt; what went well is left alone.

    A run that failed as a whole is done again as a whole. Raises Conflict while it is open, when
    nothing of it failed, and when what failed only waits for an earlier step.
    """
    before = run.status
    if before in OPEN:
        raise Conflict("The job has not ended yet.", code="job_already_running")
    bad = [item for item in run.items if item["status"] == "failed"]
    failed = [item["item"] for item in bad if not _waits(item.get("reason"))]
    if before not in FAILED:
        raise Conflict("Nothing of this job failed.", code="nothing_failed", job_status=before)
    if (bad and not failed) or _waits(run.error):
        raise Conflict("It waits for an earlier step. Retry that one.", code="needs_earlier_step")
    again = [{"item": item, "status": ASKED} for item in failed]
    kept = [item for item in run.items if item["item"] not in set(failed)]
    same = JobRun.objects.filter(pk=run.pk, status=before, attempt=run.attempt)
    try:
        with transaction.atomic():
            taken = same.update(
                status=JobRun.Status.QUEUED,
                items=[*kept, *again],
                done=len(kept),
                total=len(kept) + len(again),
                note="",
                error=None,
                enqueued_at=None,
                finished_at=None,
            )
    except IntegrityError:
        taken = 0  # the same wish is open under another number
    if not taken:
        raise Conflict("Somebody asked for it meanwhile.", code="job_already_running")
    run.refresh_from_db()
    _note(run, "job.retry", by, before=before, items=len(failed))
    transaction.on_commit(lambda: enqueue(run.pk), robust=True)
    publish("job.created", run)
    return run


@transaction.atomic
def cancel(run: JobRun, *, by: Actor) -> JobRun:
    """End a run that waits or works: a worker stops at its next word. Twice is harmless.

    Raises Conflict when it has ended in another way.
    """
    before = run.status
    stopped = JobRun.objects.filter(pk=run.pk, status__in=OPEN).update(
        status=JobRun.Status.CANCELLED, finished_at=clock.now(), lease_until=None
    )
    run.refresh_from_db()
    if stopped:
        _note(run, "job.cancel", by, before=before)
        publish("job.finished", run)
    elif run.status != JobRun.Status.CANCELLED:
        raise Conflict(
            f"The job has {run.status}; there is nothing to cancel.",
            code="job_already_ended",
            job_status=run.status,
        )
    return run


def _waits(reason: Any) -> bool:
    return isinstance(reason, dict) and reason.get("code") == WAITS


def _note(run: JobRun, action: str, by: Actor, *, before: str, **more: object) -> None:
    """The run keeps who asked for it first; this line keeps who came after."""
    audit.record(
        by=by,
        action=action,
        object_type="job",
        object_id=run.pk,
        before={"status": str(before)},
        after={"status": str(run.status), "job": run.job, "as_of": str(run.as_of), **more},
    )
