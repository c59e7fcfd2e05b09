"""Several sources asked in order: what one has no answer for, the next is asked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from etftrader.core.errors import DomainError
from marketdata.providers.base import (
    BarRow,
    DailyProvider,
    Failure,
    HistoryProvider,
    ProviderFailed,
    SymbolHistory,
    YieldAnswer,
    YieldRow,
)

# a source that says so is well
SAID_NO = frozenset({"provider_not_found", "invalid_symbol"})


@dataclass(frozen=True, slots=True)
class Tally:
    """How one source did in the last question: what data quality by provider is made of.

    `streak` counts its failures since its last answer, in the order it was asked; to have no such
    symbol is an answer.
    """

    provider: str
    asked: int
    answered: int
    failures: tuple[Failure, ...]
    streak: int = 0


class Fallback:
    """Answers of the first source that has them; each row names the source it came from.

    A symbol is taken whole from one source: two histories are never spliced, their bases differ.
    Splits and dividends come with the bars, or from the first of `actions` that answers; where
    none does, those of the bars stand. `tallies` tells after a question how each source did.
    """

    def __init__(
        self,
        histories: Sequence[HistoryProvider],
        yields: Sequence[DailyProvider],
        *,
        actions: Sequence[HistoryProvider] = (),
    ) -> None:
        if not histories and not yields:
            raise ProviderFailed("no source is configured")
        self._histories, self._yields = tuple(histories), tuple(yields)
        self._actions = tuple(actions)
        self.tallies: list[Tally] = []

    def histories(self, symbols: Sequence[str], start: date, end: date) -> Iterator[SymbolHistory]:
        """One answer for each symbol, in order; a failure holds the words of every source."""
        wanted = list(dict.fromkeys(symbols))
        self.tallies = []
        found, said = self._asked(self._histories, wanted, start, end)
        if self._actions:
            found |= self._with_actions(found, start, end)
        for symbol in wanted:
            yield found.get(symbol) or SymbolHistory(symbol, failure=_joined(symbol, said[symbol]))

    def _asked(
        self, sources: Sequence[HistoryProvider], symbols: Sequence[str], start: date, end: date
    ) -> tuple[dict[str, SymbolHistory], dict[str, list[Failure]]]:
        """The first answer of each symbol, and what the sources without one said."""
        left = list(symbols)
        found: dict[str, SymbolHistory] = {}
        said: dict[str, list[Failure]] = {symbol: [] for symbol in left}
        for source in sources:
            if not left:
                break
            answers, broken = _answers(source, left, start, end)
            failures = _failures(source.name, left, answers, broken)
            for failure in failures:
                said[failure.subject].append(failure)
            self.tallies.append(_tally(source.name, left, failures))
            found |= {name: each for name, each in answers.items() if each.failure is None}
            left = [failure.subject for failure in failures]
        return found, said

    def _with_actions(
        self, found: dict[str, SymbolHistory], start: date, end: date
    ) -> dict[str, SymbolHistory]:
        """The same bars with the splits and dividends of the sources named for them."""
        first = self._actions[0].name
        other = [
            name for name, each in found.items() if {row.source for row in each.bars} != {first}
        ]
        told, _ = self._asked(self._actions, other, start, end)
        return {
            name: replace(
                found[name],
                dividends=each.dividends,
                splits=each.splits,
                own_splits=found[name].splits,
            )
            for name, each in told.items()
        }

    def bars(self, symbols: Sequence[str], start: date, end: date) -> Iterator[BarRow]:
        """Bars of every symbol that some source knows. Raises ProviderFailed when none does."""
        failed = []
        for answer in self.histories(symbols, start, end):
            if answer.failure is not None:
                failed.append(answer.failure)
            yield from answer.bars
        if failed and len(failed) == len(set(symbols)):
            raise ProviderFailed(failed[0].detail, code=failed[0].code)

    def curve(self, start: date, end: date) -> YieldAnswer:
        """Yields of the first source that has any, whole."""
        failures: list[Failure] = []
        self.tallies = []
        for source in self._yields:
            try:
                rows = tuple(source.yields(start, end))
                failure = Failure(source.name, "empty_answer", "no yields in this time")
            except DomainError as error:
                rows, failure = (), Failure(source.name, error.code, error.detail)
            if rows:
                self.tallies.append(Tally(source.name, 1, 1, ()))
                return YieldAnswer(rows, tuple(failures))
            failures.append(failure)
            self.tallies.append(Tally(source.name, 1, 0, (failure,), 1))
        return YieldAnswer((), tuple(failures))

    def yields(self, start: date, end: date) -> Iterator[YieldRow]:
        """The rows of `curve`. Raises ProviderFailed when no source has any."""
        answer = self.curve(start, end)
        if not answer.rows:
            words = "; ".join(f"{each.subject}: {each.detail}" for each in answer.failures)
            raise ProviderFailed(words or "no source of yields is configured")
        yield from answer.rows


def _answers(
    source: Any, symbols: Sequence[str], start: date, end: date
) -> tuple[dict[str, SymbolHistory], DomainError | None]:
    """What a source answered, and what broke it off, if anything did."""
    answers: dict[str, SymbolHistory] = {}
    try:
        for each in source.histories(symbols, start, end):
            answers[each.symbol] = each
    except DomainError as error:
        return answers, error
    return answers, None


def _failures(
    name: str,
    asked: Sequence[str],
    answers: dict[str, SymbolHistory],
    broken: DomainError | None,
) -> list[Failure]:
    failures = []
    for symbol in asked:
        answer = answers.get(symbol)
        if answer is None:
            code, words = (broken.code, broken.detail) if broken else ("empty_answer", "no answer")
            failures.append(Failure(symbol, code, f"{name}: {words}"))
        elif answer.failure is not None:
            told = answer.failure
            failures.append(replace(told, subject=symbol, detail=f"{name}: {told.detail}"))
    return failures


def _tally(name: str, asked: Sequence[str], failures: Sequence[Failure]) -> Tally:
    failed = {failure.subject for failure in failures if failure.code not in SAID_NO}
    streak = 0
    for symbol in reversed(asked):
        if symbol not in failed:
            break
        streak += 1
    return Tally(name, len(asked), len(asked) - len(failures), tuple(failures), streak)


def _joined(symbol: str, said: Sequence[Failure]) -> Failure:
    if not said:
        return Failure(symbol, "provider_failed", "no source of prices is configured")
    return Failure(symbol, said[-1].code, "; ".join(each.detail for each in said))
