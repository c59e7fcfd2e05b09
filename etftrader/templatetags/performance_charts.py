"""Charts of a tear sheet: how daily returns are spread, beside the normal law and the VaR."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from etftrader.core import svg
from etftrader.core.formats import show

register = template.Library()

WIDTH, HEIGHT = 640, 280
LEFT, RIGHT, TOP, BOTTOM = 18, 46, 26, 26
CURVE_POINTS = 80
LABELS = 7  # at most, under the bars
LETTER, MARK_ROOM = 6.2, 14

Chart = Mapping[str, Any]


@register.simple_tag
def return_histogram(chart: Chart) -> SafeString:
    """Bars of counts by return, the normal law of the same moments, and marks.

    `chart` holds id, title, conclusion, edges (b + 1 fractions), counts, expected, mean,
    deviation, and marks [{value, label, css}].
    """
    edges: Sequence[float] = chart["edges"]
    count = sum(chart["counts"])
    width = edges[1] - edges[0]
    marks = [each for each in chart["marks"] if each["value"] is not None]
    low = min([edges[0], *(each["value"] - width / 2 for each in marks)])
    high = max([edges[-1], *(each["value"] + width / 2 for each in marks)])
    peak = count * width / (chart["deviation"] * math.sqrt(2.0 * math.pi))
    most = max([*chart["counts"], peak])
    across = svg.Scale(low, high, LEFT, WIDTH - RIGHT)
    up = svg.Scale(0.0, most * 1.06, HEIGHT - BOTTOM, TOP)
    xs = [low + (high - low) * place / CURVE_POINTS for place in range(CURVE_POINTS + 1)]
    curve = [peak * math.exp(-0.5 * ((x - chart["mean"]) / chart["deviation"]) ** 2) for x in xs]
    context = {
        "chart": chart,
        "width": WIDTH,
        "height": HEIGHT,
        "plot": {"left": LEFT, "right": WIDTH - RIGHT, "top": TOP, "bottom": HEIGHT - BOTTOM},
        "label_x": WIDTH - RIGHT + 8,
        "grid": [{"y": up(level), "label": f"{level:g}"} for level in svg.ticks(0.0, most)],
        "bars": _bars(chart, across, up),
        "ticks": _ticks(edges, across),
        "curve": svg.path(xs, curve, across, up),
        "marks": [_mark(each, across, place) for place, each in enumerate(marks)],
        "table": _table(chart),
    }
    return render_to_string("charts/hist.svg", context)


def _bars(chart: Chart, across: svg.Scale, up: svg.Scale) -> list[dict[str, Any]]:
    edges: Sequence[float] = chart["edges"]
    return [
        {
            "x": round(across(edges[place]) + 0.5, 1),
            "width": round(max(across(edges[place + 1]) - across(edges[place]) - 1.0, 1.0), 1),
            "y": up(count),
            "height": round(up(0.0) - up(count), 1),
            "title": f"{_between(edges, place)}: {count} sessions",
        }
        for place, count in enumerate(chart["counts"])
        if count
    ]


def _ticks(edges: Sequence[float], across: svg.Scale) -> list[dict[str, Any]]:
    """Labels at round edges, zero among them where it is one."""
    every = max(1, math.ceil(len(edges) / LABELS))
    zero = min(range(len(edges)), key=lambda place: abs(edges[place]))
    return [
        {"x": across(edge), "label": show(edge, "signed:pct1")}
        for place, edge in enumerate(edges)
        if (place - zero) % every == 0
    ]


def _mark(mark: Mapping[str, Any], across: svg.Scale, place: int) -> dict[str, Any]:
    x = across(mark["value"])
    late = x + LETTER * len(mark["label"]) > WIDTH - RIGHT
    return {
        **mark,
        "x": x,
        "label_x": x - 5 if late else x + 5,
        "label_y": TOP - 12 + place * MARK_ROOM,
        "anchor": "end" if late else "start",
    }


def _between(edges: Sequence[float], place: int) -> str:
    return f"{show(edges[place], 'signed:pct2')} to {show(edges[place + 1], 'signed:pct2')}"


def _table(chart: Chart) -> list[dict[str, Any]]:
    rows = zip(chart["counts"], chart["expected"], strict=True)
    return [
        {
            "label": _between(chart["edges"], place),
            "cells": [
                {"value": count, "text": f"{count}"},
                {"value": expected, "text": f"{expected:.1f}"},
            ],
        }
        for place, (count, expected) in enumerate(rows)
    ]
