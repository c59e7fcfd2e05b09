"""Celery shells of market data."""

from datetime import date
from typing import Any
from uuid import UUID

from celery import shared_task

from marketdata.services import price_sync


@shared_task(name="marketdata.sync_prices")
def sync_prices(*, session_date: str, run_id: str = "", **later: object) -> dict[str, Any]:
    """Fetch what is missing up to a session; one item per dataset."""
    records = price_sync.sync(
        session_date=date.fromisoformat(session_date), run_id=UUID(run_id) if run_id else None
    )
    return {
        "items": [
            {
                "item": record.dataset,
                "status": "failed" if record.status == "failed" else "ok",
                "reason": record.error or ", ".join(record.missing[:20]),
            }
            for record in records.values()
        ],
        "counts": {name: record.written for name, record in records.items()},
    }
