"""What the top bar says about the market: state, moment, a few prices."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from marketdata.constants import STRIP, VIX
from marketdata.live import MarketState
from marketdata.models import Instrument
from marketdata.selectors import instruments, prices, rates, vix
from marketdata.selectors.prices import Mark
from marketdata.selectors.sessions import Moment
from marketdata.selectors.vix import VixLevel

_NOTES = {
    "open": "Simulated minutes between two real closes",
    "waiting": "Market closed; the next session is played while somebody watches",
    "ended": "There is no more history after this session",
}
_LIVE_NOTES = {"open": "The exchange is open", "waiting": "Market closed"}


def state_of(moment: Moment) -> str:
    """open, waiting or ended."""
    if moment.in_session:
        return "open"
    return "ended" if moment.ended else "waiting"


def market_message(moment: Moment, state: MarketState | None = None) -> dict[str, Any]:
    """The market channel's whole value."""
    name = state_of(moment)
    return {
        "state": name,
        "as_of": moment.as_of.isoformat().replace("+00:00", "Z"),
        "session_date": moment.current.isoformat(),
        "bar": moment.bar,
        "bars": moment.bars,
        "simulated": moment.simulated,
        "note": (_LIVE_NOTES if moment.live else _NOTES)[name],
        "strip": strip(moment, state),
    }


def strip(moment: Moment, state: MarketState | None = None) -> list[dict[str, Any]]:
    """A few prices with their change, VIX and the ten-year yield at the last close."""
    rows, level = _told(moment) if state is None else (_live(state), _vix(moment))
    if level.level is not None:
        rows.append({"symbol": "VIX", "last": level.level, "change": None, "kind": "level"})
    rate = rates.level(tenor="10Y", session_date=moment.session_date)
    if rate is not None:
        rows.append(
            {
                "symbol": "10Y",
                "last": rate.percent / 100,
                "change": rate.change_bp,
                "kind": "yield",
            }
        )
    return rows


def _vix(moment: Moment) -> VixLevel:
    return vix.level(session_date=moment.session_date)


def _live(state: MarketState) -> list[dict[str, Any]]:
    place = {symbol: index for index, symbol in enumerate(state.symbols)}
    rows = []
    for symbol in STRIP:
        if symbol in place:
            price = float(state.prices[place[symbol]])
            before = float(state.previous_close[place[symbol]])
            rows.append(_row(symbol, price, price / before - 1))
    return rows


def _told(moment: Moment) -> tuple[list[dict[str, Any]], VixLevel]:
    """Prices of the moment and the VIX of its close: at a close all come with one read."""
    found = instruments.by_symbols((*STRIP, VIX))
    index = found.pop(VIX, None)
    together = [index] if index is not None and moment.playing is None else []
    marks = prices.live_marks(instruments=[*found.values(), *together], moment=moment)
    if index is None:
        level = vix.UNKNOWN
    elif together:
        level = vix.of_mark(marks[index.pk], session_date=moment.session_date)
    else:
        level = _vix(moment)  # a quote of the session that runs is no close
    return _prices(found, marks), level


def _prices(found: Mapping[str, Instrument], marks: Mapping[UUID, Mark]) -> list[dict[str, Any]]:
    rows = []
    for symbol in STRIP:
        if symbol not in found:
            continue
        mark = marks[found[symbol].pk]
        if mark.price is not None:
            before = mark.previous_close
            change = float(mark.price / before) - 1 if before else None
            rows.append(_row(symbol, float(mark.price), change))
    return rows


def _row(symbol: str, last: float, change: float | None) -> dict[str, Any]:
    return {"symbol": symbol, "last": last, "change": change, "kind": "price"}
