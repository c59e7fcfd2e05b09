"""The blocks of a bond's quote page: its price with interest, its terms and its figures."""

from typing import Any

from etftrader.core.actor import Actor
from etftrader.core.formats import eastern, show
from marketdata.calculations.bonds import (
    MATURED,
    NO_PRICE,
    NO_SOLUTION,
    NOT_ISSUED,
    OUT_OF_RANGE,
)
from marketdata.models import Bond, Instrument
from marketdata.selectors import bonds
from marketdata.selectors.bonds import PRICE, PRICE_STALE, Valued
from marketdata.selectors.sessions import Moment

OF_FACE = "% of face"
OFTEN = {1: "once a year", 2: "twice a year", 4: "four times a year", 12: "every month"}
NO_TERMS = "its terms are not known"
FIRST_COUPON = "not said: every coupon is taken as a full one"


def blocks(actor: Actor, instrument: Instrument, moment: Moment) -> dict[str, Any]:
    """Head and facts of the page, as of the last close; without terms both say so."""
    bond = bonds.of_instrument(instrument_id=instrument.pk, actor=actor, until=moment.session_date)
    found = None if bond is None else bonds.valued(bond, on=moment.session_date)
    rows = [] if bond is None or found is None else _of_bond(bond, found, moment)
    return {"head": _head(bond, found), "facts": _table(instrument, rows)}


def _head(bond: Bond | None, found: Valued | None) -> list[dict[str, Any]]:
    figures = found.figures if found else None
    why = _why(bond, found)
    return [
        {"label": "Clean price", "term": "clean_price", "value": found and found.price,
         "fmt": "price", "reason": "no price is known" if found else NO_TERMS,
         "sub": f"{OF_FACE}, {_dated(found)}" if found and found.price_date else ""},
        {"label": "Accrued interest", "term": "accrued_interest",
         "value": figures and figures.accrued, "fmt": "price:4", "reason": why, "sub": OF_FACE},
        {"label": "Dirty price", "term": "dirty_price", "value": figures and figures.dirty,
         "fmt": "price:4", "reason": why, "sub": OF_FACE},
        {"label": "Yield to maturity", "term": "ytm", "value": found and found.ytm, "fmt": "pct2",
         "reason": why, "sub": "a year, " + _from(found) if found and found.ytm_source else ""},
        {"label": "Modified duration", "term": "duration",
         "value": figures and figures.modified_duration, "fmt": "ratio2", "reason": why,
         "sub": "years"},
        {"label": "DV01", "term": "dv01", "value": figures and figures.dv01, "fmt": "greek",
         "reason": why, "sub": _per_point(bond) if bond else ""},
    ]  # fmt: skip


def _table(instrument: Instrument, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": "facts-table",
        "caption": f"Terms and figures of {instrument.symbol}",
        "columns": [
            {"key": "label", "label": "Fact"},
            {"key": "value", "label": "Value", "css": "r"},
            {"key": "unit", "label": "Unit", "css": "fold"},
            {"key": "source", "label": "From", "priority": "p3", "css": "fold"},
        ],
        "rows": rows,
        "empty": {
            "text": f"Coupon and maturity of {instrument.symbol} are not known. "
            "An operator adds them at POST /api/v1/bonds."
        },
    }


def _of_bond(bond: Bond, found: Valued, moment: Moment) -> list[dict[str, Any]]:
    """Terms, then figures settled at the last close."""
    return [*_terms(bond, found), *_figures(bond, found, moment)]


def _terms(bond: Bond, found: Valued) -> list[dict[str, Any]]:
    coupon = f"{100 * bond.coupon_rate:.6g}%"  # as exact as it was given
    often = OFTEN.get(bond.frequency, f"{bond.frequency} a year")
    left = f"{found.years:.1f} years left" if found.years else "over"
    issued = eastern(bond.issued) if bond.issued else None
    return [
        _fact("Coupon", coupon, "of face a year", "terms"),
        _fact("Paid", often, "coupons", "terms"),
        _fact("Day count", bond.get_basis_display(), "of accrued interest", "terms"),
        _fact("Face value", show(bond.face_value, "qty"), bond.instrument.currency, "terms"),
        _fact("Issued", issued, "interest runs from it", "terms", FIRST_COUPON),
        _fact("Maturity", eastern(bond.maturity), left, "terms"),
    ]


def _figures(bond: Bond, found: Valued, moment: Moment) -> list[dict[str, Any]]:
    figures, why, origin = found.figures, _why(bond, found), _from(found)
    settled = f"terms, settled {eastern(moment.session_date)}"
    price = None if found.price is None else show(found.price, "price")
    told: list[tuple[str, float | None, str, str, str]] = [
        ("Accrued interest", figures.accrued, "price:4", OF_FACE, settled),
        ("Clean price", figures.clean, "price:4", OF_FACE, origin),
        ("Dirty price", figures.dirty, "price:4", OF_FACE, origin),
        ("Yield to maturity", found.ytm, "pct2", f"a year, {_compounded(bond)}", origin),
        ("Modified duration", figures.modified_duration, "ratio2", "years", origin),
        ("Macaulay duration", figures.macaulay_duration, "ratio2", "years", origin),
        ("Convexity", figures.convexity, "ratio2", "years squared", origin),
        ("DV01", figures.dv01, "greek", _per_point(bond), origin),
    ]
    rows = [
        _fact(label, None if value is None else show(value, fmt), unit, source, why)
        for label, value, fmt, unit, source in told
    ]
    return [_fact("Last price", price, OF_FACE, _dated(found), "no price is known"), *rows]


def _fact(
    label: str, value: str | None, unit: str, source: str, reason: str = ""
) -> dict[str, Any]:
    told = source if value is not None else reason
    return {"label": label, "value": value, "value_reason": reason, "unit": unit, "source": told}


def _dated(found: Valued | None) -> str:
    """Of which day the price is, and how old that makes it."""
    if found is None or found.price_date is None:
        return ""
    age = found.price_age
    old = f", {age} session{'' if age == 1 else 's'} old" if age else ""
    return f"price of {eastern(found.price_date)}{old}"


def _from(found: Valued) -> str:
    """What the yield, and all that follows from it, rests on."""
    if found.ytm_source == PRICE:
        return _dated(found)
    late = f"; the {_dated(found)}, is left out" if found.price_stale else ""
    return f"the yield its source states{late}"


def _why(bond: Bond | None, found: Valued | None) -> str:
    """Why figures are missing, in words."""
    if bond is None or found is None:
        return NO_TERMS
    code = found.reason or found.figures.reason or ""
    return {
        "": "",
        NO_PRICE: "no price is known, and no yield is stated",
        PRICE_STALE: f"the {_dated(found)}: older than five sessions",
        MATURED: f"matured on {eastern(bond.maturity)}",
        NOT_ISSUED: f"not issued before {eastern(bond.issued)}",
        NO_SOLUTION: "no yield gives this price",
        OUT_OF_RANGE: "beyond what can be computed",
    }.get(code, code.replace("_", " "))


def _compounded(bond: Bond) -> str:
    return f"compounded {OFTEN.get(bond.frequency, f'{bond.frequency} a year')}"


def _per_point(bond: Bond) -> str:
    return f"{bond.instrument.currency} per 100 of face, for 1 bp"
