"""A made market in Yahoo's shapes on the Saturday after a session, for tests of fetched chains."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import pytest

from etftrader.core.outbound import line
from etftrader.testing.yahoo_market import Listed, YahooMarket
from etftrader.testing.yahoo_server import Reply
from marketdata.providers import yahoo_session
from marketdata.selectors import calendar
from marketdata.services import price_sync
from marketdata.tests.option_world import clock_at, instrument

FRIDAY, MONDAY = date(2026, 6, 18), date(2026, 6, 22)  # Juneteenth lies between
SATURDAY = datetime(2026, 6, 20, 15, 0, tzinfo=UTC)
YIELDS = {
    "^IRX": Listed("13 weeks", "INDEX", 3.9, 0.001),
    "^FVX": Listed("5 years", "INDEX", 4.0, 0.001),
    "^TNX": Listed("10 years", "INDEX", 4.2, 0.001),
    "^TYX": Listed("30 years", "INDEX", 4.6, 0.001),
}
ILL = Reply(200, b"<html>We are sorry</html>", {"Content-Type": "text/html"})


@contextmanager
def opened(
    funds: dict[str, Listed], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[YahooMarket]:
    """The market, with forty sessions of its funds and yields stored; SATURDAY is the caller's."""
    own = line.Line("yfinance", per_minute=10_000, spacing_s=0.0, sleep=lambda seconds: None)
    monkeypatch.setattr(yahoo_session, "line", lambda: own)
    settings.MARKETDATA_PROVIDER = "yfinance"
    with YahooMarket(funds | YIELDS) as made:
        settings.YAHOO_BASE_URL = made.url
        assert made.days[-1] == FRIDAY
        clock_at(FRIDAY)
        for symbol in funds:
            instrument(symbol, assumed_dividend_yield=0.01)
        start = calendar.previous(FRIDAY, 40)
        price_sync.sync(session_date=FRIDAY, symbols=list(funds), start=start)
        price_sync.sync(session_date=FRIDAY, datasets=["yields"], start=start)
        yield made
