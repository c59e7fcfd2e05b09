"""The books as bookings: legs of the ledger put together again, in order."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby
from uuid import UUID

from django.db.models import Q

from marketdata.models import CorporateAction, Instrument
from portfolios.calculations.postings import Leg, Posting
from portfolios.choices import EntryKind, LedgerAccount
from portfolios.models import LedgerEntry

REVERSAL = "reversal:"
ACTION = "action:"
TRANSFER = "transfer:"
# sources of corporate actions as a range of the index: keys begin with a hexadecimal digit
OF_ACTIONS = Q(source__gte=f"{ACTION}0", source__lt=f"{ACTION}g")
FOLLOWS = ":follows:"  # in the source of a split's units that went after a transfer


def following(action_id: UUID, transfer_id: UUID) -> str:
    """How sources begin of what of a split went after a transfer; a number ends them."""
    return f"{ACTION}{action_id}{FOLLOWS}{transfer_id}:"


def postings(
    *,
    portfolio_ids: Iterable[UUID],
    instrument_id: UUID | None = None,
    instrument_ids: Iterable[UUID] | None = None,
) -> dict[UUID, list[Posting]]:
    """Bookings of each portfolio by number; with instruments only those that move one of them."""
    rows = LedgerEntry.objects.filter(portfolio_id__in=list(portfolio_ids))
    if instrument_id is not None:
        instrument_ids = [instrument_id]
    if instrument_ids is not None:
        moved = rows.filter(instrument_id__in=list(instrument_ids)).values("seq")
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


def instruments_of(sources: Iterable[str]) -> dict[str, UUID]:
    """The instrument whose dividend or split a booking is of, by the booking's source."""
    actions = {
        source: UUID(source.removeprefix(ACTION)[:36])
        for source in sources
        if source.startswith(ACTION)
    }
    if not actions:
        return {}
    rows = CorporateAction.objects.filter(pk__in=set(actions.values()))
    known = dict(rows.values_list("pk", "instrument_id"))
    return {source: known[key] for source, key in actions.items() if key in known}


def action_since(*, portfolio_id: UUID, instrument_ids: Iterable[UUID], seq: int) -> bool:
    """Whether a dividend or split of one of the instruments was booked after a booking.

    The payment of a dividend counts no shares: those were counted on its ex-date.
    """
    wanted = set(instrument_ids)
    later = LedgerEntry.objects.filter(OF_ACTIONS, portfolio_id=portfolio_id, seq__gt=seq)
    later = later.exclude(kind=EntryKind.PAYMENT)
    rows = later.order_by().values_list("source", "instrument_id").distinct()
    found = list(rows)
    touched = {key for _, key in found} | set(instruments_of({each for each, _ in found}).values())
    return bool(touched & wanted)


def unit_history(
    *, portfolio_ids: Iterable[UUID], instrument_ids: Iterable[UUID]
) -> dict[tuple[UUID, UUID], list[tuple[date, Decimal]]]:
    """Sessions and units of each (portfolio, instrument), as booked; without what was taken back.

    A reversal stands on a later session: with the pair a split between would count what never was.
    """
    rows = LedgerEntry.objects.filter(
        portfolio_id__in=list(portfolio_ids),
        instrument_id__in=list(instrument_ids),
        account=LedgerAccount.HOLDING,
    ).order_by("portfolio_id", "seq", "leg")
    columns = ("portfolio_id", "instrument_id", "source", "kind", "session_date", "amount")
    moved = list(rows.values_list(*columns))
    gone = {
        (row[0], source)
        for row in moved
        if row[3] == EntryKind.REVERSAL
        for source in (row[2], row[2].removeprefix(REVERSAL))
    }
    found: dict[tuple[UUID, UUID], list[tuple[date, Decimal]]] = {}
    for portfolio_id, key, source, _, day, amount in moved:
        if (portfolio_id, source) not in gone:
            found.setdefault((portfolio_id, key), []).append((day, amount))
    return found


def units_before(history: Iterable[tuple[date, Decimal]], session_date: date) -> Decimal:
    """What was held at the open of a session: the bookings of earlier ones."""
    return sum((amount for day, amount in history if day < session_date), Decimal(0))


def booked_actions(*, portfolio_ids: Iterable[UUID]) -> dict[UUID, set[str]]:
    """Sources of the actions booked in each portfolio."""
    rows = LedgerEntry.objects.filter(OF_ACTIONS, portfolio_id__in=list(portfolio_ids), leg=1)
    found: dict[UUID, set[str]] = {}
    for portfolio_id, source in rows.values_list("portfolio_id", "source"):
        found.setdefault(portfolio_id, set()).add(source)
    return found


def newest_session(portfolio_id: UUID) -> date | None:
    """The latest session anything was booked for."""
    return (
        LedgerEntry.objects.filter(portfolio_id=portfolio_id)
        .order_by("-session_date")
        .values_list("session_date", flat=True)
        .first()
    )
