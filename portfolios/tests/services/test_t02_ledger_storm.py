"""T-02 at the ledger: 32 threads, 3,200 bookings over four portfolios, shared sources.

Seeded fault it must catch: cash is read before the lock.
"""

import time
from collections import Counter

import pytest

from etftrader.testing import services
from portfolios.models import LedgerEntry, Portfolio
from portfolios.services import verification
from portfolios.tests.factories import fill, make_instrument, make_portfolio


@pytest.mark.django_db(transaction=True)
def test_a_storm_of_bookings_leaves_every_invariant_whole():
    funds = [make_instrument(symbol) for symbol in ("AAA", "BBB")]
    books = [make_portfolio(name=f"Book {number}", cash=3000) for number in range(4)]
    for portfolio in books:
        fill(portfolio, funds[0], 10, 100)

    outcomes = services.storm(
        "portfolios.tests.storm:mixed",
        processes=2,
        threads=16,
        arguments={
            "portfolios": [str(each.pk) for each in books],
            "operations": 100,
            "seed": int(time.time()),
        },
        environment=services.child_environment(ETF_PROCESS="worker"),
    )

    assert [each for each in outcomes if "error" in each] == []
    told: Counter[str] = Counter()
    for each in outcomes:
        told.update(each["value"])
    assert sum(told.values()) == 3200
    assert {each.pk: verification.verify(portfolio_id=each.pk) for each in books} == {
        each.pk: [] for each in books
    }
    heads = sum(Portfolio.objects.values_list("ledger_seq", flat=True))
    assert heads == told["booked"] + 8  # and the two bookings each book began with
    assert LedgerEntry.objects.values("portfolio", "seq").distinct().count() == heads
