"""What market data announces, and what it asks the floors above before it retires something."""

from collections.abc import Callable
from uuid import UUID

from etftrader.core.events import Event

instruments_created = Event("marketdata.instruments_created")

Why = Callable[[UUID], str]
in_use: list[Why] = []  # each answers in words why an instrument is needed, or nothing


def holder(function: Why) -> Why:
    """Register somebody who may need an instrument; asked inside the retiring transaction."""
    if function not in in_use:
        in_use.append(function)
    return function
