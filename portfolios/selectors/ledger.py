"""The books as bookings: legs of the ledger put together again, in order."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby
from uuid import UUID

from marketdata.models import Instrument
from portfolios.calculations.postings import Leg, Posting
from portfolios.choices import EntryKind
from portfolios.models import LedgerEntry

REVERSAL = "reversal:"


def postings(
    *, portfolio_ids: Iterable[UUID], instrument_id: UUID | None = None
) -> dict[UUID, list[Posting]]:
    """Bookings of each portfolio by number; with an instrument only those that move it."""
    rows = LedgerEntry.objects.filter(portfolio_id__in=list(portfolio_ids))
    if instrument_id is not None:
        moved = rows.filter(instrument_id=instrument_id).values("seq")
        rows = rows.filter(seq__in=moved)
    ordered = rows.order_by("portfolio_id", "seq", "leg").values_list(
        "portfolio_id",
        "seq",
        "kind",
        "source",
        "session_date",
        "hash",
        "account",
        "instrument_id",
        "amount",
    )
    found: dict[UUID, list[Posting]] = {}
    for (portfolio_id, _), legs in groupby(ordered.iterator(2000), key=lambda row: row[:2]):
        found.setdefault(portfolio_id, []).append(_posting(list(legs)))
    return found


def _posting(rows: Sequence[tuple]) -> Posting:
    _, seq, kind, source, session_date, digest, *_ = rows[0]
    return Posting(
        seq=seq,
        kind=kind,
        source=source,
        session_date=session_date,
        hash=digest,
        legs=tuple(Leg(row[6], row[7], row[8]) for row in rows),
        reverses=source.removeprefix(REVERSAL) if kind == EntryKind.REVERSAL else "",
    )


def multipliers(books: Iterable[Sequence[Posting]]) -> dict[UUID, Decimal]:
    """Units per contract of every instrument the bookings touch."""
    touched = {
        leg.instrument_id
        for book in books
        for posting in book
        for leg in posting.legs
        if leg.instrument_id is not None
    }
    return dict(Instrument.objects.filter(pk__in=touched).values_list("pk", "multiplier"))


def newest_session(portfolio_id: UUID) -> date | None:
    """The latest session anything was booked for."""
    return (
        LedgerEntry.objects.filter(portfolio_id=portfolio_id)
        .order_by("-session_date")
        .values_list("session_date", flat=True)
        .first()
    )
