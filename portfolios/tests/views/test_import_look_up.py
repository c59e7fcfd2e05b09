"""A symbol nobody knows is looked up from the row that has it, and the file judged anew."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from etftrader.core import jobs
from etftrader.core.records import JobRun
from marketdata.models import Instrument
from portfolios import tasks
from portfolios.models import ImportBatch, Membership
from portfolios.services import import_symbols
from portfolios.tests.factories import (
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    make_clock,
    make_instrument,
    make_portfolio,
    make_user,
)

pytestmark = [pytest.mark.django_db, pytest.mark.urls("portfolios.tests.book_urls")]
FILE = (
    "ticker,quantity,entry_price,entry_date\n"
    "AAA,10,90,2016-06-20\nNEWA,5,20,2016-06-20\nNEWA,6,20,2016-06-21\nNONE,1,20,2016-06-21\n"
)


@pytest.fixture
def book():
    make_clock(WEDNESDAY)
    make_instrument("AAA")
    return make_portfolio(cash=1_000, session_date=MONDAY)


@pytest.fixture
def source(tmp_path: Path, settings: Any) -> None:
    """A folder of files that knows NEWA."""
    settings.MARKETDATA_PROVIDER, settings.CSV_FOLDER = "csv", str(tmp_path)
    rows = "".join(f"{day},NEWA,20\n" for day in (MONDAY, TUESDAY, WEDNESDAY))
    (tmp_path / "prices.csv").write_text("date,symbol,close\n" + rows)


def client_of(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def bring(client, book) -> tuple[str, ImportBatch]:
    answer = client.post("/import/", {"portfolio": book.pk, "content": FILE})
    return answer["Location"], ImportBatch.objects.get()


def verdicts(batch):
    return list(batch.rows.order_by("ordinal").values_list("verdict", flat=True))


def test_a_source_that_knows_it_makes_it_and_the_file_is_judged_anew(book, source):
    client = client_of(make_user())
    url, batch = bring(client, book)
    assert verdicts(batch) == ["new", "error", "error", "error"]
    assert "Look NEWA up" in client.get(f"{url}?row=3").content.decode()

    answer = client.post(f"{url}rows/3/lookup/")

    assert answer["Location"] == f"{url}?row=3#panel-fix"
    run = JobRun.objects.get(job="marketdata.resolve_symbols")
    assert run.inputs["symbols"] == ["NEWA"]
    assert f"/jobs/{run.pk}/" in client.get(f"{url}?row=3").content.decode()
    assert jobs.run_now(run).status == "succeeded"
    tasks.attach_symbols()
    assert Instrument.objects.filter(symbol="NEWA").exists()
    assert verdicts(batch) == ["new", "new", "new", "error"]
    batch.refresh_from_db()
    assert (batch.counts["error"], "awaited" in batch.dialect) == (1, False)
    assert import_symbols.attach() == 0


def test_what_no_source_knows_stays_an_error_and_may_be_asked_for_again(book, source):
    client = client_of(make_user())
    url, batch = bring(client, book)

    client.post(f"{url}rows/5/lookup/")
    jobs.run_now(JobRun.objects.get(job="marketdata.resolve_symbols"))
    tasks.attach_symbols()

    assert verdicts(batch)[3] == "error"
    page = client.get(f"{url}?row=5").content.decode()
    assert "Look NONE up again" in page
    again = client.post(f"{url}rows/5/lookup/")
    assert again.status_code == 422
    assert "less than a minute ago" in again.content.decode()


def test_only_who_may_import_looks_up_and_only_what_is_unknown(book, source):
    client = client_of(make_user())
    url, _ = bring(client, book)
    viewer = make_user("viewer@example.com")
    Membership.objects.create(portfolio=book, user=viewer, role="viewer")

    assert client_of(viewer).post(f"{url}rows/3/lookup/").status_code == 403
    assert "Look NEWA up" not in client_of(viewer).get(f"{url}?row=3").content.decode()
    stranger = client_of(make_user("stranger@example.com"))
    assert stranger.post(f"{url}rows/3/lookup/").status_code == 404
    for row in (2, 99):
        assert client.post(f"{url}rows/{row}/lookup/").status_code == 422
    assert not JobRun.objects.filter(job="marketdata.resolve_symbols").exists()


def test_without_a_source_the_row_says_whom_to_ask(book):
    client = client_of(make_user())
    url, _ = bring(client, book)

    page = client.get(f"{url}?row=5").content.decode()

    assert "Look NONE up" not in page
    assert "Ask an operator to add it." in page or "Did you mean" in page
    refused = client.post(f"{url}rows/5/lookup/")
    assert refused.status_code == 422
    assert "There is no source that could know more symbols." in refused.content.decode()
