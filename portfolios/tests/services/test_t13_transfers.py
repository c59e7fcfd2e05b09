"""T-13: transfers between two books in both directions at once.

Seeded fault it must catch: the two rows are locked in the order they are named.
"""

import time
from collections import Counter

import pytest

from etftrader.testing import services
from portfolios.models import Portfolio, Position, Transfer
from portfolios.services import verification
from portfolios.tests.factories import fill, make_instrument, make_portfolio

THREADS, EACH = 16, 60


@pytest.mark.django_db(transaction=True)
def test_transfers_in_both_directions_lock_nobody_out_and_lose_nothing():
    fund = make_instrument()
    books = [make_portfolio(name=name, cash=5000) for name in ("Left", "Right")]
    for each in books:
        fill(each, fund, 30, 100)

    outcomes = services.storm(
        "portfolios.tests.storm:to_and_fro",
        processes=2,
        threads=THREADS // 2,
        arguments={
            "portfolios": [str(each.pk) for each in books],
            "operations": EACH,
            "seed": int(time.time()),
        },
        environment=services.child_environment(ETF_PROCESS="worker"),
    )

    # a deadlock or a lock that was not granted would stand here as an error
    assert [each for each in outcomes if "error" in each] == []
    told: Counter[str] = Counter()
    for each in outcomes:
        told.update(each["value"])
    assert sum(told.values()) == THREADS * EACH
    assert Transfer.objects.count() == told["moved"] > 0
    assert sum(Portfolio.objects.values_list("cash", flat=True)) == 4000
    rows = Position.objects.values_list("quantity", "cost_basis")
    assert [sum(column) for column in zip(*rows, strict=True)] == [60, 6000]
    assert {each.pk: verification.verify(portfolio_id=each.pk) for each in books} == {
        each.pk: [] for each in books
    }
