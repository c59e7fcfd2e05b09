"""What the roof does when a job ends. Imported once, when every app is ready."""

from etftrader.core import jobs

HEED = "etftrader.heed_run"


@jobs.job_finished.listener
def heed(*, run_id: str, **later: object) -> None:
    """A run that ended may concern somebody. By name: a web process need not load the tasks."""
    jobs.send(HEED, run_id=run_id)
