"""Cancel against fill, replace against fill, two fillers, kills amid the filling: one of each.

Seeded faults they must catch: the state is read before the lock; trade and booking in two
transactions.
"""

import threading
import time
from collections import Counter
from decimal import Decimal
from functools import partial

import pytest
from django.db import connection

from etftrader.core.errors import Conflict
from etftrader.testing import services
from marketdata.selectors import sessions
from portfolios.models import Position
from portfolios.services import portfolios, verification
from trading.models import Order, Trade
from trading.services import amending, execution, orders
from trading.services.amending import Changes
from trading.tests import world
from trading.tests.services.test_order_types import limit, place
from trading.tests.storm import say
from trading.tests.world import buy, sell

pytestmark = pytest.mark.django_db(transaction=True)
WAITING, KILLS, PAIRS = 40, 20, 8
D = Decimal


def waiting_orders():
    """A book with orders that the next bar fills."""
    world.make_market()
    book = world.make_portfolio(cash="1000000")
    world.lift_var_limit(book)
    placed = [
        place(book, limit(buy, "99.5", "1", client_order_id=f"w-{number}"))
        for number in range(WAITING)
    ]
    assert {order.state for order in placed} == {"accepted"}
    return book, placed


def at_once(*acts):
    """Run them in threads of their own; what they raised."""
    raised, gate = [], threading.Barrier(len(acts))

    def run(act):
        gate.wait()
        try:
            act()
        except Exception as error:  # noqa: BLE001
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert raised == []


def whole(book):
    """Every filled order has one trade, and the ledger agrees."""
    filled = set(Order.objects.filter(state="filled").values_list("pk", flat=True))
    booked = Counter(Trade.objects.values_list("order_id", flat=True))
    assert set(booked) == filled
    assert set(booked.values()) <= {1}
    held = sum(Position.objects.values_list("quantity", flat=True))
    assert held == sum(Trade.objects.values_list("quantity", flat=True))
    assert verification.verify(portfolio_id=book.pk) == []


def test_a_cancel_and_a_fill_leave_one_winner_each():
    book, placed = waiting_orders()
    by, moment = world.actor(book.account.customer.user), world.next_bar({"AAA": D(99)})
    told = Counter()

    def cancel_all():
        for order in reversed(placed):
            try:
                orders.cancel(order_id=order.pk, by=by, moment=moment)
                told["cancelled"] += 1
            except Conflict as late:
                told[late.figures["state"]] += 1

    at_once(cancel_all, lambda: execution.fill_waiting(moment=moment))

    states = Counter(Order.objects.values_list("state", flat=True))
    assert states == told
    assert sum(states.values()) == WAITING
    whole(book)


def test_a_replacement_and_a_fill_never_both_win():
    book, placed = waiting_orders()
    by, moment = world.actor(book.account.customer.user), world.next_bar({"AAA": D(99)})
    replaced, lost = [], []

    def replace_all():
        for order in reversed(placed):
            try:
                made = amending.replace_order(
                    order_id=order.pk, changes=Changes(limit_price=D(50)), by=by, moment=moment
                )
                replaced.append(made.order.pk)
            except Conflict as late:
                lost.append(late.figures["state"])

    at_once(replace_all, lambda: execution.fill_waiting(moment=moment))

    assert set(lost) <= {"filled"}
    assert len(lost) + len(replaced) == WAITING
    accepted = set(Order.objects.filter(state="accepted").values_list("pk", flat=True))
    assert accepted == set(replaced)
    whole(book)


def test_two_streams_on_one_bar_fill_each_order_once():
    book, _placed = waiting_orders()
    moment = world.next_bar({"AAA": D(99)})

    at_once(*[lambda: execution.fill_waiting(moment=moment)] * 2)

    assert set(Order.objects.values_list("state", flat=True)) == {"filled"}
    whole(book)


def test_kills_amid_the_filling_lose_nothing_and_double_nothing():
    book, _placed = waiting_orders()
    world.next_bar({"AAA": D(99)})
    seed = int(time.time())
    nursery = services.spawn(
        "trading.tests.storm:filling",
        arguments={"kills": KILLS, "within": 0.08, "seed": seed},
    )
    reports = nursery.read()
    complaints = nursery.complaints()
    nursery.close()
    assert len(reports) == KILLS, complaints
    before = Order.objects.filter(state="filled").count()
    whole(book)

    execution.fill_waiting(moment=sessions.moment())

    say(f"kills while filling, {connection.vendor}, seed {seed}: {before} filled between them")
    assert set(Order.objects.values_list("state", flat=True)) == {"filled"}
    whole(book)


def short(book, quantity, symbol="AAA"):
    """A sale as a door makes it: gathered before, and again under the lock where that has aged."""
    asked = {
        "portfolio_id": book.pk,
        "ticket": sell(quantity, symbol),
        "by": world.actor(book.account.customer.user),
        "moment": sessions.moment(),
    }
    ready = orders.gather(**asked)
    return partial(orders.submit, **asked, market_clock=sessions.moment, ready=ready)


def test_of_two_sales_for_the_last_margin_exactly_one_is_made():
    """Either alone leaves half of gross covered, both together would not."""
    world.make_market()
    for number in range(PAIRS):
        book = world.make_portfolio(name=f"Short {number}", cash="10000", allow_short=True)
        world.lift_limits(book)

        at_once(short(book, "120"), short(book, "240", "BBB"))

        made = Order.objects.filter(portfolio=book)
        assert sorted(made.values_list("state", flat=True)) == ["filled", "rejected"]
        assert made.get(state="rejected").reasons == ["MARGIN"]
        [held] = Position.objects.filter(portfolio=book, quantity__lt=0)
        assert held.quantity in (-120, -240)
        assert verification.verify(portfolio_id=book.pk) == []


def test_shorts_switched_off_against_a_short_sale_leave_one_of_the_two():
    world.make_market()
    told = Counter()
    for number in range(PAIRS):
        book = world.make_portfolio(name=f"Off {number}", allow_short=True)
        by, refused = world.actor(book.account.customer.user), []

        def off(book=book, by=by, refused=refused):
            try:
                portfolios.update(portfolio_id=book.pk, by=by, allow_short=False)
            except Conflict as told_why:
                refused.append(told_why.detail)

        at_once(off, short(book, "10"))

        book.refresh_from_db()
        made = Order.objects.get(portfolio=book)
        assert made.state == ("filled" if book.allow_short else "rejected")
        assert made.reasons == ([] if book.allow_short else ["OVERSELL"])
        why = ["Short positions are held; buy them back first."]
        assert refused == (why if book.allow_short else [])
        told[str(made.state)] += 1
        assert verification.verify(portfolio_id=book.pk) == []
    say(f"shorts switched off against a sale, {connection.vendor}: {dict(told)}")
