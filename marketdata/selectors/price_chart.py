"""The prices behind a chart: one instrument, one range, never later than the market clock."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from etftrader.core.money import FILL_PRICE
from marketdata.calculations.splits import exact_ratio, times
from marketdata.choices import ActionKind, ActionStatus, QuarantineState, Source
from marketdata.models import CorporateAction, DailyBar, Instrument, QuarantinedPrice, Tick
from marketdata.selectors import quotes
from marketdata.selectors.quotes import MinuteRow
from marketdata.selectors.sessions import Moment

MINUTES = {"5m": 5, "1D": 390}  # of the session's minutes
MONTHS = {"1M": 1, "3M": 3, "1Y": 12}
RANGES = ("5m", "1D", "1M", "3M", "YTD", "1Y", "Max")
DEFAULT = "1Y"
MOST_TICKS = 2_000
MOST_DOUBTS = 50


@dataclass(frozen=True, slots=True)
class Point:
    """One bar or tick: the end of its minute, its own moment, or its session."""

    at: datetime | date
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal
    volume: int | None


@dataclass(frozen=True, slots=True)
class Chart:
    """Points of one range, oldest first; `reason` says why there are none."""

    range: str
    interval: str  # tick, 1min, 5min, 1day
    points: tuple[Point, ...]
    sources: tuple[str, ...]
    price_bases: tuple[str, ...] = ()
    reason: str = ""

    @property
    def intraday(self) -> bool:
        """Whether its points are moments, not sessions."""
        return self.interval != "1day"

    @property
    def has_bars(self) -> bool:
        """Whether there is more than one price to a point."""
        return any(each.high is not None and each.high != each.low for each in self.points)

    @property
    def simulated(self) -> bool:
        """Whether it is a path made between two real closes."""
        return Source.SIM in self.sources


def read(
    *, instrument: Instrument, moment: Moment, span: str, interval: int = 1, ratio: Fraction
) -> Chart:
    """The points of a range up to the market clock's moment.

    Parameters
    ----------
    instrument : Instrument
        What is drawn.
    moment : Moment
        Nothing later is read.
    span : str
        One of RANGES: minutes of the session for the first two, sessions for the others.
    interval : int
        Minutes a bar, 1 or 5, within a session.
    ratio : Fraction
        New shares per share of the moment, of splits after it: see `later_splits`.

    Returns
    -------
    Chart
        In the share units of the moment.
    """
    if span in MINUTES:
        return _minutes(instrument, moment, span, interval)
    start = first_day(span, moment.session_date)
    found = _days(instrument, start=start, until=moment.session_date)
    if ratio != 1:
        found = replace(found, points=tuple(_in_units(each, ratio) for each in found.points))
    return replace(found, range=span)


def first_day(span: str, until: date) -> date | None:
    """The first day a range of sessions may show; None is from the first price on."""
    if span == "YTD":
        return date(until.year, 1, 1)
    if span not in MONTHS:
        return None
    months = until.year * 12 + until.month - 1 - MONTHS[span]
    year, month = divmod(months, 12)
    day = min(until.day, _length(year, month + 1))
    return date(year, month + 1, day)


def _length(year: int, month: int) -> int:
    after = date(year + month // 12, month % 12 + 1, 1)
    return (after - timedelta(days=1)).day


def _minutes(instrument: Instrument, moment: Moment, span: str, interval: int) -> Chart:
    minutes = MINUTES[span]
    if span == "5m" and not moment.simulated:  # a played session has minutes alone
        ticks = _ticks(instrument, moment, minutes)
        if ticks is not None:
            return ticks
    found = quotes.history(instrument=instrument, moment=moment, minutes=minutes, interval=interval)
    sources = (found.source,) if found.source else ()
    points = tuple(_of_minute(row) for row in found.rows)
    return Chart(span, f"{interval}min", points, sources, reason=found.reason)


def _of_minute(row: MinuteRow) -> Point:
    return Point(row.ts, row.open, row.high, row.low, row.close, row.volume)


def _ticks(instrument: Instrument, moment: Moment, minutes: int) -> Chart | None:
    """Ticks of the last minutes, all from the source of the newest; None without any."""
    start = moment.as_of - timedelta(minutes=minutes)
    rows = Tick.objects.filter(instrument=instrument, ts__gt=start, ts__lte=moment.as_of).order_by(
        "-ts"
    )
    found = list(rows.values_list("ts", "price", "volume", "source")[:MOST_TICKS])
    if not found:
        return None
    source = found[0][3]
    points = tuple(
        Point(ts, None, None, None, price, volume)
        for ts, price, volume, heard_from in reversed(found)
        if heard_from == source
    )
    return Chart("5m", "tick", points, (source,))


def _days(instrument: Instrument, *, start: date | None, until: date) -> Chart:
    """One bar a session; where two sources have one, that of the newest bar's source."""
    rows = DailyBar.objects.filter(instrument=instrument, session_date__lte=until)
    if start is not None:
        rows = rows.filter(session_date__gte=start)
    names = (
        "session_date", "open", "high", "low", "close", "volume", "source", "price_basis",
    )  # fmt: skip
    found = list(rows.order_by("session_date", "source").values_list(*names))
    if not found:
        return Chart("", "1day", (), (), reason="no_price")
    chosen = found[-1][6]
    kept: dict[date, tuple] = {}
    for row in found:
        if row[0] not in kept or row[6] == chosen:
            kept[row[0]] = row
    return Chart(
        "",
        "1day",
        tuple(Point(*row[:6]) for row in kept.values()),
        _names(row[6] for row in kept.values()),
        _names(row[7] for row in kept.values()),
    )


def _names(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def _in_units(point: Point, ratio: Fraction) -> Point:
    def scaled(price: Decimal | None) -> Decimal | None:
        return None if price is None else times(price, ratio, FILL_PRICE)

    return Point(
        at=point.at,
        open=scaled(point.open),
        high=scaled(point.high),
        low=scaled(point.low),
        close=times(point.close, ratio, FILL_PRICE),
        volume=None if point.volume is None else round(point.volume / ratio),
    )


def actions(*, instrument: Instrument) -> list[CorporateAction]:
    """Every corporate action of an instrument, newest first; `known` cuts them to a session."""
    rows = CorporateAction.objects.filter(instrument=instrument)
    return list(rows.exclude(status=ActionStatus.REJECTED).order_by("-ex_date", "kind", "pk"))


def known(found: Sequence[CorporateAction], until: date) -> list[CorporateAction]:
    """Those in effect by a session: a later one is not known yet."""
    return [each for each in found if each.ex_date <= until]


def later_splits(found: Sequence[CorporateAction], until: date) -> Fraction:
    """New shares per share of a session, of applied splits after it.

    Stored bars know those splits already: times this ratio they are in the session's own units.
    """
    product = Fraction(1)
    for each in found:
        applied = each.kind == ActionKind.SPLIT and each.status == ActionStatus.APPLIED
        if applied and each.ex_date > until and each.ratio is not None:
            product *= exact_ratio(each.ratio)
    return product


def held_back(*, instrument: Instrument, moment: Moment) -> list[QuarantinedPrice]:
    """Prices of an instrument that wait for a person, newest first, none after the clock."""
    rows = QuarantinedPrice.objects.filter(
        instrument=instrument,
        state=QuarantineState.HELD,
        session_date__lte=moment.current,
    )
    seen = [
        each
        for each in rows.order_by("-session_date", "pk")[:MOST_DOUBTS]
        if each.as_of is None or each.as_of <= moment.as_of
    ]
    # a close of the session that runs is not known before its end
    return [
        each
        for each in seen
        if each.dataset != "daily_bars" or each.session_date <= moment.session_date
    ]
