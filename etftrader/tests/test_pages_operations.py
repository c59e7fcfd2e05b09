"""What operators read of runs and the timetable, and what a live market does not do."""

from typing import Any

import pytest
from django.test import Client
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from rest_framework.test import APIClient

from etftrader.core import clock
from etftrader.core.records import JobRun
from etftrader.services import timetable
from marketdata.models import ReplayClock
from trading.tests import world

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(settings: Any) -> Any:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (100_000, 1))
    world.make_market()
    boss = world.make_user("boss@example.com", is_staff=True)
    world.add_to_group(boss, "Operator")
    return boss


@pytest.fixture
def browser(operator: Any) -> Client:
    client = Client()
    client.force_login(operator)
    return client


def test_a_live_market_has_no_session_to_advance_to(
    browser: Client, operator: Any, settings: Any
) -> None:
    settings.MARKETDATA_PROVIDER = "yfinance"
    before = ReplayClock.objects.values().get()
    program = APIClient()
    program.force_authenticate(operator)

    answer = browser.post("/data/advance/")
    said = [(each.level_tag, str(each)) for each in browser.get("/data/").context["messages"]]
    refused = program.post("/api/v1/admin/clock")

    assert (answer.status_code, answer["Location"]) == (303, "/data/")
    assert len(said) == 1
    assert said[0][0] == "error"
    assert "there is nothing to advance" in said[0][1]
    assert (refused.status_code, refused.json()["code"]) == (409, "market_is_live")
    assert not JobRun.objects.exists()
    assert ReplayClock.objects.values().get() == before


def ended(**fields: Any) -> JobRun:
    now = clock.now()
    values = {
        "job": "marketdata.sync_prices", "as_of": world.YESTERDAY, "status": "succeeded",
        "started_at": now, "heartbeat_at": now, "finished_at": now,
    }  # fmt: skip
    return JobRun.objects.create(**(values | fields))


def test_a_run_that_has_ended_keeps_its_last_word_and_what_it_left(browser: Client) -> None:
    run = ended(
        note="bars of XLE", done=7, total=11, counts={"bars": 40},
        result={"counts": {"bars": 40}, "warnings": [], "sessions": ["2016-06-22"], "rest": None},
    )  # fmt: skip

    page = browser.get(f"/jobs/{run.pk}/")

    assert "Last word: bars of XLE, 7 of 11" in [each["text"] for each in page.context["events"]]
    assert page.context["results"] == [("bars", "40"), ("sessions", "2016-06-22")]
    assert "bars of XLE" in page.content.decode()


def test_a_run_that_said_nothing_has_no_last_word(browser: Client) -> None:
    page = browser.get(f"/jobs/{ended().pk}/")

    assert "Last word" not in page.content.decode()
    assert 'id="panel-result"' not in page.content.decode()


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("celery.backend_cleanup", "Old answers of tasks"),
        ("their.own_task", "Own task"),
        ("What somebody calls it", "What somebody calls it"),
    ],
)
def test_every_entry_of_the_timetable_has_words(browser: Client, name: str, label: str) -> None:
    daily = IntervalSchedule.objects.create(every=1, period="days")
    row = PeriodicTask.objects.create(name=name, task=name, interval=daily)

    assert timetable.entry(row.pk).label == label
    rows = browser.get("/schedules/").context["table"]["rows"]
    assert label in [each["label"] for each in rows]
