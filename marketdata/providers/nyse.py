"""Closed weekdays and early closes of the New York Stock Exchange, from exchange-calendars.

Only the command that writes the shipped file comes here: importing the library takes a second.
"""

import warnings
from datetime import date
from pathlib import Path

from marketdata.providers.base import ProviderFailed

FIRST, LAST = date(2004, 1, 1), date(2035, 12, 31)
CALENDAR = "XNYS"
NEW_YORK = "America/New_York"
HEADER = "session_date,kind,close_time"


def closures(start: date = FIRST, end: date = LAST) -> list[tuple[date, str, str]]:
    """Weekdays without a session (`closed`) and days that end early (`early`, with the hour)."""
    with warnings.catch_warnings():
        # The library announces the next pandas on every import; we pin the present one.
        warnings.simplefilter("ignore")
        import exchange_calendars
        import pandas

        # Without both ends the library stops one year from today.
        calendar = exchange_calendars.get_calendar(CALENDAR, start=start, end=end)
        weekdays = pandas.bdate_range(start, end)
        closed = [(day.date(), "closed", "") for day in weekdays.difference(calendar.sessions)]
        closes = calendar.closes.dt.tz_convert(NEW_YORK)
        early = [(day.date(), "early", f"{closes[day]:%H:%M}") for day in calendar.early_closes]
    if len(calendar.sessions.difference(weekdays)):
        raise ProviderFailed("the exchange opens on a weekend; the file cannot say so")
    return sorted(closed + early)


def write(rows: list[tuple[date, str, str]], path: Path) -> None:
    """Write the reviewed file: one line a day."""
    lines = [HEADER, *(",".join((day.isoformat(), kind, hour)) for day, kind, hour in rows)]
    path.write_text("\n".join(lines) + "\n")
