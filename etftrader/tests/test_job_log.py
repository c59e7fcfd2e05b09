"""The tail of a run's log: what it said, for who looks after jobs, gone without harm."""

import logging
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from celery import shared_task
from django.contrib.auth.models import Group
from django.test import Client

from etftrader.core import clock, job_log, jobs, livestate
from etftrader.core.actor import system
from etftrader.core.records import JobRun
from portfolios.services import accounts

pytestmark = pytest.mark.django_db
DAY = date(2016, 6, 22)
logger = logging.getLogger(__name__)


@shared_task(name="tests.talkative")
def talkative(*, lines: int = 1, fail: bool = False, **later: object) -> None:
    """Warns of every line, and says how far it is."""
    for place in range(lines):
        logger.warning("went on without", extra={"symbol": f"S{place}"})
    logging.getLogger("tests").debug("nobody needs to know")
    jobs.progress(done=1, total=1, note="Greeks")
    if fail:
        raise ValueError("no such thing")


@pytest.fixture(autouse=True)
def level() -> Iterator[None]:
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.INFO)
    yield
    root.setLevel(before)


def run(**inputs: Any) -> JobRun:
    wish = jobs.request("tests.talkative", as_of=DAY, inputs=inputs, queue=False)
    return jobs.run_now(wish)


def said(of: JobRun) -> list[tuple[str, str]]:
    return [(each.level, each.text) for each in job_log.tail(of.pk) or ()]


def person(email: str, *groups: str, **fields: Any) -> tuple[Client, Any]:
    user = accounts.create_user(email=email, password="x" * 12, by=system("tests"), **fields)
    user.groups.add(*Group.objects.filter(name__in=groups))
    client = Client()
    client.force_login(user)
    return client, user


def test_what_a_run_says_is_kept_from_its_first_word_to_its_last() -> None:
    assert said(run()) == [
        ("INFO", "Attempt 1 begins"),
        ("WARNING", "went on without, symbol S0"),
        ("INFO", "Greeks, 1 of 1"),
        ("INFO", "Ended: succeeded"),
    ]


def test_a_failure_is_named_without_the_paths_of_its_traceback() -> None:
    failed = run(fail=True)

    assert failed.status == "failed"
    *_, (severity, words), _ = said(failed)
    assert severity == "ERROR"
    assert words.startswith("job failed, run ")
    assert words.endswith("ValueError: no such thing")
    assert not any(".py" in words for _, words in said(failed))


def test_the_oldest_lines_are_let_go_and_other_runs_hear_nothing() -> None:
    other = run()

    long = run(lines=job_log.MOST + 50)
    logger.warning("said by nobody's run")

    assert len(said(long)) == job_log.MOST
    assert said(long)[-1] == ("INFO", "Ended: succeeded")
    assert ("INFO", "Attempt 1 begins") not in said(long)
    assert len(said(other)) == 4
    assert livestate.client().ttl(f"job:log:{long.pk}") > 0


def test_the_page_shows_it_to_who_looks_after_jobs_and_to_nobody_else() -> None:
    owner, user = person("owner@example.com")
    staff, _ = person("boss@example.com", "Operator", is_staff=True)
    mine = run()
    JobRun.objects.filter(pk=mine.pk).update(requested_by=user.pk)

    shown = staff.get(f"/jobs/{mine.pk}/").content.decode()
    assert "went on without, symbol S0" in shown
    assert 'id="panel-log"' in shown
    hidden = owner.get(f"/jobs/{mine.pk}/").content.decode()
    assert "went on without" not in hidden
    assert 'id="panel-log"' not in hidden

    livestate.delete(f"job:log:{mine.pk}")
    assert "No line is kept" in staff.get(f"/jobs/{mine.pk}/").content.decode()


def test_the_page_says_how_long_a_step_usually_takes_and_when_somebody_is_told() -> None:
    staff, _ = person("boss@example.com", "Operator", is_staff=True)
    now = clock.now()

    def ended(scope: str, seconds: float, **more: Any) -> JobRun:
        given = {"job": "marketdata.sync_prices", "step": "prices", "status": "succeeded"} | more
        return JobRun.objects.create(
            as_of=DAY, scope=scope, started_at=now - timedelta(seconds=seconds), finished_at=now,
            **given,
        )  # fmt: skip

    for place, seconds in enumerate((30, 40, 50)):
        last = ended(f"r{place}", seconds)
    # the same job for one symbol is no step of the day
    alone = ended("one", 1, step="")

    page = staff.get(f"/jobs/{last.pk}/")
    assert page.context["usual_s"] == pytest.approx(40, abs=0.01)
    text = " ".join(page.content.decode().split())
    assert "Usually takes" in text
    assert "An alert after" in text
    lonely = staff.get(f"/jobs/{alone.pk}/")
    assert (lonely.context["usual_s"], lonely.context["alert_s"]) == (pytest.approx(1), None)
