"""What the market says in a browser: a quote that moves, a chain with Greeks, a book's options."""

import re

import pytest
from playwright.sync_api import expect

from etftrader.testing.browser import Person

pytestmark = pytest.mark.browser

# of a table and of the last column it shows
RIGHT_EDGES = """(table) => [table, [...table.tHead.rows[1].cells].findLast((cell) => cell.offsetWidth)]
    .map((box) => box.getBoundingClientRect().right)"""
FIGURE = re.compile(r"[\u2212-]?[\d,]+\.\d+")


def test_a_quote_moves_on_its_page_without_a_reload(balanced):
    page = balanced.page
    balanced.open("/quotes/spy/")
    assert page.url.endswith("/quotes/SPY/")
    page.evaluate("window.sameDocument = true")
    last = page.locator(".kpi", has_text="Last").first.locator(".v")
    before = last.inner_text()
    assert FIGURE.fullmatch(before)
    expect(last).not_to_have_text(before, timeout=40_000)
    assert FIGURE.fullmatch(last.inner_text())
    expect(page.locator("main")).to_contain_text("SIMULATED")
    assert page.evaluate("window.sameDocument") is True
    assert balanced.complaints == []


def test_an_option_chain_shows_quotes_and_greeks(balanced):
    page = balanced.page
    balanced.open("/quotes/SPY/options/")
    row = page.locator("#panel-chain tr[data-atm]")
    expect(row).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    edges = page.locator("#panel-chain table").evaluate(RIGHT_EDGES)
    page.set_viewport_size({"width": 1280, "height": 900})
    assert edges[0] == pytest.approx(edges[1], abs=1)
    cells = row.locator("td").all_inner_texts()
    figures = [cell for cell in cells if FIGURE.fullmatch(cell.rstrip("%"))]
    # bid, ask, middle, volatility and four Greeks on both sides
    assert len(figures) >= 16, cells
    row.locator("td a").first.click()
    expect(page.locator("main")).to_contain_text("Delta")
    assert "/quotes/SPY" in page.url
    assert balanced.complaints == []


def test_a_book_of_options_shows_its_greeks_and_what_a_move_does(balanced):
    page = balanced.page
    balanced.open("/")
    link = page.locator("nav a", has_text="Long/Short").first.get_attribute("href")
    balanced.open(link + "greeks/")
    expect(page.locator("main")).to_contain_text("Net delta")
    for title in ("Theta", "Vega"):
        kpi = page.locator(".kpi", has_text=title).first.locator(".v")
        assert re.fullmatch(r"\u2212?\$[\d,]+\.\d\d", kpi.inner_text())
    balanced.open(link + "greeks/SPY/")
    assert page.locator("svg").count() >= 2
    assert balanced.complaints == []


def test_an_announced_action_is_entered_and_rejected_in_a_dialog(chromium, product):
    operator = Person(chromium, product, "demo_admin")
    page = operator.page
    operator.open("/data/actions/new/")
    page.get_by_label("Symbol", exact=True).fill("TLT")
    page.get_by_label("Kind").select_option("Dividend")
    page.get_by_label("Ex-date").fill("2016-09-01")
    page.get_by_label("Amount").fill("0.25")
    page.get_by_role("button", name="Announce").click()
    row = page.locator("#panel-actions tbody tr", has_text="1 Sep 2016")
    expect(row).to_contain_text("Announced")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.locator("#panel-actions .scroll").evaluate(
        "(box) => box.scrollWidth <= box.clientWidth"
    )
    row.get_by_role("link", name="Reject").click()
    dialog = page.locator("dialog[open]")
    dialog.get_by_role("button", name="Reject").click()
    assert page.url.endswith("/data/actions/")
    dialog.get_by_label("Reason").fill("no such payout")
    dialog.get_by_role("button", name="Reject").click()
    expect(row).to_contain_text("rejected by you: no such payout")
    assert operator.complaints == []
