"""Cash that moves by itself, and its reversal, with the snapshots it overtakes taken again."""

from datetime import date
from decimal import Decimal
from functools import partial
from uuid import UUID

from django.db import transaction

from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, NotFound
from etftrader.core.money import CENT
from portfolios.choices import EntryKind
from portfolios.models import CashTransaction, Portfolio
from portfolios.services import ledger, locking, reversals, snapshots

TYPES = tuple(kind.value for kind in ledger.AGAINST)
MISSING = "There is no such cash transaction."


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
    """Book cash of one of `TYPES`; the amount is positive and in whole cents.

    Raises BadInput, and LimitBreached when the cash does not cover what goes out.
    """
    if kind not in TYPES:
        raise BadInput(f"It is one of {', '.join(TYPES)}.", attr="type")
    if not amount > 0:
        raise BadInput("An amount is above zero.", attr="amount")
    if amount != amount.quantize(CENT):
        raise BadInput("Cash moves in whole cents.", attr="amount")
    made = ledger.book_cash(
        portfolio_id=portfolio_id,
        kind=EntryKind(kind),
        amount=amount,
        session_date=session_date,
        source=source,
        reason=reason,
        by=by,
    )
    if not made.replayed:
        snapshots.retake(portfolio_id=portfolio_id, start=session_date)
    return CashTransaction.objects.get(portfolio_id=portfolio_id, ledger_seq=made.seq)


@transaction.atomic
def reverse(*, portfolio_id: UUID, transaction_id: UUID, reason: str, by: Actor) -> CashTransaction:
    """Take a cash booking back, see `reversals`; its paper stays and the reversal's points at it.

    Of a transfer both sides.
    """
    paper = _paper(portfolio_id, transaction_id)
    source = _source(paper)
    made = reversals.reverse(portfolio_id=portfolio_id, source=source, reason=reason, by=by)
    return CashTransaction.objects.get(portfolio_id=portfolio_id, ledger_seq=made.seq)


@transaction.atomic
def correct(
    *,
    portfolio_id: UUID,
    transaction_id: UUID,
    kind: str | None = None,
    amount: Decimal | None = None,
    session_date: date,
    reason: str,
    by: Actor,
) -> CashTransaction:
    """Take a cash booking back and book it as it should have been: both, or neither.

    Parameters
    ----------
    kind : str, optional
        One of `TYPES`; as it was where absent.
    amount : Decimal, optional
        Positive, in whole cents; as it was where absent.
    session_date : date
        Of both bookings: the past is not booked into.

    Returns
    -------
    CashTransaction
        The paper of the new booking; for the same correction once more the first one.

    Raises
    ------
    NotFound
    BadInput
    LimitBreached
        As in `move` and `reverse`.
    Conflict
        It moves by something else than itself (`not_correctable`), was taken back
        (`already_reversed`) or was corrected otherwise (`already_corrected`, with its `id`).
    """
    [portfolio] = locking.lock_portfolios(portfolio_id)
    paper = _paper(portfolio_id, transaction_id)
    if paper.type not in TYPES or paper.reverses_id is not None:
        raise Conflict(
            "Only deposits, withdrawals, fees and the like are corrected. Correct what it is of.",
            code="not_correctable",
        )
    kind, amount = kind or paper.type, amount if amount is not None else abs(paper.amount)
    known = _corrected(portfolio, paper)
    if known is not None:
        if (known.type, abs(known.amount)) == (kind, amount):
            return known
        raise Conflict(
            "It was corrected before. Correct what it was corrected to.",
            code="already_corrected",
            id=str(known.pk),
        )
    if CashTransaction.objects.filter(reverses=paper).exists():
        raise Conflict("It was taken back. Book it anew.", code="already_reversed")
    take_back = partial(
        reversals.reverse,
        portfolio_id=portfolio_id,
        source=_source(paper),
        reason=reason,
        session_date=session_date,
        by=by,
    )
    comes_in = kind not in ledger.OUTWARD
    if not comes_in:
        take_back()
    made = move(
        portfolio_id=portfolio_id,
        kind=kind,
        amount=amount,
        session_date=session_date,
        source=_correction(paper),
        reason=reason,
        by=by,
    )
    if comes_in:
        # only now: some of the old booking's cash may be spent
        take_back()
    return made


def _correction(paper: CashTransaction) -> str:
    return f"cash:{paper.pk}:corrected"


def _corrected(portfolio: Portfolio, paper: CashTransaction) -> CashTransaction | None:
    there = ledger.known(portfolio, _correction(paper))
    if there is None:
        return None
    return CashTransaction.objects.get(portfolio=portfolio, ledger_seq=there.seq)


def _paper(portfolio_id: UUID, transaction_id: UUID) -> CashTransaction:
    paper = CashTransaction.objects.filter(portfolio_id=portfolio_id, pk=transaction_id).first()
    if paper is None:
        raise NotFound(MISSING)
    return paper


def _source(paper: CashTransaction) -> str:
    """What a paper was booked under."""
    entry = paper.portfolio.entries.filter(seq=paper.ledger_seq).first()
    assert entry is not None
    return entry.source
