"""REST of the books: portfolios, cash, positions, snapshots, performance, files."""

import uuid
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from etftrader.core.records import JobRun
from portfolios.models import (
    CashTransaction,
    LedgerEntry,
    Membership,
    Portfolio,
    PortfolioSnapshot,
)
from portfolios.services import snapshots, verification
from portfolios.tests.factories import (
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    fill,
    make_clock,
    make_closes,
    make_instrument,
    make_portfolio,
    make_user,
)

pytestmark = [pytest.mark.django_db, pytest.mark.urls("portfolios.tests.book_urls")]
V1 = "/api/v1"
FILE = "ticker,quantity,entry_price,entry_date\nAAA,10,90,2016-06-20\n"


def client_of(user) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture(autouse=True)
def unlimited(settings):
    settings.RATE_LIMITS = {name: (100_000, 1) for name in settings.RATE_LIMITS}


@pytest.fixture
def book():
    """1,000 in cash, 5 AAA bought at 100 on Monday; closes 100, 110, 99; snapshots of all three."""
    make_clock(WEDNESDAY)
    fund = make_instrument("AAA", sector="Tech")
    make_closes(fund, {MONDAY: 100, TUESDAY: 110, WEDNESDAY: 99})
    portfolio = make_portfolio(cash=1000)
    fill(portfolio, fund, 5, 100)
    snapshots.take_range(portfolio_ids=[portfolio.pk], sessions=[MONDAY, TUESDAY, WEDNESDAY])
    return Portfolio.objects.get(pk=portfolio.pk)


@pytest.fixture
def owner(book):
    return client_of(make_user())


def at(portfolio, tail="") -> str:
    return f"{V1}/portfolios/{portfolio.pk}{tail}"


READS = (
    "", "/summary", "/exposures", "/performance", "/history", "/data-quality", "/positions",
    "/cash", "/snapshots", "/imports",
)  # fmt: skip


@pytest.mark.parametrize("tail", READS)
def test_a_strangers_portfolio_is_not_there_and_nobody_reads_unknown(book, tail):
    stranger = client_of(make_user("stranger@example.com"))

    assert client_of(make_user()).get(at(book, tail)).status_code == 200
    assert stranger.get(at(book, tail)).status_code == 404
    assert APIClient().get(at(book, tail)).status_code == 401
    assert stranger.get(f"{V1}/portfolios/{uuid.uuid4()}{tail}").status_code == 404


@pytest.mark.parametrize("tail", READS)
def test_both_forms_of_an_address_answer_and_unknown_parameters_are_refused(book, owner, tail):
    assert owner.get(at(book, tail) + "/").status_code == 200
    answer = owner.get(at(book, tail) + "?colour=red")
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_parameter")


def test_a_viewer_reads_and_does_not_write(book):
    viewer = make_user("viewer@example.com")
    Membership.objects.create(portfolio=book, user=viewer, role="viewer")
    client = client_of(viewer)

    assert client.get(at(book, "/summary")).status_code == 200
    body = {"type": "deposit", "amount": "5"}
    assert client.post(at(book, "/cash"), body).status_code == 403
    assert client.post(at(book, "/halt"), {}).status_code == 403
    assert client.patch(at(book), {"name": "X"}, HTTP_IF_MATCH="*").status_code == 403
    assert client.delete(at(book)).status_code == 403
    upload = client.post(at(book, "/upload"), {"content": FILE}, format="json")
    assert upload.status_code == 403
    assert CashTransaction.objects.count() == 1


def test_a_portfolio_is_made_once_per_key(owner):
    body = {"name": "Second"}
    first = owner.post(f"{V1}/portfolios", body, HTTP_IDEMPOTENCY_KEY="make-second-1")
    again = owner.post(f"{V1}/portfolios", body, HTTP_IDEMPOTENCY_KEY="make-second-1")

    assert first.status_code == again.status_code == 201
    assert again.json()["id"] == first.json()["id"]
    assert again["Idempotent-Replayed"] == "true"
    assert first["Location"] == first.json()["url"]
    assert Portfolio.objects.count() == 2


@pytest.mark.parametrize(
    ("body", "attr"),
    [
        ({}, "name"),
        ({"name": "Book"}, "name"),
        ({"name": "B", "base_currency": "EUR"}, "base_currency"),
        ({"name": "B", "colour": "red"}, "colour"),
    ],
)
def test_a_portfolio_that_cannot_be_made_names_the_field(owner, body, attr):
    answer = owner.post(f"{V1}/portfolios", body)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"] == attr
    assert Portfolio.objects.count() == 1


def test_a_change_needs_the_version_it_was_thought_out_on(book, owner):
    tag = owner.get(at(book))["ETag"]

    assert owner.patch(at(book), {"name": "New"}).status_code == 428
    assert owner.patch(at(book), {"name": "New"}, HTTP_IF_MATCH='"v999"').status_code == 412
    changed = owner.patch(at(book), {"name": "New"}, HTTP_IF_MATCH=tag)
    assert changed.json()["role"] == owner.get(at(book)).json()["role"] == "owner"

    assert (changed.status_code, changed.json()["name"]) == (200, "New")
    assert changed["ETag"] != tag
    assert owner.get(at(book), HTTP_IF_NONE_MATCH=changed["ETag"]).status_code == 304


def test_a_tag_of_a_portfolio_is_of_its_value_too():
    make_clock(WEDNESDAY)
    make_closes(make_instrument("AAA"), {MONDAY: 100, TUESDAY: 110, WEDNESDAY: 99})
    book = make_portfolio(cash=1000)
    fill(book, make_instrument("AAA"), 5, 100)
    snapshots.take_range(portfolio_ids=[book.pk], sessions=[MONDAY, TUESDAY])
    owner = client_of(make_user())
    first = owner.get(at(book))
    assert (first.json()["nav"], first.json()["nav_session_date"]) == ("1050.00", "2016-06-21")

    snapshots.take_range(portfolio_ids=[book.pk], sessions=[WEDNESDAY])
    later = owner.get(at(book), HTTP_IF_NONE_MATCH=first["ETag"])

    assert later.status_code == 200
    assert (later.json()["nav"], later.json()["nav_session_date"]) == ("995.00", "2016-06-22")
    assert later.json()["version"] == first.json()["version"]  # of what people change
    same = owner.get(at(book), HTTP_IF_NONE_MATCH=later["ETag"])
    assert (same.status_code, same["ETag"], same.content) == (304, later["ETag"], b"")
    changed = owner.patch(at(book), {"name": "New"}, HTTP_IF_MATCH=first["ETag"])
    assert (changed.status_code, changed["ETag"]) == (200, owner.get(at(book))["ETag"])
    late = owner.patch(at(book), {"name": "Newer"}, HTTP_IF_MATCH=later["ETag"])
    assert (late.status_code, late.json()["current"]) == (412, changed["ETag"])
    assert late.json()["object"] == changed.json()


def test_deleting_closes_and_keeps_the_books(book, owner):
    fill(book, make_instrument(), -book.positions.get().quantity, 100, session_date=WEDNESDAY)

    answer = owner.delete(at(book))

    assert (answer.status_code, answer.json()["status"]) == (200, "closed")
    assert LedgerEntry.objects.filter(portfolio=book).exists()
    refused = owner.post(at(book, "/cash"), {"type": "deposit", "amount": "5"})
    assert (refused.status_code, refused.json()["code"]) == (409, "portfolio_closed")
    assert owner.get(f"{V1}/portfolios").json()["count"] == 0
    assert owner.get(f"{V1}/portfolios?closed=true").json()["count"] == 1


def test_halt_and_resume(book, owner):
    halted = owner.post(at(book, "/halt"), {"reason": "look"}).json()
    assert halted == owner.get(at(book)).json()
    assert (halted["state"], halted["nav"], halted["reasons"]) == ("halted", "995.00", {})
    resumed = owner.post(at(book, "/resume"), {}).json()
    assert resumed == owner.get(at(book)).json()
    assert (resumed["state"], resumed["nav_session_date"]) == ("active", WEDNESDAY.isoformat())


@pytest.mark.parametrize("tail", ["", "/halt", "/resume"])
def test_a_book_that_was_never_valued_says_why_it_has_no_value(book, owner, tail):
    PortfolioSnapshot.objects.all().delete()

    answer = owner.post(at(book, tail), {}) if tail else owner.get(at(book))

    assert (answer.json()["nav"], answer.json()["reasons"]) == (None, {"nav": "no_snapshots"})


def test_the_summary_has_the_outer_shape_and_the_figures_by_hand(book, owner):
    # 500 in cash + 5 x 99; yesterday 500 + 5 x 110
    document = owner.get(at(book, "/summary")).json()

    assert set(document) == {"portfolio", "as_of", "currency", "data", "meta"}
    assert document["as_of"] == "2016-06-22T20:00:00.000Z"
    data = document["data"]
    assert (data["nav"], data["cash"], data["day_pnl"]) == ("995.00", "500.00", "-55.00")
    assert data["day_return"] == pytest.approx(-55 / 1050)
    meta = document["meta"]
    assert (meta["quality"], meta["coverage"], meta["excluded"]) == ("full", 1.0, [])


def test_as_of_gives_the_past_close(book, owner):
    data = owner.get(at(book, "/summary?as_of=2016-06-21")).json()["data"]

    assert (data["session_date"], data["nav"], data["day_pnl"]) == (
        "2016-06-21",
        "1050.00",
        "50.00",
    )
    [line] = owner.get(at(book, "/positions?as_of=2016-06-20")).json()["results"]
    assert (line["price"], line["exposure"]) == ("100.00", "500.00")


@pytest.mark.parametrize("text", ["2016-06-23", "yesterday", "20160621", "2016-02-30"])
def test_as_of_after_the_market_clock_or_malformed_is_refused(book, owner, text):
    answer = owner.get(at(book, f"/exposures?as_of={text}"))

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"] == "as_of"


def test_before_the_first_snapshot_there_is_not_enough_data(book, owner):
    answer = owner.get(at(book, "/summary?as_of=2016-06-17"))

    assert (answer.status_code, answer.json()["code"]) == (422, "insufficient_data")


def test_exposures_by_hand(book, owner):
    data = owner.get(at(book, "/exposures")).json()["data"]

    assert (data["long_exposure"], data["short_exposure"]) == ("495.00", "0.00")
    assert data["leverage"] == pytest.approx(495 / 995)
    assert (data["hhi"], data["effective_positions"]) == (1.0, 1.0)
    assert data["by_sector"][0]["sector"] == "Tech"


def test_positions_show_cost_value_and_gain(book, owner):
    [line] = owner.get(at(book, "/positions")).json()["results"]

    assert (line["symbol"], line["type"], line["quantity"]) == ("AAA", "LONG", "5.00")
    assert (line["average_cost"], line["price"]) == ("100.00", "99.00")
    assert (line["unrealized_pnl"], line["day_pnl"]) == ("-5.00", "-55.00")
    assert line["weight"] == pytest.approx(495 / 995)
    one = owner.get(line["url"])
    assert (one.status_code, one.json()["realized_pnl"]) == (200, "0.00")
    stranger = client_of(make_user("stranger@example.com"))
    assert stranger.get(line["url"]).status_code == 404
    assert stranger.get(f"{V1}/positions").json()["count"] == 0
    assert owner.get(f"{V1}/positions").json()["count"] == 1


def test_performance_of_three_days_says_what_is_missing(book, owner):
    document = owner.get(at(book, "/performance")).json()

    data = document["data"]
    assert data["cumulative_return"] == pytest.approx(-0.005)
    assert (data["sharpe"], data["annual_volatility"]) == (None, None)
    assert data["reason"] == "insufficient_history"
    assert [point["nav"] for point in data["series"]] == ["1000.00", "1050.00", "995.00"]


def test_a_deposit_is_booked_once_and_a_twin_is_suspicious(book, owner):
    body = {"type": "deposit", "amount": "200.50", "reason": "savings"}
    first = owner.post(at(book, "/cash"), body, HTTP_IDEMPOTENCY_KEY="deposit-0001")
    again = owner.post(at(book, "/cash"), body, HTTP_IDEMPOTENCY_KEY="deposit-0001")
    other = {"type": "deposit", "amount": "7"}
    without = owner.post(at(book, "/cash"), other)
    twin = owner.post(at(book, "/cash"), other)
    confirmed = owner.post(at(book, "/cash"), {**other, "confirm_duplicate": True})

    assert (first.status_code, again.json()) == (201, first.json())
    assert first.json()["session_date"] == "2016-06-22"
    assert (without.status_code, twin.status_code) == (201, 409)
    assert twin.json()["code"] == "duplicate_suspected"
    assert confirmed.status_code == 201
    assert Portfolio.objects.get(pk=book.pk).cash == Decimal("714.50")
    row = PortfolioSnapshot.objects.get(portfolio=book, session_date=WEDNESDAY)
    assert (row.nav, row.daily_pnl) == (Decimal("1209.50"), -55)
    assert verification.verify(portfolio_id=book.pk) == []


@pytest.mark.parametrize(
    ("body", "attr"),
    [
        ({"type": "deposit", "amount": "0"}, "amount"),
        ({"type": "deposit", "amount": "-5"}, "amount"),
        ({"type": "deposit", "amount": "1.001"}, "amount"),
        ({"type": "deposit", "amount": "1e3"}, "amount"),
        ({"type": "gift", "amount": "1"}, "type"),
        ({"type": "deposit", "amount": "1", "currency": "EUR"}, "currency"),
        ({"amount": "1"}, "type"),
    ],
)
def test_cash_that_cannot_be_booked_names_the_field(book, owner, body, attr):
    answer = owner.post(at(book, "/cash"), body)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"] == attr
    assert CashTransaction.objects.count() == 1


def test_a_withdrawal_beyond_the_cash_is_refused_with_the_figures(book, owner):
    answer = owner.post(at(book, "/cash"), {"type": "withdrawal", "amount": "500.01"})

    assert answer.status_code == 422
    assert (answer.json()["reason"], answer.json()["cash"]) == ("INSUFFICIENT_CASH", "500.00")


def test_a_cash_booking_can_be_taken_back(book, owner):
    paper = owner.post(at(book, "/cash"), {"type": "deposit", "amount": "5"}).json()

    back = owner.post(f"{paper['url']}/reverse", {"reason": "typing error"})

    assert (back.status_code, back.json()["amount"]) == (201, "-5.00")
    assert back.json()["reverses"] == paper["id"]
    assert owner.get(paper["url"]).json()["reversed_by"] == back.json()["id"]


def test_a_snapshot_is_taken_again_by_a_job(book, owner):
    answer = owner.post(at(book, "/snapshots"), {"session_date": "2016-06-21"})

    assert answer.status_code == 202
    run = JobRun.objects.get(pk=answer.json()["id"])
    assert (run.job, run.portfolio_ids) == ("portfolios.take_snapshots", [str(book.pk)])
    late = owner.post(at(book, "/snapshots"), {"session_date": "2016-06-23"})
    assert late.status_code == 400


def test_snapshots_come_newest_first_and_never_from_the_future(book, owner):
    days = [each["session_date"] for each in owner.get(at(book, "/snapshots")).json()["results"]]
    past = owner.get(at(book, "/snapshots?as_of=2016-06-20")).json()["results"]

    assert days == ["2016-06-22", "2016-06-21", "2016-06-20"]
    assert [each["session_date"] for each in past] == ["2016-06-20"]


def test_a_clean_upload_is_booked_in_one_call(book, owner):
    file = SimpleUploadedFile("mine.csv", FILE.encode(), "text/csv")

    answer = owner.post(at(book, "/upload"), {"file": file}, format="multipart")

    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert (body["status"], body["created"], body["updated"]) == ("committed", 0, 1)
    again = SimpleUploadedFile("mine.csv", FILE.encode(), "text/csv")
    second = owner.post(at(book, "/upload"), {"file": again}, format="multipart")
    assert (second.status_code, second.json()["skipped"]) == (201, 1)


def test_an_upload_with_bad_rows_is_only_checked(book, owner):
    text = FILE + "ZZZ,1,1,2016-06-20\n"

    answer = owner.post(at(book, "/upload"), {"content": text}, format="json")

    body = answer.json()
    assert (answer.status_code, body["status"], body["bad_rows"]) == (200, "checked", 1)
    assert body["errors"][0]["messages"][0]["code"] == "unknown_symbol"
    rows = owner.get(f"{body['rows_url']}?verdict=error").json()
    assert rows["count"] == 1
    refused = owner.post(body["commit_url"], {})
    assert (refused.status_code, refused.json()["code"]) == (409, "import_has_errors")
    done = owner.post(f"{body['commit_url']}?partial=true", {}, HTTP_IDEMPOTENCY_KEY="commit-01")
    assert (done.status_code, done.json()["updated"]) == (200, 1)
    errors = owner.get(body["errors_url"])
    assert errors["Content-Type"].startswith("text/csv")
    assert b"error_field,error_message" in errors.content
    stranger = client_of(make_user("stranger@example.com"))
    for url in (body["url"], body["rows_url"], body["errors_url"]):
        assert stranger.get(url).status_code == 404
    assert stranger.post(body["commit_url"], {}).status_code == 404


def test_partial_uploads_book_the_good_rows(book, owner):
    text = FILE + "ZZZ,1,1,2016-06-20\n"

    answer = owner.post(at(book, "/upload?partial=true"), {"content": text}, format="json")

    assert (answer.status_code, answer.json()["status"]) == (201, "committed")


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ({}, 400, "validation_error"),
        ({"content": ""}, 400, "validation_error"),
        ({"content": "a,b\n1,2\n"}, 400, "validation_error"),
        ({"content": FILE, "kind": "loans"}, 400, "validation_error"),
        ({"content": FILE, "kind": "trades"}, 400, "validation_error"),
        ({"content": FILE, "kind": "prices"}, 403, "prices_are_shared"),
        ({"content": FILE, "encoding": "latin-9"}, 400, "validation_error"),
    ],
)
def test_files_that_cannot_be_read_are_a_400_that_says_why(book, owner, given, status, code):
    answer = owner.post(f"{V1}/imports", given, format="json")

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content


def test_only_csv_files_of_ten_megabytes_are_taken(book, owner):
    exe = SimpleUploadedFile("mine.exe", FILE.encode())
    big = SimpleUploadedFile("mine.csv", b"x" * 10_200_000)

    assert owner.post(at(book, "/imports"), {"file": exe}, format="multipart").status_code == 400
    answer = owner.post(at(book, "/imports"), {"file": big}, format="multipart")
    assert answer.status_code == 413


def test_a_long_file_is_booked_by_a_job(book, owner):
    first = date(2014, 1, 2)
    days = [first + timedelta(days=number) for number in range(601)]
    rows = "".join(f"AAA,{number},90,{day}\n" for number, day in enumerate(days, start=1))

    answer = owner.post(
        at(book, "/upload"),
        {"content": "ticker,quantity,entry_price,entry_date\n" + rows},
        format="json",
    )

    assert answer.status_code == 202
    assert JobRun.objects.filter(job="portfolios.commit_import").count() == 1
    assert Portfolio.objects.get(pk=book.pk).ledger_seq == 2


def test_the_default_portfolio_has_short_addresses(book, owner):
    document = owner.get(f"{V1}/portfolio").json()

    assert document["data"]["nav"] == "995.00"
    assert document["data"]["holdings"][0]["symbol"] == "AAA"
    assert owner.get(f"{V1}/portfolio/exposures").status_code == 200
    assert owner.get(f"{V1}/portfolio/performance").status_code == 200
    nobody = client_of(make_user("empty@example.com"))
    assert nobody.get(f"{V1}/portfolio").status_code == 404


def test_accounts_are_those_of_the_caller(book, owner):
    [mine] = owner.get(f"{V1}/accounts").json()["results"]

    assert owner.get(mine["url"]).status_code == 200
    assert client_of(make_user("stranger@example.com")).get(mine["url"]).status_code == 404


@pytest.mark.parametrize(
    ("tail", "most"), [("/positions", 16), ("/summary", 16), ("/snapshots", 8), ("/cash", 8)]
)
def test_lists_cost_few_queries(book, owner, django_assert_max_num_queries, tail, most):
    for number in range(12):
        fund = make_instrument(f"F{number}")
        make_closes(fund, {MONDAY: 1, WEDNESDAY: 1})
        fill(book, fund, 1, 1, session_date=WEDNESDAY)

    with django_assert_max_num_queries(most):
        assert owner.get(at(book, tail)).status_code == 200
