"""Baskets at once: one effect of 64 the same, one of many for the same shares; never half of one.

Seeded faults they must catch: legs in transactions of their own; the book read before its lock.
"""

from collections import Counter

import pytest

from etftrader.core import audit
from etftrader.core.errors import Conflict
from etftrader.testing import services
from marketdata.selectors import sessions
from portfolios.models import Position
from portfolios.services import verification
from trading.models import Basket, Order, Trade
from trading.selectors import baskets as read
from trading.services import baskets, execution
from trading.services.basket_tickets import BasketTicket
from trading.tests import world
from trading.tests.basket_storm import BOUGHT, SOLD
from trading.tests.services.test_order_types import limit
from trading.tests.test_order_races import at_once
from trading.tests.world import buy

pytestmark = pytest.mark.django_db(transaction=True)
PROCESSES, THREADS, ROUNDS = 4, 16, 3
WAIT = {"ETF_PROCESS": "worker"}  # they queue for their turn as long as jobs do


def books(shares, cash="1"):
    world.make_market()
    made = [world.make_portfolio(cash=cash, name=f"Round {n}") for n in range(ROUNDS)]
    for book in made:
        world.lift_var_limit(book)
        world.hold(book, "AAA", shares)
    return made


def storm(made, *, shared):
    outcomes = services.storm(
        "trading.tests.basket_storm:swap",
        processes=PROCESSES,
        threads=THREADS,
        arguments={
            "portfolios": [str(each.pk) for each in made],
            "crowd": PROCESSES * THREADS,
            "shared": shared,
        },
        environment=services.child_environment(**WAIT),
    )
    assert [each["error"] for each in outcomes if "error" in each] == []
    return Counter(word for each in outcomes for word in each["value"])


def whole(made):
    """All of a basket or nothing of it, and the books agree."""
    for basket in Basket.objects.all():
        legs = list(read.loaded(basket.pk).legs.all())
        assert len(legs) == 2
        assert len({leg.state for leg in legs}) == 1
    for book in made:
        assert verification.verify(portfolio_id=book.pk) == []
        assert audit.verify(chain=book.pk) == []


def test_sixty_four_times_the_same_basket_is_one_effect():
    made = books("100")

    told = storm(made, shared=True)

    assert told == {"filled": ROUNDS, "replayed": (PROCESSES * THREADS - 1) * ROUNDS}
    assert Basket.objects.count() == ROUNDS
    assert Trade.objects.count() == 2 * ROUNDS
    bought = Position.objects.filter(instrument__symbol="BBB").values_list("quantity", flat=True)
    assert set(bought) == {BOUGHT}
    whole(made)


def test_of_sixty_four_baskets_for_the_same_shares_one_is_filled():
    made = books(str(SOLD))

    told = storm(made, shared=False)

    refused = (PROCESSES * THREADS - 1) * ROUNDS
    assert told == {"filled": ROUNDS, "rejected": refused}
    assert Trade.objects.count() == 2 * ROUNDS
    states = Counter(Order.objects.values_list("state", flat=True))
    assert states == {"filled": 2 * ROUNDS, "rejected": 2 * refused}
    whole(made)


def test_two_baskets_for_the_same_cash_are_one():
    [book, *_] = books("1", cash="1000")
    by, moment = world.actor(book.account.customer.user), sessions.moment()
    told = []

    def place():
        made = baskets.submit(
            portfolio_id=book.pk,
            ticket=BasketTicket(legs=(buy("6", "AAA"), buy("6", "BBB"))),
            by=by,
            moment=moment,
        )
        told.append(read.state(made))

    at_once(place, place)

    assert sorted(told) == ["filled", "rejected"]
    assert Trade.objects.count() == 2
    assert verification.verify(portfolio_id=book.pk) == []


def test_a_cancel_and_the_filling_leave_one_winner_for_every_leg():
    [book, *_] = books("1", cash="100000")
    by = world.actor(book.account.customer.user)
    placed = [
        baskets.submit(
            portfolio_id=book.pk,
            ticket=BasketTicket(
                legs=(limit(buy, "99.5", "1"), limit(buy, "49.5", "1", symbol="BBB"))
            ),
            by=by,
            moment=sessions.moment(),
        )
        for _ in range(12)
    ]
    moment = world.next_bar({"AAA": world.PRICES["AAA"] - 1, "BBB": world.PRICES["BBB"] - 1})

    told = Counter()

    def cancel_all():
        for basket in reversed(placed):
            try:
                told[read.state(baskets.cancel(basket_id=basket.pk, by=by, moment=moment))] += 1
            except Conflict as late:
                told[late.figures["state"]] += 1

    at_once(cancel_all, lambda: execution.fill_waiting(moment=moment))

    assert set(told) <= {"filled", "cancelled", "ended"}
    assert Counter(read.state(read.loaded(each.pk)) for each in placed) == told
    filled = set(Order.objects.filter(state="filled").values_list("pk", flat=True))
    assert set(Trade.objects.values_list("order_id", flat=True)) == filled
    assert set(Order.objects.values_list("state", flat=True)) <= {"filled", "cancelled"}
    assert verification.verify(portfolio_id=book.pk) == []
