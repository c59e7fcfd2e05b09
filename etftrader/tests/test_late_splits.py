"""A split held back for days and freed by a person: the close that applies it revises the nights."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from etftrader import day, outcomes, revision, tasks
from etftrader.core import jobs
from etftrader.core.actor import system
from etftrader.core.records import JobRun, OutboxEvent
from marketdata.events import prices_revised
from marketdata.models import CorporateAction, Instrument, QuarantinedPrice
from marketdata.selectors import calendar
from marketdata.services import price_gate, price_sync, replay
from portfolios.models import Portfolio, PortfolioSnapshot, Position
from portfolios.tests import factories
from risk.models import Alert

pytestmark = pytest.mark.django_db
BY = system("test")
DAYS = calendar.between(date(2020, 6, 1), date(2020, 7, 8))
START, EX, AFTER, THIRD, LAST = (
    date(2020, *each) for each in ((6, 29), (6, 30), (7, 1), (7, 2), (7, 6))
)
OPENED = date(2020, 6, 22)


@pytest.fixture
def book(tmp_path: Path, settings: Any) -> Portfolio:
    """A hundred shares of AAA, split four for one at EX, whose close of that day is nonsense."""
    settings.MARKETDATA_PROVIDER, settings.CSV_FOLDER = "csv", str(tmp_path)
    settings.REPLAY_START_GIVEN, settings.REPLAY_START = True, START
    lines = ["date,symbol,close,split"]
    for session in DAYS:
        close = 100 if session < EX else 55 if session == EX else 25
        lines.append(f"{session},AAA,{close},{4 if session == EX else ''}")
        lines.append(f"{session},BBB,50,")
    (tmp_path / "prices.csv").write_text("\n".join([*lines, ""]))
    replay.ensure()
    price_sync.load_history(until=START)
    fund = Instrument.objects.get(symbol="AAA")
    portfolio = factories.make_portfolio(cash=100_000, session_date=OPENED, opened_on=OPENED)
    factories.fill(portfolio, fund, 100, 100, session_date=OPENED)
    day.run(session_date=START, by=BY)
    return portfolio


def navs(portfolio: Portfolio) -> dict[date, Decimal]:
    rows = PortfolioSnapshot.objects.filter(portfolio=portfolio, session_date__gte=START)
    return dict(rows.values_list("session_date", "nav"))


def test_a_split_freed_by_a_rejected_price_is_in_every_night_since(book: Portfolio) -> None:
    for session in (EX, AFTER, THIRD):
        day.advance(by=BY, until=session)
    assert CorporateAction.objects.get().status == "pending"
    tasks.sweep()
    assert Alert.objects.of_book(None).get(key=outcomes.HELD_BACK).state == "open"
    assert navs(book)[THIRD] == 92_500
    price_gate.reject(doubt_id=QuarantinedPrice.objects.get().pk, by=BY)
    OutboxEvent.objects.all().delete()

    runs = day.advance(by=BY, until=LAST)

    assert CorporateAction.objects.get().status == "applied"
    [event] = OutboxEvent.objects.filter(name=prices_revised.name)
    assert event.payload == {"symbol": "AAA", "since": EX.isoformat()}
    tasks.heed_prices(**event.payload)
    for run in runs:
        outcomes.heed(run_id=run.pk)
    [asked] = JobRun.objects.filter(job=revision.JOB)
    assert jobs.run_now(asked).status == "partial"  # so few closes have no covariance
    for run in JobRun.objects.filter(job=revision.SNAPSHOTS, step="", status="queued"):
        assert jobs.run_now(run).status == "succeeded"
    assert Position.objects.get(portfolio=book).quantity == 400
    assert navs(book) == dict.fromkeys(calendar.between(START, LAST), Decimal(100_000))
    # and nothing more is asked for
    for run in day.status(session_date=LAST):
        outcomes.heed(run_id=run.pk)
    assert not JobRun.objects.filter(job=revision.JOB, status="queued").exists()
    assert Alert.objects.of_book(None).get(key=outcomes.HELD_BACK).state == "resolved"
