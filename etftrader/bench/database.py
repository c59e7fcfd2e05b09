"""Daily prices in the database: 100,000 of them written again, half a million of them read.

Peers: the framework's bulk_create with update_conflicts, rows read as objects and as tuples. Ours:
bar_store.upsert, the packed series. SQLite in a temporary file; PostgreSQL, in a schema of its own
that goes away again, where DATABASE_URL names a server.
"""

import atexit
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etftrader.bench.harness import Case, Growth, Side

WRITTEN, SMALL = (400, 250), (80, 250)  # instruments, sessions
READ, READ_SMALL = (500, 1000), (100, 1000)
WRITE_GOAL = {"PostgreSQL": 12, "SQLite": 6}
OBJECTS_GOAL, TUPLES_GOAL, AGAIN_GOAL = 150, 15, 2
FIRST = date(2012, 1, 2)
UPDATED = ("open", "high", "low", "close", "adj_close", "volume", "price_basis")


def cases(quick: bool) -> Iterator[Case | Growth]:
    """Cases of each engine in turn."""
    folder = tempfile.TemporaryDirectory(prefix="etf-bench-")
    atexit.register(folder.cleanup)
    _start(Path(folder.name))
    for name, config in _engines(Path(folder.name)):
        with _tables(config):
            yield from _writing(name, SMALL if quick else WRITTEN)
        with _tables(config):
            yield from _reading(name, READ_SMALL if quick else READ)


def _start(folder: Path) -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "etftrader.settings")
    os.environ.setdefault("ETF_EMBEDDED", "1")
    os.environ.setdefault("ETF_VAR", str(folder))
    os.environ.setdefault("SECRET_KEY", "bench-" + "s" * 50)
    django.setup()


def _engines(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    from django.conf import settings

    given = settings.DATABASES["default"]
    pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    yield (
        "SQLite",
        given
        | {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(folder / "bench.sqlite3"),
            "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": pragmas},
        },
    )
    if given["ENGINE"].endswith("postgresql"):
        yield "PostgreSQL", given | {"OPTIONS": {"options": "-c search_path=etf_bench"}}


@contextmanager
def _tables(config: dict[str, Any]) -> Iterator[None]:
    """Point the default connection at empty tables of our own."""
    from django.db import connection, connections

    from marketdata.models import DailyBar, Instrument, PriceSeries

    connections["default"].close()
    connections.settings["default"] = config
    del connections["default"]
    packed = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        if packed:
            cursor.execute("DROP SCHEMA IF EXISTS etf_bench CASCADE")
            cursor.execute("CREATE SCHEMA etf_bench")
    with connection.schema_editor() as editor:
        for model in (Instrument, DailyBar, PriceSeries):
            editor.create_model(model)
        if packed:
            editor.execute("ALTER TABLE marketdata_dailybar SET (fillfactor = 50)")
    try:
        yield
    finally:
        if packed:
            with connection.cursor() as cursor:
                cursor.execute("DROP SCHEMA etf_bench CASCADE")
        connection.close()
        if not packed:
            Path(config["NAME"]).unlink()


def _rows(shape: tuple[int, int], seed: int) -> tuple[dict[str, Any], list[Any]]:
    """Stored instruments and their bars, prices of four places."""
    from marketdata.models import Instrument
    from marketdata.providers.base import BarRow

    count, sessions = shape
    known = {each.symbol: each for each in Instrument.objects.all()}
    if not known:
        made = [
            Instrument(symbol=f"S{n:04d}", name="bench", kind="stock", price_basis="close")
            for n in range(count)
        ]
        known = {each.symbol: each for each in Instrument.objects.bulk_create(made)}
    rng = np.random.default_rng(seed)
    steps = rng.normal(0.0, 0.01, (count, sessions)).cumsum(axis=1)
    prices = np.round(100.0 * np.exp(steps), 4).tolist()
    days = [FIRST + timedelta(days=place) for place in range(sessions)]
    rows = [
        BarRow(symbol, day, price, price, price, price, price, 1000 + at, "bundled", "close")
        for symbol, line in zip(sorted(known), prices, strict=True)
        for at, (day, price) in enumerate(zip(days, line, strict=True))
    ]
    return known, rows


def _writing(engine: str, shape: tuple[int, int]) -> Iterator[Case]:
    from marketdata.services import bar_store

    known, first = _rows(shape, 1)
    second = _rows(shape, 2)[1]
    count = len(first)
    bar_store.upsert(first, known)
    peer = _turns(partial(_bulk_create, known), _decimals(first), _decimals(second))
    ours = _turns(partial(_upsert, known), second, first)
    yield Case(
        f"{engine}: {count:,} daily prices corrected",
        Side(peer, count),
        Side(ours, count),
        WRITE_GOAL[engine],
        lambda: _stored_apart(known, first, second),
        0.0,
    )
    if engine == "SQLite":  # most of its time is spent before the database, changed or not
        return
    bar_store.upsert(first, known)

    def there_and_back() -> None:
        _upsert(known, second)
        _upsert(known, first)

    yield Case(
        f"{engine}: the same again, against corrected",
        Side(there_and_back, 2 * count),
        Side(lambda: _upsert(known, first), count),
        AGAIN_GOAL,
        lambda: float(bar_store.upsert(first, known)),
        0.0,
    )


def _turns(write: Callable[[list[Any]], object], *tables: list[Any]) -> Callable[[], object]:
    """Each call writes the other table, so that every row differs from what is stored."""
    state = [0]

    def call() -> object:
        state[0] = 1 - state[0]
        return write(tables[state[0]])

    return call


def _upsert(known: dict[str, Any], rows: list[Any]) -> int:
    from marketdata.services import bar_store

    return bar_store.upsert(rows, known)


def _decimals(rows: list[Any]) -> list[Any]:
    """The peer's rows carry amounts already."""
    from etftrader.core.money import to_fill_price

    return [
        replace(row, **{name: to_fill_price(row.close) for name in UPDATED[:5]}) for row in rows
    ]


def _bulk_create(known: dict[str, Any], rows: list[Any]) -> None:
    from marketdata.models import DailyBar

    DailyBar.objects.bulk_create(
        [
            DailyBar(
                instrument=known[row.symbol],
                session_date=row.session_date,
                source=row.source,
                **{name: getattr(row, name) for name in UPDATED},
            )
            for row in rows
        ],
        batch_size=1000,
        update_conflicts=True,
        unique_fields=["instrument", "session_date", "source"],
        update_fields=list(UPDATED),
    )


def _stored_apart(known: dict[str, Any], first: list[Any], second: list[Any]) -> float:
    """Largest difference between what the peer and ours leave in the table."""
    _bulk_create(known, _decimals(second))
    theirs = _closes()
    _upsert(known, first)
    _upsert(known, second)
    return float(np.abs(_closes() - theirs).max())


def _closes() -> NDArray[np.float64]:
    from marketdata.models import DailyBar

    rows = DailyBar.objects.order_by("instrument_id", "session_date")
    return np.array(rows.values_list("close", flat=True), dtype=np.float64)


def _reading(engine: str, shape: tuple[int, int]) -> Iterator[Case]:
    from marketdata.services import bar_store

    known, rows = _rows(shape, 3)
    bar_store.upsert(rows, known)
    for place, symbol in enumerate(sorted(known)):
        bar_store.pack_series(known[symbol], rows[place * shape[1] : (place + 1) * shape[1]])
    cells = shape[0] * shape[1]
    few = [known[symbol].pk for symbol in sorted(known)[:40]]  # objects are slow and linear
    for name, peer, goal in (
        ("objects", partial(_by_objects, few), OBJECTS_GOAL),
        ("tuples", partial(_by_tuples, few), TUPLES_GOAL),
    ):
        yield Case(
            f"{engine}: {shape[0]} x {shape[1]:,} closes, {name}",
            Side(peer, len(few) * shape[1]),
            Side(_by_series, cells),
            goal,
            partial(_read_apart, peer, few),
            0.0,
        )


def _read_apart(peer: Callable[[], NDArray[np.float64]], keys: list[Any]) -> float:
    return float(np.abs(peer() - _by_series(keys)).max())


def _by_objects(keys: list[Any]) -> NDArray[np.float64]:
    from marketdata.models import DailyBar

    rows = DailyBar.objects.filter(instrument__in=keys).order_by("instrument_id", "session_date")
    return np.array([float(bar.close) for bar in rows]).reshape(len(keys), -1)


def _by_tuples(keys: list[Any]) -> NDArray[np.float64]:
    from marketdata.models import DailyBar

    rows = DailyBar.objects.filter(instrument__in=keys).order_by("instrument_id", "session_date")
    closes = rows.values_list("close", flat=True)
    return np.array(closes, dtype=np.float64).reshape(len(keys), -1)


def _by_series(keys: list[Any] | None = None) -> NDArray[np.float64]:
    from marketdata.models import PriceSeries

    series = PriceSeries.objects.order_by("instrument_id")
    if keys is not None:
        series = series.filter(instrument__in=keys)
    return np.stack(list(series.values_list("close", flat=True)))
