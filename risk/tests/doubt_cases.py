"""What the workers do of an announcement about prices in doubt."""

from etftrader.core import jobs
from etftrader.core.records import JobRun, OutboxEvent
from risk import tasks
from risk.services import revaluations


def carry_out(event: OutboxEvent, *, risk: bool = True) -> list[JobRun]:
    """The task of the queue, the run it asks for, and with `risk` what that asks for."""
    words = dict(event.payload)
    names = words.pop("instrument_id", "") or words.pop("instrument_ids")
    tasks.revalue_holders(instrument_ids=names, **words, later="argument")
    return carried_out() + (carried_out("risk.compute") if risk else [])


def carried_out(job: str = revaluations.JOB) -> list[JobRun]:
    """The runs of a job that wait, done."""
    runs = [jobs.run_now(run) for run in JobRun.objects.filter(job=job, status="queued")]
    assert {run.status for run in runs} <= {"succeeded"}, [(run.error, run.items) for run in runs]
    return runs
