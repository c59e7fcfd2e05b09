"""Stops that moved, told on the alerts channel: after their alerts, with the channel's next number.

The stops stand in their own table. A number that no alert bears is theirs, so a reader who asks
for what came after a number gets them as they stand.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from portfolios.services import portfolios
from risk import live
from risk.models import StopLossLevel
from risk.selectors import stop_loss as stops


def shown(levels: Iterable[StopLossLevel]) -> list[dict[str, Any]]:
    """What people see of stops, in a fixed order."""
    return sorted((live.stop_data(each) for each in levels), key=lambda stop: stop["symbol"])


def tell(portfolio_id: UUID, before: list[dict[str, Any]]) -> None:
    """Announce a portfolio's stops if one differs from `before`; within the transaction."""
    levels = stops.levels(portfolio_id=portfolio_id)
    if shown(levels) == before:
        return
    portfolios.next_alert_number(portfolio_id)
    live.publish_stops(portfolio_id, levels)
