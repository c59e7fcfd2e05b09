"""Make listed options from their symbols or from a provider's chain; twice is once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, NotFound, VersionMismatch
from etftrader.core.money import plain
from marketdata.calculations.option_symbols import CALL, OptionSymbol, SymbolProblem, build
from marketdata.choices import (
    ExerciseStyle,
    InstrumentKind,
    OptionRight,
    PriceBasis,
    Settlement,
)
from marketdata.models import Instrument, OptionContract
from marketdata.providers.base import Failure, OptionRow
from marketdata.selectors import contracts, instruments
from marketdata.services.instrument_edits import require_unused

MULTIPLIER = Decimal(100)
OPTIONABLE = (InstrumentKind.ETF, InstrumentKind.STOCK, InstrumentKind.INDEX)
# roots of index options that settle at the opening of their last day
AT_THE_OPEN = frozenset({"SPX", "NDX", "RUT", "VIX", "VIXW"})
SHOWN = 20  # symbols named in the audit line of many
# what a listing says beside the symbol; the symbol itself is the contract
CHANGEABLE = ("style", "settlement", "am_settled")
BATCH = 500


@dataclass(frozen=True, slots=True)
class Ensured:
    """Contracts by compact symbol, and which of them this call made."""

    contracts: dict[str, OptionContract]
    created: frozenset[str]
    warnings: tuple[str, ...] = ()


def ensure(*, symbols: Iterable[str | OptionSymbol], by: Actor) -> Ensured:
    """Return the contract of each symbol, making the instruments and contracts that are missing.

    Safe beside another call for the same symbols: each is made once. Raises BadInput for a text
    that is no option symbol, an unknown underlying, and a symbol that names something else.
    """
    parsed = [contracts.read(each) if isinstance(each, str) else each for each in symbols]
    wanted = {each.compact: each for each in parsed}
    under = contracts.underlyings(wanted.values())
    for each in wanted.values():
        _check_underlying(each, under.get(each.underlying))
    warnings = tuple(dict.fromkeys(text for each in wanted.values() for text in each.warnings))
    found = _stored(wanted)
    missing = [each for symbol, each in wanted.items() if symbol not in found]
    if not missing:
        return Ensured(found, frozenset(), warnings)
    with transaction.atomic():
        created = _create(missing, under)
        found |= _stored({each.compact: each for each in missing})
        made = {symbol: found[symbol] for symbol in found if found[symbol].pk in created}
        if made:
            _record(made, by)
    return Ensured(found, frozenset(made), warnings)


def of_chain(
    *, rows: Sequence[OptionRow], by: Actor
) -> tuple[dict[str, OptionContract], list[Failure]]:
    """Contracts of chain rows by the source's own spelling, and the rows that cannot be one.

    A row whose symbol and columns disagree is refused: nobody knows which of them is right.
    """
    good: dict[str, OptionSymbol] = {}
    failures = []
    for row in rows:
        try:
            good[row.contract] = _agreed(row)
        except BadInput as error:
            failures.append(Failure(row.contract[:40], error.code, error.detail))
    under = contracts.underlyings(good.values())
    for name, each in list(good.items()):
        try:
            _check_underlying(each, under.get(each.underlying))
        except BadInput as error:
            failures.append(Failure(name[:40], error.code, error.detail))
            del good[name]
    found = ensure(symbols=good.values(), by=by).contracts if good else {}
    return {name: found[each.compact] for name, each in good.items()}, failures


@transaction.atomic
def update(
    *, contract_id: UUID, version: int, changes: dict[str, Any], by: Actor
) -> OptionContract:
    """Correct how a contract that stands at a version is exercised and settled.

    Raises NotFound, and VersionMismatch when somebody was faster.
    """
    row = _row(contract_id)
    fresh = {
        name: changes[name]
        for name in CHANGEABLE
        if name in changes and changes[name] != getattr(row, name)
    }
    if not fresh and row.version == version:
        return row
    _move(row, version, **fresh)
    _note(row, "contract.changed", by, {name: getattr(row, name) for name in fresh}, fresh)
    return _row(contract_id)


@transaction.atomic
def retire(*, contract_id: UUID, version: int, by: Actor) -> OptionContract:
    """Take a contract out of use; its quotes and Greeks stay. Twice is once.

    Raises as `update` does, and Conflict with the reasons while somebody holds it.
    """
    row = _row(contract_id)
    if not row.instrument.active and row.version == version:
        return row
    _move(row, version)
    Instrument.objects.filter(pk=row.instrument_id).update(
        active=False, version=F("version") + 1, updated_at=clock.now()
    )
    require_unused(row.instrument)
    _note(row, "contract.retired", by, {"active": True}, {"active": False})
    return _row(contract_id)


def _row(contract_id: UUID) -> OptionContract:
    rows = OptionContract.objects.select_related("instrument", "underlying")
    found = rows.filter(pk=contract_id).first()
    if found is None:
        raise NotFound("There is no such option.")
    return found


def _move(row: OptionContract, version: int, **fresh: Any) -> None:
    found = OptionContract.objects.filter(pk=row.pk, version=version)
    if not found.update(version=F("version") + 1, updated_at=clock.now(), **fresh):
        raise VersionMismatch("It was changed since you read it.", version=row.version)


def _note(
    row: OptionContract, action: str, by: Actor, before: dict[str, Any], after: dict[str, Any]
) -> None:
    audit.record(
        by=by,
        action=action,
        object_type="option_contract",
        object_id=row.pk,
        before={"symbol": row.instrument.symbol, **before},
        after=after,
    )


def _agreed(row: OptionRow) -> OptionSymbol:
    symbol = contracts.read(row.contract)
    try:
        same = build(symbol.root, row.expiration, row.right, Decimal(str(row.strike)))
    except (SymbolProblem, ArithmeticError) as problem:
        raise BadInput(str(problem), code="bad_contract") from problem
    if same.compact != symbol.compact:
        raise BadInput(
            f"{symbol.compact} is not the {row.right} {row.strike} of {row.expiration}",
            code="wrong_contract",
        )
    return symbol


def _check_underlying(symbol: OptionSymbol, underlying: Instrument | None) -> None:
    if underlying is None:
        near = instruments.suggestions(symbol.underlying)
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        raise BadInput(
            f"{symbol.compact} is an option on {symbol.underlying}, which is not known. "
            f"Add that instrument first.{hint}",
            attr="symbol",
            code="unknown_underlying",
            suggestions=near,
        )
    if underlying.kind not in OPTIONABLE:
        raise BadInput(
            f"{underlying.symbol} is no fund, stock or index: there are no listed options on it.",
            attr="symbol",
            code="no_options",
        )


def _stored(wanted: Iterable[str]) -> dict[str, OptionContract]:
    names = list(wanted)
    found: dict[str, OptionContract] = {}
    for start in range(0, len(names), BATCH):
        part = names[start : start + BATCH]
        rows = OptionContract.objects.filter(instrument__symbol__in=part)
        for each in rows.select_related("instrument", "underlying"):
            found[each.instrument.symbol] = each
    return found


def _create(missing: Sequence[OptionSymbol], under: dict[str, Instrument]) -> set[object]:
    """Insert what nobody has inserted meanwhile; the ids proposed, of which some may have lost."""
    Instrument.objects.bulk_create(
        [_instrument(each, under[each.underlying]) for each in missing],
        batch_size=BATCH,
        ignore_conflicts=True,
    )
    standing: dict[str, Instrument] = {}
    names = [each.compact for each in missing]
    for start in range(0, len(names), BATCH):
        rows = Instrument.objects.filter(symbol__in=names[start : start + BATCH])
        standing |= {each.symbol: each for each in rows}
    for name in names:
        if name not in standing or standing[name].kind != InstrumentKind.OPTION:
            raise BadInput(
                f"{name} is the symbol of something that is no option.",
                attr="symbol",
                code="symbol_taken",
            )
    made = [_contract(each, standing[each.compact], under[each.underlying]) for each in missing]
    OptionContract.objects.bulk_create(made, batch_size=BATCH, ignore_conflicts=True)
    return {each.pk for each in made}


def _instrument(symbol: OptionSymbol, underlying: Instrument) -> Instrument:
    right = "call" if symbol.right == CALL else "put"
    return Instrument(
        symbol=symbol.compact,
        name=f"{symbol.root} {symbol.expiry} {plain(symbol.strike)} {right}",
        kind=InstrumentKind.OPTION,
        asset_class=underlying.asset_class,
        sector=underlying.sector,
        segment=underlying.segment,
        country=underlying.country,
        currency=underlying.currency,
        multiplier=MULTIPLIER,
        price_basis=PriceBasis.CLOSE,
    )


def _contract(
    symbol: OptionSymbol, instrument: Instrument, underlying: Instrument
) -> OptionContract:
    index = underlying.kind == InstrumentKind.INDEX
    return OptionContract(
        instrument=instrument,
        underlying=underlying,
        root=symbol.root,
        expiry=symbol.expiry,
        strike=symbol.strike,
        right=OptionRight.CALL if symbol.right == CALL else OptionRight.PUT,
        style=ExerciseStyle.EUROPEAN if index else ExerciseStyle.AMERICAN,
        settlement=Settlement.CASH if index else Settlement.PHYSICAL,
        am_settled=index and symbol.root in AT_THE_OPEN,
        adjusted=symbol.adjusted,
    )


def _record(made: dict[str, OptionContract], by: Actor) -> None:
    """One line for one contract with its terms, one for many with their number."""
    if len(made) == 1:
        [(symbol, row)] = made.items()
        audit.record(
            by=by,
            action="contract.created",
            object_type="option_contract",
            object_id=row.pk,
            after={
                "symbol": symbol,
                "underlying": row.underlying.symbol,
                "style": row.style,
                "settlement": row.settlement,
                "am_settled": row.am_settled,
            },
        )
        return
    first = next(iter(made.values()))
    audit.record(
        by=by,
        action="contracts.created",
        object_type="option_contract",
        object_id=first.pk,
        after={
            "count": len(made),
            "underlyings": sorted({each.underlying.symbol for each in made.values()}),
            "symbols": sorted(made)[:SHOWN],
        },
    )
