"""What each thread of the storm of corporate actions does: the whole morning step, again."""

from datetime import date
from typing import Any

from marketdata.services import corporate_actions as market
from portfolios.services import corporate_actions


def morning(*, process: int, thread: int, session_date: str) -> dict[str, Any]:
    """Apply and book what is due; answers what this thread has done of it."""
    day = date.fromisoformat(session_date)
    applied = market.apply_due(session_date=day)["counts"]["applied"]
    # whoever was late to apply meets the others in the books
    booked = corporate_actions.book_due(session_date=day)["counts"]
    return {"applied": applied, **booked}
