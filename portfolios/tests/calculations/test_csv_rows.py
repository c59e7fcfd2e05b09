"""Rows of a positions file: every class of good and bad cell, and how long one takes."""

import time
from datetime import date
from decimal import Decimal

import pytest

from etftrader.core import tables
from etftrader.core.errors import BadInput
from portfolios.calculations import csv_layout, csv_rows

UNTIL = date(2016, 6, 22)
GOOD = {"ticker": "SPY", "quantity": "186", "entry_price": "211.89", "entry_date": "2015-06-22"}


def read(**cells):
    return csv_rows.read_row("positions", {**GOOD, **cells}, until=UNTIL)


def codes(reading):
    return [(each.field, each.code) for each in reading.errors]


def test_a_good_row():
    reading = read(tags="Core Holdings")

    assert reading.row == csv_rows.PositionRow(
        "SPY", Decimal(186), Decimal("211.89"), date(2015, 6, 22), "Core Holdings"
    )
    assert reading.errors == reading.warnings == []


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"ticker": ""}, ("ticker", "required")),
        ({"ticker": "S P"}, ("ticker", "invalid_symbol")),
        ({"ticker": "SPY160231C00212000"}, ("ticker", "invalid_option")),
        ({"ticker": "SPY160819C00000000"}, ("ticker", "invalid_option")),
        ({"ticker": "TWX   140605P00070000"}, ("ticker", "expired")),
        (
            {"ticker": "SPY160819C00212000", "position_type": "LP"},
            ("position_type", "contradiction"),
        ),
        (
            {"ticker": "SPY160819C00212000", "position_type": "LONG"},
            ("position_type", "contradiction"),
        ),
        ({"cost_basis": "39411.55"}, ("cost_basis", "contradiction")),
        ({"ticker": "=SUM(A1)"}, ("ticker", "invalid_symbol")),
        ({"ticker": "<script>"}, ("ticker", "invalid_symbol")),
        ({"quantity": ""}, ("quantity", "required")),
        ({"quantity": "0"}, ("quantity", "zero")),
        ({"quantity": "-0.000"}, ("quantity", "zero")),
        ({"quantity": "1e3"}, ("quantity", "not_a_number")),
        ({"quantity": "1E999999"}, ("quantity", "not_a_number")),
        ({"quantity": "\uff11\uff10\uff10"}, ("quantity", "not_a_number")),
        ({"quantity": "٣"}, ("quantity", "not_a_number")),
        ({"quantity": "1_000"}, ("quantity", "not_a_number")),
        ({"quantity": "1,000"}, ("quantity", "not_a_number")),
        ({"quantity": "NaN"}, ("quantity", "not_a_number")),
        ({"quantity": "Infinity"}, ("quantity", "not_a_number")),
        ({"quantity": "0x10"}, ("quantity", "not_a_number")),
        ({"quantity": "1234567890123"}, ("quantity", "not_a_number")),
        ({"quantity": "=1+1"}, ("quantity", "not_a_number")),
        ({"quantity": "1.0000001"}, ("quantity", "too_many_decimals")),
        ({"quantity": "900000000000"}, ("quantity", "too_large")),
        ({"entry_price": "0"}, ("entry_price", "not_positive")),
        ({"entry_price": "-3"}, ("entry_price", "not_positive")),
        ({"entry_price": "$12"}, ("entry_price", "not_a_number")),
        ({"entry_price": "12,5"}, ("entry_price", "not_a_number")),
        ({"entry_date": ""}, ("entry_date", "required")),
        ({"entry_date": "22/06/2015"}, ("entry_date", "not_a_date")),
        ({"entry_date": "2015-02-30"}, ("entry_date", "not_a_date")),
        ({"entry_date": "20150622"}, ("entry_date", "not_a_date")),
        ({"entry_date": "\uff12\uff10\uff11\uff15-06-22"}, ("entry_date", "not_a_date")),
        ({"entry_date": "2016-06-23"}, ("entry_date", "future_date")),
        ({"position_type": "SC"}, ("position_type", "contradiction")),
        ({"position_type": "SIDEWAYS"}, ("position_type", "unknown_type")),
        ({"position_type": "LONG", "quantity": "-5"}, ("position_type", "contradiction")),
        ({"currency": "Euro"}, ("currency", "unknown_currency")),
        ({"ticker": "SP\x07Y"}, ("ticker", "control_character")),
    ],
)
def test_a_bad_cell_is_named_with_its_column(cells, expected):
    reading = read(**cells)

    assert reading.row is None
    assert expected in codes(reading)


def test_all_errors_of_a_row_are_told_at_once():
    reading = read(ticker="", quantity="x", entry_price="0", entry_date="tomorrow")

    assert {name for name, _ in codes(reading)} == {
        "ticker",
        "quantity",
        "entry_price",
        "entry_date",
    }


@pytest.mark.parametrize(
    ("kind", "quantity", "expected"),
    [("SHORT", "5", -5), ("SHORT", "-5", -5), ("LONG", "5", 5), ("short", "5", -5), ("", "-5", -5)],
)
def test_the_sign_follows_the_type(kind, quantity, expected):
    assert read(position_type=kind, quantity=quantity).row.quantity == expected


def test_an_entry_of_more_than_five_years_ago_is_a_warning():
    reading = read(entry_date="2011-06-21")

    assert reading.row is not None
    assert [each.code for each in reading.warnings] == ["old_date"]


def test_a_guarded_cell_is_read_without_its_apostrophe():
    assert read(quantity="'-5").row.quantity == -5


def layout_of(lines):
    return csv_layout.find(lines, "positions", csv_layout.aliases_of("positions"))


def test_the_header_is_found_further_down_and_by_its_aliases():
    lines = [
        ("Export of 2016",),
        ("Account", "12"),
        ("Trade Date", " SYMBOL ", "Qty", "Price", "Strategy", "market_value"),
    ]

    found = layout_of(lines)

    assert found.head == 2
    assert found.columns == {
        "entry_date": 0, "ticker": 1, "quantity": 2, "entry_price": 3, "tags": 4,
    }  # fmt: skip


def test_missing_columns_are_named():
    header = ("ticker", "quantity", "note")
    with pytest.raises(BadInput) as refusal:
        csv_layout.refuse_missing(layout_of([header]), "positions", header)

    assert refusal.value.code == "missing_columns"
    assert refusal.value.figures["missing"] == ["entry_price", "entry_date"]
    assert refusal.value.figures["header"] == list(header)


def test_a_column_that_stands_there_twice_is_refused():
    header = ("ticker", "ticker", "quantity", "entry_price", "entry_date")
    with pytest.raises(BadInput) as refusal:
        csv_layout.refuse_missing(layout_of([header]), "positions", header)

    assert refusal.value.code == "duplicate_column"


def test_a_fields_own_name_wins_over_a_spelling_of_it():
    header = ("price", "ticker", "quantity", "entry_price", "entry_date")

    assert layout_of([header]).columns["entry_price"] == 3


def test_a_mapping_is_read_by_name_and_by_place_and_refused_when_it_is_none():
    header = ("Wertpapier", "Stück", "Kurs", "Datum")
    by_name = dict(zip(csv_layout.SHAPES["positions"].required, header, strict=True))

    assert csv_layout.mapped(by_name, header, "positions")["entry_date"] == 3
    for bad in (
        {"ticker": 0},
        by_name | {"tags": 0},
        by_name | {"tags": 4},
        by_name | {"tags": "Kurz"},
        by_name | {"size": 1},
        by_name | {"tags": True},
    ):
        with pytest.raises(BadInput):
            csv_layout.mapped(bad, header, "positions")


def test_decimal_commas_are_seen_where_no_point_is():
    columns = {"quantity": 0, "entry_price": 1}

    assert csv_layout.has_decimal_comma([("10", "12,50")], columns, "positions")
    assert not csv_layout.has_decimal_comma([("10", "12,50"), ("9", "12.50")], columns, "positions")
    assert not csv_layout.has_decimal_comma([("10", "12")], columns, "positions")
    cells = {**GOOD, "entry_price": "12,50"}
    row = csv_rows.read_row("positions", cells, until=UNTIL, decimal_comma=True).row
    assert row.entry_price == Decimal("12.5")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SPY160819C00212000", "SPY160819C00212000"),
        ("spy160819c00212000", "SPY160819C00212000"),
        ("SPY   160819C00212000", "SPY160819C00212000"),
        ("SPXW160819P02000000", "SPXW160819P02000000"),
        ("AAPL1160819C00100000", "AAPL1160819C00100000"),
        ("BRK.B160819C00100000", "BRKB160819C00100000"),
        ("brk.b", "BRK-B"),
        ("BRK/B", "BRK-B"),
        ("BRK-B", "BRK-B"),
        ("RY.TO", "RY.TO"),
    ],
)
def test_symbols_have_one_form_whatever_was_written(text, expected):
    reading = read(ticker=text)

    assert reading.row.ticker == expected
    adjusted = expected.startswith("AAPL1")
    assert ("adjusted_root" in [each.code for each in reading.warnings]) == adjusted


@pytest.mark.parametrize(
    ("kind", "ticker", "quantity", "expected"),
    [
        ("LC", "SPY160819C00212000", "5", 5),
        ("SC", "SPY160819C00212000", "5", -5),
        ("SC", "SPY160819C00212000", "-5", -5),
        ("LP", "SPY160819P00212000", "5", 5),
        ("SP", "SPY160819P00212000", "5", -5),
        ("LC", "SPY160819C00212000", "-5", None),
        ("LP", "SPY160819P00212000", "-5", None),
    ],
)
def test_option_types_give_the_sign_or_contradict_it(kind, ticker, quantity, expected):
    row = read(position_type=kind, ticker=ticker, quantity=quantity).row

    assert (row.quantity if row else None) == expected


def trade(**cells):
    given = {"ticker": "SPY", "quantity": "5", "price": "200", "trade_date": "2016-06-22"}
    return csv_rows.read_row("trades", given | cells, until=UNTIL)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({}, 5),
        ({"side": "buy"}, 5),
        ({"side": "SELL"}, -5),
        ({"side": "sell_short"}, -5),
        ({"side": "SELL", "quantity": "-5"}, -5),
        ({"side": "BUY", "quantity": "-5"}, ("side", "contradiction")),
        ({"side": "swap"}, ("side", "unknown_side")),
        ({"fee": "-1"}, ("fee", "negative")),
        ({"price": "0"}, ("price", "not_positive")),
        ({"reference": "x" * 65}, ("reference", "too_long")),
        ({"ticker": "SPY160617C00212000"}, ("trade_date", "expired")),
    ],
)
def test_trades(cells, expected):
    reading = trade(**cells)

    if isinstance(expected, tuple):
        assert expected in codes(reading)
    else:
        assert reading.row.quantity == expected


def cash(**cells):
    given = {"date": "2016-06-22", "type": "deposit", "amount": "12.50"}
    return csv_rows.read_row("cash", given | cells, until=UNTIL)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({}, Decimal("12.5")),
        ({"type": "Withdrawal"}, Decimal("-12.5")),
        ({"type": "fee", "amount": "-3"}, -3),
        ({"type": "dividend", "amount": "-3"}, -3),
        ({"type": "interest"}, Decimal("12.5")),
        ({"amount": "-1"}, ("amount", "contradiction")),
        ({"type": "interest", "amount": "-1"}, ("amount", "contradiction")),
        ({"amount": "1.005"}, ("amount", "too_many_decimals")),
        ({"type": "gift"}, ("type", "unknown_type")),
        ({"type": ""}, ("type", "required")),
        ({"amount": "0"}, ("amount", "zero")),
    ],
)
def test_cash(cells, expected):
    reading = cash(**cells)

    if isinstance(expected, tuple):
        assert expected in codes(reading)
    else:
        assert reading.row.amount == expected


def test_a_row_is_the_same_after_it_was_kept():
    for kind, reading in (
        ("positions", read(cost_basis="39411.54")),
        ("trades", trade(fee="1")),
        ("cash", cash()),
    ):
        assert csv_rows.from_said(kind, reading.row.said()) == reading.row


@pytest.mark.parametrize("text", ["9" * 4000, "=" * 4000, "1" + "e" * 4000, "-" * 4000, "A" * 4000])
def test_no_cell_takes_long(text):
    began = time.perf_counter()

    reading = csv_rows.read_row("positions", dict.fromkeys(GOOD, text), until=UNTIL)

    assert reading.row is None
    assert time.perf_counter() - began < 0.05


def test_the_fingerprint_is_that_of_the_holding_not_of_its_spelling():
    same = [read(quantity="186"), read(quantity="+186.000", ticker="spy"), read(tags="x")]

    assert len({each.row.fingerprint for each in same}) == 1
    assert read(quantity="187").row.fingerprint != same[0].row.fingerprint


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_tables_are_read_with_any_of_three_delimiters_and_with_a_mark(delimiter, bom):
    data = bom + f'ticker{delimiter}tags\r\nSPY{delimiter}"a, b; c"\r\n'.encode()

    table = tables.read(data)

    assert table.delimiter == delimiter
    assert [line.cells for line in table.lines] == [("ticker", "tags"), ("SPY", "a, b; c")]


@pytest.mark.parametrize(
    ("data", "code", "word"),
    [
        ("ticker\nCafé\n".encode("cp1252"), "wrong_encoding", "Line 2"),
        ("ticker\nSPY\n".encode("utf-16"), "wrong_encoding", "UTF-16"),
        (b"ticker\nS\x00PY\n", "unreadable_file", "Line 2"),
        (b'ticker,quantity\n"SPY,3\n', "unreadable_file", "line 2"),
        (b'ticker,quantity\n"SPY"x,3\n', "unreadable_file", "line 2"),
        (b"", "empty_file", "empty"),
        (b"\n\n , \n", "empty_file", "empty"),
        (b"ticker\n" + b"x" * 5000 + b"\n", "unreadable_file", "Line 2, column 1"),
    ],
)
def test_what_is_no_table_is_refused_with_the_place(data, code, word):
    with pytest.raises(BadInput) as refusal:
        tables.read(data)

    assert refusal.value.code == code
    assert word in refusal.value.detail


def test_cp1252_is_read_when_chosen():
    table = tables.read("ticker\nCafé\n".encode("cp1252"), encoding="cp1252")

    assert table.lines[1].cells == ("Café",)


@pytest.mark.parametrize(
    "data",
    [
        b"x" * 10_000_001,
        b"a\n" * 100_002,
        (",".join("a" * 51) + "\n").encode(),
    ],
)
def test_files_beyond_the_limits_are_too_large(data):
    began = time.perf_counter()

    with pytest.raises(tables.TooLarge) as refusal:
        tables.read(data)

    assert refusal.value.status == 413
    assert time.perf_counter() - began < 2


def test_line_numbers_are_those_of_the_file():
    table = tables.read(b'a\n"two\nlines"\n\nlast\n')

    assert [line.number for line in table.lines] == [1, 2, 5]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-x", "@sum", "\tx", "\rx", "\uff1d1"])
def test_formulas_are_guarded_going_out_and_the_guard_comes_off_coming_in(text):
    data = tables.write(["name", "n"], [[text, Decimal("-5.50")]])

    back = tables.read(data, delimiter=",").lines[1].cells

    assert back == (f"'{text}", "-5.50")
    assert tables.unguard(back[0]) == text


def test_ordinary_text_with_an_apostrophe_stays_as_it_is():
    assert tables.unguard("'quoted'") == "'quoted'"
    assert tables.guard("O'Neil") == "O'Neil"
