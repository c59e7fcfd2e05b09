"""Find instruments by symbol, alias or words."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Case, Exists, F, IntegerField, OuterRef, Q, QuerySet, Value, When

from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput
from marketdata.calculations import likeness
from marketdata.choices import InstrumentKind, Pricing
from marketdata.models import Instrument, InstrumentAlias


class UnknownSymbol(BadInput):
    """No instrument has this symbol; the figures carry suggestions."""

    code = "unknown_symbol"


@dataclass(frozen=True, slots=True)
class Near:
    """A known symbol that may have been meant."""

    symbol: str
    name: str


def find(symbol: str, actor: Actor) -> Instrument:
    """Return the instrument of a symbol or alias the actor may see. Raises UnknownSymbol."""
    wanted = symbol.strip()
    visible = Instrument.objects.for_actor(actor)
    found = visible.filter(symbol__iexact=wanted).first()
    if found is None:
        found = visible.filter(aliases__alias__iexact=wanted).first()
    if found is None:
        near = suggestions(wanted)
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        raise UnknownSymbol(f"{wanted[:32]} is not known.{hint}", attr="symbol", suggestions=near)
    return found


def by_symbols(symbols: Iterable[str]) -> dict[str, Instrument]:
    """Public instruments by the symbol asked for, in upper case; unknown ones are absent."""
    return _called(symbols, Instrument.objects.filter(owner_id__isnull=True))


def of_ids(ids: Iterable[UUID]) -> list[Instrument]:
    """These instruments, by symbol."""
    return list(Instrument.objects.filter(pk__in=list(ids)).order_by("symbol", "pk"))


def former_names(ids: Iterable[UUID]) -> dict[str, UUID]:
    """Other spellings and former symbols of instruments that no other one bears by now."""
    rows = InstrumentAlias.objects.filter(instrument__in=list(ids))
    borne = Instrument.objects.filter(symbol=OuterRef("alias"))
    return dict(rows.exclude(Exists(borne)).values_list("alias", "instrument_id"))


def now_called(symbols: Iterable[str]) -> dict[str, str]:
    """Today's symbols of those that are former ones; the others are absent."""
    wanted = set(symbols)
    rows = InstrumentAlias.objects.exclude(
        Exists(Instrument.objects.filter(symbol=OuterRef("alias")))
    )
    named = rows.values_list("alias", "instrument__symbol")
    return {old: new for old, new in named if old in wanted}


def search(text: str, actor: Actor, *, limit: int = 12) -> list[Instrument]:
    """Instruments whose symbol begins with the text or whose name holds it, symbols first."""
    words = text.strip()
    if not words:
        return []
    rank = Case(
        When(symbol__iexact=words, then=Value(0)),
        When(symbol__istartswith=words, then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
    visible = Instrument.objects.for_actor(actor).filter(active=True)
    matching = visible.filter(Q(symbol__istartswith=words) | Q(name__icontains=words))
    return list(matching.order_by(rank, "symbol", "pk")[:limit])


def visible(symbols: Iterable[str], actor: Actor) -> dict[str, Instrument]:
    """What the actor may see of these symbols, by the upper case of what was asked for."""
    return _called(symbols, Instrument.objects.for_actor(actor))


def _called(symbols: Iterable[str], among: QuerySet[Instrument]) -> dict[str, Instrument]:
    """Instruments by what they are called now, else by an alias: one query."""
    wanted = {symbol.strip().upper() for symbol in symbols}
    if not wanted:
        return {}
    # two halves, each by its own index; what bears the symbol now outranks an alias
    borne = among.filter(symbol__in=wanted).annotate(said=F("symbol"), rank=Value(1))
    former = among.filter(aliases__alias__in=wanted)
    both = borne.union(former.annotate(said=F("aliases__alias"), rank=Value(0)), all=True)
    rows: list[Any] = sorted(both, key=lambda each: each.rank)
    return {each.said.upper(): each for each in rows}


def suggestions(symbol: str, *, limit: int = 3) -> list[str]:
    """Known symbols that look like this one, or whose name does."""
    return [each.symbol for each in near([symbol], limit=limit)[symbol]]


def near(words: Iterable[str], *, limit: int = 3) -> dict[str, list[Near]]:
    """For each word the known symbols most like it, by symbol and name, in one query."""
    asked = list(dict.fromkeys(words))
    public = Instrument.objects.filter(owner_id__isnull=True, active=True)
    # contracts are spelled from what they are on: nobody means another one
    spelled = public.exclude(kind=InstrumentKind.OPTION) if asked else public.none()
    known = dict(spelled.values_list("symbol", "name"))
    alike = likeness.Known(known)
    return {
        word: [Near(symbol, known[symbol]) for symbol in alike.nearest(word, most=limit)]
        for word in asked
    }


def universe() -> list[Instrument]:
    """Every active instrument with daily prices of its own, by symbol.

    Options and bonds are valued from their terms: they have no bars and no returns here.
    """
    priced = Instrument.objects.filter(active=True, pricing=Pricing.AUTO).exclude(
        kind__in=(InstrumentKind.OPTION, InstrumentKind.BOND)
    )
    return list(priced.order_by("symbol", "pk"))


def risk_universe() -> list[Instrument]:
    """The universe without indices: what has returns of its own to lose."""
    return [each for each in universe() if each.kind != InstrumentKind.INDEX]
