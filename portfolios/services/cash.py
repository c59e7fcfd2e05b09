"""Deposits, withdrawals and their reversal, with the snapshots they overtake taken again."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, NotFound
from etftrader.core.money import CENT
from portfolios.models import CashTransaction
from portfolios.services import ledger, snapshots
from portfolios.services.booking import Booking

DEPOSIT, WITHDRAWAL = "deposit", "withdrawal"


@transaction.atomic
def move(
    *,
    portfolio_id: UUID,
    kind: str,
    amount: Decimal,
    session_date: date,
    source: str,
    reason: str = "",
    by: Actor,
) -> CashTransaction:
    """Bring cash in or take it out; the amount is positive and in whole cents.

    Raises BadInput, and LimitBreached when the cash does not cover a withdrawal.
    """
    if kind not in (DEPOSIT, WITHDRAWAL):
        raise BadInput("It is a deposit or a withdrawal.", attr="type")
    if not amount > 0:
        raise BadInput("An amount is above zero.", attr="amount")
    if amount != amount.quantize(CENT):
        raise BadInput("Cash moves in whole cents.", attr="amount")
    signed = amount if kind == DEPOSIT else -amount
    booking = ledger.book_flow(
        portfolio_id=portfolio_id,
        amount=signed,
        session_date=session_date,
        source=source,
        reason=reason,
        by=by,
    )
    return _settled(portfolio_id, booking, session_date)


@transaction.atomic
def reverse(*, portfolio_id: UUID, transaction_id: UUID, reason: str, by: Actor) -> CashTransaction:
    """Take a cash booking back; its paper stays and the reversal's points at it."""
    paper = CashTransaction.objects.filter(portfolio_id=portfolio_id, pk=transaction_id).first()
    if paper is None:
        raise NotFound("There is no such cash transaction.")
    entry = paper.portfolio.entries.filter(seq=paper.ledger_seq).first()
    assert entry is not None
    booking = ledger.reverse(portfolio_id=portfolio_id, source=entry.source, reason=reason, by=by)
    newest = CashTransaction.objects.get(portfolio_id=portfolio_id, ledger_seq=booking.seq)
    return _settled(portfolio_id, booking, newest.session_date)


def _settled(portfolio_id: UUID, booking: Booking, session_date: date) -> CashTransaction:
    if not booking.replayed:
        snapshots.retake(portfolio_id=portfolio_id, start=session_date)
    return CashTransaction.objects.get(portfolio_id=portfolio_id, ledger_seq=booking.seq)
