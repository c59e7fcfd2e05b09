"""What one currency is worth in another at a session's close or at a moment, never after it.

Rates are instruments with daily bars like any other (`EURUSD=X`): the gate guards them, and they
grow stale or doubtful as prices do.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import partial
from uuid import UUID

from marketdata.calculations import exchange
from marketdata.calculations.exchange import Leg, Rate
from marketdata.choices import InstrumentKind, PriceClass
from marketdata.models import Instrument
from marketdata.selectors import prices
from marketdata.selectors.bar_marks import Mark
from marketdata.selectors.sessions import Moment

NO_EXCHANGE_RATE = "no_exchange_rate"
# the further right, the less a rate is worth that rests on it
_CLASSES = (
    PriceClass.LIVE,
    PriceClass.DELAYED,
    PriceClass.EOD,
    PriceClass.MANUAL,
    PriceClass.STALE,
    PriceClass.SUSPECT,
)


class Rates:
    """Rates of one close or moment; of a currency in itself there is always one."""

    def __init__(self, marks: Iterable[Mark] = (), session_date: date | None = None) -> None:
        """Take marks of quoted pairs, and the session they are asked for.

        A pair that has not moved in that session was worth the same at the close before.
        """
        self._marks = {each.symbol: each for each in marks}
        self._session_date = session_date
        pairs = ((exchange.pair_of(symbol), symbol) for symbol in self._marks)
        self._symbols = {pair: symbol for pair, symbol in pairs if pair is not None}
        self._found: dict[tuple[str, str], Rate] = {}

    def between(self, origin: str, target: str) -> Rate:
        """The rate from one currency to another; null with a reason where there is none."""
        key = origin, target
        if key not in self._found:
            self._found[key] = self._find(origin, target)
        return self._found[key]

    def converted(
        self, marks: Mapping[UUID, Mark], currencies: Mapping[UUID, str], target: str
    ) -> dict[UUID, Mark]:
        """Marks by instrument in one currency; those in it already stay as they are.

        Each of `currencies` has an answer, if only that there is no price.
        """
        return {
            key: self._in(mark, currencies.get(key, target), target) for key, mark in marks.items()
        }

    def _in(self, mark: Mark, origin: str, target: str) -> Mark:
        if origin == target or mark.rate is not None:
            return mark
        return in_currency(mark, self.between(origin, target))

    def _find(self, origin: str, target: str) -> Rate:
        if origin == target:
            return Rate(origin, target, exchange.ONE, exchange.ONE)
        ways = exchange.paths(self._symbols, origin, target)
        rates = [self._along(origin, target, legs) for legs in ways]
        known = [each for each in rates if each.value is not None]
        sound = [each for each in known if not each.reason]
        return next(iter(sound or known), Rate(origin, target, None, reason=NO_EXCHANGE_RATE))

    def _along(self, origin: str, target: str, legs: tuple[Leg, ...]) -> Rate:
        value = exchange.along(legs, lambda symbol: self._marks[symbol].price)
        if value is None:
            return Rate(origin, target, None, reason=NO_EXCHANGE_RATE)
        marks = [self._marks[symbol] for symbol, _ in legs]
        reasons = [each.reason for each in marks if each.reason]
        return Rate(
            origin=origin,
            target=target,
            value=value,
            previous=exchange.along(legs, self._before),
            as_of=min((each.as_of for each in marks if each.as_of), default=None),
            session_date=min((m.session_date for m in marks if m.session_date), default=None),
            price_class=_worst([each.price_class for each in marks]),
            source=", ".join(dict.fromkeys(each.source for each in marks if each.source)),
            reason=reasons[0] if reasons else "",
            legs=legs,
        )

    def _before(self, symbol: str) -> Decimal | None:
        mark = self._marks[symbol]
        moved = self._session_date is None or mark.session_date == self._session_date
        return mark.previous_close if moved else mark.price


NONE = Rates()


def in_currency(mark: Mark, rate: Rate) -> Mark:
    """A mark in another currency; its own price stays beside it as `quoted`.

    Without a rate there is no price, and the reason says so.
    """
    if mark.price is None:
        return replace(mark, rate=rate)
    if rate.value is None:
        return replace(
            mark,
            price=None,
            previous_close=None,
            greeks=None,
            reason=rate.reason,
            rate=rate,
            quoted=mark.price,
        )
    before = mark.previous_close
    known = before is not None and rate.previous is not None
    return replace(
        mark,
        price=mark.price * rate.value,
        previous_close=before * rate.previous if known else None,  # type: ignore[operator]
        greeks=mark.greeks.times(float(rate.value)) if mark.greeks is not None else None,
        price_class=_worse(mark.price_class, rate.price_class),
        reason=mark.reason or rate.reason,
        rate=rate,
        quoted=mark.price,
    )


def instruments(currencies: Iterable[str]) -> list[Instrument]:
    """The quoted pairs from which rates among these currencies follow: one query, or none."""
    asked = set(currencies)
    if len(asked) < 2:
        return []
    symbols = exchange.spellings(asked)
    found = Instrument.objects.filter(kind=InstrumentKind.FX, symbol__in=symbols)
    return list(found.order_by("symbol"))


def known() -> list[str]:
    """The currencies some quoted pair prices, and the dollar, in order: one query."""
    symbols = Instrument.objects.filter(kind=InstrumentKind.FX).values_list("symbol", flat=True)
    pairs = [pair for pair in map(exchange.pair_of, symbols) if pair is not None]
    return sorted({exchange.CROSS, *(each for pair in pairs for each in pair)})


def closing(*, currencies: Iterable[str], session_date: date) -> Rates:
    """Rates among these currencies at a session's close; of one alone nothing is asked."""
    pairs = instruments(currencies)
    if not pairs:
        return NONE
    marks = prices.closing_marks(instruments=pairs, session_date=session_date)
    return Rates(marks.values(), session_date)


def live(*, currencies: Iterable[str], moment: Moment) -> Rates:
    """Rates among these currencies at the market clock's moment."""
    pairs = instruments(currencies)
    if not pairs:
        return NONE
    marks = prices.live_marks(instruments=pairs, moment=moment)
    return Rates(marks.values(), moment.current)


def of_moment(instrument: Instrument, target: str, moment: Moment) -> Decimal | None:
    """What an instrument's prices of the moment are converted with; None where nobody knows."""
    pair = instrument.currency, target
    return live(currencies=pair, moment=moment).between(*pair).value


def _worst(classes: Iterable[str]) -> str:
    rank = partial(_CLASSES.index)
    known = [PriceClass(each) for each in classes if each in _CLASSES]
    return max(known, key=rank).value if known else ""


def _worse(of_price: str, of_rate: str) -> str:
    """The class of a converted price: its own, unless the rate's is stale or in doubt."""
    if of_rate not in (PriceClass.STALE, PriceClass.SUSPECT):
        return of_price
    return PriceClass.SUSPECT.value if PriceClass.SUSPECT in (of_price, of_rate) else of_rate
