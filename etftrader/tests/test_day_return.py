"""The dashboard's day: the gain of all books over what worked that day, quant.md 3.1 `split`."""

from datetime import date
from decimal import Decimal
from types import SimpleNamespace

import pytest

from etftrader.selectors.dashboard import BookRow, totals
from portfolios.models import Portfolio, PortfolioSnapshot

BEFORE, TODAY = date(2016, 6, 22), date(2016, 6, 23)
OPENING, GAIN = Decimal(1000), Decimal(50)


def row(snapshot, live=None):
    return BookRow(
        portfolio=Portfolio(name="Book"),
        snapshot=snapshot,
        var=None,
        limit_dollars=None,
        nearest_stop=None,
        live=live,
        spark=(),
    )


def closed(flow):
    snapshot = PortfolioSnapshot(
        session_date=TODAY, nav=OPENING + GAIN + flow, daily_pnl=GAIN, flows=Decimal(flow)
    )
    return row(snapshot)


def running(flow):
    snapshot = PortfolioSnapshot(session_date=BEFORE, nav=OPENING, flows=Decimal(-7))
    value = {"nav": str(OPENING + GAIN + flow), "day_pnl": str(GAIN), "day_return": None}
    return row(snapshot, SimpleNamespace(session_date=TODAY, value=value))


@pytest.mark.parametrize("book", [closed, running])
@pytest.mark.parametrize(("flow", "base"), [(-400, 1000), (0, 1000), (400, 1400)])
def test_what_came_in_counts_and_what_went_out_still_counted(book, flow, base):
    assert book(flow).base == base
    assert totals([book(flow)])["day_return"] == pytest.approx(50 / base)
