"""Moves the market clock: the one service that does, compare-and-set, for everybody alike.

A replay goes on as it is told to. The live market's clock is moved by the same calls, which then
do no more than the wall clock and the prices that came in allow.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import transaction

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict
from marketdata.models import ReplayClock
from marketdata.providers.base import Bar
from marketdata.selectors import calendar, sessions
from marketdata.selectors.coverage import LEAST_COVERAGE
from marketdata.selectors.sessions import Moment
from marketdata.services import price_sync, quotes, rewinding

_TRIES = 20
_AHEAD = timedelta(seconds=5)  # what a minute's end may lie in the future by


class NoMoreHistory(Conflict):
    """The clock stands on the last session of the history that is played."""

    code = "no_more_history"


class NoNewerSession(Conflict):
    """The live market has not opened again since the last close."""

    code = "no_newer_session"


class TooEarly(Conflict):
    """The wall clock does not allow it yet."""

    code = "too_early"


class PricesMissing(Conflict):
    """The session is over and too few of its prices came in."""

    code = "prices_missing"


class ClockMoved(Conflict):
    """Somebody else moved the clock first."""

    code = "clock_moved"


def ensure() -> Moment:
    """Create the clock on its first session if there is none."""
    start = sessions.first_session()
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
    """The session that would be played or closed next. Raises NoMoreHistory, NoNewerSession."""
    if moment.playing:
        return moment.playing
    upcoming = calendar.next(moment.session_date)
    if sessions.is_live():
        if clock.now() < calendar.open_time(upcoming):
            raise NoNewerSession(
                f"The exchange opens again on {upcoming}.",
                session_date=moment.session_date.isoformat(),
            )
        return upcoming
    end = sessions.history_end()
    if end is None or upcoming > end:
        raise NoMoreHistory(
            "There is no more history after this session.",
            session_date=moment.session_date.isoformat(),
        )
    return upcoming


def due() -> date | None:
    """The session the live clock can close now: it is over, and nobody has closed it yet."""
    if not sessions.is_live():
        return None
    now = sessions.moment()
    upcoming = now.playing or calendar.next(now.session_date)
    return upcoming if calendar.close_time(upcoming) <= clock.now() else None


def begin(*, by: Actor) -> Moment:
    """Start playing the next session. Raises NoMoreHistory, NoNewerSession, ClockMoved.

    Live only the session that is running can begin: TooEarly for one that was missed and waits
    to be closed.
    """
    now = sessions.moment()
    if now.playing:
        return now
    day = next_session(now)
    if sessions.is_live() and sessions.open_at(clock.now()) != day:
        raise TooEarly(f"The session of {day} is over and has not been closed yet.")
    return _move(now, by, "clock.session_begun", playing=day, bar=0, as_of=calendar.open_time(day))


def show_bar(*, moment: Moment, bar: Bar, previous_close: Mapping[str, float]) -> Moment:
    """Let one minute pass: quotes and clock change together.

    A minute that was shown already changes nothing. Raises ClockMoved; TooEarly live for a
    minute that has not passed.
    """
    if bar.index < moment.bar:
        return moment
    if sessions.is_live() and bar.as_of > clock.now() + _AHEAD:
        raise TooEarly(f"The minute of {bar.as_of:%H:%M:%S} UTC has not passed yet.")
    with transaction.atomic():
        moved = _move(moment, None, "", bar=bar.index + 1, as_of=bar.as_of)
        quotes.store(bar=bar, previous_close=previous_close)
    return moved


def close(*, by: Actor, day: date | None = None) -> Moment:
    """Advance to the next close: of the session being played, or of the next one unplayed.

    With `day` only that session is closed: once it is, asking again changes nothing. Its prices
    are written before the clock moves, so that nobody sees a session without its closes. Raises
    NoMoreHistory, ClockMoved; live also NoNewerSession, TooEarly before the exchange's close, and
    PricesMissing.
    """
    now = sessions.moment()
    if day is not None and now.session_date >= day:
        return now
    wanted = next_session(now)
    if day is not None and wanted != day:
        raise ClockMoved("The market clock does not stand before that session.")
    live = sessions.is_live()
    if live and clock.now() < calendar.close_time(wanted):
        raise TooEarly(f"The session of {wanted} ends at {calendar.close_time(wanted):%H:%M} UTC.")
    synced = price_sync.sync(session_date=wanted)
    if live:
        _require_prices(wanted, synced)
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
    """Put the clock back on its first session. The caller rebuilds the books that need it.

    Splits and dividends of later sessions are to come again; prices of what was split are
    fetched anew. Raises Conflict live: what happened has happened.
    """
    if sessions.is_live():
        raise Conflict("The live market does not start over.", code="market_is_live")
    now = sessions.moment()
    start = settings.REPLAY_START
    with transaction.atomic():
        # before the audit's own lock, as everywhere
        audit.serialise("daily bars")
        moved = _move(
            now,
            by,
            "clock.started_over",
            session_date=start,
            playing=None,
            bar=0,
            as_of=calendar.close_time(start),
            round=now.round + 1,
        )
        symbols = rewinding.take_back(after=start, by=by)
    if symbols:
        # cut short here, the next close finds the series missing and fetches them
        price_sync.load_again(symbols=symbols, until=start)
    return moved


def _require_prices(day: date, synced: price_sync.Synced) -> None:
    """Most prices before the next session opens, any afterwards. Raises PricesMissing."""
    bars = synced.records[price_sync.BARS]
    late = clock.now() >= calendar.open_time(calendar.next(day))
    needed = min(1, bars.expected) if late else LEAST_COVERAGE * bars.expected
    if bars.received < needed:
        why = f" {bars.error}" if bars.error else ""
        raise PricesMissing(
            f"{bars.received} of {bars.expected} prices of {day} have come in.{why}",
            received=bars.received,
            expected=bars.expected,
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
