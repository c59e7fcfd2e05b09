"""Timing side by side: rounds interleaved, order reversed, the median of the rounds' ratios."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat

NOISE = 0.7  # a case fails below this share of its goal
SLICE_S = 0.05
HEADING = f"  {'case':<44}{'peer':>11}{'ours':>11}{'ratio':>12}{'goal':>10}{'difference':>12}"


@dataclass(frozen=True)
class Side:
    """One contestant: a call, and how many units of work it does."""

    call: Callable[[], object]
    units: float = 1.0


@dataclass(frozen=True)
class Case:
    """Peer and ours on the same work; `agree` gives their largest relative difference."""

    name: str
    peer: Side
    ours: Side
    goal: float
    agree: Callable[[], float]
    tolerance: float


@dataclass(frozen=True)
class Growth:
    """One call at several sizes: time may grow by `limit` from the first to the last."""

    name: str
    sizes: Sequence[float]
    sides: Sequence[Side]
    limit: float


@dataclass(frozen=True)
class Result:
    """What a case gave, and whether it holds."""

    name: str
    text: str
    holds: bool
    reached: bool

    def line(self) -> str:
        """One line of the report."""
        word = "reached" if self.reached else "within noise" if self.holds else "MISSED"
        return f"  {self.name:<44}{self.text}  {word}"


def run(case: Case | Growth, rounds: int) -> Result:
    """Time a case; agreement is checked first, on the state both sides start from."""
    return _run_growth(case, rounds) if isinstance(case, Growth) else _run_case(case, rounds)


def interleaved(sides: Sequence[Side], rounds: int) -> list[list[float]]:
    """Seconds per unit of each side, one list per round, every second round in reverse order."""
    repeats = [_repeats(side.call) for side in sides]
    table = []
    for number in range(rounds):
        row = [0.0] * len(sides)
        places = range(len(sides)) if number % 2 == 0 else range(len(sides) - 1, -1, -1)
        for place in places:
            call = sides[place].call
            began = time.perf_counter()
            for _ in repeat(None, repeats[place]):
                call()
            elapsed = time.perf_counter() - began
            row[place] = elapsed / repeats[place] / sides[place].units
        table.append(row)
    return table


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Slope of log time over log size, least squares."""
    x = [math.log(size) for size in sizes]
    y = [math.log(second) for second in seconds]
    mean_x, mean_y = statistics.fmean(x), statistics.fmean(y)
    spread = sum((a - mean_x) ** 2 for a in x)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread


def readable(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def _run_case(case: Case, rounds: int) -> Result:
    difference = case.agree()
    table = interleaved((case.peer, case.ours), rounds)
    ratio = statistics.median(peer / ours for peer, ours in table)
    peer, ours = (statistics.median(column) for column in zip(*table, strict=True))
    text = (
        f"{readable(peer):>11}{readable(ours):>11}{ratio:>11,.1f}x{case.goal:>9,.0f}x"
        f"{difference:>12.1e}"
    )
    agrees = difference <= case.tolerance
    holds = agrees and ratio >= NOISE * case.goal
    return Result(case.name, text, holds, agrees and ratio >= case.goal)


def _run_growth(case: Growth, rounds: int) -> Result:
    table = interleaved(case.sides, rounds)
    factor = statistics.median(row[-1] / row[0] for row in table)
    medians = [statistics.median(column) for column in zip(*table, strict=True)]
    slope = exponent(case.sizes, medians)
    first, last = readable(medians[0]), readable(medians[-1])
    # A limit on time is a ceiling, so the noise allowance widens it.
    text = f"{first:>11}{last:>11}{factor:>11.2f}x{case.limit:>8.2f}x  exponent {slope:5.2f}"
    return Result(case.name, text, factor <= case.limit / NOISE, factor <= case.limit)


def _repeats(call: Callable[[], object]) -> int:
    """How often a call fits into a slice; a short one is tried in growing runs, warm by then."""
    count = 1
    while True:
        began = time.perf_counter()
        for _ in repeat(None, count):
            call()
        elapsed = time.perf_counter() - began
        if elapsed >= SLICE_S / 2.0:
            return max(1, round(count * SLICE_S / elapsed))
        count = max(2 * count, int(count * SLICE_S / max(elapsed, 1e-6) / 2.0))
