"""Arithmetic on trading days: a sorted list of sessions, and which of them close early."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, time

OPEN, CLOSE, EARLY_CLOSE = time(9, 30), time(16, 0), time(13, 0)


@dataclass(frozen=True, slots=True)
class SessionCalendar:
    """The trading days of an exchange, oldest first, in its own time zone.

    `early_closes` are the sessions that do not end at 16:00, with the time at which they do.
    """

    sessions: tuple[date, ...]
    early_closes: Mapping[date, time] = field(default_factory=dict)

    def is_session(self, day: date) -> bool:
        """Whether the exchange trades on a day."""
        place = bisect_left(self.sessions, day)
        return place < len(self.sessions) and self.sessions[place] == day

    def on_or_before(self, day: date) -> date:
        """The day itself if it is a session, else the last one before it."""
        return self._at(bisect_right(self.sessions, day) - 1, day)

    def on_or_after(self, day: date) -> date:
        """The day itself if it is a session, else the next one."""
        return self._at(bisect_left(self.sessions, day), day)

    def previous(self, day: date) -> date:
        """The last session before a day."""
        return self._at(bisect_left(self.sessions, day) - 1, day)

    def next(self, day: date) -> date:
        """The first session after a day."""
        return self._at(bisect_right(self.sessions, day), day)

    def shift(self, session: date, count: int) -> date:
        """The session `count` later (earlier when negative). Raises ValueError off the calendar."""
        return self._at(self.number(session) + count, session)

    def number(self, session: date) -> int:
        """Place of a session in the calendar. Raises ValueError for any other day."""
        place = bisect_left(self.sessions, session)
        if place == len(self.sessions) or self.sessions[place] != session:
            raise ValueError(f"{session} is not a session")
        return place

    def count(self, first: date, last: date) -> int:
        """Sessions after `first` up to and including `last`; negative the other way round."""
        return bisect_right(self.sessions, last) - bisect_right(self.sessions, first)

    def between(self, first: date, last: date) -> tuple[date, ...]:
        """Sessions from `first` to `last`, both included."""
        return self.sessions[bisect_left(self.sessions, first) : bisect_right(self.sessions, last)]

    def closes_at(self, session: date) -> time:
        """Closing time of a session on the exchange's clock."""
        return self.early_closes.get(session, CLOSE)

    def bars(self, session: date) -> int:
        """One-minute bars of a session."""
        ends = self.closes_at(session)
        return (ends.hour - OPEN.hour) * 60 + ends.minute - OPEN.minute

    def _at(self, place: int, asked: date) -> date:
        if not 0 <= place < len(self.sessions):
            raise ValueError(f"the calendar does not reach beyond {asked}")
        return self.sessions[place]


def calendar(
    sessions: Iterable[date], early_closes: Mapping[date, time] | None = None
) -> SessionCalendar:
    """A calendar from days in any order, each kept once."""
    return SessionCalendar(tuple(sorted(set(sessions))), dict(early_closes or {}))
