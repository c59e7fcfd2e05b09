"""Adding a book up: exposures, Greeks, 1,000 underlyings, 200 tags.

Peers: a loop over Decimal dictionaries (timed on 10,000 positions; it is linear), and pandas with
its columns ready. Ours: the product's ExactBook, in whole numbers of 1e-4, equal to the loop.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etftrader.bench.harness import Case, Growth, Side
from portfolios.calculations import aggregation
from portfolios.calculations.cube import Cube

GREEKS = ("delta", "gamma", "theta", "vega", "rho")
UNDERLYINGS, TAGS, LOOPED = 1_000, 200, 10_000
ZERO = Decimal(0)
# positions: goal against Decimal, against pandas
GOALS = {10_000: (300, 100), 1_000_000: (150, 10)}
# the same of the groupings together
TOGETHER = {"underlying": UNDERLYINGS, "sector": 12, "type": 4, "account": 3, "asset_class": 4}
GOALS_TOGETHER = {10_000: (100, 10), 1_000_000: (100, 10)}


@dataclass(frozen=True)
class Columns:
    """A book as columns; row i of each belongs to position i."""

    signed: NDArray[np.float64]
    greeks: NDArray[np.float64]  # (5, n), zero for stocks
    is_option: NDArray[np.bool_]
    underlying: NDArray[np.int64]
    tagged: NDArray[np.int64]  # position of each (position, tag) pair
    tag: NDArray[np.int64]


def cases(quick: bool) -> Iterator[Case | Growth]:
    """Cases by number of positions; a quick run leaves out the million."""
    sizes = [10_000, 50_000] if quick else [10_000, 1_000_000]
    sides = []
    for size in sizes:
        columns = _columns(size)
        book = _book(columns)
        sides.append(Side(book.sums, size))
        goals = GOALS.get(size, (1, 1))
        first = _first(columns, min(size, LOOPED))
        rows = _dictionaries(first)
        yield Case(
            f"aggregate {size:,} positions, Decimal loop",
            Side(lambda rows=rows: add_up(rows), len(rows)),
            Side(book.sums, size),
            goals[0],
            lambda rows=rows, first=first: _differs(add_up(rows), _book(first).sums()),
            0.0,
        )
        frame, pairs = _frames(columns)
        yield Case(
            f"aggregate {size:,} positions, pandas",
            Side(lambda frame=frame, pairs=pairs: group(frame, pairs), size),
            Side(book.sums, size),
            goals[1],
            lambda f=frame, p=pairs, b=book: abs(group(f, p)[0] / (b.sums().gross / 1e4) - 1.0),
            1e-12,
        )
    for size in sizes:
        yield from _together(size)
    yield Growth(f"per position, {sizes[0]:,} to {sizes[-1]:,}: not dearer", sizes, sides, 1.5)


def _together(size: int) -> Iterator[Case]:
    """Exposures, long and short, by underlying, sector, type, account and asset class at once."""
    columns = _columns(size)
    labels, cube = _labels(columns), _cube(columns)
    goals = GOALS_TOGETHER.get(size, (1, 1))
    first = _first(columns, min(size, LOOPED))
    few = {name: each[: first.signed.size] for name, each in labels.items()}
    rows = [
        (Decimal(f"{value:.2f}"), *(int(each[place]) for each in few.values()))
        for place, value in enumerate(first.signed.tolist())
    ]
    yield Case(
        f"{len(TOGETHER)} groupings of {size:,} positions together, Decimal loop",
        Side(lambda rows=rows: add_up_together(rows), len(rows)),
        Side(cube.sums, size),
        goals[0],
        lambda rows=rows, few=few, first=first: _differs_together(
            add_up_together(rows), Cube(_sides(first), _sized(few)).sums()
        ),
        0.0,
    )
    frame = _frame_together(columns, labels)
    yield Case(
        f"{len(TOGETHER)} groupings of {size:,} positions together, pandas",
        Side(lambda frame=frame: group_together(frame), size),
        Side(cube.sums, size),
        goals[1],
        lambda frame=frame, cube=cube: abs(
            group_together(frame)["sector"]["long"].sum() / (cube.sums()["sector"][0].sum() / 1e4)
            - 1.0
        ),
        1e-12,
    )


def add_up_together(rows: list[tuple[Any, ...]]) -> list[dict[int, list[Decimal]]]:
    """The peer: one pass over tuples in Decimal, long and short of each group."""
    found: list[dict[int, list[Decimal]]] = [{} for _ in TOGETHER]
    for exposure, *labels in rows:
        side = 0 if exposure > 0 else 1
        for place, label in enumerate(labels):
            found[place].setdefault(label, [ZERO, ZERO])[side] += exposure
    return found


def group_together(frame: Any) -> dict[str, Any]:
    """The other peer: pandas with typed columns."""
    return {name: frame.groupby(name)[["long", "short"]].sum() for name in TOGETHER}


def _labels(columns: Columns) -> dict[str, NDArray[np.int64]]:
    """A sector and a class belong to the underlying, a type to kind and side."""
    rng = np.random.default_rng(7)
    sector, kind = rng.integers(0, 12, UNDERLYINGS), rng.integers(0, 4, UNDERLYINGS)
    return {
        "underlying": columns.underlying,
        "sector": sector[columns.underlying],
        "type": 2 * columns.is_option + (columns.signed < 0),
        "account": rng.integers(0, 3, columns.signed.size),
        "asset_class": kind[columns.underlying],
    }


def _sides(columns: Columns) -> NDArray[np.int64]:
    signed = aggregation.to_units(columns.signed)
    return np.stack([np.maximum(signed, 0), np.minimum(signed, 0)])


def _sized(labels: dict[str, NDArray[np.int64]]) -> dict[str, tuple[NDArray[np.int64], int]]:
    return {name: (each, TOGETHER[name]) for name, each in labels.items()}


def _cube(columns: Columns) -> Cube:
    return Cube(_sides(columns), _sized(_labels(columns)))


def _frame_together(columns: Columns, labels: dict[str, NDArray[np.int64]]) -> Any:
    import pandas as pd

    signed = columns.signed
    sides = {"long": np.maximum(signed, 0.0), "short": np.minimum(signed, 0.0)}
    return pd.DataFrame({**sides, **labels})


def _differs_together(
    exact: list[dict[int, list[Decimal]]], ours: dict[str, NDArray[np.int64]]
) -> float:
    """0.0 when every group is equal digit for digit, else 1.0."""
    same = True
    for name, groups in zip(TOGETHER, exact, strict=True):
        for label, pair in groups.items():
            mine = [Decimal(int(value)) / 10_000 for value in ours[name][:, label]]
            same = same and mine == pair
    return 0.0 if same else 1.0


def add_up(rows: list[dict[str, Any]]) -> tuple[list[Decimal], dict[int, dict[str, Any]], dict]:
    """The peer: one pass over dictionaries in Decimal."""
    gross = net = long = short = options = stocks = ZERO
    by_underlying: dict[int, dict[str, Any]] = {}
    by_tag: dict[int, dict[str, Any]] = {}
    for row in rows:
        exposure = row["exposure"]
        gross += abs(exposure)
        net += exposure
        if exposure > 0:
            long += exposure
        else:
            short += exposure
        if row["kind"] == "option":
            options += exposure
        else:
            stocks += exposure
        fresh = {"exposure": ZERO, "n": 0, **dict.fromkeys(GREEKS, ZERO)}
        group = by_underlying.setdefault(row["underlying"], fresh)
        group["exposure"] += exposure
        group["n"] += 1
        if row["greeks"]:
            for name in GREEKS:
                group[name] += row["greeks"][name]
        for tag in row["tags"]:
            tagged = by_tag.setdefault(tag, {"exposure": ZERO, "n": 0})
            tagged["exposure"] += exposure
            tagged["n"] += 1
    return [long, short, gross, net, options, stocks], by_underlying, by_tag


def group(frame: Any, pairs: Any) -> tuple[float, ...]:
    """The other peer: pandas with typed columns, grouped by underlying and by tag."""
    exposure, option = frame["exposure"], frame["option"]
    totals = (
        exposure.abs().sum(),
        exposure.sum(),
        exposure[exposure > 0].sum(),
        exposure[exposure < 0].sum(),
        exposure[option].sum(),
        exposure[~option].sum(),
    )
    options = frame[option]
    options[list(GREEKS)].sum()
    by_underlying = frame.groupby("underlying")
    sums = by_underlying.agg(exposure=("exposure", "sum"), n=("exposure", "size"))
    sums.join(options.groupby("underlying")[list(GREEKS)].sum())
    tagged = pairs.merge(frame[["exposure"]], left_on="position", right_index=True)
    tagged.groupby("tag").agg(exposure=("exposure", "sum"), n=("exposure", "size"))
    return totals


def _columns(size: int) -> Columns:
    rng = np.random.default_rng(6)
    is_option = rng.random(size) < 0.4
    tagged = np.repeat(np.arange(size), rng.integers(1, 4, size))
    side = np.where(rng.random(size) < 0.8, 1.0, -1.0)
    return Columns(
        signed=np.round(rng.uniform(100.0, 1e5, size), 2) * side,
        greeks=np.round(rng.normal(0.0, 100.0, (5, size)), 4) * is_option,
        is_option=is_option,
        underlying=rng.integers(0, UNDERLYINGS, size),
        tagged=tagged,
        tag=rng.integers(0, TAGS, tagged.size),
    )


def _first(columns: Columns, size: int) -> Columns:
    inside = columns.tagged < size
    return Columns(
        columns.signed[:size],
        columns.greeks[:, :size],
        columns.is_option[:size],
        columns.underlying[:size],
        columns.tagged[inside],
        columns.tag[inside],
    )


def _book(columns: Columns) -> aggregation.ExactBook:
    return aggregation.ExactBook(
        columns.signed,
        columns.greeks,
        columns.is_option,
        aggregation.grouping(columns.underlying, UNDERLYINGS),
        aggregation.grouping(columns.tag, TAGS, columns.tagged),
    )


def _dictionaries(columns: Columns) -> list[dict[str, Any]]:
    tags: list[list[int]] = [[] for _ in columns.signed]
    for position, tag in zip(columns.tagged.tolist(), columns.tag.tolist(), strict=True):
        tags[position].append(tag)
    return [
        {
            "underlying": int(columns.underlying[place]),
            "kind": "option" if columns.is_option[place] else "stock",
            "exposure": Decimal(f"{columns.signed[place]:.2f}"),
            "tags": tags[place],
            "greeks": (
                {
                    name: Decimal(f"{columns.greeks[number, place]:.4f}")
                    for number, name in enumerate(GREEKS)
                }
                if columns.is_option[place]
                else None
            ),
        }
        for place in range(columns.signed.size)
    ]


def _frames(columns: Columns) -> tuple[Any, Any]:
    import pandas as pd

    greeks = {name: columns.greeks[number] for number, name in enumerate(GREEKS)}
    frame = pd.DataFrame(
        {
            "underlying": columns.underlying,
            "option": columns.is_option,
            "exposure": columns.signed,
            **greeks,
        }
    )
    return frame, pd.DataFrame({"position": columns.tagged, "tag": columns.tag})


def _differs(exact: tuple[list[Decimal], dict, dict], ours: aggregation.BookSums) -> float:
    """0.0 when every total and every group is equal digit for digit, else 1.0."""
    totals, by_underlying, by_tag = exact
    same = totals == [
        Decimal(value) / 10_000
        for value in (ours.long, ours.short, ours.gross, ours.net, ours.options, ours.stocks)
    ]
    for label, row in by_underlying.items():
        expected = [row["exposure"], *(row[name] for name in GREEKS)]
        mine = [Decimal(int(value)) / 10_000 for value in ours.by_underlying[:, label]]
        same = same and mine == expected
    for label, row in by_tag.items():
        same = same and Decimal(int(ours.by_tag[label])) / 10_000 == row["exposure"]
    return 0.0 if same else 1.0
