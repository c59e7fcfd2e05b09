"""Bookings replayed in order: what cash, holdings, flows, income and realised P&L must be."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from uuid import UUID

from etftrader.core.money import to_fill_price, to_money
from portfolios.calculations.cost_basis import ONE, ZERO, Holding, add_units, apply_fill

SPLIT = "split"  # the one kind whose units come without money


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg: an account, a unit (an instrument, or None for money), a signed amount."""

    account: str
    instrument_id: UUID | None
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Posting:
    """One booking; `reverses` names the source of the booking it takes back."""

    seq: int
    kind: str
    source: str
    session_date: date
    hash: str
    legs: tuple[Leg, ...]
    reverses: str = ""

    def money(self, account: str) -> Decimal:
        """Sum of the money legs of one account."""
        return sum(
            (leg.amount for leg in self.legs if leg.account == account and not leg.instrument_id),
            ZERO,
        )

    @property
    def traded(self) -> tuple[UUID, Decimal] | None:
        """Instrument and signed units that came in or went out; None for money alone."""
        for leg in self.legs:
            if leg.account == "holding" and leg.instrument_id is not None:
                return leg.instrument_id, leg.amount
        return None


@dataclass(frozen=True, slots=True)
class Totals:
    """Everything the bookings add up to."""

    seq: int = 0
    hash: str = "0" * 64
    cash: Decimal = ZERO
    flows: Decimal = ZERO  # external, in positive
    fees: Decimal = ZERO
    accrued: Decimal = ZERO  # dividends to come, less those to be paid
    dividends: Decimal = ZERO  # earned, less those owed on shorts
    holdings: Mapping[UUID, Holding] = field(default_factory=dict)
    opened: Mapping[UUID, date] = field(default_factory=dict)

    @property
    def realized(self) -> Decimal:
        """Realised P&L of all instruments, closed ones too."""
        return sum((each.realized_pnl for each in self.holdings.values()), ZERO)


def price_of(quantity: Decimal, paid: Decimal, multiplier: Decimal = ONE) -> Decimal:
    """The price a booked amount was made with: four places, else six, else the bare quotient."""
    quotient = paid / (quantity * multiplier)
    for rounded in (to_fill_price(quotient), to_money(quotient)):
        if to_money(quantity * rounded * multiplier) == paid:
            return rounded
    return abs(quotient)


def fold(
    postings: Iterable[Posting],
    multipliers: Mapping[UUID, Decimal],
    start: Totals | None = None,
) -> Totals:
    """Add bookings to the totals, in the order given.

    Parameters
    ----------
    postings : iterable of Posting
        By seq. Reversed bookings and their reversals must be left out already, see `effective`.
    multipliers : mapping of instrument id to Decimal
        Units per contract; 1 where absent.
    start : Totals, optional
        What earlier bookings added up to.

    Returns
    -------
    Totals
        Exact.
    """
    totals = start or Totals()
    cash, flows, fees = totals.cash, totals.flows, totals.fees
    accrued, dividends = totals.accrued, totals.dividends
    holdings, opened = dict(totals.holdings), dict(totals.opened)
    seq, head = totals.seq, totals.hash
    for posting in postings:
        cash += posting.money("cash")
        flows -= posting.money("external")
        fees += posting.money("fees")
        accrued += posting.money("accrued")
        dividends -= posting.money("income")
        traded = posting.traded
        if traded is not None:
            key, quantity = traded
            before = holdings.get(key, Holding())
            after = _moved(before, quantity, posting, multipliers.get(key, ONE))
            carried = posting.money("carried")
            if carried:
                after = replace(after, realized_pnl=after.realized_pnl - carried)
            holdings[key] = after
            if not before.quantity or before.quantity * holdings[key].quantity < 0:
                opened[key] = posting.session_date
        if posting.seq > seq:
            seq, head = posting.seq, posting.hash
    return Totals(seq, head, cash, flows, fees, accrued, dividends, holdings, opened)


def _moved(before: Holding, units: Decimal, posting: Posting, multiplier: Decimal) -> Holding:
    if posting.kind == SPLIT:
        return add_units(before, units)
    price = price_of(units, posting.money("market"), multiplier)
    return apply_fill(before, units, price, multiplier)


def effective(postings: Sequence[Posting]) -> list[Posting]:
    """Bookings without the pairs that cancel: the reversed ones and their reversals."""
    taken_back = {posting.reverses for posting in postings if posting.reverses}
    return [
        posting for posting in postings if not posting.reverses and posting.source not in taken_back
    ]


def replay(postings: Sequence[Posting], multipliers: Mapping[UUID, Decimal]) -> Totals:
    """Totals of bookings in order, as if reversed ones had never been; the head stays."""
    totals = fold(effective(postings), multipliers)
    if not postings:
        return totals
    last = max(postings, key=lambda posting: posting.seq)
    return replace(totals, seq=last.seq, hash=last.hash)


class Walk:
    """Totals at the close of each session, asked for in ascending order.

    Bookings join in the order of their numbers. While that order is also the order of sessions,
    each day only adds its own; after a late booking or a reversal the days are replayed.
    """

    def __init__(self, postings: Sequence[Posting], multipliers: Mapping[UUID, Decimal]) -> None:
        self.postings = sorted(postings, key=lambda posting: posting.seq)
        self.by_session = sorted(self.postings, key=lambda each: (each.session_date, each.seq))
        self.multipliers = multipliers
        self.place = 0
        self.totals = Totals()

    def at(self, session_date: date) -> Totals:
        """What the bookings up to and including this session add up to."""
        fresh: list[Posting] = []
        while (
            self.place < len(self.by_session)
            and self.by_session[self.place].session_date <= session_date
        ):
            fresh.append(self.by_session[self.place])
            self.place += 1
        if not fresh:
            return self.totals
        simple = all(each.seq > self.totals.seq and not each.reverses for each in fresh)
        if simple:
            fresh.sort(key=lambda posting: posting.seq)
            self.totals = fold(fresh, self.multipliers, self.totals)
        else:
            known = [each for each in self.postings if each.session_date <= session_date]
            self.totals = replay(known, self.multipliers)
        return self.totals
