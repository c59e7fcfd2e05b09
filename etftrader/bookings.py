"""Corporate actions where people hold things: the books first, then the orders that wait."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from portfolios.services import corporate_actions
from trading.services import order_splits


def book(
    *, session_date: date, portfolio_ids: Sequence[UUID], run_id: UUID | None = None
) -> dict[str, Any]:
    """Book what applied actions owe to portfolios, and restate their waiting orders; twice is once.

    Stops need nothing: they are read in the shares of the session they are evaluated for.
    """
    told = corporate_actions.book_due(
        session_date=session_date, portfolio_ids=portfolio_ids, run_id=run_id
    )
    orders = order_splits.restate(portfolio_ids=portfolio_ids, session_date=session_date)
    counts = {**told["counts"], "orders": orders}
    return {"counts": counts, "warnings": told["warnings"]}
