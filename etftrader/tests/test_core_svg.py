"""Scales, ticks and paths, with coordinates worked out by hand."""

import random
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from etftrader.core import svg


def test_a_scale_maps_its_ends_and_its_middle():
    scale = svg.Scale(0.0, 50.0, 100.0, 0.0)

    assert [scale(0.0), scale(25.0), scale(50.0)] == [100.0, 50.0, 0.0]


def test_a_flat_range_is_drawn_in_the_middle():
    assert svg.Scale(7.0, 7.0, 0.0, 40.0)(7.0) == 20.0


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (13_000, 20_400, [14_000, 16_000, 18_000, 20_000]),
        (0, 1, [0, 0.25, 0.5, 0.75, 1]),
        (-3, 9, [-2.5, 0, 2.5, 5, 7.5]),
        (97.5, 104.2, [98, 100, 102, 104]),
        (5, 5, [5]),
    ],
)
def test_ticks_are_round_and_inside(low, high, expected):
    assert svg.ticks(low, high) == expected


@pytest.mark.parametrize("seed", range(1, 40))
def test_ticks_never_leave_the_range_and_stay_few(seed):
    draw = random.Random(seed)
    low = draw.uniform(-1e6, 1e6)
    high = low + 10 ** draw.uniform(-4, 7)

    found = svg.ticks(low, high)

    assert low - 1e-6 <= found[0] <= found[-1] <= high + 1e-6
    assert 2 <= len(found) <= 5
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("value", "step", "label"),
    [
        (20_000, 2_000, "20k"),
        (0, 2_000, "0"),
        (12_500, 2_500, "12.5k"),
        (-15_000, 15_000, "\u221215k"),
        (1_250_000, 50_000, "1.25M"),
        (0.25, 0.25, "0.25"),
        (412, 50, "412"),
    ],
)
def test_axis_labels_are_short(value, step, label):
    assert svg.short(value, step) == label


def test_a_path_breaks_where_a_value_is_missing():
    across, up = svg.Scale(0, 3, 0, 30), svg.Scale(0, 10, 10, 0)

    drawn = svg.path([0, 1, 2, 3], [0, None, 10, 5], across, up)

    assert drawn == "M0 10M20 0L30 5"


def test_a_step_path_keeps_the_old_value_until_the_next():
    across, up = svg.Scale(0, 2, 0, 20), svg.Scale(0, 10, 10, 0)

    assert svg.path([0, 1, 2], [0, 10, 10], across, up, step=True) == "M0 10H10V0H20V0"


def test_an_area_closes_on_its_floor():
    across, up = svg.Scale(0, 1, 0, 10), svg.Scale(0, 10, 10, 0)

    assert svg.area([0, 1], [0, 10], across, up, floor=12) == "M0 10L10 0L10 12L0 12Z"
    assert svg.area([0, 1], [None, 10], across, up, floor=12) == ""


def test_thinning_keeps_the_spike_and_both_ends():
    ys = [1.0] * 1000
    ys[517] = 99.0

    xs, kept = svg.thinned(list(range(1000)), ys, most=100)

    assert len(xs) <= 110
    assert (xs[0], xs[-1]) == (0, 999)
    assert kept[xs.index(517)] == 99.0


def test_thinning_leaves_a_short_line_alone():
    assert svg.thinned([0, 1], [None, 2.0], most=10) == ([0, 1], [None, 2.0])


def test_the_extent_of_nothing_is_nothing():
    assert svg.extent([None, float("nan")], []) is None
    assert svg.extent([3.0, None], [-1.0]) == (-1.0, 3.0)


def test_clock_ticks_start_at_the_open_and_go_on_by_the_hour():
    start = datetime(2016, 6, 22, 13, 30, tzinfo=UTC)
    end = datetime(2016, 6, 22, 20, 0, tzinfo=UTC)

    found = svg.clock_ticks(start, end, zone=ZoneInfo("America/New_York"))

    assert [label for _, label in found] == [
        "09:30", "10:30", "11:30", "12:30", "13:30", "14:30", "15:30",
    ]  # fmt: skip


def test_date_ticks_of_a_long_run_name_months():
    days = [date(2015, 7 + i // 28, 1 + i % 28) for i in range(150)]

    labels = [label for _, label in svg.date_ticks(days)]

    assert labels[0] == "Jul 15"
    assert len(labels) <= 5


def test_labels_are_moved_apart_and_keep_their_order():
    assert svg.spread([50.0, 52.0, 10.0], gap=15) == [50.0, 65.0, 10.0]
