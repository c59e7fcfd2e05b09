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

# every close has its own, and a scaled distance follows the VIX: no stop has moved by that alone
_OF_A_CLOSE = ("close", "distance", "vix", "stop_fraction", "session_date")


def shown(levels: Iterable[StopLossLevel]) -> list[dict[str, Any]]:
    """What is news of stops once it differs: level, state and reference, in a fixed order."""
    kept = [
        {name: value for name, value in live.stop_data(each).items() if name not in _OF_A_CLOSE}
        for each in levels
    ]
    return sorted(kept, key=lambda stop: stop["symbol"])


def tell(portfolio_id: UUID, before: list[dict[str, Any]]) -> None:
    """Announce a portfolio's stops if one has moved since `before`; locks it then, and only then.

    Inside the caller's transaction.
    """
    levels = stops.levels(portfolio_id=portfolio_id)
    if shown(levels) == before:
        return
    portfolios.next_alert_number(portfolio_id)
    live.publish_stops(portfolio_id, levels)
