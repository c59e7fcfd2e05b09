"""The shipped calendar against the library: equal today, and every kind of difference is named."""

from datetime import date, time

import pytest

from marketdata.calculations.sessions import SessionCalendar
from marketdata.models import SessionOverride
from marketdata.selectors import calendar
from marketdata.services import calendar_check

CARTER, THANKSGIVING = date(2025, 1, 9), date(2025, 11, 28)


def compare(shipped: SessionCalendar, *spoken: date) -> dict:
    return calendar_check.compare(shipped=shipped, spoken=spoken)


def changed(*, closed: tuple = (), opened: tuple = (), ends: dict | None = None) -> SessionCalendar:
    """What is shipped, with some days otherwise."""
    ours = calendar.shipped()
    days = sorted({*ours.sessions, *opened} - set(closed))
    early = {day: at for day, at in ours.early_closes.items() if day not in (*opened, *closed)}
    return SessionCalendar(tuple(days), early | (ends or {}))


def test_what_is_shipped_is_what_the_library_says() -> None:
    told = compare(calendar.shipped())

    assert told["items"] == []
    assert told["counts"]["differences"] == 0
    assert told["counts"]["days"] > 8_000


def test_a_closure_an_opening_and_an_hour_are_each_named_with_the_way_out() -> None:
    tuesday, friday = date(2026, 6, 16), date(2027, 3, 5)

    told = compare(changed(closed=(tuesday,), opened=(CARTER,), ends={friday: time(13)}))

    said = {each["item"]: each["reason"] for each in told["items"]}
    assert list(said) == ["2025-01-09", "2026-06-16", "2027-03-05"]
    assert told["counts"]["differences"] == 3
    assert {each["code"] for each in said.values()} == {"calendar_differs"}
    assert said["2025-01-09"]["detail"].startswith(
        "2025-01-09 is a session until 16:00 here and closed in exchange-calendars. "
    )
    assert said["2026-06-16"]["detail"].startswith("2026-06-16 is closed here and a session until")
    assert "a session until 13:00 here and a session until 16:00" in said["2027-03-05"]["detail"]
    assert all("build_sessions" in each["detail"] for each in said.values())
    # of a day we ship as closed an override is refused
    refused = {day for day, each in said.items() if "no override opens" in each["detail"]}
    assert refused == {"2026-06-16"}
    assert all(("enter an override" in said[day]["detail"]) == (day not in refused) for day in said)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "said", [{"closed": True}, {"closes_at": time(13)}, {"closes_at": time(16)}]
)
def test_days_that_people_spoke_of_are_theirs_whatever_they_said(said: dict) -> None:
    missing = changed(opened=(CARTER,))
    assert [each["item"] for each in compare(missing)["items"]] == [CARTER.isoformat()]

    # also that it is what we ship: then it is the library that is wrong
    SessionOverride.objects.create(date=CARTER, reason="looked up", **said)

    assert compare(missing, *calendar_check.overridden())["items"] == []


def test_an_early_close_the_library_has_and_the_file_has_not_is_found() -> None:
    told = compare(changed(opened=(THANKSGIVING,)))

    [item] = told["items"]
    assert "a session until 16:00 here and a session until 13:00" in item["reason"]["detail"]
