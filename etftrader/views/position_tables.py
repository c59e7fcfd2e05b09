"""The table of the positions page: columns to choose from, groups with subtotals, pages, files."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.urls import reverse

from etftrader.core.formats import show
from etftrader.selectors import positions as selector
from etftrader.selectors.positions import Group, Row, Wish
from portfolios.models import Portfolio
from portfolios.selectors import groups
from portfolios.selectors import positions as book
from portfolios.selectors.position_filters import COLUMNS as CHOICES
from portfolios.selectors.position_filters import QUALITIES
from portfolios.services import csv_export
from portfolios.services.csv_export import Holding

REASONS = {
    "no_price": "no price is known",
    "no_settlement_price": "expired, and the close it settles at is missing",
    "price_stale": "price older than five sessions: left out of the risk",
    "no_exchange_rate": "no exchange rate into the book's currency is known",
    "price_suspect": "a newer price is held back: left out of the risk until it is decided",
}
DELTA_REASONS = {"no_delta": "no Greeks of this session: left out of the risk"}
MAX_AGE = 30  # seconds after which a live figure looks old
USUAL = frozenset(CHOICES) - {"market_value", "account", "sector", "strategy"}
COLUMNS: tuple[dict[str, Any], ...] = (
    {"key": "symbol", "label": "Symbol", "sub": "name", "sort": True, "css": "fold"},
    {"key": "type", "label": "Type", "sort": True, "priority": "p2"},
    {"key": "quantity", "label": "Quantity", "fmt": "qty", "sort": True, "priority": "p2"},
    {"key": "average", "label": "Avg price", "fmt": "price", "term": "average_price",
     "priority": "p3"},
    {"key": "price", "label": "Last", "fmt": "price", "term": "price", "live": True,
     "priority": "p2"},
    {"key": "market_value", "label": "Market value", "fmt": "money0", "sort": True,
     "priority": "p2"},
    {"key": "exposure", "label": "Exposure", "fmt": "money0", "live": True, "sort": True,
     "sum": True},
    {"key": "delta_exposure", "label": "Delta exposure", "fmt": "money0", "live": True,
     "sort": True, "sum": True, "priority": "p3"},
    {"key": "weight", "label": "Weight", "fmt": "pct1", "live": True, "sort": True, "sum": True},
    {"key": "day_pnl", "label": "Day P&L", "fmt": "signed:money0", "tone": True, "live": True,
     "sort": True, "sum": True},
    {"key": "unrealized", "label": "Unrealised", "fmt": "signed:money0", "tone": True,
     "live": "exposure", "sort": True, "sum": True, "priority": "p2"},
    {"key": "gain", "label": "Unrealised %", "fmt": "signed:pct1", "tone": True,
     "live": "exposure", "sort": True, "sum": "gain*", "priority": "p3"},
    {"key": "share", "label": "VaR share", "fmt": "pct1", "term": "var_share", "live": True,
     "sum": True, "priority": "p2"},
    {"key": "account", "label": "Account", "priority": "p3", "css": "fold"},
    {"key": "sector", "label": "Sector", "priority": "p3", "css": "fold"},
    {"key": "strategy", "label": "Strategy", "priority": "p3", "css": "fold"},
    {"key": "tags", "label": "Tags", "kind": "template",
     "template": "etftrader/cell_tags.html", "priority": "p3", "css": "fold"},
    {"key": "quality", "label": "Price", "kind": "tag", "priority": "p2"},
    {"key": "trade", "label": "", "kind": "template", "template": "etftrader/cell_position.html",
     "priority": "p3"},
)  # fmt: skip
BESIDE = (("price_currency", "Currency of the price"), ("exchange_rate", "Exchange rate"))
Place = tuple[Group, Row]


def columns(wish: Wish, *, optional: bool, summed: bool) -> list[dict[str, Any]]:
    """The columns chosen, or the usual ones; `summed` where the page may add its rows up."""
    # a desk has room for one of the two; the chooser has both
    named = set(wish.columns) or USUAL - {"average" if optional else "delta_exposure"}
    shown = [each for each in COLUMNS if each["key"] in named | {"symbol", "trade"}]
    return [each if summed else {**each, "sum": ""} for each in shown]


def page_of(found: Sequence[Group], number: str, size: int) -> tuple[list[Place], Page | None]:
    """The rows of one page with their groups; without pages while they are few."""
    places = [(group, row) for group in found for row in group.rows]
    if len(places) <= max(size, selector.MOST_ROWS):
        return places, None
    page = Paginator(places, size).get_page(number)
    return list(page.object_list), page


def table(
    portfolio: Portfolio,
    found: Sequence[Group],
    wish: Wish,
    *,
    total: Mapping[str, Any] | None,
    of: int,
    now: bool,
    aging: bool,
    query: Mapping[str, str],
    number: str = "",
    size: int = selector.MOST_ROWS,
    editing: str = "",
    may_tag: bool = False,
    may_trade: bool = False,
) -> dict[str, Any]:
    """The table: `query` are the parameters its links keep, `editing` whose tags are a form."""
    places, page = page_of(found, number, size)
    optional = any(row.contract for group in found for row in group.rows)
    alone = wish.group not in groups.OVERLAPPING and page is None
    lines: list[dict[str, Any]] = []
    begun = ""
    costs = csv_export.own_costs(
        portfolio, [row.held.each.line for _, row in places] if now else []
    )
    for group, row in places:
        if group.name and group.name != begun:
            lines.append(subtotal(group))
            begun = group.name
        told = line(row, portfolio, live=now)
        told["tags"] = _tags(row, query, editing=editing, may_tag=may_tag)
        told["pick"] = may_tag
        told["trade"] = _ticket(row, portfolio) if may_trade else ""
        told["group"] = group.name
        told["again"] = _again(row, costs) if now else None
        lines.append(told)
    kept = {name: value for name, value in query.items() if name not in ("sort", "page")}
    return {
        "id": "positions-table",
        "caption": "Open positions",
        "columns": columns(wish, optional=optional, summed=alone),
        "rows": lines,
        "totals": {"symbol": "Total"} | dict(total) if total else None,
        "max_age": MAX_AGE if aging else "",
        "again": csv_export.HEADER if now else (),
        "beside": BESIDE if any(row.rate is not None for _, row in places) else (),
        "sort": wish.sort,
        "query_sort": f"{urlencode(kept)}&" if kept else "",
        "page": page,
        "query": urlencode({name: value for name, value in query.items() if name != "page"}),
        "filtered": bool(of) and not lines,
        "clear_url": "?view=",
        "empty": {
            "text": "Nothing is held. Bring positions in from a file, or buy the first one.",
            "filtered_text": f"None of {of} positions matches: {wish.words}.",
            "url": reverse("imports"),
            "label": "Import CSV",
        },
    }


def line(row: Row, portfolio: Portfolio, *, live: bool) -> dict[str, Any]:
    """One position as the table draws it."""
    reason = REASONS.get(row.reason, row.reason.replace("_", " "))
    why = reason or "no price"
    page = ("position", [portfolio.pk, row.position_id]) if row.position_id else None
    return {
        "id": row.symbol,
        "position": row.position_id,
        "symbol": row.contract or row.symbol,
        "url": reverse(page[0], args=page[1]) if page else reverse("quote", args=[row.symbol]),
        "name": _about(row),
        "price_currency": row.currency,
        "exchange_rate": row.exchange_rate,
        "type": row.type,
        "quantity": row.quantity,
        "average": row.average,
        "price": row.price,
        "market_value": row.market_value,
        "exposure": row.exposure,
        "delta_exposure": row.delta_exposure,
        "delta_exposure_reason": DELTA_REASONS.get(row.delta_reason, why),
        "weight": row.weight,
        "day_pnl": row.day_pnl,
        "unrealized": row.unrealized,
        "gain": row.gain,
        "share": row.share,
        "account": row.account,
        "sector": row.sector,
        "strategy": row.strategy or " ",
        "quality": {
            "text": row.price_class or "missing",
            "kind": {"stale": "watch", "suspect": "bad", "": "bad"}.get(row.price_class, "plain"),
            "title": reason or (f"of {row.price_session}" if row.price_session else ""),
        },
        "live": f"value.marks.{row.symbol}" if live else "",
        "share_live": f"risk.components.{row.symbol}.share",
        "unrealized_less": row.cost,
        "gain_less": row.cost,
        "gain_per": abs(row.cost) or None,
        **{
            f"{key}_reason": why
            for key in ("price", "market_value", "exposure", "weight", "unrealized", "gain")
        },
        "day_pnl_reason": reason or "no close of the day before",
        "share_reason": reason or "left out of the VaR",
    }


def _about(row: Row) -> str:
    """What it belongs to, and of a foreign one how its price is converted."""
    sector = row.sector if not row.contract else ""
    if row.rate is None:
        return sector
    known = show(row.rate.value, "price:4") if row.rate.value is not None else "no rate"
    said = f"{row.currency} at {known}" + (f", {row.rate.name}" if row.rate.name else "")
    return f"{sector}, {said}" if sector else said


def _again(row: Row, costs: Mapping[UUID, Decimal | None]) -> dict[str, Any] | None:
    """The position as an import reads it; None where no rate of its day converts its cost."""
    of = row.held.each.line
    cost = costs[of.instrument_id]
    if cost is None:
        return None
    held = Holding(of.symbol, of.quantity, of.multiplier, cost, of.opened_on, of.currency)
    told = csv_export.line(held, row.held.mark.words)
    return dict(zip(csv_export.HEADER, told, strict=True))


def _ticket(row: Row, portfolio: Portfolio) -> str:
    return f"{reverse('trade', args=[portfolio.pk])}?{urlencode({'symbol': row.symbol})}"


def _tags(row: Row, query: Mapping[str, str], *, editing: str, may_tag: bool) -> dict[str, Any]:
    key = str(row.position_id or "")
    return {
        "marks": (*row.held.mark.tags, *row.held.mark.strategies),
        "words": row.words,
        "url": f"?{urlencode({**query, 'edit': key})}#tags-{key}" if may_tag and key else "",
        "key": key,
        "form": bool(key) and may_tag and editing == key,
        "back": urlencode(query),
    }


def subtotal(group: Group) -> dict[str, Any]:
    """The row above a group's rows."""
    count = f"{len(group.rows)} position{'' if len(group.rows) == 1 else 's'}"
    return {"symbol": group.name, "name": count, "css": "total", **group.sums}


def fields(every: Sequence[Row], wish: Wish) -> list[dict[str, Any]]:
    """The filter bar: what the book has is offered, nothing else."""
    of = wish.filter
    held = {row.type for row in every} | {book.LONG, book.SHORT, of.type}
    told: list[dict[str, Any]] = [
        {"name": "q", "label": "Search", "value": of.search},
        _choice("type", "Type", of.type, _same(each for each in book.TYPES if each in held)),
    ]
    words = {mark.word for row in every for mark in row.held.mark.tags} | set(of.tags)
    if words:
        named = ",".join(of.tags)
        offered = sorted(words | ({named} if len(of.tags) > 1 else set()) - {""})
        told.append(_choice("tag", "Tag", named, _same(offered)))
    names = {mark.name for row in every for mark in row.held.mark.strategies}
    if names or of.strategy:
        offered = sorted(names | ({of.strategy} - {""}))
        told.append(_choice("strategy", "Strategy", of.strategy, _same(offered)))
    under = sorted({row.underlying for row in every} | ({of.underlying} - {""}))
    if any(row.contract for row in every) or of.underlying:
        told.append(_choice("underlying", "Underlying", of.underlying, _same(under)))
    classes = {row.held.quality for row in every} | ({of.quality} - {""})
    if len(classes) > 1 or of.quality:
        offered = [each for each in QUALITIES if each in classes]
        told.append(_choice("quality", "Price", of.quality, _same(offered)))
    by = [(key, f"By {label.lower()}") for key, label in selector.GROUPS.items()]
    return [*told, _choice("group", "Group", wish.group, by)]


def _same(names: Any) -> list[tuple[str, str]]:
    return [(each, each) for each in names]


def _choice(name: str, label: str, value: str, choices: list[tuple[str, str]]) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "value": value,
        "choices": [{"value": key, "label": text} for key, text in choices],
    }


def chips(wish: Wish, query: Mapping[str, str]) -> list[dict[str, str]]:
    """The active filters, each with the address without it."""
    kept = {"view": ""} | {name: value for name, value in query.items() if name != "page"}
    return [
        {
            "label": f"{label} {value}",
            "url": f"?{urlencode({key: text for key, text in kept.items() if key != name})}",
        }
        for name, label, value in wish.active
    ]


def column_choices(wish: Wish, *, optional: bool) -> list[dict[str, Any]]:
    """What the column chooser offers, ticked where it is shown."""
    shown = {each["key"] for each in columns(wish, optional=optional, summed=True)}
    return [
        {"key": each["key"], "label": each["label"], "on": each["key"] in shown}
        for each in COLUMNS
        if each["key"] in CHOICES
    ]
