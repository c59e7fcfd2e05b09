"""Prices that came late or were corrected: what hangs on them is valued and measured again."""

from collections.abc import Mapping
from datetime import date

from etftrader import day, slices
from etftrader.core import audit, clock, jobs
from etftrader.core.actor import Actor
from etftrader.core.records import JobRun
from etftrader.selectors import followed
from marketdata.selectors import option_inputs, sessions
from marketdata.services import bar_sync

JOB, SNAPSHOTS = "etftrader.revise", "portfolios.take_snapshots"
_TRIES = 3


def ask(*, changed: Mapping[str, date], by: Actor | None = None) -> JobRun:
    """Request what hangs on these prices anew: symbol -> the first session that may differ.

    What comes while a revision waits to begin joins it. One that works may have passed the prices
    already: it is followed by another.
    """
    latest = sessions.latest()
    for _ in range(_TRIES):
        waiting = JobRun.objects.filter(job=JOB, as_of=latest, status=JobRun.Status.QUEUED).first()
        if waiting is None:
            break
        if _joined(waiting, changed):
            return waiting
    asker = {"requested_by": by.user_id, "request_id": by.request_id} if by else {}
    return jobs.request(JOB, as_of=latest, inputs=_inputs(changed), **asker)


def _inputs(changed: Mapping[str, date]) -> dict[str, object]:
    """The moment tells a wish from the same one that is being worked on."""
    return {"changed": bar_sync.in_words(changed), "asked_at": clock.now().isoformat()}


def _joined(waiting: JobRun, changed: Mapping[str, date]) -> bool:
    """Add to what a run will do; False when it has begun, or somebody else added to it."""
    told = waiting.inputs["changed"].items()
    since = {symbol: date.fromisoformat(first) for symbol, first in told}
    for symbol, first in changed.items():
        since[symbol] = min(first, since.get(symbol, first))
    inputs = waiting.inputs | _inputs(since)
    # the hash names what was read: of two who add at once the second finds another one
    same = JobRun.objects.filter(
        pk=waiting.pk, status=JobRun.Status.QUEUED, inputs_hash=waiting.inputs_hash
    )
    digest = audit.digest([JOB, waiting.as_of, inputs])
    return bool(same.update(inputs=inputs, inputs_hash=digest))


def revise(*, changed: Mapping[str, date], by: Actor) -> list[JobRun]:
    """Book, match and value again from the first changed session on, where a book is touched.

    `changed` names symbols with the session from which on their prices may differ. Greeks that
    lacked such a price are computed where no book is touched, too. Risk and limits follow the
    valuations; the answer lists the runs.
    """
    if not changed:
        return []
    latest = sessions.latest()
    since = followed.touched(changed)
    steps = ["actions", "bookings", "covariance"]
    if followed.options()["watched"] if since else _lacked(changed, latest):
        steps.append("greeks")
    runs = day.run(session_date=latest, by=by, steps=steps, again=True)
    start = min(since.values(), default=latest)
    for portfolio_ids in slices.cut_up(set(since)):
        runs.append(
            jobs.request(
                SNAPSHOTS,
                as_of=latest,
                portfolio_ids=portfolio_ids,
                inputs={"start": min(start, latest).isoformat()},
                requested_by=by.user_id,
            )
        )
    return runs


def _lacked(changed: Mapping[str, date], latest: date) -> bool:
    """Whether Greeks of the last session wanted one of these prices."""
    symbols = None if "*" in changed else changed
    return option_inputs.wanted_a_price(symbols=symbols, session_date=latest)
