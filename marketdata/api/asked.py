"""What the market data endpoints read from a query: dates within the clock, symbols, limits."""

import unicodedata
from datetime import date
from typing import Any

from rest_framework import serializers

from etftrader.core.api import parameters
from etftrader.core.errors import BadInput
from marketdata.api import as_of
from marketdata.selectors import calendar
from marketdata.selectors.sessions import Moment

MAX_SYMBOLS = 200
MAX_SYMBOL = 32
SPAN = as_of.AS_OF | {
    "start": parameters.day("The first day, YYYY-MM-DD; from the beginning without it."),
    "end": parameters.day("The last day, YYYY-MM-DD; never after the market clock's last close."),
}
SYMBOLS = {
    "symbols": parameters.several(
        "Symbols separated by commas, at most 200, in upper or lower case.", MAX_SYMBOLS
    )
}
BY_SYMBOL = {"symbol": "Symbol of the instrument, such as SPY, in upper or lower case."}


class Words(serializers.CharField):
    """A line of text for people: no control characters, which only hide or break things."""

    default_error_messages = {"control": "Text must not contain control characters."}

    def to_internal_value(self, data: Any) -> str:
        """Read a line."""
        text = super().to_internal_value(data)
        if any(unicodedata.category(each) == "Cc" for each in text):
            self.fail("control")
        return text


def day(request: Any, name: str) -> date | None:
    """A date of the query; None when absent. Raises BadInput."""
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        found = date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        found = None
    if found is None:
        raise BadInput("A date is written YYYY-MM-DD.", attr=name)
    if not calendar.FIRST <= found <= calendar.LAST:
        raise BadInput(f"Dates lie between {calendar.FIRST} and {calendar.LAST}.", attr=name)
    return found


def bound(request: Any, name: str, now: Moment) -> date | None:
    """An end of a stretch; None when absent. Raises BadInput, beyond the market clock too."""
    found = day(request, name)
    if found is not None and found > now.current:
        raise BadInput(
            f"{found} lies after the market clock, which stands at {now.current}.",
            attr=name,
            code="after_market_clock",
        )
    return found


def span(request: Any) -> tuple[date | None, date]:
    """start and end of past prices; the end never lies after the close the answer speaks of."""
    start = day(request, "start")
    end = day(request, "end")
    if start and end and start > end:
        raise BadInput("start lies after end.", attr="start")
    until = as_of.asked(request).until
    return start, min(end or until, until)


def symbols(request: Any) -> list[str]:
    """The symbols of `symbols=SPY,TLT`, in upper case, each once. Raises BadInput."""
    words = request.query_params.get("symbols", "").split(",")
    wanted = list(dict.fromkeys(word.strip().upper() for word in words if word.strip()))
    if not wanted:
        raise BadInput("Name at least one symbol, like symbols=SPY,TLT.", attr="symbols")
    if len(wanted) > MAX_SYMBOLS:
        raise BadInput(f"At most {MAX_SYMBOLS} symbols at once.", attr="symbols")
    if any(len(word) > MAX_SYMBOL for word in wanted):
        raise BadInput(f"A symbol has at most {MAX_SYMBOL} characters.", attr="symbols")
    return wanted
