"""Symbols that are not given to anything new, in the same words whoever bears them.

Every symbol is borne once in the house, and things of private owners bear theirs unseen: a refusal
says neither that there is one nor whose it is.
"""

from collections.abc import Iterable
from uuid import UUID

from django.db.models.functions import Upper

from marketdata.calculations import option_symbols
from marketdata.choices import ActionKind, ActionStatus
from marketdata.models import CorporateAction, Instrument, InstrumentAlias
from marketdata.selectors.corporate_actions import symbol_before

RESERVED = "symbol_reserved"  # the code of a file's rows
REMEDY = "Use another symbol, or leave its rows out"


def not_free(symbol: str) -> str:
    """What is said of a symbol that somebody asks for."""
    return f"{symbol} is not free. Choose another symbol."


def not_added(symbol: str) -> str:
    """What is said of a file's symbol that nobody knows and that the file cannot make known."""
    return f"{symbol} is not known, and no file can add it"


def reserved(symbols: Iterable[str]) -> set[str]:
    """Those, in capitals, a file cannot add: the symbols of options, and what is borne already."""
    wanted = set(symbols)
    rows = Instrument.objects.annotate(name_in_capitals=Upper("symbol"))
    borne = rows.filter(name_in_capitals__in=wanted)
    return {each for each in wanted if is_option(each)} | {each.symbol.upper() for each in borne}


def take(symbol: str) -> bool:
    """Free a symbol for something new that everybody sees; False where it is not free.

    A former symbol is its last bearer's until something else bears it; another spelling stays.
    """
    if Instrument.objects.filter(symbol__iexact=symbol).exists():
        return False
    spelled = list(InstrumentAlias.objects.filter(alias__iexact=symbol))
    if not all(each.alias in _former(each.instrument_id) for each in spelled):
        return False
    for each in spelled:
        each.delete()
    return True


def _former(instrument_id: UUID) -> set[str | None]:
    """The symbols an instrument has had and left."""
    changes = CorporateAction.objects.filter(
        instrument=instrument_id, kind=ActionKind.SYMBOL, status=ActionStatus.APPLIED
    )
    return {symbol_before(each) for each in changes}


def is_spelled(symbol: str) -> bool:
    """Whether something bears it, or is found by it."""
    return (
        Instrument.objects.filter(symbol__iexact=symbol).exists()
        or InstrumentAlias.objects.filter(alias__iexact=symbol).exists()
    )


def is_option(symbol: str) -> bool:
    """Whether it spells an option."""
    try:
        option_symbols.parse(symbol)
    except option_symbols.SymbolProblem:
        return False
    return True
