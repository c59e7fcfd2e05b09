"""One filter per kind of number, and the tags of one figure: what templates write figures with."""

from collections.abc import Callable
from datetime import UTC, date
from decimal import Decimal

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from etftrader.core.formats import (
    DASH,
    NUMBER_FORMATS,
    eastern,
    moment_of,
    number,
    show,
    tone_of,
)

register = template.Library()

NOT_AVAILABLE = "Not available"


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
