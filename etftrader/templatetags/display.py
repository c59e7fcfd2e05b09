"""One filter per kind of number: money, signed changes, quantities, percentages, times, ages.

The browser has the same formats under the same names (`static/js/format.js`); both are held to
`etftrader/tests/data/format_cases.json`.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

MINUS = "\u2212"
TIMES = "\u00d7"
DASH = "—"
NEW_YORK = ZoneInfo("America/New_York")
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
NOT_AVAILABLE = "Not available"


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
        symbol = SYMBOLS.get(currency or "USD", f"{currency} ")
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
    text = NUMBER_FORMATS[inner or "pct2"](value, "")
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


def tone_of(value: object) -> str:
    """The class of a gain or a loss; nothing for zero and for what is missing."""
    parsed = number(value)
    if not parsed:
        return ""
    return "up" if parsed > 0 else "dn"


def _filter(kind: str) -> Callable[..., str]:
    def apply(value: object, argument: object = "") -> str:
        return show(value, f"{kind}:{argument}")

    return apply


for _kind in (*NUMBER_FORMATS, "et"):
    register.filter(_kind, _filter(_kind))
register.filter("fmt", show)
register.filter("tone", tone_of)


@register.filter
def used_state(used: object, watch: object = "") -> str:
    """How a limit stands by the fraction used: within, watch, breach or missing."""
    fraction, level = number(used), number(watch) or Decimal("0.8")
    if fraction is None:
        return "missing"
    if fraction > 1:
        return "breach"
    return "watch" if fraction >= level else "within"


@register.filter
def share(value: object, whole: object) -> Decimal | None:
    """Value over whole as a fraction; None when either is missing or the whole is zero."""
    part, total = number(value), number(whole)
    return None if part is None or not total else part / total


@register.filter
def css_percent(value: object) -> str:
    """A fraction as a width for an inline style, held between 0 and 100 %."""
    fraction = float(number(value) or 0)
    return f"{min(max(fraction, 0.0), 1.0) * 100:.1f}%"


@register.filter
def get(mapping: object, key: str) -> object:
    """One entry of a mapping by a name the template holds."""
    return mapping.get(key) if isinstance(mapping, dict) else getattr(mapping, key, None)


@register.simple_tag
def missing(reason: str = "") -> SafeString:
    """The dash for a figure that is not there, with why."""
    why = reason or NOT_AVAILABLE
    return format_html('<span class="missing" title="{}">{}</span>', why, DASH)


@register.simple_tag
def moment(value: object, kind: str = "time") -> SafeString:
    """A time element on the exchange's clock, with UTC in its title."""
    when = moment_of(value)
    if when is None:
        if isinstance(value, date):
            return format_html('<time datetime="{}">{}</time>', value, eastern(value))
        return missing()
    utc = when.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        f"{utc:%Y-%m-%dT%H:%M:%SZ}",
        f"{utc:%Y-%m-%d %H:%M:%S}",
        eastern(when, kind),
    )


@register.simple_tag(name="value")
def live_value(
    value: object,
    fmt: str = "text",
    live: str = "",
    max_age: object = "",
    reason: str = "",
    tone: bool = False,
    unit: str = "",
) -> SafeString:
    """One figure as a span the page can blur, patch, age and colour."""
    text = show(value, fmt)
    gone = text == DASH
    css = " ".join(filter(None, ["missing" if gone else "", tone_of(value) if tone else ""]))
    attributes = [
        ("class", css),
        ("data-fmt", fmt),
        ("data-live", live),
        ("data-max-age", str(max_age) if live and max_age else ""),
        ("data-tone", "1" if tone and live else ""),
        ("data-unit", unit if live else ""),
        ("title", (reason or NOT_AVAILABLE) if gone else ""),
    ]
    opened = format_html_join("", ' {}="{}"', (pair for pair in attributes if pair[1]))
    return format_html("<span{}>{}{}</span>", opened, text, "" if gone else unit)
