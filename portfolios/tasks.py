"""Tasks of the books: ISO strings to values, one call each."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from celery import shared_task

from etftrader.core.jobs import InParts
from marketdata.selectors import calendar
from portfolios.models import Portfolio
from portfolios.services import (
    import_parts,
    import_symbols,
    import_undo,
    snapshots,
    verification,
    watchlists,
)


@shared_task(name="portfolios.take_snapshots", base=InParts)
def take_snapshots(
    *,
    session_date: str,
    portfolio_ids: list[str] | None = None,
    run_id: str = "",
    start: str = "",
    **later: object,
) -> dict[str, Any]:
    """Value portfolios at a close, or with `start` at every close since then."""
    day = date.fromisoformat(session_date)
    wanted = _portfolios(portfolio_ids)
    if start:
        sessions = calendar.between(date.fromisoformat(start), day)
        taken = snapshots.take_in_parts(portfolio_ids=wanted, sessions=sessions)
    else:
        taken = snapshots.take(portfolio_ids=wanted, session_date=day)
    weak = [each for each in taken if each.warnings]
    return {
        "counts": {"snapshots": len(taken), "with_warnings": len(weak)},
        "warnings": [
            {"portfolio": str(each.portfolio_id), "session_date": str(each.session_date), **said}
            for each in weak[:50]
            for said in each.warnings[:5]
        ],
    }


@shared_task(name="portfolios.check_books")
def check_books(
    *, session_date: str, portfolio_ids: list[str] | None = None, run_id: str = "", **later: object
) -> dict[str, Any]:
    """Compare running totals with the ledger; unsound portfolios are halted and named."""
    wanted = _portfolios(portfolio_ids)
    unsound = verification.check_books(
        portfolio_ids=wanted, session_date=date.fromisoformat(session_date)
    )
    return {
        "counts": {"portfolios": len(wanted), "unsound": len(unsound)},
        "items": [_checked(each, unsound.get(each, [])) for each in wanted],
    }


@shared_task(name="portfolios.commit_import")
def commit_import(
    *, session_date: str, batch_id: str, partial: bool = False, run_id: str = "", **later: object
) -> dict[str, Any]:
    """Book a checked file that is too long for a request."""
    batch = import_parts.book(batch_id=UUID(batch_id), partial=partial)
    return {"counts": batch.result}


@shared_task(name="portfolios.undo_import")
def undo_import(
    *, session_date: str, batch_id: str, reason: str, run_id: str = "", **later: object
) -> dict[str, Any]:
    """Take a booked file back that is too long for a request."""
    batch = import_undo.undo_in_parts(batch_id=UUID(batch_id), reason=reason)
    return {"counts": {"rows": batch.result.get("booked", 0)}}


@shared_task(name="portfolios.attach_symbols")
def attach_symbols(**later: object) -> None:
    """Give symbols that wait on watchlists and in files the instruments that exist by now."""
    watchlists.attach()
    import_symbols.attach()


def _checked(portfolio_id: UUID, problems: Sequence[str]) -> dict[str, Any]:
    if not problems:
        return {"item": str(portfolio_id), "status": "ok"}
    reason = {"code": "ledger_mismatch", "detail": problems[0]}
    return {"item": str(portfolio_id), "status": "failed", "reason": reason}


def _portfolios(ids: list[str] | None) -> list[UUID]:
    """The portfolios of the slice; all open ones when none are named."""
    if ids is None:
        return list(Portfolio.objects.open().order_by("pk").values_list("pk", flat=True))
    return [UUID(each) for each in ids]
