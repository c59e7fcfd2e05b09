"""Celery shells of the roof: steps of the day, the sweep, the clock, housekeeping."""

import logging
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from celery import shared_task

from etftrader import day, housekeeping, outcomes
from etftrader.core import audit, events, jobs
from etftrader.core.actor import system
from marketdata.selectors import sessions
from marketdata.services.replay import ClockMoved

logger = logging.getLogger(__name__)

BY = system("beat")


@shared_task(name="etftrader.run_step")
def run_step(*, step: str, session_date: str = "", **later: object) -> None:
    """Request one step of the day for the workers; the latest session unless one is named."""
    when = date.fromisoformat(session_date) if session_date else sessions.latest()
    day.run_step(name=step, session_date=when, by=BY)


@shared_task(name="etftrader.run_day")
def run_day(
    *, session_date: str, steps: list[str] | None = None, **later: object
) -> dict[str, Any]:
    """Run a session's steps again."""
    when = date.fromisoformat(session_date)
    return _told(day.run(session_date=when, by=BY, steps=steps or (), again=True))


@shared_task(name="etftrader.advance")
def advance(*, session_date: str, round: int | None = None, **later: object) -> dict[str, Any]:
    """Move the replay clock to the close of a session and run that day; twice is once."""
    if round is not None and round != sessions.moment().round:
        raise ClockMoved("The market clock started over since this was asked.")
    until = date.fromisoformat(session_date)
    return _told(day.advance(by=system("advance"), until=until))


@shared_task(name="etftrader.sweep")
def sweep(**later: object) -> None:
    """Deliver, requeue and catch up what a crash or an outage left behind."""
    delivered = events.sweep()
    counts = jobs.sweep()
    caught = day.catch_up()
    if delivered or caught or any(counts.values()):
        logger.info("swept", extra={"events": delivered, "steps": len(caught), **counts})


@shared_task(name="etftrader.heartbeat")
def heartbeat(**later: object) -> None:
    """Show that Beat sends and a worker consumes."""
    housekeeping.beat()


@shared_task(name="etftrader.verify_audit")
def verify_audit(**later: object) -> None:
    """Ask for the nightly check of the audit chains: a run, so that what it finds is kept."""
    jobs.request(outcomes.AUDIT, as_of=sessions.latest(), scope="all chains")


@shared_task(name=outcomes.AUDIT)
def check_audit(**later: object) -> dict[str, Any]:
    """Recheck every audit chain; a broken one is a failed item by its name."""
    items = []
    for chain, problem in audit.broken().items():
        logger.error("audit chain broken", extra={"problem": problem})
        reason = {"code": "audit_broken", "detail": problem}
        items.append({"item": chain, "status": "failed", "reason": reason})
    return {"items": items}


@shared_task(name="etftrader.heed_run")
def heed_run(*, run_id: str, **later: object) -> None:
    """Alerts and follow-ups of a run that ended."""
    outcomes.heed(run_id=UUID(run_id))


@shared_task(name="etftrader.prune")
def prune(**later: object) -> dict[str, int]:
    """Remove what need not be kept: delivered events, old keys, ended sessions."""
    return housekeeping.prune(keep=timedelta(days=30))


def _told(runs: list[Any]) -> dict[str, Any]:
    return {
        "items": [
            {
                "item": f"{each.step} {each.scope}",
                "status": "failed" if each.status in ("failed", "dead") else "ok",
                "reason": (each.error or {}).get("detail", ""),
            }
            for each in runs
        ]
    }
