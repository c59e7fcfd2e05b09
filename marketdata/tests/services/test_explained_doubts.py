"""A price and the split that explains it, in either order: one series, and no doubt is left."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from etftrader.core.records import AuditEvent, OutboxEvent
from etftrader.testing import yahoo_server
from etftrader.testing.yahoo_server import YahooServer
from marketdata.events import prices_revised
from marketdata.models import DailyBar, Instrument, PriceSeries, QuarantinedPrice
from marketdata.selectors import calendar
from marketdata.services import action_guards, corporate_actions, price_gate, price_sync
from marketdata.services.price_import import Imported
from marketdata.tests import histories

pytestmark = pytest.mark.django_db
DAYS = calendar.between(date(2020, 6, 1), date(2020, 6, 30))
EVE, EX, AFTER = DAYS[15], DAYS[16], DAYS[17]
CLOSES = {day: 100.0 + (place * 7) % 5 for place, day in enumerate(DAYS)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "prices.csv"


def bring(path: Path, until: date, split: str = "") -> Imported:
    """A file of prices as traded, four new shares for one old at EX, which it tells or does not."""
    rows = [
        f"{day},SPY,{close * 4 if day < EX else close},1000,{split if day == EX else ''}"
        for day, close in CLOSES.items()
        if day <= until
    ]
    return histories.bring(path, "date,symbol,close,volume,split", rows, until)


def spy() -> Instrument:
    return Instrument.objects.get(symbol="SPY")


def apply(day: date) -> dict[str, Any]:
    return corporate_actions.apply_due(session_date=day)


def held() -> list[QuarantinedPrice]:
    return list(QuarantinedPrice.objects.filter(state="held").order_by("session_date"))


def assert_one_series(until: date) -> None:
    closes = dict(DailyBar.objects.values_list("session_date", "close"))
    wanted = {day: close for day, close in CLOSES.items() if day <= until}
    assert {day: float(close) for day, close in closes.items()} == pytest.approx(wanted, abs=1e-4)
    assert PriceSeries.objects.get().close.tolist() == pytest.approx(
        list(wanted.values()), abs=1e-4
    )


@pytest.mark.parametrize("told", ["by hand", "by the file"])
def test_a_price_accepted_before_its_split_is_known_is_divided_by_nothing(
    path: Path, told: str
) -> None:
    bring(path, EVE)
    bring(path, EX)
    [doubt] = held()
    price_gate.accept(doubt_id=doubt.pk, by=histories.BY)
    assert not held()

    if told == "by hand":
        histories.split(spy(), 4, EX, latest=EX)
    else:
        bring(path, AFTER, split="4")
    until = EX if told == "by hand" else AFTER
    assert apply(until)["counts"]["applied"] == 1
    assert_one_series(until)

    assert apply(AFTER)["items"] == []
    assert bring(path, until, split="4").written == 0
    assert_one_series(until)
    assert not held()


@pytest.mark.parametrize("told", ["by hand", "by the file"])
def test_prices_held_before_their_split_is_known_are_believed_with_it(
    path: Path, told: str
) -> None:
    bring(path, EVE)
    bring(path, AFTER)
    assert [each.session_date for each in held()] == [EX, AFTER]

    if told == "by hand":
        histories.split(spy(), 4, EX, latest=AFTER)
    else:
        bring(path, AFTER, split="4")
    assert apply(AFTER)["counts"] == {"applied": 1, "failed": 0}

    assert_one_series(AFTER)
    assert not held()
    notes = QuarantinedPrice.objects.values_list("state", "note")
    note = f"explained by the split of {EX}, 4.00 new for one old"
    assert list(notes) == [("accepted", note)] * 2
    assert AuditEvent.objects.filter(action="price.accepted").count() == 2
    [event] = OutboxEvent.objects.filter(name=prices_revised.name)
    assert event.payload == {"symbol": "SPY", "since": EX.isoformat()}

    assert apply(AFTER)["items"] == []
    assert bring(path, AFTER, split="4").written == 0
    assert OutboxEvent.objects.filter(name=prices_revised.name).count() == 1


def test_a_price_the_split_does_not_explain_stays_in_doubt(path: Path) -> None:
    bring(path, EVE)
    CLOSES_THEN = {EX: 31.0}
    rows = [f"{day},SPY,{close},1000," for day, close in CLOSES_THEN.items()]
    histories.bring(path, "date,symbol,close,volume,split", rows, EX)
    histories.split(spy(), 4, EX, latest=EX)

    [item] = apply(EX)["items"]

    assert (item["status"], item["reason"]["code"]) == ("skipped", "price_in_doubt")
    assert len(held()) == 1
    assert not DailyBar.objects.filter(session_date=EX).exists()


@pytest.mark.parametrize("accepted", [True, False])
def test_a_source_that_restates_its_history_comes_to_the_same(
    yahoo: YahooServer, accepted: bool
) -> None:
    Instrument.objects.create(symbol="SPY", name="SPY", kind="etf", price_basis="close")

    def sync(until: date, *, shares: float, splits: dict[date, int] | None = None) -> None:
        closes = {
            day: close * shares if day < EX else close
            for day, close in CLOSES.items()
            if day <= until
        }
        histories.retell(yahoo, yahoo_server.chart("SPY", closes, splits=splits))  # type: ignore[arg-type]
        price_sync.sync(session_date=until, datasets=["daily_bars"], again_from=DAYS[10])

    sync(EVE, shares=4)
    sync(EX, shares=4)
    [doubt] = held()
    if accepted:
        price_gate.accept(doubt_id=doubt.pk, by=histories.BY)

    sync(AFTER, shares=1, splits={EX: 4})

    assert_one_series(AFTER)
    assert not held()
    sync(AFTER, shares=1, splits={EX: 4})
    assert_one_series(AFTER)


def test_a_split_whose_doubts_it_explains_waits_for_nobody(path: Path) -> None:
    bring(path, EVE)
    bring(path, AFTER)
    histories.split(spy(), 4, EX, latest=AFTER)
    before = list(QuarantinedPrice.objects.order_by("pk").values())
    lines = AuditEvent.objects.count()

    assert action_guards.held(session_date=AFTER) == []

    # it is foreseen, and nothing is done
    assert list(QuarantinedPrice.objects.order_by("pk").values()) == before
    assert (AuditEvent.objects.count(), DailyBar.objects.count()) == (lines, DAYS.index(EX))
    assert apply(AFTER)["counts"] == {"applied": 1, "failed": 0}


def test_a_split_that_does_not_explain_its_doubt_waits_for_a_person(path: Path) -> None:
    bring(path, EVE)
    bring(path, AFTER)
    histories.split(spy(), 20, EX, latest=AFTER)

    [(action, problem)] = action_guards.held(session_date=AFTER)

    assert (action.ex_date, problem.code) == (EX, "price_in_doubt")
    assert apply(AFTER)["counts"]["held"] == 1


def test_what_is_foreseen_stands_before_what_came_after_it(path: Path) -> None:
    bring(path, EVE)
    bring(path, EX)
    fund = spy()
    # believed before anybody knew of the split
    DailyBar.objects.create(
        instrument=fund, session_date=AFTER, source="csv", close=404, price_basis="close"
    )
    histories.split(fund, 4, EX, latest=AFTER)

    assert action_guards.held(session_date=AFTER) == []
    assert apply(AFTER)["counts"] == {"applied": 1, "failed": 0}
