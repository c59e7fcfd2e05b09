"""Prices by label: marks of a session or of the moment, and panels for kernels.

No answer holds a row later than the session it was asked for.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import numpy as np
from django.db.models import Q, Subquery
from numpy.typing import NDArray

from etftrader.core.money import FILL_PRICE
from marketdata.calculations.returns import simple_returns
from marketdata.calculations.splits import times
from marketdata.choices import InstrumentKind, PriceClass, Pricing
from marketdata.constants import DELAYED_AGE, LIVE_AGE, MAX_STALE_SESSIONS
from marketdata.models import DailyBar, Instrument, PriceSeries, Quote, ReplayClock
from marketdata.selectors import calendar, corporate_actions
from marketdata.selectors.sessions import Moment

# enough calendar days to hold the last usable close and the one before it
_LOOK_BACK = timedelta(days=21)


@dataclass(frozen=True, slots=True)
class Mark:
    """One instrument's price with its moment, source and class; null price with a reason."""

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

    @property
    def usable(self) -> bool:
        """Whether analytics may use it: there is a price, at most five sessions old."""
        return self.price is not None and not self.reason


@dataclass(frozen=True, slots=True)
class PricePanel:
    """Closes by label: entry [i, j] is symbols[j] on sessions[i], NaN where there is none."""

    symbols: tuple[str, ...]
    sessions: NDArray[np.datetime64]  # (t,), oldest first
    close: NDArray[np.float64]  # (t, n), what positions are valued at
    total_return: NDArray[np.float64]  # (t, n), adjusted where the source has it
    volume: NDArray[np.float64]  # (t, n)
    breaks: tuple[tuple[int, int], ...] = ()  # (row, column): no return is taken into this row

    def returns(self) -> NDArray[np.float64]:
        """Simple returns, shape (t - 1, n); NaN at gaps and where the price basis changes."""
        result = simple_returns(self.total_return)
        for row, column in self.breaks:
            if row > 0:
                result[row - 1, column] = np.nan
        return result


def marks(*, instruments: Iterable[Instrument], session_date: date) -> dict[UUID, Mark]:
    """The close of a session per instrument; an older one is STALE and says its session.

    Prices are in the session's own units: what later splits did to stored bars is undone.
    """
    asked = list(instruments)
    bars: dict[UUID, list[DailyBar]] = {}
    rows = DailyBar.objects.filter(
        instrument_id__in=[each.pk for each in asked if each.pricing == Pricing.AUTO],
        session_date__lte=session_date,
        session_date__gt=session_date - _LOOK_BACK,
    ).order_by("-session_date")
    rescaled: set[UUID] = set()
    for bar in rows.annotate(split_later=corporate_actions.split_after(session_date)):
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
        return found
    later = corporate_actions.factors(instruments=doubtful, session_date=session_date)
    for key, steps in later.items():
        found[key] = in_units(found[key], corporate_actions.factor(steps, session_date))
    return found


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
    earlier = DailyBar.objects.filter(
        instrument_id=instrument.pk, session_date__lte=session_date
    )
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


def live_marks(*, instruments: Iterable[Instrument], moment: Moment) -> dict[UUID, Mark]:
    """Prices of the moment: quotes while a session plays, closes otherwise.

    A bar that passed since the moment was asked has replaced its quotes: those of the newer bar
    serve then, and say their own time. Yesterday's close is no answer to that.
    """
    asked = list(instruments)
    if moment.playing is None:
        return marks(instruments=asked, session_date=moment.session_date)
    shown = ReplayClock.objects.filter(playing=moment.playing, round=moment.round).values("as_of")
    quotes = Quote.objects.filter(
        Q(as_of__lte=moment.as_of) | Q(as_of__lte=Subquery(shown)),
        instrument_id__in=[each.pk for each in asked],
        session_date=moment.playing,
    )
    quoted = {quote.instrument_id: quote for quote in quotes}
    closes = marks(
        instruments=[each for each in asked if each.pk not in quoted],
        session_date=moment.session_date,
    )
    live = {
        each.pk: _live(each, quoted[each.pk], moment) for each in asked if each.pk in quoted
    }
    return live | closes


def _live(instrument: Instrument, quote: Quote, moment: Moment) -> Mark:
    age = moment.as_of - quote.as_of
    if age <= LIVE_AGE:
        price_class = PriceClass.LIVE
    elif age <= DELAYED_AGE:
        price_class = PriceClass.DELAYED
    else:
        price_class = PriceClass.STALE
    return Mark(
        instrument_id=instrument.pk,
        symbol=instrument.symbol,
        price=quote.price,
        as_of=quote.as_of,
        session_date=quote.session_date,
        price_class=price_class.value,
        source=quote.source,
        previous_close=quote.previous_close,
        volume=quote.volume,
    )


def panel(
    *,
    symbols: Iterable[str],
    until: date,
    rows: int | None = None,
    start: date | None = None,
) -> PricePanel:
    """Closes of the symbols on the exchange's sessions, up to and including `until`.

    `rows` keeps the newest so many sessions, `start` the ones from that day on. Symbols come back
    sorted; an unknown one is a column of NaN.
    """
    labels = tuple(sorted(set(symbols)))
    stored = {
        series.instrument.symbol: series
        for series in PriceSeries.objects.filter(instrument__symbol__in=labels).select_related(
            "instrument"
        )
    }
    first = start or min((each.first_session for each in stored.values()), default=until)
    sessions = np.array(calendar.between(first, until), dtype="datetime64[D]")
    if rows is not None:
        sessions = sessions[-rows:]
    shape = (sessions.size, len(labels))
    close, total, volume = (np.full(shape, np.nan) for _ in range(3))
    breaks: list[tuple[int, int]] = []
    for column, symbol in enumerate(labels):
        if symbol in stored:
            breaks += _fill(stored[symbol], sessions, column, close, total, volume)
    return PricePanel(labels, sessions, close, total, volume, tuple(breaks))


def _fill(
    series: PriceSeries,
    sessions: NDArray[np.datetime64],
    column: int,
    close: NDArray[np.float64],
    total: NDArray[np.float64],
    volume: NDArray[np.float64],
) -> list[tuple[int, int]]:
    days = series.sessions.astype("int64").astype("datetime64[D]")
    place = np.searchsorted(sessions, days)
    inside = place < sessions.size
    inside[inside] = sessions[place[inside]] == days[inside]
    at = place[inside]
    close[at, column] = series.close[inside]
    total[at, column] = series.total_return[inside]
    volume[at, column] = series.volume[inside]
    new_basis = [days[index] for index in series.basis_breaks]
    rows = np.searchsorted(sessions, np.array(new_basis, dtype="datetime64[D]"))
    return [(int(row), column) for row in rows if 0 < row < sessions.size]


def history(*, instrument: Instrument, until: date, limit: int = 250) -> list[DailyBar]:
    """The newest bars of one instrument, newest first, none after `until`."""
    bars = DailyBar.objects.filter(instrument=instrument, session_date__lte=until)
    return list(bars.order_by("-session_date")[:limit])
