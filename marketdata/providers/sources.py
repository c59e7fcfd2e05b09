"""Which source serves which dataset, in which order: the one reader of MARKETDATA_PROVIDER…"""

from collections.abc import Callable, Iterable, Iterator, Sequence
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
from marketdata.providers.live_chain import ChainFallback, QuoteFallback
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
DEFAULT = "MARKETDATA_PROVIDER"
ALONE = "The bundled history ends in 2016 and goes with no other provider."
# the settings of an order of one's own; levels of the VIX are bars
OWN_ORDER = {
    BARS: "MARKETDATA_PROVIDER_BARS",
    VIX: "MARKETDATA_PROVIDER_BARS",
    ACTIONS: "MARKETDATA_PROVIDER_ACTIONS",
    YIELDS: "MARKETDATA_PROVIDER_YIELDS",
    QUOTES: "MARKETDATA_PROVIDER_QUOTES",
    CHAINS: "MARKETDATA_PROVIDER_CHAINS",
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
    """The sources MARKETDATA_PROVIDER names, first choice first. Raises BadInput."""
    names = _names(DEFAULT)
    if not names:
        raise _refused(DEFAULT, _unknown("nothing", SERVES))
    if Source.BUNDLED in names and len(names) > 1:
        raise _refused(DEFAULT, ALONE)
    return names


def everybody() -> tuple[str, ...]:
    """Every source some setting names: the general order, then who serves one dataset only."""
    named = [name for dataset in OWN_ORDER for name in _own_order(dataset)]
    return tuple(dict.fromkeys([*configured(), *named]))


def serving(dataset: str) -> tuple[str, ...]:
    """The sources of one dataset, first choice first; none when nobody has it. Raises BadInput."""
    if own := _own_order(dataset):
        return tuple(name for name in own if dataset in SERVES[name])
    names = [name for name in configured() if dataset in SERVES[name]]
    if dataset == YIELDS:
        # who has nothing but yields has all eleven of them
        names.sort(key=lambda name: SERVES[name] != (YIELDS,))
    return tuple(names)


def problems() -> list[str]:
    """What is wrong with the settings, a sentence each; none when every order can be followed."""
    found = []
    for dataset in DATASETS:
        try:
            serving(dataset)
        except BadInput as refusal:
            found.append(f"{refusal.figures['attr']}: {refusal.detail}")
    return list(dict.fromkeys(found))


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
    """Daily bars, levels and yields, asked in order. Raises ProviderFailed without a source.

    Splits and dividends come with the bars unless MARKETDATA_PROVIDER_ACTIONS names who tells them.
    """
    return Fallback(
        providers(BARS, until=until),
        providers(YIELDS, until=until),
        actions=providers(ACTIONS, until=until) if _own_order(ACTIONS) else (),
    )


def chains(*, until: date) -> ChainFallback:
    """Option chains, asked in order. Raises ProviderFailed without a source of them."""
    return ChainFallback(providers(CHAINS, until=until))


def quotes(*, until: date) -> QuoteFallback:
    """Live prices, listened to in order. Raises ProviderFailed without a source of them."""
    return QuoteFallback(providers(QUOTES, until=until))


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


def _own_order(dataset: str) -> tuple[str, ...]:
    """The order a setting gives one dataset; empty where the general one holds."""
    setting = OWN_ORDER.get(dataset, "")
    names = _names(setting) if setting else ()
    wanted = BARS if dataset == VIX else dataset
    for name in names:
        if wanted not in SERVES[name]:
            others = [each for each, served in SERVES.items() if wanted in served]
            raise _refused(setting, f"{name} has no {wanted.replace('_', ' ')}. {_choose(others)}")
    if names and Source.BUNDLED in {*names, *configured()} and names != configured():
        raise _refused(setting, ALONE)
    return names


def _names(setting: str) -> tuple[str, ...]:
    words = str(getattr(settings, setting, "")).split(",")
    names = tuple(dict.fromkeys(word.strip() for word in words if word.strip()))
    for name in names:
        if name not in SERVES:
            raise _refused(setting, _unknown(name, SERVES))
    return names


def _unknown(name: str, known: Iterable[str]) -> str:
    return f"No provider is called {name[:40]}. {_choose(known)}"


def _choose(known: Iterable[str]) -> str:
    return f"Name one or more of {', '.join(known)}, separated by commas."


def _refused(setting: str, words: str) -> BadInput:
    return BadInput(words, attr=setting)
