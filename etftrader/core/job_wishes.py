"""Wishes that join the run which waits for its turn: many are one piece of work."""

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

from etftrader.core import audit, clock, jobs
from etftrader.core.records import JobRun

_TRIES = 3

Inputs = dict[str, Any]


def ask(
    job: str,
    *,
    as_of: date,
    merged: Callable[[Inputs], Inputs],
    requested_by: UUID | None = None,
    request_id: str = "",
    queue: bool = True,
) -> tuple[JobRun, bool]:
    """The run that will do what is wished, and whether it waited already.

    `merged` makes the run's inputs out of those of one that waits to begin; of nothing, where none
    does. One that works, or worked once, may have passed what is wished: it is followed by another.
    Without `queue` a new one is left to the sweeper, half a minute at most.
    """
    for _ in range(_TRIES):
        fresh = JobRun.objects.filter(job=job, as_of=as_of, status=JobRun.Status.QUEUED, attempt=0)
        waiting = fresh.first()
        if waiting is None:
            break
        if _joined(waiting, _now(merged(waiting.inputs))):
            return waiting, True
    run = jobs.request(
        job,
        as_of=as_of,
        inputs=_now(merged({})),
        requested_by=requested_by,
        request_id=request_id,
        queue=queue,
    )
    return run, False


def _now(inputs: Inputs) -> Inputs:
    """The moment tells a wish from the same one that is being worked on."""
    return {**inputs, "asked_at": clock.now().isoformat()}


def _joined(waiting: JobRun, inputs: Inputs) -> bool:
    """Add to what a run will do; False when it has begun, or somebody else added to it."""
    # the hash names what was read: of two who add at once the second finds another one
    same = JobRun.objects.filter(
        pk=waiting.pk, status=JobRun.Status.QUEUED, inputs_hash=waiting.inputs_hash
    )
    digest = audit.digest([waiting.job, waiting.as_of, inputs])
    return bool(same.update(inputs=inputs, inputs_hash=digest))
