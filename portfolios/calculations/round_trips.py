"""How closed trades went: share of winners, what they earn against what losers cost."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from uuid import UUID

from portfolios.calculations.postings import Posting

ZERO = Decimal(0)
_MONEY = ("market", "carried", "fees", "income")  # what a booking costs, gains negative


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """Figures over closed round trips; None where there is nothing to divide by."""

    win_rate: float | None
    profit_factor: float | None
    payoff_ratio: float | None
    expectancy: float | None


@dataclass(frozen=True, slots=True)
class Trip:
    """One instrument from nothing to nothing: net P&L in dollars, fees and income in it."""

    instrument_id: UUID
    opened: date
    closed: date
    is_long: bool
    pnl: Decimal


@dataclass(slots=True)
class _Open:
    quantity: Decimal = ZERO
    pnl: Decimal = ZERO
    since: date = date.min
    trips: list[Trip] = field(default_factory=list)


def round_trips(pnls: Sequence[float]) -> RoundTrips:
    """Win rate, profit factor, payoff ratio and expectancy.

    Parameters
    ----------
    pnls : sequence of float
        Net P&L of each closed round trip, dollars. Zero is neither a win nor a loss, but counts
        in the expectancy.

    Returns
    -------
    RoundTrips
        `profit_factor` and `payoff_ratio` are None without a loss (the latter without a win too).
    """
    gains = [pnl for pnl in pnls if pnl > 0.0]
    losses = [-pnl for pnl in pnls if pnl < 0.0]
    decided = len(gains) + len(losses)
    payoff = None
    if gains and losses:
        payoff = (sum(gains) / len(gains)) / (sum(losses) / len(losses))
    return RoundTrips(
        win_rate=len(gains) / decided if decided else None,
        profit_factor=sum(gains) / sum(losses) if losses else None,
        payoff_ratio=payoff,
        expectancy=sum(pnls) / len(pnls) if pnls else None,
    )


def closed_trips(postings: Iterable[Posting], payers: Mapping[str, UUID]) -> list[Trip]:
    """The round trips of a ledger: each from an instrument's first unit until none is left.

    Parameters
    ----------
    postings : iterable of Posting
        By number, reversed bookings and their reversals left out.
    payers : mapping of source to instrument
        For dividends.

    Returns
    -------
    list of Trip
        As they closed. A fill through zero closes one trip and opens the next; its money and fee
        go to both by units. A dividend counts while units are held.
    """
    held: dict[UUID, _Open] = {}
    for posting in postings:
        key = posting.traded[0] if posting.traded else payers.get(posting.source)
        if key is not None:
            _take(held.setdefault(key, _Open()), key, posting)
    trips = [trip for each in held.values() for trip in each.trips]
    return sorted(trips, key=lambda trip: (trip.closed, trip.opened, str(trip.instrument_id)))


def _take(line: _Open, key: UUID, posting: Posting) -> None:
    """Add one booking to an instrument's line."""
    units = posting.traded[1] if posting.traded else ZERO
    money = -sum(map(posting.money, _MONEY), ZERO)
    before = line.quantity
    after = before + units
    if not before and units:
        line.since, line.pnl = posting.session_date, ZERO
    closes = bool(before) and bool(units) and before * after <= 0
    if not closes:
        if before or units:
            line.pnl += money
    else:
        mine = money if not after else money * (-before / units)
        trip = Trip(key, line.since, posting.session_date, before > 0, line.pnl + mine)
        line.trips.append(trip)
        line.since, line.pnl = posting.session_date, money - mine
    line.quantity = after
