"""Data, quarantine and jobs pages: what stands there, who may act, what a person is told."""

import re
from datetime import date, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from etftrader import housekeeping, outcomes
from etftrader.core import clock
from etftrader.core.records import AuditEvent, JobRun
from marketdata.models import (
    CorporateAction,
    DailyBar,
    DataRefresh,
    Instrument,
    QuarantinedPrice,
    Quote,
    ReplayClock,
)
from marketdata.selectors import quarantine
from marketdata.services import absences
from portfolios.services import snapshots
from risk.models import Alert
from trading.tests import world

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true"}
IN_PLACE = HTMX | {"HTTP_HX_TARGET": "panel-update"}


@pytest.fixture
def stage() -> SimpleNamespace:
    """One book of AAA and BBB, valued at the 22nd; an operator who is staff, and a reader."""
    world.make_market()
    book = world.make_portfolio()
    world.hold(book, "AAA", "300")
    snapshots.take(portfolio_ids=[book.pk], session_date=world.YESTERDAY)
    owner = book.account.customer.user
    boss = world.make_user("boss@example.com", is_staff=True)
    world.add_to_group(boss, "Operator")
    return SimpleNamespace(
        book=book, owner=owner, boss=boss, reader=signed_in(owner), operator=signed_in(boss)
    )


@pytest.fixture
def live(settings: Any) -> None:
    """The same market under a live source, at the close."""
    settings.MARKETDATA_PROVIDER = "yfinance"


def signed_in(user: Any, **how: Any) -> Client:
    client = Client(**how)
    client.force_login(user)
    return client


def text_of(client: Client, path: str, **headers: Any) -> str:
    answer = client.get(path, **headers)
    assert answer.status_code == 200, answer.content[:300]
    return answer.content.decode()


def after(client: Client, path: str, form: Any = None, **headers: Any) -> str:
    """What the page says that a form leads to."""
    answer = client.post(path, form or {}, **headers)
    assert answer.status_code == 303, answer.content[:300]
    return words(text_of(client, answer["Location"]))


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def make_run(**fields: Any) -> JobRun:
    now = clock.now()
    values = {
        "job": "marketdata.sync_prices",
        "as_of": world.YESTERDAY,
        "status": "partial",
        "attempt": 1,
        "started_at": now - timedelta(seconds=4),
        "finished_at": now,
        "items": [
            {"item": "AAA", "status": "ok", "reason": ""},
            {"item": "CCC", "status": "skipped", "reason": "nothing was missing"},
            {"item": "ZZZ", "status": "failed", "reason": "unknown_symbol: did you mean ZZ?"},
            {"item": "BBB", "status": "failed", "reason": {"code": "x", "detail": "timed out"}},
        ],
    }
    return JobRun.objects.create(**(values | fields))


def make_doubt(symbol: str = "AAA", **facts: Any) -> QuarantinedPrice:
    value = facts.pop("value", "200.0")
    given = {
        "dataset": "daily_bars",
        "session_date": world.YESTERDAY,
        "source": "csv",
        "price_basis": "close",
        "raw": {"close": value},
        "value": value,
        "compared_with": "100",
        "reason": "jump",
    } | facts
    instrument = Instrument.objects.filter(symbol=symbol).first()
    return QuarantinedPrice.objects.create(instrument=instrument, symbol=symbol, **given)


# --- datasets, signs of life, coverage ----------------------------------------------------------


def test_every_dataset_stands_there_with_lag_coverage_and_state(stage: Any) -> None:
    page = stage.operator.get("/data/")

    rows = {row["id"]: row for row in page.context["table"]["rows"]}
    assert {"etf_prices", "yields", "quotes", "covariance", "snapshots"} <= set(rows)
    assert rows["etf_prices"]["lag"] == "on time"
    assert rows["etf_prices"]["coverage"]["label"] == "ETF prices: 2 of 2 items"
    assert rows["yields"]["state"] == {"text": "none", "kind": "bad"}
    assert rows["quotes"]["lag"] == "live"
    assert rows["snapshots"]["coverage"]["there"] == 1
    assert "Expected session" in page.content.decode()


def test_quotes_are_not_due_while_the_market_is_closed(stage: Any) -> None:
    ReplayClock.objects.update(playing=None, bar=0)
    Quote.objects.update(session_date=world.YESTERDAY)

    rows = {row["id"]: row for row in stage.operator.get("/data/").context["table"]["rows"]}

    assert rows["quotes"]["state"]["text"] == "not due"


def test_a_late_dataset_says_by_how_many_sessions(stage: Any) -> None:
    world.close_session()
    DailyBar.objects.filter(session_date=world.TODAY, instrument__symbol="AAA").delete()

    rows = {row["id"]: row for row in stage.operator.get("/data/").context["table"]["rows"]}

    assert rows["etf_prices"]["state"]["text"] == "partial"
    assert rows["etf_prices"]["missing"] == "missing AAA"
    assert rows["covariance"]["lag"] == "1 session"
    assert rows["covariance"]["state"]["text"] == "late"


def test_without_a_worker_the_page_tells_how_to_start_one(stage: Any) -> None:
    text = words(text_of(stage.reader, "/data/"))
    assert "No worker has shown itself. The timetable has not sent anything either." in text
    assert "make run" in text or "celery -A etftrader worker" in text

    housekeeping.send()
    assert "The timetable last said that it sends" in words(text_of(stage.reader, "/data/"))

    housekeeping.beat()
    assert "No worker" not in text_of(stage.reader, "/data/")


def test_coverage_comes_alone_and_leads_to_what_a_session_lacks(stage: Any) -> None:
    late = world.make_instrument("LATE")
    world.make_bar(late, date(2016, 6, 20), Decimal(10))
    world.make_bar(Instrument.objects.get(symbol="AAA"), date(2016, 6, 20), Decimal(99))
    make_doubt("LATE", value="25.0", compared_with="10")
    page = text_of(stage.operator, "/data/")
    assert 'hx-get="?panel=coverage" hx-trigger="load"' in page
    assert "Missing on" not in page

    panel = stage.operator.get("/data/?panel=coverage", **HTMX)
    strips = {row["label"]: row["values"] for row in panel.context["strips"]["rows"]}
    # AAA and LATE of the 20th; BBB begins on the 22nd; LATE lacks the 21st and the 22nd
    assert strips["ETF prices"][-3:] == [1.0, 0.0, pytest.approx(2 / 3)]
    day = "/data/?panel=coverage&day=2016-06-22"
    found = stage.operator.get(day, **HTMX).context["lacking"]["rows"]

    lacking = {(each["dataset"], each["item"]): each for each in found}
    assert "held back: it moved more than 40 %" in lacking["ETF prices", "LATE"]["reason"]
    assert lacking["ETF prices", "LATE"]["doubt"].startswith("/data/quarantine/")
    assert lacking["Treasury yields", "every maturity"]["reason"] == (
        "no question for that session is on record"
    )


def test_what_a_session_lacks_tells_what_the_source_said(stage: Any) -> None:
    DailyBar.objects.filter(session_date=world.YESTERDAY).delete()
    absences.remember("BBB", [world.YESTERDAY])
    DataRefresh.objects.create(
        dataset="daily_bars", source="csv", session_date=world.YESTERDAY, status="failed",
        expected=2, received=0, error="AAA: 429, too many questions",
        started_at=clock.now(), finished_at=clock.now(),
    )  # fmt: skip

    answer = stage.operator.get("/data/?panel=coverage&day=2016-06-22", **HTMX)

    found = {each["item"]: each["reason"] for each in answer.context["lacking"]["rows"]}
    assert found["AAA"] == "AAA: 429, too many questions"
    assert found["BBB"] == "the source has no price of that day"


def test_without_scripts_coverage_and_sources_come_with_the_page(stage: Any) -> None:
    text = text_of(stage.operator, "/data/?show=coverage&day=2016-06-22")

    assert 'id="coverage-table"' in text or "Coverage by session" in text
    assert "has been asked" in words(text) or "Has not been asked yet" in words(text)
    assert "The Greeks of no session have been compared yet" in text


def test_the_second_opinion_is_told_with_its_figure(stage: Any) -> None:
    told = {"engine": "mibian", "compared": 20, "largest_difference": 3.1e-12, "field": "vega"}
    make_run(
        job="marketdata.compute_greeks", step="greeks", status="succeeded", items=[],
        result={"second_opinion": told},
    )  # fmt: skip

    text = words(text_of(stage.operator, "/data/?panel=sources", **HTMX))

    assert "largest difference to mibian is 3.1e-12 in vega, over 20 contracts" in text


@pytest.mark.parametrize("panel", ["coverage", "sources", "update", "datasets", "day", "clock"])
def test_a_panel_of_the_data_page_needs_few_queries(
    stage: Any, panel: str, django_assert_max_num_queries: Any
) -> None:
    make_doubt()
    path = f"/data/?panel={panel}&day=2016-06-22"
    stage.operator.get(path, **HTMX)

    with django_assert_max_num_queries(16):
        stage.operator.get(path, **HTMX)


def test_the_chain_of_the_day_is_drawn_with_what_waits_for_what(stage: Any) -> None:
    start = clock.now() - timedelta(minutes=2)
    for place, (step, job, status) in enumerate(
        (
            ("prices", "marketdata.sync_prices", "succeeded"),
            ("covariance", "risk.compute_covariance", "failed"),
        )
    ):
        begun = start + timedelta(seconds=20 * place)
        make_run(
            job=job, step=step, scope="r1 bundled all", status=status, items=[],
            started_at=begun, finished_at=begun + timedelta(seconds=15),
            error={"detail": "No prices."} if status == "failed" else None,
        )  # fmt: skip

    text = text_of(stage.operator, "/data/")

    chart = text[text.index('class="chart-box wide gantt"') : text.index('id="day-table"')]
    assert "2 runs of 2 steps, 1 of them with failures." in chart
    assert chart.count('class="dep"') == 1
    assert 'class="bad"' in chart
    assert "15 s failed" in chart


# --- bringing it up to date ---------------------------------------------------------------------


def test_the_button_shows_the_runs_progress_in_its_place(stage: Any, settings: Any) -> None:
    settings.REPLAY_OPEN = True

    answer = stage.reader.post("/data/advance/", **IN_PLACE)

    text = answer.content.decode()
    run = JobRun.objects.get(job="etftrader.advance")
    assert answer.status_code == 200
    assert 'id="panel-update"' in text
    assert "every 1s" in text
    assert "waits for a worker" in text
    assert f"/jobs/{run.pk}/cancel/" in text
    assert "Update data" not in text
    # the address shows the same to whoever comes back
    assert f'data-job="{run.pk}"' in text_of(stage.reader, "/data/")
    assert f'data-job="{run.pk}"' not in text_of(stage.operator, "/data/?panel=day", **HTMX)


def test_what_came_of_an_update_is_told_in_words_with_the_reasons(stage: Any) -> None:
    make_run(requested_by=stage.boss.pk)

    panel = text_of(stage.operator, "/data/?panel=update", **HTMX)

    text = words(panel)
    assert "4 requested, 1 updated, 1 left alone, 1 not found, 1 failed." in text
    assert "ZZZ unknown_symbol: did you mean ZZ?" in text
    assert "BBB timed out" in text
    assert "Retry failed items" in text
    assert "every " not in re.search(r'hx-trigger="[^"]*"', panel).group(0)


def test_live_an_operator_names_what_to_fetch(stage: Any, live: Any) -> None:
    ReplayClock.objects.update(playing=None, bar=0)
    text = text_of(stage.operator, "/data/")
    assert 'name="symbols"' in text
    assert 'hx-vals=\'{"dataset": "daily_bars"}\'' in text
    wish = {"dataset": "daily_bars", "symbols": "spy, tlt\nspy", "start": "2016-06-01"}

    answer = stage.operator.post("/data/update/", wish, **IN_PLACE)

    run = JobRun.objects.get()
    assert answer.status_code == 200
    assert run.inputs == {
        "datasets": ["daily_bars"],
        "symbols": ["SPY", "TLT"],
        "start": "2016-06-01",
    }
    assert run.requested_by == stage.boss.pk
    assert f'data-job="{run.pk}"' in answer.content.decode()
    plain = stage.operator.post("/data/update/", wish)
    assert (plain.status_code, plain["Location"]) == (303, "/data/")
    assert JobRun.objects.count() == 1


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"symbols": "SP Y!"}, "A symbol has 1 to 24"),
        ({"end": "2016-06-30"}, "2016-06-30 is not known yet"),
        ({"start": "2016-06-22", "end": "2016-06-01"}, "start lies after end"),
        ({"start": "1990-01-01"}, "Dates lie between"),
        ({"dataset": "tea"}, "Select a valid choice"),
        ({"symbols": "A" * 30}, "is no symbol"),
    ],
)
def test_a_wish_that_cannot_be_is_drawn_again_with_the_reason(
    stage: Any, live: Any, wish: dict[str, str], told: str
) -> None:
    ReplayClock.objects.update(playing=None, bar=0)

    answer = stage.operator.post("/data/update/", wish, **IN_PLACE)

    assert answer.status_code == 422
    assert answer["HX-Retarget"] == "#panel-fetch"
    assert told in words(answer.content.decode())
    assert not JobRun.objects.exists()
    plain = after(stage.operator, "/data/update/", wish)
    assert told in plain


def test_an_owner_fetches_what_the_own_books_hold_and_not_too_often(stage: Any, live: Any) -> None:
    ReplayClock.objects.update(playing=None, bar=0)

    every = stage.reader.post("/data/update/", {}, **IN_PLACE)
    foreign = stage.reader.post("/data/update/", {"symbols": "BBB"}, **IN_PLACE)
    own = stage.reader.post("/data/update/", {"symbols": "AAA"}, **IN_PLACE)
    again = stage.reader.post(
        "/data/update/", {"symbols": "AAA", "start": "2016-06-01"}, **IN_PLACE
    )

    assert "Name your symbols" in words(every.content.decode())
    assert "BBB is not in a book of yours" in words(foreign.content.decode())
    assert own.status_code == 200
    assert "less than five minutes ago" in words(again.content.decode())
    assert JobRun.objects.count() == 1


def test_in_a_replay_the_form_is_refused(stage: Any) -> None:
    answer = stage.operator.post("/data/update/", {}, **IN_PLACE)

    assert answer.status_code == 422
    assert not JobRun.objects.exists()


# --- quarantine ---------------------------------------------------------------------------------


def test_an_empty_quarantine_says_what_would_show_there(stage: Any) -> None:
    text = words(text_of(stage.reader, "/data/quarantine/"))

    assert "No price waits for a person" in text
    assert "the last accepted one stays in use" in text


def test_a_held_price_says_how_far_it_is_off_why_and_what_accepting_moves(stage: Any) -> None:
    make_doubt()
    make_doubt("BBB", value="5000", compared_with="50", reason="magnitude")
    make_doubt("BBB", value="nan", compared_with="", reason="not_finite", source="yfinance")
    make_doubt("3M", dataset="yields", value="80", compared_with="", reason="out_of_range")

    page = stage.operator.get("/data/quarantine/")

    rows = {(each["symbol"], each["value"]): each for each in page.context["table"]["rows"]}
    first = rows["AAA", "$200.00"]
    assert first["difference"] == pytest.approx(1.0)
    assert first["reason"] == "moved more than 40 % from the last accepted price"
    assert first["effect"] == "becomes the last price: moves NAV of 1 book"
    assert "no book holds it" in rows["BBB", "$5,000.00"]["effect"]
    assert rows["BBB", "nan"]["difference"] is None
    assert rows["BBB", "nan"]["effect"] == "cannot be accepted: it is no price"
    assert not rows["3M", "80.00%"]["believable"]
    assert page.content.decode().count("?verdict=accept") == 4  # two links each, href and htmx
    assert "4 prices held back" in words(text_of(stage.reader, "/data/"))


def test_the_house_is_told_once_while_prices_wait_and_when_none_does(stage: Any) -> None:
    make_doubt("AAA")
    outcomes.tell_of_doubts()
    outcomes.tell_of_doubts()
    told = Alert.objects.get(key=outcomes.DOUBTS)
    assert (told.portfolio_id, told.title, told.count) == (None, "1 price held back", 1)
    assert told.detail == "AAA; the last accepted prices stay in use"

    make_doubt("BBB")
    outcomes.tell_of_doubts()
    told.refresh_from_db()
    assert (told.title, told.state) == ("2 prices held back", "open")

    QuarantinedPrice.objects.update(state="rejected")
    outcomes.tell_of_doubts()
    outcomes.tell_of_doubts()
    told.refresh_from_db()
    assert told.state == "resolved"
    assert Alert.objects.filter(key=outcomes.DOUBTS).count() == 1


def test_a_figure_stands_in_todays_shares_and_as_its_source_gave_it(stage: Any) -> None:
    given = {"close": "200.0", "units": "2.0", "revision": 3}
    held = make_doubt(raw=given, session_date=date(2016, 6, 21))
    world.make_instrument("^LEV", kind="index")
    make_doubt("^LEV", value="2100.5", source="yfinance")
    # one of two for one was in the stored prices when it was held, one of four came since
    for day, ratio in ((world.YESTERDAY, 2), (world.TODAY, 4)):
        CorporateAction.objects.create(
            instrument=held.instrument,
            kind="split",
            ex_date=day,
            ratio=ratio,
            status="applied",
            source="csv",
        )

    rows = {each["symbol"]: each for each in
            stage.operator.get("/data/quarantine/").context["table"]["rows"]}  # fmt: skip
    alone = stage.operator.get(f"/data/quarantine/{held.pk}/")

    assert rows["^LEV"]["value"] == "2,100.50 points"
    assert (rows["AAA"]["value"], rows["AAA"]["before"]) == ("$50.00", "$25.00")
    assert rows["AAA"]["difference"] == pytest.approx(1.0)
    assert quarantine.looked_at([held])[0].line == (50.0,)
    figures, raw = words(alone.content.decode()).split("As its source gave it", 1)
    assert "$50.00 close of csv" in figures
    assert "$25.00 what it was held against" in figures
    assert "200" not in figures.split("In doubt", 1)[1]
    assert "Close 200.0" in raw
    assert "Units" not in raw
    assert "Revision" not in raw
    dialog = text_of(
        stage.operator,
        f"/data/quarantine/{held.pk}/?verdict=accept",
        **HTMX,
        HTTP_HX_TARGET="decision",
    )
    assert "Accept $50.00 for AAA?" in dialog
    assert "against $25.00" in dialog


def test_a_price_of_the_past_leaves_todays_nav_alone(stage: Any) -> None:
    make_doubt(session_date=date(2016, 6, 20))

    [row] = stage.operator.get("/data/quarantine/").context["table"]["rows"]

    assert row["effect"] == "fills session 20 Jun 2016; today's NAV stays"


def test_the_list_is_narrowed_and_its_queries_do_not_grow(
    stage: Any, django_assert_max_num_queries: Any
) -> None:
    for place in range(30):
        make_doubt(value=str(200 + place))
    rejected = make_doubt("BBB", state="rejected", decided_by=stage.boss.pk, note="typing error",
                          decided_at=clock.now())  # fmt: skip

    def found(query: str) -> list[str]:
        page = stage.operator.get(f"/data/quarantine/{query}")
        return [each["symbol"] for each in page.context["table"]["rows"]]

    assert found("") == ["AAA"] * 30
    assert found("?state=rejected") == ["BBB"]
    assert len(found("?state=")) == 31
    assert found("?symbol=bbb&state=rejected") == ["BBB"]
    assert found("?reason=magnitude") == []
    assert "typing error" in text_of(stage.operator, "/data/quarantine/?state=rejected")
    assert "by you" in words(text_of(stage.operator, f"/data/quarantine/{rejected.pk}/"))
    assert "by an operator" in words(text_of(stage.reader, f"/data/quarantine/{rejected.pk}/"))
    with CaptureQueriesContext(connection) as shell:
        stage.operator.get("/glossary/")
    with django_assert_max_num_queries(12 + len(shell)):
        stage.operator.get("/data/quarantine/")


def test_accepting_asks_in_a_dialog_for_the_reason_and_stores_the_price(stage: Any) -> None:
    held = make_doubt()
    path = f"/data/quarantine/{held.pk}/"
    dialog = text_of(stage.operator, f"{path}?verdict=accept", **HTMX, HTTP_HX_TARGET="decision")
    assert "<html" not in dialog
    assert "Accept $200.00 for AAA?" in dialog
    assert "moves NAV of 1 book" in dialog

    empty = stage.operator.post(path, {"verdict": "accept"}, **HTMX, HTTP_HX_TARGET="decision")
    assert empty.status_code == 422
    assert "Say why" in empty.content.decode()
    answer = stage.operator.post(path, {"verdict": "accept", "note": "a real move"})

    assert (answer.status_code, answer["Location"]) == (303, "/data/quarantine/")
    held.refresh_from_db()
    assert (held.state, held.note, held.decided_by) == ("accepted", "a real move", stage.boss.pk)
    assert DailyBar.objects.filter(close=Decimal(200)).exists()
    late = stage.operator.post(path, {"verdict": "reject", "note": "no"})
    assert late.status_code == 422
    assert "was accepted already" in late.content.decode()


def test_only_operators_decide_and_a_missing_price_is_missing(stage: Any) -> None:
    held = make_doubt()
    path = f"/data/quarantine/{held.pk}/"
    wish = {"verdict": "reject", "note": "no"}

    assert "Reject" not in words(text_of(stage.reader, path))
    assert stage.reader.post(path, wish).status_code == 403
    assert stage.reader.post("/data/quarantine/decide/", wish).status_code == 403
    assert Client().get(path).status_code == 302
    gone = f"/data/quarantine/{stage.book.pk}/"
    assert stage.operator.get(gone).status_code == 404
    strict = signed_in(stage.boss, enforce_csrf_checks=True)
    assert strict.post(path, wish).status_code == 403
    assert strict.post("/data/quarantine/decide/", wish).status_code == 403
    held.refresh_from_db()
    assert held.state == "held"


def test_several_are_decided_at_once_and_the_answer_counts(stage: Any) -> None:
    first, second = make_doubt(), make_doubt("BBB", value="500", compared_with="50")
    garbage = make_doubt("BBB", value="nan", compared_with="", reason="not_finite")
    chosen = [str(each.pk) for each in (first, second, garbage)]

    nothing = stage.operator.post("/data/quarantine/decide/", {"verdict": "accept", "note": "x"})
    told = after(
        stage.operator,
        "/data/quarantine/decide/",
        {"verdict": "accept", "note": "both real", "doubt": chosen},
    )

    assert nothing.status_code == 422
    assert "Choose 1 to 200 prices" in nothing.content.decode()
    assert "2 accepted, 1 not: BBB" in told
    states = dict(QuarantinedPrice.objects.values_list("pk", "state"))
    assert states == {first.pk: "accepted", second.pk: "accepted", garbage.pk: "held"}
    assert AuditEvent.objects.filter(action="price.accepted").count() == 2


def test_the_api_decides_several_and_names_those_it_could_not(stage: Any) -> None:
    held = make_doubt()
    ids = [str(held.pk), str(stage.book.pk)]
    path = "/api/v1/data/quarantine/decide"
    body = {"doubt_ids": ids, "verdict": "reject", "note": "typing error"}

    answer = stage.operator.post(path, body, "application/json")

    assert answer.status_code == 200
    assert [each["state"] for each in answer.json()["decided"]] == ["rejected"]
    assert [each["code"] for each in answer.json()["refused"]] == ["not_found"]
    assert stage.reader.post(path, body, "application/json").status_code == 403
    for wrong in ({"doubt_ids": [], "verdict": "reject"}, {"doubt_ids": ids, "verdict": "maybe"}):
        assert stage.operator.post(path, wrong, "application/json").status_code == 400


# --- jobs ---------------------------------------------------------------------------------------


def test_what_runs_and_what_waits_stand_first_with_estimate_and_cancel(stage: Any) -> None:
    for seconds in (8, 10, 12):
        now = clock.now()
        make_run(
            job="risk.compute", status="succeeded", items=[], scope=f"s{seconds}",
            started_at=now - timedelta(seconds=seconds), finished_at=now,
        )  # fmt: skip
    running = make_run(
        job="risk.compute", status="running", items=[], note="slice 2", finished_at=None,
        started_at=clock.now() - timedelta(seconds=2), scope="now",
    )  # fmt: skip
    waiting = make_run(job="risk.check_limits", status="queued", items=[], started_at=None,
                       finished_at=None)  # fmt: skip

    page = stage.operator.get("/jobs/")

    text = words(page.content.decode())
    assert "1 running, 1 queued" in text
    assert [each["id"] for each in page.context["open_runs"]] == [running.pk, waiting.pk]
    assert page.context["open_runs"][0]["likely_s"] == pytest.approx(10, abs=0.5)
    assert "slice 2" in text
    assert "of about 10 s" in text or "of about 9.9 s" in text
    assert "every 2s" in text_of(stage.operator, "/jobs/?panel=open", **HTMX)
    assert len(page.context["table"]["rows"]) == 3


def test_finished_runs_are_narrowed_by_status_job_and_session(stage: Any) -> None:
    make_run()
    make_run(job="risk.compute", status="succeeded", items=[], as_of=world.TODAY)

    def found(query: str) -> int:
        return len(stage.operator.get(f"/jobs/{query}").context["table"]["rows"])

    assert found("") == found("?status=&job=&date=") == found("?date=nonsense") == 2
    assert found("?status=partial") == found("?job=marketdata.sync_prices") == 1
    assert found("?date=2016-06-23") == 1
    assert found("?status=partial&date=2016-06-23") == 0
    assert "Nothing matches the filter" in text_of(stage.operator, "/jobs/?status=dead")


def test_a_run_shows_its_items_the_bad_ones_first_and_what_was_tried(stage: Any) -> None:
    run = make_run(requested_by=stage.owner.pk)

    mine = stage.reader.get(f"/jobs/{run.pk}/")
    operators = words(text_of(stage.operator, f"/jobs/{run.pk}/"))

    items = [each["item"] for each in mine.context["items"]["rows"]]
    assert items == ["ZZZ", "BBB", "CCC", "AAA"]
    assert "timed out" in mine.content.decode()
    assert "{&#x27;code" not in mine.content.decode()
    assert "Asked for by you" in words(mine.content.decode())
    assert f"Asked for by {stage.owner.email}" in operators
    assert "Retry failed items" in operators
    assert "Run all again" in operators
    assert "Retry failed items" not in words(mine.content.decode())


def test_failed_items_alone_are_asked_for_again(stage: Any) -> None:
    run = make_run(requested_by=stage.owner.pk)

    assert stage.reader.post(f"/jobs/{run.pk}/retry-failed/").status_code == 403
    answer = stage.operator.post(
        f"/jobs/{run.pk}/retry-failed/", HTTP_REFERER="http://testserver/data/?show=coverage"
    )

    assert (answer.status_code, answer["Location"]) == (303, "/data/?show=coverage")
    run.refresh_from_db()
    assert run.status == "queued"
    asked = {each["item"] for each in run.items if each["status"] == "waiting"}
    assert asked == {"ZZZ", "BBB"}
    text = words(text_of(stage.operator, f"/jobs/{run.pk}/"))
    assert "Asked for again, 2 items" in text
    assert "has not ended yet" in after(stage.operator, f"/jobs/{run.pk}/retry-failed/")


def test_who_asked_and_operators_cancel_a_run(stage: Any) -> None:
    run = make_run(status="running", finished_at=None, items=[], requested_by=stage.owner.pk)
    stranger = signed_in(world.make_user("stranger@example.com"))
    foreign = make_run(status="queued", finished_at=None, items=[], scope="other")

    assert stranger.post(f"/jobs/{run.pk}/cancel/").status_code == 404
    assert stage.reader.post(f"/jobs/{foreign.pk}/cancel/").status_code == 404
    assert stage.reader.get(f"/jobs/{run.pk}/cancel/").status_code == 405
    told = after(stage.reader, f"/jobs/{run.pk}/cancel/")

    run.refresh_from_db()
    assert run.status == "cancelled"
    assert "is cancelled" in told
    assert stage.operator.post(f"/jobs/{foreign.pk}/cancel/").status_code == 303
    ended = make_run(requested_by=stage.owner.pk, scope="ended")
    assert "nothing to cancel" in after(stage.reader, f"/jobs/{ended.pk}/cancel/")
    strict = signed_in(stage.owner, enforce_csrf_checks=True)
    assert strict.post(f"/jobs/{run.pk}/cancel/").status_code == 403


def test_an_open_run_is_drawn_again_until_it_ends(stage: Any) -> None:
    run = make_run(status="running", finished_at=None, items=[], done=3, total=8)

    panel = text_of(stage.operator, f"/jobs/{run.pk}/?panel=run", **HTMX)
    assert "every 2s" in panel
    assert '<progress max="8" value="3"' in panel
    JobRun.objects.filter(pk=run.pk).update(status="succeeded", finished_at=clock.now())

    assert "every 2s" not in text_of(stage.operator, f"/jobs/{run.pk}/?panel=run", **HTMX)


@pytest.mark.parametrize("tail", ["", "{run}/"])
def test_the_pages_of_jobs_need_few_queries(
    stage: Any, tail: str, django_assert_max_num_queries: Any
) -> None:
    run = make_run(status="running", finished_at=None)
    for place in range(20):
        make_run(scope=f"s{place}")
    path = f"/jobs/{tail.format(run=run.pk)}"
    with CaptureQueriesContext(connection) as shell:
        stage.operator.get("/glossary/")

    with django_assert_max_num_queries(12 + len(shell)):
        stage.operator.get(path)
