"""Dots over time with a level across them: what single events came to, and their middle."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from etftrader.core import svg
from etftrader.core.formats import eastern, show

register = template.Library()

WIDTH, HEIGHT = 1200, 220
LEFT, RIGHT, TOP, BOTTOM = 10, 66, 14, 26
DAY_S = 86_400.0

Chart = Mapping[str, Any]


@register.simple_tag
def dot_chart(chart: Chart) -> SafeString:
    """Dots over days and a dashed level.

    `chart` holds id, title, conclusion, fmt, head (of the values), dots [{at, value, label}] with
    known values, level {value, label}, and the text for no dots.
    """
    dots = sorted(chart["dots"], key=lambda each: each["at"])
    if not dots:
        return render_to_string("ui/empty.html", {"text": chart["empty"]})
    level = float(chart["level"]["value"])
    values = [float(each["value"]) for each in dots]
    low, high = min([0.0, *values]), max([*values, level])
    top = high + (high - low) * 0.08 or 1.0
    up = svg.Scale(low, top, HEIGHT - BOTTOM, TOP)
    moments = [svg.seconds(each["at"]) for each in dots]
    first, last = moments[0], moments[-1]
    if first == last:
        first, last = first - DAY_S, last + DAY_S
    across = svg.Scale(first, last, LEFT, WIDTH - RIGHT)
    y = up(level)
    context = {
        "chart": chart,
        "fmt": chart["fmt"],
        "width": WIDTH,
        "height": HEIGHT,
        "plot": {"left": LEFT, "right": WIDTH - RIGHT, "top": TOP, "bottom": HEIGHT - BOTTOM},
        "label_x": WIDTH - RIGHT + 8,
        "grid": _grid(low, top, up),
        "time": [
            {"x": across(at), "label": label, "anchor": "middle" if place else "start"}
            for place, (at, label) in enumerate(_ticks(dots))
        ],
        "dots": [
            {"x": across(at), "y": up(value), "label": each["label"]}
            for each, at, value in zip(dots, moments, values, strict=True)
        ],
        "level": {"y": y, "label_y": y - 6, "label": chart["level"]["label"]},
        "heads": [chart["head"]],
        "table": [_line(each, chart["fmt"]) for each in reversed(dots)],
    }
    return render_to_string("charts/dots.svg", context)


def _grid(low: float, high: float, up: svg.Scale) -> list[dict[str, Any]]:
    levels = svg.ticks(low, high)
    step = levels[1] - levels[0] if len(levels) > 1 else 0.0
    return [{"y": up(each), "label": svg.short(each, step)} for each in levels]


def _ticks(dots: list[Mapping[str, Any]]) -> list[tuple[float, str]]:
    days = sorted({_day(each["at"]) for each in dots})
    if len(days) == 1:
        return [(svg.seconds(dots[0]["at"]), eastern(days[0]))]
    return [each for each in svg.date_ticks(days) if each[0] >= svg.seconds(days[0])]


def _day(at: datetime | date) -> date:
    return at.date() if isinstance(at, datetime) else at


def _line(each: Mapping[str, Any], fmt: str) -> dict[str, Any]:
    text = show(each["value"], fmt)
    return {"label": each["label"], "cells": [{"value": each["value"], "text": text}]}
