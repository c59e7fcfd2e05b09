"""Names whose price is in doubt, or no more, or there at last: what books show of them anew.

The live figures at once; stored closes and their risk by one run, which later wishes join.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date
from typing import Any
from uuid import UUID

from etftrader.core import job_wishes, jobs, turns
from etftrader.core.errors import LeaseLost
from etftrader.core.records import OPEN, JobRun
from marketdata.models import Instrument
from marketdata.selectors import prices, sessions
from portfolios.selectors import doubted_lines, holdings
from portfolios.services import snapshots
from risk.services import monitor, var

logger = logging.getLogger(__name__)

JOB, LIVE = "risk.retake_closes", "live figures"
SNAPSHOTS, GIVEN_UP = "portfolios.take_snapshots", "given_up"
RUNS = 3  # in which a book may fail before it is left to a person
BUDGET_S = 240.0  # of one run; the books that are left are another's
TWICE = 2  # a lock that was busy may be free when the others are done


def begin(*, instrument_ids: Iterable[UUID], since: date | None, newest: bool) -> None:
    """What follows a price that came, or is in doubt since a session, or is in doubt no more.

    Without `since` the names had no price before. With `newest` it may concern what is shown now,
    and does unless a later close is there: the first wish shows it at once, those that join a run
    are shown by it, together. Where it concerns neither that nor a stored line, nothing is asked.
    """
    known = set(doubted_lines.ever_held(instrument_ids=instrument_ids))
    live = _shown_by(known, since) if newest else set()
    arrived = known if since is None else set()
    doubted = {} if since is None else dict.fromkeys(known, since)
    concerned = live or _is_walked() or doubted_lines.books(doubted=doubted, arrived=arrived)
    if not concerned:
        return
    joined = ask(doubted=doubted, arrived=arrived, live=live)
    if live and not joined:
        show(live)


def _is_walked() -> bool:
    """Whether closes are being taken that may have read the prices before."""
    return JobRun.objects.filter(job__in=(JOB, SNAPSHOTS), status__in=OPEN).exists()


def _shown_by(instrument_ids: Collection[UUID], since: date | None) -> set[UUID]:
    """Names that are held and have no close after a session."""
    held = holdings.held_among(instrument_ids=instrument_ids)
    if since is None or not held:
        return held
    of = Instrument.objects.filter(pk__in=held)
    closes = prices.newest_closes(instruments=of, session_date=sessions.latest())
    days = {key: each.session_date for key, each in closes.items()}
    return {key for key in held if (days.get(key) or since) <= since}


def ask(
    *,
    doubted: Mapping[UUID, date] | None = None,
    arrived: Iterable[UUID] = (),
    books: Mapping[UUID, date] | None = None,
    live: Iterable[UUID] = (),
    failed: Mapping[UUID, int] | None = None,
) -> bool:
    """Request the stored closes of these names anew; says whether a run that waits takes them in.

    `doubted` says since which session a price of the name is held back, or was; `arrived` names
    had no price before; `books` are to be walked from a session on, whatever they hold. A run
    that takes them in shows the `live` names too; otherwise the caller does. `failed` says in how
    many runs a book did: then there is a while before the next, so that what stood in its way may
    end.
    """
    fresh, shown = _words(arrived), _words(live)

    def merged(before: job_wishes.Inputs) -> job_wishes.Inputs:
        return {
            "doubted": _earliest(before.get("doubted", {}), doubted or {}),
            "arrived": sorted(fresh.union(before.get("arrived", ()))),
            "books": _earliest(before.get("books", {}), books or {}),
            "live": sorted(shown.union(before["live"])) if before else [],
            "failed": before.get("failed", {}) | {str(key): n for key, n in (failed or {}).items()},
        }

    latest = sessions.latest()
    return job_wishes.ask(JOB, as_of=latest, merged=merged, queue=not failed)[1]


def show(instrument_ids: Iterable[UUID]) -> int:
    """Measure and publish the books that hold one of these names, or an option on it; how many."""
    return len(monitor.revalue_holders(instrument_ids=instrument_ids, moment=sessions.moment()))


def retake(
    *,
    doubted: Mapping[UUID, date],
    arrived: Iterable[UUID] = (),
    books: Mapping[UUID, date] | None = None,
    live: Collection[UUID] = (),
    failed: Mapping[UUID, int] | None = None,
    only: Collection[str] = (),
    budget_s: float = BUDGET_S,
) -> dict[str, Any]:
    """Take the closes of these names' books again, each book once, and request their risk.

    A book that fails is a failed item and stops no other; it is asked for anew until its third
    run, `failed` says how many there were. `only` does these items; what is left when the time is
    up is asked for anew.
    """
    shown = []
    if live and _wants(only, LIVE):
        shown.append(_tried(LIVE, lambda: f"{show(live)} portfolios"))
    spans = doubted_lines.books(doubted=doubted, arrived=arrived)
    known = dict(books or {})
    since = {key: min(each.first, known.get(key, each.first)) for key, each in spans.items()}
    since = known | since
    # what a part has mended shows no more where the next attempt has to go on
    jobs.remember(books=_earliest({}, since))
    due = [key for key in sorted(since) if _wants(only, str(key))]
    ends = {key: each.last for key, each in spans.items() if key not in known}
    items = _walk(due, since, ends, budget_s)
    left = {key: since[key] for key in due if key not in items}
    if left:
        ask(books=left)
    _ask_again(items, since, failed or {})
    if items:
        var.measure_later(portfolio_ids=items, until=sessions.latest())
    counts = {"portfolios": len(items), "left": len(left)}
    return {"items": [*shown, *items.values()], "counts": counts}


def _ask_again(
    items: Mapping[UUID, dict[str, Any]], since: Mapping[UUID, date], failed: Mapping[UUID, int]
) -> None:
    """Books that failed have another run; those that had their last say how to ask by hand."""
    bad = {key: failed.get(key, 0) + 1 for key, each in items.items() if _is_due(each, again=True)}
    again = {key: runs for key, runs in bad.items() if runs < RUNS}
    if again:
        ask(books={key: since[key] for key in again}, failed=again)
    for key in bad.keys() - again.keys():
        why = items[key]["reason"]["detail"]
        detail = (
            f"{why} It failed in {bad[key]} runs and is not tried again by itself: an operator can "
            "press Retry failed items of this run under Data, Jobs."
        )
        items[key]["reason"] = {"code": GIVEN_UP, "detail": detail}


def _wants(only: Collection[str], item: str) -> bool:
    return not only or item in only


def _walk(
    due: list[UUID], since: Mapping[UUID, date], ends: Mapping[UUID, date], budget_s: float
) -> dict[UUID, dict[str, Any]]:
    """Each book's item; those for which there was no time have none."""
    began = time.monotonic()
    items: dict[UUID, dict[str, Any]] = {}
    for attempt in range(TWICE):
        again = attempt > 0
        for key in [each for each in due if _is_due(items.get(each), again)]:
            if items and time.monotonic() - began > budget_s:
                return items
            if items:
                turns.give_way()
            last = None if again else ends.get(key)
            items[key] = _one(key, since[key], last)
            jobs.progress(done=len(items), total=len(due), note="Valuations")
    return items


def _is_due(item: Mapping[str, Any] | None, again: bool) -> bool:
    return item is None or (again and item["status"] == "failed")


def _one(portfolio_id: UUID, first: date, last: date | None) -> dict[str, Any]:
    def work() -> str:
        changed = snapshots.retake_in_parts(portfolio_id=portfolio_id, first=first, last=last)
        return f"{changed} valuations changed"

    return _tried(str(portfolio_id), work)


def _tried(item: str, work: Callable[[], str]) -> dict[str, Any]:
    """One item: its failure stops no other."""
    try:
        return {"item": item, "status": "ok", "reason": work()}
    except LeaseLost:
        raise
    except Exception as error:
        logger.exception("not made anew", extra={"item": item})
        return {"item": item, "status": "failed", "reason": jobs.problem(error)}


def _words(keys: Iterable[UUID]) -> set[str]:
    return {str(key) for key in keys}


def _earliest(before: Mapping[str, str], further: Mapping[UUID, date]) -> dict[str, str]:
    """The first session of each name or book; ISO dates sort as they follow each other."""
    since = dict(before)
    for key, day in further.items():
        since[str(key)] = min(day.isoformat(), since.get(str(key), day.isoformat()))
    return since
