"""Runs of jobs in words: what they are called, how they stand, what came of them."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.urls import reverse

from etftrader.core.actor import Actor
from etftrader.core.records import OPEN, JobRun
from etftrader.schedule import STEP
from etftrader.selectors.runs import CHAIN, CHAINS, SYNC, duration
from etftrader.views.permissions import may_operate

LABELS = {
    "etftrader.advance": "Next session",
    "etftrader.run_day": "Day steps",
    "etftrader.check_audit": "Audit chain",
    SYNC: "Prices and yields",
    CHAIN: "Option chain",
    "risk.retake_closes": "Closes taken again",
}
NOT_FOUND = ("unknown_symbol", "provider_not_found", "invalid_symbol")
BAD = ("failed", "dead", "partial")


def label(run: JobRun) -> str:
    """A run in words: the step of the day, else what it is called, else the task's name."""
    if run.step in STEP:
        return STEP[run.step].label
    return LABELS.get(run.job) or job_label(run.job)


def job_label(job: str) -> str:
    """A job by its task's name, in words."""
    by_task = {step.task: step.label for step in STEP.values()}
    plain = job.rpartition(".")[2].replace("_", " ").capitalize()
    return LABELS.get(job) or by_task.get(job, plain)


def reason(run: JobRun) -> str:
    """Why it ended badly, in its own words."""
    return str((run.error or {}).get("detail", ""))


def reason_of(item: Mapping[str, Any]) -> str:
    """What is said of one item: a sentence, or a problem's detail."""
    told = item.get("reason")
    if isinstance(told, dict):
        return str(told.get("detail") or told.get("code") or "")
    return str(told or "")


def failed_items(run: JobRun) -> list[dict[str, Any]]:
    """The items that did not go well."""
    return [each for each in run.items if each.get("status") == "failed"]


def outcome(run: JobRun) -> str:
    """What came of a run that has ended: "6 symbols requested, 5 updated, 1 not found"."""
    if run.status == JobRun.Status.CANCELLED:
        return "Cancelled. What was done before stays."
    items = [each for each in run.items if isinstance(each, dict)]
    if not items:
        return reason(run) or ("Done." if run.status == JobRun.Status.SUCCEEDED else "")
    if run.job == SYNC:
        return _prices(items)
    counted = Counter(str(each.get("status")) for each in items)
    noun = "step" if run.job in CHAINS else "item"
    parts = [f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"]
    for status, word in (("ok", "done"), ("skipped", "skipped"), ("failed", "failed")):
        if counted[status]:
            parts.append(f"{counted[status]} {word}")
    return ", ".join(parts) + "."


def _prices(items: list[dict[str, Any]]) -> str:
    lost = [each for each in items if _is_unknown(each)]
    failed = [each for each in items if each.get("status") == "failed" and each not in lost]
    whole = [each for each in items if each.get("status") == "skipped"]
    fresh = [each for each in items if each.get("status") == "ok"]
    parts = [f"{len(items)} requested", f"{len(fresh)} updated"]
    for rows, word in ((whole, "left alone"), (lost, "not found"), (failed, "failed")):
        if rows:
            parts.append(f"{len(rows)} {word}")
    return ", ".join(parts) + "."


def _is_unknown(item: Mapping[str, Any]) -> bool:
    return item.get("status") == "failed" and reason_of(item).startswith(NOT_FOUND)


def may_cancel(actor: Actor, run: JobRun) -> bool:
    """Who asked for it and operators, while it is open."""
    mine = run.requested_by is not None and run.requested_by == actor.user_id
    return run.status in OPEN and (mine or may_operate(actor))


def may_mend(actor: Actor, run: JobRun) -> bool:
    """Whether what failed of it may be asked for again by this person."""
    return may_operate(actor) and run.status in BAD


def progress(actor: Actor, run: JobRun, *, likely: float | None = None) -> dict[str, Any]:
    """A run for the partial `ui/job_progress.html`; `likely` is what it may take in all, s."""
    took = duration(run)
    over = run.status not in OPEN
    elapsed = took.total_seconds() if took is not None else None
    return {
        "id": run.pk,
        "name": label(run),
        "url": reverse("job_detail", args=[run.pk]),
        "state": run.status,
        "done": run.done,
        "total": run.total,
        "step": "" if over else (run.note or _waits(run)),
        "elapsed_s": elapsed,
        "likely_s": None if over else _whole(run, elapsed, likely),
        "outcome": outcome(run) if over else "",
        "error": reason(run),
        "cancel_url": reverse("job_cancel", args=[run.pk]) if may_cancel(actor, run) else "",
        "mend_url": reverse("job_mend", args=[run.pk])
        if over and may_mend(actor, run) and (failed_items(run) or run.error)
        else "",
    }


def _waits(run: JobRun) -> str:
    return "waits for a worker" if run.status == JobRun.Status.QUEUED else ""


def _whole(run: JobRun, elapsed: float | None, likely: float | None) -> float | None:
    """Seconds it may take in all: by how far it is, else by how long its like took."""
    if elapsed is None:
        return None
    if run.total and run.done:
        return elapsed * run.total / run.done
    return likely if likely and likely > elapsed else None
