"""Longer journeys in a browser: an order that waits, a shared book, a past close, a report."""

import re
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import pytest
from playwright.sync_api import expect
from pypdf import PdfReader

from etftrader.core.formats import show

pytestmark = pytest.mark.browser

BOOK_PAGES = ("", "positions/", "orders/", "risk/", "cash/", "sharing/")
PAST_PAGES = ("/", "{book}", "{book}positions/", "{book}risk/")


def ask(person, path):
    """An answer of the API as the person gets it."""
    answer = person.page.request.get(f"{person.base}/api/v1{path}")
    assert answer.ok, answer.text()
    return answer.json()


def send(person, path, **said):
    """Post to the API as the person's own page would; give the answer."""
    token = person.page.locator("body").get_attribute("data-csrf")
    url = f"{person.base}/api/v1{path}"
    return person.page.request.post(url, data=said, headers={"X-CSRFToken": token})


def submit(person, path, **fields):
    """Send the fields of a form that the person may have kept open."""
    token = person.page.locator("body").get_attribute("data-csrf")
    form = {**fields, "csrfmiddlewaretoken": token}
    return person.page.request.post(person.base + path, form=form)


def make_room(person, address, measure):
    """Double a limit, so that what the market did before does not decide about the next order."""
    path = f"{address.rstrip('/')}/risk/limits"
    limit = next(each for each in ask(person, path)["results"] if each["measure"] == measure)
    asked = {"value": str(2 * Decimal(limit["value"])), "unit": limit["unit"], "reason": "room"}
    answer = send(person, path, measure=measure, **asked)
    assert answer.status == 201, answer.text()


def own_book(person, begins):
    return next(url for name, url in person.portfolios().items() if name.startswith(begins))


# --- an order that waits ----------------------------------------------------------------------


def test_a_limit_far_from_the_market_waits_and_is_cancelled_once(balanced):
    page, address = balanced.page, own_book(balanced, "Long/Short")
    cash = ask(balanced, address.rstrip("/"))["cash"]
    balanced.open(address + "trade/")
    make_room(balanced, address, "var")
    page.get_by_label("Symbol").fill("SPY")
    page.get_by_text("Buy", exact=True).click()
    page.get_by_label("Quantity").fill("10")
    page.get_by_label("Order type").select_option("Limit")
    page.get_by_label("Limit price").fill("101.50")
    page.get_by_label("Good for").select_option("Good till cancelled")
    page.get_by_label("Limit price").press("Tab")
    expect(page.locator("#ticket-check .verdict")).to_contain_text("Approved")
    page.get_by_role("button", name="Place order").click()
    page.wait_for_url(re.compile("/orders/[0-9a-f-]{36}/"))
    key = page.url.rstrip("/").rpartition("/")[2]
    expect(page.locator("#panel-order")).to_contain_text("Accepted")

    balanced.open(address + "orders/")
    row = page.locator(f"tr[data-row='{key}']")
    expect(row).to_contain_text("Limit 101.5")
    expect(row).to_contain_text("Accepted")
    waiting = ask(balanced, f"/orders/{key}")
    assert (waiting["state"], Decimal(waiting["filled_quantity"])) == ("accepted", 0)
    row.get_by_role("button", name="Cancel").click()
    expect(page.locator("#toasts")).to_contain_text("Order cancelled.")
    expect(row).to_contain_text("Cancelled")
    expect(row.get_by_role("button", name="Cancel")).to_have_count(0)

    again = send(balanced, f"/orders/{key}/cancel")
    assert again.status == 409, again.text()
    assert "cancelled" in again.json()["detail"].lower()
    assert ask(balanced, f"/orders/{key}")["state"] == "cancelled"
    assert ask(balanced, address.rstrip("/"))["cash"] == cash
    assert balanced.complaints == []


# --- a shared book ----------------------------------------------------------------------------


def invite(owner, address, email):
    """The link that the owner is shown once."""
    page = owner.page
    owner.open(address + "sharing/")
    form = page.locator("#panel-invite")
    form.get_by_label("E-mail").fill(email)
    form.get_by_label("Message").fill("Have a look at the hedge")
    form.get_by_role("button", name="Make an invitation").click()
    link = page.locator("#panel-link code").inner_text()
    expect(page.locator("#panel-invitations")).to_contain_text(email)
    owner.open(address + "sharing/")
    expect(page.locator("#panel-link")).to_have_count(0)
    return link


def check_what_a_viewer_sees(viewer, address):
    """Every page is there, and on none an act that would be refused."""
    page = viewer.page
    for tail in BOOK_PAGES:
        assert viewer.open(address + tail).status == 200, tail
        expect(page.locator("h1")).to_have_text("Long/Short with SPY overlay")
        links = page.locator(f"main a[href^='{address}trade/?'], a[href='{address}settings/']")
        expect(links).to_have_count(0)
        expect(page.get_by_role("link", name="Check a trade")).to_have_count(0)
        expect(page.locator(f"form[method=post][action^='{address}cash']")).to_have_count(0)
    viewer.open(address + "positions/")
    expect(page.locator("#positions-table tbody tr").first).to_be_visible()
    expect(page.locator("#positions-table [type=checkbox]")).to_have_count(0)
    viewer.open(address + "trade/")
    told = page.locator("#panel-ticket")
    expect(told).to_contain_text("Orders are placed by members of the portfolio who may trade.")
    expect(page.locator("[data-ticket]")).to_have_count(0)
    viewer.open(address + "cash/")
    expect(page.locator("#panel-move")).to_contain_text("does not include moving cash")


def check_what_a_viewer_is_refused(viewer, address):
    book = address.rstrip("/")
    order = {"symbol": "SPY", "side": "buy", "quantity": "1"}
    limit = {"measure": "gross", "value": "3", "reason": "more room"}
    cash = {"type": "deposit", "amount": "5.00"}
    assert send(viewer, f"{book}/orders", **order).status == 403
    assert send(viewer, f"{book}/cash", **cash).status == 403
    assert send(viewer, f"{book}/risk/limits", **limit).status == 403
    assert submit(viewer, f"{address}cash/", **cash).status == 403
    assert submit(viewer, f"{address}settings/", name="Mine").status == 403
    assert submit(viewer, f"{address}sharing/", email="x@example.com", part="editor").status == 403
    assert viewer.page.request.get(f"{viewer.base}{address}settings/").status == 403


def test_a_viewer_comes_by_invitation_sees_all_and_changes_nothing(balanced, value):
    address, email = own_book(balanced, "Long/Short"), value.user["username"]
    book = address.rstrip("/")
    assert value.page.request.get(value.base + address).status == 404
    before = ask(balanced, book), ask(balanced, f"{book}/orders")["count"]
    link = invite(balanced, address, email)

    value.open(link.removeprefix(value.base))
    offer = value.page.locator("#panel-invitation")
    expect(offer).to_contain_text("demo_balanced@example.com offers you a part")
    expect(offer).to_contain_text("Have a look at the hedge")
    offer.get_by_role("button", name="Accept").click()
    expect(value.page.locator("h1")).to_have_text("Long/Short with SPY overlay")
    check_what_a_viewer_sees(value, address)
    check_what_a_viewer_is_refused(value, address)
    assert (ask(balanced, book), ask(balanced, f"{book}/orders")["count"]) == before

    value.open("/")  # a page of the book that stands open would ask for it and be told 404
    page = balanced.page
    balanced.open(address + "sharing/")
    member = page.locator("#panel-members tr", has_text=email)
    expect(member).to_contain_text("Viewer")
    member.get_by_role("link", name="Change").click()
    page.locator("#panel-member summary").click()
    page.locator("#panel-member").get_by_role("button", name="End it now").click()
    expect(page.locator("#panel-members")).not_to_contain_text(email)
    # what is asked next may still be answered from what was known a moment ago
    seen = [200]
    while seen[-1] != 404 and len(seen) < 60:
        page.wait_for_timeout(500)
        seen.append(value.page.request.get(value.base + address).status)
    assert seen[-1] == 404
    assert list(value.portfolios()) == ["Conservative Value"]
    assert balanced.complaints == value.complaints == []


# --- a past close -----------------------------------------------------------------------------


def kpi(page, label):
    return page.locator("main .kpi").filter(has=page.get_by_text(label, exact=True)).locator(".v")


def test_yesterday_shows_its_snapshot_and_nothing_that_moves_or_trades(balanced):
    page, address = balanced.page, own_book(balanced, "Long/Short")
    past = ask(balanced, f"{address.rstrip('/')}/snapshots")["results"][1]
    day = past["session_date"]
    held = ask(balanced, f"{address.rstrip('/')}/positions?as_of={day}")["results"]
    assert len(held) == past["position_count"]
    sockets = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    for each in PAST_PAGES:
        balanced.open(f"{each.format(book=address)}?as_of={day}")
        banner = page.locator(".banner", has_text="Past figures")
        expect(banner).to_contain_text("as its snapshot has it")
        expect(page.locator("#as-of")).to_have_value(day)
        # only the tab, which leads to now
        acts = page.get_by_role("link", name=re.compile(r"^(Check a )?trade\b", re.IGNORECASE))
        expect(acts).to_have_count(0 if each == "/" else 1)
        check_past(page, each, address, past, held)
    page.wait_for_timeout(1_000)
    assert sockets == []
    page.locator(".banner").get_by_role("link", name="Show now").click()
    expect(page.locator(".banner", has_text="Past figures")).to_have_count(0)
    expect(page.get_by_role("link", name="Check a trade")).to_be_visible()
    expect(page.locator("#live-control")).to_have_attribute("data-state", "live")
    assert page.url.rstrip("?") == f"{balanced.base}{address}risk/"
    assert len(sockets) == 1
    assert balanced.complaints == []


RISK = ("var_95_1d", "es_95_1d", "stressed_var_95_1d")


def check_past(page, path, address, past, held):
    """The figures of one page are those of the snapshot."""
    nav, var = show(past["nav"], "money0"), show(past["var_95_1d"], "money0")
    # the page of risk has its figures in whole cents
    risk = {name: show(f"{past[name]:.2f}", "money0") for name in RISK}
    if path == "/":
        row = page.locator("#books-table tbody tr", has_text="Long/Short")
        for figure in (nav, show(past["daily_pnl"], "signed:money0"), var):
            expect(row).to_contain_text(figure)
    elif path == "{book}":
        expect(kpi(page, "NAV")).to_have_text(nav)
        expect(kpi(page, "Day P&L")).to_have_text(show(past["daily_pnl"], "signed:money0"))
        expect(kpi(page, "Gross")).to_have_text(show(past["gross_exposure"], "money0"))
        expect(kpi(page, "Cash")).to_have_text(show(past["cash"], "money0"))
        expect(kpi(page, "VaR 95%, 1 day")).to_have_text(var)
    elif path.endswith("risk/"):
        expect(kpi(page, "VaR 95%, 1 day")).to_have_text(risk["var_95_1d"])
        expect(kpi(page, "Expected shortfall")).to_have_text(risk["es_95_1d"])
        expect(kpi(page, "Stressed VaR")).to_have_text(risk["stressed_var_95_1d"])
    else:
        rows = page.locator("#positions-table tbody tr")
        expect(rows).to_have_count(len(held))
        for each in held[:5]:
            row = page.locator(f"tr[data-row='{each['symbol']}']")
            expect(row).to_contain_text(show(each["exposure"], "money0"))
            expect(row).to_contain_text(show(each["unrealized_pnl"], "signed:money0"))
        whole = page.locator("#positions-table tfoot")
        expect(whole).to_contain_text(show(past["net_exposure"], "money0"))


# --- a report ---------------------------------------------------------------------------------

OF_THE_SHEET = ("Total return", "Annual return", "Volatility", "Sharpe", "Sortino", "Max drawdown")


def figures_of(person, address):
    """What the performance page says."""
    person.open(address + "performance/")
    return {name: kpi(person.page, name).inner_text().strip() for name in OF_THE_SHEET}


def test_the_tear_sheet_is_a_pdf_with_the_figures_of_the_page(balanced):
    page, address = balanced.page, own_book(balanced, "Long/Short")
    wanted = figures_of(balanced, address)
    balanced.open("/reports/")
    page.get_by_label("Portfolio").select_option("Long/Short with SPY overlay")
    page.get_by_label("Report", exact=True).select_option("Tear sheet")
    page.get_by_label("Format").select_option("PDF")
    page.evaluate("window.sameDocument = true")
    page.get_by_role("button", name="Make report").click()
    row = page.locator("#panel-history tbody tr").first
    expect(row).to_contain_text("Long/Short with SPY overlay")
    expect(row).to_contain_text("Ready")
    with page.expect_download() as taken:
        row.get_by_role("link", name="Download").click()
    file = Path(taken.value.path()).read_bytes()

    assert taken.value.suggested_filename.endswith(".pdf")
    assert file.startswith(b"%PDF-")
    paper = PdfReader(BytesIO(file))
    texts = [each.extract_text() for each in paper.pages]
    assert len(texts) > 1
    assert "Long/Short with SPY overlay" in texts[0]
    for number, text in enumerate(texts, start=1):
        assert f"{number} of {len(texts)}" in text
    whole = "\n".join(texts)
    for name, figure in wanted.items():
        assert re.fullmatch(r"[+\u2212]?[\d.]+%?", figure), name
        assert re.search(rf"{name}\n?\s*{re.escape(figure)}", whole), (name, figure)
    gain = ask(balanced, f"{address.rstrip('/')}/performance")["data"]["cumulative_pnl"]
    assert show(gain, "signed:money2") in whole
    assert balanced.complaints == []
