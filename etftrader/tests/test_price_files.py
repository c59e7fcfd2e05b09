"""Files of prices by page and API: who may, what is said, what is left on the disk, what follows."""

import gzip
import re
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from rest_framework.test import APIClient

from etftrader.core import jobs
from etftrader.core.actor import Actor
from etftrader.core.records import AuditEvent, IdempotencyKey, JobRun
from etftrader.uploads import MAX_FILE_BYTES
from marketdata.models import DailyBar, Instrument, QuarantinedPrice, TreasuryYield
from portfolios.models import PortfolioSnapshot
from portfolios.services import snapshots, tokens
from trading.tests import world

pytestmark = pytest.mark.django_db
PAGE, API = "/data/import/", "/api/v1/data/import"
HEAD = "date,symbol,close\n"
GOOD = HEAD + "2016-06-21,AAA,99\n2016-06-21,BBB,49\n"
JUMP = HEAD + "2016-06-20,AAA,98\n2016-06-21,AAA,9900\n2016-06-21,BBB,49\n"
BAD = HEAD + "2016-06-21,AAA,99\n2016-06-21,BBB,plenty\n"
IN_PLACE = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "outcome"}


@pytest.fixture
def stage(settings: Any) -> SimpleNamespace:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (100_000, 1))
    world.make_market()
    book = world.make_portfolio()
    owner = book.account.customer.user
    boss = world.make_user("boss@example.com")
    world.add_to_group(boss, "Operator")
    api = APIClient()
    api.force_authenticate(boss)
    return SimpleNamespace(
        book=book,
        owner=owner,
        boss=boss,
        api=api,
        operator=signed_in(boss),
        reader=signed_in(owner),
    )


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def a_file(text: str | bytes, name: str = "prices.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, text if isinstance(text, bytes) else text.encode())


def words(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def added() -> set[tuple[str, str, Decimal]]:
    rows = DailyBar.objects.filter(source="csv").select_related("instrument")
    return {(each.instrument.symbol, str(each.session_date), each.close) for each in rows}


# --- the page -----------------------------------------------------------------------------------


def test_operators_find_the_page_and_others_do_not(stage: Any) -> None:
    assert f'href="{PAGE}"' in stage.operator.get("/data/").content.decode()
    assert f'href="{PAGE}"' not in stage.reader.get("/data/").content.decode()
    assert stage.operator.get(PAGE).status_code == 200
    assert stage.reader.get(PAGE).status_code == 403
    assert stage.reader.post(PAGE, {"file": a_file(GOOD)}).status_code == 403
    assert Client().get(PAGE).status_code == 302
    assert stage.operator.put(PAGE).status_code == 405
    assert added() == set()


def test_a_file_is_checked_then_stored_then_known(stage: Any) -> None:
    checked = stage.operator.post(PAGE, {"file": a_file(GOOD), "check": "true"})
    assert "Nothing is stored yet" in words(checked)
    assert added() == set()

    stored = stage.operator.post(PAGE, {"file": a_file(GOOD)})
    assert stored.status_code == 200
    assert "2 prices were stored." in words(stored)
    assert {row["verdict"]["text"] for row in stored.context["verdicts"]["rows"]} == {"stored"}
    assert added() == {
        ("AAA", "2016-06-21", Decimal(99)),
        ("BBB", "2016-06-21", Decimal(49)),
    }

    again = stage.operator.post(PAGE, {"file": a_file(GOOD)})
    assert "Nothing was written" in words(again)
    assert AuditEvent.objects.filter(action="bars.imported").count() == 1


def test_a_status_that_stays_says_what_became_of_a_file(stage: Any) -> None:
    """A status that comes with what is swapped in is read to nobody."""
    page = stage.operator.get(PAGE).content.decode()
    swapped = stage.operator.post(PAGE, {"file": a_file(JUMP)}, **IN_PLACE).content.decode()
    refused = stage.operator.post(PAGE, {"file": a_file(BAD)}, **IN_PLACE).content.decode()
    whole = stage.operator.post(PAGE, {"file": a_file(JUMP)}).content.decode()

    assert re.search(r'</div><p class="vh" id="said" role="status"></p>', page)
    [said] = re.findall(r'<p id="said" hx-swap-oob="innerHTML">(.*)</p>', swapped)
    assert said.split() == "2 prices were stored. 1 held. 2 stored.".split()
    assert 'role="status"' not in swapped
    # a refusal is an alert already
    assert '<p id="said" hx-swap-oob="innerHTML"></p>' in refused
    assert 'role="alert"' in refused
    assert whole.count('id="said"') == 1


def test_a_jump_waits_on_the_quarantine_page_and_the_rest_is_stored(stage: Any) -> None:
    answer = stage.operator.post(PAGE, {"file": a_file(JUMP, "june.csv")})

    text = words(answer)
    assert "2 prices were stored." in text
    assert "about 100 or 1,000 times" in text
    assert 'href="/data/quarantine/"' in answer.content.decode()
    assert added() == {("AAA", "2016-06-20", Decimal(98)), ("BBB", "2016-06-21", Decimal(49))}
    [row] = stage.operator.get("/data/quarantine/").context["table"]["rows"]
    assert (row["symbol"], row["source"], row["value"]) == ("AAA", "csv", "$9,900.00")
    line = AuditEvent.objects.get(action="bars.imported")
    assert (line.actor_id, line.after["file_name"]) == (stage.boss.pk, "june.csv")
    assert line.after["counts"]["held"] == 1

    doubt = QuarantinedPrice.objects.get()
    accepted = stage.operator.post(
        f"/data/quarantine/{doubt.pk}/", {"verdict": "accept", "note": "real"}
    )
    assert accepted.status_code == 303
    assert ("AAA", "2016-06-21", Decimal(9900)) in added()


def test_a_bad_row_is_shown_with_its_way_out_and_nothing_is_stored(stage: Any) -> None:
    answer = stage.operator.post(PAGE, {"file": a_file(BAD)}, **IN_PLACE)

    text = words(answer)
    assert answer.status_code == 422
    assert "<html" not in answer.content.decode()  # the form keeps the file that was chosen
    assert "1 of 2 rows cannot be stored" in text
    assert "is no number" in text
    assert "Write digits and a point" in text
    assert added() == set()

    partly = stage.operator.post(PAGE, {"file": a_file(BAD), "partial": "on"})
    assert "1 price was stored." in words(partly)
    assert added() == {("AAA", "2016-06-21", Decimal(99))}


def test_a_form_without_a_file_says_so(stage: Any) -> None:
    answer = stage.operator.post(PAGE, {})

    assert answer.status_code == 422
    assert "Choose a file first." in words(answer)


def test_what_a_file_says_is_never_markup(stage: Any) -> None:
    text = HEAD + "2016-06-21,<script>alert(1)</script>,3\n"

    answer = stage.operator.post(PAGE, {"file": a_file(text, "<img src=x>.csv")})

    assert answer.status_code == 422
    assert "<script>alert" not in answer.content.decode()
    assert "<img src=x" not in answer.content.decode()


def test_a_file_over_the_cap_is_a_sentence_and_leaves_nothing(
    stage: Any, tmp_path: Any, settings: Any
) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    big = b"x" * (MAX_FILE_BYTES + 1)

    page = stage.operator.post(PAGE, {"file": a_file(big)})
    in_place = stage.operator.post(PAGE, {"file": a_file(big)}, **IN_PLACE)
    multipart = stage.api.post(API, {"file": a_file(big)}, format="multipart")
    body = stage.api.post(API, big, content_type="text/csv")

    assert page.status_code == 413
    assert "A file may have 10 MB." in words(page)
    assert (in_place.status_code, in_place["HX-Reswap"]) == (422, "innerHTML")
    assert words(in_place).strip() == "A file may have 10 MB."
    assert [(each.status_code, each.json()["code"]) for each in (multipart, body)] == [
        (413, "too_large")
    ] * 2
    assert list(tmp_path.iterdir()) == []


def test_the_page_asks_for_the_forms_own_mark(stage: Any) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(stage.boss)

    assert strict.post(PAGE, {"file": a_file(GOOD)}).status_code == 403
    assert added() == set()


# --- the API ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["multipart", "csv", "gzip", "json"])
def test_every_way_to_send_a_file_stores_it(stage: Any, how: str) -> None:
    if how == "multipart":
        answer = stage.api.post(API, {"file": a_file(GOOD)}, format="multipart")
    elif how == "json":
        answer = stage.api.post(API, {"content": GOOD}, format="json")
    elif how == "csv":
        answer = stage.api.post(API, GOOD.encode(), content_type="text/csv; charset=utf-8")
    else:
        packed = gzip.compress(GOOD.encode())
        answer = stage.api.post(API, packed, content_type="application/gzip")

    assert answer.status_code == 200, answer.content
    told = answer.json()
    assert (told["status"], told["kind"], told["as_of"]) == ("stored", "bars", "2016-06-22")
    assert told["counts"] == {"stored": 2, "unchanged": 0, "held": 0, "left_out": 0, "refused": 0}
    assert told["verdicts"][0] == {
        "line": 2,
        "column": "close",
        "verdict": "stored",
        "code": "",
        "why": "",
        "remedy": "",
        "symbol": "AAA",
        "session_date": "2016-06-21",
        "rows": 1,
    }
    assert len(added()) == 2


@pytest.mark.parametrize("how", ["csv", "gzip", "json"])
def test_what_comes_without_a_name_names_no_symbol(stage: Any, how: str) -> None:
    text = "date,close\n2016-06-21,99\n"
    kind = {"csv": "text/csv", "gzip": "application/gzip"}
    body = gzip.compress(text.encode()) if how == "gzip" else text.encode()

    def send(query: str) -> Any:
        if how == "json":
            return stage.api.post(f"{API}{query}", {"content": text}, format="json")
        return stage.api.post(f"{API}{query}", body, content_type=kind[how])

    refused = send("?add_symbols=true")
    assert (refused.status_code, refused.json()["code"]) == (422, "missing_symbol")
    assert not Instrument.objects.filter(symbol__in=["BODY", "PASTED"]).exists()
    assert added() == set()

    taken = send("?symbol=aaa")
    assert (taken.status_code, taken.json()["file_name"]) == (200, "")
    assert added() == {("AAA", "2016-06-21", Decimal(99))}


def test_a_name_that_was_given_names_the_symbol(stage: Any) -> None:
    named = {"content": "date,close\n2016-06-21,99\n", "file_name": "AAA.csv"}
    other = a_file("date,close\n2016-06-21,49\n", "bbb.csv")

    pasted = stage.api.post(API, named, format="json")
    sent = stage.api.post(API, {"file": other}, format="multipart")

    assert (pasted.json()["file_name"], sent.json()["file_name"]) == ("AAA.csv", "bbb.csv")
    assert added() == {("AAA", "2016-06-21", Decimal(99)), ("BBB", "2016-06-21", Decimal(49))}


def test_yields_come_in_too(stage: Any) -> None:
    answer = stage.api.post(
        f"{API}?kind=yields", b"date,DGS10\n2016-06-21,1.71\n", content_type="text/csv"
    )

    assert (answer.status_code, answer.json()["kind"]) == (200, "yields")
    assert TreasuryYield.objects.get().percent == 1.71
    assert answer.json()["job"] is None
    wrong = stage.api.post(f"{API}?kind=yields", GOOD.encode(), content_type="text/csv")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "missing_column")


def test_a_refused_file_has_an_error_a_row_and_stores_nothing(stage: Any) -> None:
    answer = stage.api.post(API, BAD.encode(), content_type="text/csv")

    assert (answer.status_code, answer.json()["code"]) == (422, "rows_refused")
    [error] = answer.json()["errors"]
    assert (error["attr"], error["code"]) == ("3.close", "bad_number")
    assert error["detail"].startswith("Line 3, close: 'plenty' is no number. Write digits")
    assert answer.json()["counts"]["refused"] == 1
    assert added() == set()

    partly = stage.api.post(f"{API}?partial=true", BAD.encode(), content_type="text/csv")
    assert partly.json()["counts"] == {
        "stored": 1, "unchanged": 0, "held": 0, "left_out": 0, "refused": 1
    }  # fmt: skip


def test_a_check_is_200_whatever_the_rows_and_writes_nothing(stage: Any) -> None:
    answer = stage.api.post(f"{API}?check=true", BAD.encode(), content_type="text/csv")

    assert (answer.status_code, answer.json()["status"]) == (200, "checked")
    assert answer.json()["verdicts"][0]["verdict"] == "refused"
    assert added() == set()
    assert not AuditEvent.objects.filter(action="bars.imported").exists()
    assert not JobRun.objects.exists()


def test_one_key_is_one_effect_and_another_file_under_it_is_refused(stage: Any) -> None:
    key = {"HTTP_IDEMPOTENCY_KEY": "june-prices-0001"}
    first = stage.api.post(API, GOOD.encode(), content_type="text/csv", **key)
    again = stage.api.post(API, GOOD.encode(), content_type="text/csv", **key)
    other = stage.api.post(API, JUMP.encode(), content_type="text/csv", **key)
    otherwise = stage.api.post(f"{API}?check=true", GOOD.encode(), content_type="text/csv", **key)

    assert first.json()["status"] == "stored"
    assert again.json() == first.json()
    assert again["Idempotent-Replayed"] == "true"
    assert {other.json()["code"], otherwise.json()["code"]} == {"idempotency_key_reused"}
    assert IdempotencyKey.objects.count() == 1


def test_a_refused_file_frees_its_key(stage: Any) -> None:
    key = {"HTTP_IDEMPOTENCY_KEY": "june-prices-0002"}
    refused = stage.api.post(API, BAD.encode(), content_type="text/csv", **key)
    mended = stage.api.post(API, GOOD.encode(), content_type="text/csv", **key)

    assert (refused.status_code, mended.status_code) == (422, 200)


@pytest.mark.parametrize(
    ("query", "attr"),
    [
        ("kind=odd", "kind"),
        ("check=1", "check"),
        ("partial=yes", "partial"),
        ("add_symbols=", "add_symbols"),
        ("colour=red", "colour"),
    ],
)
def test_a_wrong_word_in_the_query_is_named(stage: Any, query: str, attr: str) -> None:
    answer = stage.api.post(f"{API}?{query}", GOOD.encode(), content_type="text/csv")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"] == attr
    assert added() == set()


def test_what_is_no_file_is_named(stage: Any) -> None:
    nothing = stage.api.post(API, {}, format="multipart")
    unknown = stage.api.post(API, {"files": a_file(GOOD)}, format="multipart")
    xml = stage.api.post(API, b"<a/>", content_type="application/xml")
    page = stage.api.post(API, b"<html>", content_type="text/csv")
    coded = stage.api.post(
        API, GOOD.encode(), content_type="text/csv", HTTP_CONTENT_ENCODING="gzip"
    )

    assert (nothing.status_code, nothing.json()["errors"][0]["attr"]) == (400, "file")
    assert (unknown.status_code, unknown.json()["errors"][0]["attr"]) == (400, "files")
    assert [each.status_code for each in (xml, page, coded)] == [415, 415, 415]
    assert page.json()["code"] == "not_a_table"
    assert added() == set()


def test_only_operators_with_the_scope_send_files(stage: Any) -> None:
    stranger = APIClient()
    stranger.force_authenticate(stage.owner)
    read = tokens.create_personal(
        user=stage.boss, name="r", scopes=["read"], by=Actor.of_user(stage.boss)
    )[1]
    body = {"data": GOOD.encode(), "content_type": "text/csv"}

    assert stranger.post(API, **body).status_code == 403
    assert APIClient().post(API, **body).status_code == 401
    reading = APIClient().post(API, **body, HTTP_AUTHORIZATION=f"Token {read}")
    assert reading.status_code == 403
    assert added() == set()


# --- what follows -------------------------------------------------------------------------------


def test_a_corrected_close_values_the_books_again(stage: Any) -> None:
    world.hold(stage.book, "AAA", "300")
    snapshots.take(portfolio_ids=[stage.book.pk], session_date=world.YESTERDAY)
    before = PortfolioSnapshot.objects.get(portfolio=stage.book).nav
    text = HEAD + "2016-06-22,AAA,101\n"

    answer = stage.api.post(API, text.encode(), content_type="text/csv")

    run = JobRun.objects.get(pk=answer.json()["job"]["id"])
    assert run.job == "etftrader.revise"
    assert run.inputs["changed"] == {"AAA": "2016-06-22"}
    # the day's own steps wait for its prices, which nobody fetched here; the books do not
    items = {each["item"].split()[0]: each["status"] for each in jobs.run_now(run).items}
    assert (items["actions"], items["bookings"]) == ("ok", "ok")
    again = JobRun.objects.get(job="portfolios.take_snapshots")
    assert jobs.run_now(again).status == "succeeded"
    newest = PortfolioSnapshot.objects.filter(portfolio=stage.book).order_by("-revision")[0]
    assert newest.nav == before + 300


def test_what_changed_nothing_is_followed_by_nothing(stage: Any) -> None:
    stage.api.post(API, GOOD.encode(), content_type="text/csv")
    runs = JobRun.objects.count()

    again = stage.api.post(API, GOOD.encode(), content_type="text/csv")

    assert (again.json()["status"], again.json()["job"]) == ("unchanged", None)
    assert JobRun.objects.count() == runs
