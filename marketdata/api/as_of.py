"""`as_of`: the past close a read speaks of. Every read of a book or of the market asks here."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from etftrader.core.api import parameters
from etftrader.core.api.fields import moment as told
from etftrader.core.errors import BadInput, NotEnoughData
from marketdata.selectors import calendar, sessions
from marketdata.selectors.sessions import Moment

NAME = "as_of"
MALFORMED = "as_of_malformed"
NO_SESSION = "as_of_no_session"
IN_FUTURE = "as_of_in_future"
BEFORE_BOOK = "as_of_before_book"
NOT_KEPT = "not_kept"  # why a figure of a past close is null: only the newest one is stored
_KEPT = "_as_of"
AS_OF = {
    NAME: parameters.Parameter(
        "The state at the close of this session, YYYY-MM-DD, or at the last close by this moment, "
        "as 2016-06-20T20:00:00Z; the present without it. The answer names that close in its "
        "header X-As-Of, and as `as_of` where it has no such member of its own.",
        anyOf=[{"format": "date"}, {"format": "date-time"}],
    )
}


@dataclass(frozen=True, slots=True)
class AsOf:
    """What one request asked for, beside the market clock as it saw it."""

    now: Moment
    session: date | None  # whose close was asked for; None is the present

    @property
    def past(self) -> date | None:
        """The session of a close that is not the present; None is now."""
        return self.session if self.session != self.now.current else None

    @property
    def shown(self) -> Moment:
        """The moment the answer speaks of."""
        return self.now if self.past is None else sessions.at_close(self.past)

    @property
    def until(self) -> date:
        """The last session whose close the answer may know."""
        return self.past or self.now.session_date

    @property
    def close(self) -> datetime | None:
        """When the past close was; None is now."""
        return calendar.close_time(self.past) if self.past else None


def asked(request: Any) -> AsOf:
    """What the `as_of` of a request asks for, read once.

    The running session is the present. Raises BadInput: `as_of_malformed`, `as_of_no_session`,
    `as_of_in_future`.
    """
    plain = getattr(request, "_request", request)
    known: AsOf | None = getattr(plain, _KEPT, None)
    if known is None:
        known = _read(request.query_params.get(NAME, ""))
        setattr(plain, _KEPT, known)
        if request.query_params.get(NAME):
            plain.as_of_told = told(known.shown.as_of)
    return known


def past(request: Any) -> date | None:
    """The session of the past close asked for; None is now. Raises BadInput."""
    return asked(request).past


def shown(request: Any) -> Moment:
    """The moment the answer speaks of. Raises BadInput."""
    return asked(request).shown


def before_book(day: date) -> NotEnoughData:
    """The refusal of a close at which nothing of a portfolio was valued yet."""
    return NotEnoughData(
        f"Nothing of this portfolio was valued by {day}: its books begin later.",
        reason=BEFORE_BOOK,
        as_of=day.isoformat(),
    )


def _read(text: str) -> AsOf:
    now = sessions.moment()
    if not text:
        return AsOf(now, None)
    day = _day(text) or _last_close(text, now)
    if not calendar.FIRST <= day <= calendar.LAST or not calendar.is_session(day):
        raise BadInput(
            f"The exchange was closed on {day}. Name a session; /api/v1/calendar lists them.",
            attr=NAME,
            code=NO_SESSION,
        )
    if day > now.current:
        raise _future(str(day), now)
    return AsOf(now, day if day <= now.session_date else None)


def _day(text: str) -> date | None:
    """The session a date names; None where the text is no date."""
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


def _last_close(text: str, now: Moment) -> date:
    """The session whose close was the last one by a moment; its zone is needed."""
    try:
        at = datetime.fromisoformat(text) if "T" in text else None
    except ValueError:
        at = None
    if at is None or at.utcoffset() is None:
        raise BadInput(
            "Write as_of as YYYY-MM-DD, or as a moment with its zone, 2016-06-20T20:00:00Z.",
            attr=NAME,
            code=MALFORMED,
        )
    if at > now.as_of:
        raise _future(text, now)
    if at < calendar.close_time(calendar.next(calendar.FIRST)):
        raise BadInput(f"No close is known by {text}.", attr=NAME, code=NO_SESSION)
    return sessions.last_closed(at)


def _future(what: str, now: Moment) -> BadInput:
    return BadInput(
        f"{what} lies after the market clock, which stands at {told(now.as_of)}.",
        attr=NAME,
        code=IN_FUTURE,
    )
