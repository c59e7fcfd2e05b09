"""Trailing stops whose distance follows the VIX, over a history or one close at a time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

LOW, NORMAL, HIGH, UNKNOWN = "low", "normal", "high", "unknown"
TABLE, VOL_SCALED = "table", "vol_scaled"
LONG, SHORT = "long", "short"
CALM_BELOW, TENSE_ABOVE = 15.0, 25.0
DISTANCES = {LOW: 0.15, NORMAL: 0.12, HIGH: 0.10, UNKNOWN: 0.12}
SLACK = 1e-9
JUMP = 0.40


@dataclass(frozen=True, slots=True)
class Regime:
    """The market's mood by the VIX, and the stop distance it calls for (fraction)."""

    name: str
    distance: float


@dataclass(frozen=True, slots=True)
class TrailingStop:
    """A stop after some closes; prices in dollars, adjusted for splits since the entry."""

    side: str
    extreme: float  # highest close since entry for a long, lowest for a short
    stop_price: float | None = None  # None before the first close
    close: float | None = None  # last close taken
    regime: Regime | None = None  # of that close
    triggered: bool = False

    @property
    def distance(self) -> float | None:
        """Room left, as a fraction of the close; negative once the stop is passed."""
        if self.stop_price is None or self.close is None:
            return None
        room = self.close - self.stop_price
        return (room if self.side == LONG else -room) / self.close


@dataclass(frozen=True, slots=True)
class TrailingResult:
    """A stop run over a history, and the close that triggered it, if one did."""

    stop: TrailingStop
    triggered_index: int | None


def vix_regime(
    vix: float | None,
    mode: str = TABLE,
    *,
    k: float = 2.5,
    horizon_days: float = 21.0,
    d_min: float = 0.08,
    d_max: float = 0.25,
) -> Regime:
    """Stop distance that goes with a VIX level.

    Parameters
    ----------
    vix : float or None
        Index points; None (or not finite) is the unknown regime at 12%.
    mode : str
        "table": 15% below 15, 12% from 15 to 25, 10% above. "vol_scaled": k times the VIX over
        the horizon, held between `d_min` and `d_max`.

    Returns
    -------
    Regime
        Distance as a fraction of the extreme.

    Raises
    ------
    ValueError
        The mode is unknown.
    """
    if mode not in (TABLE, VOL_SCALED):
        raise ValueError(f"not a stop mode: {mode!r}")
    if vix is None or not math.isfinite(vix) or vix <= 0.0:
        return Regime(UNKNOWN, DISTANCES[UNKNOWN])
    name = LOW if vix < CALM_BELOW else HIGH if vix > TENSE_ABOVE else NORMAL
    if mode == TABLE:
        return Regime(name, DISTANCES[name])
    scaled = k * vix / 100.0 * math.sqrt(horizon_days / 252.0)
    return Regime(name, min(max(scaled, d_min), d_max))


def opened(side: str, entry: float) -> TrailingStop:
    """A stop at the entry of a position, before any close.

    Raises ValueError for an unknown side or an entry that is not a positive price.
    """
    if side not in (LONG, SHORT):
        raise ValueError(f"not a side: {side!r}")
    if not 0.0 < entry < math.inf:
        raise ValueError(f"not an entry price: {entry}")
    return TrailingStop(side=side, extreme=entry)


def step(
    stop: TrailingStop,
    close: float | None,
    vix: float | None,
    *,
    mode: str = TABLE,
    ratchet: bool = True,
    confirmed: bool = True,
) -> TrailingStop:
    """Take one close.

    Parameters
    ----------
    stop : TrailingStop
        State after the close before. A triggered stop stays as it is.
    close : float or None
        Split-adjusted. None, zero and not finite change nothing and never trigger.
    vix : float or None
        The session's VIX close.
    mode : str
        As in `vix_regime`.
    ratchet : bool
        The stop never moves away from the price once it is set.
    confirmed : bool
        False for a move beyond 40% that nothing explains: it changes nothing either.

    Returns
    -------
    TrailingStop
        With the extreme including this close.
    """
    usable = close is not None and math.isfinite(close) and close > 0.0 and confirmed
    if stop.triggered or close is None or not usable:
        return stop
    regime = vix_regime(vix, mode)
    if stop.side == LONG:
        extreme = max(stop.extreme, close)
        price = extreme * (1.0 - regime.distance)
        if ratchet and stop.stop_price is not None:
            price = max(price, stop.stop_price)
        triggered = close <= price + SLACK
    else:
        extreme = min(stop.extreme, close)
        price = extreme * (1.0 + regime.distance)
        if ratchet and stop.stop_price is not None:
            price = min(price, stop.stop_price)
        triggered = close >= price - SLACK
    return TrailingStop(stop.side, extreme, price, close, regime, triggered)


def trailing(
    entry: float,
    closes: Sequence[float | None],
    vix: Sequence[float | None],
    side: str = LONG,
    *,
    mode: str = TABLE,
    ratchet: bool = True,
) -> TrailingResult:
    """Run a stop over a history of closes; it ends at the trigger.

    Parameters
    ----------
    entry : float
        Price the position was opened at.
    closes, vix : sequence
        One VIX per close, oldest first.
    side : str
        "long" or "short".
    mode, ratchet
        As in `step`.

    Returns
    -------
    TrailingResult
        State at the last close processed, and the index of the trigger or None.

    Raises
    ------
    ValueError
        The series have different lengths, or side or entry are unusable.
    """
    if len(closes) != len(vix):
        raise ValueError(f"{len(closes)} closes and {len(vix)} VIX levels")
    stop = opened(side, entry)
    for index, (close, level) in enumerate(zip(closes, vix, strict=True)):
        stop = step(stop, close, level, mode=mode, ratchet=ratchet)
        if stop.triggered:
            return TrailingResult(stop, index)
    return TrailingResult(stop, None)


def is_jump(close: float, previous: float) -> bool:
    """A one-day move beyond 40%, which needs a corporate action or a second source."""
    return abs(close / previous - 1.0) > JUMP


def after_split(stop: TrailingStop, ratio: float) -> TrailingStop:
    """The same stop in new units, `ratio` new per old. Raises ValueError unless positive."""
    if not 0.0 < ratio < math.inf:
        raise ValueError(f"not a split ratio: {ratio}")
    return replace(
        stop,
        extreme=stop.extreme / ratio,
        stop_price=None if stop.stop_price is None else stop.stop_price / ratio,
        close=None if stop.close is None else stop.close / ratio,
    )
