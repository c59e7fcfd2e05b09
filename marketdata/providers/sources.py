"""Which source serves which dataset, in which order: the one reader of MARKETDATA_PROVIDER."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from django.conf import settings

from etftrader.core.errors import BadInput
from marketdata.choices import Source
from marketdata.providers import bundled, csv_folder
from marketdata.providers.base import (
    Failure,
    InstrumentRow,
    ProviderFailed,
    SymbolHistory,
    YieldRow,
)
from marketdata.providers.bundled import BundledProvider
from marketdata.providers.chain import Fallback
from marketdata.providers.csv_folder import CsvProvider
from marketdata.providers.fred import FredProvider
from marketdata.providers.yahoo import YahooProvider

BARS, YIELDS, VIX = "daily_bars", "yields", "vix"
ACTIONS, FUND_DATA, CHAINS, QUOTES = "actions", "fund_data", "option_chains", "quotes"
DATASETS = (BARS, YIELDS, VIX, ACTIONS, FUND_DATA, CHAINS, QUOTES)
SERVES = {
    Source.BUNDLED.value: (BARS, YIELDS, VIX),
    Source.YFINANCE.value: DATASETS,
    Source.CSV.value: (BARS, YIELDS, VIX, ACTIONS),
    Source.FRED.value: (YIELDS,),
}
# whose closes are the prices as traded; the others restate theirs at every split
AS_TRADED = frozenset({Source.CSV.value})


class Bundle(BundledProvider):
    """The bundle, answering symbol by symbol as the sources outside do."""

    def histories(self, symbols: Sequence[str], start: date, end: date) -> Iterator[SymbolHistory]:
        """One answer for each symbol; one the bundle does not have fails alone."""
        for symbol in symbols:
            try:
                rows = tuple(self.bars([symbol], start, end))
            except ProviderFailed as unknown:
                failure = Failure(symbol, "provider_not_found", unknown.detail)
            else:
                if rows:
                    yield SymbolHistory(symbol, rows)
                    continue
                words = "the bundle has no price of this symbol in the time asked for"
                failure = Failure(symbol, "empty_answer", words)
            yield SymbolHistory(symbol, failure=failure)


class Unset:
    """A source that is named and not set up: it says so instead of answering."""

    def __init__(self, name: str, why: ProviderFailed) -> None:
        self.name, self._why = name, why

    def histories(self, symbols: Sequence[str], start: date, end: date) -> Iterator[SymbolHistory]:
        """Raises ProviderFailed."""
        raise self._why

    def yields(self, start: date, end: date) -> Iterator[YieldRow]:
        """Raises ProviderFailed."""
        raise self._why

    def instruments(self) -> list[InstrumentRow]:
        """It knows none."""
        return []


def configured() -> tuple[str, ...]:
    """The sources the settings name, first choice first. Raises BadInput."""
    words = settings.MARKETDATA_PROVIDER.split(",")
    names = tuple(dict.fromkeys(word.strip() for word in words if word.strip()))
    unknown = [name for name in names if name not in SERVES]
    if unknown or not names:
        raise _refused(
            f"No provider is called {(unknown or ['nothing'])[0][:40]}. "
            f"Name one or more of {', '.join(SERVES)}, separated by commas."
        )
    if Source.BUNDLED in names and len(names) > 1:
        raise _refused("The bundled history ends in 2016 and goes with no other provider.")
    return names


def serving(dataset: str) -> tuple[str, ...]:
    """The configured sources of one dataset, first choice first; none when nobody has it."""
    names = [name for name in configured() if dataset in SERVES[name]]
    if dataset == YIELDS:
        # who has nothing but yields has all eleven of them
        names.sort(key=lambda name: SERVES[name] != (YIELDS,))
    return tuple(names)


def is_replay() -> bool:
    """Whether the market clock plays history; otherwise the wall clock moves it.

    The bundle always does; a folder of files does when REPLAY_START is set.
    """
    first = configured()[0]
    given = getattr(settings, "REPLAY_START_GIVEN", False)
    return first == Source.BUNDLED or (first == Source.CSV and given)


def history_end() -> date:
    """The last day a replay can play. Raises ProviderFailed when there is no history."""
    if configured()[0] == Source.BUNDLED:
        return bundled.history_end()
    return csv_folder.newest_day(_folder())


def session_ends(session_date: date) -> tuple[dict[str, float], dict[str, float]]:
    """Previous close and close of a session that is played, by symbol. Raises ProviderFailed."""
    if configured()[0] == Source.BUNDLED:
        return Bundle(until=session_date).ends(session_date)
    return CsvProvider(folder=_folder(), until=session_date).ends(session_date)


def providers(dataset: str, *, until: date) -> list[Any]:
    """The sources of one dataset, ready to be asked, first choice first.

    Their protocol follows from the dataset: HistoryProvider, DailyProvider (yields),
    FundProvider, ChainProvider, QuoteProvider. Nothing is asked yet.
    """
    return [_made(name, until) for name in serving(dataset)]


def chain(*, until: date) -> Fallback:
    """Daily bars, levels and yields, asked in order. Raises ProviderFailed without a source."""
    return Fallback(providers(BARS, until=until), providers(YIELDS, until=until))


def _made(name: str, until: date) -> Any:
    try:
        return _MAKERS[name](until)
    except ProviderFailed as why:
        return Unset(name, why)


def _folder() -> Path:
    if not settings.CSV_FOLDER:
        raise ProviderFailed("CSV_FOLDER is not set: there is no folder to read", code="not_set_up")
    return Path(settings.CSV_FOLDER)


_MAKERS: dict[str, Callable[[date], Any]] = {
    Source.BUNDLED.value: lambda until: Bundle(until=until),
    Source.YFINANCE.value: lambda until: YahooProvider(until=until),
    Source.CSV.value: lambda until: CsvProvider(folder=_folder(), until=until),
    Source.FRED.value: lambda until: FredProvider(until=until),
}


def _refused(words: str) -> BadInput:
    return BadInput(words, attr="MARKETDATA_PROVIDER")
