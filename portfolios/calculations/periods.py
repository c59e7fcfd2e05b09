"""Stretches of time a performance is asked for: presets and days of one's own."""

import calendar
from dataclasses import dataclass
from datetime import date, timedelta

OPENING, CUSTOM = "opening", "custom"
MONTHS = {"1M": 1, "3M": 3, "1Y": 12}
PRESETS = ("1M", "3M", "YTD", "1Y", OPENING)


@dataclass(frozen=True, slots=True)
class Period:
    """A preset, or `custom` with days; the end is the newest session unless a day is named."""

    name: str = OPENING
    start: date | None = None  # the base is the first session from this day on
    end: date | None = None


def anchor(period: Period, end: date) -> date | None:
    """The day a preset looks back to; its base is the newest session not after it.

    Parameters
    ----------
    period : Period
        A preset.
    end : date
        The last session of the stretch.

    Returns
    -------
    date or None
        None since opening. A month back from the 31st is the last day of a shorter month.
    """
    if period.name == "YTD":
        return date(end.year, 1, 1) - timedelta(days=1)
    if period.name in MONTHS:
        return months_before(end, MONTHS[period.name])
    return None


def months_before(day: date, months: int) -> date:
    """The same day so many months earlier, or the last one of that month."""
    years, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(years, month + 1, min(day.day, calendar.monthrange(years, month + 1)[1]))
