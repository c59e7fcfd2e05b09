"""Dividends their source leaves out, or tells too late, in the adjusted closes: once, and all."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from etftrader.testing import yahoo_server
from etftrader.testing.yahoo_server import YahooServer
from marketdata.calculations.adjusted import lacking
from marketdata.models import CorporateAction, DailyBar, Instrument, PriceSeries
from marketdata.selectors import calendar
from marketdata.services import action_edits, corporate_actions, price_sync
from marketdata.services.action_edits import Wish
from marketdata.tests import histories

DAYS = calendar.between(date(2020, 6, 1), date(2020, 7, 31))
EX, NOW, NEXT = DAYS[10], DAYS[36], DAYS[37]  # told 26 sessions late
PAID = 1.25
CLOSES = {day: 100.0 + (place * 7) % 5 + 0.13 * place for place, day in enumerate(DAYS)}


@pytest.fixture
def spy(db: None) -> Instrument:
    return Instrument.objects.create(symbol="SPY", name="SPY", kind="etf", price_basis="close")


def tell(yahoo: YahooServer, until: date, dividends: dict[date, float] | None = None) -> None:
    closes = {day: close for day, close in CLOSES.items() if day <= until}
    histories.retell(yahoo, yahoo_server.chart("SPY", closes, dividends=dividends))  # type: ignore[arg-type]


def sync(until: date, **how: Any) -> None:
    price_sync.sync(session_date=until, datasets=["daily_bars"], **how)


def enter(fund: Instrument, ex_date: date = EX, amount: str = "1.25") -> CorporateAction:
    wish = Wish(instrument=fund, kind="dividend", ex_date=ex_date, amount=Decimal(amount))
    return action_edits.enter(wish=wish, latest=NOW, by=histories.BY)


def assert_paid(until: date, dividends: dict[date, float]) -> None:
    closes: dict[date, float | None] = {day: close for day, close in CLOSES.items() if day <= until}
    wanted = yahoo_server.adjusted(closes, dividends)
    rows = DailyBar.objects.order_by("session_date").values_list("adj_close", flat=True)
    assert [float(each or 0) for each in rows] == pytest.approx(wanted, abs=3e-4)
    series = PriceSeries.objects.get().total_return.tolist()
    assert series == pytest.approx(wanted, abs=3e-4)


def test_a_dividend_that_is_told_late_by_hand_is_in_all_that_lies_before_it(
    yahoo: YahooServer, spy: Instrument
) -> None:
    tell(yahoo, NOW)
    sync(NOW)
    enter(spy)

    done = corporate_actions.apply_due(session_date=NOW)

    assert done["items"][0]["adjusted"] == 10
    assert_paid(NOW, {EX: PAID})
    before = list(DailyBar.objects.order_by("session_date").values("adj_close", "revision"))
    assert corporate_actions.apply_due(session_date=NOW)["items"] == []

    # its source goes on without it, knows nothing when asked again, and then does
    tell(yahoo, NEXT)
    sync(NEXT)
    assert_paid(NEXT, {EX: PAID})
    sync(NEXT, again_from=DAYS[5])
    assert_paid(NEXT, {EX: PAID})
    tell(yahoo, NEXT, {EX: PAID})
    sync(NEXT, again_from=DAYS[5])
    assert_paid(NEXT, {EX: PAID})
    kept = list(DailyBar.objects.order_by("session_date").values("adj_close", "revision"))
    assert [each["revision"] for each in kept[:5]] == [each["revision"] for each in before[:5]]


def test_a_dividend_by_hand_in_advance_is_in_what_its_source_brings(
    yahoo: YahooServer, spy: Instrument
) -> None:
    tell(yahoo, DAYS[9])
    sync(DAYS[9])
    enter(spy)
    assert corporate_actions.apply_due(session_date=EX)["counts"]["applied"] == 1

    for day in (EX, DAYS[11]):
        tell(yahoo, day)
        sync(day)
        assert_paid(day, {EX: PAID})


def test_what_its_source_has_already_is_not_put_in_twice(
    yahoo: YahooServer, spy: Instrument
) -> None:
    tell(yahoo, NOW, {EX: PAID})
    sync(NOW)

    assert CorporateAction.objects.get().status == "applied"
    assert_paid(NOW, {EX: PAID})
    assert set(DailyBar.objects.values_list("revision", flat=True)) == {0}


def test_a_dividend_before_a_split_is_measured_in_stored_shares(
    yahoo: YahooServer, spy: Instrument
) -> None:
    tell(yahoo, NOW)
    sync(NOW)
    # five dollars of the old share, of which four are stored
    CorporateAction.objects.create(
        instrument=spy, kind="split", ex_date=DAYS[20], ratio=4, source="manual", status="applied"
    )
    enter(spy, amount="5")

    corporate_actions.apply_due(session_date=NOW)

    assert_paid(NOW, {EX: PAID})


def test_questions_do_not_grow_with_the_history(yahoo: YahooServer, spy: Instrument) -> None:
    tell(yahoo, NOW)
    sync(NOW)
    asked = []
    for ex_date in (DAYS[2], DAYS[30]):
        enter(spy, ex_date)
        with CaptureQueriesContext(connection) as seen:
            corporate_actions.apply_due(session_date=NOW)
        asked.append(len(seen))

    assert asked[0] == asked[1]
    assert_paid(NOW, {DAYS[2]: PAID, DAYS[30]: PAID})


@pytest.mark.parametrize(
    ("before", "after", "amount", "factor"),
    [
        ((100.0, 100.0), (99.0, 99.0), 1.0, 0.99),
        ((100.0, 90.0), (99.0, 89.1), 1.0, 0.99),  # later ones are in both
        ((100.0, 99.0), (99.0, 99.0), 1.0, None),  # it is in it
        ((100.0, 98.0), (99.0, 99.0), 1.0, None),  # another step: the source's word
        ((100.0, 100.0), (99.0, 99.0), 1e-4, None),  # rounding would hide it
        ((100.0, 100.0), (50.0, 50.0), 50.0, None),  # half of it is no dividend
    ],
)
def test_only_a_dividend_that_is_not_there_is_lacking(
    before: tuple[float, float], after: tuple[float, float], amount: float, factor: float | None
) -> None:
    found = lacking(before=before, after=after, amount=amount)
    assert found == (factor if factor is None else pytest.approx(factor))
