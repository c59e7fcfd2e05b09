"""VaR of the close on real books: the story, component sums, exclusions, ranges."""

import time
from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from etftrader.testing.rows import module_rows
from marketdata.models import Instrument, PriceSeries
from marketdata.selectors import calendar
from portfolios.models import PortfolioSnapshot
from portfolios.services import ledger, snapshots
from risk.models import CovarianceSnapshot, PositionRisk, RiskMetric, VarResult
from risk.selectors import book_risk
from risk.selectors.book_risk import Holding
from risk.services import covariance, var
from risk.tests import factories

pytestmark = pytest.mark.django_db

SESSIONS = (date(2016, 6, 22), date(2016, 6, 23), date(2016, 6, 24))
# product.md 2.5: NAV, VaR, VaR of equity
STORY = (
    ("1014548.55", 9_924.57, 0.0098),
    ("1029045.34", 11_518.85, 0.0112),
    ("986688.27", 18_806.18, 0.0191),
)
Z = 1.6448536269514722


@pytest.fixture(scope="module")
def bundle(django_db_setup, django_db_blocker):
    """The bundle up to the demonstration's start, written once."""
    with module_rows(django_db_blocker):
        factories.load_bundle()
        yield


def measured(portfolio, day):
    """The night of one session: matrix, snapshot, VaR."""
    covariance.compute_daily(session_date=day)
    covariance.ensure_stressed(session_date=day)
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=day)
    return var.compute(portfolio_ids=[portfolio.pk], session_date=day).get(portfolio.pk)


def test_components_sum_to_the_var_and_isolated_parts_exceed_it(bundle):
    portfolio = factories.make_rotation()

    metric = measured(portfolio, factories.START)

    parts = list(PositionRisk.objects.filter(metric=metric))
    total = VarResult.objects.get(metric=metric, method="parametric_ewma").var
    assert len(parts) == 15
    assert sum(p.component for p in parts) == pytest.approx(total, rel=1e-12)
    assert sum(p.share for p in parts) == pytest.approx(1.0, rel=1e-12)
    assert sum(p.isolated for p in parts) > total
    # Treasuries hedge an equity book in June 2016
    assert next(p for p in parts if p.instrument.symbol == "TLT").component < 0


def test_a_component_is_the_slope_of_the_var(bundle):
    row = covariance.compute_daily(session_date=factories.START)
    matrix = covariance.matrices.of_row(row)
    book = {"SPY": 66_800.0, "TLT": 66_000.0, "EWU": -40_000.0}

    def total(bump):
        held = [Holding(None, s, x + (bump if s == "TLT" else 0.0)) for s, x in book.items()]
        return book_risk.of(held, matrix, None, factories.START)

    slope = (total(1.0).value_at_risk - total(-1.0).value_at_risk) / 2.0
    assert total(0.0).parts["TLT"].marginal == pytest.approx(slope, rel=1e-6)


def closes(symbol):
    """Straight from the packed series, 2013-01-02 to 2016-07-01."""
    series = PriceSeries.objects.get(instrument__symbol=symbol)
    days = series.sessions.astype("int64").astype("datetime64[D]")
    inside = (days >= np.datetime64("2013-01-02")) & (days <= np.datetime64("2016-07-01"))
    return series.total_return[inside]


def test_a_private_fund_counts_in_nav_and_stands_in_the_excluded(bundle):
    portfolio = factories.make_portfolio(cash=2_000_000)
    factories.make_private(portfolio)
    factories.hold(portfolio, "SPY", 4_000)

    metric = measured(portfolio, factories.START)

    # SPY 4,000 x 208.10 = 832,400 beside 250,000
    assert metric.coverage == pytest.approx(832_400 / 1_082_400)
    assert metric.excluded == [
        {"symbol": "PRIVATE-FUND", "reason": "manual_price_no_returns", "exposure": 250_000.0}
    ]
    assert metric.quality == "limited"
    assert "low_coverage" in {each["code"] for each in metric.warnings}
    part = PositionRisk.objects.get(metric=metric, instrument__symbol="PRIVATE-FUND")
    assert (part.component, part.reason) == (None, "manual_price_no_returns")


def test_an_empty_book_loses_nothing(bundle):
    portfolio = factories.make_portfolio()

    metric = measured(portfolio, factories.START)

    result = VarResult.objects.get(metric=metric, method="parametric_ewma")
    assert (result.var, result.expected_shortfall, metric.quality) == (0.0, 0.0, "full")


def test_without_a_matrix_there_is_no_figure_but_a_reason(bundle):
    portfolio = factories.make_rotation()
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=factories.START)

    metric = var.compute(portfolio_ids=[portfolio.pk], session_date=factories.START)[portfolio.pk]

    snapshot = PortfolioSnapshot.objects.get(portfolio=portfolio)
    assert (snapshot.var_95_1d, snapshot.risk_reason) == (None, "no_covariance")
    assert (metric.reason, metric.quality) == ("no_covariance", "missing")
    assert {each["reason"] for each in metric.excluded} == {"no_covariance"}


def test_a_night_run_twice_writes_the_same_rows(bundle):
    portfolio = factories.make_rotation()
    first = measured(portfolio, factories.START)

    again = measured(portfolio, factories.START)

    assert (again.pk, again.inputs_hash) == (first.pk, first.inputs_hash)
    assert RiskMetric.objects.count() == 1
    assert VarResult.objects.count() == 2
    assert PositionRisk.objects.count() == 15


def test_a_portfolio_without_a_snapshot_is_left_out(bundle):
    portfolio = factories.make_rotation()
    covariance.compute_daily(session_date=factories.START)

    assert var.compute(portfolio_ids=[portfolio.pk], session_date=factories.START) == {}


def test_shorts_and_a_name_without_history_are_measured_and_named(bundle):
    portfolio = factories.make_portfolio(allow_short=True)
    factories.hold(portfolio, "SPY", 1_000)
    factories.hold(portfolio, "EEM", -1_000)
    newborn = Instrument.objects.create(
        symbol="NEWBORN", name="New", kind="etf", price_basis="close", pricing="auto"
    )
    ledger.book_opening(
        portfolio_id=portfolio.pk,
        instrument=newborn,
        quantity=Decimal(10),
        price=Decimal(100),
        session_date=date(2016, 6, 1),
        source="test:newborn",
        by=factories.HOUSE,
    )

    metric = measured(portfolio, factories.START)

    short = PositionRisk.objects.get(metric=metric, instrument__symbol="EEM")
    assert short.exposure == pytest.approx(-1_000 * 33.94)
    assert short.component < 0
    assert {each["symbol"]: each["reason"] for each in metric.excluded} == {"NEWBORN": "no_price"}


def test_a_range_gives_what_each_night_gave_and_keeps_parts_of_the_last_ones(bundle):
    portfolio = factories.make_rotation()
    days = calendar.between(date(2016, 5, 2), factories.START)
    snapshots.take_range(portfolio_ids=[portfolio.pk], sessions=days)
    started = time.monotonic()

    done = var.compute_range(portfolio_ids=[portfolio.pk], sessions=days)

    took = time.monotonic() - started
    assert done == {"runs": len(days), "sessions": len(days)}
    newest = PortfolioSnapshot.objects.get(portfolio=portfolio, session_date=factories.START)
    assert newest.var_95_1d == pytest.approx(STORY[0][1], abs=0.005)
    assert not PortfolioSnapshot.objects.filter(var_95_1d__isnull=True).exists()
    assert CovarianceSnapshot.objects.filter(kind="daily").count() == 20
    assert PositionRisk.objects.values("metric").distinct().count() == 20
    early = RiskMetric.objects.order_by("session_date").first()
    assert early.covariance is None
    assert took < 10.0
