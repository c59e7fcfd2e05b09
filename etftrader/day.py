"""THE DAY: gate a step, cut it into runs, run it, catch up what was missed."""

import time
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from etftrader import needs, slices
from etftrader.core import clock, jobs, push
from etftrader.core.actor import Actor, system
from etftrader.core.errors import BadInput
from etftrader.core.records import OPEN, JobRun
from etftrader.schedule import STEP, STEPS, Step
from etftrader.selectors import followed
from marketdata.models import ReplayClock
from marketdata.providers.sources import BARS, VIX
from marketdata.selectors import calendar, sessions
from marketdata.selectors.sessions import Moment
from marketdata.services import replay
from risk.selectors import var

CATCH_UP_AFTER = timedelta(seconds=45)
WAIT_S, POLL_S = 120.0, 0.1
NEWEST = 5  # sessions whose late and corrected figures are asked for again


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
    asked = [step for step in STEPS if not steps or step.name in steps]
    runs = _done(asked, session_date, by or system("day"), again=again)
    push.publish("data", "data.updated", {"session_date": session_date.isoformat()})
    return runs


def _done(
    steps: Sequence[Step], session_date: date, by: Actor, *, again: bool = False, mend: bool = False
) -> list[JobRun]:
    """Carry steps out in their order; risk follows valuations that it has not seen."""
    runs: list[JobRun] = []
    fresh = set()
    for place, step in enumerate(steps):
        jobs.progress(done=place, total=len(steps), note=step.label)
        for each in _requested(step, session_date, by, again=again, mend=mend):
            if each.status in OPEN:
                fresh.add(step.name)
            runs.append(_finished(each))
    if "snapshots" in fresh and "risk" not in fresh:
        runs += _measured_again(session_date, by)
    jobs.progress(done=len(steps), total=len(steps))
    return runs


def session_of(name: str) -> date:
    """The session Beat means by a step: today's for what opens a live day, else the latest."""
    today = clock.now().astimezone(calendar.NEW_YORK).date()
    if STEP[name].opens and sessions.is_live() and calendar.is_session(today):
        return max(today, sessions.latest())
    return sessions.latest()


def run_step(*, name: str, session_date: date, by: Actor, again: bool = False) -> list[JobRun]:
    """Request one step's runs for the workers, if its needs allow; what Beat calls."""
    return _requested(STEP[name], session_date, by, queue=True, again=again)


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


def status(*, session_date: date, moment: Moment | None = None) -> list[JobRun]:
    """The newest runs of a session's steps, in the order of the day."""
    order = {step.name: place for place, step in enumerate(STEPS)}
    runs = JobRun.objects.filter(
        as_of=session_date, step__in=order, scope__startswith=slices.round_name(moment)
    ).order_by("created_at")
    return sorted(runs, key=lambda each: (order[each.step], each.scope))


def is_under_way(session_date: date) -> bool:
    """Whether steps of a session work or are still to come, in whatever process the day is run.

    A day is run in the order of its steps: while those that were asked for are its first ones, and
    not all, more follow. What a session that plays has not by then, it does not get before its end.
    """
    known = status(session_date=session_date)
    if any(each.status in OPEN for each in known):
        return True
    if sessions.moment().in_session or not (known or _runs_days()):
        return False
    asked = {each.step for each in known}
    due = [step.name for step in STEPS if step.name in asked or slices.scopes(step, session_date)]
    first = due[: len(asked)]
    return len(first) < len(due) and asked == set(first)


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
    runs = _done(STEPS, session_date, system("day"), mend=True)
    if runs:
        push.publish("data", "data.updated", {"session_date": session_date.isoformat()})
    return runs


def _runs_days() -> bool:
    """Whether days are run here at all: a session without runs has then lost its own."""
    return JobRun.objects.filter(
        step__in=list(STEP), scope__startswith=slices.round_name()
    ).exists()


def _check(session_date: date, steps: Sequence[str]) -> None:
    unknown = sorted(set(steps) - set(STEP))
    if unknown:
        raise BadInput(
            f"No step is called {', '.join(unknown)}. Steps: {', '.join(STEP)}.", attr="steps"
        )
    if not calendar.is_session(session_date):
        raise BadInput(f"{session_date} is not a session of the exchange.", attr="session_date")
    if session_date > _newest(steps):
        raise BadInput(
            f"The market clock stands at {sessions.latest()}; {session_date} is not known yet.",
            attr="session_date",
        )


def _newest(steps: Sequence[str]) -> date:
    """The last session steps can be run for: what only opens it, for the one that is to come."""
    if steps and all(STEP[name].opens for name in steps):
        return session_of(steps[0])
    return sessions.latest()


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
    scopes = slices.scopes(step, session_date)
    known = {
        each.scope: each
        for each in JobRun.objects.filter(job=step.task, as_of=session_date, scope__in=scopes)
    }
    wanted = needs.Needs(step, session_date)
    runs = []
    for scope, portfolio_ids in scopes.items():
        old = known.get(scope)
        withheld = wanted.withheld(portfolio_ids)
        waits = bool(wanted.lacking) or 0 < len(portfolio_ids) == len(withheld)
        if among is not None and (waits or old is None or not among & set(old.portfolio_ids)):
            continue
        if old is not None and not again and needs.settled(old, portfolio_ids, withheld, wanted):
            runs += [] if mend else [old]
            continue
        if mend and old is not None and needs.hopeless(old, waits):
            continue
        each = jobs.request(
            step.task,
            as_of=session_date,
            scope=scope,
            portfolio_ids=portfolio_ids,
            inputs=_inputs(step),
            step=step.name,
            withheld=withheld,
            warnings=wanted.warnings(),
            requested_by=by.user_id,
            queue=queue and not waits,
            goes_on=mend,
        )
        runs.append(_waiting(each, wanted.names) if waits else each)
    return runs


def _inputs(step: Step) -> dict[str, Any]:
    """What a lower floor is told of the books, and how much of its work is this step's."""
    if step.name == "greeks":
        return dict(followed.options())
    if step.name == "prices":
        return {"datasets": [BARS, VIX]}
    return {"again": NEWEST} if step.name == "rates" else {}


def _waiting(run: JobRun, names: Sequence[str]) -> JobRun:
    """End a run that cannot begin as failed, with what it waits for."""
    JobRun.objects.filter(pk=run.pk, status="queued").update(
        status="failed", finished_at=clock.now(), error=needs.problem(names)
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
