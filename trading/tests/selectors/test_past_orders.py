"""Orders as they stood at a past close: state, what was filled by then, at what price."""

from datetime import timedelta
from decimal import Decimal

import pytest

from marketdata.models import Instrument
from marketdata.selectors import calendar
from trading.models import Order, OrderEvent, Trade
from trading.selectors import past_orders
from trading.tests import world

pytestmark = pytest.mark.django_db

CLOSE = calendar.close_time(world.YESTERDAY)
BEFORE, AFTER = CLOSE - timedelta(hours=3), CLOSE + timedelta(days=1)


@pytest.fixture
def book():
    world.make_market()
    return world.make_portfolio()


def order(book, state, *, placed=BEFORE, quantity=10):
    return Order.objects.create(
        portfolio=book, instrument=Instrument.objects.get(symbol="AAA"), side="buy",
        client_order_id=f"{state}-{placed:%d%H}", quantity=quantity, state=state,
        filled_quantity=quantity if state == "filled" else 0, placed_as_of=placed,
        session_date=placed.date(),
    )  # fmt: skip


def moved(made, state, at):
    number = OrderEvent.objects.count() + 1
    OrderEvent.objects.create(
        portfolio=made.portfolio, number=number, order=made, to_state=state, as_of=at,
        recorded_at=at, by_label="t",
    )  # fmt: skip


def filled(made, quantity, price, at, **fields):
    return Trade.objects.create(
        order=made, portfolio=made.portfolio, instrument=made.instrument, side="buy",
        quantity=quantity, price=Decimal(price), price_source="close",
        reference_price=Decimal(price), commission=0, spread_cost=0, impact_cost=0,
        currency="USD", executed_at=at, session_date=at.date(), recorded_at=at, **fields,
    )  # fmt: skip


def test_an_order_stands_as_it_stood(book):
    made = order(book, "filled")
    later = order(book, "accepted", placed=AFTER)
    moved(made, "accepted", BEFORE)
    moved(made, "partially_filled", BEFORE + timedelta(hours=1))
    moved(made, "filled", AFTER)
    moved(later, "accepted", AFTER)
    filled(made, 4, "100", BEFORE + timedelta(hours=1))
    filled(made, 6, "110", AFTER)

    [then] = past_orders.restored(past_orders.placed(book.pk, at=CLOSE), at=CLOSE)

    assert (then.pk, then.state) == (made.pk, "partially_filled")
    assert (then.filled_quantity, then.average_price) == (Decimal(4), Decimal(100))
    assert list(past_orders.placed(book.pk, at=CLOSE, working_only=True)) == [made]
    assert [each.quantity for each in past_orders.fills(book.pk, at=CLOSE)] == [Decimal(4)]
    assert not past_orders.placed(book.pk, at=BEFORE - timedelta(hours=1)).exists()


def test_what_was_taken_back_by_then_is_not_filled(book):
    made = order(book, "busted")
    moved(made, "filled", BEFORE)
    moved(made, "busted", BEFORE + timedelta(hours=1))
    first = filled(made, 10, "100", BEFORE)
    filled(made, 10, "100", BEFORE + timedelta(hours=1), reverses=first)

    [then] = past_orders.restored(past_orders.placed(book.pk, at=CLOSE), at=CLOSE)
    [early] = past_orders.restored(past_orders.placed(book.pk, at=BEFORE), at=BEFORE)

    assert (then.state, then.filled_quantity, then.average_price) == ("busted", 0, None)
    assert (early.state, early.filled_quantity) == ("filled", Decimal(10))
