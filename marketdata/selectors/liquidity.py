"""What trading an instrument costs: its own volume where it is real, else the assumed class."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

import numpy as np

from marketdata.constants import ADV_WINDOW, UNKNOWN_HALF_SPREAD_BP
from marketdata.models import Instrument
from marketdata.selectors import prices

# enough calendar days to hold the window's sessions
_LOOK_BACK = timedelta(days=2 * ADV_WINDOW)


@dataclass(frozen=True, slots=True)
class Liquidity:
    """Average daily volume in shares (None: unknown) and half the spread, basis points."""

    adv: float | None
    half_spread_bp: float
    fallback: bool  # something in it is assumed
    source: str


def of(*, instruments: Iterable[Instrument], session_date: date) -> dict[UUID, Liquidity]:
    """Liquidity per instrument, from its last twenty sessions of real volume where it has any."""
    asked = list(instruments)
    panel = prices.panel(
        symbols=[each.symbol for each in asked],
        until=session_date,
        start=session_date - _LOOK_BACK,
        rows=ADV_WINDOW,
    )
    column = {symbol: place for place, symbol in enumerate(panel.symbols)}
    return {each.pk: _of_one(each, panel.volume[:, column[each.symbol]]) for each in asked}


def _of_one(instrument: Instrument, volume: np.ndarray) -> Liquidity:
    known = volume[np.isfinite(volume) & (volume > 0)]
    spread = instrument.assumed_half_spread_bp
    half = UNKNOWN_HALF_SPREAD_BP if spread is None else spread
    if known.size >= ADV_WINDOW // 2:
        return Liquidity(float(known.mean()), half, True, "real volume, ASSUMED spread")
    if instrument.assumed_volume:
        return Liquidity(float(instrument.assumed_volume), half, True, "ASSUMED")
    return Liquidity(None, half, True, "ASSUMED")
