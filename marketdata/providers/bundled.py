"""The real history shipped in marketdata/data, read as of the replay clock and by label only."""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import numpy as np

from marketdata.choices import PriceBasis, Source
from marketdata.providers import history
from marketdata.providers.base import (
    BarRow,
    CloseTable,
    Coverage,
    InstrumentRow,
    ProviderFailed,
    YieldRow,
)
from marketdata.providers.reference import DATA


class BundledProvider:
    """Daily history up to the session it is told; what lies after it does not exist here."""

    name = Source.BUNDLED.value

    def __init__(self, *, until: date, folder: Path = DATA) -> None:
        self.until = until
        self._history = history.load(folder)
        self._known = history.window(self._history.sessions, date.min, until)[1]

    def instruments(self) -> list[InstrumentRow]:
        """Every symbol of the bundle, in order of symbol."""
        return [self._history.instruments[symbol] for symbol in sorted(self._history.instruments)]

    def last_session(self) -> date:
        """The newest session of the bundle not after the clock."""
        if not self._known:
            raise ProviderFailed("the bundle begins after the clock", until=self.until.isoformat())
        return self._history.sessions[self._known - 1].item()

    def bars(self, symbols: Sequence[str], start: date, end: date) -> Iterator[BarRow]:
        """Daily bars by symbol, then session; none where the series is blank."""
        self._require(symbols)
        rows = self._rows(start, end)
        for symbol in symbols:
            yield from self._bars_of(symbol, rows)

    def closes(self, symbols: Sequence[str], start: date, end: date) -> CloseTable:
        """Closes as a table with one basis a symbol: where it changes, only the newer part."""
        self._require(symbols)
        rows = self._rows(start, end)
        values = np.full((len(rows), len(symbols)), np.nan)
        for place, symbol in enumerate(symbols):
            values[:, place] = self._history.closes[symbol][rows.start : rows.stop]
            change = self._history.full_from.get(symbol, 0) - rows.start
            if 0 < change < len(rows):
                values[:change, place] = np.nan
        sessions = self._history.sessions[rows.start : rows.stop].copy()
        return CloseTable(sessions=sessions, symbols=tuple(symbols), values=values)

    def ends(self, session_date: date) -> tuple[dict[str, float], dict[str, float]]:
        """Previous close and close of one session, of the symbols that have both."""
        rows = self._rows(session_date, session_date)
        if len(rows) != 1 or rows.start == 0:
            raise ProviderFailed("no such session", session_date=session_date.isoformat())
        before = self._history.sessions[rows.start - 1].item()
        table = self.closes(sorted(self._history.instruments), before, session_date)
        previous, close = ({}, {})
        for symbol, (earlier, later) in zip(table.symbols, table.values.T.tolist(), strict=True):
            if earlier == earlier and later == later:  # neither is NaN
                previous[symbol], close[symbol] = earlier, later
        return previous, close

    def yields(self, start: date, end: date) -> Iterator[YieldRow]:
        """Par yields by day, then tenor, in percent; days without a curve are absent."""
        days = self._history.yield_days
        for row in range(*history.window(days, start, min(end, self.until))):
            for tenor, percent in self._history.yields.items():
                if not np.isnan(percent[row]):
                    yield YieldRow(days[row].item(), tenor, float(percent[row]), self.name)

    def coverage(self) -> list[Coverage]:
        """First and last session and number of rows of each series, as of the clock."""
        found = []
        for symbol in sorted(self._history.instruments):
            rows = np.flatnonzero(~np.isnan(self._history.closes[symbol][: self._known]))
            if rows.size:
                first, last = self._history.sessions[rows[[0, -1]]].tolist()
                found.append(Coverage(symbol, first, last, int(rows.size)))
        return found

    def _require(self, symbols: Sequence[str]) -> None:
        unknown = sorted(set(symbols) - set(self._history.instruments))
        if unknown:
            raise ProviderFailed("the bundle has no such symbol", symbols=unknown)

    def _rows(self, start: date, end: date) -> range:
        first, stop = history.window(self._history.sessions, start, end)
        return range(first, max(first, min(stop, self._known)))

    def _bars_of(self, symbol: str, rows: range) -> Iterator[BarRow]:
        closes = self._history.closes[symbol]
        full_bars = self._history.full_bars.get(symbol, {})
        full_from = self._history.full_from.get(symbol, 0)
        for row in rows:
            if np.isnan(closes[row]):
                continue
            basis, close = self._history.basis_at(symbol, row), float(closes[row])
            full = {name: float(series[row]) for name, series in full_bars.items()}
            if row < full_from:
                full = {}
            yield BarRow(
                symbol=symbol,
                session_date=self._history.sessions[row].item(),
                open=full.get("open"),
                high=full.get("high"),
                low=full.get("low"),
                close=close,
                adj_close=full.get("adjusted", close if basis == PriceBasis.ADJUSTED else None),
                volume=int(full["volume"]) if full else None,
                source=self.name,
                price_basis=basis,
            )


def history_end(folder: Path = DATA) -> date:
    """Return the last session on which every series of the bundle has a price."""
    whole = history.load(folder)
    lasts = [np.flatnonzero(~np.isnan(series))[-1] for series in whole.closes.values()]
    return whole.sessions[min(lasts)].item()
