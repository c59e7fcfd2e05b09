"""THE DAY: gate a step, cut it into runs, run it, catch up what was missed."""

import logging
import time
from collections.abc import Sequence
from datetime import date, timedelta
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

logger = logging.getLogger(__name__)

SLICE_POSITIONS = 1000  # a run of a portfolio step holds about so many positions
CATCH_UP_AFTER = timedelta(seconds=45)
WAIT_S, POLL_S = 120.0, 0.1
_GOOD = ("succeeded", "partial", "skipped")


def run(
    *, session_date: date, by: Actor | None = None, steps: Sequence[str] = (), again: bool = False
) -> list[JobRun]:
    """Run the day's steps of one session in this process, in order; twice is once.

    Steps that succeeded are left alone unless `again`. A step whose needs failed is skipped and
    says so. Raises BadInput for a day without a session or beyond the clock.
    """
    _check(session_date, steps)
    wanted = [step for step in STEPS if not steps or step.name in steps]
    runs: list[JobRun] = []
    for step in wanted:
        for each in _requested(step, session_date, by or system("day"), again=again):
            runs.append(_finished(each))
    push.publish("data", "data.updated", {"session_date": session_date.isoformat()})
    return runs


def run_step(*, name: str, session_date: date, by: Actor) -> list[JobRun]:
    """Request one step's runs for the workers, if its needs allow; what Beat calls."""
    return _requested(STEP[name], session_date, by, again=False, queue=True)


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
    known = status(session_date=session_date)
    if any(each.status not in _GOOD for each in known) or (not known and _runs_days()):
        run(session_date=session_date, by=by)


def status(*, session_date: date) -> list[JobRun]:
    """The newest runs of a session's steps, in the order of the day."""
    order = {step.name: place for place, step in enumerate(STEPS)}
    runs = JobRun.objects.filter(
        as_of=session_date, step__in=order, scope__startswith=_round()
    ).order_by("created_at")
    return sorted(runs, key=lambda each: (order[each.step], each.scope))


def catch_up() -> list[JobRun]:
    """Run what the latest session still lacks, if nobody has been at it for a while."""
    moved = ReplayClock.objects.filter(pk=1).values_list("moved_at", "playing").first()
    if moved is None or moved[1] is not None or moved[0] > clock.now() - CATCH_UP_AFTER:
        return []
    session_date = sessions.latest()
    known = status(session_date=session_date)
    if any(each.status in OPEN for each in known) or not (known or _runs_days()):
        return []
    done = {each.step for each in known if each.status in _GOOD}
    missing = [step.name for step in STEPS if step.name not in done]
    dead = {each.step for each in known if each.status == "dead"}
    missing = [name for name in missing if name not in dead]
    return run(session_date=session_date, steps=missing) if missing else []


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
    step: Step, session_date: date, by: Actor, *, again: bool, queue: bool = False
) -> list[JobRun]:
    scopes = _scopes(step)
    known = {
        each.scope: each
        for each in JobRun.objects.filter(job=step.task, as_of=session_date, scope__in=scopes)
    }
    lacking = _lacking(step, session_date)
    runs = []
    for scope, portfolio_ids in scopes.items():
        old = known.get(scope)
        same = old is not None and old.portfolio_ids == [str(each) for each in portfolio_ids]
        if old is not None and same and old.status in _GOOD and not again:
            runs.append(old)
            continue
        each = jobs.request(
            step.task,
            as_of=session_date,
            scope=scope,
            portfolio_ids=portfolio_ids,
            step=step.name,
            requested_by=by.user_id,
            queue=queue and not lacking,
        )
        if lacking:
            each = _skipped(each, lacking)
        runs.append(each)
    return runs


def _lacking(step: Step, session_date: date) -> list[str]:
    """Needs of a step that have not been met in this session."""
    done = set(
        JobRun.objects.filter(
            as_of=session_date,
            step__in=step.needs,
            scope__startswith=_round(),
            status__in=("succeeded", "partial"),
        ).values_list("step", flat=True)
    )
    return [name for name in step.needs if name not in done]


def _skipped(run: JobRun, lacking: list[str]) -> JobRun:
    JobRun.objects.filter(pk=run.pk, status="queued").update(
        status="failed",
        finished_at=clock.now(),
        error={"code": "needs_failed", "detail": f"Waits for {', '.join(lacking)}."},
    )
    run.refresh_from_db()
    return run


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


def _scopes(step: Step) -> dict[str, list[UUID]]:
    """What the runs of a step are about: the session, or slices of portfolios."""
    prefix = _round()
    if step.per == "session":
        return {f"{prefix}all": []}
    slices = _slices()
    return {
        f"{prefix}slice {place + 1}": portfolio_ids for place, portfolio_ids in enumerate(slices)
    }


def _round() -> str:
    # history may start over: its sessions run again, under a new name
    return f"r{sessions.moment().round} {settings.MARKETDATA_PROVIDER} "


def _slices() -> list[list[UUID]]:
    counted = (
        Portfolio.objects.open()
        .filter(ledger_seq__gt=0)
        .annotate(held=Count("positions", filter=~Q(positions__quantity=0)))
        .order_by("pk")
        .values_list("pk", "held")
    )
    slices: list[list[UUID]] = []
    room = 0
    for portfolio_id, held in counted:
        if room <= 0:
            slices.append([])
            room = SLICE_POSITIONS
        slices[-1].append(portfolio_id)
        room -= max(held, 1)
    return slices
