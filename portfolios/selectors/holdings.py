"""What portfolios hold, ready for kernels: a few queries for any number of books."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from marketdata.models import Instrument
from portfolios.choices import EntryKind, LedgerAccount
from portfolios.models import LedgerEntry, Portfolio, Position

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class HeldLine:
    """One open position; `quantity` and `cost_basis` signed."""

    instrument_id: UUID
    symbol: str
    kind: str
    sector: str
    quantity: Decimal
    cost_basis: Decimal
    multiplier: Decimal
    opened_on: date | None
    position_id: UUID | None


@dataclass(frozen=True, slots=True)
class Book:
    """One portfolio's cash and lines at one number of its ledger, lines by symbol."""

    portfolio_id: UUID
    ledger_seq: int
    cash: Decimal
    lines: tuple[HeldLine, ...]


@dataclass(frozen=True, slots=True)
class Traded:
    """What one session's fills and openings did to one instrument."""

    quantity: Decimal = ZERO
    paid: Decimal = ZERO


def book(*, portfolio_id: UUID) -> Book:
    """Return what one portfolio holds; an unknown one holds nothing."""
    found = books(portfolio_ids=[portfolio_id])
    return found[0] if found else Book(portfolio_id, 0, ZERO, ())


def book_of(portfolio: Portfolio) -> Book:
    """Return what a portfolio holds whose row the caller has read under its lock."""
    lines = _lines([portfolio.pk]).get(portfolio.pk, ())
    return Book(portfolio.pk, portfolio.ledger_seq, portfolio.cash, tuple(lines))


def books(*, portfolio_ids: Iterable[UUID]) -> list[Book]:
    """Return what portfolios hold, by id: two queries for any number."""
    wanted = list(portfolio_ids)
    heads = Portfolio.objects.filter(pk__in=wanted).order_by("pk")
    heads_known = list(heads.values_list("pk", "ledger_seq", "cash"))
    lines = _lines(wanted)
    return [
        Book(portfolio_id, seq, cash, tuple(lines.get(portfolio_id, ())))
        for portfolio_id, seq, cash in heads_known
    ]


def _lines(portfolio_ids: Sequence[UUID]) -> dict[UUID, list[HeldLine]]:
    lines: dict[UUID, list[HeldLine]] = {}
    rows = (
        Position.objects.open()
        .filter(portfolio_id__in=portfolio_ids)
        .order_by("instrument__symbol", "pk")
        .values_list(
            "portfolio_id",
            "instrument_id",
            "instrument__symbol",
            "instrument__kind",
            "instrument__sector",
            "quantity",
            "cost_basis",
            "instrument__multiplier",
            "opened_on",
            "pk",
        )
    )
    for portfolio_id, *values in rows:
        lines.setdefault(portfolio_id, []).append(HeldLine(*values))
    return lines


def instruments(held: Book | Sequence[Book]) -> list[Instrument]:
    """Return the instruments of one book or several, by symbol."""
    several = [held] if isinstance(held, Book) else held
    keys = {line.instrument_id for each in several for line in each.lines}
    return list(Instrument.objects.filter(pk__in=keys).order_by("symbol", "pk"))


def held_instruments(*, portfolio_id: UUID) -> list[Instrument]:
    """Return what one portfolio holds now, by symbol: one query."""
    held = Position.objects.open().filter(portfolio_id=portfolio_id).values("instrument_id")
    return list(Instrument.objects.filter(pk__in=held).order_by("symbol", "pk"))


def traded(*, portfolio_ids: Iterable[UUID], session_date: date) -> dict[UUID, dict[UUID, Traded]]:
    """Return units and money of each instrument's bookings of one session, by portfolio."""
    rows = list(
        LedgerEntry.objects.filter(
            portfolio_id__in=list(portfolio_ids),
            session_date=session_date,
            kind__in=[EntryKind.FILL, EntryKind.OPENING, EntryKind.REVERSAL],
            account__in=[LedgerAccount.HOLDING, LedgerAccount.MARKET],
        ).values_list("portfolio_id", "seq", "account", "instrument_id", "amount")
    )
    paid = {
        (row[0], row[1]): row[4]
        for row in rows
        if row[2] == LedgerAccount.MARKET and row[3] is None
    }
    found: dict[UUID, dict[UUID, Traded]] = {}
    for portfolio_id, seq, account, instrument_id, amount in rows:
        if account != LedgerAccount.HOLDING:
            continue
        mine = found.setdefault(portfolio_id, {})
        before = mine.get(instrument_id, Traded())
        money = paid.get((portfolio_id, seq), ZERO)
        mine[instrument_id] = Traded(before.quantity + amount, before.paid + money)
    return found


def flows(*, portfolio_id: UUID, after: date | None, until: date) -> Decimal:
    """Return the net external flow of the sessions after one and up to another, in positive."""
    return flows_of(after={portfolio_id: after}, until=until)[portfolio_id]


def flows_of(*, after: Mapping[UUID, date | None], until: date) -> dict[UUID, Decimal]:
    """Return the net external flow of many portfolios, each after its own session: one query.

    Money that came or went, and holdings brought in at their cost, count; None is from the first
    booking on.
    """
    rows = LedgerEntry.objects.filter(
        portfolio_id__in=list(after), account=LedgerAccount.EXTERNAL, session_date__lte=until
    )
    known = [each for each in after.values() if each is not None]
    if known and len(known) == len(after):
        rows = rows.filter(session_date__gt=min(known))
    found = dict.fromkeys(after, ZERO)
    for portfolio_id, day, amount in rows.values_list("portfolio_id", "session_date", "amount"):
        since = after[portfolio_id]
        if since is None or day > since:
            found[portfolio_id] -= amount
    return found
