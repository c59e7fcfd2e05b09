"""Which known symbols a word may mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.calculations.likeness import Known

NAMES = {
    "AAPL": "Apple",
    "AMD": "Advanced Micro Devices",
    "BRK-B": "Berkshire Hathaway",
    "LQD": "iShares Investment Grade Corporate Bond",
    "XLB": "Materials Select Sector SPDR",
    "XLE": "Energy Select Sector SPDR",
    "XLF": "Financial Select Sector SPDR",
    "XLK": "Technology Select Sector SPDR",
}
KNOWN = Known(NAMES)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("XLQ", ["XLB", "XLE", "XLF"]),  # of equals those that begin alike
        ("appel", ["AAPL"]),
        ("APPLE", ["AAPL"]),
        ("BRK.B", ["BRK-B"]),
        ("BERKSHIRE", ["BRK-B"]),
        ("ENERGY", ["XLE"]),
        ("ZZZZZ", []),
        ("", []),
    ],
)
def test_the_likest_come_first(word, meant):
    assert KNOWN.nearest(word) == meant


@given(st.text(max_size=30), st.integers(1, 5))
def test_there_are_no_more_than_asked_for_and_all_are_known(word, most):
    found = KNOWN.nearest(word, most=most)

    assert len(found) <= most
    assert set(found) <= set(NAMES)
    assert len(set(found)) == len(found)


@given(st.sampled_from(sorted(NAMES)))
def test_a_known_symbol_is_the_likest_to_itself(symbol):
    assert KNOWN.nearest(symbol.lower())[0] == symbol
