"""Several sources asked in order: what one has no answer for, the next is asked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

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


@dataclass(frozen=True, slots=True)
class Tally:
    """How one source did in the last question: what data quality by provider is made of."""

    provider: str
    asked: int
    answered: int
    failures: tuple[Failure, ...]


class Fallback:
    """Answers of the first source that has them; each row names the source it came from.

    A symbol is taken whole from one source: two histories are never spliced, their bases differ.
    `tallies` tells after a question how each source did.
    """

    def __init__(
        self, histories: Sequence[HistoryProvider], yields: Sequence[DailyProvider]
    ) -> None:
        if not histories and not yields:
            raise ProviderFailed("no source is configured")
        self._histories, self._yields = tuple(histories), tuple(yields)
        self.tallies: list[Tally] = []

    def histories(self, symbols: Sequence[str], start: date, end: date) -> Iterator[SymbolHistory]:
        """One answer for each symbol, in order; a failure holds the words of every source."""
        left = list(dict.fromkeys(symbols))
        found: dict[str, SymbolHistory] = {}
        said: dict[str, list[Failure]] = {symbol: [] for symbol in left}
        self.tallies = []
        for source in self._histories:
            if not left:
                break
            answers = {each.symbol: each for each in source.histories(left, start, end)}
            failures = _failures(source.name, left, answers)
            for failure in failures:
                said[failure.subject].append(failure)
            self.tallies.append(
                Tally(source.name, len(left), len(left) - len(failures), tuple(failures))
            )
            found |= {name: each for name, each in answers.items() if each.failure is None}
            left = [failure.subject for failure in failures]
        for symbol in said:
            yield found.get(symbol) or SymbolHistory(symbol, failure=_joined(symbol, said[symbol]))

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
        for source in self._yields:
            try:
                rows = tuple(source.yields(start, end))
            except ProviderFailed as failure:
                failures.append(Failure(source.name, failure.code, failure.detail))
                continue
            if rows:
                return YieldAnswer(rows, tuple(failures))
            failures.append(Failure(source.name, "empty_answer", "no yields in this time"))
        return YieldAnswer((), tuple(failures))

    def yields(self, start: date, end: date) -> Iterator[YieldRow]:
        """The rows of `curve`. Raises ProviderFailed when no source has any."""
        answer = self.curve(start, end)
        if not answer.rows:
            words = "; ".join(f"{each.subject}: {each.detail}" for each in answer.failures)
            raise ProviderFailed(words or "no source of yields is configured")
        yield from answer.rows


def _failures(name: str, asked: Sequence[str], answers: dict[str, SymbolHistory]) -> list[Failure]:
    failures = []
    for symbol in asked:
        answer = answers.get(symbol)
        if answer is None:
            failures.append(Failure(symbol, "empty_answer", f"{name}: no answer"))
        elif answer.failure is not None:
            told = answer.failure
            failures.append(replace(told, subject=symbol, detail=f"{name}: {told.detail}"))
    return failures


def _joined(symbol: str, said: Sequence[Failure]) -> Failure:
    if not said:
        return Failure(symbol, "provider_failed", "no source of prices is configured")
    return Failure(symbol, said[-1].code, "; ".join(each.detail for each in said))
