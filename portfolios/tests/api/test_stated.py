"""Corrections people make over the API: cash booked anew, positions stated as they are in truth.

Nothing is typed over: each is a booking with a reason, and no figure of the past or of the return
moves with it. Seeded faults: the old cash booking stays, a correction is booked twice, the units
are written into the row, a change comes without a price.
"""

from decimal import Decimal

import pytest

from etftrader.core.records import AuditEvent
from portfolios.models import CashTransaction, LedgerEntry, Portfolio, PortfolioSnapshot, Position
from portfolios.services import snapshots, verification
from portfolios.tests.api.test_book_keeping import Api, stage
from portfolios.tests.factories import (
    MONDAY,
    TUESDAY,
    make_closes,
    make_instrument,
    make_portfolio,
    make_user,
)

__all__ = ["stage"]
pytestmark = [pytest.mark.django_db, pytest.mark.urls("portfolios.tests.book_urls")]


def paid(api, book, amount="100", kind="deposit"):
    body = {"type": kind, "amount": amount}
    return api("post", f"/portfolios/{book.pk}/cash", body).json()


def cash(book):
    return Portfolio.objects.get(pk=book.pk).cash


def bookings(book):
    return LedgerEntry.objects.filter(portfolio=book, leg=1).count()


def position(book):
    return Position.objects.get(portfolio=book, instrument__symbol="AAA")


def figures(told, *names):
    wanted = names or ("quantity", "cost_basis", "realized_pnl")
    return tuple(Decimal(told[name]) for name in wanted)


def sound(book):
    return verification.verify(portfolio_id=book.pk) == []


@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_cash_booking_is_corrected_by_taking_it_back_and_booking_it_anew(stage, method):
    api, book, _ = stage
    row = paid(api, book)
    body = {"type": "deposit", "amount": "70", "reason": "a slip of the pen"}
    if method == "patch":
        del body["type"]

    made = api(method, f"/cash-transactions/{row['id']}", body)

    assert made.status_code == 200
    assert (made.json()["amount"], made.json()["reason"]) == ("70.00", "a slip of the pen")
    assert made.json()["id"] != row["id"]
    assert cash(book) == 9_070
    papers = CashTransaction.objects.filter(portfolio=book).order_by("ledger_seq")
    back = papers.get(reverses=row["id"])
    assert (back.amount, back.reason) == (-100, "a slip of the pen")
    again = api(method, f"/cash-transactions/{row['id']}", body)
    assert again.json() == made.json()
    other = api(method, f"/cash-transactions/{row['id']}", body | {"amount": "60"})
    assert (other.status_code, other.json()["code"]) == (409, "already_corrected")
    assert other.json()["id"] == made.json()["id"]
    assert (cash(book), papers.count()) == (9_070, 4)
    assert sound(book)


def test_a_correction_may_lean_on_its_own_cash_and_none_is_half_booked(stage):
    api, book, _ = stage
    out = paid(api, book, "9000", "withdrawal")
    first = CashTransaction.objects.filter(portfolio=book).order_by("ledger_seq")[0]

    more = api("patch", f"/cash-transactions/{first.pk}", {"amount": "10500"})
    less = api("patch", f"/cash-transactions/{out['id']}", {"amount": "9400"})
    before = bookings(book)
    refused = api("patch", f"/cash-transactions/{more.json()['id']}", {"amount": "10000"})

    assert (more.status_code, less.status_code, refused.status_code) == (200, 200, 409)
    assert refused.json()["code"] == "cash_spent"
    assert (cash(book), bookings(book)) == (100, before)
    assert sound(book)


def test_what_is_no_cash_of_its_own_is_not_corrected(stage):
    api, book, other = stage
    moved = {"to": str(other.pk), "type": "cash", "amount": "10"}
    api("post", f"/portfolios/{book.pk}/transfers", moved)
    rows = api("get", f"/portfolios/{book.pk}/cash").json()["results"]
    gone = paid(api, book)
    api("delete", f"/cash-transactions/{gone['id']}")
    back = CashTransaction.objects.get(reverses=gone["id"])

    def code(key):
        return api("patch", f"/cash-transactions/{key}", {"amount": "5"}).json()["code"]

    assert code(rows[0]["id"]) == "not_correctable"
    assert code(back.pk) == "not_correctable"
    assert code(gone["id"]) == "already_reversed"
    stranger = Api(make_user("else@example.com"))
    assert stranger("patch", f"/cash-transactions/{gone['id']}", {}).status_code == 404


def test_a_batch_of_corrections_is_booked_whole_or_not_at_all(stage):
    api, book, _ = stage
    one, two = paid(api, book, "100"), paid(api, book, "200")
    items = [{"id": one["id"], "amount": "1"}, {"id": two["id"], "amount": "0.001"}]

    whole = api("patch", "/cash-transactions/batch", items)
    part = api("patch", "/cash-transactions/batch?partial=true", items)

    assert whole.status_code == 400
    assert [each["status"] for each in part.json()["results"]] == [200, 400]
    assert cash(book) == 9_201
    assert sound(book)


def test_a_holding_is_brought_in_at_its_cost_and_no_cash_moves(stage):
    api, book, _ = stage
    make_closes(make_instrument("CCC"), {MONDAY: 10, TUESDAY: 12})
    snapshots.take(portfolio_ids=[book.pk], session_date=MONDAY)
    body = {"symbol": "CCC", "quantity": "5", "entry_price": "8", "entry_date": str(MONDAY)}

    made = api("post", f"/portfolios/{book.pk}/positions", body)
    twice = api("post", "/positions", body | {"portfolio": str(book.pk)})

    assert made.status_code == 201
    told = made.json()
    assert figures(told, "quantity", "cost_basis") == (5, 40)
    assert told["opened_on"] == str(MONDAY)
    assert (twice.status_code, twice.json()["code"]) == (409, "already_held")
    assert cash(book) == 9_000
    row = PortfolioSnapshot.objects.get(portfolio=book)
    assert (row.nav, row.flows, row.ledger_seq) == (10_050, 10_040, 3)
    assert AuditEvent.objects.filter(action="position.opening").count() == 1
    assert sound(book)


@pytest.mark.parametrize(
    ("change", "attr"),
    [
        ({"quantity": "1.5"}, "quantity"),
        ({"quantity": "0"}, "amount"),
        ({"entry_date": "2016-06-25"}, "entry_date"),
        ({"entry_date": "2016-06-22"}, "entry_date"),
        ({"symbol": "NOPE"}, "symbol"),
        ({"entry_price": "0"}, "entry_price"),
    ],
)
def test_what_cannot_be_brought_in_says_which_field(stage, change, attr):
    api, book, _ = stage
    make_instrument("CCC")
    body = {"symbol": "CCC", "quantity": "5", "entry_price": "8"} | change

    answer = api("post", f"/portfolios/{book.pk}/positions", body)

    assert answer.status_code in (400, 404)
    assert attr in {each["attr"] for each in answer.json()["errors"]}
    assert not Position.objects.filter(instrument__symbol="CCC").exists()


@pytest.mark.parametrize(
    ("quantity", "cost", "realized", "kind"),
    [("14", 1520, 0, "opening"), ("4", 400, 180, "transfer")],
)
def test_units_are_corrected_by_a_booking_at_the_price_of_the_moment(
    stage, quantity, cost, realized, kind
):
    api, book, _ = stage
    snapshots.take(portfolio_ids=[book.pk], session_date=MONDAY)
    snapshots.take(portfolio_ids=[book.pk], session_date=TUESDAY)
    key, read = position(book).pk, api("get", f"/positions/{position(book).pk}")
    body = {"quantity": quantity, "reason": "counted"}

    known = api("get", f"/positions/{key}", HTTP_IF_NONE_MATCH=read["ETag"])
    made = api("put", f"/positions/{key}", body, HTTP_IF_MATCH=read["ETag"])
    stale = api("put", f"/positions/{key}", body | {"quantity": "1"}, HTTP_IF_MATCH=read["ETag"])
    again = api("patch", f"/positions/{key}", body)

    told = made.json()
    assert figures(told) == (Decimal(quantity), cost, realized)
    assert (known.status_code, stale.status_code, again.status_code) == (304, 412, 200)
    assert again.json() == told
    entry = LedgerEntry.objects.filter(portfolio=book).order_by("-seq", "leg")[0]
    assert (entry.kind, entry.reason, entry.session_date) == (kind, "counted", TUESDAY)
    row = PortfolioSnapshot.objects.get(portfolio=book, session_date=TUESDAY)
    assert (row.daily_pnl, row.cumulative_pnl) == (300, 300)  # as without it: no gain is made
    assert row.flows == (Decimal(quantity) - 10) * 130
    assert (cash(book), row.identity_gap) == (9_000, 0)
    assert AuditEvent.objects.filter(action="position.adjusted").count() == 1
    assert sound(book)


def test_a_position_is_taken_out_and_stays_with_its_history(stage):
    api, book, _ = stage
    key = position(book).pk

    gone = [api("delete", f"/positions/{key}", {"reason": "sold elsewhere"}) for _ in range(2)]

    assert [each.status_code for each in gone] == [200, 200]
    assert gone[0].json() == gone[1].json()
    assert figures(gone[0].json()) == (0, 0, 300)
    assert bookings(book) == 3
    assert cash(book) == 9_000
    assert sound(book)
    back = api("patch", f"/positions/{key}", {"quantity": "2", "price": "90", "reason": "kept"})
    assert figures(back.json()) == (2, 180, 300)


def test_what_a_position_cannot_become_is_refused_and_nothing_is_booked(stage):
    api, book, _ = stage
    fund = make_instrument("DDD")  # without any price
    body = {"symbol": "DDD", "quantity": "-5", "entry_price": "8", "portfolio": str(book.pk)}
    short = api("post", "/positions", body).json()
    before = bookings(book)

    def put(key, **body):
        answer = api("put", f"/positions/{key}", {"reason": "counted"} | body)
        return answer.status_code, answer.json()["code"]

    held = position(book).pk
    assert put(held, quantity="-1") == (409, "opposite_holding")
    assert put(held, quantity="2.5") == (400, "validation_error")
    assert put(held, quantity="3", reason=" ") == (400, "validation_error")
    assert put(short["id"], quantity="-6", price="8") == (409, "short_not_allowed")
    assert put(short["id"], quantity="-4") == (409, "no_price")
    assert put(short["id"], quantity="-4", price="-1") == (400, "validation_error")
    assert bookings(book) == before
    assert Position.objects.get(instrument=fund).quantity == -5
    stranger = Api(make_user("else@example.com"))
    for method, sent in (("put", {"quantity": "1", "reason": "x"}), ("delete", {})):
        assert stranger(method, f"/positions/{held}", sent).status_code == 404
    foreign = stranger("post", "/positions", body)
    assert (foreign.status_code, foreign.json()["errors"][0]["attr"]) == (400, "portfolio")


def test_a_batch_of_positions_is_stated_whole_or_not_at_all(stage):
    api, book, other = stage
    make_closes(make_instrument("CCC"), {MONDAY: 10, TUESDAY: 12})
    new = {"symbol": "CCC", "quantity": "5", "entry_price": "8"}
    both = [new | {"portfolio": str(each.pk)} for each in (book, other)]

    made = api("post", "/positions/batch", both)
    bad = api("patch", "/positions/batch", [
        {"id": made.json()[0]["id"], "quantity": "6", "reason": "counted"},
        {"id": made.json()[1]["id"], "quantity": "6.5", "reason": "counted"},
    ])  # fmt: skip
    gone = api("delete", "/positions/batch", [made.json()[1]["id"]])

    assert (made.status_code, bad.status_code, gone.status_code) == (201, 400, 200)
    rows = Position.objects.filter(instrument__symbol="CCC").order_by("portfolio__name")
    assert [row.quantity for row in rows] == [5, 0]
    assert sound(book)
    assert sound(other)


def test_a_key_repeats_the_answer_and_not_the_holding(stage):
    api, _, _ = stage
    body = {"symbol": "AAA", "quantity": "5", "entry_price": "8"}
    path = f"/portfolios/{make_portfolio(owner=make_user(), name='Third').pk}/positions"

    first, again = (api("post", path, body, HTTP_IDEMPOTENCY_KEY="a-good-key-1") for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again["Idempotent-Replayed"] == "true"
