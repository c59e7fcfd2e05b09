"""What a step of the day waits for, what it does without, and whether a run of it is settled."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from etftrader import slices
from etftrader.core import clock, jobs
from etftrader.core.jobs import WAITS
from etftrader.core.records import OPEN, JobRun
from etftrader.schedule import STEP, Step
from marketdata.selectors import calendar

FINDINGS = ("ledger_mismatch",)  # what a step found out: asking again finds the same
GOOD = ("succeeded", "partial", "skipped")
DEGRADED = "degraded"


class Needs:
    """What a step waits for in a session: whole steps, or single portfolios' part of them."""

    def __init__(self, step: Step, session_date: date) -> None:
        self.lacking: list[str] = []
        self.missing: list[str] = []  # what it does without
        self.done: dict[str, set[str]] = {}
        for name in step.needs:
            need = STEP[name]
            if need.per == "portfolio" == step.per:
                self.done[name] = _done_for(need, session_date)
            elif not _is_done(need, session_date):
                self.lacking.append(name)
        for name in step.wants:
            if not _is_done(STEP[name], session_date):
                being_done = _runs(STEP[name], session_date).filter(status__in=OPEN)
                (self.lacking if being_done.exists() else self.missing).append(name)
        self.names = self.lacking or list(self.done)

    def withheld(self, portfolio_ids: Sequence[UUID]) -> dict[str, dict[str, Any]]:
        """The portfolios that have to wait, each with the reason."""
        found = {}
        for portfolio_id in map(str, portfolio_ids):
            missing = [name for name, done in self.done.items() if portfolio_id not in done]
            if missing:
                found[portfolio_id] = problem(missing)
        return found

    def warnings(self) -> list[dict[str, str]]:
        """What a run says that does without a step."""
        return [
            {
                "code": DEGRADED,
                "detail": f"{STEP[name].label} did not end well: figures that follow from it are "
                "older or missing.",
            }
            for name in self.missing
        ]


def problem(missing: Sequence[str]) -> dict[str, Any]:
    """What is said of something that waits."""
    return {"code": WAITS, "detail": f"Waits for {', '.join(missing)}."}


def settled(
    run: JobRun, portfolio_ids: Sequence[UUID], withheld: Mapping[str, Any], needs: Needs
) -> bool:
    """Whether a run did what can be done now for these portfolios."""
    if not {str(each) for each in portfolio_ids} <= set(run.portfolio_ids):
        return False
    if _saw_only_the_morning(run) or (_is_degraded(run) and not needs.missing):
        return False
    bad = failed_items(run)
    if run.status != "partial" or not portfolio_ids:
        return run.status in GOOD or (bool(bad) and all(_code(each) in FINDINGS for each in bad))
    if any(_code(each) == WAITS and each["item"] not in withheld for each in bad):
        return False
    failed = [each for each in bad if _code(each) not in (WAITS, *FINDINGS)]
    return not failed or run.attempt >= jobs.MAX_ATTEMPTS


def hopeless(run: JobRun, waits: bool) -> bool:
    """Whether asking again changes nothing: what it waits for is not there, or it is dead."""
    waited = run.status == "failed" and (run.error or {}).get("code") == WAITS
    return run.status == "dead" or (waits and waited)


def failed_items(run: JobRun) -> list[dict[str, Any]]:
    """What of a run went wrong."""
    return [each for each in run.items if each["status"] == "failed"]


def _saw_only_the_morning(run: JobRun) -> bool:
    """Of a live session: the run ended before the close, which has come since."""
    closes = calendar.close_time(run.as_of)
    return run.finished_at is not None and run.finished_at < closes <= clock.now()


def _is_degraded(run: JobRun) -> bool:
    return any(each.get("code") == DEGRADED for each in run.warnings)


def _is_done(need: Step, session_date: date) -> bool:
    """Whether every scope of a step ended well."""
    scopes = slices.scopes(need, session_date)
    if need.per == "portfolio":
        due = {str(each) for portfolio_ids in scopes.values() for each in portfolio_ids}
        return due <= _done_for(need, session_date)
    return _runs(need, session_date).filter(scope__in=scopes, status__in=GOOD).exists()


def _done_for(need: Step, session_date: date) -> set[str]:
    """The portfolios a step has been done for."""
    return {
        each
        for run in _runs(need, session_date).filter(status__in=GOOD)
        for each in set(run.portfolio_ids) - {one["item"] for one in failed_items(run)}
    }


def _runs(step: Step, session_date: date) -> Any:
    return JobRun.objects.filter(
        job=step.task, as_of=session_date, scope__startswith=slices.round_name()
    )


def _code(item: Mapping[str, Any]) -> str:
    reason = item.get("reason")
    return str(reason.get("code", "")) if isinstance(reason, dict) else str(reason)
