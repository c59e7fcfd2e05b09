"""Prepared files for the import, each with what must come of it; nothing here asks the product.

A case is a name, the file, the body's further fields, and either the refusal (status, code) or for
each row its verdict and, of a bad one, the cell and the code of a message.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

GOOD = {"ticker": "SPY", "quantity": "186", "entry_price": "211.89", "entry_date": "2016-06-20"}
NAMES = tuple(GOOD)
NEW, WARNING, DUPLICATE = ("new",), ("warning",), ("duplicate",)
CALL, PUT = "SPY160819C00212000", "SPY160819P00200000"
Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One file and what must come of it."""

    name: str
    data: bytes
    rows: Sequence[Row] = ()
    refused: tuple[int, str] | None = None
    given: dict[str, Any] = field(default_factory=dict)


def sheet(*rows: dict[str, str], extra: Sequence[str] = ()) -> bytes:
    """Rows as a plain file; cells are quoted, so that nothing in them separates."""
    names = [*NAMES, *extra]
    lines = [",".join(names)]
    for row in rows:
        cells = (row.get(name, "").replace('"', '""') for name in names)
        lines.append(",".join(f'"{cell}"' for cell in cells))
    return ("\n".join(lines) + "\n").encode()


def one(name: str, expected: Row, **cells: str) -> Case:
    """A file of one row that differs from a good one in these cells."""
    extra = [each for each in cells if each not in NAMES]
    return Case(f"{name} {cells}", sheet(GOOD | cells, extra=extra), [expected])


def ways_of_writing() -> Iterator[Case]:
    """Encodings, separators, line ends, places of the header, quotes: the same row in all."""
    ways = product(("", "\ufeff"), ",;\t", ("\n", "\r\n"), (0, 1, 5, 19), (False, True))
    for mark, separator, end, above, quoted in ways:
        lines = ["My broker"] * above
        for cells in (NAMES, tuple(GOOD.values())):
            told = [f'"{cell}"' if quoted else cell for cell in cells]
            lines.append(separator.join(told))
        name = f"written {mark!r} {separator!r} {end!r} {above} {quoted}"
        yield Case(name, (mark + end.join(lines) + end).encode(), [NEW])
    for separator, text, expected in product(";\t", ("211,89", "0,5", "+7,25"), (NEW,)):
        cells = [*GOOD.values()]
        cells[2] = text
        data = f"{separator.join(NAMES)}\n{separator.join(cells)}\n".encode()
        yield Case(f"comma {separator!r} {text}", data, [expected])
    thousand = f"{';'.join(NAMES)}\nSPY;1;1,000;2016-06-20\n".encode()
    yield Case("a thousand, or one", thousand, [("error", "entry_price", "not_a_number")])
    clear = thousand + b"NFLX;1;2,5;2016-06-20\n"
    yield Case("one, as another row tells", clear, [NEW, NEW])
    cells = sheet(GOOD | {"tags": "Café"}, extra=["tags"]).decode()
    yield Case("cp1252 by itself", cells.encode("cp1252"), refused=(400, "validation_error"))
    chosen = {"encoding": "cp1252"}
    yield Case("cp1252 chosen", cells.encode("cp1252"), [NEW], given=chosen)
    yield Case("utf-8 beyond ASCII", cells.encode(), [NEW])
    yield Case("old Macintosh", sheet(GOOD).replace(b"\n", b"\r"), [NEW])
    yield Case("no line end at the end", sheet(GOOD).rstrip(), [NEW])
    yield Case("empty lines between", sheet(GOOD).replace(b"\n", b"\n\n \n"), [NEW])


def numbers() -> Iterator[Case]:
    """Numbers as text, in both columns of amounts."""
    good = ("1", "1.5", "+2", "0.000001", "0000.5", "123456789", " 7 ", "7.00000000")
    bad = (
        "1e3", "1E999999", "NaN", "nan", "Infinity", "-Infinity", "0x10", "1_000", "1,000",
        "1.000,00", "1 000", "1'000", "$12", "12 USD", "12%", "(12)", "1.", ".5", "--1", "+-1",
        "1.2.3", "one", "\uff11\uff10", "\u0663", "\u00b2", "1\u00a0000", "\u2212" "5", "9" * 13, "9" * 400,
        "1.123456789", "1/2", "0b1", "1d", "TRUE", "#N/A", "-",
    )  # fmt: skip
    for column, text in product(("quantity", "entry_price"), good):
        yield one("number", NEW, **{column: text})
    for column, text in product(("quantity", "entry_price"), bad):
        yield one("no number", ("error", column, "not_a_number"), **{column: text})
    for text in ("0", "0.0", "-0", "+0.000000"):
        yield one("zero", ("error", "quantity", "zero"), quantity=text)
        yield one("zero", ("error", "entry_price", "not_positive"), entry_price=text)
    yield one("short", NEW, quantity="-3")
    yield one("negative price", ("error", "entry_price", "not_positive"), entry_price="-3")
    for column in ("quantity", "entry_price"):
        code = ("error", column, "too_many_decimals")
        yield one("decimals", code, **{column: "1.0000001"})
        yield one("missing", ("error", column, "required"), **{column: ""})
    yield one("large", ("error", "quantity", "too_large"), quantity="999999999999")


def dates() -> Iterator[Case]:
    """Days, and what is none."""
    for text in ("2016-06-22", "2016-06-21", "2015-06-22", "2012-02-29", "2011-06-23"):
        yield one("day", NEW, entry_date=text)
    for text in ("2016-06-19", "2016-06-18", "2015-12-25", "2010-06-21", "2005-01-03"):
        yield one("day with a warning", WARNING, entry_date=text)
    bad = (
        "22/06/2015", "06/22/2015", "22.06.2015", "20150622", "2015-6-2", "2015-02-30",
        "2015-13-01", "2015-00-10", "2015-06-22T00:00", "2015-06-22 ,", "2015-W25-1", "June 2015",
        "42177", "0000-01-01", "2015-06-2\uff12", "today", "=TODAY()", "15-06-22", "2013-02-29",
    )  # fmt: skip
    for text in bad:
        yield one("no day", ("error", "entry_date", "not_a_date"), entry_date=text)
    for text in ("2016-06-23", "2026-01-01", "9999-12-31"):
        yield one("future", ("error", "entry_date", "future_date"), entry_date=text)
    yield one("missing", ("error", "entry_date", "required"), entry_date="")
    yield one("before", ("error", "entry_date", "out_of_range"), entry_date="1980-01-03")


def symbols() -> Iterator[Case]:
    """Tickers, share classes and option symbols in every form."""
    for text in ("SPY", "spy", " SPY ", "BRK-B", "BRK.B", "BRK/B", "brk.b"):
        yield one("symbol", NEW, ticker=text)
    for text in (CALL, CALL.lower(), "SPY   160819C00212000", PUT, "SPY160819P00000001"):
        yield one("option", NEW, ticker=text)
    yield one("adjusted root", WARNING, ticker="SPY1160819C00212000")
    bad = (
        "SPY160231C00212000", "SPY161319C00212000", "SPY160800C00212000", "SPY160819C00000000",
        "SPY160819X00212000", "LONGROOT160819C00212000", "S%Y160819C00212000",
        "SPY0160819C00212000", "160819C00212000",
    )  # fmt: skip
    for text in bad:
        yield one("no option", ("error", "ticker", "invalid_option"), ticker=text)
    yield one("on what", ("error", "ticker", "unknown_underlying"), ticker="QQX160819C00212000")
    yield one("ended", ("error", "ticker", "expired"), ticker="SPY160617C00212000")
    for text in ("ZZZ", "SPYY", "SPY160819", "SPY 160819 C 212", "BRK-C"):
        code = "invalid_symbol" if " " in text else "unknown_symbol"
        yield one("unknown", ("error", "ticker", code), ticker=text)
    for text in (
        "S P Y",
        "<b>",
        "SPY;DROP",
        "A" * 25,
        "A" * 4096,
        "\u0405PY",
        "SPY\u200b",
        "\U0001f600",
    ):
        yield one("no symbol", ("error", "ticker", "invalid_symbol"), ticker=text)
    yield one("an index", ("error", "ticker", "not_tradable"), ticker="^VIX")
    yield one("missing", ("error", "ticker", "required"), ticker="")


def types() -> Iterator[Case]:
    """Type codes against signs and instruments: the rule of the sign table."""
    things = {"SPY": "", CALL: "C", PUT: "P"}
    codes = {"LONG": (1, ""), "SHORT": (-1, ""), "LC": (1, "C"), "LP": (1, "P"), "SC": (-1, "C"), "SP": (-1, "P")}  # fmt: skip
    for (code, (sign, right)), (ticker, kind), quantity in product(
        codes.items(), things.items(), ("5", "-5")
    ):
        agrees = kind == right and not (sign > 0 and quantity == "-5")
        expected = NEW if agrees else ("error", "position_type", "contradiction")
        yield one("type", expected, ticker=ticker, quantity=quantity, position_type=code)
    yield one("small letters", NEW, position_type="short")
    for text in ("BUY", "L", "\uff33\uff28\uff2f\uff32\uff34"):
        yield one("no type", ("error", "position_type", "unknown_type"), position_type=text)


def words() -> Iterator[Case]:
    """Tags, currencies, control characters, formulas."""
    for text in ("", "Core", "Core Holdings, b_c, d-e, f.g", "#x", "#strategy:hedge", " , "):
        yield one("tags", NEW, tags=text)
    yield one("long tag", NEW, tags="t" * 50)
    for text in ("t" * 51, "a<b", "a/b", "<script>alert(1)</script>", "#", "#strategy:", "a@b"):
        yield one("no tag", ("error", "tags", "invalid_tag"), tags=text)
    many = ",".join(f"t{n}" for n in range(21))
    yield one("many tags", ("error", "tags", "too_many_tags"), tags=many)
    yield one("currency", NEW, currency="usd")
    yield one("currency", ("error", "currency", "unsupported_currency"), currency="EUR")
    yield one("cost", NEW, cost_basis="39411.54")
    yield one("cost", ("error", "cost_basis", "contradiction"), cost_basis="39411.60")
    yield one("fee", WARNING, fee="1.5")
    for number in (*range(1, 9), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F, 0x85):
        code = ("error", "ticker", "control_character")
        yield one("control", code, ticker=f"S{chr(number)}PY")
    codes = {"ticker": "invalid_symbol", "quantity": "not_a_number", "entry_date": "not_a_date"}
    for text, column in product(("=1+1", "+cmd", "-cmd()", "@SUM(A1)", "\uff1d1"), codes):
        yield one("formula", ("error", column, codes[column]), **{column: text})
    yield one("a guarded number", NEW, quantity="'-5")
    yield one("a guarded formula", ("error", "ticker", "invalid_symbol"), ticker="'=1+1")
