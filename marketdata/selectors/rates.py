"""The Treasury curve as it was known."""

from dataclasses import dataclass
from datetime import date

from django.db.models import Subquery

from marketdata.models import TreasuryYield


@dataclass(frozen=True, slots=True)
class Curve:
    """Par yields in percent by tenor, of one day."""

    session_date: date
    percent: dict[str, float]
    age_days: int
    source: str


@dataclass(frozen=True, slots=True)
class Level:
    """One yield in percent; its change over the day before in basis points, None without one."""

    percent: float
    change_bp: float | None


def curve(*, session_date: date) -> Curve | None:
    """The newest curve not after the session; None when there is none."""
    rows = list(TreasuryYield.objects.filter(session_date=_newest(session_date)))
    if not rows:
        return None
    newest = rows[0].session_date
    return Curve(
        session_date=newest,
        percent={row.tenor: row.percent for row in rows},
        age_days=(session_date - newest).days,
        source=rows[0].source,
    )


def level(*, tenor: str, session_date: date) -> Level | None:
    """One yield of the newest curve not after the session; None where that has no such tenor."""
    rows = TreasuryYield.objects.filter(session_date__lte=session_date, tenor=tenor)
    told = rows.annotate(newest=_newest(session_date)).order_by("-session_date")
    two = list(told.values_list("session_date", "newest", "percent")[:2])
    if not two or two[0][0] != two[0][1]:
        return None
    change = (two[0][2] - two[1][2]) * 100 if len(two) == 2 else None
    return Level(two[0][2], change)


def _newest(session_date: date) -> Subquery:
    """The day of the newest curve not after a session."""
    known = TreasuryYield.objects.filter(session_date__lte=session_date)
    return Subquery(known.order_by("-session_date").values("session_date")[:1])
