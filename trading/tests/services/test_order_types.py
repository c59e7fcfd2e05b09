"""Limit, stop and market-on-close orders: when they are judged, triggered, filled, and ended."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from marketdata.models import Quote
from marketdata.selectors import calendar, sessions
from portfolios.models import Portfolio
from risk.models import CovarianceSnapshot
from trading.models import CostModel, Order, OrderEvent, Trade
from trading.services import execution, orders
from trading.tests import world
from trading.tests.world import buy, sell

pytestmark = pytest.mark.django_db
D = Decimal
DAY = {"AAA": {"open": D(99), "high": D(106), "low": D(94)}}  # its close is 100


@pytest.fixture
def book():
    world.make_market(playing=False)
    made = world.make_portfolio()
    world.lift_var_limit(made)
    world.hold(made, "AAA", "20")
    return made


def place(portfolio, ticket):
    return orders.submit(
        portfolio_id=portfolio.pk,
        ticket=ticket,
        by=world.actor(portfolio.account.customer.user),
        moment=sessions.moment(),
    )


def limit(side, price, quantity="10", **more):
    return side(quantity, order_type="limit", limit_price=D(price), **more)


def stop(side, price, quantity="10", **more):
    return side(quantity, order_type="stop", stop_price=D(price), **more)


@pytest.mark.parametrize(
    ("ticket", "reference", "source"),
    [
        (buy("10"), "99", "open"),  # it waited for the open
        (buy("10", order_type="market_on_close"), "100", "close"),
        (limit(buy, "101"), "99", "open"),
        (limit(buy, "96"), "95.980803", "range"),  # 96 / 1.0002: the limit holds after costs
        (limit(sell, "105"), "105.021005", "range"),
        (limit(buy, "94"), None, ""),  # touched, but not after costs
        (limit(sell, "107"), None, ""),
        (stop(buy, "103"), "103", "range"),
        (stop(sell, "101"), "99", "open"),  # gapped through
        (stop(sell, "93"), None, ""),
        (
            buy("10", order_type="stop_limit", stop_price=D(103), limit_price=D(104)),
            "103",
            "range",
        ),
        (
            buy("10", order_type="stop_limit", stop_price=D(103), limit_price=D("100.5")),
            "100",
            "close",
        ),
    ],
)
def test_a_session_that_was_not_played_fills_within_its_range(book, ticket, reference, source):
    order = place(book, ticket)
    moment = world.close_session(**DAY)

    trades = execution.fill_waiting(moment=moment)

    if reference is None:
        assert trades == []
        assert Order.objects.get().state == "accepted"
        return
    [trade] = trades
    assert (trade.reference_price, trade.price_source) == (D(reference), source)
    assert trade.executed_at == calendar.close_time(world.TODAY)
    kept = Order.objects.get(pk=order.pk)
    assert kept.state == "filled"
    if kept.limit_price is not None:
        sign = 1 if kept.side == "buy" else -1
        assert sign * trade.price <= sign * kept.limit_price
    assert (kept.triggered_at is not None) == (kept.stop_price is not None)


def test_a_session_that_was_played_has_only_its_close_left(book):
    place(book, limit(buy, "96"))
    world.open_session()

    assert execution.fill_waiting(moment=world.next_bar()) == []
    assert execution.fill_waiting(moment=world.close_session(**DAY)) == []
    assert Order.objects.get().state == "accepted"


def test_in_session_a_limit_waits_for_its_price_and_fills_on_the_bar_that_has_it(book):
    world.open_session()
    order = place(book, limit(buy, "98"))
    assert order.state == "accepted"

    assert execution.fill_waiting(moment=world.next_bar({"AAA": D("98.5")})) == []
    [trade] = execution.fill_waiting(moment=world.next_bar({"AAA": D("97.5")}))

    assert (trade.reference_price, trade.price_source) == (D("97.5"), "SIM")


def test_a_limit_that_the_quote_meets_fills_at_once_and_at_the_quote(book):
    world.open_session()

    order = place(book, limit(buy, "102"))

    assert order.state == "filled"
    assert Trade.objects.get().price == D("100.02")


def test_market_on_close_fills_at_no_minute_and_ends_with_its_day(book):
    world.open_session()
    order = place(book, buy("10", order_type="market_on_close"))
    assert order.state == "accepted"
    assert execution.fill_waiting(moment=world.next_bar()) == []

    [trade] = execution.fill_waiting(moment=world.close_session({"AAA": D(101)}))

    assert (trade.reference_price, trade.price_source) == (D(101), "close")


def test_a_stop_that_is_reached_becomes_a_market_order_even_where_nothing_can_be_judged(book):
    order = place(book, stop(sell, "98"))
    world.open_session()
    CovarianceSnapshot.objects.update(kind="stressed")

    assert execution.fill_waiting(moment=world.next_bar({"AAA": D(97)})) == []
    kept = Order.objects.get(pk=order.pk)
    assert (kept.state, kept.triggered_at) == ("accepted", sessions.now())
    told = OrderEvent.objects.order_by("-number").first()
    assert (told.from_state, told.to_state) == ("accepted", "accepted")
    assert told.detail == {"act": "triggered", "reason": "the price reached 98.00"}

    CovarianceSnapshot.objects.update(kind="daily")
    [trade] = execution.fill_waiting(moment=world.next_bar({"AAA": D(99)}))
    assert trade.reference_price == 99


def test_a_stop_limit_waits_on_when_the_market_ran_through_its_limit(book):
    ticket = sell("10", order_type="stop_limit", stop_price=D(98), limit_price=D(97))
    order = place(book, ticket)
    world.open_session()

    assert execution.fill_waiting(moment=world.next_bar({"AAA": D(96)})) == []
    assert Order.objects.get(pk=order.pk).triggered_at is not None
    # above its stop again: it was reached once
    [trade] = execution.fill_waiting(moment=world.next_bar({"AAA": D(99)}))
    assert trade.reference_price == 99


def test_a_limit_buy_is_judged_at_its_limit(book):
    Portfolio.objects.update(cash=D("1002"))

    rich = place(book, limit(buy, "110"))
    poor = place(book, limit(buy, "90", "11"))

    # 10 x 110 are more than 1,002; 11 x 90 and costs are not
    assert (rich.state, rich.reasons) == ("rejected", ["INSUFFICIENT_CASH"])
    assert poor.state == "accepted"
    asked = poor.check_made.document["request"]["orders"][0]
    assert (asked["type"], asked["price"]) == ("limit", "90.00")


def test_what_a_working_order_may_pay_is_taken_from_the_next_ones(book):
    Portfolio.objects.update(cash=D("1100"))
    place(book, limit(buy, "90"))

    assert place(book, buy("5", "BBB")).reasons == ["INSUFFICIENT_CASH"]
    assert place(book, buy("3", "BBB")).state == "accepted"


def test_a_sale_far_above_the_market_buys_nothing(book):
    Portfolio.objects.update(cash=D("10"))
    place(book, limit(sell, "500", "1"))

    assert place(book, buy("3", "BBB")).state == "rejected"


def test_good_till_cancelled_goes_on_to_the_next_session(book):
    day, gtc = place(book, limit(buy, "80")), place(book, limit(buy, "80", time_in_force="gtc"))
    world.close_session()

    ended = execution.expire(session_date=world.TODAY)

    assert [each.pk for each in ended] == [day.pk]
    assert execution.expire(session_date=world.TODAY) == []
    assert Order.objects.get(pk=gtc.pk).state == "accepted"


def test_waiting_orders_that_no_bar_reaches_cost_the_stream_three_queries(
    book, django_assert_num_queries
):
    for number in range(12):
        place(book, limit(buy, "80", "1", client_order_id=f"resting-{number}"))
    moment = world.open_session()

    with django_assert_num_queries(3):
        assert execution.fill_waiting(moment=moment) == []


def test_own_costs_and_the_option_commission(book):
    CostModel.objects.create(portfolio=book, commission_per_trade=0, half_spread_bp=10, impact_y=0)
    world.open_session()

    place(book, limit(buy, "100.1"))

    assert Trade.objects.get().price == D("100.1")


def test_a_quote_from_before_the_order_was_replaced_fills_nothing(book):
    order = place(book, limit(buy, "80"))
    moment = world.open_session()
    Order.objects.filter(pk=order.pk).update(limit_price=D(120), replaced_as_of=moment.as_of)

    assert execution.fill_waiting(moment=moment) == []
    Quote.objects.update(as_of=moment.as_of + timedelta(seconds=1))
    assert len(execution.fill_waiting(moment=world.next_bar())) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"order_type": "limit"},
        {"order_type": "market", "limit_price": D(1)},
        {"order_type": "stop", "limit_price": D(1), "stop_price": D(1)},
        {"order_type": "stop_limit", "stop_price": D(1)},
        {"order_type": "limit", "limit_price": D(0)},
        {"order_type": "market_on_close", "time_in_force": "gtc"},
        {"triggered_at": calendar.close_time(world.TODAY)},
        {"time_in_force": "ioc"},
    ],
)
def test_the_table_takes_exactly_the_prices_of_a_type(book, wrong):
    order = place(book, buy("1"))

    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.filter(pk=order.pk).update(**wrong)
