"""What portfolios were worth at the close of sessions: taken once, revised only when changed."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Min

from etftrader.core import clock
from marketdata.models import Instrument
from marketdata.selectors import prices
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
from portfolios.selectors.holdings import DayBooking, Traded
from portfolios.selectors.price_tape import PriceTape
from portfolios.services import locking, snapshot_rows
from portfolios.services.snapshot_rows import Day

AT_ONCE = 40  # sessions a transaction takes again: a booking of the book waits that long


@transaction.atomic
def take(*, portfolio_ids: Iterable[UUID], session_date: date) -> list[PortfolioSnapshot]:
    """Value portfolios at the close of one session; the same inputs change nothing.

    Earlier snapshots that a later booking has overtaken are taken again first. A portfolio that
    had not opened yet has no snapshot.
    """
    wanted = sorted(set(portfolio_ids))
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
    late = {each.pk: _overtaken(each, session_date) for each in portfolios}
    simple = [each for each in portfolios if each.pk not in moved_on and not late[each.pk]]
    taken = _take_running(simple, session_date, known, marks)
    for each in portfolios:
        if each not in simple:
            taken += _walk([each], [*late[each.pk], session_date])[-1:]
    return taken


@transaction.atomic
def take_range(
    *, portfolio_ids: Iterable[UUID], sessions: Iterable[date]
) -> list[PortfolioSnapshot]:
    """Value portfolios at the close of many sessions, walking each ledger once.

    Sessions before a portfolio's first booking are left out.
    """
    portfolios = locking.lock_portfolios(*portfolio_ids)
    return _walk(portfolios, sorted(set(sessions)))


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

    Each part of `at_once` sessions is a transaction of its own: bookings of the book pass between.
    With `last` the walk ends at the first part behind that session in which nothing changed.
    """
    changed, start = 0, first
    while True:
        days, differ = _retake_part(portfolio_id, start, at_once)
        changed += differ
        settled = last is not None and bool(days) and days[0] > last and not differ
        if len(days) < at_once or settled:
            return changed
        start = days[-1] + timedelta(days=1)


@transaction.atomic
def _retake_part(portfolio_id: UUID, start: date, at_once: int) -> tuple[list[date], int]:
    """The next sessions that have a snapshot, and how many of these are other ones now."""
    portfolios = locking.lock_portfolios(portfolio_id)
    rows = PortfolioSnapshot.objects.filter(
        portfolio_id=portfolio_id, session_date__gte=start, kind=SnapshotKind.ACTUAL
    ).order_by("session_date")
    before = dict(rows.values_list("session_date", "revision")[:at_once])
    taken = _walk(portfolios, list(before))
    differ = sum(each.revision != before[each.session_date] for each in taken)
    return list(before), differ


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


def _overtaken(portfolio: Portfolio, session_date: date) -> list[date]:
    """Sessions of earlier snapshots that do not know a booking of theirs yet."""
    last = snapshot_rows.before(portfolio.pk, session_date)
    if last is None or last.ledger_seq == portfolio.ledger_seq:
        return []
    earliest = LedgerEntry.objects.filter(
        portfolio=portfolio, seq__gt=last.ledger_seq, session_date__lte=last.session_date
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
    writer = snapshot_rows.Writer(ids, [session_date], clock.now())
    for each in portfolios:
        last = snapshot_rows.before(each.pk, session_date)
        since = last.session_date if last else None
        fees, income = running.fees_and_income(
            portfolio_id=each.pk, after=since, until=session_date
        )
        day = Day(session_date, totals[each.pk], marks, traded.get(each.pk, {}), fees, income)
        writer.add(each, day, last, known)
    return writer.write()


def _walk(portfolios: Sequence[Portfolio], sessions: Sequence[date]) -> list[PortfolioSnapshot]:
    if not sessions or not portfolios:
        return []
    ids = [each.pk for each in portfolios]
    found = books.postings(portfolio_ids=ids)
    scales = books.multipliers(found.values())
    known = {each.pk: each for each in Instrument.objects.filter(pk__in=scales)}
    payers = books.instruments_of({one.source for mine in found.values() for one in mine})
    tape = PriceTape(known.values(), sessions[0], sessions[-1])
    marks = {day: tape.at(day) for day in sessions}
    writer = snapshot_rows.Writer(ids, sessions, clock.now())
    for each in portfolios:
        history = found.get(each.pk, [])
        walk = Walk(history, scales)
        traded = _traded_by_session(history, payers)
        last = snapshot_rows.before(each.pk, sessions[0])
        before = walk.at(last.session_date) if last else Totals()
        for day in sessions:
            totals: Totals = walk.at(day)
            if not totals.seq:
                continue
            fees, income = totals.fees - before.fees, totals.dividends - before.dividends
            now = Day(day, totals, marks[day], traded.get(day, {}), fees, income)
            last, before = writer.add(each, now, last, known), totals
    return writer.write()


def _traded_by_session(
    history: Sequence[Posting], payers: Mapping[str, UUID]
) -> Mapping[date, dict[UUID, Traded]]:
    days: dict[date, list[DayBooking]] = {}
    for posting in history:
        booking = holdings.day_booking(posting)
        if booking is not None:
            days.setdefault(posting.session_date, []).append(booking)
    return {day: holdings.traded_by(mine, payers) for day, mine in days.items()}
