"""The wizard's pages: file, map, check with rows mended in place, commit, undo."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from etftrader.core.records import JobRun
from portfolios.models import ImportBatch, Portfolio, Position
from portfolios.tests.factories import (
    MONDAY,
    WEDNESDAY,
    make_clock,
    make_instrument,
    make_portfolio,
    make_user,
)

pytestmark = [pytest.mark.django_db, pytest.mark.urls("portfolios.tests.book_urls")]
HEADER = "ticker,quantity,entry_price,entry_date\n"
MOST_QUERIES = 12  # ten of them for the frame around it


@pytest.fixture
def book():
    make_clock(WEDNESDAY)
    make_instrument("AAA")
    make_instrument("BBB")
    return make_portfolio(cash=1_000, session_date=MONDAY)


@pytest.fixture
def client(book):
    client = Client()
    client.force_login(make_user())
    return client


def bring(client, book, text, **more):
    answer = client.post("/import/", {"portfolio": book.pk, "content": text, **more})
    assert answer.status_code == 303, answer.content.decode()
    return answer["Location"], ImportBatch.objects.get()


def text_of(client, url):
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_file_with_names_nobody_knows_is_mapped_first(client, book):
    text = "Papier;Zahl;Kurs;Tag\nAAA;10;90,5;2016-06-20\n"

    url, batch = bring(client, book, text)

    assert url == f"/import/{batch.pk}/map/"
    page = text_of(client, url)
    assert "Papier" in page
    assert "<code>90,5</code>" in page
    twice = client.post(url, {"c0": "ticker", "c1": "ticker", "c2": "", "c3": ""})
    assert twice.status_code == 422
    assert "chosen twice" in twice.content.decode()
    lacking = client.post(url, {"c0": "ticker"})
    assert lacking.status_code == 422
    assert "Choose a column for" in lacking.content.decode()
    good = {
        "c0": "ticker",
        "c1": "quantity",
        "c2": "entry_price",
        "c3": "entry_date",
        "comma": "on",
    }
    assert client.post(url, good)["Location"] == f"/import/{batch.pk}/"
    assert "1 rows can be booked" in text_of(client, f"/import/{batch.pk}/")
    ImportBatch.objects.all().delete()
    again, _ = bring(client, book, text)
    assert not again.endswith("/map/")


def test_a_bad_row_is_mended_booked_and_undone(client, book):
    rows = "AAA,x,90,2016-06-20\nBBX,5,20,2016-06-20\nBBX,6,20,2016-06-21\n"
    url, batch = bring(client, book, HEADER + rows)
    page = text_of(client, f"{url}?row=2&verdict=error")
    assert "Mend a row" in page
    assert 'value="x"' in page

    still = client.post(f"{url}rows/2/", {"ticker": "AAA", "quantity": "y", "entry_price": "90", "entry_date": "2016-06-20"})  # fmt: skip
    assert still["Location"].endswith("?row=2#panel-fix")
    good = client.post(f"{url}rows/2/", {"ticker": "AAA", "quantity": "3", "entry_price": "90", "entry_date": "2016-06-20"})  # fmt: skip
    assert good["Location"] == url
    page = text_of(client, f"{url}?row=3")
    assert "In all rows it means" in page
    client.post(f"{url}rows/3/", {"meant": "BBB"})

    batch.refresh_from_db()
    assert (batch.counts["new"], batch.counts["error"]) == (3, 0)
    assert client.post(f"{url}commit/").status_code == 303
    assert {row.quantity for row in Position.objects.all()} == {3, 11}
    assert "Undo the import" in text_of(client, url)
    assert client.post(f"{url}undo/", {"reason": ""}).status_code == 422
    assert client.post(f"{url}undo/", {"reason": "wrong"}).status_code == 303
    assert not Position.objects.exclude(quantity=0).exists()
    assert "The import was undone" in text_of(client, url)


def test_duplicates_are_decided_on_the_page(client, book):
    url, batch = bring(client, book, HEADER + "AAA,1,90,2016-06-20\nAAA,2,90,2016-06-20\n")
    assert 'name="duplicates"' in text_of(client, url)

    client.post(f"{url}duplicates/", {"duplicates": "import"})

    batch.refresh_from_db()
    assert batch.counts["warning"] == 1
    assert "Skip them" in text_of(client, url)
    assert client.post(f"{url}duplicates/", {"duplicates": "burn"}).status_code == 422


def test_all_or_nothing_is_chosen_first(client, book):
    url, _ = bring(client, book, HEADER + "AAA,1,90,2016-06-20\nAAA,x,90,2016-06-20\n")
    page = text_of(client, url)
    assert 'value="" checked' in page

    assert client.post(f"{url}commit/", {"partial": ""}).status_code == 422
    assert not Position.objects.exists()
    assert client.post(f"{url}commit/", {"partial": "1"}).status_code == 303


def test_a_long_file_shows_the_job_that_books_it(client, book):
    days = [f"20{year:02d}-{month:02d}-{day:02d}" for year in (14, 15) for month in range(1, 13) for day in range(1, 27)]  # fmt: skip
    url, _ = bring(client, book, HEADER + "".join(f"AAA,1,90,{day}\n" for day in days))

    client.post(f"{url}commit/")
    page = text_of(client, url)

    run = JobRun.objects.get(job="portfolios.commit_import")
    assert f"/jobs/{run.pk}/" in page
    assert "Booking the file" in page
    assert client.get(f"{url}?panel=verdict", headers={"HX-Request": "true"}).status_code == 200


def test_trades_and_cash_have_tables_of_their_own(client, book):
    moves = "date,type,amount,reason\n2016-06-22,deposit,50,rent\n"

    url, _ = bring(client, book, moves, kind="cash")

    page = text_of(client, url)
    assert "rent" in page
    assert "1,000.00" in page
    client.post(f"{url}commit/")
    assert Portfolio.objects.get(pk=book.pk).cash == 1_050


@pytest.mark.parametrize("kind", ["positions", "trades", "cash", "nonsense"])
def test_templates(client, kind):
    assert b"," in client.get(f"/import/template.csv?kind={kind}").content


def test_pages_ask_little(client, book, django_assert_max_num_queries):
    rows = "".join(f"AAA,{n},90,2015-01-{n:02d}\nZZ{n},1,1,2015-01-05\n" for n in range(1, 29))
    url, _ = bring(client, book, HEADER + rows)
    for path in ("/import/", url, f"{url}?row=3", f"{url}map/", f"{url}?verdict=error"):
        with django_assert_max_num_queries(MOST_QUERIES):
            assert client.get(path).status_code == 200


def test_nobody_else_finds_the_pages(client, book):
    url, _ = bring(client, book, HEADER + "AAA,x,90,2016-06-20\n")
    other = Client()
    other.force_login(make_user("stranger@example.com"))

    for path in (f"{url}map/",):
        assert other.get(path).status_code == 404
    for path in ("map/", "rows/2/", "duplicates/", "undo/"):
        assert other.post(f"{url}{path}").status_code == 404
    assert client.get(f"{url}?row=99999999999").status_code == 200
    assert client.post(f"{url}rows/9/").status_code == 404


def test_neither_file_nor_text_is_told(client, book):
    answer = client.post("/import/", {"portfolio": book.pk})
    assert answer.status_code == 422
    assert "Choose a file, or paste its rows." in answer.content.decode()
    file = SimpleUploadedFile("mine.csv", (HEADER + "AAA,1,1,2016-06-20\n").encode())
    both = client.post("/import/", {"portfolio": book.pk, "file": file, "content": "x"})
    assert both.status_code == 303
