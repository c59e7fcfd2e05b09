"""Actions applied, rejected and recorded at once: nobody waits for one who waits for him."""

import threading
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from etftrader.core import audit
from etftrader.core.actor import system
from marketdata.models import CorporateAction, DailyBar, Instrument, QuarantinedPrice
from marketdata.providers.base import SplitRow
from marketdata.services import corporate_actions
from marketdata.tests import histories

pytestmark = pytest.mark.django_db(transaction=True)
EVE, EX, NEXT = date(2020, 8, 28), date(2020, 8, 31), date(2020, 9, 1)
SHORT_S = 0.5  # what runs unhindered ends within it; what waits does not
BY = system("tests")


@pytest.fixture
def funds() -> list[Instrument]:
    """Two funds at 400, in the order in which what they are locked by is taken."""
    made = [
        Instrument.objects.create(symbol=name, name=name, kind="etf", price_basis="close")
        for name in ("SPY", "TLT")
    ]
    for each in made:
        DailyBar.objects.create(
            instrument=each, session_date=EVE, source="csv", close=400, price_basis="close"
        )
    return sorted(made, key=lambda each: str(each.pk))


class Beside(threading.Thread):
    """Something done on a connection of its own; what it raised is kept."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__()
        self.act, self.told, self.trouble = act, None, ""  # type: Any
        self.start()

    def run(self) -> None:
        try:
            self.told = self.act()
        except DatabaseError as error:
            self.trouble = str(error)
        finally:
            connection.close()


def hurried() -> None:
    """On this connection nobody waits long for a lock."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA busy_timeout = 100")
        else:
            cursor.execute("SET lock_timeout = '100ms'")


def items(told: dict[str, Any]) -> dict[str, str]:
    return {each["item"].split()[0]: each["status"] for each in told["items"]}


def test_a_split_rejected_while_its_prices_are_believed_is_not_applied(
    funds: list[Instrument],
) -> None:
    fund = funds[0]
    QuarantinedPrice.objects.create(
        instrument=fund, symbol=fund.symbol, dataset="daily_bars", session_date=EX, source="csv",
        price_basis="close", raw={"close": "101.0"}, value="101.0", reason="split_without_action",
    )  # fmt: skip
    action = histories.split(fund, 4, EX, latest=EVE)

    with transaction.atomic():
        # as `action_edits.reject` does: the row, and then its line
        CorporateAction.objects.filter(pk=action.pk).update(status="rejected")
        applying = Beside(lambda: corporate_actions.apply_due(session_date=EX))
        applying.join(SHORT_S)
        audit.record(by=BY, action="tests.line", object_type="test", object_id="1")
    applying.join(60)

    assert applying.trouble == ""
    assert applying.told["items"] == []
    action.refresh_from_db()
    assert action.status == "rejected"
    assert QuarantinedPrice.objects.get().state == "held"


def test_an_action_whose_row_is_held_fails_and_the_others_are_applied(
    funds: list[Instrument],
) -> None:
    for each in funds:
        CorporateAction.objects.create(
            instrument=each, kind="dividend", ex_date=EX, amount=Decimal(1), source="csv"
        )
    held = CorporateAction.objects.get(instrument=funds[0])

    def apply() -> dict[str, Any]:
        hurried()
        return corporate_actions.apply_due(session_date=EX)

    with transaction.atomic():
        CorporateAction.objects.filter(pk=held.pk).update(source="manual")
        applying = Beside(apply)
        applying.join(60)

    assert applying.trouble == ""
    found = items(applying.told)
    assert found.pop(funds[0].symbol) == "failed"
    [reason] = [each["reason"] for each in applying.told["items"] if "reason" in each][:1]
    assert reason["code"] == "database_busy"
    # SQLite has one writer at a time, whatever it writes
    other = "failed" if connection.vendor == "sqlite" else "ok"
    assert found == {funds[1].symbol: other}

    assert set(items(corporate_actions.apply_due(session_date=EX)).values()) == {"ok"}
    assert set(CorporateAction.objects.values_list("status", flat=True)) == {"applied"}


def test_splits_of_two_names_are_claimed_before_the_first_line_is_written(
    funds: list[Instrument],
) -> None:
    known, new = (each.symbol for each in funds)
    corporate_actions.record(rows=[SplitRow(known, EX, 2.0, "csv")], session_date=EX)
    rows = [SplitRow(known, EX, 4.0, "csv"), SplitRow(new, EX, 4.0, "csv")]

    @transaction.atomic
    def correct() -> dict[str, Any]:
        return corporate_actions.record(rows=rows, session_date=EX)

    with transaction.atomic():
        # as who enters a split of the second one
        audit.serialise(f"splits:{funds[1].pk}")
        correcting = Beside(correct)
        correcting.join(SHORT_S)
        audit.record(by=BY, action="tests.line", object_type="test", object_id="1")
    correcting.join(60)

    assert correcting.trouble == ""
    assert correcting.told["counts"] == {"recorded": 1, "corrected": 1, "known": 0}
