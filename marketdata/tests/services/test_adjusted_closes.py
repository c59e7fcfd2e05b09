"""History that comes day by day has the adjusted closes of one that came as a whole: no seam."""

import math
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etftrader.testing import yahoo_server
from etftrader.testing.yahoo_server import YahooServer
from marketdata.models import CorporateAction, DailyBar, Instrument, PriceSeries
from marketdata.providers.base import BarRow
from marketdata.selectors import calendar
from marketdata.services import bar_store, price_sync
from marketdata.tests import histories

pytestmark = pytest.mark.django_db
DAYS = calendar.between(date(2020, 6, 1), date(2020, 7, 31))
EX = DAYS[20]
PAID = 1.25
CLOSES = {day: 100.0 + (place * 7) % 5 + 0.13 * place for place, day in enumerate(DAYS)}


@pytest.fixture
def spy() -> Instrument:
    return Instrument.objects.create(symbol="SPY", name="SPY", kind="etf", price_basis="close")


def tell(
    yahoo: YahooServer, until: date, dividends: dict[date, float], splits: Any = None
) -> dict[date, float]:
    """Yahoo as it speaks on a day; answers its adjusted closes by session."""
    known = {day: amount for day, amount in dividends.items() if day <= until}
    ratios = {day: ratio for day, ratio in (splits or {}).items() if day <= until}
    # all history is told in the shares of the day it is told on
    shares = math.prod(ratios.values())
    closes = {day: close / shares for day, close in CLOSES.items() if day <= until}
    told = yahoo_server.chart("SPY", closes, splits=ratios, dividends=known)
    histories.retell(yahoo, told)
    return dict(zip(sorted(closes), yahoo_server.adjusted(closes, known), strict=True))  # type: ignore[arg-type]


def sync(until: date, **how: Any) -> price_sync.Synced:
    return price_sync.sync(session_date=until, datasets=["daily_bars"], **how)


def stored() -> dict[date, float]:
    rows = DailyBar.objects.order_by("session_date").values_list("session_date", "adj_close")
    return {day: float(adjusted or 0) for day, adjusted in rows}


def assert_no_seam(expected: dict[date, float]) -> None:
    found = stored()
    assert found.keys() == expected.keys()
    assert list(found.values()) == pytest.approx(list(expected.values()), abs=2e-4)
    series = PriceSeries.objects.get().total_return
    wanted = np.array(list(expected.values()))
    assert series == pytest.approx(wanted, abs=2e-4)
    assert np.diff(np.log(series)) == pytest.approx(np.diff(np.log(wanted)), abs=5e-6)


def test_a_dividend_that_comes_with_its_session_leaves_no_seam(
    yahoo: YahooServer, spy: Instrument
) -> None:
    paid = {DAYS[8]: 0.9, EX: PAID}
    for place, day in enumerate(DAYS[:26]):
        if place >= 5:
            expected = tell(yahoo, day, paid)
            sync(day)

    assert_no_seam(expected)
    closes = DailyBar.objects.order_by("session_date").values_list("close", flat=True)
    assert [float(each) for each in closes] == pytest.approx(list(CLOSES.values())[:26], abs=1e-4)
    assert CorporateAction.objects.filter(status="applied").count() == 2


def test_what_is_brought_in_again_changes_nothing(yahoo: YahooServer, spy: Instrument) -> None:
    tell(yahoo, DAYS[15], {})
    sync(DAYS[15])
    expected = tell(yahoo, EX, {EX: PAID})
    first = sync(EX)
    before = list(DailyBar.objects.order_by("session_date").values("adj_close", "revision"))

    again = sync(EX)
    late = sync(EX, again_from=DAYS[18])

    assert_no_seam(expected)
    assert first.changed == {"SPY": DAYS[16]}
    assert again.records["daily_bars"].written == late.records["daily_bars"].written == 0
    assert list(DailyBar.objects.order_by("session_date").values("adj_close", "revision")) == before


def test_a_dividend_within_sessions_that_were_missed_leaves_no_seam(
    yahoo: YahooServer, spy: Instrument
) -> None:
    tell(yahoo, DAYS[16], {})
    sync(DAYS[16])
    expected = tell(yahoo, DAYS[24], {EX: PAID})

    sync(DAYS[24])

    assert_no_seam(expected)


def test_a_gap_that_is_filled_later_brings_its_neighbours_along(
    yahoo: YahooServer, spy: Instrument
) -> None:
    tell(yahoo, DAYS[22], {})
    sync(DAYS[22])
    DailyBar.objects.filter(session_date=DAYS[12]).delete()
    expected = tell(yahoo, DAYS[23], {EX: PAID})

    sync(DAYS[23])

    assert_no_seam(expected)


def test_a_split_and_a_dividend_in_one_history_leave_no_seam(
    yahoo: YahooServer, spy: Instrument
) -> None:
    splits, paid = {DAYS[18]: 4}, {EX: PAID / 4}
    for day in (DAYS[15], DAYS[17], DAYS[18], DAYS[19], EX, DAYS[22]):
        expected = tell(yahoo, day, paid, splits)
        sync(day)

    moves = np.diff(np.log(PriceSeries.objects.get().close))
    assert abs(moves).max() < 0.1
    assert_no_seam(expected)


def test_an_adjusted_close_that_cannot_be_moves_nothing(
    yahoo: YahooServer, spy: Instrument
) -> None:
    tell(yahoo, DAYS[15], {})
    sync(DAYS[15])
    before = stored()
    tell(yahoo, DAYS[16], {})
    told = yahoo_server.chart("SPY", {day: CLOSES[day] for day in DAYS[:17]})
    adjusted = told["chart"]["result"][0]["indicators"]["adjclose"][0]["adjclose"]
    told["chart"]["result"][0]["indicators"]["adjclose"][0]["adjclose"] = [
        each / 10 for each in adjusted[:-1]
    ] + adjusted[-1:]
    histories.retell(yahoo, told)

    sync(DAYS[16])

    assert {day: each for day, each in stored().items() if day in before} == before


def test_corrected_rows_of_the_past_come_to_the_level_of_what_is_stored(tmp_path: Path) -> None:
    days = calendar.between(date(2020, 1, 2), date(2020, 6, 30))
    closes = {day: 300.0 + (place * 7) % 5 for place, day in enumerate(days)}
    level = {day: 0.85 if day < date(2020, 4, 1) else 1.0 for day in days}
    path = tmp_path / "prices.csv"

    def put(told: dict[date, tuple[float, float]]) -> int:
        rows = [f"{day},SPY,{close},{adjusted}" for day, (close, adjusted) in told.items()]
        return histories.bring(path, "date,symbol,close,adj_close", rows, days[-1]).written

    put({day: (close, close * level[day]) for day, close in closes.items()})
    wrong = days[8:13]
    closes |= {day: closes[day] + 0.5 for day in wrong}
    mended = {day: (closes[day], closes[day]) for day in wrong}

    assert put(mended) == 5

    found = stored()
    for day in days:
        assert found[day] == pytest.approx(closes[day] * level[day], abs=2e-4), day
    assert set(DailyBar.objects.exclude(session_date__in=wrong).values_list("revision")) == {(0,)}
    series = PriceSeries.objects.get().total_return
    assert series == pytest.approx(np.array(list(found.values())))
    assert put(mended) == 0


def test_a_price_by_hand_amid_adjusted_ones_makes_no_jump(spy: Instrument) -> None:
    days = DAYS[:5]
    rows = [
        BarRow(
            symbol="SPY",
            session_date=day,
            open=None,
            high=None,
            low=None,
            close=100.0 + place,
            adj_close=None if place == 2 else (100.0 + place) * 0.9,
            volume=None,
            source="yfinance",
            price_basis="close",
        )
        for place, day in enumerate(days)
    ]
    for row in rows:
        bar_store.upsert([row], {"SPY": spy})
        bar_store.pack_series(spy, [row])

    series = PriceSeries.objects.get().total_return

    assert np.diff(np.log(series)) == pytest.approx(np.diff(np.log([100, 101, 102, 103, 104])))
