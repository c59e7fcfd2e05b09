"""Other terms for an order that waits: a new verdict, or everything stays; and cancelling all."""

from decimal import Decimal

import pytest

from etftrader.core.errors import BadInput, Conflict, NotFound, VersionMismatch
from etftrader.core.records import AuditEvent
from marketdata.selectors import sessions
from portfolios.models import Portfolio
from risk.models import PreTradeCheck
from trading.models import Order, OrderEvent
from trading.selectors import orders as read
from trading.services import amending, execution
from trading.services.amending import Changes
from trading.tests import world
from trading.tests.services.test_order_types import limit, place, stop
from trading.tests.world import buy

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def book():
    world.make_market(playing=False)
    made = world.make_portfolio()
    world.lift_var_limit(made)
    return made


def change(order, version=None, **changes):
    return amending.replace_order(
        order_id=order.pk,
        changes=Changes(**changes),
        if_match_version=version,
        by=world.actor(order.portfolio.account.customer.user),
        moment=sessions.moment(),
    )


def test_new_terms_hold_from_now_on_with_their_own_check(book):
    order = place(book, limit(buy, "80"))
    first = order.check_made_id

    made = change(order, quantity=D(20), limit_price=D(85), time_in_force="gtc")

    assert made.approved
    kept = Order.objects.get()
    assert (kept.quantity, kept.limit_price, kept.time_in_force) == (20, 85, "gtc")
    assert (kept.version, kept.replaced_as_of) == (order.version + 1, sessions.now())
    assert kept.check_made_id == made.check.pk != first
    told = OrderEvent.objects.get(detail__act="replaced")
    words = "20.00, limit 85.00, good till cancelled instead of 10.00, limit 80.00, day"
    assert told.detail["reason"] == words
    assert read.timeline(kept)[-1].text == f"Replaced: {words}"
    assert AuditEvent.objects.filter(action="order.replaced").count() == 1


def test_refused_terms_change_nothing_and_keep_the_check(book):
    Portfolio.objects.update(cash=D(1000))
    order = place(book, limit(buy, "80"))

    made = change(order, quantity=D(13))

    assert (made.approved, made.check.status) == (False, "REJECTED")
    assert made.check.reasons == ["INSUFFICIENT_CASH"]
    kept = Order.objects.get()
    assert (kept.quantity, kept.version, kept.check_made_id) == (
        10,
        order.version,
        order.check_made_id,
    )
    assert PreTradeCheck.objects.filter(context="replace").count() == 1


def test_an_order_is_not_in_the_way_of_its_own_replacement(book):
    Portfolio.objects.update(cash=D(1000))

    assert change(place(book, limit(buy, "80")), limit_price=D(90)).approved


def test_another_stop_has_not_been_reached(book):
    order = place(book, stop(buy, "120"))
    Order.objects.update(triggered_at=sessions.now())

    assert change(order, quantity=D(9)).order.triggered_at is not None
    assert change(order, stop_price=D(130)).order.triggered_at is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({}, None),
        ({"quantity": D(10)}, None),
        ({"quantity": D("1.5")}, "quantity"),
        ({"stop_price": D(5)}, "stop_price"),
        ({"limit_price": D(0)}, "limit_price"),
        ({"time_in_force": "ioc"}, "time_in_force"),
    ],
)
def test_impossible_terms_name_their_field(book, changes, field):
    order = place(book, limit(buy, "80"))

    with pytest.raises(BadInput) as refusal:
        change(order, **changes)

    assert refusal.value.figures.get("attr") == field
    assert Order.objects.get().version == order.version


def test_less_than_what_is_filled_cannot_be_asked_for(book):
    order = place(book, limit(buy, "80"))
    Order.objects.update(filled_quantity=4, state="partially_filled")

    with pytest.raises(BadInput, match=r"4\.00 are filled already"):
        change(order, quantity=D(4))
    assert change(order, quantity=D(5)).order.remaining == 1


def test_a_finished_order_and_an_old_version_are_told_what_stands_now(book):
    order = place(book, limit(buy, "80"))
    with pytest.raises(VersionMismatch):
        change(order, version=order.version + 1, quantity=D(5))
    world.open_session()
    execution.fill_waiting(moment=world.next_bar({"AAA": D(79)}))

    with pytest.raises(Conflict, match="cannot become replaced") as late:
        change(order, quantity=D(5))
    assert late.value.figures["state"] == "filled"
    order.pk = book.pk
    with pytest.raises(NotFound):
        change(order, quantity=D(5))


def test_all_open_orders_are_cancelled_and_no_other(book):
    done = place(book, buy("1"))
    world.open_session()
    execution.fill_waiting(moment=sessions.moment())
    for price in ("80", "81"):
        place(book, limit(buy, price))
    other = world.make_portfolio(name="Other")
    place(other, limit(buy, "80"))
    asked = {
        "portfolio_id": book.pk,
        "by": world.actor(book.account.customer.user),
        "moment": sessions.moment(),
    }

    ended = amending.cancel_open(**asked)

    assert [each.state for each in ended] == ["cancelled", "cancelled"]
    assert amending.cancel_open(**asked) == []
    assert Order.objects.get(pk=done.pk).state == "filled"
    assert Order.objects.get(portfolio=other).state == "accepted"
