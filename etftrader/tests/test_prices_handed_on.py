"""A file of prices that comes to the import wizard goes on to the door for prices, with its rows."""

import html
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from marketdata.models import DailyBar
from portfolios.models import ImportBatch
from trading.tests import world

pytestmark = pytest.mark.django_db
PRICES = "Date;Symbol;Close\n2016-06-21;AAA;99\n2016-06-21;BBB;49\n"


@pytest.fixture
def book():
    world.make_market()
    return world.make_portfolio()


@pytest.fixture
def client(book) -> Client:
    client = Client()
    client.force_login(book.account.customer.user)
    return client


def brought(client, book, text=PRICES, **more: Any):
    file = SimpleUploadedFile("closes.csv", text.encode())
    return client.post("/import/", {"portfolio": book.pk, "file": file, **more})


def handed(page: str) -> dict[str, str]:
    """The hidden fields a browser would send on."""
    found = re.findall(r'<input type="hidden" name="(content|file_name)" value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in found}


@pytest.mark.parametrize("kind", ["positions", "trades", "cash", ""])
def test_an_operator_checks_and_stores_them_without_sending_the_file_again(client, book, kind):
    world.add_to_group(book.account.customer.user, "Operator")

    answer = brought(client, book, kind=kind)

    page = answer.content.decode()
    assert (answer.status_code, "Check them" in page) == (200, True)
    assert 'action="/data/import/"' in page
    given = handed(page)
    assert given == {"file_name": "closes.csv", "content": PRICES}
    before = DailyBar.objects.count()
    checked = client.post("/data/import/", given | {"check": "true"})
    said = checked.content.decode()
    assert checked.status_code == 200, said
    assert "This is what would become of the file." in said
    assert DailyBar.objects.count() == before
    assert "Handed on from the import page: closes.csv." in said
    stored = client.post("/data/import/", given)
    assert "2 prices were stored." in stored.content.decode()
    assert DailyBar.objects.count() == before + 2
    assert not ImportBatch.objects.exists()


def test_who_brings_no_prices_is_told_who_does(client, book):
    answer = brought(client, book)

    assert answer.status_code == 422
    assert "Prices are shared by everybody." in answer.content.decode()
    assert not ImportBatch.objects.exists()


def test_a_file_too_large_to_be_handed_on_is_told_its_way(client, book):
    world.add_to_group(book.account.customer.user, "Operator")

    answer = brought(client, book, PRICES + "2016-06-21;AAA;99\n" * 60_000)

    assert answer.status_code == 422
    assert "bring it in under Data, Import" in answer.content.decode()


@pytest.mark.parametrize(
    "text",
    [
        "ticker,quantity,entry_price,entry_date,close\nAAA,1,90,2016-06-20,91\n",
        "date,symbol,qty,close\n2016-06-21,AAA,1,90\n",
    ],
)
def test_holdings_with_a_column_of_closes_are_no_prices(client, book, text):
    answer = brought(client, book, text)

    assert answer.status_code in (303, 422)
    assert "Check them" not in answer.content.decode()
    assert "shared by everybody" not in answer.content.decode()


def test_neither_file_nor_content_is_still_refused(client, book):
    world.add_to_group(book.account.customer.user, "Operator")

    assert "Choose a file first." in client.post("/data/import/", {}).content.decode()
