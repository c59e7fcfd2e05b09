"""What every price source answers with: row types, protocols, and the one way to fail."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
