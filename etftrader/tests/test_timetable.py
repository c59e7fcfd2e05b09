"""The timetable: in words, switched, moved and run by operators, with a line; refused with why."""

import threading
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks

from etftrader.core import clock
from etftrader.core.actor import system
from etftrader.core.errors import BadInput, Conflict, NotFound, VersionMismatch
from etftrader.core.records import AuditEvent, JobRun
from etftrader.schedule import STEPS, TIMERS
from etftrader.services import timetable
from etftrader.services.acts import setup_schedules
from trading.tests import world

pytestmark = pytest.mark.django_db
V1 = "/api/v1/schedules"
BY = system("tests")


@pytest.fixture(autouse=True)
def planned(settings: Any) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (100_000, 1))
    world.make_market()
    setup_schedules()


def of(name: str) -> timetable.Entry:
    return timetable.entry(PeriodicTask.objects.get(name=name).pk)


def move(name: str, at: str) -> timetable.Entry:
    return timetable.change(entry_id=of(name).id, at=at, by=BY)


def browser(email: str, *groups: str) -> Client:
    user = world.make_user(email)
    for group in groups:
        world.add_to_group(user, group)
    client = Client()
    client.force_login(user)
    return client


def test_every_step_and_timer_stands_there_in_words_the_steps_first() -> None:
    found = timetable.entries()

    assert len(found) == len(STEPS) + len(TIMERS)
    assert [each.label for each in found[: len(STEPS)]] == [step.label for step in STEPS]
    by_name = {each.name: each for each in found}
    assert by_name["day: prices"].when == "Weekdays 16:15 ET"
    assert by_name["day: rates"].when == "Weekdays 16:20 ET"
    assert by_name["rates"].when == "Weekdays 18:30 ET"
    assert by_name["sweep"].when == "Every 30 seconds"
    assert by_name["prune"].when == "Daily 05:00 ET"
    assert by_name["day: risk"].needs == ("Covariance", "Valuation")
    assert all(each.of_house and each.enabled and each.next_run_at for each in found)
    assert len({each.label for each in found}) == len(found)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        # the clocks went back on Sunday the 1st: 16:15 is 21:15 UTC on Monday, 20:15 on Friday
        (datetime(2026, 10, 30, 20, 14, tzinfo=UTC), datetime(2026, 10, 30, 20, 15, tzinfo=UTC)),
        (datetime(2026, 10, 30, 20, 15, tzinfo=UTC), datetime(2026, 11, 2, 21, 15, tzinfo=UTC)),
        (datetime(2026, 11, 1, 12, 0, tzinfo=UTC), datetime(2026, 11, 2, 21, 15, tzinfo=UTC)),
    ],
)
def test_the_next_run_is_the_next_weekday_at_that_hour_of_new_york(
    monkeypatch: Any, now: datetime, due: datetime
) -> None:
    monkeypatch.setattr(clock, "now", lambda: now)

    assert of("day: prices").next_run_at == due


def test_what_is_switched_off_has_no_next_run_and_beat_is_told() -> None:
    before = PeriodicTasks.last_change()

    changed = timetable.change(entry_id=of("audit").id, enabled=False, reason="rest", by=BY)

    assert (changed.enabled, changed.next_run_at) == (False, None)
    assert PeriodicTasks.last_change() != before
    line = AuditEvent.objects.get(action="schedule.change")
    assert (line.before["enabled"], line.after["enabled"], line.reason) == (True, False, "rest")
    assert line.object_id == str(changed.id)


def test_a_moved_entry_keeps_its_days_and_makes_up_for_nothing() -> None:
    PeriodicTask.objects.filter(name="day: books").update(last_run_at=clock.now())

    changed = move("day: books", "18:05")

    assert (changed.when, changed.time) == ("Weekdays 18:05 ET", "18:05")
    row = PeriodicTask.objects.get(name="day: books")
    assert (row.crontab.day_of_week, str(row.crontab.timezone)) == ("1-5", "America/New_York")
    assert row.last_run_at is None
    # others that ran at the same hour stay where they are
    assert PeriodicTask.objects.exclude(name="day: books").filter(crontab=row.crontab).count() == 0


@pytest.mark.parametrize(
    ("name", "at", "words"),
    [
        ("day: prices", "25:00", "HH:MM"),
        ("day: prices", "5:00", "HH:MM"),
        ("day: prices", "16h15", "HH:MM"),
        ("prune", "02:30", "Clocks are changed"),
        ("prune", "00:00", "Clocks are changed"),
        ("day: prices", "15:59", "16:00 or later"),
        ("day: covariance", "16:10", "needs Prices, which begins at 16:15"),
        ("day: rates", "15:59", "16:00 or later"),
        ("day: prices", "16:21", "begins at 16:20. Move that first"),
        ("sweep", "05:00", "has no time of day"),
    ],
)
def test_an_hour_that_cannot_be_is_refused_with_the_way_out(name: str, at: str, words: str) -> None:
    with pytest.raises(BadInput, match=words) as refused:
        move(name, at)

    assert refused.value.figures["attr"] == "time"
    assert not AuditEvent.objects.filter(action="schedule.change").exists()


def test_the_same_again_changes_nothing_and_leaves_no_line() -> None:
    timetable.change(entry_id=of("prune").id, enabled=True, at="05:00", by=BY)

    assert not AuditEvent.objects.exists()


def test_what_beat_notes_down_is_no_other_version() -> None:
    before = of("heartbeat").version
    PeriodicTask.objects.filter(name="heartbeat").update(last_run_at=clock.now(), total_run_count=9)
    assert of("heartbeat").version == before

    with pytest.raises(VersionMismatch):
        timetable.change(entry_id=of("heartbeat").id, enabled=False, version=before + 1, by=BY)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_change_an_entry_at_once_one_is_told() -> None:
    entry = of("day: prices")
    told: list[str] = []
    gate = threading.Barrier(2)

    def act(**wish: Any) -> None:
        gate.wait()
        try:
            timetable.change(entry_id=entry.id, version=entry.version, by=BY, **wish)
            told.append("done")
        except VersionMismatch:
            told.append("late")
        finally:
            connection.close()

    pair = [
        threading.Thread(target=act, kwargs={"enabled": False}),
        threading.Thread(target=act, kwargs={"at": "16:16"}),
    ]
    for each in pair:
        each.start()
    for each in pair:
        each.join()

    assert sorted(told) == ["done", "late"]
    assert AuditEvent.objects.filter(action="schedule.change").count() == 1


def test_a_rule_that_is_not_ours_is_shown_and_neither_moved_nor_run() -> None:
    odd = CrontabSchedule.objects.create(minute="*/7", hour="3", day_of_month="1")
    row = PeriodicTask.objects.create(name="theirs", task="celery.backend_cleanup", crontab=odd)
    often = IntervalSchedule.objects.create(every=1, period="days")
    daily = PeriodicTask.objects.create(name="often", task="etftrader.sweep", interval=often)

    entry = timetable.entry(row.pk)

    assert (entry.time, entry.of_house, entry.next_run_at) == (None, False, None)
    assert timetable.entry(daily.pk).when == "Every day"
    with pytest.raises(Conflict):
        timetable.run_now(entry_id=row.pk, by=BY)
    with pytest.raises(BadInput):
        timetable.change(entry_id=row.pk, at="05:00", by=BY)
    with pytest.raises(NotFound):
        timetable.entry(10_000)


def test_running_a_step_now_is_a_run_of_the_day_and_twice_is_once() -> None:
    first = timetable.run_now(entry_id=of("day: prices").id, by=BY)
    again = timetable.run_now(entry_id=of("day: prices").id, by=BY)

    assert first.pk == again.pk
    assert (first.job, first.inputs) == ("etftrader.run_day", {"steps": ["prices"]})
    checked = timetable.run_now(entry_id=of("audit").id, by=BY)
    assert (checked.job, checked.scope) == ("etftrader.check_audit", "all chains")
    assert of("audit").last_run.pk == checked.pk


def test_the_list_takes_few_queries(django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(2):
        timetable.entries()


# --- over the API -------------------------------------------------------------------------------


def test_everybody_reads_the_timetable_and_operators_change_it() -> None:
    reader, operator = browser("r@example.com"), browser("o@example.com", "Operator")
    JobRun.objects.create(
        job="marketdata.sync_prices", step="prices", as_of=world.YESTERDAY, status="failed",
        error={"code": "provider_failed", "detail": "secret portfolio names"},
    )  # fmt: skip
    listed = reader.get(V1).json()
    prices = next(each for each in listed["results"] if each["name"] == "day: prices")
    path = f"{V1}/{prices['id']}"
    one = reader.get(path)

    assert listed["count"] == len(STEPS) + len(TIMERS)
    assert (prices["when"], prices["time"], prices["last_result"]["status"]) == (
        "Weekdays 16:15 ET",
        "16:15",
        "failed",
    )
    assert "secret" not in str(listed)
    due = [each["next_run_at"] for each in listed["results"] if each["next_run_at"]]
    assert due
    assert all(each.endswith("Z") for each in due)
    assert datetime.fromisoformat(prices["next_run_at"]) == of("day: prices").next_run_at
    tag = one["ETag"]
    ask = {"data": {"time": "16:17"}, "content_type": "application/json"}
    assert reader.patch(path, HTTP_IF_MATCH=tag, **ask).status_code == 403
    assert operator.patch(path, **ask).status_code == 428
    changed = operator.patch(path, HTTP_IF_MATCH=tag, **ask)
    assert (changed.status_code, changed.json()["time"]) == (200, "16:17")
    stale = operator.patch(path, HTTP_IF_MATCH=tag, **ask)
    assert (stale.status_code, stale.json()["object"]["time"]) == (412, "16:17")


@pytest.mark.parametrize(
    ("body", "attr"),
    [({}, "enabled"), ({"time": "99:99"}, "time"), ({"enabled": "maybe"}, "enabled"),
     ({"days": "*"}, "days")],
)  # fmt: skip
def test_a_change_that_cannot_be_names_its_field(body: dict[str, Any], attr: str) -> None:
    operator = browser("o@example.com", "Operator")
    path = f"{V1}/{of('day: prices').id}"

    answer = operator.patch(path, body, "application/json", HTTP_IF_MATCH="*")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"] == attr


def test_run_now_answers_with_the_job() -> None:
    operator = browser("o@example.com", "Operator")
    path = f"{V1}/{of('prune').id}/run"

    answer = operator.post(path, {}, "application/json")

    assert answer.status_code == 202
    assert JobRun.objects.get().job == "etftrader.prune"
    assert browser("r@example.com").post(path, {}, "application/json").status_code == 403


# --- on the page --------------------------------------------------------------------------------


@pytest.fixture
def stage() -> SimpleNamespace:
    return SimpleNamespace(
        reader=browser("reader@example.com"), operator=browser("op@example.com", "Operator")
    )


def test_the_page_shows_the_timetable_and_buttons_to_operators_only(stage: Any) -> None:
    shown, own = (
        each.get("/schedules/").content.decode() for each in (stage.reader, stage.operator)
    )

    for text in (shown, own):
        assert "Weekdays 16:15 ET" in text
        assert "At their hours they find nothing due" in text
    assert "Run now" not in shown
    assert "Run now" in own
    assert Client().get("/schedules/").status_code == 302


def test_a_form_moves_an_entry_and_says_so(stage: Any) -> None:
    entry = of("day: books")
    path = f"/schedules/{entry.id}/"
    form = {"version": entry.version, "enabled": "on", "time": "18:00", "reason": "later"}

    assert stage.reader.post(path, form).status_code == 403
    answer = stage.operator.post(path, form)

    assert (answer.status_code, answer["Location"]) == (303, "/schedules/")
    assert of("day: books").time == "18:00"
    late = stage.operator.post(path, form | {"time": "18:30"})
    assert late.status_code == 422
    assert "changed since you read it" in late.content.decode()
    wrong = stage.operator.post(path, form | {"version": of("day: books").version, "time": "3:00"})
    assert wrong.status_code == 422
    assert "HH:MM" in wrong.content.decode()


def test_a_form_switches_an_entry_off(stage: Any) -> None:
    entry = of("sweep")

    answer = stage.operator.post(f"/schedules/{entry.id}/", {"version": entry.version})

    assert answer.status_code == 303
    assert not of("sweep").enabled
    text = stage.operator.get("/schedules/").content.decode()
    assert "<b>1</b> switched off" in text


def test_forms_of_another_page_are_refused(stage: Any) -> None:
    strict = Client(enforce_csrf_checks=True)
    user = world.make_user("strict@example.com")
    world.add_to_group(user, "Operator")
    strict.force_login(user)
    entry = of("prune")

    for path in (f"/schedules/{entry.id}/", f"/schedules/{entry.id}/run/"):
        assert strict.post(path, {"version": entry.version}).status_code == 403


def test_run_now_leads_to_the_run(stage: Any) -> None:
    path = f"/schedules/{of('day: risk').id}/run/"

    assert stage.reader.post(path).status_code == 403
    assert stage.operator.get(path).status_code == 405
    answer = stage.operator.post(path)

    assert answer["Location"] == f"/jobs/{JobRun.objects.get().pk}/"
