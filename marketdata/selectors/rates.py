"""The Treasury curve as it was known."""

from dataclasses import dataclass
from datetime import date

from marketdata.models import TreasuryYield


@dataclass(frozen=True, slots=True)
class Curve:
    """Par yields in percent by tenor, of one day."""

    session_date: date
    percent: dict[str, float]
    age_days: int
    source: str


def curve(*, session_date: date) -> Curve | None:
    """The newest curve not after the session; None when there is none."""
    newest = (
        TreasuryYield.objects.filter(session_date__lte=session_date)
        .order_by("-session_date")
        .values_list("session_date", flat=True)
        .first()
    )
    if newest is None:
        return None
    rows = list(TreasuryYield.objects.filter(session_date=newest))
    return Curve(
        session_date=newest,
        percent={row.tenor: row.percent for row in rows},
        age_days=(session_date - newest).days,
        source=rows[0].source,
    )


def change_bp(*, tenor: str, session_date: date) -> float | None:
    """Change of one yield over its previous day, basis points; None without two days."""
    two = (
        TreasuryYield.objects.filter(session_date__lte=session_date, tenor=tenor)
        .order_by("-session_date")
        .values_list("percent", flat=True)[:2]
    )
    values = list(two)
    return (values[0] - values[1]) * 100 if len(values) == 2 else None
