"""Files over the API: every prepared one comes to what it must, and none to a server's error."""

import io
import time

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from rest_framework.test import APIClient

from portfolios.models import ImportBatch, LedgerEntry
from portfolios.services import csv_import
from portfolios.tests import csv_cases, csv_file_cases
from portfolios.tests.factories import (
    WEDNESDAY,
    make_clock,
    make_closes,
    make_instrument,
    make_portfolio,
    make_user,
)

pytestmark = [pytest.mark.django_db, pytest.mark.urls("portfolios.tests.book_urls")]
V1 = "/api/v1"
CLASSES = (
    csv_cases.ways_of_writing,
    csv_cases.numbers,
    csv_cases.dates,
    csv_cases.symbols,
    csv_cases.types,
    csv_cases.words,
    csv_file_cases.headers,
    csv_file_cases.rows,
    csv_file_cases.whole_files,
)


@pytest.fixture
def owner(settings, monkeypatch):
    settings.RATE_LIMITS = {name: (1_000_000, 1) for name in settings.RATE_LIMITS}
    monkeypatch.setattr(csv_import, "FILES_A_DAY", 1_000_000)
    make_clock(WEDNESDAY)
    make_closes(make_instrument("SPY"), {WEDNESDAY: 208})
    for symbol in ("NFLX", "BRK-B"):
        make_instrument(symbol, kind="stock")
    make_instrument("^VIX", kind="index")
    make_portfolio()
    client = APIClient()
    client.force_authenticate(make_user())
    return client


def came(client, case):
    """What came of a file: the refusal, or the rows."""
    file = SimpleUploadedFile("mine.csv", case.data, "text/csv")
    answer = client.post(f"{V1}/imports", {"file": file, **case.given}, format="multipart")
    if answer.status_code != 201:
        return (answer.status_code, answer.json()["code"]), None
    rows = ImportBatch.objects.get(pk=answer.json()["id"]).rows.order_by("ordinal")
    return None, [
        (row.verdict, {(each["field"], each["code"]) for each in row.messages}) for row in rows
    ]


def difference(client, case) -> str:
    """Nothing, or how it differs from what it must be."""
    refused, rows = came(client, case)
    if refused != case.refused:
        return f"{case.name}: {refused}, not {case.refused}"
    told = list(zip(rows or (), case.rows, strict=False))
    good = len(rows or ()) == len(case.rows) and all(
        verdict == wanted[0] and (len(wanted) == 1 or wanted[1:] in said)
        for (verdict, said), wanted in told
    )
    return "" if good else f"{case.name}: {rows}, not {list(case.rows)}"


@pytest.mark.parametrize("made", CLASSES, ids=lambda each: each.__name__)
def test_a_prepared_file_comes_to_what_it_must(owner, made):
    wrong = [text for case in made() if (text := difference(owner, case))]

    assert not wrong, "\n".join(wrong[:20])
    assert not LedgerEntry.objects.exists()


def test_there_are_four_hundred_prepared_files():
    names = [case.name for made in CLASSES for case in made()]

    assert len(names) >= 400
    assert len(set(names)) == len(names)


class Counting(io.RawIOBase):
    """A body of a hundred megabytes that is made while it is read."""

    def __init__(self, begin: bytes, size: int) -> None:
        self.begin, self.left, self.read_bytes = begin, size, 0

    def read(self, size: int = -1) -> bytes:
        size = self.left if size < 0 else min(size, self.left)
        data, self.begin = self.begin[:size], self.begin[size:]
        data += b"x" * (size - len(data))
        self.left -= size
        self.read_bytes += size
        return data


@pytest.mark.parametrize("told", [True, False], ids=["announced", "not announced"])
def test_a_hundred_megabytes_are_refused_after_eleven(owner, told):
    size = 100_000_000
    part = encode_multipart(BOUNDARY, {"file": SimpleUploadedFile("mine.csv", b"ticker,")})
    body = Counting(part.partition(b"ticker,")[0] + b"ticker,", size)
    began = time.perf_counter()

    answer = owner.generic(
        "POST",
        f"{V1}/imports",
        b"",
        content_type=MULTIPART_CONTENT,
        **{"wsgi.input": body, "CONTENT_LENGTH": str(size if told else 10_050_000)},
    )

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert body.read_bytes <= 11_000_000
    assert time.perf_counter() - began < 10
    assert not ImportBatch.objects.exists()


def test_a_hundred_thousand_rows_are_asked_for_in_few_statements(
    owner, django_assert_max_num_queries
):
    """Statements grow with the thousands of rows, not with rows; a symbol is asked for once."""
    user, portfolio = make_user(), make_portfolio(name="Other")
    lines = [f"SPY,{n},100.5,2015-{1 + n % 12:02d}-{1 + n % 28:02d}" for n in range(1, 5_001)]
    data = ("ticker,quantity,entry_price,entry_date\n" + "\n".join(lines)).encode()
    with django_assert_max_num_queries(5 + 20):
        csv_import.check(
            portfolio_id=portfolio.pk,
            user=user,
            file_name="long.csv",
            file=csv_import.read(data=data, user=user),
            session_date=WEDNESDAY,
        )
