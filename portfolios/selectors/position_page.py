"""One position by itself: what it is worth, what it has made, and every booking that moved it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db.models import Q

from etftrader.core.actor import Actor
from etftrader.core.errors import NotFound
from marketdata.models import CorporateAction, Instrument
from marketdata.selectors import price_chart
from marketdata.selectors.price_chart import Chart
from marketdata.selectors.sessions import Moment
from portfolios.calculations import postings as ledger_maths
from portfolios.calculations.postings import Leg, Posting
from portfolios.choices import EntryKind
from portfolios.models import LedgerEntry, Portfolio, Position
from portfolios.selectors import groups, holdings, ledger
from portfolios.selectors import tags as tag_reads
from portfolios.selectors.groups import HeldRow
from portfolios.selectors.holdings import Held, Traded
from portfolios.selectors.positions import Worth
from portfolios.selectors.tags import Marked
from portfolios.selectors.valuation import Valuation

ZERO = Decimal(0)
TRADES = {EntryKind.FILL, EntryKind.OPENING, EntryKind.TRANSFER, EntryKind.SETTLEMENT}


@dataclass(frozen=True, slots=True)
class Made:
    """What the bookings of a position come to; `net` needs the unrealised part."""

    quantity: Decimal
    cost_basis: Decimal
    realized: Decimal
    dividends: Decimal  # less those owed on a short
    fees: Decimal

    def net(self, unrealized: Decimal | None) -> Decimal | None:
        """Realised, unrealised and dividends less fees."""
        if unrealized is None:
            return None
        return self.realized + unrealized + self.dividends - self.fees


@dataclass(frozen=True, slots=True)
class Booked:
    """A booking with what its writer said of it."""

    posting: Posting
    reason: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One booking of the position; `undone` was taken back by a later one."""

    seq: int
    session_date: date
    kind: str
    source: str
    quantity: Decimal
    price: Decimal | None
    paid: Decimal  # signed, money out positive
    fee: Decimal
    reason: str
    undone: bool

    @property
    def is_trade(self) -> bool:
        """Whether it stands on the price chart."""
        return self.kind in TRADES and not self.undone and bool(self.quantity)


def one(*, actor: Actor, position_id: UUID) -> Position:
    """A position the actor may see, with its instrument. Raises NotFound."""
    rows = Position.objects.for_actor(actor).select_related("instrument__option__underlying")
    found = rows.filter(pk=position_id).first()
    if found is None:
        raise NotFound(tag_reads.NO_POSITION)
    return found


def held_one(held: Held, position_id: UUID) -> Position | None:
    """A position of a book as it was read with it; None of one that holds nothing any more."""
    return next((each for each in held.positions if each.pk == position_id), None)


def traded(
    position: Position,
    of: Iterable[Booked],
    actions: Iterable[CorporateAction],
    session_date: date,
) -> dict[UUID, Traded]:
    """What a session's bookings did to the position; of the other lines nothing is told."""
    days = [each.posting for each in of if each.posting.session_date == session_date]
    bookings = [each for each in map(holdings.day_booking, days) if each is not None]
    owners = {str(each.pk): each.instrument_id for each in actions}
    keys = {each.source: each.source.removeprefix(ledger.ACTION)[:36] for each in bookings}
    payers = {source: owners[key] for source, key in keys.items() if key in owners}
    found = holdings.traded_by(bookings, payers)
    return {key: each for key, each in found.items() if key == position.instrument_id}


def kept_tags(position: Position, past: Worth | None) -> Marked | None:
    """The tags of a position at a past close; None where its snapshot is older than their keeping.

    None of now.
    """
    kept = past.tags.get(position.instrument_id) if past else None
    return None if kept is None else tag_reads.marks_of(position.pk, kept)


def held_in(
    position: Position, portfolio: Portfolio, book: Valuation | None, kept: Marked | None
) -> HeldRow | None:
    """The position as a valued book has it, with the tags a snapshot kept or today's.

    None when it held none.
    """
    lines = book.lines if book is not None else ()
    mine = [each for each in lines if each.line.instrument_id == position.instrument_id]
    if not mine:
        return None
    if kept is not None:
        return groups.HeldRow(portfolio, mine[0], kept)
    marks = tag_reads.of_positions(position_ids=[position.pk])
    return groups.HeldRow(portfolio, mine[0], marks[position.pk])


def history(
    position: Position, actions: Iterable[CorporateAction], *, until: date | None
) -> list[Booked]:
    """Every booking that moved the position or paid for it, oldest first: one query."""
    rows = LedgerEntry.objects.filter(portfolio_id=position.portfolio_id)
    moved = rows.filter(instrument_id=position.instrument_id).values("seq")
    wanted = rows.filter(Q(seq__in=moved) | Q(kind__in=[EntryKind.DIVIDEND, EntryKind.REVERSAL]))
    if until is not None:
        wanted = wanted.filter(session_date__lte=until)
    columns = ("seq", "kind", "source", "session_date", "hash", "reason")
    legs = wanted.order_by("seq", "leg").values_list(*columns, "account", "instrument_id", "amount")
    paying = {str(each.pk) for each in actions}
    found = [_booked(list(group)) for _, group in groupby(legs, key=lambda row: row[0])]
    return [each for each in found if _is_of(each.posting, position, paying)]


def _booked(rows: list[tuple[Any, ...]]) -> Booked:
    seq, kind, source, day, digest, reason = rows[0][:6]
    posting = Posting(
        seq=seq,
        kind=kind,
        source=source,
        session_date=day,
        hash=digest,
        legs=tuple(Leg(row[6], row[7], row[8]) for row in rows),
        reverses=source.removeprefix(ledger.REVERSAL) if kind == EntryKind.REVERSAL else "",
    )
    return Booked(posting, reason)


def _is_of(each: Posting, position: Position, paying: set[str]) -> bool:
    if any(leg.instrument_id == position.instrument_id for leg in each.legs):
        return True
    source = each.source.removeprefix(ledger.REVERSAL)
    key = source.removeprefix(ledger.ACTION)
    return key != source and key[:36] in paying


def made(position: Position, of: Sequence[Booked]) -> Made:
    """Gains and costs since the first booking."""
    instrument = position.instrument
    totals = ledger_maths.replay(
        [each.posting for each in of], {instrument.pk: instrument.multiplier}
    )
    holding = totals.holdings.get(instrument.pk)
    return Made(
        quantity=holding.quantity if holding else ZERO,
        cost_basis=holding.cost_basis if holding else ZERO,
        realized=holding.realized_pnl if holding else ZERO,
        dividends=totals.dividends,
        fees=totals.fees,
    )


def entries(position: Position, of: Sequence[Booked]) -> list[Entry]:
    """The bookings as a reader sees them, newest first."""
    gone = {each.posting.reverses for each in of if each.posting.reverses}
    return [_entry(position, each.posting, gone, each.reason) for each in reversed(of)]


def _entry(position: Position, each: Posting, gone: set[str], reason: str) -> Entry:
    moved = each.traded
    quantity = moved[1] if moved and moved[0] == position.instrument_id else ZERO
    paid = each.money("market") or each.money("income")
    price = None
    if quantity and paid:
        price = ledger_maths.price_of(quantity, paid, position.instrument.multiplier)
    return Entry(
        seq=each.seq,
        session_date=each.session_date,
        kind=each.kind,
        source=each.source,
        quantity=quantity,
        price=price,
        paid=paid,
        fee=each.money("fees"),
        reason=reason,
        undone=each.source in gone or bool(each.reverses),
    )


def followed(position: Position) -> Instrument:
    """Whose prices the page shows: an option's are its underlying's."""
    contract = getattr(position.instrument, "option", None)
    return contract.underlying if contract else position.instrument


def chart(
    *, of: Instrument, actions: Sequence[CorporateAction], moment: Moment, span: str
) -> Chart:
    """Prices over a range, in the share units of the moment."""
    ratio = price_chart.later_splits(actions, moment.session_date)
    return price_chart.read(instrument=of, moment=moment, span=span, ratio=ratio)
