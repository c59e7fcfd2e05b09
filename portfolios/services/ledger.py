"""The one writer of the books: balanced legs, dense numbers, a hash per booking, totals beside.

Every function is one transaction under the portfolio's lock. A `source` that is already booked
changes nothing and gives the first booking's answer. The session of a booking is never before
the newest booked one, except for openings, which may bring in history, and for settlements.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, NotFound
from etftrader.core.money import MAX_AMOUNT, plain, to_money
from marketdata.models import Instrument
from portfolios.calculations import postings
from portfolios.choices import (
    CashType,
    EntryKind,
    LedgerAccount,
    PortfolioState,
    PortfolioStatus,
)
from portfolios.models import LedgerEntry, Portfolio, Position
from portfolios.selectors import ledger as books
from portfolios.services import booking, locking, running
from portfolios.services.booking import Booking, Leg, Opening

ZERO = Decimal(0)


@transaction.atomic
def book_flow(
    *,
    portfolio_id: UUID,
    amount: Decimal,
    session_date: date,
    source: str,
    reason: str = "",
    by: Actor,
) -> Booking:
    """Book a deposit (positive) or a withdrawal (negative), with its document and audit line.

    Raises LimitBreached when the cash does not cover a withdrawal.
    """
    [portfolio] = locking.lock_portfolios(portfolio_id)
    known = _known(portfolio, source)
    if known is not None:
        return known
    amount = _nonzero(amount)
    _check_open(portfolio)
    _check_session(portfolio, session_date)
    running.take_cash(portfolio, amount)
    kind = EntryKind.DEPOSIT if amount > 0 else EntryKind.WITHDRAWAL
    legs = [Leg(LedgerAccount.CASH, amount), Leg(LedgerAccount.EXTERNAL, -amount)]
    made = booking.append(portfolio, kind, source, session_date, legs, reason)
    booking.document(portfolio, made, CashType(kind.value), amount, session_date, reason, by)
    booking.record(portfolio, made, f"cash.{kind.value}", by, amount=plain(amount), reason=reason)
    return made


@transaction.atomic
def book_fee(
    *,
    portfolio_id: UUID,
    amount: Decimal,
    session_date: date,
    source: str,
    reason: str = "",
    by: Actor,
) -> Booking:
    """Book a fee of its own, given as a positive amount; it lowers cash and P&L, it is no flow.

    Raises LimitBreached when the cash does not cover it.
    """
    [portfolio] = locking.lock_portfolios(portfolio_id)
    known = _known(portfolio, source)
    if known is not None:
        return known
    amount = _nonzero(amount)
    if amount < 0:
        raise BadInput("A fee is a positive amount.", attr="amount")
    _check_open(portfolio)
    _check_session(portfolio, session_date)
    running.take_cash(portfolio, -amount)
    legs = [Leg(LedgerAccount.CASH, -amount), Leg(LedgerAccount.FEES, amount)]
    made = booking.append(portfolio, EntryKind.FEE, source, session_date, legs, reason)
    booking.document(portfolio, made, CashType.FEE, -amount, session_date, reason, by)
    booking.record(portfolio, made, "cash.fee", by, amount=plain(amount), reason=reason)
    return made


def book_fill(
    *,
    portfolio_id: UUID,
    instrument: Instrument,
    quantity: Decimal,
    price: Decimal,
    fee: Decimal,
    source: str,
    session_date: date,
    locked: Portfolio | None = None,
) -> Booking:
    """Book one fill: ledger, position and cash change together or not at all.

    With `locked`, as the caller read it under its lock, a refusal ends the caller's transaction.
    Raises LimitBreached (INSUFFICIENT_CASH, OVERSELL), and Conflict when it is halted or closed.
    """
    with transaction.atomic(savepoint=locked is None):
        [portfolio] = [locked] if locked is not None else locking.lock_portfolios(portfolio_id)
        return _fill(portfolio, instrument, quantity, price, fee, source, session_date)


def _fill(
    portfolio: Portfolio,
    instrument: Instrument,
    quantity: Decimal,
    price: Decimal,
    fee: Decimal,
    source: str,
    session_date: date,
) -> Booking:
    known = _known(portfolio, source, instrument)
    if known is not None:
        return known
    if portfolio.state == PortfolioState.HALTED:
        raise Conflict("The portfolio is halted.", code="portfolio_halted")
    _check_open(portfolio)
    _check_session(portfolio, session_date)
    quantity, fee = _nonzero(quantity), to_money(fee)
    paid = _value(quantity, price, instrument)
    position = running.position_of(portfolio, instrument)
    running.check_holding(portfolio, position, quantity)
    running.take_cash(portfolio, -(paid + fee))
    realized = running.move(position, instrument, quantity, paid, session_date, fee)
    position.save()
    legs = booking.fill_legs(instrument, quantity, paid, fee)
    return booking.append(portfolio, EntryKind.FILL, source, session_date, legs, "", realized)


@transaction.atomic
def book_settlement(
    *,
    locked: Portfolio,
    instrument: Instrument,
    price: Decimal,
    session_date: date,
    source: str,
    reason: str = "",
    by: Actor,
) -> Booking:
    """Close what is held of a contract that has ended, at its settlement price, which may be 0.

    The caller holds the portfolio's lock and restates the snapshots of sessions that are past: it
    stands on the session it ended on. A halted portfolio settles too, as this is no trade.
    Raises LimitBreached when the cash does not cover what a short owes.
    """
    known = _known(locked, source, instrument)
    if known is not None:
        return known
    position = running.position_of(locked, instrument)
    quantity = _nonzero(-position.quantity)
    if not price.is_finite() or price < 0:
        raise BadInput("A settlement price is not below zero.", attr="price")
    paid = to_money(quantity * price * instrument.multiplier)
    running.take_cash(locked, -paid)
    realized = running.move(position, instrument, quantity, paid, session_date)
    position.save()
    legs = booking.fill_legs(instrument, quantity, paid)
    made = booking.append(
        locked, EntryKind.SETTLEMENT, source, session_date, legs, reason, realized
    )
    booking.record(
        locked,
        made,
        "position.settled",
        by,
        reason,
        symbol=instrument.symbol,
        quantity=plain(quantity),
        price=plain(price),
        realized=plain(realized),
        session=session_date.isoformat(),
    )
    return made


@transaction.atomic
def book_opening(
    *,
    portfolio_id: UUID,
    instrument: Instrument,
    quantity: Decimal,
    price: Decimal,
    session_date: date,
    source: str,
    reason: str = "",
    by: Actor | None = None,
) -> Booking:
    """Bring in a holding at cost: its value counts as an external flow, cash does not move.

    Shorts are taken as they are. With `by` the act gets its own audit line.
    """
    holding = Opening(instrument, quantity, price, session_date, source, reason)
    [made] = book_openings(portfolio_id=portfolio_id, openings=[holding])
    if by is not None and not made.replayed:
        booking.record(
            Portfolio.objects.get(pk=portfolio_id),
            made,
            "position.opening",
            by,
            symbol=instrument.symbol,
            quantity=plain(quantity),
            price=plain(price),
            reason=reason,
        )
    return made


@transaction.atomic
def book_openings(*, portfolio_id: UUID, openings: Sequence[Opening]) -> list[Booking]:
    """Bring in many holdings, a file's for example; one announcement for all of them.

    The caller writes the audit line.
    """
    [portfolio] = locking.lock_portfolios(portfolio_id)
    # characters are meant: sources share a beginning, they are no paths
    alike = os.path.commonprefix([each.source for each in openings])  # noqa: RUF071
    booked = portfolio.entries.filter(leg=1, source__startswith=alike)
    there = set(booked.values_list("source", flat=True))
    positions: dict[UUID, Position] = {}
    fresh: dict[str, Booking] = {}
    made, rows = [], []
    for each in openings:
        known = _known(portfolio, each.source, each.instrument) if each.source in there else None
        if each.source in fresh:
            known = replace(fresh[each.source], replayed=True)
        if known is None:
            legs, known = _open(portfolio, each, positions)
            rows += legs
            fresh[each.source] = known
        made.append(known)
    if rows:
        for position in positions.values():
            position.save()
        booking.keep(portfolio, rows)
    return made


def _open(
    portfolio: Portfolio, each: Opening, positions: dict[UUID, Position]
) -> tuple[list[LedgerEntry], Booking]:
    _check_open(portfolio)
    quantity = _nonzero(each.quantity)
    value = _value(quantity, each.price, each.instrument)
    if each.instrument.pk not in positions:
        positions[each.instrument.pk] = running.position_of(portfolio, each.instrument)
    position = positions[each.instrument.pk]
    realized = running.move(position, each.instrument, quantity, value, each.session_date)
    legs = [
        Leg(LedgerAccount.EXTERNAL, -value),
        Leg(LedgerAccount.MARKET, value),
        Leg(LedgerAccount.HOLDING, quantity, each.instrument),
        Leg(LedgerAccount.MARKET, -quantity, each.instrument),
    ]
    return booking.write(
        portfolio, EntryKind.OPENING, each.source, each.session_date, legs, each.reason, realized
    )


@transaction.atomic
def reverse(
    *,
    portfolio_id: UUID,
    source: str,
    reason: str,
    by: Actor,
    session_date: date | None = None,
) -> Booking:
    """Take a booking back: the opposite legs under `reversal:<source>`, totals as if never booked.

    The session defaults to the newest booked one. A halted portfolio may be corrected.
    Raises NotFound, LimitBreached when cash or holdings are no longer there, and Conflict for a
    reversal of a reversal, and for dividends, splits and what they have counted on.
    """
    [portfolio] = locking.lock_portfolios(portfolio_id)
    again = f"{books.REVERSAL}{source}"
    known = _known(portfolio, again)
    if known is not None:
        return known
    entries = list(
        portfolio.entries.filter(source=source).select_related("instrument").order_by("leg")
    )
    if not entries:
        raise NotFound("There is no such booking.")
    if entries[0].kind == EntryKind.REVERSAL:
        raise Conflict("A reversal cannot be reversed; book it again instead.")
    _check_no_action(portfolio, entries)
    newest = books.newest_session(portfolio_id)
    session_date = session_date or newest
    assert session_date is not None
    _check_session(portfolio, session_date)
    legs = [Leg(each.account, -each.amount, each.instrument) for each in entries]
    cash = sum((leg.amount for leg in legs if leg.account == LedgerAccount.CASH), ZERO)
    if cash:
        running.take_cash(portfolio, cash)
    made = booking.append(portfolio, EntryKind.REVERSAL, again, session_date, legs, reason)
    for entry in entries:
        if entry.account == LedgerAccount.HOLDING and entry.instrument is not None:
            running.restore(portfolio, entry.instrument, -entry.amount, session_date)
    booking.reverse_document(portfolio, entries[0].seq, made, session_date, reason, by)
    booking.record(portfolio, made, "ledger.reverse", by, source=source, reason=reason)
    return made


def _known(
    portfolio: Portfolio, source: str, instrument: Instrument | None = None
) -> Booking | None:
    # unique, so unordered: ordering by id could lead the database through the whole ledger
    entry = next(iter(portfolio.entries.filter(source=source, leg=1)), None)
    if entry is None:
        return None
    realized = ZERO
    if instrument is not None:
        history = books.postings(portfolio_ids=[portfolio.pk], instrument_id=instrument.pk)
        before = [each for each in history.get(portfolio.pk, []) if each.seq <= entry.seq]
        scale = {instrument.pk: instrument.multiplier}
        totals = [postings.replay(part, scale) for part in (before[:-1], before)]
        realized = totals[1].realized - totals[0].realized
    return Booking(entry.seq, entry.hash, replayed=True, realized_pnl=realized)


def _check_no_action(portfolio: Portfolio, entries: Sequence[LedgerEntry]) -> None:
    """What a dividend or a split has counted on stays: neither is computed a second time."""
    first = entries[0]
    if first.source.startswith(books.ACTION):
        raise Conflict("A dividend or split cannot be taken back.", code="corporate_action")
    moved = {each.instrument_id for each in entries if each.instrument_id is not None}
    if moved and books.action_since(portfolio_id=portfolio.pk, instrument_ids=moved, seq=first.seq):
        raise Conflict(
            "A dividend or split was booked on it since. Book the opposite at today's price "
            "instead.",
            code="corporate_action_since",
        )


def _nonzero(amount: Decimal) -> Decimal:
    if not abs(amount) <= MAX_AMOUNT:
        raise BadInput("Too large to be booked.", attr="amount")
    exact = to_money(amount)
    if exact != amount:
        raise BadInput("At most six decimal places.", attr="amount")
    if not exact:
        raise BadInput("Zero cannot be booked.", attr="amount")
    return exact


def _value(quantity: Decimal, price: Decimal, instrument: Instrument) -> Decimal:
    if not price.is_finite() or price <= 0:
        raise BadInput("A price is above zero.", attr="price")
    value = quantity * price * instrument.multiplier
    if not abs(value) <= MAX_AMOUNT:
        raise BadInput("Too large to be booked.", attr="price")
    return to_money(value)


def _check_open(portfolio: Portfolio) -> None:
    if portfolio.status == PortfolioStatus.CLOSED:
        raise Conflict("The portfolio is closed.", code="portfolio_closed")


def _check_session(portfolio: Portfolio, session_date: date) -> None:
    newest = books.newest_session(portfolio.pk)
    if newest is not None and session_date < newest:
        raise Conflict(
            f"The books have moved on to {newest}; nothing can be booked for {session_date}.",
            code="session_is_past",
            newest=newest.isoformat(),
        )
