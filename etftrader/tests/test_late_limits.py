"""Limits of the newest session after a late range: what was a breach by mistake ends, once.

Seeded faults: only the range's own sessions are measured again; limits follow a new risk run alone.
"""

from datetime import date
from decimal import Decimal

import pytest

from etftrader import outcomes, revision
from etftrader.core import jobs
from etftrader.core.actor import system
from etftrader.core.records import JobRun
from marketdata.models import CorporateAction, Instrument
from marketdata.selectors import calendar
from marketdata.services import corporate_actions as market
from marketdata.tests.option_world import bars
from portfolios.models import Portfolio, PortfolioSnapshot
from portfolios.services import corporate_actions, snapshots
from portfolios.tests import factories
from risk.models import Alert, LimitBreach
from risk.services import limits, var

pytestmark = pytest.mark.django_db
LAST = factories.WEDNESDAY
DAYS = calendar.between(calendar.previous(LAST, 5), LAST)
BEFORE = calendar.previous(LAST)


def a_book(closes: dict[date, int]) -> Portfolio:
    """400 shares beside 60,000 in cash, valued, measured and held against limits at every close."""
    factories.make_clock(LAST)
    fund = factories.make_instrument("AAA")
    factories.make_closes(fund, closes)
    book = factories.make_portfolio(cash=100_000, session_date=DAYS[0], opened_on=DAYS[0])
    factories.fill(book, fund, 400, 100, session_date=DAYS[0])
    snapshots.take_range(portfolio_ids=[book.pk], sessions=DAYS)
    for day in DAYS:
        var.compute(portfolio_ids=[book.pk], session_date=day)
        limits.evaluate(portfolio_ids=[book.pk], session_date=day)
    return book


def carry_out(job: str) -> int:
    """Do every run of a job that waits, and what its end calls for."""
    queued = list(JobRun.objects.filter(job=job, status="queued"))
    for run in queued:
        done = jobs.run_now(run)
        assert done.status in ("succeeded", "partial"), done.error
        outcomes.heed(run_id=done.pk)
        outcomes.heed(run_id=done.pk)
    return len(queued)


def late_range(book: Portfolio, start: date, until: date) -> None:
    jobs.request(
        revision.SNAPSHOTS,
        as_of=until,
        portfolio_ids=[book.pk],
        inputs={"start": start.isoformat()},
        queue=False,
    )
    for job in (revision.SNAPSHOTS, outcomes.RISK, outcomes.LIMITS):
        carry_out(job)


def changes(book: Portfolio, measure: str) -> list[tuple[str, str, date]]:
    rows = LimitBreach.objects.filter(portfolio=book, measure=measure).order_by("pk")
    return list(rows.values_list("from_state", "to_state", "session_date"))


def open_alerts(book: Portfolio, measure: str) -> int:
    told = Alert.objects.filter(portfolio=book, key=f"limit:{measure}")
    return told.exclude(state="resolved").count()


@pytest.mark.parametrize("until", [LAST, BEFORE])
def test_a_breach_by_a_wrong_close_ends_also_where_the_clock_moved_on_meanwhile(until: date):
    # the close of the day before was a slip: 130 of 100, and a loss of 12,000 the day after
    book = a_book(dict.fromkeys(DAYS, 100) | {BEFORE: 130})
    assert changes(book, "daily_loss") == [("within", "breach", LAST)]
    assert open_alerts(book, "daily_loss") == 1
    bars(Instrument.objects.get(), [(BEFORE, 100.0)])

    late_range(book, BEFORE, until)

    assert changes(book, "daily_loss")[1:] == [("breach", "within", LAST)]
    assert open_alerts(book, "daily_loss") == 0
    assert PortfolioSnapshot.objects.get(session_date=LAST).risk_run is not None
    late_range(book, BEFORE, LAST)
    assert len(changes(book, "daily_loss")) == 2


@pytest.mark.parametrize("until", [LAST, BEFORE])
def test_a_breach_that_a_wrong_close_hid_opens_once(until: date):
    book = a_book(dict.fromkeys(DAYS, 100) | {LAST: 87, BEFORE: 87})
    assert changes(book, "daily_loss")[-1][1:] == ("within", LAST)
    bars(Instrument.objects.get(), [(BEFORE, 100.0)])

    late_range(book, BEFORE, until)

    assert changes(book, "daily_loss")[-1] == ("within", "breach", LAST)
    late_range(book, BEFORE, LAST)
    assert len(changes(book, "daily_loss")) == 3
    assert open_alerts(book, "daily_loss") == 1


def test_money_that_came_late_is_in_the_equity_limits_are_a_share_of():
    # what is held and what it may lose stay: only the equity is another one
    book = a_book(dict.fromkeys(DAYS, 100))
    limits.change(
        portfolio_id=book.pk,
        measure="gross",
        value=Decimal("0.39"),
        reason="to the point",
        as_of=calendar.close_time(LAST),
        by=system("tests"),
    )
    limits.evaluate(portfolio_ids=[book.pk], session_date=LAST)
    assert changes(book, "gross") == [("within", "breach", LAST)]
    late = CorporateAction.objects.create(
        instrument=Instrument.objects.get(), kind="dividend", ex_date=DAYS[2], source="manual",
        amount=Decimal(10), status="pending",
    )  # fmt: skip
    market.apply(action=late)
    late.refresh_from_db()
    corporate_actions.apply(action=late, session_date=LAST)

    late_range(book, DAYS[2], LAST)

    assert PortfolioSnapshot.objects.get(session_date=LAST).nav == 104_000
    assert changes(book, "gross")[-1][:2] == ("breach", "watch")
