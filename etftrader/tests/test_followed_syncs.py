"""What a sync changes of the books' past is followed: cut short, cancelled, by name, by command."""

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from etftrader import outcomes, revision, tasks
from etftrader.core import job_sweep, jobs
from etftrader.core.actor import system
from etftrader.core.records import JobRun, OutboxEvent
from marketdata.events import prices_revised
from marketdata.models import CorporateAction, DailyBar, Instrument
from marketdata.selectors import calendar, lookups
from marketdata.services import bar_sync, corporate_actions, late_changes, price_sync
from portfolios.tests import factories

pytestmark = pytest.mark.django_db
BY = system("tests")
DAYS = calendar.between(date(2016, 6, 1), date(2016, 6, 22))
LACKING, EX, LAST = date(2016, 6, 14), date(2016, 6, 17), DAYS[-1]
NAMES = [f"S{place:02}" for place in range(30)]
FIRST_PART = NAMES[: bar_sync.MOST_SYMBOLS]
SYNC = "marketdata.sync_prices"


def tell(folder: Path, symbol: str, days: list[date] = DAYS) -> Path:
    path = folder / f"{symbol.lower()}.csv"
    path.write_text("\n".join(["date,symbol,close", *(f"{day},{symbol},100" for day in days), ""]))
    return path


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """Thirty names with all their prices but one session's; a book holds the first of them."""
    settings.MARKETDATA_PROVIDER, settings.CSV_FOLDER = "csv", str(tmp_path)
    factories.make_clock(LAST)
    for name in NAMES:
        tell(tmp_path, name)
    price_sync.load_history(until=LAST)
    DailyBar.objects.filter(session_date=LACKING).delete()
    book = factories.make_portfolio(cash=100_000, session_date=DAYS[0], opened_on=DAYS[0])
    fund = Instrument.objects.get(symbol=NAMES[0])
    factories.fill(book, fund, 100, 100, session_date=DAYS[0])
    OutboxEvent.objects.all().delete()
    return tmp_path


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Have something happen once between the two parts of a sync."""
    whole, waiting = bar_sync._parts, []

    def parts(answers: Any) -> Iterator[Any]:
        for place, part in enumerate(whole(answers)):
            if place and waiting:
                waiting.pop()()
            yield part

    monkeypatch.setattr(bar_sync, "_parts", parts)
    return waiting.append


def sync() -> JobRun:
    return jobs.request(SYNC, as_of=LAST, inputs={"datasets": ["daily_bars"]}, queue=False)


def free(run: JobRun) -> None:
    """The lease of a process that is no more runs out."""
    JobRun.objects.filter(pk=run.pk).update(lease_until=calendar.close_time(LAST))


def asked() -> list[dict[str, str]]:
    runs = JobRun.objects.filter(job=revision.JOB).order_by("created_at")
    return [run.inputs["changed"] for run in runs]


def lately(names: list[str], since: date = LACKING) -> dict[str, str]:
    return dict.fromkeys(names, since.isoformat())


def lacks() -> set[str]:
    there = DailyBar.objects.filter(session_date=LACKING)
    return set(NAMES) - set(there.values_list("instrument__symbol", flat=True))


def fall() -> None:
    raise RuntimeError("the disk is full")


def be_killed() -> None:
    raise SystemExit


# --- attempts that were cut short -----------------------------------------------------------------


def test_what_a_failed_attempt_had_written_is_followed_and_the_rest_with_the_next(
    folder: Path, between: Any
) -> None:
    between(fall)
    run = jobs.run_now(sync())
    assert (run.status, lacks()) == ("failed", set(NAMES) - set(FIRST_PART))

    outcomes.heed(run_id=run.pk)
    outcomes.heed(run_id=run.pk)

    assert asked() == [lately(FIRST_PART)]
    JobRun.objects.filter(job=revision.JOB).delete()
    run = jobs.run_now(jobs.retry_failed(run, by=BY))
    assert (run.status, lacks()) == ("succeeded", set())
    outcomes.heed(run_id=run.pk)
    assert asked() == [lately(NAMES[len(FIRST_PART) :])]


def test_what_a_killed_attempt_had_written_is_followed_at_the_end_of_the_next(
    folder: Path, between: Any
) -> None:
    between(be_killed)
    run = sync()
    with pytest.raises(SystemExit):
        jobs.run_now(run)
    run.refresh_from_db()
    assert (run.status, lacks()) == ("running", set(NAMES) - set(FIRST_PART))
    free(run)

    run = jobs.run_now(run)
    outcomes.heed(run_id=run.pk)

    assert (run.status, run.attempt) == ("succeeded", 2)
    assert asked() == [lately(NAMES)]


def test_what_was_changed_before_a_step_was_asked_for_again_is_not_forgotten(
    folder: Path, between: Any
) -> None:
    """Its first end was not heeded yet when it was opened again under the same name."""
    wish = {"as_of": LAST, "scope": "r1 all", "step": "prices", "queue": False}
    between(fall)
    run = jobs.run_now(jobs.request(SYNC, inputs={"datasets": ["daily_bars"]}, **wish))
    assert run.status == "failed"

    again = jobs.run_now(jobs.request(SYNC, inputs={"datasets": ["daily_bars"]}, **wish))
    outcomes.heed(run_id=again.pk)

    assert (again.pk, again.status) == (run.pk, "succeeded")
    assert asked() == [lately(NAMES)]


def test_a_run_that_nobody_takes_any_more_is_followed_too(folder: Path, between: Any) -> None:
    between(be_killed)
    run = sync()
    with pytest.raises(SystemExit):
        jobs.run_now(run)
    JobRun.objects.filter(pk=run.pk).update(attempt=jobs.MAX_ATTEMPTS)
    free(run)

    assert job_sweep.sweep()["dead"] == 1
    outcomes.heed(run_id=run.pk)

    assert asked() == [lately(FIRST_PART)]


def test_an_attempt_that_lost_its_run_writes_no_further_part(folder: Path, between: Any) -> None:
    run = sync()
    ours = JobRun.objects.filter(pk=run.pk)
    between(lambda: ours.update(attempt=2))
    run = jobs.run_now(run)
    assert (run.status, lacks()) == ("running", set(NAMES) - set(FIRST_PART))
    free(run)

    run = jobs.run_now(run)
    outcomes.heed(run_id=run.pk)

    assert asked() == [lately(NAMES)]


def test_what_a_cancelled_run_had_written_is_followed_by_the_sweep(
    folder: Path, between: Any
) -> None:
    run = sync()
    between(lambda: jobs.cancel(run, by=BY))
    run = jobs.run_now(run)
    assert (run.status, lacks()) == ("cancelled", set(NAMES) - set(FIRST_PART))

    tasks.sweep()
    JobRun.objects.filter(job=revision.JOB).update(status="succeeded")
    tasks.sweep()

    assert asked() == [lately(FIRST_PART)]


def test_an_action_that_a_killed_attempt_applied_is_followed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pending()
    with monkeypatch.context() as patched:
        patched.setattr(late_changes, "in_run", lambda *_: be_killed())
        run = jobs.request("marketdata.apply_actions", as_of=LAST, queue=False)
        with pytest.raises(SystemExit):
            jobs.run_now(run)
    assert CorporateAction.objects.get().status == "applied"
    free(run)

    outcomes.heed(run_id=jobs.run_now(run).pk)

    assert asked() == [lately([NAMES[0]], EX)]


@pytest.mark.skipif(connection.vendor == "sqlite", reason="one writer at a time has no order")
@pytest.mark.django_db(transaction=True)
def test_who_cancels_while_an_action_is_applied_waits_for_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both write the run and then an audit line: in another order they would wait for ever."""
    pending()
    run = jobs.request("marketdata.apply_actions", as_of=LAST, queue=False)
    apply, said = corporate_actions.apply, []

    def cancel() -> None:
        try:
            said.append(jobs.cancel(JobRun.objects.get(pk=run.pk), by=BY).status)
        finally:
            connection.close()

    other = Thread(target=cancel)

    def applied(**given: Any) -> Any:
        done = apply(**given)
        other.start()
        other.join(0.5)
        assert said == []
        return done

    monkeypatch.setattr(corporate_actions, "apply", applied)
    jobs.run_now(run)
    other.join(20)

    run.refresh_from_db()
    assert (said, run.status) == (["cancelled"], "cancelled")
    assert CorporateAction.objects.get().status == "applied"
    outcomes.follow_cancelled()
    assert asked() == [lately([NAMES[0]], EX)]


# --- one big ordinary day -------------------------------------------------------------------------


def test_a_big_ordinary_day_revises_what_is_late_alone() -> None:
    factories.make_clock(LAST)
    changed = dict.fromkeys([f"N{place:04}" for place in range(900)], LAST)
    told = late_changes.in_words(changed | {"LATE": EX})
    run = JobRun.objects.create(
        job=SYNC, scope="r1 all", step="prices", as_of=LAST, status="succeeded",
        result={"changed": told},
    )  # fmt: skip

    outcomes.heed(run_id=run.pk)

    assert asked() == [{"LATE": EX.isoformat()}]


# --- by name, by command --------------------------------------------------------------------------


def pending() -> CorporateAction:
    """A dividend of what the book holds, known since today."""
    fund = Instrument.objects.get(symbol=NAMES[0])
    return CorporateAction.objects.create(
        instrument=fund, kind="dividend", ex_date=EX, amount=Decimal(2), source="manual"
    )


def heed_announcements() -> None:
    for event in OutboxEvent.objects.filter(name=prices_revised.name):
        tasks.heed_prices(**event.payload)


def look_up(symbol: str) -> JobRun:
    wish = {"symbols": [symbol]}
    run = jobs.run_now(jobs.request(lookups.JOB, as_of=LAST, inputs=wish, queue=False))
    assert run.status == "succeeded", run.items
    outcomes.heed(run_id=run.pk)
    return run


def test_an_action_that_a_look_up_applies_is_followed(folder: Path) -> None:
    action = pending()
    tell(folder, "NEW")

    run = look_up("NEW")

    action.refresh_from_db()
    assert action.status == "applied"
    assert asked() == [lately([NAMES[0]], EX) | lately(["NEW"], DAYS[0])]
    assert run.result["changed"] == asked()[0]


def test_a_look_up_of_what_nobody_holds_revises_nothing(folder: Path) -> None:
    tell(folder, "NEW")

    assert look_up("NEW").result["changed"] == lately(["NEW"], DAYS[0])

    assert asked() == []


def test_what_a_backfill_by_name_changes_is_followed(folder: Path) -> None:
    action = pending()

    call_command("backfill_prices", NAMES[1])
    heed_announcements()

    action.refresh_from_db()
    assert action.status == "applied"
    assert asked() == [lately([NAMES[0]], EX) | lately([NAMES[1]])]


def test_what_a_backfill_brings_of_the_newest_session_is_followed_too(folder: Path) -> None:
    DailyBar.objects.filter(session_date=LACKING).delete()
    DailyBar.objects.filter(session_date=LAST, instrument__symbol=NAMES[0]).delete()

    call_command("backfill_prices", NAMES[0], start=LAST)
    heed_announcements()

    assert asked() == [lately([NAMES[0]], LAST)]


def test_what_an_imported_file_changes_is_followed(folder: Path, tmp_path: Path) -> None:
    action = pending()
    path = tell(folder, NAMES[1], [LACKING])

    call_command("import_prices", str(path))
    heed_announcements()

    action.refresh_from_db()
    assert action.status == "applied"
    assert asked() == [lately([NAMES[0]], EX) | lately([NAMES[1]])]


def test_a_backfill_that_was_killed_has_announced_what_it_wrote(folder: Path, between: Any) -> None:
    between(be_killed)
    with pytest.raises(SystemExit):
        call_command("backfill_prices")

    heed_announcements()

    assert asked() == [lately(FIRST_PART)]
