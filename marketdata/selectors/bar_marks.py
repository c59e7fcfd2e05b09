"""Marks from daily bars: the close of a session, else the newest one before it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from etftrader.core.money import FILL_PRICE
from marketdata.calculations.exchange import Rate
from marketdata.calculations.splits import times
from marketdata.choices import InstrumentKind, PriceClass, Pricing
from marketdata.constants import MAX_STALE_SESSIONS
from marketdata.models import DailyBar, Instrument
from marketdata.selectors import calendar, corporate_actions, open_doubts

# enough calendar days to hold the last usable close and the one before it
_LOOK_BACK = timedelta(days=21)


@dataclass(frozen=True, slots=True)
class Sensitivities:
    """Greeks of one unit of an option and the spot they were taken at; None where not known."""

    spot: float  # currency a share of the underlying
    delta: float  # call 0 to 1, put -1 to 0, whatever side is held
    gamma: float | None = None
    theta: float | None = None  # currency a calendar day
    vega: float | None = None  # currency a volatility point
    rho: float | None = None  # currency a rate point
    iv: float | None = None  # fraction a year

    def times(self, rate: float) -> "Sensitivities":
        """The same in a currency of which one unit of the present one buys `rate`."""
        return replace(
            self,
            spot=self.spot * rate,
            gamma=None if self.gamma is None else self.gamma / rate,
            theta=None if self.theta is None else self.theta * rate,
            vega=None if self.vega is None else self.vega * rate,
            rho=None if self.rho is None else self.rho * rate,
        )


@dataclass(frozen=True, slots=True)
class Mark:
    """One instrument's price with its moment, source and class; null price with a reason.

    With a `rate` the prices are converted, and `quoted` is the price in its own currency.
    """

    instrument_id: UUID
    symbol: str
    price: Decimal | None
    as_of: datetime | None
    session_date: date | None
    price_class: str
    source: str
    reason: str = ""  # no_price, price_stale
    previous_close: Decimal | None = None
    volume: int | None = None
    greeks: Sensitivities | None = None  # of an option, where they are known
    rate: Rate | None = None
    quoted: Decimal | None = None

    @property
    def own_price(self) -> Decimal | None:
        """The price in the instrument's own currency."""
        return self.price if self.rate is None else self.quoted

    @property
    def usable(self) -> bool:
        """Whether analytics may use it: there is a price, at most five sessions old."""
        return self.price is not None and not self.reason


def marks(*, instruments: Iterable[Instrument], session_date: date) -> dict[UUID, Mark]:
    """The close of a session per instrument; an older one is STALE and says its session.

    Prices are in the session's own units: what later splits did to stored bars is undone.
    """
    return read(instruments=instruments, session_date=session_date)[0]


def read(*, instruments: Iterable[Instrument], session_date: date) -> tuple[dict[UUID, Mark], bool]:
    """The marks, and whether some price may be held back, theirs or another's."""
    asked = list(instruments)
    in_doubt = True  # not known until a row says so
    if not asked:
        return {}, in_doubt
    bars: dict[UUID, list[DailyBar]] = {}
    rows = DailyBar.objects.filter(
        instrument_id__in=[each.pk for each in asked if each.pricing == Pricing.AUTO],
        session_date__lte=session_date,
        session_date__gt=session_date - _LOOK_BACK,
    ).order_by("-session_date")
    rescaled: set[UUID] = set()
    told = rows.annotate(
        split_later=corporate_actions.split_after(session_date), in_doubt=open_doubts.exist()
    )
    for bar in told:
        in_doubt = bar.in_doubt
        bars.setdefault(bar.instrument_id, []).append(bar)
        if bar.split_later:
            rescaled.add(bar.instrument_id)
    for each in asked:
        if each.pk not in bars:
            bars[each.pk] = _last_known(each, session_date)
            rescaled.add(each.pk)  # not known from the query above
        elif each.kind == InstrumentKind.OPTION:
            rescaled.add(each.pk)  # by a split of its underlying
    found = {each.pk: _mark(each, bars[each.pk], session_date) for each in asked}
    doubtful = [each for each in asked if each.pk in rescaled and each.pricing == Pricing.AUTO]
    if not doubtful:
        return found, in_doubt
    later = corporate_actions.factors(instruments=doubtful, session_date=session_date)
    for key, steps in later.items():
        found[key] = in_units(found[key], corporate_actions.factor(steps, session_date))
    return found, in_doubt


def in_units(mark: Mark, ratio: Fraction) -> Mark:
    """A mark before a split of `ratio` new for one old, from one after it."""
    if ratio == 1 or mark.price is None:
        return mark
    before = mark.previous_close
    return replace(
        mark,
        price=times(mark.price, ratio, FILL_PRICE),
        previous_close=None if before is None else times(before, ratio, FILL_PRICE),
        volume=None if mark.volume is None else round(mark.volume / ratio),
    )


def _last_known(instrument: Instrument, session_date: date) -> list[DailyBar]:
    earlier = DailyBar.objects.filter(instrument_id=instrument.pk, session_date__lte=session_date)
    return list(earlier.order_by("-session_date")[:2])


def _mark(instrument: Instrument, bars: Sequence[DailyBar], session_date: date) -> Mark:
    if not bars:
        return Mark(instrument.pk, instrument.symbol, None, None, None, "", "", "no_price")
    last = bars[0]
    manual = instrument.pricing == Pricing.MANUAL
    if manual:
        price_class, reason = PriceClass.MANUAL, ""
    elif last.session_date == session_date:
        price_class, reason = PriceClass.EOD, ""
    else:
        age = len(calendar.between(last.session_date, session_date)) - 1
        price_class = PriceClass.STALE
        reason = "price_stale" if age > MAX_STALE_SESSIONS else ""
    # a manual valuation holds until the next one: it has no yesterday of its own
    before = last if manual and last.session_date < session_date else None
    if before is None and len(bars) > 1:
        before = bars[1]
    return Mark(
        instrument_id=instrument.pk,
        symbol=instrument.symbol,
        price=last.close,
        as_of=calendar.close_time(last.session_date),
        session_date=last.session_date,
        price_class=price_class.value,
        source=last.source,
        reason=reason,
        previous_close=before.close if before else None,
        volume=last.volume,
    )
