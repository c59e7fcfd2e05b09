"""What the market says in a browser: a quote that moves, a chain with Greeks, a book's options."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

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
