"""Celery shells of the roof: steps of the day, the sweep, the clock, housekeeping."""

import logging
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from celery import shared_task
from celery.signals import worker_ready

from etftrader import bookings, day, housekeeping, outcomes, report_times, revision, slow_runs
from etftrader.core import audit, clock, events, job_sweep, jobs
from etftrader.core.actor import system
from etftrader.services import reports
from marketdata.providers.sources import BARS, VIX
from marketdata.selectors import calendar, sessions
from marketdata.services import calendar_check, fundamentals
from marketdata.services.replay import ClockMoved

logger = logging.getLogger(__name__)

BY = system("beat")
SYNC = "marketdata.sync_prices"
NEWEST = day.NEWEST


@shared_task(name="etftrader.run_step")
def run_step(*, step: str, session_date: str = "", **later: object) -> None:
    """Request one step of the day for the workers; of its own session unless one is named."""
    when = date.fromisoformat(session_date) if session_date else day.session_of(step)
    day.run_step(name=step, session_date=when, by=BY)


@shared_task(name="etftrader.book_actions")
def book_actions(
    *, session_date: str, portfolio_ids: list[str], run_id: str = "", **later: object
) -> dict[str, Any]:
    """Splits and dividends in the books, and in the orders that wait."""
    return bookings.book(
        session_date=date.fromisoformat(session_date),
        portfolio_ids=[UUID(each) for each in portfolio_ids],
        run_id=UUID(run_id) if run_id else None,
    )


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
    counts = job_sweep.sweep()
    outcomes.follow_cancelled()
    outcomes.tell_of_doubts()
    slow_runs.tell()
    outcomes.tell_of_actions()
    caught = day.catch_up()
    if delivered or caught or any(counts.values()):
        logger.info("swept", extra={"events": delivered, "steps": len(caught), **counts})


@shared_task(name="etftrader.verify_prices")
def verify_prices(**later: object) -> None:
    """In the evening of a live session: late and corrected prices of the newest ones."""
    today = clock.now().astimezone(calendar.NEW_YORK).date()
    if sessions.is_live() and calendar.is_session(today):
        inputs = {"again": NEWEST, "datasets": [BARS, VIX]}
        jobs.request(SYNC, as_of=sessions.latest(), inputs=inputs)


@shared_task(name="etftrader.verify_rates")
def verify_rates(**later: object) -> None:
    """In the evening of a live session: its step of yields again, which may come late."""
    today = clock.now().astimezone(calendar.NEW_YORK).date()
    if sessions.is_live() and calendar.is_session(today):
        day.run_step(name="rates", session_date=sessions.latest(), by=BY, again=True)


@shared_task(name="etftrader.backfill")
def backfill(**later: object) -> None:
    """Once a week while the market is live: every session that any series lacks."""
    if sessions.is_live():
        jobs.request(SYNC, as_of=sessions.latest())


@shared_task(name="etftrader.sync_funds")
def sync_funds(**later: object) -> None:
    """Once a week while the market is live: what the funds and companies of the universe are."""
    if sessions.is_live():
        jobs.request(fundamentals.JOB, as_of=sessions.latest())


@shared_task(name="etftrader.verify_calendar")
def verify_calendar(**later: object) -> None:
    """While the market is live: ask whether the exchange's calendar is still the one we ship."""
    if sessions.is_live():
        jobs.request(calendar_check.JOB, as_of=sessions.latest(), scope=calendar_check.SCOPE)


@worker_ready.connect
def look_at_the_calendar(**later: object) -> None:
    """A worker that has come up has the calendar checked, as a library may have come with it."""
    try:
        jobs.send("etftrader.verify_calendar")
    except (jobs.BrokerAway, OSError) as error:
        logger.warning("calendar not checked", extra={"error": str(error)[:200]})


@shared_task(name="etftrader.revise")
def revise(*, session_date: str, changed: dict[str, str], **later: object) -> dict[str, Any]:
    """Value and measure again what hangs on prices that changed (symbol -> since when)."""
    since = {symbol: date.fromisoformat(day) for symbol, day in changed.items()}
    return _told(revision.revise(changed=since, by=BY))


@shared_task(name="etftrader.heartbeat")
def heartbeat(**later: object) -> None:
    """Show that Beat sends and a worker consumes."""
    housekeeping.beat()


@worker_ready.connect
def shown(**later: object) -> None:
    """A worker that has come up is there before Beat asks it."""
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
    report_times.after(run_id=UUID(run_id))


@shared_task(name=reports.JOB)
def build_report(*, report_id: str, **later: object) -> dict[str, Any]:
    """Make a report and keep its file."""
    return reports.build(report_id=UUID(report_id))


@shared_task(name="etftrader.heed_prices")
def heed_prices(*, symbol: str, since: str, **later: object) -> None:
    """Ask for the revision of what hangs on a symbol's prices, or on several symbols'."""
    revision.ask(changed=dict.fromkeys(symbol.split(","), date.fromisoformat(since)))


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
