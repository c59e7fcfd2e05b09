"""Corrections of the books: what was booked is taken back by an opposite booking, with a reason.

The reversal of `<source>` stands under `reversal:<source>`; totals are afterwards as if neither
had ever been booked. It is refused while later bookings rest on the one to be taken back.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import NoReturn
from uuid import UUID

from django.db import transaction

from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, NotFound
from etftrader.core.money import plain
from portfolios.calculations import postings
from portfolios.calculations.postings import Posting
from portfolios.choices import EntryKind, LedgerAccount
from portfolios.models import LedgerEntry, Portfolio, Transfer
from portfolios.selectors import ledger as books
from portfolios.services import booking, ledger, locking, running, snapshots
from portfolios.services.booking import Booking, Leg

ZERO = Decimal(0)
FEW = 500  # instruments that are asked for by their keys, not with all of the book


def reverse(
    *,
    portfolio_id: UUID,
    source: str,
    reason: str,
    by: Actor,
    session_date: date | None = None,
) -> Booking:
    """Take one booking back: quantity, cost basis, realised P&L, fees and cash as if never booked.

    Parameters
    ----------
    portfolio_id : UUID
        Locked here, in the caller's transaction if there is one (which reads its row anew
        afterwards); a transfer locks its two portfolios in the order of their ids and takes both
        sides back.
    source : str
        What the booking was made with: `trade:<id>`, `import:<id>:<row>`, `cash:<id>` ...
    reason : str
        Why; stands in the ledger, on the cash paper and in the audit line.
    session_date : date, optional
        The session of the reversal; the newest booked one by default, never before it.

    Returns
    -------
    Booking
        The reversal; `replayed` when it stood there already, `realized_pnl` is by how much the
        realised P&L changed. Snapshots from its session on are taken again.

    Raises
    ------
    NotFound
        Nothing was booked under this source.
    Conflict
        It is a reversal (`reversal_of_reversal`), a dividend or split (`corporate_action`), one
        of these has counted on it (`corporate_action_since`), a later booking rests on it
        (`later_bookings`, with `seq` and `source` of the first), its cash is spent
        (`cash_spent`), or the portfolio is closed.
    BadInput
        No reason is given.
    """
    made = reverse_many(
        portfolio_id=portfolio_id,
        sources=[source],
        reason=reason,
        by=by,
        session_date=session_date,
    )
    return made[0]


@transaction.atomic
def reverse_many(
    *,
    portfolio_id: UUID,
    sources: Iterable[str],
    reason: str,
    by: Actor,
    session_date: date | None = None,
) -> list[Booking]:
    """Take several bookings back, an import's for example, all or none; the newest goes first.

    Arguments, refusals and effects as in `reverse`; one audit line a portfolio. What rests on a
    booking may itself be among them. Answers in the order of `sources`.
    """
    wanted = list(dict.fromkeys(sources))
    reason = reason.strip()
    if not reason:
        raise BadInput("Say why it is taken back.", attr="reason")
    told = _Told(reason, by, session_date)
    beside = _other_sides(portfolio_id, wanted)
    locked = {each.pk: each for each in locking.lock_portfolios(portfolio_id, *beside)}
    made = _take_back(locked[portfolio_id], wanted, told)
    for key, shared in sorted(beside.items()):
        _take_back(locked[key], shared, told)
    return [made[source] for source in wanted]


@dataclass(frozen=True, slots=True)
class _Told:
    """Why, by whom, for which session."""

    reason: str
    by: Actor
    session_date: date | None


def _other_sides(portfolio_id: UUID, sources: Sequence[str]) -> dict[UUID, list[str]]:
    """Portfolios on the other side of the transfers among the sources, and which these are."""
    found: dict[UUID, list[str]] = {}
    keys = [
        each.removeprefix(books.TRANSFER) for each in sources if each.startswith(books.TRANSFER)
    ]
    for row in Transfer.objects.filter(pk__in=keys) if keys else ():
        other = row.target_id if row.origin_id == portfolio_id else row.origin_id
        found.setdefault(other, []).append(f"{books.TRANSFER}{row.pk}")
    return found


def _take_back(portfolio: Portfolio, sources: Sequence[str], told: _Told) -> dict[str, Booking]:
    """Reverse bookings of one locked portfolio."""
    made = _made(portfolio, sources)
    rest = [source for source in sources if source not in made]
    if not rest:
        return made
    ledger.check_open(portfolio)
    found = _bookings(portfolio, rest)
    _check_kinds(portfolio, found)
    day = _session(portfolio, told.session_date)
    history = _history(portfolio, found)
    _check_rest(portfolio, history, found)
    _return_cash(portfolio, found)
    rows: list[LedgerEntry] = []
    for legs in sorted(found.values(), key=lambda legs: -legs[0].seq):
        opposite = [Leg(each.account, -each.amount, each.instrument) for each in legs]
        again = f"{books.REVERSAL}{legs[0].source}"
        written, one = booking.write(
            portfolio,
            EntryKind.REVERSAL,
            again,
            day,
            opposite,
            told.reason,
            rate=legs[0].exchange_rate,
        )
        rows += written
        made[legs[0].source] = one
        booking.reverse_document(portfolio, legs[0].seq, one, day, told.reason, told.by)
    booking.keep(portfolio, rows)
    gained = _restore(portfolio, history, found, day)
    if len(rest) == 1:
        made[rest[0]] = replace(made[rest[0]], realized_pnl=gained)
    _record(portfolio, rest, made, told)
    snapshots.retake(portfolio_id=portfolio.pk, start=day)
    return made


def _made(portfolio: Portfolio, sources: Sequence[str]) -> dict[str, Booking]:
    """The reversals that stand there already, by the source they take back."""
    made: dict[str, Booking] = {}
    again = [f"{books.REVERSAL}{source}" for source in sources]
    for place in range(0, len(again), booking.BATCH):
        part = again[place : place + booking.BATCH]
        # unique, so unordered: ordering by id could lead the database through the whole ledger
        for row in portfolio.entries.filter(source__in=part, leg=1).order_by():
            source = row.source.removeprefix(books.REVERSAL)
            made[source] = Booking(row.seq, row.hash, replayed=True)
    return made


def check(*, portfolio_id: UUID, sources: Collection[str]) -> None:
    """Raise what `reverse_many` would raise for bookings of one book; nothing is changed.

    No lock is held: a booking made meanwhile may still stand in the way.
    """
    portfolio = Portfolio.objects.filter(pk=portfolio_id).first()
    if portfolio is None:
        raise NotFound("There is no such portfolio.")
    ledger.check_open(portfolio)
    history: dict[UUID, list[Posting]] = {}
    change, wanted = ZERO, set(sources)
    since: dict[UUID, int] = {}
    for each in books.postings(portfolio_ids=[portfolio_id]).get(portfolio_id, []):
        if each.source in wanted:
            change -= each.money(LedgerAccount.CASH)
        if each.traded is not None:
            key = each.traded[0]
            history.setdefault(key, []).append(each)
            if each.source in wanted:
                since.setdefault(key, each.seq)
    _check_actions(portfolio, since)
    moved = {key: history[key] for key in since}
    _check_rest(portfolio, moved, wanted)
    _check_cash(portfolio, change)


def _bookings(portfolio: Portfolio, sources: Sequence[str]) -> dict[str, list[LedgerEntry]]:
    """The legs of each booking."""
    rows: list[LedgerEntry] = []
    for place in range(0, len(sources), booking.BATCH):
        part = sources[place : place + booking.BATCH]
        legs = portfolio.entries.filter(source__in=part).select_related("instrument")
        rows += legs.order_by("seq", "leg")
    found = {source: list(legs) for source, legs in groupby(rows, key=lambda row: row.source)}
    missing = [source for source in sources if source not in found]
    if missing:
        raise NotFound("There is no such booking.", source=missing[0])
    return found


def _check_kinds(portfolio: Portfolio, found: Mapping[str, Sequence[LedgerEntry]]) -> None:
    """What a dividend or a split has counted on stays: neither is computed a second time."""
    since: dict[UUID, int] = {}
    for legs in found.values():
        first = legs[0]
        if first.kind == EntryKind.REVERSAL:
            raise Conflict(
                "A reversal cannot be reversed; book it again instead.",
                code="reversal_of_reversal",
            )
        if first.source.startswith(books.ACTION):
            raise Conflict("A dividend or split cannot be taken back.", code="corporate_action")
        for leg in legs:
            if leg.instrument_id is not None:
                since[leg.instrument_id] = min(first.seq, since.get(leg.instrument_id, first.seq))
    _check_actions(portfolio, since)


def _check_actions(portfolio: Portfolio, since: Mapping[UUID, int]) -> None:
    # later ones of another instrument do not count, so each is asked for from its own booking on
    for seq, keys in groupby(sorted(since, key=lambda key: since[key]), key=lambda key: since[key]):
        if books.action_since(portfolio_id=portfolio.pk, instrument_ids=keys, seq=seq):
            raise Conflict(
                "A dividend or split was booked on it since. Book the opposite at today's price "
                "instead.",
                code="corporate_action_since",
            )


def _session(portfolio: Portfolio, asked: date | None) -> date:
    newest = books.newest_session(portfolio.pk)
    assert newest is not None
    day = asked or newest
    ledger.check_session(portfolio, day)
    return day


def _history(
    portfolio: Portfolio, found: Mapping[str, Sequence[LedgerEntry]]
) -> dict[UUID, list[Posting]]:
    """All bookings of each instrument the reversed ones have moved, by number."""
    legs = (leg for each in found.values() for leg in each)
    moved = {leg.instrument_id for leg in legs if leg.instrument_id is not None}
    if not moved:
        return {}
    few = moved if len(moved) <= FEW else None
    rows = books.postings(portfolio_ids=[portfolio.pk], instrument_ids=few).get(portfolio.pk, [])
    history: dict[UUID, list[Posting]] = {}
    for each in rows:
        if each.traded is not None and each.traded[0] in moved:
            history.setdefault(each.traded[0], []).append(each)
    return history


def _check_rest(
    portfolio: Portfolio,
    history: Mapping[UUID, Sequence[Posting]],
    found: Collection[str],
) -> None:
    """No later booking may have sold, moved or settled what would never have been there."""
    for mine in history.values():
        first = min(each.seq for each in mine if each.source in found)
        standing = postings.effective(mine)
        left = [each for each in standing if each.source not in found]
        for each in _final(standing):
            if each.seq > first and each.source not in found:
                _refuse(each)
        if portfolio.allow_short:
            continue
        oversold = {each.seq for each in _oversells(standing)}
        for each in _oversells(left):
            if each.seq not in oversold:
                _refuse(each)


def _final(bookings: Sequence[Posting]) -> list[Posting]:
    """Settlements and what went to another book: they counted with what was held then."""
    held, found = ZERO, []
    for each in bookings:
        assert each.traded is not None
        units = each.traded[1]
        left = each.kind == EntryKind.TRANSFER and units * held < 0
        if left or each.kind == EntryKind.SETTLEMENT:
            found.append(each)
        held += units
    return found


def _oversells(bookings: Sequence[Posting]) -> list[Posting]:
    """Sales that go below zero; openings may be short."""
    held, found = ZERO, []
    for each in bookings:
        assert each.traded is not None
        units = each.traded[1]
        held += units
        if each.kind == EntryKind.FILL and units < 0 and held < 0:
            found.append(each)
    return found


def _refuse(later: Posting) -> NoReturn:
    raise Conflict(
        f"Booking {later.seq} rests on it. Take that one back first, or book the opposite at "
        "today's price instead.",
        code="later_bookings",
        seq=later.seq,
        source=later.source,
    )


def _return_cash(portfolio: Portfolio, found: Mapping[str, Sequence[LedgerEntry]]) -> None:
    legs = (leg for legs in found.values() for leg in legs)
    change = -sum((leg.amount for leg in legs if leg.account == LedgerAccount.CASH), ZERO)
    _check_cash(portfolio, change)
    portfolio.cash += change


def _check_cash(portfolio: Portfolio, change: Decimal) -> None:
    if portfolio.cash + change < 0:
        raise Conflict(
            "The cash it brought in is spent. Take back what was bought with it, or deposit "
            f"{plain(-(portfolio.cash + change))} first.",
            code="cash_spent",
            cash=plain(portfolio.cash),
            needed=plain(-change),
        )


def _restore(
    portfolio: Portfolio,
    history: Mapping[UUID, Sequence[Posting]],
    found: Mapping[str, Sequence[LedgerEntry]],
    day: date,
) -> Decimal:
    """Positions as the ledger replays without the pairs; the change of the realised P&L."""
    instruments = {leg.instrument_id: leg.instrument for legs in found.values() for leg in legs}
    gained = ZERO
    for key, mine in history.items():
        instrument = instruments[key]
        assert instrument is not None
        left = [each for each in postings.effective(mine) if each.source not in found]
        totals = postings.fold(left, {key: instrument.multiplier})
        gained += running.restore(portfolio, instrument, totals, day)
    return gained


def _record(
    portfolio: Portfolio, sources: Sequence[str], made: Mapping[str, Booking], told: _Told
) -> None:
    newest = max((made[source] for source in sources), key=lambda each: each.seq)
    said: dict[str, object] = {"source": sources[0]}
    if len(sources) > 1:
        said = {"bookings": len(sources), "first": sources[0], "last": sources[-1]}
    booking.record(portfolio, newest, "ledger.reverse", told.by, reason=told.reason, **said)
