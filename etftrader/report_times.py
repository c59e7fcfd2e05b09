"""When scheduled reports are made: once the last step of a session has ended."""

from uuid import UUID

from etftrader.core.records import JobRun
from etftrader.schedule import STEPS
from etftrader.services import reports
from marketdata.selectors import sessions

LAST = STEPS[-1].task
ENDED = (JobRun.Status.SUCCEEDED, JobRun.Status.PARTIAL)


def after(*, run_id: UUID) -> None:
    """Ask for the reports that are due after a run; bears being called twice."""
    run = JobRun.objects.filter(pk=run_id).only("job", "status", "as_of").first()
    if run is None or run.job != LAST or run.status not in ENDED:
        return
    if run.as_of == sessions.latest():  # a past session that is run again makes none
        reports.due(session_date=run.as_of)
