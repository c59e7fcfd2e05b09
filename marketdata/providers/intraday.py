"""A session played minute by minute between two real closes: simulated, seeded, labelled SIM."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from marketdata.calculations import bars as kernels
from marketdata.choices import Source
from marketdata.providers.base import Bar, ProviderFailed

# Expected volatility has no path we could defend: the index waits for its close.
HELD = frozenset({"^VIX"})
DEFAULT_OVERNIGHT_FACTOR = 1.4
PRICE_PLACES = 4


@dataclass(frozen=True, slots=True)
class SessionEnds:
    """What is real about the session: when it is, how long, and where its prices begin and end."""

    session_date: date
    opens_at: datetime  # aware, UTC
    minutes: int  # 390, or 210 on a short day
    previous_close: Mapping[str, float]
    close: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class DailyMoves:
    """How symbols move in a day: entry [i, j] is of the daily returns of symbols i and j."""

    symbols: tuple[str, ...]
    covariance: NDArray[np.float64]
    overnight_factor: Mapping[str, float] = field(default_factory=dict)


class SimulatedSession:
    """One session's bars. The same ends and moves give the same path, in whatever order they come.

    A symbol without a known covariance keeps its previous close until the session's close.
    """

    name = Source.SIM.value

    def __init__(self, *, ends: SessionEnds, moves: DailyMoves) -> None:
        if ends.opens_at.utcoffset() != timedelta(0):
            raise ProviderFailed("a session opens at an aware moment in UTC")
        self.session_date = ends.session_date
        self._ends = ends
        self.symbols = tuple(sorted(set(ends.previous_close) & set(ends.close)))
        self._prices = self._play(moves)

    def bars(self, first: int = 0) -> Iterator[Bar]:
        """Bars of the session from one index on; the last one holds the real closes."""
        for index in range(first, self._ends.minutes):
            yield Bar(
                as_of=self._ends.opens_at + timedelta(minutes=index + 1),
                session_date=self.session_date,
                index=index,
                count=self._ends.minutes,
                symbols=self.symbols,
                prices=self._prices[index],
                source=self.name,
            )

    def _play(self, moves: DailyMoves) -> NDArray[np.float64]:
        """All prices, one row a minute; columns in the order of the symbols."""
        previous = np.array([self._ends.previous_close[symbol] for symbol in self.symbols])
        close = np.array([self._ends.close[symbol] for symbol in self.symbols])
        prices = np.tile(previous, (self._ends.minutes, 1))
        row_of = {symbol: row for row, symbol in enumerate(moves.symbols)}
        moving = [
            column
            for column, symbol in enumerate(self.symbols)
            if symbol in row_of and symbol not in HELD
        ]
        if moving:
            names = [self.symbols[column] for column in moving]
            rows = [row_of[name] for name in names]
            factors = [moves.overnight_factor.get(n, DEFAULT_OVERNIGHT_FACTOR) for n in names]
            path = kernels.minute_path(
                names,
                self.session_date,
                previous[moving],
                close[moving],
                moves.covariance[np.ix_(rows, rows)],
                np.array(factors),
                bars=self._ends.minutes,
            )
            prices[:, moving] = np.round(path, PRICE_PLACES)
        # The close is a fact, not the end of a sum of small steps.
        prices[-1] = close
        prices.flags.writeable = False
        return prices
