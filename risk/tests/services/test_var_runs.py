"""Risk runs as rows: few statements for many books, and one run however many compute it."""

import threading
from decimal import Decimal

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from portfolios.models import PortfolioSnapshot
from portfolios.services import ledger, snapshots
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


def at_once(*works):
    """Run these together, each with a connection of its own; what failed."""
    start, failures = threading.Barrier(len(works)), []

    def one(work):
        start.wait(10)
        try:
            work()
        except Exception as error:  # noqa: BLE001  shown by the caller's assertion
            failures.append(repr(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return failures


@pytest.mark.django_db(transaction=True)
def test_eight_threads_that_measure_one_session_keep_one_run_a_book():
    made, runs = books(3), []

    def measure():
        found = var.compute(portfolio_ids=made, session_date=DAY)
        runs.append({portfolio: metric.pk for portfolio, metric in found.items()})

    assert at_once(*[measure] * 8) == []
    kept = dict(RiskMetric.objects.values_list("portfolio", "pk"))
    assert runs == [kept] * 8
    assert VarResult.objects.count() == 6
    noted = PortfolioSnapshot.objects.values_list("portfolio", "risk_run")
    assert dict(noted) == kept


@pytest.mark.django_db(transaction=True)
def test_a_night_is_measured_while_it_is_revised():
    made = books(3)

    def revise():
        for number in range(8):
            for portfolio in reversed(made):
                deposit(portfolio, f"{threading.get_ident()}:{number}")
                snapshots.retake(portfolio_id=portfolio, start=DAY)

    def measure():
        for _ in range(8):
            var.compute(portfolio_ids=made, session_date=DAY)

    assert at_once(revise, measure, revise, measure) == []
    var.compute(portfolio_ids=made, session_date=DAY)
    navs = dict(PortfolioSnapshot.objects.values_list("portfolio", "nav"))
    assert set(navs.values()) == {1_000_016}
    assert dict(RiskMetric.objects.values_list("portfolio", "equity")) == navs


def deposit(portfolio, source):
    ledger.book_flow(
        portfolio_id=portfolio, amount=Decimal(1), session_date=DAY, source=f"test:{source}",
        by=factories.HOUSE,
    )  # fmt: skip
