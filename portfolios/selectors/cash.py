"""Papers behind cash bookings."""

from datetime import date
from typing import Any
from uuid import UUID

from portfolios.models import CashTransaction


def papers(*, portfolio_id: UUID, until: date | None = None) -> Any:
    """Return a portfolio's cash transactions, newest booking first, with whom they reverse."""
    rows = CashTransaction.objects.filter(portfolio_id=portfolio_id)
    if until is not None:
        rows = rows.filter(session_date__lte=until)
    return rows.select_related("reverses", "reversed_by").order_by("-ledger_seq", "-pk")
