"""Our closed form against an independent library, one contract at a time."""

import itertools
import math
import subprocess
import sys

import pytest

from marketdata.calculations.options import CODE
from marketdata.calculations.second_opinion import Contract, apart, compare, second_opinion

GRID = [
    Contract(100.0, *rest)
    for rest in itertools.product(
        (70.0, 100.0, 140.0),
        (0.0, 0.03, 0.08),
        (0.0, 0.02, 0.06),
        (0.1, 0.3, 0.8),
        (0.02, 0.25, 2.0),
        (True, False),
    )
]


def test_the_second_opinion_agrees_on_a_grid():
    found = compare(GRID)

    assert (found.compared, found.skipped, found.reason) == (len(GRID), 0, None)
    assert found.largest < 1e-9


def test_a_difference_is_found_and_named():
    one, other = second_opinion(GRID[:4]), second_opinion(GRID[:4])
    other.values[4, 1] += 0.25
    other.reason[2] = CODE["expired"]

    found = apart(one, other)

    assert (found.field, found.largest) == ("vega", pytest.approx(0.25))
    assert (found.compared, found.skipped) == (3, 1)


GOOD = {
    "spot": 100.0,
    "strike": 100.0,
    "rate": 0.03,
    "dividend_yield": 0.0,
    "volatility": 0.2,
    "years": 0.5,
    "is_call": True,
}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"years": 0.0}, "expired"),
        ({"years": -0.1}, "expired"),
        ({"years": math.nan}, "no_time"),
        ({"volatility": 0.0}, "no_volatility"),
        ({"volatility": None}, "no_volatility"),
        ({"volatility": -0.2}, "no_volatility"),
        ({"spot": 0.0}, "no_spot"),
        ({"spot": -3.0}, "no_spot"),
        ({"strike": 0.0}, "no_strike"),
        ({"rate": None}, "no_rate"),
        ({"dividend_yield": math.inf}, "no_dividend_yield"),
        ({"rate": -1e6}, "out_of_range"),
    ],
)
def test_what_the_library_would_get_wrong_is_never_asked(change, word):
    found = second_opinion([Contract(**(GOOD | change))])

    assert found.reasons() == [word]
    assert set(found.row(0).values()) == {None}
    assert compare([Contract(**(GOOD | change))]).reason == "no_contracts"


def test_good_contracts_are_compared_beside_bad_ones():
    found = compare([Contract(**GOOD), Contract(**(GOOD | {"years": 0.0}))])

    assert (found.compared, found.skipped) == (1, 1)
    assert found.largest < 1e-9


def test_nothing_to_compare():
    assert compare([]).reason == "no_contracts"


def test_the_library_is_loaded_only_when_asked():
    script = "import sys, marketdata.calculations.second_opinion; print('mibian' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "False"
