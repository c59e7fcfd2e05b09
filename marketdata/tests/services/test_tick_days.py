"""Ticks on the days on which clocks change or the exchange closes early."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from marketdata.calculations.tick_batch import Tick, batch
from marketdata.models import DailyBar, Instrument, MinuteBar, Quote
from marketdata.models import Tick as StoredTick
from marketdata.selectors import calendar
from marketdata.services import ticks

pytestmark = pytest.mark.django_db
SPRING = (date(2016, 3, 11), date(2016, 3, 14))  # the last session of winter time, the first after
AUTUMN = (date(2016, 11, 4), date(2016, 11, 7))
SHORT = (date(2016, 11, 23), date(2016, 11, 25), date(2016, 11, 28))  # the middle one ends at 13:00


def fund(*days: date) -> Instrument:
    """A fund with a close of 100, 101, ... on these sessions."""
    made = Instrument.objects.create(symbol="ACME", name="A", kind="etf", price_basis="close")
    for place, day in enumerate(days):
        DailyBar.objects.create(
            instrument=made,
            session_date=day,
            source="csv",
            close=Decimal(100 + place),
            price_basis="close",
        )
    return made


def local(day: date, hour: int, minute: int = 0, *, fold: int = 0) -> datetime:
    """A moment by the clocks of New York."""
    at = datetime(day.year, day.month, day.day, hour, minute, tzinfo=calendar.NEW_YORK, fold=fold)
    return at.astimezone(UTC)


def take(*moments: datetime, price: float = 100.0, volume: float = 10.0) -> ticks.Ingested:
    told = [Tick("ACME", at, price, "yfinance", volume=volume) for at in moments]
    return ticks.ingest(batch(told), now=max(moments) + timedelta(minutes=1))


@pytest.mark.parametrize("day", [*SPRING, *AUTUMN, *SHORT], ids=str)
def test_a_session_has_its_own_minutes_whatever_the_clocks_do(day: date) -> None:
    fund(calendar.previous(day))
    opens, count = calendar.open_time(day), calendar.minutes(day)

    take(*(opens + timedelta(minutes=place) for place in range(count)))

    ends = list(MinuteBar.objects.order_by("ts").values_list("ts", flat=True))
    assert count == (210 if day == SHORT[1] else 390)
    assert ends == [opens + timedelta(minutes=place + 1) for place in range(count)]
    assert ends[-1] == calendar.close_time(day)
    quote = Quote.objects.get()
    assert (quote.session_date, quote.previous_close, quote.volume) == (day, 100, 10 * count)


@pytest.mark.parametrize(("before", "after"), [SPRING, AUTUMN, SHORT[:2], SHORT[1:]], ids=str)
def test_the_next_session_has_its_own_previous_close_and_volume(before: date, after: date) -> None:
    fund(calendar.previous(before), before)

    take(calendar.close_time(before) - timedelta(seconds=1))
    first = Quote.objects.get()
    take(calendar.open_time(after))
    second = Quote.objects.get()

    assert (first.session_date, first.previous_close, first.volume) == (before, 100, 10)
    assert (second.session_date, second.previous_close, second.volume) == (after, 101, 10)


def test_after_an_early_close_it_is_still_that_session() -> None:
    fund(SHORT[0])

    take(local(SHORT[1], 12, 59), local(SHORT[1], 13, 30), local(SHORT[1], 16, 0))
    take(local(date(2016, 11, 26), 12))

    quote = Quote.objects.get()
    assert (quote.session_date, quote.volume) == (SHORT[1], 40)


def test_the_hour_that_comes_twice_holds_two_ticks_and_the_missing_one_none_out_of_order() -> None:
    fund(SPRING[0], AUTUMN[0])
    sunday = date(2016, 11, 6)
    once, again = local(sunday, 1, 30), local(sunday, 1, 30, fold=1)
    assert again - once == timedelta(hours=1)

    told = take(again, once)

    assert (told.stored, told.duplicates, told.moved) == (2, 0, 1)
    assert Quote.objects.get().as_of == again
    assert Quote.objects.get().session_date == AUTUMN[0]
    assert set(StoredTick.objects.values_list("ts", flat=True)) == {once, again}


def test_the_night_of_spring_is_an_hour_shorter() -> None:
    fund(SPRING[0])
    sunday = date(2016, 3, 13)
    before, after = local(sunday, 1, 59), local(sunday, 3, 0)

    told = take(after, before)

    assert after - before == timedelta(minutes=1)
    assert told.stored == 2
    ends = list(MinuteBar.objects.order_by("ts").values_list("ts", flat=True))
    assert ends == [after, after + timedelta(minutes=1)]
    assert Quote.objects.get().session_date == SPRING[0]
