"""Long files in: what is read, what is said about the rest, what ends a reading."""

import csv
import gzip
import io
import os
import random
import tracemalloc
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from marketdata.providers import csv_files, csv_folder
from marketdata.providers.base import ProviderFailed
from marketdata.providers.csv_files import Line, YieldLine
from marketdata.providers.csv_folder import CsvProvider
from marketdata.providers.csv_text import FileRefused, Limits, Verdict

HEAD = "date,symbol,open,high,low,close,adj_close,volume,dividend,split\n"
GOOD = "2020-08-31,AAPL,127.58,131,126,129.04,128.1,225702700,0,4\n"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def made(content: str | bytes, name: str = "prices.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return made


def verdicts(path: Path, **named: object) -> list[Verdict]:
    return [told for told in csv_files.bars(path, **named) if isinstance(told, Verdict)]


def lines(path: Path, **named: object) -> list[Line]:
    return [told for told in csv_files.bars(path, **named) if isinstance(told, Line)]


def test_a_row_with_everything(write: Write) -> None:
    [line] = lines(write(HEAD + GOOD.replace(",0,4", ",0.82,4")))

    assert line.line == 2
    assert (line.bar.symbol, line.bar.session_date) == ("AAPL", date(2020, 8, 31))
    assert (line.bar.open, line.bar.close, line.bar.adj_close) == (127.58, 129.04, 128.1)
    assert (line.bar.volume, line.bar.source, line.bar.price_basis) == (225702700, "csv", "close")
    assert line.dividend is not None
    assert line.dividend.amount == 0.82
    assert line.split is not None
    assert line.split.ratio == 4.0


@pytest.mark.parametrize("seed", range(5))
def test_columns_are_found_by_name_in_any_order(write: Write, seed: int) -> None:
    order = HEAD.strip().split(",")
    cells = dict(zip(order, GOOD.strip().split(","), strict=True))
    expected = lines(write(HEAD + GOOD))
    random.Random(seed).shuffle(order)
    text = ",".join(order) + ",comment\n" + ",".join(cells[name] for name in order) + ",x\n"

    assert lines(write(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Date,Symbol,Close,Adj Close\n2020-08-31,AAPL,129.04,128.1\n",
        "\ufeffdate,symbol,close,adj_close\r\n2020-08-31,AAPL,129.04,128.1\r\n",
        "date;symbol;close;adj_close\n2020-08-31;AAPL;129.04;128.1\n",
        "date\tsymbol\tclose\tadj_close\n2020-08-31\tAAPL\t129.04\t128.1\n",
        '"date","symbol","close","adj_close"\n\n" 2020-08-31 ","AAPL","129.04","128.1"',
    ],
    ids=["capitals", "mark and crlf", "semicolon", "tab", "quoted"],
)
def test_spellings_of_the_same_file(write: Write, text: str) -> None:
    [line] = lines(write(text))

    assert (line.bar.symbol, line.bar.close, line.bar.adj_close) == ("AAPL", 129.04, 128.1)


@pytest.mark.parametrize("blank", ["", "null", "NaN", "N/A", "-", "."])
def test_what_is_not_there_is_none(write: Write, blank: str) -> None:
    [line] = lines(
        write(f"date,symbol,close,open,volume,split\n2020-01-02,SPY,3,{blank},{blank},{blank}\n")
    )

    assert (line.bar.open, line.bar.volume, line.split) == (None, None, None)


def test_a_file_without_symbols_is_given_one(write: Write) -> None:
    path = write("date,close\n2020-01-02,324.87\n")

    assert lines(path, symbol="SPY")[0].bar.symbol == "SPY"
    assert lines(path, symbol="^VIX")[0].bar.price_basis == "index_level"
    with pytest.raises(FileRefused, match="no symbol was given") as refusal:
        lines(path)
    assert refusal.value.verdict.line == 1


@pytest.mark.parametrize(
    ("cell", "column", "code"),
    [
        ({"date": "31.08.2020"}, "date", "bad_date"),
        ({"date": "2020-02-30"}, "date", "bad_date"),
        ({"date": "20200831"}, "date", "bad_date"),
        ({"date": "0001-01-01"}, "date", "bad_date"),
        ({"date": "9999-12-31"}, "date", "bad_date"),
        ({"date": "2021-01-01"}, "date", "future_date"),
        ({"symbol": "aapl"}, "symbol", "bad_symbol"),
        ({"symbol": "../x"}, "symbol", "bad_symbol"),
        ({"symbol": "=HYPERLINK()"}, "symbol", "bad_symbol"),
        ({"close": ""}, "close", "no_close"),
        ({"close": "1e5"}, "close", "bad_number"),
        ({"close": "inf"}, "close", "bad_number"),
        ({"close": "1 000"}, "close", "bad_number"),
        ({"close": "١٢"}, "close", "bad_number"),
        ({"close": "0x10"}, "close", "bad_number"),
        ({"close": "9" * 400}, "close", "bad_number"),
        ({"open": "abc"}, "open", "bad_number"),
        ({"volume": "-1"}, "volume", "bad_number"),
        ({"volume": "1.5"}, "volume", "bad_number"),
        ({"dividend": "-0.1"}, "dividend", "bad_number"),
        ({"split": "-4"}, "split", "bad_number"),
    ],
    ids=str,
)
def test_a_bad_cell_is_named_with_a_way_out_and_the_next_line_is_kept(
    write: Write, cell: dict[str, str], column: str, code: str
) -> None:
    names = HEAD.strip().split(",")
    cells = dict(zip(names, GOOD.strip().split(","), strict=True)) | cell
    path = write(HEAD + ",".join(cells.values()) + "\n" + GOOD)

    [verdict] = verdicts(path, until=date(2020, 12, 31))
    assert (verdict.line, verdict.column, verdict.code) == (2, column, code)
    assert verdict.why
    assert verdict.remedy
    assert [line.line for line in lines(path, until=date(2020, 12, 31))] == [3]


def test_a_row_of_another_width_is_named(write: Write) -> None:
    path = write("date,symbol,close\n2020-01-02,SPY,1,2\n2020-01-03,SPY\n2020-01-06,SPY,3\n")

    assert [(v.line, v.code) for v in verdicts(path)] == [(2, "wrong_width"), (3, "wrong_width")]
    assert [line.bar.close for line in lines(path)] == [3.0]


def test_the_same_day_twice_is_named_by_symbol(write: Write) -> None:
    path = write(
        "date,symbol,close\n2020-01-02,SPY,1\n2020-01-02,QQQ,1\n2020-01-02,SPY,9\n2020-01-03,SPY,2\n"
    )

    assert [(v.line, v.code) for v in verdicts(path)] == [(4, "duplicate")]
    assert [line.bar.close for line in lines(path)] == [1.0, 1.0, 2.0]


def test_a_price_nobody_believes_is_left_to_the_gate(write: Write) -> None:
    path = write("date,symbol,close,high,low\n2020-01-02,SPY,0,1,5\n2020-01-03,SPY,-3,1,5\n")

    assert [line.bar.close for line in lines(path)] == [0.0, -3.0]


SMALL = Limits(max_bytes=400, rows=3, columns=4, cell=30, line=100)


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (b"", "empty_file", 1),
        (b"\n\n", "empty_file", 1),
        (b"date,price\n", "missing_column", 1),
        (b"close,symbol\n", "missing_column", 1),
        (b"date,SPY,QQQ\n", "missing_column", 1),
        (b"date,close,close,symbol\n", "duplicate_column", 1),
        (b"date,close,Close\n", "duplicate_column", 1),
        (b"date,close,a,b,c\n", "too_many_columns", 1),
        (b"date,close,symbol\n2020-01-02,1,S\xe9\n", "bad_encoding", 2),
        ("date,close\n".encode("utf-16"), "bad_encoding", 1),
        (b"date,close,symbol\n2020-01-02,1\x00,SPY\n", "bad_encoding", 2),
        (b'date,close,symbol\n2020-01-02,"1,SPY\n', "bad_quotes", 2),
        (b'date,close,symbol\n"2020-01-02"x,1,SPY\n', "bad_quotes", 2),
        (b"date,close,symbol\n" + b"2020-01-02,1,SPY\n" * 4, "too_many_rows", 5),
        (b"date,close,symbol\n2020-01-02,1," + b"A" * 31 + b"\n", "cell_too_large", 2),
        (b"date,close,symbol\n" + b"9" * 150 + b"\n", "line_too_long", 2),
        (b"date,close,symbol\n" + b"\n" * 390, "file_too_large", 384),
        (b"PK\x03\x04\xff\xfe\x00", "bad_encoding", 1),
        (gzip.compress(b"date,close,symbol\n" * 4)[:-12], "bad_gzip", 2),
        (gzip.compress(b"date,close,symbol\n")[:10], "bad_gzip", 1),
        (b"\x1f\x8bgarbage", "bad_gzip", 1),
        (gzip.compress(b"date,close,symbol\n" + b"\n" * 10_000_000), "file_too_large", 384),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_ends_the_reading_of_a_file(
    write: Write, content: bytes, code: str, line: int
) -> None:
    with pytest.raises(FileRefused) as refusal:
        list(csv_files.bars(write(content), symbol="SPY", limits=SMALL))

    assert (refusal.value.code, refusal.value.verdict.line) == (code, line)
    assert refusal.value.verdict.remedy


def test_a_link_or_a_pipe_is_no_file(write: Write, tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to(write(HEAD + GOOD))
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()

    for name in ("link.csv", "pipe.csv", "folder.csv", "nothing.csv"):
        with pytest.raises(FileRefused) as refusal:
            lines(tmp_path / name)
        assert refusal.value.code == "unreadable_file"


def test_a_long_file_is_streamed(write: Write) -> None:
    body = io.StringIO()
    rows = csv.writer(body)
    rows.writerow(["date", "symbol", "close"])
    for number in range(30_000):
        day = date.fromordinal(730_000 + number % 5_000)
        rows.writerow([day.isoformat(), f"S{number // 5_000}", 100 + number % 7])
    path = write(gzip.compress(body.getvalue().encode()), "long.csv.gz")
    tracemalloc.start()

    told = sum(isinstance(line, Line) for line in csv_files.bars(path))

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert told == 30_000
    assert peak < 5_000_000


def test_yields_by_series_name_with_holes(write: Write) -> None:
    path = write(
        "date,DGS1MO,DGS10,other\n2020-01-02,1.5,1.88,x\n2020-01-03,.,1.80,\n2020-01-03,1,2,3\n"
    )

    told = list(csv_files.yields(path))

    assert csv_files.kind_of(path) == "yields"
    assert isinstance(told[0], YieldLine)
    assert [(row.tenor, row.percent) for row in told[0].rows] == [("1M", 1.5), ("10Y", 1.88)]
    assert isinstance(told[1], YieldLine)
    assert [row.tenor for row in told[1].rows] == ["10Y"]
    assert isinstance(told[2], Verdict)
    assert (told[2].line, told[2].code) == (4, "duplicate")


# --- a folder ---------------------------------------------------------------------------------


def test_a_folder_is_a_source(write: Write, tmp_path: Path) -> None:
    write("date,close\n2020-01-03,2\n2020-01-02,1\n", "SPY.csv")
    write(gzip.compress(b"date,close\n2020-01-02,12.5\n2099-01-01,1\n"), "^VIX.csv.gz")
    write("date,DGS10\n2020-01-02,1.88\n", "curve.csv")
    write("date;price\n", "bad.csv")
    write("date,close\n2020-01-02,1\n", "no symbol in this name.csv")
    source = CsvProvider(folder=tmp_path, until=date(2020, 12, 31))

    spy, nope = source.histories(["SPY", "NOPE"], date(2020, 1, 1), date(2020, 1, 31))

    assert [bar.close for bar in spy.bars] == [1.0, 2.0]
    assert nope.failure is not None
    assert {name: [v.code for v in told] for name, told in source.verdicts.items() if told} == {
        "bad.csv": ["missing_column"],
        "no symbol in this name.csv": ["missing_symbol"],
        "^VIX.csv.gz": ["future_date"],
    }
    assert source.symbols() == ["SPY", "^VIX"]
    assert source.last_session() == date(2020, 1, 3)
    [row] = source.yields(date(2020, 1, 1), date(2020, 1, 31))
    assert (row.tenor, row.percent) == ("10Y", 1.88)


def test_a_folder_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ProviderFailed, match="CSV_FOLDER"):
        CsvProvider(folder=tmp_path / "none", until=date(2020, 1, 1)).symbols()


def test_looking_at_a_folder_names_what_is_new_changed_or_gone(
    write: Write, tmp_path: Path
) -> None:
    one, two = write("a", "one.csv"), write("b", "two.csv.gz")
    write("c", "notes.txt")
    write("d", ".hidden.csv")
    first = csv_folder.look(tmp_path, {})
    assert (first.new, first.changed, first.gone) == (("one.csv", "two.csv.gz"), (), ())
    assert csv_folder.look(tmp_path, first.state) == csv_folder.Changes((), (), (), first.state)

    os.utime(one, ns=(1, 1))  # touched only
    two.write_text("B")
    write("e", "three.csv")
    second = csv_folder.look(tmp_path, first.state)
    assert (second.new, second.changed, second.gone) == (("three.csv",), ("two.csv.gz",), ())
    assert second.state["one.csv"].mtime_ns == 1

    one.unlink()
    assert csv_folder.look(tmp_path, second.state).gone == ("one.csv",)


def test_a_file_of_the_same_size_and_time_is_not_read_again(write: Write, tmp_path: Path) -> None:
    path = write("a", "one.csv")
    known = {"one.csv": csv_folder.FileState("one.csv", 1, path.stat().st_mtime_ns, "as before")}

    assert csv_folder.look(tmp_path, known).state == known


def test_a_link_is_not_looked_at(write: Write, tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to("/etc/hostname")

    assert csv_folder.look(tmp_path, {}).state == {}


# --- real files -------------------------------------------------------------------------------


@pytest.fixture
def data(shared_folder: Path) -> Path:
    folder = shared_folder / "data"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent: this test reads its price files")
    return folder


def counted(path: Path, **named: object) -> list[Line]:
    told = list(csv_files.bars(path, **named))
    bad = [each for each in told if isinstance(each, Verdict)]
    assert bad == []
    return [each for each in told if isinstance(each, Line)]


def test_the_real_fund_prices(data: Path) -> None:
    found = counted(data / "etf_daily_2016_2021.csv.gz")

    assert len(found) == 55_352
    assert len({line.bar.symbol for line in found}) == 44
    assert {line.bar.price_basis for line in found if line.bar.symbol == "^GSPC"} == {"index_level"}
    first = next(line.bar for line in found if line.bar.symbol == "AGG")
    assert (first.close, first.adj_close, first.volume) == (110.9, 97.9609, 9_405_200)


def test_the_real_stock_prices_with_splits_and_dividends(data: Path) -> None:
    found = counted(data / "stock_daily_2016_2020.csv.gz")
    splits = {(s.symbol, s.ex_date): s.ratio for line in found if (s := line.split)}
    paid = [line.dividend for line in found if line.dividend]

    assert len({line.bar.symbol for line in found}) == 24
    assert splits[("AAPL", date(2020, 8, 31))] == 4.0
    assert splits[("NEE", date(2020, 10, 27))] == 4.0
    assert len(paid) > 200
    assert all(row.amount > 0 for row in paid)


def test_the_real_volatility_index(data: Path) -> None:
    found = counted(data / "vix_daily_1990_2026.csv.gz", symbol="^VIX")

    assert len(found) == 9_235
    assert max(found, key=lambda line: line.bar.close).bar.session_date == date(2020, 3, 16)


def test_the_real_yields(data: Path) -> None:
    path = data / "ust_cmt_yields_2005_2026.csv.gz"
    told = list(csv_files.yields(path))

    assert csv_files.kind_of(path) == "yields"
    assert all(isinstance(each, YieldLine) for each in told)
    assert [(row.tenor, row.percent) for row in told[0].rows][:2] == [("1M", 1.99), ("3M", 2.32)]


def test_a_real_wide_file_is_refused_with_the_way_out(data: Path) -> None:
    with pytest.raises(FileRefused, match="one line a symbol and day"):
        counted(data / "etf_adjclose_2013_2021.csv.gz")
