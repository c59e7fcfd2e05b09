"""Every table of every page comes as a file: its rows, its columns, its owner's alone."""

import csv
import io
import json
from decimal import Decimal
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from django.test import Client
from openpyxl import load_workbook

from etftrader.core import table_files
from etftrader.core.records import AuditEvent
from etftrader.services import reports
from etftrader.services.reports import Wish
from etftrader.tests import test_pages_roof, test_viewer_walk
from marketdata.models import Instrument
from marketdata.selectors import sessions
from portfolios.models import Position, Tag, Watchlist, WatchlistItem
from portfolios.services import ledger
from trading.models import Trade
from trading.services import orders
from trading.tests import world

pytestmark = pytest.mark.django_db
stage = test_pages_roof.stage
browser = test_pages_roof.browser
KINDS = ("csv", "xlsx", "json")
AT_LEAST = set(
    """
    bookings-table books-table cash datasets-table facts-table figures items jobs limit-history
    lots-table mine-table money orders parts portfolios positions-table providers reports rights
    scheduled tags-table taken trades watchlist
    """.split()
)


@pytest.fixture(autouse=True)
def _no_limit(settings):
    settings.RATE_LIMITS = {name: (10_000, 60) for name in settings.RATE_LIMITS}


class Tables(HTMLParser):
    """The tables of a page: head, rows that are no sums, and the files offered of each."""

    def __init__(self, text):
        super().__init__()
        self.heads, self.rows, self.files = {}, {}, {}
        self.table, self.part, self.head, self.hidden = None, "", None, False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        if tag == "table" and "data-table" in known:
            self.table = known.get("id")
            self.heads[self.table], self.rows[self.table] = {}, 0
        elif tag in ("thead", "tbody", "tfoot"):
            self.part = tag
        elif tag == "th" and "data-key" in known and self.table:
            self.head = known["data-key"]
            self.heads[self.table][self.head] = ""
        elif tag == "span" and known.get("class") == "vh":
            self.hidden = True
        elif tag == "tr" and self.part == "tbody" and self.table:
            self.rows[self.table] += known.get("class") != "total"
        elif tag == "a" and "export=" in known.get("href", ""):
            said = parse_qs(urlsplit(known["href"]).query)
            self.files.setdefault(said["export"][0], []).append(known["href"])

    def handle_endtag(self, tag):
        if tag == "table":
            self.table = None
        elif tag == "th":
            self.head = None
        elif tag == "span":
            self.hidden = False

    def handle_data(self, data):
        if self.table and self.head and not self.hidden:
            self.heads[self.table][self.head] += data


def busy(stage):
    """Something of everything that has a table."""
    test_viewer_walk.busy(stage)
    world.lift_var_limit(stage.book)
    by = world.actor(stage.owner)
    ticket = world.buy("7")
    orders.submit(portfolio_id=stage.book.pk, ticket=ticket, by=by, moment=sessions.moment())
    test_pages_roof.make_run(owner=stage.owner)
    Tag.objects.create(user=stage.owner, name="core", colour="#3a4fc4")
    mine = Watchlist.objects.create(user=stage.owner, name="Mine")
    fund = Instrument.objects.get(symbol="AAA")
    WatchlistItem.objects.create(watchlist=mine, symbol="AAA", instrument=fund, order=0)
    wish = Wish("trades", "csv", world.YESTERDAY)
    reports.ask(portfolio=stage.book, wish=wish, user_id=stage.owner.pk, by=by)
    reports.schedule(
        portfolio=stage.book, user=stage.owner, kind="trades", file_format="csv",
        cadence="weekly", by=by,
    )  # fmt: skip


def read(kind, data):
    """(head, rows) of a file."""
    if kind == "json":
        told = json.loads(data)
        heads = [each["label"] for each in told["columns"]]
        return heads, [[row[c["key"]] for c in told["columns"]] for row in told["rows"]]
    if kind == "xlsx":
        sheet = load_workbook(io.BytesIO(data), read_only=True).active
        found = [list(row) for row in sheet.iter_rows(values_only=True)]
    else:
        found = list(csv.reader(io.StringIO(data.decode())))
    return found[0], found[1:]


def link(page, table, kind):
    return next(each for each in page.files[table] if f"format={kind}" in each)


def pages_of(client):
    return test_viewer_walk.walk(client, "/")


def test_every_table_of_every_page_is_a_file_of_its_rows_and_columns(browser, stage):
    busy(stage)
    seen, wrong = set(), []
    paths = [*pages_of(browser), "/data/?show=coverage"]

    for path in paths:
        answer = browser.get(path, follow=True)
        if not answer.get("Content-Type", "").startswith("text/html"):
            continue
        page = Tables(answer.content.decode())
        for table, heads in page.heads.items():
            if not page.rows[table]:
                continue
            seen.add(table)
            if table not in page.files:
                wrong.append(f"{path}#{table}: no file is offered")
                continue
            shown = [key for key, label in heads.items() if label.strip()]
            at = f"{answer.request['PATH_INFO']}?{answer.request['QUERY_STRING']}"
            found = [browser.get(urljoin(at, link(page, table, kind))) for kind in KINDS]
            for kind, file in zip(KINDS, found, strict=True):
                if file.status_code != 200 or "attachment" not in file["Content-Disposition"]:
                    wrong.append(f"{path}#{table}.{kind}: {file.status_code}")
                    continue
                head, rows = read(kind, file.content)
                if len(rows) != page.rows[table] and table != "taken":  # it grows
                    wrong.append(f"{path}#{table}.{kind}: {len(rows)} of {page.rows[table]} rows")
                if len(set(head)) < len(head):
                    wrong.append(f"{path}#{table}.{kind}: {head} has a name twice")
            if found[2].status_code == 200:
                keys = [each["key"] for each in json.loads(found[2].content)["columns"]]
                held = list(dict.fromkeys(key.partition(".")[0] for key in keys))
                if [key for key in held if key in heads and heads[key].strip()] != shown:
                    wrong.append(f"{path}#{table}: columns {keys}, shown {shown}")

    assert not wrong, "\n".join(wrong)
    assert seen >= AT_LEAST, AT_LEAST - seen


def sent(browser, stage, tail, **more):
    return browser.get(f"/portfolios/{stage.book.pk}/{tail}", more)


def test_a_file_has_the_rows_of_every_page_of_the_filter(
    browser, stage, django_assert_max_num_queries
):
    for number in range(60):
        world.quote("AAA", world.PRICES["AAA"])
        ledger.book_flow(
            portfolio_id=stage.book.pk, amount=Decimal(number + 1), session_date=world.TODAY,
            source=f"test:{number}", by=world.actor(stage.owner),
        )  # fmt: skip
    page = browser.get(f"/portfolios/{stage.book.pk}/cash/?page=2")
    assert "export=cash&amp;format=csv" in page.content.decode()

    with django_assert_max_num_queries(20):
        head, rows = read(
            "csv", sent(browser, stage, "cash/", export="cash", format="csv", page=2).content
        )

    assert len(rows) == page.context["table"]["page"].paginator.count > 60
    amounts = [Decimal(row[head.index("Amount")]) for row in rows]
    assert amounts[:3] == [60, 59, 58]


def test_a_file_is_its_owners_alone_and_leaves_a_line(browser, stage):
    stranger = test_pages_roof.signed_in(world.make_user("stranger@example.com"))
    asked = {"export": "positions-table", "format": "xlsx"}

    answers = [sent(each, stage, "positions/", **asked) for each in (browser, stranger, Client())]

    assert [each.status_code for each in answers] == [200, 404, 302]
    line = AuditEvent.objects.get(action="export.table")
    assert line.object_id == "positions-table"
    assert line.after["path"] == f"/portfolios/{stage.book.pk}/positions/"
    assert (line.actor_id, line.after["rows"]) == (stage.owner.pk, 2)
    assert line.after["bytes"] == len(answers[0].content)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"export": "nothing", "format": "csv"}, 404),
        ({"export": "limit-history", "format": "import"}, 404),
        ({"export": "cash", "format": "pdf"}, 400),
    ],
)
def test_what_is_no_file_is_refused(browser, stage, asked, status):
    assert sent(browser, stage, "cash/", **asked).status_code == status
    assert not AuditEvent.objects.filter(action="export.table").exists()


def test_files_are_made_ten_times_a_minute(browser, stage, settings):
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"export": (2, 60)}
    asked = {"export": "cash", "format": "csv"}

    answers = [sent(browser, stage, "cash/", **asked).status_code for _ in range(3)]

    assert answers == [200, 200, 429]


def test_more_rows_than_a_file_holds_are_refused_before_they_are_read(browser, stage, monkeypatch):
    monkeypatch.setattr(table_files, "MAX_ROWS", 0)

    answer = sent(browser, stage, "cash/", export="cash", format="csv")

    assert answer.status_code == 400
    assert "narrow it by filters" in answer.content.decode()


def test_a_file_of_a_past_close_is_of_that_close(browser, stage):
    world.close_session()
    ledger.book_fill(
        portfolio_id=stage.book.pk, instrument=Instrument.objects.get(symbol="AAA"),
        quantity=Decimal(-300), price=Decimal(100), fee=Decimal(0), source="test:out",
        session_date=world.TODAY,
    )  # fmt: skip
    asked = {"export": "positions-table", "format": "csv"}

    _, now = read("csv", sent(browser, stage, "positions/", **asked).content)
    then = sent(browser, stage, "positions/", as_of="2016-06-22", **asked)

    assert [row[0] for row in now] == ["BBB"]
    assert [row[0] for row in read("csv", then.content)[1]] == ["AAA", "BBB"]
    assert "positions-2016-06-22.csv" in then["Content-Disposition"]


def test_a_name_that_is_a_formula_stays_a_text(browser, stage):
    Tag.objects.create(user=stage.owner, name="=1+1", colour="#3a4fc4")

    found = [browser.get("/tags/", {"export": "tags-table", "format": kind}) for kind in KINDS]

    assert b"'=1+1" in found[0].content
    assert "'=1+1" in [row[0] for row in read("xlsx", found[1].content)[1]]
    assert json.loads(found[2].content)["rows"][0]["name"] == "=1+1"


def test_what_is_missing_is_null_with_its_reason(browser, stage):
    Position.objects.filter(portfolio=stage.book, instrument__symbol="AAA").update(opened_on=None)
    world.make_instrument("LOST")
    Position.objects.create(
        portfolio=stage.book, instrument=Instrument.objects.get(symbol="LOST"),
        quantity=Decimal(1), cost_basis=Decimal(1),
    )  # fmt: skip

    told = json.loads(
        sent(browser, stage, "positions/", export="positions-table", format="json").content
    )

    lost = next(row for row in told["rows"] if row["symbol"] == "LOST")
    assert lost["price"] is None
    assert lost["price_reason"] == "no price is known"
    assert next(row for row in told["rows"] if row["symbol"] == "BBB")["exposure"] == "5000.000000"


def brought(browser, book, kind, data):
    """A file goes through the wizard: checked, committed; how many rows of it were errors."""
    said = {"portfolio": book.pk, "kind": kind, "content": data.decode()}
    at = browser.post("/import/", said)["Location"]
    assert browser.post(f"{at}commit/").status_code == 303, browser.get(at).content.decode()


def holdings(book):
    rows = Position.objects.open().filter(portfolio=book).order_by("instrument__symbol")
    return list(rows.values_list("instrument__symbol", "quantity", "cost_basis", "opened_on"))


def test_positions_trades_and_cash_come_in_again_as_they_went_out(browser, stage):
    world.lift_var_limit(stage.book)
    by = world.actor(stage.owner)
    for ticket in (world.buy("7"), world.sell("3", "BBB"), world.sell("2")):
        orders.submit(portfolio_id=stage.book.pk, ticket=ticket, by=by, moment=sessions.moment())
        world.next_bar()
    ledger.book_flow(
        portfolio_id=stage.book.pk, amount=Decimal("-12.34"), session_date=world.TODAY,
        source="test:out", by=by,
    )  # fmt: skip
    world.close_session()
    tables = {"positions": "positions-table", "trades": "trades", "cash": "cash"}
    files = {
        kind: sent(browser, stage, f"{kind}/", export=table, format="import").content
        for kind, table in tables.items()
    }

    other = world.make_portfolio(name="Other", cash="0")
    brought(browser, other, "positions", files["positions"])
    assert holdings(other) == holdings(stage.book)

    third = world.make_portfolio(name="Third", cash="0")
    brought(browser, third, "cash", files["cash"])
    third.refresh_from_db()
    assert third.cash == Decimal(100_000) - Decimal("12.34")

    fourth = world.make_portfolio(name="Fourth", cash="100000")
    world.hold(fourth, "AAA", "300")
    world.hold(fourth, "BBB", "100")
    brought(browser, fourth, "trades", files["trades"])
    assert holdings(fourth) == holdings(stage.book)
    assert Trade.objects.filter(portfolio=fourth).count() == 3
