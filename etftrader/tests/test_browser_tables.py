"""Tables in a browser: long names fit, no column is cut, sums are of exact figures, themes hold."""

from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from etftrader.testing.services import ROOT

pytestmark = pytest.mark.browser
HOST = "http://tables.test"
PAGE = f"""<!doctype html><body><table data-table>
<thead><tr><th data-key="symbol"></th><th data-key="share"></th></tr></thead>
<tbody>{'<tr><th>A</th><td data-v="0.0996" data-fmt="pct1">10.0%</td></tr>' * 10}</tbody>
<tfoot><tr><th></th><td data-sum="share" data-fmt="pct1">99.6%</td></tr></tfoot></table></body>"""


@contextmanager
def alone(chromium):
    """A page of our own scripts, with nothing behind it."""
    context = chromium.new_context()

    def answer(route):
        path = route.request.url.removeprefix(HOST)
        if path == "/":
            route.fulfill(body=PAGE, content_type="text/html")
        else:
            route.fulfill(path=ROOT / "static" / path.lstrip("/"))

    context.route(f"{HOST}/**", answer)
    page = context.new_page()
    page.goto(f"{HOST}/")
    yield page
    context.close()


def test_a_sum_is_of_the_figures_and_not_of_their_rounded_words(chromium):
    with alone(chromium) as page:
        # every share grows from 9.96 to 10.00 percent: both read 10.0%
        page.evaluate(
            """async () => {
                const { patchCell } = await import("/js/patch.js");
                const { follow } = await import("/js/totals.js");
                follow();
                const cells = document.querySelectorAll("td[data-v]");
                cells.forEach((cell) => patchCell(cell, { share: 0.1 }, "share"));
                document.body.dispatchEvent(new CustomEvent("live:data", { detail: {} }));
            }"""
        )
        expect(page.locator("tfoot td")).to_have_text("100.0%")
        assert set(page.locator("tbody td").all_inner_texts()) == {"10.0%"}


def test_a_figure_that_goes_missing_says_its_rows_reason_and_loses_it_again(chromium):
    with alone(chromium) as page:
        told = page.evaluate(
            """async () => {
                const { patchCell } = await import("/js/patch.js");
                const cell = document.querySelector("td[data-v]");
                const say = (price, reason) => {
                    patchCell(cell, { "BRK.B": { price, reason } }, "BRK.B.price");
                    return [cell.title, cell.className];
                };
                return [say(null, "price_suspect"), say("0.2", null), say(null, null)];
            }"""
        )
    assert told == [["price suspect", "missing"], ["", ""], ["Not available", "missing"]]


QUOTE = """async ([drawn, quality, age]) => {
    document.body.innerHTML = `<button id="live-control" data-state="live"></button>
        <main id="main"><div data-quote="AAA"><span class="tag" title="as drawn" data-quote-class
        data-title-delayed="up to 15 minutes" data-title-suspect="in doubt">${drawn}</span>
        <b data-quote-age></b></div></main>`;
    await import("/js/quote.js");
    const data = { AAA: { age_seconds: age, quality, bid: null, ask: null } };
    const detail = { channel: "quotes", data, paused: false };
    document.body.dispatchEvent(new CustomEvent("live:data", { detail }));
    const tag = document.querySelector("[data-quote-class]");
    return [tag.textContent, tag.className, tag.title];
}"""


@pytest.mark.parametrize(
    ("drawn", "quality", "age", "told"),
    [
        ("MANUAL", "manual", 90_000, ["MANUAL", "tag", "as drawn"]),
        ("EOD", "eod", 60_000, ["EOD", "tag", "as drawn"]),
        ("LIVE", "live", 100, ["DELAYED", "tag plain", "up to 15 minutes"]),
        ("LIVE", "suspect", 10, ["SUSPECT", "tag bad", "in doubt"]),
    ],
)
def test_only_a_class_that_goes_by_age_is_counted_on(chromium, drawn, quality, age, told):
    with alone(chromium) as page:
        assert page.evaluate(QUOTE, [drawn, quality, age]) == told


WIDTHS = {"desk": 1280, "phone": 390}
CUT = """() => [...document.querySelectorAll(".scroll")]
    .filter((box) => box.scrollWidth > box.clientWidth + 1)
    .map((box) => `${box.getAttribute("aria-label")}: ${box.scrollWidth} of ${box.clientWidth}`)"""


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("tail", ["positions/", "risk/", "greeks/"])
def test_a_book_with_options_shows_every_column(balanced, tail, width):
    page = balanced.page
    address = next(url for name, url in balanced.portfolios().items() if name.startswith("Long"))
    page.set_viewport_size({"width": width, "height": 900})
    try:
        balanced.open(address + tail)
        page.wait_for_selector(".scroll tbody tr")

        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CUT) == []
    finally:
        page.set_viewport_size({"width": 1280, "height": 900})
    assert balanced.complaints == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_page_to_try_the_api_follows_the_theme(growth, theme):
    page = growth.page
    other = {"dark": "light", "light": "dark"}[theme]
    page.emulate_media(color_scheme=other)
    growth.open("/")
    page.evaluate(f"localStorage.setItem('etf-theme', '{theme}')")
    try:
        growth.open("/api/v1/docs")
        page.wait_for_selector(".swagger-ui .info .title")
        panel, ground, ink = page.evaluate(
            """() => [".api-bar", "body"].map((at) => getComputedStyle(document.querySelector(at)))
                .map((style) => style.backgroundColor)
                .concat(getComputedStyle(document.querySelector(".swagger-ui .info .title")).color)"""
        )
    finally:
        page.evaluate("localStorage.removeItem('etf-theme')")
        page.emulate_media(color_scheme="light")

    assert panel == ground
    dark = [sum(map(int, colour[4:-1].split(",")[:3])) < 384 for colour in (ground, ink)]
    assert dark == [theme == "dark", theme == "light"]
    assert growth.complaints == []
