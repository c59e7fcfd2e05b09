"""NYSE sessions and their hours: the reviewed file of closures, and what staff said since.

Nothing here reads a clock or asks the database: the market clock's row says which overrides are
in force, and whoever reads it takes them up by `use`.
"""

import csv
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from etftrader.core.errors import NotEnoughData
from marketdata.calculations import sessions as arithmetic
from marketdata.providers.reference import DATA

EXCHANGE = "XNYS"
NEW_YORK = ZoneInfo("America/New_York")
FIRST, LAST = date(2004, 1, 1), date(2035, 12, 31)


class NotASession(NotEnoughData):
    """The exchange is closed on that day, or our calendar does not reach it."""

    code = "not_a_session"


class Override(NamedTuple):
    """A day on which the exchange differs from the file: closed, or ending at another time."""

    day: date
    closes_at: time | None  # New York; None: no session


class _InForce:
    """What this process knows of the overrides, and the stamp they had."""

    stamp: UUID | None = None
    overrides: tuple[Override, ...] = ()


def is_known(stamp: UUID | None) -> bool:
    """Whether this process has the overrides of that stamp."""
    return _InForce.stamp == stamp


def use(stamp: UUID | None, overrides: Iterable[Override]) -> None:
    """Take up the overrides of a stamp, for the whole process."""
    _InForce.overrides = tuple(sorted(overrides))
    _InForce.stamp = stamp


def exchange() -> arithmetic.SessionCalendar:
    """Return the trading days of the exchange from 2004 to 2035."""
    return _with(_InForce.overrides)


def shipped() -> arithmetic.SessionCalendar:
    """Return the trading days as the file has them, whatever was said since."""
    return _with(())


@lru_cache(maxsize=8)
def _with(overrides: tuple[Override, ...]) -> arithmetic.SessionCalendar:
    closed, early = _closures()
    for day, closes_at in overrides:
        early.pop(day, None)
        if closes_at is None:
            closed.append(day)
        elif closes_at != arithmetic.CLOSE:
            early[day] = closes_at
    days = np.arange(np.datetime64(FIRST), np.datetime64(LAST) + 1)
    open_days = days[np.is_busday(days, holidays=np.array(closed, dtype="datetime64[D]"))]
    return arithmetic.calendar(open_days.tolist(), early)


def sessions() -> NDArray[np.datetime64]:
    """Return every session from 2004 to 2035 in order, as read-only days."""
    return _days(_InForce.overrides)


@lru_cache(maxsize=8)
def _days(overrides: tuple[Override, ...]) -> NDArray[np.datetime64]:
    days = np.array(_with(overrides).sessions, dtype="datetime64[D]")
    # One array serves the whole process: nobody may write into it.
    days.flags.writeable = False
    return days


def is_session(day: date) -> bool:
    """Return whether the exchange opens on this day."""
    return exchange().is_session(day)


def is_early_close(day: date) -> bool:
    """Return whether there is a session that ends before 16:00 New York."""
    return day in exchange().early_closes


def previous(day: date, n: int = 1) -> date:
    """Return the n-th session before this day, which need not be one itself."""
    return _reach(lambda: exchange().shift(exchange().previous(day), 1 - n), day)


def next(day: date, n: int = 1) -> date:
    """Return the n-th session after this day, which need not be one itself."""
    return _reach(lambda: exchange().shift(exchange().next(day), n - 1), day)


def on_or_before(day: date) -> date:
    """Return this day if it is a session, else the last one before it."""
    return _reach(lambda: exchange().on_or_before(day), day)


def between(start: date, end: date) -> list[date]:
    """Return the sessions from start to end, both included."""
    return list(exchange().between(start, end))


def open_time(day: date) -> datetime:
    """Return the moment the session opens, aware, in UTC."""
    return _moment(day, arithmetic.OPEN)


def close_time(day: date) -> datetime:
    """Return the moment the session closes, aware, in UTC; mostly 13:00 New York on short days."""
    return _moment(day, exchange().closes_at(day))


def minutes(day: date) -> int:
    """Return the length of the session: 390 one-minute bars, 210 where it ends at 13:00."""
    return (close_time(day) - open_time(day)) // timedelta(minutes=1)


def _closures() -> tuple[list[date], dict[date, time]]:
    """Closed weekdays and early closes of the shipped file, new for every caller."""
    with (DATA / "nyse_closures.csv").open(newline="") as file:
        rows = [(date.fromisoformat(row["session_date"]), row) for row in csv.DictReader(file)]
    early = {day: arithmetic.EARLY_CLOSE for day, row in rows if row["kind"] == "early"}
    hours = {row["close_time"] for _, row in rows if row["kind"] == "early"}
    if hours != {f"{arithmetic.EARLY_CLOSE:%H:%M}"}:
        raise ValueError(f"the closures file has short days that end at {sorted(hours)}")
    return [day for day, row in rows if row["kind"] == "closed"], early


def _reach(find: Callable[[], date], asked: date) -> date:
    try:
        return find()
    except ValueError as outside:
        raise NotASession(
            "the calendar does not reach that far", day=asked.isoformat()
        ) from outside


def _moment(day: date, hour: time) -> datetime:
    if not is_session(day):
        raise NotASession("the exchange is closed on that day", day=day.isoformat())
    return datetime.combine(day, hour, tzinfo=NEW_YORK).astimezone(UTC)
