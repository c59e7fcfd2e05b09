"""What market data announces, and whom it asks or tells within its own transactions."""

from collections.abc import Callable
from uuid import UUID

from etftrader.core.events import Event

instruments_created = Event("marketdata.instruments_created")
prices_revised = Event("marketdata.prices_revised")  # symbol, since: the first session that differs

# instrument_id: of a price nothing newer than which was believed, nobody has to decide any more
doubt_settled = Event("marketdata.doubt_settled")

Why = Callable[[UUID], str]
Follow = Callable[[str, str], object]
in_use: list[Why] = []  # each answers in words why an instrument is needed, or nothing
followers: list[Follow] = []  # each takes the old symbol and the new one


def holder(function: Why) -> Why:
    """Register somebody who may need an instrument; asked inside the retiring transaction."""
    if function not in in_use:
        in_use.append(function)
    return function


def follower(function: Follow) -> Follow:
    """Register somebody who keeps things by symbol; told inside the renaming transaction."""
    if function not in followers:
        followers.append(function)
    return function
