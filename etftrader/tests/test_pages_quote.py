"""Quote page, option chain and contract: what stands there, for whom, and at what cost."""

import csv
import io
import re
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import django_htmx
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from marketdata.models import (
    CorporateAction,
    DailyBar,
    Fundamental,
    Instrument,
    InstrumentAlias,
    MinuteBar,
    QuarantinedPrice,
    Quote,
    ReplayClock,
    Tick,
)
from marketdata.selectors import calendar
from marketdata.services import contracts, greeks, option_quotes
from marketdata.tests.option_world import BY, DAY, chain, clock_at, option, spy
from portfolios.models import Position, Watchlist
from trading.tests import world

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
HTMX = {"HTTP_HX_REQUEST": "true"}
KB = 1024
CALL = "SPY160819C00212000"


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def stage():
    """300 AAA at 100 in one book; half an hour of the 23rd is played."""
    world.make_market()
    book = world.make_portfolio()
    world.hold(book, "AAA", "300")
    aaa = Instrument.objects.get(symbol="AAA")
    return SimpleNamespace(book=book, owner=book.account.customer.user, aaa=aaa)


@pytest.fixture
def browser(stage):
    return signed_in(stage.owner)


def closes(instrument, *pairs, **fields):
    """More closes of an instrument, by session."""
    given = {"source": "bundled", "price_basis": "close"} | fields
    return DailyBar.objects.bulk_create(
        DailyBar(instrument=instrument, session_date=day, close=Decimal(price), **given)
        for day, price in pairs
    )


def minutes(instrument, count, *, start=1):
    """Minutes of the 23rd, each a price above the one before."""
    opened = calendar.open_time(world.TODAY)
    MinuteBar.objects.bulk_create(
        MinuteBar(
            instrument=instrument,
            ts=opened + timedelta(minutes=place),
            source="SIM",
            open=Decimal(100 + place),
            high=Decimal(100 + place),
            low=Decimal(100 + place),
            close=Decimal(100 + place),
        )
        for place in range(start, start + count)
    )


def held_back(instrument, **fields):
    given = {
        "symbol": instrument.symbol,
        "dataset": "daily_bars",
        "session_date": world.YESTERDAY,
        "source": "csv",
        "raw": {},
        "value": "190.5",
        "compared_with": "100",
        "reason": "jump",
    }
    return QuarantinedPrice.objects.create(instrument=instrument, **(given | fields))


def facts_of(page):
    return {row["label"]: row for row in page.context["facts"]["rows"]}


def text_of(answer):
    return answer.content.decode()


# who, and by which spelling


def test_nobody_sees_a_quote_without_signing_in(stage):
    for path in ("/quotes/", "/quotes/AAA/", "/quotes/AAA/options/"):
        answer = Client().get(path)
        assert (answer.status_code, "login" in answer["Location"]) == (302, True)


def test_a_quote_opens_under_its_canonical_symbol(browser, stage):
    InstrumentAlias.objects.create(instrument=stage.aaa, alias="A.AA")

    assert browser.get("/quotes/AAA/").status_code == 200
    for spelling in ("aaa", "A.AA", "a.aa"):
        answer = browser.get(f"/quotes/{spelling}/?range=1M")
        assert (answer.status_code, answer["Location"]) == (302, "/quotes/AAA/?range=1M")
    answer = browser.get("/quotes/a.aa/options/")
    assert answer["Location"] == "/quotes/AAA/options/"


def test_an_unknown_symbol_is_a_404_with_at_most_three_suggestions(browser, stage):
    for symbol in ("AAB", "AAC", "AAD", "AAE"):
        world.make_instrument(symbol)

    for path in ("/quotes/AAX/", "/quotes/AAX/options/"):
        answer = browser.get(path)
        assert answer.status_code == 404
        near = re.findall(r'class="link" href="/quotes/(\w+)/"', text_of(answer))
        assert 1 <= len(near) <= 3
        assert all(each.startswith("AA") for each in near)
    assert browser.get("/quotes/A%00A/").status_code == 404
    assert "&lt;b&gt; is not known" in text_of(browser.get("/quotes/%3Cb%3E/"))


def test_the_private_symbol_of_another_looks_like_none(browser, stage):
    stranger = world.make_user("stranger@example.com")
    fields = {"kind": "private_fund", "price_basis": "manual", "pricing": "manual"}
    world.make_instrument("HIDDEN", owner_id=stranger.pk, **fields)

    hidden, none = browser.get("/quotes/HIDDEN/"), browser.get("/quotes/HIDDEM/")

    assert (hidden.status_code, none.status_code) == (404, 404)
    said = [
        re.sub(r"csrf\w*\W+(value=)?\W*\w{64}|HIDDE.", "-", text_of(each))
        for each in (hidden, none)
    ]
    assert said[0] == said[1]
    assert signed_in(stranger).get("/quotes/HIDDEN/").status_code == 200


def test_the_form_leads_to_the_symbol(browser, stage):
    assert browser.get("/quotes/?symbol=aaa")["Location"] == "/quotes/aaa/"
    assert 'name="symbol"' in text_of(browser.get("/quotes/"))
    for path in ("/quotes/", "/quotes/AAA/", "/quotes/AAA/options/"):
        assert '<a href="/quotes/" aria-current="page">' in text_of(browser.get(path))


# the price


def test_the_head_is_live_and_says_what_the_price_is(browser, stage):
    Quote.objects.filter(instrument=stage.aaa).update(
        price=Decimal(101), bid=Decimal("100.95"), ask=Decimal("101.05"), volume=1200
    )

    page = browser.get("/quotes/AAA/")

    figures = {each["label"]: each["value"] for each in page.context["head"]}
    assert figures["Last"] == Decimal(101)
    assert figures["Change"] == Decimal(1)
    assert (figures["Bid"], figures["Ask"]) == (Decimal("100.95"), Decimal("101.05"))
    assert figures["Spread"] == pytest.approx(9.90, abs=0.01)
    text = text_of(page)
    assert 'data-symbols="AAA' in text
    assert 'data-live="quotes:AAA.price"' in text
    assert 'data-live="quotes:AAA.changeRate"' in text
    assert page.context["price_class"]["text"] == "LIVE"
    # what the page says of it once it is older, or in doubt
    assert 'data-title-delayed="not older than 15 minutes"' in text
    assert 'data-title-suspect="the last good price' in text
    assert "SIMULATED" in text
    assert page.context["age"] == timedelta(0)


@pytest.mark.parametrize(("seconds", "name"), [(61, "DELAYED"), (901, "STALE")])
def test_a_price_that_is_not_new_says_so(browser, stage, seconds, name):
    world.quote("AAA", Decimal(101), age_s=seconds)

    page = browser.get("/quotes/AAA/")

    assert page.context["price_class"]["text"] == name
    assert page.context["age"] == timedelta(seconds=seconds)


def test_a_closed_market_shows_the_close(browser, stage):
    world.close_session({"AAA": Decimal(102)})

    page = browser.get("/quotes/AAA/")

    assert page.context["price_class"] == {
        "text": "EOD",
        "kind": "plain",
        "title": "the close of the last completed session",
        "simulated": False,
    }
    figures = {each["label"]: each for each in page.context["head"]}
    assert figures["Last"]["value"] == Decimal(102)
    assert figures["Bid"]["value"] is None
    assert figures["Bid"]["reason"] == "not quoted by its source"


def test_a_range_without_closes_names_the_newest_one(browser, stage):
    DailyBar.objects.filter(instrument__symbol="AAA").update(session_date=date(2014, 6, 20))

    page = browser.get("/quotes/AAA/?range=1M")

    assert "No close of AAA lies in this range. The newest is of 20 Jun 2014" in text_of(page)


def test_a_symbol_without_any_price_says_so_everywhere(browser, stage):
    world.make_instrument("NEW")

    page = browser.get("/quotes/NEW/")

    assert page.status_code == 200
    assert page.context["price_class"]["text"] == "MISSING"
    assert "No close of NEW is known up to 22 Jun 2016" in text_of(page)
    rows = facts_of(page)
    assert rows["52-week range"]["value"] is None
    assert rows["60-session volatility, a year"]["value_reason"] == "fewer than 20 returns"


# the chart


def test_the_chart_never_shows_what_the_clock_does_not_know(browser, stage):
    days = calendar.between(date(2016, 1, 4), date(2016, 6, 21))
    closes(stage.aaa, *((day, 90) for day in days))
    before = browser.get("/quotes/AAA/?range=Max").context["chart"]["points"]
    closes(stage.aaa, (world.TODAY, 999), (world.TOMORROW, 999))
    CorporateAction.objects.create(
        instrument=stage.aaa, kind="dividend", ex_date=world.TOMORROW, amount=1, source="csv"
    )
    held_back(stage.aaa, session_date=world.TODAY)

    page = browser.get("/quotes/AAA/?range=Max")

    assert page.context["chart"]["points"] == before
    assert before[-1].at == world.YESTERDAY
    assert page.context["chart"]["events"] == []
    assert page.context["doubts"]["count"] == 0
    body = browser.get("/api/v1/market/bars/AAA?range=Max").json()
    assert (body["bars"][-1]["at"], body["actions"], body["held_back"]) == ("2016-06-22", [], [])


def test_a_split_after_the_clock_leaves_past_prices_in_their_own_shares(browser, stage):
    DailyBar.objects.filter(instrument=stage.aaa).update(close=Decimal(50), volume=200)
    CorporateAction.objects.create(
        instrument=stage.aaa,
        kind="split",
        ex_date=world.TOMORROW,
        ratio=2,
        source="csv",
        status="applied",
    )

    [point] = browser.get("/quotes/AAA/").context["chart"]["points"]

    assert (point.close, point.volume) == (Decimal("100.0000"), 100)


@pytest.mark.parametrize(
    ("span", "first"),
    [
        ("1M", date(2016, 5, 23)),
        ("3M", date(2016, 3, 22)),
        ("YTD", date(2016, 1, 4)),
        ("1Y", date(2015, 6, 22)),
        ("Max", date(2014, 1, 2)),
    ],
)
def test_a_range_begins_where_it_says(browser, stage, span, first):
    days = calendar.between(date(2014, 1, 2), date(2016, 6, 21))
    closes(stage.aaa, *((day, 90) for day in days))

    points = browser.get(f"/quotes/AAA/?range={span}").context["chart"]["points"]

    assert points[0].at == first
    assert points[-1].at == world.YESTERDAY
    body = browser.get(f"/api/v1/market/bars/AAA?range={span}").json()
    assert (body["count"], body["bars"][0]["at"]) == (len(points), first.isoformat())


def test_minutes_of_the_session_up_to_the_clock(browser, stage):
    minutes(stage.aaa, 40)

    page = browser.get("/quotes/AAA/?range=1D")

    points = page.context["chart"]["points"]
    assert [points[0].close, points[-1].close] == [Decimal(101), Decimal(130)]
    assert page.context["chart"]["simulated"]
    assert len(browser.get("/quotes/AAA/?range=5m").context["chart"]["points"]) == 5
    bars = browser.get("/quotes/AAA/?range=1D&style=ohlc").context["chart"]
    assert bars["style"] == "ohlc"
    first = bars["points"][0]
    assert (first.open, first.high, first.low, first.close) == tuple(
        map(Decimal, (101, 105, 101, 105))
    )
    body = browser.get("/api/v1/market/bars/AAA?range=1D&interval=5").json()
    assert (body["interval"], body["simulated"], body["count"]) == ("5min", True, 6)


def test_the_last_minutes_are_ticks_where_they_were_heard(browser, stage):
    world.close_session()
    closed = calendar.close_time(world.TODAY)
    heard = [("yfinance", 400, 90), ("yfinance", 200, 91), ("csv", 100, 999), ("yfinance", 50, 92)]
    Tick.objects.bulk_create(
        Tick(instrument=stage.aaa, ts=closed - timedelta(seconds=ago), source=source, price=price)
        for source, ago, price in (*heard, ("yfinance", -1, 999))
    )

    body = browser.get("/api/v1/market/bars/AAA?range=5m").json()

    assert (body["interval"], body["sources"]) == ("tick", ["yfinance"])
    assert [each["close"] for each in body["bars"]] == ["91.00", "92.00"]


def test_bars_are_offered_only_where_the_source_has_them(browser, stage):
    closes(stage.aaa, (date(2016, 6, 21), 90), open=Decimal(89), high=Decimal(91), low=Decimal(88))
    styles = browser.get("/quotes/AAA/?range=1M&style=ohlc").context["chart"]["styles"]
    assert styles[1]["current"]
    closes(Instrument.objects.get(symbol="BBB"), (date(2016, 6, 21), 49), (date(2016, 6, 20), 48))

    page = browser.get("/quotes/BBB/?range=1M&style=ohlc")

    assert page.context["chart"]["style"] == "line"
    assert "one price a point" in page.context["chart"]["styles"][1]["barred"]


def test_the_chart_comes_alone_when_asked_for(browser, stage):
    closes(stage.aaa, (date(2016, 6, 21), 90))

    answer = browser.get("/quotes/AAA/?panel=chart&range=1M", **HTMX)

    text = text_of(answer)
    assert text.lstrip().startswith("<section")
    assert "Key facts" not in text
    assert 'data-price-chart="/api/v1/market/bars/AAA?range=1M"' in text
    assert "+11.11% from 90.00 to 100.00" in text
    whole = text_of(browser.get("/quotes/AAA/?panel=chart&range=1M"))
    assert "Key facts" in whole


def test_the_file_has_every_point(browser, stage):
    closes(stage.aaa, (date(2016, 6, 21), "90.5"), volume=7)

    answer = browser.get("/quotes/AAA/?range=1M&export=points")

    rows = list(csv.DictReader(io.StringIO(text_of(answer))))
    assert [(row["at"], Decimal(row["close"]), row["volume"], row["open"]) for row in rows] == [
        ("2016-06-21", Decimal("90.5"), "7", ""),
        ("2016-06-22", Decimal(100), "", ""),
    ]
    assert "AAA-1M.csv" in answer["Content-Disposition"]


def test_of_two_sources_one_close_a_session_is_drawn(browser, stage):
    closes(stage.aaa, (date(2016, 6, 21), 90))
    closes(stage.aaa, (date(2016, 6, 21), 91), source="csv")

    points = browser.get("/quotes/AAA/?range=1M").context["chart"]["points"]

    assert [each.close for each in points] == [Decimal(90), Decimal(100)]


def test_the_table_beside_a_long_chart_stays_short(browser, stage):
    days = calendar.between(date(2008, 1, 2), date(2016, 6, 21))
    closes(stage.aaa, *((day, 90 + place % 7) for place, day in enumerate(days)))

    answer = browser.get("/quotes/AAA/?range=Max")

    assert len(answer.context["chart"]["points"]) == len(days) + 1
    assert len(answer.content) <= 120 * KB


# what happened, what was not believed, what is known


def test_splits_and_dividends_are_marked_and_listed(browser, stage):
    closes(stage.aaa, (date(2016, 6, 20), 90), (date(2016, 6, 21), 91))
    common = {"instrument": stage.aaa, "source": "csv", "status": "applied"}
    CorporateAction.objects.create(kind="split", ex_date=date(2016, 6, 21), ratio=2, **common)
    CorporateAction.objects.create(
        kind="dividend", ex_date=world.YESTERDAY, amount=Decimal("0.55"), **common
    )

    text = text_of(browser.get("/quotes/AAA/?range=1M"))

    assert text.count("Split 2 for 1") >= 2  # in the drawing and in the table
    assert "Dividend 0.5500 a share" in text


def test_a_price_that_is_held_back_is_said_and_not_drawn(browser, stage):
    held_back(stage.aaa)
    held_back(stage.aaa, value="410.1234567", compared_with="1e-05", source="yfinance")

    text = text_of(browser.get("/quotes/AAA/"))

    assert "SUSPECT" in text
    assert "$190.50 of 22 Jun 2016 (csv) moved more than 40 % from the last accepted" in text
    assert "$410.123457 of 22 Jun 2016" in text
    assert "against $0.00001" in text
    assert "/data/quarantine/?symbol=AAA&amp;state=held" in text
    body = browser.get("/api/v1/market/bars/AAA").json()
    assert {each["value"] for each in body["held_back"]} == {"190.5", "410.1234567"}
    assert {each["close"] for each in body["bars"]} == {"100.00"}


def test_facts_come_with_their_source_or_their_reason(browser, stage):
    rows = facts_of(browser.get("/quotes/AAA/"))
    assert rows["Expense ratio"]["value"] is None
    assert "no source has sent it" in rows["Expense ratio"]["value_reason"]
    Fundamental.objects.create(
        instrument=stage.aaa,
        as_of=world.YESTERDAY,
        source="yfinance",
        expense_ratio=0.0009,
        top_holdings=[{"symbol": "AAPL", "weight": 0.031}],
    )
    Fundamental.objects.create(
        instrument=stage.aaa, as_of=world.TODAY, source="yfinance", expense_ratio=0.5
    )

    rows = facts_of(browser.get("/quotes/AAA/"))

    assert rows["Expense ratio"]["value"] == "0.09%"
    assert rows["Expense ratio"]["source"] == "yfinance, 22 Jun 2016"
    assert rows["Largest holdings"]["value"] == "AAPL 3.1%"
    assert rows["Dividend yield"]["value"] is None
    assert rows["52-week range"]["value"] == "100.00 to 100.00"


def test_peers_are_of_the_same_sector_and_lead_on(browser, stage):
    Instrument.objects.filter(symbol__in=("AAA", "BBB")).update(sector="Energy")
    world.make_instrument("XEE", segment="US sector: Energy")
    world.make_instrument("OTH", sector="Financials")

    text = text_of(browser.get("/quotes/AAA/"))

    assert 'href="/quotes/BBB/"' in text
    assert 'href="/quotes/XEE/"' in text
    assert 'href="/quotes/OTH/"' not in text
    assert 'data-live="quotes:BBB.price"' in text


# where I hold it


def test_holdings_are_of_my_own_portfolios_only(browser, stage):
    stranger = world.make_user("stranger@example.com")
    foreign = world.make_portfolio(user=stranger, name="Foreign book")
    world.hold(foreign, "AAA", "7")
    world.make_portfolio(name="Empty book", cash="1000")
    world.quote("AAA", Decimal(101))

    page = browser.get("/quotes/AAA/")

    [row] = page.context["mine"]["rows"]
    assert (row["quantity"], row["exposure"], row["gain"]) == (300, Decimal(30300), Decimal(300))
    assert row["rate"] == pytest.approx(0.01)
    assert row["url"] == f"/portfolios/{stage.book.pk}/positions/?q=AAA"
    assert "Foreign book" not in text_of(page)


def test_staff_see_their_own_books_here_not_everybodys(stage):
    staff = world.make_user("staff@example.com", is_staff=True)
    world.add_to_group(staff, "Viewer")

    page = signed_in(staff).get("/quotes/AAA/")

    assert page.context["mine"]["rows"] == []
    assert page.context["trades"] == []
    assert page.context["no_trade"] == "You trade in no portfolio."


def test_trade_and_watch_lead_on_with_the_symbol(browser, stage):
    page = browser.get("/quotes/AAA/")

    [trade] = page.context["trades"]
    assert trade["url"] == f"/portfolios/{stage.book.pk}/trade/?symbol=AAA"
    assert "Make a watchlist" in text_of(page)


def test_a_symbol_is_put_on_a_watchlist_from_its_page(browser, stage):
    user = stage.owner
    made = Watchlist.objects.create(user=user, name="Near")
    text = text_of(browser.get("/quotes/AAA/"))
    address = f"/watchlists/{made.pk}/symbols/"
    assert f'action="{address}"' in text
    assert '<input type="hidden" name="symbols" value="AAA">' in text

    answer = browser.post(address, {"symbols": "AAA"})

    assert answer.status_code == 303
    assert "On Near" in text_of(browser.get("/quotes/AAA/"))
    Watchlist.objects.create(user=user, name="Far", order=1)
    assert "on it" in text_of(browser.get("/quotes/AAA/"))


def test_positions_and_the_ticket_lead_to_the_quote(browser, stage):
    positions = text_of(browser.get(f"/portfolios/{stage.book.pk}/positions/"))
    held = Position.objects.get(portfolio=stage.book)
    assert f'href="/portfolios/{stage.book.pk}/positions/{held.pk}/"' in positions
    one = text_of(browser.get(f"/portfolios/{stage.book.pk}/positions/{held.pk}/"))
    assert 'href="/quotes/AAA/"' in one
    assert f"/portfolios/{stage.book.pk}/trade/?symbol=AAA" in positions
    ticket = text_of(browser.get(f"/portfolios/{stage.book.pk}/trade/?symbol=AAA"))
    assert 'href="/quotes/AAA/"' in ticket


def test_an_index_cannot_be_traded(browser, stage):
    world.make_instrument("^IDX", kind="index", price_basis="index_level")

    text = text_of(browser.get("/quotes/^IDX/"))

    assert "An index cannot be traded." in text


# the chain


def test_a_symbol_without_contracts_has_an_empty_chain_and_no_tabs(browser, stage):
    assert browser.get("/quotes/AAA/").context["tabs"] == []
    answer = browser.get("/quotes/AAA/options/")
    assert answer.status_code == 200
    assert "No contract on this symbol lives" in text_of(answer)


# one contract


# what it costs


def shell_of(browser):
    browser.get("/glossary/")
    with CaptureQueriesContext(connection) as queries:
        browser.get("/glossary/")
    return len(queries)


def asked_for(browser, path):
    assert browser.get(path).status_code == 200
    with CaptureQueriesContext(connection) as queries:
        browser.get(path)
    return len(queries)


@pytest.mark.parametrize("span", ["5m", "1D", "1Y", "Max"])
@pytest.mark.parametrize("playing", [True, False])
def test_a_quote_needs_few_queries(browser, stage, span, playing):
    Instrument.objects.filter(symbol__in=("AAA", "BBB")).update(sector="Energy")
    minutes(stage.aaa, 10)
    if not playing:
        world.close_session()

    assert asked_for(browser, f"/quotes/AAA/?range={span}") <= 12 + shell_of(browser)


def scripts_of(page):
    """Every script a page loads, with what its modules import at once."""
    wanted = re.findall(r'src="/static/(?:\./)?([\w./-]+\.js)"', page)
    found = {}
    while wanted:
        name = re.sub(r"\.[0-9a-f]{12}\.js$", ".js", wanted.pop())
        if name in found:
            continue
        path = ROOT / "static" / name
        if not path.exists():
            path = Path(django_htmx.__file__).parent / "static" / name
        found[name] = path.stat().st_size
        imports = re.findall(r'^import .* from "\./([\w-]+\.js)"', path.read_text(), re.MULTILINE)
        wanted += [f"js/{each}" for each in imports]
    return found


# the endpoints


def test_a_chart_refuses_what_it_does_not_know(browser, stage):
    for query, attr in (("range=2Y", "range"), ("interval=7", "interval"), ("span=1Y", "span")):
        answer = browser.get(f"/api/v1/market/bars/AAA?{query}")
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["attr"] == attr
    assert browser.get("/api/v1/market/bars/NONE").status_code == 404
    assert Client().get("/api/v1/market/bars/AAA").status_code == 401


def test_sectors_of_named_and_of_held_symbols(browser, stage):
    Instrument.objects.filter(symbol="AAA").update(sector="Energy")
    world.make_instrument("XEE", segment="US sector: Energy")
    stranger = world.make_user("stranger@example.com")
    world.make_instrument("HIDDEN", owner_id=stranger.pk, sector="Energy", kind="private_fund")

    named = browser.get("/api/v1/market/sectors?symbols=aaa,BBB,XEE,HIDDEN,NONE").json()
    held = browser.get("/api/v1/market/sectors").json()

    told = {each["symbol"]: (each["sector"], each["reason"]) for each in named["results"]}
    assert told == {
        "AAA": ("Energy", None),
        "BBB": (None, "no_sector"),
        "XEE": ("Energy", None),
        "HIDDEN": (None, "unknown_symbol"),
        "NONE": (None, "unknown_symbol"),
    }
    assert [each["symbol"] for each in held["results"]] == ["AAA"]


def test_refresh_is_the_update_under_another_name(browser, stage):
    ReplayClock.objects.update(playing=None, bar=0, as_of=calendar.close_time(world.YESTERDAY))
    path = "/api/v1/market/refresh"

    refused = browser.post(path, {"symbols": ["AAA"]}, content_type="application/json")
    accepted = browser.post(path, {}, content_type="application/json")

    assert refused.json()["errors"][0]["code"] == "replay_advances_sessions"
    assert (accepted.status_code, "Location" in accepted.headers) == (202, True)


def test_a_chain_needs_as_many_queries_for_one_contract_as_for_three_hundred():
    of = spy()
    clock_at()
    browser = signed_in(world.make_user())
    contracts.ensure(symbols=["SPY160819C00212000"], by=BY)
    path = "/quotes/SPY/options/"
    one = asked_for(browser, path)
    strikes = range(100, 250)
    symbols = [f"SPY160819{right}{strike * 1000:08d}" for strike in strikes for right in "CP"]
    contracts.ensure(symbols=symbols, by=BY)
    rows = [option(each, right=each[9], strike=float(each[10:]) / 1000) for each in symbols]
    option_quotes.store(chain=chain(*rows), session_date=DAY, by=BY)
    greeks.compute(session_date=DAY, watched=[of.pk])

    many = browser.get(path)

    assert many.context["chain"]["source"]["contracts"] == 300
    assert asked_for(browser, path) == one
    assert one <= 12 + shell_of(browser)
    assert len(many.content) <= 120 * KB
    # the quote page itself draws no chain
    assert asked_for(browser, "/quotes/SPY/") <= 12 + shell_of(browser)


def test_a_past_close_is_seen_as_it_stood(browser, stage):
    closes(stage.aaa, (date(2016, 6, 17), "93"))

    page = browser.get("/quotes/AAA/?as_of=2016-06-19").content.decode()
    now = browser.get("/quotes/AAA/").content.decode()

    assert "Prices as they stood at the close of Fri 17 Jun 2016" in page
    assert "The exchange was closed on Sun 19 Jun 2016" in page
    assert "93.00" in page
    assert "data-socket" not in page
    assert "data-socket" in now
    assert "300" not in page.split("In your portfolios")[1].split("</section>")[0]
