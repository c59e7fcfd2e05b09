"""A file of 500 trades in a browser: mapped, judged, mended, booked in part, taken back."""

import csv
import re
import uuid
from collections import Counter
from decimal import Decimal

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

ROWS = 500
BOUGHT = ("SPY", "KO", "XLK", "EFA", "AAPL", "MSFT")  # held and not held
SOLD = ("KO", "JNJ", "PG")  # held, far more than is sold
FIELDS = {
    "What": "Ticker, required",
    "Pieces": "Quantity, required",
    "Paid": "Price, required",
    "Day": "Trade date, required",
    "Way": "Side",
    "Broker took": "Fee",
    "Deal": "Reference",
}
# line of the file: the cells that are wrong, and what the page says of them
WRONG = {
    12: ({"What": "SPYY"}, "ticker: SPYY is not known. Did you mean SPY"),
    40: ({"Pieces": "ten"}, 'quantity: "ten" is not a plain number.'),
    77: ({"Paid": "0"}, "price: A price is above zero."),
    110: ({"Day": "2099-01-04"}, "trade_date: 2099-01-04 lies after"),
    150: ({"Day": "22.06.2016"}, 'trade_date: "22.06.2016" is not a date. YYYY-MM-DD'),
    199: ({"Way": "HOLD"}, 'side: "HOLD" is neither BUY nor SELL.'),
    230: ({"Broker took": "-1"}, "fee: A fee is not below zero."),
    275: ({"What": "KO", "Pieces": "900000", "Way": "SELL"}, "quantity: More sold than the"),
    301: ({"Pieces": "9000000", "Way": "BUY"}, "quantity: Not enough cash on"),
    350: ({"What": "SPYY"}, "ticker: SPYY is not known."),
    402: ({"What": "^VIX"}, "ticker: ^VIX is an index and cannot be held."),
    480: ({"Day": "2015-07-01"}, "trade_date: The books have moved on to"),
}
MENDED = {12: ("What", "SPY"), 350: ("What", "SPY"), 40: ("Pieces", "10"), 77: ("Paid", "50.5"),
          199: ("Way", "BUY")}  # fmt: skip


def deals(day):
    """The rows as they would be without a mistake, by line of the file; the header is line 1."""
    rows = {}
    for line in range(2, ROWS + 2):
        is_sale = line % 5 == 0
        rows[line] = {
            "What": SOLD[line % len(SOLD)] if is_sale else BOUGHT[line % len(BOUGHT)],
            "Pieces": str(1 + line % 3),
            "Paid": f"{40 + line % 37}.{line % 100:02d}",
            "Day": day,
            "Way": "SELL" if is_sale else "BUY",
            "Broker took": f"0.{line % 50:02d}",
            "Deal": f"deal-{line}",
        }
    return rows


def write(path, rows, names):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names.values())
        for line, row in rows.items():
            spoiled = row | WRONG.get(line, ({}, ""))[0]
            writer.writerow(spoiled[name] for name in names)


def booked(rows):
    """What is to be booked: units and cash of every row that is good, or mended."""
    units, cash = Counter(), Decimal(0)
    for line, row in rows.items():
        if line in WRONG and line not in MENDED:
            continue
        if line in MENDED:
            row |= dict([MENDED[line]])
        sign = -1 if row["Way"] == "SELL" else 1
        units[row["What"]] += sign * int(row["Pieces"])
        amount = sign * int(row["Pieces"]) * Decimal(row["Paid"])
        cash -= amount + Decimal(row["Broker took"])
    return units, cash


def book_of(person, address):
    """Everything of a book that no price moves: cash, lots, positions with their costs."""
    base = f"{person.base}/api/v1{address.rstrip('/')}"

    def ask(tail):
        answer = person.page.request.get(base + tail)
        assert answer.ok, answer.text()
        return answer.json()

    fixed = ("symbol", "quantity", "average_cost", "cost_basis", "opened_on", "tags")
    rows = ask("/positions?limit=200")["results"]
    lots = ask("/lots?limit=200")["results"]
    return {
        "cash": Decimal(ask("")["cash"]),
        "positions": {row["symbol"]: [row[name] for name in fixed] for row in rows},
        "lots": sorted((lot["symbol"], lot["opened_on"], lot["quantity"]) for lot in lots),
    }


def units_of(book):
    return {symbol: Decimal(row[1]) for symbol, row in book["positions"].items()}


def last_close(person):
    answer = person.page.request.get(f"{person.base}/api/v1/data/status")
    return answer.json()["clock"]["session_date"]


def upload(person, path, name):
    page = person.page
    person.open("/import/")
    page.get_by_label("Portfolio").select_option(name)
    page.get_by_label("It holds").select_option("Trades")
    page.get_by_label("CSV file").set_input_files(path)
    page.get_by_role("button", name="Check the file").click()


def map_columns(page, names):
    """None of the names is known: each column is given its field by hand."""
    expect(page.locator(".stepper [aria-current]")).to_contain_text("Map")
    expect(page.locator("#panel-columns")).to_contain_text("Choose a column for each field")
    for name, header in names.items():
        page.get_by_label(header, exact=True).select_option(FIELDS[name])
    expect(page.locator("table#columns tbody tr").first).to_contain_text("EFA")
    page.get_by_role("button", name="Check the rows").click()


def row_of(page, line):
    return page.locator("#panel-rows tbody tr").filter(has=page.locator(f"th:text-is('{line}')"))


def mend(page, line):
    """Open a row, write its cell anew where it stands."""
    row_of(page, line).get_by_role("link", name="Mend").click()
    form = page.locator("#panel-fix")
    expect(form).to_contain_text(f"Line {line}")
    column, value = MENDED[line]
    form.get_by_label(re.compile(f"^{FIELDS[column].partition(',')[0]}")).fill(value)
    form.get_by_role("button", name="Check again").click()
    expect(page.locator("#toasts")).to_contain_text(f"Line {line} is")
    page.locator("#panel-verdict").get_by_role("link", name=re.compile("^error ")).click()


def check_verdicts(page):
    """Every bad row stands with what is wrong with it, and with the way out."""
    verdict = page.locator("#panel-verdict")
    expect(verdict).to_contain_text("12 rows have errors. Nothing is booked yet.")
    expect(verdict.get_by_role("link", name=f"all {ROWS}")).to_be_visible()
    verdict.get_by_role("link", name="error 12").click()
    expect(page.locator("#panel-rows tbody tr")).to_have_count(len(WRONG))
    for line, (_, said) in WRONG.items():
        expect(row_of(page, line)).to_contain_text(said)


def see(person, address, symbol, units, cash):
    """What the pages say of one symbol and of the cash."""
    page = person.page
    person.open(f"{address}positions/")
    row = page.locator(f"#panel-positions tr[data-row='{symbol}']")
    row = row if row.count() else page.locator("#panel-positions tbody tr", has_text=symbol)
    if units:
        expect(row.first).to_contain_text(f"{units:,.0f}")
    else:
        expect(row).to_have_count(0)
    person.open(f"{address}cash/")
    expect(page.locator("#panel-move")).to_contain_text(f"${cash:,.2f}")


def test_a_file_is_mapped_mended_booked_in_part_and_taken_back(value, tmp_path):
    page = value.page
    [(name, address)] = value.portfolios().items()
    before = book_of(value, address)
    rows = deals(last_close(value))
    # names nobody gave a field before
    names = {each: f"{each} {uuid.uuid4().hex[:6]}" for each in FIELDS}
    path = tmp_path / "broker.csv"
    write(path, rows, names)

    upload(value, path, name)
    map_columns(page, names)
    check_verdicts(page)

    # one answer mends both rows with the unknown name
    row_of(page, 12).get_by_role("link", name="Mend").click()
    page.locator("#panel-fix").get_by_role("button", name="SPY", exact=True).click()
    page.locator("#panel-verdict").get_by_role("link", name="error 10").click()
    for line in (40, 77, 199):
        mend(page, line)
    left_out = WRONG.keys() - MENDED.keys()
    expect(page.locator("#panel-rows tbody tr")).to_have_count(len(left_out))
    assert book_of(value, address) == before

    verdict = page.locator("#panel-verdict")
    units, cash = booked(rows)
    expect(verdict).to_contain_text(f"→ ${before['cash'] + cash:,.2f}")
    verdict.get_by_label(re.compile("Book the 493 good rows, leave 7 out")).check()
    verdict.get_by_role("button", name="Commit").click()
    expect(verdict).to_contain_text("493 rows were booked")
    booked_at = page.url.partition("?")[0].removeprefix(value.base)
    after = book_of(value, address)
    assert after["cash"] == before["cash"] + cash
    wanted = Counter(units_of(before)) + Counter()
    wanted.update({symbol: Decimal(count) for symbol, count in units.items()})
    assert units_of(after) == dict(wanted)
    see(value, address, "XLK", wanted["XLK"], after["cash"])

    value.open(booked_at)
    page.get_by_label("Reason").fill("another broker's file")
    page.get_by_role("button", name="Undo the import").click()
    expect(verdict).to_contain_text("The import was undone.")
    assert book_of(value, address) == before
    see(value, address, "XLK", 0, before["cash"])
    assert value.complaints == []
