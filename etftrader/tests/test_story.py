"""The demo's story, 22 to 24 June 2016: from within the VaR limit to breach, and stops that fire.

The figures are product facts, worked out from the bundled history independently of this code.
"""

from datetime import date
from decimal import Decimal

import pytest
from django.test import override_settings

from etftrader import day
from etftrader.core.actor import system
from etftrader.core.errors import BadInput
from etftrader.core.records import JobRun
from etftrader.demo import build
from marketdata.selectors import sessions
from marketdata.services.replay import NoMoreHistory
from portfolios.models import Portfolio, PortfolioSnapshot
from portfolios.services import verification
from risk.models import Alert, LimitBreach, StopEvent, StopLossLevel
from risk.tests.factories import module_rows

BY = system("test")
TUESDAY, WEDNESDAY, THURSDAY, FRIDAY = (date(2016, 6, day) for day in (21, 22, 23, 24))
CENT = Decimal("0.01")
FACTS = {
    WEDNESDAY: {
        "Growth": ("515682.96", "-1321.89"),
        "Conservative Value": ("2886553.50", "-1447.60"),
        "Factor Rotation": ("1014548.55", "-5209.25"),
    },
    THURSDAY: {
        "Growth": ("520299.00", "4616.04"),
        "Conservative Value": ("2906654.70", "20101.20"),
        "Factor Rotation": ("1029045.34", "14496.79"),
    },
    FRIDAY: {
        "Growth": ("507773.19", "-12525.81"),
        "Conservative Value": ("2855763.70", "-50891.00"),
        "Factor Rotation": ("986688.27", "-42357.07"),
    },
}
ROTATION_VAR = {WEDNESDAY: 9_924.57, THURSDAY: 11_518.85, FRIDAY: 18_806.18}


def quiet(words):
    """Say nothing while seeding."""


@pytest.fixture(scope="module")
def seeded(django_db_setup, django_db_blocker):
    """Seeded once; each test undoes its own days to a savepoint inside."""
    with (
        override_settings(DEMO_PASSWORD="demo-password-for-tests"),
        module_rows(django_db_blocker),
    ):
        build.build(say=quiet)
        yield


@pytest.fixture
def demo(seeded, db, settings):
    settings.DEMO_PASSWORD = "demo-password-for-tests"


def figures(session_date):
    rows = PortfolioSnapshot.objects.filter(session_date=session_date).select_related("portfolio")
    return {
        row.portfolio.name: (str(row.nav.quantize(CENT)), str(row.daily_pnl.quantize(CENT)))
        for row in rows
        if row.portfolio.name != "Long/Short"
    }


def rotation_var(session_date):
    row = PortfolioSnapshot.objects.get(
        session_date=session_date, portfolio__name="Factor Rotation"
    )
    return row.var_95_1d


def test_the_demo_tells_its_story(demo):
    for session_date in (WEDNESDAY, THURSDAY, FRIDAY):
        if session_date != WEDNESDAY:
            runs = day.advance(by=BY)
            assert {run.status for run in runs} == {"succeeded"}
        assert figures(session_date) == FACTS[session_date]
        assert rotation_var(session_date) == pytest.approx(ROTATION_VAR[session_date], abs=0.01)

    rotation = Portfolio.objects.get(name="Factor Rotation")
    fired = StopEvent.objects.filter(kind="triggered").order_by("instrument__symbol")
    assert [
        (each.instrument.symbol, each.close, each.stop_price.quantize(Decimal("0.001")))
        for each in fired
    ] == [
        ("EWG", Decimal("23.49"), Decimal("24.102")),
        ("EWU", Decimal("29.14"), Decimal("29.790")),
        ("VGK", Decimal("44.48"), Decimal("45.504")),
    ]
    near = StopLossLevel.objects.filter(
        portfolio=rotation, distance__gt=0, distance__lte=0.05
    ).values_list("instrument__symbol", flat=True)
    assert sorted(near) == ["EEM", "EWJ", "XLK"]
    states = LimitBreach.objects.filter(portfolio=rotation, measure="var")
    assert states.order_by("pk").last().to_state == "breach"
    assert Alert.objects.filter(portfolio=rotation, severity="critical", state="open").count() == 4


def test_the_demo_s_books_are_sound_and_have_their_history(demo):
    for portfolio in Portfolio.objects.all():
        assert verification.verify(portfolio_id=portfolio.pk) == []
    growth = PortfolioSnapshot.objects.filter(portfolio__name="Growth", session_date__lt=WEDNESDAY)
    assert growth.count() == 253
    assert PortfolioSnapshot.objects.filter(
        portfolio__name="Growth", var_95_1d__isnull=False
    ).count() == 250
    cash = dict(Portfolio.objects.values_list("name", "cash"))
    assert cash["Growth"].quantize(CENT) == Decimal("30975.60")
    assert cash["Conservative Value"].quantize(CENT) == Decimal("216513.30")
    assert cash["Factor Rotation"].quantize(CENT) == Decimal("10326.72")
    # 1,540,529.56 of the full demo, plus the option premium of 52,660.00 not paid yet
    assert cash["Long/Short"].quantize(CENT) == Decimal("1593189.56")


def test_a_day_twice_is_a_day_once(demo):
    before = list(PortfolioSnapshot.objects.order_by("pk").values())
    runs = JobRun.objects.count()

    day.run(session_date=WEDNESDAY, by=BY, again=True)

    assert list(PortfolioSnapshot.objects.order_by("pk").values()) == before
    assert JobRun.objects.count() == runs


def test_a_step_waits_for_what_it_needs(demo):
    JobRun.objects.filter(step="prices").update(status="failed")

    [run] = day.run(session_date=WEDNESDAY, by=BY, steps=["snapshots"], again=True)

    assert run.status == "failed"
    assert run.error["code"] == "needs_failed"


def test_days_that_are_no_sessions_or_not_known_yet_are_refused(demo):
    with pytest.raises(BadInput, match="not a session"):
        day.run(session_date=date(2016, 6, 19), by=BY)
    with pytest.raises(BadInput, match="not known yet"):
        day.run(session_date=FRIDAY, by=BY)


def test_after_the_last_session_there_is_no_more_history(demo):
    for _ in range(7):
        day.advance(by=BY)
    assert sessions.latest() == date(2016, 7, 1)

    with pytest.raises(NoMoreHistory):
        day.advance(by=BY)

    assert sessions.moment().ended
    assert sessions.latest() == date(2016, 7, 1)


def test_the_demo_starts_over_under_the_same_people(demo):
    day.advance(by=BY)

    build.reset(say=quiet)

    assert sessions.latest() == WEDNESDAY
    assert Portfolio.objects.open().count() == 4
    open_books = Portfolio.objects.open().values_list("pk", flat=True)
    rows = PortfolioSnapshot.objects.filter(
        session_date=WEDNESDAY, portfolio__in=open_books, portfolio__name="Growth"
    )
    assert [str(row.nav.quantize(CENT)) for row in rows] == ["515682.96"]
