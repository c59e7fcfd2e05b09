"""A past that never was: from the opening's holdings, apart from every figure."""

from datetime import date
from decimal import Decimal
from uuid import uuid4

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from etftrader.core.errors import BadInput, NotEnoughData
from etftrader.core.records import AuditEvent
from marketdata.models import PriceSeries
from marketdata.selectors import calendar
from portfolios.calculations import hypothetical as kernel
from portfolios.models import PortfolioSnapshot
from portfolios.selectors import snapshots
from portfolios.services import hypothetical
from portfolios.services import snapshots as write
from portfolios.tests import factories

pytestmark = pytest.mark.django_db

OPENED, FROM = factories.MONDAY, date(2016, 6, 13)


@pytest.fixture
def book():
    portfolio = factories.make_portfolio(cash=50_000)
    days = calendar.between(date(2016, 6, 1), OPENED)
    for symbol, quantity, base in (("AAA", 100, 100), ("BBB", 50, 40)):
        thing = factories.make_instrument(symbol)
        factories.make_closes(thing, {day: base + at for at, day in enumerate(days)})
        factories.fill(portfolio, thing, quantity, base)
    fund = factories.make_instrument("PRIVATE", pricing="manual")
    factories.opening(portfolio, fund, 1, 5_000)
    write.take(portfolio_ids=[portfolio.pk], session_date=OPENED)
    return portfolio


def made_up(book):
    rows = PortfolioSnapshot.objects.filter(portfolio=book, kind="hypothetical")
    return list(rows.order_by("session_date"))


def test_the_past_is_the_openings_holdings_at_earlier_closes(book):
    opening = snapshots.at(portfolio_id=book.pk, session_date=OPENED)

    made = hypothetical.backfill(portfolio_id=book.pk, start=FROM, by=factories.HOUSE)
    again = hypothetical.backfill(portfolio_id=book.pk, start=FROM, by=factories.HOUSE)

    rows = made_up(book)
    days = calendar.between(FROM, OPENED)[:-1]
    assert made == again
    assert [row.session_date for row in rows] == days
    # both rise by a dollar a session
    expected = [opening.nav - 150 * (len(days) - at) for at in range(len(days))]
    assert [row.nav for row in rows] == expected
    assert [row.daily_pnl for row in rows[1:]] == [Decimal(150)] * (len(days) - 1)
    assert rows[-1].twr_index == pytest.approx(float(rows[-1].nav / opening.nav))
    assert {row.quality for row in rows} == {"fallback"}
    assert made.held_still == ("PRIVATE",)
    assert AuditEvent.objects.filter(action="snapshot.hypothetical").count() == 2


def test_a_split_since_then_changes_nothing(book):
    hypothetical.backfill(portfolio_id=book.pk, start=FROM, by=factories.HOUSE)
    before = [row.nav for row in made_up(book)]
    series = PriceSeries.objects.get(instrument__symbol="AAA")
    series.close = series.close / 4.0
    series.save()

    hypothetical.backfill(portfolio_id=book.pk, start=FROM, by=factories.HOUSE)

    assert [row.nav for row in made_up(book)] == before


def test_no_figure_counts_it(book):
    before = snapshots.latest(portfolio_id=book.pk, until=OPENED)

    hypothetical.backfill(portfolio_id=book.pk, start=FROM, by=factories.HOUSE)

    assert snapshots.latest(portfolio_id=book.pk, until=OPENED) == before
    assert snapshots.latest(portfolio_id=book.pk, until=FROM) is None
    assert len(snapshots.series(portfolio_id=book.pk, until=OPENED)) == 1


def test_what_cannot_be_carried_back_is_said(book):
    empty = factories.make_portfolio(name="Empty")

    with pytest.raises(NotEnoughData):
        hypothetical.backfill(portfolio_id=empty.pk, start=FROM, by=factories.HOUSE)
    with pytest.raises(BadInput):
        hypothetical.backfill(portfolio_id=book.pk, start=OPENED, by=factories.HOUSE)
    with pytest.raises(CommandError, match="no such portfolio"):
        call_command("backfill_hypothetical", str(uuid4()), "--from", "2016-06-13")


def test_the_command_tells_what_it_made(book, capsys):
    call_command("backfill_hypothetical", str(book.pk), "--from", "2016-06-13")

    told = capsys.readouterr().out
    assert "5 hypothetical snapshots from 2016-06-13" in told
    assert "PRIVATE has no closes" in told


def test_the_kernel_begins_after_the_last_gap_and_refuses_what_does_not_fit():
    closes = np.array([[1.0, 2.0], [np.nan, 2.0], [3.0, 2.0], [4.0, 2.0]])

    past = kernel.values(np.array([2.0, -1.0]), closes, fixed=10.0, opening_nav=16.0)

    assert past.first == 2
    assert past.nav[2:].tolist() == [14.0, 16.0]
    assert past.index[-1] == 1.0
    with pytest.raises(ValueError, match="sessions by 3"):
        kernel.values(np.ones(3), closes, fixed=0.0, opening_nav=1.0)
    with pytest.raises(ValueError, match="worth nothing"):
        kernel.values(np.ones(2), closes, fixed=0.0, opening_nav=0.0)
