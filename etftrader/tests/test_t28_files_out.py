"""T-28: no text of ours starts a formula in a spreadsheet, and numbers stay numbers.

Seeded fault: escape off in one writer.
"""

import csv
import io
import random
import unicodedata
from decimal import Decimal
from uuid import UUID

import pytest
from openpyxl import load_workbook

from etftrader.core import tables, workbooks
from etftrader.core.actor import Actor
from etftrader.core.api import exports
from etftrader.core.records import AuditEvent
from marketdata.models import Instrument
from portfolios.models import Tag, User
from portfolios.services import tokens
from portfolios.tests import factories

TEXTS = 10_000
STARTS = "=+-@\t\r\uff1d\uff0b\uff0d\uff20"
ALPHABET = STARTS + "aZ09 ,;\"'\n|\x00\x07\u202e\U0001f4c8é.()!"


def texts(seed: int) -> list[str]:
    made = random.Random(seed)  # noqa: S311: no secret hangs on it
    return ["".join(made.choices(ALPHABET, k=made.randrange(1, 12))) for _ in range(TEXTS)]


def runs(cell: object) -> bool:
    """Whether a spreadsheet would take a cell for a formula; wide forms are its synonyms."""
    text = unicodedata.normalize("NFKC", str(cell))
    return text[:1] in set("=+-@\t\r")


def test_no_text_is_a_formula_in_csv():
    seed = random.SystemRandom().randrange(10**9)
    given = texts(seed)

    data = tables.write(["text", "number"], [(each, -1.5) for each in given]).decode()
    rows = list(csv.reader(io.StringIO(data, newline="")))[1:]

    assert len(rows) == TEXTS, f"seed {seed}"
    assert not [row for row in rows if runs(row[0])], f"seed {seed}"
    assert {row[1] for row in rows} == {"-1.5"}
    assert [tables.unguard(row[0]) for row in rows] == given, f"seed {seed}"


def test_no_text_is_a_formula_in_a_workbook():
    seed = random.SystemRandom().randrange(10**9)
    given = texts(seed)

    data = workbooks.write(["text", "number"], [(each, Decimal("-1.5")) for each in given])
    sheet = load_workbook(io.BytesIO(data), read_only=True).active
    assert sheet is not None
    cells = list(sheet.iter_rows(min_row=2))

    assert len(cells) == TEXTS, f"seed {seed}"
    assert {cell[0].data_type for cell in cells} <= {"s", "n"}, f"seed {seed}"
    assert not [cell for cell in cells if runs(cell[0].value)], f"seed {seed}"
    assert {cell[1].value for cell in cells} == {-1.5}


@pytest.mark.parametrize(
    ("document", "row"),
    [
        ({"a": {"b": "1.50", "c": None}, "d": ["x", "y"]},
         {"a.b": Decimal("1.50"), "a.c": None, "d": "x;y"}),
        ({"a": "007", "b": "-3", "c": "1e5", "d": "+4", "e": True},
         {"a": "007", "b": Decimal(-3), "c": "1e5", "d": "+4", "e": True}),
        ({"a": [{"x": 1}], "b": []}, {"a": '[{"x": 1}]', "b": ""}),
    ],
)  # fmt: skip
def test_a_document_is_one_row(document, row):
    assert exports.flat(document) == row


@pytest.fixture
def owner(db) -> User:
    return factories.make_user("files@example.com")


@pytest.fixture
def api(client, owner):
    by = Actor.of_user(owner)
    _, secret = tokens.create_personal(user=owner, name="files", scopes=["read"], by=by)
    return lambda url: client.get(url, HTTP_AUTHORIZATION=f"Token {secret}")


def test_a_list_comes_as_a_file_with_all_its_rows_and_filters(
    api, owner, django_assert_max_num_queries
):
    names = [f"W{each:04d}" for each in range(1_203)]
    Instrument.objects.bulk_create(
        Instrument(symbol=each, name=f"=cmd|{each}", kind="stock", currency="USD") for each in names
    )

    with django_assert_max_num_queries(16):
        got = api("/api/v1/instruments?format=csv&symbol__in=W0001,W0002")
    every = api("/api/v1/instruments?format=xlsx&limit=5")

    rows = list(csv.DictReader(io.StringIO(got.content.decode(), newline="")))
    assert got["Content-Type"].startswith("text/csv")
    assert got["Content-Disposition"] == 'attachment; filename="instruments.csv"'
    assert [row["symbol"] for row in rows] == ["W0001", "W0002"]
    assert rows[0]["name"] == "'=cmd|W0001"
    sheet = load_workbook(io.BytesIO(every.content), read_only=True).active
    assert sheet is not None
    assert len(list(sheet.iter_rows(min_row=2))) >= len(names)
    taken = AuditEvent.objects.filter(action="export.list")
    assert [each.after["format"] for each in taken.order_by("seq")] == ["csv", "xlsx"]
    assert {each.actor_id for each in taken} == {UUID(str(owner.pk))}


@pytest.mark.django_db
def test_formats_there_are_not_and_other_peoples_rows(api, owner):
    stranger = factories.make_user("other@example.com")
    Tag.objects.create(user=stranger, name="secret word")

    wrong = api("/api/v1/portfolios?format=pdf")
    mine = api("/api/v1/portfolios?format=csv")
    page = api("/api/v1/portfolios?format=json")
    single = api("/api/v1/version?format=csv")

    assert (wrong.status_code, wrong.json()["errors"][0]["attr"]) == (400, "format")
    assert (mine.status_code, mine.content) == (200, b"\r\n")
    assert page.json()["count"] == 0
    assert single.status_code == 400


@pytest.mark.django_db
def test_more_rows_than_a_file_holds_are_refused_with_the_way_out(api, monkeypatch):
    monkeypatch.setattr(exports, "MAX_ROWS", 3)
    Instrument.objects.bulk_create(
        Instrument(symbol=f"V{each}", name="v", kind="stock", currency="USD") for each in range(4)
    )

    refused = api("/api/v1/instruments?format=csv&symbol__in=V0,V1,V2,V3")

    assert refused.status_code == 400
    assert refused.json()["errors"][0]["code"] == "too_many_rows"
    assert "filters" in refused.json()["detail"]
