"""Pages of the books: list, new, cash, settings, import from file to booking."""

import re
import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from portfolios.models import CashTransaction, ImportBatch, Membership, Portfolio, Position
from portfolios.tests.factories import (
    WEDNESDAY,
    fill,
    make_clock,
    make_instrument,
    make_portfolio,
    make_user,
)

pytestmark = [pytest.mark.django_db, pytest.mark.urls("portfolios.tests.book_urls")]
FILE = "ticker,quantity,entry_price,entry_date\nAAA,10,90,2016-06-20\n"


@pytest.fixture
def book():
    make_clock(WEDNESDAY)
    make_instrument("AAA")
    return make_portfolio(cash=1000, session_date=WEDNESDAY)


@pytest.fixture
def client(book):
    browser = Client()
    browser.force_login(make_user())
    return browser


def stranger() -> Client:
    browser = Client()
    browser.force_login(make_user("stranger@example.com"))
    return browser


def key() -> str:
    return uuid.uuid4().hex


def upload(client, book, text=FILE, name="mine.csv"):
    file = SimpleUploadedFile(name, text.encode(), "text/csv")
    return client.post("/import/", {"portfolio": book.pk, "file": file})


def test_the_list_shows_ones_own_portfolios(client, book):
    page = client.get("/portfolios/")

    assert page.status_code == 200
    assert "Book" in page.content.decode()
    assert "Book" not in stranger().get("/portfolios/").content.decode().split("<main")[-1]


def test_a_portfolio_is_opened_with_its_first_deposit(client):
    said = {"name": "Second", "cash": "12,500.00", "idempotency_key": key()}

    first, again = client.post("/portfolios/new/", said), client.post("/portfolios/new/", said)

    made = Portfolio.objects.get(name="Second")
    assert first.status_code == again.status_code == 303
    assert made.cash == 12_500
    assert Membership.objects.get(portfolio=made).role == "owner"


@pytest.mark.parametrize(
    "said",
    [{"name": ""}, {"name": "Book"}, {"name": "B", "cash": "-1"}, {"name": "B", "cash": "x"}],
)
def test_a_portfolio_that_cannot_be_made_comes_back_with_the_reason(client, said):
    page = client.post("/portfolios/new/", {"idempotency_key": key(), **said})

    assert page.status_code == 422
    assert 'role="alert"' in page.content.decode()
    assert Portfolio.objects.count() == 1


def test_cash_is_booked_once_per_form(client, book):
    said = {"type": "deposit", "amount": "250.50", "idempotency_key": key()}

    for _ in range(2):
        assert client.post(f"/portfolios/{book.pk}/cash/", said).status_code == 303

    assert Portfolio.objects.get(pk=book.pk).cash == 1250.5
    assert "250.50" in client.get(f"/portfolios/{book.pk}/cash/").content.decode()


def test_a_refused_withdrawal_keeps_what_was_typed(client, book):
    said = {"type": "withdrawal", "amount": "9999", "reason": "boat", "idempotency_key": key()}

    page = client.post(f"/portfolios/{book.pk}/cash/", said)

    assert page.status_code == 422
    text = page.content.decode()
    assert "Not enough cash." in text
    assert "boat" in text
    assert CashTransaction.objects.count() == 1


def test_settings_are_kept_unless_somebody_was_faster(client, book):
    page = client.get(f"/portfolios/{book.pk}/settings/").content.decode()
    version = re.search(r'name="version" value="(\d+)"', page).group(1)
    said = {"name": "Renamed", "version": version, "tracking_mode": "ledger"}

    assert client.post(f"/portfolios/{book.pk}/settings/", said).status_code == 303
    assert client.post(f"/portfolios/{book.pk}/settings/", said).status_code == 422
    assert Portfolio.objects.get(pk=book.pk).name == "Renamed"


def test_closing_asks_for_the_name(client, book):
    path = f"/portfolios/{book.pk}/close/"
    wrong = client.post(path, {"confirm": "bok", "how": "close"})
    assert wrong.status_code == 422
    assert Portfolio.objects.get(pk=book.pk).status == "active"

    assert client.post(path, {"confirm": "Book", "how": "close"}).status_code == 303
    assert Portfolio.objects.get(pk=book.pk).status == "closed"


def test_what_holds_something_is_archived_and_opened_again(client, book):
    fill(book, make_instrument(), 1, 100, session_date=WEDNESDAY)
    path = f"/portfolios/{book.pk}/close/"

    refused = client.post(path, {"confirm": "Book", "how": "close"})
    stored = client.post(path, {"confirm": "Book", "how": "archive"})

    assert "archive the portfolio as it is" in refused.content.decode()
    assert (refused.status_code, stored.status_code) == (422, 303)
    assert Portfolio.objects.get(pk=book.pk).status == "archived"
    assert "Reopen" in client.get(f"/portfolios/{book.pk}/settings/").content.decode()
    assert "is archived" in client.get(f"/portfolios/{book.pk}/cash/").content.decode()
    assert client.post(f"/portfolios/{book.pk}/reopen/").status_code == 303
    assert Portfolio.objects.get(pk=book.pk).status == "active"


def test_a_file_is_checked_shown_and_booked(client, book):
    checked = upload(client, book)
    batch = ImportBatch.objects.get()
    assert (checked.status_code, checked["Location"]) == (303, f"/import/{batch.pk}/")
    page = client.get(checked["Location"]).content.decode()
    assert "AAA" in page
    assert "1 rows can be booked" in page
    assert not Position.objects.exists()

    assert client.post(f"/import/{batch.pk}/commit/").status_code == 303

    assert Position.objects.get().quantity == 10
    assert "1 rows were booked" in client.get(f"/import/{batch.pk}/").content.decode()


def test_bad_rows_are_shown_with_their_cells_and_come_as_a_file(client, book):
    upload(client, book, FILE + "ZZZ,x,1,2016-06-20\n")
    batch = ImportBatch.objects.get()

    page = client.get(f"/import/{batch.pk}/?verdict=error").content.decode()
    assert "is not a plain number" in page
    refused = client.post(f"/import/{batch.pk}/commit/")
    assert refused.status_code == 422
    assert not Position.objects.exists()
    assert b"error_message" in client.get(f"/import/{batch.pk}/errors.csv").content

    assert client.post(f"/import/{batch.pk}/commit/", {"partial": "1"}).status_code == 303
    assert Position.objects.get().quantity == 10


def test_a_file_that_is_no_table_comes_back_with_the_reason(client, book):
    page = upload(client, book, "nothing,here\n1,2\n")

    assert page.status_code == 422
    assert "has no column" in page.content.decode()
    assert upload(client, book, FILE, "mine.xlsx").status_code == 422


def test_what_stands_in_a_cell_is_never_markup(client, book):
    upload(client, book, FILE + "<script>alert(1)</script>,1,1,2016-06-20\n")

    page = client.get(f"/import/{ImportBatch.objects.get().pk}/").content.decode()

    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


def test_a_strangers_pages_are_not_there(client, book):
    upload(client, book)
    batch = ImportBatch.objects.get()
    other = stranger()

    for path in (
        f"/portfolios/{book.pk}/cash/",
        f"/portfolios/{book.pk}/settings/",
        f"/import/{batch.pk}/",
        f"/import/{batch.pk}/errors.csv",
    ):
        assert other.get(path).status_code == 404, path
    assert other.post(f"/import/{batch.pk}/commit/").status_code == 404
    assert upload(other, book).status_code == 422
    assert not Position.objects.exists()


def test_pages_ask_for_a_sign_in(book):
    assert Client().get("/portfolios/").status_code == 302


def test_the_template_file_is_one_we_read(client, book):
    make_instrument("SPY")
    make_instrument("NFLX")
    text = client.get("/import/template.csv").content.decode()

    upload(client, book, text)

    assert ImportBatch.objects.get().counts["error"] == 0
