"""What portfolios were worth at the close of sessions: taken once, revised only when changed."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Min

from etftrader.core import clock, jobs, turns
from marketdata.choices import InstrumentKind
from marketdata.models import Instrument
from marketdata.selectors import exchange_rates, prices
from marketdata.selectors.prices import Mark
from portfolios.calculations.postings import Posting, Totals, Walk
from portfolios.choices import SnapshotKind
from portfolios.models import (
    LedgerEntry,
    Portfolio,
    PortfolioSnapshot,
    Position,
)
from portfolios.selectors import holdings
from portfolios.selectors import ledger as books
from portfolios.selectors import totals as running
from portfolios.selectors.exchange_tape import ExchangeTape
from portfolios.selectors.holdings import DayBooking, Traded
from portfolios.selectors.price_tape import PriceTape
from portfolios.services import locking, snapshot_rows
from portfolios.services.snapshot_rows import Day

AT_ONCE = 40  # sessions a transaction takes: a booking of the books waits that long
LINES_AT_ONCE = 4_000  # and of many books so many sessions as have about these positions


class _Ledgers:
    """The bookings of locked portfolios, read once, and where a walk over them stands."""

    def __init__(self, portfolios: Iterable[Portfolio]) -> None:
        self.heads = _heads(portfolios)
        found = books.postings(portfolio_ids=self.heads)
        scales = books.multipliers(found.values())
        self.instruments = {each.pk: each for each in Instrument.objects.filter(pk__in=scales)}
        payers = books.instruments_of({one.source for mine in found.values() for one in mine})
        self.walks = {key: Walk(found.get(key, []), scales) for key in self.heads}
        self.traded = {key: _traded_by_session(mine, payers) for key, mine in found.items()}

    def are_those_of(self, portfolios: Sequence[Portfolio]) -> bool:
        """Whether nothing was booked since they were read."""
        return self.heads == _heads(portfolios)

    def first_unknown_to(self, before: "_Ledgers") -> date | None:
        """The first session of what was booked since others were read."""
        known = before.heads
        return min(
            (
                each.session_date
                for key, walk in self.walks.items()
                for each in walk.postings
                if each.seq > known.get(key, 0)
            ),
            default=None,
        )


def _heads(portfolios: Iterable[Portfolio]) -> dict[UUID, int]:
    return {each.pk: each.ledger_seq for each in portfolios}


def take(*, portfolio_ids: Iterable[UUID], session_date: date) -> list[PortfolioSnapshot]:
    """Value portfolios at the close of one session; the same inputs change nothing.

    Earlier snapshots that a later booking has overtaken are taken again first: a few with it, more
    than a part holds in parts before. A portfolio that had not opened yet has no snapshot. Raises
    LeaseLost within a run that is somebody else's by now.
    """
    wanted, healed = sorted(set(portfolio_ids)), dict[UUID, int]()
    while True:
        taken, late, heads = _take_night(wanted, session_date, healed)
        if not late:
            return taken
        for key, first in late.items():
            retake_in_parts(portfolio_id=key, first=first, last=session_date, at_once=AT_ONCE)
            healed[key] = heads[key]


@transaction.atomic
def _take_night(
    wanted: Sequence[UUID], session_date: date, healed: Mapping[UUID, int]
) -> tuple[list[PortfolioSnapshot], dict[UUID, date], dict[UUID, int]]:
    """The snapshots of a session; or none, since when too many before it are overtaken, and heads.

    `healed` says up to which number each portfolio's bookings are known to all its snapshots.
    """
    known = _held_instruments(wanted)
    marks = prices.closing_marks(instruments=known.values(), session_date=session_date)
    portfolios = [
        each
        for each in locking.lock_portfolios(*wanted)
        if each.ledger_seq and each.opened_on is not None and each.opened_on <= session_date
    ]
    moved_on = set(
        LedgerEntry.objects.filter(portfolio__in=portfolios, session_date__gt=session_date)
        .values_list("portfolio_id", flat=True)
        .distinct()
    )
    late = {each.pk: _overtaken(each, session_date, healed.get(each.pk)) for each in portfolios}
    long = {key: days[0] for key, days in late.items() if len(days) > AT_ONCE}
    if long:
        return [], long, _heads(portfolios)
    simple = [each for each in portfolios if each.pk not in moved_on and not late[each.pk]]
    taken = _take_running(simple, session_date, known, marks)
    for each in portfolios:
        if each not in simple:
            taken += _walk([each], [*late[each.pk], session_date])[-1:]
    jobs.hold()
    return taken, {}, {}


@transaction.atomic
def take_range(
    *, portfolio_ids: Iterable[UUID], sessions: Iterable[date]
) -> list[PortfolioSnapshot]:
    """Value portfolios at the close of many sessions, walking each ledger once.

    Sessions before a portfolio's first booking are left out.
    """
    portfolios = locking.lock_portfolios(*portfolio_ids)
    return _walk(portfolios, sorted(set(sessions)))


def take_in_parts(
    *, portfolio_ids: Iterable[UUID], sessions: Iterable[date], at_once: int = AT_ONCE
) -> list[PortfolioSnapshot]:
    """Value portfolios at the close of many sessions as `take_range` does, a few at a time.

    Each part of `at_once` sessions, or fewer of many positions, is a transaction of its own:
    bookings of the books pass between, and only then are their ledgers read again. Where one is of
    a session that was passed, the walk goes back to it. Snapshots that stand behind the last
    session, as the clock moved on meanwhile, rest on it: they are taken again too.

    Twice is once: what was cut short is done again, and what stands is left. Raises LeaseLost
    within a run that is somebody else's by now; the parts before stand.
    """
    wanted, days = sorted(set(portfolio_ids)), sorted(set(sessions))
    if not wanted or not days:
        return []
    at_once = _fewer(wanted, at_once)
    ledgers = _Ledgers(Portfolio.objects.filter(pk__in=wanted))
    taken: dict[tuple[UUID, date], PortfolioSnapshot] = {}
    place = 0
    while place < len(days):
        rows, place, ledgers = _take_part(wanted, days, place, at_once, ledgers)
        taken |= {(each.portfolio_id, each.session_date): each for each in rows}
        if place < len(days):
            turns.give_way()
    _take_what_follows(wanted, days[-1])
    return list(taken.values())


@transaction.atomic
def _take_part(
    portfolio_ids: Sequence[UUID],
    days: Sequence[date],
    place: int,
    at_once: int,
    ledgers: _Ledgers,
) -> tuple[list[PortfolioSnapshot], int, _Ledgers]:
    """The snapshots of the next sessions, where the walk stands after them, and by what ledgers."""
    portfolios = locking.lock_portfolios(*portfolio_ids)
    if not ledgers.are_those_of(portfolios):
        before, ledgers = ledgers, _Ledgers(portfolios)
        first = ledgers.first_unknown_to(before)
        place = min(place, bisect_left(days, first)) if first else place
    part = days[place : place + at_once]
    taken = _walk(portfolios, part, ledgers, since=days[0])
    jobs.hold()
    return taken, place + len(part), ledgers


def _take_what_follows(portfolio_ids: Sequence[UUID], last: date) -> None:
    """Take the snapshots behind a session again, of each book until one does not differ.

    Whoever took one after the last part has seen that part: they wait for the same locks.
    """
    later = PortfolioSnapshot.objects.filter(
        portfolio__in=portfolio_ids, session_date__gt=last, kind=SnapshotKind.ACTUAL
    )
    for key in sorted(set(later.values_list("portfolio_id", flat=True))):
        retake_in_parts(portfolio_id=key, first=last + timedelta(days=1), last=last)


def _fewer(portfolio_ids: Sequence[UUID], at_once: int) -> int:
    """How many sessions are taken at once of books that hold this much."""
    lines = Position.objects.open().filter(portfolio__in=portfolio_ids).count()
    return max(1, min(at_once, LINES_AT_ONCE // max(lines, len(portfolio_ids))))


@transaction.atomic
def retake(*, portfolio_id: UUID, start: date) -> list[PortfolioSnapshot]:
    """Take a portfolio's existing snapshots from a session on again, after a late booking."""
    sessions = _existing(portfolio_id, start)
    if not sessions:
        return []
    return _walk(locking.lock_portfolios(portfolio_id), sessions)


def retake_in_parts(
    *, portfolio_id: UUID, first: date, last: date | None = None, at_once: int = AT_ONCE
) -> int:
    """Take a portfolio's existing snapshots from a session on again; counts those that changed.

    Each part of `at_once` sessions, or fewer of many positions, is a transaction of its own:
    bookings of the book pass between, and only then is its ledger read again. With `last` the walk
    ends at the first part behind that session in which nothing changed.
    """
    changed, start, at_once = 0, first, _fewer([portfolio_id], at_once)
    ledgers: _Ledgers | None = None
    while True:
        days, differ, ledgers = _retake_part(portfolio_id, start, at_once, ledgers)
        changed += differ
        settled = last is not None and bool(days) and days[0] > last and not differ
        if len(days) < at_once or settled:
            return changed
        start = days[-1] + timedelta(days=1)
        turns.give_way()


@transaction.atomic
def _retake_part(
    portfolio_id: UUID, start: date, at_once: int, known: _Ledgers | None
) -> tuple[list[date], int, _Ledgers]:
    """The next sessions that have a snapshot, how many are other ones now, and by which ledger."""
    portfolios = locking.lock_portfolios(portfolio_id)
    is_current = known is not None and known.are_those_of(portfolios)
    ledgers = known if known is not None and is_current else _Ledgers(portfolios)
    rows = PortfolioSnapshot.objects.filter(
        portfolio_id=portfolio_id, session_date__gte=start, kind=SnapshotKind.ACTUAL
    ).order_by("session_date")
    before = dict(rows.values_list("session_date", "revision")[:at_once])
    taken = _walk(portfolios, list(before), ledgers)
    differ = sum(each.revision != before[each.session_date] for each in taken)
    jobs.hold()
    return list(before), differ, ledgers


def add_risk(
    *,
    portfolio_id: UUID,
    session_date: date,
    var_95_1d: float | None,
    es_95_1d: float | None,
    stressed_var_95_1d: float | None,
    volatility_1d: float | None,
    coverage: float | None,
    reason: str = "",
    run_id: UUID | None = None,
) -> bool:
    """Add what risk has computed to a snapshot; False when there is none."""
    rows = PortfolioSnapshot.objects.filter(
        portfolio_id=portfolio_id, session_date=session_date, kind=SnapshotKind.ACTUAL
    )
    return bool(
        rows.update(
            var_95_1d=var_95_1d,
            es_95_1d=es_95_1d,
            stressed_var_95_1d=stressed_var_95_1d,
            volatility_1d=volatility_1d,
            risk_coverage=coverage,
            risk_reason=reason,
            risk_run=run_id,
        )
    )


def _held_instruments(portfolio_ids: Sequence[UUID]) -> dict[UUID, Instrument]:
    held = Position.objects.filter(portfolio_id__in=portfolio_ids).values("instrument_id")
    return {each.pk: each for each in Instrument.objects.filter(pk__in=held)}


def _overtaken(portfolio: Portfolio, session_date: date, healed: int | None) -> list[date]:
    """Sessions of earlier snapshots that do not know a booking of theirs yet."""
    last = snapshot_rows.before(portfolio.pk, session_date)
    # a part may know a booking of a session that the parts before it have passed
    known = None if last is None else last.ledger_seq if healed is None else healed
    if last is None or known == portfolio.ledger_seq:
        return []
    earliest = LedgerEntry.objects.filter(
        portfolio=portfolio, seq__gt=known, session_date__lte=last.session_date
    ).aggregate(first=Min("session_date"))["first"]
    if earliest is None:
        return []
    return [each for each in _existing(portfolio.pk, earliest) if each < session_date]


def _existing(portfolio_id: UUID, start: date) -> list[date]:
    rows = PortfolioSnapshot.objects.filter(
        portfolio_id=portfolio_id, session_date__gte=start, kind=SnapshotKind.ACTUAL
    )
    return sorted(rows.values_list("session_date", flat=True))


def _take_running(
    portfolios: Sequence[Portfolio],
    session_date: date,
    known: dict[UUID, Instrument],
    marks: dict[UUID, Mark],
) -> list[PortfolioSnapshot]:
    """The newest session: the running totals are the state, no ledger needs replaying."""
    ids = [each.pk for each in portfolios]
    totals = running.totals(portfolios=portfolios)
    traded = holdings.traded(portfolio_ids=ids, session_date=session_date)
    fresh = {key for each in totals.values() for key in each.holdings} - known.keys()
    if fresh:
        # bought between reading the prices and locking
        added = {each.pk: each for each in Instrument.objects.filter(pk__in=fresh)}
        known |= added
        marks |= prices.closing_marks(instruments=added.values(), session_date=session_date)
    rates = exchange_rates.closing(
        currencies=_currencies(portfolios, known.values()), session_date=session_date
    )
    writer = snapshot_rows.Writer(ids, [session_date], clock.now())
    for each in portfolios:
        last = snapshot_rows.before(each.pk, session_date)
        since = last.session_date if last else None
        fees, income = running.fees_and_income(
            portfolio_id=each.pk, after=since, until=session_date
        )
        mine = traded.get(each.pk, {})
        day = Day(session_date, totals[each.pk], marks, mine, fees, income, rates)
        writer.add(each, day, last, known)
    return writer.write()


def _walk(
    portfolios: Sequence[Portfolio],
    sessions: Sequence[date],
    ledgers: _Ledgers | None = None,
    since: date | None = None,
) -> list[PortfolioSnapshot]:
    if not sessions or not portfolios:
        return []
    ledgers = ledgers or _Ledgers(portfolios)
    known = ledgers.instruments
    marks = _marks(known.values(), sessions, since or sessions[0])
    currencies = _currencies(portfolios, known.values())
    rates = ExchangeTape(currencies, since or sessions[0], sessions[-1])
    writer = snapshot_rows.Writer(_heads(portfolios), sessions, clock.now())
    for each in portfolios:
        walk = ledgers.walks[each.pk]
        traded = ledgers.traded.get(each.pk, {})
        last = snapshot_rows.before(each.pk, sessions[0])
        before = walk.at(last.session_date) if last else Totals()
        for day in sessions:
            totals: Totals = walk.at(day)
            if not totals.seq:
                continue
            fees, income = totals.fees - before.fees, totals.dividends - before.dividends
            mine = traded.get(day, {})
            now = Day(day, totals, marks[day], mine, fees, income, rates.at(day))
            last, before = writer.add(each, now, last, known), totals
    return writer.write()


def _marks(
    instruments: Iterable[Instrument], sessions: Sequence[date], since: date
) -> dict[date, dict[UUID, Mark]]:
    """The prices of each session; the closes before them are looked for from `since` on.

    A name that seldom trades has the same ones in a part as in the whole of a range.
    """
    options: list[Instrument] = []
    rest: list[Instrument] = []
    for each in instruments:
        (options if each.kind == InstrumentKind.OPTION else rest).append(each)
    tapes = [PriceTape(rest, since, sessions[-1])]
    if options:
        tapes.append(PriceTape(options, sessions[0], sessions[-1]))
    return {day: {key: m for tape in tapes for key, m in tape.at(day).items()} for day in sessions}


def _currencies(portfolios: Iterable[Portfolio], held: Iterable[Instrument]) -> set[str]:
    return {each.base_currency for each in portfolios} | {each.currency for each in held}


def _traded_by_session(
    history: Sequence[Posting], payers: Mapping[str, UUID]
) -> Mapping[date, dict[UUID, Traded]]:
    days: dict[date, list[DayBooking]] = {}
    for posting in history:
        booking = holdings.day_booking(posting)
        if booking is not None:
            days.setdefault(posting.session_date, []).append(booking)
    return {day: holdings.traded_by(mine, payers) for day, mine in days.items()}
