"""Files booked and taken back at once by several: one effect, whoever was first."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from etftrader.core.errors import Conflict
from portfolios.models import LedgerEntry, Portfolio, Position
from portfolios.services import import_booking, import_edits, import_undo, verification
from portfolios.tests.factories import MONDAY, actor, make_clock, make_instrument, make_portfolio
from portfolios.tests.services.importing import POSITIONS, check, commit

pytestmark = pytest.mark.django_db(transaction=True)
TEXT = POSITIONS + "SPY,10,200,2016-06-20,\nNFLX,3,90,2016-06-20,\n"


@pytest.fixture
def portfolio():
    make_clock()
    make_instrument("SPY")
    make_instrument("NFLX", kind="stock")
    return make_portfolio(cash=1_000, session_date=MONDAY)


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """What the acts gave, each in a thread of its own; refusals are answers too."""
    gate, answers = threading.Barrier(len(acts)), []

    def run(act: Callable[[], Any]) -> None:
        try:
            gate.wait()
            answers.append(act())
        except Conflict as refusal:
            answers.append(refusal)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def held(portfolio):
    rows = Position.objects.filter(portfolio=portfolio).exclude(quantity=0)
    return {row.instrument.symbol: row.quantity for row in rows}


def test_one_file_is_booked_once_however_many_ask(portfolio):
    batch, by = check(portfolio, TEXT), actor()

    answers = at_once(*[lambda: import_booking.commit(batch_id=batch.pk, by=by)] * 4)

    assert [each.result["booked"] for each in answers] == [2] * 4
    assert held(portfolio) == {"SPY": 10, "NFLX": 3}
    assert LedgerEntry.objects.filter(portfolio=portfolio, kind="opening", leg=1).count() == 2


def test_two_checks_of_one_file_are_booked_once(portfolio):
    by, batches = actor(), [check(portfolio, TEXT) for _ in range(2)]

    answers = at_once(
        *[lambda each=each: import_booking.commit(batch_id=each.pk, by=by) for each in batches]
    )

    assert sorted(each.result["booked"] for each in answers) == [0, 2]
    assert held(portfolio) == {"SPY": 10, "NFLX": 3}


def test_a_file_is_taken_back_once(portfolio):
    batch, by = commit(check(portfolio, TEXT)), actor()

    at_once(*[lambda: import_undo.undo(batch_id=batch.pk, reason="wrong", by=by)] * 3)

    assert held(portfolio) == {}
    reversed_ = LedgerEntry.objects.filter(portfolio=portfolio, kind="reversal", leg=1)
    assert reversed_.count() == 2
    assert verification.verify(portfolio_id=portfolio.pk) == []


def test_a_row_mended_while_the_file_is_booked_is_booked_as_it_was_or_as_it_is(portfolio):
    batch, by = check(portfolio, TEXT), actor()

    answers = at_once(
        lambda: import_booking.commit(batch_id=batch.pk, by=by),
        lambda: import_edits.fix(batch_id=batch.pk, ordinal=2, cells={"quantity": "11"}),
    )

    refused = [each for each in answers if isinstance(each, Conflict)]
    assert held(portfolio)["SPY"] == (10 if refused else 11)
    assert Portfolio.objects.get(pk=portfolio.pk).ledger_seq == 3
