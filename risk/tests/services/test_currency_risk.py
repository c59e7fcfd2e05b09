"""Foreign holdings in the VaR: their exchange rate is in the exposure vector, at a close and live."""

import math
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from etftrader.testing.rows import module_rows
from marketdata.models import Instrument
from marketdata.providers.base import BarRow
from marketdata.selectors import calendar
from marketdata.selectors.sessions import Moment
from marketdata.services import bar_store, stream
from portfolios.models import PortfolioSnapshot
from portfolios.services import ledger, snapshots
from risk.models import PositionRisk, VarResult
from risk.selectors import book_risk
from risk.selectors.book_risk import Holding
from risk.services import covariance, monitor, var
from risk.tests import factories

pytestmark = pytest.mark.django_db

START, PLAYED = factories.START, date(2016, 6, 23)
OPENED = date(2016, 3, 31)
PAIR = "EURUSD=X"
Z = 1.6448536269514722


@pytest.fixture(scope="module", autouse=True)
def market(django_db_setup, django_db_blocker):
    """The bundle, its German fund told to be priced in euros, and a made-up path of the euro."""
    with module_rows(django_db_blocker):
        factories.load_bundle()
        Instrument.objects.filter(symbol="EWG").update(currency="EUR")
        pair = Instrument.objects.create(
            symbol=PAIR, name="EUR in USD", kind="fx", price_basis="close"
        )
        days = calendar.between(date(2013, 1, 2), START)
        steps = np.random.default_rng(7).normal(0, 0.006, len(days))
        levels = np.round(1.3 * np.cumprod(1 + steps), 6)
        rows = [
            BarRow(symbol=PAIR, session_date=day, open=None, high=None, low=None,
                   close=float(level), adj_close=None, volume=None, source="csv",
                   price_basis="close")
            for day, level in zip(days, levels, strict=True)
        ]  # fmt: skip
        bar_store.upsert([row for row in rows if row.session_date >= factories.BARS_SINCE],
                         {PAIR: pair})  # fmt: skip
        bar_store.pack_series(pair, rows)
        covariance.compute_daily(session_date=START)
        covariance.ensure_stressed(session_date=START)
        yield


@pytest.fixture(autouse=True)
def _fresh_memory():
    monitor.forget()
    yield
    monitor.forget()


def rate_of(day):
    return Instrument.objects.get(symbol=PAIR).bars.get(session_date=day).close


def hold(portfolio, symbol, quantity, rate=None):
    thing = Instrument.objects.get(symbol=symbol)
    ledger.book_fill(
        portfolio_id=portfolio.pk, instrument=thing, quantity=Decimal(quantity),
        price=thing.bars.get(session_date=OPENED).close, fee=Decimal(0),
        source=f"test:{symbol}:{quantity}", session_date=OPENED, rate=rate,
    )  # fmt: skip


def make_book(**fields):
    portfolio = factories.make_portfolio(**fields)
    if portfolio.base_currency == "USD":
        hold(portfolio, "EWG", 10_000, rate_of(OPENED))
        hold(portfolio, "SPY", 1_000)
    else:
        hold(portfolio, "SPY", 1_000, Decimal(1) / rate_of(OPENED))
    portfolio.refresh_from_db()
    return portfolio


def measured(portfolio):
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=START)
    return var.compute(portfolio_ids=[portfolio.pk], session_date=START)[portfolio.pk]


def expected(book):
    """z times the root of w'Sw over the named exposures."""
    matrix = covariance.matrices.in_force(session_date=START)
    vector = np.zeros(len(matrix.labels))
    for name, amount in book.items():
        vector[matrix.row(name)] += float(amount)
    return Z * math.sqrt(vector @ matrix.values @ vector)


def close(symbol):
    return Instrument.objects.get(symbol=symbol).bars.get(session_date=START).close


def test_a_foreign_holding_adds_its_value_to_its_exchange_rate():
    portfolio = make_book()
    metric = measured(portfolio)
    foreign = 10_000 * close("EWG") * rate_of(START)
    total = VarResult.objects.get(metric=metric, method="parametric_ewma").var
    book = {"EWG": foreign, PAIR: foreign, "SPY": 1_000 * close("SPY")}
    assert total == pytest.approx(expected(book), rel=1e-9)
    assert total != pytest.approx(expected(book | {PAIR: 0}), rel=1e-3)
    parts = {p.instrument.symbol: p for p in PositionRisk.objects.filter(metric=metric)}
    assert set(parts) == {"EWG", "SPY"}
    assert sum(p.component for p in parts.values()) == pytest.approx(total, rel=1e-12)
    alone = expected({"EWG": foreign, PAIR: foreign})
    assert parts["EWG"].isolated == pytest.approx(alone, rel=1e-9)
    assert metric.coverage == 1.0
    kept = PortfolioSnapshot.objects.get(portfolio=portfolio, session_date=START)
    assert kept.stressed_var_95_1d > 0


def test_a_book_in_euros_is_short_of_the_euro_by_its_dollars():
    portfolio = make_book(base_currency="EUR")
    metric = measured(portfolio)
    worth = 1_000 * close("SPY") / rate_of(START)
    total = VarResult.objects.get(metric=metric, method="parametric_ewma").var
    assert total == pytest.approx(expected({"SPY": worth, PAIR: -worth}), rel=1e-6)


def test_a_rate_without_a_covariance_leaves_the_holding_out_and_says_so():
    matrix = covariance.matrices.in_force(session_date=START)
    held = [
        Holding(None, "EWG", 100.0, rates=(("GBPUSD=X", 100.0),)),
        Holding(None, "SPY", 300.0),
    ]
    risk = book_risk.of(held, matrix, None, START)
    assert risk.value_at_risk == pytest.approx(expected({"SPY": 300.0}))
    assert [(each["symbol"], each["reason"]) for each in risk.excluded] == [
        ("EWG", "no_covariance")
    ]
    assert risk.coverage == pytest.approx(0.75)


def moment_of(bar):
    return Moment(
        as_of=calendar.open_time(PLAYED) + timedelta(minutes=bar), session_date=START,
        playing=PLAYED, bar=bar, bars=390, round=1, revision=1, ended=False,
    )  # fmt: skip


def begun():
    row = covariance.matrices.newest(session_date=START, kind="daily")
    matrix = covariance.matrices.of_row(row)
    closes = {symbol: float(close(symbol)) for symbol in matrix.labels}
    return stream.begin(
        moment=moment_of(0), labels=matrix.labels, covariance=matrix.values, covariance_id=row.pk,
        previous_close=closes, factors={}, source="SIM",
    )  # fmt: skip


def test_live_figures_follow_the_rate_and_agree_with_the_close_at_its_prices():
    portfolio = make_book()
    measured(portfolio)
    state, moment = begun(), moment_of(1)
    state = replace(state, bar=1, as_of=moment.as_of)
    calm = monitor.revalue(state=state, moment=moment)[portfolio.pk]
    stored = PortfolioSnapshot.objects.get(portfolio=portfolio, session_date=START)
    assert float(calm.value["nav"]) == pytest.approx(float(stored.nav), abs=0.01)
    assert float(calm.value["day_pnl"]) == pytest.approx(0.0, abs=0.01)
    assert float(calm.risk["var"]) == pytest.approx(stored.var_95_1d, rel=1e-6)
    parts = sum(float(each["component"]) for each in calm.risk["components"])
    assert parts == pytest.approx(float(calm.risk["var"]), abs=0.2)

    prices = state.prices.copy()
    prices[state.symbols.index(PAIR)] *= 1.02
    moved = monitor.revalue(state=replace(state, prices=prices), moment=moment)[portfolio.pk]
    foreign = float(10_000 * close("EWG") * rate_of(START))
    assert float(moved.value["day_pnl"]) == pytest.approx(0.02 * foreign, abs=0.02)


def test_between_sessions_the_closing_figures_are_those_of_the_snapshot():
    portfolio = make_book()
    measured(portfolio)
    stored = PortfolioSnapshot.objects.get(portfolio=portfolio, session_date=START)
    found = monitor.revalue_one(portfolio_id=portfolio.pk, moment=factories.closing())
    assert float(found.value["nav"]) == pytest.approx(float(stored.nav), abs=0.01)
    assert float(found.risk["var"]) == pytest.approx(stored.var_95_1d, rel=1e-6)


def test_without_a_rate_the_holding_is_no_part_of_the_live_figures():
    portfolio = make_book()
    measured(portfolio)
    Instrument.objects.get(symbol=PAIR).bars.all().delete()
    found = monitor.revalue_one(portfolio_id=portfolio.pk, moment=factories.closing())
    assert float(found.value["nav"]) == pytest.approx(
        float(portfolio.cash + 1_000 * close("SPY")), abs=0.01
    )
    assert found.risk["quality"] == "limited"
