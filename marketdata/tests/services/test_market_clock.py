"""The market clock both ways: history that is played, and the live market by the wall clock."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import time_machine

from etftrader.core.actor import system
from etftrader.core.errors import Conflict
from marketdata.models import DailyBar, Instrument, ReplayClock
from marketdata.providers import sources
from marketdata.providers.base import Bar, ProviderFailed
from marketdata.selectors import calendar, sessions
from marketdata.services import replay

pytestmark = pytest.mark.django_db
BY = system("tests")
MONDAY, TUESDAY = date(2020, 6, 29), date(2020, 6, 30)
THANKSGIVING_EVE, SHORT_FRIDAY = date(2020, 11, 25), date(2020, 11, 27)  # closes at 13:00
DAYS = calendar.between(date(2020, 6, 1), date(2020, 12, 11))


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.MARKETDATA_PROVIDER, settings.CSV_FOLDER = "csv", str(tmp_path)
    return tmp_path


@pytest.fixture
def live(folder: Path) -> Path:
    """Two funds with a price of every session, fetched as they close."""
    fill(folder, DAYS)
    for symbol in ("AAA", "BBB"):
        Instrument.objects.create(symbol=symbol, name=symbol, kind="etf", price_basis="close")
    return folder


@pytest.fixture
def wall() -> Iterator[Any]:
    """The wall clock, standing still until it is moved."""
    with time_machine.travel(at(MONDAY, 17), tick=False) as clock:
        yield clock


def fill(folder: Path, days: list[date], symbols: tuple[str, ...] = ("AAA", "BBB")) -> None:
    lines = [f"{day},{symbol},{100 + place % 5}" for place, day in enumerate(days)
             for symbol in symbols]  # fmt: skip
    (folder / "prices.csv").write_text("\n".join(["date,symbol,close", *lines, ""]))


def at(day: date, hour: int, minute: int = 0, second: int = 0) -> datetime:
    """A moment by the exchange's clock."""
    local = datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=calendar.NEW_YORK)
    return local.astimezone(UTC)


def minute(day: date, index: int) -> Bar:
    return Bar(
        as_of=calendar.open_time(day) + timedelta(minutes=index + 1),
        session_date=day,
        index=index,
        count=calendar.minutes(day),
        symbols=("AAA", "BBB"),
        prices=np.array([101.0, 51.0]),
        source="yfinance",
    )


# --- live ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "session", "running"),
    [
        (at(TUESDAY, 9, 29, 59), MONDAY, None),
        (at(TUESDAY, 9, 30), MONDAY, TUESDAY),
        (at(TUESDAY, 15, 59, 59), MONDAY, TUESDAY),
        (at(TUESDAY, 16), TUESDAY, None),
        (at(date(2020, 7, 3), 12), date(2020, 7, 2), None),  # Independence Day, observed
        (at(date(2020, 7, 5), 12), date(2020, 7, 2), None),  # a Sunday
        (at(SHORT_FRIDAY, 12, 59), THANKSGIVING_EVE, SHORT_FRIDAY),
        (at(SHORT_FRIDAY, 13), SHORT_FRIDAY, None),
        # summer time ended on 1 November: 14:30 and 21:00 UTC instead of 13:30 and 20:00
        (datetime(2020, 10, 30, 13, 30, tzinfo=UTC), date(2020, 10, 29), date(2020, 10, 30)),
        (datetime(2020, 10, 30, 20, 0, tzinfo=UTC), date(2020, 10, 30), None),
        (datetime(2020, 11, 2, 13, 30, tzinfo=UTC), date(2020, 10, 30), None),
        (datetime(2020, 11, 2, 14, 30, tzinfo=UTC), date(2020, 10, 30), date(2020, 11, 2)),
        (datetime(2020, 11, 2, 20, 30, tzinfo=UTC), date(2020, 10, 30), date(2020, 11, 2)),
        (datetime(2020, 11, 2, 21, 0, tzinfo=UTC), date(2020, 11, 2), None),
    ],
    ids=str,
)
def test_the_wall_clock_says_what_has_closed_and_what_runs(
    live: Path, moment: datetime, session: date, running: date | None
) -> None:
    with time_machine.travel(moment, tick=False):
        assert sessions.moment().session_date == session
        assert sessions.first_session() == session
        assert sessions.open_at(moment) == running
        assert not sessions.moment().ended


def test_a_live_day_from_close_to_close(live: Path, wall: Any) -> None:
    replay.ensure()
    assert (sessions.latest(), replay.due()) == (MONDAY, None)
    with pytest.raises(replay.NoNewerSession) as refused:
        replay.begin(by=BY)
    assert refused.value.code == "no_newer_session"

    wall.move_to(at(TUESDAY, 9, 30))
    begun = replay.begin(by=BY)
    assert (begun.playing, begun.as_of, begun.bar) == (TUESDAY, at(TUESDAY, 9, 30), 0)
    assert replay.begin(by=BY) == begun

    wall.move_to(at(TUESDAY, 9, 31))
    shown = replay.show_bar(moment=begun, bar=minute(TUESDAY, 0), previous_close={})
    assert (shown.as_of, shown.bar) == (at(TUESDAY, 9, 31), 1)
    # the same minute again, and one that has not passed
    assert replay.show_bar(moment=shown, bar=minute(TUESDAY, 0), previous_close={}) == shown
    with pytest.raises(replay.TooEarly):
        replay.show_bar(moment=shown, bar=minute(TUESDAY, 1), previous_close={})
    assert sessions.moment() == shown

    with pytest.raises(replay.TooEarly, match="20:00 UTC"):
        replay.close(by=BY)
    assert not DailyBar.objects.filter(session_date=TUESDAY).exists()

    wall.move_to(at(TUESDAY, 16))
    assert replay.due() == TUESDAY
    closed = replay.close(by=BY)
    assert (closed.session_date, closed.playing, closed.ended) == (TUESDAY, None, False)
    assert closed.as_of == at(TUESDAY, 16)
    assert DailyBar.objects.filter(session_date=TUESDAY).count() == 2
    assert replay.close(by=BY, day=TUESDAY) == closed
    with pytest.raises(replay.NoNewerSession):
        replay.close(by=BY)
    assert replay.due() is None


def test_the_clock_waits_for_the_prices_and_moves_when_they_come(live: Path, wall: Any) -> None:
    replay.ensure()
    before = sessions.moment()
    wall.move_to(at(TUESDAY, 16, 15))
    fill(live, [day for day in DAYS if day < TUESDAY])

    with pytest.raises(replay.PricesMissing, match="0 of 2 prices of 2020-06-30"):
        replay.close(by=BY)
    assert sessions.moment() == before

    fill(live, DAYS, symbols=("AAA",))
    with pytest.raises(replay.PricesMissing, match="1 of 2"):
        replay.close(by=BY)
    assert sessions.moment() == before

    # the next session opens, and one price of two has to do
    wall.move_to(at(date(2020, 7, 1), 9, 30))
    assert replay.close(by=BY).session_date == TUESDAY


def test_missed_sessions_are_closed_one_by_one_in_order(live: Path, wall: Any) -> None:
    replay.ensure()
    wall.move_to(at(date(2020, 7, 6), 17))

    with pytest.raises(replay.TooEarly, match="has not been closed"):
        replay.begin(by=BY)
    with pytest.raises(replay.ClockMoved):
        replay.close(by=BY, day=date(2020, 7, 2))
    closed = []
    while replay.due() is not None:
        closed.append(replay.close(by=BY).session_date)

    assert closed == [TUESDAY, date(2020, 7, 1), date(2020, 7, 2), date(2020, 7, 6)]


def test_t42_a_wall_clock_that_goes_wrong_dates_nothing_wrongly(live: Path, wall: Any) -> None:
    """An hour ahead, an hour behind, jumps back: no session closes early, none twice."""
    replay.ensure()
    wall.move_to(at(TUESDAY, 10))
    moment = replay.begin(by=BY)
    moment = replay.show_bar(moment=moment, bar=minute(TUESDAY, 28), previous_close={})
    assert moment.as_of == at(TUESDAY, 9, 59)

    # back to the evening before: nothing moves back with it
    wall.move_to(at(MONDAY, 18))
    assert sessions.moment() == moment
    assert replay.begin(by=BY) == moment
    for attempt in (
        lambda: replay.close(by=BY),
        lambda: replay.show_bar(moment=moment, bar=minute(TUESDAY, 29), previous_close={}),
    ):
        with pytest.raises(replay.TooEarly):
            attempt()
    assert sessions.moment() == moment

    # an hour behind at the close: it waits; right again: the day is Tuesday's
    wall.move_to(at(TUESDAY, 15, 5))
    with pytest.raises(replay.TooEarly):
        replay.close(by=BY)
    wall.move_to(at(TUESDAY, 16, 5))
    assert replay.close(by=BY).as_of == at(TUESDAY, 16)

    # back again: Tuesday stays closed and is not closed once more
    wall.move_to(at(TUESDAY, 15, 5))
    with pytest.raises(replay.NoNewerSession):
        replay.close(by=BY)
    assert replay.close(by=BY, day=TUESDAY).session_date == TUESDAY
    assert ReplayClock.objects.get().session_date == TUESDAY
    assert set(DailyBar.objects.values_list("session_date", flat=True)) <= {*DAYS[:22]}
    assert not DailyBar.objects.filter(session_date__gt=TUESDAY).exists()


def test_the_live_market_does_not_start_over(live: Path, wall: Any) -> None:
    replay.ensure()

    with pytest.raises(Conflict) as refused:
        replay.start_over(by=BY)

    assert refused.value.code == "market_is_live"


# --- a folder that is played ---------------------------------------------------------------------


@pytest.fixture
def played(live: Path, settings: Any) -> Path:
    settings.REPLAY_START_GIVEN, settings.REPLAY_START = True, MONDAY
    return live


def test_a_folder_is_played_to_its_last_session_whatever_the_wall_says(
    played: Path, wall: Any
) -> None:
    fill(played, [day for day in DAYS if day <= date(2020, 7, 2)])
    (played / "^VIX.csv").write_text("date,close\n2020-09-01,26\n")
    wall.move_to(at(date(2020, 1, 2), 3))
    replay.ensure()
    assert not sessions.is_live()
    assert sessions.latest() == MONDAY
    assert sessions.history_end() == date(2020, 7, 2)

    for day in (TUESDAY, date(2020, 7, 1), date(2020, 7, 2)):
        assert not sessions.moment().ended
        assert replay.begin(by=BY).playing == day
        assert replay.close(by=BY).session_date == day
        newest = DailyBar.objects.order_by("-session_date").first()
        assert newest is not None
        assert newest.session_date == day

    assert sessions.moment().ended
    for act in (replay.begin, replay.close):
        with pytest.raises(replay.NoMoreHistory):
            act(by=BY)

    # more history comes, and the clock goes on
    fill(played, [day for day in DAYS if day <= date(2020, 7, 6)])
    assert not sessions.moment().ended
    assert replay.close(by=BY).session_date == date(2020, 7, 6)
    assert replay.start_over(by=BY).session_date == MONDAY


def test_the_ends_of_a_played_session_are_in_its_own_shares(folder: Path) -> None:
    (folder / "a.csv").write_text(
        "date,symbol,close,split\n2020-06-26,AAA,100,\n2020-06-29,AAA,104,\n2020-06-30,AAA,26.5,4\n"
        "2020-06-30,NEW,7,\n2020-06-15,OLD,5,\n2020-06-30,OLD,5,\n2020-07-01,AAA,27,\n"
    )

    assert sources.session_ends(TUESDAY) == ({"AAA": 26.0}, {"AAA": 26.5})
    with pytest.raises(ProviderFailed, match="no such session"):
        sources.session_ends(date(2020, 7, 2))


def test_an_empty_folder_has_no_history_to_play(played: Path) -> None:
    (played / "prices.csv").unlink()
    replay.ensure()

    assert sessions.moment().ended
    with pytest.raises(replay.NoMoreHistory):
        replay.close(by=BY)


def test_the_bundle_is_played_and_a_folder_without_a_start_is_live(settings: Any) -> None:
    settings.MARKETDATA_PROVIDER = "bundled"
    assert (sessions.is_live(), sessions.history_end()) == (False, date(2016, 7, 1))
    for live in ("yfinance", "csv", "yfinance,csv", "csv,fred"):
        settings.MARKETDATA_PROVIDER = live
        assert (sessions.is_live(), sessions.history_end()) == (True, None)
