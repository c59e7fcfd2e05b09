"""Fills bounded by volume: at most one a bar, the rest goes on, the day or the split ends it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from etftrader.core.errors import Conflict
from marketdata.choices import ActionKind, ActionStatus
from marketdata.models import (
    CorporateAction,
    DailyBar,
    Instrument,
    MinuteBar,
    Quote,
    ReplayClock,
)
from marketdata.selectors import calendar, sessions
from portfolios.models import Portfolio, Position
from portfolios.services import verification
from trading.models import Order, OrderEvent, Trade
from trading.services import execution, order_splits, orders
from trading.tests import world
from trading.tests.services.test_order_types import limit, place
from trading.tests.world import buy, sell

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def book():
    world.make_market(playing=False)
    made = world.make_portfolio()
    world.lift_var_limit(made)
    return made


def close_with(shares, day=world.TODAY):
    """A session's close with a volume; ten of a hundred may be ours."""
    for symbol, price in world.PRICES.items():
        world.make_bar(Instrument.objects.get(symbol=symbol), day, price, volume=shares)
    ReplayClock.objects.update(session_date=day, as_of=calendar.close_time(day))
    return sessions.moment()


def test_a_close_fills_a_tenth_of_its_volume_and_the_day_ends_the_rest(book):
    order = place(book, buy("100"))

    [trade] = execution.fill_waiting(moment=close_with(455))

    kept = Order.objects.get(pk=order.pk)
    assert (trade.quantity, kept.state, kept.filled_quantity) == (45, "partially_filled", 45)
    assert execution.fill_waiting(moment=sessions.moment()) == []
    [ended] = execution.expire(session_date=world.TODAY)
    assert (ended.state, ended.filled_quantity) == ("expired", 45)
    moves = OrderEvent.objects.filter(order=order).order_by("number")
    assert list(moves.values_list("to_state", flat=True)) == [
        "accepted",
        "partially_filled",
        "expired",
    ]


def test_good_till_cancelled_fills_its_rest_on_later_sessions(book):
    order = place(book, limit(buy, "101", "100", time_in_force="gtc"))
    execution.fill_waiting(moment=close_with(455))
    execution.expire(session_date=world.TODAY)
    world.make_matrix(world.TODAY)

    [trade] = execution.fill_waiting(moment=close_with(800, world.TOMORROW))

    kept = Order.objects.get(pk=order.pk)
    assert (trade.quantity, kept.state, kept.filled_quantity) == (55, "filled", 100)
    assert kept.average_price == D("100.02")
    # one commission a fill
    assert sum(each.commission for each in Trade.objects.all()) == 2
    assert Position.objects.get().quantity == 100


def test_a_volume_too_small_for_a_share_fills_nothing(book):
    place(book, buy("100"))

    assert execution.fill_waiting(moment=close_with(9)) == []
    assert Order.objects.get().state == "accepted"


def test_what_is_not_filled_is_cancelled_and_the_fills_stand(book):
    order = place(book, buy("100"))
    execution.fill_waiting(moment=close_with(455))
    by = world.actor(book.account.customer.user)

    done = orders.cancel(order_id=order.pk, by=by, moment=sessions.moment())

    assert (done.state, done.filled_quantity) == ("cancelled", 45)
    with pytest.raises(Conflict, match="cannot become cancelled") as late:
        orders.cancel(order_id=order.pk, by=by, moment=sessions.moment())
    assert late.value.figures["state"] == "cancelled"
    assert Position.objects.get().quantity == 45


def test_a_split_restates_quantities_and_prices_of_what_waits(book):
    kept = place(book, limit(buy, "99.9999", "100", time_in_force="gtc"))
    world.hold(book, "AAA", "30")
    sold = place(book, limit(sell, "120.0001", "30", time_in_force="gtc"))
    DailyBar.objects.filter(session_date=world.YESTERDAY).update(volume=None)
    CorporateAction.objects.create(
        instrument=Instrument.objects.get(symbol="AAA"),
        ex_date=world.TODAY,
        kind=ActionKind.SPLIT,
        ratio=D(3),
        status=ActionStatus.APPLIED,
        source="bundled",
    )

    done = order_splits.restate(portfolio_ids=[book.pk], session_date=world.TODAY)

    assert done == 2
    assert order_splits.restate(portfolio_ids=[book.pk], session_date=world.TODAY) == 0
    kept.refresh_from_db()
    sold.refresh_from_db()
    # 99.9999 / 3 = 33.3333, 120.0001 / 3 = 40.00003: the last digit helps nobody
    assert (kept.quantity, kept.limit_price) == (300, D("33.3333"))
    assert (sold.quantity, sold.limit_price) == (90, D("40.0001"))


def live(moment):
    """The same moment of a market that the wall clock moves."""
    return replace(moment, live=True)


def traded(moment, shares, symbol="AAA"):
    """A minute that ended with a volume."""
    price = world.PRICES[symbol]
    MinuteBar.objects.create(
        instrument=Instrument.objects.get(symbol=symbol),
        ts=moment.as_of.replace(second=0, microsecond=0),
        source="alpaca",
        open=price,
        high=price,
        low=price,
        close=price,
        volume=shares,
    )


def test_a_live_minute_bounds_what_waited_for_it(book):
    order = place(book, buy("100"))
    moment = live(world.open_session())
    traded(moment, 300)

    [trade] = execution.fill_waiting(moment=moment)

    order.refresh_from_db()
    assert (trade.quantity, order.state, order.remaining) == (30, "partially_filled", 70)


@pytest.fixture
def running():
    world.make_market()
    made = world.make_portfolio()
    world.lift_var_limit(made)
    return made


def submitted(book, ticket, moment):
    by = world.actor(book.account.customer.user)
    return orders.submit(portfolio_id=book.pk, ticket=ticket, by=by, moment=moment)


def test_an_order_that_fills_at_once_takes_a_tenth_of_the_minute_and_the_rest_waits(running):
    moment = live(sessions.moment())
    traded(moment, 455)

    order = submitted(running, buy("100"), moment)

    assert (order.state, order.filled_quantity) == ("partially_filled", 45)
    moves = OrderEvent.objects.filter(order=order).order_by("number")
    assert list(moves.values_list("from_state", "to_state")) == [
        ("", "accepted"),
        ("accepted", "partially_filled"),
    ]
    # neither the same quote again, nor a later one beside the same minute's volume
    assert execution.fill_waiting(moment=moment) == []
    later = replace(moment, as_of=moment.as_of + timedelta(seconds=30))
    Quote.objects.update(as_of=later.as_of)
    assert execution.fill_waiting(moment=later) == []

    now = live(world.next_bar({"AAA": D(101)}))
    traded(now, 800)
    [trade] = execution.fill_waiting(moment=now)

    order.refresh_from_db()
    assert (trade.quantity, trade.reference_price, order.state) == (55, 101, "filled")
    assert Position.objects.get().quantity == 100
    assert verification.verify(portfolio_id=running.pk) == []


@pytest.mark.parametrize("ticket", [buy("100"), limit(buy, "100.5", "100")])
def test_a_minute_too_thin_for_a_share_fills_nothing_at_once(running, ticket):
    moment = live(sessions.moment())
    traded(moment, 9)

    order = submitted(running, ticket, moment)

    assert (order.state, order.reasons) == ("accepted", [])
    assert not Trade.objects.exists()


def test_without_a_volume_an_order_fills_whole(running):
    moment = live(sessions.moment())
    traded(moment, 300, "BBB")

    assert submitted(running, buy("100"), moment).state == "filled"


def test_a_sale_beyond_the_minute_is_sold_short_in_parts(running):
    Portfolio.objects.update(allow_short=True)
    world.hold(running, "AAA", "20")
    moment = live(sessions.moment())
    traded(moment, 300)

    order = submitted(running, sell("100"), moment)

    assert (order.state, order.filled_quantity) == ("partially_filled", 30)
    assert Position.objects.get().quantity == -10
    # what waits counts: 70 more short
    assert orders.read.working(portfolio_id=running.pk)[0].quantity == 70
