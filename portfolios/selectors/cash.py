"""Cash: the papers behind bookings, and everything that ever moved it, with what was left."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import QuerySet, Sum

from marketdata.selectors import terms
from portfolios.choices import LedgerAccount
from portfolios.models import CashTransaction, LedgerEntry, Portfolio

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Movement:
    """One booking's money: what it moved cash by, and the cash after it."""

    seq: int
    kind: str
    source: str
    session_date: date
    booked_at: datetime
    reason: str
    amount: Decimal
    fee: Decimal  # within the amount, zero where there is none
    balance: Decimal
    symbol: str = ""
    name: str = ""  # an option in words, else the symbol
    quantity: Decimal = ZERO  # units that came in, or went out below zero


def papers(*, portfolio_id: UUID, until: date | None = None) -> Any:
    """Return a portfolio's cash transactions, newest booking first, with whom they reverse."""
    rows = CashTransaction.objects.filter(portfolio_id=portfolio_id)
    if until is not None:
        rows = rows.filter(session_date__lte=until)
    return rows.select_related("reverses", "reversed_by").order_by("-ledger_seq", "-pk")


def entries(*, portfolio: Portfolio) -> QuerySet[LedgerEntry]:
    """Every leg that moved cash, newest first, up to the booking the portfolio was read at."""
    rows = LedgerEntry.objects.filter(
        portfolio=portfolio, account=LedgerAccount.CASH, seq__lte=portfolio.ledger_seq
    )
    return rows.order_by("-seq", "-leg")


def movements(*, portfolio: Portfolio, shown: Sequence[LedgerEntry]) -> list[Movement]:
    """What each of some following legs of `entries` was for, and the cash it left behind."""
    if not shown:
        return []
    beside = _beside(portfolio, shown)
    names = terms.names(
        leg.instrument for legs in beside.values() for leg in legs if leg.instrument
    )
    later = entries(portfolio=portfolio).filter(seq__gt=shown[0].seq)
    balance = portfolio.cash - (later.aggregate(sum=Sum("amount"))["sum"] or ZERO)
    found = []
    for each in shown:
        symbol, name, quantity, fee = "", "", ZERO, ZERO
        for leg in beside.get(each.seq, ()):
            if leg.account == LedgerAccount.FEES:
                fee = leg.amount
            elif leg.instrument is not None:
                symbol, quantity = leg.instrument.symbol, leg.amount
                name = names[leg.instrument.pk]
        found.append(
            Movement(
                seq=each.seq,
                kind=each.kind,
                source=each.source,
                session_date=each.session_date,
                booked_at=each.booked_at,
                reason=each.reason,
                amount=each.amount,
                fee=fee,
                balance=balance,
                symbol=symbol,
                name=name,
                quantity=quantity,
            )
        )
        balance -= each.amount
    return found


def _beside(portfolio: Portfolio, shown: Sequence[LedgerEntry]) -> dict[int, list[LedgerEntry]]:
    """The other legs of the same bookings that say what the money was for."""
    rows = LedgerEntry.objects.filter(
        portfolio=portfolio,
        seq__in=[each.seq for each in shown],
        account__in=(LedgerAccount.HOLDING, LedgerAccount.FEES),
    )
    found: dict[int, list[LedgerEntry]] = {}
    for leg in rows.select_related("instrument").order_by("seq", "leg"):
        found.setdefault(leg.seq, []).append(leg)
    return found
