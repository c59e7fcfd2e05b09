"""Option symbols in every form that is accepted, and the words for those that are not."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.calculations.option_symbols import SymbolProblem, build, parse

roots = st.from_regex(r"[A-Z]{1,5}[1-9]?|[A-Z]{6}", fullmatch=True)
days = st.dates(date(2000, 1, 1), date(2099, 12, 31))
strikes = st.integers(1, 99_999_999).map(lambda n: Decimal(n) / 1000)


@given(roots, days, st.sampled_from("CP"), strikes)
def test_parts_and_text_lead_to_each_other(root, expiry, right, strike):
    made = build(root, expiry, right, strike)

    assert (made.root, made.expiry, made.right, made.strike) == (root, expiry, right, strike)
    assert len(made.padded) == 21
    for text in (made.compact, made.padded, made.compact.lower(), f" {made.padded} "):
        assert parse(text) == made


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused_with_words(text):
    try:
        made = parse(text)
    except SymbolProblem as refused:
        made, problem = None, refused

    if made is None:
        assert problem.field in {"symbol", "root", "expiry", "right", "strike"}
        assert problem.detail
    else:
        assert parse(made.compact) == parse(made.padded)
        assert parse(made.compact).compact == made.compact


@pytest.mark.parametrize(
    ("text", "compact", "underlying"),
    [
        ("AAPL240119C00150000", "AAPL240119C00150000", "AAPL"),
        ("AAPL  240119C00150000", "AAPL240119C00150000", "AAPL"),
        ("spxw180102p02690500", "SPXW180102P02690500", "SPX"),
        ("F     240119C00012500", "F240119C00012500", "F"),
        ("BRK.B240119P00350000", "BRKB240119P00350000", "BRKB"),
        ("BRK-B 240119P00350000", "BRKB240119P00350000", "BRKB"),
        ("GE1   240119C00150000", "GE1240119C00150000", "GE"),
    ],
)
def test_the_output_is_always_compact(text, compact, underlying):
    assert parse(text).compact == compact
    assert parse(text).underlying == underlying


def test_the_parts_of_the_example():
    found = parse("AAPL240119C00150000")

    assert (found.root, found.expiry, found.right) == ("AAPL", date(2024, 1, 19), "C")
    assert found.strike == 150
    assert not found.adjusted
    assert found.warnings == ()


def test_an_adjusted_root_warns_of_its_multiplier():
    found = parse("GE1240119C00150000")

    assert found.adjusted
    assert len(found.warnings) == 1
    assert "GE1 is an adjusted root: its multiplier may differ from 100" in found.warnings[0]


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("", "symbol", "AAPL240119C00150000"),
        ("AAPL", "symbol", "too short"),
        ("240119C00150000", "symbol", "too short"),
        ("AAPL٢40119C00150000", "symbol", "plain text"),
        ("TOOLONG240119C00150000", "root", "one to six letters"),
        ("A1B240119C00150000", "root", "'A1B'"),
        ("AAPL0240119C00150000", "root", "from 1"),
        ("AA PL240119C00150000", "root", "'AA PL'"),
        ("AAPL240230C00150000", "expiry", "240230 is not a day"),
        ("AAPL241319C00150000", "expiry", "241319 is not a day"),
        ("AAPL24O119C00150000", "expiry", "'24O119'"),
        ("AAPL240119X00150000", "right", "'X' is neither C"),
        ("AAPL240119C00000000", "strike", "a strike of 0"),
        ("AAPL240119C0015000A", "strike", "eight digits"),
    ],
)
def test_a_wrong_symbol_names_its_part_and_the_way_out(text, field, words):
    with pytest.raises(SymbolProblem) as caught:
        parse(text)

    assert caught.value.field == field
    assert words in caught.value.detail


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        (("AAPL", date(1999, 12, 31), "C", 10), "expiry"),
        (("AAPL", date(2024, 1, 19), "C", 0), "strike"),
        (("AAPL", date(2024, 1, 19), "C", 100_000), "strike"),
        (("AAPL", date(2024, 1, 19), "C", Decimal("1.0005")), "strike"),
        (("AAPL", date(2024, 1, 19), "C", Decimal("NaN")), "strike"),
        (("AAPL", date(2024, 1, 19), "B", 10), "right"),
        (("", date(2024, 1, 19), "C", 10), "symbol"),
    ],
)
def test_parts_that_cannot_be_written_are_refused(parts, field):
    with pytest.raises(SymbolProblem) as caught:
        build(*parts)

    assert caught.value.field == field
