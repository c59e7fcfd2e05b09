"""Reports: asked for, built, kept, taken, made again, scheduled; every format of every kind."""

import csv
import hashlib
import io
import json
from datetime import date, timedelta
from decimal import Decimal

import pytest
from openpyxl import load_workbook
from pypdf import PdfReader

from etftrader.choices import ReportFormat, ReportKind, ReportStatus
from etftrader.core import clock
from etftrader.core.actor import Actor
from etftrader.core.records import AuditEvent, JobRun
from etftrader.models import ReportFile, ReportRun, ReportSchedule
from etftrader.reports import writers
from etftrader.selectors import report_documents
from etftrader.services import reports
from etftrader.services.reports import Wish
from marketdata.selectors import calendar
from portfolios.models import Portfolio
from portfolios.services import accounts, tokens
from risk.tests import factories

pytestmark = pytest.mark.django_db

DAY = factories.START


@pytest.fixture
def book():
    return factories.make_measured(DAY)


@pytest.fixture
def owner(book):
    return book.account.customer.user


@pytest.fixture
def api(client, owner):
    _, secret = tokens.create_personal(
        user=owner, name="t", scopes=["read"], by=Actor.of_user(owner)
    )

    def ask(method, url, body=None):
        call = getattr(client, method)
        more = {"content_type": "application/json"} if method != "get" else {}
        data = json.dumps(body or {}) if method != "get" else None
        return call(url, data, HTTP_AUTHORIZATION=f"Token {secret}", **more)

    return ask


def made(book, owner, kind="positions", file_format="json", **given):
    by = Actor.of_user(owner)
    wish = Wish(kind, file_format, given.get("end", DAY), given.get("start"))
    report = reports.ask(portfolio=book, wish=wish, user_id=owner.pk, by=by)
    reports.build(report_id=report.pk)
    report.refresh_from_db()
    return report


def test_every_kind_comes_in_every_format(book):
    for kind in ReportKind.values:
        document = report_documents.document_of(portfolio=book, kind=kind, start=None, end=DAY)
        for file_format in ReportFormat.values:
            data = writers.write(document, file_format)
            assert len(data) > 200, (kind, file_format)


def test_the_numbers_of_a_report_are_those_of_the_close(book):
    document = report_documents.document_of(portfolio=book, kind="positions", start=None, end=DAY)
    told = json.loads(writers.write(document, "json"))
    figures = {each["label"]: each["value"] for each in told["blocks"][0]["items"]}
    rows = told["blocks"][1]["rows"]
    sheet = load_workbook(io.BytesIO(writers.write(document, "xlsx")))
    text = writers.write(document, "csv").decode()
    page = writers.write(document, "html").decode()
    pdf = PdfReader(io.BytesIO(writers.write(document, "pdf")))
    paper = "\n".join(each.extract_text() for each in pdf.pages)

    assert figures["Net asset value"] == "1014548.546000"
    held = sum(Decimal(row[3]) for row in rows)
    assert held + Decimal(figures["Cash"]) == Decimal(figures["Net asset value"])
    assert Decimal(str(sheet.worksheets[1]["B2"].value)) == Decimal("1014548.546")
    assert ["Net asset value", "1014548.546000", ""] in list(csv.reader(io.StringIO(text)))
    for written in (page, paper):
        assert "$1,014,548.55" in written
        assert "22 Jun 2016" in written
    assert pdf.metadata is not None
    assert pdf.metadata.title == f"Positions, {book.name}"


def test_a_report_is_asked_for_followed_and_taken(api, book, owner):
    body = {"portfolio": str(book.pk), "kind": "tear_sheet", "format": "pdf", "end": str(DAY)}

    asked = api("post", "/api/v1/reports", body)
    early = api("get", asked.json()["url"] + "/download")
    run = JobRun.objects.get(job=reports.JOB)
    reports.build(report_id=run.inputs["report_id"])
    state = api("get", asked.json()["url"] + "/status").json()
    got = api("get", state["download_url"])

    assert asked.status_code == 202
    assert asked["Location"] == asked.json()["url"]
    assert early.status_code == 409
    assert state["status"] == "ready"
    assert got["Content-Type"] == "application/pdf"
    assert got.content.startswith(b"%PDF")
    assert hashlib.sha256(got.content).hexdigest() == state["checksum"]
    assert len(got.content) == state["size"]
    listed = api("get", "/api/v1/reports?kind=tear_sheet").json()
    assert [each["id"] for each in listed["results"]] == [state["id"]]
    assert AuditEvent.objects.filter(action="report.ask", actor_id=owner.pk).count() == 1


def test_the_same_inputs_make_the_same_file(book, owner):
    first = made(book, owner, "tear_sheet", "pdf")
    second = reports.again(report=first, by=Actor.of_user(owner))
    reports.build(report_id=second.pk)
    second.refresh_from_db()

    assert second.status == ReportStatus.READY
    assert second.checksum == first.checksum
    assert ReportFile.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "attr"),
    [
        ({"kind": "novel"}, "kind"),
        ({"format": "doc"}, "format"),
        ({"end": "2016-06-19"}, "end"),
        ({"end": "2099-01-04"}, "end"),
        ({"start": "2016-06-22", "end": "2016-06-20"}, "start"),
        ({"end": "2001-01-02"}, "end"),
    ],
)
def test_a_wish_that_is_none_is_refused_by_its_field(api, book, body, attr):
    asked = {"portfolio": str(book.pk), "kind": "positions", "format": "csv"} | body

    refused = api("post", "/api/v1/reports", asked)

    assert refused.status_code == 400
    assert refused.json()["errors"][0]["attr"] == attr
    assert not ReportRun.objects.exists()


def test_what_cannot_be_told_is_said_and_nothing_is_kept(book, owner):
    report = made(book, owner, end=calendar.previous(DAY, 3))

    assert report.status == ReportStatus.FAILED
    assert "not valued" in report.detail
    assert not ReportFile.objects.exists()


def test_a_fault_leaves_no_half_file(book, owner, monkeypatch):
    def broken(document, file_format):
        raise RuntimeError("the pen broke")

    monkeypatch.setattr(writers, "write", broken)
    by = Actor.of_user(owner)
    report = reports.ask(
        portfolio=book, wish=Wish("positions", "csv", DAY), user_id=owner.pk, by=by
    )

    with pytest.raises(RuntimeError):
        reports.build(report_id=report.pk)

    report.refresh_from_db()
    assert (report.status, report.reason) == (ReportStatus.FAILED, "error")
    assert "pen" not in report.detail
    assert not ReportFile.objects.exists()


def test_strangers_find_nothing_and_may_not_remove(api, book, owner, client):
    report = made(book, owner)
    stranger = accounts.create_user(
        email="s@example.com", password="x" * 12, by=Actor.of_user(owner)
    )
    client.force_login(stranger)

    for tail in ("", "/status", "/download"):
        assert client.get(f"/api/v1/reports/{report.pk}{tail}").status_code == 404
    assert client.post(f"/api/v1/reports/{report.pk}/rerun").status_code == 404
    assert client.delete(f"/api/v1/reports/{report.pk}").status_code == 404
    assert client.get("/api/v1/reports").json()["results"] == []
    assert api("delete", f"/api/v1/reports/{report.pk}").status_code == 204
    assert not ReportFile.objects.exists()


def test_files_expire_and_can_be_made_again(book, owner, api):
    report = made(book, owner)
    ReportRun.objects.update(expires_at=clock.now() - timedelta(seconds=1))

    assert reports.expire() == 1

    gone = api("get", f"/api/v1/reports/{report.pk}/download")
    assert gone.status_code == 404
    assert api("post", f"/api/v1/reports/{report.pk}/rerun").status_code == 202
    reports.build(report_id=report.pk)
    assert api("get", f"/api/v1/reports/{report.pk}/download").status_code == 200


@pytest.mark.parametrize(
    ("cadence", "last", "start"),
    [
        ("weekly", date(2016, 6, 24), date(2016, 6, 20)),
        ("weekly", date(2016, 3, 24), date(2016, 3, 21)),  # before Good Friday
        ("monthly", date(2016, 6, 30), date(2016, 6, 1)),
        ("quarterly", date(2016, 6, 30), date(2016, 4, 1)),
        ("quarterly", date(2016, 12, 30), date(2016, 10, 1)),
    ],
)
def test_a_schedule_is_due_after_the_last_close_of_its_stretch_once(
    book, owner, cadence, last, start
):
    Portfolio.objects.update(opened_on=date(2016, 1, 4))
    book.refresh_from_db()
    row = reports.schedule(
        portfolio=book, user=owner, kind="trades", file_format="csv", cadence=cadence,
        by=Actor.of_user(owner),
    )  # fmt: skip

    before = reports.due(session_date=calendar.previous(last))
    first = reports.due(session_date=last)
    again = reports.due(session_date=last)

    assert before == again == []
    [report] = ReportRun.objects.all()
    assert [report.pk] == first
    assert (report.start, report.end, report.schedule_id) == (start, last, row.pk)


def test_a_schedule_ends_with_the_right_to_see(book, owner, api):
    viewer = accounts.create_user(email="v@example.com", password="x" * 12, by=Actor.of_user(owner))
    reports.schedule(
        portfolio=book, user=viewer, kind="trades", file_format="csv", cadence="weekly",
        by=Actor.of_user(viewer),
    )  # fmt: skip

    assert reports.due(session_date=date(2016, 6, 24)) == []
    twin = {"portfolio": str(book.pk), "kind": "trades", "format": "csv", "cadence": "weekly"}
    assert api("post", "/api/v1/reports/schedules", twin).status_code == 201
    assert api("post", "/api/v1/reports/schedules", twin).status_code == 409
    own = ReportSchedule.objects.get(made_by=owner)
    assert api("delete", f"/api/v1/reports/schedules/{own.pk}").status_code == 204


def test_the_page_asks_schedules_and_offers_the_file(
    book, owner, client, django_assert_max_num_queries
):
    client.force_login(owner)
    given = {"portfolio": book.pk, "kind": "positions", "file_format": "pdf", "cadence": "once"}

    early = client.post("/reports/", given | {"end": "2099-01-01"})
    sent = client.post("/reports/", given)
    twice = client.post("/reports/", given | {"cadence": "monthly"})
    waiting = client.get("/reports/").content.decode()
    report = ReportRun.objects.get()
    reports.build(report_id=report.pk)
    with django_assert_max_num_queries(12):
        page = client.get("/reports/").content.decode()
    got = client.get(f"/reports/{report.pk}/download/")

    assert (early.status_code, sent.status_code, twice.status_code) == (422, 303, 303)
    assert "The last close is that of 22 Jun 2016" in early.content.decode()
    assert "Being made" in waiting
    assert "Monthly" in page
    assert f"/reports/{report.pk}/download/" in page
    assert got.content.startswith(b"%PDF")
    assert client.post(f"/reports/{report.pk}/again/").status_code == 303
    assert client.post(f"/reports/{report.pk}/remove/").status_code == 303
    assert not ReportRun.objects.exists()
