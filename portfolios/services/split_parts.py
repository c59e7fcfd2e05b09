"""Splits that became known late: the part of units that had gone to another book goes after them.

A transfer moves a part of a holding. What a split adds to the whole holding on its ex-date follows
by the same part, on the session of each transfer, without cost: that went along before. Its market
value is an external flow of both books, as the transfer's is, so that neither's return changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from uuid import UUID

from etftrader.core.money import plain, to_money
from marketdata.models import CorporateAction, Instrument
from marketdata.selectors import corporate_actions as actions
from marketdata.selectors import prices
from portfolios.choices import EntryKind, LedgerAccount
from portfolios.models import LedgerEntry, Portfolio, Position, Transfer
from portfolios.selectors import ledger as books
from portfolios.selectors import moved_units
from portfolios.selectors.moved_units import Gone
from portfolios.services import booking, running
from portfolios.services.action_bookings import HOUSE
from portfolios.services.booking import Leg

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Part:
    """Units of a split that follow a transfer, and their market value; both signed as held.

    The value is in the books' currency; `rate` is the one of the transfer, None within one.
    """

    transfer: Transfer
    units: Decimal
    value: Decimal
    rate: Decimal | None


def parts(
    *,
    action: CorporateAction,
    instrument: Instrument,
    portfolio_id: UUID,
    units: Decimal,
    locked: Mapping[UUID, Portfolio],
) -> list[Part]:
    """What of a split's units in a book has gone on to others since, oldest first.

    Parameters
    ----------
    units : Decimal
        Signed; what the split adds to, or takes from, the book at its ex-date.
    locked : mapping of id to Portfolio
        Every book the units may have reached, under its lock.

    Notes
    -----
    Called before the split is booked: every transfer of until then was of units that did not know
    it. Fractions stay behind where the receiving book keeps whole units.
    """
    first = actions.effective(action.ex_date)
    moves = moved_units.gone_since(instrument_id=instrument.pk, since=first, among=locked)
    there, found = {portfolio_id: units}, []
    for each in moves:
        row = each.transfer
        mine = there.get(row.origin_id, ZERO)
        part = _part(each, mine) if mine else ZERO
        if part:
            there[row.origin_id] = mine - part
            there[row.target_id] = there.get(row.target_id, ZERO) + part
            rate = _rate(row)
            value = _value(row, part, action, instrument, rate)
            found.append(Part(row, part, value, rate))
    return found


def _part(gone: Gone, units: Decimal) -> Decimal:
    part = to_money(gone.part_of(units))
    moved = gone.transfer.quantity
    assert moved is not None
    if not gone.transfer.target.whole_shares:
        return part
    return (moved + part).to_integral_value(ROUND_DOWN) - moved


def _rate(row: Transfer) -> Decimal | None:
    """What turned the price of a transfer into the books' money."""
    first = LedgerEntry.objects.filter(portfolio=row.origin_id, seq=row.origin_seq, leg=1)
    known: Decimal | None = first.values_list("exchange_rate", flat=True).get()
    return known


def _value(
    row: Transfer,
    units: Decimal,
    action: CorporateAction,
    thing: Instrument,
    rate: Decimal | None,
) -> Decimal:
    """Market value of the units that follow, at price and exchange rate of the transfer.

    A price of before the split, as the old units had, was paid for all of them: nothing is left to
    be added. Which it was is told by the close of its session, whichever it lies nearer to.
    """
    assert row.price is not None
    assert action.ratio is not None
    close = prices.marks(instruments=[thing], session_date=row.session_date)[thing.pk].price
    if close is None:
        return ZERO
    # nearer as a ratio: on the other side of the geometric mean of close and close x ratio
    middle = close * close * action.ratio
    is_old = row.price**2 > middle if action.ratio > 1 else row.price**2 < middle
    return ZERO if is_old else to_money(units * row.price * thing.multiplier * (rate or 1))


def book(
    *,
    action: CorporateAction,
    instrument: Instrument,
    parts: Sequence[Part],
    locked: Mapping[UUID, Portfolio],
    positions: dict[UUID, Position],
) -> None:
    """Book each part out of its book and into the next, in the order given.

    `positions` are the instrument's, by portfolio, as far as they are in hand; those it touches
    join them and are saved.
    """
    for part in parts:
        row = part.transfer
        for portfolio_id, sign in ((row.origin_id, -1), (row.target_id, 1)):
            side = locked[portfolio_id]
            if portfolio_id not in positions:
                positions[portfolio_id] = running.position_of(side, instrument)
            _move(side, positions[portfolio_id], action, instrument, part, Decimal(sign))


def _move(
    side: Portfolio,
    position: Position,
    action: CorporateAction,
    instrument: Instrument,
    part: Part,
    sign: Decimal,
) -> None:
    row, units, value = part.transfer, sign * part.units, sign * part.value
    running.grow(position, units, row.session_date)
    running.carry(position, value)
    position.save()
    legs = [
        Leg(LedgerAccount.EXTERNAL, -value),
        Leg(LedgerAccount.CARRIED, value),
        Leg(LedgerAccount.HOLDING, units, instrument),
        Leg(LedgerAccount.MARKET, -units, instrument),
    ]
    # splits of several books may follow the same transfer
    stem = books.following(action.pk, row.pk)
    number = side.entries.filter(source__startswith=stem, leg=1).count()
    reason = f"{plain(action.ratio)} new for one old, of a transfer before it was known"
    source = f"{stem}{number}"
    made = booking.append(
        side, EntryKind.SPLIT, source, row.session_date, legs, reason, rate=part.rate
    )
    booking.record(
        side,
        made,
        "corporate_action.split_followed",
        HOUSE,
        reason=reason,
        symbol=instrument.symbol,
        transfer=str(row.pk),
        units=plain(units),
        quantity=plain(position.quantity),
    )
