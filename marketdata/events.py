"""What market data announces, and whom it asks or tells within its own transactions."""

from collections.abc import Callable, Collection
from uuid import UUID

from etftrader.core.events import Event

instruments_created = Event("marketdata.instruments_created")
# symbol, or several with commas between them; since: the first session that differs
prices_revised = Event("marketdata.prices_revised")

# instrument_id, since: prices are held back, of that session the first; newest: "yes" where nothing
# newer is believed than one of them, else empty
doubt_raised = Event("marketdata.doubt_raised")
# instrument_id, since: nobody has to decide any more about a price of that session
doubt_settled = Event("marketdata.doubt_settled")
# instrument_ids, commas between them: those that had no price before, or an option on them
prices_arrived = Event("marketdata.prices_arrived")

Why = Callable[[UUID], str]
Held = Callable[[Collection[UUID]], set[UUID]]
Follow = Callable[[str, str], object]
in_use: list[Why] = []  # each answers in words why an instrument is needed, or nothing
keepers: list[Held] = []  # each answers which of these instruments are held
followers: list[Follow] = []  # each takes the old symbol and the new one


def holder(function: Why) -> Why:
    """Register somebody who may need an instrument; asked inside the retiring transaction."""
    if function not in in_use:
        in_use.append(function)
    return function


def keeper(function: Held) -> Held:
    """Register somebody who may hold instruments."""
    if function not in keepers:
        keepers.append(function)
    return function


def follower(function: Follow) -> Follow:
    """Register somebody who keeps things by symbol; told inside the renaming transaction."""
    if function not in followers:
        followers.append(function)
    return function
