"""Exchange rates: what a symbol says, and the ways from one currency to another."""

from decimal import Decimal

import pytest

from marketdata.calculations import exchange

PRICES = {"EURUSD=X": Decimal("1.25"), "USDJPY=X": Decimal("160"), "EURGBP=X": Decimal("0.8")}
SYMBOLS = {exchange.pair_of(symbol): symbol for symbol in PRICES}


@pytest.mark.parametrize(
    ("symbol", "pair"),
    [
        ("EURUSD=X", ("EUR", "USD")),
        ("jpy=x", ("USD", "JPY")),
        ("USD=X", None),
        ("EUREUR=X", None),
        ("EURUSD", None),
        ("ES=F", None),
        ("SPY", None),
    ],
)
def test_a_symbol_says_which_currency_is_priced_in_which(symbol, pair):
    assert exchange.pair_of(symbol) == pair


@pytest.mark.parametrize(
    ("origin", "target", "rate"),
    [
        ("EUR", "USD", "1.25"),
        ("USD", "EUR", "0.8"),
        ("EUR", "GBP", "0.8"),
        ("GBP", "EUR", "1.25"),
        ("JPY", "USD", "0.00625"),
        ("EUR", "JPY", "200"),
        ("JPY", "EUR", "0.005"),
    ],
)
def test_a_rate_is_as_quoted_turned_round_or_crossed_over_the_dollar(origin, target, rate):
    best = exchange.paths(SYMBOLS, origin, target)[0]
    assert exchange.along(best, PRICES.get) == Decimal(rate)


def test_there_and_back_is_one_to_ten_digits():
    there = exchange.along(exchange.paths(SYMBOLS, "JPY", "EUR")[0], PRICES.get)
    back = exchange.along(exchange.paths(SYMBOLS, "EUR", "JPY")[0], PRICES.get)
    assert abs(there * back - 1) < Decimal("1e-9")


def test_what_nobody_quotes_has_no_way_and_a_pair_without_a_price_no_rate():
    assert exchange.paths(SYMBOLS, "CHF", "USD") == []
    assert exchange.paths(SYMBOLS, "CHF", "SEK") == []
    assert exchange.along([("EURUSD=X", 1)], {}.get) is None


def test_the_quoted_pairs_asked_for_cover_both_spellings_and_the_dollar():
    asked = exchange.spellings({"EUR", "GBP"})
    assert {"EURGBP=X", "GBPEUR=X", "EURUSD=X", "USDGBP=X", "EUR=X", "GBP=X"} <= asked
    assert "USD=X" not in asked
