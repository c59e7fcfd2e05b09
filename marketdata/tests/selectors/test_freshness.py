"""How old prices are: what ended long ago says when, what never was says nothing."""

from datetime import date, timedelta

import pytest

from marketdata.models import DailyBar, Instrument
from marketdata.selectors import calendar, freshness, sessions

pytestmark = pytest.mark.django_db
NOW, OLD = date(2022, 6, 30), date(2021, 4, 27)


def make(symbol: str, kind: str, *days: date) -> None:
    instrument = Instrument.objects.create(
        symbol=symbol, name=symbol, kind=kind, price_basis="close"
    )
    for day in days:
        DailyBar.objects.create(
            instrument=instrument, session_date=day, source="csv", close=10, price_basis="close"
        )


def told() -> dict[str, tuple[date | None, int | None, float | None]]:
    found = freshness.datasets(moment=sessions.at_close(NOW))
    return {each.dataset: (each.newest, each.lag_sessions, each.coverage) for each in found}


def test_a_series_that_ended_long_ago_says_on_which_day() -> None:
    make("SLY", "etf", OLD - timedelta(days=1), OLD)
    make("VTV", "etf", OLD - timedelta(days=1))
    make("AAA", "stock", OLD, NOW)
    make("BBB", "stock")
    make("^NEW", "index")
    make("^LATER", "index", calendar.next(NOW))

    found = told()

    assert found["etf_prices"] == (OLD, len(calendar.between(OLD, NOW)) - 1, 0.0)
    assert found["stock_prices"] == (NOW, 0, 0.5)
    assert found["index_levels"] == (None, None, 0.0)
