"""Chains and live prices of several sources: who answers, who is asked next, what is kept of it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

import pytest

from marketdata.providers.base import (
    Failure,
    OptionChain,
    ProviderFailed,
    QuoteAnswer,
    QuoteRow,
)
from marketdata.providers.live_chain import GIVE_UP, RETURN_S, ChainFallback, QuoteFallback

DAY = date(2026, 12, 18)


class Chains:
    """A source with chains of some names; of the others it says what it is told to."""

    def __init__(self, name: str, listed: dict[str, tuple[date, ...]], code: str = "down") -> None:
        self.name, self.listed, self.code = name, listed, code
        self.broken: set[date] = set()
        self.asked: list[str] = []

    def expirations(self, symbol: str) -> tuple[date, ...]:
        self.asked.append(symbol)
        if symbol not in self.listed:
            raise ProviderFailed(f"{symbol} not here", code=self.code)
        return self.listed[symbol]

    def chain(self, symbol: str, expiration: date) -> OptionChain:
        if expiration in self.broken or expiration not in self.listed.get(symbol, ()):
            raise ProviderFailed("no such chain", code=self.code)
        return OptionChain(symbol, expiration, 100.0, ())


def test_a_chain_comes_from_the_first_source_that_has_it() -> None:
    one, two = Chains("one", {"SPY": (DAY,)}), Chains("two", {"SPY": (DAY,), "TLT": (DAY,)})
    source = ChainFallback([one, two])

    assert source.expirations("SPY") == source.expirations("TLT") == (DAY,)

    assert (two.asked, source.name) == (["TLT"], "one+two")
    [first, second] = source.tallies
    assert (first.provider, first.asked, first.answered, first.streak) == ("one", 2, 1, 1)
    assert first.failures == (Failure("TLT", "down", "one: TLT not here"),)
    assert (second.asked, second.answered, second.failures) == (1, 1, ())


def test_an_expiry_that_one_source_fails_of_comes_from_the_next() -> None:
    one, two = Chains("one", {"SPY": (DAY,)}), Chains("two", {"SPY": (DAY,)})
    one.broken.add(DAY)

    assert ChainFallback([one, two]).chain("SPY", DAY).expiration == DAY
    two.broken.add(DAY)
    with pytest.raises(ProviderFailed, match="one: no such chain; two: no such chain"):
        ChainFallback([one, two]).chain("SPY", DAY)


def test_nothing_listed_is_said_only_when_every_source_said_so() -> None:
    empty = Chains("empty", {"SPY": ()})
    unknown, ill = Chains("unknown", {}, "provider_not_found"), Chains("ill", {}, "unreachable")

    with pytest.raises(ProviderFailed) as none:
        ChainFallback([empty, unknown]).expirations("SPY")
    with pytest.raises(ProviderFailed) as failed:
        ChainFallback([empty, ill]).expirations("SPY")

    assert none.value.code == "provider_not_found"
    assert failed.value.code == "unreachable"
    assert failed.value.detail == "empty: SPY has no listed options; ill: SPY not here"


def test_a_name_without_options_is_no_failure_of_its_source() -> None:
    source = ChainFallback([Chains("one", {}, "provider_not_found")])
    for symbol in ("AAA", "BBB", "CCC"):
        with pytest.raises(ProviderFailed):
            source.expirations(symbol)

    [told] = source.tallies
    assert (told.asked, told.answered, told.failures, told.streak) == (3, 3, (), 0)


def test_without_a_source_there_is_nothing_to_ask() -> None:
    with pytest.raises(ProviderFailed, match="no source of option chains"):
        ChainFallback([])
    with pytest.raises(ProviderFailed, match="no source of live quotes"):
        QuoteFallback([])


def row(symbol: str, source: str) -> QuoteRow:
    return QuoteRow(
        symbol, 10.0, None, None, None, None, datetime(2026, 11, 20, 15, tzinfo=UTC), None, None,
        "USD", source,
    )  # fmt: skip


def silent(*symbols: str) -> QuoteAnswer:
    return QuoteAnswer((), tuple(Failure(each, "empty_answer", "no price") for each in symbols))


class Quotes:
    """A source that tells these answers, then fails as it is told to."""

    def __init__(self, name: str, *answers: QuoteAnswer, known: Sequence[str] = ()) -> None:
        self.name, self.answers, self.known = name, answers, known
        self.listened = 0

    def live(self, symbols: Sequence[str]) -> Iterator[QuoteAnswer]:
        self.listened += 1
        yield from self.answers
        raise ProviderFailed(f"{self.name} hung up")

    def quotes(self, symbols: Sequence[str]) -> QuoteAnswer:
        return QuoteAnswer(tuple(row(each, self.name) for each in symbols if each in self.known))


def test_a_source_that_hangs_up_is_followed_by_the_next() -> None:
    two = QuoteAnswer((row("SPY", "two"),))
    told = QuoteFallback([Quotes("one"), Quotes("two", two, two)]).live(["SPY"])

    failed, first, second = next(told), next(told), next(told)

    assert failed.failures[0].detail == "one hung up"
    assert [first.rows[0].source, second.rows[0].source] == ["two", "two"]


def test_a_source_without_a_price_is_given_up_after_a_while() -> None:
    one = Quotes("one", *[silent("SPY")] * 50)
    two = Quotes("two", QuoteAnswer((row("SPY", "two"),)))
    told = QuoteFallback([one, two]).live(["SPY"])

    answers = [next(told) for _ in range(GIVE_UP + 1)]

    assert [bool(each.rows) for each in answers] == [False] * GIVE_UP + [True]


def test_one_source_is_listened_to_however_silent_it_is() -> None:
    only = Quotes("one", *[silent("SPY")] * 50)

    with pytest.raises(ProviderFailed, match="last: one hung up"):
        list(QuoteFallback([only]).live(["SPY"]))

    assert only.listened == 1


def test_the_first_choice_is_tried_again() -> None:
    now = [0.0]
    one = Quotes("one")
    two = Quotes("two", *[QuoteAnswer((row("SPY", "two"),))] * 50)
    told = QuoteFallback([one, two], now=lambda: now[0]).live(["SPY"])
    assert [bool(next(told).rows) for _ in range(3)] == [False, True, True]

    now[0] += RETURN_S

    assert next(told).failures[0].detail == "one hung up"
    assert one.listened == 2


def test_a_symbol_without_a_price_is_asked_of_the_others() -> None:
    half = QuoteAnswer((row("SPY", "one"),), silent("TLT", "NOPE").failures)
    told = QuoteFallback([Quotes("one", half), Quotes("two", known=["TLT"])]).live(
        ["SPY", "TLT", "NOPE"]
    )

    answer = next(told)

    assert [(each.symbol, each.source) for each in answer.rows] == [("SPY", "one"), ("TLT", "two")]
    assert [each.subject for each in answer.failures] == ["NOPE"]
