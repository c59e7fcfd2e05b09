"""A revision that the day's own steps ask for takes its turn after them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from etftrader import day, revision, slices
from etftrader.core import job_sweep, jobs
from etftrader.core.records import JobRun
from etftrader.schedule import STEPS
from etftrader.tests.test_faults_day import (
    BY,
    THURSDAY,
    WEDNESDAY,
    close_thursday,
    demo,
    staged,
)
from marketdata.models import ReplayClock
from marketdata.services import replay
from portfolios.models import PortfolioSnapshot

__all__ = ["demo", "staged"]
pytestmark = pytest.mark.django_db


def waiting():
    return JobRun.objects.filter(job=revision.JOB, status="queued")


def after_each_step(monkeypatch, act):
    """Have a worker be free whenever a step of the day has ended."""
    finished = day._finished

    def then(run):
        done = finished(run)
        act(done)
        return done

    monkeypatch.setattr(day, "_finished", then)


def test_it_waits_until_the_last_step_has_ended(demo, monkeypatch):
    seen = []

    def worker(done):
        if done.step == "prices":
            # what it found of the evening before
            revision.ask(changed={"SPY": WEDNESDAY})
        for run in waiting() if done.step != STEPS[-1].name else ():
            state = jobs.run_now(run)
            seen.append(done.step)
            assert (state.status, state.attempt) == ("queued", 0)
            assert state.note == f"Waits for the steps of {THURSDAY}."

    after_each_step(monkeypatch, worker)
    close_thursday()
    monkeypatch.undo()

    runs = day.status(session_date=THURSDAY)
    assert {run.status for run in runs} == {"succeeded"}
    assert not day.is_under_way(THURSDAY)
    order = [step.name for step in STEPS]
    assert seen == order[order.index("prices") : -1]
    assert PortfolioSnapshot.objects.filter(session_date=THURSDAY).count() == 4

    [run] = waiting()
    JobRun.objects.filter(pk=run.pk).update(
        enqueued_at=timezone.now() - job_sweep.REQUEUE_AFTER - timedelta(seconds=1),
        created_at=timezone.now() - timedelta(minutes=1),
    )
    assert job_sweep.sweep()["requeued"] >= 1
    done = jobs.run_now(run)
    assert (done.status, done.attempt) == ("succeeded", 1)
    taken = JobRun.objects.filter(job=revision.SNAPSHOTS, step="", status="queued")
    assert {each.inputs["start"] for each in taken} == {WEDNESDAY.isoformat()}
    assert {run.status for run in day.status(session_date=THURSDAY)} == {"succeeded"}


def test_wishes_join_one_that_was_put_back(demo):
    revision.ask(changed={"SPY": WEDNESDAY})
    step = day.status(session_date=WEDNESDAY)[-1:] or [run_of("books", WEDNESDAY)]
    JobRun.objects.filter(pk=step[0].pk).update(status="queued")
    [run] = waiting()
    assert jobs.run_now(run).status == "queued"

    revision.ask(changed={"TLT": WEDNESDAY})

    [run] = waiting()
    assert set(run.inputs["changed"]) == {"SPY", "TLT"}


def run_of(step, session_date):
    task = next(each.task for each in STEPS if each.name == step)
    return JobRun.objects.create(
        job=task, step=step, as_of=session_date, status="succeeded",
        scope=f"{slices.round_name()}all",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("done", "under_way"),
    [
        (("actions",), True),
        (("actions", "bookings", "prices"), True),
        # a revision's own steps, or one asked for by hand, are no day
        (("actions", "bookings", "covariance"), False),
        (("greeks",), False),
    ],
)
def test_a_day_is_known_by_the_order_of_its_steps(demo, done, under_way):
    JobRun.objects.filter(as_of=WEDNESDAY).delete()
    for step in done:
        run_of(step, WEDNESDAY)

    assert day.is_under_way(WEDNESDAY) is under_way
    # while the next session plays, nothing is caught up any more
    ReplayClock.objects.update(playing=THURSDAY)
    assert day.is_under_way(WEDNESDAY) is False


def test_a_session_that_was_closed_meanwhile_is_revised_too(demo, monkeypatch):
    def moves(**given):
        replay.close(by=BY)
        return []

    monkeypatch.setattr(day, "run", moves)

    revision.revise(changed={"SPY": WEDNESDAY}, by=BY)

    [again] = waiting()
    assert (again.as_of, again.inputs["changed"]) == (THURSDAY, {"SPY": WEDNESDAY.isoformat()})
