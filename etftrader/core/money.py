"""The border between exact money and float mathematics. NaN and infinity stop here."""

import math
import re
from decimal import ROUND_HALF_UP, Decimal

MONEY = Decimal("0.000001")
FILL_PRICE = Decimal("0.0001")
CENT = Decimal("0.01")
MAX_AMOUNT = Decimal("9200000000000")

# ASCII digits only, checked before Decimal sees the text: huge exponents cost seconds to expand
_NUMBER = re.compile(r"[+-]?[0-9]{1,12}(\.[0-9]{1,8})?\Z")
_OF_ANY_LENGTH = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?\Z")
TOO_LONG = "is too long: at most 12 digits before the point and 8 after it"


def to_money(value: float | Decimal) -> Decimal:
    """Round one booked amount to six places, half up. Raises ValueError for NaN and infinity."""
    return _exact(value).quantize(MONEY, rounding=ROUND_HALF_UP)


def to_fill_price(value: float | Decimal) -> Decimal:
    """Round a price to the four places at which we book, half up."""
    return _exact(value).quantize(FILL_PRICE, rounding=ROUND_HALF_UP)


def parse_amount(text: str) -> Decimal:
    """Read a plain decimal number from text. Raises ValueError with the reason."""
    cleaned = text.strip()
    if not _NUMBER.match(cleaned):
        shown = f'"{text[:40]}"'
        if _OF_ANY_LENGTH.match(cleaned):
            raise ValueError(f"{shown} {TOO_LONG}")
        raise ValueError(f"{shown} is not a plain decimal number")
    return Decimal(cleaned)


def plain(value: Decimal | None) -> str | None:
    """Write an amount for the wire: no exponent, no trailing zeros beyond two places."""
    if value is None:
        return None
    text = format(value, "f")
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


def _exact(value: float | Decimal) -> Decimal:
    if not math.isfinite(value):
        raise ValueError(f"not an amount of money: {value!r}")
    # str(float(...)): np.float64 prints its type, Decimal(0.1) fifty-five digits
    return value if isinstance(value, Decimal) else Decimal(str(float(value)))
