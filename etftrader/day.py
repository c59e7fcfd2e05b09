"""THE DAY: gate a step, cut it into runs, run it, catch up what was missed."""

import time
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Q

from etftrader.core import clock, jobs, push
from etftrader.core.actor import Actor, system
from etftrader.core.errors import BadInput
from etftrader.core.records import OPEN, JobRun
from etftrader.schedule import STEP, STEPS, Step
from marketdata.models import ReplayClock
from marketdata.selectors import calendar, sessions
from marketdata.services import replay
from portfolios.models import Portfolio
from risk.selectors import var

SLICE_POSITIONS = 1000  # a run of a portfolio step holds about so many positions
CATCH_UP_AFTER = timedelta(seconds=45)
WAIT_S, POLL_S = 120.0, 0.1
WAITS = "needs_failed"
FINDINGS = ("ledger_mismatch",)  # what a step found out: asking again finds the same
_GOOD = ("succeeded", "partial", "skipped")


def run(
    *, session_date: date, by: Actor | None = None, steps: Sequence[str] = (), again: bool = False
) -> list[JobRun]:
    """Run the day's steps of one session in this process, in order; twice is once.

    What succeeded is left alone unless `again`. A portfolio whose needs are not met is named as
    failed and the others are done; a run without any left fails with `needs_failed`. Snapshots
    that changed are followed by their risk. Raises BadInput for a day without a session or beyond
    the clock.
    """
    _check(session_date, steps)
    by = by or system("day")
    runs: list[JobRun] = []
    for step in STEPS:
        if not steps or step.name in steps:
            runs += [_finished(each) for each in _requested(step, session_date, by, again=again)]
    if "snapshots" in steps and "risk" not in steps:
        runs += _measured_again(session_date, by)
    push.publish("data", "data.updated", {"session_date": session_date.isoformat()})
    return runs


def run_step(*, name: str, session_date: date, by: Actor) -> list[JobRun]:
    """Request one step's runs for the workers, if its needs allow; what Beat calls."""
    return _requested(STEP[name], session_date, by, queue=True)


def advance(*, by: Actor, until: date | None = None) -> list[JobRun]:
    """Move the replay clock to the next close and run that day. Raises NoMoreHistory.

    With `until` an advance that was cut short goes on where it stood: that session is closed and
    its day run, and none after it.
    """
    if until is None or sessions.latest() < until:
        complete(by=by)
    moment = replay.close(by=by, day=until)
    return run(session_date=until or moment.session_date, by=by)


def complete(*, by: Actor) -> None:
    """Finish what the last session still lacks: a day's P&L begins at the close before it."""
    session_date = sessions.latest()
    if status(session_date=session_date) or _runs_days():
        run(session_date=session_date, by=by)


def status(*, session_date: date) -> list[JobRun]:
    """The newest runs of a session's steps, in the order of the day."""
    order = {step.name: place for place, step in enumerate(STEPS)}
    runs = JobRun.objects.filter(
        as_of=session_date, step__in=order, scope__startswith=_round()
    ).order_by("created_at")
    return sorted(runs, key=lambda each: (order[each.step], each.scope))


def catch_up() -> list[JobRun]:
    """Run what the latest session still lacks, if nobody has been at it for a while.

    Whatever failed is asked for again, each slice until its fifth attempt.
    """
    moved = ReplayClock.objects.filter(pk=1).values_list("moved_at", "playing").first()
    if moved is None or moved[1] is not None or moved[0] > clock.now() - CATCH_UP_AFTER:
        return []
    session_date = sessions.latest()
    known = status(session_date=session_date)
    if any(each.status in OPEN for each in known) or not (known or _runs_days()):
        return []
    runs: list[JobRun] = []
    for step in STEPS:
        lacking = _requested(step, session_date, system("day"), mend=True)
        runs += [_finished(each) for each in lacking]
    if runs:
        push.publish("data", "data.updated", {"session_date": session_date.isoformat()})
    return runs


def _runs_days() -> bool:
    """Whether days are run here at all: a session without runs has then lost its own."""
    return JobRun.objects.filter(step__in=list(STEP), scope__startswith=_round()).exists()


def _check(session_date: date, steps: Sequence[str]) -> None:
    unknown = sorted(set(steps) - set(STEP))
    if unknown:
        raise BadInput(
            f"No step is called {', '.join(unknown)}. Steps: {', '.join(STEP)}.", attr="steps"
        )
    if not calendar.is_session(session_date):
        raise BadInput(f"{session_date} is not a session of the exchange.", attr="session_date")
    if session_date > sessions.latest():
        raise BadInput(
            f"The market clock stands at {sessions.latest()}; {session_date} is not known yet.",
            attr="session_date",
        )


def _requested(
    step: Step,
    session_date: date,
    by: Actor,
    *,
    again: bool = False,
    queue: bool = False,
    mend: bool = False,
    among: set[str] | None = None,
) -> list[JobRun]:
    """The runs of a step, requested where they are not done.

    To `mend`, only what is lacking; with `among`, only runs of before that hold one of these.
    """
    scopes = _scopes(step, session_date)
    known = {
        each.scope: each
        for each in JobRun.objects.filter(job=step.task, as_of=session_date, scope__in=scopes)
    }
    needs = _Needs(step, session_date)
    runs = []
    for scope, portfolio_ids in scopes.items():
        old = known.get(scope)
        withheld = needs.withheld(portfolio_ids)
        waits = bool(needs.lacking) or 0 < len(portfolio_ids) == len(withheld)
        if among is not None and (waits or old is None or not among & set(old.portfolio_ids)):
            continue
        if old is not None and not again and _settled(old, portfolio_ids, withheld):
            runs += [] if mend else [old]
            continue
        if mend and old is not None and _hopeless(old, waits):
            continue
        each = jobs.request(
            step.task,
            as_of=session_date,
            scope=scope,
            portfolio_ids=portfolio_ids,
            step=step.name,
            withheld=withheld,
            requested_by=by.user_id,
            queue=queue and not waits,
            goes_on=mend,
        )
        runs.append(_waiting(each, needs.names) if waits else each)
    return runs


class _Needs:
    """What a step waits for in a session: whole steps, or single portfolios' part of them."""

    def __init__(self, step: Step, session_date: date) -> None:
        self.lacking: list[str] = []
        self.done: dict[str, set[str]] = {}
        for name in step.needs:
            need = STEP[name]
            if need.per == "portfolio" == step.per:
                self.done[name] = _done_for(need, session_date)
            elif not _is_done(need, session_date):
                self.lacking.append(name)
        self.names = self.lacking or list(self.done)

    def withheld(self, portfolio_ids: Sequence[UUID]) -> dict[str, dict[str, Any]]:
        """The portfolios that have to wait, each with the reason."""
        found = {}
        for portfolio_id in map(str, portfolio_ids):
            missing = [name for name, done in self.done.items() if portfolio_id not in done]
            if missing:
                found[portfolio_id] = _problem(missing)
        return found


def _problem(missing: Sequence[str]) -> dict[str, Any]:
    return {"code": WAITS, "detail": f"Waits for {', '.join(missing)}."}


def _is_done(need: Step, session_date: date) -> bool:
    """Whether every scope of a step ended well."""
    scopes = _scopes(need, session_date)
    if need.per == "portfolio":
        due = {str(each) for portfolio_ids in scopes.values() for each in portfolio_ids}
        return due <= _done_for(need, session_date)
    return JobRun.objects.filter(
        job=need.task, as_of=session_date, scope__in=scopes, status__in=_GOOD
    ).exists()


def _done_for(need: Step, session_date: date) -> set[str]:
    """The portfolios a step has been done for."""
    runs = JobRun.objects.filter(
        job=need.task, as_of=session_date, scope__startswith=_round(), status__in=_GOOD
    )
    return {
        each for run in runs for each in set(run.portfolio_ids) - {one["item"] for one in _bad(run)}
    }


def _bad(run: JobRun) -> list[dict[str, Any]]:
    return [each for each in run.items if each["status"] == "failed"]


def _code(item: Mapping[str, Any]) -> str:
    reason = item.get("reason")
    return str(reason.get("code", "")) if isinstance(reason, dict) else str(reason)


def _settled(run: JobRun, portfolio_ids: Sequence[UUID], withheld: Mapping[str, Any]) -> bool:
    """Whether a run did what can be done now for these portfolios."""
    if not {str(each) for each in portfolio_ids} <= set(run.portfolio_ids):
        return False
    bad = _bad(run)
    if run.status != "partial" or not portfolio_ids:
        return run.status in _GOOD or (bool(bad) and all(_code(each) in FINDINGS for each in bad))
    if any(_code(each) == WAITS and each["item"] not in withheld for each in bad):
        return False
    failed = [each for each in bad if _code(each) not in (WAITS, *FINDINGS)]
    return not failed or run.attempt >= jobs.MAX_ATTEMPTS


def _hopeless(run: JobRun, waits: bool) -> bool:
    """Whether asking again changes nothing: what it waits for is not there, or it is dead."""
    waited = run.status == "failed" and (run.error or {}).get("code") == WAITS
    return run.status == "dead" or (waits and waited)


def _waiting(run: JobRun, names: Sequence[str]) -> JobRun:
    """End a run that cannot begin as failed, with what it waits for."""
    JobRun.objects.filter(pk=run.pk, status="queued").update(
        status="failed", finished_at=clock.now(), error=_problem(names)
    )
    run.refresh_from_db()
    return run


def _measured_again(session_date: date, by: Actor) -> list[JobRun]:
    """Risk and limits of the slices whose snapshots changed after they were measured."""
    rows = var.unmeasured(start=session_date, until=session_date)
    stale = {str(portfolio_id) for portfolio_id, _ in rows}
    runs: list[JobRun] = []
    for step in (STEP["risk"], STEP["limits"]) if stale else ():
        asked = _requested(step, session_date, by, again=True, among=stale)
        runs += [_finished(each) for each in asked]
    return runs


def _finished(run: JobRun) -> JobRun:
    """Carry a run out here, or wait for whoever has it."""
    if run.status not in OPEN:
        return run
    run = jobs.run_now(run)
    deadline = time.monotonic() + WAIT_S
    while run.status in OPEN and time.monotonic() < deadline:
        time.sleep(POLL_S)
        run = jobs.run_now(run)
    return run


def _scopes(step: Step, session_date: date) -> dict[str, list[UUID]]:
    """What the runs of a step are about: the session, or slices of portfolios.

    A session keeps the slices it was first cut into; who came later makes further ones.
    """
    prefix = _round()
    if step.per == "session":
        return {f"{prefix}all": []}
    rest = set(Portfolio.objects.open().filter(ledger_seq__gt=0).values_list("pk", flat=True))
    cut: dict[str, list[UUID]] = {}
    known = JobRun.objects.filter(
        job=step.task, as_of=session_date, scope__startswith=f"{prefix}slice "
    )
    rows = known.order_by("created_at").values_list("scope", "portfolio_ids")
    for scope, portfolio_ids in rows:
        cut[scope] = [each for each in map(UUID, portfolio_ids) if each in rest]
        rest.difference_update(cut[scope])
    for place, portfolio_ids in enumerate(_slices(rest), len(cut) + 1):
        cut[f"{prefix}slice {place}"] = portfolio_ids
    return {scope: portfolio_ids for scope, portfolio_ids in cut.items() if portfolio_ids}


def _round() -> str:
    # history may start over: its sessions run again, under a new name
    return f"r{sessions.moment().round} {settings.MARKETDATA_PROVIDER} "


def _slices(portfolio_ids: set[UUID]) -> list[list[UUID]]:
    if not portfolio_ids:
        return []
    counted = (
        Portfolio.objects.open()
        .annotate(held=Count("positions", filter=~Q(positions__quantity=0)))
        .order_by("pk")
        .values_list("pk", "held")
    )
    slices: list[list[UUID]] = []
    room = 0
    for portfolio_id, held in counted:
        if portfolio_id not in portfolio_ids:
            continue
        if room <= 0:
            slices.append([])
            room = SLICE_POSITIONS
        slices[-1].append(portfolio_id)
        room -= max(held, 1)
    return slices
