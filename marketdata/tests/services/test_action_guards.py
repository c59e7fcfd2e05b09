"""Splits that prices deny, and splits told twice: neither is applied to prices and books."""

import threading
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from etftrader.core.actor import system
from etftrader.core.errors import Conflict
from etftrader.core.records import AuditEvent
from marketdata.models import CorporateAction, DailyBar, Instrument
from marketdata.providers.base import SplitRow
from marketdata.services import action_edits, corporate_actions
from marketdata.tests import histories

pytestmark = pytest.mark.django_db
EVE, EX, NEXT, LATER = (date(2020, *each) for each in ((8, 28), (8, 31), (9, 1), (9, 9)))
BY = system("test")


@pytest.fixture
def spy() -> Instrument:
    return Instrument.objects.create(symbol="SPY", name="SPY", kind="etf", price_basis="close")


def store(instrument: Instrument, closes: dict[date, float], source: str = "csv") -> None:
    for day, close in closes.items():
        DailyBar.objects.create(
            instrument=instrument, session_date=day, source=source,
            close=Decimal(str(close)), price_basis="close",
        )  # fmt: skip


def enter(instrument: Instrument, ratio: Any = 4, ex_date: date = EX) -> CorporateAction:
    return histories.split(instrument, ratio, ex_date, latest=EVE)


def tell(source: str, ratio: float = 4.0, ex_date: date = EX) -> dict[str, Any]:
    row = SplitRow("SPY", ex_date, ratio, source)
    return corporate_actions.record(rows=[row], session_date=LATER)


def closes() -> list[Decimal]:
    rows = DailyBar.objects.order_by("session_date", "source")
    return list(rows.values_list("close", flat=True))


# --- prices that deny it ------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["csv", "bundled", "yfinance"])
@pytest.mark.parametrize("ratio", ["4", "1.25", "0.1"])
def test_a_split_by_hand_that_no_price_shows_waits_until_it_is_rejected(
    spy: Instrument, source: str, ratio: str
) -> None:
    store(spy, {EVE: 100, EX: 100, NEXT: 101}, source)
    made = enter(spy, ratio)

    for _ in range(2):
        done = corporate_actions.apply_due(session_date=LATER)
        [item] = done["items"]
        assert (item["status"], item["reason"]["code"]) == ("skipped", "price_contradicts")
        assert done["counts"] == {"applied": 0, "failed": 0, "held": 1}
        assert [each["code"] for each in done["warnings"]] == ["action_held"]
    for words in ("2020-08-28, 100.00", "2020-08-31, 100.00", "Reject the split", "correct"):
        assert words in item["reason"]["detail"]

    made.refresh_from_db()
    assert (made.status, closes()) == ("pending", [100, 100, 101])
    action_edits.reject(action_id=made.pk, reason="a slip", by=BY)
    assert corporate_actions.apply_due(session_date=LATER)["items"] == []


def test_it_is_applied_once_the_prices_show_it(spy: Instrument) -> None:
    store(spy, {EVE: 400, EX: 400})
    enter(spy)
    assert corporate_actions.apply_due(session_date=EX)["counts"]["held"] == 1

    DailyBar.objects.filter(session_date=EX).update(close=101)

    assert corporate_actions.apply_due(session_date=EX)["counts"]["applied"] == 1
    assert closes() == [100, 101]


def test_a_file_of_prices_as_traded_is_held_to_what_it_says(spy: Instrument) -> None:
    store(spy, {EVE: 100, EX: 100})
    tell("csv")

    [item] = corporate_actions.apply_due(session_date=EX)["items"]

    assert item["reason"]["code"] == "price_contradicts"


def test_who_restates_its_history_and_tells_the_split_has_no_step(spy: Instrument) -> None:
    store(spy, {EVE: 100, EX: 100}, "yfinance")
    tell("yfinance")

    assert corporate_actions.apply_due(session_date=EX)["counts"] == {"applied": 1, "failed": 0}
    assert closes() == [100, 100]


@pytest.mark.parametrize(
    ("ratio", "prices"),
    [
        ("4", {EVE: 400, EX: 101}),
        ("4", {EVE: 400, EX: 140}),  # up by two fifths
        ("0.1", {EVE: 10, EX: 98}),
        ("1.054", {EVE: 37, EX: 37}),  # a spin-off: the price made up for it
        ("4", {EVE: 400}),
        ("4", {EX: 100}),
        ("4", {date(2020, 6, 1): 100, EX: 100}),  # what was long ago says nothing
    ],
)
def test_what_prices_show_or_cannot_deny_is_applied(
    spy: Instrument, ratio: str, prices: dict[date, float]
) -> None:
    store(spy, prices)
    enter(spy, ratio)

    assert corporate_actions.apply_due(session_date=EX)["counts"] == {"applied": 1, "failed": 0}


def test_a_day_with_two_sources_denies_it_only_where_neither_has_a_step(spy: Instrument) -> None:
    store(spy, {EVE: 400, EX: 101})
    store(spy, {EVE: 100, EX: 101}, "yfinance")
    enter(spy)

    assert corporate_actions.apply_due(session_date=EX)["counts"]["applied"] == 1
    assert closes() == [100, 100, 101, 101]


# --- told twice ---------------------------------------------------------------------------------


@pytest.mark.parametrize("applied", [False, True])
def test_a_split_by_hand_beside_another_is_taken_to_be_the_same(
    spy: Instrument, applied: bool
) -> None:
    tell("yfinance", ex_date=NEXT)
    if applied:
        corporate_actions.apply_due(session_date=NEXT)

    with pytest.raises(Conflict) as refused:
        enter(spy)

    assert (refused.value.code, refused.value.figures["attr"]) == ("action_near", "ex_date")
    way = "Enter the opposite split, 0.25 new for one old" if applied else "Reject that one first"
    assert "2020-09-01, 4.00 new for one old" in refused.value.detail
    assert way in refused.value.detail
    assert CorporateAction.objects.get().ex_date == NEXT


@pytest.mark.parametrize("applied", [False, True])
def test_what_a_source_tells_beside_a_split_by_hand_is_a_warning(
    spy: Instrument, applied: bool
) -> None:
    enter(spy)
    if applied:
        corporate_actions.apply_due(session_date=EX)

    said = tell("yfinance", ex_date=NEXT)

    assert said["counts"] == {"recorded": 0, "corrected": 0, "known": 0}
    [warning] = said["warnings"]
    assert (warning["code"], warning["ex_date"]) == ("action_differs", "2020-09-01")
    assert "told by manual for 2020-08-31" in warning["detail"]
    assert CorporateAction.objects.count() == 1
    assert corporate_actions.apply_due(session_date=LATER)["counts"]["applied"] == (not applied)


def test_one_answer_may_tell_two_splits_of_a_week_and_a_rejected_one_is_no_split(
    spy: Instrument,
) -> None:
    rows = [SplitRow("SPY", EX, 2.0, "csv"), SplitRow("SPY", NEXT, 4.0, "csv")]
    for words in ("recorded", "known"):
        assert corporate_actions.record(rows=rows, session_date=LATER)["counts"][words] == 2
    for each in CorporateAction.objects.all():
        action_edits.reject(action_id=each.pk, reason="a rumour", by=BY)

    made = enter(spy, 4, date(2020, 9, 2))

    assert made.status == "pending"


def test_a_source_that_moves_its_split_by_a_day_moves_it_while_it_is_pending(
    spy: Instrument,
) -> None:
    tell("yfinance")

    assert tell("yfinance", ex_date=NEXT)["counts"]["corrected"] == 1

    action = CorporateAction.objects.get()
    assert (action.ex_date, action.status) == (NEXT, "pending")
    line = AuditEvent.objects.get(action="corporate_action.corrected")
    assert line.after["ex_date"] == NEXT.isoformat()


def test_a_source_that_moves_an_applied_split_multiplies_nothing_twice(spy: Instrument) -> None:
    store(spy, {EVE: 400, EX: 101})
    tell("yfinance")
    assert corporate_actions.apply_due(session_date=EX)["counts"]["applied"] == 1

    [warning] = tell("yfinance", ex_date=NEXT)["warnings"]

    assert "taken to be the same" in warning["detail"]
    assert corporate_actions.apply_due(session_date=LATER)["counts"]["applied"] == 0
    assert closes() == [100, 101]


@pytest.mark.parametrize("source", ["csv", "yfinance"])
def test_a_rejected_split_does_not_come_back_under_another_day(
    spy: Instrument, source: str
) -> None:
    tell("yfinance")
    action_edits.reject(action_id=CorporateAction.objects.get().pk, reason="a rumour", by=BY)

    [warning] = tell(source, ex_date=NEXT)["warnings"]

    assert "rejected with 4.00, told by yfinance for 2020-08-31" in warning["detail"]
    assert CorporateAction.objects.count() == 1
    assert tell(source, 3.0, NEXT)["counts"]["recorded"] == 1


@pytest.mark.parametrize(("ratio", "day"), [("0.25", NEXT), ("4", LATER)])
def test_the_other_way_round_or_a_week_later_is_another_split(
    spy: Instrument, ratio: str, day: date
) -> None:
    enter(spy)
    corporate_actions.apply_due(session_date=EX)

    assert enter(spy, ratio, day).status == "pending"
    assert tell("csv", float(ratio), day)["counts"]["known"] == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_who_enter_it_on_two_days_at_once_one_does() -> None:
    fund = Instrument.objects.create(symbol="SPY", name="SPY", kind="etf", price_basis="close")
    gate = threading.Barrier(2)
    answers: list[str] = []

    def ask(day: date) -> None:
        gate.wait()
        try:
            answers.append(enter(fund, ex_date=day).status)
        except Conflict as refusal:
            answers.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=[day]) for day in (EX, NEXT)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sorted(answers) == ["action_near", "pending"]
    assert CorporateAction.objects.count() == 1
