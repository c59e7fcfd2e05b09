"""Prices that came late or were corrected: what hangs on them is valued and measured again."""

from collections.abc import Mapping
from datetime import date

from etftrader import day, slices
from etftrader.core import jobs
from etftrader.core.actor import Actor
from etftrader.core.records import JobRun
from etftrader.selectors import followed
from marketdata.selectors import sessions

SNAPSHOTS = "portfolios.take_snapshots"


def revise(*, changed: Mapping[str, date], by: Actor) -> list[JobRun]:
    """Book, match and value again from the first changed session on, where a book is touched.

    `changed` names symbols with the session from which on their prices may differ. Risk and
    limits follow the valuations; the answer lists the runs.
    """
    if not changed:
        return []
    latest = sessions.latest()
    since = followed.touched(changed)
    options = followed.options()["watched"] if since else []
    steps = ["actions", "bookings", "covariance", *(["greeks"] if options else [])]
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
