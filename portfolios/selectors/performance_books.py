"""What the ledger tells of a period: gains by instrument, income and costs, round trips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby
from uuid import UUID

from portfolios.calculations import round_trips
from portfolios.calculations.contributions import Contribution, contributions
from portfolios.calculations.postings import Leg, Posting, effective
from portfolios.calculations.round_trips import RoundTrips, Trip
from portfolios.choices import EntryKind
from portfolios.models import LedgerEntry, PositionSnapshot
from portfolios.selectors.ledger import ACTION, REVERSAL, instruments_of
from portfolios.selectors.performance_rows import Stretch

ZERO = Decimal(0)
# what income and costs are called, by kind of booking
INCOME_OF = {EntryKind.DIVIDEND: "dividends", "interest": "interest"}
COSTS_OF = {
    EntryKind.FILL: "commissions",
    EntryKind.SETTLEMENT: "commissions",
    "borrow_fee": "borrowing",
    "tax": "taxes",
}
OTHER_INCOME, OTHER_COSTS = "other_income", "other_fees"
COLUMNS = (
    "seq",
    "kind",
    "source",
    "session_date",
    "account",
    "instrument_id",
    "amount",
    "instrument__symbol",
    "instrument__name",
)
MOST_KNOWN = 50_000
# an action is of one instrument for ever, so a process asks for each only once
_known_payers: dict[str, UUID] = {}
Names = dict[UUID | None, tuple[str, str]]  # symbol and name by instrument


@dataclass(frozen=True, slots=True)
class Part:
    """One position's part of the period's gain, dollars; `symbol` is empty for none's."""

    symbol: str
    name: str
    contribution: Contribution


@dataclass(frozen=True, slots=True)
class Trades:
    """Closed round trips of the period and what they add up to."""

    trips: tuple[Trip, ...]
    symbols: Mapping[UUID, str]
    figures: RoundTrips
    wins: int
    losses: int
    best: Decimal | None
    worst: Decimal | None
    average_days: float | None  # calendar days from first unit to none


@dataclass(frozen=True, slots=True)
class Books:
    """What a period's bookings were; `difference` is what the parts leave unexplained, 0."""

    parts: tuple[Part, ...]
    pnl: Decimal
    difference: Decimal
    income: Mapping[str, Decimal]
    costs: Mapping[str, Decimal]
    trades: Trades
    bookings: int  # in the period


def books(*, portfolio_id: UUID, found: Stretch) -> Books:
    """Read a period's bookings: two queries, one more where something paid dividends.

    The parts are linked by adding daily gains up in currency, so their sum is the sum of the
    days' gains, to the last digit; round trips count when they close within the period.
    """
    span = (found.rows[0].session_date, found.rows[-1].session_date)
    names: Names = {None: ("", "Of no position")}
    postings = _postings(portfolio_id, span[1], names)
    payers = _payers(postings)
    exposures = _exposures(found, names)
    rows = contributions(postings, payers, *exposures, span)
    closed = round_trips.closed_trips(effective(postings), payers)
    trips = [trip for trip in closed if span[0] < trip.closed <= span[1]]
    kinds = {each.source: each.kind for each in postings}
    pnl = sum((row.daily_pnl for row in found.rows[1:]), ZERO)
    inside = [each for each in postings if span[0] < each.session_date]
    return Books(
        parts=tuple(Part(*names.get(each.instrument_id, names[None]), each) for each in rows),
        pnl=pnl,
        difference=pnl - sum((each.pnl for each in rows), ZERO),
        income=_sums(inside, kinds, "income", INCOME_OF, OTHER_INCOME, -1),
        costs=_sums(inside, kinds, "fees", COSTS_OF, OTHER_COSTS, 1),
        trades=_trades(trips, names),
        bookings=len(inside),
    )


def _postings(portfolio_id: UUID, until: date, names: Names) -> list[Posting]:
    """Bookings of sessions up to one, by number; what came later was not known."""
    rows = (
        LedgerEntry.objects.filter(portfolio_id=portfolio_id, session_date__lte=until)
        .order_by("seq", "leg")
        .values_list(*COLUMNS)
    )
    found = []
    for (seq, kind, source, session_date), group in groupby(
        rows.iterator(2000), key=lambda row: row[:4]
    ):
        legs = []
        for row in group:
            legs.append(Leg(*row[4:7]))
            if row[5] is not None:
                names[row[5]] = row[7:]
        back = source.removeprefix(REVERSAL) if kind == EntryKind.REVERSAL else ""
        found.append(Posting(seq, kind, source, session_date, "", tuple(legs), back))
    return found


def _payers(postings: Sequence[Posting]) -> Mapping[str, UUID]:
    """Whose dividend a booking of money alone is, by its source."""
    wanted = {each.reverses or each.source for each in postings if each.traded is None}
    unknown = {each for each in wanted if each.startswith(ACTION)} - _known_payers.keys()
    if unknown:
        if len(_known_payers) > MOST_KNOWN:
            _known_payers.clear()
        _known_payers.update(instruments_of(unknown))
    return {each: _known_payers[each] for each in wanted if each in _known_payers}


def _exposures(found: Stretch, names: Names) -> tuple[dict[UUID, Decimal], dict[UUID, Decimal]]:
    """Signed exposures at both ends; what had no price is not in the equity either."""
    first, last = found.rows[0].pk, found.rows[-1].pk
    ends: dict[int, dict[UUID, Decimal]] = {first: {}, last: {}}
    rows = PositionSnapshot.objects.filter(snapshot_id__in=[first, last], exposure__isnull=False)
    columns = ("snapshot_id", "instrument_id", "exposure", "instrument__symbol", "instrument__name")
    for snapshot_id, key, exposure, *name in rows.values_list(*columns):
        ends[snapshot_id][key] = exposure
        names[key] = (name[0], name[1])
    return ends[first], ends[last]


def _sums(
    postings: Sequence[Posting],
    kinds: Mapping[str, str],
    account: str,
    names: Mapping[str, str],
    other: str,
    sign: int,
) -> dict[str, Decimal]:
    """Money of one account by what it is called; a reversal takes from what it reverses."""
    found: dict[str, Decimal] = {}
    for each in postings:
        amount = each.money(account)
        if amount:
            kind = kinds.get(each.reverses, "") if each.reverses else each.kind
            name = names.get(kind, other)
            found[name] = found.get(name, ZERO) + sign * amount
    return found


def _trades(trips: Sequence[Trip], names: Names) -> Trades:
    gains = [trip.pnl for trip in trips]
    days = [(trip.closed - trip.opened).days for trip in trips]
    return Trades(
        trips=tuple(trips),
        symbols={trip.instrument_id: names[trip.instrument_id][0] for trip in trips},
        figures=round_trips.round_trips([float(pnl) for pnl in gains]),
        wins=sum(pnl > 0 for pnl in gains),
        losses=sum(pnl < 0 for pnl in gains),
        best=max(gains, default=None),
        worst=min(gains, default=None),
        average_days=sum(days) / len(days) if days else None,
    )
