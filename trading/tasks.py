"""Trading's steps of the day, as tasks: parse, call the service, report counts."""

from datetime import date
from typing import Any
from uuid import UUID

from celery import shared_task

from marketdata.selectors import sessions
from trading.services import execution, expiry, spread_fills


def _ids(portfolio_ids: list[str] | None) -> list[UUID] | None:
    return [UUID(each) for each in portfolio_ids] if portfolio_ids else None


@shared_task(name="trading.fill_waiting")
def fill_waiting(
    *, session_date: str, portfolio_ids: list[str] | None = None, **later: object
) -> dict[str, Any]:
    """Fill what waited for the session at its real close, then end its day orders."""
    day, ids = date.fromisoformat(session_date), _ids(portfolio_ids)
    moment = sessions.moment()
    trades = []
    warnings = []
    if moment.session_date == day and not moment.in_session:
        trades = execution.fill_waiting(moment=moment, portfolio_ids=ids)
        trades += spread_fills.fill_waiting(moment=moment, portfolio_ids=ids)
    else:
        # a run that comes late must not fill at a close the market has left behind
        warnings.append({"code": "session_passed", "detail": "Nothing was filled at its close."})
    expired = execution.expire(session_date=day, portfolio_ids=ids)
    return {
        "counts": {"filled": len(trades), "expired": len(expired)},
        "items": [],
        "warnings": warnings,
    }


@shared_task(name="trading.expire_options")
def expire_options(
    *, session_date: str, portfolio_ids: list[str], run_id: str = "", **later: object
) -> dict[str, Any]:
    """Settle contracts that have expired; a portfolio in which one had to stay is named."""
    items = expiry.expire(
        portfolio_ids=[UUID(each) for each in portfolio_ids],
        session_date=date.fromisoformat(session_date),
        run_id=UUID(run_id) if run_id else None,
    )
    settled = sum(len(each.get("settled", ())) for each in items)
    return {"counts": {"settled": settled}, "items": items}


@shared_task(name="trading.expire_orders")
def expire_orders(
    *, session_date: str, portfolio_ids: list[str] | None = None, **later: object
) -> dict[str, Any]:
    """End the day orders a closed session left."""
    expired = execution.expire(
        session_date=date.fromisoformat(session_date), portfolio_ids=_ids(portfolio_ids)
    )
    return {"counts": {"expired": len(expired)}, "items": [], "warnings": []}
