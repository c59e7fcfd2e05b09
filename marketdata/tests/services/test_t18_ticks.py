"""T-18: 100,000 ticks of 5,000 symbols, with duplicates, disorder and garbage, leave the truth."""

import tracemalloc
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Barrier, Thread

import numpy as np
import pytest
from django.db import connection

from etftrader.core.money import to_fill_price
from marketdata import live
from marketdata.calculations import tick_batch
from marketdata.models import DailyBar, Instrument, MinuteBar, QuarantinedPrice, Quote, Tick
from marketdata.services import ticks

SYMBOLS, TICKS, BATCH = 5_000, 100_000, 5_000
OPENS = datetime(2016, 6, 23, 13, 30, tzinfo=UTC)
NOW = OPENS + timedelta(hours=1)
YESTERDAY = date(2016, 6, 22)
NAN, INFINITE = float("nan"), float("inf")
GARBAGE = (NAN, INFINITE, -INFINITE, 0.0, -5.0, 2e7, 1e-6)


def made_symbols(count):
    made = Instrument.objects.bulk_create(
        [
            Instrument(symbol=f"T{n:04d}", name="tick", kind="stock", price_basis="close")
            for n in range(count)
        ]
    )
    DailyBar.objects.bulk_create(
        [
            DailyBar(
                instrument=each,
                session_date=YESTERDAY,
                source="csv",
                close=Decimal(100),
                price_basis="close",
            )
            for each in made
        ]
    )
    return [each.symbol for each in made]


def a_storm(symbols, count, rng):
    """(symbol, moment, price, volume, source): disorder within ten minutes, copies anywhere."""
    good = count * 85 // 100
    places = rng.integers(0, len(symbols), good)
    moments = np.sort(rng.choice(3_600_000_000, good, replace=False))
    rows = [
        (
            symbols[place],
            OPENS + timedelta(microseconds=int(us)),
            float(np.round(100 * np.exp(rng.normal(0, 0.02)), 5)),
            float(rng.integers(1, 500)) if place % 7 else NAN,
            "csv" if place % 3 else "yfinance",
        )
        for place, us in zip(places.tolist(), moments.tolist(), strict=True)
    ]
    for row in rng.choice(good, count // 10, replace=False).tolist():  # out of order
        other = min(good - 1, row + int(rng.integers(1, good // 6)))
        rows[row], rows[other] = rows[other], rows[row]
    copies = [rows[row] for row in rng.choice(good, count // 10).tolist()]
    rubbish = []
    for number, row in enumerate(rng.choice(good, count - good - count // 10).tolist()):
        symbol, at, _, volume, source = rows[row]
        at += timedelta(microseconds=1)
        kind = number % (len(GARBAGE) + 3)
        if kind < len(GARBAGE):
            rubbish.append((symbol, at, GARBAGE[kind], volume, source))
        elif kind == len(GARBAGE):
            rubbish.append((symbol, NOW + timedelta(seconds=6), 100.0, volume, source))
        elif kind == len(GARBAGE) + 1:
            rubbish.append((f"NO{number}", at, 100.0, volume, source))
        else:
            rubbish.append((symbol, at, 300.0, volume, source))  # moved too far
    for extra in (*copies, *rubbish):
        rows.insert(int(rng.integers(0, len(rows))), extra)
    return rows


def truth(rows, symbols):
    """What must be stored, by a loop over sorted rows without copies."""
    known = set(symbols)
    unique = {}
    for symbol, at, price, volume, source in rows:
        if symbol in known and 0.0001 < price < 1e7 and at <= NOW and price != 300.0:
            unique.setdefault((symbol, at, source), (to_fill_price(price), volume))
    last, minutes = {}, defaultdict(list)
    for (symbol, at, source), (price, volume) in sorted(
        unique.items(), key=lambda each: each[0][1]
    ):
        last[symbol] = (price, at, source)
        ends = at.replace(second=0, microsecond=0) + timedelta(minutes=1)
        minutes[symbol, ends, source].append((price, volume))
    bars = {}
    for key, told in minutes.items():
        prices = [price for price, _ in told]
        volumes = [int(volume) for _, volume in told if volume == volume]
        bars[key] = (
            prices[0],
            max(prices),
            min(prices),
            prices[-1],
            sum(volumes) if volumes else None,
        )
    return {key: price for key, (price, _) in unique.items()}, last, bars


def columns(rows):
    symbol, at, price, volume, source = zip(*rows, strict=True)
    return tick_batch.of_columns(
        symbol=symbol,
        source=source,
        ts=np.array([tick_batch.microseconds(each) for each in at]),
        price=np.array(price),
        volume=np.array(volume),
    )


def stored():
    names = "instrument__symbol", "ts", "source"
    return (
        {row[:3]: row[3] for row in Tick.objects.values_list(*names, "price")},
        {
            row[0]: row[1:]
            for row in Quote.objects.values_list("instrument__symbol", "price", "as_of", "source")
        },
        {
            row[:3]: row[3:]
            for row in MinuteBar.objects.values_list(
                *names, "open", "high", "low", "close", "volume"
            )
        },
    )


@pytest.mark.django_db
def test_a_storm_of_ticks_leaves_the_sorted_unique_truth():
    rng = np.random.default_rng(18)
    symbols = made_symbols(SYMBOLS)
    rows = a_storm(symbols, TICKS, rng)
    batches = [columns(rows[at : at + BATCH]) for at in range(0, len(rows), BATCH)]
    board = live.PriceBoard()
    told = [ticks.ingest(each, now=NOW, board=board) for each in batches[:-4]]
    tracemalloc.start()
    try:
        told += [ticks.ingest(each, now=NOW, board=board) for each in batches[-4:]]
        left, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 50_000_000
    assert left < 5_000_000  # nothing grows with the ticks that came through
    expected = truth(rows, symbols)
    for ours, theirs in zip(stored(), expected, strict=True):
        assert ours == theirs
    assert sum(each.received for each in told) == len(rows) == TICKS
    assert sum(each.stored for each in told) == len(expected[0])
    assert sum(each.duplicates for each in told) >= TICKS // 10
    assert sum(each.held for each in told) == sum(1 for row in rows if row[2] == 300.0)
    assert sum(each.late for each in told) > TICKS // 100
    refused = sum((each.refused for each in told), told[0].refused.__class__())
    assert set(refused) == {"not_finite", "not_positive", "too_large", "future", "unknown_symbol"}
    doubts = QuarantinedPrice.objects.filter(dataset="quotes", reason="jump")
    assert doubts.count() == len({(row[0], row[4]) for row in rows if row[2] == 300.0})


@pytest.mark.django_db
def test_the_same_storm_again_changes_nothing():
    symbols = made_symbols(40)
    rows = a_storm(symbols, 1_000, np.random.default_rng(3))
    ticks.ingest(columns(rows), now=NOW)
    before = stored()

    again = ticks.ingest(columns(rows[::-1]), now=NOW)

    assert stored() == before
    assert (again.stored, again.moved, again.late) == (0, 0, 0)


@pytest.mark.django_db(transaction=True)
def test_two_feeds_at_once_leave_the_same_truth():
    symbols = made_symbols(30)
    rows = [row for row in a_storm(symbols, 2_000, np.random.default_rng(4)) if row[2] != 300.0]
    # of copies with one key the first one counts, whoever brings it: here they are equal
    start, failed = Barrier(2), []

    def feed(mine):
        try:
            start.wait()
            for at in range(0, len(mine), 100):
                ticks.ingest(columns(mine[at : at + 100]), now=NOW)
        except Exception as error:  # noqa: BLE001 - told to the test
            failed.append(error)
        finally:
            connection.close()

    feeds = [Thread(target=feed, args=(each,)) for each in (rows[:1_400], rows[600:][::-1])]
    for each in feeds:
        each.start()
    for each in feeds:
        each.join()

    assert failed == []
    for ours, theirs in zip(stored(), truth(rows, symbols), strict=True):
        assert ours == theirs
