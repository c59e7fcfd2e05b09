"""NYSE sessions and their hours, from the reviewed file of closures; no table, no clock."""

import csv
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from etftrader.core.errors import NotEnoughData
from marketdata.calculations import sessions as arithmetic
from marketdata.providers.reference import DATA

NEW_YORK = ZoneInfo("America/New_York")
FIRST, LAST = date(2004, 1, 1), date(2035, 12, 31)


class NotASession(NotEnoughData):
    """The exchange is closed on that day, or our calendar does not reach it."""

    code = "not_a_session"


@lru_cache(maxsize=1)
def exchange() -> arithmetic.SessionCalendar:
    """Return the trading days of the exchange from 2004 to 2035."""
    closed, early = _closures()
    days = np.arange(np.datetime64(FIRST), np.datetime64(LAST) + 1)
    open_days = days[np.is_busday(days, holidays=np.array(closed, dtype="datetime64[D]"))]
    return arithmetic.calendar(open_days.tolist(), early)


@lru_cache(maxsize=1)
def sessions() -> NDArray[np.datetime64]:
    """Return every session from 2004 to 2035 in order, as read-only days."""
    days = np.array(exchange().sessions, dtype="datetime64[D]")
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
    """Return the moment the session closes, aware, in UTC; 13:00 New York on short days."""
    return _moment(day, exchange().closes_at(day))


def minutes(day: date) -> int:
    """Return the length of the session: 390 one-minute bars, 210 on short days."""
    return (close_time(day) - open_time(day)) // timedelta(minutes=1)


def _closures() -> tuple[list[date], list[date]]:
    """Closed weekdays and early closes of the shipped file."""
    with (DATA / "nyse_closures.csv").open(newline="") as file:
        rows = [(date.fromisoformat(row["session_date"]), row) for row in csv.DictReader(file)]
    early = [day for day, row in rows if row["kind"] == "early"]
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
