"""The rows of the positions page: one per line of the book, filtered, grouped, summed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from marketdata.calculations.exchange import Rate
from portfolios.selectors import groups, position_filters
from portfolios.selectors.groups import HeldRow, Sums
from portfolios.selectors.position_filters import Filter
from portfolios.selectors.tags import Mark

GROUPS = {name: groups.GROUPS[name] for name in groups.GROUPS if name != "asset_class"}
PAGE_SIZES = (25, 50, 100, 200)
MOST_ROWS = 200  # rows a page without pages


@dataclass(frozen=True, slots=True)
class Row:
    """One position; figures that need a missing price are None, `reason` says why."""

    held: HeldRow
    average: Decimal | None
    gain: float | None  # unrealised, of the cost
    share: float | None  # of the VaR

    @property
    def position_id(self) -> UUID | None:
        """Which position it is."""
        return self.held.mark.position_id

    @property
    def symbol(self) -> str:
        """Of the instrument."""
        return self.held.each.line.symbol

    @property
    def type(self) -> str:
        """LONG, SHORT, and of options LC, LP, SC, SP."""
        return self.held.type

    @property
    def contract(self) -> str:
        """An option in words; empty for everything else."""
        contract = self.held.each.line.contract
        return contract.words if contract is not None else ""

    @property
    def underlying(self) -> str:
        """Symbol whose price it follows."""
        return self.held.underlying

    @property
    def sector(self) -> str:
        """What it belongs to."""
        return self.held.sector

    @property
    def account(self) -> str:
        """Name of the account of its portfolio."""
        return self.held.portfolio.account.name

    @property
    def quantity(self) -> Decimal:
        """Signed units."""
        return self.held.each.line.quantity

    @property
    def cost(self) -> Decimal:
        """Signed, as the quantity."""
        return self.held.each.line.cost_basis

    @property
    def price(self) -> Decimal | None:
        """Newest known, in the instrument's own currency."""
        return self.held.each.price

    @property
    def rate(self) -> Rate | None:
        """What converts its price into the book's currency; None where it is in it."""
        return self.held.each.rate

    @property
    def currency(self) -> str:
        """What its price is in."""
        return self.held.each.line.currency

    @property
    def exchange_rate(self) -> Decimal | None:
        """The book's money for one unit of it; 1 within one currency."""
        return self.rate.value if self.rate else Decimal(1)

    @property
    def price_class(self) -> str:
        """How it came about; empty without one."""
        mark = self.held.each.mark
        return mark.price_class if mark else ""

    @property
    def price_session(self) -> date | None:
        """When it was made."""
        mark = self.held.each.mark
        return mark.session_date if mark else None

    @property
    def market_value(self) -> Decimal | None:
        """Size of the exposure."""
        return self.held.each.market_value

    @property
    def exposure(self) -> Decimal | None:
        """Signed dollars."""
        return self.held.each.exposure

    @property
    def delta_exposure(self) -> Decimal | None:
        """Of an option dollars of its underlying."""
        return self.held.each.delta_exposure

    @property
    def delta_reason(self) -> str:
        """Why there is none."""
        return self.held.each.delta_reason

    @property
    def weight(self) -> float | None:
        """Share of NAV."""
        return self.held.each.weight

    @property
    def day_pnl(self) -> Decimal | None:
        """Gain of the session."""
        return self.held.each.day_pnl

    @property
    def unrealized(self) -> Decimal | None:
        """Gain since it was bought."""
        return self.held.each.unrealized_pnl

    @property
    def reason(self) -> str:
        """Why figures are missing."""
        return self.held.each.reason

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Its regular tags."""
        return self.held.mark.tags

    @property
    def tags(self) -> str:
        """Regular tags in one cell."""
        return ", ".join(each.name for each in self.held.mark.tags)

    @property
    def strategy(self) -> str:
        """Strategies in one cell."""
        return ", ".join(each.name for each in self.held.mark.strategies)

    @property
    def words(self) -> str:
        """All tags as they are written."""
        return ", ".join(self.held.mark.words)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the reader wants to see; `sort` with a leading minus for descending."""

    filter: Filter
    group: str = ""
    sort: str = "symbol"
    columns: tuple[str, ...] = ()  # those chosen; empty are the usual ones

    @property
    def active(self) -> list[tuple[str, str, str]]:
        """The filters that are on: parameter, label, value."""
        of = self.filter
        mode = "all of" if of.tag_mode == position_filters.ALL and len(of.tags) > 1 else "tag"
        parts = (
            ("q", "search", of.search),
            ("type", "type", of.type),
            ("underlying", "underlying", of.underlying),
            ("tag", mode, ", ".join(of.tags)),
            ("strategy", "strategy", of.strategy),
            ("quality", "price", of.quality),
        )
        return [part for part in parts if part[2]]

    @property
    def words(self) -> str:
        """The active filters as a reader put them."""
        return ", ".join(f"{label} {value}" for _, label, value in self.active)


@dataclass(frozen=True, slots=True)
class Group:
    """Rows under one heading with their sums; no heading for a table without groups."""

    name: str
    rows: tuple[Row, ...]
    sums: Mapping[str, Any]
    colour: str = ""


def wish_of(query: Mapping[str, str]) -> Wish:
    """Read the wish from an address; what it does not know it leaves out."""
    group = query.get("group", "")
    return Wish(
        filter=position_filters.lenient(query),
        group=group if group in GROUPS else "",
        sort=position_filters.sort_of(query.get("sort", "")) or "symbol",
        columns=position_filters.columns_of(query.get("columns", "")),
    )


def rows(*, held: Sequence[HeldRow], shares: Mapping[str, float | None]) -> list[Row]:
    """Every line of a valued book, by symbol."""
    return [_row(each, shares) for each in held]


def _row(held: HeldRow, shares: Mapping[str, float | None]) -> Row:
    line, gained = held.each.line, held.each.unrealized_pnl
    units, cost = line.quantity * line.multiplier, abs(line.cost_basis)
    return Row(
        held=held,
        average=line.cost_basis / units if units else None,
        gain=float(gained / cost) if gained is not None and cost else None,
        share=shares.get(line.symbol),
    )


def chosen(every: Sequence[Row], wish: Wish) -> list[Row]:
    """The rows that match all filters, in the order asked for; what is missing comes last."""
    found = [row for row in every if wish.filter.keeps(row.held)]
    name = wish.sort.removeprefix("-")
    known = [row for row in found if getattr(row, name) is not None]
    unknown = [row for row in found if getattr(row, name) is None]
    known.sort(key=lambda row: getattr(row, name), reverse=wish.sort.startswith("-"))
    return known + unknown


def grouped(shown: Sequence[Row], by: str, nav: Decimal) -> list[Group]:
    """Rows under their headings, by name; one with several tags under each of them."""
    if by not in GROUPS:
        return [Group("", tuple(shown), {})]
    found = groups.aggregate([row.held for row in shown], [by])[by]
    members: dict[str, list[Row]] = {}
    for row in shown:
        for key in groups.keys_of(row.held, by):
            members.setdefault(key.key, []).append(row)
    named = sorted(found, key=lambda each: each.of.label)
    return [
        Group(
            each.of.label,
            tuple(members[each.of.key]),
            sums(each, members[each.of.key], nav),
            each.of.colour,
        )
        for each in named
    ]


def whole(shown: Sequence[Row], nav: Decimal) -> dict[str, Any]:
    """Totals of all rows, each position once."""
    return sums(groups.total([row.held for row in shown]), shown, nav)


def sums(of: Sums, shown: Sequence[Row], nav: Decimal) -> dict[str, Any]:
    """Totals of the columns that add up; a sum without all its parts is of those known."""
    cost = sum((abs(row.cost) for row in shown if row.unrealized is not None), Decimal(0))
    gained = of.unrealized_pnl
    shares = [row.share for row in shown if row.share is not None]
    days = [row.day_pnl for row in shown if row.day_pnl is not None]
    return {
        "market_value": of.gross,
        "exposure": of.net,
        "delta_exposure": of.delta_exposure,
        "weight": groups.weight(of.net, nav),
        "day_pnl": sum(days, Decimal(0)) if days else None,
        "unrealized": gained,
        "gain": float(gained / cost) if gained is not None and cost else None,
        "share": sum(shares) if shares else None,
    }
