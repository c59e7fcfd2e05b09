"""Exchange rates from quoted pairs: as quoted, turned round, or crossed over the US dollar."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal

RATE = Decimal("0.000000000001")  # twelve places: a yen in dollars keeps ten digits
ONE = Decimal(1)
CROSS = "USD"

Pair = tuple[str, str]
Leg = tuple[str, int]
_PAIR = re.compile(r"([A-Z]{3})?([A-Z]{3})=X\Z")


@dataclass(frozen=True, slots=True)
class Rate:
    """Units of `target` for one of `origin`; null with a reason where nobody knows.

    `previous` is that of the close before, None where it is not known. `legs` names the quoted
    pairs behind it, 1 as quoted and -1 turned round; none between a currency and itself.
    """

    origin: str
    target: str
    value: Decimal | None
    previous: Decimal | None = None
    as_of: datetime | None = None
    session_date: date | None = None  # of the oldest pair behind it
    price_class: str = ""
    source: str = ""
    reason: str = ""  # no_exchange_rate, price_stale, price_suspect
    legs: tuple[Leg, ...] = ()

    @property
    def name(self) -> str:
        """The quoted pairs behind it, in words."""
        return ", ".join(symbol for symbol, _ in self.legs)


def pair_of(symbol: str) -> Pair | None:
    """Which currency a quoted pair prices, and in which; None for what is no pair.

    `EURUSD=X` is one euro in dollars, `JPY=X` one dollar in yen.
    """
    found = _PAIR.match(symbol.upper())
    if found is None:
        return None
    origin, target = found[1] or CROSS, found[2]
    return None if origin == target else (origin, target)


def spellings(currencies: Iterable[str]) -> set[str]:
    """The symbols a rate among these currencies may be quoted under, crosses over USD too."""
    known = {*currencies, CROSS}
    symbols = {f"{one}{other}=X" for one in known for other in known if one != other}
    return symbols | {f"{each}=X" for each in known - {CROSS}}


def paths(symbols: Mapping[Pair, str], origin: str, target: str) -> list[tuple[Leg, ...]]:
    """Ways from one currency to another: as quoted, turned round, then over USD.

    Parameters
    ----------
    symbols : mapping of (origin, target) to symbol
        What is quoted.

    Returns
    -------
    list of tuple of (symbol, sign)
        The best way first; empty where nothing leads there.
    """
    direct = _steps(symbols, origin, target)
    if CROSS in (origin, target):
        return direct
    first, second = _steps(symbols, origin, CROSS), _steps(symbols, CROSS, target)
    return direct + [one + other for one in first for other in second]


def _steps(symbols: Mapping[Pair, str], origin: str, target: str) -> list[tuple[Leg, ...]]:
    found: list[tuple[Leg, ...]] = []
    if (origin, target) in symbols:
        found.append(((symbols[origin, target], 1),))
    if (target, origin) in symbols:
        found.append(((symbols[target, origin], -1),))
    return found


def along(legs: Iterable[Leg], price: Callable[[str], Decimal | None]) -> Decimal | None:
    """The rate along a way, twelve places; None where one of its pairs has no price."""
    value = ONE
    for symbol, sign in legs:
        quoted = price(symbol)
        if quoted is None or quoted <= 0:
            return None
        value = value * quoted if sign > 0 else value / quoted
    rounded = value.quantize(RATE, rounding=ROUND_HALF_UP)
    return rounded if rounded > 0 else None
