"""What the charts of a tear sheet are drawn from."""

import math
from typing import Any

from etftrader.core.formats import show
from portfolios.selectors.performance import TearSheet

BASE = 100.0
WIDE, HEIGHT = 1200, 320
HALF, HALF_HEIGHT = 580, 260
THIRD, THIRD_HEIGHT = 420, 240
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DEEPEST_MONTH = 0.10  # coloured most strongly
Chart = dict[str, Any]


def growth(found: TearSheet, *, is_log: bool) -> Chart:
    """The portfolio and its benchmarks, 100 at the base; hypothetical days before it, dashed."""
    base = found.rows[0].twr_index
    mine = [BASE * row.twr_index / base if base > 0 else None for row in found.rows]
    before = len(found.hypothetical)
    series: list[Chart] = [{"name": "Portfolio", "values": [None] * before + mine}]
    for each in found.beside:
        levels = [None if level is None else BASE * level for level in each.level]
        series.append({"name": each.symbol, "values": [None] * before + levels})
    if before:
        series.append(
            {
                "name": "Hypothetical",
                "values": _made_up(found) + [None] * (len(mine) - 1),
                "n": 1,
                "dash": "2 4",
                "quiet": True,
            }
        )
    drawn = [each for each in series if any(value is not None for value in each["values"])]
    told = [
        f"{each['name']} {show(each['values'][-1] / BASE - 1, 'signed:pct2')}"
        for each in drawn
        if each["values"][-1] is not None
    ]
    kept = " Dashed: hypothetical, before the books begin; in no figure." if before else ""
    return {
        "id": "growth",
        "title": "Growth of 100, freed of flows" + (", logarithmic scale" if is_log else ""),
        "conclusion": f"Over the period: {', '.join(told)}.{kept}",
        "x": [row.session_date for row in (*found.hypothetical, *found.rows)],
        "series": drawn,
        "fmt": "ratio2",
        "width": WIDE,
        "height": HEIGHT,
        "log": is_log,
    }


def _made_up(found: TearSheet) -> list[float | None]:
    """Hypothetical days chained to the base, so that they meet it at 100."""
    last = found.hypothetical[-1].twr_index
    scale = BASE / last if last > 0 else None
    levels = [None if scale is None else scale * row.twr_index for row in found.hypothetical]
    return [*levels, BASE]


def underwater(found: TearSheet) -> Chart | None:
    """How far the index lies under its highest so far."""
    if not found.falls:
        return None
    worst = found.drawdowns[0] if found.drawdowns else None
    told, short = "It never fell below an earlier high.", "never below an earlier high"
    if worst is not None:
        end = f"made up on {worst.recovery:%-d %b %Y}" if worst.recovery else "not made up yet"
        short = f"deepest {show(worst.depth, 'pct2')} on {worst.trough:%-d %b %Y}"
        told = (
            f"Deepest {show(worst.depth, 'pct2')} on {worst.trough:%-d %b %Y}, "
            f"from the high of {worst.peak:%-d %b %Y}, {end}."
        )
    return {
        "id": "underwater",
        "title": "Under water: distance from the highest value so far",
        "conclusion": told,
        "sub": short,
        "x": [row.session_date for row in found.rows],
        "series": [{"name": "Drawdown", "values": list(found.falls)}],
        "fmt": "pct2",
        "floor": 0.0,
        "width": HALF,
        "height": HALF_HEIGHT,
    }


def months(found: TearSheet) -> Chart | None:
    """A cell a month, a row a year, and the year."""
    if not found.years:
        return None
    known = [
        (value, f"{MONTHS[place]} {each.year}")
        for each in found.years
        for place, value in enumerate(each.months)
        if value is not None
    ]
    best, worst = max(known), min(known)
    most = min(max(abs(value) for value, _ in known), DEEPEST_MONTH)
    told = f"Best month {best[1]}, {show(best[0], 'signed:pct2')}"
    if len(known) > 1:
        told += f"; worst {worst[1]}, {show(worst[0], 'signed:pct2')}"
    return {
        "id": "months",
        "title": "Return by month",
        "conclusion": f"{told}.",
        "columns": [*MONTHS, "Year"],
        "rows": [str(each.year) for each in found.years],
        "values": [[*each.months, each.total] for each in found.years],
        "across": "Year",
        "fmt": "signed:pct2",
        "short": "pct2",
        "most": most,
        "partial": _partial(found),
    }


def _partial(found: TearSheet) -> str:
    """Which months are not whole, in words; the first one only if the base is within it."""
    days = [row.session_date for row in found.rows]
    base, first, last = days[0], days[min(1, len(days) - 1)], days[-1]
    said = []
    if (first.year, first.month) == (base.year, base.month):
        said.append(f"{first:%b %Y} begins on {first:%-d %b}")
    return f"{'; '.join([*said, f'{last:%b %Y} runs to {last:%-d %b}'])}."


def histogram(found: TearSheet) -> Chart | None:
    """Daily returns beside the normal law and the model's VaR of the last close."""
    made = found.histogram
    if made is None:
        return None
    var = found.var
    short = f"mean {show(made.mean, 'signed:pct2')}, deviation {show(made.deviation, 'pct2')} a day"
    told = f"{short[0].upper()}{short[1:]}, over {found.sessions} sessions."
    if var is not None:
        worse = sum(1 for row in found.rows[1:] if (row.daily_return or 0.0) < -var)
        days = "session" if worse == 1 else "sessions"
        told += f" {worse} {days} lost more than the VaR of the last close."
    return {
        "id": "spread",
        "title": "Daily returns",
        "conclusion": told,
        "sub": short,
        "edges": made.edges,
        "counts": made.counts,
        "expected": made.expected,
        "mean": made.mean,
        "deviation": made.deviation,
        "heads": ["Sessions", "Normal law"],
        "marks": [
            {
                "value": None if var is None else -var,
                "label": "" if var is None else f"VaR 95%, 1 day {show(-var, 'pct2')}",
                "css": "lim",
            },
            {
                "value": made.mean,
                "label": f"mean {show(made.mean, 'signed:pct2')}",
                "css": "evl",
            },
        ],
    }


def rolling(found: TearSheet) -> list[Chart]:
    """Sharpe ratio, beta and volatility over the last quarter and half year of each day."""
    against = found.beside[0].symbol if found.beside else "a benchmark"
    kinds = (
        ("sharpe", "Rolling Sharpe ratio", "ratio2"),
        ("beta", f"Rolling beta to {against}", "ratio2"),
        ("volatility", "Rolling volatility, a year", "pct1"),
    )
    return [_window(found, *each) for each in kinds] if found.windows else []


def _window(found: TearSheet, key: str, title: str, fmt: str) -> Chart:
    series = [
        {
            "name": f"{each.sessions} sessions",
            "values": [_known(value) for value in getattr(each.figures, key).tolist()],
        }
        for each in found.windows
    ]
    told = [
        f"{each['name']} {show(each['values'][-1], fmt)}"
        for each in series
        if each["values"][-1] is not None
    ]
    return {
        "id": f"rolling-{key}",
        "title": title,
        "conclusion": f"At the end: {', '.join(told)}." if told else "",
        "x": list(found.windows[0].dates),
        "series": series,
        "fmt": fmt,
        "width": THIRD,
        "height": THIRD_HEIGHT,
        "empty": f"Needs {found.windows[0].sessions} sessions both have a price on.",
    }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
