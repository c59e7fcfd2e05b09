"""A split that never was, applied before its prices came: the opposite one takes it back."""

from datetime import date
from pathlib import Path

import pytest

from etftrader.core.records import AuditEvent
from marketdata.models import CorporateAction, DailyBar, Instrument, QuarantinedPrice
from marketdata.providers.base import DividendRow
from marketdata.selectors import calendar, prices
from marketdata.services import corporate_actions, price_gate, stored_dividends
from marketdata.services.price_import import Imported
from marketdata.tests import histories

pytestmark = pytest.mark.django_db
DAYS = calendar.between(date(2020, 6, 1), date(2020, 6, 30))
EVE, EX, AFTER, BACK = DAYS[15], DAYS[16], DAYS[17], DAYS[18]
CLOSES = {day: 100.0 + (place * 7) % 5 for place, day in enumerate(DAYS)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "prices.csv"


def bring(path: Path, until: date, shares: float = 1.0) -> Imported:
    """Prices as traded; between EX and BACK of as many shares."""
    rows = [
        f"{day},SPY,{close / shares if EX <= day < BACK else close}"
        for day, close in CLOSES.items()
        if day <= until
    ]
    return histories.bring(path, "date,symbol,close", rows, until)


def stored() -> dict[date, float]:
    rows = DailyBar.objects.values_list("session_date", "close")
    return {day: float(close) for day, close in rows}


def expected(until: date) -> dict[date, float]:
    return pytest.approx({day: close for day, close in CLOSES.items() if day <= until}, abs=2e-4)


@pytest.fixture
def spy(path: Path) -> Instrument:
    """Four for one entered by a slip and applied in the morning; the prices never moved."""
    bring(path, EVE)
    fund = Instrument.objects.get(symbol="SPY")
    histories.split(fund, 4, EX, latest=EVE)
    assert corporate_actions.apply_due(session_date=EX)["counts"]["applied"] == 1
    assert bring(path, AFTER).held == 2
    return fund


@pytest.mark.parametrize("accepted", [True, False])
def test_the_opposite_split_needs_no_price_corrected(
    spy: Instrument, path: Path, accepted: bool
) -> None:
    if accepted:
        first = QuarantinedPrice.objects.filter(state="held").order_by("session_date")[0]
        price_gate.accept(doubt_id=first.pk, by=histories.BY)
        assert not QuarantinedPrice.objects.filter(state="held").exists()
    made = histories.split(spy, "0.25", BACK, latest=AFTER)
    bring(path, BACK)

    done = corporate_actions.apply_due(session_date=BACK)

    assert done["counts"] == {"applied": 1, "failed": 0}
    assert done["changed"] == {"SPY": EX}
    assert stored() == expected(BACK)
    assert not QuarantinedPrice.objects.filter(state="held").exists()
    line = AuditEvent.objects.get(action="corporate_action.applied", object_id=str(made.pk))
    assert line.after is not None
    assert line.after["since"] == EX.isoformat()

    # the same file again changes nothing, in the window either
    again = bring(path, BACK)
    assert (again.written, again.held) == (0, 0)
    assert corporate_actions.apply_due(session_date=BACK)["items"] == []
    assert stored() == expected(BACK)

    # books held four times the shares in between: their price is a quarter
    seen = {
        day: prices.marks(instruments=[spy], session_date=day)[spy.pk].price
        for day in (EVE, EX, BACK)
    }
    assert [float(seen[day] or 0) for day in seen] == pytest.approx(
        [CLOSES[EVE], CLOSES[EX] / 4, CLOSES[BACK]], abs=2e-4
    )


def test_before_its_first_price_the_opposite_split_is_applied_too(
    spy: Instrument, path: Path
) -> None:
    histories.split(spy, "0.25", BACK, latest=AFTER)

    assert corporate_actions.apply_due(session_date=BACK)["counts"]["applied"] == 1
    bring(path, BACK)

    assert stored() == expected(BACK)
    assert not QuarantinedPrice.objects.filter(state="held").exists()


def test_a_split_the_prices_showed_and_a_later_one_the_other_way_are_two(path: Path) -> None:
    bring(path, EVE)
    fund = Instrument.objects.get(symbol="SPY")
    histories.split(fund, 4, EX, latest=EVE)
    corporate_actions.apply_due(session_date=EX)
    assert bring(path, AFTER, shares=4).held == 0
    made = histories.split(fund, "0.25", BACK, latest=AFTER)
    assert bring(path, BACK, shares=4).held == 0

    assert corporate_actions.apply_due(session_date=BACK)["changed"] == {"SPY": BACK}

    line = AuditEvent.objects.get(action="corporate_action.applied", object_id=str(made.pk))
    assert line.after is not None
    assert "undoes" not in line.after
    assert stored() == expected(BACK)
    assert bring(path, BACK, shares=4).written == 0


def test_an_opposite_split_that_takes_nothing_back_is_held(path: Path) -> None:
    bring(path, AFTER)
    fund = Instrument.objects.get(symbol="SPY")
    histories.split(fund, "0.25", AFTER, latest=AFTER)

    [item] = corporate_actions.apply_due(session_date=AFTER)["items"]

    assert (item["status"], item["reason"]["code"]) == ("skipped", "price_contradicts")
    assert stored() == expected(AFTER)


@pytest.mark.parametrize("source", ["csv", "yfinance"])
def test_a_dividend_between_the_two_is_of_the_shares_that_prices_are_in(
    spy: Instrument, path: Path, source: str
) -> None:
    histories.split(spy, "0.25", BACK, latest=AFTER)
    bring(path, BACK)
    corporate_actions.apply_due(session_date=BACK)

    # who restates old dividends knows nothing of a split that never was
    rows = [DividendRow("SPY", AFTER, 1.0, "USD", "cash", source)]
    corporate_actions.record(rows=rows, session_date=BACK)
    assert corporate_actions.apply_due(session_date=BACK)["counts"]["applied"] == 1

    assert CorporateAction.objects.get(kind="dividend").amount == 1
    paid = stored_dividends.applied([spy], since=EVE)
    assert paid == {spy.pk: [stored_dividends.Paid(AFTER, 1.0)]}
