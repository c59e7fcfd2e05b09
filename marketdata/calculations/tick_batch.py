"""Ticks in batches: which may be believed, which are new, what they make of a minute."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from marketdata.calculations import price_checks
from marketdata.calculations.price_checks import MAX_JUMP, MAX_PRICE

FUTURE, TOO_OLD, UNKNOWN = "future", "too_old", "unknown_symbol"
REASONS = (
    "",
    price_checks.NOT_FINITE,
    price_checks.NOT_POSITIVE,
    price_checks.TOO_LARGE,
    FUTURE,
    TOO_OLD,
    UNKNOWN,
)
MINUTE_US = 60_000_000
_LEEWAY_US = 5_000_000
_SMALLEST = 0.00005  # less is zero at the four places of a price
_MOST_SHARES = 1e15
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Tick:
    """One price as a source told it; None where it said nothing."""

    symbol: str
    at: datetime  # aware
    price: float
    source: str
    volume: float | None = None  # of this trade
    bid: float | None = None
    ask: float | None = None
    day_volume: float | None = None  # of the session up to now


@dataclass(frozen=True, slots=True)
class TickBatch:
    """Ticks as columns of n, in the order in which they arrived; NaN where nothing was said."""

    symbols: tuple[str, ...]  # labels of `symbol`
    sources: tuple[str, ...]  # labels of `source`
    symbol: NDArray[np.int64]
    source: NDArray[np.int64]
    ts: NDArray[np.int64]  # microseconds since 1970-01-01, UTC
    price: NDArray[np.float64]
    volume: NDArray[np.float64]
    bid: NDArray[np.float64]
    ask: NDArray[np.float64]
    day_volume: NDArray[np.float64]

    def rows(self, which: NDArray[np.intp] | slice) -> "TickBatch":
        """Some of the ticks under the same labels."""
        columns = [getattr(self, each.name)[which] for each in fields(self)[2:]]
        return TickBatch(self.symbols, self.sources, *columns)

    @property
    def size(self) -> int:
        """How many ticks there are."""
        return int(self.ts.size)


def microseconds(at: datetime) -> int:
    """An aware moment as whole microseconds since 1970."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def moment(us: int) -> datetime:
    """The aware moment of a count of microseconds."""
    return _EPOCH + timedelta(microseconds=us)


def batch(ticks: Iterable[Tick]) -> TickBatch:
    """Ticks one by one as columns."""
    told = list(ticks)
    columns = {
        name: np.array([getattr(each, name) for each in told], np.float64)
        for name in ("price", "volume", "bid", "ask", "day_volume")
    }
    return of_columns(
        symbol=[each.symbol for each in told],
        source=[each.source for each in told],
        ts=np.array([microseconds(each.at) for each in told], np.int64),
        **columns,
    )


def of_columns(
    *,
    symbol: Sequence[str],
    source: Sequence[str],
    ts: NDArray[np.int64],
    price: NDArray[np.float64],
    volume: NDArray[np.float64] | None = None,
    bid: NDArray[np.float64] | None = None,
    ask: NDArray[np.float64] | None = None,
    day_volume: NDArray[np.float64] | None = None,
) -> TickBatch:
    """A batch from columns of n.

    Parameters
    ----------
    symbol, source : sequence of str, length n
    ts : ndarray of int64, shape (n,)
        Microseconds since 1970-01-01, UTC.
    price, volume, bid, ask, day_volume : ndarray, shape (n,)
        Dollars and shares; NaN or absent where unknown.

    Returns
    -------
    TickBatch

    Raises
    ------
    ValueError
        The columns differ in length.
    """
    unknown = np.full(len(symbol), np.nan)
    optional = [unknown if each is None else each for each in (volume, bid, ask, day_volume)]
    if {len(symbol), len(source), ts.size, price.size, *(each.size for each in optional)} != {
        len(symbol)
    }:
        raise ValueError("the columns of a batch have one length")
    symbols, places = _coded(symbol)
    sources, origins = _coded(source)
    return TickBatch(symbols, sources, places, origins, ts, price, *optional)


def _coded(words: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    labels = {word: place for place, word in enumerate(dict.fromkeys(words))}
    return tuple(labels), np.array([labels[word] for word in words], np.int64)


def refusals(
    ticks: TickBatch, *, known: NDArray[np.bool_], now_us: int, oldest_us: int
) -> NDArray[np.int64]:
    """Why each tick can be no price, whatever came before it.

    Parameters
    ----------
    ticks : TickBatch of n
    known : ndarray of bool, shape (len(ticks.symbols),)
        Which labels are instruments of ours.
    now_us : int
        The moment, microseconds; five seconds more are allowed for clocks that differ.
    oldest_us : int
        Ticks before it are history that is kept no more.

    Returns
    -------
    ndarray of int64, shape (n,)
        Places in REASONS; 0 is none.
    """
    price = ticks.price
    with np.errstate(invalid="ignore"):
        tests = [
            ~known[ticks.symbol] if known.size else np.zeros(price.shape, dtype=bool),
            ~np.isfinite(price),
            price < _SMALLEST,
            price > MAX_PRICE,
            ticks.ts > now_us + _LEEWAY_US,
            ticks.ts < oldest_us,
        ]
    return np.select(tests, [6, 1, 2, 3, 4, 5], 0).astype(np.int64)


def cleaned(ticks: TickBatch) -> TickBatch:
    """The same ticks without impossible volumes and spreads: those are unknown."""
    columns = {each.name: getattr(ticks, each.name) for each in fields(ticks)}
    for name in ("volume", "day_volume"):
        columns[name] = np.where(_between(columns[name], 0.0, _MOST_SHARES), columns[name], np.nan)
    bid, ask = ticks.bid, ticks.ask
    # one side alone may be quoted; a bid above its ask is no quote
    possible = ~(np.nan_to_num(bid, nan=0.0) > np.nan_to_num(ask, nan=np.inf))
    columns["bid"] = np.where(possible & _between(bid, _SMALLEST, MAX_PRICE), bid, np.nan)
    columns["ask"] = np.where(possible & _between(ask, _SMALLEST, MAX_PRICE), ask, np.nan)
    return TickBatch(**columns)


def _between(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        inside: NDArray[np.bool_] = (values >= low) & (values <= high)
    return inside


def once(ticks: TickBatch) -> NDArray[np.intp]:
    """Rows by symbol and time, of equal (symbol, time, source) only the first that arrived."""
    order = np.lexsort((ticks.source, ticks.ts, ticks.symbol))
    if order.size < 2:
        return order
    columns = (ticks.symbol, ticks.ts, ticks.source)
    same = np.logical_and.reduce([each[order][1:] == each[order][:-1] for each in columns])
    return order[np.concatenate(([True], ~same))]


def jumps(
    symbol: NDArray[np.int64], price: NDArray[np.float64], reference: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which prices lie more than 40% from the last believed one before them.

    Parameters
    ----------
    symbol : ndarray of int64, shape (n,)
        Ascending; within a symbol the rows are in order of time.
    price : ndarray, shape (n,)
        Dollars, positive.
    reference : ndarray, shape (m,)
        Last believed price per symbol, dollars; NaN where there is none.

    Returns
    -------
    ndarray of bool, shape (n,)
        A held price is never what the next one is compared with.
    """
    before = np.empty(price.shape)
    if not price.size:
        return np.zeros(0, dtype=bool)
    first = np.concatenate(([True], symbol[1:] != symbol[:-1]))
    before[1:] = price[:-1]
    before[first] = reference[symbol[first]]
    # NaN compares false: without a reference there is no jump
    suspects = np.unique(symbol[np.abs(price / before - 1.0) > MAX_JUMP])
    held = np.zeros(price.shape, dtype=bool)
    starts = np.searchsorted(symbol, suspects)
    ends = np.searchsorted(symbol, suspects, side="right")
    for which, start, end in zip(suspects.tolist(), starts.tolist(), ends.tolist(), strict=True):
        last = float(reference[which])
        for row in range(start, end):
            if abs(price[row] / last - 1.0) > MAX_JUMP:
                held[row] = True
            else:
                last = float(price[row])
    return held


def newest(symbol: NDArray[np.int64]) -> NDArray[np.intp]:
    """The last row of each symbol; rows are ascending by symbol, then time."""
    if not symbol.size:
        return np.zeros(0, dtype=np.intp)
    return np.flatnonzero(np.concatenate((symbol[1:] != symbol[:-1], [True])))


@dataclass(frozen=True, slots=True)
class Minutes:
    """Minutes of symbols and sources, m of them: what new ticks add to each."""

    symbol: NDArray[np.int64]
    source: NDArray[np.int64]
    ends: NDArray[np.int64]  # microseconds; the tick at the full minute opens the next one
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    volume: NDArray[np.float64]  # NaN where no tick said one


def minutes(ticks: TickBatch) -> Minutes:
    """Roll ticks up by symbol, source and minute of the event."""
    ends = (ticks.ts // MINUTE_US + 1) * MINUTE_US
    order = np.lexsort((ends, ticks.source, ticks.symbol))
    symbol, source, ends = (each[order] for each in (ticks.symbol, ticks.source, ends))
    price, volume = ticks.price[order], ticks.volume[order]
    if not order.size:
        return Minutes(symbol, source, ends, price, price, volume)
    changes = np.logical_or.reduce([each[1:] != each[:-1] for each in (symbol, source, ends)])
    starts = np.flatnonzero(np.concatenate(([True], changes)))
    said = np.logical_or.reduceat(~np.isnan(volume), starts)
    return Minutes(
        symbol[starts],
        source[starts],
        ends[starts],
        high=np.maximum.reduceat(price, starts),
        low=np.minimum.reduceat(price, starts),
        volume=np.where(said, np.add.reduceat(np.nan_to_num(volume), starts), np.nan),
    )
