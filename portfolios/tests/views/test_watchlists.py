"""The watchlists' page: lists, prices, symbols nobody knows, pasted columns, order and notes."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from etftrader.core.records import JobRun
from marketdata.models import Quote, ReplayClock
from marketdata.selectors import calendar
from portfolios.models import Watchlist, WatchlistItem
from portfolios.tests.factories import (
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    make_clock,
    make_closes,
    make_instrument,
    make_portfolio,
    make_user,
)

pytestmark = [pytest.mark.django_db, pytest.mark.urls("portfolios.tests.book_urls")]
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture(autouse=True)
def market(settings: Any) -> None:
    settings.MARKETDATA_PROVIDER = "bundled"
    make_clock(WEDNESDAY)
    for symbol, last in (("AAA", 99), ("BBB", 51), ("CCC", 10)):
        fund = make_instrument(symbol)
        make_closes(fund, {MONDAY: 100, TUESDAY: 110, WEDNESDAY: last})


@pytest.fixture
def client() -> Client:
    browser = Client()
    browser.force_login(make_user())
    return browser


@pytest.fixture
def mine(client: Client) -> Watchlist:
    client.post("/watchlists/new/", {"name": "Mine"})
    return Watchlist.objects.get()


def page_of(client: Client, row: Watchlist, query: str = "", **more: Any) -> str:
    answer = client.get(f"/watchlists/{row.pk}/{query}", **more)
    assert answer.status_code == 200
    return answer.content.decode()


def paste(client: Client, row: Watchlist, symbols: str) -> Any:
    return client.post(f"/watchlists/{row.pk}/symbols/", {"symbols": symbols})


def row_of(page: str, symbol: str) -> str:
    found = re.search(rf'<tr data-row="{symbol}".*?</tr>', page, re.DOTALL)
    assert found, f"no row of {symbol}"
    return found[0]


def test_without_a_list_the_page_asks_for_a_name(client):
    page = client.get("/watchlists/").content.decode()

    assert "No list yet" in page
    assert 'action="/watchlists/new/"' in page


def test_nobody_opens_a_list_that_is_not_theirs(client, mine):
    stranger = Client()
    stranger.force_login(make_user("stranger@example.com"))

    assert stranger.get(f"/watchlists/{mine.pk}/").status_code == 404
    assert paste(stranger, mine, "AAA").status_code == 404
    for act in ("arrange", "rename", "delete"):
        assert stranger.post(f"/watchlists/{mine.pk}/{act}/", {"name": "x"}).status_code == 404
    assert Client().get("/watchlists/").status_code == 302
    assert Watchlist.objects.get().name == "Mine"


def test_symbols_are_pasted_and_their_closes_stand_there(client, mine):
    answer = paste(client, mine, "aaa,\nBBB\t$CCC; aaa")

    assert answer.status_code == 303
    page = page_of(client, mine)
    row = row_of(page, "AAA")
    assert "99.00" in row
    assert "−11.00" in row
    assert "−10.00%" in row
    assert 'href="/quotes/AAA/"' in row
    assert "Close" in row
    assert "its source tells no bid and ask" in row
    assert 'class="spark"' in row
    # a closed market is followed by no figure
    assert 'data-live="quotes:AAA' not in row
    assert 'data-symbols="AAA BBB CCC"' in page
    assert [each.symbol for each in WatchlistItem.objects.order_by("order")] == [
        "AAA", "BBB", "CCC",
    ]  # fmt: skip


def test_what_was_pasted_has_a_verdict_a_symbol(client, mine):
    paste(client, mine, "AAA")

    answer = paste(client, mine, "AAA BBB AAB x*y")

    page = answer.content.decode()
    assert answer.status_code == 200
    said = dict(re.findall(r'<th scope="row"[^>]*>([^<]+)</th><td[^>]*><span[^>]*>([^<]+)', page))
    assert said == {
        "AAA": "On the list before",
        "BBB": "Added",
        "AAB": "Unresolved",
        "X*Y": "Refused",
    }
    assert "A symbol has 1 to 24 of" in page


@pytest.mark.parametrize("symbols", ["", " , ; ", "x" * 9000])
def test_a_paste_without_a_symbol_comes_back_with_the_reason(client, mine, symbols):
    answer = paste(client, mine, symbols)

    assert answer.status_code == 422
    assert 'role="alert"' in answer.content.decode()


def test_an_unknown_symbol_offers_what_may_have_been_meant(client, mine):
    paste(client, mine, "AAB")
    item = WatchlistItem.objects.get()
    page = page_of(client, mine)

    assert 'data-unknown="AAB"' in page
    assert "Only the bundled symbols have prices here." in page
    assert "Look again" not in page  # nobody could be asked
    offered = re.findall(r'name="symbol" value="([^"]+)"', page)
    assert offered == ["AAA", "BBB"][: len(offered)]
    assert "AAA" in offered

    answer = client.post(f"/watchlists/symbols/{item.pk}/replace/", {"symbol": "AAA"})

    assert answer.status_code == 303
    item.refresh_from_db()
    assert (item.symbol, item.instrument.symbol) == ("AAA", "AAA")
    assert row_of(page_of(client, mine), "AAA")


def test_an_unknown_symbol_is_taken_off(client, mine):
    paste(client, mine, "AAB")
    item = WatchlistItem.objects.get()

    client.post(f"/watchlists/symbols/{item.pk}/retry/")
    assert "no source that could know" in page_of(client, mine)
    assert client.post(f"/watchlists/symbols/{item.pk}/remove/").status_code == 303
    assert client.post(f"/watchlists/symbols/{item.pk}/remove/").status_code == 404
    assert client.post(f"/watchlists/symbols/{item.pk}/explode/").status_code == 404


def test_with_a_source_to_ask_the_symbol_is_looked_up_and_the_page_says_so(client, mine, settings):
    settings.MARKETDATA_PROVIDER = "yfinance"

    answer = paste(client, mine, "NEWETF AAA")

    run = JobRun.objects.get(job="marketdata.resolve_symbols")
    assert run.inputs == {"symbols": ["NEWETF"]}
    assert run.requested_by == make_user().pk
    assert "Looking it up" in answer.content.decode()
    assert "A source is being asked" in page_of(client, mine)

    said = [{"item": "NEWETF", "status": "failed", "reason": "yfinance: no such symbol"}]
    JobRun.objects.update(status="failed", items=said)
    page = page_of(client, mine)
    assert "yfinance: no such symbol" in page
    assert "Look again" in page


def test_while_a_session_plays_every_figure_follows_the_quotes(client, mine):
    paste(client, mine, "AAA BBB")
    opened = calendar.open_time(calendar.next(WEDNESDAY))
    ReplayClock.objects.update(
        playing=calendar.next(WEDNESDAY), bar=30, as_of=opened + timedelta(minutes=30)
    )
    Quote.objects.create(
        instrument=make_instrument("AAA"),
        price=Decimal("101.5"),
        bid=Decimal(101),
        ask=Decimal(102),
        previous_close=Decimal(99),
        volume=1200,
        session_date=calendar.next(WEDNESDAY),
        as_of=opened + timedelta(minutes=30),
        source="SIM",
    )

    page = page_of(client, mine)

    row = row_of(page, "AAA")
    for path in ("price", "change", "changeRate", "bid", "ask", "volume", "source"):
        assert f'data-live="quotes:AAA.{path}"' in row
    assert "98.5 bp" in row
    assert "Live" in row
    assert 'data-age="AAA"' in row
    assert "2.53%" in row
    assert "Close" in row_of(page, "BBB")  # no quote of it yet: the close says whose it is


def test_a_panel_is_drawn_alone(client, mine):
    paste(client, mine, "AAA")

    panel = page_of(client, mine, "?panel=list", **HTMX)

    assert "<html" not in panel
    assert row_of(panel, "AAA")


def test_the_list_is_ordered_noted_and_cut_without_javascript(client, mine):
    paste(client, mine, "AAA BBB CCC")
    first, second, third = WatchlistItem.objects.order_by("order")
    page = page_of(client, mine, "?edit=1")
    version = re.search(r'name="version" value="(\d+)"', page)[1]
    said = {
        "version": version,
        "item": [first.pk, second.pk, third.pk],
        f"note-{first.pk}": "hedge",
        "move": f"{third.pk}:-1",
    }

    answer = client.post(f"/watchlists/{mine.pk}/arrange/", said)

    assert answer["Location"].endswith("?edit=1")
    order = WatchlistItem.objects.order_by("order").values_list("symbol", "note")
    assert list(order) == [("AAA", "hedge"), ("CCC", ""), ("BBB", "")]

    stale = client.post(f"/watchlists/{mine.pk}/arrange/", said)
    assert stale.status_code == 412
    assert "changed elsewhere" in stale.content.decode()

    page = page_of(client, mine, "?edit=1")
    version = re.search(r'name="version" value="(\d+)"', page)[1]
    said = {"version": version, "item": [third.pk, first.pk], "remove": [second.pk, "nonsense"]}
    client.post(f"/watchlists/{mine.pk}/arrange/", said)
    assert [each.symbol for each in WatchlistItem.objects.order_by("order")] == ["CCC", "AAA"]


def test_a_note_that_is_too_long_is_refused(client, mine):
    paste(client, mine, "AAA")
    item = WatchlistItem.objects.get()

    answer = client.post(
        f"/watchlists/{mine.pk}/arrange/", {"item": item.pk, f"note-{item.pk}": "x" * 201}
    )

    assert answer.status_code == 422
    assert "at most 200 characters" in answer.content.decode()


def test_a_list_is_renamed_and_deleted(client, mine):
    client.post("/watchlists/new/", {"name": "Other"})

    taken = client.post(f"/watchlists/{mine.pk}/rename/", {"name": "other"})
    assert taken.status_code == 422
    assert "You have a list called other." in taken.content.decode()
    assert client.post(f"/watchlists/{mine.pk}/rename/", {"name": "Core"}).status_code == 303
    assert "Core" in page_of(client, mine)
    assert client.post("/watchlists/new/", {"name": "CORE"}).status_code == 422
    assert client.post("/watchlists/new/", {"name": " "}).status_code == 422

    assert client.post(f"/watchlists/{mine.pk}/delete/").status_code == 303
    assert [each.name for each in Watchlist.objects.all()] == ["Other"]


def test_the_file_holds_the_rows_of_the_screen(client, mine):
    paste(client, mine, "BBB AAA ZZZ")

    answer = client.get(f"/watchlists/{mine.pk}/?export=watchlist")

    lines = answer.content.decode().splitlines()
    assert lines[0].startswith("Symbol,Name,Last,Change,Change %,Bid,Ask,Spread,Volume")
    assert [line.split(",")[0] for line in lines[1:]] == ["BBB", "AAA"]
    assert "attachment" in answer["Content-Disposition"]


def test_a_row_leads_to_the_ticket_of_ones_own_portfolio(client, mine):
    paste(client, mine, "AAA")
    assert "Trade" not in row_of(page_of(client, mine), "AAA")
    book = make_portfolio()

    row = row_of(page_of(client, mine), "AAA")

    assert f"/p/{book.pk}/trade/?symbol=AAA" in row


def test_a_long_list_costs_no_more_questions_than_a_short_one(
    client, mine, django_assert_max_num_queries
):
    for number in range(40):
        make_closes(make_instrument(f"Q{number}"), {TUESDAY: 10, WEDNESDAY: 11})
    paste(client, mine, " ".join(f"Q{number}" for number in range(40)) + " ZZ1 ZZ2")
    page_of(client, mine)

    with django_assert_max_num_queries(24):  # half of them for the frame around it
        page_of(client, mine)
