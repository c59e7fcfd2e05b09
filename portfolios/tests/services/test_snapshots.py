"""Snapshots: figures by hand, twice is once, and a late booking heals."""

import random
from datetime import date
from decimal import Decimal

import pytest

from marketdata.selectors import calendar
from portfolios.calculations.periods import Period
from portfolios.models import PortfolioSnapshot
from portfolios.selectors import performance
from portfolios.services import cash, reversals, snapshots, verification
from portfolios.tests.factories import (
    HOUSE,
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    deposit,
    fill,
    make_closes,
    make_instrument,
    make_portfolio,
    opening,
)

pytestmark = pytest.mark.django_db
THURSDAY = date(2016, 6, 23)


@pytest.fixture
def fund():
    found = make_instrument("AAA")
    make_closes(found, {MONDAY: 100, TUESDAY: 110, WEDNESDAY: 99, THURSDAY: 120})
    return found


def figures(row):
    return (row.nav, row.flows, row.daily_pnl, row.cumulative_pnl, row.fees)


def test_four_days_by_hand(fund):
    """Cash 1,000; Monday 5 at 100, fee 1; Tuesday 110, deposit 500; Wednesday 99, sell 2 at 99."""
    portfolio = make_portfolio(cash=1000)
    fill(portfolio, fund, 5, 100, fee=1)
    deposit(portfolio, 500, session_date=TUESDAY, source="d:2")
    fill(portfolio, fund, -2, 99, session_date=WEDNESDAY)

    taken = snapshots.take_range(
        portfolio_ids=[portfolio.pk], sessions=[MONDAY, TUESDAY, WEDNESDAY]
    )

    first, second, third = taken
    assert figures(first) == (999, 1000, 0, -1, 1)
    assert figures(second) == (1549, 500, 50, 49, 0)
    assert figures(third) == (1494, 0, -55, -6, 0)
    assert third.realized_pnl == -2
    assert third.unrealized_pnl == -3
    # inflows at the beginning of the day: 1549 / 1499, then 1494 / 1549
    assert second.daily_return == pytest.approx(1549 / 1499 - 1, abs=1e-15)
    assert third.twr_index == pytest.approx(1549 / 1499 * 1494 / 1549, abs=1e-15)
    assert third.drawdown == pytest.approx(1494 / 1549 - 1, abs=1e-15)
    assert [each.identity_gap for each in taken] == [0, 0, 0]
    assert first.daily_return is None
    assert first.twr_index == 1.0


def test_the_walk_and_the_nightly_way_give_the_same_rows(fund):
    walked, nightly = (
        make_portfolio(name=name, cash=1000, allow_short=True) for name in ("Walked", "Nightly")
    )
    for portfolio in (walked, nightly):
        fill(portfolio, fund, 5, 100, fee=1)
    snapshots.take(portfolio_ids=[nightly.pk], session_date=MONDAY)
    for portfolio in (walked, nightly):
        fill(portfolio, fund, -9, 111, fee=1, session_date=TUESDAY)
    snapshots.take(portfolio_ids=[nightly.pk], session_date=TUESDAY)
    snapshots.take_range(portfolio_ids=[walked.pk], sessions=[MONDAY, TUESDAY])

    for day in (MONDAY, TUESDAY):
        mine, theirs = (
            PortfolioSnapshot.objects.get(portfolio=each, session_date=day)
            for each in (walked, nightly)
        )
        for name in ("nav", "flows", "fees", "daily_pnl", "twr_index", "drawdown", "coverage"):
            assert getattr(mine, name) == getattr(theirs, name), (day, name)
        lines = [
            row.positions.values_list("quantity", "cost_basis", "price", "daily_pnl").get()
            for row in (mine, theirs)
        ]
        assert lines[0] == lines[1]


def test_the_same_inputs_change_nothing(fund):
    portfolio = make_portfolio(cash=1000)
    fill(portfolio, fund, 5, 100)
    [first] = snapshots.take(portfolio_ids=[portfolio.pk], session_date=MONDAY)

    [again] = snapshots.take(portfolio_ids=[portfolio.pk], session_date=MONDAY)

    stored = PortfolioSnapshot.objects.get()
    assert (again.pk, stored.revision, stored.taken_at) == (first.pk, 1, first.taken_at)


def test_a_later_deposit_of_the_same_session_revises_and_keeps_the_risk(fund):
    portfolio = make_portfolio(cash=1000)
    fill(portfolio, fund, 5, 100)
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=MONDAY)
    snapshots.add_risk(
        portfolio_id=portfolio.pk,
        session_date=MONDAY,
        var_95_1d=12.5,
        es_95_1d=15.0,
        stressed_var_95_1d=None,
        volatility_1d=7.6,
        coverage=1.0,
        reason="",
        run_id=None,
    )

    cash.move(
        portfolio_id=portfolio.pk,
        kind="deposit",
        amount=Decimal(200),
        session_date=MONDAY,
        source="cash:1",
        by=HOUSE,
    )

    row = PortfolioSnapshot.objects.get()
    assert (row.revision, row.nav, row.var_95_1d) == (2, 1200, 12.5)


def test_a_fill_after_the_snapshot_takes_the_risk_away(fund):
    portfolio = make_portfolio(cash=1000)
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=MONDAY)
    PortfolioSnapshot.objects.update(var_95_1d=3.0, risk_reason="")
    fill(portfolio, fund, 5, 100)

    snapshots.take(portfolio_ids=[portfolio.pk], session_date=MONDAY)

    row = PortfolioSnapshot.objects.get()
    assert (row.revision, row.var_95_1d, row.risk_reason) == (2, None, "not_computed")


def test_the_next_night_heals_what_a_late_booking_overtook(fund):
    portfolio = make_portfolio(cash=1000)
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=MONDAY)
    deposit(portfolio, 500, session_date=MONDAY, source="late")

    [tuesday] = snapshots.take(portfolio_ids=[portfolio.pk], session_date=TUESDAY)

    assert (tuesday.nav, tuesday.flows, tuesday.daily_pnl) == (1500, 0, 0)
    monday = PortfolioSnapshot.objects.get(session_date=MONDAY)
    assert (monday.nav, monday.flows, monday.revision) == (1500, 1500, 2)


def test_an_opening_in_the_past_brings_its_history_with_it(fund):
    portfolio = make_portfolio(cash=1000, session_date=WEDNESDAY)
    opening(portfolio, fund, 10, 100, session_date=MONDAY)

    monday, tuesday, wednesday = snapshots.take_range(
        portfolio_ids=[portfolio.pk], sessions=[MONDAY, TUESDAY, WEDNESDAY]
    )

    assert (monday.nav, tuesday.nav, wednesday.nav) == (1000, 1100, 1990)
    assert (tuesday.daily_pnl, wednesday.daily_pnl) == (100, -110)
    assert wednesday.flows == 1000


def test_a_reversal_counts_from_its_own_session_on(fund):
    portfolio = make_portfolio(cash=1000)
    fill(portfolio, fund, 5, 100, source="trade:x")
    reversals.reverse(
        portfolio_id=portfolio.pk, source="trade:x", reason="bust", by=HOUSE, session_date=TUESDAY
    )

    monday, tuesday = snapshots.take_range(portfolio_ids=[portfolio.pk], sessions=[MONDAY, TUESDAY])

    assert (monday.position_count, tuesday.position_count) == (1, 0)
    assert (monday.nav, tuesday.nav, tuesday.identity_gap) == (1000, 1000, 0)


def test_a_holding_without_a_price_is_null_with_its_reason(fund):
    portfolio, dark = make_portfolio(cash=1000), make_instrument("DARK")
    fill(portfolio, fund, 5, 100)
    fill(portfolio, dark, 1, 300)

    [row] = snapshots.take(portfolio_ids=[portfolio.pk], session_date=MONDAY)

    line = row.positions.get(instrument=dark)
    assert (line.price, line.exposure, line.reason) == (None, None, "no_price")
    assert (row.nav, row.quality, row.identity_gap) == (700, "missing", 0)
    assert row.coverage == pytest.approx(500 / 800)


def test_a_day_without_a_close_uses_the_last_one_and_says_so():
    portfolio, thin = make_portfolio(cash=1000), make_instrument("THIN")
    make_closes(thin, {MONDAY: 50, WEDNESDAY: 60})
    fill(portfolio, thin, 2, 50)

    _, tuesday = snapshots.take_range(portfolio_ids=[portfolio.pk], sessions=[MONDAY, TUESDAY])

    line = tuesday.positions.get()
    assert (line.price, line.price_session, line.price_class) == (50, MONDAY, "stale")
    assert tuesday.quality == "limited"


def test_a_portfolio_without_bookings_has_no_snapshot():
    portfolio = make_portfolio()

    assert snapshots.take(portfolio_ids=[portfolio.pk], session_date=MONDAY) == []


def test_ratios_of_a_short_history_are_null_with_the_reason(fund):
    portfolio = make_portfolio(cash=1000)
    fill(portfolio, fund, 5, 100)
    snapshots.take_range(portfolio_ids=[portfolio.pk], sessions=[MONDAY, TUESDAY, WEDNESDAY])

    found = performance.tear_sheet(portfolio=portfolio, period=Period(), as_of=WEDNESDAY)

    # 1000 -> 1050 -> 995
    figures = {name: each.value for name, each in found.figures.items()}
    assert figures["cumulative_return"] == pytest.approx(-0.005)
    assert figures["max_drawdown"] == pytest.approx(995 / 1050 - 1)
    assert (figures["sharpe"], figures["annual_volatility"], found.reason) == (
        None,
        None,
        "insufficient_history",
    )
    assert found.pnl == -5


@pytest.mark.parametrize("seed", range(6))
def test_daily_gains_add_up_to_the_whole_and_lines_to_the_day(seed):
    """Quant's ledger laws on random books: sum of days = total; lines less fees = the day."""
    dice = random.Random(seed)
    days = calendar.between(date(2016, 4, 1), date(2016, 4, 29))
    funds = [make_instrument(symbol) for symbol in ("AAA", "BBB", "CCC")]
    closes = {each: {day: dice.randint(5000, 15000) / 100 for day in days} for each in funds}
    for each, path in closes.items():
        make_closes(each, path)
    portfolio = make_portfolio(cash=1_000_000, session_date=days[0], allow_short=True)
    for day in days:
        for number in range(dice.randint(0, 3)):
            each = dice.choice(funds)
            price = round(closes[each][day] * dice.uniform(0.97, 1.03), 4)
            fill(portfolio, each, dice.choice((-30, -7, 5, 40)), price, fee="0.35",
                 session_date=day, source=f"{day}:{number}")  # fmt: skip
        if dice.random() < 0.3:
            deposit(portfolio, dice.choice((-500, 2000)), session_date=day, source=f"f:{day}")

    taken = snapshots.take_range(portfolio_ids=[portfolio.pk], sessions=days)

    last = taken[-1]
    first_gain = taken[0].cumulative_pnl
    assert first_gain + sum(each.daily_pnl for each in taken) == last.cumulative_pnl
    assert sum(each.flows for each in taken) == last.nav - last.cumulative_pnl
    assert all(each.identity_gap == 0 for each in taken)
    for row in taken[1:]:
        before = {line.instrument_id for line in taken[taken.index(row) - 1].positions.all()}
        now = list(row.positions.all())
        if before <= {line.instrument_id for line in now}:
            assert sum(line.daily_pnl for line in now) - row.fees == row.daily_pnl
    assert verification.verify(portfolio_id=portfolio.pk) == []


def test_long_and_short_books_mirror_each_other(fund):
    long, short = (make_portfolio(name=n, cash=5000, allow_short=True) for n in ("L", "S"))
    for portfolio, sign in ((long, 1), (short, -1)):
        fill(portfolio, fund, sign * 10, 100)
        fill(portfolio, fund, sign * -4, 105, session_date=TUESDAY)

    mine, theirs = (
        snapshots.take_range(portfolio_ids=[each.pk], sessions=[MONDAY, TUESDAY])[1]
        for each in (long, short)
    )

    assert mine.net_exposure == -theirs.net_exposure
    assert mine.realized_pnl == -theirs.realized_pnl == 20
    assert mine.unrealized_pnl == -theirs.unrealized_pnl == 60
