"""A step that works longer than it should is one alert of the house, until it ends."""

from datetime import date, timedelta
from typing import Any

import pytest

from etftrader import slow_runs, tasks
from etftrader.core import clock
from etftrader.core.records import JobRun
from etftrader.schedule import STEP
from portfolios.tests import factories
from risk.models import Alert

pytestmark = pytest.mark.django_db
DAY = date(2016, 6, 22)


@pytest.fixture(autouse=True)
def standing() -> None:
    factories.make_clock(DAY)


def working(step: str, minutes: float, **fields: Any) -> JobRun:
    given = {"job": f"tests.{step}", "scope": f"{step} {minutes}", "status": "running"} | fields
    began = clock.now() - timedelta(minutes=minutes)
    return JobRun.objects.create(step=step, as_of=DAY, started_at=began, **given)


def told() -> list[tuple[str, str, int]]:
    rows = Alert.objects.of_book(None).exclude(state="resolved").order_by("key")
    return [(each.key, each.title, each.count) for each in rows]


def test_prices_have_five_minutes_and_greeks_ten() -> None:
    working("prices", 4.9)
    working("greeks", 9.9)
    working("risk", 500)
    slow_runs.tell()
    assert told() == []

    working("prices", 5.1)
    working("greeks", 10.1)
    slow_runs.tell()
    slow_runs.tell()

    assert told() == [
        ("slow:greeks", "Greeks takes longer than 10 min", 1),
        ("slow:prices", "Prices takes longer than 5 min", 1),
    ]


def test_the_alert_says_what_is_usual_and_ends_with_the_run() -> None:
    now = clock.now()
    JobRun.objects.create(
        job="tests.prices", step="prices", as_of=DAY, scope="before", status="succeeded",
        started_at=now - timedelta(seconds=40), finished_at=now,
    )  # fmt: skip
    run = working("prices", 7)

    tasks.sweep()

    [alert] = Alert.objects.of_book(None)
    assert (alert.severity, alert.kind, alert.session_date) == ("warning", "data", DAY)
    assert "It usually takes 40 s." in alert.detail
    assert f"the session {DAY}" in alert.detail
    JobRun.objects.filter(pk=run.pk).update(status="succeeded", finished_at=now)
    tasks.sweep()
    assert told() == []
    assert Alert.objects.of_book(None).get().state == "resolved"


def test_only_steps_of_the_day_are_watched() -> None:
    working("betas", 500)  # of a version that had such a step

    slow_runs.tell()

    assert told() == []
    assert set(slow_runs.AFTER) <= set(STEP)


def test_the_job_of_one_who_asks_is_no_step() -> None:
    working("", 600, job="marketdata.sync_prices")

    slow_runs.tell()

    assert told() == []
