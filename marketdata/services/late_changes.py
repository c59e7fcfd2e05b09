"""What differs of sessions that were valued before: told in the transaction that changes it."""

from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

from etftrader.core import jobs
from etftrader.core.records import JobRun
from marketdata.events import prices_revised
from marketdata.selectors import calendar, sessions

EVERY = "*"  # stands for every symbol
MOST_NAMED = 500  # symbols in a job's words
CHANGED = "changed"  # of a run's result: what of it was not followed yet

Since = dict[str, date]  # symbol: the first session that differs
Tell = Callable[[Mapping[str, date]], None]


def teller(*, until: date, run_id: UUID | None) -> Tell:
    """How changes are told, within the transaction that makes them, so that none is forgotten.

    With a run they are kept in its result, and followed whatever becomes of it. Without one they
    are announced: up to `until`, or before it while the clock has not come to that session.
    """
    if run_id is not None:
        return partial(_keep, run_id)
    newest = until if until <= sessions.latest() else calendar.previous(until)
    return partial(_announce, newest)


def in_run(run_id: UUID | None, changed: Mapping[str, date]) -> Since:
    """These, and what this and lost attempts of the run have kept."""
    return _joined(_kept(run_id), changed)


def in_words(changed: Mapping[str, date]) -> dict[str, str]:
    """Since when prices differ, by symbol, as a job is told; many symbols are one star.

    Those that differ in the newest session alone become the star first: on an ordinary day these
    are nearly all, and the few that differ before keep their names.
    """
    every = changed.get(EVERY, date.max)
    named = {each: day for each, day in changed.items() if each == EVERY or day < every}
    if len(named) > MOST_NAMED:
        newest = max(named.values())
        named = {symbol: day for symbol, day in named.items() if day < newest} | {EVERY: newest}
    if len(named) > MOST_NAMED:
        named = {EVERY: min(named.values())}
    return {symbol: day.isoformat() for symbol, day in named.items()}


def _keep(run_id: UUID, changed: Mapping[str, date]) -> None:
    result = _result(run_id)
    jobs.hold(result={**result, CHANGED: in_words(_joined(_parsed(result), changed))})


def _announce(newest: date, changed: Mapping[str, date]) -> None:
    by_day: dict[date, list[str]] = {}
    for symbol, day in changed.items():
        if day <= newest:
            by_day.setdefault(day, []).append(symbol)
    for day, symbols in sorted(by_day.items()):
        prices_revised.announce(symbol=",".join(sorted(symbols)), since=day.isoformat())


def _kept(run_id: UUID | None) -> Since:
    return _parsed(_result(run_id)) if run_id else {}


def _result(run_id: UUID) -> dict[str, Any]:
    return JobRun.objects.filter(pk=run_id).values_list("result", flat=True).first() or {}


def _parsed(result: Mapping[str, Any]) -> Since:
    told = result.get(CHANGED)
    return {each: date.fromisoformat(day) for each, day in told.items()} if told else {}


def _joined(first: Mapping[str, date], second: Mapping[str, date]) -> Since:
    """The earlier session of each symbol."""
    both = dict(first)
    for symbol, day in second.items():
        both[symbol] = min(day, both.get(symbol, day))
    return both
