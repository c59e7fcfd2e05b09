"""Orders of what is priced in another currency: judged, sized, paid and measured in the book's."""

import math
from decimal import Decimal

import numpy as np
import pytest

from etftrader.core.errors import BadInput
from marketdata.models import DailyBar, PriceSeries, Quote
from marketdata.selectors import sessions
from portfolios.models import LedgerEntry, Portfolio, Position
from portfolios.services import verification
from risk.models import CovarianceSnapshot, RiskLimit
from risk.selectors import covariance
from trading.models import Trade
from trading.services import orders
from trading.tests import world
from trading.tests.world import buy, sell

pytestmark = pytest.mark.django_db

LABELS = ["AAA", "BBB", "DAX", "EURUSD=X"]
SIGMAS = np.array([0.02, 0.02, 0.015, 0.006])
CORRELATIONS = np.array(
    [[1, 0.25, 0.5, 0.1], [0.25, 1, 0.3, 0], [0.5, 0.3, 1, -0.2], [0.1, 0, -0.2, 1]]
)
MATRIX = CORRELATIONS * np.outer(SIGMAS, SIGMAS)
Z = 1.6448536269514722
RATE = Decimal("1.25")


@pytest.fixture(autouse=True)
def market():
    world.make_market(matrix=False)
    fund = world.make_instrument("DAX", currency="EUR")
    world.make_bar(fund, world.YESTERDAY, Decimal(100))
    pair = world.make_instrument("EURUSD=X", kind="fx")
    world.make_bar(pair, world.YESTERDAY, RATE)
    make_matrix(LABELS)
    quote("DAX", Decimal(100))


def make_matrix(labels):
    CovarianceSnapshot.objects.all().delete()
    rows = [LABELS.index(each) for each in labels]
    CovarianceSnapshot.objects.create(
        kind="daily",
        session_date=world.YESTERDAY,
        labels=labels,
        matrix=covariance.pack(MATRIX[np.ix_(rows, rows)]),
        window_start=world.YESTERDAY,
        window_end=world.YESTERDAY,
        observations=252,
        method="ewma",
        checksum="0" * 64,
    )


def quote(symbol, price):
    world.PRICES.setdefault(symbol, price)
    world.quote(symbol, price)
    del world.PRICES[symbol]


def submit(portfolio, ticket, *, context=orders.submit):
    return context(
        portfolio_id=portfolio.pk,
        ticket=ticket,
        by=world.actor(portfolio.account.customer.user),
        moment=sessions.moment(),
    )


def test_a_fill_pays_in_the_books_money_and_keeps_its_rate():
    portfolio = world.make_portfolio()
    order = submit(portfolio, buy("10", "DAX"))
    trade = Trade.objects.get()
    assert (order.state, trade.price, trade.currency) == ("filled", Decimal("100.02"), "EUR")
    assert (trade.exchange_rate, trade.commission) == (RATE, Decimal(1))
    portfolio.refresh_from_db()
    assert portfolio.cash == 100_000 - (Decimal("1000.20") + 1) * RATE
    held = Position.objects.get()
    assert held.cost_basis == Decimal("1000.20") * RATE
    assert set(LedgerEntry.objects.filter(kind="fill").values_list("exchange_rate", flat=True)) == {
        RATE
    }
    assert verification.verify(portfolio_id=portfolio.pk) == []


def test_the_rate_of_a_fill_is_the_moments_where_the_pair_is_quoted():
    quote("EURUSD=X", Decimal("1.30"))
    portfolio = world.make_portfolio()
    submit(portfolio, buy("10", "DAX"))
    assert Trade.objects.get().exchange_rate == Decimal("1.3")


def test_cash_is_judged_in_the_books_money():
    portfolio = world.make_portfolio(cash="1200")  # 12 units at 100 dollars, 9 at 100 euros
    refused = submit(portfolio, buy("10", "DAX"))
    assert (refused.state, refused.reasons) == ("rejected", ["INSUFFICIENT_CASH"])
    assert refused.check_made.document["verdict"]["max_quantity"] == "9"
    assert submit(portfolio, buy("9", "DAX", client_order_id="nine")).state == "filled"


def test_the_exchange_rate_is_a_part_of_the_exposure_vector():
    portfolio = world.make_portfolio()
    check = submit(portfolio, buy("100", "DAX"), context=orders.check)
    value = 100 * 100 * 1.25
    vector = np.array([0, 0, value, value])
    expected = Z * math.sqrt(vector @ MATRIX @ vector)
    assert check.document["risk"]["incremental_var"] == pytest.approx(expected, abs=1e-6)
    assert check.document["risk"]["component_after"] == pytest.approx(expected, abs=1e-6)
    assert float(check.document["after"]["gross"]) == pytest.approx(value)
    [line] = check.document["pricing"]
    assert (line["price"], line["currency"], line["exchange_rate"]) == ("100.00", "EUR", "1.25")


def test_the_kernels_own_answer_is_that_of_the_book_afterwards():
    """Largest size by VaR: the first that passes is followed by one that does not."""
    portfolio = world.make_portfolio()
    world.lift_var_limit(portfolio)
    RiskLimit.objects.update(value=Decimal("0.01"))
    check = submit(portfolio, buy("700", "DAX"), context=orders.check)
    most = int(check.document["verdict"]["max_quantity"])
    assert check.document["verdict"]["binding"] == "VAR_LIMIT"
    value = most * 125.0
    vector = np.array([0, 0, value, value])
    assert Z * math.sqrt(vector @ MATRIX @ vector) == pytest.approx(1_000, rel=0.01)
    assert submit(portfolio, buy(str(most), "DAX"), context=orders.check).status == "APPROVED"
    assert submit(portfolio, buy(str(most + 1), "DAX"), context=orders.check).status == "REJECTED"


def test_a_book_in_euros_holds_dollar_funds_against_the_pair():
    portfolio = world.make_portfolio(base_currency="EUR")
    check = submit(portfolio, buy("100", "AAA"), context=orders.check)
    value = 100 * 100 / 1.25
    vector = np.array([value, 0, 0, -value])
    expected = Z * math.sqrt(vector @ MATRIX @ vector)
    assert check.document["risk"]["incremental_var"] == pytest.approx(expected, abs=1e-6)
    submit(portfolio, buy("100", "AAA"))
    portfolio.refresh_from_db()
    assert portfolio.cash == 100_000 - (Decimal("10002") + 1) * Decimal("0.8")


@pytest.mark.parametrize("what", ["bars", "matrix"])
def test_without_a_rate_or_its_covariance_nothing_is_traded(what):
    portfolio = world.make_portfolio()
    if what == "bars":
        DailyBar.objects.filter(instrument__symbol="EURUSD=X").delete()
        PriceSeries.objects.filter(instrument__symbol="EURUSD=X").delete()
        Quote.objects.filter(instrument__symbol="EURUSD=X").delete()
    else:
        make_matrix(LABELS[:3])
    order = submit(portfolio, buy("10", "DAX"))
    assert order.state == "rejected"
    assert order.reasons == ["NO_PRICE" if what == "bars" else "VAR_UNAVAILABLE"]
    assert not Trade.objects.exists()
    assert Portfolio.objects.get(pk=portfolio.pk).cash == 100_000


def test_an_amount_is_in_the_books_money_and_a_weight_of_its_equity():
    portfolio = world.make_portfolio()
    order = submit(portfolio, buy(None, "DAX", amount=Decimal(1_260)))
    assert order.quantity == 10  # 1,260 dollars at 125 a unit
    heavy = submit(
        portfolio, buy(None, "DAX", target_weight=Decimal("0.02"), client_order_id="weight")
    )
    assert heavy.quantity == 5  # 2 % of 99,998 dollars are 15 units of 125


def test_an_amount_without_a_rate_is_refused_by_name():
    DailyBar.objects.filter(instrument__symbol="EURUSD=X").delete()
    portfolio = world.make_portfolio()
    with pytest.raises(BadInput) as refused:
        submit(portfolio, buy(None, "DAX", amount=Decimal(1_260)))
    assert refused.value.figures["attr"] == "amount"
    assert "EUR to USD" in refused.value.detail


def test_a_sale_brings_what_it_brings_at_todays_rate():
    portfolio = world.make_portfolio()
    submit(portfolio, buy("10", "DAX"))
    quote("EURUSD=X", Decimal("1.30"))
    submit(portfolio, sell("10", "DAX"))
    sold = Trade.objects.get(side="sell")
    assert sold.realized_pnl == Decimal("999.80") * Decimal("1.3") - Decimal("1000.20") * RATE
    assert verification.verify(portfolio_id=portfolio.pk) == []


def test_an_exchange_rate_is_not_traded():
    portfolio = world.make_portfolio()
    with pytest.raises(BadInput) as refused:
        submit(portfolio, buy("10", "EURUSD=X"))
    assert "cash in" in refused.value.detail
