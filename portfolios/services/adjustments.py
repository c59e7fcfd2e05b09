"""Positions that people state: no row is typed over, each change is a booking with a reason.

What is brought in is an opening at its cost. A correction of the units, and what is taken out,
goes at a price, by default the market's: its value is an external flow, so that it makes no gain.
"""

import uuid
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_DOWN, Decimal
from uuid import UUID

from django.db import transaction

from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, NotFound, VersionMismatch
from etftrader.core.money import plain, to_money
from marketdata.models import Instrument
from marketdata.selectors import calendar
from portfolios.choices import EntryKind, LedgerAccount
from portfolios.models import Portfolio, Position
from portfolios.services import booking, ledger, locking, running, snapshots
from portfolios.services.booking import Leg

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Statement:
    """When it is said, why and by whom."""

    session_date: date
    reason: str
    by: Actor


@transaction.atomic
def bring_in(
    *,
    portfolio_id: UUID,
    instrument: Instrument,
    quantity: Decimal,
    price: Decimal,
    entered: date | None = None,
    rate: Decimal | None = None,
    told: Statement,
) -> Position:
    """Bring in a holding at its cost a unit; cash does not move.

    Parameters
    ----------
    quantity : Decimal
        Signed; a short is taken as it is.
    entered : date, optional
        The session since when it is held, up to that of the statement, which is the default.
    rate : Decimal, optional
        The book's money for one unit of the instrument's currency then, needed where it is
        another one.

    Raises
    ------
    BadInput
        No session, or parts of a unit in a book of whole ones, or what cannot be booked.
    Conflict
        It is held already (`already_held`), the portfolio is closed, or a foreign instrument
        comes without a rate (`no_exchange_rate`).
    """
    day = entered or told.session_date
    if day > told.session_date or not calendar.is_session(day):
        raise BadInput(f"A session not after {told.session_date}.", attr="entry_date")
    [portfolio] = locking.lock_portfolios(portfolio_id)
    _check_whole(portfolio, quantity)
    position = running.position_of(portfolio, instrument)
    if position.quantity:
        raise Conflict(
            f"{instrument.symbol} is held here. Change its quantity.",
            code="already_held",
            position=str(position.pk),
        )
    ledger.book_opening(
        portfolio_id=portfolio.pk,
        instrument=instrument,
        quantity=quantity,
        price=price,
        session_date=day,
        source=f"position:{uuid.uuid4()}",
        reason=told.reason,
        by=told.by,
        rate=rate,
    )
    snapshots.retake(portfolio_id=portfolio.pk, start=day)
    position.refresh_from_db()
    return position


@transaction.atomic
def adjust(
    *,
    position_id: UUID,
    quantity: Decimal,
    price: Decimal | None,
    rate: Decimal | None = None,
    if_match_version: int | None = None,
    told: Statement,
) -> Position:
    """Book what is between the units held and those that should be; none, and nothing changes.

    Parameters
    ----------
    quantity : Decimal
        Signed units afterwards; 0 takes all of it out.
    price : Decimal or None
        Per unit, of what comes in or goes out, in the instrument's currency; None when nobody
        knows one.
    rate : Decimal, optional
        The book's money for one unit of that currency, needed where it is another one.

    Raises
    ------
    NotFound
    VersionMismatch
    BadInput
        No reason, or parts of a unit in a book of whole ones.
    Conflict
        No price (`no_price`), from long to short or back (`opposite_holding`), more of a short
        where none is allowed (`short_not_allowed`), closed, past session, a foreign instrument
        without a rate (`no_exchange_rate`).
    """
    position = _locked(position_id)
    portfolio, thing = position.portfolio, position.instrument
    if if_match_version is not None and if_match_version != position.version:
        raise VersionMismatch("It was changed since you read it.", version=position.version)
    if not told.reason.strip():
        raise BadInput("Say why it is changed.", attr="reason")
    units = quantity - position.quantity
    if not units:
        return position
    _check_change(position, quantity)
    if price is None:
        raise Conflict(
            f"There is no price of {thing.symbol}. Name one, or wait until it has one.",
            code="no_price",
        )
    if not price.is_finite() or price < 0:
        raise BadInput("A price is not below zero.", attr="price")
    ledger.check_open(portfolio)
    ledger.check_session(portfolio, told.session_date)
    _check_whole(portfolio, quantity)
    units = ledger.nonzero(units)
    rate = booking.exchange_rate(portfolio, thing, rate)
    value = to_money(units * price * thing.multiplier * (rate or 1))
    realized = running.move(position, thing, units, value, told.session_date)
    position.save()
    grows = abs(quantity) > abs(quantity - units)
    legs = [
        Leg(LedgerAccount.EXTERNAL, -value),
        Leg(LedgerAccount.MARKET, value),
        Leg(LedgerAccount.HOLDING, units, thing),
        Leg(LedgerAccount.MARKET, -units, thing),
    ]
    made = booking.append(
        portfolio,
        EntryKind.OPENING if grows else EntryKind.TRANSFER,
        f"position:{uuid.uuid4()}",
        told.session_date,
        legs,
        told.reason,
        realized,
        rate,
    )
    booking.record(
        portfolio,
        made,
        "position.adjusted" if quantity else "position.taken_out",
        told.by,
        told.reason,
        symbol=thing.symbol,
        units=plain(units),
        quantity=plain(position.quantity),
        price=plain(price),
    )
    snapshots.retake(portfolio_id=portfolio.pk, start=told.session_date)
    return position


def _locked(position_id: UUID) -> Position:
    """A position as it stands under the lock of its book. Raises NotFound."""
    known = Position.objects.filter(pk=position_id).values_list("portfolio_id", flat=True).first()
    if known is None:
        raise NotFound("There is no such position.")
    [portfolio] = locking.lock_portfolios(known)
    position = Position.objects.select_related("instrument").get(pk=position_id)
    position.portfolio = portfolio  # the row under the lock, not a second reading of it
    return position


def _check_change(position: Position, quantity: Decimal) -> None:
    held, book = position.quantity, position.portfolio
    if held * quantity < 0:
        raise Conflict(
            "A long holding becomes no short one. Take it out, then bring in the other.",
            code="opposite_holding",
        )
    if quantity < 0 and quantity < held and not book.allow_short:
        raise Conflict(
            f"{book.name} allows no short positions. Allow them there first.",
            code="short_not_allowed",
        )


def _check_whole(portfolio: Portfolio, quantity: Decimal) -> None:
    if portfolio.whole_shares and quantity != quantity.to_integral_value(ROUND_DOWN):
        raise BadInput(f"{portfolio.name} keeps whole units only.", attr="quantity")
