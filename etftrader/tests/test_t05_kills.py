"""T-05: kill -9 of a trading process: nothing acknowledged is lost, nothing is done twice.

Seeded fault it must catch: the answer of a key is stored in a transaction of its own.
"""

import os
import time
from collections import Counter

import pytest
from django.db import connection

from etftrader.core.records import IdempotencyKey
from etftrader.testing import services
from marketdata.selectors import sessions
from portfolios.models import Position
from portfolios.services import verification
from trading.models import Order, Trade
from trading.tests import storm, world
from trading.tests.storm import say

KILLS = int(os.environ.get("T05_KILLS", "100"))  # 500 before a release


@pytest.mark.django_db(transaction=True)
def test_kills_lose_nothing_and_double_nothing():
    world.make_market()
    portfolio = world.make_portfolio(cash="9000000")
    world.lift_var_limit(portfolio)
    seed = int(time.time())
    begun = time.monotonic()
    nursery = services.spawn(
        "trading.tests.storm:lives",
        arguments={"portfolio": str(portfolio.pk), "kills": KILLS, "within": 0.12, "seed": seed},
    )

    reports = nursery.read()

    complaints = nursery.complaints()
    nursery.close()
    assert len(reports) == KILLS, complaints
    words = [word for report in reports for word in report]
    sent = {word["sent"] for word in words if "sent" in word}
    acknowledged = {word["acknowledged"]: word["order"] for word in words if "order" in word}
    booked = Counter(Trade.objects.values_list("order__client_order_id", flat=True))
    ambiguous = sent - set(acknowledged)
    by, moment = storm.trader("owner@example.com"), sessions.moment()
    kept = {key: str(pk) for key, pk in Order.objects.values_list("client_order_id", "pk")}

    replays = {key: storm.place(key, portfolio.pk, by, moment) for key in ambiguous}

    say(
        f"T-05 {connection.vendor}, seed {seed}: {KILLS} kills, {len(sent)} sent, "
        f"{len(acknowledged)} acknowledged, {len(ambiguous)} ambiguous of which "
        f"{sum(each.replayed for each in replays.values())} had been done; "
        f"{time.monotonic() - begun:.1f} s"
    )
    assert {key for key, order in acknowledged.items() if kept.get(key) != order} == set()
    assert [key for key, count in booked.items() if count != 1] == []
    assert set(booked) <= sent
    assert {key for key, each in replays.items() if each.replayed != (key in booked)} == set()
    assert Trade.objects.count() == len(sent)
    assert IdempotencyKey.objects.filter(status__isnull=True).count() == 0
    assert Position.objects.get().quantity == len(sent)
    assert verification.verify(portfolio_id=portfolio.pk) == []
