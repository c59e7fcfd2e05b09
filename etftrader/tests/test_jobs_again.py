"""Runs that are followed, cancelled and retried: what was done stands, what failed is done again."""

import threading
import time
from datetime import date

import pytest
from celery import shared_task
from django.db import connection

from etftrader.core import jobs, push
from etftrader.core.actor import Actor, system
from etftrader.core.api.jobs import document
from etftrader.core.errors import Conflict
from etftrader.core.records import AuditEvent, JobRun
from portfolios.tests import factories

BY = system("test")
DAY = date(2016, 6, 22)
BROKEN: set[str] = set()
DONE: list[list[str]] = []
GO_ON = threading.Event()


@pytest.fixture(autouse=True)
def clean():
    BROKEN.clear()
    DONE.clear()


@shared_task(name="tests.symbols")
def symbols(*, only=None, **later):
    """One item a symbol; those in BROKEN fail."""
    wanted = only or ["AAA", "BBB", "CCC"]
    DONE.append(wanted)
    for place, each in enumerate(wanted):
        jobs.progress(done=place + 1, total=len(wanted), note=f"Asking for {each}")
    state = {True: "failed", False: "ok"}
    items = [{"item": each, "status": state[each in BROKEN], "reason": ""} for each in wanted]
    return {"items": items, "counts": {"asked": len(wanted)}, "warnings": [{"code": "old"}]}


@shared_task(name="tests.books")
def books(*, portfolio_ids, **later):
    """Fails as a whole where one of its portfolios is broken."""
    DONE.append(portfolio_ids)
    if BROKEN & set(portfolio_ids):
        raise ValueError("this one")


@shared_task(name="tests.slow")
def slow(**later):
    """Says how far it is until nobody wants to hear it."""
    for place in range(200):
        jobs.progress(done=place, total=200, note=f"step {place}")
        time.sleep(0.05)


@shared_task(name="tests.quiet")
def quiet(**later):
    """Does its work without a word."""
    GO_ON.wait(20)


def asked(job, **fields):
    return jobs.request(job, as_of=DAY, queue=False, **fields)


def statuses(run):
    return {each["item"]: each["status"] for each in run.items}


@pytest.mark.django_db
def test_a_retry_asks_for_the_failed_items_alone_as_the_next_attempt_of_the_run():
    BROKEN.update({"BBB"})
    run = jobs.run_now(asked("tests.symbols", scope="once"))
    assert (run.status, run.counts) == ("partial", {"asked": 3})
    assert run.warnings == [{"code": "old"}]

    again = jobs.retry_failed(run, by=BY)

    assert (again.pk, again.status) == (run.pk, "queued")
    assert document(again)["items"] == {"ok": 2, "skipped": 0, "failed": 0}
    assert (again.done, again.total) == (2, 3)
    BROKEN.clear()
    done = jobs.run_now(again)
    assert (done.status, done.attempt, DONE[-1]) == ("succeeded", 2, ["BBB"])
    assert statuses(done) == {"AAA": "ok", "BBB": "ok", "CCC": "ok"}
    line = AuditEvent.objects.get(action="job.retry")
    assert (line.object_id, line.before, line.after["items"]) == (
        str(run.pk),
        {"status": "partial"},
        1,
    )
    with pytest.raises(Conflict, match="Nothing of this job failed"):
        jobs.retry_failed(done, by=BY)


@pytest.mark.django_db
def test_portfolios_that_went_well_are_not_worked_on_again():
    ids = [factories.make_portfolio().pk for _ in range(3)]
    BROKEN.add(str(ids[1]))
    run = jobs.run_now(asked("tests.books", scope="slice", portfolio_ids=ids))
    assert [each["status"] for each in run.items] == ["ok", "failed", "ok"]
    BROKEN.clear()

    done = jobs.run_now(jobs.retry_failed(run, by=BY))

    assert (done.status, done.done, done.total) == ("succeeded", 3, 3)
    assert DONE[-1] == [str(ids[1])]


@pytest.mark.django_db
def test_what_only_waits_for_an_earlier_step_is_not_pushed_past_it():
    ids = [factories.make_portfolio().pk for _ in range(2)]
    held = {str(ids[0]): {"code": jobs.WAITS, "detail": "Waits for snapshots."}}
    run = jobs.run_now(asked("tests.books", scope="slice", portfolio_ids=ids, withheld=held))
    assert run.status == "partial"

    with pytest.raises(Conflict) as refused:
        jobs.retry_failed(run, by=BY)

    assert refused.value.code == "needs_earlier_step"
    run.refresh_from_db()
    assert run.status == "partial"


@pytest.mark.django_db
def test_of_two_who_retry_one_wins():
    BROKEN.add("AAA")
    run = jobs.run_now(asked("tests.symbols", scope="twice"))
    same = JobRun.objects.get(pk=run.pk)
    jobs.retry_failed(run, by=BY)

    with pytest.raises(Conflict):
        jobs.retry_failed(same, by=BY)

    assert AuditEvent.objects.filter(action="job.retry").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_run_says_how_far_it_is_to_who_asked_for_it():
    user = factories.make_user()
    run = asked("tests.symbols", scope="told", requested_by=user.pk)

    jobs.run_now(run)

    message = push.newest(f"user.{user.pk}.jobs")
    assert message["event"] == "job.finished"
    assert (message["data"]["id"], message["data"]["status"]) == (str(run.pk), "succeeded")
    run.refresh_from_db()
    assert (run.done, run.total, run.note) == (3, 3, "Asking for CCC")


@pytest.mark.django_db(transaction=True)
def test_a_run_that_is_cancelled_while_it_works_stops_at_its_next_word():
    user = factories.make_user()
    run = asked("tests.slow", scope="stopped", requested_by=user.pk)
    working = threading.Thread(target=lambda: (jobs.run_now(run), connection.close()))
    working.start()
    try:
        seen = _until_it_works(run)
        assert seen.total == 200
        message = push.newest(f"user.{user.pk}.jobs")
        assert message["event"] in ("job.created", "job.progress")
        by = Actor.of_user(user)

        jobs.cancel(JobRun.objects.get(pk=run.pk), by=by)
        began = time.monotonic()
    finally:
        working.join(30)

    assert not working.is_alive()
    assert time.monotonic() - began < 5
    run.refresh_from_db()
    assert (run.status, run.result) == ("cancelled", {})
    assert AuditEvent.objects.get(action="job.cancel").actor_id == user.pk


@pytest.mark.django_db(transaction=True)
def test_a_cancelled_run_that_says_nothing_ends_as_cancelled_for_whoever_waits_for_it():
    user = factories.make_user()
    run = asked("tests.quiet", scope="quiet", requested_by=user.pk)
    GO_ON.clear()
    answers = []
    working = threading.Thread(target=lambda: (answers.append(jobs.run_now(run)), _hang_up()))
    working.start()
    try:
        for _ in range(200):
            if JobRun.objects.get(pk=run.pk).status == "running":
                break
            time.sleep(0.02)
        jobs.cancel(JobRun.objects.get(pk=run.pk), by=Actor.of_user(user))
    finally:
        GO_ON.set()
        working.join(30)

    assert [answer.status for answer in answers] == ["cancelled"]


def _hang_up():
    connection.close()


def _until_it_works(run):
    for _ in range(200):
        seen = JobRun.objects.get(pk=run.pk)
        if seen.note.startswith("step"):
            return seen
        time.sleep(0.05)
    raise AssertionError("it never said how far it is")
