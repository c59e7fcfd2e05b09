"""NYSE sessions and their hours, from the reviewed file of closures; no table, no clock."""

import csv
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from etftrader.core.errors import NotEnoughData
from marketdata.providers.reference import DATA

NEW_YORK = ZoneInfo("America/New_York")
FIRST, LAST = date(2004, 1, 1), date(2035, 12, 31)
OPEN, CLOSE = time(9, 30), time(16, 0)


class NotASession(NotEnoughData):
    """The exchange is closed on that day, or our calendar does not reach it."""

    code = "not_a_session"


@lru_cache(maxsize=1)
def sessions() -> NDArray[np.datetime64]:
    """Return every session from 2004 to 2035 in order, read-only days."""
    closed = [day for day, (kind, _) in _closures().items() if kind == "closed"]
    days = np.arange(FIRST, LAST + timedelta(days=1), dtype="datetime64[D]")
    kept = days[np.is_busday(days, holidays=np.array(closed, dtype="datetime64[D]"))]
    # One array serves the whole process: nobody may write into it.
    kept.flags.writeable = False
    return kept


def is_session(day: date) -> bool:
    """Return whether the exchange opens on this day."""
    row = _first_row_from(day)
    return row < sessions().size and bool(sessions()[row] == np.datetime64(day, "D"))


def previous(day: date, n: int = 1) -> date:
    """Return the n-th session before this day, which need not be one itself."""
    return _at(_first_row_from(day) - n, day)


def next(day: date, n: int = 1) -> date:
    """Return the n-th session after this day, which need not be one itself."""
    return _at(_first_row_from(day + timedelta(days=1)) + n - 1, day)


def on_or_before(day: date) -> date:
    """Return this day if it is a session, else the last one before it."""
    return previous(day + timedelta(days=1))


def between(start: date, end: date) -> list[date]:
    """Return the sessions from start to end, both included."""
    first, stop = _first_row_from(start), _first_row_from(end + timedelta(days=1))
    return sessions()[first:stop].tolist()


def open_time(day: date) -> datetime:
    """Return the moment the session opens, aware, in UTC."""
    return _moment(day, OPEN)


def close_time(day: date) -> datetime:
    """Return the moment the session closes, aware, in UTC; 13:00 New York on short days."""
    _, hour = _closures().get(day, ("", ""))
    return _moment(day, time.fromisoformat(hour) if hour else CLOSE)


def minutes(day: date) -> int:
    """Return the length of the session: 390 one-minute bars, 210 on short days."""
    return int((close_time(day) - open_time(day)).total_seconds()) // 60


def is_early_close(day: date) -> bool:
    """Return whether the session ends before 16:00 New York."""
    return is_session(day) and _closures().get(day, ("", ""))[0] == "early"


@lru_cache(maxsize=1)
def _closures() -> dict[date, tuple[str, str]]:
    with (DATA / "nyse_closures.csv").open(newline="") as file:
        return {
            date.fromisoformat(row["session_date"]): (row["kind"], row["close_time"])
            for row in csv.DictReader(file)
        }


def _first_row_from(day: date) -> int:
    return int(np.searchsorted(sessions(), np.datetime64(day, "D"), side="left"))


def _at(row: int, asked: date) -> date:
    if not 0 <= row < sessions().size:
        raise NotASession("the calendar does not reach that far", day=asked.isoformat())
    return sessions()[row].item()


def _moment(day: date, hour: time) -> datetime:
    if not is_session(day):
        raise NotASession("the exchange is closed on that day", day=day.isoformat())
    return datetime.combine(day, hour, tzinfo=NEW_YORK).astimezone(UTC)
