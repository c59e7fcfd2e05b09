"""Files taken from a list or a report of one book, brought into an empty one: the same book."""

from decimal import Decimal

import pytest
from django.test import Client

from etftrader.reports import writers
from etftrader.selectors import report_documents
from marketdata.models import Instrument
from marketdata.selectors import calendar, sessions
from portfolios.models import ImportBatch, Portfolio, Position
from portfolios.services import snapshots, tags, verification
from portfolios.tests.factories import make_closes, opening
from trading.models import Trade
from trading.services import busts
from trading.tests import world

pytestmark = pytest.mark.django_db
FUND = "/portfolios/{}/positions/?export=positions-table&format=csv"
FILLS = "/portfolios/{}/trades/?export=trades&format=csv"
CALL = "SPY160819C00212000"


@pytest.fixture(autouse=True)
def _no_limit(settings):
    settings.RATE_LIMITS = {name: (10_000, 60) for name in settings.RATE_LIMITS}


@pytest.fixture
def market():
    world.make_market(playing=False)
    spy = world.make_instrument("SPY")
    world.make_bar(spy, world.YESTERDAY, Decimal(200))
    world.make_instrument("DAX", currency="EUR")
    rate = world.make_instrument("EURUSD=X", kind="fx")
    make_closes(rate, {world.YESTERDAY: "1.25", calendar.previous(world.YESTERDAY): "1.2"})


@pytest.fixture
def book(market):
    """Lots at uneven prices, a short, an option, something in euros; two words on one of them."""
    made = world.make_portfolio(allow_short=True)
    kinds = {row.symbol: row for row in Instrument.objects.all()}
    day = calendar.previous(world.YESTERDAY)
    opening(made, kinds["AAA"], "3", "33.333333", session_date=day, source="o:1")
    opening(made, kinds["AAA"], "4", "101.07", session_date=world.YESTERDAY, source="o:2")
    opening(made, kinds["BBB"], "-7", "49.99", session_date=day, source="o:3")
    opening(made, kinds["DAX"], "10", "95", session_date=day, source="o:4", rate="1.2")
    row = Position.objects.get(portfolio=made, instrument=kinds["AAA"])
    found = [
        tags.find_or_make(user=made.account.customer.user, kind=kind, name=name)
        for word in ("Core", "#strategy:hedge")
        for kind, name in tags.parse(word)
    ]
    tags.assign(position=row, tags=found)
    return made


@pytest.fixture
def browser(book):
    client = Client()
    client.force_login(book.account.customer.user)
    return client


def option(browser, book):
    text = f"ticker,quantity,entry_price,entry_date\n{CALL},-2,4.22,2016-06-21\n"
    bring(browser, book, text)


def bring(browser, book, text, kind="positions") -> ImportBatch:
    """Brought in by the wizard without a word more; nothing had to be mapped."""
    before = set(ImportBatch.objects.values_list("pk", flat=True))
    sent = browser.post("/import/", {"portfolio": book.pk, "kind": kind, "content": text})
    [batch] = ImportBatch.objects.exclude(pk__in=before)
    assert sent["Location"] == f"/import/{batch.pk}/", batch.dialect
    done = browser.post(f"/import/{batch.pk}/commit/")
    said = list(batch.rows.filter(verdict="error").values_list("raw", "messages"))
    assert done.status_code == 303, said
    batch.refresh_from_db()
    return batch


def taken(browser, address, book) -> str:
    answer = browser.get(address.format(book.pk))
    assert answer.status_code == 200
    return answer.content.decode()


def held(book):
    rows = Position.objects.open().filter(portfolio=book).select_related("instrument")
    return {row.instrument.symbol: (row.quantity, row.cost_basis, row.opened_on) for row in rows}


def words(book):
    rows = Position.objects.open().filter(portfolio=book)
    return {
        row.instrument.symbol: sorted(row.tagged.values_list("tag__name", flat=True))
        for row in rows
    }


@pytest.mark.parametrize(
    "view",
    ["", "&columns=symbol&columns=weight", "&group=sector", "&columns=quantity&columns=tags"],
)
def test_the_list_of_positions_comes_back_as_it_was(browser, book, view):
    option(browser, book)
    other = world.make_portfolio(name="Other", allow_short=True, cash="0")

    batch = bring(browser, other, taken(browser, FUND + view, book))

    assert held(other) == held(book)
    assert set(held(book)) == {"AAA", "BBB", "DAX", CALL}
    assert words(other) == words(book)
    assert batch.counts["error"] == 0
    assert verification.verify(portfolio_id=other.pk) == []


def test_the_report_of_positions_comes_back_without_its_sums_and_remarks(browser, book):
    option(browser, book)
    snapshots.take(portfolio_ids=[book.pk], session_date=world.YESTERDAY)
    other = world.make_portfolio(name="Other", allow_short=True, cash="0")
    document = report_documents.document_of(
        portfolio=Portfolio.objects.get(pk=book.pk),
        kind="positions",
        start=None,
        end=world.YESTERDAY,
    )

    batch = bring(browser, other, writers.write(document, "csv").decode())

    assert held(other) == held(book)
    left_out = batch.rows.filter(verdict="unchanged")
    assert len(left_out) >= 2
    assert {row.messages[0]["code"] for row in left_out} == {"no_row"}
    assert any(row.raw[0] == "Total" for row in left_out)
    assert "Entry date" not in writers.write(document, "html").decode()


def test_the_list_of_trades_comes_back_without_what_was_taken_back(browser, book):
    first = world.make_portfolio(name="Traded")
    world.lift_var_limit(first)
    rows = (
        "AAA,BUY,10,100.5,2016-06-22,0.5,09:31:05,x\n"
        "AAA,SELL,4,110,2016-06-22,1.25,15:00,y\n"
        "BBB,BUY,3,50,2016-06-22,,,z\n"
    )
    header = "ticker,side,quantity,price,trade_date,fee,executed_at,reference\n"
    bring(browser, first, header + rows, "trades")
    gone = Trade.objects.get(instrument__symbol="BBB").order
    busts.bust(
        order_id=gone.pk,
        reason="wrong",
        by=world.actor(first.account.customer.user),
        moment=sessions.moment(),
    )
    other = world.make_portfolio(name="Other")

    batch = bring(browser, other, taken(browser, FILLS, first), "trades")

    assert held(other) == held(first) != {}
    assert batch.result["booked"] == 2
    names = ("instrument__symbol", "side", "quantity", "price", "commission", "executed_at")
    standing = Trade.objects.filter(reverses=None, reversed_by=None)
    both = [sorted(standing.filter(portfolio=each).values_list(*names)) for each in (first, other)]
    assert both[0] == both[1]
    again = bring_nothing(browser, first, taken(browser, FILLS, first))
    assert again.counts["unchanged"] == again.counts["total"] == 4


def bring_nothing(browser, book, text) -> ImportBatch:
    browser.post("/import/", {"portfolio": book.pk, "kind": "trades", "content": text})
    return ImportBatch.objects.latest("created_at")
