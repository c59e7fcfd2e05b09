"""The rows of the positions page: one per line of the book, filtered, grouped, summed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from etftrader.selectors import overview
from portfolios.selectors import positions
from portfolios.selectors.positions import Worth
from portfolios.selectors.valuation import ValuedLine

GROUPS = {
    "type": "By type",
    "sector": "By sector",
    "underlying": "By underlying",
    "tag": "By tag",
}
NO_TAG = "No tag"


@dataclass(frozen=True, slots=True)
class Row:
    """One position; figures that need a missing price are None, `reason` says why."""

    symbol: str
    type: str  # LONG, SHORT, and of options LC, LP, SC, SP
    name: str  # an option in words, else the sector
    underlying: str
    sector: str
    quantity: Decimal
    average: Decimal | None
    cost: Decimal  # signed, as the quantity
    price: Decimal | None
    exposure: Decimal | None
    delta_exposure: Decimal | None  # of an option dollars of its underlying
    delta_reason: str
    weight: float | None
    day_pnl: Decimal | None
    unrealized: Decimal | None
    gain: float | None  # unrealised, of the cost
    share: float | None  # of the VaR
    tag_names: tuple[str, ...]
    price_class: str
    price_session: date | None
    reason: str

    @property
    def contract(self) -> str:
        """An option in words; empty for everything else."""
        return self.name if self.symbol != self.underlying else ""

    @property
    def tags(self) -> str:
        """Tags in one cell."""
        return ", ".join(self.tag_names)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the reader wants to see."""

    search: str = ""
    type: str = ""
    tag: str = ""
    group: str = ""

    @property
    def words(self) -> str:
        """The active filters as a reader put them."""
        parts = (("search", self.search), ("type", self.type), ("tag", self.tag))
        return ", ".join(f"{name} {value}" for name, value in parts if value)


@dataclass(frozen=True, slots=True)
class Group:
    """Rows under one heading; an empty name is no heading."""

    name: str
    rows: tuple[Row, ...]


def wish_of(query: Mapping[str, Any]) -> Wish:
    """Read the filter from an address; what it does not know it leaves out."""
    kind, group = str(query.get("type", "")), str(query.get("group", ""))
    return Wish(
        search=str(query.get("q", "")).strip()[:40],
        type=kind if kind in positions.TYPES else "",
        tag=str(query.get("tag", ""))[:60],
        group=group if group in GROUPS else "",
    )


def rows(
    *, worth: Worth, shares: Mapping[str, float | None], tags: Mapping[UUID, Sequence[str]]
) -> list[Row]:
    """Every line of a valued book, by symbol."""
    return [
        _row(each, shares, tuple(tags.get(each.line.instrument_id, ())))
        for each in worth.valuation.lines
    ]


def _row(each: ValuedLine, shares: Mapping[str, float | None], tags: tuple[str, ...]) -> Row:
    line, mark = each.line, each.mark
    units = line.quantity * line.multiplier
    gained, cost = each.unrealized_pnl, abs(line.cost_basis)
    sector = overview.group_of(each, "sector")
    return Row(
        symbol=line.symbol,
        type=positions.type_of(line.quantity, line.contract),
        name=line.contract.words if line.contract is not None else sector,
        underlying=line.underlying,
        sector=sector,
        quantity=line.quantity,
        average=line.cost_basis / units if units else None,
        cost=line.cost_basis,
        price=mark.price if mark else None,
        exposure=each.exposure,
        delta_exposure=each.delta_exposure,
        delta_reason=each.delta_reason,
        weight=each.weight,
        day_pnl=each.day_pnl,
        unrealized=gained,
        gain=float(gained / cost) if gained is not None and cost else None,
        share=shares.get(line.symbol),
        tag_names=tags,
        price_class=mark.price_class if mark else "",
        price_session=mark.session_date if mark else None,
        reason=each.reason,
    )


def chosen(every: Sequence[Row], wish: Wish) -> list[Row]:
    """The rows that match all filters."""
    text = wish.search.lower()
    return [
        row
        for row in every
        if (not text or any(text in word.lower() for word in (row.symbol, row.sector, row.name)))
        and (not wish.type or row.type == wish.type)
        and (not wish.tag or wish.tag in row.tag_names)
    ]


def grouped(shown: Sequence[Row], by: str) -> list[Group]:
    """Rows under their headings, by name; a row with several tags stands under its first."""
    if by not in GROUPS:
        return [Group("", tuple(shown))]
    names: dict[str, list[Row]] = {}
    for row in shown:
        names.setdefault(_heading(row, by), []).append(row)
    return [Group(name, tuple(names[name])) for name in sorted(names)]


def _heading(row: Row, by: str) -> str:
    if by == "type":
        return row.type
    if by in ("sector", "underlying"):
        return str(getattr(row, by))
    return row.tag_names[0] if row.tag_names else NO_TAG


def sums(shown: Sequence[Row]) -> dict[str, Any]:
    """Totals of the columns that add up; a sum without all its parts is of those known."""
    unrealized = _sum(shown, "unrealized")
    cost = sum((abs(row.cost) for row in shown if row.unrealized is not None), Decimal(0))
    return {
        "exposure": _sum(shown, "exposure"),
        "delta_exposure": _sum(shown, "delta_exposure"),
        "weight": _sum(shown, "weight"),
        "day_pnl": _sum(shown, "day_pnl"),
        "unrealized": unrealized,
        "gain": float(unrealized / cost) if unrealized is not None and cost else None,
        "share": _sum(shown, "share"),
    }


def _sum(shown: Sequence[Row], name: str) -> Any:
    known = [getattr(row, name) for row in shown if getattr(row, name) is not None]
    return sum(known[1:], known[0]) if known else None
