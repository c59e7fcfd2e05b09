"""What the market last traded at, as bars that orders are matched with."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from etftrader.core.money import FILL_PRICE
from marketdata.choices import PriceClass
from marketdata.models import DailyBar, Instrument, MinuteBar, Quote
from marketdata.selectors import calendar, prices
from marketdata.selectors.prices import Mark
from marketdata.selectors.sessions import Moment
from trading.calculations.matching import Bar
from trading.constants import FRESH_SECONDS


def newest(*, instruments: Iterable[Instrument], moment: Moment) -> dict[UUID, Bar]:
    """The newest bar of each instrument that has one of the moment's session.

    In session the quote, with the volume of the minute that has passed where it was traded. After
    it the real close: with the day's range, and the open, unless the session was played minute by
    minute and orders have met it already.
    """
    several = list(instruments)
    if moment.in_session:
        marks = prices.live_marks(instruments=several, moment=moment)
        fresh = {key: mark for key, mark in marks.items() if is_fresh(mark, moment)}
        volumes = _minute_volumes(fresh, moment) if moment.live and fresh else {}
        return {key: _quote(mark, volumes.get(key), moment) for key, mark in fresh.items()}
    marks = prices.newest_closes(instruments=several, session_date=moment.session_date)
    closes = {key: mark for key, mark in marks.items() if _is_close(mark, moment)}
    return _days(closes, moment) if closes else {}


def is_fresh(mark: Mark | None, moment: Moment) -> bool:
    """Whether an order fills at once: in session, on a quote not older than a minute."""
    if not moment.in_session or mark is None or mark.price is None or mark.as_of is None:
        return False
    age = moment.as_of - mark.as_of
    return mark.price_class == PriceClass.LIVE and age <= timedelta(seconds=FRESH_SECONDS)


def at_once(instrument: Instrument, mark: Mark | None, moment: Moment) -> Bar | None:
    """The quote an order that is placed now may fill on, with the volume `newest` would give it."""
    if mark is None or not is_fresh(mark, moment):
        return None
    volumes = _minute_volumes([instrument.pk], moment) if moment.live else {}
    return _quote(mark, volumes.get(instrument.pk), moment)


def _quote(mark: Mark, volume: float | None, moment: Moment) -> Bar:
    assert mark.price is not None
    assert mark.as_of is not None
    return Bar.point(mark.price, mark.as_of, volume=volume, counted=_minute_of(moment))


def _minute_of(moment: Moment) -> datetime:
    """When the minute that has passed was over."""
    return moment.as_of.replace(second=0, microsecond=0)


def _is_close(mark: Mark, moment: Moment) -> bool:
    usable = mark.price is not None and mark.price > 0
    return usable and mark.session_date == moment.current and mark.price_class == PriceClass.EOD


def _minute_volumes(keys: Iterable[UUID], moment: Moment) -> dict[UUID, float]:
    """Units traded in the minute that has passed; one of several sources is not added twice."""
    ended = _minute_of(moment)
    rows = MinuteBar.objects.filter(instrument_id__in=list(keys), ts=ended, volume__gt=0)
    found: dict[UUID, float] = {}
    for key, volume in rows.values_list("instrument_id", "volume"):
        found[key] = max(float(volume or 0), found.get(key, 0.0))
    return found


def _days(closes: Mapping[UUID, Mark], moment: Moment) -> dict[UUID, Bar]:
    day = moment.session_date
    played = Quote.objects.filter(instrument_id__in=list(closes), session_date=day)
    seen = set(played.values_list("instrument_id", flat=True))
    rows = DailyBar.objects.filter(
        instrument_id__in=[key for key in closes if key not in seen], session_date=day
    )
    ranges = {(row.instrument_id, row.source): row for row in rows}
    return {key: _day(mark, ranges.get((key, mark.source)), moment) for key, mark in closes.items()}


def _day(mark: Mark, row: DailyBar | None, moment: Moment) -> Bar:
    assert mark.price is not None
    # a volume of nothing beside a close says that it was not told
    volume = float(mark.volume) if mark.volume else None
    closes = calendar.close_time(moment.session_date)
    if row is None or row.open is None or row.high is None or row.low is None:
        return Bar.point(mark.price, closes, closing=True, volume=volume)
    # the mark is in the session's own units, the stored row may have been restated since
    scale = mark.price / row.close
    opened, high, low = (_scaled(each, scale) for each in (row.open, row.high, row.low))
    if not 0 < low <= min(opened, mark.price) <= max(opened, mark.price) <= high:
        return Bar.point(mark.price, closes, closing=True, volume=volume)
    opens = calendar.open_time(moment.session_date)
    return Bar(opens, closes, opened, high, low, mark.price, closing=True, volume=volume)


def _scaled(price: Decimal, scale: Decimal) -> Decimal:
    return price if scale == 1 else (price * scale).quantize(FILL_PRICE)
