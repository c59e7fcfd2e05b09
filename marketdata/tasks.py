"""Celery shells of market data."""

from datetime import date
from typing import Any
from uuid import UUID

from celery import shared_task
from celery.signals import task_prerun

from marketdata.selectors import calendar, sessions
from marketdata.services import (
    action_sync,
    calendar_check,
    fundamentals,
    late_changes,
    nightly_greeks,
    price_import,
    price_sync,
    resolving,
)


@shared_task(name="marketdata.apply_actions")
def apply_actions(
    *, session_date: str, run_id: str = "", only: list[str] | None = None, **later: object
) -> dict[str, Any]:
    """Ask for splits and dividends before the open, apply what is in effect; one item each.

    `only` names items of an earlier attempt.
    """
    return action_sync.morning(
        session_date=date.fromisoformat(session_date),
        run_id=UUID(run_id) if run_id else None,
        only=only,
    )


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
    only: list[str] | None = None,
    **later: object,
) -> dict[str, Any]:
    """Fetch what is missing up to a session; one item a symbol, one for the yields.

    With `again` also so many of the newest sessions, for late and corrected prices; with `only`
    nothing but these items of an earlier attempt.
    """
    until = date.fromisoformat(end or session_date)
    if only is not None:
        symbols, datasets = price_sync.named(only)
    run = UUID(run_id) if run_id else None
    synced = price_sync.sync(
        session_date=until,
        again_from=calendar.previous(calendar.next(until), again) if again else None,
        run_id=run,
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
        "changed": late_changes.in_words(late_changes.in_run(run, synced.changed)),
        "applied": synced.applied,
    }


@shared_task(name="marketdata.sync_rates")
def sync_rates(
    *, session_date: str, again: int = 0, run_id: str = "", **later: object
) -> dict[str, Any]:
    """Fetch the yields that are missing up to a session, and so many of the newest days again."""
    until = date.fromisoformat(session_date)
    synced = price_sync.sync(
        session_date=until,
        datasets=[price_sync.YIELDS],
        again_from=calendar.previous(calendar.next(until), again) if again else None,
        of_day=True,
        run_id=UUID(run_id) if run_id else None,
    )
    return {
        "items": [
            {"item": each.item, "status": each.status, "reason": each.reason}
            for each in synced.outcomes
        ],
        "counts": {name: record.written for name, record in synced.records.items()},
    }


@shared_task(name="marketdata.sync_chains")
def sync_chains(
    *, session_date: str, symbol: str, run_id: str = "", **later: object
) -> dict[str, Any]:
    """The option chain of one underlying, fetched because somebody asked for it."""
    return nightly_greeks.fetch(
        symbol=symbol,
        session_date=date.fromisoformat(session_date),
        run_id=UUID(run_id) if run_id else None,
    )


@shared_task(name="marketdata.compute_greeks")
def compute_greeks(
    *,
    session_date: str,
    held: list[str] | None = None,
    watched: list[str] | None = None,
    run_id: str = "",
    only: list[str] | None = None,
    **later: object,
) -> dict[str, Any]:
    """Quotes and Greeks of options at a close; one item an underlying.

    `held` are instruments of options, `watched` those of underlyings; `only` names items of an
    earlier attempt.
    """
    return nightly_greeks.run(
        session_date=date.fromisoformat(session_date),
        held=[UUID(each) for each in held or ()],
        watched=[UUID(each) for each in watched or ()],
        only=only,
        run_id=UUID(run_id) if run_id else None,
    )


@shared_task(name="marketdata.import_files")
def import_files(
    *,
    session_date: str,
    files: list[str],
    run_id: str = "",
    only: list[str] | None = None,
    **later: object,
) -> dict[str, Any]:
    """Bring in files of the watched folder, one item a file; `only` those of an earlier attempt."""
    run = UUID(run_id) if run_id else None
    told = price_import.import_files(
        names=only or files, known=files, until=date.fromisoformat(session_date), run_id=run
    )
    changed = late_changes.in_run(run, told["changed"])
    return told | {"changed": late_changes.in_words(changed)}


@shared_task(name="marketdata.watch_files")
def watch_files(**later: object) -> None:
    """Ask for the import of what is new or changed in the folder of CSV files."""
    price_import.watch(session_date=sessions.latest())


@shared_task(name=calendar_check.JOB)
def check_calendar(**later: object) -> dict[str, Any]:
    """Hold the shipped calendar of the exchange against the library's; a failed item a day."""
    return calendar_check.compare(shipped=calendar.shipped(), spoken=calendar_check.overridden())


@shared_task(name="marketdata.resolve_symbols")
def resolve_symbols(
    *, session_date: str, symbols: list[str], run_id: str = "", **later: object
) -> dict[str, Any]:
    """Look symbols up at the sources and fetch their prices, one item a symbol."""
    run = UUID(run_id) if run_id else None
    outcomes = resolving.bring_in(
        symbols=symbols, session_date=date.fromisoformat(session_date), run_id=run
    )
    return {
        "items": [{"item": e.item, "status": e.status, "reason": e.reason} for e in outcomes],
        "changed": late_changes.in_words(late_changes.in_run(run, {})),
    }


@shared_task(name="marketdata.sync_fundamentals")
def sync_fundamentals(
    *,
    session_date: str,
    symbols: list[str] | None = None,
    run_id: str = "",
    only: list[str] | None = None,
    **later: object,
) -> dict[str, Any]:
    """Ask what funds and companies are, one item a symbol; `only` names items asked again."""
    outcomes = fundamentals.sync(
        session_date=date.fromisoformat(session_date),
        symbols=only if only is not None else symbols,
        run_id=UUID(run_id) if run_id else None,
    )
    return {"items": [{"item": e.item, "status": e.status, "reason": e.reason} for e in outcomes]}


@task_prerun.connect
def know_the_calendar(**sent: object) -> None:
    """A worker lives long: it takes up session overrides before every task."""
    sessions.moment()
