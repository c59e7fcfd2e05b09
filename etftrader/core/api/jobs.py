"""Long work: 202 with the run's document and where to follow it."""

from typing import Any

from rest_framework.response import Response

from etftrader.core.api.fields import moment
from etftrader.core.records import ASKED, OPEN, JobRun


def accepted(run: JobRun) -> Response:
    """202 with Location and Retry-After, whether the run is new or was open already."""
    body = document(run)
    return Response(body, 202, headers={"Location": body["url"], "Retry-After": "1"})


def address(run: JobRun) -> str:
    """Where a run is followed."""
    return f"/api/v1/jobs/{run.pk}"


def document(run: JobRun) -> dict[str, Any]:
    """A run as programs see it."""
    url = address(run)
    states = [item.get("status") for item in run.items]
    failed, skipped, asked = (states.count(each) for each in ("failed", "skipped", ASKED))
    items = {"ok": len(states) - failed - skipped - asked, "skipped": skipped, "failed": failed}
    over = run.status not in OPEN
    return {
        "id": str(run.pk),
        "url": url,
        "kind": run.job,
        "status": run.status,
        "session_date": str(run.as_of),
        "progress": {
            "done": run.done,
            "total": run.total,
            "fraction": run.done / run.total if run.total else (1.0 if over else None),
            "step": run.note or run.step,
        },
        "items": items,
        "created_at": moment(run.created_at),
        "started_at": moment(run.started_at) if run.started_at else None,
        "finished_at": moment(run.finished_at) if run.finished_at else None,
        "result_url": f"{url}/result" if run.status in ("succeeded", "partial") else None,
        "cancel_url": None if over else f"{url}/cancel",
        "error": run.error,
    }
