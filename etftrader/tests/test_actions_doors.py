"""Corporate actions as people and programs see them: the page, the form, the endpoints."""

import re
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from django.test import Client

from etftrader import day
from etftrader.core import jobs
from etftrader.core.actor import Actor
from etftrader.core.records import AuditEvent, JobRun
from etftrader.services import actions
from marketdata.models import CorporateAction, DailyBar, Instrument, ReplayClock
from marketdata.selectors import calendar
from marketdata.services import corporate_actions, price_sync, replay
from portfolios.models import Position
from portfolios.tests import factories
from trading.tests import world

pytestmark = pytest.mark.django_db
IN_PLACE = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "decision"}
LIST, NEW, API = "/data/actions/", "/data/actions/new/", "/api/v1/data/actions"
SPLIT = {"symbol": "AAA", "kind": "split", "ex_date": "2016-06-24", "ratio": "4"}


@pytest.fixture
def stage(settings: Any) -> SimpleNamespace:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (1_000_000, 1))
    world.make_market()
    boss = world.make_user("boss@example.com", is_staff=True)
    world.add_to_group(boss, "Operator")
    reader = world.make_user("reader@example.com")
    return SimpleNamespace(boss=boss, operator=signed_in(boss), reader=signed_in(reader))


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def make(symbol: str = "AAA", kind: str = "dividend", **fields: Any) -> CorporateAction:
    figure: dict[str, Any] = {"ratio": 4} if kind == "split" else {"amount": Decimal("0.5")}
    given: dict[str, Any] = {"ex_date": world.YESTERDAY, "source": "csv"} | figure | fields
    instrument = Instrument.objects.get(symbol=symbol)
    return CorporateAction.objects.create(instrument=instrument, kind=kind, **given)


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def page(client: Client, path: str = LIST, **how: Any) -> str:
    answer = client.get(path, **how)
    assert answer.status_code == 200, answer.content[:300]
    return words(answer.content.decode())


def post(client: Client, path: str, body: Any, **how: Any) -> Any:
    return client.post(path, body, "application/json", **how)


# --- the page -----------------------------------------------------------------------------------


def test_an_empty_list_says_what_would_show_there(stage: Any) -> None:
    text = page(stage.reader)

    assert "No split, dividend or symbol change is known" in text
    assert "symbol changes are entered by hand" in text
    assert "Enter an action" not in text
    assert "Enter an action" in page(stage.operator)
    assert "Announce Cancel" in page(stage.operator, NEW)
    assert 'href="/data/actions/"' in stage.reader.get("/data/quarantine/").content.decode()


def test_actions_stand_there_with_what_they_do_and_their_state(stage: Any) -> None:
    make("AAA", "split", ex_date=world.TODAY)
    make("BBB", pay_date=date(2016, 7, 1))
    corporate_actions.apply_due(session_date=world.YESTERDAY)

    rows = stage.reader.get(LIST).context["table"]["rows"]

    assert [(each["symbol"], each["kind"], each["what"]) for each in rows] == [
        ("AAA", "Split", "4.00 new for 1 old"),
        ("BBB", "Dividend", "0.50 a share, paid 1 Jul 2016"),
    ]
    assert [each["state"]["text"] for each in rows] == ["Announced", "Applied"]
    assert "1 announced" in page(stage.reader)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("kind=split", {"AAA"}),
        ("state=applied", {"BBB"}),
        ("symbol=bbb", {"BBB"}),
        ("start=2016-06-23", {"AAA"}),
        ("end=2016-06-22", {"BBB"}),
        ("kind=tea&start=never", {"AAA", "BBB"}),
        ("symbol=ZZZ", set()),
    ],
)
def test_the_list_is_narrowed(stage: Any, query: str, found: set[str]) -> None:
    make("AAA", "split", ex_date=world.TODAY)
    make("BBB", status="applied")

    answer = stage.reader.get(f"{LIST}?{query}")

    assert {each["symbol"] for each in answer.context["table"]["rows"]} == found
    if not found:
        assert "Nothing matches the filter" in words(answer.content.decode())


def test_a_replay_does_not_tell_of_sessions_to_come(stage: Any, settings: Any) -> None:
    make("AAA", ex_date=date(2016, 6, 27))
    make("BBB", ex_date=date(2016, 6, 27), source="manual")

    assert [each["symbol"] for each in stage.reader.get(LIST).context["table"]["rows"]] == ["BBB"]
    assert [each["symbol"] for each in stage.reader.get(API).json()["results"]] == ["BBB"]
    ReplayClock.objects.update(playing=None, bar=0)
    settings.MARKETDATA_PROVIDER = "yfinance"
    assert len(stage.reader.get(LIST).context["table"]["rows"]) == 2


def test_an_operator_enters_one_and_the_page_says_who(stage: Any) -> None:
    answer = stage.operator.post(NEW, SPLIT | {"reason": "press release"})

    assert (answer.status_code, answer["Location"]) == (303, LIST)
    assert "Split of AAA on 24 Jun 2016 is announced" in page(stage.operator)
    assert "entered by you: press release" in page(stage.operator)
    assert "entered by an operator: press release" in page(stage.reader)
    assert not JobRun.objects.exists()  # it takes effect at an open to come
    made = CorporateAction.objects.get()
    assert (made.ratio, made.source, made.status) == (4, "manual", "pending")


def test_one_in_effect_already_is_applied_by_a_job(stage: Any) -> None:
    wish = {"symbol": "AAA", "kind": "dividend", "ex_date": "2016-06-22", "amount": "0.5"}

    assert stage.operator.post(NEW, wish).status_code == 303

    run = JobRun.objects.get()
    assert (run.job, run.as_of, run.requested_by) == (
        "etftrader.revise", world.YESTERDAY, stage.boss.pk,
    )  # fmt: skip
    assert run.inputs["changed"] == {"AAA": "2016-06-22"}


@pytest.mark.parametrize(
    ("change", "field", "told"),
    [
        ({"symbol": "ZZZ"}, "symbol", "ZZZ is not known"),
        ({"ex_date": "2016-06-25"}, "ex_date", "The next session is 2016-06-27"),
        ({"ratio": ""}, "ratio", "A split needs its ratio"),
        ({"ratio": "0"}, "ratio", "greater than 0"),
        ({"ratio": "four"}, "ratio", "Enter a number"),
        ({"amount": "1"}, "amount", "Leave it out"),
        ({"kind": "symbol_change", "ratio": "", "new_symbol": "BBB"}, "new_symbol", "another"),
    ],
)
def test_a_form_that_cannot_be_is_drawn_again_beside_the_field(
    stage: Any, change: dict[str, str], field: str, told: str
) -> None:
    answer = stage.operator.post(NEW, SPLIT | change)

    assert answer.status_code == 422
    assert told in " ".join(answer.context["form"].errors[field])
    assert not CorporateAction.objects.exists()


def test_an_announced_one_is_rejected_with_a_reason_in_place(stage: Any) -> None:
    row = make()
    path = f"/data/actions/{row.pk}/reject/"
    assert "<dialog data-open" in stage.operator.get(path, **IN_PLACE).content.decode()
    assert "js/choose" in stage.operator.get(LIST).content.decode()  # which opens it
    assert "Reject the dividend of AAA" in page(stage.operator, path)

    silent = stage.operator.post(path, {"reason": ""}, **IN_PLACE)
    done = stage.operator.post(path, {"reason": "no such payout"}, **IN_PLACE)

    assert (silent.status_code, done["HX-Redirect"]) == (422, LIST)
    assert "rejected by you: no such payout" in page(stage.operator)
    row.refresh_from_db()
    assert row.status == "rejected"


def test_what_was_applied_cannot_be_rejected_and_the_page_says_the_way_out(stage: Any) -> None:
    row = make(status="applied")

    answer = stage.operator.post(f"/data/actions/{row.pk}/reject/", {"reason": "wrong"})

    assert answer.status_code == 422
    assert "a deposit or a withdrawal" in words(answer.content.decode())
    assert f"/data/actions/{row.pk}/reject/" not in stage.operator.get(LIST).content.decode()


def test_readers_look_and_do_nothing_else(stage: Any) -> None:
    row = make()

    assert stage.reader.get(NEW).status_code == 403
    assert stage.reader.post(NEW, SPLIT).status_code == 403
    refused = stage.reader.post(f"/data/actions/{row.pk}/reject/", {"reason": "no"})
    assert refused.status_code == 403
    assert Client().get(LIST).status_code == 302
    assert CorporateAction.objects.get().status == "pending"


def test_the_list_needs_few_queries(stage: Any, django_assert_max_num_queries: Any) -> None:
    for place in range(20):
        make(ex_date=date(2016, 6, 1 + place))
    stage.operator.get(LIST)

    with django_assert_max_num_queries(16):
        stage.operator.get(LIST)


# --- the endpoints ------------------------------------------------------------------------------


def test_programs_read_enter_and_reject(stage: Any) -> None:
    made = post(stage.operator, API, SPLIT)
    told = made.json()

    assert made.status_code == 201
    figures = (told["symbol"], told["kind"], told["ratio"], told["amount"], told["new_symbol"])
    assert figures == ("AAA", "split", "4.00", None, None)
    assert (told["state"], told["source"], told["applied_at"]) == ("pending", "manual", None)
    assert stage.reader.get(API).json()["results"] == [told]
    gone = post(stage.operator, f"{API}/{told['id']}/reject", {"reason": "a rumour"})
    assert (gone.status_code, gone.json()["state"]) == (200, "rejected")
    assert AuditEvent.objects.get(action="corporate_action.rejected").reason == "a rumour"


@pytest.mark.parametrize("whose", ["of somebody's own", "of a session to come"])
def test_what_cannot_be_seen_cannot_be_rejected(stage: Any, whose: str) -> None:
    row = make(ex_date=date(2016, 6, 27)) if whose == "of a session to come" else make()
    if whose == "of somebody's own":
        Instrument.objects.filter(symbol="AAA").update(
            owner_id=world.make_user("other@example.com").pk
        )

    answer = post(stage.operator, f"{API}/{row.pk}/reject", {"reason": "wrong"})
    missing = post(stage.operator, f"{API}/{row.instrument_id}/reject", {"reason": "wrong"})

    assert (answer.status_code, missing.status_code) == (404, 404)
    assert answer.json()["detail"] == missing.json()["detail"]
    row.refresh_from_db()
    assert (row.status, row.version) == ("pending", 1)
    assert stage.operator.get(f"/data/actions/{row.pk}/reject/").status_code == 404


def test_a_split_told_for_another_day_is_refused_beside_its_date(stage: Any) -> None:
    make("AAA", "split", ex_date=world.TODAY)

    answer = post(stage.operator, API, SPLIT)
    drawn = stage.operator.post(NEW, SPLIT)

    assert (answer.status_code, answer.json()["code"]) == (409, "action_near")
    assert drawn.status_code == 422
    assert "Reject that one first" in " ".join(drawn.context["form"].errors["ex_date"])
    assert CorporateAction.objects.count() == 1


def test_the_same_key_enters_once(stage: Any) -> None:
    key = {"HTTP_IDEMPOTENCY_KEY": "a-split-of-aaa"}

    first, again = (post(stage.operator, API, SPLIT, **key) for _ in range(2))
    other = post(stage.operator, API, SPLIT)

    assert (first.status_code, again.status_code) == (201, 201)
    assert (again["Idempotent-Replayed"], again.json()) == ("true", first.json())
    assert (other.status_code, other.json()["code"]) == (409, "action_known")
    assert AuditEvent.objects.filter(action="corporate_action.entered").count() == 1


@pytest.mark.parametrize(
    ("change", "status", "attr"),
    [
        ({"symbol": "ZZZ"}, 400, "symbol"),
        ({"ex_date": "2016-06-25"}, 400, "ex_date"),
        ({"ex_date": "soon"}, 400, "ex_date"),
        ({"ratio": "-1"}, 400, "ratio"),
        ({"ratio": None}, 400, "ratio"),
        ({"ratio": "many"}, 400, "ratio"),
        ({"kind": "merger"}, 400, "kind"),
        ({"tea": "1"}, 400, "tea"),
        ({"kind": "symbol_change", "ratio": None, "new_symbol": "BBB"}, 409, "new_symbol"),
    ],
)
def test_a_body_that_cannot_be_is_a_problem_that_names_the_field(
    stage: Any, change: dict[str, Any], status: int, attr: str
) -> None:
    answer = post(stage.operator, API, SPLIT | change)

    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    named = [problem.get("attr"), *(each["attr"] for each in problem.get("errors", []))]
    assert attr in named
    assert problem["detail"]
    assert not CorporateAction.objects.exists()


def test_what_was_applied_answers_a_conflict_with_the_way_out(stage: Any) -> None:
    row = make("AAA", "split", status="applied")

    answer = post(stage.operator, f"{API}/{row.pk}/reject", {"reason": "wrong"})

    assert (answer.status_code, answer.json()["code"]) == (409, "action_applied")
    assert "0.25 new for one old" in answer.json()["detail"]
    missing = post(stage.operator, f"{API}/{row.instrument_id}/reject", {"reason": "wrong"})
    assert missing.status_code == 404


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("symbol=bbb", {"BBB"}),
        ("kind=dividend&state=applied", {"BBB"}),
        ("start=2016-06-23", {"AAA"}),
        ("end=2016-06-22&ordering=-ex_date", {"BBB"}),
    ],
)
def test_programs_narrow_the_list(stage: Any, query: str, found: set[str]) -> None:
    make("AAA", "split", ex_date=world.TODAY)
    make("BBB", status="applied")

    answer = stage.reader.get(f"{API}?{query}")

    assert {each["symbol"] for each in answer.json()["results"]} == found


def test_programs_of_readers_only_read(stage: Any) -> None:
    row = make()

    assert stage.reader.get(f"{API}?tea=1").json()["code"] == "unknown_parameter"
    assert stage.reader.get(f"{API}?kind=tea").status_code == 400
    assert post(stage.reader, API, SPLIT).status_code == 403
    assert post(stage.reader, f"{API}/{row.pk}/reject", {"reason": "no"}).status_code == 403
    assert Client().get(API).status_code == 401


# --- a morning that has passed ------------------------------------------------------------------


def test_live_a_split_of_today_that_is_learnt_after_the_morning_is_booked_before_the_close(
    tmp_path: Path, settings: Any
) -> None:
    eve, today = date(2020, 6, 25), date(2020, 6, 26)
    settings.MARKETDATA_PROVIDER, settings.CSV_FOLDER = "csv", str(tmp_path)
    days = calendar.between(date(2020, 1, 2), eve)
    lines = ["date,symbol,close", *(f"{each},AAA,100" for each in days)]
    (tmp_path / "prices.csv").write_text("\n".join([*lines, ""]))
    with time_machine.travel(calendar.open_time(today) - timedelta(hours=1), tick=True):
        replay.ensure()
        price_sync.load_history(until=eve)
        book = factories.make_portfolio(cash=100_000, session_date=eve)
        aaa = Instrument.objects.get(symbol="AAA")
        factories.fill(book, aaa, 100, 100, session_date=eve)
        by = Actor.of_user(world.make_user("boss@example.com", is_superuser=True))
        done = day.run(session_date=today, by=by, steps=["actions", "bookings"])
        assert [each.status for each in done] == ["succeeded", "succeeded"]

        actions.enter(
            symbol="AAA", kind="split", ex_date=today, ratio=Decimal(4), latest=eve, by=by
        )
        run = jobs.run_now(JobRun.objects.get(job="etftrader.run_day"))

    assert (run.as_of, run.status) == (today, "succeeded")
    assert CorporateAction.objects.get().status == "applied"
    assert Position.objects.get().quantity == 400
    assert DailyBar.objects.get(instrument=aaa, session_date=eve).close == 25
