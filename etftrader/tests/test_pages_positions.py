"""Positions page and position page: filters, groups, views, tags without script, own trades."""

import csv
import io
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from marketdata.models import DailyBar, Instrument, ReplayClock
from marketdata.selectors import calendar
from portfolios.models import Membership, Position, SavedView, Tag
from portfolios.selectors import tags as read
from portfolios.services import ledger, snapshots
from trading.tests import world

pytestmark = pytest.mark.django_db


@pytest.fixture
def stage():
    """300 AAA and 100 BBB, valued at the close of the 22nd; the 23rd is played."""
    world.make_market()
    book = world.make_portfolio()
    world.hold(book, "AAA", "300")
    world.hold(book, "BBB", "100")
    snapshots.take(portfolio_ids=[book.pk], session_date=world.YESTERDAY)
    book.refresh_from_db()
    owner = book.account.customer.user
    held = {each.instrument.symbol: each for each in Position.objects.filter(portfolio=book)}
    return SimpleNamespace(
        book=book, owner=owner, held=held, at=f"/portfolios/{book.pk}/positions/"
    )


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def browser(stage):
    return signed_in(stage.owner)


def rows(browser, address):
    answer = browser.get(address)
    assert answer.status_code == 200
    return answer.context["table"]["rows"]


def symbols(browser, address):
    return [row["symbol"] for row in rows(browser, address)]


def words(position):
    return read.of_positions(position_ids=[position.pk])[position.pk].words


def sent(browser, address, body):
    """Where a form leads, and what stands there."""
    answer = browser.post(address, body)
    assert answer.status_code == 303
    page = browser.get(answer["Location"])
    page.came_to = answer["Location"]
    return page


def bulk(browser, stage, act, text, *names, back=""):
    keys = [stage.held[name].pk for name in names]
    body = {"position": keys, "act": act, "words": text, "back": back}
    return sent(browser, f"{stage.at}tag/", body)


def messages(answer):
    return [str(each) for each in answer.context["messages"]]


def test_those_ticked_get_tags_and_a_strategy_and_the_filter_stays(browser, stage):
    answer = bulk(
        browser, stage, "add", "core, growth", "AAA", "BBB", back="type=LONG&sort=-weight"
    )
    bulk(browser, stage, "strategy", "Pairs", "AAA")
    bulk(browser, stage, "remove", "growth", "BBB")

    assert answer.came_to == f"{stage.at}?type=LONG&sort=-weight"
    assert messages(answer) == ["2 positions changed."]
    assert words(stage.held["AAA"]) == ["core", "growth", "#strategy:Pairs"]
    assert words(stage.held["BBB"]) == ["core"]
    assert "nothing" not in messages(bulk(browser, stage, "add", "core"))[0].lower()


def test_a_way_back_leads_nowhere_else(browser, stage):
    answer = bulk(browser, stage, "add", "core", "AAA", back="//evil.example/?x=1")

    assert answer.came_to.startswith(stage.at)


def test_tags_of_one_row_are_edited_in_the_table(browser, stage):
    key = stage.held["AAA"].pk
    page = browser.get(f"{stage.at}?edit={key}").content.decode()
    assert 'name="version" value="1"' in page
    assert f"/positions/{key}/tags/" in page

    body = {"tags": "core, #strategy:Pairs", "version": "1", "back": "group=tag"}
    saved = sent(browser, f"/positions/{key}/tags/", body)
    late = sent(browser, f"/positions/{key}/tags/", body | {"tags": ""})

    assert words(stage.held["AAA"]) == ["core", "#strategy:Pairs"]
    assert messages(saved) == ["The tags of AAA are saved."]
    assert messages(late) == ["The tags were changed since they were read."]


def test_a_reader_sees_tags_and_no_way_to_change_them(browser, stage):
    bulk(browser, stage, "add", "core", "AAA")
    viewer = world.make_user("viewer@example.com")
    Membership.objects.create(portfolio=stage.book, user=viewer, role="viewer")
    theirs = signed_in(viewer)

    page = theirs.get(f"{stage.at}?edit={stage.held['AAA'].pk}")

    assert "core" in page.content.decode()
    assert not page.context["may_tag"]
    assert 'id="several"' not in page.content.decode()
    key = stage.held["AAA"].pk
    assert theirs.post(f"/positions/{key}/tags/", {"tags": ""}).status_code in (303, 403)
    assert words(stage.held["AAA"]) == ["core"]
    stranger = signed_in(world.make_user("stranger@example.com"))
    assert stranger.post(f"/positions/{key}/tags/", {"tags": ""}).status_code == 404


def test_a_position_stands_in_each_of_its_tags_and_the_total_counts_it_once(browser, stage):
    bulk(browser, stage, "add", "core, growth", "AAA")

    page = browser.get(f"{stage.at}?group=tag")

    table = page.context["table"]
    assert [row["symbol"] for row in table["rows"]] == [
        "No tag", "BBB", "core", "AAA", "growth", "AAA",
    ]  # fmt: skip
    assert table["totals"]["exposure"] == Decimal(35_000)
    assert "counts fully in each" in page.content.decode()
    assert all(not column.get("sum") for column in table["columns"])


@pytest.mark.parametrize(
    "by", ["", "type", "strategy", "tag", "underlying", "sector", "account", "nonsense"]
)
def test_every_grouping_opens_and_adds_up(browser, stage, by):
    found = rows(browser, f"{stage.at}?group={by}&sort=-exposure")

    heads = [row for row in found if row.get("css") == "total"]
    assert sum(row["exposure"] for row in heads) == (35_000 if heads else 0)
    assert bool(heads) == (by not in ("", "nonsense"))


def test_filters_stand_as_chips_each_with_the_way_without_it(browser, stage):
    bulk(browser, stage, "add", "core", "AAA", "BBB")
    bulk(browser, stage, "add", "growth", "AAA")

    page = browser.get(f"{stage.at}?tag=core,growth&tag_mode=all&type=LONG")

    assert [row["symbol"] for row in page.context["table"]["rows"]] == ["AAA"]
    assert [chip["label"] for chip in page.context["chips"]] == [
        "type LONG", "all of core, growth",
    ]  # fmt: skip
    without = page.context["chips"][1]["url"]
    assert symbols(browser, f"{stage.at}{without}") == ["AAA", "BBB"]


def test_columns_are_chosen_and_the_order_is_the_servers(browser, stage):
    page = browser.get(f"{stage.at}?columns=weight&columns=sector&sort=-exposure")

    keys = [column["key"] for column in page.context["table"]["columns"]]
    assert keys == ["symbol", "weight", "sector", "trade"]
    assert symbols(browser, f"{stage.at}?sort=-exposure") == ["AAA", "BBB"]
    assert symbols(browser, f"{stage.at}?sort=exposure") == ["BBB", "AAA"]


def save(browser, stage, name, query, **more):
    body = {"name": name, "query": query} | more
    return sent(browser, f"{stage.at}view/", body)


def test_a_view_is_kept_opened_changed_and_forgotten(browser, stage):
    save(browser, stage, "Big first", "sort=-exposure&columns=weight&page=3")
    view = SavedView.objects.get()
    assert view.query == {"sort": "-exposure", "columns": "weight"}

    save(browser, stage, "big first", "sort=symbol", view=view.pk, version=view.version)
    late = save(browser, stage, "Big first", "", view=view.pk, version=view.version)
    view.refresh_from_db()
    assert view.query == {"sort": "symbol"}
    assert messages(late) == ["The view was changed since it was read."]

    save(browser, stage, "x", "", view=view.pk, version=view.version, act="delete")
    assert not SavedView.objects.exists()


def test_the_default_view_opens_by_itself_until_it_is_cleared(browser, stage):
    save(browser, stage, "Short ones", "type=SHORT", is_default="on")

    assert symbols(browser, stage.at) == []
    assert symbols(browser, f"{stage.at}?view=") == ["AAA", "BBB"]
    assert symbols(browser, f"{stage.at}?q=bbb") == ["BBB"]


def test_the_file_has_those_ticked(browser, stage):
    key = stage.held["BBB"].pk
    answer = browser.get(f"{stage.at}?export=positions-table&position={key}")

    told = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [row["Symbol"] for row in told] == ["BBB"]


def test_two_hundred_rows_are_a_page(browser, stage):
    funds = Instrument.objects.bulk_create(
        Instrument(symbol=f"ZZ{place:03}", name="Z", kind="etf", price_basis="close")
        for place in range(210)
    )
    Position.objects.bulk_create(
        Position(portfolio=stage.book, instrument=each, quantity=1, cost_basis=1) for each in funds
    )

    first, second = (browser.get(f"{stage.at}?page={number}") for number in (1, 2))

    assert len(first.context["table"]["rows"]) == 200
    assert len(second.context["table"]["rows"]) == 12
    assert "1–200 of 212" in first.content.decode()
    assert first.context["table"]["totals"]["exposure"] == Decimal(35_000)


def shell_of(browser):
    browser.get("/glossary/")
    with CaptureQueriesContext(connection) as queries:
        browser.get("/glossary/")
    return len(queries)


def test_pages_need_few_queries(browser, stage, django_assert_max_num_queries):
    bulk(browser, stage, "add", "core", "AAA", "BBB")
    save(browser, stage, "Mine", "type=LONG", is_default="on")
    position = f"{stage.at}{stage.held['AAA'].pk}/"
    most = 12 + shell_of(browser)
    for address in (
        stage.at,
        f"{stage.at}?group=tag",
        f"{stage.at}?as_of=2016-06-22",
        position,
        f"{position}?as_of=2016-06-22",
        "/tags/",
    ):
        browser.get(address)
        with django_assert_max_num_queries(most):
            browser.get(address)


@pytest.fixture
def traded(stage):
    """AAA with a year's closes; 100 of the 300 sold at 110 on the 23rd, for a dollar."""
    fund = stage.held["AAA"].instrument
    days = calendar.between(world.YESTERDAY - timedelta(days=40), world.YESTERDAY)[:-1]
    for day in days:
        DailyBar.objects.get_or_create(
            instrument=fund, session_date=day, source="bundled",
            defaults={"close": Decimal(99), "price_basis": "close"},
        )  # fmt: skip
    ledger.book_fill(
        portfolio_id=stage.book.pk,
        instrument=fund,
        quantity=Decimal(-100),
        price=Decimal(110),
        fee=Decimal(1),
        source="test:sold",
        session_date=world.TODAY,
    )
    return f"{stage.at}{stage.held['AAA'].pk}/"


def test_a_position_shows_its_gains_costs_and_own_trades(browser, stage, traded):
    page = browser.get(traded)

    told = {each["label"]: each["value"] for each in page.context["kpis"]}
    assert told["Quantity"] == 200
    assert (told["Realised"], told["Fees"]) == (Decimal(1_000), Decimal(1))
    assert told["Net"] == told["Realised"] + told["Unrealised"] - 1
    booked = page.context["entries"]["rows"]
    assert [(row["kind"], row["quantity"], row["price"]) for row in booked] == [
        ("Trade", -100, Decimal(110)),
        ("Brought in", 300, Decimal(100)),
    ]
    assert "Sold 100 at 110.00" in [each["label"] for each in page.context["chart"]["events"]]
    assert "Brought in 300 at 100.00" in page.content.decode()


def test_a_position_of_a_past_close_is_as_its_snapshot_has_it(browser, stage, traded):
    world.close_session()
    snapshots.take(portfolio_ids=[stage.book.pk], session_date=world.TODAY)
    ReplayClock.objects.update(playing=world.TOMORROW, bar=0)

    page = browser.get(f"{traded}?as_of=2016-06-22")

    told = {each["label"]: each["value"] for each in page.context["kpis"]}
    assert (told["Quantity"], told["Exposure"]) == (300, Decimal(30_000))
    assert (told["Realised"], told["Fees"]) == (0, 0)
    assert len(page.context["entries"]["rows"]) == 1
    assert "Past figures" in page.content.decode()


def test_the_short_address_leads_there_and_strangers_nowhere(browser, stage):
    key = stage.held["AAA"].pk
    answer = browser.get(f"/positions/{key}/?as_of=2016-06-22")
    assert answer["Location"] == f"{stage.at}{key}/?as_of=2016-06-22"

    stranger = signed_in(world.make_user("stranger@example.com"))
    other = world.make_portfolio(name="Other", cash="0")
    assert stranger.get(f"/positions/{key}/").status_code == 404
    assert stranger.get(f"{stage.at}{key}/").status_code == 404
    assert browser.get(f"/portfolios/{other.pk}/positions/{key}/").status_code == 404
    assert Client().get(f"{stage.at}{key}/").status_code == 302


def test_a_closed_position_still_tells_what_it_made(browser, stage):
    ledger.book_fill(
        portfolio_id=stage.book.pk,
        instrument=stage.held["BBB"].instrument,
        quantity=Decimal(-100),
        price=Decimal(60),
        fee=Decimal(0),
        source="test:all",
        session_date=world.TODAY,
    )

    page = browser.get(f"{stage.at}{stage.held['BBB'].pk}/")

    told = {each["label"]: each["value"] for each in page.context["kpis"]}
    assert (told["Quantity"], told["Realised"], told["Net"]) == (0, 1_000, 1_000)
    assert "closed" in page.content.decode()


def test_tags_are_made_changed_archived_and_restored_on_their_page(browser, stage):
    form = {"name": "core", "kind": "regular", "palette": "other", "other": "#12ab34"}
    assert browser.post("/tags/", form).status_code == 303
    tag = Tag.objects.get()
    assert tag.colour == "#12AB34"
    bulk(browser, stage, "add", "core", "AAA")

    page = browser.get(f"/tags/?edit={tag.pk}")
    assert page.context["form"].initial["palette"] == "other"
    changed = form | {"name": "heart", "palette": "#4F6BED", "version": page.context["row"].version}
    assert browser.post(f"/tags/{tag.pk}/save/", changed).status_code == 303
    late = browser.post(f"/tags/{tag.pk}/save/", changed)
    assert late.status_code == 412
    assert browser.post("/tags/", form | {"name": "Heart"}).status_code == 422
    assert browser.post("/tags/", form | {"name": "a/b"}).status_code == 422

    browser.post(f"/tags/{tag.pk}/archive/")
    archived = browser.get("/tags/")
    assert [row["name"] for row in archived.context["archived"]["rows"]] == ["heart"]
    assert words(stage.held["AAA"]) == []
    browser.post(f"/tags/{tag.pk}/restore/")
    assert words(stage.held["AAA"]) == ["heart"]
    stranger = signed_in(world.make_user("stranger@example.com"))
    assert stranger.post(f"/tags/{tag.pk}/archive/").status_code == 404
