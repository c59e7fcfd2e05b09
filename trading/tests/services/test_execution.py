"""Waiting orders: filled by data that came after them, once a bar, judged again, ended at the close."""

from decimal import Decimal

import pytest

from etftrader.core.errors import Conflict
from marketdata.models import DailyBar, Quote
from marketdata.selectors import calendar, sessions
from portfolios.choices import PortfolioState
from portfolios.models import Portfolio, Position
from risk.models import CovarianceSnapshot
from trading.calculations import order_states
from trading.choices import OrderState
from trading.models import Order, OrderEvent, Trade
from trading.services import execution, halts, orders, transitions
from trading.tasks import expire_orders, fill_waiting
from trading.tests import world
from trading.tests.world import buy, sell

pytestmark = pytest.mark.django_db


def waiting(ticket, **fields):
    """An order placed between two sessions."""
    world.make_market(playing=False)
    portfolio = world.make_portfolio(**fields)
    world.hold(portfolio, "AAA", "7")
    world.lift_var_limit(portfolio)
    return portfolio, place(portfolio, ticket)


def place(portfolio, ticket):
    return orders.submit(
        portfolio_id=portfolio.pk,
        ticket=ticket,
        by=world.actor(portfolio.account.customer.user),
        moment=sessions.moment(),
    )


def state(order):
    return Order.objects.get(pk=order.pk).state


def test_the_first_bar_of_a_played_session_fills():
    _portfolio, order = waiting(buy("10"))

    [trade] = execution.fill_waiting(moment=world.open_session())

    assert state(order) == "filled"
    assert trade.price == Decimal("100.02")
    assert trade.price_source == "SIM"
    assert trade.executed_at == sessions.now()
    assert Order.objects.get().check_made.context == "fill"


def test_a_session_that_was_not_played_fills_at_its_real_close():
    _portfolio, _order = waiting(buy("10"))

    [trade] = execution.fill_waiting(moment=world.close_session({"AAA": Decimal(90)}))

    # 90 + 2 bp = 90.018
    assert trade.price == Decimal("90.018")
    assert trade.price_source == "close"
    assert trade.session_date == world.TODAY
    assert trade.executed_at == calendar.close_time(world.TODAY)


def test_the_same_bar_fills_nothing_twice():
    _portfolio, _order = waiting(buy("10"))
    moment = world.open_session()

    execution.fill_waiting(moment=moment)

    assert execution.fill_waiting(moment=moment) == []
    assert Trade.objects.count() == 1


def test_a_price_from_before_the_order_is_not_used():
    _portfolio, order = waiting(buy("10"))

    assert execution.fill_waiting(moment=sessions.moment()) == []
    assert state(order) == "accepted"


def test_what_the_gate_no_longer_approves_is_cancelled_with_its_reasons():
    _portfolio, _order = waiting(buy("10"), cash="1002")
    moment = world.open_session()
    world.quote("AAA", Decimal(101))

    assert execution.fill_waiting(moment=moment) == []

    kept = Order.objects.get()
    assert (kept.state, kept.reasons) == ("cancelled", ["INSUFFICIENT_CASH"])
    assert kept.check_made.status == "REJECTED"
    assert Portfolio.objects.get().cash == 1002
    assert not Trade.objects.exists()


@pytest.mark.parametrize("missing", ["quote", "matrix", "halt", "kill switch"])
def test_an_order_waits_while_something_is_missing(missing):
    portfolio, order = waiting(sell("7"))
    moment = world.open_session()
    if missing == "quote":
        Quote.objects.all().delete()
    elif missing == "matrix":
        CovarianceSnapshot.objects.all().delete()
    elif missing == "halt":
        Portfolio.objects.update(state=PortfolioState.HALTED)
    else:
        halts.start(reason="test", by=world.actor(portfolio.account.customer.user))

    assert execution.fill_waiting(moment=moment) == []

    assert state(order) == "accepted"
    assert Position.objects.get().quantity == 7


def test_two_waiting_orders_do_not_refuse_each_other():
    portfolio, first = waiting(sell("5"))
    second = place(portfolio, sell("2"))

    trades = execution.fill_waiting(moment=world.open_session())

    assert [trade.quantity for trade in trades] == [5, 2]
    assert (state(first), state(second)) == ("filled", "filled")


def test_a_buy_that_waits_for_a_sale_is_paid_by_it():
    portfolio, first = waiting(sell("7"), cash="1")
    second = place(portfolio, buy("6"))

    execution.fill_waiting(moment=world.open_session())

    assert (state(first), state(second)) == ("filled", "filled")


def test_the_close_ends_what_is_left_and_keeps_what_came_after_it():
    portfolio, old = waiting(buy("1"))
    moment = world.close_session()
    young = place(portfolio, buy("2"))

    expired = execution.expire(session_date=world.TODAY)

    assert [order.pk for order in expired] == [old.pk]
    assert (state(old), state(young)) == ("expired", "accepted")
    assert moment.as_of == Order.objects.get(pk=young.pk).placed_as_of
    assert execution.expire(session_date=world.TODAY) == []


def test_the_step_of_the_day_fills_and_then_expires():
    portfolio, first = waiting(buy("1"))
    second = place(portfolio, buy("1", "BBB"))
    world.close_session()
    DailyBar.objects.filter(session_date=world.TODAY, instrument__symbol="BBB").delete()

    told = fill_waiting(session_date="2016-06-23", run_id="x", unknown_later="y")

    assert told["counts"] == {"filled": 1, "expired": 1}
    assert (state(first), state(second)) == ("filled", "expired")
    assert fill_waiting(session_date="2016-06-23")["counts"] == {"filled": 0, "expired": 0}
    assert expire_orders(session_date="2016-06-23")["counts"] == {"expired": 0}


def test_a_step_that_runs_for_a_session_long_gone_fills_nothing():
    _portfolio, _order = waiting(buy("1"))
    world.close_session()

    told = fill_waiting(session_date="2016-06-22")

    assert told["counts"] == {"filled": 0, "expired": 0}
    assert [each["code"] for each in told["warnings"]] == ["session_passed"]


ALLOWED = {
    ("accepted", "partially_filled"),
    ("accepted", "filled"),
    ("accepted", "cancelled"),
    ("accepted", "expired"),
    ("partially_filled", "partially_filled"),
    ("partially_filled", "filled"),
    ("partially_filled", "cancelled"),
    ("partially_filled", "expired"),
    ("partially_filled", "busted"),
    ("filled", "busted"),
}


@pytest.mark.parametrize("before", OrderState.values)
@pytest.mark.parametrize("after", OrderState.values)
def test_every_pair_of_states_moves_exactly_as_the_table_says(before, after):
    portfolio, order = waiting(buy("1"))
    Order.objects.update(state=before)
    order.refresh_from_db()
    by = world.actor(portfolio.account.customer.user)
    events = OrderEvent.objects.count()

    if (before, after) in ALLOWED:
        transitions.move(order, after, by=by, as_of=sessions.now())
        assert state(order) == after
        assert OrderEvent.objects.count() == events + 1
    else:
        with pytest.raises(Conflict):
            transitions.move(order, after, by=by, as_of=sessions.now())
        assert state(order) == before
        assert OrderEvent.objects.count() == events


def test_the_states_of_the_table_are_the_states_of_the_column():
    assert set(order_states.STATES) == set(OrderState.values)


@pytest.mark.parametrize("born", OrderState.values)
def test_an_order_begins_rejected_accepted_or_filled(born):
    portfolio, order = waiting(buy("1"))
    new = Order(
        portfolio=portfolio,
        instrument=order.instrument,
        client_order_id="new",
        side="buy",
        quantity=1,
        state=born,
        placed_as_of=order.placed_as_of,
        session_date=order.session_date,
    )
    by = world.actor(portfolio.account.customer.user)

    if born in ("accepted", "filled", "rejected"):
        transitions.born(new, by=by, as_of=order.placed_as_of)
        assert state(new) == born
    else:
        with pytest.raises(Conflict):
            transitions.born(new, by=by, as_of=order.placed_as_of)
        assert Order.objects.count() == 1
