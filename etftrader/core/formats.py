"""The words for every kind of number: money, signed changes, quantities, times, ages.

The browser has the same formats under the same names (`static/js/format.js`); both are held to
`etftrader/tests/data/format_cases.json`.
"""

from collections.abc import Callable
from contextvars import ContextVar, Token
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from zoneinfo import ZoneInfo

MINUS = "\u2212"
TIMES = "\u00d7"
DASH = "—"
NEW_YORK = ZoneInfo("America/New_York")
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}


# of the book a request is about: what an amount without a currency is in
_spoken: ContextVar[str] = ContextVar("spoken_currency", default="USD")


def speak(currency: str) -> Token[str]:
    """From here on amounts without a currency are in this one; `silence` ends it."""
    return _spoken.set(currency)


def silence(token: Token[str]) -> None:
    """Amounts are in what they were in before."""
    _spoken.reset(token)


def in_currency(name: str, currency: str) -> str:
    """The named format with its currency; what is no money stays as it is."""
    return f"{name}:{currency}" if name.rpartition(":")[2] in ("money0", "money2") else name


def number(value: object) -> Decimal | None:
    """The value as a finite Decimal, by its shortest text; None for what is no number."""
    if value is None or value == "" or isinstance(value, bool):
        return None
    try:
        parsed = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        return None
    return parsed if parsed.is_finite() else None


def plain(value: Decimal, places: int) -> str:
    """Digits with thousands separators, halves away from zero; no sign on a rounded zero."""
    rounded = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    sign = MINUS if rounded < 0 else ""
    return f"{sign}{abs(rounded):,.{places}f}"


def _with_unit(text: str, before: str) -> str:
    return f"{MINUS}{before}{text[1:]}" if text.startswith(MINUS) else f"{before}{text}"


def _money(places: int) -> Callable[[Decimal, str], str]:
    def show(value: Decimal, currency: str) -> str:
        code = currency or _spoken.get()
        symbol = SYMBOLS.get(code, f"{code} ")
        return _with_unit(plain(value, places), symbol)

    return show


def _thousands(value: Decimal, _: str) -> str:
    if abs(value) < Decimal("999.5"):
        return plain(value, 0)
    # 999,950 would read "1000.0k": the unit follows the rounded figure.
    if abs(value) < Decimal(999950):
        return plain(value / 1000, 1) + "k"
    if abs(value) < Decimal(999995000):
        return plain(value / 1_000_000, 2) + "M"
    return plain(value / 1_000_000_000, 2) + "B"


def _quantity(value: Decimal, _: str) -> str:
    text = plain(value, 8)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _price(value: Decimal, places: str) -> str:
    return plain(value, int(places or 2))


def _percent(places: int) -> Callable[[Decimal, str], str]:
    return lambda value, _: plain(value * 100, places) + "%"


def _basis_points(places: int) -> Callable[[Decimal, str], str]:
    return lambda value, _: plain(value, places) + " bp"


def _ratio(value: Decimal, unit: str) -> str:
    return plain(value, 2) + (TIMES if unit == "x" else "")


def _p_value(value: Decimal, _: str) -> str:
    return "<0.01" if value < Decimal("0.01") else plain(value, 2)


def _signed(value: Decimal, inner: str) -> str:
    name, _, argument = inner.partition(":")
    text = NUMBER_FORMATS[name or "pct2"](value, argument)
    something = any(digit in text for digit in "123456789")
    return f"+{text}" if something and not text.startswith(MINUS) else text


def _age(value: Decimal, _: str) -> str:
    seconds = max(value, Decimal(0))
    if seconds < Decimal("9.95"):
        return f"{plain(seconds, 1)} s"
    if seconds < Decimal("59.5"):
        return f"{plain(seconds, 0)} s"
    # Whole units passed: 119 seconds are one minute old, not two.
    for unit, size, top in (("min", 60, 3600), ("h", 3600, 86400)):
        if seconds < top:
            return f"{max(1, int(seconds // size))} {unit}"
    days = int(seconds // 86400)
    return f"{days} day" if days == 1 else f"{days} days"


NUMBER_FORMATS: dict[str, Callable[[Decimal, str], str]] = {
    "money0": _money(0),
    "money2": _money(2),
    "moneyk": _thousands,
    "signed": _signed,
    "qty": _quantity,
    "price": _price,
    "pct0": _percent(0),
    "pct1": _percent(1),
    "pct2": _percent(2),
    "bp0": _basis_points(0),
    "bp1": _basis_points(1),
    "ratio2": _ratio,
    "greek": lambda value, _: plain(value, 4),
    "pval": _p_value,
    "age": _age,
    "int": lambda value, _: plain(value, 0),
}


def moment_of(value: object) -> datetime | None:
    """An aware moment from a datetime or its ISO text; a naive one is UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def eastern(value: object, kind: str = "time") -> str:
    """A moment on the exchange's clock; a bare date is a session and stays what it is."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return f"{value.day} {value:%b %Y}"
    moment = moment_of(value)
    if moment is None:
        return DASH
    local = moment.astimezone(NEW_YORK)
    day = f"{local.day} {local:%b %Y}"
    texts = {
        "time": f"{local:%H:%M:%S} ET",
        "minute": f"{local:%H:%M} ET",
        "date": day,
        "full": f"{day} {local:%H:%M} ET",
        "clock": f"{local:%H:%M}",
        "stamp": f"{day} {local:%H:%M}",
        "short": f"{local.day} {local:%b} {local:%H:%M}",
    }
    return texts[kind or "time"]


def show(value: object, name: str) -> str:
    """The value in the named format, argument after a colon ("signed:money0"); None is a dash."""
    kind, _, argument = (name or "text").partition(":")
    if kind == "et":
        return eastern(value, argument)
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if kind == "text":
        return DASH if value is None or value == "" else str(value)
    parsed = number(value)
    return DASH if parsed is None else NUMBER_FORMATS[kind](parsed, argument)


def figure(value: object, before: str = "", after: str = "") -> str:
    """A figure kept as text, with at least two places and its unit before or after them.

    What is no number stands as it is.
    """
    parsed = number(value)
    if parsed is None:
        return show(value, "text")
    places = -int(parsed.normalize().as_tuple().exponent)
    return _with_unit(plain(parsed, min(max(places, 2), 6)), before) + after


def tone_of(value: object) -> str:
    """The class of a gain or a loss; nothing for zero and for what is missing."""
    parsed = number(value)
    if not parsed:
        return ""
    return "up" if parsed > 0 else "dn"
