"""A person and a live source in a browser: the source is a made market, chosen by settings alone."""

from urllib.parse import urljoin

import pytest
from playwright.sync_api import expect

from etftrader.testing import browser
from etftrader.testing.browser import Person
from etftrader.testing.yahoo_market import Listed, YahooMarket
from etftrader.testing.yahoo_server import Reply

pytestmark = pytest.mark.browser

LISTED = {
    "SPY": Listed("Large companies", "ETF", 600.0),
    "CHNX": Listed("A fund with options", "ETF", 42.0),
    "NEWX": Listed("A fund nobody knew", "ETF", 42.0),
    "ODDX": Listed("A fund with a wrong price", "ETF", 80.0),
    "LATX": Listed("A fund told of late", "ETF", 31.0),
    "ILLX": Listed("A fund whose source is ill", "ETF", 25.0),
    "^VIX": Listed("Volatility", "INDEX", 16.0, 0.05),
    "^IRX": Listed("13 weeks", "INDEX", 3.9, 0.001),
    "^FVX": Listed("5 years", "INDEX", 4.0, 0.001),
    "^TNX": Listed("10 years", "INDEX", 4.2, 0.001),
    "^TYX": Listed("30 years", "INDEX", 4.6, 0.001),
}


@pytest.fixture(scope="module")
def market():
    with YahooMarket(LISTED) as made:
        # far from the day before, and no split told
        made.spoil("ODDX", made.days[-1], 1.7)
        yield made


@pytest.fixture(scope="module")
def owner(market, tmp_path_factory, chromium):
    settings = {
        "MARKETDATA_PROVIDER": "yfinance",
        "YAHOO_BASE_URL": market.url,
        "YAHOO_CALLS_PER_MINUTE": "10000",
    }
    with browser.running(tmp_path_factory.mktemp("live"), settings) as run:
        yield Person(chromium, run, "admin")


def add(page, *symbols):
    page.get_by_label("Symbols", exact=True).fill("\n".join(symbols))
    page.get_by_role("button", name="Add to").click()


def test_a_new_fund_and_an_unknown_symbol_come_to_a_watchlist(owner):
    page = owner.page
    owner.open("/watchlists/")
    page.locator("#panel-new").get_by_label("Name").fill("Followed")
    page.get_by_role("button", name="Make the list").click()
    add(page, "NEWX", "ODDX", "NOPE")
    page.evaluate("window.sameDocument = true")
    # the worker asks the source; the page hears of it
    expect(page.locator("tr[data-row=NEWX]")).to_contain_text("42.00", timeout=90_000)
    expect(page.locator("[data-unknown=NOPE]")).to_contain_text("Unresolved", timeout=90_000)
    assert page.evaluate("window.sameDocument") is True
    owner.open("/quotes/newx/")
    expect(page.locator("h1")).to_have_text("NEWX")
    expect(page.locator("main")).to_contain_text("A fund nobody knew")
    assert owner.complaints == []


def first_day_is_done(page):
    """The first session's own steps are over: none of them fetches what is watched from now on."""
    for _ in range(600):
        told = page.request.get(urljoin(page.url, "/api/v1/data/status")).json()
        if any(each["step"] == "fills" and each["finished_at"] for each in told["steps"]):
            return
        page.wait_for_timeout(200)
    raise AssertionError("the first day has no end")


def test_a_watched_fund_gets_its_chain_by_the_button_and_shows_greeks(owner, market):
    page = owner.page
    first_day_is_done(page)
    owner.open("/watchlists/")
    add(page, "CHNX")
    expect(page.locator("tr[data-row=CHNX]")).to_contain_text("42.00", timeout=90_000)
    owner.open("/quotes/CHNX/")
    page.locator("nav.tabs").get_by_role("link", name="Option chain").click()
    panel = page.locator("#panel-fetch")
    expect(page.locator("#panel-chain")).to_contain_text("No contract on this symbol")
    page.evaluate("window.sameDocument = true")
    panel.get_by_role("button", name="Fetch chain").click()
    # the worker asks the source; the page hears of the Greeks and draws itself anew
    chain = page.locator("#panel-chain table")
    expect(chain).to_be_visible(timeout=90_000)
    near = chain.locator("tr[data-atm]")
    expect(near.locator("th")).to_have_text("42.00")
    calls = near.locator("td.c").all_inner_texts()
    puts = near.locator("td.u").all_inner_texts()
    assert len(calls) == len(puts) == 9
    delta = {"call": float(calls[4]), "put": float(puts[-5].replace("\u2212", "-"))}
    assert 0.4 < delta["call"] < 0.65
    assert -0.6 < delta["put"] < -0.35
    expect(page.locator("#panel-chain")).to_contain_text("Greeks of the close of")
    expect(page.locator("#panel-smile svg")).to_be_visible()
    # it is of this session: there is nothing fresher to fetch
    expect(page.get_by_role("button", name="Fetch chain")).to_have_count(0)
    assert page.evaluate("window.sameDocument") is True
    assert market.count("/options/CHNX") == 3
    assert owner.complaints == []


def test_a_suspect_price_is_held_back_shown_and_accepted(owner):
    page = owner.page
    owner.open("/quotes/ODDX/")
    last = page.locator("main .kpi").first
    expect(last).to_contain_text("80.0")
    expect(page.locator("main")).to_contain_text("held back and not shown: $136.00")
    owner.open("/data/quarantine/")
    row = page.locator("#panel-doubts tbody tr", has_text="ODDX")
    expect(row).to_contain_text("136.00")
    row.get_by_role("link", name="Accept").click()
    dialog = page.locator("dialog[open]")
    dialog.get_by_label("Reason").fill("seen at the exchange")
    dialog.get_by_role("button", name="Accept").click()
    expect(page.locator("#panel-doubts")).not_to_contain_text("ODDX")
    owner.open("/quotes/ODDX/")
    expect(last).to_contain_text("136.00")
    expect(page.locator("main")).not_to_contain_text("held back")
    assert owner.complaints == []


def test_an_update_shows_its_progress_its_failure_and_its_retry(owner, market):
    page = owner.page
    # a page of words where numbers were asked for, as long as the source is ill
    words = Reply(200, b"<html>We are sorry</html>", {"Content-Type": "text/html"})
    market.say("/chart/ILLX", words)
    owner.open("/watchlists/")
    add(page, "ILLX")
    expect(page.locator("[data-unknown=ILLX], tr[data-row=ILLX]")).to_be_visible()
    owner.open("/data/")
    page.evaluate("window.sameDocument = true")
    page.get_by_label("Symbols").fill("SPY, ILLX")
    page.get_by_label("From").fill(market.days[-5].isoformat())
    page.get_by_role("button", name="Update", exact=True).click()
    panel = page.locator("#panel-update")
    expect(panel.locator("progress").or_(panel.get_by_text("Partial"))).to_be_visible()
    expect(panel).to_contain_text("Partial", timeout=90_000)
    expect(panel.locator("li", has_text="ILLX")).to_be_visible()
    asked = market.count("/chart/SPY")
    market.forget("/chart/ILLX")
    panel.get_by_role("button", name="Retry failed items").click()
    expect(panel.or_(page.locator("#panel-run"))).to_contain_text("Succeeded", timeout=90_000)
    # what had come was not asked for again
    assert market.count("/chart/SPY") == asked
    assert owner.complaints == []


def test_an_update_shows_how_far_it_is_while_the_source_takes_its_time(owner, market):
    page = owner.page
    market.keep_back("LATX", market.days[-3])
    known, last = (f"{market.closes('LATX')[place]:.2f}" for place in (-4, -1))
    owner.open("/watchlists/")
    add(page, "LATX")
    row = page.locator("tr[data-row=LATX]")
    expect(row).to_contain_text(known, timeout=90_000)
    market.tell("LATX")
    owner.open("/data/")
    page.evaluate("window.sameDocument = true")
    page.get_by_label("Symbols").fill("LATX, SPY")
    page.get_by_label("From").fill(market.days[-3].isoformat())
    panel = page.locator("#panel-update")
    bar = panel.get_by_role("progressbar")
    with market.hold("/chart/LATX"):
        page.get_by_role("button", name="Update", exact=True).click()
        # the other lacks nothing and is done
        expect(bar).to_have_attribute("value", "1")
        expect(bar).to_have_attribute("max", "2")
        expect(panel).to_contain_text("1/2")
        expect(panel).to_contain_text("Running")
        [run, *_] = page.request.get(urljoin(page.url, "/api/v1/jobs")).json()["results"]
        assert run["progress"]["fraction"] == 0.5
    expect(panel).to_contain_text("Succeeded", timeout=90_000)
    expect(bar).to_have_count(0)
    assert page.evaluate("window.sameDocument") is True
    owner.open("/watchlists/")
    expect(row).to_contain_text(last)
    assert owner.complaints == []


def test_a_file_is_checked_and_stored_without_being_chosen_twice(owner, market, tmp_path):
    page, path = owner.page, tmp_path / "filex.csv"
    closes = zip(market.days[-3:], ("10", "10.1", "1010"), strict=True)
    path.write_text("date,close\n" + "".join(f"{day},{close}\n" for day, close in closes))
    owner.open("/data/")
    page.get_by_role("link", name="Import a file").click()
    page.get_by_label("CSV file").set_input_files(path)
    page.evaluate("window.sameDocument = true")
    outcome = page.locator("#outcome")
    page.get_by_role("button", name="Check only").click()
    expect(outcome).to_contain_text("Nothing is stored yet")
    expect(outcome).to_contain_text("FILEX is not known")
    page.get_by_label("Add symbols").check()
    page.get_by_role("button", name="Store").click()
    expect(outcome).to_contain_text("2 prices were stored")
    page.get_by_role("button", name="Store").click()
    expect(outcome).to_contain_text("Nothing was written")
    assert page.evaluate("window.sameDocument") is True
    outcome.get_by_role("link", name="Open quarantine").click()
    expect(page.locator("#panel-doubts tbody tr", has_text="FILEX")).to_contain_text("1,010")
    assert owner.complaints == []
