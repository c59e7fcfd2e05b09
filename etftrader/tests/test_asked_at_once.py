"""Updates and chains asked for at the same moment are counted in turn, on both databases.

Seeded fault it must catch: what was asked for is counted before the other's row is committed.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from threading import Thread
from typing import Any

import pytest
from django.db import connection, transaction

from etftrader.core.actor import Actor, system
from etftrader.core.errors import Conflict
from etftrader.core.records import JobRun
from etftrader.services import updates
from marketdata.models import Instrument, ReplayClock
from portfolios.models import Account, Membership, Portfolio, Position
from portfolios.services import accounts

pytestmark = pytest.mark.django_db(transaction=True)
DAY = date(2020, 6, 30)
CLOSE = datetime(2020, 6, 30, 20, 0, tzinfo=UTC)
FUNDS = [f"F{place}" for place in range(updates.MOST_CHAINS + 1)]


@pytest.fixture
def owner(settings: Any) -> Actor:
    settings.MARKETDATA_PROVIDER = "yfinance"
    ReplayClock.objects.create(start=DAY, session_date=DAY, as_of=CLOSE, moved_at=CLOSE)
    user = accounts.create_user(email="o@example.com", password="x" * 12, by=system("tests"))
    book = Portfolio.objects.create(account=Account.objects.get(customer__user=user), name="Book")
    Membership.objects.create(portfolio=book, user=user, role="owner")
    for symbol in FUNDS:
        fund = Instrument.objects.create(
            symbol=symbol, name=symbol, kind="etf", price_basis="close"
        )
        Position.objects.create(portfolio=book, instrument=fund, quantity=1)
    return Actor.of_user(user)


def while_open(first: Callable[[], object], second: Callable[[], object]) -> list[str]:
    """What the second asker is told who comes before the first one has committed."""
    told: list[str] = []

    def late() -> None:
        try:
            second()
            told.append("accepted")
        except Conflict as refusal:
            told.append(refusal.code)
        finally:
            connection.close()

    thread = Thread(target=late)
    with transaction.atomic():
        first()
        thread.start()
        thread.join(1)  # who waits for the first one waits on; who does not is through by now
    thread.join(60)
    return told


def test_of_two_updates_at_once_one_passes(owner: Actor) -> None:
    def ask(symbol: str) -> Callable[[], object]:
        return lambda: updates.fetch(wish={"symbols": [symbol]}, everything=False, by=owner)

    assert while_open(ask("F0"), ask("F1")) == ["asked_recently"]
    assert [run.inputs for run in JobRun.objects.all()] == [{"symbols": ["F0"]}]


def test_the_sixth_chain_is_refused_while_the_fifth_is_being_asked_for(owner: Actor) -> None:
    def ask(symbol: str) -> Callable[[], object]:
        fund = Instrument.objects.get(symbol=symbol)
        return lambda: updates.fetch_chain(underlying=fund, everything=False, by=owner)

    *before, fifth, sixth = (ask(symbol) for symbol in FUNDS)
    for each in before:
        each()

    assert while_open(fifth, sixth) == ["asked_recently"]
    assert JobRun.objects.count() == updates.MOST_CHAINS
