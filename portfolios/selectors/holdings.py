"""What portfolios hold, ready for kernels: a few queries for any number of books."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import groupby
from uuid import UUID

from django.db.models import OuterRef, Q, Subquery, Sum

from marketdata.choices import InstrumentKind
from marketdata.constants import SECTOR_FUND
from marketdata.models import Instrument, OptionContract
from marketdata.selectors import terms
from marketdata.selectors.terms import Terms
from portfolios.calculations.postings import Posting
from portfolios.choices import EntryKind, LedgerAccount
from portfolios.models import LedgerEntry, Portfolio, Position
from portfolios.selectors.ledger import FOLLOWS, OF_ACTIONS, instruments_of

ZERO = Decimal(0)
_DAY_KINDS = [
    EntryKind.FILL,
    EntryKind.OPENING,
    EntryKind.REVERSAL,
    EntryKind.DIVIDEND,
    EntryKind.SETTLEMENT,
    EntryKind.TRANSFER,
]
_PAID = (LedgerAccount.MARKET, LedgerAccount.CARRIED)  # a transfer's value, whatever it had cost
_ACCRUED = OF_ACTIONS & Q(account=LedgerAccount.ACCRUED)
# a position whole, of its instrument what a line says
_OF_LINES = [each.attname for each in Position._meta.concrete_fields] + [
    f"instrument__{name}"
    for name in ("symbol", "kind", "sector", "currency", "multiplier", "segment")
]


@dataclass(frozen=True, slots=True)
class HeldLine:
    """One open position; `quantity` and `cost_basis` signed, the basis in the book's currency."""

    instrument_id: UUID
    symbol: str
    kind: str
    sector: str
    currency: str  # of its prices
    quantity: Decimal
    cost_basis: Decimal
    multiplier: Decimal
    opened_on: date | None
    position_id: UUID | None
    segment: str = ""  # what a fund covers
    contract: Terms | None = None  # of an option

    @property
    def group(self) -> str:
        """A stock's sector, a fund's segment, an option's like its underlying's; else empty."""
        return self.sector or self.segment.removeprefix(SECTOR_FUND)

    @property
    def underlying(self) -> str:
        """Symbol whose price it follows: an option's underlying, else its own."""
        return self.contract.underlying if self.contract is not None else self.symbol


@dataclass(frozen=True, slots=True)
class Book:
    """One portfolio's cash and lines at one number of its ledger, lines by symbol."""

    portfolio_id: UUID
    base_currency: str
    ledger_seq: int
    cash: Decimal
    lines: tuple[HeldLine, ...]
    receivables: Decimal = ZERO  # dividends to come, less those to be paid

    @property
    def currencies(self) -> set[str]:
        """Its own, and those its holdings are priced in."""
        return {self.base_currency, *(each.currency for each in self.lines)}


@dataclass(frozen=True, slots=True)
class Held:
    """A book with the rows of its positions, each with its instrument and an option's terms."""

    book: Book
    positions: tuple[Position, ...]

    @property
    def instruments(self) -> list[Instrument]:
        """By symbol."""
        return [each.instrument for each in self.positions]

    @property
    def contracts(self) -> dict[UUID, OptionContract]:
        """Of the options, with their underlyings, by instrument."""
        return {
            each.instrument_id: contract
            for each in self.positions
            if (contract := _contract(each)) is not None
        }


@dataclass(frozen=True, slots=True)
class Traded:
    """What one session's fills and openings did to one instrument, and the dividend it owes.

    A split is no trade: the units it brings were there before, at the price of the day before.
    """

    quantity: Decimal = ZERO
    paid: Decimal = ZERO
    income: Decimal = ZERO


def book(*, portfolio_id: UUID) -> Book:
    """Return what one portfolio holds; an unknown one holds nothing."""
    found = books(portfolio_ids=[portfolio_id])
    return found[0] if found else Book(portfolio_id, "USD", 0, ZERO, ())


def held(*, portfolio_id: UUID) -> Held:
    """Return what one portfolio holds with its rows, all as one query saw them.

    One more of a portfolio that holds nothing.
    """
    owed = LedgerEntry.objects.filter(_ACCRUED, portfolio_id=portfolio_id).order_by()
    sums = owed.values("portfolio").annotate(sum=Sum("amount")).values("sum")
    rows = Position.objects.open().filter(portfolio_id=portfolio_id)
    rows = rows.select_related("portfolio", "instrument__option__underlying")
    found = tuple(rows.annotate(owed=Subquery(sums)).order_by("instrument__symbol", "pk"))
    if not found:
        return Held(book(portfolio_id=portfolio_id), ())
    head, owing = found[0].portfolio, getattr(found[0], "owed")  # noqa: B009 - a column
    lines = tuple(_line(each, _terms(each)) for each in found)
    whole = Book(head.pk, head.base_currency, head.ledger_seq, head.cash, lines, owing or ZERO)
    return Held(whole, found)


def _line(position: Position, contract: Terms | None) -> HeldLine:
    thing = position.instrument
    return HeldLine(
        instrument_id=thing.pk,
        symbol=thing.symbol,
        kind=thing.kind,
        sector=thing.sector,
        currency=thing.currency,
        quantity=position.quantity,
        cost_basis=position.cost_basis,
        multiplier=thing.multiplier,
        opened_on=position.opened_on,
        position_id=position.pk,
        segment=thing.segment,
        contract=contract,
    )


def _terms(position: Position) -> Terms | None:
    contract = _contract(position)
    return terms.of_contract(contract) if contract is not None else None


def _contract(position: Position) -> OptionContract | None:
    if position.instrument.kind != InstrumentKind.OPTION:
        return None
    return getattr(position.instrument, "option", None)


def book_of(portfolio: Portfolio) -> Book:
    """Return what a portfolio holds whose row the caller has read under its lock."""
    return held_of(portfolio)[0]


def held_of(portfolio: Portfolio) -> tuple[Book, dict[UUID, Position]]:
    """`book_of` with the rows of the open positions behind it, by instrument."""
    owed = LedgerEntry.objects.filter(_ACCRUED, portfolio=portfolio).order_by()
    sums = owed.values("portfolio").annotate(sum=Sum("amount")).values("sum")
    rows = Position.objects.open().filter(portfolio=portfolio).order_by("instrument__symbol", "pk")
    found = list(rows.select_related("instrument").only(*_OF_LINES).annotate(owed=Subquery(sums)))
    if found:
        owing = getattr(found[0], "owed")  # noqa: B009 - a column
    else:
        owing = owed.aggregate(sum=Sum("amount"))["sum"]
    options = {x.instrument_id for x in found if x.instrument.kind == InstrumentKind.OPTION}
    contracts = terms.of_instruments(options)
    lines = tuple(_line(each, contracts.get(each.instrument_id)) for each in found)
    head = portfolio.pk, portfolio.base_currency, portfolio.ledger_seq, portfolio.cash
    return Book(*head, lines, owing or ZERO), {each.instrument_id: each for each in found}


def books(*, portfolio_ids: Iterable[UUID]) -> list[Book]:
    """Return what portfolios hold, by id: two queries for any number, one more for options."""
    wanted = list(portfolio_ids)
    heads = Portfolio.objects.filter(pk__in=wanted).order_by("pk")
    owed = LedgerEntry.objects.filter(_ACCRUED, portfolio=OuterRef("pk")).order_by()
    sums = owed.values("portfolio").annotate(sum=Sum("amount")).values("sum")
    with_owed = heads.annotate(owed=Subquery(sums))
    heads_known = list(with_owed.values_list("pk", "base_currency", "ledger_seq", "cash", "owed"))
    lines = _lines(wanted)
    return [
        Book(key, base, seq, cash, tuple(lines.get(key, ())), owed or ZERO)
        for key, base, seq, cash, owed in heads_known
    ]


def _lines(portfolio_ids: Sequence[UUID]) -> dict[UUID, list[HeldLine]]:
    lines: dict[UUID, list[HeldLine]] = {}
    rows = list(
        Position.objects.open()
        .filter(portfolio_id__in=portfolio_ids)
        .order_by("instrument__symbol", "pk")
        .values_list(
            "portfolio_id",
            "instrument_id",
            "instrument__symbol",
            "instrument__kind",
            "instrument__sector",
            "instrument__currency",
            "quantity",
            "cost_basis",
            "instrument__multiplier",
            "opened_on",
            "pk",
            "instrument__segment",
        )
    )
    options = {key for _, key, _, kind, *_ in rows if kind == InstrumentKind.OPTION}
    contracts = terms.of_instruments(options)
    for portfolio_id, *values in rows:
        line = HeldLine(*values)
        if line.instrument_id in contracts:
            line = replace(line, contract=contracts[line.instrument_id])
        lines.setdefault(portfolio_id, []).append(line)
    return lines


def held_instruments(*, portfolio_id: UUID) -> list[Instrument]:
    """Return what one portfolio holds now, by symbol: one query."""
    held = Position.objects.open().filter(portfolio_id=portfolio_id).values("instrument_id")
    return list(Instrument.objects.filter(pk__in=held).order_by("symbol", "pk"))


def holders(*, instrument_id: UUID) -> set[UUID]:
    """Return the portfolios that hold an instrument, or an option on it: one query."""
    named = Q(instrument_id=instrument_id) | Q(instrument__option__underlying_id=instrument_id)
    held = Position.objects.open().filter(named)
    return set(held.values_list("portfolio_id", flat=True))


def held_among(*, instrument_ids: Iterable[UUID]) -> set[UUID]:
    """Return which of these some book holds, itself or by an option on it: one query."""
    asked = set(instrument_ids)
    named = Q(instrument__in=asked) | Q(instrument__option__underlying__in=asked)
    rows = Position.objects.open().filter(named).order_by()
    pairs = rows.values_list("instrument_id", "instrument__option__underlying_id").distinct()
    return {key for pair in pairs for key in pair} & asked


def anything_held() -> bool:
    """Whether any book holds anything at all."""
    return Position.objects.open().exists()


def traded(*, portfolio_ids: Iterable[UUID], session_date: date) -> dict[UUID, dict[UUID, Traded]]:
    """Return units and money of each instrument's bookings of one session, by portfolio."""
    rows = LedgerEntry.objects.filter(
        Q(kind__in=_DAY_KINDS) | Q(kind=EntryKind.SPLIT, source__contains=FOLLOWS),
        portfolio_id__in=list(portfolio_ids),
        session_date=session_date,
        account__in=[LedgerAccount.HOLDING, *_PAID, LedgerAccount.INCOME],
    ).order_by("portfolio_id", "seq", "leg")
    columns = ("portfolio_id", "seq", "kind", "source", "account", "instrument_id", "amount")
    bookings: dict[UUID, list[DayBooking]] = {}
    for key, legs in groupby(rows.values_list(*columns), key=lambda row: row[:4]):
        portfolio_id, _, kind, source = key
        bookings.setdefault(portfolio_id, []).append(_booking(kind, source, list(legs)))
    payers = instruments_of(
        {each.source for mine in bookings.values() for each in mine if each.income}
    )
    return {key: traded_by(mine, payers) for key, mine in bookings.items()}


@dataclass(frozen=True, slots=True)
class DayBooking:
    """One booking as a day's gains see it."""

    source: str
    instrument_id: UUID | None
    quantity: Decimal
    paid: Decimal
    income: Decimal


def _booking(kind: str, source: str, legs: Sequence[tuple]) -> DayBooking:
    moved = [(row[5], row[6]) for row in legs if row[4] == LedgerAccount.HOLDING]
    money = [row[6] for row in legs if row[4] in _PAID and row[5] is None]
    income = [-row[6] for row in legs if row[4] == LedgerAccount.INCOME]
    key, quantity = moved[0] if moved else (None, ZERO)
    return DayBooking(source, key, quantity, sum(money, ZERO), sum(income, ZERO))


def day_booking(posting: Posting) -> DayBooking | None:
    """One booking of the ledger in that shape; None when it is no trade and no income."""
    if posting.kind not in _DAY_KINDS and FOLLOWS not in posting.source:
        return None
    key, quantity = posting.traded or (None, ZERO)
    paid, income = sum(map(posting.money, _PAID), ZERO), -posting.money("income")
    return DayBooking(posting.source, key, quantity, paid, income)


def traded_by(bookings: Iterable[DayBooking], payers: Mapping[str, UUID]) -> dict[UUID, Traded]:
    """Add one session's bookings up by instrument; `payers` names it for dividends by source."""
    found: dict[UUID, Traded] = {}
    for each in bookings:
        key = payers.get(each.source) if each.income else each.instrument_id
        if key is not None:
            before = found.get(key, Traded())
            found[key] = Traded(
                before.quantity + each.quantity,
                before.paid + each.paid,
                before.income + each.income,
            )
    return found


def flows_of(*, after: Mapping[UUID, date | None], until: date) -> dict[UUID, Decimal]:
    """Return the net external flow of many portfolios, each after its own session: one query.

    Money that came or went, and holdings brought in at their cost, count, what came in positive;
    None is from the first booking on.
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
