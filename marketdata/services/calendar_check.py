"""The shipped calendar of the exchange, held against the library's day by day."""

from collections.abc import Collection
from datetime import date, timedelta
from typing import Any

from marketdata.calculations.sessions import CLOSE, SessionCalendar
from marketdata.models import SessionOverride
from marketdata.providers import nyse
from marketdata.selectors import calendar

JOB = "marketdata.check_calendar"
SCOPE = "exchange"
DIFFERS = "calendar_differs"
MOST = 100  # items
CLOSED, REGULAR = "closed", f"a session until {CLOSE:%H:%M}"
# an override says what is right, be it what we ship; it cannot open a day that we ship as closed
OVERRIDE = (
    "Read the exchange's notice: enter an override of the session with what it says, be it what "
    "we ship, and the day is not compared any more; or write the file anew with build_sessions"
)
REBUILD = (
    "Read the exchange's notice. If it opens, write the file anew with manage.py build_sessions: "
    "no override opens a closed day. If it stays closed, a newer exchange-calendars ends this"
)


def overridden() -> set[date]:
    """The days people entered an override for, whatever it says."""
    rows = SessionOverride.objects.filter(exchange=calendar.EXCHANGE)
    return set(rows.values_list("date", flat=True))


def compare(*, shipped: SessionCalendar, spoken: Collection[date] = ()) -> dict[str, Any]:
    """Hold every weekday of the shipped calendar against exchange-calendars.

    Parameters
    ----------
    shipped : SessionCalendar
        As the file has it.
    spoken : collection of date
        Days people entered an override for: theirs, and not compared.

    Returns
    -------
    dict
        A run's result: a failed item a day that differs, at most a hundred, and counts of weekdays
        and of differences.
    """
    ours = _days(shipped)
    theirs = {day: hour or kind for day, kind, hour in nyse.closures()}
    apart = [
        day
        for day in sorted(ours.keys() | theirs.keys())
        if ours.get(day) != theirs.get(day) and day not in spoken
    ]
    return {
        "items": [_item(day, ours.get(day), theirs.get(day)) for day in apart[:MOST]],
        "counts": {"days": len(_weekdays()), "differences": len(apart)},
    }


def _days(of: SessionCalendar) -> dict[date, str]:
    """Weekdays that are no whole session: closed, or the hour at which they end."""
    sessions = set(of.sessions)
    closed = {day: CLOSED for day in _weekdays() if day not in sessions}
    return closed | {day: f"{ends:%H:%M}" for day, ends in of.early_closes.items()}


def _weekdays() -> list[date]:
    days = (nyse.LAST - nyse.FIRST).days + 1
    every = (nyse.FIRST + timedelta(days=ahead) for ahead in range(days))
    return [day for day in every if day.isoweekday() <= 5]


def _item(day: date, ours: str | None, theirs: str | None) -> dict[str, Any]:
    way = REBUILD if ours == CLOSED else OVERRIDE
    words = f"{day} is {_said(ours)} here and {_said(theirs)} in exchange-calendars. {way}."
    return {
        "item": day.isoformat(),
        "status": "failed",
        "reason": {"code": DIFFERS, "detail": words},
    }


def _said(of: str | None) -> str:
    return CLOSED if of == CLOSED else f"a session until {of}" if of else REGULAR
