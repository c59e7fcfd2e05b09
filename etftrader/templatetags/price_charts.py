"""Charts of a quote page drawn on the server: a price with its volume, and lines over numbers."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from etftrader.core import svg
from etftrader.core.formats import NEW_YORK, eastern, number, show

register = template.Library()

WIDTH, HEIGHT = 1060, 360
LEFT, RIGHT, TOP, BOTTOM = 4, 66, 14, 26
VOLUME_HEIGHT = 56  # of the strip of bars under the price
MOST_POINTS = 700
MOST_ROWS = 260  # of the table beside a chart; the file has all
HALF_TICK = 3.0
DAY = timedelta(days=2)

Chart = Mapping[str, Any]


@register.simple_tag
def price_chart(chart: Chart) -> SafeString:
    """A line, or bars from low to high, with volume beneath, events and the table.

    `chart` holds id, title, conclusion, points, style (line or ohlc), src, events
    [{x, label, kind}] and `empty`, the sentence for a chart without points.
    """
    points = chart["points"]
    if len(points) < 2:
        return render_to_string("ui/empty.html", {"text": chart["empty"]})
    xs = [svg.seconds(each.at) for each in points]
    closes = [_float(each.close) for each in points]
    bars = chart["style"] == "ohlc"
    lows = [_float(each.low) for each in points] if bars else []
    highs = [_float(each.high) for each in points] if bars else []
    volumes = [_float(each.volume) for each in points]
    low, high = svg.padded(*(svg.extent(closes, lows, highs) or (0.0, 1.0)))
    floor = HEIGHT - BOTTOM
    base = floor - (VOLUME_HEIGHT if any(volumes) else 0)
    plot = {"left": LEFT, "right": WIDTH - RIGHT, "top": TOP, "bottom": base, "floor": floor}
    across = svg.Scale(xs[0], xs[-1], LEFT + 8, plot["right"] - 8)
    up = svg.Scale(low, high, base - 4, TOP)
    context = {
        "chart": chart,
        "width": WIDTH,
        "height": HEIGHT,
        "plot": plot,
        "label_x": plot["right"] + 8,
        "grid": _grid(low, high, up),
        "time": _time(points, across),
        "line": "" if bars else _line(xs, closes, across, up),
        "ohlc": _bars(points, xs, across, up) if bars else {},
        "volume": _volume(xs, volumes, across, floor) if any(volumes) else None,
        "events": _events(chart["events"], xs, closes, across, up),
        "last": {
            "x": across(xs[-1]),
            "y": up(closes[-1] or 0.0),
            "text": show(closes[-1], "price"),
        },
        "table": _table(points),
    }
    return render_to_string("charts/price.svg", context)


def _float(value: object) -> float | None:
    parsed = number(value)
    return None if parsed is None else float(parsed)


def _grid(low: float, high: float, up: svg.Scale) -> list[dict[str, Any]]:
    levels = svg.ticks(low, high)
    step = levels[1] - levels[0] if len(levels) > 1 else 0.0
    return [{"y": up(level), "label": svg.short(level, step)} for level in levels]


def _time(points: Sequence[Any], across: svg.Scale) -> list[dict[str, Any]]:
    first, last = points[0].at, points[-1].at
    if isinstance(first, datetime) and last - first < DAY:
        found = svg.clock_ticks(first, last, zone=NEW_YORK)
    else:
        found = svg.date_ticks([each.at for each in points])
    return [
        {"x": across(at), "label": label, "anchor": "middle" if place else "start"}
        for place, (at, label) in enumerate(found)
    ]


def _line(xs: list[float], closes: list[float | None], across: svg.Scale, up: svg.Scale) -> str:
    return svg.path(*svg.thinned(xs, closes, most=MOST_POINTS), across, up)


def _bars(
    points: Sequence[Any], xs: list[float], across: svg.Scale, up: svg.Scale
) -> dict[str, str]:
    """Paths of the bars that closed higher and of those that closed lower than they opened."""
    half = min(HALF_TICK, (across(xs[-1]) - across(xs[0])) / len(xs) / 2.5)
    paths = {"up": "", "down": ""}
    for each, at in zip(points, xs, strict=True):
        opened, top, bottom, closed = (
            _float(getattr(each, name)) for name in ("open", "high", "low", "close")
        )
        if closed is None:
            continue
        x, y = across(at), up(closed)
        path = f"M{x:g} {y:g}h{half:.2g}"
        if top is not None and bottom is not None:
            path += f"M{x:g} {up(top):g}V{up(bottom):g}"
        if opened is not None:
            path += f"M{x - half:.1f} {up(opened):g}h{half:.2g}"
        paths["down" if opened is not None and closed < opened else "up"] += path
    return paths


def _volume(
    xs: list[float], volumes: list[float | None], across: svg.Scale, floor: float
) -> dict[str, Any]:
    most = max(svg.finite(volumes))
    tall = svg.Scale(0.0, most, 0.0, VOLUME_HEIGHT - 14)
    at_x, sizes = svg.thinned(xs, volumes, most=MOST_POINTS)
    bars = [
        f"M{across(x):g} {floor:g}v{-tall(size):g}"
        for x, size in zip(at_x, sizes, strict=True)
        if size
    ]
    room = (across(xs[-1]) - across(xs[0])) / max(len(at_x), 1)
    return {
        "d": "".join(bars),
        "thick": round(min(max(room * 0.7, 0.7), 9.0), 1),
        "y": floor - VOLUME_HEIGHT + 8,
        "label": f"volume to {show(most, 'moneyk')}",
    }


def _events(
    events: Sequence[Mapping[str, Any]],
    xs: list[float],
    closes: list[float | None],
    across: svg.Scale,
    up: svg.Scale,
) -> list[dict[str, Any]]:
    """Marks at the first point of or after each event's day."""
    found = []
    for event in events:
        at = svg.seconds(event["x"])
        place = next((index for index, x in enumerate(xs) if x >= at), None)
        if place is None or at < xs[0] or closes[place] is None:
            continue
        x = across(xs[place])
        late = x > WIDTH - RIGHT - 110
        found.append(
            {
                **event,
                "x": x,
                "y": up(closes[place] or 0.0),
                "label_x": x - 5 if late else x + 5,
                "anchor": "end" if late else "start",
            }
        )
    return found


def _table(points: Sequence[Any]) -> dict[str, Any]:
    """The newest rows; columns nobody knows anything of are left out."""
    shown = points[-MOST_ROWS:]
    names = [
        name
        for name in ("open", "high", "low", "close", "volume")
        if any(getattr(each, name) is not None for each in shown)
    ]
    intraday = isinstance(shown[0].at, datetime)
    rows = [
        {
            "label": show(each.at, "et:time") if intraday else eastern(each.at),
            "cells": [{"value": None, "text": _told(name, getattr(each, name))} for name in names],
        }
        for each in shown
    ]
    return {"heads": [name.capitalize() for name in names], "rows": rows}


def _told(name: str, value: Any) -> str:
    return show(value, "int" if name == "volume" else "price")


@register.simple_tag
def xy_chart(chart: Chart) -> SafeString:
    """Lines over a numeric axis, each with dots if wanted, upright marks and the table.

    `chart` holds id, title, conclusion, x, x_fmt, fmt, x_label, series [{name, values, dots}],
    marks [{x, label}], `zero` to draw the axis of nothing, `wide` to scroll it on a phone, `empty`,
    and an empty `table` where the page has the figures beside it.
    """
    xs = [float(each) for each in chart["x"]]
    series = [
        {**each, "values": [_float(value) for value in each["values"]]} for each in chart["series"]
    ]
    bounds = svg.extent(*(each["values"] for each in series))
    if bounds is None or len(xs) < 2:
        return render_to_string("ui/empty.html", {"text": chart["empty"]})
    width, height = chart.get("width", 420), chart.get("height", 240)
    low, high = svg.padded(*bounds)
    if chart.get("zero"):
        low, high = min(low, 0.0), max(high, 0.0)
    plot = {"left": LEFT, "right": width - RIGHT, "top": TOP, "bottom": height - BOTTOM}
    across = svg.Scale(xs[0], xs[-1], LEFT + 6, plot["right"] - 6)
    up = svg.Scale(low, high, plot["bottom"], TOP)
    fmt = chart["fmt"]
    context = {
        "chart": chart,
        "fmt": fmt,
        "money": fmt.startswith(("money", "signed:money")),
        "width": width,
        "height": height,
        "plot": plot,
        "label_x": plot["right"] + 8,
        "grid": [{"y": up(level), "label": show(level, fmt)} for level in svg.ticks(low, high)],
        "zero": up(0.0) if chart.get("zero") else None,
        "across": [
            {"x": across(level), "label": show(level, chart["x_fmt"])}
            for level in svg.ticks(xs[0], xs[-1], most=6)
        ],
        "lines": [_xy_line(each, place, xs, across, up) for place, each in enumerate(series, 1)],
        "marks": _marks(chart["marks"], xs, across, plot),
        "table": _xy_table(chart, series, xs) if chart.get("table", True) else None,
    }
    return render_to_string("charts/xy.svg", context)


def _xy_line(
    series: Mapping[str, Any], place: int, xs: list[float], across: svg.Scale, up: svg.Scale
) -> dict[str, Any]:
    known = [(x, y) for x, y in zip(xs, series["values"], strict=True) if y is not None]
    return {
        "n": place,
        "name": series["name"],
        "d": svg.path([x for x, _ in known], [y for _, y in known], across, up),
        "dots": [{"x": across(x), "y": up(y)} for x, y in known] if series.get("dots") else [],
    }


def _marks(
    marks: Sequence[Mapping[str, Any]],
    xs: list[float],
    across: svg.Scale,
    plot: Mapping[str, float],
) -> list[dict[str, Any]]:
    """Upright lines inside the drawing; labels one below the other, so that none is covered."""
    inside = [each for each in marks if xs[0] <= float(each["x"]) <= xs[-1]]
    found = []
    for place, each in enumerate(sorted(inside, key=lambda mark: float(mark["x"]))):
        x = across(float(each["x"]))
        late = x > plot["right"] - 120
        found.append(
            {
                "x": x,
                "label": each["label"],
                "label_x": x - 5 if late else x + 5,
                "label_y": plot["top"] + 10 + 14 * place,
                "anchor": "end" if late else "start",
            }
        )
    return found


def _xy_table(chart: Chart, series: Sequence[Mapping[str, Any]], xs: list[float]) -> dict[str, Any]:
    rows = [
        {
            "label": show(x, chart["x_fmt"]),
            "cells": [
                {"value": None, "text": show(each["values"][place], chart["fmt"])}
                for each in series
            ],
        }
        for place, x in enumerate(xs)
    ]
    return {"heads": [each["name"] for each in series], "rows": rows}
