"""What is live about the market: the state between bars, and what the channels say."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from etftrader.core import livestate, push
from marketdata.calculations.live_covariance import LiveCovariance, restore

KEY = "live:market"
VERSION = 1
TTL_S = 86_400


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
    push.publish(
        "quotes",
        "quotes.updated",
        {
            symbol: quote(
                float(price), float(before), state.as_of, state.source, quality="full"
            )
            for symbol, price, before in zip(
                state.symbols, state.prices, state.previous_close, strict=True
            )
        },
    )


def quote(
    price: float, before: float | None, as_of: datetime, source: str, *, quality: str
) -> dict[str, Any]:
    """One quote as REST and sockets show it."""
    change = None if before is None else price - before
    return {
        "price": f"{price:.4f}",
        "last": f"{price:.4f}",
        "change": None if change is None else f"{change:.4f}",
        "changeRate": None if not before or change is None else change / before,
        "timestamp": as_of.isoformat().replace("+00:00", "Z"),
        "bid": None,
        "ask": None,
        "source": source,
        "age_seconds": 0,
        "quality": quality,
    }


def publish_market(data: dict[str, Any]) -> None:
    """Tell everybody how the market stands: state, moment, strip."""
    push.publish("market", "market.updated", data)
