"""Many rows into a staging table at once: binary COPY on PostgreSQL, one executemany on SQLite.

A column is an array of whole numbers and says what they mean; nothing here builds SQL.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from etftrader.core.money import MAX_AMOUNT, to_fill_price

_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_EPOCH_DAYS, _EPOCH_US = 10_957, 946_684_800_000_000  # PostgreSQL counts from 2000-01-01
_DIGITS = 4  # of base 10,000 in a packed amount: three before the point, one behind it
_SURE = 1e11  # below it a float64 holds ten-thousandths with room to spare
_NEAR_TIE = 1e-3
_HALF = 0.5


class Kind(Enum):
    """What the whole numbers of a column mean."""

    LABEL = "places in a tuple of UUIDs or texts"
    DAY = "days since 1970-01-01"
    MOMENT = "microseconds since 1970-01-01, UTC"
    PRICE = "ten-thousandths of a dollar"
    WHOLE = "themselves"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of n rows; `missing` marks the rows that are null."""

    kind: Kind
    values: NDArray[np.int64]
    labels: Sequence[UUID | str] = ()
    missing: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """A temporary table that rows rest in on their way, in the words of both engines."""

    create: str  # PostgreSQL
    copy: str
    create_plain: str  # SQLite
    insert: str
    clear: str


def stage(cursor: Any, into: Stage, columns: Sequence[Column]) -> None:
    """Fill a staging table with these rows and no others. Call it inside a transaction."""
    packed = connection.vendor == "postgresql"
    cursor.execute(into.create if packed else into.create_plain)
    cursor.execute(into.clear)
    if not columns[0].values.size:
        return
    if packed:
        copy(cursor, into.copy, columns)
    else:
        cursor.executemany(into.insert, tuples(columns))


def copy(cursor: Any, statement: str, columns: Sequence[Column]) -> None:
    """Send rows through one binary COPY."""
    with cursor.copy(statement) as line:
        line.write(_SIGNATURE)
        for block in blocks(columns):
            line.write(block)
        line.write(_END)


def ten_thousandths(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Prices in whole ten-thousandths, rounded half up as `to_fill_price` rounds.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Dollars.

    Returns
    -------
    ndarray of int64, shape (n,)

    Raises
    ------
    ValueError
        A value is not finite, or larger than an amount may be.
    """
    size = np.abs(values)
    if not np.all(size <= float(MAX_AMOUNT)):
        place = int(np.flatnonzero(~(size <= float(MAX_AMOUNT)))[0])
        raise ValueError(f"not an amount of money: {values[place]} (row {place})")
    scaled = size * 1e4
    whole = np.floor(scaled)
    rest = scaled - whole
    units = np.copysign(whole + (rest >= _HALF), values).astype(np.int64)
    # near a tie, and where floats grow coarse, the decimal digits decide
    doubtful = (np.abs(rest - _HALF) < _NEAR_TIE) | (scaled > _SURE)
    for place in np.flatnonzero(doubtful).tolist():
        units[place] = int(to_fill_price(float(values[place])).scaleb(4))
    return units


def blocks(columns: Sequence[Column]) -> Iterator[bytes]:
    """Rows in the layout of a binary COPY, grouped so that each group has one fixed layout."""
    pattern = np.zeros(columns[0].values.size, dtype=np.int64)
    for column in columns:
        if column.missing is not None:
            pattern = 2 * pattern + column.missing
        if _varies(column):
            pattern = pattern * len(column.labels) + column.values
    for one in np.unique(pattern).tolist():
        rows = np.flatnonzero(pattern == one)
        yield _block(columns, slice(None) if rows.size == pattern.size else rows)


def _varies(column: Column) -> bool:
    return column.kind is Kind.LABEL and isinstance(column.labels[0], str)


def _block(columns: Sequence[Column], rows: Any) -> bytes:
    parts = [_field(column, rows) for column in columns]
    layout: list[tuple[str, Any]] = [("fields", ">i2")]
    for place, values in enumerate(parts):
        layout.append((f"size{place}", ">i4"))
        if values is not None:
            layout.append((f"value{place}", values.dtype))
    size = columns[0].values[rows].size
    packed = np.empty(size, np.dtype(layout))
    packed["fields"] = len(columns)
    for place, values in enumerate(parts):
        packed[f"size{place}"] = -1 if values is None else values.dtype.itemsize
        if values is not None:
            packed[f"value{place}"] = values
    return packed.tobytes()


def _field(column: Column, rows: Any) -> NDArray[Any] | None:
    """The bytes of one column's rows, which are all null or none of them is."""
    if column.missing is not None and column.missing[rows][0]:
        return None
    values = column.values[rows]
    if column.kind is Kind.LABEL:
        return _labels(column, values)
    if column.kind is Kind.DAY:
        return (values - _EPOCH_DAYS).astype(">i4")
    if column.kind is Kind.MOMENT:
        return (values - _EPOCH_US).astype(">i8")
    if column.kind is Kind.PRICE:
        return _numeric(values)
    return values.astype(">i8")


def _labels(column: Column, places: NDArray[np.int64]) -> NDArray[Any]:
    if isinstance(column.labels[0], str):
        word = str(column.labels[int(places[0])]).encode()
        return np.full(places.size, np.void(word))
    keys = b"".join(each.bytes for each in column.labels if isinstance(each, UUID))
    return np.frombuffer(keys, dtype="V16")[places]


def _numeric(units: NDArray[np.int64]) -> NDArray[Any]:
    """PostgreSQL's own form of a decimal, exact: sign, scale and digits of base 10,000."""
    layout = [("count", ">i2"), ("weight", ">i2"), ("sign", ">u2"), ("scale", ">i2")]
    packed = np.empty(units.size, [*layout, ("digits", ">i2", (_DIGITS,))])
    packed["count"], packed["weight"], packed["scale"] = _DIGITS, _DIGITS - 2, 6
    packed["sign"] = np.where(units < 0, 0x4000, 0)
    left = np.abs(units)
    digits = packed["digits"]
    for place in range(_DIGITS - 1, 0, -1):
        higher = left // 10_000
        digits[:, place] = left - 10_000 * higher
        left = higher
    if left.size and int(left.max()) > 9_999:
        raise ValueError("an amount is too large to be packed")
    digits[:, 0] = left
    return packed.view("V16") if packed.dtype.itemsize == 16 else packed


def tuples(columns: Sequence[Column]) -> list[tuple[Any, ...]]:
    """The same rows as parameters for SQLite, in the form in which its columns keep them."""
    return list(zip(*(_plain(column) for column in columns), strict=True))


def _plain(column: Column) -> list[Any]:
    values: list[Any]
    if column.kind is Kind.LABEL:
        words = [each.hex if isinstance(each, UUID) else each for each in column.labels]
        values = [words[place] for place in column.values.tolist()]
    elif column.kind is Kind.DAY:
        values = np.datetime_as_string(column.values.astype("datetime64[D]")).tolist()
    elif column.kind is Kind.MOMENT:
        values = [_moment(text) for text in np.datetime_as_string(_us(column.values)).tolist()]
    elif column.kind is Kind.PRICE:
        values = (column.values * 100).tolist()  # the column counts millionths
    else:
        values = column.values.tolist()
    if column.missing is None:
        return values
    holes = column.missing.tolist()
    return [None if hole else value for value, hole in zip(values, holes, strict=True)]


def _us(values: NDArray[np.int64]) -> NDArray[np.datetime64]:
    return values.astype("datetime64[us]")


def _moment(text: str) -> str:
    """As Django writes a moment: no zone, and a fraction only where there is one."""
    end = 19 if text.endswith(".000000") else 26
    return f"{text[:10]} {text[11:end]}"
