"""Celery shells of market data."""

from datetime import date
from typing import Any
from uuid import UUID

from celery import shared_task

from marketdata.selectors import calendar, sessions
from marketdata.services import price_import, price_sync


@shared_task(name="marketdata.sync_prices")
def sync_prices(
    *,
    session_date: str,
    run_id: str = "",
    symbols: list[str] | None = None,
    datasets: list[str] | None = None,
    start: str = "",
    end: str = "",
    again: int = 0,
    **later: object,
) -> dict[str, Any]:
    """Fetch what is missing up to a session; one item a symbol, one for the yields.

    Run again it asks for what still is missing, that is for what failed; with `again` also for
    so many of the newest sessions, for late and corrected prices.
    """
    until = date.fromisoformat(end or session_date)
    synced = price_sync.sync(
        session_date=until,
        again_from=calendar.previous(calendar.next(until), again) if again else None,
        run_id=UUID(run_id) if run_id else None,
        symbols=symbols,
        datasets=datasets,
        start=date.fromisoformat(start) if start else None,
    )
    return {
        "items": [
            {"item": each.item, "status": each.status, "reason": each.reason}
            for each in synced.outcomes
        ],
        "counts": {name: record.written for name, record in synced.records.items()},
    }


@shared_task(name="marketdata.import_files")
def import_files(
    *, session_date: str, files: list[str], run_id: str = "", **later: object
) -> dict[str, Any]:
    """Bring in files of the watched folder, one item a file."""
    return price_import.import_files(
        names=files,
        until=date.fromisoformat(session_date),
        run_id=UUID(run_id) if run_id else None,
    )


@shared_task(name="marketdata.watch_files")
def watch_files(**later: object) -> None:
    """Ask for the import of what is new or changed in the folder of CSV files."""
    price_import.watch(session_date=sessions.latest())
