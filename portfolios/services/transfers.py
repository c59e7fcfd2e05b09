"""Cash and holdings that go from one book to another of the same owner.

Each book sees an external flow: the cash, or the market value of what moved, so that neither's
time-weighted return changes. The cost basis goes along; what the holding had gained until then is
realised in the book it leaves and left out of the realised P&L of the one it comes to.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_DOWN, Decimal
from uuid import UUID

from django.db import transaction

from etftrader.core import clock
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, LimitBreached
from etftrader.core.money import CENT, plain, to_money
from marketdata.models import Instrument
from portfolios.choices import CashType, EntryKind, LedgerAccount, Role
from portfolios.models import Membership, Portfolio, Position, Transfer
from portfolios.selectors import ledger as books
from portfolios.services import booking, ledger, locking, running, snapshots
from portfolios.services.booking import Booking, Leg

ZERO = Decimal(0)
KIND = EntryKind.TRANSFER


@dataclass(frozen=True, slots=True)
class Act:
    """When it is booked, why and by whom; the id makes a repetition give the first answer."""

    session_date: date
    by: Actor
    reason: str = ""
    transfer_id: UUID | None = None


def of_cash(*, origin_id: UUID, target_id: UUID, amount: Decimal, act: Act) -> Transfer:
    """Move cash, in whole cents and above zero.

    Raises BadInput, NotFound, LimitBreached when the cash is not there, and Conflict for books of
    different owners, closed ones, and sessions that are past.
    """
    if not amount > 0 or amount != amount.quantize(CENT):
        raise BadInput("Cash moves in whole cents above zero.", attr="amount")
    with transaction.atomic():
        origin, target, known = _both(origin_id, target_id, act)
        if known is not None:
            return known
        amount = ledger.nonzero(amount)
        running.take_cash(origin, -amount)
        running.take_cash(target, amount)
        key = act.transfer_id or uuid.uuid4()
        seqs = []
        for side, change in ((origin, -amount), (target, amount)):
            legs = [Leg(LedgerAccount.CASH, change), Leg(LedgerAccount.EXTERNAL, -change)]
            made = _append(side, key, legs, act)
            booking.document(
                side, made, CashType.TRANSFER, change, act.session_date, act.reason, act.by
            )
            seqs.append(made.seq)
        row = _row(key, origin, target, seqs, act, amount=amount)
        return _settle(row, act)


def of_holding(
    *,
    origin_id: UUID,
    target_id: UUID,
    instrument: Instrument,
    quantity: Decimal,
    price: Decimal | None,
    rate: Decimal | None = None,
    act: Act,
) -> Transfer:
    """Move units of a holding at their market value, with their part of the cost basis.

    Parameters
    ----------
    quantity : Decimal
        Units above zero, of a short holding too; at most what is held.
    price : Decimal or None
        Per unit, of this moment, in the instrument's currency; None when nobody knows one.
    rate : Decimal, optional
        The books' money for one unit of that currency, needed where it is another one.

    Raises
    ------
    BadInput, NotFound
        As named; parts of a unit into a book of whole shares.
    LimitBreached
        More than is held.
    Conflict
        No price (`no_price`), the other side holds the opposite (`opposite_holding`), a short into
        a book that allows none (`short_not_allowed`), different owners or currencies, closed,
        past session, a foreign holding without a rate (`no_exchange_rate`).
    """
    if price is None or not price.is_finite() or price < 0:
        raise Conflict(
            f"There is no price of {instrument.symbol}, so its market value is not known. "
            "Transfer it when it has one.",
            code="no_price",
        )
    if not quantity > 0:
        raise BadInput("Units to move are above zero.", attr="quantity")
    with transaction.atomic():
        origin, target, known = _both(origin_id, target_id, act)
        if known is not None:
            return known
        here, there = (running.position_of(each, instrument) for each in (origin, target))
        units = _units(here, there, ledger.nonzero(quantity))
        key = act.transfer_id or uuid.uuid4()
        rate = booking.exchange_rate(origin, instrument, rate)
        value = to_money(units * price * instrument.multiplier * (rate or 1))
        cost = _part(here, units)
        seqs = [
            _leave(here, instrument, units, value, key, act, rate).seq,
            _arrive(there, instrument, units, value, cost, key, act, rate).seq,
        ]
        row = _row(
            key,
            origin,
            target,
            seqs,
            act,
            instrument=instrument,
            quantity=units,
            price=price,
            amount=value,
            cost_basis=cost,
        )
        return _settle(row, act)


def _both(
    origin_id: UUID, target_id: UUID, act: Act
) -> tuple[Portfolio, Portfolio, Transfer | None]:
    """Both portfolios under their locks, and the transfer when it was made before."""
    if origin_id == target_id:
        raise BadInput("A transfer goes to another portfolio.", attr="to")
    locked = {each.pk: each for each in locking.lock_portfolios(origin_id, target_id)}
    origin, target = locked[origin_id], locked[target_id]
    if act.transfer_id is not None:
        known = Transfer.objects.filter(pk=act.transfer_id).first()
        if known is not None:
            return origin, target, known
    owners: dict[UUID, set[UUID]] = {origin_id: set(), target_id: set()}
    parts = Membership.objects.filter(
        portfolio__in=locked, role=Role.OWNER, revoked_at__isnull=True
    )
    for portfolio_id, user_id in parts.values_list("portfolio_id", "user_id"):
        owners[portfolio_id].add(user_id)
    if not owners[origin_id] & owners[target_id]:
        raise Conflict("The two portfolios have different owners.", code="other_owner")
    if origin.base_currency != target.base_currency:
        raise Conflict(
            f"{origin.name} is kept in {origin.base_currency} and {target.name} in "
            f"{target.base_currency}. Transfers stay within one currency.",
            code="other_currency",
        )
    for each in (origin, target):
        ledger.check_open(each)
        ledger.check_session(each, act.session_date)
    return origin, target, None


def _units(here: Position, there: Position, quantity: Decimal) -> Decimal:
    """Signed units to move, when both sides allow it."""
    if quantity > abs(here.quantity):
        raise LimitBreached("More than is held.", reason="OVERSELL", held=plain(abs(here.quantity)))
    target = there.portfolio
    if target.whole_shares and quantity != quantity.to_integral_value(ROUND_DOWN):
        raise BadInput(f"{target.name} keeps whole units only.", attr="quantity")
    if here.quantity < 0 and not target.allow_short:
        raise Conflict(
            f"{target.name} allows no short positions. Allow them there first.",
            code="short_not_allowed",
        )
    if here.quantity * there.quantity < 0:
        raise Conflict(
            f"{target.name} holds the opposite. Close one of the two by a trade first.",
            code="opposite_holding",
        )
    return quantity.copy_sign(here.quantity)


def _part(here: Position, units: Decimal) -> Decimal:
    """The cost basis of some of the units held, as a sale takes it out."""
    if units == here.quantity:
        return here.cost_basis
    return to_money(here.cost_basis * abs(units) / abs(here.quantity))


def _leave(
    here: Position,
    instrument: Instrument,
    units: Decimal,
    value: Decimal,
    key: UUID,
    act: Act,
    rate: Decimal | None,
) -> Booking:
    running.move(here, instrument, -units, -value, act.session_date)
    here.save()
    legs = [
        Leg(LedgerAccount.EXTERNAL, value),
        Leg(LedgerAccount.MARKET, -value),
        Leg(LedgerAccount.HOLDING, -units, instrument),
        Leg(LedgerAccount.MARKET, units, instrument),
    ]
    return _append(here.portfolio, key, legs, act, rate)


def _arrive(
    there: Position,
    instrument: Instrument,
    units: Decimal,
    value: Decimal,
    cost: Decimal,
    key: UUID,
    act: Act,
    rate: Decimal | None,
) -> Booking:
    running.move(there, instrument, units, cost, act.session_date)
    running.carry(there, value - cost)
    there.save()
    legs = [
        Leg(LedgerAccount.EXTERNAL, -value),
        Leg(LedgerAccount.MARKET, cost),
        Leg(LedgerAccount.CARRIED, value - cost),
        Leg(LedgerAccount.HOLDING, units, instrument),
        Leg(LedgerAccount.MARKET, -units, instrument),
    ]
    return _append(there.portfolio, key, legs, act, rate)


def _append(
    side: Portfolio, key: UUID, legs: Sequence[Leg], act: Act, rate: Decimal | None = None
) -> Booking:
    source = f"{books.TRANSFER}{key}"
    return booking.append(side, KIND, source, act.session_date, legs, act.reason, rate=rate)


def _row(
    key: UUID,
    origin: Portfolio,
    target: Portfolio,
    seqs: Sequence[int],
    act: Act,
    **what: object,
) -> Transfer:
    return Transfer.objects.create(
        pk=key,
        origin=origin,
        target=target,
        currency=origin.base_currency,
        session_date=act.session_date,
        origin_seq=seqs[0],
        target_seq=seqs[1],
        reason=act.reason,
        created_by_id=act.by.user_id,
        created_at=clock.now(),
        **what,
    )


def _settle(row: Transfer, act: Act) -> Transfer:
    """Both audit lines, and the snapshots it overtakes."""
    said = {"transfer": str(row.pk), "amount": plain(row.amount)}
    if row.instrument is not None:
        said |= {"symbol": row.instrument.symbol, "quantity": plain(row.quantity)}
    for side, seq, action in (
        (row.origin, row.origin_seq, "transfer.out"),
        (row.target, row.target_seq, "transfer.in"),
    ):
        made = Booking(seq, side.ledger_hash)
        booking.record(side, made, action, act.by, reason=act.reason, **said)
        snapshots.retake(portfolio_id=side.pk, start=act.session_date)
    return row
