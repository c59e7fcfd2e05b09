"""What is live about the market: the state between bars, last prices, what the channels say."""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from etftrader.core import livestate, push
from etftrader.core.money import plain, to_fill_price
from marketdata.calculations.live_covariance import LiveCovariance, restore
from marketdata.choices import PriceClass

KEY = "live:market"
VERSION = 1
TTL_S = 86_400
PRICES_KEY = "live:prices"
RECORD = np.dtype([("index", "<u2"), ("price", "<f8")])
MOST_SYMBOLS = 65_536
# kind (whole or block), name of the universe, microseconds, entries, bytes of the labels
_HEAD = struct.Struct("<c8sqII")
_WHOLE, _BLOCK = b"W", b"B"
_DENSE = 4  # a batch of a quarter of the universe is sent as the whole vector
_LOG = 4  # blocks of so many universes are begun anew


@dataclass(frozen=True, slots=True)
class MarketState:
    """One bar's market: entry i of every array is symbols[i]."""

    session_date: date
    as_of: datetime
    bar: int  # bars shown
    bars: int
    symbols: tuple[str, ...]
    prices: NDArray[np.float64]  # (n,) dollars
    previous_close: NDArray[np.float64]  # (n,)
    covariance_id: UUID  # of the daily matrix whose correlations these are
    live: LiveCovariance
    source: str

    @property
    def hybrid(self) -> NDArray[np.float64]:
        """Daily correlation with live volatility, shape (n, n), of daily returns."""
        return self.live.hybrid()

    @property
    def raw(self) -> NDArray[np.float64]:
        """The fast gauge, shape (n, n), of daily returns. It decides nothing."""
        return self.live.raw()

    @property
    def data_version(self) -> str:
        """Names exactly this state."""
        return f"{self.session_date}/{self.bar}/{self.covariance_id}"


def save(state: MarketState) -> None:
    """Store the state for readers in other processes."""
    livestate.save(
        KEY,
        version=VERSION,
        header={
            "session_date": state.session_date.isoformat(),
            "as_of": state.as_of.isoformat(),
            "bar": state.bar,
            "bars": state.bars,
            "symbols": list(state.symbols),
            "covariance_id": str(state.covariance_id),
            "source": state.source,
        },
        arrays={"previous_close": state.previous_close, **state.live.arrays()},
        ttl_s=TTL_S,
    )


def load() -> MarketState | None:
    """Read the state; None when there is none, or the live store is away."""
    try:
        record = livestate.load(KEY, version=VERSION)
    except livestate.LiveError:
        return None
    if record is None:
        return None
    try:
        arrays = dict(record.arrays)
        previous = arrays.pop("previous_close")
        live = restore(arrays)
        header = record.header
        return MarketState(
            session_date=date.fromisoformat(header["session_date"]),
            as_of=datetime.fromisoformat(header["as_of"]),
            bar=header["bar"],
            bars=header["bars"],
            symbols=tuple(header["symbols"]),
            prices=live.prices,
            previous_close=previous,
            covariance_id=UUID(header["covariance_id"]),
            live=live,
            source=header["source"],
        )
    except (KeyError, ValueError, TypeError):
        return None


def clear() -> None:
    """Forget the state: no session is being played."""
    try:
        livestate.delete(KEY)
    except livestate.LiveError:
        return


def publish_quotes(state: MarketState) -> None:
    """Tell everybody the prices of a bar."""
    told = {}
    prices, before = state.prices.tolist(), state.previous_close.tolist()
    for symbol, price, previous in zip(state.symbols, prices, before, strict=True):
        told[symbol] = quote(
            Quoted(
                symbol=symbol,
                price=to_fill_price(price),
                previous_close=to_fill_price(previous),
                as_of=state.as_of,
                session_date=state.session_date,
                source=state.source,
                quality=PriceClass.LIVE.value,
            ),
            now=state.as_of,
        )
    push.publish("quotes", "quotes.updated", told)


@dataclass(frozen=True, slots=True)
class Quoted:
    """One price on its way to whoever asked: null with a reason where there is none."""

    symbol: str
    price: Decimal | None = None
    previous_close: Decimal | None = None
    as_of: datetime | None = None
    session_date: date | None = None
    volume: int | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None
    source: str = ""
    quality: str = ""  # of PriceClass
    reason: str = ""


def quote(told: Quoted, *, now: datetime) -> dict[str, Any]:
    """One quote as REST and sockets show it; its age is on the market clock."""
    before = told.previous_close
    change = None if told.price is None or before is None else told.price - before
    return {
        "symbol": told.symbol,
        "price": plain(told.price),
        "change": plain(change),
        "changeRate": None if change is None or not before else float(change / before),
        "timestamp": None if told.as_of is None else _moment(told.as_of),
        "volume": told.volume,
        "bid": plain(told.bid),
        "ask": plain(told.ask),
        "previous_close": plain(before),
        "session_date": told.session_date.isoformat() if told.session_date else None,
        "source": told.source or None,
        "age_seconds": None if told.as_of is None else _age(told.as_of, now),
        "quality": told.quality or None,
        "reason": told.reason or None,
    }


def _age(as_of: datetime, now: datetime) -> int:
    # a price may come in after the clock was read: it is new, not from the future
    return max(0, int((now - as_of).total_seconds()))


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class LastPrices:
    """Last prices by label: prices[i] is of symbols[i], NaN where none is known."""

    symbols: tuple[str, ...]
    prices: NDArray[np.float64]  # (n,) dollars
    as_of: int  # microseconds since 1970-01-01, UTC; of the newest price


class PriceBoard:
    """The last prices of a universe, held by the one who writes them, copied to the live store.

    The store holds one string: the whole vector with its labels, then a block of (index, price)
    for every batch since. A batch is one round trip whatever its size. A store that lost the
    string, or a part of it, is given the whole anew.
    """

    def __init__(
        self, symbols: Sequence[str] = (), prices: NDArray[np.float64] | None = None
    ) -> None:
        self.symbols: tuple[str, ...] = ()
        self.prices: NDArray[np.float64] = np.empty(0)
        self._place: dict[str, int] = {}
        self._as_of = self._logged = self._length = 0
        self._name = b""
        self.keep(symbols)
        if prices is not None:
            self.prices[self.places(symbols)] = prices

    def keep(self, symbols: Sequence[str]) -> None:
        """Hold exactly these symbols from now on; who stays keeps its price to the last bit."""
        labels = tuple(sorted(set(symbols)))
        if len(labels) > MOST_SYMBOLS:
            raise ValueError(f"a universe has at most {MOST_SYMBOLS} symbols")
        prices = np.full(len(labels), np.nan)
        stay = [
            (place, self._place[each]) for place, each in enumerate(labels) if each in self._place
        ]
        if stay:
            new, old = np.array(stay).T
            prices[new] = self.prices[old]
        self.symbols, self.prices = labels, prices
        self._place = {symbol: place for place, symbol in enumerate(labels)}
        self._name = hashlib.blake2b("\n".join(labels).encode(), digest_size=8).digest()
        self._length = 0  # what the store has is of another universe

    def know(self, last: "LastPrices") -> None:
        """Take in what is known of the symbols held here that have no price yet."""
        for symbol, price in zip(last.symbols, last.prices.tolist(), strict=True):
            place = self._place.get(symbol)
            if place is not None and np.isnan(self.prices[place]):
                self.prices[place] = price

    def publish(self, symbols: Sequence[str], prices: NDArray[np.float64], as_of: int) -> None:
        """Take prices in by label, each symbol once, and tell the store. See `send`."""
        if not self._place.keys() >= set(symbols):
            self.keep([*self.symbols, *symbols])
        self.send(self.places(symbols), prices, as_of)

    def places(self, symbols: Sequence[str]) -> NDArray[np.int64]:
        """Where these symbols stand, for `send`. Raises KeyError for one that is not held."""
        return np.array([self._place[symbol] for symbol in symbols], np.int64)

    def send(self, places: NDArray[np.int64], prices: NDArray[np.float64], as_of: int) -> bool:
        """Take prices in by place and tell the store; False when it is away.

        `as_of` is in microseconds since 1970-01-01. Without the store the prices are kept here,
        and the next batch after its return carries the whole.
        """
        self.prices[places] = prices
        self._as_of = max(self._as_of, as_of)
        size = len(self.symbols)
        dense = _DENSE * places.size >= size or self._logged >= _LOG * size
        try:
            if dense or not self._length:
                self._send_whole()
            elif not self._send_block(places, prices):
                self._send_whole()
        except livestate.LiveError:
            self._length = 0
            return False
        return True

    def _send_whole(self) -> None:
        labels = "\n".join(self.symbols).encode()
        head = _HEAD.pack(_WHOLE, self._name, self._as_of, len(self.symbols), len(labels))
        text = b"".join((head, self.prices.tobytes(), labels))
        livestate.client().set(PRICES_KEY, text, ex=TTL_S)
        self._length, self._logged = len(text), 0

    def _send_block(self, places: NDArray[np.int64], prices: NDArray[np.float64]) -> bool:
        """Append a block; False when the store does not hold what was sent before."""
        records = np.empty(places.size, RECORD)
        records["index"], records["price"] = places, prices
        text = _HEAD.pack(_BLOCK, self._name, self._as_of, places.size, 0) + records.tobytes()
        self._length += len(text)
        self._logged += places.size
        return livestate.client().append(PRICES_KEY, text) == self._length


def last_prices() -> LastPrices | None:
    """Last prices as the store has them; None when it has none, or is away: ask the tables then."""
    try:
        text = livestate.client().get(PRICES_KEY)
    except livestate.LiveError:
        return None
    return None if text is None else read_prices(bytes(text))  # type: ignore[arg-type]


def read_prices(text: bytes) -> LastPrices | None:
    """Rebuild the vector from the store's string; None when it is not one of ours."""
    try:
        kind, name, as_of, size, labels = _HEAD.unpack_from(text)
        if kind != _WHOLE:
            return None
        place = _HEAD.size
        prices = np.frombuffer(text, "<f8", size, place).copy()
        place += prices.nbytes
        symbols = _labels(text[place : place + labels])
        place += labels
        while place < len(text):
            kind, owner, as_of, count, _ = _HEAD.unpack_from(text, place)
            if kind != _BLOCK or owner != name:
                return None
            records = np.frombuffer(text, RECORD, count, place + _HEAD.size)
            prices[records["index"]] = records["price"]
            place += _HEAD.size + records.nbytes
    except (struct.error, ValueError, IndexError):
        return None
    return LastPrices(symbols, prices, as_of) if len(symbols) == size else None


@lru_cache(maxsize=4)
def _labels(text: bytes) -> tuple[str, ...]:
    return tuple(text.decode().split("\n")) if text else ()
