"""The market clock. Only doors and conductors ask it; services are told the moment."""

from dataclasses import dataclass
from datetime import date, datetime

from django.conf import settings

from marketdata.models import ReplayClock
from marketdata.providers.bundled import history_end
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
    ended: bool  # there is no more history

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
        return at_close(settings.REPLAY_START)
    return of(clock)


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
        ended=clock.playing is None and clock.session_date >= history_end(),
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
        ended=day >= history_end(),
    )


def latest() -> date:
    """The last session whose close is known."""
    return moment().session_date


def now() -> datetime:
    """The market clock's moment, aware, in UTC."""
    return moment().as_of
