"""Estimates of what an instrument is worth: made, changed and taken back, each audited."""

import math
import re
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, NotFound, VersionMismatch
from etftrader.core.money import FILL_PRICE, MONEY, plain
from marketdata.models import Instrument, Valuation

KEY = ("as_of_date", "method")
MONEY_FIGURES = ("ev", "equity_value", "target_price")
RATES = ("discount_rate", "growth_rate")
FIGURES = (*MONEY_FIGURES, "multiples", *RATES)
MOST_MULTIPLES = 20
LARGEST_MULTIPLE = 1e6
_METHOD = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
_MULTIPLE = re.compile(r"[A-Za-z][A-Za-z0-9_/ .-]{0,39}\Z")


def create(*, instrument: Instrument, fields: dict[str, Any], until: date, by: Actor) -> Valuation:
    """Keep an estimate of an instrument on a day by a method.

    Raises BadInput with the field, and Conflict where that day and method have one.
    """
    method = _method(fields["method"])
    if fields["as_of_date"] > until:
        raise BadInput(
            f"{fields['as_of_date']} is not known yet: the market clock stands at {until}.",
            attr="as_of_date",
            code="after_market_clock",
        )
    figures = {name: fields.get(name) for name in FIGURES} | {
        "multiples": fields.get("multiples") or {}
    }
    _check(figures)
    try:
        with transaction.atomic():
            made = Valuation.objects.create(
                instrument=instrument,
                as_of_date=fields["as_of_date"],
                method=method,
                created_by=by.user_id,
                **figures,
            )
            _record(made, "valuation.created", by, after=_told(made))
    except IntegrityError as error:
        raise Conflict(
            f"{instrument.symbol} has a {method} valuation of {fields['as_of_date']} already. "
            "Change that one.",
            code="valuation_exists",
        ) from error
    return made


@transaction.atomic
def update(
    *, valuation_id: UUID, changes: dict[str, Any], version: int | None, by: Actor
) -> Valuation:
    """Change figures of a valuation that stands at a version; None takes any.

    Day and method stay: another day or another method is another valuation. Raises NotFound,
    BadInput with the field, VersionMismatch when somebody was faster.
    """
    row = _row(valuation_id)
    for name in KEY:
        given = changes.get(name, getattr(row, name))
        if (_method(given) if name == "method" else given) != getattr(row, name):
            raise BadInput(
                f"The {name} of a valuation stays. Make another valuation.",
                attr=name,
                code="immutable",
            )
    wanted = {name: changes[name] for name in FIGURES if name in changes}
    if "multiples" in wanted:
        wanted["multiples"] = wanted["multiples"] or {}
    _check({name: getattr(row, name) for name in FIGURES} | wanted)
    fresh = {name: value for name, value in wanted.items() if getattr(row, name) != value}
    expected = row.version if version is None else version
    if not fresh and expected == row.version:
        return row
    found = Valuation.objects.filter(pk=row.pk, version=expected)
    if not found.update(version=F("version") + 1, updated_at=clock.now(), **fresh):
        raise _moved(row)
    after = _row(valuation_id)
    _record(after, "valuation.changed", by, before=_told(row), after=_told(after))
    return after


@transaction.atomic
def delete(*, valuation_id: UUID, version: int | None, by: Actor) -> Valuation:
    """Take a valuation back; the audit line keeps what it said. Raises as `update` does."""
    row = _row(valuation_id)
    expected = row.version if version is None else version
    if not Valuation.objects.filter(pk=row.pk, version=expected).delete()[0]:
        raise _moved(row)
    _record(row, "valuation.deleted", by, before=_told(row))
    return row


def _row(valuation_id: UUID) -> Valuation:
    found = Valuation.objects.select_related("instrument").filter(pk=valuation_id).first()
    if found is None:
        raise NotFound("There is no such valuation.")
    return found


def _method(text: str) -> str:
    method = text.strip().lower().replace("-", "_").replace(" ", "_")
    if not _METHOD.match(method):
        raise BadInput(
            "A method is a word of letters, digits and underscores, such as dcf.", attr="method"
        )
    return method


def _check(figures: dict[str, Any]) -> None:
    if not any(figures[name] is not None for name in MONEY_FIGURES) and not figures["multiples"]:
        raise BadInput(
            "Say what it is worth: ev, equity_value, target_price or multiples.",
            attr="target_price",
            code="required",
        )
    for name in MONEY_FIGURES:
        _check_places(name, figures[name], FILL_PRICE if name == "target_price" else MONEY)
    if figures["target_price"] is not None and figures["target_price"] < 0:
        raise BadInput("A price is not below 0.", attr="target_price")
    for name in RATES:
        if figures[name] is not None and not -1.0 < figures[name] <= 1.0:
            raise BadInput(
                "A rate is a fraction a year above -1 and at most 1: 8 % is 0.08.", attr=name
            )
    _check_multiples(figures["multiples"])


def _check_places(name: str, value: Decimal | None, unit: Decimal) -> None:
    if value is not None and value != value.quantize(unit):
        places = -int(unit.as_tuple().exponent)
        raise BadInput(f"At most {places} decimals here; nothing is rounded.", attr=name)


def _check_multiples(multiples: Any) -> None:
    if not isinstance(multiples, dict) or len(multiples) > MOST_MULTIPLES:
        raise BadInput(
            f"At most {MOST_MULTIPLES} multiples by name, such as {{ev_ebitda: 8.5}}.",
            attr="multiples",
        )
    for name, value in multiples.items():
        number = not isinstance(value, bool) and isinstance(value, int | float)
        if not _MULTIPLE.match(str(name)):
            raise BadInput("A multiple has a short plain name.", attr="multiples")
        if not number or not math.isfinite(value) or abs(value) > LARGEST_MULTIPLE:
            raise BadInput(f"{name} is not a multiple.", attr="multiples")


def _told(row: Valuation) -> dict[str, Any]:
    return {
        "symbol": row.instrument.symbol,
        "as_of_date": row.as_of_date.isoformat(),
        "method": row.method,
        **{name: plain(getattr(row, name)) for name in MONEY_FIGURES},
        "multiples": row.multiples,
        **{name: getattr(row, name) for name in RATES},
    }


def _record(row: Valuation, action: str, by: Actor, **sides: Any) -> None:
    audit.record(by=by, action=action, object_type="valuation", object_id=row.pk, **sides)


def _moved(row: Valuation) -> VersionMismatch:
    return VersionMismatch("It was changed since you read it.", version=row.version)
