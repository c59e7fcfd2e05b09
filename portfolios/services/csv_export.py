"""Positions as a file that brings them in again exactly as they are."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from etftrader.core import tables
from etftrader.core.money import to_money
from marketdata.selectors import calendar
from portfolios.calculations import csv_cells
from portfolios.models import Portfolio, Position, PositionTag
from portfolios.selectors.exchange_tape import History
from portfolios.selectors.holdings import HeldLine
from portfolios.services import booking
from portfolios.services.tags import STRATEGY, STRATEGY_PREFIX

HEADER = (
    "ticker",
    "position_type",
    "quantity",
    "entry_price",
    "entry_date",
    "tags",
    "currency",
    "cost_basis",
)


def positions_file(*, portfolio_id: UUID) -> bytes:
    """What a portfolio holds, by symbol; the price is the average, the cost exact."""
    held = Position.objects.open().filter(portfolio=portfolio_id).select_related("instrument")
    rows = list(held.select_related("portfolio").order_by("instrument__symbol", "pk"))
    words = _words(row.pk for row in rows)
    return tables.write(HEADER, _lines(rows, words))


def _lines(rows: Sequence[Position], words: Mapping[UUID, list[str]]) -> Iterator[tuple[Any, ...]]:
    """The rows under `HEADER`. Raises Conflict where no exchange rate of a day is known."""
    if not rows:
        return
    costs = own_costs(rows[0].portfolio, [_held(row) for row in rows])
    for row in rows:
        cost, thing = costs[row.instrument_id], row.instrument
        if cost is None:
            booking.exchange_rate(row.portfolio, thing, None)
        assert cost is not None
        about = thing.symbol, row.quantity, thing.multiplier, cost, row.opened_on, thing.currency
        yield line(Holding(*about), words.get(row.pk, []))


@dataclass(frozen=True, slots=True)
class Holding:
    """What is held of one thing; `quantity` and `cost` signed, the cost in its own currency."""

    symbol: str
    quantity: Decimal
    multiplier: Decimal
    cost: Decimal
    opened_on: date | None
    currency: str


def own_costs(portfolio: Portfolio, held: Sequence[HeldLine]) -> dict[UUID, Decimal | None]:
    """Each cost in what the thing is priced in, as an import of its day converts it back.

    None where no exchange rate of that day is known; of one currency alone nothing is asked.
    """
    base = portfolio.base_currency
    days = [each.opened_on for each in held if each.currency != base and each.opened_on]
    rates = History(base, max(days)) if days else None
    found: dict[UUID, Decimal | None] = {}
    # the oldest first, so that each currency is read once
    for each in sorted(held, key=lambda each: each.opened_on or date.min):
        if each.currency == base:
            found[each.instrument_id] = each.cost_basis
            continue
        assert rates is not None
        assert each.opened_on is not None
        known = rates.rate(each.currency, calendar.on_or_before(each.opened_on))
        found[each.instrument_id] = None if known is None else to_money(each.cost_basis / known)
    return found


def line(held: Holding, words: Iterable[str]) -> tuple[Any, ...]:
    """One holding under `HEADER`, as an import reads it."""
    return (
        held.symbol,
        csv_cells.type_of(held.quantity, held.symbol),
        _short(held.quantity),
        _short(to_money(held.cost / (held.quantity * held.multiplier))),
        held.opened_on.isoformat() if held.opened_on else None,
        ",".join(words),
        held.currency,
        _short(held.cost),
    )


def _held(row: Position) -> HeldLine:
    thing = row.instrument
    return HeldLine(
        instrument_id=thing.pk,
        symbol=thing.symbol,
        kind=thing.kind,
        sector=thing.sector,
        currency=thing.currency,
        quantity=row.quantity,
        cost_basis=row.cost_basis,
        multiplier=thing.multiplier,
        opened_on=row.opened_on,
        position_id=row.pk,
    )


def _words(position_ids: Iterable[UUID]) -> dict[UUID, list[str]]:
    """Tags of positions as they are written in a file."""
    tagged = PositionTag.objects.filter(position__in=list(position_ids)).active()
    found: dict[UUID, list[str]] = {}
    for key, kind, name in tagged.order_by("tag__name", "pk").values_list(
        "position_id", "tag__kind", "tag__name"
    ):
        found.setdefault(key, []).append(f"{STRATEGY_PREFIX}{name}" if kind == STRATEGY else name)
    return found


def _short(value: Decimal) -> Decimal:
    """Without zeros behind the point that say nothing."""
    text = format(value, "f")
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)
