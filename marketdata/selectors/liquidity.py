"""What trading an instrument costs: its own volume where it is real, else the assumed class."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from marketdata.constants import ADV_WINDOW, UNKNOWN_HALF_SPREAD_BP
from marketdata.models import Instrument, PriceSeries
from marketdata.selectors import calendar

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
    rows = PriceSeries.objects.filter(instrument__in=[each.pk for each in asked])
    stored = {key: parts for key, *parts in rows.values_list("instrument_id", "sessions", "volume")}
    days = calendar.between(session_date - _LOOK_BACK, session_date)[-ADV_WINDOW:]
    window = np.array(days, dtype="datetime64[D]").astype("int64")
    found = {}
    for each in asked:
        sessions, volume = stored.get(each.pk, (window, np.full(window.size, np.nan)))
        found[each.pk] = _of_one(each, volume[np.isin(sessions, window)])
    return found


def _of_one(instrument: Instrument, volume: NDArray[np.float64]) -> Liquidity:
    known = volume[np.isfinite(volume) & (volume > 0)]
    spread = instrument.assumed_half_spread_bp
    half = UNKNOWN_HALF_SPREAD_BP if spread is None else spread
    if known.size >= ADV_WINDOW // 2:
        return Liquidity(float(known.mean()), half, True, "real volume, ASSUMED spread")
    if instrument.assumed_volume:
        return Liquidity(float(instrument.assumed_volume), half, True, "ASSUMED")
    return Liquidity(None, half, True, "ASSUMED")
