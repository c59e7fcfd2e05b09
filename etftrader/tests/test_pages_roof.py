"""Dashboard, overview, positions, data and jobs: who sees what, what stands there, what it costs."""

import csv
import io
import re
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from etftrader import housekeeping
from etftrader.core import clock
from etftrader.core.records import JobRun
from marketdata.models import DailyBar, Instrument, ReplayClock
from marketdata.selectors import sessions
from portfolios.models import Membership, PortfolioSnapshot, PositionTag, Tag
from portfolios.services import snapshots
from risk import live
from risk.services import monitor
from trading.tests import world

pytestmark = pytest.mark.django_db

HTMX = {"HTTP_HX_REQUEST": "true"}
PORTFOLIO_PAGES = ("", "positions/")
PAGES = ("/", "/data/", "/jobs/")


@pytest.fixture
def stage():
    """$100,000 and 300 AAA at 100, valued at the close of the 22nd; the 23rd is played."""
    world.make_market()
    book = world.make_portfolio(description="Two made-up funds.")
    world.hold(book, "AAA", "300")
    world.hold(book, "BBB", "100")
    snapshots.take(portfolio_ids=[book.pk], session_date=world.YESTERDAY)
    book.refresh_from_db()
    owner = book.account.customer.user
    return SimpleNamespace(book=book, owner=owner)


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def browser(stage):
    return signed_in(stage.owner)


def address(stage, tail=""):
    return f"/portfolios/{stage.book.pk}/{tail}"


def make_run(owner=None, **fields):
    values = {
        "job": "risk.compute",
        "step": "risk",
        "as_of": world.YESTERDAY,
        "status": "failed",
        "error": {"code": "insufficient_data", "detail": "No covariance of this session."},
        "items": [{"item": "Core", "status": "failed", "reason": "no_covariance"}],
        "inputs": {"round": 1},
        "requested_by": owner.pk if owner else None,
        "started_at": clock.now() - timedelta(seconds=3),
        "finished_at": clock.now(),
    }
    return JobRun.objects.create(**(values | fields))


@pytest.mark.parametrize("path", PAGES)
def test_a_page_of_the_house_opens(browser, path):
    assert browser.get(path).status_code == 200


@pytest.mark.parametrize("tail", PORTFOLIO_PAGES)
def test_a_page_of_a_portfolio_opens_for_its_owner_only(browser, stage, tail):
    stranger = signed_in(world.make_user("stranger@example.com"))

    assert browser.get(address(stage, tail)).status_code == 200
    assert stranger.get(address(stage, tail)).status_code == 404


@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_a_page_without_signing_in(stage, path):
    answer = Client().get(path)

    assert answer.status_code == 302
    assert "login" in answer["Location"]


@pytest.mark.parametrize("tail", PORTFOLIO_PAGES)
def test_nobody_sees_a_portfolio_without_signing_in(stage, tail):
    assert Client().get(address(stage, tail)).status_code == 302


def shell_of(browser):
    """What the rail, the strip and the sign-in cost on a page that reads nothing itself."""
    browser.get("/glossary/")
    with CaptureQueriesContext(connection) as queries:
        browser.get("/glossary/")
    return len(queries)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_of_the_house_needs_few_queries(browser, path, django_assert_max_num_queries):
    browser.get(path)

    with django_assert_max_num_queries(12 + shell_of(browser)):
        browser.get(path)


@pytest.mark.parametrize("tail", PORTFOLIO_PAGES)
def test_a_page_of_a_portfolio_needs_few_queries(
    browser, stage, tail, django_assert_max_num_queries
):
    browser.get(address(stage, tail))

    with django_assert_max_num_queries(12 + shell_of(browser)):
        browser.get(address(stage, tail))


@pytest.mark.parametrize("tail", PORTFOLIO_PAGES)
def test_a_page_with_a_history_and_no_live_figures_needs_few_queries(
    browser, stage, tail, django_assert_max_num_queries
):
    world.close_session()
    snapshots.take(portfolio_ids=[stage.book.pk], session_date=world.TODAY)
    ReplayClock.objects.update(playing=world.TOMORROW, bar=0)
    text = browser.get(address(stage, tail)).content.decode()

    with django_assert_max_num_queries(12 + shell_of(browser)):
        browser.get(address(stage, tail))
    assert tail or "Since 22 Jun 2016" in text


def test_the_dashboard_lists_every_book_with_live_cells_and_a_sum(browser, stage):
    world.make_portfolio(name="Second", cash="50000")

    page = browser.get("/")

    text = page.content.decode()
    assert f'data-live="portfolio.{stage.book.pk}.value:nav"' in text
    assert "135,000" in text  # 100,000 + 300 * 100 + 100 * 50
    assert page.context["books"]["totals"]["nav"] == Decimal(135_000)
    assert "no snapshot yet" in text
    assert "Nothing needs you" in text


def test_the_dashboard_speaks_of_the_session_that_runs(browser, stage):
    second = world.make_portfolio(name="Second", cash="50000")
    moment = sessions.moment()
    for book, nav, gain in ((stage.book, "134000.00", "-1000.00"), (second, "50500.00", "500.00")):
        record = monitor.revalue_one(portfolio_id=book.pk, moment=moment)
        record.value |= {"nav": nav, "day_pnl": gain, "day_return": float(gain) / float(nav)}
        record.risk |= {"var": "2500.00", "limit": "4000.00"}
        assert live.save(record)

    page = browser.get("/")

    totals = page.context["books"]["totals"]
    assert (totals["nav"], totals["day_pnl"]) == (Decimal("184500.00"), Decimal("-500.00"))
    assert totals["day_return"] == pytest.approx(-500 / 185_000)
    [first, _] = page.context["books"]["rows"]
    assert (first["var"], first["meter"]["limit"]) == (2500.0, "4000.00")
    text = page.content.decode()
    assert f'data-live="portfolio.{stage.book.pk}.risk:utilisation"' in text
    assert f'data-live="portfolio.{stage.book.pk}.risk:var"' in text


def test_the_gain_of_the_session_before_is_not_todays(browser, stage):
    text = browser.get(address(stage)).content.decode()

    facts = re.search(r'<p class="facts">.*?</p>', text, re.S).group(0)
    assert 'title="no minute of the session is known yet"' in facts


def test_the_dashboard_of_a_new_person_leads_to_the_first_portfolio(stage):
    text = signed_in(world.make_user("new@example.com")).get("/").content.decode()

    assert "No portfolio yet" in text
    assert "/portfolios/new/" in text


def test_the_overview_adds_up(browser, stage):
    world.quote("AAA", Decimal(101))

    page = browser.get(address(stage))

    kpis = {each["label"]: each["value"] for each in page.context["kpis"]}
    assert kpis["NAV"] == Decimal(135_300)
    assert kpis["Day P&L"] == kpis["Total P&L"] == Decimal(300)
    assert kpis["Gross"] == kpis["Net"] == Decimal(35_300)
    assert kpis["Cash"] == Decimal(100_000)
    weights = [row["value"] for row in page.context["allocation"]["rows"]]
    assert sum(weights) == pytest.approx(1.0)
    assert [row["label"] for row in page.context["movers"]["rows"]] == ["AAA"]
    text = page.content.decode()
    assert 'data-live="value.nav"' in text
    assert "Two made-up funds." in text
    assert "dividends not included" in text
    assert "tomorrow&#x27;s snapshot" in text or "tomorrow's snapshot" in text


def test_the_chart_begins_at_100_and_follows_the_returns(browser, stage):
    world.make_bar(world.make_instrument("SPY"), world.YESTERDAY, Decimal(200))
    world.make_bar(Instrument.objects.get(symbol="SPY"), world.TODAY, Decimal(190))
    world.close_session({"AAA": Decimal(109)})
    snapshots.take(portfolio_ids=[stage.book.pk], session_date=world.TODAY)

    mine, spy = browser.get(address(stage)).context["chart"]["series"]

    assert mine["values"] == pytest.approx([100.0, 102.0])  # 300 * 9 = 2,700 on 135,000
    assert spy["values"] == pytest.approx([100.0, 95.0])


def test_an_overview_without_positions_offers_the_first_steps(browser, stage):
    empty = world.make_portfolio(name="Empty", cash="0")

    text = browser.get(f"/portfolios/{empty.pk}/").content.decode()

    assert "Import CSV" in text
    assert "Deposit cash" in text


def test_a_past_session_shows_its_snapshot_and_says_so(browser, stage):
    world.close_session({"AAA": Decimal(109)})
    snapshots.take(portfolio_ids=[stage.book.pk], session_date=world.TODAY)

    page = browser.get(address(stage) + "?as_of=2016-06-22")
    early = browser.get(address(stage, "positions/") + "?as_of=2016-06-01")

    kpis = {each["label"]: each["value"] for each in page.context["kpis"]}
    assert kpis["NAV"] == Decimal(135_000)
    assert "Past figures" in page.content.decode()
    assert early.status_code == 200
    assert "The books begin" not in page.content.decode()
    assert "the books begin later" in early.content.decode()
    for text in (page.content.decode(), early.content.decode()):
        assert "Past figures" in text
        assert "data-socket" not in text  # nothing of now is patched in
        assert f"{address(stage, 'risk/')}?as_of=" in text
        assert "show now to trade" in text


def test_the_dashboard_looks_back_too(browser, stage):
    world.close_session({"AAA": Decimal(109)})
    snapshots.take(portfolio_ids=[stage.book.pk], session_date=world.TODAY)

    now, page = browser.get("/"), browser.get("/?as_of=2016-06-22")

    rows = {each["name"]: each for each in page.context["books"]["rows"]}
    assert rows[stage.book.name]["nav"] == Decimal(135_000)
    assert now.context["books"]["rows"][0]["nav"] != Decimal(135_000)
    assert "Past figures" in page.content.decode()
    assert "data-socket" not in page.content.decode()


@pytest.mark.parametrize("asked", ["yesterday", "2016-13-01", "1999-01-04", "2099-01-01"])
def test_what_is_no_past_close_is_now(browser, stage, asked):
    page = browser.get(address(stage) + f"?as_of={asked}")

    assert page.status_code == 200
    assert "Past figures" not in page.content.decode()


def test_positions_show_marks_gains_and_live_cells(browser, stage):
    world.quote("AAA", Decimal(101))

    page = browser.get(address(stage, "positions/"))

    row = page.context["table"]["rows"][0]
    assert row["symbol"] == "AAA"
    assert row["exposure"] == Decimal(30_300)
    assert row["unrealized"] == row["day_pnl"] == Decimal(300)
    assert row["gain"] == pytest.approx(0.01)
    assert page.context["table"]["totals"]["exposure"] == Decimal(35_300)
    assert 'data-live="value.marks.AAA.price"' in page.content.decode()


def test_positions_group_with_subtotals_and_filter_by_tag(browser, stage):
    tag = Tag.objects.create(user=stage.owner, name="core")
    PositionTag.objects.create(position=stage.book.positions.get(instrument__symbol="AAA"), tag=tag)

    grouped = browser.get(address(stage, "positions/") + "?group=tag").context["table"]["rows"]
    tagged = browser.get(address(stage, "positions/") + "?tag=core").context["table"]["rows"]

    assert [row["symbol"] for row in grouped] == ["No tag", "BBB", "core", "AAA"]
    assert grouped[2]["exposure"] == Decimal(30_000)
    assert [row["symbol"] for row in tagged] == ["AAA"]


def test_a_filter_that_matches_nothing_says_which_and_can_be_cleared(browser, stage):
    text = browser.get(address(stage, "positions/") + "?q=zzz").content.decode()

    assert "None of 2 positions matches: search zzz." in text
    assert "Clear filter" in text


def test_the_file_holds_exactly_the_rows_on_screen(browser, stage):
    answer = browser.get(address(stage, "positions/") + "?q=bbb&export=positions-table")

    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert answer["Content-Type"].startswith("text/csv")
    assert [row["Symbol"] for row in rows] == ["BBB"]
    assert Decimal(rows[0]["Exposure"]) == 5_000
    assert rows[0]["Price"] == "live"


def test_a_position_without_a_price_says_why(browser, stage):
    lost = world.make_instrument("LOST")
    world.make_bar(lost, world.YESTERDAY, Decimal(10))
    world.PRICES["LOST"] = Decimal(10)
    try:
        world.hold(stage.book, "LOST", "5")
    finally:
        del world.PRICES["LOST"]
    DailyBar.objects.filter(instrument=lost).delete()

    text = browser.get(address(stage, "positions/")).content.decode()

    assert "no price is known" in text
    assert "missing" in text


def test_positions_of_an_empty_book_say_so(browser, stage):
    empty = world.make_portfolio(name="Empty", cash="0")

    assert "Nothing is held" in browser.get(f"/portfolios/{empty.pk}/positions/").content.decode()


def test_the_data_page_tells_clock_datasets_worker_and_notice(browser, stage):
    text = browser.get("/data/").content.decode()

    assert "30 / 390" in re.sub(r"<[^>]+>", "", text)
    assert "Covariance matrix" in text
    assert "Portfolio snapshots" in text
    assert "not for investment decisions" in text
    assert "MIT licence" in text
    assert "No worker" in text

    housekeeping.beat()
    assert "No worker" not in browser.get("/data/").content.decode()


def test_an_operator_asks_for_the_next_session_and_comes_back(stage, settings):
    settings.REPLAY_OPEN = False
    reader = signed_in(stage.owner)
    world.add_to_group(stage.owner, "Trader")
    operator = world.make_user("operator@example.com")
    world.add_to_group(operator, "Operator")

    refused = reader.post("/data/advance/")
    taken = signed_in(operator).post(
        "/data/advance/", HTTP_REFERER=f"http://testserver{address(stage)}"
    )
    abroad = signed_in(operator).post("/data/advance/", HTTP_REFERER="https://evil.example/x")

    assert refused.status_code == 403
    assert (taken.status_code, taken["Location"]) == (303, address(stage))
    assert abroad["Location"] == "/data/"
    assert JobRun.objects.filter(job="etftrader.advance").count() == 1


def test_at_the_end_of_history_the_button_answers_with_a_sentence(browser, stage, settings):
    from marketdata.providers.bundled import history_end

    settings.REPLAY_OPEN = True
    ReplayClock.objects.update(playing=None, bar=0, session_date=history_end())

    answer = browser.post("/data/advance/")

    assert answer.status_code == 303
    assert [str(each) for each in browser.get("/data/").context["messages"]]
    assert not JobRun.objects.exists()


def auditor():
    staff = world.make_user("staff@example.com", is_staff=True)
    world.add_to_group(staff, "Viewer")
    return staff


def test_a_run_is_seen_by_who_asked_for_it_and_by_staff(browser, stage):
    mine, foreign = make_run(stage.owner), make_run(scope="other")
    staff = signed_in(auditor())

    text = browser.get(f"/jobs/{mine.pk}/").content.decode()

    assert "No covariance of this session." in text
    assert "no_covariance" in text
    assert browser.get(f"/jobs/{foreign.pk}/").status_code == 404
    assert staff.get(f"/jobs/{foreign.pk}/").status_code == 200
    assert Client().get(f"/jobs/{mine.pk}/").status_code == 302
    assert str(foreign.pk) not in browser.get("/jobs/").content.decode()


def test_only_operators_run_a_job_again(browser, stage):
    run = make_run(stage.owner)

    assert browser.post(f"/jobs/{run.pk}/retry/").status_code == 403
    assert browser.get(f"/jobs/{run.pk}/retry/").status_code == 405
    stage.owner.groups.add(Group.objects.get_or_create(name="Operator")[0])

    answer = browser.post(f"/jobs/{run.pk}/retry/")

    assert answer.status_code == 303
    run.refresh_from_db()
    assert run.status == "queued"


def test_a_list_of_no_jobs_says_so(browser, stage):
    staff = signed_in(auditor())

    assert "You have asked for no job yet" in browser.get("/jobs/").content.decode()
    assert "No job has run yet" in staff.get("/jobs/").content.decode()


@pytest.mark.parametrize(
    ("path", "panel"),
    [
        ("/", "attention"),
        ("/", "books"),
        ("/data/", "clock"),
        ("/data/", "datasets"),
        ("/data/", "day"),
        ("", "movers"),
        ("", "exposure"),
        ("positions/", "positions"),
    ],
)
def test_a_panel_comes_alone_when_htmx_asks(browser, stage, path, panel):
    full = path if path.startswith("/") else address(stage, path)

    answer = browser.get(f"{full}?panel={panel}", **HTMX)

    text = answer.content.decode()
    assert answer.status_code == 200
    assert "<html" not in text
    assert re.search(rf'id="panel-{panel}"', text)


def test_a_member_who_was_removed_sees_nothing(browser, stage):
    Membership.objects.update(revoked_at=clock.now())

    assert browser.get(address(stage)).status_code == 404
    assert PortfolioSnapshot.objects.exists()
    assert "135,000" not in browser.get("/").content.decode()


def test_a_page_names_the_session_it_was_drawn_for(browser, stage):
    mark = 'data-drawn-market="2016-06-23 open"'
    for tail in ("", "positions/", "risk/", "trade/", "orders/"):
        assert mark in browser.get(address(stage, tail)).content.decode()
    for path in ("/", "/data/", "/alerts/"):
        assert mark in browser.get(path).content.decode()
    assert "data-drawn" not in browser.get("/settings/tokens/").content.decode()
    assert 'data-drawn-value="none"' in browser.get(address(stage)).content.decode()

    monitor.revalue_one(portfolio_id=stage.book.pk, moment=sessions.moment())

    assert 'data-drawn-value="2016-06-23 ' in browser.get(address(stage)).content.decode()


def test_parts_of_the_exposure_come_together_and_say_when(browser, stage):
    panel = browser.get(address(stage, "?panel=exposure"), **HTMX).content.decode()

    assert "data-live=" not in panel
    assert "live:value.updated" in panel
    assert "as of " in panel


def test_a_reader_is_not_offered_what_would_be_refused(browser, stage):
    viewer = world.make_user("reader@example.com")
    Membership.objects.create(portfolio=stage.book, user=viewer, role="viewer")
    settings = address(stage, "settings/")

    text = signed_in(viewer).get(address(stage)).content.decode()

    assert f'href="{settings}"' not in text
    assert "You may read this portfolio, not trade in it." in text
    assert f'href="{settings}"' in browser.get(address(stage)).content.decode()


@pytest.mark.parametrize("path", ["/api/v1/docs", "/api/v1/redoc", "/api/v1/schema"])
def test_a_browser_that_is_not_signed_in_is_led_to_the_form(db, path):
    for accept in ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"):
        page = Client().get(path, HTTP_ACCEPT=accept)
        assert (page.status_code, page["Location"]) == (302, f"/login/?next={path}")

    program = Client().get(path, HTTP_ACCEPT="*/*")
    assert program.status_code == 401
    assert program["Content-Type"].startswith("application/problem+json")


def test_an_icon_is_served_where_programs_ask_for_it(db):
    found = Client().get("/favicon.ico")

    assert found.status_code == 302
    assert "img/mark" in found["Location"]
