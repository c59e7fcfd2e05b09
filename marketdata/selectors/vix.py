"""The VIX as it was known at a close."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np

from marketdata.constants import VIX, VIX_MAX_AGE
from marketdata.models import DailyBar
from marketdata.selectors import calendar, prices
from marketdata.selectors.prices import Mark


@dataclass(frozen=True, slots=True)
class VixLevel:
    """The level, and how many sessions old it is; None when older than three."""

    level: float | None
    session_date: date | None
    age_sessions: int | None


UNKNOWN = VixLevel(None, None, None)


def level(*, session_date: date) -> VixLevel:
    """The VIX at a session's close."""
    bar = (
        DailyBar.objects.filter(instrument__symbol=VIX, session_date__lte=session_date)
        .order_by("-session_date")
        .first()
    )
    return _level(bar.close, bar.session_date, session_date) if bar else UNKNOWN


def of_mark(mark: Mark, *, session_date: date) -> VixLevel:
    """The same of a close of the index that was read with others."""
    if mark.price is None or mark.session_date is None:
        return UNKNOWN
    return _level(mark.price, mark.session_date, session_date)


def _level(close: Decimal, day: date, session_date: date) -> VixLevel:
    age = len(calendar.between(day, session_date)) - 1
    return VixLevel(float(close) if age <= VIX_MAX_AGE else None, day, age)


def series(*, start: date, until: date) -> dict[date, float]:
    """Closes by session, both ends included; sessions without one are absent."""
    panel = prices.panel(symbols=[VIX], until=until, start=start)
    column = panel.close[:, 0]
    known = np.isfinite(column)
    return dict(zip(panel.sessions[known].tolist(), column[known].tolist(), strict=True))


def history(*, until: date, limit: int = 250) -> list[DailyBar]:
    """The newest closes, newest first."""
    bars = DailyBar.objects.filter(instrument__symbol=VIX, session_date__lte=until)
    return list(bars.order_by("-session_date")[:limit])
