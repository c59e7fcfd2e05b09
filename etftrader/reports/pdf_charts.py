"""Charts on paper: lines and areas over sessions, scales to the right."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from fpdf import FPDF

from etftrader.core import formats, svg
from etftrader.reports.document import Chart

HEIGHT = 52.0  # millimetres of the plot
AXIS = 16.0  # for labels at the right
RULE, SECOND = (220, 225, 222), (93, 105, 117)
SERIES = ((58, 79, 196), (176, 120, 0), (11, 110, 120), (191, 58, 12))
GAIN, LOSS = (11, 110, 120), (191, 58, 12)
PAPER = 255
Point = tuple[float, float]


def wash(value: float | None, scale: float) -> tuple[int, int, int]:
    """The colour behind a cell: paper at nothing, a tint of gain or loss at the largest."""
    if value is None or not scale:
        return (250, 251, 250)
    colour = GAIN if value > 0 else LOSS
    share = min(abs(value) / scale, 1.0) * 0.35
    red, green, blue = (round(PAPER + (part - PAPER) * share) for part in colour)
    return red, green, blue


def draw(paper: FPDF, chart: Chart, *, left: float, width: float) -> None:
    """Draw a chart at the pen's height and leave the pen below it; nothing known is said."""
    top = paper.get_y() + 1.0
    known = [each for line in chart.lines for each in line.values if each is not None]
    if len(chart.days) < 2 or not known:
        paper.set_font("Inter", size=9)
        paper.set_text_color(*SECOND)
        paper.cell(0, 6, "There is no history yet.")
        paper.set_xy(left, top + 8)
        return
    low, high = min(known), max(known)
    if chart.area:
        low, high = min(low, 0.0), max(high, 0.0)
    ticks = svg.ticks(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])
    plot = width - AXIS
    first, last = chart.days[0].toordinal(), chart.days[-1].toordinal()

    def at(place: int, value: float) -> Point:
        across = (chart.days[place].toordinal() - first) / max(last - first, 1)
        up = (value - low) / ((high - low) or 1.0)
        return left + across * plot, top + HEIGHT * (1.0 - up)

    _scales(paper, chart, ticks, at, left=left, plot=plot)
    _dates(paper, chart, top, left=left, plot=plot)
    for number, line in enumerate(chart.lines):
        colour = SERIES[number % len(SERIES)] if not chart.area else LOSS
        pieces = _pieces(line.values, at)
        _paint(paper, pieces, colour, at(0, 0.0)[1] if chart.area else None, dashed=line.dashed)
    _names(paper, chart, top + HEIGHT + 5.0, left)
    paper.set_xy(left, top + HEIGHT + (10.0 if len(chart.lines) > 1 else 6.0))


def _scales(
    paper: FPDF, chart: Chart, ticks: Sequence[float], at: Any, *, left: float, plot: float
) -> None:
    paper.set_draw_color(*RULE)
    paper.set_line_width(0.15)
    paper.set_font("Inter", size=7)
    paper.set_text_color(*SECOND)
    for each in ticks:
        y = at(0, each)[1]
        paper.line(left, y, left + plot, y)
        paper.set_xy(left + plot + 1.0, y - 1.8)
        paper.cell(AXIS - 1.0, 3.6, formats.show(each, chart.fmt))


def _dates(paper: FPDF, chart: Chart, top: float, *, left: float, plot: float) -> None:
    paper.set_xy(left, top + HEIGHT + 0.8)
    paper.cell(plot / 2, 3.6, f"{chart.days[0]:%-d %b %Y}")
    paper.cell(plot / 2, 3.6, f"{chart.days[-1]:%-d %b %Y}", align="R")


def _pieces(values: Sequence[float | None], at: Any) -> list[list[Point]]:
    """The stretches in which every value is known."""
    found: list[list[Point]] = [[]]
    for place, value in enumerate(values):
        if value is None:
            found.append([])
        else:
            found[-1].append(at(place, value))
    return [each for each in found if each]


def _paint(
    paper: FPDF,
    pieces: Sequence[Sequence[Point]],
    colour: tuple[int, int, int],
    floor: float | None,
    *,
    dashed: bool,
) -> None:
    paper.set_draw_color(*colour)
    paper.set_line_width(0.35)
    for points in pieces:
        if floor is not None and len(points) > 1:
            paper.set_fill_color(*wash(-1.0, 1.0))
            outline = [(points[0][0], floor), *points, (points[-1][0], floor)]
            paper.polygon(outline, style="F")
        if dashed:
            paper.set_dash_pattern(dash=1.2, gap=0.8)
        for (x, y), (to_x, to_y) in pairwise(points):
            paper.line(x, y, to_x, to_y)
        paper.set_dash_pattern()


def _names(paper: FPDF, chart: Chart, y: float, left: float) -> None:
    if len(chart.lines) < 2:
        return
    paper.set_font("Inter", size=7.5)
    x = left
    for number, line in enumerate(chart.lines):
        paper.set_draw_color(*SERIES[number % len(SERIES)])
        paper.set_line_width(0.6)
        paper.line(x, y + 1.8, x + 5, y + 1.8)
        paper.set_xy(x + 6, y)
        paper.cell(0, 3.6, line.name)
        x += 10 + paper.get_string_width(line.name)
