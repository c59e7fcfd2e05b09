"""Moves the replay clock: the one service that does, compare-and-set, for everybody alike."""

from collections.abc import Mapping
from datetime import date, datetime

from django.conf import settings
from django.db import transaction

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict
from marketdata.models import ReplayClock
from marketdata.providers.base import Bar
from marketdata.providers.bundled import history_end
from marketdata.selectors import calendar, sessions
from marketdata.selectors.sessions import Moment
from marketdata.services import price_sync, quotes

_TRIES = 20


class NoMoreHistory(Conflict):
    """The clock stands on the last session of the bundled history."""

    code = "no_more_history"


class ClockMoved(Conflict):
    """Somebody else moved the clock first."""

    code = "clock_moved"


def ensure() -> Moment:
    """Create the clock on its first session if there is none."""
    start = settings.REPLAY_START
    row, _ = ReplayClock.objects.get_or_create(
        pk=1,
        defaults={
            "start": start,
            "session_date": start,
            "as_of": calendar.close_time(start),
            "moved_by": "system:start",
            "moved_at": clock.now(),
        },
    )
    return sessions.of(row)


def next_session(moment: Moment) -> date:
    """The session that would be played or closed next. Raises NoMoreHistory."""
    if moment.playing:
        return moment.playing
    upcoming = calendar.next(moment.session_date)
    if upcoming > history_end():
        raise NoMoreHistory(
            "There is no more history after this session.",
            session_date=moment.session_date.isoformat(),
        )
    return upcoming


def begin(*, by: Actor) -> Moment:
    """Start playing the next session. Raises NoMoreHistory, ClockMoved."""
    now = sessions.moment()
    if now.playing:
        return now
    day = next_session(now)
    return _move(now, by, "clock.session_begun", playing=day, bar=0, as_of=calendar.open_time(day))


def show_bar(*, moment: Moment, bar: Bar, previous_close: Mapping[str, float]) -> Moment:
    """Let one minute pass: quotes and clock change together. Raises ClockMoved."""
    with transaction.atomic():
        moved = _move(moment, None, "", bar=bar.index + 1, as_of=bar.as_of)
        quotes.store(bar=bar, previous_close=previous_close)
    return moved


def close(*, by: Actor, day: date | None = None) -> Moment:
    """Advance to the next close: of the session being played, or of the next one unplayed.

    With `day` only that session is closed: once it is, asking again changes nothing. Its prices
    are written before the clock moves, so that nobody sees a session without its closes. Raises
    NoMoreHistory, ClockMoved.
    """
    now = sessions.moment()
    if day is not None and now.session_date >= day:
        return now
    wanted = next_session(now)
    if day is not None and wanted != day:
        raise ClockMoved("The market clock does not stand before that session.")
    price_sync.sync(session_date=wanted)
    for _ in range(_TRIES):
        # minutes may pass meanwhile; what counts is that it is still this session's turn
        now = sessions.moment()
        if now.session_date >= wanted:
            if day is not None:
                return now
            break
        try:
            return _move(
                now,
                by,
                "clock.advanced",
                session_date=wanted,
                playing=None,
                bar=0,
                as_of=calendar.close_time(wanted),
            )
        except ClockMoved:
            continue
    raise ClockMoved("The market clock was moved by somebody else.")


def start_over(*, by: Actor) -> Moment:
    """Put the clock back on its first session. The caller rebuilds the books that need it."""
    now = sessions.moment()
    start = settings.REPLAY_START
    return _move(
        now,
        by,
        "clock.started_over",
        session_date=start,
        playing=None,
        bar=0,
        as_of=calendar.close_time(start),
        round=now.round + 1,
    )


@transaction.atomic
def _move(moment: Moment, by: Actor | None, action: str, **changes: object) -> Moment:
    moved_at: datetime = clock.now()
    values = {"revision": moment.revision + 1, "moved_at": moved_at, **changes}
    if by is not None:
        values["moved_by"] = by.label
    if not ReplayClock.objects.filter(pk=1, revision=moment.revision).update(**values):
        raise ClockMoved("The market clock was moved by somebody else.")
    if by is not None:
        audit.record(
            by=by,
            action=action,
            object_type="replay_clock",
            object_id="1",
            before={"session_date": moment.session_date, "playing": moment.playing},
            after={name: value for name, value in changes.items()},
        )
    return sessions.of(ReplayClock.objects.get(pk=1))
