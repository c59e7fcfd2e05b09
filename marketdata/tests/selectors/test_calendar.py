"""The shipped calendar against the library it was made with, and days known by heart."""

import warnings
from datetime import UTC, date, datetime

import pytest

from marketdata.selectors import calendar


@pytest.fixture(scope="module")
def library():
    with warnings.catch_warnings():
        # The library announces the next pandas on import; the version is pinned.
        warnings.simplefilter("ignore")
        exchange_calendars = pytest.importorskip(
            "exchange_calendars", reason="the library to compare with is not installed"
        )
        return exchange_calendars.get_calendar("XNYS", start=calendar.FIRST, end=calendar.LAST)


def test_sessions_of_32_years_are_the_librarys(library):
    assert calendar.sessions().tolist() == [day.date() for day in library.sessions]


def test_opening_and_closing_moments_of_32_years_are_the_librarys(library):
    days = calendar.sessions().tolist()

    assert [calendar.open_time(day) for day in days] == library.opens.dt.to_pydatetime().tolist()
    assert [calendar.close_time(day) for day in days] == library.closes.dt.to_pydatetime().tolist()


def test_early_closes_of_32_years_are_the_librarys(library):
    early = [day for day in calendar.sessions().tolist() if calendar.is_early_close(day)]

    assert early == [day.date() for day in library.early_closes]
    assert {calendar.minutes(day) for day in early} == {210}


def test_holidays_weekends_and_storms_are_no_sessions():
    for day in ("2016-07-04", "2016-03-25", "2016-06-25", "2012-10-29", "2018-12-05"):
        assert not calendar.is_session(date.fromisoformat(day)), day


def test_neighbours_skip_the_independence_day_weekend():
    friday, tuesday = date(2016, 7, 1), date(2016, 7, 5)

    assert calendar.next(friday) == tuesday
    assert calendar.previous(tuesday) == friday
    assert calendar.next(date(2016, 7, 2)) == tuesday
    assert calendar.previous(date(2016, 7, 4)) == friday
    assert calendar.on_or_before(date(2016, 7, 4)) == friday
    assert calendar.on_or_before(tuesday) == tuesday
    assert calendar.between(friday, date(2016, 7, 6)) == [friday, tuesday, date(2016, 7, 6)]


def test_the_first_demo_books_open_253_sessions_before_the_start():
    assert calendar.previous(date(2016, 6, 22), 253) == date(2015, 6, 22)
    assert calendar.next(date(2015, 6, 22), 253) == date(2016, 6, 22)


def test_a_summer_session_runs_from_half_past_one_to_eight_in_the_evening_utc():
    day = date(2016, 6, 22)

    assert calendar.open_time(day) == datetime(2016, 6, 22, 13, 30, tzinfo=UTC)
    assert calendar.close_time(day) == datetime(2016, 6, 22, 20, 0, tzinfo=UTC)
    assert calendar.minutes(day) == 390


def test_the_day_after_thanksgiving_ends_at_one():
    day = date(2016, 11, 25)

    assert calendar.close_time(day) == datetime(2016, 11, 25, 18, 0, tzinfo=UTC)
    assert calendar.minutes(day) == 210


def test_hours_of_a_closed_day_are_refused():
    with pytest.raises(calendar.NotASession):
        calendar.close_time(date(2016, 7, 4))


def test_beyond_the_file_there_is_no_session():
    assert not calendar.is_session(date(2036, 1, 2))
    with pytest.raises(calendar.NotASession):
        calendar.next(date(2035, 12, 31))
    with pytest.raises(calendar.NotASession):
        calendar.previous(date(2004, 1, 2))


def test_nobody_can_write_into_the_shared_sessions():
    with pytest.raises(ValueError, match="read-only"):
        calendar.sessions()[0] = "2004-01-05"
