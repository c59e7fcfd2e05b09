"""Fetch chain: who may ask, what the page shows meanwhile, and who hears that Greeks came."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from etftrader import outcomes, tasks
from etftrader.core import clock, push
from etftrader.core.actor import system
from etftrader.core.records import JobRun
from etftrader.schedule import STEP
from etftrader.selectors import followed
from etftrader.services import updates
from marketdata.models import Instrument, OptionContract, OptionQuote, ReplayClock
from marketdata.selectors import calendar, sessions
from marketdata.services import contracts
from portfolios.models import Account, Membership, Portfolio, Position, Watchlist, WatchlistItem
from portfolios.services import accounts

pytestmark = pytest.mark.django_db
V1 = "/api/v1/market/options"
BY = system("tests")
DAY = date(2020, 6, 30)
CLOSE = datetime(2020, 6, 30, 20, 0, tzinfo=UTC)
CALL = "NEWX200918C00042000"
IN_PLACE: dict[str, Any] = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "panel-fetch"}


@pytest.fixture(autouse=True)
def standing(settings: Any) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (100_000, 1))
    settings.MARKETDATA_PROVIDER = "yfinance"
    ReplayClock.objects.create(start=DAY, session_date=DAY, as_of=CLOSE, moved_at=CLOSE)


@pytest.fixture
def fund() -> Instrument:
    return make("NEWX")


def make(symbol: str, **fields: Any) -> Instrument:
    given = {"name": symbol, "kind": "etf", "price_basis": "close"} | fields
    return Instrument.objects.create(symbol=symbol, **given)


def person(email: str, *groups: str) -> tuple[Client, Any]:
    user = accounts.create_user(email=email, password="x" * 12, by=BY)
    user.groups.add(*Group.objects.filter(name__in=groups))
    client = Client()
    client.force_login(user)
    return client, user


@pytest.fixture
def operator() -> Client:
    return person("operator@example.com", "Operator")[0]


def watch(user: Any, *instruments: Instrument) -> None:
    mine, _ = Watchlist.objects.get_or_create(user=user, name="Mine")
    for each in instruments:
        WatchlistItem.objects.create(watchlist=mine, symbol=each.symbol, instrument=each)


def hold(user: Any, instrument: Instrument) -> Portfolio:
    book = Portfolio.objects.create(account=Account.objects.get(customer__user=user), name="Book")
    Membership.objects.create(portfolio=book, user=user, role="owner")
    Position.objects.create(portfolio=book, instrument=instrument, quantity=1)
    return book


def ask(client: Client, symbol: str = "NEWX", **more: Any) -> Any:
    return client.post(f"{V1}/{symbol}/refresh", {}, "application/json", **more)


def quoted(instrument: Instrument, day: date = DAY) -> OptionContract:
    row = contracts.ensure(symbols=[CALL], by=BY).contracts[CALL]
    OptionQuote.objects.create(
        contract=row,
        session_date=day,
        as_of=calendar.close_time(day),
        source="yfinance",
        bid=Decimal("1.1"),
        ask=Decimal("1.2"),
    )
    return row


# --- over the API --------------------------------------------------------------------------------


def test_an_operator_has_a_chain_fetched_once(operator: Client, fund: Instrument) -> None:
    answer, same = ask(operator), ask(operator, "newx")

    assert (answer.status_code, same.status_code) == (202, 202)
    run = JobRun.objects.get()
    assert answer.json()["id"] == same.json()["id"] == str(run.pk)
    assert answer["Location"] == f"/api/v1/jobs/{run.pk}"
    assert (run.job, run.as_of, run.inputs) == ("marketdata.sync_chains", DAY, {"symbol": "NEWX"})


def test_a_key_is_one_wish(operator: Client, fund: Instrument) -> None:
    key = {"HTTP_IDEMPOTENCY_KEY": "chain-of-newx-0001"}
    first = ask(operator, **key)
    JobRun.objects.update(status="succeeded")

    assert first.status_code == 202
    assert ask(operator, **key).json() == first.json()
    assert JobRun.objects.count() == 1


def test_owners_ask_for_what_they_hold_or_watch(fund: Instrument) -> None:
    client, user = person("owner@example.com")
    held = make("HELD")
    hold(user, held)

    refused = ask(client)
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert ask(client, "HELD").status_code == 202
    watch(user, fund)
    assert ask(client).status_code == 202
    # what another person follows is nobody else's
    other, _ = person("other@example.com")
    assert ask(other).status_code == 403


def test_owners_ask_for_five_in_five_minutes(operator: Client) -> None:
    client, user = person("owner@example.com")
    funds = [make(f"F{place}") for place in range(updates.MOST_CHAINS + 1)]
    watch(user, *funds)

    answers = [ask(client, each.symbol) for each in funds]

    assert [each.status_code for each in answers] == [202] * updates.MOST_CHAINS + [409]
    assert answers[-1].json()["code"] == "asked_recently"
    JobRun.objects.update(created_at=CLOSE)
    assert ask(client, funds[-1].symbol).status_code == 202


@pytest.mark.parametrize(
    "fields", [{"kind": "bond"}, {"pricing": "manual"}, {"active": False}, {"kind": "option"}]
)
def test_what_has_no_chain_is_refused(operator: Client, fields: dict[str, Any]) -> None:
    make("ODD", **fields)

    answer = ask(operator, "ODD")

    assert (answer.status_code, answer.json()["code"]) == (409, "no_chain")
    assert not JobRun.objects.exists()


def test_without_a_source_nothing_is_asked(
    operator: Client, fund: Instrument, settings: Any
) -> None:
    settings.MARKETDATA_PROVIDER = "fred"

    answer = ask(operator)

    assert (answer.status_code, answer.json()["code"]) == (409, "no_chain")
    assert answer.json()["detail"] == "No source of option chains is set up."


def test_bodies_and_symbols_nobody_understands_are_refused(
    operator: Client, fund: Instrument
) -> None:
    wrong = operator.post(f"{V1}/NEWX/refresh", {"days": 3}, "application/json")
    assert (wrong.status_code, wrong.json()["errors"][0]["attr"]) == (400, "days")
    assert ask(operator, "NOPE").status_code == 404
    assert Client().post(f"{V1}/NEWX/refresh").status_code == 401


# --- on the page ---------------------------------------------------------------------------------


def page(client: Client, path: str = "/quotes/NEWX/options/") -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def panel(text: str) -> str:
    found = re.search(r'<section[^>]*id="panel-fetch".*?</section>', text, re.S)
    return found.group(0) if found else ""


@pytest.mark.parametrize("path", ["/quotes/NEWX/", "/quotes/NEWX/options/"])
def test_a_fund_without_a_chain_has_a_button(operator: Client, fund: Instrument, path: str) -> None:
    text = page(operator, path)

    assert "Fetch chain" in panel(text)
    assert 'hx-post="/quotes/NEWX/options/fetch/"' in panel(text)
    assert "/quotes/NEWX/options/" in text
    assert 'data-greeks="NEWX"' in text


def test_bundled_history_has_no_button(operator: Client, fund: Instrument, settings: Any) -> None:
    settings.MARKETDATA_PROVIDER = "bundled"

    for path in ("/quotes/NEWX/", "/quotes/NEWX/options/"):
        assert panel(page(operator, path)) == ""


def test_a_chain_of_the_session_needs_none_and_an_old_one_does(
    operator: Client, fund: Instrument
) -> None:
    quoted(fund)
    assert panel(page(operator)) == ""

    OptionQuote.objects.update(session_date=calendar.previous(DAY))

    assert "Fetch chain" in panel(page(operator))


def test_who_does_not_follow_it_is_told_what_to_do(fund: Instrument) -> None:
    client, user = person("reader@example.com")
    told = panel(page(client))
    assert "Fetch chain" not in told
    assert "put it on a watchlist" in told

    refused = client.post("/quotes/NEWX/options/fetch/", **IN_PLACE)
    assert "Only operators fetch every chain" in refused.content.decode()
    assert not JobRun.objects.exists()
    watch(user, fund)
    assert "Fetch chain" in panel(page(client))


def test_the_button_makes_a_job_and_shows_how_far_it_is(operator: Client, fund: Instrument) -> None:
    answer = operator.post("/quotes/NEWX/options/fetch/", **IN_PLACE)

    run = JobRun.objects.get()
    told = answer.content.decode()
    assert answer.status_code == 200
    assert (f'data-job="{run.pk}"' in told, "Fetch chain" in told) == (True, False)
    assert "every 1s" in told
    JobRun.objects.update(
        status="failed",
        items=[{"item": "NEWX", "status": "failed", "reason": "yfinance: it is away"}],
        finished_at=clock.now(),
    )
    shown = operator.get("/quotes/NEWX/?panel=fetch", HTTP_HX_REQUEST="true").content.decode()
    assert "yfinance: it is away" in shown
    assert ("every 1s" in shown, "Fetch chain" in shown) == (False, True)


def test_without_scripts_the_button_leads_back_with_a_word(
    operator: Client, fund: Instrument
) -> None:
    answer = operator.post("/quotes/NEWX/options/fetch/")

    assert (answer.status_code, answer["Location"]) == (303, "/quotes/NEWX/options/")
    assert "The option chain of NEWX is being fetched." in page(operator)
    assert operator.get("/quotes/NEWX/options/fetch/").status_code == 405
    assert operator.post("/quotes/NOPE/options/fetch/").status_code == 404
    assert Client().post("/quotes/NEWX/options/fetch/").status_code == 302
    make("NOTE", kind="bond")
    assert operator.post("/quotes/NOTE/options/fetch/").status_code == 303
    assert "Options are listed on public funds" in page(operator, "/quotes/NOTE/")


def test_a_form_of_another_site_is_refused(fund: Instrument) -> None:
    _, user = person("op@example.com", "Operator")
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)

    assert strict.post("/quotes/NEWX/options/fetch/").status_code == 403


# --- what follows --------------------------------------------------------------------------------


def test_chains_are_kept_for_every_fund_that_is_held_or_watched(fund: Instrument) -> None:
    _, user = person("owner@example.com")
    held, bond = make("HELD", kind="stock"), make("NOTE", kind="bond")
    own = make("MINE", owner_id=user.pk, pricing="manual")
    option = quoted(fund).instrument
    make("ALONE")
    hold(user, held)
    watch(user, bond, own, option)

    told = followed.options()

    assert told["held"] == []
    assert set(told["watched"]) == {str(held.pk), str(fund.pk)}


def ended(job: str, **fields: Any) -> JobRun:
    given = {"as_of": DAY, "status": "succeeded", "finished_at": clock.now()} | fields
    return JobRun.objects.create(job=job, scope=f"t{JobRun.objects.count()}", **given)


def test_the_end_of_greeks_is_told_to_the_pages_that_show_them(
    fund: Instrument, django_capture_on_commit_callbacks: Any
) -> None:
    _, user = person("owner@example.com")
    book = hold(user, quoted(fund).instrument)
    items = [{"item": "NEWX", "status": "ok"}, {"item": "ILLX", "status": "failed"}]

    def news(job: str, channel: str) -> tuple[int, str, Any]:
        run = ended(job, status="partial", items=items, result={"contracts": 1})
        with django_capture_on_commit_callbacks(execute=True):
            outcomes.heed(run_id=run.pk)
        told = push.newest(channel)
        return (told["seq"], told["event"], told["data"]) if told else (0, "", None)

    mine = f"portfolio.{book.pk}.analytics"
    assert news("marketdata.sync_prices", mine) == (0, "", None)
    url = f"/portfolios/{book.pk}/greeks/"
    for place, job in enumerate(("marketdata.compute_greeks", "marketdata.sync_chains"), 1):
        data = {"session_date": str(DAY), "url": url}
        assert news(job, mine) == (place, "greeks.updated", data)
        told = push.newest("greeks")
        assert told is not None
        assert (told["event"], told["data"]) == (
            "greeks.updated",
            {"session_date": str(DAY), "symbols": ["NEWX"]},
        )


def test_yields_that_come_after_the_greeks_have_them_computed_again() -> None:
    greeks = ended("marketdata.compute_greeks", step="greeks")
    rates = ended(
        "marketdata.sync_rates", step="rates", counts={"yields": 0}, finished_at=clock.now()
    )
    JobRun.objects.filter(pk__in=(greeks.pk, rates.pk)).update(scope="r1 yfinance all")
    JobRun.objects.filter(pk=greeks.pk).update(started_at=CLOSE)

    def asked() -> list[Any]:
        outcomes.heed(run_id=rates.pk)
        return list(JobRun.objects.filter(job="etftrader.run_day").values_list("inputs", flat=True))

    assert asked() == []
    JobRun.objects.filter(pk=rates.pk).update(counts={"yields": 4})
    assert asked() == [{"steps": ["greeks", "snapshots"]}]
    JobRun.objects.filter(job="etftrader.run_day").delete()
    # in their order they were there in time
    JobRun.objects.filter(pk=greeks.pk).update(started_at=clock.now())
    assert asked() == []


def test_in_the_evening_the_step_of_yields_is_asked_for_again(monkeypatch: Any) -> None:
    evening = datetime(2020, 6, 30, 22, 30, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: evening)
    assert sessions.is_live()

    tasks.verify_rates()
    tasks.verify_rates()

    run = JobRun.objects.get()
    assert (run.step, run.as_of, run.inputs) == ("rates", DAY, {"again": 5})
    assert STEP["greeks"].wants == ("rates",)
    JobRun.objects.update(status="succeeded")
    tasks.verify_rates()
    assert JobRun.objects.get().status == "queued"
