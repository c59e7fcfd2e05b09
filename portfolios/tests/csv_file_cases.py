"""Prepared files whose rows hang together, or that are refused as a whole."""

from collections.abc import Iterator
from itertools import product

from portfolios.tests.csv_cases import DUPLICATE, GOOD, NAMES, NEW, Case, sheet

BAD = (400, "validation_error")


def headers() -> Iterator[Case]:
    """Spellings of the columns' names, their order, what stands beside them."""
    spellings = {
        "ticker": ("Ticker", "SYMBOL", " symbol ", "'ticker"),
        "quantity": ("QTY", "Shares", "Quantity"),
        "entry_price": ("Price", "Entry Price", "ENTRY_PRICE", "cost"),
        "entry_date": ("Trade Date", "date", "entry  date"),
    }
    for name, told in spellings.items():
        for spelling in told:
            data = sheet(GOOD).replace(name.encode(), spelling.encode(), 1)
            yield Case(f"header {spelling!r}", data, [NEW])
    backwards = ",".join(reversed(NAMES)) + "\n" + ",".join(reversed([*GOOD.values()])) + "\n"
    yield Case("backwards", backwards.encode(), [NEW])
    for extra in ("market_value", "pnl", "Whatever", ""):
        yield Case(f"beside {extra}", sheet(GOOD | {extra: "=1+1"}, extra=[extra]), [NEW])
    for name in NAMES:
        data = sheet(GOOD).replace(name.encode(), b"something", 1)
        yield Case(f"without {name}", data, refused=BAD)
        twice = sheet(GOOD | {"x": GOOD[name]}, extra=["x"]).replace(b",x", f",{name}".encode(), 1)
        yield Case(f"{name} twice", twice, refused=BAD)
    yield Case("only a header", sheet(), [])
    late = b"nothing\n" * 20 + sheet(GOOD)
    yield Case("a header too far down", late, refused=BAD)
    odd = "Papier,Zahl,Kurs,Tag\n" + ",".join(GOOD.values()) + "\n"
    yield Case("names nobody knows", odd.encode(), refused=BAD)
    by_name = '{"ticker":"Papier","quantity":1,"entry_price":"kurs","entry_date":3}'
    yield Case("names that were mapped", odd.encode(), [NEW], given={"columns": by_name})
    for told in (
        "{}",
        "[]",
        "1",
        '{"ticker":0}',
        '{"ticker":-1}',
        '{"ticker":"x"}',
        "{",
        '{"a":1}',
    ):
        if told == "{}":
            continue
        yield Case(f"mapped {told}", odd.encode(), refused=BAD, given={"columns": told})


def rows() -> Iterator[Case]:
    """Repetitions, short and long rows, half a file of bad ones."""
    other = GOOD | {"quantity": "5"}
    later = GOOD | {"entry_date": "2016-06-21"}
    bad = GOOD | {"quantity": "x"}
    error = ("error", "quantity", "not_a_number")
    yield Case("twice", sheet(GOOD, GOOD), [NEW, DUPLICATE])
    yield Case("thrice", sheet(GOOD, later, GOOD, GOOD), [NEW, NEW, DUPLICATE, DUPLICATE])
    yield Case("same day", sheet(GOOD, other), [NEW, DUPLICATE])
    yield Case("same day, other ticker", sheet(GOOD, other | {"ticker": "NFLX"}), [NEW, NEW])
    spelled = GOOD | {"quantity": "+186.000", "ticker": "spy"}
    yield Case("the same in other words", sheet(GOOD, spelled), [NEW, DUPLICATE])
    yield Case("one share class", sheet(*({**GOOD, "ticker": f"BRK{m}B"} for m in "-./")), [NEW, DUPLICATE, DUPLICATE])  # fmt: skip
    yield Case("half bad", sheet(GOOD, bad, later, bad), [NEW, error, NEW, error])
    yield Case("a bad one is no twin", sheet(bad, GOOD), [error, NEW])
    head = ",".join(NAMES)
    short = f"{head}\nSPY,1\n".encode()
    yield Case("a short row", short, [("error", "entry_price", "required")])
    long = f"{head}\n{','.join(GOOD.values())},more,and more\n".encode()
    yield Case("a long row", long, [NEW])
    for count in (10, 100, 1_000):
        many = [GOOD | {"entry_price": f"{n}.5"} for n in range(1, count + 1)]
        yield Case(f"{count} of one day", sheet(*many), [NEW, *[DUPLICATE] * (count - 1)])


def whole_files() -> Iterator[Case]:
    """What is no table, and what is too large."""
    head = ",".join(NAMES).encode() + b"\n"
    line = ",".join(GOOD.values()).encode() + b"\n"
    for data in (b"", b"\n", b" \n \n", b"\xef\xbb\xbf", b",,,\n", b"\r\n\r\n"):
        yield Case(f"empty {data!r}", data, refused=BAD)
    for encoding in ("utf-16", "utf-16-le", "utf-32"):
        data = b"\xff\xfe" * (encoding == "utf-16-le") + (head + line).decode().encode(encoding)
        yield Case(encoding, data, refused=BAD)
    for junk in (b"\x00", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"):
        yield Case(f"bytes {junk!r}", head + b"S" + junk + b"PY,1,1,2016-06-20\n", refused=BAD)
    quotes = (b'"SPY,1,1,2016-06-20\n', b'"SPY"x,1,1,2016-06-20\n', b'SPY,"1\n', b'"' * 999)
    for data in quotes:
        yield Case(f"quotes {data[:12]!r}", head + data, refused=BAD)
    for data in (b"PK\x03\x04" + b"\x00" * 99, b"%PDF-1.4\n", b"{}", b"<html></html>"):
        yield Case(f"something else {data[:8]!r}", data, refused=BAD)
    for width, refused in (
        (49, None),
        (50, None),
        (51, (413, "too_large")),
        (60, (413, "too_large")),
    ):
        more = b"," * (width - 4)
        data = head.strip() + more + b"\n" + line.strip() + more + b"\n"
        yield Case(f"{width} columns", data, [] if refused else [NEW], refused)
    for size, letter in product((4_096, 4_097), ("x", "9", "=", "\u00e9")):
        data = sheet(GOOD | {"note": letter * size}, extra=["note"])
        refused = BAD if size > 4_096 else None
        yield Case(f"a cell of {size} {letter}", data, [] if refused else [NEW], refused)
    yield Case("two lines in a cell", head + b'"SPY\n",1,1,2016-06-20\n', [NEW])
    for delimiter in ("|", ":", "x"):
        yield Case(f"separator {delimiter}", head, refused=BAD, given={"delimiter": delimiter})
    yield Case("a chosen separator", head + line, [NEW], given={"delimiter": ","})
    yield Case("the wrong separator", head + line, refused=BAD, given={"delimiter": ";"})
    for encoding in ("latin-9", "utf-7", "utf-16", "idna", "\u00fc"):
        yield Case(f"as {encoding}", head + line, refused=BAD, given={"encoding": encoding})
    for kind, code in (("loans", BAD), ("prices", (403, "prices_are_shared"))):
        yield Case(f"kind {kind}", head + line, refused=code, given={"kind": kind})
