"""Bars in bulk: exact to the last place, once, and only what changed."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from threading import Barrier, Thread

import numpy as np
import pytest
from django.db import connection

from etftrader.core.money import to_fill_price
from marketdata.models import DailyBar, Instrument
from marketdata.providers.base import BarRow
from marketdata.services import bar_store, bulk
from marketdata.services.bulk import Column, Kind

DAY = date(2016, 6, 20)
FIGURES = ("open", "high", "low", "close", "adj_close")


def instruments(*symbols):
    return {
        symbol: Instrument.objects.create(
            symbol=symbol, name=symbol, kind="etf", price_basis="close"
        )
        for symbol in symbols
    }


def row(symbol="AAA", day=0, close=100.0, **more):
    given = dict.fromkeys(FIGURES, close) | {
        "volume": 1000,
        "source": "csv",
        "price_basis": "close",
    }
    return BarRow(symbol=symbol, session_date=DAY + timedelta(days=day), **given | more)


def stored():
    return list(
        DailyBar.objects.order_by("instrument__symbol", "session_date", "source").values_list(
            "instrument__symbol",
            "session_date",
            "source",
            *FIGURES,
            "volume",
            "price_basis",
            "revision",
        )
    )


@pytest.mark.django_db
def test_what_is_stored_is_what_the_border_of_money_makes_of_it():
    known = instruments("AAA", "BBB")
    rng = np.random.default_rng(5)
    prices = [
        *np.exp(rng.uniform(-5, 16, 300)),
        1.00005,
        1.00015,
        2.5,
        0.0001,
        9_999_999.99995,
        5e8,
    ]
    rows = [
        row("AAA" if at % 2 else "BBB", at, float(price), volume=at if at % 5 else None)
        for at, price in enumerate(prices)
    ]
    rows += [
        row("AAA", 400 + at, 50.0, **{name: None for name in FIGURES[:3] if at % 2}, adj_close=None)
        for at in range(6)
    ]

    assert bar_store.upsert(rows, known) == len(rows)

    def exact(value):
        return None if value is None else to_fill_price(value)

    expected = sorted(
        (
            each.symbol,
            each.session_date,
            each.source,
            *(exact(getattr(each, name)) for name in FIGURES),
            each.volume,
            each.price_basis,
            0,
        )
        for each in rows
    )
    assert stored() == expected


@pytest.mark.django_db
def test_the_same_again_writes_nothing_and_a_correction_raises_the_revision():
    known = instruments("AAA")
    rows = [row(day=day, close=100.0 + day) for day in range(50)]
    assert bar_store.upsert(rows, known) == 50
    assert bar_store.upsert(rows, known) == 0

    rows[7] = replace(rows[7], close=1.5)
    rows[9] = replace(rows[9], high=None)
    assert bar_store.upsert(rows, known) == 2

    revisions = [each[-1] for each in stored()]
    assert revisions == [1 if day in (7, 9) else 0 for day in range(50)]
    assert stored()[7][6] == Decimal("1.5")
    assert stored()[9][4] is None


@pytest.mark.django_db
def test_of_two_rows_with_one_key_the_later_one_counts():
    known = instruments("AAA")

    assert (
        bar_store.upsert([row(close=1.0), row(close=2.0), row(close=3.0, source="fred")], known)
        == 2
    )

    assert [(each[2], each[6]) for each in stored()] == [("csv", 2), ("fred", 3)]


@pytest.mark.django_db
def test_several_calls_fit_into_one_transaction():
    known = instruments("AAA")

    assert bar_store.upsert([row(close=1.0)], known) == 1
    assert bar_store.upsert([row(day=1, close=1.0)], known) == 1
    assert bar_store.upsert([], known) == 0

    assert len(stored()) == 2


@pytest.mark.django_db
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e13])
@pytest.mark.parametrize("name", ["close", "high"])
def test_a_figure_that_is_no_amount_is_refused_and_nothing_is_written(name, value):
    known = instruments("AAA")

    with pytest.raises(ValueError, match=r"number|amount"):
        bar_store.upsert([row(), row(day=1, **{name: value})], known)

    assert stored() == []


@pytest.mark.django_db(transaction=True)
def test_two_writers_of_the_same_rows_in_other_orders_both_end():
    known = instruments(*(f"S{number}" for number in range(20)))
    rows = [row(symbol, day) for symbol in known for day in range(40)]
    start, failed = Barrier(2), []

    def write(mine):
        try:
            start.wait()
            bar_store.upsert(mine, known)
        except Exception as error:  # noqa: BLE001 - told to the test
            failed.append(error)
        finally:
            connection.close()

    writers = [Thread(target=write, args=(each,)) for each in (rows, rows[::-1])]
    for each in writers:
        each.start()
    for each in writers:
        each.join()

    assert failed == []
    assert len(stored()) == 800


def test_ten_thousandths_round_as_the_border_of_money_does():
    rng = np.random.default_rng(6)
    values = np.concatenate(
        [
            np.round(rng.uniform(0, 1000, 2_000), 5),  # ties at the fifth place
            rng.uniform(-1e6, 1e6, 500),
            rng.uniform(0, 9e12, 200),
            [0.0, 0.00005, -0.00005, 1.00005, 2.00015, 0.29995],
        ]
    )

    units = bulk.ten_thousandths(values)

    assert units.tolist() == [int(to_fill_price(value).scaleb(4)) for value in values.tolist()]


def test_packed_amounts_are_the_decimals_they_stand_for():
    units = np.array([0, 1, -1, 9_999, 10_000, 1234_5678_9012_3456, -50_000], np.int64)
    block = next(iter(bulk.blocks([Column(Kind.PRICE, units)])))

    for place, expected in enumerate(units.tolist()):
        one = block[place * 22 : (place + 1) * 22]
        count, weight, sign, scale, *digits = np.frombuffer(one[6:], ">i2").tolist()
        assert (one[:2], one[2:6]) == (b"\0\1", b"\0\0\0\x10")
        assert (count, weight, scale) == (4, 2, 6)
        value = sum(digit * 10_000 ** (3 - at) for at, digit in enumerate(digits))
        assert (-value if sign == 0x4000 else value) == expected


def test_an_amount_that_has_no_room_is_refused():
    with pytest.raises(ValueError, match="too large"):
        list(bulk.blocks([Column(Kind.PRICE, np.array([10**16]))]))
