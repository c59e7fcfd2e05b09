"""Bonds: made and changed with their terms checked, each change with its audit line."""

import re
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, NotFound, VersionMismatch
from etftrader.core.money import CENT, plain
from marketdata.calculations.bonds import ACT_ACT, BASES, FACE, FREQUENCIES
from marketdata.choices import InstrumentKind, PriceBasis, Pricing
from marketdata.models import Bond, Instrument
from marketdata.selectors import calendar
from marketdata.services import symbols
from marketdata.services.instrument_edits import require_unused

LARGEST_FACE = Decimal(10_000_000)
LONGEST_YEARS = 100
EARLIEST = date(1900, 1, 1)
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9.\-]{0,31}\Z")
_CURRENCY = re.compile(r"[A-Z]{3}\Z")


@dataclass(frozen=True, slots=True)
class Terms:
    """What a bond pays and when; rates are fractions a year."""

    coupon_rate: float
    maturity: date
    face_value: Decimal = Decimal(100)
    frequency: int = 2
    issued: date | None = None
    ytm: float | None = None  # as its source states it
    basis: str = ACT_ACT  # how interest is counted between coupon days

    def told(self) -> dict[str, Any]:
        """The terms in an audit line."""
        return {
            "coupon_rate": self.coupon_rate,
            "maturity": self.maturity.isoformat(),
            "face_value": plain(self.face_value),
            "frequency": self.frequency,
            "issued": self.issued.isoformat() if self.issued else None,
            "ytm": self.ytm,
            "basis": self.basis,
        }


_TERMS = tuple(each.name for each in fields(Terms))


def create(*, symbol: str, terms: Terms, name: str = "", currency: str = "USD", by: Actor) -> Bond:
    """Make a bond and its instrument; an instrument of kind bond without terms gets them.

    It is priced by hand, per 100 of face: a position's multiplier is its face value over 100.
    Raises BadInput with the field, Conflict when the symbol has a bond already.
    """
    check(terms)
    symbol, currency = _symbol(symbol), _currency(currency)
    try:
        with transaction.atomic():
            instrument = _instrument(symbol, name, currency, terms)
            bond = Bond.objects.create(
                instrument=instrument, **{each: getattr(terms, each) for each in _TERMS}
            )
            audit.record(
                by=by,
                action="bond.created",
                object_type="bond",
                object_id=bond.pk,
                after={"symbol": symbol, **terms.told()},
            )
    except IntegrityError as error:
        # somebody else's insert of the same symbol came first
        raise _exists(symbol) from error
    return bond


@transaction.atomic
def update(
    *, bond_id: UUID, version: int, changes: dict[str, Any], name: str | None = None, by: Actor
) -> Bond:
    """Change some terms of a bond that stands at a version.

    Raises NotFound, BadInput with the field, and VersionMismatch when somebody was faster.
    """
    bond = Bond.objects.select_related("instrument").filter(pk=bond_id).first()
    if bond is None:
        raise NotFound("There is no such bond.")
    before = terms_of(bond)
    if changes.get("face_value", before.face_value) != before.face_value:
        raise BadInput(
            "The face value of a bond is fixed: positions are counted in it. Make another bond.",
            attr="face_value",
            code="immutable",
        )
    after = Terms(**{each: changes.get(each, getattr(before, each)) for each in _TERMS})
    check(after)
    renamed = name is not None and name.strip() != bond.instrument.name
    if after == before and not renamed:
        return bond
    now = clock.now()
    changed = {each: getattr(after, each) for each in _TERMS if each != "face_value"}
    rows = Bond.objects.filter(pk=bond.pk, version=version)
    if not rows.update(version=F("version") + 1, updated_at=now, **changed):
        raise VersionMismatch("It was changed since you read it.", version=bond.version)
    was, wanted = bond.instrument.name, (name or "").strip()
    if renamed:
        _rename(bond.instrument, wanted)
    audit.record(
        by=by,
        action="bond.changed",
        object_type="bond",
        object_id=bond.pk,
        before={"name": was, **before.told()},
        after={"name": wanted if renamed else was, **after.told()},
    )
    return Bond.objects.select_related("instrument").get(pk=bond.pk)


@transaction.atomic
def retire(*, bond_id: UUID, version: int, by: Actor) -> Bond:
    """Take a bond that stands at a version out of use; its prices stay. Twice is once.

    Raises NotFound, VersionMismatch, and Conflict with the reasons while somebody holds it.
    """
    bond = Bond.objects.select_related("instrument").filter(pk=bond_id).first()
    if bond is None:
        raise NotFound("There is no such bond.")
    if not bond.instrument.active and bond.version == version:
        return bond
    now = clock.now()
    rows = Bond.objects.filter(pk=bond.pk, version=version)
    if not rows.update(version=F("version") + 1, updated_at=now):
        raise VersionMismatch("It was changed since you read it.", version=bond.version)
    Instrument.objects.filter(pk=bond.instrument_id).update(
        active=False, version=F("version") + 1, updated_at=now
    )
    require_unused(bond.instrument)
    audit.record(
        by=by,
        action="bond.retired",
        object_type="bond",
        object_id=bond.pk,
        before={"symbol": bond.instrument.symbol, "active": True},
        after={"active": False},
    )
    return Bond.objects.select_related("instrument").get(pk=bond.pk)


def terms_of(bond: Bond) -> Terms:
    """The terms of a stored bond."""
    return Terms(**{each: getattr(bond, each) for each in _TERMS})


def check(terms: Terms) -> None:
    """Raise BadInput for the first term that cannot be one."""
    if not 0 < terms.face_value <= LARGEST_FACE:
        raise BadInput(f"A face value is above 0 and at most {LARGEST_FACE}.", attr="face_value")
    if terms.face_value != terms.face_value.quantize(CENT):
        raise BadInput("A face value has at most two decimals.", attr="face_value")
    if not 0.0 <= terms.coupon_rate <= 1.0:
        raise BadInput(
            "A coupon is a fraction of the face value a year, from 0 to 1: 4.5 % is 0.045.",
            attr="coupon_rate",
        )
    if terms.frequency not in FREQUENCIES:
        raise BadInput("Coupons are paid 1, 2, 4 or 12 times a year.", attr="frequency")
    if terms.basis not in BASES:
        raise BadInput(f"Interest is counted by {' or '.join(BASES)}.", attr="basis")
    if terms.ytm is not None and not -1.0 < terms.ytm <= 1.0:
        raise BadInput(
            "A yield is a fraction a year above -1 and at most 1: 4.5 % is 0.045.", attr="ytm"
        )
    check_issued(terms.issued)
    if terms.maturity <= (terms.issued or EARLIEST):
        raise BadInput("A bond matures after it is issued.", attr="maturity")
    last = (terms.issued or clock.now().date()).year + LONGEST_YEARS
    if terms.maturity.year > last:
        raise BadInput(f"A bond matures within {LONGEST_YEARS} years.", attr="maturity")


def check_issued(day: date | None) -> None:
    """Raise BadInput for a day of issue that no bond here has."""
    if day is not None and not EARLIEST <= day <= calendar.LAST:
        raise BadInput(
            f"A bond is issued from {EARLIEST} to {calendar.LAST}, where the calendar ends.",
            attr="issued",
        )


def title(coupon_rate: float, maturity: date) -> str:
    """The name of a bond that is given none."""
    return f"{coupon_rate * FACE:g} % {maturity}"


def _instrument(symbol: str, name: str, currency: str, terms: Terms) -> Instrument:
    known = Instrument.objects.filter(symbol__iexact=symbol).first()
    if known is None:
        if not symbols.take(symbol):
            raise BadInput(symbols.not_free(symbol), attr="instrument", code="symbol_taken")
        return Instrument.objects.create(
            symbol=symbol,
            name=name.strip() or title(terms.coupon_rate, terms.maturity),
            kind=InstrumentKind.BOND,
            asset_class="fixed_income",
            currency=currency,
            multiplier=terms.face_value / 100,
            pricing=Pricing.MANUAL,
            price_basis=PriceBasis.MANUAL,
        )
    if known.kind != InstrumentKind.BOND or known.owner_id is not None:
        raise BadInput(
            f"There is no bond {symbol} to complete. {symbols.not_free(symbol)}",
            attr="instrument",
            code="symbol_taken",
        )
    if Bond.objects.filter(instrument=known).exists():
        raise _exists(symbol)
    if known.multiplier != terms.face_value / 100:
        raise BadInput(
            f"{symbol} counts {plain(known.multiplier * 100)} of face; give that face value.",
            attr="face_value",
        )
    return known


def _rename(instrument: Instrument, name: str) -> None:
    if not name:
        raise BadInput("A bond has a name.", attr="name")
    Instrument.objects.filter(pk=instrument.pk).update(
        name=name, version=F("version") + 1, updated_at=clock.now()
    )


def _symbol(text: str) -> str:
    symbol = text.strip().upper()
    if not _SYMBOL.match(symbol):
        raise BadInput(
            "A symbol has 1 to 32 letters, digits, dots or dashes, such as US912828R366.",
            attr="instrument",
        )
    if symbols.is_option(symbol):
        raise BadInput(f"{symbol} is the symbol of an option.", attr="instrument")
    return symbol


def _currency(text: str) -> str:
    if not _CURRENCY.match(text):
        raise BadInput("A currency is three capital letters, such as USD.", attr="currency")
    return text


def _exists(symbol: str) -> Conflict:
    return Conflict(f"There is a bond {symbol} already.", code="bond_exists", symbol=symbol)
