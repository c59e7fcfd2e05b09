"""The tail of a run's log: what it said, for who may read all, gone without harm."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from celery import shared_task
from django.contrib.auth.models import Group
from django.test import Client

from etftrader.core import clock, job_log, jobs, livestate
from etftrader.core.actor import system
from etftrader.core.errors import Conflict
from etftrader.core.records import JobRun
from portfolios.services import accounts

pytestmark = pytest.mark.django_db
DAY = date(2016, 6, 22)
logger = logging.getLogger(__name__)


class Wordless:
    """A figure that cannot be written."""

    def __str__(self) -> str:
        raise ValueError("no words")


class Asking:
    """A figure whose words wait until another thread has logged a line."""

    def __str__(self) -> str:
        other = threading.Thread(target=logger.warning, args=["said elsewhere"], daemon=True)
        other.start()
        other.join(10)
        return "waits" if other.is_alive() else "went on"


@shared_task(name="tests.mumbling")
def mumbling(**later: object) -> None:
    """Says what cannot be put into words, and goes on."""
    logger.warning("%d symbols", "no number")
    logger.warning("a figure", extra={"symbol": Wordless()})
    logger.warning("an error", exc_info=Conflict(Wordless()))  # type: ignore[arg-type]
    logger.warning("went on")


@shared_task(name="tests.asking")
def asking(**later: object) -> None:
    """Logs while another thread does."""
    logger.warning("asked", extra={"other": Asking()})


@shared_task(name="tests.talkative")
def talkative(*, lines: int = 1, fail: str = "", **later: object) -> None:
    """Warns of every line, and says how far it is."""
    for place in range(lines):
        logger.warning("went on without", extra={"symbol": f"S{place}"})
    logging.getLogger("tests").debug("nobody needs to know")
    jobs.progress(done=1, total=1, note="Greeks")
    if fail == "ours":
        raise Conflict("The day is closed.")
    if fail:
        raise ValueError("Key (symbol)=(PRIV) is not in /srv/books")


@pytest.fixture(autouse=True)
def level() -> Iterator[None]:
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.INFO)
    yield
    root.setLevel(before)


@contextmanager
def alone() -> Iterator[None]:
    """No handler but the run's: the others have locks and complaints of their own."""
    root = logging.getLogger()
    before, root.handlers = root.handlers, []
    try:
        yield
    finally:
        root.handlers = before


@pytest.fixture
def silent(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """A live store that takes calls and never answers: how many came since it was asked last."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as door:
        door.setblocking(False)
        settings.LIVE_URL = f"redis://127.0.0.1:{door.getsockname()[1]}/0"
        monkeypatch.setattr(livestate, "ANSWER_S", 0.2)
        monkeypatch.setattr(livestate, "REST_S", -1.0)  # the next caller tries again
        livestate.client.cache_clear()
        taken: list[socket.socket] = []

        def calls() -> int:
            before = len(taken)
            try:
                while True:
                    taken.append(door.accept()[0])
            except BlockingIOError:
                return len(taken) - before

        yield calls
        for each in taken:
            each.close()
    livestate.client.cache_clear()


def run(job: str = "tests.talkative", **inputs: Any) -> JobRun:
    wish = jobs.request(job, as_of=DAY, inputs=inputs, queue=False)
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


@pytest.mark.parametrize(
    ("fail", "named"),
    [("ours", "Conflict: The day is closed."), ("theirs", "job tests.talkative, ValueError")],
)
def test_a_failure_is_named_without_paths_and_keys(fail: str, named: str) -> None:
    failed = run(fail=fail)

    assert failed.status == "failed"
    *_, (severity, words), _ = said(failed)
    assert severity == "ERROR"
    assert words.startswith("job failed, run ")
    assert words.endswith(named)
    told = " ".join(words for _, words in said(failed))
    assert not any(secret in told for secret in (".py", "PRIV", "/srv"))


def test_a_line_that_cannot_be_written_fails_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    with alone():
        done = run("tests.mumbling")

    assert done.status == "succeeded"
    assert [words for _, words in said(done)] == [
        "Attempt 1 begins",
        "went on",
        "Ended: succeeded",
    ]
    assert capsys.readouterr().err.count("--- Logging error ---") == 3


def test_other_threads_neither_wait_for_a_runs_line_nor_stand_in_its_log() -> None:
    with alone():
        done = run("tests.asking")

    assert [words for _, words in said(done)] == [
        "Attempt 1 begins",
        "asked, other went on",
        "Ended: succeeded",
    ]


def test_a_store_that_hangs_is_asked_once_and_the_run_goes_on(silent: Callable[[], int]) -> None:
    with job_log.kept(uuid4()):
        logger.warning("the first line")
        first = silent()
        logger.warning("the second line")
        job_log.say("the third line")

    assert first > 0
    assert silent() == 0
    assert run().status == "succeeded"


def test_the_oldest_lines_are_let_go_and_other_runs_hear_nothing() -> None:
    other = run()

    long = run(lines=job_log.MOST + 50)
    logger.warning("said by nobody's run")

    assert len(said(long)) == job_log.MOST
    assert said(long)[-1] == ("INFO", "Ended: succeeded")
    assert ("INFO", "Attempt 1 begins") not in said(long)
    assert len(said(other)) == 4
    assert livestate.client().ttl(f"job:log:{long.pk}") > 0


def test_the_page_shows_it_to_who_may_read_all_and_to_nobody_else() -> None:
    # an operator who is not staff may not read what belongs to others
    owner, user = person("owner@example.com", "Operator")
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


def test_the_newest_line_stands_first() -> None:
    staff, _ = person("boss@example.com", "Operator", is_staff=True)
    done = run()

    rows = staff.get(f"/jobs/{done.pk}/").context["log"]["rows"]

    assert [each["text"] for each in rows] == [text for _, text in reversed(said(done))]


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
