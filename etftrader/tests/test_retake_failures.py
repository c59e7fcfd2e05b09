"""A book whose closes cannot be taken again: its owner is told, it is tried again, then a person."""

from typing import Any

import pytest

from etftrader import outcomes
from etftrader.core import job_sweep, jobs
from etftrader.core.actor import system
from etftrader.core.records import JobRun
from marketdata.models import Instrument
from marketdata.tests.selectors.test_suspects import bring_in
from portfolios.models import Portfolio, PositionSnapshot
from portfolios.services import snapshots
from portfolios.tests import factories
from risk.models import Alert
from risk.services import revaluations

pytestmark = pytest.mark.django_db
BY = system("tests")
DAY, LAST = factories.TUESDAY, factories.WEDNESDAY


@pytest.fixture
def books() -> list[Portfolio]:
    """Two that hold AAA, whose close of a session is in doubt since it was valued."""
    factories.make_clock(LAST)
    fund = factories.make_instrument("AAA")
    days = (factories.MONDAY, DAY, LAST)
    factories.make_closes(fund, dict.fromkeys(days, 100))
    made = [factories.make_portfolio(name=name, cash=100_000) for name in ("Bad", "Good")]
    for book in made:
        factories.fill(book, fund, 100, 100, source=f"fill:{book.name}")
    snapshots.take_range(portfolio_ids=[each.pk for each in made], sessions=days)
    bring_in(fund, DAY, 150.0)
    return made


@pytest.fixture
def broken(books: list[Portfolio], monkeypatch: pytest.MonkeyPatch) -> set[Any]:
    """The books that cannot be walked."""
    bad, walk = {books[0].pk}, snapshots.retake_in_parts

    def walked(*, portfolio_id: Any, **how: Any) -> int:
        if portfolio_id in bad:
            raise ValueError("its rows")
        return walk(portfolio_id=portfolio_id, **how)

    monkeypatch.setattr(snapshots, "retake_in_parts", walked)
    return bad


def carried_out() -> JobRun:
    """The one run that waits, done and heeded."""
    [run] = JobRun.objects.filter(job=revaluations.JOB, status="queued")
    done = jobs.run_now(run)
    outcomes.heed(run_id=done.pk)
    return done


def alerts(book: Portfolio) -> list[tuple[str, str]]:
    rows = Alert.objects.filter(portfolio=book, key=f"run:{revaluations.JOB}")
    return list(rows.values_list("severity", "state"))


def suspect(book: Portfolio) -> bool:
    rows = PositionSnapshot.objects.filter(snapshot__portfolio=book, snapshot__session_date=DAY)
    return rows.get().price_class == "suspect"


def test_it_is_told_and_tried_again_until_a_person_is_asked(
    books: list[Portfolio], broken: set[Any]
) -> None:
    bad, good = books
    revaluations.ask(doubted={Instrument.objects.get(symbol="AAA").pk: DAY})

    first = carried_out()

    assert (first.status, alerts(bad), alerts(good)) == ("partial", [("warning", "open")], [])
    assert suspect(good)
    for before in (1, 2):
        [waiting] = JobRun.objects.filter(job=revaluations.JOB, status="queued")
        assert waiting.inputs["books"] == {str(bad.pk): DAY.isoformat()}
        assert waiting.inputs["failed"] == {str(bad.pk): before}
        last = carried_out()
    assert last.status == "failed"
    [item] = last.items
    assert item["reason"]["code"] == revaluations.GIVEN_UP
    # whose state got worse hears of it again, with the way out
    assert alerts(bad) == [("critical", "open")]
    detail = Alert.objects.get(portfolio=bad).detail
    assert "failed in 3 runs" in detail
    assert "Retry failed items" in detail
    assert not JobRun.objects.filter(job=revaluations.JOB, status="queued").exists()

    broken.clear()
    jobs.retry_failed(last, by=BY)
    assert carried_out().status == "succeeded"
    assert suspect(bad)
    assert alerts(bad) == [("critical", "resolved")]


def test_it_is_well_again_where_the_next_run_succeeds(
    books: list[Portfolio], broken: set[Any]
) -> None:
    revaluations.ask(doubted={Instrument.objects.get(symbol="AAA").pk: DAY})
    carried_out()
    broken.clear()

    carried_out()

    assert suspect(books[0])
    assert alerts(books[0]) == [("warning", "resolved")]


def test_a_run_that_fails_for_all_is_the_houses_alert_and_ends_with_the_next_one(
    books: list[Portfolio],
) -> None:
    of_house = Alert.objects.of_book(None).filter(key=f"run:{revaluations.JOB}")
    JobRun.objects.create(
        job=revaluations.JOB, scope="ask:1", as_of=LAST, status="failed",
        error={"code": "internal_error", "detail": "An unexpected ValueError."},
    )  # fmt: skip
    outcomes.heed(run_id=JobRun.objects.get().pk)
    assert of_house.get().state == "open"

    revaluations.ask(doubted={Instrument.objects.get(symbol="AAA").pk: DAY})
    carried_out()

    assert of_house.get().state == "resolved"


def test_what_failed_waits_for_the_sweeper(
    books: list[Portfolio], broken: set[Any], monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:  # fmt: skip
    sent: list[Any] = []
    monkeypatch.setattr(jobs, "send", lambda task, **words: sent.append(words.get("run_id")))
    revaluations.ask(doubted={Instrument.objects.get(symbol="AAA").pk: DAY})

    with django_capture_on_commit_callbacks(execute=True):
        carried_out()

    [waiting] = JobRun.objects.filter(job=revaluations.JOB, status="queued")
    assert str(waiting.pk) not in sent
    JobRun.objects.update(created_at=factories.clock.now() - job_sweep.REQUEUE_AFTER)
    assert job_sweep.sweep()["requeued"] == 1
    assert str(waiting.pk) in sent
