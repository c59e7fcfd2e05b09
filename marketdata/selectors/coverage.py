"""Which sessions a series lacks, how much of the universe each session has, whose data is poor."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.db.models import Count, Max, Min, Q

from marketdata.calculations import bar_gate, price_checks
from marketdata.choices import QuarantineState, UniverseKind
from marketdata.models import (
    DailyBar,
    Instrument,
    QuarantinedPrice,
    TreasuryYield,
    UniverseMember,
)
from marketdata.providers import sources
from marketdata.providers.sources import BARS
from marketdata.selectors import calendar, instruments
from marketdata.selectors.sessions import Moment

LEAST_COVERAGE, LARGEST_AGE_H, LEAST_SESSIONS = 0.90, 48, 30  # product.md 2.17
STRIP = 60
ASKED_FOR = "Asked for"  # the live universe of symbols that were added one by one
# garbage is asked for again; a doubt waits for a person
GARBAGE = (
    price_checks.NOT_FINITE,
    price_checks.NOT_POSITIVE,
    price_checks.TOO_LARGE,
    bar_gate.FUTURE,
)


@dataclass(frozen=True, slots=True)
class Stock:
    """What is stored of one series."""

    first: date
    last: date
    sessions: int


@dataclass(frozen=True, slots=True)
class Quality:
    """One series against the rules; `complaints` is empty when it satisfies them."""

    symbol: str
    first: date | None
    last: date | None
    sessions: int
    expected: int  # sessions from its first one to the market clock
    age_sessions: int | None
    held: int  # prices of it that wait for a person
    complaints: tuple[str, ...]

    @property
    def coverage(self) -> float | None:
        """Share of the sessions since its first one that are there."""
        return self.sessions / self.expected if self.expected else None


@dataclass(frozen=True, slots=True)
class SessionShare:
    """How many of the expected symbols have a price of one session."""

    session_date: date
    there: int
    total: int

    @property
    def share(self) -> float | None:
        """As a fraction."""
        return self.there / self.total if self.total else None


def due(*, session_date: date) -> list[Instrument]:
    """What is to have a price of a session, by symbol.

    The members of every live universe who have not left before it; who joined later is to have
    its past too. Every active instrument in a replay, and where no list is kept yet: symbols
    that were asked for one by one leave nobody else out.
    """
    every = instruments.universe()
    live = UniverseMember.objects.filter(universe__kind=UniverseKind.LIVE)
    if sources.is_replay() or not live.exclude(universe__name=ASKED_FOR).exists():
        return every
    there = live.filter(Q(valid_to__isnull=True) | Q(valid_to__gte=session_date))
    wanted = set(there.values_list("instrument_id", flat=True))
    return [each for each in every if each.pk in wanted]


def stocks(*, of: Iterable[Instrument], until: date) -> dict[UUID, Stock]:
    """First, last and number of stored sessions up to a day, of the series that have any."""
    rows = (
        DailyBar.objects.filter(instrument__in=[each.pk for each in of])
        .filter(session_date__lte=until)
        .values_list("instrument_id")
        .annotate(Min("session_date"), Max("session_date"), Count("session_date", distinct=True))
    )
    return {key: Stock(first, last, count) for key, first, last, count in rows}


def gaps(
    *,
    of: Sequence[Instrument],
    until: date,
    since: date,
    start: date | None = None,
    doubts_too: bool = False,
) -> dict[UUID, list[date]]:
    """The sessions each series lacks, oldest first; a whole series has no entry.

    A series without a bar lacks everything from `since` on; another one what is missing after
    its first bar, or from `start` on. A session whose price a person has yet to judge, or has
    rejected, is no gap unless `doubts_too`.
    """
    known = stocks(of=of, until=until)
    lacking: dict[UUID, list[date]] = {}
    for each in of:
        stock = known.get(each.pk)
        first = start or (stock.first if stock else since)
        sessions = calendar.between(first, until)
        if stock is None:
            lacking[each.pk] = sessions
        elif start or stock.sessions != len(sessions):
            lacking[each.pk] = _without(sessions, _stored(each, first, until))
    if not doubts_too:
        lacking = _undoubted(lacking, until)
    return {key: days for key, days in lacking.items() if days}


def yield_gaps(*, until: date, since: date, start: date | None = None) -> list[date]:
    """The sessions without a curve since the first stored one, or since `start`."""
    stored = set(
        TreasuryYield.objects.filter(session_date__lte=until)
        .values_list("session_date", flat=True)
        .distinct()
    )
    first = start or min(stored, default=since)
    return _without(calendar.between(first, until), stored)


def strip(*, of: Sequence[Instrument], moment: Moment) -> list[SessionShare]:
    """The newest sessions, oldest first, with how many of the symbols have a price."""
    first = calendar.previous(moment.session_date, STRIP - 1)
    counted = dict(
        DailyBar.objects.filter(
            instrument__in=[each.pk for each in of],
            session_date__range=(first, moment.session_date),
        )
        .values_list("session_date")
        .annotate(Count("instrument_id", distinct=True))
    )
    total = len(of)
    return [
        SessionShare(day, counted.get(day, 0), total)
        for day in calendar.between(first, moment.session_date)
    ]


def qualities(*, of: Sequence[Instrument], moment: Moment) -> list[Quality]:
    """Every series against the rules, those with complaints first."""
    known = stocks(of=of, until=moment.session_date)
    held = dict(
        QuarantinedPrice.objects.filter(state=QuarantineState.HELD)
        .values_list("instrument_id")
        .annotate(Count("pk"))
    )
    found = [_quality(each, known.get(each.pk), held.get(each.pk, 0), moment) for each in of]
    return sorted(found, key=lambda each: (not each.complaints, each.symbol))


def _quality(each: Instrument, stock: Stock | None, held: int, moment: Moment) -> Quality:
    if stock is None:
        return Quality(each.symbol, None, None, 0, 0, None, held, ("no_prices",))
    expected = len(calendar.between(stock.first, moment.session_date))
    age = len(calendar.between(stock.last, moment.session_date)) - 1
    hours = (
        moment.as_of - calendar.close_time(calendar.on_or_before(stock.last))
    ).total_seconds() / 3600
    complaints = []
    if stock.sessions < LEAST_COVERAGE * expected:
        complaints.append("low_coverage")
    # a weekend makes no price old
    if age and hours > LARGEST_AGE_H:
        complaints.append("old")
    if stock.sessions < LEAST_SESSIONS:
        complaints.append("short_history")
    if held:
        complaints.append("held_back")
    return Quality(
        each.symbol,
        stock.first,
        stock.last,
        stock.sessions,
        expected,
        max(age, 0),
        held,
        tuple(complaints),
    )


def _stored(each: Instrument, first: date, until: date) -> set[date]:
    rows = DailyBar.objects.filter(instrument=each, session_date__range=(first, until))
    return set(rows.values_list("session_date", flat=True))


def _without(sessions: Sequence[date], stored: set[date]) -> list[date]:
    return [day for day in sessions if day not in stored]


def _undoubted(lacking: dict[UUID, list[date]], until: date) -> dict[UUID, list[date]]:
    doubts: dict[UUID, set[date]] = {}
    rows = (
        QuarantinedPrice.objects.filter(dataset=BARS, session_date__lte=until)
        .exclude(state=QuarantineState.ACCEPTED)
        .exclude(reason__in=GARBAGE)
        .filter(instrument__in=list(lacking))
    )
    for key, day in rows.values_list("instrument_id", "session_date"):
        if key is not None:
            doubts.setdefault(key, set()).add(day)
    return {
        key: _without(days, doubts[key]) if key in doubts else days for key, days in lacking.items()
    }
