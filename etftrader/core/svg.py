"""Scales, ticks and paths of every server-drawn chart: arrays in, coordinates and paths out."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from itertools import pairwise

MINUS = "\u2212"
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0, 20.0)
MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720)

Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight line from the data's range to the drawing's; a flat range maps to its middle."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The coordinate of one value, to a tenth of a unit."""
        if self.high == self.low:
            return round((self.start + self.end) / 2, 1)
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


@dataclass(frozen=True, slots=True)
class LogScale(Scale):
    """Equal steps for equal ratios; both ends and every value are positive."""

    def __call__(self, value: float) -> float:
        """The coordinate of one value, to a tenth of a unit."""
        plain = Scale(math.log(self.low), math.log(self.high), self.start, self.end)
        return plain(math.log(value))


def finite(values: Iterable[float | None]) -> list[float]:
    """Only the values that are numbers, as floats."""
    return [float(value) for value in values if value is not None and math.isfinite(value)]


def extent(*groups: Iterable[float | None]) -> tuple[float, float] | None:
    """Smallest and largest number of all groups; None when there is none."""
    numbers = [number for group in groups for number in finite(group)]
    return (min(numbers), max(numbers)) if numbers else None


def padded(low: float, high: float, *, share: float = 0.08) -> tuple[float, float]:
    """The range with air above and below; a flat line gets a range around itself."""
    span = high - low
    air = span * share if span > 0 else max(abs(high) * 0.05, 1e-9)
    return low - air, high + air


def log_padded(low: float, high: float, *, share: float = 0.08) -> tuple[float, float]:
    """`padded` for a scale of ratios: both ends stay positive."""
    bottom, top = padded(math.log(low), math.log(high), share=share)
    return math.exp(bottom), math.exp(top)


def ticks(low: float, high: float, *, most: int = 5) -> list[float]:
    """Round values inside the range: the finest step (1, 2, 2.5 or 5 times a power of ten).

    Parameters
    ----------
    low, high : float
        The range; equal bounds give the one value.
    most : int
        No more lines than these.

    Returns
    -------
    list of float
        Ascending, free of binary dust.
    """
    if not high > low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (each * power for each in STEPS):
        first = math.ceil(low / step - 1e-9)
        last = math.floor(high / step + 1e-9)
        if last - first < most:
            break
    digits = max(0, 2 - math.floor(math.log10(step)))
    return [round(index * step, digits) + 0.0 for index in range(first, last + 1)]


def short(value: float, step: float = 0.0) -> str:
    """An axis label in short units: 20k, 1.25M, 0.5; as many decimals as the step needs."""
    size = max(abs(value), step)
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e4, "k")):
        if size >= limit:
            scale = 1e3 if unit == "k" else limit
            return _trimmed(value / scale, step / scale) + (unit if value else "")
    return _trimmed(value, step)


def _trimmed(value: float, step: float) -> str:
    decimals = 0
    if step:
        while decimals < 4 and abs(step * 10**decimals - round(step * 10**decimals)) > 1e-6:
            decimals += 1
    elif value != round(value):
        decimals = 2
    text = f"{abs(value):,.{decimals}f}"
    return f"{MINUS}{text}" if value < 0 and float(text.replace(",", "")) else text


def path(xs: Sequence[float], ys: Values, across: Scale, up: Scale, *, step: bool = False) -> str:
    """A line's path text; a missing value breaks the line.

    Parameters
    ----------
    xs : sequence of float
        Ascending, one per value.
    ys : sequence of float or None
        The values.
    across, up : Scale
        Horizontal and vertical.
    step : bool
        Keep the old value until the next point.

    Returns
    -------
    str
        For the `d` attribute; empty for no points.
    """
    parts: list[str] = []
    broken = True
    for x, y in zip(xs, ys, strict=True):
        if y is None or not math.isfinite(y):
            broken = True
            continue
        at_x, at_y = f"{across(x):g}", f"{up(y):g}"
        if broken:
            parts.append(f"M{at_x} {at_y}")
        elif step:
            parts.append(f"H{at_x}V{at_y}")
        else:
            parts.append(f"L{at_x} {at_y}")
        broken = False
    return "".join(parts)


def area(xs: Sequence[float], ys: Values, across: Scale, up: Scale, *, floor: float) -> str:
    """The surface between an unbroken line and a floor coordinate; empty with fewer than two."""
    kept = [(x, y) for x, y in zip(xs, ys, strict=True) if y is not None and math.isfinite(y)]
    if len(kept) < 2:
        return ""
    line = path([x for x, _ in kept], [y for _, y in kept], across, up)
    return f"{line}L{across(kept[-1][0]):g} {floor:g}L{across(kept[0][0]):g} {floor:g}Z"


def thinned(
    xs: Sequence[float], ys: Values, *, most: int
) -> tuple[list[float], list[float | None]]:
    """At most about `most` points that keep each stretch's lowest and highest value.

    A long series is drawn at the width of the screen, and a spike of one bar must not vanish.
    The first and the last point always stay.
    """
    if len(xs) <= most:
        return list(xs), list(ys)
    bucket = math.ceil(len(xs) / max(most // 2, 1))
    keep = {0, len(xs) - 1}
    for start in range(0, len(xs), bucket):
        inside = [i for i in range(start, min(start + bucket, len(xs))) if ys[i] is not None]
        if inside:
            keep.add(min(inside, key=lambda i: ys[i] or 0.0))
            keep.add(max(inside, key=lambda i: ys[i] or 0.0))
        else:
            keep.add(start)
    order = sorted(keep)
    return [xs[i] for i in order], [ys[i] for i in order]


def seconds(moment: datetime | date) -> float:
    """A moment as seconds since 1970; a session date counts from its midnight UTC."""
    if isinstance(moment, datetime):
        return moment.timestamp()
    return float((moment - date(1970, 1, 1)).days * 86_400)


def clock_ticks(
    start: datetime, end: datetime, *, zone: tzinfo, count: int = 7
) -> list[tuple[float, str]]:
    """Round times of day between two moments, each with its label in the zone.

    The first tick is the start itself (a session opens at 09:30), the others follow it in
    round steps.
    """
    minutes = (end - start).total_seconds() / 60
    step = next((each for each in MINUTES if minutes / each <= count), MINUTES[-1])
    found = []
    moment = start
    while moment <= end:
        found.append((moment.timestamp(), f"{moment.astimezone(zone):%H:%M}"))
        moment += timedelta(minutes=step)
    return found


def date_ticks(days: Sequence[date], *, count: int = 5) -> list[tuple[float, str]]:
    """Labels for a run of sessions: months when it is long, days when it is short."""
    if not days:
        return []
    span = (days[-1] - days[0]).days
    every = max(1, math.ceil((len(days) - 1) / max(count - 1, 1)))
    picked = list(days[::every])
    if span > 120:
        return [(seconds(day), f"{day:%b %y}") for day in picked]
    return [(seconds(day), f"{day.day} {day:%b}") for day in picked]


def spread(positions: Sequence[float], *, gap: float) -> list[float]:
    """Label positions moved apart to at least `gap`, in the order given, as little as needed."""
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    moved = list(positions)
    for before, after in pairwise(order):
        moved[after] = max(moved[after], moved[before] + gap)
    return moved
