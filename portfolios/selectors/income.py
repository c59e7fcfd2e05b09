"""What a book earned without selling, and what was taken off it: read from its ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from marketdata.models import Instrument
from portfolios.calculations.postings import Posting, effective
from portfolios.choices import EntryKind
from portfolios.models import Portfolio
from portfolios.selectors import ledger as books

DIVIDEND, INTEREST, OTHER = "dividend", "interest", "other"
COSTS = {
    EntryKind.FILL: "commissions",
    EntryKind.SETTLEMENT: "commissions",
    EntryKind.FEE: "fees",
    EntryKind.TAX: "taxes",
    EntryKind.BORROW_FEE: "borrowing",
}
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Earned:
    """One booking of income; a dividend that a short owes is below zero."""

    session_date: date  # a dividend's ex-date; of what came in cash the day it came
    kind: str
    symbol: str  # empty where no instrument is known
    amount: Decimal
    paid_on: date | None  # None while it is owed


@dataclass(frozen=True, slots=True)
class Income:
    """A period's income, oldest first, and its costs by what they are called."""

    earned: tuple[Earned, ...]
    costs: dict[str, Decimal]


def of_portfolio(*, portfolio: Portfolio, start: date, until: date) -> Income:
    """Income and costs booked from one session to another, as known then: three queries.

    Bookings that were taken back by then are left out.
    """
    rows = books.postings(portfolio_ids=[portfolio.pk]).get(portfolio.pk, [])
    known = effective([each for each in rows if each.session_date <= until])
    inside = [each for each in known if each.session_date >= start]
    paid = {_action(each): each.session_date for each in known if each.kind == EntryKind.PAYMENT}
    symbols = _symbols([each for each in inside if each.money("income")])
    earned = [_earned(each, symbols, paid) for each in inside if each.money("income")]
    costs: dict[str, Decimal] = {}
    for each in inside:
        if amount := each.money("fees"):
            name = COSTS.get(EntryKind(each.kind), "fees")
            costs[name] = costs.get(name, ZERO) + amount
    return Income(tuple(sorted(earned, key=lambda each: (each.session_date, each.symbol))), costs)


def _earned(each: Posting, symbols: dict[str, str], paid: dict[str, date]) -> Earned:
    symbol, day = symbols.get(each.source, ""), each.session_date
    if each.kind == EntryKind.DIVIDEND:
        return Earned(day, DIVIDEND, symbol, -each.money("income"), paid.get(_action(each)))
    kinds = {EntryKind.PAYMENT: DIVIDEND, EntryKind.INTEREST: INTEREST}
    kind = kinds.get(EntryKind(each.kind), OTHER)
    return Earned(day, kind, symbol, -each.money("income"), day)


def _action(each: Posting) -> str:
    """Which corporate action a booking is of; else its own source."""
    width = len(books.ACTION) + 36
    return each.source[:width] if each.source.startswith(books.ACTION) else each.source


def _symbols(found: Sequence[Posting]) -> dict[str, str]:
    payers = books.instruments_of({each.source for each in found})
    named = Instrument.objects.filter(pk__in=set(payers.values())).values_list("pk", "symbol")
    known = dict(named)
    return {source: known[key] for source, key in payers.items() if key in known}
