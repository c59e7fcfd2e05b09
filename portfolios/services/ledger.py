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
from etftrader.core.errors import BadInput, Conflict
from etftrader.core.money import MAX_AMOUNT, plain, to_money
from marketdata.models import Instrument
from portfolios.calculations import postings
from portfolios.choices import (
    CashType,
    EntryKind,
    LedgerAccount,
    PortfolioState,
    PortfolioStatus,
    TrackingMode,
)
from portfolios.models import LedgerEntry, Portfolio, Position
from portfolios.selectors import ledger as books
from portfolios.services import booking, locking, running
from portfolios.services.booking import Booking, Leg, Opening

ZERO, ONE = Decimal(0), Decimal(1)


# what stands against cash where money is all that moves, and which of these take it away
AGAINST = {
    EntryKind.DEPOSIT: LedgerAccount.EXTERNAL,
    EntryKind.WITHDRAWAL: LedgerAccount.EXTERNAL,
    EntryKind.FEE: LedgerAccount.FEES,
    EntryKind.TAX: LedgerAccount.FEES,
    EntryKind.BORROW_FEE: LedgerAccount.FEES,
    EntryKind.INTEREST: LedgerAccount.INCOME,
}
# of a position: what a fill moves
_TOTALS = (
    "quantity",
    "cost_basis",
    "realized_pnl",
    "fees",
    "opened_on",
    "closed_on",
    "version",
    "updated_at",
)
OUTWARD = {EntryKind.WITHDRAWAL, EntryKind.FEE, EntryKind.TAX, EntryKind.BORROW_FEE}


@transaction.atomic
def book_cash(
    *,
    portfolio_id: UUID,
    kind: EntryKind,
    amount: Decimal,
    session_date: date,
    source: str,
    reason: str = "",
    by: Actor,
) -> Booking:
    """Book a positive amount of money of one of the kinds of `AGAINST`, with paper and audit line.

    Deposits and withdrawals are external flows; fees, taxes and borrow fees lower P&L, interest
    raises it. Raises LimitBreached when the cash does not cover what goes out.
    """
    [portfolio] = locking.lock_portfolios(portfolio_id)
    there = known(portfolio, source)
    if there is not None:
        return there
    amount = nonzero(amount)
    if amount < 0:
        raise BadInput("An amount is above zero.", attr="amount")
    check_open(portfolio)
    check_session(portfolio, session_date)
    signed = -amount if kind in OUTWARD else amount
    running.take_cash(portfolio, signed)
    legs = [Leg(LedgerAccount.CASH, signed), Leg(AGAINST[kind], -signed)]
    made = booking.append(portfolio, kind, source, session_date, legs, reason)
    booking.document(portfolio, made, CashType(kind.value), signed, session_date, reason, by)
    booking.record(portfolio, made, f"cash.{kind.value}", by, amount=plain(signed), reason=reason)
    return made


def book_flow(
    *,
    portfolio_id: UUID,
    amount: Decimal,
    session_date: date,
    source: str,
    reason: str = "",
    by: Actor,
) -> Booking:
    """Book a deposit (positive) or a withdrawal (negative) as `book_cash` does."""
    return book_cash(
        portfolio_id=portfolio_id,
        kind=EntryKind.DEPOSIT if amount > 0 else EntryKind.WITHDRAWAL,
        amount=abs(amount),
        session_date=session_date,
        source=source,
        reason=reason,
        by=by,
    )


def book_fill(
    *,
    portfolio_id: UUID,
    instrument: Instrument,
    quantity: Decimal,
    price: Decimal,
    fee: Decimal,
    source: str,
    session_date: date,
    rate: Decimal | None = None,
    locked: Portfolio | None = None,
    position: Position | None = None,
    is_new: bool = False,
) -> Booking:
    """Book one fill: ledger, position and cash change together or not at all.

    Price and fee are in the instrument's currency; `rate` is the book's money for one unit of it,
    as of the fill, and needed where the two differ. With `locked`, as the caller read it under its
    lock, a refusal ends the caller's transaction; `position` is what it read under the same lock
    and nobody has written since. A source that was made a moment ago `is_new`: nothing can stand
    booked under it. Raises LimitBreached (INSUFFICIENT_CASH, OVERSELL), and Conflict when it is
    halted or closed, and where a rate is missing.
    """
    with transaction.atomic(savepoint=locked is None):
        [portfolio] = [locked] if locked is not None else locking.lock_portfolios(portfolio_id)
        there = None if is_new else known(portfolio, source, instrument)
        if there is not None:
            return there
        order = instrument, quantity, price, fee, source, session_date, rate
        return _fill(portfolio, position, *order)


def _fill(
    portfolio: Portfolio,
    position: Position | None,
    instrument: Instrument,
    quantity: Decimal,
    price: Decimal,
    fee: Decimal,
    source: str,
    session_date: date,
    rate: Decimal | None,
) -> Booking:
    if portfolio.state == PortfolioState.HALTED:
        raise Conflict("The portfolio is halted.", code="portfolio_halted")
    check_open(portfolio)
    check_keeps_trades(portfolio)
    check_session(portfolio, session_date)
    rate = booking.exchange_rate(portfolio, instrument, rate)
    quantity, fee = nonzero(quantity), to_money(fee * (rate or ONE))
    paid = value_of(quantity, price, instrument, rate)
    position = position or running.position_of(portfolio, instrument)
    running.check_holding(portfolio, position, quantity)
    running.take_cash(portfolio, -(paid + fee))
    realized = running.move(position, instrument, quantity, paid, session_date, fee)
    position.save(update_fields=_TOTALS)
    legs = booking.fill_legs(instrument, quantity, paid, fee)
    return booking.append(portfolio, EntryKind.FILL, source, session_date, legs, "", realized, rate)


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
    rate: Decimal | None = None,
) -> Booking:
    """Close what is held of a contract that has ended, at its settlement price, which may be 0.

    The caller holds the portfolio's lock and restates the snapshots of sessions that are past: it
    stands on the session it ended on. A halted portfolio settles too, as this is no trade.
    Raises LimitBreached when the cash does not cover what a short owes, and Conflict for a foreign
    contract without a rate.
    """
    there = known(locked, source, instrument)
    if there is not None:
        return there
    position = running.position_of(locked, instrument)
    quantity = nonzero(-position.quantity)
    if not price.is_finite() or price < 0:
        raise BadInput("A settlement price is not below zero.", attr="price")
    rate = booking.exchange_rate(locked, instrument, rate)
    paid = to_money(quantity * price * instrument.multiplier * (rate or ONE))
    running.take_cash(locked, -paid)
    realized = running.move(position, instrument, quantity, paid, session_date)
    position.save()
    legs = booking.fill_legs(instrument, quantity, paid)
    made = booking.append(
        locked, EntryKind.SETTLEMENT, source, session_date, legs, reason, realized, rate
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
    rate: Decimal | None = None,
) -> Booking:
    """Bring in a holding at cost: its value counts as an external flow, cash does not move.

    Shorts are taken as they are. With `by` the act gets its own audit line. Raises Conflict for a
    foreign instrument without a rate.
    """
    holding = Opening(instrument, quantity, price, session_date, source, reason, rate)
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
        one = known(portfolio, each.source, each.instrument) if each.source in there else None
        if each.source in fresh:
            one = replace(fresh[each.source], replayed=True)
        if one is None:
            legs, one = _open(portfolio, each, positions)
            rows += legs
            fresh[each.source] = one
        made.append(one)
    if rows:
        for position in positions.values():
            position.save()
        booking.keep(portfolio, rows)
    return made


def _open(
    portfolio: Portfolio, each: Opening, positions: dict[UUID, Position]
) -> tuple[list[LedgerEntry], Booking]:
    check_open(portfolio)
    quantity = nonzero(each.quantity)
    rate = booking.exchange_rate(portfolio, each.instrument, each.rate)
    value = value_of(quantity, each.price, each.instrument, rate)
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
    head = portfolio, EntryKind.OPENING, each.source, each.session_date
    return booking.write(*head, legs, each.reason, realized, rate)


def known(
    portfolio: Portfolio, source: str, instrument: Instrument | None = None
) -> Booking | None:
    """What stands booked under a source already; with what it realised in an instrument."""
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


def nonzero(amount: Decimal) -> Decimal:
    """Return an amount that can be kept exactly and is none of nothing. Raises BadInput."""
    if not abs(amount) <= MAX_AMOUNT:
        raise BadInput("Too large to be booked.", attr="amount")
    exact = to_money(amount)
    if exact != amount:
        raise BadInput("At most six decimal places.", attr="amount")
    if not exact:
        raise BadInput("Zero cannot be booked.", attr="amount")
    return exact


def value_of(
    quantity: Decimal, price: Decimal, instrument: Instrument, rate: Decimal | None
) -> Decimal:
    """Return what units cost at a price in the book's currency, to be booked.

    Raises BadInput for what is no price.
    """
    if not price.is_finite() or price <= 0:
        raise BadInput("A price is above zero.", attr="price")
    value = quantity * price * instrument.multiplier * (rate or ONE)
    if not abs(value) <= MAX_AMOUNT:
        raise BadInput("Too large to be booked.", attr="price")
    return to_money(value)


def check_open(portfolio: Portfolio) -> None:
    """Raise Conflict for a portfolio that is closed or archived."""
    if portfolio.status != PortfolioStatus.ACTIVE:
        raise Conflict(
            f"The portfolio is {portfolio.status}. Reopen it first.", code="portfolio_closed"
        )


def check_keeps_trades(portfolio: Portfolio) -> None:
    """Raise Conflict (`holdings_mode`) for a portfolio that is told its holdings as they are."""
    if portfolio.tracking_mode == TrackingMode.HOLDINGS:
        raise Conflict(
            "This portfolio keeps holdings, not trades. Change the holding, or its mode.",
            code="holdings_mode",
        )


def check_session(portfolio: Portfolio, session_date: date) -> None:
    """Raise Conflict for a session before the newest booked one."""
    newest = books.newest_session(portfolio.pk)
    if newest is not None and session_date < newest:
        raise Conflict(
            f"The books have moved on to {newest}; nothing can be booked for {session_date}.",
            code="session_is_past",
            newest=newest.isoformat(),
        )
