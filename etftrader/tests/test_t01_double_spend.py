"""T-01: 64 sellers at once, seven shares: exactly seven are sold, every round.

Seeded fault it must catch: the portfolio is read before its lock, so two sellers see one share.
T-02: a mixed storm of 3,200 operations leaves the books whole.
"""

import os
import time
from collections import Counter

import pytest
from django.db import connection

from etftrader.core import audit
from etftrader.testing import services
from portfolios.models import Portfolio, Position
from portfolios.services import verification
from trading.models import Order, OrderEvent, Trade
from trading.tests import world
from trading.tests.storm import say

PROCESSES, THREADS, ROUNDS = 4, 16, 25
WAIT = {"ETF_PROCESS": "worker"}  # sellers queue for their turn as long as jobs do


@pytest.mark.django_db(transaction=True)
def test_of_seven_shares_sixty_four_sellers_sell_seven_every_round():
    world.make_market()
    books = [world.make_portfolio(cash="1", name=f"Round {n}") for n in range(ROUNDS)]
    for portfolio in books:
        world.hold(portfolio, "AAA", "7")
    begun = time.monotonic()

    outcomes = services.storm(
        "trading.tests.storm:sell_one_of_seven",
        processes=PROCESSES,
        threads=THREADS,
        arguments={"portfolios": [str(each.pk) for each in books], "crowd": PROCESSES * THREADS},
        environment=services.child_environment(**WAIT),
    )

    took = time.monotonic() - begun
    errors = [each["error"] for each in outcomes if "error" in each]
    sold = Counter(Trade.objects.values_list("portfolio", flat=True))
    say(
        f"T-01 {connection.vendor}: {len(outcomes) * ROUNDS} attempts in {took:.1f} s, "
        f"{sum(sold.values())} fills (goal {7 * ROUNDS}), {len(errors)} errors (goal 0)"
    )
    assert errors == []
    assert [sold[each.pk] for each in books] == [7] * ROUNDS
    assert set(Position.objects.values_list("quantity", flat=True)) == {0}
    states = Counter(Order.objects.values_list("state", flat=True))
    assert states == {"filled": 7 * ROUNDS, "rejected": (PROCESSES * THREADS - 7) * ROUNDS}
    assert whole(books) == []


@pytest.mark.django_db(transaction=True)
def test_t02_a_mixed_storm_of_3200_operations_leaves_the_books_whole():
    world.make_market()
    books = [world.make_portfolio(cash="5000", name=f"Book {n}") for n in range(4)]
    for portfolio in books:
        world.lift_var_limit(portfolio)
        world.hold(portfolio, "AAA", "40")
    begun = time.monotonic()

    outcomes = services.storm(
        "trading.tests.storm:mixed",
        processes=2,
        threads=16,
        arguments={
            "portfolios": [str(each.pk) for each in books],
            "operations": 100,
            "seed": int(begun * 1000),
        },
        environment=services.child_environment(**WAIT),
    )

    took = max(each["seconds"] for each in outcomes)
    errors = [each["error"] for each in outcomes if "error" in each]
    told: Counter[str] = Counter()
    for each in outcomes:
        told.update(each.get("value", {}))
    say(
        f"T-02 {connection.vendor}, seed {int(begun * 1000)}: {took:.1f} s, "
        f"{3200 / took:.0f} operations/s (goal 150, load {os.getloadavg()[0]:.1f}), {dict(told)}"
    )
    assert errors == []
    assert sum(told.values()) == 3200
    assert whole(books) == []
    filled = Order.objects.filter(state="filled").count()
    assert Trade.objects.count() == filled
    assert Order.objects.count() == Order.objects.values("client_order_id").distinct().count()


def whole(books: list[Portfolio]) -> list[str]:
    """Problems of ledger, audit chains and event numbers; empty when everything holds."""
    problems = []
    for portfolio in books:
        problems += verification.verify(portfolio_id=portfolio.pk)
        problems += audit.verify(chain=portfolio.pk)
        numbers = OrderEvent.objects.filter(portfolio=portfolio).order_by("number")
        found = list(numbers.values_list("number", flat=True))
        if found != list(range(1, len(found) + 1)):
            problems.append(f"{portfolio.name}: order events are not numbered densely")
    return problems
