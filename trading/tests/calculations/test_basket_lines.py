"""Lines of a basket as people type and paste them."""

from decimal import Decimal

import pytest

from trading.calculations import basket_lines
from trading.calculations.basket_lines import Line

D = Decimal


@pytest.mark.parametrize(
    ("written", "line"),
    [
        ("buy 100 SPY", Line(1, "buy", D(100), "SPY")),
        ("  SELL 40 tlt 138.50 ", Line(1, "sell", D(40), "TLT", D("138.50"))),
        ("sell 1,000 TLT @ 138.5", Line(1, "sell", D(1000), "TLT", D("138.5"))),
        ("sell 1,000 TLT @138.5", Line(1, "sell", D(1000), "TLT", D("138.5"))),
        ("b\t2.5\tBRK.B\tlimit\t100", Line(1, "buy", D("2.5"), "BRK.B", D(100))),
        ("buy;100;SPY;203", Line(1, "buy", D(100), "SPY", D(203))),
        ("buy,100,SPY,203", Line(1, "buy", D(100), "SPY", D(203))),
        ("buy, 100, SPY", Line(1, "buy", D(100), "SPY")),
        ("s 3 AAA160715C00100000", Line(1, "sell", D(3), "AAA160715C00100000")),
    ],
)
def test_a_line_is_side_quantity_symbol_and_perhaps_a_limit(written, line):
    assert basket_lines.read(written) == ([line], [])


def test_empty_lines_count_for_nothing_and_keep_the_numbers():
    lines, errors = basket_lines.read("\n\nbuy 1 AAA\n \nsell 2 BBB\n")

    assert ([each.number for each in lines], errors) == ([3, 5], [])


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("buy 100", "Line 1: write side, quantity, symbol"),
        ("buy 100 SPY 203 day", "Line 1: write side, quantity, symbol"),
        ("hold 100 SPY", 'Line 1: "hold" is neither buy nor sell'),
        ("buy many SPY", 'Line 1: "many" is not a plain decimal number'),
        ("buy 1e9 SPY", 'Line 1: "1e9" is not a plain decimal number'),
        ("buy 100 SPY x", 'Line 1: "x" is not a plain decimal number'),
    ],
)
def test_what_is_no_leg_is_named_by_its_line(written, why):
    lines, [error] = basket_lines.read(written)

    assert lines == []
    assert error.startswith(why)


def test_good_lines_are_read_beside_bad_ones():
    lines, errors = basket_lines.read("buy 1 AAA\nnothing\nsell 1 BBB")

    assert ([each.symbol for each in lines], len(errors)) == (["AAA", "BBB"], 1)
