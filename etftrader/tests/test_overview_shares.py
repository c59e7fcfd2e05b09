"""Shares of the VaR follow the newest revision of the snapshot they are of."""

import pytest

from etftrader.selectors import overview
from portfolios.services import snapshots
from risk.services import var
from risk.tests import factories

pytestmark = pytest.mark.django_db
START = factories.START


def shares(portfolio):
    return overview.var_shares(portfolio_id=portfolio.pk, until=START, record=None)


def test_shares_of_lines_that_were_revised_are_unknown_until_they_are_measured_again():
    portfolio = factories.make_measured(START)
    before = shares(portfolio)
    assert sum(each or 0.0 for each in before.values()) == pytest.approx(1.0)

    factories.hold(portfolio, "SPY", -300, START)
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=START)

    assert set(shares(portfolio).values()) == {None}

    var.compute(portfolio_ids=[portfolio.pk], session_date=START)
    after = shares(portfolio)
    assert sum(each or 0.0 for each in after.values()) == pytest.approx(1.0)
    assert (after["SPY"] or 0.0) < (before["SPY"] or 0.0) / 5


def test_without_a_run_there_are_no_shares():
    factories.load_bundle()

    assert shares(factories.make_rotation()) == {}
