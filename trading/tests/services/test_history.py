"""Past fills: booked at their price without gate and fee, once per client order id."""

from decimal import Decimal

import pytest

from etftrader.core.actor import system
from etftrader.core.errors import BadInput, LimitBreached
from portfolios.models import Portfolio, Position
from risk.models import PreTradeCheck
from trading.models import Order, Trade
from trading.services import history
from trading.tests import world

pytestmark = pytest.mark.django_db


def book(portfolio, **changes):
    values = {
        "symbol": "AAA",
        "side": "buy",
        "quantity": Decimal(10),
        "price": Decimal("98.7654"),
        "session_date": world.YESTERDAY,
        "client_order_id": "demo-1",
    }
    return history.book(portfolio_id=portfolio.pk, by=system("demo"), **(values | changes))


def test_a_past_buy_costs_its_price_and_nothing_else():
    world.make_market(playing=False)
    portfolio = world.make_portfolio()

    trade = book(portfolio)

    order = Order.objects.get()
    assert (order.source, order.state, order.check_made) == ("demo", "filled", None)
    assert (trade.price_source, trade.commission) == ("booked", 0)
    assert Portfolio.objects.get().cash == Decimal("99012.346")  # 100,000 - 987.654
    assert not PreTradeCheck.objects.exists()


def test_twice_is_once():
    world.make_market(playing=False)
    portfolio = world.make_portfolio()

    first, second = book(portfolio), book(portfolio)

    assert first.pk == second.pk
    assert Trade.objects.count() == 1
    assert Position.objects.get().quantity == 10


def test_a_short_of_the_past_is_booked_where_shorts_are_allowed():
    world.make_market(playing=False)
    portfolio = world.make_portfolio(allow_short=True)

    book(portfolio, side="sell")

    assert Position.objects.get().quantity == -10


def test_cash_that_does_not_cover_leaves_everything_untouched():
    world.make_market(playing=False)
    portfolio = world.make_portfolio(cash="100")

    with pytest.raises(LimitBreached):
        book(portfolio)

    assert not Order.objects.exists()
    assert not Trade.objects.exists()
    assert Portfolio.objects.get().cash == 100


def test_an_unknown_symbol_is_named():
    world.make_market(playing=False)
    portfolio = world.make_portfolio()

    with pytest.raises(BadInput) as refusal:
        book(portfolio, symbol="NOPE")

    assert refusal.value.figures["attr"] == "symbol"
