"""The VIX as it was known at a close."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from marketdata.constants import VIX, VIX_MAX_AGE
from marketdata.models import DailyBar
from marketdata.selectors import calendar, prices


@dataclass(frozen=True, slots=True)
class VixLevel:
    """The level, and how many sessions old it is; None when older than three."""

    level: float | None
    session_date: date | None
    age_sessions: int | None


def level(*, session_date: date) -> VixLevel:
    """The VIX at a session's close."""
    bar = (
        DailyBar.objects.filter(instrument__symbol=VIX, session_date__lte=session_date)
        .order_by("-session_date")
        .first()
    )
    if bar is None:
        return VixLevel(None, None, None)
    age = len(calendar.between(bar.session_date, session_date)) - 1
    known = float(bar.close) if age <= VIX_MAX_AGE else None
    return VixLevel(known, bar.session_date, age)


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
