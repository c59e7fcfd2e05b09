"""Charts drawn on the server: geometry from core.svg, markup from templates/charts."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from etftrader.core import svg
from etftrader.core.formats import NEW_YORK, eastern, number, show

register = template.Library()

RIGHT, TOP, BOTTOM, LEFT = 66, 14, 26, 4
MOST_POINTS = 700
PLOT_GAP = 15
LETTER = 6.2  # width of one, drawing units
STRIP_WIDTH = 1200  # of a strip of days, stretched likewise
BAR_WIDTH, BAR_HEIGHT = 400, 24  # of a bar's drawing, which is stretched to its column

Chart = Mapping[str, Any]


def _floats(values: Sequence[object]) -> list[float | None]:
    parsed = [number(value) for value in values]
    return [None if value is None else float(value) for value in parsed]


def _axis_label(value: float, step: float, fmt: str) -> str:
    if fmt.startswith("pct"):
        return svg.short(value * 100, step * 100) + "%"
    return svg.short(value, step)


@register.simple_tag
def line_chart(chart: Chart | None) -> SafeString:
    """One or more lines over time, with limit, watch band and events; and its table.

    `log` draws equal ratios as equal steps; `floor` is a value the area of a single line stands
    on. A series may be drawn as another's `n`, with a `dash`, and `quiet`, without its last value.
    """
    if not chart or not chart.get("x") or not _has_points(chart):
        text = (chart or {}).get("empty", "Nothing to draw yet.")
        return render_to_string("ui/empty.html", {"text": text})
    width, height = chart.get("width", 852), chart.get("height", 300)
    series = [{**each, "values": _floats(each["values"])} for each in chart["series"]]
    xs = [svg.seconds(moment) for moment in chart["x"]]
    marks = [chart.get("limit"), chart.get("watch")]
    levels = [float(mark["value"]) for mark in marks if mark and mark["value"] is not None]
    if chart.get("floor") is not None:
        levels.append(chart["floor"])
    bounds = svg.extent(levels, *(each["values"] for each in series)) or (0.0, 1.0)
    is_log = chart.get("log") and bounds[0] > 0.0
    low, high = svg.log_padded(*bounds) if is_log else svg.padded(*bounds)
    first, last = chart.get("span") or (chart["x"][0], chart["x"][-1])
    plot = {"left": LEFT, "right": width - RIGHT, "top": TOP, "bottom": height - BOTTOM}
    across = svg.Scale(svg.seconds(first), svg.seconds(last), plot["left"], plot["right"])
    up = (svg.LogScale if is_log else svg.Scale)(low, high, plot["bottom"], plot["top"])
    floor = plot["bottom"] if chart.get("floor") is None else up(chart["floor"])
    context = {
        "chart": chart,
        "fmt": chart.get("fmt", "moneyk"),
        "money": str(chart.get("fmt", "money")).startswith("money"),
        "width": width,
        "height": height,
        "plot": plot,
        "label_x": plot["right"] + 8,
        "grid": _grid(low, high, up, chart.get("fmt", "")),
        "time": _time_axis(chart, across),
        "lines": _lines(series, xs, across, up, chart.get("fmt", "moneyk"), floor),
        "levels": _levels(chart, up, plot),
        "events": _events(chart, xs, series, across, up, plot),
        "table": _line_table(chart, series, xs),
        "span": f"{svg.seconds(first):.0f},{svg.seconds(last):.0f}",
        "marked": json.dumps([[svg.seconds(e["x"]), e["label"]] for e in _marks(chart)]),
    }
    return render_to_string("charts/line.svg", context)


def _marks(chart: Chart) -> Sequence[Mapping[str, Any]]:
    return chart.get("events") or ()


def _has_points(chart: Chart) -> bool:
    return any(number(value) is not None for each in chart["series"] for value in each["values"])


def _grid(low: float, high: float, up: svg.Scale, fmt: str) -> list[dict[str, Any]]:
    levels = svg.ticks(low, high)
    step = levels[1] - levels[0] if len(levels) > 1 else 0.0
    return [{"y": up(level), "label": _axis_label(level, step, fmt)} for level in levels]


def _time_axis(chart: Chart, across: svg.Scale) -> list[dict[str, Any]]:
    first, last = chart.get("span") or (chart["x"][0], chart["x"][-1])
    days = chart["x"]
    if isinstance(first, datetime) and (last - first).total_seconds() < 172_800:
        found = svg.clock_ticks(first, last, zone=NEW_YORK)
    else:
        found = svg.date_ticks([d.date() if isinstance(d, datetime) else d for d in days])
    # The first label starts at the edge, so that it is not cut off.
    return [
        {"x": across(at), "label": label, "anchor": "middle" if index else "start"}
        for index, (at, label) in enumerate(found)
    ]


def _lines(
    series: list[dict[str, Any]],
    xs: list[float],
    across: svg.Scale,
    up: svg.Scale,
    fmt: str,
    floor: float,
) -> list[dict[str, Any]]:
    drawn = []
    for index, each in enumerate(series, start=1):
        at_x, at_y = svg.thinned(xs, each["values"], most=MOST_POINTS)
        known = [(x, y) for x, y in zip(xs, each["values"], strict=True) if y is not None]
        if not known:
            continue
        drawn.append(
            {
                "n": each.get("n", index),
                "values": each["values"],
                "dash": each.get("dash", ""),
                "quiet": each.get("quiet", False),
                "name": each["name"],
                "d": svg.path(at_x, at_y, across, up, step=each.get("step", False)),
                "area": svg.area(at_x, at_y, across, up, floor=floor) if len(series) == 1 else "",
                "end_x": across(known[-1][0]),
                "end_y": up(known[-1][1]),
                "last": show(known[-1][1], fmt).lstrip("$"),
            }
        )
    for each in drawn:
        each["label"] = f"{each['name']} {each['last']}" if len(drawn) > 1 else each["last"]
        each["top"] = (
            _top(each, xs, each["values"], across, up) if len(drawn) > 1 else each["end_y"]
        )
    placed = svg.spread([each["top"] for each in drawn], gap=PLOT_GAP)
    for each, label_y in zip(drawn, placed, strict=True):
        each["label_y"] = label_y
    return drawn


def _top(
    line: Mapping[str, Any],
    xs: list[float],
    values: list[float | None],
    across: svg.Scale,
    up: svg.Scale,
) -> float:
    """Where a line is highest under its label, which stands right-aligned at its end."""
    start = line["end_x"] - LETTER * len(line["label"]) - 12
    under = [up(y) for x, y in zip(xs, values, strict=True) if y is not None and across(x) >= start]
    return min(under, default=line["end_y"])


def _levels(chart: Chart, up: svg.Scale, plot: Mapping[str, float]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("limit", "watch"):
        mark = chart.get(name)
        if mark and mark["value"] is not None:
            y = up(float(mark["value"]))
            found[name] = {"y": y, "label_y": y - 6, "label": mark["label"]}
    if "limit" in found and "watch" in found:
        top, bottom = sorted((found["limit"]["y"], found["watch"]["y"]))
        found["band"] = {"y": top, "height": round(bottom - top, 1)}
    return found


def _events(
    chart: Chart,
    xs: list[float],
    series: list[dict[str, Any]],
    across: svg.Scale,
    up: svg.Scale,
    plot: Mapping[str, float],
) -> list[dict[str, Any]]:
    found = []
    for event in _marks(chart):
        at = svg.seconds(event["x"])
        if not xs[0] <= at <= xs[-1]:
            continue
        nearest = min(range(len(xs)), key=lambda index: abs(xs[index] - at))
        value = series[0]["values"][nearest]
        if value is not None:
            x = across(xs[nearest])
            late = x > plot["right"] - 110
            found.append(
                {
                    "x": x,
                    "y": up(value),
                    "label": event["label"],
                    "label_x": x - 5 if late else x + 5,
                    "anchor": "end" if late else "start",
                    "foot": plot["bottom"] - 14,
                    "text_y": plot["bottom"] - 8,
                }
            )
    return found


def _line_table(chart: Chart, series: list[dict[str, Any]], xs: list[float]) -> dict[str, Any]:
    fmt = chart.get("fmt", "money0")
    intraday = isinstance(chart["x"][0], datetime)
    kind = "et:minute" if intraday else "et:date"
    rows = [
        {
            "x": f"{at:.0f}",
            "label": show(moment, kind) if intraday else eastern(moment),
            "cells": [
                {"value": each["values"][index], "text": show(each["values"][index], fmt)}
                for each in series
            ],
        }
        for index, (moment, at) in enumerate(zip(chart["x"], xs, strict=True))
    ]
    return {"heads": [each["name"] for each in series], "rows": rows}


@register.simple_tag
def diverging_bars(chart: Chart) -> SafeString:
    """Bars left and right of zero, one category a row; a thin second bar for comparison.

    Gains and losses are coloured; with `neutral` the side alone tells, as for an exposure.
    """
    fmt = chart.get("fmt", "moneyk")
    rows = [
        {**row, "value": _floats([row["value"]])[0], "thin": _floats([row.get("thin")])[0]}
        for row in chart["rows"]
    ]
    bounds = svg.extent([0.0], *((row["value"], row["thin"]) for row in rows)) or (0.0, 0.0)
    scale = svg.Scale(*bounds, 2, BAR_WIDTH - 2)
    zero = scale(0.0) if bounds[1] > bounds[0] else 2.0
    for row in rows:
        row["shown"] = show(row["value"], fmt)
        row["bars"] = [
            _bar(row[name], scale, zero, y=y, height=height, css=css)
            for name, y, height, css in (("value", 8, 8, ""), ("thin", 17, 3, " thin"))
            if row[name] is not None
        ]
    if chart.get("neutral"):
        for bar in (bar for row in rows for bar in row["bars"]):
            bar["css"] = "f1"
    context = {
        "chart": chart,
        "rows": rows,
        "fmt": fmt,
        "money": "money" in fmt,
        "width": BAR_WIDTH,
        "height": BAR_HEIGHT,
        "zero": zero,
        "names": chart.get("names") or ["Value"],
    }
    return render_to_string("charts/diverging.svg", context)


def _bar(
    value: float, scale: svg.Scale, zero: float, *, y: float, height: float, css: str
) -> dict[str, Any]:
    end = scale(value)
    side = "neg" if value < 0 else "pos"
    return {
        "x": min(zero, end),
        "width": round(abs(end - zero), 1),
        "y": y,
        "height": height,
        "css": side + css,
    }


@register.simple_tag
def bullet_chart(chart: Chart) -> SafeString:
    """Before and after against a limit, one check a row, each row on its own scale."""
    rows = []
    for row in chart["rows"]:
        before, after, limit = _floats([row.get("before"), row.get("after"), row.get("limit")])
        most = max(svg.finite([before, after, limit]) or [1.0]) * 1.06 or 1.0
        scale = svg.Scale(0.0, most, 0.0, BAR_WIDTH)
        used = None if after is None or not limit else after / limit
        state = "bad" if used and used > 1 else "wat" if used and used >= 0.8 else "f1"
        fmt = row.get("fmt", "money0")
        rows.append(
            {
                "label": row["label"],
                "bar": 0 if after is None else scale(max(after, 0.0)),
                "was": None if before is None else scale(max(before, 0.0)),
                "limit": None if limit is None else scale(limit),
                "css": state,
                "after": show(after, fmt),
                "bound": show(limit, fmt),
                "money": fmt.startswith("money"),
            }
        )
    context = {"chart": chart, "rows": rows, "width": BAR_WIDTH, "height": BAR_HEIGHT}
    return render_to_string("charts/bullet.svg", context)


@register.simple_tag
def coverage_strip(chart: Chart) -> SafeString:
    """A cell a day a dataset, darker the fuller; what is missing is outlined, not coloured.

    `links` make columns pressable: {place, url, fragment (what htmx puts in the panel), label,
    chosen}.
    """
    columns: Sequence[date] = chart["columns"]
    count, row_height = max(len(columns), 1), 22
    cell = STRIP_WIDTH / count
    rows = [
        {
            "label": row["label"],
            "cells": [
                _cell(value, day, place * cell, cell, index * row_height + 3)
                for place, (value, day) in enumerate(zip(row["values"], columns, strict=True))
            ],
        }
        for index, row in enumerate(chart["rows"])
    ]
    every = max(1, len(columns) // 6)
    marks = [
        {"left": round(place / count * 100, 2), "label": f"{day.day} {day:%b}"}
        for place, day in enumerate(columns)
        if place % every == 0
    ]
    links = [
        {**link, "x": round(link["place"] * cell, 1), "width": round(cell - 1.5, 1)}
        for link in chart.get("links", ())
    ]
    context = {
        "chart": chart,
        "rows": rows,
        "marks": marks,
        "links": links,
        "width": STRIP_WIDTH,
        "height": len(rows) * row_height,
    }
    return render_to_string("charts/coverage.svg", context)


def _cell(value: object, day: date, x: float, width: float, y: float) -> dict[str, Any]:
    share = number(value)
    if share is None:
        css = "kn"
    else:
        steps = [("k0", 0.25), ("k1", 0.75), ("k2", 0.95), ("k3", 0.99999)]
        css = next((name for name, top in steps if share < top), "k4")
    return {
        "x": round(x, 1),
        "y": y,
        "width": round(max(width - 1.5, 1.0), 1),
        "css": css,
        "text": show(share, "pct0"),
        "day": eastern(day),
    }


@register.simple_tag
def spark(values: Sequence[object], label: str = "") -> SafeString:
    """A line of some thirty points without axes, with its last point marked."""
    points = _floats(values or [])
    known = svg.extent(points)
    if known is None or len(svg.finite(points)) < 2:
        return format_html('<span class="missing" title="{}">—</span>', "Needs two sessions")
    xs = [float(index) for index in range(len(points))]
    across, up = svg.Scale(0, len(points) - 1, 1, 81), svg.Scale(*known, 18, 2)
    last = max(index for index, value in enumerate(points) if value is not None)
    return format_html(
        '<svg class="spark" viewBox="0 0 84 20" role="img" aria-label="{}"><path d="{}"/>'
        '<circle cx="{}" cy="{}" r="1.8"/></svg>',
        label or "Trend",
        svg.path(xs, points, across, up),
        across(last),
        up(points[last] or 0.0),
    )


@register.inclusion_tag("charts/hbar.html")
def hbar(
    value: object, low: object = 0, high: object = 1, outline: object = None
) -> dict[str, Any]:
    """A bar in a table cell on the column's scale, from the zero axis; an outline to compare."""
    bottom, top, bar, edge = _floats([low, high, value, outline])
    scale = svg.Scale(min(bottom or 0.0, 0.0), max(top or 0.0, 0.0), 0.0, 100.0)
    zero = scale(0.0)
    return {
        "zero": zero,
        "bar": None if bar is None else _across(bar, scale, zero),
        "outline": None if edge is None else _across(edge, scale, zero),
    }


def _across(value: float, scale: svg.Scale, zero: float) -> dict[str, Any]:
    end = min(max(scale(value), 0.0), 100.0)
    return {"left": min(zero, end), "width": round(abs(end - zero), 1), "hedge": value < 0}
