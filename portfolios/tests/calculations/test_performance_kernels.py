"""Kernels of a tear sheet: carried on, rolling, spread, months, money-weighted, parts, trips."""

from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import numpy as np
import pytest

from portfolios.calculations import carried_metrics, performance, returns, rolling
from portfolios.calculations.contributions import contributions
from portfolios.calculations.periods import Period, anchor, months_before
from portfolios.calculations.postings import Leg, Posting
from portfolios.calculations.round_trips import closed_trips

START = date(2016, 1, 4)
A, B = UUID(int=1), UUID(int=2)
NAMES = carried_metrics.Table.__slots__


def series(seed, count=300):
    return np.random.default_rng(seed).normal(0.0004, 0.011, count)


def posting(seq, day, *legs, kind="fill", source="", reverses=""):
    made = tuple(Leg(account, key, Decimal(amount)) for account, key, amount in legs)
    return Posting(seq, kind, source or f"t:{seq}", START + timedelta(days=day), "", made, reverses)


def bought(seq, day, key, units, paid, fee="0"):
    cash = -(Decimal(paid) + Decimal(fee))
    money = (("cash", None, cash), ("market", None, paid), ("fees", None, fee))
    return posting(seq, day, *money, ("holding", key, units), ("market", key, -Decimal(units)))


# ---- many portfolios at once, and a day more


@pytest.mark.parametrize("count", [1, 31, 32, 33, 100])
def test_one_pass_over_many_is_each_one_alone(count):
    book = np.array([series(seed) for seed in range(count)])
    market, kept = series(999), book.copy()

    made = carried_metrics.table(carried_metrics.carried(book, market, 0.02), 0.02)

    assert np.array_equal(book, kept), "the histories handed in stay as they are"
    for row in {0, count // 2, count - 1}:
        alone = performance.summary(book[row], 0.02)
        beside = performance.relative(book[row], market, 0.02)
        told = carried_metrics.figures_of(made, row)
        for name in NAMES[:8]:
            assert told[name] == pytest.approx(getattr(alone, name), rel=1e-9)
        assert told["beta"] == pytest.approx(beside.beta, rel=1e-9)
        assert told["alpha"] == pytest.approx(beside.alpha_annual, rel=1e-9)


def test_day_after_day_gives_what_the_whole_gives():
    book, market = np.array([series(seed) for seed in range(7)]), series(99)
    kept = carried_metrics.carried(book[:, :100], market[:100], 0.01)
    for day in range(100, 300):
        carried_metrics.carry(kept, book[:, day].copy(), float(market[day]), 0.01)

    daily = carried_metrics.table(kept, 0.01)
    whole = carried_metrics.table(carried_metrics.carried(book, market, 0.01), 0.01)
    for name in NAMES:
        assert getattr(daily, name) == pytest.approx(getattr(whole, name), rel=1e-9)


def test_what_divides_by_nothing_is_none_when_carried_too():
    kept = carried_metrics.empty(1)
    for _ in range(30):
        carried_metrics.carry(kept, np.zeros(1), 0.0)

    told = carried_metrics.figures_of(carried_metrics.table(kept), 0)
    assert (told["sharpe"], told["sortino"], told["calmar"], told["beta"]) == (None,) * 4
    assert told["cumulative_return"] == 0.0


# ---- rolling, histogram


@pytest.mark.parametrize("window", [2, 63, 126, 300, 301])
def test_a_window_is_the_summary_of_its_days(window):
    mine, theirs = series(1), series(2)
    made = rolling.rolling(mine, window, 0.03, theirs)

    assert np.isnan(made.sharpe[: window - 1]).all()
    for end in {window, min(window + 7, 300), 300}:
        if end < window or window > mine.size:
            continue
        inside = slice(end - window, end)
        alone = performance.summary(mine[inside], 0.03)
        beside = performance.relative(mine[inside], theirs[inside])
        assert made.sharpe[end - 1] == pytest.approx(alone.sharpe, rel=1e-9)
        assert made.volatility[end - 1] == pytest.approx(alone.annual_volatility, rel=1e-9)
        assert made.beta[end - 1] == pytest.approx(beside.beta, rel=1e-9)


def test_a_day_without_a_benchmark_leaves_its_windows_without_beta():
    theirs = series(2)
    theirs[100] = np.nan
    made = rolling.rolling(series(1), 20, 0.0, theirs)

    assert np.isnan(made.beta[100:120]).all()
    assert np.isfinite(made.beta[120:]).all()
    assert np.isfinite(made.sharpe[19:]).all()


def test_a_flat_series_has_no_rolling_ratio():
    made = rolling.rolling(np.zeros(40), 20, 0.02, np.zeros(40))

    assert np.isnan(made.sharpe).all()
    assert np.isnan(made.beta).all()


@pytest.mark.parametrize("seed", range(8))
def test_a_histogram_counts_every_day_once_around_zero(seed):
    daily = series(seed) * (1 + seed)
    made = rolling.histogram(daily)

    assert sum(made.counts) == daily.size
    assert made.edges[0] <= daily.min() <= daily.max() <= made.edges[-1]
    assert min(abs(edge) for edge in made.edges) == pytest.approx(0.0, abs=1e-12)
    assert len(made.counts) <= rolling.BINS + 1
    assert 0.9 * daily.size < sum(made.expected) <= daily.size + 1e-9


@pytest.mark.parametrize("daily", [np.zeros(0), np.array([0.01]), np.zeros(30)])
def test_what_has_no_spread_has_no_histogram(daily):
    assert rolling.histogram(daily) is None


# ---- periods, months, money-weighted


@pytest.mark.parametrize(
    ("name", "end", "back"),
    [
        ("1M", date(2016, 3, 31), date(2016, 2, 29)),
        ("1M", date(2016, 1, 15), date(2015, 12, 15)),
        ("3M", date(2015, 5, 31), date(2015, 2, 28)),
        ("1Y", date(2016, 2, 29), date(2015, 2, 28)),
        ("YTD", date(2016, 6, 22), date(2015, 12, 31)),
        ("opening", date(2016, 6, 22), None),
    ],
)
def test_a_preset_looks_back_to_a_day(name, end, back):
    assert anchor(Period(name), end) == back


def test_twelve_months_are_a_year():
    assert months_before(date(2016, 7, 4), 12) == date(2015, 7, 4)


def test_months_multiply_to_the_year():
    days = [START + timedelta(days=place) for place in range(500)]
    daily = series(3, 500).tolist()
    years = returns.calendar_years(days, daily)

    assert [each.year for each in years] == [2016, 2017]
    for each in years:
        known = [1 + month for month in each.months if month is not None]
        assert np.prod(known) - 1 == pytest.approx(each.total)
    assert years[1].months[11] is None
    assert np.prod([1 + each.total for each in years]) == pytest.approx(
        np.prod(1 + np.array(daily))
    )


@pytest.mark.parametrize("days", [31, 200, 365, 800])
def test_without_flows_money_and_time_weigh_alike(days):
    dates = [START, START + timedelta(days=days)]
    period, annual = returns.money_weighted(dates, (1_000.0, 1_130.0), [0.0])

    assert period == pytest.approx(0.13)
    assert annual == pytest.approx(1.13 ** (365 / days) - 1)


def test_money_that_came_before_the_fall_weighs_more():
    dates = [START + timedelta(days=place * 100) for place in range(3)]
    # up 10 %, then 10,000 more, then down 10 %
    period, _ = returns.money_weighted(dates, (1_000.0, 9_990.0), [10_000.0, 0.0])

    assert period < -0.05
    assert returns.money_weighted(dates[:1], (1.0, 1.0), []) == (None, None)
    assert returns.money_weighted(dates[:2], (0.0, 0.0), [0.0]) == (None, None)


# ---- parts of a gain, round trips


def test_parts_of_a_gain_are_price_income_and_fees():
    book = [
        bought(1, 0, A, "10", "1000", "1"),
        bought(2, 5, A, "-4", "-480", "1"),
        posting(3, 6, ("accrued", None, "12"), ("income", None, "-12"), source="action:x"),
        posting(4, 7, ("cash", None, "12"), ("accrued", None, "-12"), source="action:x:pay"),
        posting(5, 8, ("cash", None, "-3"), ("fees", None, "3"), kind="fee"),
        posting(6, 8, ("cash", None, "500"), ("external", None, "-500"), kind="deposit"),
        bought(7, 9, B, "1", "50"),
    ]
    ends = ({A: Decimal(1000)}, {A: Decimal(660), B: Decimal(55)})
    rows = contributions(book, {"action:x": A}, *ends, (START, START + timedelta(days=30)))

    told = {each.instrument_id: each for each in rows}
    assert (told[A].price, told[A].income, told[A].fees) == (140, 12, 1)
    assert (told[B].pnl, told[None].pnl) == (5, -3)
    assert [each.instrument_id for each in rows] == [A, B, None]


@pytest.mark.parametrize("seed", range(12))
def test_parts_are_the_change_of_equity_less_flows(seed):
    dice = np.random.default_rng(seed)
    book, cash, flows = [], Decimal(0), Decimal(0)
    units = {A: Decimal(0), B: Decimal(0)}
    for seq in range(1, 60):
        key = (A, B)[int(dice.integers(2))]
        if dice.random() < 0.2:
            amount = Decimal(int(dice.integers(-500, 1_000)))
            legs = (("cash", None, amount), ("external", None, -amount))
            book.append(posting(seq, seq, *legs, kind="deposit"))
            cash, flows = cash + amount, flows + amount
            continue
        count = Decimal(int(dice.integers(-9, 10)) or 1)
        paid = count * Decimal(int(dice.integers(50, 150)))
        book.append(bought(seq, seq, key, count, paid, "0.35"))
        units[key] += count
        cash -= paid + Decimal("0.35")
    ends = {key: count * Decimal("101.37") for key, count in units.items()}
    rows = contributions(book, {}, {}, ends, (START, START + timedelta(days=99)))

    assert sum(each.pnl for each in rows) == cash + sum(ends.values()) - flows


def test_trips_run_from_nothing_to_nothing_and_split_at_zero():
    book = [
        bought(1, 0, A, "10", "1000", "2"),
        posting(2, 1, ("holding", A, "10"), ("market", A, "-10"), kind="split"),
        posting(3, 2, ("accrued", None, "5"), ("income", None, "-5"), source="action:x"),
        bought(4, 3, A, "-30", "-1800", "3"),  # sells 20, goes short 10
        bought(5, 9, A, "10", "550"),
        bought(6, 10, B, "1", "10"),  # stays open
    ]
    first, second = closed_trips(book, {"action:x": A})

    assert (first.is_long, second.is_long) == (True, False)
    assert first.pnl == -1002 + 5 + 1797 * Decimal(20) / 30
    assert second.pnl == 1797 * Decimal(10) / 30 - 550
    assert (first.closed, second.opened) == (START + timedelta(days=3),) * 2
    assert first.pnl + second.pnl == sum(
        each.money("cash") + each.money("accrued") for each in book[:5]
    )


def test_income_of_what_is_not_held_is_of_no_trip():
    late = posting(3, 30, ("accrued", None, "5"), ("income", None, "-5"), source="action:x")
    book = [bought(1, 0, A, "1", "10"), bought(2, 1, A, "-1", "-11"), late]

    assert [each.pnl for each in closed_trips(book, {"action:x": A})] == [Decimal(1)]
    assert closed_trips([late], {"action:x": uuid4()}) == []
