"""The check of the exchange's calendar: asked for while the market is live, an alert if it differs."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from etftrader import outcomes, tasks
from etftrader.core import clock, jobs
from etftrader.core.records import JobRun
from etftrader.services import timetable
from marketdata.models import ReplayClock
from marketdata.services import calendar_check
from risk.models import Alert

pytestmark = pytest.mark.django_db
DAY = date(2020, 6, 30)
CLOSE = datetime(2020, 6, 30, 20, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def live(settings: Any) -> None:
    settings.MARKETDATA_PROVIDER = "yfinance"
    ReplayClock.objects.create(start=DAY, session_date=DAY, as_of=CLOSE, moved_at=CLOSE)


def test_a_live_market_has_its_calendar_checked_once_a_session(settings: Any) -> None:
    tasks.verify_calendar()
    tasks.verify_calendar()

    run = jobs.run_now(JobRun.objects.get())
    assert (run.job, run.status, run.items) == (calendar_check.JOB, "succeeded", [])
    assert run.counts["differences"] == 0
    settings.MARKETDATA_PROVIDER = "bundled"
    JobRun.objects.all().delete()
    tasks.verify_calendar()
    assert not JobRun.objects.exists()


def test_a_difference_is_an_alert_of_the_house_until_there_is_none() -> None:
    told = {"code": "calendar_differs", "detail": "2027-06-18 is closed here."}
    item = {"item": "2027-06-18", "status": "failed", "reason": told}
    run = JobRun.objects.create(
        job=calendar_check.JOB, scope="exchange", as_of=DAY, status="failed", items=[item]
    )

    outcomes.heed(run_id=run.pk)

    alert = Alert.objects.of_book(None).get()
    assert (alert.kind, alert.severity) == ("data", "warning")
    assert alert.title == "The exchange's calendar is not the one we ship"
    assert alert.detail == "2027-06-18 is closed here. (session 2020-06-30)"
    JobRun.objects.update(status="succeeded", items=[])
    outcomes.heed(run_id=run.pk)
    alert.refresh_from_db()
    assert alert.state == "resolved"


@pytest.mark.parametrize(
    ("day", "due"),
    [
        ("1", datetime(2026, 12, 1, 10, 15, tzinfo=UTC)),  # 05:15 in New York
        ("31", datetime(2026, 12, 31, 10, 15, tzinfo=UTC)),
    ],
)
def test_a_day_of_the_month_stands_in_the_timetable_in_words(
    monkeypatch: Any, day: str, due: datetime
) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 11, 1, 12, 0, tzinfo=UTC))
    monthly = CrontabSchedule.objects.create(
        minute="15", hour="5", day_of_month=day, timezone="America/New_York"
    )
    row = PeriodicTask.objects.create(
        name="calendar", task="etftrader.verify_calendar", crontab=monthly
    )

    entry = timetable.entry(row.pk)

    assert (entry.when, entry.time) == (f"Day {day} of the month 05:15 ET", "05:15")
    assert entry.next_run_at == due
