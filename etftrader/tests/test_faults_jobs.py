"""A worker is killed in the middle of a day: the day is completed, once, and soon."""

import time
from datetime import date, timedelta

import pytest
from celery import shared_task
from django.utils import timezone

from etftrader import day
from etftrader.core import job_lease, job_sweep, jobs
from etftrader.core.actor import system
from etftrader.core.errors import Conflict
from etftrader.core.records import JobRun
from etftrader.demo import build
from etftrader.schedule import STEPS
from etftrader.services import acts
from etftrader.testing import services as processes
from marketdata.models import ReplayClock
from marketdata.selectors import sessions
from marketdata.services import replay
from portfolios.models import PortfolioSnapshot

BY = system("test")
WEDNESDAY, THURSDAY, FRIDAY = (date(2016, 6, day) for day in (22, 23, 24))
ENTRY = "etftrader.tests.test_faults_jobs:"


@pytest.fixture
def demo(db, settings):
    settings.DEMO_PASSWORD = "demo-password-for-tests"
    build.build(say=lambda words: None)


def abandoned(run):
    """As a killed worker leaves its run once the lease has run out."""
    JobRun.objects.filter(pk=run.pk).update(
        status="running", lease_until=timezone.now() - timedelta(seconds=1)
    )
    return JobRun.objects.get(pk=run.pk)


def days_of(session_date):
    return {run.step: run.status for run in day.status(session_date=session_date)}


def test_one_wish_for_the_next_session_is_one_session_however_often_it_is_begun(demo):
    run = jobs.run_now(acts.update_data(by=BY))
    assert (run.status, sessions.latest()) == ("succeeded", THURSDAY)
    snapshots = list(PortfolioSnapshot.objects.order_by("pk").values())
    # killed after the clock moved and before the last step
    JobRun.objects.filter(as_of=THURSDAY, step="limits").update(status="failed")

    again = jobs.run_now(abandoned(run))

    assert (again.status, again.attempt) == ("succeeded", 2)
    assert sessions.latest() == THURSDAY
    assert days_of(THURSDAY) == {step.name: "succeeded" for step in STEPS}
    assert list(PortfolioSnapshot.objects.order_by("pk").values()) == snapshots
    with pytest.raises(Conflict):
        replay.close(by=BY, day=date(2016, 6, 27))  # not the next one
    assert sessions.latest() == THURSDAY
    # asked for before history started over
    wish = acts.update_data(by=BY)
    replay.start_over(by=BY)
    late = jobs.run_now(wish)
    assert (late.status, late.error["code"]) == ("failed", "clock_moved")
    assert sessions.latest() == WEDNESDAY


def test_a_kill_right_after_the_close_loses_no_day(demo):
    replay.close(by=BY)
    assert days_of(THURSDAY) == {}

    day.complete(by=BY)  # what the next session begins with

    assert days_of(THURSDAY) == {step.name: "succeeded" for step in STEPS}
    replay.close(by=BY)
    ReplayClock.objects.update(moved_at=timezone.now() - timedelta(minutes=1))

    day.catch_up()

    assert days_of(FRIDAY) == {step.name: "succeeded" for step in STEPS}


def hold(emit, run_id):
    """Claim a run and work on it until killed."""
    emit(jobs.claim(run_id).status)
    time.sleep(600)


@pytest.mark.django_db(transaction=True)
def test_the_runs_of_a_killed_process_are_free_at_the_next_sweep():
    run = jobs.request("tests.look", as_of=WEDNESDAY, scope="killed", queue=False)
    JobRun.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    child = processes.spawn(ENTRY + "hold", arguments={"run_id": str(run.pk)})
    try:
        assert child.line() == "running"
        assert job_sweep.sweep()["requeued"] == 0
        assert jobs.claim(run.pk) is None
    finally:
        child.close()

    swept = job_sweep.sweep()

    assert swept == {"dead": 0, "requeued": 1}
    assert jobs.claim(run.pk).attempt == 2


@shared_task(name="tests.look")
def look(*, run_id, **later):
    """A long run; somebody else wants it meanwhile."""
    time.sleep(1.5)
    return {"taken": jobs.claim(run_id) is not None}


@pytest.mark.django_db(transaction=True)
def test_a_long_run_keeps_its_lease_while_it_works(monkeypatch):
    monkeypatch.setattr(job_lease, "LEASE", timedelta(seconds=0.5))
    monkeypatch.setattr(jobs, "HEARTBEAT_S", 0.1)
    run = jobs.request("tests.look", as_of=WEDNESDAY, scope="long", queue=False)

    done = jobs.run_now(run)

    assert (done.status, done.attempt, done.result) == ("succeeded", 1, {"taken": False})
