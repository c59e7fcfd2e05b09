"""Charts over the time of day: a chain of steps as bars, each where it began and ended."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from etftrader.core import svg
from etftrader.core.formats import NEW_YORK, show

register = template.Library()

LEFT, RIGHT, TOP, ROW, BAR = 150, 84, 8, 24, 10
LEAST = 3.0  # a bar that took no time is still seen
SHORT = timedelta(minutes=20)  # a shorter chain is told in seconds since its beginning
CSS = {
    "succeeded": "f1",
    "running": "f1 thin",
    "partial": "wat",
    "failed": "bad",
    "dead": "bad",
}

Chart = Mapping[str, Any]


@register.simple_tag
def gantt(chart: Chart) -> SafeString:
    """Rows of bars over time with lines from what each row waits for.

    Context: chart {id, title, conclusion, empty, rows [{key, label, needs (keys), url, bars
    [{asked, start, end, state}]}]}; moments are aware. The table of the same steps stands beside.
    """
    bars = [bar for row in chart["rows"] for bar in row["bars"]]
    if not bars:
        return render_to_string("ui/empty.html", {"text": chart.get("empty", "Nothing ran yet.")})
    width = chart.get("width", 1200)
    first = min(bar["asked"] or bar["start"] for bar in bars)
    last = max(max(bar["end"] for bar in bars), first + timedelta(seconds=1))
    across = svg.Scale(svg.seconds(first), svg.seconds(last), LEFT, width - RIGHT)
    rows = [_row(row, place, across) for place, row in enumerate(chart["rows"])]
    height = TOP + ROW * len(rows) + 24
    context = {
        "chart": chart,
        "rows": rows,
        "links": _links(chart["rows"], rows),
        "ticks": _ticks(first, last, across),
        "width": width,
        "height": height,
        "left": LEFT,
        "right": width - RIGHT,
        "floor": height - 24,
    }
    return render_to_string("charts/gantt.svg", context)


def _row(row: Mapping[str, Any], place: int, across: svg.Scale) -> dict[str, Any]:
    y = TOP + place * ROW
    bars = [_bar(bar, across) for bar in row["bars"]]
    return {
        "key": row["key"],
        "label": row["label"],
        "y": y,
        "bar_y": y + (ROW - BAR) / 2,
        "bar_height": BAR,
        "text_y": y + ROW / 2 + 4,
        "middle": y + ROW / 2,
        "bars": bars,
        "begin": min((bar["x"] for bar in bars), default=LEFT),
        "end": max((bar["x"] + bar["width"] for bar in bars), default=LEFT),
        "took": _took(row["bars"]),
    }


def _bar(bar: Mapping[str, Any], across: svg.Scale) -> dict[str, Any]:
    start, end = across(svg.seconds(bar["start"])), across(svg.seconds(bar["end"]))
    asked = across(svg.seconds(bar["asked"])) if bar["asked"] else start
    return {
        "x": start,
        "width": round(max(end - start, LEAST), 1),
        "wait_x": asked,
        "wait_width": round(max(start - asked, 0.0), 1),
        "css": CSS.get(bar["state"], "trk"),
        "state": bar["state"],
    }


def _took(bars: Sequence[Mapping[str, Any]]) -> str:
    if not bars:
        return ""
    span = max(bar["end"] for bar in bars) - min(bar["start"] for bar in bars)
    bad = next((bar["state"] for bar in bars if bar["state"] in ("failed", "dead", "partial")), "")
    return " ".join(filter(None, (show(span.total_seconds(), "age"), bad)))


def _links(
    given: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """From the end of what a row waits for to its own beginning."""
    by_key = {row["key"]: row for row in rows if row["bars"]}
    found = []
    for each in given:
        to = by_key.get(each["key"])
        for name in each.get("needs", ()):
            source = by_key.get(name)
            if to is None or source is None:
                continue
            x = max(min(to["begin"] - 4.0, source["end"] + 4.0), LEFT - 4.0)
            path = f"M{source['end']:g} {source['middle']:g}H{x:g}V{to['middle']:g}H{to['begin']:g}"
            found.append({"d": path})
    return found


def _ticks(first: datetime, last: datetime, across: svg.Scale) -> list[dict[str, Any]]:
    if last - first >= SHORT:
        hours = svg.clock_ticks(first, last, zone=NEW_YORK)
        return [{"x": across(at), "label": label} for at, label in hours]
    seconds = (last - first).total_seconds()
    start = svg.seconds(first)
    marks = svg.ticks(0.0, seconds)
    step = marks[1] - marks[0] if len(marks) > 1 else 0.0
    return [{"x": across(start + at), "label": f"{svg.short(at, step)} s"} for at in marks]
