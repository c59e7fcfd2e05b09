"""Taking a filled order back: everything as if it had never been, or a refusal that says why."""

from decimal import Decimal

import pytest

from etftrader.core.actor import system
from etftrader.core.errors import BadInput, Conflict, NotFound, VersionMismatch
from etftrader.core.records import AuditEvent
from marketdata.selectors import sessions
from portfolios.models import Portfolio, Position
from portfolios.services import verification
from trading.models import Order, Trade
from trading.services import busts, execution
from trading.tests import world
from trading.tests.services.test_order_types import place
from trading.tests.services.test_partial_fills import close_with
from trading.tests.world import buy, sell

pytestmark = pytest.mark.django_db
D = Decimal
STAFF = system("operations")


@pytest.fixture
def book():
    world.make_market()
    made = world.make_portfolio()
    world.lift_var_limit(made)
    return made


def bust(order, reason="booked twice by mistake", **more):
    return busts.bust(order_id=order.pk, reason=reason, by=STAFF, moment=sessions.moment(), **more)


def totals(book):
    rows = Position.objects.order_by("instrument__symbol")
    return Portfolio.objects.get(pk=book.pk).cash, list(
        rows.exclude(quantity=0).values_list(
            "instrument__symbol", "quantity", "cost_basis", "realized_pnl", "fees"
        )
    )


@pytest.mark.parametrize("ticket", [buy("10"), sell("4"), sell("7")])
def test_cash_quantity_cost_and_realised_are_restored_exactly(book, ticket):
    world.hold(book, "AAA", "7")
    before = totals(book)
    order = place(book, ticket)
    assert totals(book) != before

    done = bust(order)

    assert totals(book) == before
    assert done.state == Order.objects.get().state == "busted"
    first, second = Trade.objects.order_by("recorded_at")
    assert second.reverses == first
    assert (second.quantity, second.price, second.side != first.side) == (
        first.quantity,
        first.price,
        True,
    )
    assert second.commission + first.commission == 0
    assert second.realized_pnl + first.realized_pnl == 0
    assert AuditEvent.objects.filter(action="order.busted").count() == 1
    assert verification.verify(portfolio_id=book.pk) == []


def test_a_partial_fill_is_taken_back_and_the_rest_ends(book):
    world.close_session()
    order = place(book, buy("100"))
    before = totals(book)
    world.make_matrix(world.TODAY)
    execution.fill_waiting(moment=close_with(455, world.TOMORROW))
    assert Order.objects.get().state == "partially_filled"

    assert bust(order).state == "busted"

    assert totals(book) == before
    assert execution.fill_waiting(moment=sessions.moment()) == []


def test_what_was_sold_since_is_named_and_nothing_moves(book):
    bought = place(book, buy("10"))
    world.next_bar()
    sold = place(book, sell("4"))
    before = totals(book)

    with pytest.raises(Conflict, match="rests on it") as refusal:
        bust(bought)

    assert refusal.value.figures["source"] == f"trade:{sold.trades.get().pk}"
    assert totals(book) == before
    assert Order.objects.get(pk=bought.pk).state == "filled"
    # the way out it names
    bust(sold)
    bust(bought)
    assert totals(book) == (D(100_000), [])


@pytest.mark.parametrize("state", ["accepted", "rejected", "cancelled", "expired", "busted"])
def test_only_what_is_filled_is_taken_back(book, state):
    order = place(book, buy("1"))
    Order.objects.update(state=state)

    with pytest.raises(Conflict) as refusal:
        bust(order)

    assert refusal.value.figures["state"] == state
    assert Trade.objects.count() == 1


def test_without_a_reason_or_an_order_nothing_is_taken_back(book):
    order = place(book, buy("1"))

    with pytest.raises(BadInput) as refusal:
        bust(order, reason="  ")
    assert refusal.value.figures["attr"] == "reason"
    with pytest.raises(VersionMismatch):
        bust(order, if_match_version=order.version + 1)
    order.pk = book.pk
    with pytest.raises(NotFound):
        bust(order)
