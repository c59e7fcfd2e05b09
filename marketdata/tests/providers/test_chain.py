"""Sources asked in order: who answers, who is asked, what is said when nobody does."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

import pytest

from marketdata.providers.base import (
    BarRow,
    DividendRow,
    Failure,
    ProviderFailed,
    SymbolHistory,
    YieldRow,
)
from marketdata.providers.chain import Fallback

DAY = date(2020, 1, 2)


class Source:
    """A source that knows some symbols, at one price each."""

    def __init__(self, name: str, prices: dict[str, float], silent: Sequence[str] = ()) -> None:
        self.name, self.prices, self.silent = name, prices, silent
        self.asked: list[list[str]] = []

    def histories(self, symbols: Sequence[str], start: date, end: date) -> Iterator[SymbolHistory]:
        self.asked.append(list(symbols))
        for symbol in symbols:
            if symbol in self.silent:
                continue
            if symbol in self.prices:
                price = self.prices[symbol]
                bar = BarRow(symbol, DAY, None, None, None, price, None, None, self.name, "close")
                yield SymbolHistory(symbol, (bar,))
            else:
                yield SymbolHistory(symbol, failure=Failure(symbol, "nope", "unknown here"))

    def yields(self, start: date, end: date) -> Iterator[YieldRow]:
        if "yield" not in self.prices:
            raise ProviderFailed("no yields here", code="down")
        if self.prices["yield"]:
            yield YieldRow(DAY, "10Y", self.prices["yield"], self.name)


def test_each_symbol_comes_whole_from_the_first_that_has_it() -> None:
    one, two = Source("one", {"SPY": 1}), Source("two", {"SPY": 2, "QQQ": 3})
    chain = Fallback([one, two], [])

    rows = list(chain.bars(["QQQ", "SPY"], DAY, DAY))

    assert [(row.symbol, row.close, row.source) for row in rows] == [
        ("QQQ", 3, "two"),
        ("SPY", 1, "one"),
    ]
    assert two.asked == [["QQQ"]]
    assert [(t.provider, t.asked, t.answered) for t in chain.tallies] == [
        ("one", 2, 1),
        ("two", 1, 1),
    ]


def test_who_is_not_needed_is_not_asked() -> None:
    one, two = Source("one", {"SPY": 1}), Source("two", {"SPY": 2})

    list(Fallback([one, two], []).histories(["SPY"], DAY, DAY))

    assert two.asked == []


def test_a_symbol_nobody_knows_has_every_reason() -> None:
    chain = Fallback([Source("one", {}, silent=["X"]), Source("two", {"SPY": 2})], [])

    x, spy = chain.histories(["X", "SPY"], DAY, DAY)

    assert x.failure is not None
    assert x.failure.detail == "one: no answer; two: unknown here"
    assert spy.failure is None
    with pytest.raises(ProviderFailed, match="two: unknown here"):
        list(chain.bars(["X"], DAY, DAY))


def test_yields_come_whole_from_the_first_that_has_any() -> None:
    sources = [Source("down", {}), Source("empty", {"yield": 0}), Source("good", {"yield": 1.88})]

    answer = Fallback([], sources).curve(DAY, DAY)

    assert [row.source for row in answer.rows] == ["good"]
    assert [(f.subject, f.code) for f in answer.failures] == [
        ("down", "down"),
        ("empty", "empty_answer"),
    ]
    with pytest.raises(ProviderFailed, match="down: no yields here; empty"):
        list(Fallback([], sources[:2]).yields(DAY, DAY))


class Told(Source):
    """A source whose answers come with a dividend; it fails of what it has no price of."""

    def histories(self, symbols: Sequence[str], start: date, end: date) -> Iterator[SymbolHistory]:
        for each in super().histories(symbols, start, end):
            paid = DividendRow(each.symbol, DAY, 1.0, "USD", "cash", self.name)
            yield each if each.failure else replace(each, dividends=(paid,))


def test_splits_and_dividends_come_from_the_sources_named_for_them() -> None:
    bars, more = Told("bars", {"SPY": 1, "TLT": 2, "QQQ": 3}), Told("more", {"SPY": 9, "TLT": 9})
    chain = Fallback([bars], [], actions=[more])

    answers = list(chain.histories(["SPY", "TLT", "QQQ", "X"], DAY, DAY))

    assert [each.bars[0].close for each in answers[:3]] == [1, 2, 3]
    # where nobody named tells them, those that came with the bars stand
    assert [each.dividends[0].source for each in answers[:3]] == ["more", "more", "bars"]
    assert answers[3].failure is not None
    assert more.asked == [["SPY", "TLT", "QQQ"]]
    assert [(t.provider, t.asked, t.answered) for t in chain.tallies] == [
        ("bars", 4, 3),
        ("more", 3, 2),
    ]


def test_who_told_the_bars_is_not_asked_for_their_actions_again() -> None:
    one, two = Told("one", {"SPY": 1}), Told("two", {"TLT": 2})

    answers = list(Fallback([one, two], [], actions=[one]).histories(["SPY", "TLT"], DAY, DAY))

    assert [each.dividends[0].source for each in answers] == ["one", "two"]
    assert one.asked == [["SPY", "TLT"], ["TLT"]]


def test_without_a_source_there_is_nothing_to_ask() -> None:
    with pytest.raises(ProviderFailed, match="no source is configured"):
        Fallback([], [])
