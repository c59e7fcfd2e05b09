"""A person's watchlist in a browser: made, filled, corrected, followed live, put in order by keys."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def symbols_of(page):
    return page.locator("tr[data-row]").evaluate_all("rows => rows.map((row) => row.dataset.row)")


def names_of(page):
    """Every list of the person, as the tabs name them."""
    page.goto(page.url.partition("/watchlists/")[0] + "/watchlists/")
    return page.locator("nav[aria-label=Watchlists] a").evaluate_all(
        "tabs => tabs.map((tab) => tab.firstChild.textContent)"
    )


def test_a_list_is_made_filled_corrected_followed_and_put_in_order(growth):
    page = growth.page
    growth.open("/watchlists/")
    before_it = names_of(page)
    page.locator("#panel-new").get_by_label("Name").fill("Journey")
    page.get_by_role("button", name="Make the list").click()
    expect(page.locator("nav.tabs")).to_contain_text("Journey")

    # a column from a sheet, with a name nobody knows here
    page.get_by_label("Symbols", exact=True).fill("SPY\nTLT\nXLE\nXLQ")
    page.get_by_role("button", name="Add to Journey").click()
    expect(page.locator("#verdicts")).to_contain_text("Unresolved")
    unknown = page.locator("[data-unknown=XLQ]")
    expect(unknown).to_contain_text("Did you mean")
    unknown.get_by_role("button", name="XLB in place of XLQ").click()
    expect(page.locator("tr[data-row=XLB]")).to_be_visible()

    # its prices move without a reload
    page.evaluate("window.sameDocument = true")
    price = page.locator("tr[data-row=SPY] td[data-live$='.price']")
    before = price.inner_text()
    expect(price).not_to_have_text(before, timeout=40_000)
    assert re.fullmatch(r"[\d,]+\.\d\d", price.inner_text())
    expect(page.locator("[data-age=SPY]")).to_contain_text("Live")
    assert page.evaluate("window.sameDocument") is True

    # order and notes by keys alone
    page.get_by_role("link", name="Edit").click()
    note = page.get_by_label("Note on TLT")
    note.fill("the hedge")
    note.press("Alt+ArrowUp")
    expect(page.locator("[data-said]")).to_contain_text("TLT is number 1 of 4")
    assert note.evaluate("(field) => field === document.activeElement")
    note.press("Enter")
    expect(page.locator("tr[data-row=TLT]")).to_contain_text("the hedge")
    assert symbols_of(page) == ["TLT", "SPY", "XLE", "XLB"]

    # the dashboard knows what moves
    growth.open("/")
    expect(page.locator("#movers tbody tr").first).to_be_visible()
    growth.open("/watchlists/")
    assert names_of(page) == [*before_it, "Journey"]
    page.get_by_role("link", name="Journey").click()
    page.get_by_role("link", name="Edit").click()
    page.get_by_role("button", name="Delete the list").first.click()
    page.locator("dialog[open]").get_by_role("button", name="Delete the list").click()
    expect(page.locator("#toasts")).to_contain_text("Journey is deleted")
    assert names_of(page) == before_it == ["Core"]
    assert growth.complaints == []


def test_a_phone_shows_the_list_without_sideways_scrolling(growth):
    page = growth.page
    growth.open("/watchlists/")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.set_viewport_size({"width": 1280, "height": 800})
