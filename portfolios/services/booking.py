"""How a booking becomes rows: legs with one hash, the moved head, its document, its audit line."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict
from etftrader.core.money import plain
from marketdata.calculations.exchange import RATE
from marketdata.models import Instrument
from portfolios import events
from portfolios.choices import CashType, EntryKind, LedgerAccount
from portfolios.models import CashTransaction, LedgerEntry, Portfolio

ZERO = Decimal(0)
SIX_PLACES = Decimal("0.000001")
BATCH = 1_000
_FLOWS = (CashType.DEPOSIT, CashType.WITHDRAWAL, CashType.TRANSFER)
HEAD = ("cash", "ledger_seq", "ledger_hash", "version", "opened_on", "updated_at")


@dataclass(frozen=True, slots=True)
class Booking:
    """One booking's number and hash; `replayed` when it stood there before."""

    seq: int
    hash: str
    replayed: bool = False
    realized_pnl: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg to be written; without an instrument it is money."""

    account: str
    amount: Decimal
    instrument: Instrument | None = None


def fill_legs(
    instrument: Instrument, quantity: Decimal, paid: Decimal, fee: Decimal = ZERO
) -> list[Leg]:
    """The legs of a fill: money one way, units the other."""
    return [
        Leg(LedgerAccount.CASH, -(paid + fee)),
        Leg(LedgerAccount.MARKET, paid),
        Leg(LedgerAccount.FEES, fee),
        Leg(LedgerAccount.HOLDING, quantity, instrument),
        Leg(LedgerAccount.MARKET, -quantity, instrument),
    ]


@dataclass(frozen=True, slots=True)
class Opening:
    """A holding to be brought in: signed units at a cost per unit, as of a session."""

    instrument: Instrument
    quantity: Decimal
    price: Decimal  # in the instrument's currency
    session_date: date
    source: str
    reason: str = ""
    rate: Decimal | None = None  # units of the book's currency for one of the instrument's


def exchange_rate(
    portfolio: Portfolio, instrument: Instrument, rate: Decimal | None
) -> Decimal | None:
    """What turns an instrument's prices into the book's money; None within one currency.

    Raises Conflict where one is needed and nobody knows it.
    """
    if instrument.currency == portfolio.base_currency:
        return None
    if rate is None:
        pair = f"{instrument.currency}{portfolio.base_currency}=X"
        raise Conflict(
            f"{instrument.symbol} is priced in {instrument.currency} and the book is kept in "
            f"{portfolio.base_currency}: no exchange rate is known for this session. Bring in "
            f"daily prices of {pair} first.",
            code="no_exchange_rate",
            pair=pair,
        )
    kept = rate.quantize(RATE)
    if kept <= 0:
        raise BadInput("An exchange rate is above zero.", attr="rate")
    return kept


def append(
    portfolio: Portfolio,
    kind: EntryKind,
    source: str,
    session_date: date,
    legs: Sequence[Leg],
    reason: str,
    realized: Decimal = ZERO,
    rate: Decimal | None = None,
) -> Booking:
    """Write one booking and announce that the portfolio has changed."""
    rows, made = write(portfolio, kind, source, session_date, legs, reason, realized, rate)
    keep(portfolio, rows)
    return made


def write(
    portfolio: Portfolio,
    kind: EntryKind,
    source: str,
    session_date: date,
    legs: Sequence[Leg],
    reason: str,
    realized: Decimal = ZERO,
    rate: Decimal | None = None,
) -> tuple[list[LedgerEntry], Booking]:
    """Make a booking's rows and move the head of the chain; `keep` saves both.

    Money is in the book's currency; `rate` is what turned prices of another one into it.
    """
    now = clock.now()
    rows = [
        LedgerEntry(
            portfolio=portfolio,
            seq=portfolio.ledger_seq + 1,
            leg=number,
            kind=kind,
            account=leg.account,
            instrument=leg.instrument,
            currency="" if leg.instrument else portfolio.base_currency,
            amount=leg.amount,
            exchange_rate=rate,
            source=source,
            session_date=session_date,
            booked_at=now,
            reason=reason,
            previous_hash=portfolio.ledger_hash,
        )
        for number, leg in enumerate((leg for leg in legs if leg.amount), start=1)
    ]
    digest = audit.digest(content(rows))
    for row in rows:
        row.hash = digest
    portfolio.ledger_seq += 1
    portfolio.ledger_hash = digest
    if portfolio.opened_on is None or session_date < portfolio.opened_on:
        portfolio.opened_on = session_date
    return rows, Booking(portfolio.ledger_seq, digest, realized_pnl=realized)


def keep(portfolio: Portfolio, rows: Sequence[LedgerEntry]) -> None:
    """Save rows and head, and announce that the portfolio has changed."""
    LedgerEntry.objects.bulk_create(rows, batch_size=BATCH)
    portfolio.version += 1
    portfolio.save(update_fields=HEAD)
    events.positions_changed.announce(portfolio_id=str(portfolio.pk))


def content(rows: Sequence[LedgerEntry]) -> dict[str, Any]:
    """What the hash of one booking covers, in plain JSON types; the rows are its legs in order."""
    first = rows[0]
    # only where there is one: books of one currency hash as they always did
    rate = {} if first.exchange_rate is None else {"rate": plain(first.exchange_rate)}
    return rate | {
        "portfolio": str(first.portfolio_id),
        "seq": first.seq,
        "kind": str(first.kind),
        "source": first.source,
        "session": first.session_date.isoformat(),
        "booked_at": first.booked_at.isoformat(),
        "reason": first.reason,
        "legs": [
            [
                row.leg,
                str(row.account),
                str(row.instrument_id) if row.instrument_id else row.currency,
                format(row.amount.quantize(SIX_PLACES), "f"),
            ]
            for row in rows
        ],
        "previous": first.previous_hash,
    }


def document(
    portfolio: Portfolio,
    booking: Booking,
    kind: CashType,
    amount: Decimal,
    session_date: date,
    reason: str,
    by: Actor,
    reverses: CashTransaction | None = None,
) -> None:
    """Write the paper behind a cash booking."""
    CashTransaction.objects.create(
        portfolio=portfolio,
        type=kind,
        amount=amount,
        currency=portfolio.base_currency,
        external_flow=kind in _FLOWS,
        session_date=session_date,
        ledger_seq=booking.seq,
        reason=reason,
        reverses=reverses,
        created_by_id=by.user_id,
        created_at=clock.now(),
    )


def reverse_document(
    portfolio: Portfolio, seq: int, booking: Booking, session_date: date, reason: str, by: Actor
) -> None:
    """Write the opposite paper of a reversed cash booking, if it had one."""
    paper = CashTransaction.objects.filter(portfolio=portfolio, ledger_seq=seq).first()
    if paper is not None:
        kind = CashType(paper.type)
        document(portfolio, booking, kind, -paper.amount, session_date, reason, by, paper)


def record(
    portfolio: Portfolio, booking: Booking, action: str, by: Actor, reason: str, **after: Any
) -> None:
    """Write the one audit line of a booking into the portfolio's chain."""
    audit.record(
        by=by,
        action=action,
        object_type="portfolio",
        object_id=portfolio.pk,
        chain=portfolio.pk,
        after={"seq": booking.seq, **after},
        reason=reason,
    )
