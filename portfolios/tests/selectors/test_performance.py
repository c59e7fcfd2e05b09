"""Tear sheets: periods, sums that are exact, what a benchmark may not change, what is missing."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from etftrader.core.errors import BadInput
from etftrader.testing.rows import module_rows
from marketdata.models import TreasuryYield
from marketdata.selectors import calendar
from portfolios.calculations import performance as kernel
from portfolios.calculations.periods import Period
from portfolios.models import Portfolio, PortfolioSnapshot
from portfolios.selectors import performance_benchmarks as benchmarks
from portfolios.selectors.performance import tear_sheet
from portfolios.services import snapshots
from portfolios.tests.factories import (
    HOUSE,
    deposit,
    fill,
    make_closes,
    make_instrument,
    make_portfolio,
)
from portfolios.tests.performance_book import FIRST, LAST, make_world, walk

pytestmark = pytest.mark.django_db
PERIODS = [Period(name) for name in ("1M", "3M", "YTD", "1Y", "opening")]
OWN = Period("custom", date(2015, 12, 1), date(2016, 3, 31))


@pytest.fixture(scope="module")
def staged(django_db_setup, django_db_blocker):
    with module_rows(django_db_blocker):
        yield make_world()


@pytest.fixture
def book(staged):
    return Portfolio.objects.get(pk=staged.book.pk)


def sheet(book, period=PERIODS[-1], as_of=LAST, against=None):
    named = None if against is None else benchmarks.checked(against, "benchmark")
    return tear_sheet(portfolio=book, period=period, as_of=as_of, against=named)


def test_the_figures_are_those_of_the_snapshots(book):
    found = sheet(book)
    rows = list(PortfolioSnapshot.objects.filter(portfolio=book).order_by("session_date"))
    daily = np.array([row.daily_return for row in rows[1:]])

    made = kernel.summary(daily, 0.0025)
    assert (found.start, found.end, found.sessions) == (FIRST, LAST, len(rows) - 1)
    for name in ("sharpe", "sortino", "calmar", "skew", "annual_volatility", "hit_rate"):
        assert found.figures[name].value == pytest.approx(getattr(made, name), rel=1e-12)
    assert found.figures["cumulative_return"].value == pytest.approx(rows[-1].twr_index - 1)
    assert found.risk_free.annual == pytest.approx(0.0025)
    assert min(found.falls) == pytest.approx(found.figures["max_drawdown"].value)


@pytest.mark.parametrize("period", [*PERIODS, OWN], ids=lambda each: each.name)
def test_positions_give_the_whole_gain_to_the_last_digit(book, period):
    found = sheet(book, period)

    first, last = found.rows[0], found.rows[-1]
    assert found.books.difference == 0
    assert sum(each.contribution.pnl for each in found.books.parts) == found.pnl
    assert found.pnl == last.nav - first.nav - found.flows
    assert found.pnl == last.cumulative_pnl - first.cumulative_pnl


def test_fees_and_parts_of_each_position_are_told_apart(book):
    books = sheet(book).books

    assert books.costs == {"commissions": Decimal("10.00")}  # eight fills after the first session
    assert books.income == {"dividends": Decimal(100)}  # 200 AAA at 0.50
    assert {each.symbol: each.contribution.income for each in books.parts} == {"AAA": 100, "BBB": 0}
    assert sum(each.contribution.fees for each in books.parts) == Decimal("10.00")
    assert {each.symbol for each in books.parts} == {"AAA", "BBB"}


def test_round_trips_are_counted_through_zero_and_within_a_day(book):
    told = sheet(book).books.trades

    assert [told.symbols[each.instrument_id] for each in told.trips] == ["BBB", "BBB", "AAA", "BBB"]
    assert [each.is_long for each in told.trips] == [True, False, True, True]
    assert told.trips[-1].pnl == Decimal("-2.50")  # in and out at one price, two fees
    assert told.wins + told.losses == 4


@pytest.mark.parametrize("against", [["QQQ"], ["AAA", "BBB", "QQQ"], []])
def test_no_own_figure_changes_with_the_benchmark(book, against):
    usual, other = sheet(book), sheet(book, against=against)

    assert other.figures == usual.figures
    for name in ("drawdowns", "years", "histogram", "books", "falls", "rows"):
        assert getattr(other, name) == getattr(usual, name)
    assert [each.symbol for each in other.beside] == against


def test_a_portfolio_against_itself_alone_has_beta_one():
    days = calendar.between(date(2016, 4, 1), LAST)
    fund = make_instrument("SOLO")
    make_closes(fund, dict(zip(days, walk(9, len(days)), strict=True)))
    book = make_portfolio(cash=10_000, session_date=days[0], whole_shares=False)
    fill(book, fund, 100, walk(9, len(days))[0], session_date=days[0])
    snapshots.take_range(portfolio_ids=[book.pk], sessions=days)

    found = sheet(book, against=["SOLO"])

    told = found.beside[0].figures
    assert told["beta"].value == pytest.approx(1.0, abs=1e-9)
    assert told["alpha"].value == pytest.approx(0.0, abs=1e-9)
    assert told["correlation"].value == pytest.approx(1.0)
    assert (told["information_ratio"].value, told["information_ratio"].reason) == (
        None,
        "zero_denominator",
    )
    assert found.beside[0].is_price_series
    assert ("no_risk_free_rate" in dict(found.warnings)) == (not TreasuryYield.objects.exists())


@pytest.mark.parametrize(
    ("period", "base"),
    [
        (Period("1M"), date(2016, 5, 20)),  # 22 May is a Sunday
        (Period("3M"), date(2016, 3, 22)),
        (Period("YTD"), date(2015, 12, 31)),
        (Period("1Y"), FIRST),  # younger than a year
        (Period("opening"), FIRST),
        (Period("custom", date(2015, 12, 5)), date(2015, 12, 7)),
    ],
    ids=lambda each: getattr(each, "name", str(each)),
)
def test_a_period_begins_with_its_base(book, period, base):
    assert sheet(book, period).start == base


def test_as_of_shows_what_was_known_then(book):
    past = date(2016, 2, 29)
    found = sheet(book, as_of=past)
    first = sheet(book, Period("custom", FIRST, past))

    assert (found.end, found.as_of) == (past, past)
    assert found.figures == first.figures
    assert found.books == first.books
    assert max(each.closed for each in found.books.trades.trips) <= past


def test_ratios_wait_for_twenty_sessions(book):
    found = sheet(book, Period("custom", FIRST, calendar.between(FIRST, LAST)[8]))

    assert (found.sessions, found.reason) == (8, "insufficient_history")
    assert found.figures["sharpe"].detail == "needs 20 sessions, has 8"
    assert found.figures["cumulative_return"].value is not None
    assert found.beside[0].figures["beta"].detail == "needs 20 sessions, has 8"
    assert found.histogram is None


def test_a_new_portfolio_has_reasons_and_no_figure():
    found = sheet(make_portfolio(name="New"))

    assert (found.reason, found.rows, found.books) == ("no_snapshots", (), None)
    assert {each.value for each in found.figures.values()} == {None}
    assert {each.reason for each in found.figures.values()} == {"no_snapshots"}


def test_every_figure_has_a_unit_and_names_its_rates(book):
    found = sheet(book)

    for figure in (*found.figures.values(), *found.beside[0].figures.values()):
        assert figure.unit in ("fraction", "fraction a year", "ratio")
        assert figure.formula
    assert "rf 0.25% a year" in found.figures["sharpe"].formula
    assert "252 sessions a year" in found.figures["sharpe"].formula


def test_hypothetical_snapshots_are_drawn_and_never_counted(book):
    usual = sheet(book)
    like = PortfolioSnapshot.objects.filter(portfolio=book).order_by("session_date").first()
    for place, day in enumerate(calendar.between(date(2015, 9, 1), date(2015, 9, 18))):
        like.pk, like.session_date, like.kind = None, day, "hypothetical"
        like.twr_index = 3.0 + place / 100
        like.daily_return, like.daily_pnl = 0.5, 10_000
        like.save(force_insert=True)

    found = sheet(book)

    assert found.figures == usual.figures
    assert found.books == usual.books
    assert found.rows == usual.rows
    assert [row.session_date for row in found.hypothetical] == calendar.between(
        date(2015, 9, 1), date(2015, 9, 11)
    )
    assert sheet(book, Period("3M")).hypothetical == ()


def test_the_time_weighted_return_is_blind_to_deposits():
    days = calendar.between(date(2016, 4, 1), LAST)
    fund = make_instrument("GROW")
    levels = walk(11, len(days))
    make_closes(fund, dict(zip(days, levels, strict=True)))
    books = [make_portfolio(name=name, whole_shares=False) for name in ("Plain", "Flowing")]
    for book in books:
        deposit(book, 10_000, session_date=days[0], source="open")
        fill(book, fund, 50, levels[0], session_date=days[0])
    # as much again, invested as before at the close of the day before: both books move alike
    deposit(books[1], 10_000 + 50 * (levels[9] - levels[0]), session_date=days[10], source="more")
    fill(books[1], fund, 50, levels[9], session_date=days[10])
    snapshots.take_range(portfolio_ids=[each.pk for each in books], sessions=days)

    plain, flowing = (sheet(each) for each in books)

    mine, theirs = (each.figures["cumulative_return"].value for each in (plain, flowing))
    assert mine == pytest.approx(theirs, abs=1e-12)
    assert (
        plain.figures["money_weighted_return"].value
        != flowing.figures["money_weighted_return"].value
    )


@pytest.mark.parametrize(
    ("symbols", "said"),
    [
        (["SPY", "QQQ", "AAA", "BBB"], "At most 3"),
        (["SPY", "spy"], "named twice"),
        (["NOPE"], "not known"),
    ],
)
def test_bad_benchmarks_are_refused_with_a_sentence(book, symbols, said):
    with pytest.raises(BadInput, match=said) as refused:
        benchmarks.checked(symbols, "benchmark")
    assert refused.value.figures["attr"] == "benchmark"


def test_benchmarks_are_kept_in_their_order(book):
    from portfolios.services.benchmarks import set_benchmarks

    before = book.version
    changed = set_benchmarks(portfolio_id=book.pk, symbols=["QQQ", "AAA"], by=HOUSE)

    assert changed.version == before + 1
    assert [each.symbol for each in sheet(book).beside] == ["QQQ", "AAA"]
    set_benchmarks(portfolio_id=book.pk, symbols=[""], by=HOUSE)
    assert [each.symbol for each in sheet(book).beside] == ["SPY"]
