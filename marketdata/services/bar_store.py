"""Writes daily bars in bulk, and the packed series beside them."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection, transaction

from etftrader.core.money import to_fill_price
from marketdata.models import DailyBar, Instrument, PriceSeries
from marketdata.providers.base import BarRow

_BATCH = 1000  # rows a statement: a write transaction stays short on SQLite
_VALUES = ("open", "high", "low", "close", "adj_close", "volume", "price_basis")
_EPOCH = date(1970, 1, 1).toordinal()


def upsert(rows: Iterable[BarRow], instruments: dict[str, Instrument]) -> int:
    """Write bars by (instrument, session, source); the answer counts rows that changed.

    An equal row is left alone, so that a second run writes nothing; a corrected one raises its
    revision.
    """
    statement = _statement()
    table_rows = [_parameters(row, instruments[row.symbol].pk) for row in rows]
    changed = 0
    for start in range(0, len(table_rows), _BATCH):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(statement, table_rows[start : start + _BATCH])
            changed += max(cursor.rowcount, 0)
    return changed


def _statement() -> str:
    table = DailyBar._meta.db_table
    columns = ("instrument_id", "session_date", "source", *_VALUES)
    old = ", ".join(f"{table}.{name}" for name in _VALUES)
    new = ", ".join(f"excluded.{name}" for name in _VALUES)
    differs = "IS DISTINCT FROM" if connection.vendor == "postgresql" else "IS NOT"
    # every name below is a column of ours; the values travel as parameters
    return (
        f"INSERT INTO {table} ({', '.join(columns)}, revision) "  # nosec B608
        f"VALUES ({', '.join(['%s'] * len(columns))}, 0) "
        "ON CONFLICT (instrument_id, session_date, source) DO UPDATE SET "
        + ", ".join(f"{name} = excluded.{name}" for name in _VALUES)
        + f", revision = {table}.revision + 1 WHERE ({old}) {differs} ({new})"
    )


def _parameters(row: BarRow, instrument_id: UUID) -> tuple[Any, ...]:
    def exact(name: str) -> Any:
        value = getattr(row, name)
        amount = None if value is None else to_fill_price(value)
        column: Any = DailyBar._meta.get_field(name)
        return column.get_db_prep_save(amount, connection)

    pk = Instrument._meta.pk
    assert pk is not None
    return (
        pk.get_db_prep_save(instrument_id, connection),
        row.session_date,
        row.source,
        *(exact(name) for name in ("open", "high", "low", "close", "adj_close")),
        row.volume,
        row.price_basis,
    )


def pack_series(instrument: Instrument, rows: Sequence[BarRow]) -> None:
    """Add bars to an instrument's packed series; a row at or before its end rebuilds it whole."""
    rows = sorted(rows, key=lambda row: row.session_date)
    if not rows:
        return
    with transaction.atomic():
        series = PriceSeries.objects.filter(instrument=instrument).first()
        if series is None:
            _write(PriceSeries(instrument=instrument), rows)
        elif rows[0].session_date > series.last_session:
            _extend(series, rows)
        else:
            _write(series, _stored(instrument))


def _columns(rows: Sequence[BarRow]) -> dict[str, np.ndarray]:
    return {
        "sessions": np.array([row.session_date.toordinal() - _EPOCH for row in rows], float),
        "close": np.array([row.close for row in rows], float),
        "total_return": np.array(
            [row.close if row.adj_close is None else row.adj_close for row in rows], float
        ),
        "volume": np.array([np.nan if row.volume is None else row.volume for row in rows], float),
    }


def _basis_changes(bases: Sequence[str], offset: int = 0) -> list[int]:
    return [
        offset + place
        for place in range(1, len(bases))
        if bases[place] != bases[place - 1]
    ]


def _extend(series: PriceSeries, rows: Sequence[BarRow]) -> None:
    known = int(series.sessions.size)
    for name, values in _columns(rows).items():
        setattr(series, name, np.concatenate([getattr(series, name), values]))
    last_basis = DailyBar.objects.filter(
        instrument_id=series.instrument_id, session_date=series.last_session
    ).values_list("price_basis", flat=True)[0]
    bases = [last_basis, *(row.price_basis for row in rows)]
    series.basis_breaks = [*series.basis_breaks, *_basis_changes(bases, known - 1)]
    series.last_session = rows[-1].session_date
    series.revision += 1
    series.save()


def _stored(instrument: Instrument) -> list[BarRow]:
    bars = DailyBar.objects.filter(instrument=instrument).order_by("session_date")
    return [
        BarRow(
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
        for bar in bars.iterator(chunk_size=5000)
    ]


def _write(series: PriceSeries, rows: Sequence[BarRow]) -> None:
    for name, values in _columns(rows).items():
        setattr(series, name, values)
    series.basis_breaks = _basis_changes([row.price_basis for row in rows])
    series.first_session, series.last_session = rows[0].session_date, rows[-1].session_date
    series.revision += 1
    series.save()
