"""The VaR of the story, of every session since 2014, and with an older matrix."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from marketdata.selectors import prices
from portfolios.models import PortfolioSnapshot
from portfolios.services import snapshots
from risk.selectors import book_risk
from risk.selectors.book_risk import Holding
from risk.services import covariance, var
from risk.tests import factories
from risk.tests.services.test_var import closes, measured

pytestmark = pytest.mark.django_db

SESSIONS = (date(2016, 6, 22), date(2016, 6, 23), date(2016, 6, 24))
# product.md 2.5: NAV, VaR, VaR of equity
STORY = (
    ("1014548.55", 9_924.57, 0.0098),
    ("1029045.34", 11_518.85, 0.0112),
    ("986688.27", 18_806.18, 0.0191),
)
Z = 1.6448536269514722


def test_factor_rotation_tells_its_story():
    factories.load_bundle(SESSIONS[-1])
    portfolio = factories.make_rotation()

    for day, (nav, loss, share) in zip(SESSIONS, STORY, strict=True):
        metric = measured(portfolio, day)
        snapshot = PortfolioSnapshot.objects.get(portfolio=portfolio, session_date=day)
        assert snapshot.nav.quantize(Decimal("0.01")) == Decimal(nav)
        assert snapshot.var_95_1d == pytest.approx(loss, abs=0.005)
        assert snapshot.var_95_1d / float(snapshot.nav) == pytest.approx(share, abs=5e-5)
        # a normal tail: phi(z) / 0.05 = 2.062713 sigma
        assert snapshot.es_95_1d == pytest.approx(loss / Z * 2.0627128, rel=1e-6)
        assert snapshot.risk_coverage == pytest.approx(1.0)
        assert snapshot.risk_run == metric.pk


def test_exceptions_of_an_equal_weight_book_agree_with_a_few_lines():
    # 23 ETFs, 10,000 dollars each, every session from 2014 to mid-2016
    factories.load_bundle(date(2016, 7, 1))
    names = [
        "SPY", "DIA", "XLB", "XLE", "XLF", "XLK", "XLU", "EFA", "EEM", "VGK", "VPL", "EPP", "EWG",
        "EWJ", "EWQ", "EWU", "FXI", "TLT", "IEF", "TIP", "BND", "LQD", "CSJ",
    ]  # fmt: skip
    panel = prices.panel(symbols=names, until=date(2016, 7, 1), start=date(2013, 1, 2))
    returns, days = panel.returns(), panel.sessions.tolist()
    start = days.index(date(2014, 1, 2))
    held = [Holding(None, symbol, 10_000.0) for symbol in panel.symbols]
    ours, sums = [], []
    for place in range(start, len(days) - 1):
        computed = covariance.daily_of(
            panel.symbols, returns[place - 252 : place], days[place - 252 : place + 1]
        )
        risk = book_risk.of(held, computed.as_matrix(days[place], ""), None, days[place])
        ours.append(risk.value_at_risk)
        sums.append(sum(part.component for part in risk.parts.values()))

    # x'Sx is the EWMA variance of the book's own gains, so no matrix is needed
    prices_ = np.column_stack([closes(symbol) for symbol in panel.symbols])
    gains = 10_000.0 * (prices_[1:] / prices_[:-1] - 1.0).sum(axis=1)
    weights = 0.94 ** np.arange(251, -1, -1)
    weights /= weights.sum()
    theirs = [
        Z * np.sqrt(weights @ gains[place - 252 : place] ** 2)
        for place in range(start, len(days) - 1)
    ]
    next_day = gains[start:]
    assert ours == pytest.approx(theirs, rel=1e-9)
    assert sums == pytest.approx(ours, rel=1e-9)
    ours_exceeded = next_day < -np.array(ours)
    assert (ours_exceeded == (next_day < -np.array(theirs))).all()
    # 2016-06-24 is among them, and there are some 5% of 629
    assert ours_exceeded.size == 629
    assert ours_exceeded[days.index(date(2016, 6, 24)) - 1 - start]
    assert 20 <= ours_exceeded.sum() <= 50


def test_an_older_matrix_serves_and_is_called_stale():
    factories.load_bundle(date(2016, 6, 23))
    portfolio = factories.make_rotation()
    covariance.compute_daily(session_date=factories.START)
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=date(2016, 6, 23))

    metric = var.compute(portfolio_ids=[portfolio.pk], session_date=date(2016, 6, 23))

    assert metric[portfolio.pk].quality == "stale"
