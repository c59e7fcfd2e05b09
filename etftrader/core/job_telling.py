"""What a run says of itself while it works: how far it is, in its row and on its channel."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from etftrader.core import job_log, push
from etftrader.core.job_lease import renew
from etftrader.core.records import JobRun

TELL_S = 0.5  # between two words of one run


class _Working:
    """The run this thread carries out, and what it said last."""

    def __init__(self, run: JobRun) -> None:
        self.run, self.told_at, self.note = run, 0.0, ""


_working: ContextVar[_Working | None] = ContextVar("the run at work", default=None)


@contextmanager
def at_work(run: JobRun) -> Iterator[None]:
    """What is said within is said of this run; runs may be carried out within each other."""
    before = _working.set(_Working(run))
    try:
        yield
    finally:
        _working.reset(before)


def progress(*, done: int, total: int, note: str = "") -> None:
    """Say how far the run is that this thread carries out; without one nobody asks.

    Twice a second at most is written and told. Raises LeaseLost when the run was cancelled, or is
    somebody else's by now: the work ends there.
    """
    working = _working.get()
    if working is None:
        return
    now = time.monotonic()
    if done < total and note == working.note and now - working.told_at < TELL_S:
        return
    if note and note != working.note:
        job_log.say(f"{note}, {done} of {total}" if total else note)
    working.told_at, working.note = now, note
    renew(working.run, done=done, total=total, note=note[:200])
    working.run.done, working.run.total, working.run.note = done, total, note[:200]
    publish("job.progress", working.run)


def hold(**kept: object) -> None:
    """Extend the lease of the run this thread carries out; said in the transaction it guards.

    Without a run nobody asks. Raises LeaseLost when it was cancelled or is somebody else's by now:
    nothing of that transaction stays.
    """
    working = _working.get()
    if working is not None:
        renew(working.run, **kept)


def remember(**inputs: object) -> None:
    """Keep with the run this thread carries out what its next attempt has to know.

    Raises LeaseLost: an attempt that was lost writes nothing.
    """
    working = _working.get()
    if working is not None:
        known = {**working.run.inputs, **inputs}
        hold(inputs=known)
        working.run.inputs = known


def publish(event: str, run: JobRun) -> None:
    """Tell who asked for a run; those of the house are told to whoever watches the data."""
    channel = f"user.{run.requested_by}.jobs" if run.requested_by else "data"
    told = {"id": str(run.pk), "kind": run.job, "step": run.step, "status": str(run.status)}
    push.publish(channel, event, {**told, "done": run.done, "total": run.total, "note": run.note})
