"""What the market data endpoints read from a query: dates within the clock, symbols, limits."""

import unicodedata
from datetime import date
from typing import Any

from rest_framework import serializers

from etftrader.core.api import parameters
from etftrader.core.errors import BadInput
from marketdata.selectors import calendar
from marketdata.selectors.sessions import Moment

MAX_SYMBOLS = 200
MAX_SYMBOL = 32
AS_OF = {
    "as_of": parameters.day(
        "Figures of this session's close, YYYY-MM-DD; the latest known without it."
    )
}
SPAN = {
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


def known_day(request: Any, moment: Moment, name: str = "as_of") -> date:
    """The close asked for, the latest without one. Raises BadInput beyond the market clock."""
    found = day(request, name) or moment.session_date
    if found > moment.session_date:
        raise BadInput(
            f"{found} is not known yet: the market clock stands at {moment.session_date}.",
            attr=name,
            code="after_market_clock",
        )
    return found


def span(request: Any, moment: Moment) -> tuple[date | None, date]:
    """start and end of past prices; the end never lies after the market clock."""
    start = day(request, "start")
    end = day(request, "end")
    if start and end and start > end:
        raise BadInput("start lies after end.", attr="start")
    return start, min(end or moment.session_date, moment.session_date)


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
