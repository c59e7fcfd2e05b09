"""Which rows of a series are believed."""

import csv
import gzip
import math
from datetime import date, timedelta

import pytest

from marketdata.calculations.bar_gate import ACCEPTED, HELD, REFUSED, Judged, Row, judge

DAY = date(2016, 6, 20)
UNTIL = date(2016, 7, 1)


def series(*closes, **figures):
    return [
        Row(DAY + timedelta(days=place), close, **figures) for place, close in enumerate(closes)
    ]


def verdicts(rows, **given):
    return [(each.verdict, each.reason) for each in judge(rows, until=UNTIL, **given)]


@pytest.mark.parametrize(
    ("close", "reason"),
    [
        (math.nan, "not_finite"),
        (math.inf, "not_finite"),
        (-math.inf, "not_finite"),
        (0.0, "not_positive"),
        (-3.0, "not_positive"),
        (1.1e7, "too_large"),
    ],
)
def test_an_impossible_price_is_refused(close, reason):
    assert verdicts(series(100.0, close, 101.0)) == [
        (ACCEPTED, None),
        (REFUSED, reason),
        (ACCEPTED, None),
    ]


def test_a_row_of_the_future_is_refused():
    rows = [Row(UNTIL, 100.0), Row(UNTIL + timedelta(days=1), 101.0)]

    assert verdicts(rows) == [(ACCEPTED, None), (REFUSED, "future")]


@pytest.mark.parametrize(
    ("close", "reason"),
    [
        (141.0, "jump"),
        (59.0, "jump"),
        (10_000.0, "magnitude"),
        (1.02, "magnitude"),
        (1.0, "placeholder"),
        (25.2, "split_without_action"),
        (198.0, "split_without_action"),
    ],
)
def test_a_move_nothing_explains_is_held_and_the_next_row_is_compared_with_the_last_good_one(
    close, reason
):
    judged = judge(series(100.0, close, 101.0), until=UNTIL)

    assert judged[1] == Judged(HELD, reason, 100.0)
    assert judged[2].verdict == ACCEPTED


@pytest.mark.parametrize("close", [139.9, 60.1, 100.0])
def test_a_large_move_within_bounds_is_believed(close):
    assert verdicts(series(100.0, close))[1] == (ACCEPTED, None)


def test_a_known_split_explains_the_move():
    rows = series(400.0, 101.0, 102.0)

    assert verdicts(rows, splits={DAY + timedelta(days=1): 4.0}) == [(ACCEPTED, None)] * 3
    # the day the split is not: the move is there, its cause is not
    assert verdicts(rows, splits={DAY + timedelta(days=2): 4.0})[1][0] == HELD


def test_the_last_stored_close_counts_before_the_first_row():
    assert verdicts(series(300.0), last=(DAY - timedelta(days=3), 100.0)) == [
        (HELD, "split_without_action")
    ]


def test_two_sources_apart_by_more_than_five_percent_are_held():
    rows = series(100.0, 101.0)

    assert verdicts(rows, others={DAY: 106.0}) == [(HELD, "sources_differ"), (ACCEPTED, None)]
    assert verdicts(rows, others={DAY: 104.0}) == [(ACCEPTED, None)] * 2


@pytest.mark.parametrize(
    "figures",
    [
        {"high": 99.0},
        {"low": 101.0},
        {"open": 105.0, "high": 104.0},
        {"volume": -1},
        {"high": math.nan},
        {"low": 0.0},
    ],
)
def test_a_close_outside_its_own_session_is_held(figures):
    assert verdicts(series(100.0, **figures)) == [(HELD, "inconsistent")]


def test_what_a_person_confirmed_is_believed_but_nothing_impossible():
    confirmed = frozenset({DAY, DAY + timedelta(days=1)})

    assert verdicts(series(100.0, 300.0, 301.0), confirmed=confirmed) == [(ACCEPTED, None)] * 3
    assert verdicts(series(math.nan), confirmed=confirmed) == [(REFUSED, "not_finite")]


def test_real_histories_pass_but_for_their_known_faults(shared_folder):
    first: dict[str, tuple[str, str | None]] = {}
    counted = 0
    with gzip.open(shared_folder / "data" / "etf_daily_2016_2021.csv.gz", "rt") as lines:
        by_symbol: dict[str, list[Row]] = {}
        for row in csv.DictReader(lines):
            by_symbol.setdefault(row["symbol"], []).append(
                Row(
                    date.fromisoformat(row["date"]),
                    *(float(row[name]) for name in ("close", "open", "high", "low", "volume")),
                )
            )
    for symbol, rows in by_symbol.items():
        for row, each in zip(rows, judge(rows, until=date(2021, 4, 27)), strict=True):
            counted += 1
            if each.verdict != ACCEPTED:
                first.setdefault(symbol, (str(row.session_date), each.reason))

    # SLY was split two for one on 2018-06-13 and the file has no actions; AGG's last row was
    # taken while its session ran
    assert first == {
        "SLY": ("2018-06-13", "split_without_action"),
        "AGG": ("2021-04-27", "inconsistent"),
    }
    assert counted == 55_352
