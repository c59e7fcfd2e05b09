"""Days on which the exchange differs from the shipped calendar: checked, and told to everybody."""

import uuid
from dataclasses import dataclass
from datetime import date, time

from django.db import transaction

from etftrader.core.errors import BadInput
from marketdata.calculations.sessions import CLOSE, OPEN
from marketdata.models import DailyBar, ReplayClock
from marketdata.selectors import calendar, sessions
from marketdata.selectors.sessions import Moment


@dataclass(frozen=True, slots=True)
class Wish:
    """A closure, or another closing time, as somebody wrote it down."""

    day: date
    closed: bool
    closes_at: time | None  # New York
    exchange: str = calendar.EXCHANGE
    correction: bool = False  # the day has passed, and this is what it was


def check(wish: Wish, *, moment: Moment) -> None:
    """Refuse what no exchange does, and what has passed unless it is a correction.

    Of the live market the running session may be shortened, to a time that is ahead; one that is
    played from history stays as it began. Raises BadInput with the field.
    """
    if not ReplayClock.objects.exists():
        raise BadInput("Start the market clock first: it carries the calendar.", attr="date")
    if wish.exchange != calendar.EXCHANGE:
        raise BadInput(f"Sessions are those of {calendar.EXCHANGE}.", attr="exchange")
    if not calendar.FIRST <= wish.day <= calendar.LAST:
        raise BadInput(
            f"The calendar reaches from {calendar.FIRST} to {calendar.LAST}.", attr="date"
        )
    if not calendar.shipped().is_session(wish.day):
        raise BadInput(f"The exchange is closed on {wish.day} anyway.", attr="date")
    if wish.closed == (wish.closes_at is not None):
        raise BadInput("Say closed, or when it closes: one of the two.", attr="closes_at")
    if wish.closes_at is not None:
        _check_time(wish.closes_at)
    _check_past(wish, moment)


@transaction.atomic
def announce() -> None:
    """Let every process take the overrides up when it next reads the market clock."""
    ReplayClock.objects.filter(pk=1).update(calendar_stamp=uuid.uuid4())


def is_past(day: date, *, moment: Moment) -> bool:
    """Whether a day's session is over, or would have been."""
    return day <= moment.session_date


def _check_time(closes_at: time) -> None:
    if not OPEN < closes_at <= CLOSE or closes_at.second or closes_at.microsecond:
        raise BadInput(
            f"A session ends on a whole minute after {OPEN:%H:%M} and by {CLOSE:%H:%M} New York.",
            attr="closes_at",
        )


def _check_past(wish: Wish, moment: Moment) -> None:
    if wish.day == moment.playing:
        if not sessions.is_live():
            raise BadInput("This session is being played. Change it before it begins.", attr="date")
        if wish.closed:
            raise BadInput(
                "This session is running; shorten it instead of closing it.", attr="closed"
            )
        now = moment.as_of.astimezone(calendar.NEW_YORK)
        if wish.closes_at is not None and wish.closes_at <= now.time():
            raise BadInput("That time of the running session has passed.", attr="closes_at")
    if not is_past(wish.day, moment=moment):
        return
    if not wish.correction:
        raise BadInput(
            f"{wish.day} has passed: the market clock stands at {moment.session_date}. "
            "Say that it is a correction.",
            attr="correction",
            code="past_session",
        )
    bars = DailyBar.objects.filter(session_date=wish.day).count() if wish.closed else 0
    if bars:
        raise BadInput(
            f"{bars} prices of {wish.day} are stored: the exchange was open.", attr="closed"
        )
