"""Cash: the papers behind bookings, and everything that ever moved it, with what was left."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet, Sum

from etftrader.core.actor import Actor
from marketdata.selectors import terms
from portfolios.choices import EntryKind, LedgerAccount
from portfolios.models import CashTransaction, LedgerEntry, Portfolio, Position, Transfer
from portfolios.selectors.ledger import REVERSAL

ZERO = Decimal(0)
BY_HAND = (
    EntryKind.DEPOSIT,
    EntryKind.WITHDRAWAL,
    EntryKind.INTEREST,
    EntryKind.FEE,
    EntryKind.TAX,
    EntryKind.BORROW_FEE,
    EntryKind.TRANSFER,
)


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


def visible(*, actor: Actor, until: date | None = None) -> Any:
    """Return the cash transactions of every portfolio the actor sees, with whom they reverse."""
    rows = CashTransaction.objects.for_actor(actor)
    if until is not None:
        rows = rows.filter(session_date__lte=until)
    return rows.select_related("reverses", "reversed_by")


def other_sides(*, portfolio_id: UUID, seqs: Iterable[int]) -> dict[int, UUID]:
    """Return the portfolio on the other side of transfers, by their numbers in this one."""
    wanted = set(seqs)
    out = Transfer.objects.filter(origin_id=portfolio_id, origin_seq__in=wanted)
    into = Transfer.objects.filter(target_id=portfolio_id, target_seq__in=wanted)
    return dict(out.values_list("origin_seq", "target_id")) | dict(
        into.values_list("target_seq", "origin_id")
    )


def transfers(*, portfolio: Portfolio, until: date | None = None) -> QuerySet[Transfer]:
    """Return what came to a portfolio or went from it, newest first."""
    rows = Transfer.objects.filter(Q(origin=portfolio) | Q(target=portfolio))
    if until is not None:
        rows = rows.filter(session_date__lte=until)
    return rows.select_related("instrument").order_by("-created_at", "-pk")


def symbols_held(*, portfolio: Portfolio) -> list[str]:
    """Return what a portfolio holds, by symbol."""
    held = Position.objects.open().filter(portfolio=portfolio).order_by("instrument__symbol")
    return list(held.values_list("instrument__symbol", flat=True))


def entries(*, portfolio: Portfolio, until: date | None = None) -> QuerySet[LedgerEntry]:
    """Every leg that moved cash, newest first, up to the booking the portfolio was read at.

    With `until` those of the sessions up to that one.
    """
    rows = LedgerEntry.objects.filter(
        portfolio=portfolio, account=LedgerAccount.CASH, seq__lte=portfolio.ledger_seq
    )
    if until is not None:
        rows = rows.filter(session_date__lte=until)
    return rows.order_by("-seq", "-leg")


def movements(
    *, portfolio: Portfolio, shown: Sequence[LedgerEntry], until: date | None = None
) -> list[Movement]:
    """What each of some following legs of `entries` was for, and the cash it left behind."""
    if not shown:
        return []
    beside = _beside(portfolio, shown)
    names = terms.names(
        leg.instrument for legs in beside.values() for leg in legs if leg.instrument
    )
    if until is None:
        later = entries(portfolio=portfolio).filter(seq__gt=shown[0].seq)
        balance = portfolio.cash - (later.aggregate(sum=Sum("amount"))["sum"] or ZERO)
    else:
        so_far = entries(portfolio=portfolio, until=until).filter(seq__lte=shown[0].seq)
        balance = so_far.aggregate(sum=Sum("amount"))["sum"]
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


def reversible(*, portfolio: Portfolio, shown: Sequence[Movement]) -> set[int]:
    """Return the numbers of those that can be taken back by hand, and have not been."""
    able = {each.seq: each.source for each in shown if each.kind in BY_HAND}
    again = [f"{REVERSAL}{source}" for source in able.values()]
    done = set(
        LedgerEntry.objects.filter(portfolio=portfolio, leg=1, source__in=again).values_list(
            "source", flat=True
        )
    )
    return {seq for seq, source in able.items() if f"{REVERSAL}{source}" not in done}


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
