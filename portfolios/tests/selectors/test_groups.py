"""Exposure by group: a stock's sector, what a fund covers, and what is neither."""

from decimal import Decimal

import pytest
from rest_framework.test import APIClient

from portfolios.services import snapshots
from portfolios.tests.factories import (
    MONDAY,
    WEDNESDAY,
    fill,
    make_clock,
    make_closes,
    make_instrument,
    make_portfolio,
    make_user,
)

pytestmark = [pytest.mark.django_db, pytest.mark.urls("portfolios.tests.book_urls")]
HELD = {
    "STK": {"kind": "stock", "sector": "Energy"},
    "OIL": {"segment": "US sector: Energy"},
    "BIG": {"segment": "US large cap"},
    "ODD": {},
}


@pytest.fixture
def found():
    """One share each of a stock, a sector fund, a broad fund and a fund nobody has classified."""
    make_clock(WEDNESDAY)
    portfolio = make_portfolio(cash=1000)
    for place, (symbol, facts) in enumerate(HELD.items(), start=1):
        fund = make_instrument(symbol, **facts)
        make_closes(fund, {MONDAY: 10 * place, WEDNESDAY: 10 * place})
        fill(portfolio, fund, 1, 10 * place)
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=WEDNESDAY)
    client = APIClient()
    client.force_authenticate(make_user())

    def by_sector(query=""):
        answer = client.get(f"/api/v1/portfolios/{portfolio.pk}/exposures{query}")
        assert answer.status_code == 200
        rows = answer.json()["data"]["by_sector"]
        return {row["sector"]: (Decimal(row["gross"]), row["reason"]) for row in rows}

    return by_sector


@pytest.mark.parametrize("query", ["", "?as_of=2016-06-22"])
def test_funds_stand_under_what_they_cover_now_and_at_a_past_close(found, query):
    assert found(query) == {
        "Energy": (30, ""),
        "US large cap": (30, ""),
        "Unclassified": (40, "no_sector"),
    }
