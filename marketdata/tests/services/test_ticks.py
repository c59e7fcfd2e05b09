"""Ticks one batch at a time: what moves a quote, what corrects a minute, what is held or refused."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from etftrader.core import livestate
from etftrader.core.errors import BadInput
from marketdata import live
from marketdata.calculations.tick_batch import Tick, batch
from marketdata.models import (
    CorporateAction,
    DailyBar,
    Instrument,
    MinuteBar,
    QuarantinedPrice,
    Quote,
)
from marketdata.models import Tick as StoredTick
from marketdata.selectors import quotes
from marketdata.services import minute_bars, ticks

pytestmark = pytest.mark.django_db
NOON = datetime(2016, 6, 23, 16, 0, tzinfo=UTC)
YESTERDAY, TODAY = date(2016, 6, 22), date(2016, 6, 23)


def instrument(symbol="ACME", close="100", **fields):
    given = {"name": symbol, "kind": "stock", "price_basis": "close"} | fields
    made = Instrument.objects.create(symbol=symbol, **given)
    if close is not None:
        DailyBar.objects.create(
            instrument=made,
            session_date=YESTERDAY,
            source="csv",
            close=Decimal(close),
            price_basis="close",
        )
    return made


def tick(seconds, price, symbol="ACME", source="csv", **more):
    return Tick(symbol, NOON + timedelta(seconds=seconds), price, source, **more)


def take(*told, now=NOON + timedelta(minutes=30), board=None):
    return ticks.ingest(batch(told), now=now, board=board)


def minutes_of(made):
    rows = MinuteBar.objects.filter(instrument=made).order_by("ts")
    return [
        (row.ts.minute, *map(float, (row.open, row.high, row.low, row.close)), row.volume)
        for row in rows
    ]


def test_a_quote_holds_the_newest_tick_and_its_day():
    made = instrument()

    take(
        tick(1, 101.0, volume=10, bid=100.9, ask=101.1),
        tick(2, 102.0, volume=5, bid=101.9, ask=102.1),
    )

    quote = Quote.objects.get(instrument=made)
    assert (quote.price, quote.bid, quote.ask) == (102, Decimal("101.9"), Decimal("102.1"))
    assert (quote.previous_close, quote.session_date, quote.volume) == (100, TODAY, 15)
    assert (quote.as_of, quote.source) == (NOON + timedelta(seconds=2), "csv")


def test_the_volume_of_the_day_goes_on_and_a_source_that_knows_it_is_believed():
    made = instrument()
    take(tick(1, 101.0, volume=10))
    take(tick(2, 101.0, volume=7))
    assert Quote.objects.get(instrument=made).volume == 17

    take(tick(3, 101.0, day_volume=4_000))
    assert Quote.objects.get(instrument=made).volume == 4_000

    take(
        Tick("ACME", NOON + timedelta(days=1), 101.0, "csv", volume=3), now=NOON + timedelta(days=2)
    )
    assert Quote.objects.get(instrument=made).volume == 3


def test_a_late_tick_is_history_corrects_its_minute_and_moves_nothing_back():
    made = instrument()
    take(tick(10, 101.0, volume=1), tick(70, 102.0, volume=1))

    told = take(tick(5, 99.0, volume=2), tick(55, 103.0, volume=4))

    assert (told.late, told.moved, told.stored) == (2, 0, 2)
    assert Quote.objects.get(instrument=made).price == 102
    assert minutes_of(made) == [(1, 99, 103, 99, 103, 7), (2, 102, 102, 102, 102, 1)]


def test_the_tick_at_the_full_minute_opens_the_next_one():
    made = instrument()

    take(tick(59.999999, 101.0), tick(60, 102.0))

    assert [(row[0], row[1], row[5]) for row in minutes_of(made)] == [
        (1, 101, None),
        (2, 102, None),
    ]


def test_a_copy_has_no_effect_in_its_batch_or_in_another():
    made = instrument()

    first = take(tick(1, 101.0, volume=5), tick(1, 104.0, volume=9))
    again = take(tick(1, 105.0, volume=5))

    assert (first.stored, first.duplicates) == (1, 1)
    assert (again.stored, again.duplicates, again.moved) == (0, 1, 0)
    assert Quote.objects.get(instrument=made).price == 101
    assert minutes_of(made) == [(1, 101, 101, 101, 101, 5)]


def test_two_sources_have_minutes_of_their_own():
    made = instrument()

    take(tick(1, 101.0, source="csv", volume=1), tick(2, 102.0, source="yfinance", volume=2))

    rows = MinuteBar.objects.filter(instrument=made).order_by("source")
    assert [(row.source, row.close, row.volume) for row in rows] == [
        ("csv", 101, 1),
        ("yfinance", 102, 2),
    ]


@pytest.mark.parametrize(
    ("price", "reason"),
    [
        (float("nan"), "not_finite"),
        (float("inf"), "not_finite"),
        (0.0, "not_positive"),
        (-1.0, "not_positive"),
        (0.00001, "not_positive"),
        (10_000_001.0, "too_large"),
    ],
)
def test_what_can_be_no_price_is_refused_and_counted(price, reason):
    instrument(close=None)

    told = take(tick(1, price), tick(2, 100.0))

    assert told.refused == {reason: 1}
    assert list(StoredTick.objects.values_list("price", flat=True)) == [100]


def test_five_seconds_ahead_are_a_clock_that_differs_and_six_are_the_future():
    instrument()

    told = take(tick(5, 101.0), tick(6, 102.0), now=NOON)

    assert (told.stored, told.refused) == (1, {"future": 1})


def test_what_is_older_than_the_ticks_that_are_kept_is_refused():
    instrument()

    told = take(tick(0, 101.0), now=NOON + ticks.KEEP_TICKS + timedelta(seconds=1))

    assert told.refused == {"too_old": 1}


def test_impossible_volumes_and_crossed_spreads_are_unknown():
    made = instrument()

    take(
        tick(1, 101.0, volume=-5, bid=102.0, ask=101.0),
        tick(2, 101.0, volume=float("inf"), bid=0.0, ask=101.5),
    )

    quote = Quote.objects.get(instrument=made)
    assert (quote.volume, quote.bid, quote.ask) == (None, None, Decimal("101.5"))


def test_a_move_beyond_forty_percent_is_held_once_and_compared_with_nothing_after_it():
    made = instrument()

    told = take(tick(1, 101.0), tick(2, 160.0), tick(3, 161.0), tick(4, 102.0))
    take(tick(5, 162.0))

    assert (told.held, told.stored) == (2, 2)
    doubt = QuarantinedPrice.objects.get(instrument=made)
    assert (doubt.dataset, doubt.reason, doubt.value) == ("quotes", "jump", "160.0")
    assert (doubt.session_date, doubt.times_seen, doubt.compared_with) == (TODAY, 2, "100")
    assert doubt.raw["price"] == "160.0"
    assert Quote.objects.get(instrument=made).price == 102


def test_a_price_that_was_vouched_for_is_what_the_next_one_is_compared_with():
    made = instrument()
    take(tick(1, 101.0), tick(2, 160.0))
    QuarantinedPrice.objects.filter(instrument=made).update(state="accepted")

    told = take(tick(3, 161.0))

    assert (told.held, told.moved) == (0, 1)
    assert Quote.objects.get(instrument=made).price == 161


def test_a_split_that_is_known_explains_a_move():
    made = instrument()
    CorporateAction.objects.create(
        instrument=made, kind="split", ex_date=TODAY, ratio=Decimal(2), source="csv"
    )

    assert take(tick(1, 50.5)).held == 0


def test_without_any_price_before_it_a_first_tick_is_believed():
    instrument(close=None)

    assert take(tick(1, 7_000.0)).stored == 1


def test_unknown_inactive_and_privately_valued_symbols_are_counted():
    instrument("GONE", active=False)
    instrument("HOUSE", pricing="manual", owner_id=uuid4())

    told = take(tick(1, 5.0, "NOPE"), tick(1, 100.0, "GONE"), tick(1, 100.0, "HOUSE"))

    assert told.refused == {"unknown_symbol": 3}
    assert told.stored == 0


def test_a_source_we_do_not_know_is_refused_before_anything_is_written():
    instrument()

    with pytest.raises(BadInput, match="rumour"):
        take(tick(1, 101.0), tick(2, 101.0, source="rumour"))

    assert not StoredTick.objects.exists()


def test_a_batch_costs_the_same_statements_whatever_its_size():
    for number in range(300):
        instrument(f"S{number:03d}")
    counts = []
    for at, count in ((1, 10), (2, 300)):
        told = [tick(at, 101.0, f"S{number:03d}") for number in range(count)]
        with CaptureQueriesContext(connection) as seen:
            take(*told)
        counts.append(len(seen))

    # the first batch of a day also reads the closes before it
    take(*[tick(3, 101.0, f"S{number:03d}") for number in range(300)])
    with CaptureQueriesContext(connection) as steady:
        take(*[tick(4, 101.0, f"S{number:03d}") for number in range(10)])
    with CaptureQueriesContext(connection) as more:
        take(*[tick(5, 101.0, f"S{number:03d}") for number in range(300)])
    assert len(steady) == len(more) <= 22
    assert max(counts) <= 25


# --- the universe, and the live store -----------------------------------------------------------


def test_instruments_come_and_go_while_ticks_flow(django_capture_on_commit_callbacks):
    """T-44, small: 50 changes of the universe, from one symbol to hundreds, in one run."""
    rng = np.random.default_rng(44)
    board, expected, made = live.PriceBoard(), {}, {}
    for change in range(50):
        for number in rng.integers(0, 400, int(rng.integers(1, 40))).tolist():
            symbol = f"U{number:03d}"
            if symbol not in made:
                made[symbol] = instrument(symbol)
        gone = rng.choice(sorted(made), int(rng.integers(0, len(made))), replace=False).tolist()
        Instrument.objects.update(active=True)
        Instrument.objects.filter(symbol__in=gone).update(active=False)
        stay = sorted(set(made) - set(gone))
        board.keep(stay)
        expected = {symbol: expected[symbol] for symbol in stay if symbol in expected}
        moved = {
            symbol: float(np.round(rng.uniform(90, 110), 4)) for symbol in stay[:: 1 + change % 3]
        }
        with django_capture_on_commit_callbacks(execute=True):
            told = take(
                *[tick(change, price, symbol) for symbol, price in moved.items()],
                *[tick(change, 100.0, symbol) for symbol in gone[:5]],
                board=board,
            )
        expected |= moved

        assert told.refused.total() == len(gone[:5])
        found = live.last_prices()
        assert found.symbols == tuple(stay) == board.symbols
        known = {s: p for s, p in zip(found.symbols, found.prices.tolist(), strict=True) if p == p}
        assert known == expected  # old entries to the last bit


def test_a_flushed_live_store_loses_nothing(django_capture_on_commit_callbacks):
    symbols = [instrument(f"F{number:02d}").symbol for number in range(40)]
    board = live.PriceBoard(symbols)
    with django_capture_on_commit_callbacks(execute=True):
        take(*[tick(1, 100.0 + place, symbol) for place, symbol in enumerate(symbols)], board=board)
    before = quotes.last_prices(symbols=symbols).prices

    livestate.client().flushdb()

    assert live.last_prices() is None
    assert quotes.last_prices(symbols=symbols).prices.tolist() == before.tolist()
    with django_capture_on_commit_callbacks(execute=True):
        take(tick(2, 99.0, "F00"), board=board)
    assert live.last_prices().prices.tolist() == [99.0, *before.tolist()[1:]]


def test_readers_without_a_board_ask_the_tables():
    made = instrument()
    take(tick(1, 101.5))

    found = quotes.last_prices(symbols=["ACME", "NOPE"])

    assert found.prices[0] == 101.5
    assert np.isnan(found.prices[1])
    assert made.symbol in quotes.all_prices().symbols


# --- what is kept -------------------------------------------------------------------------------


def test_old_ticks_and_minutes_go_a_slice_at_a_time(monkeypatch):
    made = instrument()
    take(*[tick(number, 101.0) for number in range(25)])
    for age in (399, 401, 402):
        MinuteBar.objects.create(
            instrument=made,
            ts=NOON - timedelta(days=age),
            source="csv",
            open=1,
            high=1,
            low=1,
            close=1,
        )
    monkeypatch.setattr(minute_bars, "SLICE", 10)

    assert minute_bars.prune(now=NOON) == {"ticks": 0, "minutes": 2}
    edge = NOON + ticks.KEEP_TICKS + timedelta(seconds=22)
    with CaptureQueriesContext(connection) as seen:
        assert minute_bars.prune(now=edge)["ticks"] == 22
    assert sum(1 for each in seen if "DELETE FROM marketdata_tick" in each["sql"]) == 4
    assert StoredTick.objects.count() == 3
