"""Exchange rates of a bar: by the live state where it knows a pair, else by the last close."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from marketdata.calculations.exchange import Leg
from marketdata.choices import PriceClass
from marketdata.live import MarketState
from marketdata.selectors.exchange_rates import NO_EXCHANGE_RATE
from risk.selectors.figures import LiveMark, worst_class
from risk.services.monitor_shelf import Shelf


@dataclass(frozen=True, slots=True)
class LiveRate:
    """A book's money for one unit of a currency, now and at the close before."""

    now: float
    before: float | None
    legs: tuple[Leg, ...]
    price_class: str


class LiveRates:
    """Rates of one bar, each found once; without a state those of the last close."""

    def __init__(self, shelf: Shelf, state: MarketState | None = None) -> None:
        self._shelf, self._state = shelf, state
        symbols = state.symbols if state is not None else ()
        self._place: Mapping[str, int] = {symbol: row for row, symbol in enumerate(symbols)}
        self._found: dict[tuple[str, str], LiveRate | None] = {}

    def converted(self, mark: LiveMark, symbol: str, base: str) -> LiveMark:
        """A held name in its book's currency; without a rate it has no exposure."""
        origin = self._shelf.instruments[symbol].currency
        if origin == base or mark.exposure is None:
            return mark
        rate = self._rate(origin, base)
        if rate is None:
            return replace(mark, exposure=None, day_pnl=None, delta=None, reason=NO_EXCHANGE_RATE)
        worth = mark.exposure * rate.now
        gain = None
        if mark.day_pnl is not None and rate.before is not None:
            gain = worth - (mark.exposure - mark.day_pnl) * rate.before
        doubtful = rate.price_class in (PriceClass.STALE, PriceClass.SUSPECT)
        classes = [mark.price_class, rate.price_class] if mark.price_class else []
        return replace(
            mark,
            exposure=worth,
            day_pnl=gain,
            delta=None if mark.delta is None else mark.delta * rate.now,
            price_class=worst_class(classes) if doubtful and classes else mark.price_class,
            rates=tuple((name, sign * worth) for name, sign in rate.legs),
        )

    def _rate(self, origin: str, target: str) -> LiveRate | None:
        key = origin, target
        if key not in self._found:
            self._found[key] = self._find(origin, target)
        return self._found[key]

    def _find(self, origin: str, target: str) -> LiveRate | None:
        close = self._shelf.rates.between(origin, target)
        if close.value is None:
            return None
        if not any(name in self._place for name, _ in close.legs):
            # between sessions the close moved from the one before; in a session it stands
            earlier = close.previous if self._state is None else close.value
            known = None if earlier is None else float(earlier)
            return LiveRate(float(close.value), known, close.legs, close.price_class)
        now = before = 1.0
        for name, sign in close.legs:
            price, last = self._pair(name)
            now, before = now * price**sign, before * last**sign
        return LiveRate(now, before, close.legs, PriceClass.LIVE.value)

    def _pair(self, name: str) -> tuple[float, float]:
        if self._state is not None and name in self._place:
            row = self._place[name]
            return float(self._state.prices[row]), float(self._state.previous_close[row])
        price = self._shelf.pairs[name].price
        assert price is not None
        return float(price), float(price)
