"""Find listed options by symbol, by underlying, or by what still lives."""

from collections.abc import Iterable
from datetime import date
from uuid import UUID

from django.db.models import Q, QuerySet

from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, NotFound
from marketdata.calculations import option_symbols
from marketdata.calculations.option_symbols import OptionSymbol, SymbolProblem
from marketdata.models import Instrument, OptionContract
from marketdata.selectors import instruments

# roots whose index has another symbol here
INDEX_OF = {"SPX": "^GSPC"}
SHORTEST_CLASSED = 3  # BRKB is BRK-B; two letters are a root of their own


def read(symbol: str) -> OptionSymbol:
    """Read an option symbol in any accepted form. Raises BadInput that says what is wrong."""
    try:
        return option_symbols.parse(symbol)
    except SymbolProblem as problem:
        raise BadInput(
            problem.detail, attr="symbol", code="bad_option_symbol", part=problem.field
        ) from problem


def find(symbol: str, actor: Actor) -> OptionContract:
    """Return the contract of an option symbol in any form, or of its id. Raises NotFound."""
    rows = OptionContract.objects.for_actor(actor).select_related("instrument", "underlying")
    try:
        found = rows.filter(pk=UUID(symbol)).first() if len(symbol) == 36 else None
    except ValueError:
        found = None
    if found is None:
        try:
            wanted = option_symbols.parse(symbol)
        except SymbolProblem as problem:
            raise NotFound(f"There is no such option: {problem.detail}.") from problem
        found = rows.filter(instrument__symbol=wanted.compact).first()
    if found is None:
        raise NotFound("There is no such option. An operator may create it by its symbol.")
    return found


def of_chain(*, underlying_id: UUID, on: date, expiry: date | None = None) -> QuerySet:
    """Contracts of an underlying that live on a day, by expiry, strike and right."""
    rows = OptionContract.objects.filter(underlying_id=underlying_id, expiry__gte=on)
    if expiry is not None:
        rows = rows.filter(expiry=expiry)
    return rows.select_related("instrument").order_by("expiry", "strike", "right", "root", "pk")


def to_value(*, held: Iterable[UUID], watched: Iterable[UUID], on: date) -> Q:
    """Contracts whose instrument is held, whatever their age, and live ones on what is watched."""
    return Q(instrument_id__in=set(held)) | Q(underlying_id__in=set(watched), expiry__gte=on)


def underlyings(symbols: Iterable[OptionSymbol]) -> dict[str, Instrument]:
    """The public instrument under each root asked for; unknown ones are absent."""
    spellings = {each.underlying: _spellings(each.underlying) for each in symbols}
    known = instruments.by_symbols(name for names in spellings.values() for name in names)
    found = {}
    for root, names in spellings.items():
        match = next((known[name] for name in names if name in known), None)
        if match is not None:
            found[root] = match
    return found


def _spellings(root: str) -> list[str]:
    names = [root, f"^{root}"]
    if root in INDEX_OF:
        names.append(INDEX_OF[root])
    if len(root) >= SHORTEST_CLASSED:
        names += [f"{root[:-1]}-{root[-1]}", f"{root[:-1]}.{root[-1]}"]
    return names
