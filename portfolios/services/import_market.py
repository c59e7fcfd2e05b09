"""What the symbols of a file are: instruments, contracts that can be made, or look-alikes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict
from marketdata.calculations.option_symbols import OptionSymbol
from marketdata.choices import InstrumentKind
from marketdata.models import Instrument
from marketdata.selectors import contracts as contract_rows
from marketdata.selectors import instruments
from marketdata.services import contracts
from portfolios.calculations import csv_cells
from portfolios.calculations.csv_cells import Message

SUGGESTED_SYMBOLS = 200  # unknown symbols for which a look-alike is searched


@dataclass(slots=True)
class Symbols:
    """Everything learnt so far of a file's symbols; a thousand rows ask at once."""

    user_id: Any
    known: dict[str, Instrument] = field(default_factory=dict)
    underlyings: dict[str, Instrument] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    roots: set[str] = field(default_factory=set)
    hints: dict[str, list[str]] = field(default_factory=dict)

    def learn(self, tickers: Iterable[str]) -> None:
        """Look up what was not asked for before."""
        fresh = set(tickers) - self.asked
        if not fresh:
            return
        self.asked |= fresh
        self.known |= find(fresh, self.user_id)
        options = [csv_cells.option_of(each) for each in fresh - self.known.keys()]
        missing = [each for each in options if each and each.underlying not in self.roots]
        if missing:
            self.roots |= {each.underlying for each in missing}
            self.underlyings |= contract_rows.underlyings(missing)

    def name(self, ticker: str) -> str:
        """The instrument's own symbol; what was written where nobody knows it."""
        return self.known[ticker].symbol if ticker in self.known else ticker

    def multiplier(self, ticker: str) -> Decimal:
        """Units of one contract."""
        if ticker in self.known:
            return self.known[ticker].multiplier
        return contracts.MULTIPLIER if csv_cells.option_of(ticker) else Decimal(1)

    def currency(self, ticker: str) -> str:
        """What it is priced in; an option in its underlying's. Empty where nobody knows it."""
        found = self.known.get(ticker)
        if found is None:
            option = csv_cells.option_of(ticker)
            found = self.underlyings.get(option.underlying) if option else None
        return found.currency if found is not None else ""

    def refusal(self, ticker: str) -> Message | None:
        """Why it cannot be held; None when it can."""
        instrument = self.known.get(ticker)
        if instrument is None:
            option = csv_cells.option_of(ticker)
            return self._no_contract(option) if option else self._unknown(ticker)
        code, words = "not_tradable", ""
        if instrument.kind == InstrumentKind.INDEX:
            words = f"{ticker} is an index and cannot be held."
        elif instrument.kind == InstrumentKind.FX:
            words = f"{ticker} is an exchange rate: a book keeps cash in its own currency alone."
        elif not instrument.active:
            words = f"{ticker} is not traded any more."
        return Message("ticker", code, words) if words else None

    def _no_contract(self, option: OptionSymbol) -> Message | None:
        under = self.underlyings.get(option.underlying)
        if under is None:
            words = f"{option.compact} is an option on {option.underlying}, which is not known."
            return self._hinted("unknown_underlying", words, option.underlying)
        if under.kind not in contracts.OPTIONABLE:
            return Message("ticker", "no_options", f"There are no options on {under.symbol}.")
        return None

    def _unknown(self, ticker: str) -> Message:
        return self._hinted("unknown_symbol", f"{ticker} is not known.", ticker)

    def _hinted(self, code: str, words: str, symbol: str) -> Message:
        # a file full of unknown names must not search the table for each of them
        if symbol not in self.hints and len(self.hints) < SUGGESTED_SYMBOLS:
            self.hints[symbol] = instruments.suggestions(symbol)
        near = self.hints.get(symbol, [])
        hint = f"Did you mean {', '.join(near)}?" if near else "Ask an operator to add it."
        return Message("ticker", code, words, hint)


def find(tickers: Iterable[str], user_id: Any) -> dict[str, Instrument]:
    """Instruments by what was written, whatever mark its share class has; unknown ones absent."""
    written = {ticker: csv_cells.spellings(ticker) for ticker in tickers}
    every = {spelling for each in written.values() for spelling in each}
    found = instruments.by_symbols(every)
    own = Instrument.objects.filter(owner_id=user_id, symbol__in=every - found.keys())
    found |= {each.symbol: each for each in own}
    known = {}
    for ticker, each in written.items():
        match = next((found[spelling] for spelling in each if spelling in found), None)
        if match is not None:
            known[ticker] = match
    return known


def ensure(tickers: Iterable[str], user_id: Any, by: Actor) -> Mapping[str, Instrument]:
    """The instruments of rows that are going to be booked; options nobody has had are made.

    Raises Conflict where one went away since the file was checked.
    """
    wanted = set(tickers)
    known = find(wanted, user_id)
    options = [csv_cells.option_of(each) for each in wanted - known.keys()]
    missing = [each for each in options if each is not None]
    if missing:
        made = contracts.ensure(symbols=missing, by=by).contracts
        known |= {symbol: each.instrument for symbol, each in made.items()}
    gone = sorted(wanted - known.keys())
    if gone:
        raise Conflict(
            f"{gone[0]} is not known any more. Check the file again.",
            code="instrument_gone",
            symbol=gone[0],
        )
    return known
