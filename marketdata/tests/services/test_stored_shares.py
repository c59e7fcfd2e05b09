"""What sources say of the past is stored in the shares of the splits that were applied here.

Seeded faults it must catch: a rejected split that is followed, one by hand that a file undoes, a
told ratio that wins over the corrected one, a restated history divided twice.
"""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etftrader.testing import yahoo_server
from etftrader.testing.yahoo_server import YahooServer
from marketdata.models import CorporateAction, DailyBar, Instrument, PriceSeries
from marketdata.providers.base import BarRow, SplitRow, SymbolHistory
from marketdata.selectors import calendar
from marketdata.services import (
    action_edits,
    corporate_actions,
    price_sync,
    stored_shares,
)
from marketdata.services.price_import import Imported
from marketdata.tests import histories

pytestmark = pytest.mark.django_db
DAYS = calendar.between(date(2020, 6, 1), date(2020, 6, 30))
EVE, EX, AFTER = DAYS[15], DAYS[16], DAYS[17]
CLOSES = {day: 100.0 + (place * 7) % 5 for place, day in enumerate(DAYS)}
HEAD = "date,symbol,close,volume,split"


def figures(name: str = "close") -> list[float]:
    return [
        float(each)
        for each in DailyBar.objects.order_by("session_date").values_list(name, flat=True)
    ]


def expected(until: date) -> list[float]:
    return [close for day, close in CLOSES.items() if day <= until]


def enter(instrument: Instrument, ratio: int, ex_date: date = EX) -> CorporateAction:
    return histories.split(instrument, ratio, ex_date, latest=EVE)


def reject() -> None:
    [action] = CorporateAction.objects.filter(kind="split")
    action_edits.reject(action_id=action.pk, reason="there was none", by=histories.BY)


def apply(day: date) -> dict[str, Any]:
    return corporate_actions.apply_due(session_date=day)["counts"]


# --- prices as traded ----------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "prices.csv"


def bring(path: Path, until: date, *, shares: float = 1.0, split: str = "") -> Imported:
    """A file up to a day: as many old shares' prices before EX, and what it tells of EX."""
    rows = [
        f"{day},SPY,{close * shares if day < EX else close},1000,{split if day == EX else ''}"
        for day, close in CLOSES.items()
        if day <= until
    ]
    return histories.bring(path, HEAD, rows, until)


def test_a_file_with_a_rejected_split_is_stored_as_it_stands(path: Path) -> None:
    bring(path, EVE)
    bring(path, EX, split="4")
    assert apply(EX)["applied"] == 0  # its price speaks against it
    reject()

    again = bring(path, AFTER, split="4")

    assert figures() == expected(AFTER)
    assert set(figures("volume")) == {1000.0}
    assert again.held == 0
    assert bring(path, AFTER, split="4").written == 0


def test_a_split_by_hand_stays_when_the_file_that_does_not_tell_it_goes_on(path: Path) -> None:
    bring(path, EVE, shares=4)
    enter(Instrument.objects.get(symbol="SPY"), 4)
    assert apply(EX)["applied"] == 1
    assert figures() == expected(EVE)

    later = bring(path, EX, shares=4)

    assert (later.written, later.held) == (1, 0)
    assert figures() == expected(EX)
    assert figures("volume") == [4000.0] * 16 + [1000.0]
    assert PriceSeries.objects.get().close.tolist() == expected(EX)


def test_a_ratio_corrected_by_hand_wins_over_the_file(path: Path) -> None:
    bring(path, EX, shares=4, split="5")
    enter(Instrument.objects.get(symbol="SPY"), 4)
    assert apply(EX)["applied"] == 1

    for _ in range(2):
        told = bring(path, AFTER, shares=4, split="5")

    assert told.written == 0
    assert figures() == expected(AFTER)
    assert CorporateAction.objects.get().ratio == 4


@pytest.mark.parametrize("known", [1.0, 4.0])
def test_an_adjusted_column_is_divided_where_it_does_not_know_the_split(
    path: Path, known: float
) -> None:
    def put(until: date) -> Imported:
        rows = [
            f"{day},SPY,{close * 4},{close * 4 * 0.99 / known}"
            if day < EX
            else f"{day},SPY,{close},{close}"
            for day, close in CLOSES.items()
            if day <= until
        ]
        return histories.bring(path, "date,symbol,close,adj_close", rows, until)

    put(EVE)
    enter(Instrument.objects.get(symbol="SPY"), 4)
    apply(EX)

    put(EX)

    wanted = [close if day == EX else close * 0.99 for day, close in CLOSES.items() if day <= EX]
    assert figures() == expected(EX)
    assert figures("adj_close") == pytest.approx(wanted, abs=1e-4)
    assert put(EX).written == 0


# --- a source that restates its history ----------------------------------------------------------


@pytest.fixture
def spy() -> Instrument:
    return Instrument.objects.create(symbol="SPY", name="SPY", kind="etf", price_basis="close")


def tell(
    yahoo: YahooServer, until: date, *, shares: float, splits: Mapping[date, int] | None = None
) -> None:
    """Yahoo as it speaks on a day: as many shares' prices before EX, and what it tells."""
    closes = {
        day: close * shares if day < EX else close for day, close in CLOSES.items() if day <= until
    }
    histories.retell(yahoo, yahoo_server.chart("SPY", closes, splits=splits))  # type: ignore[arg-type]


def sync(until: date, again_from: date | None = None) -> price_sync.Synced:
    return price_sync.sync(session_date=until, datasets=["daily_bars"], again_from=again_from)


def assert_one_series(until: date) -> None:
    assert figures() == pytest.approx(expected(until), abs=1e-4)
    assert figures("adj_close") == pytest.approx(expected(until), abs=1e-4)
    moves = np.diff(np.log(PriceSeries.objects.get().total_return))
    assert abs(moves).max() < 0.1


def test_a_split_by_hand_stays_when_its_source_does_not_know_it(
    yahoo: YahooServer, spy: Instrument
) -> None:
    tell(yahoo, EVE, shares=4)
    sync(EVE)
    enter(spy, 4)
    assert apply(EX)["applied"] == 1
    tell(yahoo, EX, shares=4)

    sync(EX, again_from=DAYS[10])

    assert_one_series(EX)
    # once it knows it too, nothing is done twice
    tell(yahoo, AFTER, shares=1, splits={EX: 4})
    sync(AFTER, again_from=DAYS[5])
    assert_one_series(AFTER)


def test_a_history_restated_without_a_word_is_not_divided_again(
    yahoo: YahooServer, spy: Instrument
) -> None:
    tell(yahoo, EVE, shares=4)
    sync(EVE)
    enter(spy, 4)
    apply(EX)
    tell(yahoo, EX, shares=1)

    sync(EX, again_from=DAYS[10])

    assert_one_series(EX)


def test_a_rejected_split_that_its_source_restated_for_is_undone(
    yahoo: YahooServer, spy: Instrument
) -> None:
    tell(yahoo, EVE, shares=1)
    sync(EVE)
    tell(yahoo, EX, shares=0.25, splits={EX: 4})
    sync(EX)
    assert CorporateAction.objects.get().status == "pending"
    reject()

    sync(EX, again_from=DAYS[10])

    assert_one_series(EX)


def test_a_ratio_corrected_by_hand_wins_over_the_source(
    yahoo: YahooServer, spy: Instrument
) -> None:
    tell(yahoo, EVE, shares=4)
    sync(EVE)
    enter(spy, 4)
    apply(EX)
    tell(yahoo, EX, shares=0.8, splits={EX: 5})

    sync(EX, again_from=DAYS[10])

    assert_one_series(EX)


@pytest.fixture
def own_order(settings: Any, tmp_path: Path) -> None:
    """Bars of one source, actions of another."""
    settings.MARKETDATA_PROVIDER, settings.CSV_FOLDER = "yfinance,csv", str(tmp_path)
    settings.MARKETDATA_PROVIDER_BARS = "yfinance"
    settings.MARKETDATA_PROVIDER_ACTIONS = "csv"


def test_a_source_of_bars_did_not_restate_for_what_another_one_tells(
    yahoo: YahooServer, spy: Instrument, own_order: None, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(f"{HEAD}\n{EVE},SPY,1,,\n{EX},SPY,1,,4\n")
    tell(yahoo, EVE, shares=1)
    sync(EVE)
    tell(yahoo, EX, shares=1)
    sync(EX)
    assert CorporateAction.objects.get().source == "csv"
    reject()

    sync(EX, again_from=DAYS[10])

    assert_one_series(EX)


# --- one answer ----------------------------------------------------------------------------------


def answer(*days: date, **how: Any) -> SymbolHistory:
    rows = tuple(
        BarRow("SPY", day, None, None, None, 100.0, 100.0, 10, "yfinance", "close") for day in days
    )
    return SymbolHistory("SPY", rows, **how)


def test_what_is_told_under_another_day_is_the_stored_split(spy: Instrument) -> None:
    enter(spy, 4)
    apply(EX)
    told = answer(DAYS[3], EX, DAYS[19], splits=(SplitRow("SPY", AFTER, 4.0, "yfinance"),))

    same = stored_shares.restate(told, stored_shares.splits([spy])[spy.pk], until=DAYS[19])

    # between the two days the source has divided and the stored rows have not
    assert [row.close for row in same.bars] == [100.0, 400.0, 100.0]
    assert [row.volume for row in same.bars] == [10, 2, 10]


def test_of_a_split_after_the_time_asked_for_an_answer_says_nothing(spy: Instrument) -> None:
    enter(spy, 4)
    apply(EX)
    known = stored_shares.splits([spy])[spy.pk]
    told = answer(DAYS[3], DAYS[4])

    assert stored_shares.restate(told, known, until=EVE) == told
    assert stored_shares.restate(told, known, until=EX).bars[0].close == 25.0
