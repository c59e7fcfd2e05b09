"""Units that have gone from book to book: which books they reached, and what part each time."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.db.models import QuerySet

from portfolios.choices import LedgerAccount
from portfolios.models import LedgerEntry, Transfer
from portfolios.selectors.ledger import REVERSAL, TRANSFER

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Gone:
    """A transfer that stands, and what its book held by its bookings until then, signed."""

    transfer: Transfer
    held: Decimal

    def part_of(self, units: Decimal) -> Decimal:
        """As much of other units as went of those held; exact."""
        assert self.transfer.quantity is not None
        return units * self.transfer.quantity / self.held


def reached(*, portfolio_id: UUID, instrument_ids: Collection[UUID], since: date) -> set[UUID]:
    """Books to which units of a book may have gone since a session, itself among them: a query."""
    pairs = list(_since(instrument_ids, since).values_list("origin_id", "target_id"))
    found, fresh = {portfolio_id}, {portfolio_id}
    while fresh:
        fresh = {target for origin, target in pairs if origin in fresh} - found
        found |= fresh
    return found


def gone_since(*, instrument_id: UUID, since: date, among: Collection[UUID]) -> list[Gone]:
    """Transfers of an instrument between these books since a session that stand, oldest first."""
    rows = _since([instrument_id], since).filter(origin__in=among, target__in=among)
    found = list(rows.select_related("target").order_by("created_at", "pk"))
    sources = [f"{REVERSAL}{TRANSFER}{each.pk}" for each in found]
    undone = LedgerEntry.objects.filter(portfolio__in=among, source__in=sources, leg=1)
    taken_back = set(undone.values_list("source", flat=True))
    return [
        Gone(each, _held_before(each))
        for each, source in zip(found, sources, strict=True)
        if source not in taken_back
    ]


def _since(instrument_ids: Collection[UUID], since: date) -> QuerySet[Transfer]:
    return Transfer.objects.filter(instrument__in=instrument_ids, session_date__gte=since)


def _held_before(row: Transfer) -> Decimal:
    assert row.instrument_id is not None
    moved = LedgerEntry.objects.filter(
        portfolio_id=row.origin_id,
        instrument_id=row.instrument_id,
        account=LedgerAccount.HOLDING,
        seq__lt=row.origin_seq,
    )
    return sum(moved.values_list("amount", flat=True), ZERO)
