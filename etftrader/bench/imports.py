"""A file of 100,000 positions brought to a preview: read, judged row by row, kept.

Peer: the same rows split by the csv module and stored by bulk_create with no verdict at all. The
goal of ours is ten seconds and 100 MB, which are printed; that it takes no more a row for a long
file than for a short one is the growth. SQLite in a temporary file.
"""

import atexit
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from etftrader.bench.harness import Case, Growth, Side

LONG, SHORT = 100_000, 10_000
GOAL = 1  # as fast as storing alone by the framework
GROWTH = 1.2  # seconds a row, of the long file against the short one
SYMBOLS = 200
DAY = date(2016, 6, 22)


def cases(quick: bool) -> Iterator[Case | Growth]:
    """What a preview takes, against storing alone and against a short file."""
    folder = tempfile.TemporaryDirectory(prefix="etf-bench-")
    atexit.register(folder.cleanup)
    portfolio, user = _start(Path(folder.name))
    count, few = (20_000, 2_000) if quick else (LONG, SHORT)
    data, small = _file(count), _file(few)
    seconds, grown = _measured(portfolio, user, data)
    sys.stdout.write(f"  {count:,} rows to a preview: {seconds:.2f} s, +{grown:.0f} MB\n")
    yield Case(
        f"{count:,} rows to a preview, storing alone",
        Side(lambda: _store(portfolio, user, data), count),
        Side(lambda: _preview(portfolio, user, data), count),
        GOAL,
        lambda: 0.0,
        0.0,
    )
    yield Growth(
        "seconds a row, long file against short",
        (few, count),
        (
            Side(lambda: _preview(portfolio, user, small), few),
            Side(lambda: _preview(portfolio, user, data), count),
        ),
        GROWTH,
    )


def _start(folder: Path) -> tuple[Any, Any]:
    """A migrated database with funds, a person and an empty portfolio."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "etftrader.settings")
    os.environ.setdefault("ETF_EMBEDDED", "1")
    os.environ.setdefault("ETF_VAR", str(folder))
    os.environ.setdefault("SECRET_KEY", "bench-" + "s" * 50)
    django.setup()
    from django.core.management import call_command
    from django.db import connections

    config = connections.settings["default"]
    connections["default"].close()
    pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    connections.settings["default"] = config | {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(folder / "imports.sqlite3"),
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": pragmas},
    }
    del connections["default"]
    call_command("migrate", verbosity=0)
    return _people()


def _people() -> tuple[Any, Any]:
    from marketdata.models import Instrument
    from portfolios.models import Account, Customer, Portfolio, User

    Instrument.objects.bulk_create(
        Instrument(symbol=f"S{n:03d}", name="bench", kind="stock", price_basis="close")
        for n in range(SYMBOLS)
    )
    user = User.objects.create(email="bench@example.com")
    customer = Customer.objects.create(user=user, name="bench")
    account = Account.objects.create(customer=customer, name="bench")
    return Portfolio.objects.create(account=account, name="bench"), user


def _file(count: int) -> bytes:
    lines = ["ticker,quantity,entry_price,entry_date,tags"]
    for n in range(count):
        tags = '"Core, #strategy:hedge"' if n % 10 == 0 else ""
        day = f"201{4 + n % 2}-{1 + n // 2 % 12:02d}-{1 + n // 24 % 28:02d}"
        lines.append(f"S{n % SYMBOLS:03d},{n + 1},{100 + n % 97}.25,{day},{tags}")
    return ("\n".join(lines) + "\n").encode()


def _preview(portfolio: Any, user: Any, data: bytes) -> None:
    from portfolios.models import ImportBatch
    from portfolios.services import csv_import

    ImportBatch.objects.all().delete()
    csv_import.check(
        portfolio_id=portfolio.pk,
        user=user,
        file_name="bench.csv",
        file=csv_import.read(data=data, user=user),
        session_date=DAY,
    )


def _store(portfolio: Any, user: Any, data: bytes) -> None:
    import csv
    import io

    from django.db import transaction

    from portfolios.models import ImportBatch, ImportRow

    ImportBatch.objects.all().delete()
    with transaction.atomic():
        batch = ImportBatch.objects.create(
            portfolio=portfolio, user=user, file_name="x", file_hash="x", session_date=DAY
        )
        rows = [
            ImportRow(batch=batch, ordinal=number, raw=cells, verdict="new")
            for number, cells in enumerate(csv.reader(io.StringIO(data.decode())))
        ]
        ImportRow.objects.bulk_create(rows, batch_size=1_000)


def _measured(portfolio: Any, user: Any, data: bytes) -> tuple[float, float]:
    """Seconds, and by how many megabytes the peak of the process has grown."""
    import resource

    _preview(portfolio, user, _file(100))  # what is loaded at the first use
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    _preview(portfolio, user, data)
    seconds = time.perf_counter() - began
    return seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
