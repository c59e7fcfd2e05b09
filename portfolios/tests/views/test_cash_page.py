"""The cash page: everything that ever moved cash, what it was for, what was left each time."""

import re
import uuid
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from portfolios.choices import EntryKind
from portfolios.models import Portfolio
from portfolios.services import ledger, reversals
from portfolios.tests.factories import (
    HOUSE,
    MONDAY,
    WEDNESDAY,
    deposit,
    fill,
    make_clock,
    make_closes,
    make_instrument,
    make_portfolio,
    make_user,
)

pytestmark = [pytest.mark.django_db, pytest.mark.urls("portfolios.tests.book_urls")]


@pytest.fixture
def book():
    make_clock(WEDNESDAY)
    return make_portfolio(cash=1000, session_date=WEDNESDAY)


@pytest.fixture
def client(book):
    browser = Client()
    browser.force_login(make_user())
    return browser


def table(client, book, query=""):
    page = client.get(f"/portfolios/{book.pk}/cash/{query}")
    assert page.status_code == 200
    return page.context["table"]


def many(book, count):
    for number in range(count):
        deposit(book, 1, session_date=WEDNESDAY, source=f"d:{number}")


def test_trades_fees_and_reversals_stand_beside_deposits_with_the_balance(client, book):
    fund, trade = make_instrument("AAA"), uuid.uuid4()
    fill(book, fund, 3, 90, fee=1, session_date=WEDNESDAY, source=f"trade:{trade}")
    fill(book, fund, -1, 100, session_date=WEDNESDAY)
    ledger.book_cash(
        portfolio_id=book.pk, kind=EntryKind.FEE, amount=Decimal(5), session_date=WEDNESDAY, source="fee:1", by=HOUSE,
        reason="custody",
    )  # fmt: skip
    reversals.reverse(portfolio_id=book.pk, source="fee:1", reason="a gift", by=HOUSE)

    rows = table(client, book)["rows"]

    assert [(row["what"]["kind"], row["amount"], row["balance"]) for row in rows] == [
        ("Reversal", 5, 829),
        ("Fee", -5, 824),
        ("Sold", 100, 829),
        ("Bought", -271, 729),
        ("Deposit", 1000, 1000),
    ]
    assert rows[0]["balance"] == Portfolio.objects.get(pk=book.pk).cash
    bought, sold = rows[3], rows[2]
    assert (bought["what"]["of"], bought["fee"]) == ("3 AAA", 1)
    assert str(trade) in bought["what"]["url"]
    assert sold["what"]["url"] == "/quotes/AAA/"
    text = client.get(f"/portfolios/{book.pk}/cash/").content.decode()
    assert "<small>custody</small>" in text
    assert "<small>a gift</small>" in text
    assert text.count("22 Jun 2016</small>") == 5


def test_what_brings_no_cash_is_not_there(client, book):
    ledger.book_opening(
        portfolio_id=book.pk, instrument=make_instrument("AAA"), quantity=Decimal(2),
        price=Decimal(10), session_date=WEDNESDAY, source="import:1",
    )  # fmt: skip

    assert [row["what"]["kind"] for row in table(client, book)["rows"]] == ["Deposit"]


def test_the_balance_goes_on_from_page_to_page(client, book):
    many(book, 60)

    first, second = table(client, book), table(client, book, "?page=2")

    assert (len(first["rows"]), len(second["rows"])) == (50, 11)
    balances = [row["balance"] for row in (*first["rows"], *second["rows"])]
    assert balances == [Decimal(1060 - step) for step in range(61)]
    assert "page=2" in client.get(f"/portfolios/{book.pk}/cash/").content.decode()


def test_a_full_page_asks_no_more_queries_than_a_short_one(client, book):
    many(book, 3)

    def asked(query):
        client.get(f"/portfolios/{book.pk}/cash/{query}")
        with CaptureQueriesContext(connection) as queries:
            client.get(f"/portfolios/{book.pk}/cash/{query}")
        return len(queries)

    short = asked("")
    fund = make_instrument("AAA")
    for _ in range(60):
        fill(book, fund, 1, 1, fee="0.01", session_date=WEDNESDAY, source=f"trade:{uuid.uuid4()}")

    assert asked("") <= short <= 20
    assert asked("?page=2") <= short


def test_a_stranger_finds_no_cash_page(book):
    other = Client()
    other.force_login(make_user("stranger@example.com"))

    answer = other.get(f"/portfolios/{book.pk}/cash/")

    assert answer.status_code == 404
    assert not re.search(r"\$1,000", answer.content.decode())


def test_each_type_is_booked_and_taken_back_with_a_reason(client, book):
    path = f"/portfolios/{book.pk}/cash/"
    for kind in ("deposit", "withdrawal", "interest", "fee", "tax", "borrow_fee"):
        said = {"type": kind, "amount": "5", "idempotency_key": uuid.uuid4().hex}
        assert client.post(path, said).status_code == 303
    rows = table(client, book)["rows"]
    assert [row["amount"] for row in rows[:6]] == [-5, -5, -5, 5, -5, 5]
    fee = next(row for row in rows if row["what"]["kind"] == "Fee")
    address = fee["what"]["back"].partition("#")[0]

    asked = client.get(address)
    silent = client.post(address, {"reason": "", "idempotency_key": uuid.uuid4().hex})
    done = client.post(address, {"reason": "a gift", "idempotency_key": uuid.uuid4().hex})

    assert "stays in the ledger" in asked.content.decode()
    assert (silent.status_code, done.status_code) == (422, 303)
    rows = table(client, book)["rows"]
    assert (rows[0]["what"]["kind"], rows[0]["what"]["reason"]) == ("Reversal", "a gift")
    assert not next(row for row in rows if row["what"]["kind"] == "Fee")["what"]["back"]
    assert rows[0]["balance"] == Portfolio.objects.get(pk=book.pk).cash == 995


def test_a_trade_is_not_taken_back_here(client, book):
    made = fill(book, make_instrument(), 1, 10, session_date=WEDNESDAY)

    assert client.get(f"/portfolios/{book.pk}/cash/{made.seq}/reverse/").status_code == 404


def test_cash_and_units_go_to_another_book(client, book):
    fund = make_instrument()
    make_closes(fund, {WEDNESDAY: 120})
    fill(book, fund, 3, 100, session_date=WEDNESDAY)
    other = make_portfolio(name="Other")
    path = f"/portfolios/{book.pk}/transfer/"
    form = {"to": str(other.pk), "note": "tidying"}

    for what, size, status in (
        ("cash", "100", 303),
        ("units:AAA", "2", 303),
        ("units:AAA", "9", 422),
    ):
        said = form | {"what": what, "size": size, "idempotency_key": uuid.uuid4().hex}
        assert client.post(path, said).status_code == status

    assert Portfolio.objects.get(pk=other.pk).cash == 100
    assert [each.positions.get().quantity for each in (book, other)] == [1, 2]
    assert table(client, other)["rows"][0]["what"]["kind"] == "Transfer"


def test_a_past_close_shows_what_had_moved_by_then_and_no_form(client):
    later = make_portfolio(name="Older", cash=500, session_date=MONDAY)
    deposit(later, 20, session_date=WEDNESDAY, source="d:2")

    page = client.get(f"/portfolios/{later.pk}/cash/?as_of={MONDAY}")

    assert [row["balance"] for row in page.context["table"]["rows"]] == [500]
    assert page.context["balance"] == 500
    assert "form" not in page.context or not page.context["may_trade"]
