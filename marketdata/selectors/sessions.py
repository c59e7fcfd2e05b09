"""The market clock. Only doors and conductors ask it; services are told the moment.

One row for both ways: a replay is moved by who plays it, the live market by the wall clock.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from django.conf import settings

from etftrader.core import clock as wall
from etftrader.core.errors import Unavailable
from marketdata.choices import Source
from marketdata.models import ReplayClock, SessionOverride
from marketdata.providers import sources
from marketdata.selectors import calendar
from marketdata.selectors.calendar import Override


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
    live: bool = False  # the wall clock moves it: prices are quotes, not simulated minutes

    @property
    def in_session(self) -> bool:
        """Whether a session's bars are running; live not after its last one, before its close."""
        return self.playing is not None and not (self.live and self.bar >= self.bars)

    @property
    def current(self) -> date:
        """The session that figures of this moment belong to."""
        return self.playing or self.session_date

    @property
    def running(self) -> bool:
        """Whether a session runs and a minute of it is known."""
        return self.in_session and self.bar > 0

    @property
    def prices_from(self) -> str:
        """Where the prices of this moment come from, in words."""
        if self.live:
            return "live sources"
        bundled = sources.configured()[0] == Source.BUNDLED
        return "bundled history" if bundled else "recorded history"

    @property
    def simulated(self) -> bool:
        """Whether prices of this moment are simulated minutes."""
        return self.running and not self.live


def moment() -> Moment:
    """Return the market clock's moment; before the first start it stands on the first session.

    While a live session runs that is now: between two of its minutes quotes go on coming in.
    """
    clock = ReplayClock.objects.filter(pk=1).first()
    if clock is None:
        return at_close(first_session())
    found = of(clock)
    if found.live and found.running:
        return replace(found, as_of=max(found.as_of, wall.now()))
    return found


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
    """The moment a clock row says; the calendar becomes the one in force with it."""
    if not calendar.is_known(clock.calendar_stamp):
        _take_up(clock.calendar_stamp)
    return Moment(
        as_of=clock.as_of,
        session_date=clock.session_date,
        playing=clock.playing,
        bar=clock.bar,
        bars=calendar.minutes(clock.playing) if clock.playing else 0,
        round=clock.round,
        revision=clock.revision,
        ended=clock.playing is None and _is_end(clock.session_date),
        live=is_live(),
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
        live=is_live(),
    )


def why_different(day: date) -> str | None:
    """What staff said of a day on which the exchange differs from the file; None of the others."""
    rows = SessionOverride.objects.filter(exchange=calendar.EXCHANGE, date=day)
    return rows.values_list("reason", flat=True).first()


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


def _take_up(stamp: UUID | None) -> None:
    rows = SessionOverride.objects.filter(exchange=calendar.EXCHANGE)
    known = rows.values_list("date", "closed", "closes_at") if stamp else ()
    calendar.use(stamp, (Override(day, None if shut else ends) for day, shut, ends in known))
