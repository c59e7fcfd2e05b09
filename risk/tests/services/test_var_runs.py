"""Risk runs as rows: few statements for many books, and one run however many compute it."""

import threading

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from portfolios.models import PortfolioSnapshot
from portfolios.services import snapshots
from risk.models import RiskMetric, VarResult
from risk.services import var
from risk.tests import factories

DAY = factories.START


def books(count):
    made = [factories.make_portfolio(name=f"Book {number}").pk for number in range(count)]
    snapshots.take(portfolio_ids=made, session_date=DAY)
    return made


@pytest.mark.django_db
def test_each_further_book_costs_one_statement():
    made = books(8)

    def statements(wanted):
        with CaptureQueriesContext(connection) as seen:
            var.compute(portfolio_ids=wanted, session_date=DAY)
        return len(seen)

    assert statements(made[2:]) - statements(made[:2]) == 4
    assert RiskMetric.objects.count() == 8


@pytest.mark.django_db(transaction=True)
def test_eight_threads_that_measure_one_session_keep_one_run_a_book():
    made = books(3)
    start, failures, runs = threading.Barrier(8), [], []

    def measure():
        start.wait(10)
        try:
            found = var.compute(portfolio_ids=made, session_date=DAY)
            runs.append({portfolio: metric.pk for portfolio, metric in found.items()})
        except Exception as error:  # noqa: BLE001  shown by the assertion below
            failures.append(repr(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=measure) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert failures == []
    kept = dict(RiskMetric.objects.values_list("portfolio", "pk"))
    assert runs == [kept] * 8
    assert VarResult.objects.count() == 6
    noted = PortfolioSnapshot.objects.values_list("portfolio", "risk_run")
    assert dict(noted) == kept
