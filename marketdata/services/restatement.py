"""Stored prices in other units: after a split all of them, after a dividend the adjusted ones."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from django.db import connection, models

from etftrader.core.money import MONEY, to_fill_price
from marketdata.calculations.splits import is_restated, times
from marketdata.models import DailyBar, Instrument, MinuteBar, PriceSeries, Tick
from marketdata.providers.base import BarRow
from marketdata.selectors import calendar
from marketdata.selectors.corporate_actions import effective
from marketdata.services import bar_store

BATCH = 1_000
PRICES = ("open", "high", "low", "close")
_BARS = (
    "UPDATE marketdata_dailybar SET open = %s, high = %s, low = %s, close = %s, adj_close = %s, "
    "volume = %s, revision = revision + 1 "
    "WHERE instrument_id = %s AND session_date = %s AND source = %s"
)
_MINUTES = (
    "UPDATE marketdata_minutebar SET open = %s, high = %s, low = %s, close = %s, volume = %s "
    "WHERE instrument_id = %s AND ts = %s AND source = %s"
)
_ADJUSTED = (
    "UPDATE marketdata_dailybar SET adj_close = %s, revision = revision + 1 "
    "WHERE instrument_id = %s AND session_date = %s AND source = %s"
)
_TICKS = (
    "UPDATE marketdata_tick SET price = %s, volume = %s "
    "WHERE instrument_id = %s AND ts = %s AND source = %s"
)


@dataclass(frozen=True, slots=True)
class _Source:
    """Which of a source's columns know a split already."""

    name: str
    prices_known: bool
    adjusted_known: bool


def restate(*, instrument: Instrument, ex_date: date, ratio: Fraction) -> int:
    """Divide prices before a split by its ratio and multiply volumes; counts the daily bars.

    A source whose history has no step at the ex-date has done so itself: its rows stay. The
    packed series is rebuilt. The caller makes sure that it happens once, in its transaction.
    """
    first = effective(ex_date)
    sources = _sources(instrument, first, ratio)
    changed = 0
    for source in sources:
        if not (source.prices_known and source.adjusted_known):
            changed += _bars(instrument, first, ratio, source)
    known = [each.name for each in sources if each.prices_known]
    opens = calendar.open_time(first)
    _trades(MinuteBar, _MINUTES, PRICES, instrument, opens, ratio, known)
    _trades(Tick, _TICKS, ("price",), instrument, opens, ratio, known)
    if changed:
        repack(instrument)
    return changed


def readjust(instrument_id: UUID, *, before: DailyBar, factor: float) -> int:
    """Multiply every adjusted close before a bar, whatever its source; counts them."""
    rows = DailyBar.objects.filter(
        instrument=instrument_id, session_date__lt=before.session_date, adj_close__isnull=False
    )
    return _readjust(rows.iterator(BATCH), factor)


def readjust_one(bar: DailyBar, *, factor: float) -> int:
    """Multiply the adjusted close of one bar."""
    return _readjust([bar], factor)


def _readjust(bars: Iterable[DailyBar], factor: float) -> int:
    values = [
        [
            _stored(DailyBar, "adj_close", to_fill_price(float(bar.adj_close) * factor)),
            *_key(DailyBar, bar, "session_date"),
        ]
        for bar in bars
        if bar.adj_close is not None
    ]
    return _execute(_ADJUSTED, values)


def repack(instrument: Instrument) -> None:
    """Write the packed series of what has one anew, from its bars."""
    if PriceSeries.objects.filter(instrument=instrument).exists():
        bar_store.pack_series(instrument, [_first_row(instrument)])


def _sources(instrument: Instrument, first: date, ratio: Fraction) -> list[_Source]:
    rows = DailyBar.objects.filter(instrument=instrument)
    names = rows.filter(session_date__lt=first).values_list("source", flat=True)
    found = []
    for name in sorted(set(names)):
        mine = rows.filter(source=name)
        last = mine.filter(session_date__lt=first).order_by("-session_date")[0]
        after = mine.filter(session_date__gte=first).order_by("session_date").first()
        found.append(_judge(name, last, after, ratio))
    return found


def _judge(name: str, last: DailyBar, after: DailyBar | None, ratio: Fraction) -> _Source:
    close = float(last.close)
    prices = after is not None and is_restated(close, float(after.close), ratio)
    if last.adj_close is None:
        return _Source(name, prices, prices)
    adjusted = float(last.adj_close)
    if after is not None and after.adj_close is not None:
        known = is_restated(adjusted, float(after.adj_close), ratio)
    else:
        # some files adjust with all they know: there the two differ by the split already
        known = not is_restated(close, adjusted, ratio)
    return _Source(name, prices, known)


def _bars(instrument: Instrument, first: date, ratio: Fraction, source: _Source) -> int:
    rows = DailyBar.objects.filter(
        instrument=instrument, session_date__lt=first, source=source.name
    )
    down, up = 1 / ratio, ratio
    if source.prices_known:
        down = up = Fraction(1)
    adjusted = Fraction(1) if source.adjusted_known else 1 / ratio
    values = (
        [
            *_divided(DailyBar, bar, PRICES, down),
            *_divided(DailyBar, bar, ("adj_close",), adjusted),
            None if bar.volume is None else round(bar.volume * up),
            *_key(DailyBar, bar, "session_date"),
        ]
        for bar in rows.iterator(BATCH)
    )
    return _execute(_BARS, list(values))


def _trades(
    model: type[models.Model],
    statement: str,
    prices: Sequence[str],
    instrument: Instrument,
    opens: datetime,
    ratio: Fraction,
    known: Sequence[str],
) -> None:
    rows = model._default_manager.filter(instrument=instrument, ts__lt=opens)
    rest: Any = rows.exclude(source__in=known)
    values = [
        [
            *_divided(model, row, prices, 1 / ratio),
            None if row.volume is None else round(row.volume * ratio),
            *_key(model, row, "ts"),
        ]
        for row in rest.iterator(BATCH)
    ]
    _execute(statement, values)


def _divided(
    model: type[models.Model], row: Any, names: Iterable[str], ratio: Fraction
) -> list[Any]:
    amounts: list[Decimal | None] = [getattr(row, name) for name in names]
    restated = [None if each is None else times(each, ratio, MONEY) for each in amounts]
    return [_stored(model, name, each) for name, each in zip(names, restated, strict=True)]


def _key(model: type[models.Model], row: Any, moment: str) -> list[Any]:
    named = (("instrument", row.instrument_id), (moment, getattr(row, moment)))
    return [*(_stored(model, name, value) for name, value in named), row.source]


def _stored(model: type[models.Model], name: str, value: Any) -> Any:
    column: Any = model._meta.get_field(name)
    return column.get_db_prep_save(value, connection)


def _execute(statement: str, values: Sequence[Sequence[Any]]) -> int:
    with connection.cursor() as cursor:
        for start in range(0, len(values), BATCH):
            cursor.executemany(statement, values[start : start + BATCH])
    return len(values)


def _first_row(instrument: Instrument) -> BarRow:
    """A bar inside the packed series: adding it again rebuilds the whole."""
    first = DailyBar.objects.filter(instrument=instrument).order_by("session_date")[0]
    return bar_store.row_of(instrument, first)
