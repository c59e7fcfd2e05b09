"""Journeys of a person: the real product, started by its launcher, in a real browser."""

import re
import time
from decimal import Decimal

import pytest
from playwright.sync_api import expect

from etftrader.testing.browser import Person

pytestmark = pytest.mark.browser


def test_a_person_signs_in_and_sees_two_portfolios(growth):
    assert len(growth.portfolios()) == 2
    assert "Factor Rotation" in growth.portfolios()
    assert growth.complaints == []


def book(person, name):
    """Give the address of a portfolio from the rail."""
    person.open("/")
    link = person.page.locator("nav a", has_text=name).first
    return link.get_attribute("href")


def text_changes(place, seconds):
    """Wait for another text in the same page; give both."""
    before = place.inner_text()
    expect(place).not_to_have_text(before, timeout=seconds * 1000)
    return before, place.inner_text()


def comes_true(page, words, seconds=90):
    """Ask again and again; the browser's own waiting evaluates text, which the pages forbid."""
    end = time.monotonic() + seconds
    while not page.evaluate(words):
        assert time.monotonic() < end, words
        page.wait_for_timeout(200)


def test_the_value_at_risk_moves_without_a_reload(growth):
    growth.open(book(growth, "Factor Rotation") + "risk/")
    growth.page.evaluate("window.sameDocument = true")
    before, after = text_changes(growth.page.locator("[data-live='risk.var']").first, 40)
    assert re.fullmatch(r"\$[\d,]+", before)
    assert re.fullmatch(r"\$[\d,]+", after)
    assert growth.page.evaluate("window.sameDocument") is True
    assert growth.complaints == []


def fill_ticket(page, symbol, quantity):
    page.get_by_label("Symbol").fill(symbol)
    page.get_by_text("Buy", exact=True).click()
    page.get_by_label("Quantity").fill(str(quantity))
    page.get_by_label("Quantity").press("Tab")


def cash_and_shares(person, address, symbol):
    """Ask what the portfolio has: its cash and the held shares of a symbol."""
    base = f"{person.base}/api/v1{address.rstrip('/')}"
    cash = person.page.request.get(base).json()["cash"]
    rows = person.page.request.get(f"{base}/positions").json()["results"]
    held = [Decimal(str(row["quantity"])) for row in rows if row["symbol"] == symbol]
    return Decimal(cash), sum(held, Decimal(0))


def told_largest(page):
    """Read the largest passing quantity the check names."""
    told = page.locator("#ticket-check").get_by_text("Largest quantity that passes").inner_text()
    return int(re.search(r"passes: ([\d,]+)", told)[1].replace(",", ""))


def test_nothing_is_approved_in_an_empty_ticket(balanced):
    page = balanced.page
    balanced.open(book(balanced, "Long/Short") + "trade/")
    for field, value in (("Quantity", "10"), ("Symbol", "AMD")):
        fill_ticket(page, "AMD", 10)
        page.get_by_text("Sell", exact=True).click()
        verdict = page.locator("#ticket-check .verdict")
        expect(verdict).to_contain_text("Approved")
        page.get_by_label(field).fill("")
        expect(verdict).to_have_text("Fill in the ticket")
        expect(page.locator("[data-place]")).to_be_disabled()
        page.get_by_label(field).fill(value)
    assert balanced.complaints == []


def use_max(page):
    """Take the suggested size; what it was checked for is what the field then says."""
    with page.expect_response(lambda answer: "panel=check" in answer.url):
        page.locator("[data-use-max]").click()
    expect(page.locator("#ticket-check")).not_to_have_class(re.compile("checking"))
    return int(page.get_by_label("Quantity").input_value().replace(",", ""))


def test_a_rejected_order_is_cut_to_a_size_that_passes_and_placed(balanced):
    page, address = balanced.page, book(balanced, "Long/Short")
    cash, shares = cash_and_shares(balanced, address, "AMD")
    balanced.open(address + "trade/")
    fill_ticket(page, "AMD", 250_000)
    verdict = page.locator("#ticket-check .verdict")
    expect(verdict).to_contain_text("Rejected")
    expect(verdict).not_to_contain_text("too old")
    largest = told_largest(page)
    assert 0 < largest < 250_000
    expect(page.locator("[data-place]")).to_be_disabled()
    expect(page.locator("[data-use-note]")).to_contain_text("leaves 1% of the limit free")
    wanted = use_max(page)
    # at least 1 % of the limit stays free
    assert 0 < wanted < largest
    expect(verdict).to_contain_text("Approved")
    page.get_by_role("button", name="Place order").click()
    page.wait_for_url(re.compile("/orders/[0-9a-f-]{36}/"))

    balanced.open(address + "orders/?show=all")
    row = page.locator("tbody tr", has_text="AMD").first
    expect(row).to_contain_text(f"{wanted:,}")
    expect(row).to_contain_text(re.compile("filled|accepted", re.IGNORECASE))
    if "filled" in row.inner_text().lower():
        cash_after, shares_after = cash_and_shares(balanced, address, "AMD")
        assert shares_after == shares + wanted
        assert cash_after < cash
    assert balanced.complaints == []


def dollars(text):
    return int(re.sub(r"[^\d]", "", text)) * (-1 if text.startswith("\u2212") else 1)


def test_the_sum_of_all_portfolios_moves_with_its_rows(growth):
    growth.open("/")
    total = growth.page.locator("#books-table tfoot [data-sum='nav']")
    text_changes(total, 40)
    # between two patches, so that all cells are of one minute
    rows, whole = growth.page.evaluate(
        """() => new Promise((done) => {
            const say = () => [
                [...document.querySelectorAll("#books-table tbody [data-live$=':nav']")]
                    .map((cell) => cell.innerText),
                document.querySelector("#books-table tfoot [data-sum='nav']").innerText,
            ];
            const foot = document.querySelector("#books-table tfoot");
            new MutationObserver(() => done(say()))
                .observe(foot, {childList: true, characterData: true, subtree: true});
        })"""
    )
    assert len(rows) == 2
    assert abs(sum(dollars(row) for row in rows) - dollars(whole)) <= 1  # each is rounded
    assert growth.complaints == []


def test_the_sums_of_the_positions_move_with_their_rows(growth):
    growth.open(book(growth, "Factor Rotation") + "positions/?group=sector")
    foot = growth.page.locator("#positions-table tfoot")
    before, after = text_changes(foot.locator("[data-sum='unrealized']"), 40)
    assert re.fullmatch(r"[+\u2212]\$[\d,]+", before)
    assert re.fullmatch(r"[+\u2212]\$[\d,]+", after)
    expect(foot.locator("[data-sum='share']")).to_have_text("100.0%")
    assert growth.complaints == []


def test_both_pages_of_the_api_are_drawn_without_asking_another_host(growth):
    asked = []
    growth.page.on("request", lambda request: asked.append(request.url))
    growth.open("/api/v1/docs")
    expect(growth.page.get_by_text("/api/v1/accounts", exact=True).first).to_be_visible()
    # a long description is drawn as far as it is in view
    paths = growth.page.get_by_text("/api/v1/portfolios", exact=True)
    growth.page.mouse.move(400, 400)
    for _ in range(60):
        if paths.count():
            break
        growth.page.mouse.wheel(0, 500)
        growth.page.wait_for_timeout(100)
    expect(paths.first).to_be_visible()
    growth.page.evaluate("scrollTo(0, 0)")
    growth.page.get_by_role("link", name="Reference").click()
    expect(growth.page.get_by_role("heading", name="List your accounts")).to_be_visible(
        timeout=180_000
    )
    growth.page.wait_for_load_state("networkidle")
    assert [url for url in asked if not url.startswith((growth.base, "data:"))] == []
    assert growth.complaints == []


def test_the_fall_of_24_june_reaches_an_open_risk_page_without_a_reload(growth, chromium, product):
    growth.open(book(growth, "Factor Rotation") + "risk/")
    growth.page.evaluate("window.sameDocument = true")
    alerts = growth.page.locator("#panel-alerts")
    assert "is above its limit" not in alerts.inner_text()
    assert "fell through its stop" not in alerts.inner_text()
    operator = Person(chromium, product, "demo_growth", like=growth)
    session = operator.page.locator("#panel-clock .kpi", has_text="last known close")
    for date in ("23 Jun 2016", "24 Jun 2016"):
        operator.open("/data/")
        operator.page.get_by_role("button", name="Update data").click()
        expect(session).to_contain_text(date, timeout=90_000)
    expect(alerts).to_contain_text("is above its limit", timeout=90_000)
    expect(alerts).to_contain_text("fell through its stop", timeout=90_000)
    assert growth.page.evaluate("window.sameDocument") is True
    assert growth.complaints == []
    assert operator.complaints == []


def test_a_page_left_open_is_drawn_anew_for_the_next_session(growth, chromium, product):
    address = book(growth, "Factor Rotation")
    operator = Person(chromium, product, "demo_growth", like=growth)
    pages = {tail: growth.page.context.new_page() for tail in ("risk/", "", "trade/")}
    for tail, page in pages.items():
        page.goto(growth.base + address + tail)
        page.evaluate("window.sameDocument = true")
    fill_ticket(pages["trade/"], "SPY", 7)
    pages["risk/"].evaluate("window.scrollTo(0, 200)")
    drawn = [page.locator("#main").get_attribute("data-drawn-market") for page in pages.values()]
    operator.open("/data/")
    operator.page.get_by_role("button", name="Update data").click()
    for page, before in zip(pages.values(), drawn, strict=True):
        expect(page.locator("#main")).not_to_have_attribute(
            "data-drawn-market", before, timeout=90_000
        )
        assert page.evaluate("window.sameDocument") is True
    risk = pages["risk/"]
    marks = "document.getElementById('main').dataset"
    comes_true(risk, f"{marks}.drawnRisk === {marks}.drawnMarket")
    # every point of the chart is of the session that runs
    days = risk.evaluate(
        "[...new Set([...document.querySelectorAll('[data-chart] tr[data-x]')]"
        ".map((row) => new Date(row.dataset.x * 1000).toISOString().slice(0, 10)))]"
    )
    assert days == [risk.locator("#main").get_attribute("data-drawn-risk").split()[0]]
    assert risk.evaluate("window.scrollY") == 200
    # what was typed stays
    assert pages["trade/"].get_by_label("Quantity").input_value() == "7"
    for page in pages.values():
        page.close()
    assert growth.complaints == []


def test_a_page_says_that_its_reader_signed_out_elsewhere(chromium, product):
    reader = Person(chromium, product, "demo_balanced")
    other = reader.page.context.new_page()
    reader.open("/alerts/")
    other.goto(reader.base + "/")
    other.locator("summary.who").click()
    other.get_by_role("button", name="Sign out").click()
    told = reader.page.locator("#signed-out")
    expect(told).to_contain_text("Signed out.", timeout=90_000)
    expect(told.get_by_role("link", name="Sign in")).to_have_attribute(
        "href", "/login/?next=%2Falerts%2F"
    )
    expect(reader.page.locator("#live-control")).to_contain_text("Signed out")


PAGES = (
    "/",
    "{book}",
    "{book}positions/",
    "{book}trade/",
    "{book}orders/",
    "{book}trades/",
    "{book}risk/",
    "{book}risk/limits/",
    "{book}cash/",
    "{book}settings/",
    "{book}greeks/",
    "/alerts/",
    "/watchlists/",
    "/quotes/",
    "/quotes/SPY/",
    "/quotes/SPY/options/",
    "/data/",
    "/data/quarantine/",
    "/jobs/",
    "/schedules/",
    "/import/",
    "/settings/",
    "/settings/tokens/",
    "/glossary/",
)


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_every_page_fits_a_phone(growth, scheme):
    address = book(growth, "Factor Rotation")
    growth.page.set_viewport_size({"width": 390, "height": 844})
    growth.page.emulate_media(color_scheme=scheme)
    wrong = []
    try:
        for path in PAGES:
            answer = growth.open(path.format(book=address))
            width = growth.page.evaluate("document.documentElement.scrollWidth")
            if answer.status != 200 or width > 391:
                wrong.append(f"{path}: {answer.status}, {width} px")
    finally:
        growth.page.set_viewport_size({"width": 1280, "height": 900})
    assert wrong == []
    assert growth.complaints == []


def test_the_portfolio_of_another_is_a_page_that_does_not_exist(growth, balanced):
    answer = growth.open(book(balanced, "Long/Short"))
    assert answer.status == 404
    expect(growth.page.locator("body")).not_to_contain_text("Long/Short")
    missing = growth.open("/portfolios/00000000-0000-4000-8000-000000000000/")
    assert missing.status == 404
    # the console says so too, and nothing else
    assert all("404 (Not Found)" in each for each in growth.complaints)
    growth.complaints.clear()
