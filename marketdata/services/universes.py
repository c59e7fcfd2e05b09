"""Which instruments are kept up to date, and how a symbol joins them while the product runs."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from django.db import transaction

from etftrader.core import audit
from etftrader.core.actor import Actor
from etftrader.core.errors import DomainError, Unavailable
from etftrader.core.outbound.rules import checked_symbol
from marketdata.calculations import exchange
from marketdata.choices import InstrumentKind, PriceBasis, Pricing, UniverseKind
from marketdata.models import Instrument, Universe, UniverseMember
from marketdata.providers import reference, sources
from marketdata.providers.base import FundRow, InstrumentRow
from marketdata.providers.chain import SAID_NO
from marketdata.providers.csv_folder import CsvProvider
from marketdata.selectors import calendar, instruments
from marketdata.selectors.coverage import ASKED_FOR
from marketdata.services import instruments as instrument_service
from marketdata.services.symbols import reserved

logger = logging.getLogger(__name__)

UNRESOLVED = "unresolved"
NOT_KNOWN, NO_FILE, NOBODY = (
    "knows no such symbol",
    "no file has it",
    "no source describes symbols",
)
UNKNOWN = "unknown"  # as an asset class: nothing says what it is
ASSUMED = "taken for a stock, because no source says what it is; an administrator may correct it"
_KINDS = {"etf": InstrumentKind.ETF, "stock": InstrumentKind.STOCK, "index": InstrumentKind.INDEX}


@dataclass(frozen=True, slots=True)
class Resolved:
    """What became of a symbol somebody asked for."""

    symbol: str
    status: str  # known, created or unresolved
    instrument: Instrument | None = None
    suggestions: tuple[str, ...] = ()
    reason: str = ""


@transaction.atomic
def keep(
    *, name: str, instrument_ids: Iterable[UUID], session_date: date, by: Actor
) -> tuple[int, int]:
    """Make a live universe hold exactly these from a session on; counts who came and who went.

    Privately valued instruments are left out. One audit line when something changed.
    """
    universe, _ = Universe.objects.get_or_create(name=name, defaults={"kind": UniverseKind.LIVE})
    public = Instrument.objects.filter(pk__in=list(instrument_ids), pricing=Pricing.AUTO)
    wanted = set(public.values_list("pk", flat=True))
    open_members = UniverseMember.objects.filter(universe=universe, valid_to__isnull=True)
    present = set(open_members.values_list("instrument_id", flat=True))
    gone = open_members.filter(instrument__in=present - wanted)
    # who came today and goes today was never there
    left = gone.filter(valid_from__gte=session_date).delete()[0]
    left += gone.update(valid_to=calendar.previous(session_date))
    came = _join(universe, wanted - present, session_date)
    if came or left:
        audit.record(
            by=by,
            action="universe.changed",
            object_type="universe",
            object_id=universe.pk,
            before={"members": len(present)},
            after={"name": name, "members": len(wanted), "joined": came, "left": left},
        )
    return came, left


def add(*, symbol: str, session_date: date, by: Actor) -> Resolved:
    """Find or create the instrument of a symbol and keep it up to date from now on; see `find`."""
    found = find(symbol=symbol, session_date=session_date)
    if found.instrument is not None:
        _join_audited(found.instrument, session_date, by)
    return found


def find(*, symbol: str, session_date: date) -> Resolved:
    """Find the instrument of a symbol, or create it as a source describes it.

    Sources that describe what they know are asked; where none knows it, nothing is created and
    the three known symbols nearest to it are named. Raises BadInput for what is no symbol.
    """
    wanted = checked_symbol(symbol.strip().upper())
    known = instruments.by_symbols([wanted]).get(wanted)
    if known is not None:
        return Resolved(wanted, "known", known)
    near = tuple(instruments.suggestions(wanted))
    if reserved([wanted]):
        # somebody's own thing: no source is told of it, and who asks learns as little as of nothing
        return Resolved(wanted, UNRESOLVED, None, near, _joined(_none_has_it(session_date)))
    row, told, reasons = _described(wanted, session_date)
    if row is None:
        return Resolved(wanted, UNRESOLVED, None, near, _joined(reasons))
    made = instrument_service.load_reference(rows=[row])[row.symbol]
    if told is not None:
        instrument_service.keep_facts(instrument=made, told=told, as_of=session_date)
    guess = ASSUMED if row.asset_class == UNKNOWN else ""
    return Resolved(wanted, "created", made, reason=guess)


def discover(*, until: date) -> list[str]:
    """Create the instruments of symbols that files name; the answer lists the new ones."""
    named: set[str] = set()
    for source in sources.providers(sources.BARS, until=until):
        if isinstance(source, CsvProvider):
            try:
                named.update(source.symbols())
            except Unavailable as failure:
                logger.warning("no symbols of the folder", extra={"error": failure.detail})
    return create_from_files(named)


def create_from_files(symbols: Iterable[str]) -> list[str]:
    """Create instruments for symbols a file has prices of; the answer lists the new ones.

    What is reserved is left out: things valued by hand stay their owners', options have terms.
    """
    wanted = set(symbols)
    unknown = wanted - set(instruments.by_symbols(wanted))
    fresh = sorted(unknown - reserved(unknown))
    instrument_service.load_reference(rows=[from_file(symbol) for symbol in fresh])
    return fresh


def from_file(symbol: str) -> InstrumentRow:
    """What is known of a symbol that only files name: the shipped tables' words, or its name.

    Without them it is an index with a circumflex, an exchange rate where it spells two currencies
    (`EURUSD=X`), and else taken for a stock of unknown asset class; see `assumed`.
    """
    basis = PriceBasis.INDEX_LEVEL if symbol.startswith("^") else PriceBasis.CLOSE
    table = {row.symbol: row for row in reference.instrument_rows()}
    shipped = table.get(symbol)
    if shipped is not None:
        return _with(shipped, basis)
    pair = exchange.pair_of(symbol)
    if pair is not None:
        origin, target = pair
        row = _row(symbol, f"{origin} in {target}", InstrumentKind.FX, basis)
        return _with(row, basis, currency=target, asset_class="currency")
    fund = reference.known_funds().get(symbol)
    if fund is not None:
        name, asset_class = fund
        return _with(_row(symbol, name, InstrumentKind.ETF, basis), basis, asset_class=asset_class)
    if symbol.startswith("^"):
        return _row(symbol, symbol, InstrumentKind.INDEX, basis)
    return _with(_row(symbol, symbol, InstrumentKind.STOCK, basis), basis, asset_class=UNKNOWN)


def assumed(symbols: Iterable[str]) -> list[str]:
    """Those of which nothing says what they are: taken for stocks until somebody says otherwise."""
    return sorted(each for each in symbols if from_file(each).asset_class == UNKNOWN)


def _described(symbol: str, until: date) -> tuple[InstrumentRow | None, FundRow | None, list[str]]:
    """What the first source that knows a symbol says of it; else why none does."""
    reasons = []
    for source in sources.providers(sources.FUND_DATA, until=until):
        try:
            told = source.fund(symbol)
            return _of_fund(told), told, []
        except DomainError as failure:
            said = NOT_KNOWN if failure.code in SAID_NO else failure.detail
            reasons.append(f"{source.name}: {said}")
    for source in sources.providers(sources.BARS, until=until):
        if isinstance(source, CsvProvider):
            try:
                if symbol in source.symbols():
                    return from_file(symbol), None, []
                reasons.append(f"{source.name}: {NO_FILE}")
            except Unavailable as failure:
                reasons.append(f"{source.name}: {failure.detail}")
    return None, None, reasons or [NOBODY]


def _none_has_it(until: date) -> list[str]:
    """The words for a symbol that no source has; none is asked."""
    funds = [
        f"{each.name}: {NOT_KNOWN}" for each in sources.providers(sources.FUND_DATA, until=until)
    ]
    bars = sources.providers(sources.BARS, until=until)
    files = [f"{each.name}: {NO_FILE}" for each in bars if isinstance(each, CsvProvider)]
    return [*funds, *files] or [NOBODY]


def _joined(reasons: Iterable[str]) -> str:
    return "; ".join(reasons)[:300]


def _of_fund(told: FundRow) -> InstrumentRow:
    if exchange.pair_of(told.symbol) is not None:
        return from_file(told.symbol)  # the symbol says all there is to it
    kind = _KINDS.get(told.kind or "")
    if kind is None:
        raise Unavailable(f"{told.symbol} is a kind of thing that is not kept here")
    basis = PriceBasis.INDEX_LEVEL if kind == InstrumentKind.INDEX else PriceBasis.CLOSE
    row = _row(told.symbol, (told.name or told.symbol)[:120], kind, basis)
    described = {
        "sector": (told.sector or "")[:60] or None,
        "segment": (told.category or told.industry or "")[:60] or None,
        "currency": (told.currency or "USD")[:3],
        "exchange": (told.exchange or "")[:8] or None,
        "assumed_dividend_yield": told.dividend_yield,
    }
    return _with(row, basis, **described)


def _row(symbol: str, name: str, kind: InstrumentKind, basis: PriceBasis) -> InstrumentRow:
    return InstrumentRow(
        symbol=symbol,
        name=name,
        kind=kind.value,
        asset_class="equity",
        sector=None,
        segment=None,
        region=None,
        factor_tilt=None,
        exchange=None,
        currency="USD",
        price_basis=basis.value,
        liquidity_class=None,
        assumed_dividend_yield=None,
        lot_size=1,
    )


def _join(universe: Universe, wanted: Iterable[UUID], session_date: date) -> int:
    rows = [
        UniverseMember(universe=universe, instrument_id=key, valid_from=session_date)
        for key in wanted
    ]
    # of two who add the same at once one row stays
    return len(UniverseMember.objects.bulk_create(rows, ignore_conflicts=True)) if rows else 0


@transaction.atomic
def _join_audited(instrument: Instrument, session_date: date, by: Actor) -> None:
    universe, _ = Universe.objects.get_or_create(
        name=ASKED_FOR, defaults={"kind": UniverseKind.LIVE}
    )
    there = UniverseMember.objects.filter(
        universe=universe, instrument=instrument, valid_to__isnull=True
    )
    if there.exists():
        return
    _join(universe, [instrument.pk], session_date)
    audit.record(
        by=by,
        action="universe.joined",
        object_type="universe",
        object_id=universe.pk,
        after={"name": universe.name, "symbol": instrument.symbol},
    )


def _with(row: InstrumentRow, basis: PriceBasis, **facts: object) -> InstrumentRow:
    return replace(row, price_basis=basis.value, **facts)  # type: ignore[arg-type]
