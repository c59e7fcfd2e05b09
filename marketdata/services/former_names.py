"""Sources asked by former symbols for what they do not know by today's."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from marketdata.models import Instrument
from marketdata.providers.base import BarRow, SymbolHistory
from marketdata.providers.chain import SAID_NO, Fallback, Tally
from marketdata.selectors import instruments


def histories(
    chain: Fallback, wanted: Mapping[str, Instrument], start: date, end: date
) -> tuple[list[SymbolHistory], list[Tally]]:
    """One answer for each symbol, in order, and how the sources did.

    Where every source says it knows no such symbol, it is asked for by the names its instrument
    had before: a file, and for some days a service, may go on with the old one.
    """
    answers = list(chain.histories(list(wanted), start, end))
    tallies = list(chain.tallies)
    lost = {
        wanted[each.symbol].pk: each.symbol
        for each in answers
        if each.failure is not None and each.failure.code in SAID_NO
    }
    names = instruments.former_names(lost) if lost else {}
    if not names:
        return answers, tallies
    found = {}
    for told in chain.histories(list(names), start, end):
        if told.failure is None:
            symbol = lost[names[told.symbol]]
            found[symbol] = _under(symbol, told)
    return [found.get(each.symbol, each) for each in answers], [*tallies, *chain.tallies]


def _under(symbol: str, told: SymbolHistory) -> SymbolHistory:
    def named(row: BarRow) -> BarRow:
        return replace(row, symbol=symbol)

    return replace(
        told,
        symbol=symbol,
        bars=tuple(named(row) for row in told.bars),
        dividends=tuple(replace(row, symbol=symbol) for row in told.dividends),
        splits=tuple(replace(row, symbol=symbol) for row in told.splits),
        anchor=None if told.anchor is None else named(told.anchor),
    )
