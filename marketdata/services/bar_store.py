"""Writes daily bars in bulk, and the packed series beside them."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray

from marketdata.calculations.adjusted import total_return
from marketdata.models import DailyBar, Instrument, PriceSeries
from marketdata.providers.base import BarRow
from marketdata.services import bulk
from marketdata.services.bulk import Column, Kind

_BATCH = 50_000  # rows a transaction: a quarter of a second in which SQLite has no other writer
_KEY = ("instrument_id", "session_date", "source")
_PRICES = ("open", "high", "low", "close", "adj_close")
_VALUES = (*_PRICES, "volume", "price_basis")
_EPOCH = date(1970, 1, 1).toordinal()
_CREATE = """
    CREATE TEMP TABLE IF NOT EXISTS bars_in (
        instrument_id uuid, session_date date, source varchar, open numeric, high numeric,
        low numeric, close numeric, adj_close numeric, volume bigint, price_basis varchar
    ) ON COMMIT DELETE ROWS
"""
# equal rows are left out beforehand: the conflict alone would lock, and so write, every one
_CHANGED = """
    SELECT *, 0 FROM bars_in n WHERE NOT EXISTS (
        SELECT 1 FROM marketdata_dailybar o
        WHERE (o.instrument_id, o.session_date, o.source)
            = (n.instrument_id, n.session_date, n.source)
        AND (o.open, o.high, o.low, o.close, o.adj_close, o.volume, o.price_basis)
            IS NOT DISTINCT FROM
            (n.open, n.high, n.low, n.close, n.adj_close, n.volume, n.price_basis)
    ) ORDER BY 1, 2, 3
"""


def upsert(rows: Iterable[BarRow], instruments: dict[str, Instrument]) -> int:
    """Write bars by (instrument, session, source); the answer counts rows that changed.

    An equal row is left alone, so that a second run writes nothing; a corrected one raises its
    revision. Of two rows with one key the later one counts. Raises ValueError for a figure that
    is no amount of money.
    """
    told = list(rows)
    changed = 0
    for start in range(0, len(told), _BATCH):
        columns = _table(told[start : start + _BATCH], instruments)
        with transaction.atomic(), connection.cursor() as cursor:
            changed += _merge(cursor, columns)
    return changed


def _merge(cursor: Any, columns: Sequence[Column]) -> int:
    if connection.vendor == "postgresql":
        cursor.execute(_CREATE)
        cursor.execute("DELETE FROM bars_in")  # of an earlier call in this transaction
        bulk.copy(cursor, "COPY bars_in FROM STDIN BINARY", columns)
        cursor.execute(_statement(_CHANGED, "IS DISTINCT FROM"))
    else:
        marks = ", ".join(["%s"] * len(columns))
        cursor.executemany(_statement(f"VALUES ({marks}, 0)", "IS NOT"), bulk.tuples(columns))
    return max(cursor.rowcount, 0)


def _statement(given: str, differs: str) -> str:
    table = DailyBar._meta.db_table
    old = ", ".join(f"{table}.{name}" for name in _VALUES)
    new = ", ".join(f"excluded.{name}" for name in _VALUES)
    # every name below is a column of ours; the values travel as parameters
    return (
        f"INSERT INTO {table} ({', '.join((*_KEY, *_VALUES))}, revision) "  # nosec B608
        f"{given} ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET "
        + ", ".join(f"{name} = excluded.{name}" for name in _VALUES)
        + f", revision = {table}.revision + 1 WHERE ({old}) {differs} ({new})"
    )


def _table(rows: Sequence[BarRow], instruments: dict[str, Instrument]) -> list[Column]:
    """The rows as columns of the table, each key once."""
    owner = [instruments[row.symbol].pk for row in rows]
    days = np.array([row.session_date.toordinal() for row in rows], np.int64) - _EPOCH
    columns = [
        _label(owner),
        Column(Kind.DAY, days),
        _label([row.source for row in rows]),
        *(_amounts(name, [getattr(row, name) for row in rows]) for name in _PRICES),
        _counts([row.volume for row in rows]),
        _label([row.price_basis for row in rows]),
    ]
    key = (columns[0].values * 100_000 + days) * 100 + columns[2].values
    # the last of equal keys: the first one read backwards
    kept = days.size - 1 - np.unique(key[::-1], return_index=True)[1]
    return columns if kept.size == days.size else [_rows(each, kept) for each in columns]


def _rows(column: Column, kept: NDArray[np.intp]) -> Column:
    missing = None if column.missing is None else column.missing[kept]
    return Column(column.kind, column.values[kept], column.labels, missing)


def _label(values: Sequence[Any]) -> Column:
    labels = {value: place for place, value in enumerate(dict.fromkeys(values))}
    places = np.array([labels[value] for value in values], np.int64)
    return Column(Kind.LABEL, places, tuple(labels))


def _amounts(name: str, values: Sequence[float | None]) -> Column:
    prices = np.array(values, np.float64)  # None becomes NaN
    missing = np.isnan(prices)
    holes = values.count(None)
    if int(missing.sum()) != holes:
        raise ValueError(f"{name}: a figure is not a number")
    if not holes:
        return Column(Kind.PRICE, bulk.ten_thousandths(prices))
    prices[missing] = 0.0
    return Column(Kind.PRICE, bulk.ten_thousandths(prices), missing=missing)


def _counts(values: Sequence[int | None]) -> Column:
    if None not in values:
        return Column(Kind.WHOLE, np.array(values, np.int64))
    missing = np.array([value is None for value in values])
    known = np.array([0 if value is None else value for value in values], np.int64)
    return Column(Kind.WHOLE, known, missing=missing)


def take_over(instrument: Instrument, rows: Sequence[BarRow]) -> int:
    """Drop what other sources have of these sessions: readers find one price a session."""
    dropped = 0
    for source in {row.source for row in rows}:
        days = [row.session_date for row in rows if row.source == source]
        stale = DailyBar.objects.filter(instrument=instrument, session_date__in=days)
        dropped += stale.exclude(source=source).delete()[0]
    return dropped


def pack_series(instrument: Instrument, rows: Sequence[BarRow]) -> None:
    """Add bars to an instrument's packed series; a row at or before its end rebuilds it whole."""
    rows = sorted(rows, key=lambda row: row.session_date)
    if not rows:
        return
    with transaction.atomic():
        series = PriceSeries.objects.filter(instrument=instrument).first()
        if series is None:
            _write(PriceSeries(instrument=instrument), rows)
        elif rows[0].session_date > series.last_session and _extend(series, rows):
            return
        else:
            _write(series, _stored(instrument))


def _columns(rows: Sequence[BarRow]) -> dict[str, np.ndarray]:
    close = np.array([row.close for row in rows], float)
    adjusted = np.array([row.adj_close for row in rows], float)  # None becomes NaN
    return {
        "sessions": np.array([row.session_date.toordinal() - _EPOCH for row in rows], float),
        "close": close,
        "total_return": total_return(close, adjusted),
        "volume": np.array([np.nan if row.volume is None else row.volume for row in rows], float),
    }


def _basis_changes(bases: Sequence[str], offset: int = 0) -> list[int]:
    return [offset + place for place in range(1, len(bases)) if bases[place] != bases[place - 1]]


def _extend(series: PriceSeries, rows: Sequence[BarRow]) -> bool:
    """Append to a series; False where adjusted closes and closes would stand side by side."""
    known = int(series.sessions.size)
    last_basis, adjusted = DailyBar.objects.filter(
        instrument_id=series.instrument_id, session_date=series.last_session
    ).values_list("price_basis", "adj_close")[0]
    if {row.adj_close is None for row in rows} != {adjusted is None}:
        return False
    for name, values in _columns(rows).items():
        setattr(series, name, np.concatenate([getattr(series, name), values]))
    bases = [last_basis, *(row.price_basis for row in rows)]
    series.basis_breaks = [*series.basis_breaks, *_basis_changes(bases, known - 1)]
    series.last_session = rows[-1].session_date
    series.revision += 1
    series.save()
    return True


def _stored(instrument: Instrument) -> list[BarRow]:
    bars = DailyBar.objects.filter(instrument=instrument).order_by("session_date")
    return [row_of(instrument, bar) for bar in bars.iterator(chunk_size=5000)]


def row_of(instrument: Instrument, bar: DailyBar) -> BarRow:
    """What a packed series takes of a stored bar."""
    return BarRow(
        symbol=instrument.symbol,
        session_date=bar.session_date,
        open=None,
        high=None,
        low=None,
        close=float(bar.close),
        adj_close=None if bar.adj_close is None else float(bar.adj_close),
        volume=bar.volume,
        source=bar.source,
        price_basis=bar.price_basis,
    )


def _write(series: PriceSeries, rows: Sequence[BarRow]) -> None:
    for name, values in _columns(rows).items():
        setattr(series, name, values)
    series.basis_breaks = _basis_changes([row.price_basis for row in rows])
    series.first_session, series.last_session = rows[0].session_date, rows[-1].session_date
    series.revision += 1
    series.save()
