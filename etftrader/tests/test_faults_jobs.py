"""A worker is killed in the middle of a run: the run is completed, once, and soon."""

import time
from datetime import date, timedelta

import pytest
from celery import shared_task
from django.utils import timezone

from etftrader.core import job_lease, job_sweep, jobs
from etftrader.core.records import JobRun
from etftrader.testing import services as processes

WEDNESDAY = date(2016, 6, 22)
ENTRY = "etftrader.tests.test_faults_jobs:"


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
    monkeypatch.setattr(job_lease, "HEARTBEAT_S", 0.1)
    run = jobs.request("tests.look", as_of=WEDNESDAY, scope="long", queue=False)

    done = jobs.run_now(run)

    assert (done.status, done.attempt, done.result) == ("succeeded", 1, {"taken": False})
