"""REST of the roof: jobs, data, clock, batches, timetable, audit, search, aliases."""

import uuid
from datetime import date

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from rest_framework.test import APIClient

from etftrader.core import audit
from etftrader.core.actor import system
from etftrader.core.records import AuditEvent, JobRun
from marketdata.models import ReplayClock
from portfolios.tests.factories import (
    WEDNESDAY,
    make_clock,
    make_closes,
    make_instrument,
    make_portfolio,
    make_user,
)

pytestmark = pytest.mark.django_db
V1 = "/api/v1"
MADE_UP = uuid.UUID(int=5)


def client_of(user) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture(autouse=True)
def _stage(settings):
    settings.RATE_LIMITS = {name: (100_000, 1) for name in settings.RATE_LIMITS}
    make_clock(WEDNESDAY)
    make_closes(make_instrument("AAA"), {WEDNESDAY: 110})


@pytest.fixture
def client() -> APIClient:
    return client_of(make_user())


@pytest.fixture
def operator() -> APIClient:
    user = make_user("operator@example.com")
    user.groups.add(Group.objects.get(name="Operator"))
    return client_of(user)


@pytest.fixture
def staff() -> APIClient:
    user = make_user("staff@example.com", is_staff=True)
    user.groups.add(Group.objects.get(name="Viewer"))
    return client_of(user)


def make_run(user=None, **fields) -> JobRun:
    given = {"job": "etftrader.run_day", "scope": str(uuid.uuid4()), "as_of": WEDNESDAY}
    return JobRun.objects.create(requested_by=user and user.pk, **(given | fields))


@pytest.mark.parametrize(
    "path",
    [
        "jobs",
        "data/status",
        "admin/clock",
        "schedules",
        "search?q=a",
        "version",
        "glossary",
    ],
)
def test_readers_get_an_answer_and_the_unknown_a_401(client, path):
    assert client.get(f"{V1}/{path}").status_code == 200
    assert APIClient().get(f"{V1}/{path}").status_code == 401


def test_health_is_for_everybody():
    answer = APIClient().get(f"{V1}/health")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("path", "attr"),
    [
        ("search", "q"),
        ("search?q=" + "x" * 101, "q"),
        ("search?q=a&limit=51", "limit"),
        ("jobs?status=asleep", "status"),
        ("jobs?colour=red", "colour"),
        ("data/status?colour=red", "colour"),
    ],
)
def test_a_bad_value_is_named(client, path, attr):
    answer = client.get(f"{V1}/{path}")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"] == attr


def test_people_see_their_own_jobs_and_staff_all(client, staff):
    mine, other = make_run(make_user(), status="succeeded", step="risk"), make_run()

    listed = client.get(f"{V1}/jobs?status=succeeded&step=risk").json()

    assert [each["id"] for each in listed["results"]] == [str(mine.pk)]
    assert client.get(f"{V1}/jobs?status=failed").json()["count"] == 0
    assert client.get(f"{V1}/jobs").json()["count"] == 1
    assert staff.get(f"{V1}/jobs").json()["count"] == 2
    foreign, missing = (client.get(f"{V1}/jobs/{each}") for each in (other.pk, MADE_UP))
    assert foreign.status_code == missing.status_code == 404
    assert foreign.json()["detail"] == missing.json()["detail"]


def test_a_job_tells_its_parts_and_its_result_once_there_is_one(client):
    parts = [{"item": "a", "status": "ok"}, {"item": "b", "status": "failed"}]
    done = make_run(make_user(), status="partial", items=parts, result={"written": 3})
    waiting = make_run(make_user())

    assert client.get(f"{V1}/jobs/{done.pk}/items?limit=1").json()["results"] == parts[:1]
    assert client.get(f"{V1}/jobs/{done.pk}/result").json()["result"] == {"written": 3}
    early = client.get(f"{V1}/jobs/{waiting.pk}/result")
    assert (early.status_code, early.json()["code"]) == (409, "job_has_no_result")
    assert client.get(f"{V1}/jobs/{waiting.pk}")["Retry-After"] == "1"


@pytest.mark.parametrize("status", ["queued", "running"])
def test_a_job_that_waits_or_runs_is_cancelled_once_and_one_that_ended_not_at_all(
    client, staff, status
):
    run, done = make_run(make_user(), status=status), make_run(make_user(), status="succeeded")

    assert client.get(f"{V1}/jobs/{run.pk}").json()["cancel_url"]
    assert staff.post(f"{V1}/jobs/{run.pk}/cancel").status_code == 403
    for _ in range(2):
        answer = client.post(f"{V1}/jobs/{run.pk}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        assert answer.json()["cancel_url"] is None
    assert AuditEvent.objects.filter(action="job.cancel", object_id=str(run.pk)).count() == 1
    late = client.post(f"{V1}/jobs/{done.pk}/cancel")
    assert (late.status_code, late.json()["code"]) == (409, "job_already_ended")


def test_a_job_cancelled_under_a_key_answers_again(client):
    run = make_run(make_user(), status="queued")
    key = {"HTTP_IDEMPOTENCY_KEY": "cancel-key-1"}

    first = client.post(f"{V1}/jobs/{run.pk}/cancel", **key)
    again = client.post(f"{V1}/jobs/{run.pk}/cancel", **key)

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    assert ("Idempotent-Replayed" in first, again["Idempotent-Replayed"]) == (False, "true")
    bad = client.post(f"{V1}/jobs/{run.pk}/cancel", HTTP_IDEMPOTENCY_KEY="a b")
    assert bad.status_code == 400


def test_operators_run_a_finished_job_again(client, operator):
    user = make_user("operator@example.com")
    failed, running = make_run(user, status="failed"), make_run(user, status="running")

    answer = operator.post(f"{V1}/jobs/{failed.pk}/retry")

    assert answer.status_code == 202
    assert answer["Location"] == f"{V1}/jobs/{failed.pk}"
    failed.refresh_from_db()
    assert failed.status == "queued"
    assert operator.post(f"{V1}/jobs/{running.pk}/retry").status_code == 409
    assert client.post(f"{V1}/jobs/{failed.pk}/retry").status_code == 403


def test_the_status_of_data_names_datasets_clock_and_steps(client):
    make_run(
        step="prices",
        job="marketdata.sync_prices",
        scope="r1 bundled all",
        status="failed",
        error={"code": "needs_failed", "detail": "of one portfolio"},
    )

    body = client.get(f"{V1}/data/status").json()

    assert body["clock"]["session_date"] == "2016-06-22"
    funds = next(each for each in body["datasets"] if each["dataset"] == "etf_prices")
    assert (funds["newest"], funds["covered"], funds["coverage"]) == ("2016-06-22", 1, 1.0)
    assert [(each["step"], each["error"]) for each in body["steps"]] == [("prices", "needs_failed")]
    assert body["covariance"] is None


@pytest.mark.parametrize("path", ["/api/v1/data/update", "/api/v1/admin/clock", "/api/data/update"])
def test_the_next_session_is_asked_for_once_while_it_is_open(client, path):
    first, second = client.post(path), client.post(path)

    assert first.status_code == second.status_code == 202
    assert first.json()["id"] == second.json()["id"]
    assert first["Location"] == first.json()["url"]
    run = JobRun.objects.get(job="etftrader.advance")
    assert run.as_of == date(2016, 6, 23)


@pytest.mark.parametrize("path", ["data/update", "admin/clock"])
def test_only_operators_advance_a_closed_replay(client, operator, settings, path):
    settings.REPLAY_OPEN = False

    assert client.post(f"{V1}/{path}").status_code == 403
    assert operator.post(f"{V1}/{path}").status_code == 202


@pytest.mark.parametrize("path", ["data/update", "admin/clock"])
def test_at_the_end_of_history_nothing_moves(client, path):
    ReplayClock.objects.update(session_date=date(2016, 7, 1))

    answer = client.post(f"{V1}/{path}")

    assert (answer.status_code, answer.json()["code"]) == (409, "no_more_history")
    assert not JobRun.objects.exists()


def test_a_body_nobody_understands_is_refused(client):
    answer = client.post(f"{V1}/data/update", {"days": 3}, format="json")

    assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, "days")


@pytest.mark.parametrize(
    ("batch", "steps"),
    [
        ("market-data", ["prices", "rates"]),
        ("risk-metrics", ["covariance", "risk", "limits"]),
        ("snapshots", ["snapshots"]),
        ("greeks", ["greeks"]),
    ],
)
def test_operators_start_batches_and_see_them(client, operator, batch, steps):
    assert client.post(f"{V1}/admin/batch/{batch}").status_code == 403
    answer = operator.post(f"{V1}/admin/batch/{batch}")

    assert answer.status_code == 202
    run = JobRun.objects.get(pk=answer.json()["id"])
    assert (run.job, run.as_of, run.inputs) == ("etftrader.run_day", WEDNESDAY, {"steps": steps})
    status = operator.get(f"{V1}/admin/batch/status").json()
    assert [each["steps"] for each in status["batches"]] == [steps]


def test_an_owner_starts_batches_of_an_own_book_every_five_minutes(client):
    book = make_portfolio(owner=make_user(), cash=1000)
    foreign = make_portfolio(owner=make_user("other@example.com"))
    path = f"{V1}/admin/batch/snapshots"

    answers = [client.post(path, {"portfolio_id": str(each)}) for each in (foreign.pk, MADE_UP)]
    assert [each.status_code for each in answers] == [404, 404]
    assert answers[0].json()["detail"] == answers[1].json()["detail"]

    asked = client.post(path, {"portfolio_id": str(book.pk)})

    assert asked.status_code == 202
    run = JobRun.objects.get(pk=asked.json()["id"])
    assert (run.job, run.portfolio_ids) == ("portfolios.take_snapshots", [str(book.pk)])
    again = client.post(path, {"portfolio_id": str(book.pk)})
    assert (again.status_code, again.json()["code"]) == (409, "asked_recently")
    # another kind has a pause of its own; without holdings there is nothing to fetch
    for kind, code in (("greeks", "insufficient_data"), ("market-data", "nothing_held")):
        refused = client.post(f"{V1}/admin/batch/{kind}", {"portfolio_id": str(book.pk)})
        assert refused.json()["code"] == code
    risk = client.post(f"{V1}/admin/batch/risk-metrics", {"portfolio_id": str(book.pk)})
    assert risk.status_code == 202
    mine = client.get(f"{V1}/admin/batch/status").json()["batches"]
    assert [each["steps"] for each in mine] == [["covariance", "risk", "limits"], ["snapshots"]]
    stranger = client_of(make_user("other@example.com"))
    assert stranger.get(f"{V1}/admin/batch/status").json()["batches"] == []


def test_staff_read_and_verify_the_audit_trail(client, staff):
    with transaction.atomic():
        for action in ("first", "second"):
            audit.record(by=system("tests"), action=action, object_type="thing", object_id="1")

    lines = staff.get(f"{V1}/audit?object_type=thing").json()["results"]

    assert [each["action"] for each in lines] == ["second", "first"]
    assert lines[0]["previous_hash"] == lines[1]["hash"]
    verdict = staff.get(f"{V1}/audit/verify?chain=site").json()
    assert verdict == {"chain": "site", "whole": True, "problems": []}
    assert client.get(f"{V1}/audit").status_code == 403
    assert client.get(f"{V1}/audit/verify").status_code == 403


def test_search_finds_instruments_own_portfolios_and_pages(client):
    mine = make_portfolio(name="Aardvark")
    make_portfolio(owner=make_user("other@example.com"), name="Aardwolf")

    body = client.get(f"{V1}/search?q=aa").json()

    assert [each["symbol"] for each in body["instruments"]] == ["AAA"]
    assert [each["id"] for each in body["portfolios"]] == [str(mine.pk)]
    assert client.get(f"{V1}/search?q=gloss").json()["pages"] == [
        {"name": "Glossary", "url": "/glossary/"}
    ]


def test_the_short_addresses_answer_like_the_canonical_ones(client):
    one = make_portfolio(cash=1000).pk
    pairs = {
        "portfolios": "portfolios",
        f"portfolios/{one}": f"portfolios/{one}",
        f"positions/{one}": f"portfolios/{one}/positions",
        "trades": "trades",
        f"trades/{one}": f"portfolios/{one}/trades",
        f"performance/{one}": f"portfolios/{one}/performance",
        f"risk/{one}": f"portfolios/{one}/risk",
        "risk/vix/history": "market/vix/history",
        "data/status": "data/status",
    }
    own = ("instance", "request_id", "meta")
    for short, canonical in pairs.items():
        answers = [
            client.get(path) for path in (f"/api/{short}", f"/api/{short}/", f"{V1}/{canonical}")
        ]
        bodies = [{k: v for k, v in each.json().items() if k not in own} for each in answers]
        assert len({each.status_code for each in answers}) == 1, short
        assert bodies[0] == bodies[1] == bodies[2], short
        assert APIClient().get(f"/api/{short}").status_code == 401


@pytest.mark.parametrize(
    ("short", "canonical"),
    [("docs", "docs"), ("redoc", "redoc"), ("openapi.json", "schema")],
)
def test_the_old_places_of_the_description_lead_to_the_new_one(client, short, canonical):
    answer = client.get(f"/api/{short}")

    assert (answer.status_code, answer["Location"]) == (302, f"{V1}/{canonical}")
    assert client.post(f"/api/{short}").status_code == 405
