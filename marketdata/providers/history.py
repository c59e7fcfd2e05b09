"""The bundle's price and yield files in memory: read once a process, found by label."""

import csv
import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from marketdata.choices import PriceBasis
from marketdata.providers.base import InstrumentRow, ProviderFailed
from marketdata.providers.reference import instrument_rows

FULL_FIELDS = ("open", "high", "low", "close", "adjusted", "volume")
# Outside this range a yield in percent is an error of units, not a market.
YIELD_RANGE = (-2.0, 25.0)

Floats = NDArray[np.float64]
Days = NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class History:
    """Every array has one entry a session (or yield day), NaN where the file is blank."""

    instruments: dict[str, InstrumentRow]
    sessions: Days
    closes: dict[str, Floats]  # of record, whole history
    full_bars: dict[str, dict[str, Floats]]  # symbols with open, high, low and volume
    full_from: dict[str, int]  # row at which their full bars begin
    yield_days: Days
    yields: dict[str, Floats]  # by tenor, percent

    def basis_at(self, symbol: str, row: int) -> str:
        """Price basis of one row: before a symbol's full bars only an adjusted close is there."""
        if row < self.full_from.get(symbol, 0):
            return PriceBasis.ADJUSTED.value
        return self.instruments[symbol].price_basis


@lru_cache(maxsize=4)
def load(folder: Path) -> History:
    """Read and check one folder of bundle files."""
    instruments = {row.symbol: row for row in instrument_rows(folder)}
    sessions, columns = _by_day(_lines(folder / "daily_close.csv.gz"))
    full_bars = _full_bars(_lines(folder / "megacap_ohlcv.csv.gz"), sessions)
    full_from = {
        symbol: int(np.flatnonzero(~np.isnan(fields["close"]))[0])
        for symbol, fields in full_bars.items()
    }
    closes = dict(columns)
    for symbol, fields in full_bars.items():
        # Both files know Apple: its full bars are the record as soon as they begin.
        early = np.arange(sessions.size) < full_from[symbol]
        before = columns.get(symbol, np.full(sessions.size, np.nan))
        closes[symbol] = np.where(early, before, fields["close"])
    yield_days, yields = _by_day(_lines(folder / "ust_curve.csv.gz"))
    _check(instruments, closes, yields)
    return History(instruments, sessions, closes, full_bars, full_from, yield_days, yields)


def window(days: Days, start: date, end: date) -> tuple[int, int]:
    """Return first row and the row after the last of the days from start to end."""
    first = np.searchsorted(days, np.datetime64(start, "D"), side="left")
    stop = np.searchsorted(days, np.datetime64(end, "D"), side="right")
    return int(first), int(stop)


def _lines(path: Path) -> list[list[str]]:
    try:
        text = gzip.decompress(path.read_bytes()).decode()
    except (OSError, EOFError) as failure:
        raise ProviderFailed("a bundled file cannot be read", file=path.name) from failure
    return list(csv.reader(io.StringIO(text)))


def _by_day(lines: Sequence[Sequence[str]]) -> tuple[Days, dict[str, Floats]]:
    """Sort a file of one row a day by its date column; the others by their names."""
    names, rows = lines[0], lines[1:]
    if len(set(names)) != len(names) or "date" not in names:
        raise ProviderFailed("a bundled file has a doubtful header", header=",".join(names))
    table = dict(zip(names, zip(*rows, strict=True), strict=True))
    days = np.array(table.pop("date"), dtype="datetime64[D]")
    order = np.argsort(days)
    if (np.diff(days[order]) <= np.timedelta64(0, "D")).any():
        raise ProviderFailed("a bundled file names a day twice")
    return days[order], {name: _floats(cells)[order] for name, cells in table.items()}


def _floats(cells: Sequence[str]) -> Floats:
    return np.array([float(cell) if cell else np.nan for cell in cells])


def _full_bars(lines: Sequence[Sequence[str]], sessions: Days) -> dict[str, dict[str, Floats]]:
    """Spread a file of one row a symbol and day over the sessions of the bundle."""
    table = dict(zip(lines[0], zip(*lines[1:], strict=True), strict=True))
    days = np.array(table["date"], dtype="datetime64[D]")
    rows = np.searchsorted(sessions, days)
    if not np.array_equal(sessions[np.minimum(rows, sessions.size - 1)], days):
        raise ProviderFailed("a full bar lies outside the sessions of the bundle")
    symbols = np.array(table["symbol"])
    values = {field: _floats(table[field]) for field in FULL_FIELDS}
    spread: dict[str, dict[str, Floats]] = {}
    for symbol in np.unique(symbols).tolist():
        of_symbol = symbols == symbol
        spread[symbol] = {field: np.full(sessions.size, np.nan) for field in FULL_FIELDS}
        for field, series in values.items():
            spread[symbol][field][rows[of_symbol]] = series[of_symbol]
    return spread


def _check(
    instruments: dict[str, InstrumentRow],
    closes: dict[str, Floats],
    yields: dict[str, Floats],
) -> None:
    """Refuse a bundle whose tables do not fit, or with a price or yield that cannot be one."""
    if set(instruments) != set(closes):
        odd = sorted(set(instruments) ^ set(closes))
        raise ProviderFailed("symbol table and prices do not fit", symbols=odd)
    bad = [symbol for symbol, series in closes.items() if (series <= 0).any()]
    low, high = YIELD_RANGE
    bad += [tenor for tenor, series in yields.items() if ((series < low) | (series > high)).any()]
    if bad:
        raise ProviderFailed("a bundled series holds an impossible value", series=bad)
