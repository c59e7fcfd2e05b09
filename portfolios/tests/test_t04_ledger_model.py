"""T-04: any sequence of bookings, against a model that counts in whole millionths.

Seeded faults it must catch: a reversal that undoes the cash and forgets the basis, a flip that
realises what it opens, a corporate action booked twice, a transfer at the wrong basis.
"""

import os
import sys

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from portfolios.tests.factories import MONDAY, make_closes, make_instrument, make_user
from portfolios.tests.ledger_machine import DAYS, SYMBOLS, Books, Tally
from portfolios.tests.ledger_model import PRICE

pytestmark = pytest.mark.django_db
STEPS = 30
COMMON = dict(
    deadline=None,
    stateful_step_count=STEPS,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)


@pytest.fixture
def machine() -> type[Books]:
    """The machine on a small market; what it did is printed with its speed."""
    make_user()
    Books.funds = {symbol: make_instrument(symbol) for symbol in SYMBOLS}
    before = DAYS[0].replace(day=17)
    for symbol, close in SYMBOLS.items():
        days = dict.fromkeys([before, *DAYS], close / PRICE)
        make_closes(Books.funds[symbol], days)
    Books.tally = Tally()
    assert before < MONDAY
    return Books


def told() -> None:
    did = Books.tally
    rate = did.steps / did.seconds
    sys.stdout.write(f"\nT-04: {did.steps} steps, {did.booked} booked, {rate:.0f} a second\n")


def test_300_examples_of_30_steps_agree_with_the_model(machine: type[Books]) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=300, **COMMON))
    told()


@pytest.mark.f
def test_120000_steps_agree_with_the_model(machine: type[Books]) -> None:
    number = int(os.environ.get("T04_STEPS", "120000")) // STEPS
    run_state_machine_as_test(machine, settings=settings(max_examples=number, **COMMON))
    told()


def test_what_followed_a_transfer_has_one_name_and_is_not_taken_back(machine: type[Books]) -> None:
    books = machine()
    books.make(shorts=(False, False), whole=False, money=(1_000_000, 1_000_000))
    books.fill(side=0, symbol="AAA", units=1_000, price=5_000, fee=0)
    books.tomorrow()
    books.transfer_holding(side=0, symbol="AAA", share=2, price=5_000)
    books.split(symbol="AAA", ratio="2")
    books.agree()

    for side in (0, 1):
        rows = [r for r in books.models[side].rows if not r.gone and r.kind != "reversal"]
        [place] = [n for n, row in enumerate(rows) if ":follows:" in row.source]
        books.reverse(side=side, choice=place)
        books.agree()
    books.teardown()
