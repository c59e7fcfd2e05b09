"""Splits in trailing stops: every figure in the shares of the session it is evaluated for.

Stored closes are in today's shares, and a stop stands where its last close left it.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from etftrader.core.money import MONEY
from marketdata.calculations.splits import times
from marketdata.models import Instrument
from marketdata.selectors import corporate_actions
from risk.models import StopLossLevel

Steps = Sequence[tuple[date, Fraction]]  # ex-date, new shares for one old


def splits(
    *, instruments: Iterable[Instrument], levels: Iterable[StopLossLevel], session_date: date
) -> dict[UUID, list[tuple[date, Fraction]]]:
    """Splits of each instrument since the earliest close any of these stops has taken."""
    since = min((each.session_date for each in levels), default=session_date)
    found = corporate_actions.factors(
        instruments=instruments, session_date=min(since, session_date)
    )
    return dict(found)


def later(steps: Steps, session_date: date) -> float:
    """Times this a figure in today's shares is in those of a session."""
    return float(corporate_actions.factor(steps, session_date))


def restated(level: StopLossLevel, steps: Steps, session_date: date) -> StopLossLevel:
    """A stored stop in the shares of a later session; the row itself is left alone."""
    known = [step for step in steps if step[0] <= session_date]
    ratio = corporate_actions.factor(known, level.session_date)
    if ratio == 1:
        return level
    figures: dict[str, Decimal | None] = {
        name: None if (value := getattr(level, name)) is None else times(value, 1 / ratio, MONEY)
        for name in ("entry", "extreme", "stop_price", "close")
    }
    same = {
        field.attname: getattr(level, field.attname)
        for field in level._meta.concrete_fields
        if field.attname not in figures
    }
    return StopLossLevel(**same, **figures)
