"""Bonds: published figures, independent sums of cash flows, and prices without a yield."""

import math
from calendar import monthrange
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.calculations.bonds import Bond, BondFigures, at_yield, bond, to_yield

bonds = st.builds(
    Bond,
    st.floats(0.0, 0.2),
    st.sampled_from([1, 2, 4, 12]),
    st.integers(1, 120),
    st.floats(0.0, 0.99),
)


@pytest.mark.parametrize(
    ("coupon", "years", "price", "macaulay", "modified", "convexity"),
    [
        (0.09, 5, 100.0, 4.13, 3.96, 19.45),
        (0.09, 25, 100.0, 10.33, 9.88, 160.72),
        (0.06, 5, 88.1309, 4.35, 4.16, 20.85),
        (0.06, 25, 70.3570, 11.10, 10.62, 182.92),
        (0.0, 5, 64.3928, 5.0, 4.78, 25.18),
        (0.0, 25, 11.0710, 25.0, 23.92, 583.78),
    ],
)
def test_the_six_bonds_of_fabozzi(coupon, years, price, macaulay, modified, convexity):
    """Semi-annual, at a yield of 9 %."""
    found = at_yield(Bond(coupon, 2, 2 * years), 0.09)

    assert found.dirty == pytest.approx(price, abs=6e-5)
    assert found.macaulay_duration == pytest.approx(macaulay, abs=6e-3)
    assert found.modified_duration == pytest.approx(modified, abs=6e-3)
    assert found.convexity == pytest.approx(convexity, abs=0.02)


def test_price_and_yield_of_the_spreadsheet_manuals():
    """The examples of PRICE, YIELD, DURATION and MDURATION in Excel's reference."""
    first = bond(date(2008, 2, 15), date(2017, 11, 15), 0.0575, 2, "30/360")
    second = bond(date(2008, 2, 15), date(2016, 11, 15), 0.0575, 2, "30/360")
    third = bond(date(2018, 7, 1), date(2048, 1, 1), 0.08, 2, "act/act")
    fourth = bond(date(2008, 1, 1), date(2016, 1, 1), 0.08, 2, "act/act")

    assert at_yield(first, 0.065).clean == pytest.approx(94.63436162, abs=1e-8)
    assert to_yield(second, 95.04287).value == pytest.approx(0.065, abs=1e-7)
    assert at_yield(third, 0.09).macaulay_duration == pytest.approx(10.9191453, abs=1e-7)
    assert at_yield(fourth, 0.09).modified_duration == pytest.approx(5.73567, abs=1e-5)


@given(bonds, st.floats(-0.02, 0.3))
def test_figures_are_sums_over_the_cash_flows(of, annual):
    times = (np.arange(1, of.periods + 1) - of.elapsed) / of.frequency
    paid = np.full(of.periods, 100 * of.coupon_rate / of.frequency)
    paid[-1] += 100.0
    rate = of.frequency * np.log1p(annual / of.frequency)  # the same, continuous
    present = paid * np.exp(-rate * times)

    found = at_yield(of, annual)

    assert found.dirty == pytest.approx(present.sum(), rel=1e-11)
    assert found.clean == pytest.approx(found.dirty - found.accrued, rel=1e-12)
    assert found.macaulay_duration == pytest.approx((present * times).sum() / present.sum())
    step = 1e-4
    up, down = at_yield(of, annual + step).dirty, at_yield(of, annual - step).dirty
    slope, bend = (up - down) / (2 * step), (up - 2 * found.dirty + down) / step**2
    assert found.modified_duration == pytest.approx(-slope / found.dirty, rel=1e-4)
    assert found.convexity == pytest.approx(bend / found.dirty, rel=1e-3, abs=1e-3)
    assert found.dv01 == pytest.approx((down - up) / 2, rel=1e-4)


@given(bonds, st.floats(-0.5, 5.0))
def test_a_price_leads_back_to_its_yield(of, annual):
    there = at_yield(of, annual)

    back = to_yield(of, there.clean)

    assert back.reason is None
    assert at_yield(of, back.value).dirty == pytest.approx(there.dirty, rel=1e-8)
    if of.accrued < 100 * there.dirty:
        assert back.value == pytest.approx(annual, abs=1e-9)


def test_a_bond_at_par_yields_its_coupon():
    assert to_yield(Bond(0.05, 2, 20), 100.0).value == pytest.approx(0.05, abs=1e-13)
    assert at_yield(Bond(0.05, 2, 20), 0.05).clean == pytest.approx(100.0)


def test_accrued_interest_by_the_two_bases():
    """An ICMA period of 184 days, 61 over; 30/360 counts 60 of 180."""
    days = (date(2023, 7, 15), date(2024, 5, 15))
    actual, thirty = (bond(*days, 0.08, 2, basis) for basis in ("act/act", "30/360"))

    assert actual.periods == thirty.periods == 2
    assert actual.accrued == pytest.approx(4.0 * 61 / 184)
    assert thirty.accrued == pytest.approx(4.0 * 60 / 180)


def by_hand(issued, settled, maturity, coupon, clean):
    """Accrued interest and yield of a semi-annual bond, act/act, from nothing but its dates."""
    days = [maturity]
    while days[0] > min(issued, settled):
        earlier = days[0].month - 6
        days.insert(0, date(days[0].year - (earlier < 1), earlier % 12 or 12, days[0].day))
    flows = []
    for first, last in pairwise(days):
        paid = Fraction((last - max(first, issued)).days, (last - first).days) * coupon / 2
        flows.append((first, last, paid))
    first, last, _ = next(each for each in flows if each[0] <= settled < each[1])
    accrued = Fraction((settled - max(first, issued)).days, (last - first).days) * coupon / 2
    left = float(Fraction((last - settled).days, (last - first).days))
    coming = [paid for _, day, paid in flows if day > settled]
    coming[-1] += 100
    low, high = -0.5, 2.0
    for _ in range(200):
        middle = (low + high) / 2
        worth = sum(
            float(paid) / (1 + middle / 2) ** (left + place) for place, paid in enumerate(coming)
        )
        low, high = (middle, high) if worth > clean + float(accrued) else (low, middle)
    return float(accrued), low


@pytest.mark.parametrize(
    ("issued", "settled"),
    [
        (date(2016, 6, 1), date(2016, 6, 22)),  # in a short first period
        (date(2016, 6, 22), date(2016, 6, 22)),  # on the day of issue
        (date(2016, 5, 15), date(2016, 6, 22)),  # issued on a coupon day
        (date(2016, 6, 1), date(2016, 11, 15)),  # the first coupon is paid
        (date(2014, 1, 7), date(2016, 6, 22)),  # long ago
    ],
)
def test_interest_runs_from_the_issue_and_a_short_first_coupon_pays_its_days(issued, settled):
    maturity = date(2026, 5, 15)

    of = bond(settled, maturity, 0.06, issued=issued)
    found = to_yield(of, 98.5)

    accrued, annual = by_hand(issued, settled, maturity, 6, 98.5)
    assert of.accrued == pytest.approx(accrued, abs=1e-12)
    assert found.value == pytest.approx(annual, abs=1e-11)
    figures = at_yield(of, found.value)
    assert figures.clean == pytest.approx(98.5, abs=1e-9)
    assert figures.dirty == pytest.approx(98.5 + accrued, abs=1e-9)


def test_the_short_first_period_of_the_isda_memorandum():
    """EMU and market conventions, 1998: 10 %, issued 1 February 1999, coupons on 1 July."""
    dates = (date(2000, 7, 1), 0.1, 1)
    issued = date(1999, 2, 1)
    fresh = bond(issued, *dates, issued=issued)
    _, amounts = fresh.cash_flows()

    assert list(amounts) == pytest.approx([4.10958904110, 110.0])
    assert (fresh.accrued, fresh.periods) == (0.0, 2)
    last = bond(date(1999, 6, 30), *dates, issued=issued)
    assert last.accrued == pytest.approx(10 * 149 / 365)
    assert list(bond(date(1999, 7, 1), *dates, issued=issued).cash_flows()[1]) == [110.0]


def test_before_its_issue_there_is_no_bond():
    ahead = bond(date(2016, 6, 21), date(2026, 5, 15), 0.06, issued=date(2016, 6, 22))

    assert at_yield(ahead, 0.05) == BondFigures(reason="not_issued")
    assert to_yield(ahead, 100.0).reason == "not_issued"
    assert bond(date(2016, 6, 22), date(2026, 5, 15), 0.06, issued=date(2016, 6, 22)).reason is None


def test_thirty_360_from_the_issue():
    """21 days of a period of 180 are earned of a first coupon of 164."""
    of = bond(date(2016, 6, 22), date(2026, 5, 15), 0.06, 2, "30/360", date(2016, 6, 1))

    assert of.accrued == pytest.approx(3.0 * 21 / 180)
    assert of.cash_flows()[1][0] == pytest.approx(3.0 * 164 / 180)


@pytest.mark.parametrize(
    ("settled", "days"),
    [
        (date(2023, 2, 28), 0),  # the coupon day itself, a 30th
        (date(2023, 3, 15), 15),
        (date(2023, 8, 15), 165),
        (date(2023, 8, 30), 180),
    ],
)
def test_thirty_360_takes_the_end_of_february_for_a_30th_where_coupons_fall_on_ends(settled, days):
    of = bond(settled, date(2025, 8, 31), 0.06, 2, "30/360")

    assert of.accrued == pytest.approx(3.0 * days / 180)


def test_accrued_interest_needs_no_yield():
    found = at_yield(Bond(0.06, 2, 10, 0.5), None)

    assert (found.accrued, found.dirty, found.reason) == (1.5, None, "no_yield")


@given(
    st.dates(date(2004, 1, 1), date(2035, 12, 31)),
    st.integers(1, 36_000),
    st.sampled_from([1, 2, 4, 12]),
)
def test_the_coupons_that_are_left_are_those_after_the_settlement(settled, days, frequency):
    maturity = settled + timedelta(days)
    months = maturity.year * 12 + maturity.month - 1
    coming = []
    for back in range(0, 1300, 12 // frequency):
        year, month = divmod(months - back, 12)
        last = monthrange(year, month + 1)[1]
        ends = maturity.day == monthrange(maturity.year, maturity.month)[1]
        day = date(year, month + 1, last if ends else min(maturity.day, last))
        if day <= settled:
            break
        coming.append(day)

    assert bond(settled, maturity, 0.05, frequency).periods == len(coming)


def test_on_a_coupon_day_nothing_has_accrued():
    fresh = bond(date(2024, 5, 15), date(2026, 5, 15), 0.06)

    assert (fresh.periods, fresh.elapsed) == (4, 0.0)


def test_coupons_of_a_bond_that_matures_at_a_months_end_fall_on_months_ends():
    assert bond(date(2024, 2, 29), date(2024, 8, 31), 0.06).periods == 1
    assert bond(date(2024, 2, 28), date(2024, 8, 31), 0.06).periods == 2


@pytest.mark.parametrize("clean", [None, math.nan, math.inf, 0.0, -3.0])
def test_without_a_price_there_is_no_yield(clean):
    assert to_yield(Bond(0.05, 2, 10), clean).reason == "no_price"
    assert to_yield(Bond(0.05, 2, 10), clean).value is None


def test_reasons_of_bonds_without_figures():
    over = bond(date(2024, 5, 15), date(2024, 5, 15), 0.06)

    assert at_yield(over, 0.05) == BondFigures(reason="matured")
    assert to_yield(over, 100.0).reason == "matured"
    assert at_yield(Bond(0.05, 2, 10), -2.0).reason == "no_yield"
    assert at_yield(Bond(0.05, 2, 10), None).reason == "no_yield"
    assert at_yield(Bond(0.05, 2, 2000), -1.9999).reason == "out_of_range"
    assert to_yield(Bond(0.0, 1, 1), 1e-9).reason == "no_solution"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: Bond(0.05, 3, 10), "frequency: 3"),
        (lambda: Bond(0.05, 2, -1), "periods"),
        (lambda: Bond(0.05, 2, 3, 1.0), "periods"),
        (lambda: Bond(-0.05, 2, 3), "coupon_rate: -0.05"),
        (lambda: Bond(0.05, 2, 3, 0.0, 1.5), "first_coupon"),
        (lambda: Bond(0.05, 2, 3, 0.0, 1.0, -0.1), "first_coupon"),
        (lambda: bond(date(2024, 1, 1), date(2025, 1, 1), 0.05, 2, "act/365"), "basis: 'act/365'"),
        (lambda: bond(date(2024, 1, 1), date(2025, 1, 1), 0.05, 5), "frequency: 5"),
    ],
)
def test_a_bond_that_cannot_be_is_refused_with_its_field(wrong, words):
    with pytest.raises(ValueError, match=words):
        wrong()
