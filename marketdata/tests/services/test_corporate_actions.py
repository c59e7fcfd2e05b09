"""Corporate actions in market data: recorded once, applied once, seen from no earlier session."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest

from etftrader.core.records import AuditEvent
from marketdata.models import (
    CorporateAction,
    DailyBar,
    Instrument,
    InstrumentAlias,
    MinuteBar,
    OptionContract,
    OptionQuote,
    PriceSeries,
    QuarantinedPrice,
    Tick,
)
from marketdata.providers.base import BarRow, DividendRow, SplitRow
from marketdata.selectors import corporate_actions as actions
from marketdata.selectors import instruments, prices
from marketdata.services import bar_store, corporate_actions

pytestmark = pytest.mark.django_db
DAYS = [date(2020, 8, day) for day in (26, 27, 28, 31)]
EX, EVE = DAYS[-1], DAYS[-2]
LATER = date(2020, 9, 1)


def make(symbol="AAPL", **fields):
    values = {"name": symbol, "kind": "stock", "price_basis": "close"} | fields
    return Instrument.objects.create(symbol=symbol, **values)


def store(instrument, closes, *, source="csv", adjusted=None):
    rows = [
        BarRow(
            symbol=instrument.symbol,
            session_date=day,
            open=close + 1,
            high=close + 2,
            low=close - 1,
            close=close,
            adj_close=adjusted[day] if adjusted else None,
            volume=1001,
            source=source,
            price_basis="close",
        )
        for day, close in closes.items()
    ]
    bar_store.upsert(rows, {instrument.symbol: instrument})
    bar_store.pack_series(instrument, rows)


@pytest.fixture
def apple():
    found = make()
    store(found, dict(zip(DAYS[:3], (506.09, 500.04, 499.23), strict=True)))
    return found


def split(ratio=4.0, day=EX, symbol="AAPL", source="csv"):
    return SplitRow(symbol, day, ratio, source)


def dividend(amount=0.82, day=EX, symbol="AAPL", source="csv"):
    return DividendRow(symbol, day, amount, "USD", "cash", source)


def new_symbol(instrument, symbol):
    CorporateAction.objects.create(
        instrument=instrument,
        kind="symbol_change",
        ex_date=EX,
        new_symbol=symbol,
        source="manual",
    )


def record(*rows, day=EX):
    return corporate_actions.record(rows=rows, session_date=day)


def closes(instrument, source="csv"):
    rows = DailyBar.objects.filter(instrument=instrument, source=source).order_by("session_date")
    return list(rows.values_list("close", flat=True))


def test_equal_rows_are_kept_once_and_a_pending_one_can_be_corrected(apple):
    assert record(split(), dividend())["counts"]["recorded"] == 2
    assert record(split(), dividend())["counts"] == {"recorded": 0, "corrected": 0, "known": 2}
    assert record(dividend(0.9))["counts"]["corrected"] == 1

    kept = CorporateAction.objects.order_by("kind").values_list("kind", "ratio", "amount")
    assert list(kept) == [("dividend", None, Decimal("0.9")), ("split", 4, None)]
    assert AuditEvent.objects.filter(action="corporate_action.corrected").count() == 1


def test_another_figure_for_an_applied_action_is_a_warning_and_changes_nothing(apple):
    record(split())
    corporate_actions.apply_due(session_date=EX)
    before = closes(apple)

    said = record(split(7.0))
    again = corporate_actions.apply_due(session_date=LATER)

    assert said["counts"] == {"recorded": 0, "corrected": 0, "known": 0}
    [warning] = said["warnings"]
    assert (warning["code"], warning["symbol"]) == ("action_differs", "AAPL")
    assert "4.00" in warning["detail"]
    assert "7.00" in warning["detail"]
    assert again["counts"] == {"applied": 0, "failed": 0}
    assert closes(apple) == before
    assert CorporateAction.objects.get().ratio == 4


@pytest.mark.parametrize("figure", [0.0, -1.0, float("nan"), float("inf"), 1.0, 1e-9, 1e20])
def test_nonsense_is_named_and_not_recorded(apple, figure):
    said = record(split(figure))

    assert [each["code"] for each in said["warnings"]] == ["unusable_action"]
    assert not CorporateAction.objects.exists()


def test_an_unknown_symbol_is_named_and_the_others_are_kept(apple):
    said = record(split(symbol="NOPE"), dividend())

    assert said["counts"]["recorded"] == 1
    assert [(each["code"], each["symbol"]) for each in said["warnings"]] == [
        ("unknown_symbol", "NOPE")
    ]


def test_dividends_in_todays_shares_are_kept_as_they_were_paid(apple):
    """0.82 paid before the split is 0.205 to a source that restates its history."""
    early = dividend(0.205, DAYS[0], source="yfinance")
    record(split(source="yfinance"), early)
    assert CorporateAction.objects.get(kind="dividend").amount == Decimal("0.82")

    corporate_actions.apply_due(session_date=EX)
    again = record(early, day=LATER)
    assert again["counts"]["known"] == 1
    # as of a session before the split the same source speaks of the old shares
    other = record(dividend(0.8, DAYS[1], source="yfinance"), day=DAYS[1])
    assert other["counts"]["recorded"] == 1
    assert CorporateAction.objects.get(ex_date=DAYS[1]).amount == Decimal("0.8")


def test_a_split_restates_bars_minutes_ticks_and_the_packed_series_once(apple):
    before = datetime(2020, 8, 28, 19, 59, tzinfo=UTC)
    after = datetime(2020, 8, 31, 13, 31, tzinfo=UTC)
    for moment, price in ((before, 499), (after, 128)):
        Tick.objects.create(instrument=apple, ts=moment, source="csv", price=price, volume=10)
        MinuteBar.objects.create(
            instrument=apple,
            ts=moment,
            source="csv",
            open=price,
            high=price + 2,
            low=price - 1,
            close=price,
            volume=None,
        )
    record(split())

    first = corporate_actions.apply_due(session_date=EX)
    second = corporate_actions.apply_due(session_date=LATER)

    assert first["counts"] == {"applied": 1, "failed": 0}
    assert second["items"] == []
    bar = DailyBar.objects.get(instrument=apple, session_date=EVE)
    figures = (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.revision)
    assert figures == (
        Decimal("125.0575"),
        Decimal("125.3075"),
        Decimal("124.5575"),
        Decimal("124.8075"),
        4004,
        1,
    )
    series = PriceSeries.objects.get(instrument=apple)
    assert series.close.tolist() == [126.5225, 125.01, 124.8075]
    assert series.volume.tolist() == [4004.0] * 3
    ticks = Tick.objects.order_by("ts").values_list("price", "volume")
    assert list(ticks) == [(Decimal("124.75"), 40), (128, 10)]
    minutes = MinuteBar.objects.order_by("ts").values_list("high", "low", "volume")
    assert list(minutes) == [(Decimal("125.25"), Decimal("124.5"), None), (130, 127, None)]
    action = CorporateAction.objects.get()
    assert action.status == "applied"
    assert action.applied_at is not None
    assert AuditEvent.objects.filter(action="corporate_action.applied").count() == 1


def test_of_two_who_apply_the_same_row_one_does(apple):
    record(split())
    action = CorporateAction.objects.select_related("instrument").get()

    answers = [corporate_actions.apply(action=action) for _ in range(2)]

    assert answers[0]["bars"] == 3
    assert answers[1] is None
    assert closes(apple)[-1] == Decimal("124.8075")


def test_a_past_session_is_seen_in_its_own_units(apple):
    record(split())
    corporate_actions.apply_due(session_date=EX)
    store(apple, {EX: 129.04})

    past = prices.marks(instruments=[apple], session_date=EVE)[apple.pk]
    on_ex = prices.marks(instruments=[apple], session_date=EX)[apple.pk]

    assert (past.price, past.previous_close) == (Decimal("499.23"), Decimal("500.04"))
    assert past.volume == 1001
    assert (on_ex.price, on_ex.previous_close) == (Decimal("129.04"), Decimal("124.8075"))


@pytest.mark.parametrize("ratio", ["3", "7", "0.1", "0.066667", "1.054", "20"])
def test_the_price_of_the_past_comes_back_to_its_four_places(apple, ratio):
    record(split(float(ratio)))
    corporate_actions.apply_due(session_date=EX)

    found = [
        prices.marks(instruments=[apple], session_date=day)[apple.pk].price for day in DAYS[:3]
    ]

    assert found == [Decimal("506.09"), Decimal("500.04"), Decimal("499.23")]


def test_two_splits_multiply():
    apple = make()
    store(apple, dict(zip(DAYS[:3], (506.09, 250.02, 249.61), strict=True)))
    record(split(2.0, DAYS[1]), split(4.0))
    corporate_actions.apply_due(session_date=EX)

    found = [
        prices.marks(instruments=[apple], session_date=day)[apple.pk].price for day in DAYS[:3]
    ]

    assert closes(apple)[0] == Decimal("63.26125")
    assert found == [Decimal("506.09"), Decimal("250.02"), Decimal("249.61")]


def test_an_action_after_the_session_is_not_seen(apple):
    record(split(), dividend(day=LATER))

    early = corporate_actions.apply_due(session_date=EVE)

    assert early["items"] == []
    assert actions.visible(session_date=EVE) == []
    assert [each.kind for each in actions.visible(session_date=EX)] == ["split"]
    assert closes(apple)[-1] == Decimal("499.23")
    assert actions.for_books(instrument_ids=[apple.pk], session_date=LATER) == []


def test_an_ex_date_without_a_session_counts_from_the_next_one(apple):
    record(split(day=date(2020, 8, 29)))

    assert corporate_actions.apply_due(session_date=EVE)["counts"]["applied"] == 0
    assert corporate_actions.apply_due(session_date=EX)["counts"]["applied"] == 1
    assert actions.effective(date(2020, 8, 29)) == EX
    assert closes(apple)[-1] == Decimal("124.8075")


def test_a_split_waits_while_the_first_price_after_it_is_in_doubt(apple):
    record(split())
    doubt = QuarantinedPrice.objects.create(
        instrument=apple,
        symbol="AAPL",
        dataset="daily_bars",
        session_date=EX,
        source="csv",
        price_basis="close",
        raw={"close": "500.0"},
        value="500.0",
        reason="split_without_action",
    )

    told = corporate_actions.apply_due(session_date=EX)

    [item] = told["items"]
    assert (item["status"], item["reason"]["code"]) == ("skipped", "price_in_doubt")
    assert closes(apple)[-1] == Decimal("499.23")
    # the price was wrong, the split is real
    QuarantinedPrice.objects.filter(pk=doubt.pk).update(state="rejected")
    assert corporate_actions.apply_due(session_date=EX)["counts"]["applied"] == 1
    assert closes(apple)[-1] == Decimal("124.8075")


def test_a_source_that_restated_its_history_is_left_alone(apple):
    """One source has the step of the raw price, the other none; an adjusted close has none."""
    store(apple, {EX: 129.04}, adjusted={EX: 128.8175})
    known = dict(zip(DAYS, (126.5225, 125.01, 124.8075, 129.04), strict=True))
    store(apple, known, source="yfinance")

    record(split())
    corporate_actions.apply_due(session_date=EX)

    assert closes(apple) == [
        Decimal("126.5225"),
        Decimal("125.01"),
        Decimal("124.8075"),
        Decimal("129.04"),
    ]
    assert closes(apple, "yfinance") == closes(apple)
    assert set(DailyBar.objects.filter(source="yfinance").values_list("revision", flat=True)) == {0}


@pytest.mark.parametrize("with_ex_date", [True, False])
def test_an_adjusted_close_that_knew_the_split_stays(with_ex_date):
    apple = make()
    raw = dict(zip(DAYS, (506.09, 500.04, 499.23, 129.04), strict=True))
    adjusted = dict(zip(DAYS, (126.3, 124.79, 124.5923, 128.8175), strict=True))
    days = DAYS if with_ex_date else DAYS[:3]
    store(apple, {day: raw[day] for day in days}, adjusted=adjusted)

    record(split())
    corporate_actions.apply_due(session_date=EX)

    rows = DailyBar.objects.filter(session_date__lt=EX).order_by("session_date")
    assert list(rows.values_list("close", "adj_close")) == [
        (Decimal("126.5225"), Decimal("126.3")),
        (Decimal("125.01"), Decimal("124.79")),
        (Decimal("124.8075"), Decimal("124.5923")),
    ]
    total = PriceSeries.objects.get(instrument=apple).total_return
    assert np.abs(np.diff(np.log(total))).max() < 0.05


def test_a_dividend_leaves_bars_alone(apple):
    record(dividend())

    assert corporate_actions.apply_due(session_date=EX)["counts"]["applied"] == 1
    assert closes(apple) == [Decimal("506.09"), Decimal("500.04"), Decimal("499.23")]


def test_a_new_symbol_renames_and_the_old_one_still_finds_it(apple):
    new_symbol(apple, "PEAR")

    assert corporate_actions.apply_due(session_date=EX)["counts"]["applied"] == 1

    apple.refresh_from_db()
    assert apple.symbol == "PEAR"
    assert instruments.by_symbols(["AAPL", "PEAR"]) == {"AAPL": apple, "PEAR": apple}


def test_a_name_that_is_taken_is_refused_whole_and_the_rest_is_applied(apple):
    make("PEAR")
    new_symbol(apple, "PEAR")
    record(split())

    done = corporate_actions.apply_due(session_date=EX)

    assert done["counts"] == {"applied": 1, "failed": 1}
    [failed] = [each for each in done["items"] if each["status"] == "failed"]
    assert failed["item"] == "AAPL symbol_change 2020-08-31"
    assert failed["reason"]["code"] == "symbol_taken"
    assert CorporateAction.objects.get(kind="symbol_change").status == "pending"
    assert not InstrumentAlias.objects.exists()
    assert closes(apple)[-1] == Decimal("124.8075")


def make_option(apple, strike, **fields):
    text = f"AAPL201016C{strike * 1000:08d}"
    return OptionContract.objects.create(
        instrument=make(text, kind="option", multiplier=100),
        underlying=apple,
        root="AAPL",
        **({"expiry": date(2020, 10, 16), "strike": strike, "right": "call"} | fields),
    )


def terms(contract):
    contract.refresh_from_db()
    contract.instrument.refresh_from_db()
    return contract.strike, contract.instrument.symbol, contract.adjusted


def test_options_get_new_strikes_and_symbols_and_those_that_cannot_are_flagged(apple):
    low, high, odd = (make_option(apple, strike) for strike in (100, 400, 500))
    new = make_option(apple, 125)
    OptionQuote.objects.create(
        contract=new,
        session_date=EX,
        as_of=datetime(2020, 8, 31, 20, tzinfo=UTC),
        source="csv",
        bid=1,
    )
    gone = make_option(apple, 300, expiry=date(2020, 8, 21))
    store(high.instrument, {EVE: 110.0})
    record(split())

    corporate_actions.apply_due(session_date=EX)

    assert terms(low) == (25, "AAPL201016C00025000", False)
    assert terms(high) == (100, "AAPL201016C00100000", False)
    # listed on the ex-date: new terms already, and in the way of another
    assert terms(new) == (125, "AAPL201016C00125000", False)
    assert terms(odd) == (500, "AAPL201016C00500000", True)
    assert terms(gone)[0] == 300
    assert closes(high.instrument) == [Decimal("27.5")]
    mark = prices.marks(instruments=[high.instrument], session_date=EVE)[high.instrument_id]
    assert mark.price == 110


def test_a_split_that_is_not_whole_keeps_the_terms_and_asks_for_a_look(apple):
    contract = make_option(apple, 400)
    store(contract.instrument, {EVE: 110.0})
    record(split(1.5))

    corporate_actions.apply_due(session_date=EX)

    assert terms(contract) == (400, "AAPL201016C00400000", True)
    mark = prices.marks(instruments=[contract.instrument], session_date=EVE)
    assert mark[contract.instrument_id].price == 110
