"""The market clock. Only doors and conductors ask it; services are told the moment.

One row for both ways: a replay is moved by who plays it, the live market by the wall clock.
"""

from dataclasses import dataclass
from datetime import date, datetime

from django.conf import settings

from etftrader.core import clock as wall
from etftrader.core.errors import Unavailable
from marketdata.models import ReplayClock
from marketdata.providers import sources
from marketdata.selectors import calendar


@dataclass(frozen=True, slots=True)
class Moment:
    """What time it is for prices."""

    as_of: datetime  # aware, UTC
    session_date: date  # the last session whose close is known
    playing: date | None  # the session whose bars are running
    bar: int  # bars shown of it
    bars: int  # bars it has
    round: int
    revision: int
    ended: bool  # there is no more history; never so while the market is live

    @property
    def in_session(self) -> bool:
        """Whether a session's bars are running."""
        return self.playing is not None

    @property
    def current(self) -> date:
        """The session that figures of this moment belong to."""
        return self.playing or self.session_date

    @property
    def simulated(self) -> bool:
        """Whether prices of this moment are simulated minutes."""
        return self.in_session and self.bar > 0


def moment() -> Moment:
    """Return the market clock's moment; before the first start it stands on the first session."""
    clock = ReplayClock.objects.filter(pk=1).first()
    if clock is None:
        return at_close(first_session())
    return of(clock)


def is_live() -> bool:
    """Whether the wall clock moves the market clock; otherwise history is played."""
    return not sources.is_replay()


def first_session() -> date:
    """Where a clock begins: at the session of REPLAY_START, or live at the last that has closed."""
    if is_live():
        return last_closed(wall.now())
    return settings.REPLAY_START


def last_closed(at: datetime) -> date:
    """The last session whose close is not after a moment."""
    day = calendar.on_or_before(at.astimezone(calendar.NEW_YORK).date())
    return day if calendar.close_time(day) <= at else calendar.previous(day)


def open_at(at: datetime) -> date | None:
    """The session that is running at a moment; None while the exchange is closed."""
    day = at.astimezone(calendar.NEW_YORK).date()
    if not calendar.is_session(day):
        return None
    return day if calendar.open_time(day) <= at < calendar.close_time(day) else None


def history_end() -> date | None:
    """The last session a replay plays; None where there is no such end, or no history at all."""
    if is_live():
        return None
    try:
        return calendar.on_or_before(sources.history_end())
    except Unavailable:
        return None


def of(clock: ReplayClock) -> Moment:
    """The moment a clock row says."""
    return Moment(
        as_of=clock.as_of,
        session_date=clock.session_date,
        playing=clock.playing,
        bar=clock.bar,
        bars=calendar.minutes(clock.playing) if clock.playing else 0,
        round=clock.round,
        revision=clock.revision,
        ended=clock.playing is None and _is_end(clock.session_date),
    )


def at_close(day: date) -> Moment:
    """The moment of a session's close, for history and for figures as of a past session."""
    return Moment(
        as_of=calendar.close_time(day),
        session_date=day,
        playing=None,
        bar=0,
        bars=0,
        round=1,
        revision=0,
        ended=_is_end(day),
    )


def latest() -> date:
    """The last session whose close is known."""
    return moment().session_date


def now() -> datetime:
    """The market clock's moment, aware, in UTC."""
    return moment().as_of


def _is_end(day: date) -> bool:
    if is_live():
        return False
    end = history_end()
    # without a history there is nothing to play either
    return end is None or day >= end
