"""A file somebody sends: a verdict for every row, all or nothing, the same file again nothing.

Seeded faults it must catch: rows kept though one is refused, a check that writes, a repeat that
leaves a line, a file of a source that takes over what is somebody's own.
"""

import gzip
import threading
import uuid
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from etftrader.core.actor import system
from etftrader.core.records import AuditEvent
from marketdata.models import (
    CorporateAction,
    DailyBar,
    Instrument,
    InstrumentAlias,
    PriceSeries,
    QuarantinedPrice,
    TreasuryYield,
)
from marketdata.selectors import calendar
from marketdata.services import price_gate, price_upload
from marketdata.services.price_upload import FileUnread, RowsRefused, Uploaded

pytestmark = pytest.mark.django_db
BY = system("tests")
DAY = date(2020, 6, 30)
HEAD = "date,symbol,close\n"
GOOD = HEAD + "2020-06-26,SPY,300\n2020-06-29,SPY,304\n2020-06-30,SPY,308.36\n"
MAX_PACKED = 1_000_000
NOTHING = {"stored": 0, "unchanged": 0, "held": 0, "left_out": 0, "refused": 0}


@pytest.fixture
def spy() -> Instrument:
    return make("SPY")


def make(symbol: str, **facts: Any) -> Instrument:
    given = {"name": symbol, "kind": "etf", "price_basis": "close"} | facts
    return Instrument.objects.create(symbol=symbol, **given)


def send(text: str | bytes, name: str = "prices.csv", kind: str = "", **how: Any) -> Uploaded:
    data = text if isinstance(text, bytes) else text.encode()
    symbol = how.pop("symbol", "")
    sent = price_upload.read(data=data, file_name=name, until=DAY, kind=kind, symbol=symbol)
    return price_upload.upload(sent=sent, until=DAY, by=BY, **how)


def tables() -> dict[str, list[Any]]:
    """Everything a file can change."""
    models = (
        DailyBar, PriceSeries, QuarantinedPrice, TreasuryYield, CorporateAction, Instrument,
        AuditEvent,
    )  # fmt: skip
    return {
        model.__name__: sorted(map(str, model.objects.values_list(*_fields(model))))
        for model in models
    }


def _fields(model: Any) -> list[str]:
    return [each.attname for each in model._meta.concrete_fields]


def verdict(told: Uploaded, line: int) -> tuple[str, str, str]:
    [found] = [each for each in told.verdicts if each.line == line]
    return found.verdict, found.column, found.code


def test_a_good_file_is_stored_with_one_line_in_the_audit(spy: Instrument) -> None:
    told = send(GOOD)

    assert told.status == "stored"
    assert told.counts == NOTHING | {"stored": 3}
    assert told.changed == {"SPY": date(2020, 6, 26)}
    closes = DailyBar.objects.order_by("session_date").values_list("close", flat=True)
    assert list(closes) == [Decimal(300), Decimal(304), Decimal("308.36")]
    assert PriceSeries.objects.get(instrument=spy).last_session == DAY
    line = AuditEvent.objects.get()
    assert (line.action, line.object_type) == ("bars.imported", "price_file")
    assert line.after["file_name"] == "prices.csv"
    assert (line.after["symbols"], line.after["start"]) == (["SPY"], "2020-06-26")


def test_the_same_file_again_writes_nothing_and_says_so(spy: Instrument) -> None:
    send(HEAD + "2020-06-26,SPY,300\n2020-06-29,SPY,30000\n2020-06-30,SPY,301\n")
    before = tables()

    told = send(HEAD + "2020-06-26,SPY,300\n2020-06-29,SPY,30000\n2020-06-30,SPY,301\n")

    assert told.status == "unchanged"
    assert told.counts == NOTHING | {"unchanged": 2, "held": 1}
    assert tables() == before


def test_a_corrected_row_is_stored_and_the_others_are_unchanged(spy: Instrument) -> None:
    send(GOOD)

    told = send(GOOD.replace("308.36", "308.4"))

    assert told.counts == NOTHING | {"stored": 1, "unchanged": 2}
    assert told.changed == {"SPY": DAY}
    assert DailyBar.objects.get(session_date=DAY).revision == 1


def test_a_price_a_hundred_times_too_high_waits_and_the_rest_is_stored(spy: Instrument) -> None:
    told = send(GOOD.replace("304", "30400"))

    assert told.counts == NOTHING | {"stored": 2, "held": 1}
    assert verdict(told, 3) == ("held", "close", "magnitude")
    doubt = QuarantinedPrice.objects.get()
    assert (doubt.state, doubt.value, doubt.session_date) == ("held", "30400.0", date(2020, 6, 29))
    assert not DailyBar.objects.filter(close__gt=1000).exists()


def test_what_a_person_rejected_is_left_out_and_is_no_error(spy: Instrument) -> None:
    send(GOOD.replace("304", "30400"))
    price_gate.reject(doubt_id=QuarantinedPrice.objects.get().pk, by=BY)

    told = send(GOOD.replace("304", "30400"))

    assert told.status == "unchanged"
    assert verdict(told, 3) == ("left_out", "close", "rejected_before")


BAD = (
    HEAD + "2020-06-26,SPY,300\n2020-06-29,SPY,plenty\n30.06.2020,SPY,301\n"
    "2020-06-28,SPY,300\n2020-07-01,SPY,300\n2020-06-30,SPY,-5\n2020-06-26,SPY,300\n"
)


def test_one_bad_row_refuses_the_file_and_every_bad_row_has_its_way_out(spy: Instrument) -> None:
    before = tables()

    with pytest.raises(RowsRefused) as refused:
        send(BAD)

    assert tables() == before
    assert refused.value.status == 422
    assert "6 of 7 rows" in refused.value.detail
    errors = refused.value.figures["errors"]
    assert sorted((each["attr"], each["code"]) for each in errors) == [
        ("3.close", "bad_number"),
        ("4.date", "bad_date"),
        ("5.date", "not_a_session"),
        ("6.date", "future_date"),
        ("7.close", "not_positive"),
        ("8.date", "duplicate"),
    ]
    assert all(each["detail"].count(". ") == 1 for each in errors)


def test_the_good_rows_alone_when_they_are_wanted(spy: Instrument) -> None:
    told = send(BAD, partial=True)

    assert told.status == "stored"
    assert told.counts == NOTHING | {"stored": 1, "refused": 6}
    assert DailyBar.objects.get().close == Decimal(300)


@pytest.mark.parametrize("text", [GOOD, BAD, GOOD.replace("304", "30400")])
def test_a_check_says_what_would_be_and_writes_nothing(spy: Instrument, text: str) -> None:
    before = tables()
    told = send(text, check=True)
    assert told.status == "checked"
    assert tables() == before

    counts = send(text, partial=True).counts

    assert counts == told.counts


def test_an_unknown_symbol_is_refused_with_what_is_like_it_or_added(spy: Instrument) -> None:
    text = HEAD + "2020-06-29,SPYY,300\n2020-06-30,SPYY,301\n2020-06-30,SPY,301\n"
    with pytest.raises(RowsRefused) as refused:
        send(text)
    [error] = refused.value.figures["errors"]
    assert (error["attr"], error["code"]) == ("2.symbol", "unknown_symbol")
    assert "SPYY is not known, known are SPY; 2 rows have it" in error["detail"]
    assert "add_symbols" in error["detail"]
    assert refused.value.figures["counts"] == NOTHING | {"stored": 1, "refused": 2}
    assert not Instrument.objects.filter(symbol="SPYY").exists()

    told = send(text, add_symbols=True)

    assert (told.created, told.counts["stored"]) == (["SPYY"], 3)
    assert DailyBar.objects.filter(instrument__symbol="SPYY").count() == 2


def test_what_somebody_values_by_hand_stays_theirs() -> None:
    owner = get_user_model().objects.create_user(email="owner@example.com", password="x" * 12)
    mine = make("MINE", kind="private_fund", pricing="manual", owner_id=owner.pk)

    with pytest.raises(RowsRefused) as refused:
        send(HEAD + "2020-06-30,MINE,5\n", add_symbols=True)

    assert refused.value.figures["errors"][0]["code"] == "symbol_reserved"
    mine.refresh_from_db()
    assert (mine.kind, mine.owner_id) == ("private_fund", owner.pk)
    assert not DailyBar.objects.exists()


def test_of_somebodys_own_symbol_a_file_learns_no_more_than_of_one_nobody_can_add() -> None:
    owner = get_user_model().objects.create_user(email="owner@example.com", password="x" * 12)
    make("Mine", kind="private_fund", pricing="manual", owner_id=owner.pk)
    option, free = "SPY200918C00300000", "FREE"

    def said(symbol: str, **how: Any) -> list[str]:
        with pytest.raises(RowsRefused) as refused:
            send(HEAD + f"2020-06-29,{symbol},5\n2020-06-30,{symbol},5\n", **how)
        [error] = refused.value.figures["errors"]
        return [each.replace(symbol, "X") for each in error.values()]

    assert said("MINE") == said(free)
    told = said("MINE", add_symbols=True)
    assert told == said(option, add_symbols=True)
    assert told == [
        "2.symbol",
        "symbol_reserved",
        "Line 2, symbol: X is not known, and no file can add it; 2 rows have it. "
        "Use another symbol, or leave its rows out.",
    ]
    assert not Instrument.objects.filter(symbol=option).exists()


@pytest.mark.parametrize("facts", [{"kind": "option"}, {"pricing": "manual"}])
def test_what_has_no_closes_is_given_none(facts: dict[str, str]) -> None:
    make("ODD", **facts)

    with pytest.raises(RowsRefused) as refused:
        send(HEAD + "2020-06-30,ODD,5\n")

    assert refused.value.figures["errors"][0]["code"] == "no_closes"


def test_an_old_symbol_is_its_instrument_and_both_at_once_are_refused() -> None:
    meta = make("META", kind="stock")
    InstrumentAlias.objects.create(alias="FB", instrument=meta)

    told = send(HEAD + "2020-06-30,FB,227\n")

    assert told.changed == {"META": DAY}
    assert DailyBar.objects.get().instrument == meta

    with pytest.raises(RowsRefused) as refused:
        send(HEAD + "2020-06-29,FB,220\n2020-06-29,META,220\n")
    assert refused.value.figures["errors"][0]["code"] == "same_instrument"


def test_a_split_explains_the_fall_and_the_books_are_told_since_when(spy: Instrument) -> None:
    head = "date,symbol,close,split,dividend\n"

    told = send(head + "2020-06-29,SPY,400,,\n2020-06-30,SPY,100,4,0.5\n")

    assert (told.recorded, told.counts) == (2, NOTHING | {"stored": 2})
    assert CorporateAction.objects.get(kind="split").ratio == 4
    again = send(head + "2020-06-29,SPY,400,,\n2020-06-30,SPY,100,4,0.5\n")
    assert (again.status, again.recorded) == ("unchanged", 0)


def test_a_dividend_alone_tells_since_when_its_books_differ(spy: Instrument) -> None:
    make("QQQ")
    head = "date,symbol,close,dividend\n"
    known = "2020-06-26,QQQ,250,0.5\n2020-06-29,SPY,300,\n2020-06-30,SPY,301,\n"
    send(head + known)

    told = send(head + known.replace("SPY,300,", "SPY,300,1.5"))

    assert (told.status, told.recorded, told.counts["unchanged"]) == ("stored", 1, 3)
    assert told.changed == {"SPY": date(2020, 6, 29)}


def test_another_figure_for_an_applied_split_is_a_bad_cell(spy: Instrument) -> None:
    CorporateAction.objects.create(
        instrument=spy, kind="split", ex_date=DAY, ratio=4, source="csv", status="applied"
    )

    with pytest.raises(RowsRefused) as refused:
        send("date,symbol,close,split\n2020-06-30,SPY,100,2\n")

    [error] = refused.value.figures["errors"]
    assert (error["attr"], error["code"]) == ("2.split", "action_differs")
    assert CorporateAction.objects.get().ratio == 4


def test_yields_are_judged_cell_by_cell() -> None:
    text = "date,DGS10,DGS2\n2020-06-29,0.64,0.16\n2020-06-30,66,0.16\n"
    with pytest.raises(RowsRefused) as refused:
        send(text)
    assert [each["attr"] for each in refused.value.figures["errors"]] == ["3.DGS10"]
    assert not TreasuryYield.objects.exists()
    assert not QuarantinedPrice.objects.exists()

    told = send(text, partial=True)

    assert (told.kind, told.counts) == ("yields", NOTHING | {"stored": 3, "refused": 1})
    assert TreasuryYield.objects.count() == 3
    assert QuarantinedPrice.objects.get().reason == "out_of_range"
    before = tables()
    assert send(text, partial=True).status == "unchanged"
    assert tables() == before


def test_a_file_without_symbols_takes_its_name_or_what_was_said(spy: Instrument) -> None:
    text = "date,close\n2020-06-30,301\n"

    assert send(text, name="spy.csv.gz").counts["stored"] == 1
    assert send(text, name="x.csv", symbol="SPY").counts["unchanged"] == 1
    with pytest.raises(FileUnread, match="no symbol was given"):
        send(text, name="my prices.csv")


HOSTILE: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 422, "empty_file"),
    "a header without a close": (b"date,symbol\n", 422, "missing_column"),
    "a web page": (b"<!DOCTYPE html><html><body>Sign in</body></html>", 415, "not_a_table"),
    "a web page after a mark": (b"\xef\xbb\xbf <html>", 415, "not_a_table"),
    "a spreadsheet": (b"PK\x03\x04\x14\x00\x06\x00", 415, "not_a_table"),
    "an old spreadsheet": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 415, "not_a_table"),
    "a document": (b"%PDF-1.7\n", 415, "not_a_table"),
    "a spreadsheet, packed": (gzip.compress(b"PK\x03\x04"), 415, "not_a_table"),
    "not UTF-8": (HEAD.encode() + b"2020-06-30,SPY,3\xff\n", 422, "bad_encoding"),
    "UTF-16": (GOOD.encode("utf-16"), 422, "bad_encoding"),
    "a zero byte": (HEAD.encode() + b"2020-06-30,SPY,3\x00\n", 422, "bad_encoding"),
    "a damaged gzip": (gzip.compress(GOOD.encode())[:-12], 422, "bad_gzip"),
    "an open quote": (HEAD.encode() + b'2020-06-30,"SPY,3\n', 422, "bad_quotes"),
    "two columns of one name": (b"date,symbol,close,close\n", 422, "duplicate_column"),
    "an endless line": (HEAD.encode() + b"9" * 70_000, 422, "line_too_long"),
}
# packed small, unpacked a hundred megabytes, and more rows than a request may take
BOMBS = {
    "file_too_large": (b"date,symbol,close,note\n", b"2020-06-30,SPY,3," + b"x" * 4_000 + b"\n"),
    "too_many_rows": (HEAD.encode(), b"2020-06-30,SPY,3\n"),
    "blank lines": (HEAD.encode(), b"\n"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_none_is_refused_as_a_whole(spy: Instrument, name: str) -> None:
    data, status, code = HOSTILE[name]
    before = tables()

    with pytest.raises(FileUnread) as refused:
        send(data)

    assert (refused.value.status, refused.value.code) == (status, code)
    [error] = refused.value.figures["errors"]
    assert error["code"] == code
    assert error["detail"].endswith(".")
    assert tables() == before


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_ends_the_reading_early_and_names_the_way_for_large_files(name: str) -> None:
    head, row = BOMBS[name]
    packer = zlib.compressobj(6, wbits=31)
    data = packer.compress(head)
    for _ in range(100):
        data += packer.compress(row * (1_000_000 // len(row)))
    data += packer.flush()
    assert len(data) < MAX_PACKED

    with pytest.raises(FileUnread) as refused:
        send(data)

    assert refused.value.status == 413
    assert refused.value.code == ("too_many_rows" if name == "blank lines" else name)
    large = name != "blank lines"
    assert ("CSV_FOLDER" in refused.value.detail) is large
    assert ("import_prices" in refused.value.detail) is large


def test_as_many_rows_as_are_promised_are_taken(spy: Instrument) -> None:
    days = calendar.between(date(1990, 1, 2), DAY)
    names = [f"S{number:03}" for number in range(-(-price_upload.MOST_ROWS // len(days)))]
    rows = [f"{day},{name},10\n" for name in names for day in days][: price_upload.MOST_ROWS]

    told = send(HEAD + "".join(rows), add_symbols=True, check=True)

    assert told.counts == NOTHING | {"stored": price_upload.MOST_ROWS}
    assert (len(told.verdicts), told.untold) == (200, price_upload.MOST_ROWS - 200)


def test_more_symbols_than_a_request_may_take_belong_elsewhere(spy: Instrument) -> None:
    names = [f"S{number:03}" for number in range(price_upload.MOST_SYMBOLS + 1)]

    with pytest.raises(FileUnread, match="CSV_FOLDER") as refused:
        send(HEAD + "".join(f"2020-06-30,{name},10\n" for name in names), add_symbols=True)

    assert (refused.value.status, refused.value.code) == (413, "too_many_symbols")
    assert Instrument.objects.count() == 1


def test_many_bad_rows_are_counted_all_and_told_in_part(spy: Instrument) -> None:
    with pytest.raises(RowsRefused) as refused:
        send(HEAD + "2020-06-30,SPY,x\n" * 3_000)

    assert refused.value.figures["counts"] == NOTHING | {"refused": 3_000}
    assert len(refused.value.figures["errors"]) == price_upload.MOST_TOLD


def test_text_that_is_hostile_elsewhere_is_only_text_here(spy: Instrument) -> None:
    name = "<script>.csv" + "x" * 500
    text = HEAD + "2020-06-30,SPY,=cmd|'/c calc'!A1\n2020-06-30,<script>alert(1)</script>,3\n"

    with pytest.raises(RowsRefused) as refused:
        send(text, name=name)

    assert [each["code"] for each in refused.value.figures["errors"]] == [
        "bad_number",
        "bad_symbol",
    ]
    assert len(refused.value.told.file_name) == price_upload.NAME


@pytest.mark.django_db(transaction=True)
def test_two_who_send_the_same_file_at_once_store_it_once() -> None:
    make("SPY")
    start = threading.Barrier(2)

    def one() -> str:
        try:
            start.wait(10)
            return send(GOOD).status
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        told = [each.result(60) for each in [pool.submit(one) for _ in range(2)]]

    assert sorted(told) == ["stored", "unchanged"]
    assert DailyBar.objects.count() == 3
    assert set(DailyBar.objects.values_list("revision", flat=True)) == {0}
    assert AuditEvent.objects.filter(action="bars.imported").count() == 1


def test_an_actor_of_any_kind_is_named_in_the_line(spy: Instrument) -> None:
    user = get_user_model().objects.create_user(email="op@example.com", password="x" * 12)
    sent = price_upload.read(data=GOOD.encode(), file_name="a.csv", until=DAY)

    price_upload.upload(sent=sent, until=DAY, by=BY.of_user(user, request_id=str(uuid.uuid4())))

    line = AuditEvent.objects.get()
    assert (line.actor_id, bool(line.request_id)) == (user.pk, True)
