"""Which sector a symbol belongs to, for symbols somebody names or holds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from etftrader.core.actor import Actor
from marketdata.constants import SECTOR_FUND
from marketdata.models import Instrument
from marketdata.providers import reference
from marketdata.selectors import instruments
from portfolios.models import Position

UNKNOWN, NO_SECTOR = "unknown_symbol", "no_sector"
REFERENCE = "reference_table"


@dataclass(frozen=True, slots=True)
class Sector:
    """One symbol's sector by the spelling asked for; None with a reason where there is none."""

    symbol: str
    kind: str = ""
    sector: str = ""
    segment: str = ""  # what a fund covers
    source: str = ""
    reason: str = ""


def of_symbols(*, wanted: Sequence[str], actor: Actor) -> list[Sector]:
    """One entry a symbol, in the order asked; what the actor may not see is unknown."""
    own = Instrument.objects.for_actor(actor).filter(symbol__in=wanted)
    known = instruments.by_symbols(wanted) | {each.symbol.upper(): each for each in own}
    return [
        sector(word, known[word]) if word in known else Sector(word, reason=UNKNOWN)
        for word in wanted
    ]


def held(*, actor: Actor) -> list[str]:
    """Symbols in the open positions of the actor's own portfolios, sorted."""
    person = replace(actor, is_staff=False, is_superuser=False)
    rows = Position.objects.for_actor(person).open()
    return sorted(set(rows.values_list("instrument__symbol", flat=True)))


def sector(word: str, instrument: Instrument) -> Sector:
    """A stock's own sector, or the one a sector fund covers; a broad fund has none."""
    name = instrument.sector or _covered(instrument.segment)
    listed = {row.symbol for row in reference.instrument_rows()}
    return Sector(
        symbol=word,
        kind=instrument.kind,
        sector=name,
        segment=instrument.segment,
        source=(REFERENCE if instrument.symbol in listed else "instrument") if name else "",
        reason="" if name else NO_SECTOR,
    )


def _covered(segment: str) -> str:
    return segment.removeprefix(SECTOR_FUND) if segment.startswith(SECTOR_FUND) else ""
