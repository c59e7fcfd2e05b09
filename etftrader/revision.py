"""Prices that came late or were corrected: what hangs on them is valued and measured again."""

from collections.abc import Mapping
from datetime import date

from etftrader import day, slices
from etftrader.core import job_wishes, jobs
from etftrader.core.actor import Actor
from etftrader.core.records import JobRun
from etftrader.selectors import followed
from marketdata.selectors import option_inputs, sessions
from marketdata.services import late_changes

JOB, SNAPSHOTS = "etftrader.revise", "portfolios.take_snapshots"


def ask(*, changed: Mapping[str, date], by: Actor | None = None) -> JobRun:
    """Request what hangs on these prices anew: symbol -> the first session that may differ.

    What comes while a revision waits to begin joins it. One that works may have passed the prices
    already: it is followed by another.
    """

    def merged(before: job_wishes.Inputs) -> job_wishes.Inputs:
        told = before.get("changed", {}).items()
        since = {symbol: date.fromisoformat(first) for symbol, first in told}
        for symbol, first in changed.items():
            since[symbol] = min(first, since.get(symbol, first))
        return {"changed": late_changes.in_words(since)}

    asker = {"requested_by": by.user_id, "request_id": by.request_id} if by else {}
    return job_wishes.ask(JOB, as_of=sessions.latest(), merged=merged, **asker)[0]


def revise(*, changed: Mapping[str, date], by: Actor) -> list[JobRun]:
    """Book, match and value again from the first changed session on, where a book is touched.

    It takes its turn after the steps of the newest session, which would find their needs undone
    and books valued before their fills: NotYet while there are any to come. A session that was
    closed meanwhile rests on what is made anew here, so that it is asked for once more. What is
    valued later, before the runs that are asked for here have ended, they take again themselves.

    `changed` names symbols with the session from which on their prices may differ. Greeks that
    lacked such a price are computed where no book is touched, too. Risk and limits follow the
    valuations; the answer lists the runs.
    """
    if not changed:
        return []
    latest = sessions.latest()
    if day.is_under_way(latest):
        raise jobs.NotYet(f"Waits for the steps of {latest}.")
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
    if sessions.latest() != latest:
        ask(changed=changed, by=by)
    return runs


def _lacked(changed: Mapping[str, date], latest: date) -> bool:
    """Whether Greeks of the last session wanted one of these prices."""
    symbols = None if "*" in changed else changed
    return option_inputs.wanted_a_price(symbols=symbols, session_date=latest)
