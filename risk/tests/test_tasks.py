"""The steps of a night as the timetable calls them."""

import pytest

from etftrader.core.errors import NotEnoughData
from marketdata.models import PriceSeries
from portfolios.services import snapshots
from risk import live, tasks
from risk.models import Alert, RiskMetric, StopLossLevel
from risk.tests import factories

pytestmark = pytest.mark.django_db

NIGHT = "2016-06-22"


def test_a_night_writes_matrix_var_limits_and_stops_and_tells_the_pages(
    django_capture_on_commit_callbacks,
):
    factories.load_bundle()
    portfolio = factories.make_rotation()
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=factories.START)

    matrix = tasks.compute_covariance(session_date=NIGHT, run_id="r", colour="new argument")
    measured = tasks.compute(session_date=NIGHT)
    with django_capture_on_commit_callbacks(execute=True):
        checked = tasks.check_limits(session_date=NIGHT, portfolio_ids=[str(portfolio.pk)])
        # what a transaction that fails would have told is told to nobody
        assert live.load(portfolio.pk) is None

    assert matrix["counts"] == {"names": 53, "observations": 252}
    assert measured["counts"] == {"portfolios": 1, "without_var": 0}
    assert checked["counts"]["within"] == 4
    assert checked["counts"]["stops_evaluated"] == 15
    assert RiskMetric.objects.count() == 1
    assert StopLossLevel.objects.count() == 15
    assert not Alert.objects.exists()
    told = live.load(portfolio.pk)
    assert float(told.risk["var"]) == pytest.approx(9_924.57, abs=0.01)
    assert told.risk["simulated"] is False


def test_nothing_held_and_no_history_is_a_night_without_a_matrix_and_without_an_alarm():
    factories.load_bundle()
    PriceSeries.objects.all().delete()

    quiet = tasks.compute_covariance(session_date=NIGHT)

    assert (quiet["covariance"], quiet["reason"]) == (None, "no_covariance")
    factories.make_rotation()
    with pytest.raises(NotEnoughData):
        tasks.compute_covariance(session_date=NIGHT)


def test_one_portfolio_is_revalued_by_its_id():
    factories.load_bundle()
    portfolio = factories.make_rotation()
    tasks.compute_covariance(session_date=NIGHT)

    tasks.revalue_portfolio(portfolio_id=str(portfolio.pk), later="argument")

    assert float(live.load(portfolio.pk).risk["var"]) == pytest.approx(9_924.57, abs=0.01)
