"""Option quotes beside the bundled history: SIMULATED from the day's close, yield and VIX.

SPY only. What is real: the close, the three-month yield, the VIX of the day and the shape of one
quoted smile of 2022. What is made: every quote. Nothing after the session it is told is read.
"""

import calendar
import csv
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from marketdata.calculations import option_symbols
from marketdata.calculations.option_symbols import OptionSymbol
from marketdata.calculations.options import NEW_YORK, PM_SETTLEMENT, time_to_expiry
from marketdata.calculations.smile import SimulatedQuotes, Smile, read_smile, simulated_quotes
from marketdata.choices import Source
from marketdata.providers.base import OptionChain, OptionRow, ProviderFailed
from marketdata.providers.bundled import BundledProvider
from marketdata.providers.reference import DATA, smile_rows

SYMBOL, VIX, TENOR = "SPY", "^VIX", "3M"
# Three months in a row and the next of the March cycle: four expiries, as the smile has tenors.
# Fixed days, not fixed tenors: a contract that moved with the clock could not be held.
MONTHS, CYCLE = 3, (3, 6, 9, 12)
NEAR, FAR = 0.10, 0.30  # of the close: strikes by one dollar, then by five
FRIDAY = 4
YIELD_AGE = timedelta(days=5)
PLACES = 4


class BundledOptions:
    """A chain of SPY as of one close; `also` names contracts to quote beside the listed ones."""

    name = Source.SIM.value

    def __init__(self, *, until: date, also: Iterable[str] = (), folder: Path = DATA) -> None:
        source = BundledProvider(until=until, folder=folder)
        self.session_date = source.last_session()
        table = source.closes([SYMBOL, VIX], self.session_date, self.session_date)
        self._spot, self._vix = (_known(value) for value in table.values[0].tolist())
        self._yield = _newest_yield(source, self.session_date)
        self._also = [option_symbols.parse(each) for each in also]
        self._folder = folder

    def expirations(self, symbol: str) -> tuple[date, ...]:
        """Expiries of the listed contracts and of those asked for beside them."""
        self._require(symbol)
        beside = {each.expiry for each in self._also if each.expiry >= self.session_date}
        return tuple(sorted(beside | set(expiries(self.session_date, self._folder))))

    def chain(self, symbol: str, expiration: date) -> OptionChain:
        """Every contract of one expiry. Raises ProviderFailed when an ingredient is missing."""
        self._require(symbol)
        listed: list[OptionSymbol] = []
        if expiration in expiries(self.session_date, self._folder):
            listed = [
                option_symbols.build(SYMBOL, expiration, right, strike)
                for strike in strikes(self._close())
                for right in (option_symbols.CALL, option_symbols.PUT)
            ]
        beside = [each for each in self._also if each.expiry == expiration]
        wanted = list({each.compact: each for each in [*listed, *beside]}.values())
        if not wanted or expiration < self.session_date:
            raise ProviderFailed(
                f"{SYMBOL} has no contract that expires on {expiration}", code="wrong_expiration"
            )
        return OptionChain(SYMBOL, expiration, self._spot, self._rows(wanted))

    def _rows(self, wanted: Sequence[OptionSymbol]) -> tuple[OptionRow, ...]:
        quotes = self._quotes(wanted)
        reasons = quotes.reasons()
        missing = {each for each in reasons if each not in (None, "expired")}
        if missing:
            raise ProviderFailed(
                f"no quotes can be made on {self.session_date}: {', '.join(sorted(missing))}",
                code=sorted(missing)[0],
            )
        sides = zip(
            wanted,
            quotes.bid.tolist(),
            quotes.ask.tolist(),
            ((quotes.bid_volatility + quotes.ask_volatility) / 2.0).tolist(),
            strict=True,
        )
        return tuple(_row(each, bid, ask, volatility) for each, bid, ask, volatility in sides)

    def _quotes(self, wanted: Sequence[OptionSymbol]) -> SimulatedQuotes:
        moment = _closing(self.session_date)
        return simulated_quotes(
            smile(self._folder),
            spot=self._spot,
            three_month_yield=self._yield,
            vix=self._vix,
            strike=[float(each.strike) for each in wanted],
            years=[time_to_expiry(moment, each.expiry) for each in wanted],
            is_call=[each.right == option_symbols.CALL for each in wanted],
        )

    def _close(self) -> float:
        if self._spot is None:
            raise ProviderFailed(
                f"the bundle has no close of {SYMBOL} on {self.session_date}", code="no_spot"
            )
        return self._spot

    def _require(self, symbol: str) -> None:
        if symbol.upper() != SYMBOL:
            raise ProviderFailed(
                f"the bundle has option quotes of {SYMBOL} only, none of {symbol[:32]}",
                code="no_options",
            )


@lru_cache(maxsize=4)
def smile(folder: Path = DATA) -> Smile:
    """The bundled smile, read once a process."""
    rows: Any = smile_rows(folder)  # frozen rows fit the protocol, which only reads them
    return read_smile(rows)


@lru_cache(maxsize=64)
def expiries(session_date: date, folder: Path = DATA) -> tuple[date, ...]:
    """Four monthly expiries: the next three, then the next month of the March cycle."""
    found: list[date] = []
    year, month = session_date.year, session_date.month
    while len(found) <= MONTHS:
        day = monthly(year, month, folder)
        if day >= session_date and (len(found) < MONTHS or month in CYCLE):
            found.append(day)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return tuple(found)


def monthly(year: int, month: int, folder: Path = DATA) -> date:
    """The third Friday of a month, or the day before when the exchange is closed then."""
    first = calendar.monthrange(year, month)[0]
    day = date(year, month, 15 + (FRIDAY - first) % 7)
    return day - timedelta(days=1) if day in _closed(folder) else day


def strikes(spot: float) -> list[Decimal]:
    """Whole dollars near the close, steps of five further out."""
    fine = range(round(spot * (1.0 - NEAR)), round(spot * (1.0 + NEAR)) + 1)
    first, last = round(spot * (1.0 - FAR) / 5) * 5, round(spot * (1.0 + FAR) / 5) * 5
    coarse = range(max(first, 5), last + 1, 5)
    return [Decimal(each) for each in sorted({*fine, *coarse}) if each > 0]


@lru_cache(maxsize=4)
def _closed(folder: Path) -> frozenset[date]:
    with (folder / "nyse_closures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return frozenset(
        date.fromisoformat(row["session_date"]) for row in rows if row["kind"] == "closed"
    )


def _closing(day: date) -> datetime:
    return datetime.combine(day, PM_SETTLEMENT, tzinfo=NEW_YORK)


def _newest_yield(source: BundledProvider, session_date: date) -> float | None:
    rows = source.yields(session_date - YIELD_AGE, session_date)
    found = [row.percent for row in rows if row.tenor == TENOR]
    return found[-1] / 100.0 if found else None


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _row(
    contract: OptionSymbol, bid: float | None, ask: float | None, volatility: float | None
) -> OptionRow:
    return OptionRow(
        contract=contract.compact,
        underlying=SYMBOL,
        expiration=contract.expiry,
        right=contract.right,
        strike=float(contract.strike),
        bid=_side(bid),
        ask=_side(ask),
        last=None,
        volume=None,
        open_interest=None,
        implied_volatility=volatility,
        last_trade_at=None,
        currency="USD",
        source=Source.SIM.value,
    )


def _side(price: float | None) -> float | None:
    """A price of four places; what rounds to nothing is no quote."""
    return None if price is None else round(price, PLACES) or None
