"""Instruments made, changed and retired by people, each act with its audit line."""

import re
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, NotFound, VersionMismatch
from marketdata.calculations import exchange
from marketdata.choices import InstrumentKind, PriceBasis, Pricing
from marketdata.events import in_use, instruments_created
from marketdata.models import Instrument
from marketdata.services import symbols

# what bookings, bars and names of others rest on
FIXED = ("symbol", "kind", "currency", "multiplier")
WORDS = ("name", "asset_class", "sector", "segment", "country", "factor_tilt", "exchange")
ASSUMED = (
    "liquidity_class",
    "assumed_volume",
    "assumed_half_spread_bp",
    "assumed_dividend_yield",
)
CHANGEABLE = (*WORDS, *ASSUMED, "active")
# made with their terms, at their own addresses
WITH_TERMS = {InstrumentKind.OPTION: "options", InstrumentKind.BOND: "bonds"}
_SYMBOL = re.compile(r"[A-Z0-9^][A-Z0-9.\-=^]{0,31}\Z")
_CURRENCY = re.compile(r"[A-Z]{3}\Z")


def create(*, fields: dict[str, Any], by: Actor) -> Instrument:
    """Make an instrument; a `private_fund` belongs to whoever makes it and is valued by hand.

    Raises BadInput with the field, Conflict for a symbol that is taken.
    """
    symbol = _symbol(fields["symbol"])
    kind = InstrumentKind(fields["kind"])
    _check(fields)
    _check_pair(symbol, kind, fields.get("currency", "USD"))
    private = kind == InstrumentKind.PRIVATE
    basis = PriceBasis.INDEX_LEVEL if kind == InstrumentKind.INDEX else PriceBasis.CLOSE
    try:
        with transaction.atomic():
            # a thing of one person must not take a former symbol from everybody
            if symbols.is_spelled(symbol) if private else not symbols.take(symbol):
                raise _taken(symbol)
            made = Instrument.objects.create(
                **fields
                | {
                    "symbol": symbol,
                    "pricing": Pricing.MANUAL if private else Pricing.AUTO,
                    "price_basis": PriceBasis.MANUAL if private else basis,
                    "owner_id": by.user_id if private else None,
                }
            )
            audit.record(
                by=by,
                action="instrument.created",
                object_type="instrument",
                object_id=made.pk,
                after={name: getattr(made, name) for name in (*FIXED, *CHANGEABLE)},
            )
            if not private:
                instruments_created.announce()
    except IntegrityError as error:
        raise _taken(symbol) from error  # somebody else's insert came first
    return made


@transaction.atomic
def update(
    *, instrument_id: UUID, changes: dict[str, Any], version: int | None, by: Actor
) -> Instrument:
    """Change some fields of an instrument that stands at a version; None takes any.

    Raises NotFound, BadInput with the field, VersionMismatch when somebody was faster, and
    Conflict with the reasons where it would be retired and is needed.
    """
    row = Instrument.objects.filter(pk=instrument_id).first()
    if row is None:
        raise NotFound("There is no such instrument.")
    _check_fixed(row, changes)
    wanted = {name: changes[name] for name in CHANGEABLE if name in changes}
    _check(wanted)
    fresh = {name: value for name, value in wanted.items() if getattr(row, name) != value}
    expected = row.version if version is None else version
    if not fresh:
        if expected != row.version:
            raise _moved(row)
        return row
    found = Instrument.objects.filter(pk=row.pk, version=expected)
    if not found.update(version=F("version") + 1, updated_at=clock.now(), **fresh):
        raise _moved(row)
    retired = fresh.get("active") is False
    if retired:
        require_unused(row)
    audit.record(
        by=by,
        action="instrument.retired" if retired else "instrument.changed",
        object_type="instrument",
        object_id=row.pk,
        before={name: getattr(row, name) for name in fresh},
        after=fresh,
    )
    return Instrument.objects.get(pk=row.pk)


def retire(*, instrument_id: UUID, version: int | None, by: Actor) -> Instrument:
    """Take an instrument out of use; its history stays. Twice is once. Raises as `update` does."""
    return update(instrument_id=instrument_id, changes={"active": False}, version=version, by=by)


def require_unused(instrument: Instrument) -> None:
    """Raise Conflict while somebody holds an instrument or waits for it."""
    reasons = [why for ask in in_use if (why := ask(instrument.pk))]
    if reasons:
        raise Conflict(
            f"{instrument.symbol} stays in use: {'; '.join(reasons)}.",
            code="instrument_in_use",
            reasons=reasons,
        )


def _check_fixed(row: Instrument, changes: dict[str, Any]) -> None:
    for name in FIXED:
        sent = changes.get(name, getattr(row, name))
        if name == "symbol":
            sent = sent.strip().upper()
        if sent != getattr(row, name):
            raise BadInput(
                f"The {name} of an instrument stays: bookings and prices rest on it.",
                attr=name,
                code="immutable",
            )


def _check(fields: dict[str, Any]) -> None:
    if "currency" in fields and not _CURRENCY.match(fields["currency"]):
        raise BadInput("A currency is three capital letters, such as USD.", attr="currency")
    if "name" in fields and not fields["name"].strip():
        raise BadInput("An instrument has a name.", attr="name")


def _check_pair(symbol: str, kind: InstrumentKind, currency: str) -> None:
    """An exchange rate is spelled by its two currencies and priced in the second."""
    pair = exchange.pair_of(symbol)
    if (pair is not None) != (kind == InstrumentKind.FX):
        raise BadInput(
            "Exchange rates, and nothing else, are called like EURUSD=X: one euro in dollars.",
            attr="kind" if pair else "symbol",
        )
    if pair is not None and pair[1] != currency:
        raise BadInput(f"{symbol} is priced in {pair[1]}.", attr="currency")


def _symbol(text: str) -> str:
    symbol = text.strip().upper()
    if not _SYMBOL.match(symbol):
        raise BadInput(
            "A symbol has 1 to 32 letters, digits, dots or dashes, such as BRK-B or ^GSPC.",
            attr="symbol",
        )
    if symbols.is_option(symbol):
        raise BadInput(f"{symbol} is the symbol of an option; make it at /options.", attr="symbol")
    return symbol


def _taken(symbol: str) -> Conflict:
    return Conflict(symbols.not_free(symbol), code="symbol_taken", attr="symbol")


def _moved(row: Instrument) -> VersionMismatch:
    return VersionMismatch("It was changed since you read it.", version=row.version)
