"""Do the running totals equal the ledger? If not: halt and say so; never repair."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby
from uuid import UUID

from django.db import transaction

from etftrader.core import audit
from etftrader.core.actor import system
from portfolios.calculations import postings
from portfolios.calculations.cost_basis import Holding
from portfolios.choices import EntryKind, PortfolioState
from portfolios.constants import IDENTITY_TOLERANCE
from portfolios.models import LedgerEntry, Portfolio, PortfolioSnapshot, Position
from portfolios.selectors import ledger as books
from portfolios.services import booking, locking

ZERO = Decimal(0)
GENESIS = "0" * 64
MAX_PROBLEMS = 20
UNSOUND = "The books do not add up"


@transaction.atomic
def verify(*, portfolio_id: UUID) -> list[str]:
    """Recompute a portfolio from its ledger alone; each problem in a sentence, none when sound."""
    [portfolio] = locking.lock_portfolios(portfolio_id)
    problems = _chain(portfolio)
    found = books.postings(portfolio_ids=[portfolio_id]).get(portfolio_id, [])
    scales = books.multipliers([found])
    totals = postings.replay(found, scales)
    if portfolio.cash != totals.cash:
        problems.append(f"cash is {portfolio.cash}, its entries add up to {totals.cash}")
    if totals.cash < 0:
        problems.append(f"cash is below zero: {totals.cash}")
    problems += _positions(portfolio, found, totals)
    problems += _identity(portfolio, totals)
    problems += audit.verify(chain=portfolio_id)
    return problems[:MAX_PROBLEMS]


def check_books(*, portfolio_ids: Iterable[UUID], session_date: date) -> dict[UUID, list[str]]:
    """Verify portfolios; the unsound ones are halted and named, with what is wrong."""
    unsound = {}
    for portfolio_id in portfolio_ids:
        problems = verify(portfolio_id=portfolio_id)
        if problems:
            unsound[portfolio_id] = problems
            halt_unsound(portfolio_id=portfolio_id, problems=problems, session_date=session_date)
    return unsound


@transaction.atomic
def halt_unsound(
    *, portfolio_id: UUID, problems: Sequence[str], session_date: date | None = None
) -> Portfolio:
    """Stop all trading of a portfolio whose books do not add up; a halted one is left as it is."""
    [portfolio] = locking.lock_portfolios(portfolio_id)
    before = portfolio.state
    if before == PortfolioState.HALTED and portfolio.state_reason.startswith(UNSOUND):
        return portfolio
    portfolio.state = PortfolioState.HALTED
    portfolio.state_reason = f"{UNSOUND}: {problems[0]}"[:300]
    portfolio.version += 1
    portfolio.save(update_fields=["state", "state_reason", "version", "updated_at"])
    audit.record(
        by=system("ledger check"),
        action="portfolio.halt",
        object_type="portfolio",
        object_id=portfolio_id,
        chain=portfolio_id,
        before={"state": before},
        after={
            "state": portfolio.state,
            "problems": list(problems),
            "session_date": session_date.isoformat() if session_date else None,
        },
        reason="ledger mismatch",
    )
    return portfolio


def _chain(portfolio: Portfolio) -> list[str]:
    """Dense numbers, balanced units, and each hash over its content and its predecessor's."""
    problems = []
    seq, head = 0, GENESIS
    rows = LedgerEntry.objects.filter(portfolio=portfolio).order_by("seq", "leg")
    for number, legs in groupby(rows.iterator(2000), key=lambda row: row.seq):
        group = list(legs)
        if number != seq + 1:
            problems.append(f"booking {number} follows {seq}: numbers are missing")
        problems += _unbalanced(group)
        linked = {(row.previous_hash, row.hash) for row in group}
        whole = linked == {(head, audit.digest(booking.content(group)))}
        if not whole or [row.leg for row in group] != list(range(1, len(group) + 1)):
            problems.append(f"booking {number} does not match its hash")
        seq, head = number, group[-1].hash
    if (portfolio.ledger_seq, portfolio.ledger_hash) != (seq, head):
        problems.append(f"the portfolio's head is {portfolio.ledger_seq}, its ledger's {seq}")
    return problems


def _unbalanced(group: Sequence[LedgerEntry]) -> list[str]:
    sums: dict[UUID | str, Decimal] = {}
    for row in group:
        unit = row.instrument_id or row.currency
        sums[unit] = sums.get(unit, ZERO) + row.amount
    return [
        f"booking {group[0].seq} is out of balance by {total} of {unit}"
        for unit, total in sums.items()
        if total
    ]


def _positions(
    portfolio: Portfolio, found: Sequence[postings.Posting], totals: postings.Totals
) -> list[str]:
    problems = []
    floors = _openings_short(found)
    rows = {
        row.instrument_id: row
        for row in Position.objects.filter(portfolio=portfolio).select_related("instrument")
    }
    for key in rows.keys() | totals.holdings.keys():
        row = rows.get(key)
        held = totals.holdings.get(key, Holding())
        name = row.instrument.symbol if row else str(key)
        stored = Holding(row.quantity, row.cost_basis, row.realized_pnl) if row else Holding()
        for what in ("quantity", "cost_basis", "realized_pnl"):
            have, must = getattr(stored, what), getattr(held, what)
            if have != must:
                problems.append(f"{name}: {what} is {have}, its entries add up to {must}")
        floor = ZERO if not portfolio.allow_short else None
        if floor is not None and held.quantity < floors.get(key, floor):
            problems.append(f"{name}: {held.quantity} held, and shorts are not allowed")
    return problems


def _openings_short(found: Sequence[postings.Posting]) -> dict[UUID, Decimal]:
    """Units brought in short, and more of them by splits: held whatever the portfolio allows."""
    floors: dict[UUID, Decimal] = {}
    for posting in postings.effective(found):
        traded = posting.traded
        grows = posting.kind in (EntryKind.OPENING, EntryKind.SPLIT)
        if grows and books.FOLLOWS not in posting.source and traded is not None and traded[1] < 0:
            floors[traded[0]] = floors.get(traded[0], ZERO) + traded[1]
    return floors


def _identity(portfolio: Portfolio, totals: postings.Totals) -> list[str]:
    """The last snapshot's equity must be flows, gains and costs; and flows and costs the books'."""
    cost = sum((each.cost_basis for each in totals.holdings.values()), ZERO)
    assets = totals.cash + totals.accrued + cost
    gap = assets - totals.flows - totals.realized - totals.dividends + totals.fees
    problems = []
    if abs(gap) >= IDENTITY_TOLERANCE:
        problems.append(f"cash and cost differ from flows, gains and fees by {gap}")
    last = (
        PortfolioSnapshot.objects.filter(portfolio=portfolio, kind="actual")
        .order_by("-session_date")
        .first()
    )
    if last is not None and abs(last.identity_gap) >= IDENTITY_TOLERANCE:
        problems.append(f"the snapshot of {last.session_date} is off by {last.identity_gap}")
    return problems
