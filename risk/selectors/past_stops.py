"""Trailing stops at a past close, from what is kept of them: their events and the snapshot.

A stop is one row that moves with every close, so where it stood between two events is not kept:
such a figure is None with a reason, never that of another day.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import DateField, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce

from marketdata.choices import InstrumentKind
from marketdata.selectors import calendar, vix
from marketdata.selectors.vix import VixLevel
from portfolios.models import Portfolio, Position, PositionSnapshot
from portfolios.selectors import snapshots
from risk.calculations.stop_loss import LONG, SHORT, vix_regime
from risk.choices import StopEventKind, StopState
from risk.models import StopEvent, StopLossLevel, StopLossRule
from risk.selectors import stop_loss

NOT_KEPT = "not_kept"
STATES = {
    StopEventKind.WARNING: StopState.NEAR,
    StopEventKind.TRIGGERED: StopState.TRIGGERED,
    StopEventKind.CLEARED: StopState.ARMED,
}
UNTRAILED = (InstrumentKind.INDEX, InstrumentKind.OPTION)
LEVEL = ("opened_on", "entry", "extreme", "stop_fraction", "regime")  # only in the moving row


@dataclass(frozen=True, slots=True)
class PastStop:
    """One position's stop at a close; what is not kept is None, and named in `missing`."""

    portfolio: Portfolio
    symbol: str
    name: str
    side: str
    session_date: date
    close: Decimal | None  # the snapshot's
    state: str | None
    stop_price: Decimal | None
    triggered_on: date | None
    level: StopLossLevel | None  # where the moving row still stands on this close
    missing: tuple[str, ...]

    @property
    def distance(self) -> float | None:
        """Room to the stop as a fraction of the close; negative once it is passed."""
        if self.stop_price is None or not self.close:
            return None
        room = self.close - self.stop_price
        return float((room if self.side == LONG else -room) / self.close)

    def of_level(self, name: str) -> Any:
        """A figure that only the moving row has; None where it moved on."""
        return getattr(self.level, name) if self.level is not None else None


@dataclass(frozen=True, slots=True)
class PastRule:
    """The rule and the market's mood at a close; None where the rule was changed since."""

    rule: StopLossRule | None
    vix: VixLevel
    regime: str | None
    stop_fraction: float | None


def stops(*, portfolios: Iterable[Portfolio], day: date) -> list[PastStop]:
    """The stops of what was held at a close, the nearest known first: four queries for any number.

    A portfolio without a snapshot by then has none.
    """
    books = {each.pk: each for each in portfolios}
    newest = snapshots.latest_of(portfolio_ids=books, until=day)
    held = PositionSnapshot.objects.filter(snapshot__in=list(newest.values()))
    return of_lines(books=books, held=held.select_related("instrument", "snapshot"), day=day)


def of_lines(
    *, books: Mapping[UUID, Portfolio], held: Iterable[PositionSnapshot], day: date
) -> list[PastStop]:
    """The same of lines that were read before with instrument and snapshot: two queries."""
    lines = [each for each in held if each.instrument.kind not in UNTRAILED]
    known = _events(books, day)
    moving = StopLossLevel.objects.filter(portfolio__in=books, session_date=day)
    levels = {(each.portfolio_id, each.instrument_id): each for each in moving}
    found = [
        _stop(books[key[0]], line, known.get(key), levels.get(key), day)
        for line in lines
        for key in [(line.snapshot.portfolio_id, line.instrument_id)]
    ]
    return sorted(
        found, key=lambda each: (each.distance is None, each.distance or 0.0, each.symbol)
    )


def _events(portfolio_ids: Iterable[UUID], day: date) -> dict[tuple[UUID, UUID], StopEvent]:
    """The newest event by then of each stop, none of a position that was closed before."""
    wanted = list(portfolio_ids)
    held = Position.objects.filter(
        portfolio=OuterRef("portfolio"), instrument=OuterRef("instrument"), opened_on__lte=day
    )
    # of a position that was opened anew after that day, only what happened on it is sure
    since = Coalesce(Subquery(held.values("opened_on")[:1]), Value(day, DateField()))
    rows = StopEvent.objects.filter(portfolio__in=wanted, session_date__lte=day)
    rows = rows.filter(session_date__gte=since).order_by("session_date", "pk")
    return {(event.portfolio_id, event.instrument_id): event for event in rows}


def _stop(
    book: Portfolio,
    line: PositionSnapshot,
    event: StopEvent | None,
    level: StopLossLevel | None,
    day: date,
) -> PastStop:
    stop_price, state, triggered = None, None, None
    if level is not None:
        stop_price, triggered = level.stop_price, level.triggered_on
        state = StopState.NOT_EVALUATED if level.reason else level.state
    elif event is not None:
        state = STATES[StopEventKind(event.kind)]
        stop_price = event.stop_price if event.session_date == day else None
        triggered = event.session_date if state == StopState.TRIGGERED else None
    told = {"state": state, "stop_price": stop_price} | dict.fromkeys(LEVEL, level)
    return PastStop(
        portfolio=book,
        symbol=line.instrument.symbol,
        name=line.instrument.name,
        side=LONG if line.quantity > 0 else SHORT,
        session_date=day,
        close=line.price if line.price_session == day else None,
        state=None if state is None else str(state),
        stop_price=stop_price,
        triggered_on=triggered,
        level=level,
        missing=tuple(name for name, value in told.items() if value is None),
    )


def rule(*, portfolio_id: UUID, day: date) -> PastRule:
    """The rule at a close: the one in force where nobody changed it since."""
    found = stop_loss.rule(portfolio_id=portfolio_id)
    level = vix.level(session_date=day)
    if found.version and found.updated_at > calendar.close_time(day):
        return PastRule(None, level, None, None)
    mood = vix_regime(level.level, found.mode)
    return PastRule(found, level, mood.name, mood.distance if found.enabled else None)
