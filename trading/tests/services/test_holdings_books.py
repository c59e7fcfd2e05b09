"""A book that keeps holdings and not trades takes no order, and says so before anything else."""

from decimal import Decimal

import pytest

from etftrader.core.errors import Conflict
from marketdata.selectors import sessions
from portfolios.models import Portfolio
from risk.models import PreTradeCheck
from trading.models import Order, Trade
from trading.services import amending, execution, orders
from trading.services.amending import Changes
from trading.tests import world
from trading.tests.services.test_order_types import limit, place
from trading.tests.world import buy, sell

pytestmark = pytest.mark.django_db
D = Decimal


def kept_as_holdings(**more):
    return world.make_portfolio(cash="0", tracking_mode="holdings", **more)


@pytest.mark.parametrize("ticket", [buy("1"), sell("1"), buy("1", "NOPE")])
@pytest.mark.parametrize("act", [orders.submit, orders.check])
@pytest.mark.parametrize("playing", [True, False])
def test_no_order_is_taken_and_nothing_is_kept(act, ticket, playing):
    world.make_market(playing=playing)
    book = kept_as_holdings()
    world.hold(book, "AAA", "10")

    with pytest.raises(Conflict, match="keeps holdings, not trades") as refusal:
        act(
            portfolio_id=book.pk,
            ticket=ticket,
            by=world.actor(book.account.customer.user),
            moment=sessions.moment(),
        )

    assert refusal.value.code == "holdings_mode"
    assert not Order.objects.exists()
    assert not PreTradeCheck.objects.exists()


def test_of_many_orders_each_is_refused():
    world.make_market()
    book = kept_as_holdings()

    found = orders.gather_many(
        portfolio_id=book.pk,
        tickets=[buy("1"), sell("1", "BBB")],
        by=world.actor(book.account.customer.user),
        moment=sessions.moment(),
    )

    assert [each.code for each in found] == ["holdings_mode"] * 2


def test_what_waited_when_the_mode_was_changed_ends_and_others_go_on():
    world.make_market(playing=False)
    book, other = world.make_portfolio(), world.make_portfolio(name="Other")
    order, usual = place(book, limit(buy, "101", time_in_force="gtc")), place(other, buy("1"))
    Portfolio.objects.filter(pk=book.pk).update(tracking_mode="holdings")
    by, moment = world.actor(book.account.customer.user), world.open_session()

    with pytest.raises(Conflict, match="keeps holdings") as refusal:
        amending.replace_order(
            order_id=order.pk, changes=Changes(limit_price=D(102)), by=by, moment=moment
        )
    assert refusal.value.code == "holdings_mode"
    [trade] = execution.fill_waiting(moment=moment)

    order.refresh_from_db()
    assert order.state == "cancelled"
    assert "keeps holdings now" in order.events.order_by("number").last().detail["reason"]
    assert trade.order_id == usual.pk
    assert Trade.objects.count() == 1
