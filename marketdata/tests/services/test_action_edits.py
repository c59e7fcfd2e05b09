"""Corporate actions by hand: entered and rejected once, each field checked, nothing undone."""

import threading
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from etftrader.core import audit
from etftrader.core.actor import system
from etftrader.core.errors import BadInput, Conflict, NotFound
from etftrader.core.records import AuditEvent
from marketdata.models import CorporateAction, DailyBar, Instrument, OptionContract
from marketdata.providers.base import DividendRow, SplitRow
from marketdata.selectors import instruments
from marketdata.services import action_edits, corporate_actions
from marketdata.services.action_edits import Wish

pytestmark = pytest.mark.django_db
EVE, EX, LATER = date(2020, 8, 28), date(2020, 8, 31), date(2020, 9, 1)
SUNDAY, LATEST = date(2020, 8, 30), date(2020, 8, 28)
BY = system("test")


def make(symbol: str = "AAPL", **fields: Any) -> Instrument:
    values = {"name": symbol, "kind": "stock", "price_basis": "close"} | fields
    return Instrument.objects.create(symbol=symbol, **values)


@pytest.fixture
def apple() -> Instrument:
    found = make()
    DailyBar.objects.create(
        instrument=found, session_date=EVE, source="csv", close=Decimal("499.23"),
        price_basis="close",
    )  # fmt: skip
    return found


def enter(instrument: Instrument, kind: str = "split", **how: Any) -> CorporateAction:
    given: dict[str, Any] = {"ex_date": EX} | how
    reason = given.pop("reason", "")
    wish = Wish(instrument=instrument, kind=kind, **given)
    return action_edits.enter(wish=wish, latest=LATEST, reason=reason, by=BY)


def lines(word: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=f"corporate_action.{word}"))


def test_what_a_person_enters_is_announced_with_its_line_and_applied_once(
    apple: Instrument,
) -> None:
    made = enter(apple, ratio=Decimal(4), reason="press release")

    assert (made.status, made.source, made.ratio) == ("pending", "manual", 4)
    [line] = lines("entered")
    assert (line.object_id, line.reason) == (str(made.pk), "press release")
    assert line.after is not None
    assert line.after["ratio"] == "4.00"
    assert corporate_actions.apply_due(session_date=EX)["counts"] == {"applied": 1, "failed": 0}
    assert DailyBar.objects.get().close == Decimal("124.8075")
    assert corporate_actions.apply_due(session_date=LATER)["items"] == []


@pytest.mark.parametrize(
    ("how", "attr"),
    [
        ({"kind": "merger", "ratio": Decimal(4)}, "kind"),
        ({}, "ratio"),
        ({"ratio": Decimal(0)}, "ratio"),
        ({"ratio": Decimal(-2)}, "ratio"),
        ({"ratio": Decimal(1)}, "ratio"),
        ({"ratio": Decimal("NaN")}, "ratio"),
        ({"ratio": Decimal("0.00000001")}, "ratio"),
        ({"ratio": Decimal(4), "amount": Decimal(1)}, "amount"),
        ({"ratio": Decimal(4), "pay_date": LATER}, "pay_date"),
        ({"ratio": Decimal(4), "ex_date": SUNDAY}, "ex_date"),
        ({"ratio": Decimal(4), "ex_date": date(1999, 1, 4)}, "ex_date"),
        ({"ratio": Decimal(4), "ex_date": date(2022, 1, 4)}, "ex_date"),
        ({"kind": "dividend"}, "amount"),
        ({"kind": "dividend", "amount": Decimal(0)}, "amount"),
        ({"kind": "dividend", "amount": Decimal("499.23")}, "amount"),
        ({"kind": "dividend", "amount": Decimal(1), "ratio": Decimal(2)}, "ratio"),
        ({"kind": "dividend", "amount": Decimal(1), "pay_date": EVE}, "pay_date"),
        ({"kind": "dividend", "amount": Decimal(1), "new_symbol": "PEAR"}, "new_symbol"),
        ({"kind": "symbol_change"}, "new_symbol"),
        ({"kind": "symbol_change", "new_symbol": "aapl"}, "new_symbol"),
        ({"kind": "symbol_change", "new_symbol": "P EAR"}, "new_symbol"),
        ({"kind": "symbol_change", "new_symbol": "AAPL201016C00100000"}, "new_symbol"),
    ],
)
def test_a_figure_that_cannot_be_is_refused_by_its_name(
    apple: Instrument, how: dict[str, Any], attr: str
) -> None:
    with pytest.raises(BadInput) as refused:
        enter(apple, **how)

    assert refused.value.figures["attr"] == attr
    assert not CorporateAction.objects.exists()
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("kind", ["option", "bond", "index", "private_fund"])
def test_only_funds_and_stocks_have_splits(kind: str) -> None:
    with pytest.raises(BadInput) as refused:
        enter(make("OTHER", kind=kind), ratio=Decimal(2))
    assert refused.value.figures["attr"] == "symbol"


def test_a_dividend_is_measured_in_the_shares_of_its_own_day(apple: Instrument) -> None:
    enter(apple, ratio=Decimal(4))
    corporate_actions.apply_due(session_date=EX)

    # 499.23 before the split, of which 124.81 is stored
    made = enter(apple, "dividend", ex_date=date(2020, 8, 31), amount=Decimal(100))
    assert made.amount == 100
    with pytest.raises(BadInput):
        enter(apple, "dividend", ex_date=LATER, amount=Decimal(130))


def test_what_a_source_announced_is_corrected_by_hand_and_stays_so(apple: Instrument) -> None:
    told = SplitRow("AAPL", EX, 5.0, "csv")
    corporate_actions.record(rows=[told], session_date=EVE)

    made = enter(apple, ratio=Decimal(4))
    said = corporate_actions.record(rows=[told], session_date=EX)

    assert (made.ratio, made.source, made.version) == (4, "manual", 2)
    assert lines("entered")[0].before == {"status": "pending", "source": "csv", "ratio": "5.00"}
    assert said["counts"] == {"recorded": 0, "corrected": 0, "known": 0}
    [warning] = said["warnings"]
    assert (warning["code"], "by hand" in warning["detail"]) == ("action_differs", True)
    assert CorporateAction.objects.get().ratio == 4
    with pytest.raises(Conflict, match="announced already"):
        enter(apple, ratio=Decimal(4))


def test_a_rejected_action_stays_so_until_a_person_says_otherwise(apple: Instrument) -> None:
    told = DividendRow("AAPL", EX, 0.82, "USD", "cash", "csv")
    corporate_actions.record(rows=[told], session_date=EVE)
    action = CorporateAction.objects.get()

    for _ in range(2):
        gone = action_edits.reject(action_id=action.pk, reason="no such payout", by=BY)
    assert (gone.status, gone.version) == ("rejected", 2)
    [line] = lines("rejected")
    assert (line.reason, line.before) == ("no such payout", {"status": "pending"})
    assert corporate_actions.record(rows=[told], session_date=EX)["counts"]["known"] == 1
    assert corporate_actions.apply_due(session_date=EX)["items"] == []

    again = enter(apple, "dividend", amount=Decimal("0.82"))
    assert (again.pk, again.status) == (action.pk, "pending")
    assert corporate_actions.apply_due(session_date=EX)["counts"]["applied"] == 1


@pytest.mark.parametrize(
    ("kind", "how", "way"),
    [
        ("split", {"ratio": Decimal(4)}, "opposite split, 0.25 new for one old"),
        ("dividend", {"amount": Decimal(1)}, "deposit or a withdrawal"),
        ("symbol_change", {"new_symbol": "PEAR"}, "change back"),
    ],
)
def test_what_was_applied_is_not_undone_and_the_way_out_is_told(
    apple: Instrument, kind: str, how: dict[str, Any], way: str
) -> None:
    made = enter(apple, kind, **how)
    corporate_actions.apply_due(session_date=EX)

    with pytest.raises(Conflict, match=way) as refused:
        action_edits.reject(action_id=made.pk, reason="wrong", by=BY)
    assert refused.value.code == "action_applied"
    made.refresh_from_db()
    assert made.status == "applied"
    if kind != "symbol_change":
        with pytest.raises(Conflict, match=way):
            enter(apple, kind, **{name: value * 2 for name, value in how.items()})


def test_a_reason_is_asked_for_and_what_is_not_there_is_not_found() -> None:
    with pytest.raises(BadInput):
        action_edits.reject(action_id=make().pk, reason="  ", by=BY)
    with pytest.raises(NotFound):
        action_edits.reject(action_id=make("B").pk, reason="wrong", by=BY)


def test_a_dividend_and_a_gain_of_a_fund_on_one_day_are_one_payout(apple: Instrument) -> None:
    paid = [
        DividendRow("AAPL", EX, 0.5, "USD", "cash", "yfinance"),
        DividendRow("AAPL", EX, 0.25, "USD", "capital_gain", "yfinance"),
    ]
    corporate_actions.record(rows=paid, session_date=EX)

    assert CorporateAction.objects.get().amount == Decimal("0.75")
    assert corporate_actions.record(rows=paid, session_date=EX)["counts"]["known"] == 1


# --- new symbols --------------------------------------------------------------------------------


def test_a_taken_symbol_is_refused_when_it_is_entered(apple: Instrument) -> None:
    make("PEAR")
    with pytest.raises(Conflict) as refused:
        enter(apple, "symbol_change", new_symbol="pear")
    assert (refused.value.code, refused.value.figures["attr"]) == ("symbol_taken", "new_symbol")


def test_options_follow_their_underlyings_new_symbol(apple: Instrument) -> None:
    def option(symbol: str, root: str, expiry: date) -> OptionContract:
        return OptionContract.objects.create(
            instrument=make(symbol, kind="option"), underlying=apple, root=root,
            expiry=expiry, strike=100, right="call",
        )  # fmt: skip

    mine = option("AAPL201016C00100000", "AAPL", date(2020, 10, 16))
    adjusted = option("AAPL1201016C00100000", "AAPL1", date(2020, 10, 16))
    gone = option("AAPL200821C00100000", "AAPL", date(2020, 8, 21))
    enter(apple, "symbol_change", new_symbol="PEAR")

    corporate_actions.apply_due(session_date=EX)

    for each in (mine, adjusted, gone):
        each.refresh_from_db()
    assert (mine.root, mine.instrument.symbol) == ("PEAR", "PEAR201016C00100000")
    assert (adjusted.root, gone.root) == ("AAPL1", "AAPL")
    found = instruments.by_symbols(["AAPL", "AAPL201016C00100000"])
    assert found["AAPL"] == apple
    assert found["AAPL201016C00100000"] == mine.instrument


# --- at once ------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_two_who_enter_the_same_action_at_once_one_does() -> None:
    apple = make()
    gate = threading.Barrier(2)
    answers: list[Any] = []

    def ask() -> None:
        gate.wait()
        try:
            answers.append(enter(apple, ratio=Decimal(4)).pk)
        except Conflict as refusal:
            answers.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    row = CorporateAction.objects.get()
    assert row.pk in answers
    assert {"action_known", "action_moved"} & set(answers)
    assert len(lines("entered")) == 1
    assert audit.verify() == []
