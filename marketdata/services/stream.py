"""The live stream's state: begun from the daily matrix, moved one bar at a time."""

from collections.abc import Mapping
from datetime import date
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from marketdata.calculations import live_covariance, price_checks
from marketdata.constants import OVERNIGHT_WINDOW
from marketdata.live import MarketState
from marketdata.models import DailyBar
from marketdata.providers import sources
from marketdata.providers.base import Bar
from marketdata.providers.intraday import DailyMoves, SessionEnds, SimulatedSession
from marketdata.selectors import calendar, instruments
from marketdata.selectors.sessions import Moment


def simulated_session(
    *,
    session_date: date,
    labels: tuple[str, ...],
    covariance: NDArray[np.float64],
    factors: Mapping[str, float],
) -> tuple[SimulatedSession, SessionEnds]:
    """The minute bars between two real closes, and those closes."""
    previous, close = sources.session_ends(session_date)
    renamed = instruments.now_called(close)
    ends = SessionEnds(
        session_date=session_date,
        opens_at=calendar.open_time(session_date),
        minutes=calendar.minutes(session_date),
        previous_close={renamed.get(name, name): price for name, price in previous.items()},
        close={renamed.get(name, name): price for name, price in close.items()},
    )
    moves = DailyMoves(symbols=labels, covariance=covariance, overnight_factor=factors)
    return SimulatedSession(ends=ends, moves=moves), ends


def overnight_factors(*, symbols: tuple[str, ...], until: date) -> dict[str, float]:
    """Daily over intraday volatility per symbol; 1.4 where the source has no opens."""
    bars = DailyBar.objects.filter(
        instrument__symbol__in=symbols,
        session_date__lte=until,
        session_date__gt=calendar.previous(until, OVERNIGHT_WINDOW),
        open__isnull=False,
    ).order_by("session_date")
    opens: dict[str, list[float]] = {}
    closes: dict[str, list[float]] = {}
    for symbol, first, last in bars.values_list("instrument__symbol", "open", "close"):
        assert first is not None  # the rows without one were left out
        opens.setdefault(symbol, []).append(float(first))
        closes.setdefault(symbol, []).append(float(last))
    return {
        symbol: live_covariance.overnight_factor(
            np.array(opens.get(symbol, [])), np.array(closes.get(symbol, []))
        )
        for symbol in symbols
    }


def begin(
    *,
    moment: Moment,
    labels: tuple[str, ...],
    covariance: NDArray[np.float64],
    covariance_id: UUID,
    previous_close: Mapping[str, float],
    factors: Mapping[str, float],
    source: str,
) -> MarketState:
    """The state before a session's first bar: the hybrid matrix is the daily one."""
    symbols = tuple(sorted(set(labels) & set(previous_close)))
    rows = [labels.index(symbol) for symbol in symbols]
    prices = np.array([previous_close[symbol] for symbol in symbols])
    live = live_covariance.LiveCovariance(
        covariance[np.ix_(rows, rows)],
        prices,
        np.array([factors.get(s, live_covariance.OVERNIGHT_FACTOR) for s in symbols]),
    )
    assert moment.playing is not None
    return MarketState(
        session_date=moment.playing,
        as_of=moment.as_of,
        bar=0,
        bars=moment.bars,
        symbols=symbols,
        prices=prices,
        previous_close=prices.copy(),
        covariance_id=covariance_id,
        live=live,
        source=source,
    )


def apply_bar(*, state: MarketState, bar: Bar) -> MarketState:
    """Take one bar in: align by symbol, drop the impossible, update volatilities and matrices.

    A symbol without a believable price keeps its last one and counts as not traded.
    """
    price_of = bar.price_of()
    prices = np.array([price_of.get(symbol, np.nan) for symbol in state.symbols])
    refused = ~price_checks.check(prices, state.live.prices).accepted
    prices[refused] = np.nan
    live = live_covariance.restore(state.live.arrays())
    live.on_bar(prices, first=state.bar == 0)
    return MarketState(
        session_date=state.session_date,
        as_of=bar.as_of,
        bar=bar.index + 1,
        bars=bar.count,
        symbols=state.symbols,
        prices=live.prices.copy(),
        previous_close=state.previous_close,
        covariance_id=state.covariance_id,
        live=live,
        source=bar.source,
    )
