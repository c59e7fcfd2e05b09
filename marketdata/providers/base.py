"""What every price source answers with: row types, protocols, and the one way to fail."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from etftrader.core.errors import Unavailable


class ProviderFailed(Unavailable):
    """The source did not answer, or answered what cannot be read. An empty answer counts as one."""

    code = "provider_failed"


@dataclass(frozen=True, slots=True)
class InstrumentRow:
    """Reference data of one symbol. None where the source says nothing."""

    symbol: str
    name: str
    kind: str  # of InstrumentKind
    asset_class: str
    sector: str | None
    segment: str | None
    region: str | None
    factor_tilt: str | None
    exchange: str | None  # market identifier code
    currency: str
    price_basis: str
    liquidity_class: int | None
    assumed_dividend_yield: float | None  # fraction a year
    lot_size: int


@dataclass(frozen=True, slots=True)
class BarRow:
    """One symbol on one session. `close` is the price of record, in the basis named."""

    symbol: str
    session_date: date
    open: float | None
    high: float | None
    low: float | None
    close: float
    adj_close: float | None
    volume: int | None
    source: str  # of Source
    price_basis: str  # of PriceBasis


@dataclass(frozen=True, slots=True)
class YieldRow:
    """One tenor of the par curve on one day, in percent a year."""

    session_date: date
    tenor: str
    percent: float
    source: str


@dataclass(frozen=True, slots=True)
class DividendRow:
    """Cash paid for one share, in the price basis of the bars that came with it."""

    symbol: str
    ex_date: date
    amount: float
    currency: str | None
    kind: str  # cash or capital_gain
    source: str


@dataclass(frozen=True, slots=True)
class SplitRow:
    """`ratio` new shares for one old: 4.0 for four to one, 0.1 for one to ten."""

    symbol: str
    ex_date: date
    ratio: float
    source: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one symbol (or series, or line of a file) has no answer; the others are kept."""

    subject: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class SymbolHistory:
    """One symbol's answer: rows by session, or the reason why there are none.

    `gaps` are sessions the source names without a close: reported, never filled. `anchor` is its
    newest row before the time asked for: it tells how the source adjusts what came earlier.
    `own_splits` are those of the bars' source where `splits` are another one's.
    """

    symbol: str
    bars: tuple[BarRow, ...] = ()
    dividends: tuple[DividendRow, ...] = ()
    splits: tuple[SplitRow, ...] = ()
    gaps: tuple[date, ...] = ()
    currency: str | None = None
    failure: Failure | None = None
    anchor: BarRow | None = None
    own_splits: tuple[SplitRow, ...] | None = None


@dataclass(frozen=True, slots=True)
class YieldAnswer:
    """Yields by day, then tenor, beside the series that have no answer."""

    rows: tuple[YieldRow, ...]
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class FundRow:
    """What a source says about a fund or a company. Ratios are fractions; None where unsaid.

    Figures outside the bounds of quant.md 13 are None.
    """

    symbol: str
    name: str | None
    kind: str | None  # etf, stock, index, ...
    currency: str | None
    exchange: str | None
    sector: str | None
    industry: str | None
    category: str | None
    family: str | None
    expense_ratio: float | None  # a year
    dividend_yield: float | None  # a year
    price_to_earnings: float | None
    price_to_book: float | None
    total_assets: float | None
    nav_price: float | None
    turnover: float | None  # a year
    bond_duration: float | None  # years
    source: str
    sector_weights: Mapping[str, float] = field(default_factory=dict)
    asset_classes: Mapping[str, float] = field(default_factory=dict)
    top_holdings: tuple[tuple[str, str, float], ...] = ()  # symbol, name, weight


@dataclass(frozen=True, slots=True)
class OptionRow:
    """One quoted contract. None where a side has no quote."""

    contract: str  # as the source spells it, OCC without padding
    underlying: str
    expiration: date
    right: str  # C or P
    strike: float
    bid: float | None
    ask: float | None
    last: float | None
    volume: int | None
    open_interest: int | None
    implied_volatility: float | None  # fraction a year
    last_trade_at: datetime | None  # aware, UTC
    currency: str | None
    source: str


@dataclass(frozen=True, slots=True)
class OptionChain:
    """All contracts of one expiration, with the underlying's price beside them."""

    underlying: str
    expiration: date
    underlying_price: float | None
    rows: tuple[OptionRow, ...]


@dataclass(frozen=True, slots=True)
class QuoteRow:
    """The newest price of a symbol, as old as `as_of` says."""

    symbol: str
    price: float
    bid: float | None
    ask: float | None
    previous_close: float | None
    volume: int | None
    as_of: datetime  # of the trade, aware, UTC
    delay_minutes: int | None  # by which the source holds its quotes back
    market_state: str | None
    currency: str | None
    source: str


@dataclass(frozen=True, slots=True)
class QuoteAnswer:
    """Quotes in the order of the question, beside the symbols that have none."""

    rows: tuple[QuoteRow, ...]
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class LiquidityClassRow:
    """What is assumed about trading a fund or stock whose volume and quotes we do not have."""

    liquidity_class: int
    adv_shares: int
    half_spread_bp: float
    source: str


@dataclass(frozen=True, slots=True)
class SmileRow:
    """One quoted option of a volatility smile; volatilities are fractions a year."""

    tenor: str
    t_years: float
    forward: float
    discount: float
    strike: float
    right: str  # C or P
    bid_iv: float
    ask_iv: float


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far one series reaches, as of the clock its provider was given."""

    symbol: str
    first: date
    last: date
    rows: int


@dataclass(frozen=True, slots=True)
class CloseTable:
    """Closes by label: values[i, j] is symbols[j] on sessions[i]; NaN where there is none."""

    sessions: NDArray[np.datetime64]
    symbols: tuple[str, ...]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bar:
    """One minute of every symbol at once: prices[i] belongs to symbols[i]."""

    as_of: datetime  # the end of the minute, aware, UTC
    session_date: date
    index: int  # 0 is the first minute of the session
    count: int  # minutes in this session
    symbols: tuple[str, ...]
    prices: NDArray[np.float64]
    source: str

    @property
    def is_last(self) -> bool:
        """Whether this bar is the session's close."""
        return self.index == self.count - 1

    def price_of(self) -> dict[str, float]:
        """Return the prices by symbol."""
        return dict(zip(self.symbols, self.prices.tolist(), strict=True))


class DailyProvider(Protocol):
    """A source of daily history."""

    name: str

    def instruments(self) -> list[InstrumentRow]:
        """Everything this source knows by name."""
        ...

    def bars(self, symbols: Sequence[str], start: date, end: date) -> Iterator[BarRow]:
        """Daily bars of these symbols, both ends included."""
        ...

    def yields(self, start: date, end: date) -> Iterator[YieldRow]:
        """Treasury par yields, both ends included."""
        ...

    def last_session(self) -> date:
        """The newest session this source can speak of."""
        ...


class IntradayProvider(Protocol):
    """A source of one session's minute bars."""

    name: str
    session_date: date

    def bars(self, first: int = 0) -> Iterator[Bar]:
        """Bars of the session in order, from one index on; the last bar is the close."""
        ...


class HistoryProvider(Protocol):
    """A source that answers symbol by symbol: one failure leaves the others whole."""

    name: str

    def histories(self, symbols: Sequence[str], start: date, end: date) -> Iterator[SymbolHistory]:
        """Bars, dividends and splits of each symbol, both ends included."""
        ...


class QuoteProvider(Protocol):
    """A source of live prices."""

    name: str

    def quotes(self, symbols: Sequence[str]) -> QuoteAnswer:
        """Ask once for the newest prices."""
        ...

    def stream(self, symbols: Sequence[str]) -> Iterator[QuoteRow]:
        """Newest prices as they come; ends when the source closes the line."""
        ...


class ChainProvider(Protocol):
    """A source of option quotes. Both methods raise ProviderFailed."""

    name: str

    def expirations(self, symbol: str) -> tuple[date, ...]:
        """Listed expirations of one underlying, in order."""
        ...

    def chain(self, symbol: str, expiration: date) -> OptionChain:
        """Every contract of one expiration."""
        ...


class FundProvider(Protocol):
    """A source of facts about funds and companies. Raises ProviderFailed."""

    name: str

    def fund(self, symbol: str) -> FundRow:
        """What is known about one symbol."""
        ...
