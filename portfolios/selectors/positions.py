"""A portfolio valued now or at a past close, and its positions as programs and pages show them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np

from marketdata.calculations.exchange import Rate
from marketdata.choices import InstrumentKind
from marketdata.selectors import calendar, exchange_rates, prices, terms
from marketdata.selectors.prices import Mark, Sensitivities
from marketdata.selectors.sessions import Moment
from marketdata.selectors.terms import Terms
from portfolios.calculations import returns
from portfolios.models import (
    Portfolio,
    PortfolioSnapshot,
    Position,
    PositionSnapshot,
)
from portfolios.selectors import holdings, snapshots, tags, valuation
from portfolios.selectors.holdings import Book, Held, HeldLine, Traded
from portfolios.selectors.tags import Mark as TagMark
from portfolios.selectors.valuation import Valuation

LONG, SHORT = "LONG", "SHORT"
TYPES = (LONG, SHORT, "LC", "LP", "SC", "SP")
UNCLASSIFIED, NO_SECTOR = "Unclassified", "no_sector"


@dataclass(frozen=True, slots=True)
class Worth:
    """A valued book with its day: gain since the last snapshot, free of flows."""

    portfolio: Portfolio
    as_of: datetime
    session_date: date
    valuation: Valuation
    day_pnl: Decimal | None
    day_return: float | None
    snapshot: PortfolioSnapshot | None  # the newest before this session, or the one it is
    # at a past close: the tags of each instrument as its snapshot kept them; None where it did not
    tags: Mapping[UUID, Sequence[TagMark] | None] = field(default_factory=dict)

    @property
    def nav(self) -> Decimal:
        """Equity: cash plus signed exposure."""
        return self.valuation.nav

    @property
    def tags_of_today(self) -> bool:
        """Whether tags of this past close were not kept, so that today's stand in for them."""
        return any(each is None for each in self.tags.values())


def now(*, portfolio: Portfolio, moment: Moment) -> Worth:
    """Value a portfolio at the market clock's moment."""
    held = holdings.held(portfolio_id=portfolio.pk)
    traded = holdings.traded(portfolio_ids=[portfolio.pk], session_date=moment.current)
    found = valued(held, moment, traded.get(portfolio.pk, {}))
    since = snapshots.before(portfolio_id=portfolio.pk, session_date=moment.current)
    last, day_pnl, day_return = None, None, None
    if since is not None:
        last, flow = since
        day_pnl = found.nav - last.nav - flow
        day = returns.time_weighted(
            np.array([float(last.nav), float(found.nav)]), np.array([float(flow)])
        )
        day_return = day.total
    return Worth(portfolio, moment.as_of, moment.current, found, day_pnl, day_return, last)


def valued(held: Held, moment: Moment, traded: Mapping[UUID, Traded]) -> Valuation:
    """A book at the prices of the moment, with what was traded in the session."""
    marks = prices.live_marks(instruments=held.instruments, moment=moment, contracts=held.contracts)
    rates = exchange_rates.live(currencies=held.book.currencies, moment=moment)
    return valuation.value(book=held.book, marks=marks, traded=traded, rates=rates)


def at(*, portfolio: Portfolio, session_date: date) -> Worth | None:
    """A portfolio as its newest snapshot not after a session has it; None before the first."""
    row = snapshots.latest(portfolio_id=portfolio.pk, until=session_date)
    if row is None:
        return None
    lines, marks = [], {}
    kept = snapshots.lines(snapshot=row)
    contracts = terms.of_instruments(
        each.instrument_id for each in kept if each.instrument.kind == InstrumentKind.OPTION
    )
    for each in kept:
        thing = each.instrument
        lines.append(
            HeldLine(
                instrument_id=thing.pk,
                symbol=thing.symbol,
                kind=thing.kind,
                sector=thing.sector,
                currency=thing.currency,
                quantity=each.quantity,
                cost_basis=each.cost_basis,
                multiplier=thing.multiplier,
                opened_on=None,
                position_id=None,
                segment=thing.segment,
                contract=contracts.get(thing.pk),
            )
        )
        marks[thing.pk] = _mark(each, portfolio.base_currency)
    book = Book(
        portfolio.pk,
        portfolio.base_currency,
        row.ledger_seq,
        row.cash,
        tuple(lines),
        row.receivables,
    )
    found = valuation.value(book=book, marks=marks)
    days = {each.instrument_id: each.daily_pnl for each in kept}
    priced = [replace(each, day_pnl=days[each.line.instrument_id]) for each in found.lines]
    found = replace(found, lines=tuple(priced))
    as_of = calendar.close_time(row.session_date)
    day = row.daily_pnl
    marked = {
        each.instrument_id: None if each.tags is None else tags.thawed(each.tags) for each in kept
    }
    return Worth(portfolio, as_of, row.session_date, found, day, row.daily_return, row, marked)


def _mark(each: PositionSnapshot, base: str) -> Mark:
    """The price a snapshot kept, converted by the rate it kept; its Greeks are converted."""
    thing, rate = each.instrument, each.exchange_rate
    foreign = thing.currency != base
    price = each.price
    if foreign and price is not None:
        price = None if rate is None else price * rate
    return Mark(
        instrument_id=thing.pk,
        symbol=thing.symbol,
        price=price,
        as_of=calendar.close_time(each.price_session) if each.price_session else None,
        session_date=each.price_session,
        price_class=each.price_class,
        source="snapshot",
        reason=each.reason,
        greeks=_greeks(each),
        rate=Rate(thing.currency, base, rate, source="snapshot") if foreign else None,
        quoted=each.price if foreign else None,
    )


def _greeks(each: PositionSnapshot) -> Sensitivities | None:
    if each.underlying_price is None or each.delta is None:
        return None
    return Sensitivities(
        each.underlying_price, each.delta, each.gamma, each.theta, each.vega, each.rho, each.iv
    )


def type_of(quantity: Decimal, contract: Terms | None = None) -> str:
    """LONG or SHORT, of options LC, LP, SC or SP; derived, never stored."""
    if contract is None:
        return LONG if quantity > 0 else SHORT
    return f"{'L' if quantity > 0 else 'S'}{'C' if contract.is_call else 'P'}"


def under_review(*, portfolio_id: UUID) -> list[str]:
    """Symbols held whose terms a corporate action changed in a way that is not kept here."""
    held = Position.objects.open().filter(portfolio_id=portfolio_id)
    doubtful = held.filter(instrument__option__adjusted=True).order_by("instrument__symbol")
    return list(doubtful.values_list("instrument__symbol", flat=True))


def by_sector(worth: Worth) -> list[dict[str, Any]]:
    """Exposure by sector, of funds by what they cover, largest gross first.

    What has neither stands under `UNCLASSIFIED`, with a reason.
    """
    sums: dict[str, list[Decimal]] = {}
    for each in worth.valuation.lines:
        if each.exposure is not None:
            pair = sums.setdefault(each.line.group, [Decimal(0), Decimal(0)])
            pair[0] += each.exposure
            pair[1] += abs(each.exposure)
    nav = worth.nav
    return [
        {
            "sector": name or UNCLASSIFIED,
            "net": net,
            "gross": gross,
            "weight": float(net / nav) if nav > 0 else None,
            "reason": "" if name else NO_SECTOR,
        }
        for name, (net, gross) in sorted(sums.items(), key=lambda item: (-item[1][1], item[0]))
    ]
