"""The one lock of money and holdings: portfolio rows, always in the order of their ids.

An account is locked before any portfolio.
"""

from uuid import UUID

from etftrader.core.errors import NotFound
from portfolios.models import Account, Portfolio


def lock_portfolios(*ids: UUID) -> list[Portfolio]:
    """Lock portfolios for the rest of the transaction and return them in id order.

    On SQLite the IMMEDIATE transaction already is the lock. Raises NotFound when one is missing.
    """
    wanted = set(ids)
    found = list(Portfolio.objects.select_for_update().filter(pk__in=wanted).order_by("pk"))
    if len(found) != len(wanted):
        raise NotFound("There is no such portfolio.")
    return found


def next_order_number(locked: Portfolio) -> int | None:
    """The next number of the orders channel of a portfolio locked and read, in one statement.

    None, and nothing is written, where somebody else counted in this transaction since.
    """
    before, after = locked.order_events, locked.order_events + 1
    unmoved = Portfolio.objects.filter(pk=locked.pk, order_events=before)
    if not unmoved.update(order_events=after):
        return None
    locked.order_events = after
    return after


def lock_account(account_id: UUID) -> Account:
    """Lock an account for the rest of the transaction. Raises NotFound."""
    found = Account.objects.select_for_update().filter(pk=account_id).first()
    if found is None:
        raise NotFound("There is no such account.")
    return found
