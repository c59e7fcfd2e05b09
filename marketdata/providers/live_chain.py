"""Option chains and live prices of several sources asked in order."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

from etftrader.core.errors import DomainError
from marketdata.providers.base import (
    ChainProvider,
    Failure,
    OptionChain,
    ProviderFailed,
    QuoteAnswer,
)
from marketdata.providers.chain import SAID_NO, Tally

NOTHING = "empty_answer"
# what a source says of a name that has no listed options, or is not known to it
NO_OPTIONS = SAID_NO | {NOTHING}
GIVE_UP = 3  # answers in a row without a price: the next source is listened to
RETURN_S = 300.0  # after which the first choice is tried again

Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Count:
    """How one source did so far."""

    asked: int = 0
    failures: list[Failure] = field(default_factory=list)
    streak: int = 0

    def note(self, failure: Failure | None) -> None:
        """Count one question; to have no such thing is an answer."""
        self.asked += 1
        if failure is None or failure.code in NO_OPTIONS:
            self.streak = 0
            return
        self.failures.append(failure)
        self.streak += 1

    def tally(self, name: str) -> Tally:
        """The count as data quality is made of it."""
        answered = self.asked - len(self.failures)
        return Tally(name, self.asked, answered, tuple(self.failures), self.streak)


class ChainFallback:
    """Chains of the first source that has them; each row names the source it came from.

    `tallies` tells how each source did since this object was made.
    """

    def __init__(self, sources: Sequence[ChainProvider]) -> None:
        if not sources:
            raise ProviderFailed("no source of option chains is configured", code="not_set_up")
        self._sources = tuple(sources)
        self._counts = {source.name: _Count() for source in sources}
        self.name = "+".join(self._counts)

    @property
    def tallies(self) -> list[Tally]:
        """One entry a source that was asked."""
        return [each.tally(name) for name, each in self._counts.items() if each.asked]

    def expirations(self, symbol: str) -> tuple[date, ...]:
        """Listed expirations of one underlying, in order. Raises ProviderFailed."""
        return self._first(symbol, lambda source: _listed(source, symbol))

    def chain(self, symbol: str, expiration: date) -> OptionChain:
        """Every contract of one expiration. Raises ProviderFailed."""
        return self._first(symbol, lambda source: source.chain(symbol, expiration))

    def _first(self, symbol: str, ask: Callable[[ChainProvider], Answer]) -> Answer:
        said: list[Failure] = []
        for source in self._sources:
            try:
                answer = ask(source)
            except DomainError as error:
                said.append(Failure(symbol, error.code, f"{source.name}: {error.detail}"))
                self._counts[source.name].note(said[-1])
            else:
                self._counts[source.name].note(None)
                return answer
        # that one has none says nothing of what another could not tell
        worst = next((each for each in said if each.code not in NO_OPTIONS), said[-1])
        words = "; ".join(each.detail for each in said)
        raise ProviderFailed(words, code=worst.code, symbol=symbol)


class QuoteFallback:
    """Live prices of the first source that tells any; each row names the source it came from.

    A source that falls silent is left for the next, and tried again after a while; symbols it has
    no price of are asked of the others.
    """

    def __init__(
        self, sources: Sequence[Any], *, now: Callable[[], float] = time.monotonic
    ) -> None:
        if not sources:
            raise ProviderFailed("no source of live quotes is configured", code="not_set_up")
        self._sources, self._now = tuple(sources), now
        self.name = "+".join(source.name for source in sources)

    def live(self, symbols: Sequence[str]) -> Iterator[QuoteAnswer]:
        """Prices for ever. Raises ProviderFailed after a round in which nobody told one."""
        heard, last = True, "it ended the conversation"
        while heard:
            heard = False
            for place in range(len(self._sources)):
                for answer in self._told(place, symbols):
                    heard = heard or bool(answer.rows)
                    last = answer.failures[-1].detail if answer.failures else last
                    yield answer
        raise ProviderFailed(f"no source of quotes tells a price; last: {last}")

    def _told(self, place: int, symbols: Sequence[str]) -> Iterator[QuoteAnswer]:
        """What one source tells until it falls silent, or the first choice is due again."""
        source, silent, since = self._sources[place], 0, self._now()
        try:
            for answer in source.live(symbols):
                silent = 0 if answer.rows else silent + 1
                yield self._completed(answer, place, symbols)
                if len(self._sources) > 1 and silent >= GIVE_UP:
                    return
                if place and self._now() - since >= RETURN_S:
                    return
        except DomainError as error:
            yield QuoteAnswer((), (Failure(source.name, error.code, error.detail),))

    def _completed(self, answer: QuoteAnswer, place: int, symbols: Sequence[str]) -> QuoteAnswer:
        """The answer with prices of other sources for the symbols it has none of."""
        if not answer.rows:
            return answer
        rows, failures = list(answer.rows), list(answer.failures)
        for other in (each for at, each in enumerate(self._sources) if at != place):
            left = [each.subject for each in failures if each.subject in symbols]
            if not left:
                break
            try:
                rows += other.quotes(left).rows
            except DomainError as error:
                failures.append(Failure(other.name, error.code, error.detail))
            there = {row.symbol for row in rows}
            failures = [each for each in failures if each.subject not in there]
        return QuoteAnswer(tuple(rows), tuple(failures))


def _listed(source: ChainProvider, symbol: str) -> tuple[date, ...]:
    found = tuple(source.expirations(symbol))
    if not found:
        raise ProviderFailed(f"{symbol} has no listed options", code=NOTHING)
    return found
