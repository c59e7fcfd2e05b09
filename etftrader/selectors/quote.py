"""One symbol on one page: its price, its year in figures, who is like it, where I hold it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import numpy as np
from django.db.models import Exists, OuterRef, Q, Subquery

from etftrader.core.actor import Actor
from etftrader.core.errors import DomainError, NotFound
from etftrader.selectors.sectors import SECTOR_FUND
from marketdata.choices import InstrumentKind
from marketdata.models import Fundamental, Instrument, Quote
from marketdata.selectors import contracts, exchange_rates, instruments, option_inputs, prices
from marketdata.selectors.exchange_rates import Rates
from marketdata.selectors.prices import Mark
from marketdata.selectors.sessions import Moment
from portfolios.constants import Action
from portfolios.models import Portfolio, Position, Watchlist, WatchlistItem
from portfolios.selectors import valuation
from portfolios.selectors.holdings import Book, HeldLine

YEAR, VOLUME_WINDOW = 252, 30  # sessions
PEERS = 8
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Priced:
    """One instrument's price of the moment; bid and ask only where they are of that price."""

    mark: Mark
    bid: Decimal | None = None
    ask: Decimal | None = None

    @property
    def change(self) -> Decimal | None:
        """Against the close before."""
        price, before = self.mark.price, self.mark.previous_close
        return None if price is None or before is None else price - before

    @property
    def change_rate(self) -> float | None:
        """The change as a fraction of the close before."""
        before, change = self.mark.previous_close, self.change
        return None if change is None or not before else float(change / before)

    @property
    def spread_bp(self) -> float | None:
        """Ask less bid over their middle, basis points."""
        if not self.bid or not self.ask:
            return None
        return float((self.ask - self.bid) / ((self.ask + self.bid) / 2)) * 10_000


@dataclass(frozen=True, slots=True)
class Year:
    """What a year of closes says, in the shares of the moment; None where too little is known."""

    low: float | None
    high: float | None
    sessions: int  # closes in the range
    volume: float | None  # average of the last 30 sessions, shares
    volume_sessions: int
    volatility: float | None  # of the last 60 returns, fraction a year


@dataclass(frozen=True, slots=True)
class Mine:
    """One portfolio of the actor's, and what it holds of the instrument."""

    portfolio_id: UUID
    name: str
    currency: str  # of its figures
    may_trade: bool
    quantity: Decimal  # zero: none
    exposure: Decimal | None
    cost: Decimal
    gain: Decimal | None


@dataclass(frozen=True, slots=True)
class Watching:
    """One watchlist of the actor's, and whether the symbol is on it."""

    watchlist_id: UUID
    name: str
    has: bool


def find(symbol: str, actor: Actor) -> Instrument:
    """The instrument of a symbol in any spelling, options too. Raises UnknownSymbol."""
    if not symbol.isprintable():
        raise instruments.UnknownSymbol("A symbol is letters and digits.", suggestions=[])
    try:
        return instruments.find(symbol, actor)
    except instruments.UnknownSymbol as unknown:
        try:
            return contracts.find(symbol, actor).instrument
        except (NotFound, DomainError):
            raise unknown from None


def priced(*, wanted: Sequence[Instrument], moment: Moment) -> list[Priced]:
    """The price of the moment of each, in the order asked."""
    marks = prices.live_marks(instruments=wanted, moment=moment)
    spreads: dict[UUID, Quote] = {}
    if moment.playing is not None:
        rows = Quote.objects.filter(instrument__in=wanted, session_date=moment.playing)
        spreads = {row.instrument_id: row for row in rows}
    return [_priced(marks[each.pk], spreads.get(each.pk)) for each in wanted]


def _priced(mark: Mark, quote: Quote | None) -> Priced:
    if quote is None or quote.as_of != mark.as_of:
        return Priced(mark)
    return Priced(mark, quote.bid, quote.ask)


def peers(*, instrument: Instrument, actor: Actor) -> list[Instrument]:
    """Others of the same sector, or of the same segment; a sector's stocks and its fund."""
    like = Q(pk__in=[])
    name = instrument.sector
    if not name and instrument.segment.startswith(SECTOR_FUND):
        name = instrument.segment.removeprefix(SECTOR_FUND)
    if name:
        like = Q(sector=name) | Q(segment=f"{SECTOR_FUND}{name}")
    elif instrument.segment:
        like = Q(segment=instrument.segment)
    near = Instrument.objects.for_actor(actor).filter(like, active=True)
    near = near.exclude(pk=instrument.pk).exclude(
        kind__in=(InstrumentKind.OPTION, InstrumentKind.BOND)
    )
    return list(near.order_by("kind", "symbol")[:PEERS])


def year(*, instrument: Instrument, moment: Moment, ratio: Fraction) -> Year:
    """Range, volume and volatility of the closes up to the last one."""
    panel = prices.panel(symbols=[instrument.symbol], until=moment.session_date, rows=YEAR + 1)
    closes = panel.close[-YEAR:, 0]
    known = closes[np.isfinite(closes)]
    volumes = panel.volume[-VOLUME_WINDOW:, 0]
    traded = volumes[np.isfinite(volumes) & (volumes > 0)]
    [volatility] = option_inputs.historical(panel)
    scale = float(ratio)
    return Year(
        low=float(known.min()) * scale if known.size else None,
        high=float(known.max()) * scale if known.size else None,
        sessions=int(known.size),
        volume=float(traded.mean()) / scale if traded.size else None,
        volume_sessions=int(traded.size),
        volatility=volatility,
    )


def fundamental(*, instrument: Instrument, moment: Moment) -> Fundamental | None:
    """What the newest source said of a fund or company by the last close."""
    rows = Fundamental.objects.filter(instrument=instrument, as_of__lte=moment.session_date)
    return rows.order_by("-as_of", "-pk").first()


def mine(*, actor: Actor, instrument: Instrument, mark: Mark, moment: Moment) -> list[Mine]:
    """The actor's own open portfolios by name, with what each holds of the instrument."""
    person = replace(actor, is_staff=False, is_superuser=False)
    held = Position.objects.filter(portfolio=OuterRef("pk"), instrument=instrument)
    trading = Portfolio.objects.for_actor(person, Action.TRADE).filter(pk=OuterRef("pk"))
    rows = Portfolio.objects.for_actor(person).open()
    rows = rows.annotate(
        held=Subquery(held.values("quantity")[:1]),
        basis=Subquery(held.values("cost_basis")[:1]),
        may_trade=Exists(trading),
    )
    books = list(rows.order_by("name", "pk"))
    currencies = {instrument.currency, *(each.base_currency for each in books)}
    rates = exchange_rates.live(currencies=currencies, moment=moment)
    return [_mine(each, instrument, mark, rates) for each in books]


def _mine(row: Portfolio, instrument: Instrument, mark: Mark, rates: Rates) -> Mine:
    line = HeldLine(
        instrument_id=instrument.pk,
        symbol=instrument.symbol,
        kind=instrument.kind,
        sector=instrument.sector,
        currency=instrument.currency,
        quantity=row.held or ZERO,  # type: ignore[attr-defined]
        cost_basis=row.basis or ZERO,  # type: ignore[attr-defined]
        multiplier=instrument.multiplier,
        opened_on=None,
        position_id=None,
    )
    book = Book(row.pk, row.base_currency, 0, ZERO, (line,))
    valued = valuation.value(book=book, marks={instrument.pk: mark}, rates=rates)
    [told] = valued.lines
    return Mine(
        portfolio_id=row.pk,
        name=row.name,
        currency=row.base_currency,
        may_trade=row.may_trade,  # type: ignore[attr-defined]
        quantity=line.quantity,
        exposure=told.exposure,
        cost=line.cost_basis,
        gain=told.unrealized_pnl,
    )


def watching(*, actor: Actor, symbol: str) -> list[Watching]:
    """The actor's watchlists in their order."""
    items = WatchlistItem.objects.filter(watchlist=OuterRef("pk"), symbol__iexact=symbol)
    rows = Watchlist.objects.for_actor(actor).annotate(has=Exists(items))
    ordered = rows.order_by("order", "name", "pk").values_list("pk", "name", "has")
    return [Watching(*row) for row in ordered]
