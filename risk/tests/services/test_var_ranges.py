"""Long work of a night in parts: bookings pass between them, and what was done stands."""

import threading
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connections
from django.db.models import F
from django.utils import timezone

from etftrader.core import jobs
from etftrader.core.records import JobRun
from marketdata.selectors import calendar
from portfolios.models import LedgerEntry, PortfolioSnapshot
from portfolios.services import ledger, snapshots
from risk.models import RiskMetric, VarResult
from risk.services import stop_loss, var
from risk.tests import factories

pytestmark = pytest.mark.django_db(transaction=True)
DAYS = calendar.between(date(2016, 6, 16), factories.START)
PATIENCE_S = 5.0  # a booking waits no longer


@pytest.fixture
def books():
    factories.load_bundle()
    made = [factories.make_portfolio(name=f"Book {number}").pk for number in range(3)]
    for portfolio_id in made:
        ledger.book_flow(
            portfolio_id=portfolio_id, amount=Decimal(1), session_date=DAYS[0], source="test:first",
            by=factories.HOUSE,
        )  # fmt: skip
    snapshots.take_range(portfolio_ids=made, sessions=DAYS)
    return sorted(made)


class Booking:
    """A booking in each book by somebody else; the books are free when it is done in time."""

    def __init__(self, portfolio_ids):
        self.thread = threading.Thread(target=self.book, args=[portfolio_ids])
        self.done_in_time = None

    def book(self, portfolio_ids):
        try:
            for portfolio_id in reversed(portfolio_ids):
                ledger.book_flow(
                    portfolio_id=portfolio_id, amount=Decimal(1), session_date=factories.START,
                    source="test:meanwhile", by=factories.HOUSE,
                )  # fmt: skip
        finally:
            connections.close_all()

    def go(self):
        self.thread.start()
        self.thread.join(PATIENCE_S)
        self.done_in_time = not self.thread.is_alive()


def asked(portfolio_ids, job="risk.compute", **inputs):
    return jobs.request(
        job, as_of=DAYS[-1], portfolio_ids=portfolio_ids, inputs=inputs, queue=False
    )


def between_sessions(monkeypatch, place, act):
    """Have something happen before a session of a range is measured, the first being 0."""
    matrix_of, seen = var._daily_at, []

    def looked(*args):
        seen.append(args)
        if len(seen) == place + 1:
            act()
        return matrix_of(*args)

    monkeypatch.setattr(var, "_daily_at", looked)


def test_bookings_pass_between_the_sessions_of_a_range(books, monkeypatch):
    booking = Booking(books)
    between_sessions(monkeypatch, 2, booking.go)

    run = jobs.run_now(asked(books, start=DAYS[0].isoformat()))

    booking.thread.join(60)
    assert booking.done_in_time
    assert (run.status, run.result["counts"]) == ("succeeded", {"runs": 15, "sessions": 5})
    assert [each["status"] for each in run.items] == ["ok"] * 3
    assert LedgerEntry.objects.filter(source="test:meanwhile").exists()


def test_a_range_that_is_cut_short_goes_on_and_measures_nothing_twice(books, monkeypatch):
    run = asked(books, start=DAYS[0].isoformat())

    def taken_over():
        # its lease ran out, and another worker has it
        JobRun.objects.filter(pk=run.pk).update(attempt=F("attempt") + 1)

    between_sessions(monkeypatch, 2, taken_over)
    jobs.run_now(run)
    first = dict(RiskMetric.objects.values_list("pk", "computed_at"))
    # of the session whose results came too late nothing stays
    assert set(RiskMetric.objects.values_list("session_date", flat=True)) == set(DAYS[:2])
    noted = PortfolioSnapshot.objects.filter(risk_run__isnull=False)
    assert set(noted.values_list("session_date", flat=True)) == set(DAYS[:2])

    JobRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    run = jobs.run_now(run)

    assert (run.status, run.attempt) == ("succeeded", 3)
    assert run.result["counts"] == {"runs": 9, "sessions": 3}
    assert RiskMetric.objects.count() == 15
    assert VarResult.objects.count() == 30
    kept = dict(RiskMetric.objects.filter(pk__in=first).values_list("pk", "computed_at"))
    assert kept == first


def test_a_book_that_fails_in_a_range_is_named_and_the_others_are_measured(books, monkeypatch):
    measured = var._run

    def refuses(snapshot, *args):
        if snapshot.portfolio_id == books[1]:
            raise ValueError("this one")
        return measured(snapshot, *args)

    monkeypatch.setattr(var, "_run", refuses)

    run = jobs.run_now(asked(books, start=DAYS[0].isoformat()))

    assert {each["item"]: each["status"] for each in run.items} == {
        str(books[0]): "ok", str(books[1]): "failed", str(books[2]): "ok",
    }  # fmt: skip
    assert RiskMetric.objects.count() == 10


def test_the_passes_over_limits_and_stops_hold_no_book_from_one_to_the_next(books, monkeypatch):
    booking, stops = Booking(books), stop_loss.evaluate

    def second_pass(**given):
        booking.go()
        return stops(**given)

    monkeypatch.setattr(stop_loss, "evaluate", second_pass)

    run = jobs.run_now(asked(books, job="risk.check_limits"))

    booking.thread.join(60)
    assert booking.done_in_time
    # nothing was measured: an alert of every book, which takes its lock
    assert (run.status, run.result["counts"]["unknown"] > 0) == ("succeeded", True)
