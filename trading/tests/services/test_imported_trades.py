"""Trades from files: orders and fills like any other, taken back with their file, export to import."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.test import Client

from etftrader.core.actor import system
from marketdata.selectors import calendar, sessions
from portfolios.models import ImportBatch, LedgerEntry, Portfolio, Position
from portfolios.services import csv_import, import_booking, import_undo, verification
from trading.models import Order, OrderEvent, Trade
from trading.services import busts
from trading.tests import world
from trading.tests.services.test_order_types import place
from trading.tests.world import buy

pytestmark = pytest.mark.django_db
D = Decimal
HEADER = "ticker,side,quantity,price,trade_date,fee,executed_at,reference\n"
ROWS = (
    "AAA,SELL,4,110,2016-06-22,1.25,15:00,B-2\n"
    "AAA,BUY,10,100.5,2016-06-22,0.5,2016-06-22T13:31:05Z,B-1\n"
    "BBB,BUY,3,50,2016-06-22,,,\n"
)


@pytest.fixture
def book():
    world.make_market()
    made = world.make_portfolio()
    world.lift_var_limit(made)
    return made


def owner(book):
    return book.account.customer.user


def check(book, text, day=world.YESTERDAY) -> ImportBatch:
    return csv_import.check(
        portfolio_id=book.pk,
        user=owner(book),
        file_name="broker.csv",
        file=csv_import.read(data=text.encode(), user=owner(book), kind="trades"),
        session_date=day,
    )


def bring(book, text) -> ImportBatch:
    return import_booking.commit(batch_id=check(book, text).pk, by=world.actor(owner(book)))


def undo(batch):
    by = world.actor(batch.user)
    return import_undo.undo(batch_id=batch.pk, reason="wrong file", by=by)


def state(book):
    """Cash and holdings."""
    rows = Position.objects.filter(portfolio=book).exclude(quantity=0)
    names = ("instrument__symbol", "quantity", "cost_basis", "realized_pnl", "fees")
    return Portfolio.objects.get(pk=book.pk).cash, sorted(rows.values_list(*names))


def fills(book):
    """What a fill is, whatever its number."""
    rows = Trade.objects.filter(portfolio=book, reverses=None, reversed_by=None)
    names = ("instrument__symbol", "side", "quantity", "price", "commission", "realized_pnl")
    return sorted(rows.values_list(*names, "executed_at", "session_date"))


def verdicts(batch):
    return list(batch.rows.order_by("ordinal").values_list("verdict", flat=True))


def browser(book):
    client = Client()
    client.force_login(owner(book))
    return client


def exported(book) -> str:
    """The list of trades as the API gives it as a file."""
    answer = browser(book).get(f"/api/v1/portfolios/{book.pk}/trades?format=csv")
    assert answer.status_code == 200, answer.content
    return b"".join(answer).decode() if answer.streaming else answer.content.decode()


def test_each_trade_is_a_filled_order_at_the_time_and_price_of_the_file(book):
    batch = bring(book, HEADER + ROWS)

    close = calendar.close_time(world.YESTERDAY)
    first = datetime(2016, 6, 22, 13, 31, 5, tzinfo=UTC)
    assert fills(book) == [
        ("AAA", "buy", D(10), D("100.5"), D("0.5"), D(0), first, world.YESTERDAY),
        ("AAA", "sell", D(4), D(110), D("1.25"), D(38), datetime(2016, 6, 22, 19, tzinfo=UTC),
         world.YESTERDAY),
        ("BBB", "buy", D(3), D(50), D(0), D(0), close, world.YESTERDAY),
    ]  # fmt: skip
    orders = Order.objects.order_by("placed_as_of")
    assert {(each.state, each.source, each.remaining) for each in orders} == {
        ("filled", "import", D(0))
    }
    assert [each.note for each in orders] == ["B-1", "B-2", ""]
    assert [each.client_order_id for each in orders] == [
        f"import:{batch.pk}:{line}" for line in (3, 2, 4)
    ]
    numbers = OrderEvent.objects.order_by("number").values_list("number", "to_state")
    assert list(numbers) == [(1, "filled"), (2, "filled"), (3, "filled")]
    assert Portfolio.objects.get(pk=book.pk).order_events == 3
    for trade in Trade.objects.all():
        booked = LedgerEntry.objects.filter(source=f"trade:{trade.pk}", leg=1)
        assert booked.get().session_date == trade.session_date
    assert verification.verify(portfolio_id=book.pk) == []


def test_they_stand_on_the_pages_and_in_the_lists(book):
    bring(book, HEADER + ROWS)
    client = browser(book)

    order = Order.objects.get(note="B-1")
    for path in ("orders/?show=all", "trades/", f"orders/{order.pk}/"):
        page = client.get(f"/portfolios/{book.pk}/{path}").content.decode()
        assert "AAA" in page, path
        assert "100.5" in page, path
    told = client.get(f"/api/v1/portfolios/{book.pk}/orders").json()["results"]
    assert {each["source"] for each in told} == {"import"}
    assert len(client.get(f"/api/v1/portfolios/{book.pk}/trades").json()["results"]) == 3


def test_a_file_that_is_undone_takes_its_orders_back(book):
    before = state(book)
    batch = bring(book, HEADER + ROWS)

    undo(batch)

    assert state(book) == before
    assert set(Order.objects.values_list("state", flat=True)) == {"busted"}
    assert fills(book) == []
    pairs = Trade.objects.exclude(reverses=None).select_related("reverses")
    assert len(pairs) == 3
    for each in pairs:
        assert each.side != each.reverses.side
        assert (each.quantity, each.price) == (each.reverses.quantity, each.reverses.price)
        assert each.commission == -each.reverses.commission
        assert each.realized_pnl == -each.reverses.realized_pnl
    assert [each.number for each in OrderEvent.objects.order_by("number")] == [1, 2, 3, 4, 5, 6]
    last = OrderEvent.objects.order_by("number").last()
    assert (last.from_state, last.to_state) == ("filled", "busted")
    assert verification.verify(portfolio_id=book.pk) == []
    page = browser(book).get(f"/portfolios/{book.pk}/trades/").content.decode()
    assert page.count("reversed") >= 3
    again = bring(book, HEADER + ROWS)
    assert again.result["booked"] == 3


def test_one_order_that_was_busted_is_not_taken_back_twice(book):
    before = state(book)
    batch = bring(book, HEADER + ROWS)
    order = Order.objects.get(instrument__symbol="BBB")
    busts.bust(order_id=order.pk, reason="typing error", by=system("x"), moment=sessions.moment())

    undo(batch)

    assert state(book) == before
    assert Trade.objects.exclude(reverses=None).count() == 3
    assert order.events.count() == 2
    assert verification.verify(portfolio_id=book.pk) == []


def test_what_is_exported_comes_back_as_it_was(book):
    twins = "BBB,BUY,1,50,2016-06-22,,,a\nBBB,BUY,1,50,2016-06-22,,,b\n"
    bring(book, HEADER + ROWS + twins)
    gone = place(book, buy("2"))
    place(book, buy("5"))
    busts.bust(order_id=gone.pk, reason="wrong", by=system("x"), moment=sessions.moment())
    world.close_session()
    text, other = exported(book), world.make_portfolio(name="Other")

    batch = check(other, text, day=world.TODAY)
    assert sorted(verdicts(batch)) == ["new"] * 6 + ["unchanged"] * 2
    assert batch.counts["error"] == 0
    import_booking.commit(batch_id=batch.pk, by=world.actor(owner(book)))

    assert fills(other) == fills(book)
    assert state(other)[1] == state(book)[1]
    for one in (book, other):
        assert set(verdicts(check(one, exported(one), day=world.TODAY))) == {"unchanged"}
    assert set(verdicts(check(other, text, day=world.TODAY))) == {"unchanged", "duplicate"}


@pytest.mark.parametrize(
    ("time", "code"),
    [
        ("25:00", "not_a_time"),
        ("noon", "not_a_time"),
        ("2016-06-22T03:00:00Z", "contradiction"),
        ("2016-06-21 15:00", "contradiction"),
        ("0001-01-01T00:00:00+14:00", "not_a_time"),
    ],
)
def test_a_time_that_is_none_or_of_another_day_is_an_error(book, time, code):
    batch = check(book, HEADER + f"AAA,BUY,1,100,2016-06-22,,{time},\n")

    row = batch.rows.get()
    assert [(each["field"], each["code"]) for each in row.messages] == [("executed_at", code)]


def test_trades_of_the_session_that_runs_are_booked_beside_its_fills(book):
    place(book, buy("5"))
    now, client = sessions.moment().as_of, browser(book)
    rows = (
        "AAA,SELL,4,99,2016-06-23,,,late\n"
        "AAA,SELL,3,101,2016-06-23,,09:45,early\n"
        "AAA,BUY,1,101,2016-06-23,,10:00:01,later\n"
        "AAA,BUY,1,101,2016-06-24,,,tomorrow\n"
        "AAA,BUY,1,101,2016-06-22,,,before\n"
    )

    said = {"portfolio": book.pk, "kind": "trades", "content": HEADER + rows}
    assert client.post("/import/", said).status_code == 303
    batch = ImportBatch.objects.get()
    client.post(f"/import/{batch.pk}/commit/", {"partial": "1"})

    told = {row.ordinal: row.messages for row in batch.rows.filter(verdict="error")}
    assert {line: [(each["field"], each["code"]) for each in told[line]] for line in told} == {
        2: [("quantity", "oversell")],
        4: [("executed_at", "future_time")],
        5: [("trade_date", "future_date")],
        6: [("trade_date", "session_is_past")],
    }
    assert all(each["detail"] and each["hint"] for line in told for each in told[line])
    times = {each.quantity: each.executed_at for each in Trade.objects.filter(side="sell")}
    assert times == {D(3): datetime(2016, 6, 23, 13, 45, tzinfo=UTC)}
    [kept] = Position.objects.filter(portfolio=book)
    assert kept.quantity == 2
    assert verification.verify(portfolio_id=book.pk) == []
    again = client.post("/import/", said | {"content": HEADER + "AAA,SELL,2,99,2016-06-23,,,\n"})
    assert again.status_code == 303
    last = ImportBatch.objects.latest("created_at")
    client.post(f"/import/{last.pk}/commit/")
    assert Trade.objects.get(quantity=2).executed_at == now


def test_cash_of_the_session_that_runs_is_booked_too(book):
    place(book, buy("5"))
    before, client = state(book)[0], browser(book)
    said = {"portfolio": book.pk, "kind": "cash"}

    client.post("/import/", said | {"content": "date,type,amount\n2016-06-23,deposit,250\n"})
    batch = ImportBatch.objects.get()
    client.post(f"/import/{batch.pk}/commit/")

    assert state(book)[0] == before + 250
    assert batch.rows.get().verdict == "new"


def test_a_running_session_exported_is_imported_while_it_runs(book):
    place(book, buy("5"))
    other = world.make_portfolio(name="Other")
    file = csv_import.read(data=exported(book).encode(), user=owner(book), kind="trades")
    moment = sessions.moment()

    batch = csv_import.check(
        portfolio_id=other.pk,
        user=owner(book),
        file_name="running.csv",
        file=file,
        session_date=moment.session_date,
        running=csv_import.running(moment),
    )
    import_booking.commit(
        batch_id=batch.pk, by=world.actor(owner(book)), session_date=moment.session_date
    )

    assert fills(other) == fills(book) != []
    assert state(other)[1] == state(book)[1]
