"""The cash page: everything that ever moved cash, what it was for, what was left each time."""

import re
import uuid
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from portfolios.models import Portfolio
from portfolios.services import ledger
from portfolios.tests.factories import (
    HOUSE,
    WEDNESDAY,
    deposit,
    fill,
    make_clock,
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
    ledger.book_fee(
        portfolio_id=book.pk, amount=Decimal(5), session_date=WEDNESDAY, source="fee:1", by=HOUSE,
        reason="custody",
    )  # fmt: skip
    ledger.reverse(portfolio_id=book.pk, source="fee:1", reason="a gift", by=HOUSE)

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

    assert asked("") == short
    assert asked("?page=2") == short


def test_a_stranger_finds_no_cash_page(book):
    other = Client()
    other.force_login(make_user("stranger@example.com"))

    answer = other.get(f"/portfolios/{book.pk}/cash/")

    assert answer.status_code == 404
    assert not re.search(r"\$1,000", answer.content.decode())
