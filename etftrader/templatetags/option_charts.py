"""Charts of option books: gains over moves of the spot, and over spot and volatility."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from etftrader.core import svg
from etftrader.core.formats import show

register = template.Library()

Chart = Mapping[str, Any]

WIDTH, HEIGHT = 640, 330
LEFT, RIGHT, TOP, BOTTOM = 6, 62, 40, 40
LABEL_GAP, MOST_LABELS = 30, 10  # of strikes
MOVES_MARKED = 0.05
DASHES = ("", "", "2 4")  # beside those of the series' own class
CELL_WIDTH, CELL_HEIGHT = 62, 32
STEPS, STRONGEST = 5, 0.5  # of each side of the scale; more would hide the figures


@register.simple_tag
def payoff_chart(chart: Chart) -> SafeString:
    """Gains over moves of the spot: a line a date, strikes and spot marked; and its table."""
    moves: Sequence[float] = chart["moves"]
    spot = float(chart["spot"])
    plot = {"left": LEFT, "right": WIDTH - RIGHT, "top": TOP, "bottom": HEIGHT - BOTTOM}
    bounds = svg.extent([0.0], *(each["values"] for each in chart["lines"])) or (0.0, 0.0)
    low, high = svg.padded(*bounds)
    across = svg.Scale(moves[0], moves[-1], plot["left"], plot["right"])
    up = svg.Scale(low, high, plot["bottom"], plot["top"])
    context = {
        "chart": chart,
        "width": WIDTH,
        "height": HEIGHT,
        "plot": plot,
        "label_x": plot["right"] + 8,
        "zero": up(0.0),
        "grid": _levels(low, high, up),
        "ticks": _ticks(moves, spot, across),
        "lines": [
            {
                "n": place,
                "name": each["name"],
                "dash": DASHES[place - 1],
                "d": svg.path(moves, each["values"], across, up),
            }
            for place, each in enumerate(chart["lines"], start=1)
        ],
        "spot": {"x": across(0.0), "label": f"spot {show(spot, 'price')}"},
        "strikes": _strikes(chart["strikes"], spot, across),
        "strips": _strips(chart, moves, spot, across),
        "table": _table(chart, moves, spot),
    }
    return render_to_string("charts/payoff.svg", context)


def _levels(low: float, high: float, up: svg.Scale) -> list[dict[str, Any]]:
    levels = svg.ticks(low, high)
    step = levels[1] - levels[0] if len(levels) > 1 else 0.0
    return [{"y": up(level), "label": svg.short(level, step)} for level in levels]


def _ticks(moves: Sequence[float], spot: float, across: svg.Scale) -> list[dict[str, Any]]:
    count = round((moves[-1] - moves[0]) / MOVES_MARKED)
    marked = [round(moves[0] + place * MOVES_MARKED, 4) for place in range(count + 1)]
    anchors = ["start", *["middle"] * (count - 1), "end"]
    return [
        {
            "x": across(move),
            "label": show(move, "signed:pct0"),
            "price": show(spot * (1.0 + move), "price"),
            "anchor": anchor,
        }
        for move, anchor in zip(marked, anchors, strict=True)
    ]


def _strikes(strikes: Sequence[float], spot: float, across: svg.Scale) -> list[dict[str, Any]]:
    """Lines at the strikes; named while there is room, in the table always."""
    places = [across(strike / spot - 1.0) for strike in strikes]
    labelled = len(places) <= MOST_LABELS
    return [
        {"x": x, "label_x": label_x, "label": show(strike, "qty") if labelled else ""}
        for strike, x, label_x in zip(
            strikes, places, svg.spread(places, gap=LABEL_GAP), strict=True
        )
    ]


def _strips(
    chart: Chart, moves: Sequence[float], spot: float, across: svg.Scale
) -> list[dict[str, Any]]:
    """One column a point, whose title says the figures there."""
    edges = [across(moves[0])]
    edges += [(across(here) + across(after)) / 2 for here, after in pairwise(moves)]
    edges.append(across(moves[-1]))
    found = []
    for place, move in enumerate(moves):
        said = ", ".join(
            f"{each['name'].lower()} {show(each['values'][place], 'signed:money0')}"
            for each in chart["lines"]
        )
        found.append(
            {
                "x": round(edges[place], 1),
                "width": round(edges[place + 1] - edges[place], 1),
                "title": f"{_at(move, spot)}: {said}",
            }
        )
    return found


def _at(move: float, spot: float) -> str:
    return f"{show(spot * (1.0 + move), 'price')} ({show(move, 'signed:pct1')})"


def _table(chart: Chart, moves: Sequence[float], spot: float) -> dict[str, Any]:
    columns = [*chart["lines"], *([chart["beside"]] if chart.get("beside") else [])]
    marked = {round(strike, 6) for strike in chart["strikes"]}
    return {
        "heads": [each["name"] for each in columns],
        "rows": [
            {
                "label": _at(move, spot)
                + (", strike" if round(spot * (1.0 + move), 6) in marked else ""),
                "cells": [
                    {
                        "value": each["values"][place],
                        "text": show(each["values"][place], "signed:money0"),
                    }
                    for each in columns
                ],
            }
            for place, move in enumerate(moves)
        ],
    }


@register.simple_tag
def heat_map(chart: Chart) -> SafeString:
    """Gains in cells, losses and gains on a scale that has zero in the panel's colour.

    `fmt` and `short` format a figure in the table and in its cell; `most` is where the colour is
    strongest, the largest value without it.
    """
    values: Sequence[Sequence[float | None]] = chart["values"]
    known = svg.finite(v for row in values for v in row)
    most = chart.get("most") or max((abs(each) for each in known), default=0.0)
    fmt = chart.get("fmt", "signed:money0")
    formats = (fmt, chart.get("short", "moneyk"))
    top = 22
    width = len(chart["columns"]) * CELL_WIDTH + 70
    height = top + len(values) * CELL_HEIGHT + 6
    rows = [
        {
            "label": label,
            "y": top + line * CELL_HEIGHT,
            "text_y": top + line * CELL_HEIGHT + CELL_HEIGHT / 2 + 4,
            "label_x": len(chart["columns"]) * CELL_WIDTH + 10,
            "cells": [
                _cell(value, place * CELL_WIDTH, most, f"{column}, {label}", formats)
                for place, (value, column) in enumerate(zip(row, chart["columns"], strict=True))
            ],
        }
        for line, (label, row) in enumerate(zip(chart["rows"], values, strict=True))
    ]
    context = {
        "chart": chart,
        "fmt": fmt.removeprefix("signed:"),
        "money": "money" in fmt,
        "width": width,
        "height": height,
        "cell_width": CELL_WIDTH - 2,
        "cell_height": CELL_HEIGHT - 2,
        "columns": [
            {"x": place * CELL_WIDTH + CELL_WIDTH / 2 - 1, "label": label}
            for place, label in enumerate(chart["columns"])
        ],
        "rows": rows,
        "table": [
            {
                "label": row["label"],
                "cells": [
                    {"value": value, "text": cell["exact"]}
                    for value, cell in zip(given, row["cells"], strict=True)
                ],
            }
            for row, given in zip(rows, values, strict=True)
        ],
    }
    return render_to_string("charts/heatmap.svg", context)


def _cell(
    value: float | None, x: float, most: float, where: str, formats: tuple[str, str]
) -> dict[str, Any]:
    exact = show(value, formats[0])
    share = 0.0 if value is None or most <= 0.0 else min(abs(value) / most, 1.0)
    step = round(share * STEPS)
    return {
        "x": x,
        "text_x": x + CELL_WIDTH / 2 - 1,
        "css": "" if not step else ("pos" if (value or 0.0) > 0 else "neg"),
        "opacity": f"{step / STEPS * STRONGEST:.1f}",
        "text": show(value, formats[1]),
        "exact": exact,
        "title": f"{where}: {exact}",
    }
