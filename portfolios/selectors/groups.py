"""Valued positions added up: exposures, gains and Greeks of a whole and of its groups."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketdata.selectors.suspects import PRICE_SUSPECT
from portfolios.calculations import aggregation, exposure, greeks
from portfolios.calculations.cube import Cube, from_micro, overlapping, to_micro
from portfolios.calculations.greeks import BookGreeks
from portfolios.models import Portfolio
from portfolios.selectors import tags
from portfolios.selectors.positions import UNCLASSIFIED, Worth, type_of
from portfolios.selectors.tags import UNMARKED, Mark, Marked
from portfolios.selectors.valuation import NO_PRICE, ValuedLine

ZERO = Decimal(0)
GROUPS = {
    "type": "Type",
    "strategy": "Strategy",
    "tag": "Tag",
    "underlying": "Underlying",
    "sector": "Sector",
    "account": "Account",
    "asset_class": "Asset class",
}
OVERLAPPING = ("tag", "strategy")  # a position may stand in several of their groups
NONE_OF = {"tag": "No tag", "strategy": "No strategy"}
WHOLE = "whole"
TOP = 5
NO_EXPOSURE = "no_exposure"


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A valued position with its portfolio, its id and its tags."""

    portfolio: Portfolio
    each: ValuedLine
    mark: Marked = UNMARKED

    @property
    def type(self) -> str:
        """LONG or SHORT, of options LC, LP, SC, SP."""
        return type_of(self.each.line.quantity, self.each.line.contract)

    @property
    def underlying(self) -> str:
        """Symbol whose price it follows."""
        return self.each.line.underlying

    @property
    def sector(self) -> str:
        """A stock's sector, a fund's segment, an option's like its underlying's."""
        return self.each.line.group or UNCLASSIFIED

    @property
    def quality(self) -> str:
        """How its price came about; `missing` without one."""
        mark = self.each.mark
        return mark.price_class if mark is not None and mark.price is not None else "missing"

    @property
    def searched(self) -> tuple[str, ...]:
        """Texts a search looks in, in lower case."""
        line = self.each.line
        words = line.contract.words if line.contract else ""
        return tuple(each.lower() for each in (line.symbol, self.sector, words))


class Key(NamedTuple):
    """What a group is known by, what it is called, and a tag's colour."""

    key: str
    label: str
    colour: str = ""


@dataclass(frozen=True, slots=True)
class Sums:
    """Totals of some positions in dollars; a figure nothing is known of is None.

    `delta_exposure` and `notional` leave out options without Greeks, `greeks` too: `skipped`
    counts them. `day_pnl` is None when one of the priced positions has no close before.
    """

    of: Key
    count: int
    long: Decimal | None
    short: Decimal | None  # zero or negative
    options: Decimal | None
    stocks: Decimal | None
    notional: Decimal | None
    delta_exposure: Decimal | None
    day_pnl: Decimal | None
    unrealized_pnl: Decimal | None
    cost_basis: Decimal
    coverage: float | None  # share of gross exposure with a current price
    greeks: BookGreeks | None
    excluded: tuple[dict[str, str], ...]
    delta_excluded: tuple[dict[str, str], ...]

    @property
    def gross(self) -> Decimal | None:
        """Long less short."""
        return None if self.long is None or self.short is None else self.long - self.short

    @property
    def net(self) -> Decimal | None:
        """Long plus short."""
        return None if self.long is None or self.short is None else self.long + self.short

    @property
    def reason(self) -> str:
        """Why there is no exposure; empty where there is."""
        return "" if self.long is not None else NO_PRICE


@dataclass(frozen=True, slots=True)
class Concentration:
    """How much rests on how few; None and a reason for a book without exposure."""

    hhi: float | None
    effective: float | None  # positions of equal size that would be as concentrated
    top: tuple[tuple[str, Decimal, float], ...]  # symbol, exposure, share of gross
    by_underlying: float | None  # the same index over net exposures of underlyings
    reason: str

    @property
    def top_share(self) -> float | None:
        """Share of gross exposure of the five largest."""
        return sum(share for _, _, share in self.top) if self.top else None


def held(worths: Iterable[Worth]) -> list[HeldRow]:
    """The positions of valued portfolios with their tags: at most two queries.

    At a past close the tags are those its snapshot kept; of a close from before they were kept,
    today's (see `Worth.tags_of_today`).
    """
    every = [(worth, each) for worth in worths for each in worth.valuation.lines]
    known = [each.line.position_id for _, each in every if each.line.position_id is not None]
    if len(known) == len(every):
        by_id = tags.of_positions(position_ids=known)
        marks = [by_id[key] for key in known]
    else:
        marks = _at_close(every)
    return [
        HeldRow(worth.portfolio, each, mark)
        for (worth, each), mark in zip(every, marks, strict=True)
    ]


def _at_close(every: Sequence[tuple[Worth, ValuedLine]]) -> list[Marked]:
    """Ids and tags of the positions of past closes, which know instruments, not positions."""
    books = {worth.portfolio.pk for worth, _ in every}
    ids = tags.ids(portfolio_ids=books)
    today = {}
    if any(worth.tags_of_today for worth, _ in every):
        today = tags.standing(portfolio_ids=books)
    found = []
    for worth, each in every:
        key = (worth.portfolio.pk, each.line.instrument_id)
        kept = worth.tags.get(each.line.instrument_id)
        found.append(tags.marks_of(ids.get(key), today.get(key, ()) if kept is None else kept))
    return found


def keys_of(row: HeldRow, by: str) -> list[Key]:
    """The groups a position stands in; several for tags and strategies."""
    if by in OVERLAPPING:
        marks = row.mark.tags if by == "tag" else row.mark.strategies
        return [_tag(each) for each in marks] or [Key("", NONE_OF[by])]
    if by == "account":
        account = row.portfolio.account
        return [Key(str(account.pk), account.name)]
    if by == "asset_class":
        kind = row.each.line.kind
        return [Key(kind, kind.replace("_", " ").capitalize())]
    name = str(getattr(row, by))
    return [Key(name, name)]


def _tag(mark: Mark) -> Key:
    return Key(mark.name.lower(), mark.name, mark.colour)


def total(rows: Sequence[HeldRow]) -> Sums:
    """Everything added up."""
    return aggregate(rows, ())[WHOLE][0]


def aggregate(rows: Sequence[HeldRow], by: Iterable[str]) -> dict[str, list[Sums]]:
    """Add positions up by several groupings at once.

    Parameters
    ----------
    rows : sequence of HeldRow
        Of portfolios in one currency.
    by : iterable of str
        Names of GROUPS.

    Returns
    -------
    dict of str to list of Sums
        `whole` with the one total, and each grouping with its groups, largest gross first.
        Groups of tags and strategies share positions: their totals exceed the whole.
    """
    labels = {WHOLE: _labels(rows, None)} | {each: _labels(rows, each) for each in by}
    amounts = to_micro(_columns(rows))
    alone = {name: each for name, each in labels.items() if name not in OVERLAPPING}
    cube = Cube(amounts, {name: (each.label, len(each.keys)) for name, each in alone.items()})
    sums = cube.sums()
    for name in set(labels) - set(alone):
        each = labels[name]
        sums[name] = overlapping(
            amounts, aggregation.grouping(each.label, len(each.keys), each.row)
        )
    figures = _figures(rows)
    return {name: _told(rows, each, sums[name], figures) for name, each in labels.items()}


class _Labels(NamedTuple):
    keys: list[Key]
    label: NDArray[np.intp]  # (m,)
    row: NDArray[np.intp]  # (m,), the position each label belongs to


def _labels(rows: Sequence[HeldRow], by: str | None) -> _Labels:
    numbers: dict[str, int] = {}
    keys: list[Key] = []
    if by is None:
        numbers, keys = {"": 0}, [Key("", "Total")]
    label, place = [], []
    for number, row in enumerate(rows):
        for key in keys_of(row, by) if by is not None else keys:
            if key.key not in numbers:
                numbers[key.key] = len(keys)
                keys.append(key)
            label.append(numbers[key.key])
            place.append(number)
    return _Labels(keys, np.array(label, dtype=np.intp), np.array(place, dtype=np.intp))


_MONEY = (
    "long", "short", "options", "stocks", "notional", "delta_exposure", "day_pnl",
    "unrealized_pnl", "cost_basis", "current", "size",
)  # fmt: skip
_COUNTS = ("priced", "delta_known", "notional_known", "day_unknown")


def _columns(rows: Sequence[HeldRow]) -> list[list[Decimal | int]]:
    """Measures of each position as the kernel adds them; what is not known adds nothing."""
    table = [_measures(row.each) for row in rows]
    return [[each[place] for each in table] for place in range(len(_MONEY) + len(_COUNTS))]


def _measures(each: ValuedLine) -> tuple[Decimal | int, ...]:
    known = each.exposure
    signed = known if known is not None else ZERO
    option = each.line.contract is not None
    notional = _notional(each)
    return (
        max(signed, ZERO),
        min(signed, ZERO),
        signed if option else ZERO,
        ZERO if option else signed,
        notional if notional is not None else ZERO,
        each.delta_exposure if each.delta_exposure is not None else ZERO,
        each.day_pnl if each.day_pnl is not None else ZERO,
        each.unrealized_pnl if each.unrealized_pnl is not None else ZERO,
        each.cost,
        abs(signed) if not each.reason else ZERO,
        abs(signed) if known is not None else abs(each.cost),
        int(known is not None),
        int(each.delta_exposure is not None),
        int(notional is not None),
        int(known is not None and each.day_pnl is None),
    )


def _notional(each: ValuedLine) -> Decimal | None:
    """|q|·S·m of an option, the size of the exposure of everything else."""
    if each.exposure is None:
        return None
    if each.line.contract is None:
        return abs(each.exposure)
    if each.greeks is None:
        return None
    spot = Decimal(str(float(each.greeks.spot)))
    units = abs(each.line.quantity * each.line.multiplier)
    return (units * spot).quantize(Decimal("0.000001"))


def _figures(rows: Sequence[HeldRow]) -> NDArray[np.float64]:
    """Greeks of each position, (n, 7); NaN where they are not known."""
    units = np.full((len(rows), len(greeks.ORDER)), np.nan)
    spots = np.full(len(rows), np.nan)
    for place, row in enumerate(rows):
        found, mark = row.each.greeks, row.each.mark
        if row.each.line.contract is None:
            units[place] = 0.0
            if mark is not None and mark.price is not None:
                spots[place] = float(mark.price)
        elif found is not None and row.each.reason != PRICE_SUSPECT:
            units[place] = [getattr(found, name) for name in greeks.ORDER]
            spots[place] = found.spot
    lines = [row.each.line for row in rows]
    return greeks.figures(
        np.array([float(each.quantity) for each in lines]),
        np.array([float(each.multiplier) for each in lines]),
        spots,
        np.array([each.contract is not None for each in lines], dtype=bool),
        units,
    )


def _told(
    rows: Sequence[HeldRow], labels: _Labels, sums: NDArray, figures: NDArray[np.float64]
) -> list[Sums]:
    members: list[list[int]] = [[] for _ in labels.keys]
    for place, label in zip(labels.row.tolist(), labels.label.tolist(), strict=True):
        members[label].append(place)
    found = [
        _sums(key, [rows[place] for place in members[number]], sums[:, number], figures[mine])
        for number, key in enumerate(labels.keys)
        for mine in [np.array(members[number], dtype=np.intp)]
    ]
    return sorted(found, key=lambda each: (-(each.gross or ZERO), each.of.label.lower()))


def _sums(of: Key, rows: Sequence[HeldRow], column: NDArray, figures: NDArray[np.float64]) -> Sums:
    names = (*_MONEY, *_COUNTS)
    money: dict[str, Any] = {
        name: from_micro(each) for name, each in zip(names, column.tolist(), strict=True)
    }
    priced = bool(money["priced"]) or not rows
    known = greeks.summed(figures)
    return Sums(
        of=of,
        count=len(rows),
        long=money["long"] if priced else None,
        short=money["short"] if priced else None,
        options=money["options"] if priced else None,
        stocks=money["stocks"] if priced else None,
        notional=money["notional"] if money["notional_known"] or not rows else None,
        delta_exposure=money["delta_exposure"] if money["delta_known"] or not rows else None,
        day_pnl=money["day_pnl"] if priced and not money["day_unknown"] else None,
        unrealized_pnl=money["unrealized_pnl"] if priced else None,
        cost_basis=money["cost_basis"],
        coverage=float(money["current"] / money["size"]) if money["size"] else None,
        greeks=known if known.skipped < len(rows) or not rows else None,
        excluded=_named(rows, lambda each: each.reason),
        delta_excluded=_named(rows, lambda each: each.delta_reason),
    )


def _named(rows: Sequence[HeldRow], reason: Any) -> tuple[dict[str, str], ...]:
    return tuple(
        {"symbol": row.each.line.symbol, "reason": reason(row.each)}
        for row in rows
        if reason(row.each)
    )


def concentration(rows: Sequence[HeldRow]) -> Concentration:
    """Herfindahl index of |exposure| over gross, its inverse, and the five largest."""
    known = [row for row in rows if row.each.exposure]
    spread = exposure.concentration(np.array([float(row.each.exposure or 0) for row in known]))
    if spread is None:
        return Concentration(None, None, (), None, NO_EXPOSURE)
    gross = sum((abs(row.each.exposure or ZERO) for row in known), ZERO)
    largest = sorted(known, key=lambda row: (-abs(row.each.exposure or ZERO), row.each.line.symbol))
    nets: dict[str, Decimal] = {}
    for row in known:
        nets[row.underlying] = nets.get(row.underlying, ZERO) + (row.each.exposure or ZERO)
    netted = exposure.concentration(np.array([float(each) for each in nets.values()]))
    top = tuple(
        (row.each.line.symbol, size, float(abs(size) / gross))
        for row in largest[:TOP]
        if (size := row.each.exposure) is not None
    )
    return Concentration(spread[0], spread[1], top, netted[0] if netted else None, "")


def weight(amount: Decimal | None, nav: Decimal) -> float | None:
    """A share of equity; None where there is none, or it is not positive."""
    return float(amount / nav) if amount is not None and nav > 0 else None
