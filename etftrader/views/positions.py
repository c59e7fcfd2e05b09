"""The book: every position with its price, gain and risk; filtered, grouped, as CSV."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from etftrader.core import tables
from etftrader.core.actor import Actor
from etftrader.core.pages import render_page
from etftrader.selectors import overview as worths
from etftrader.selectors import positions as selector
from etftrader.selectors.positions import Group, Row, Wish
from etftrader.views.as_of import moment_of, past_session
from portfolios.models import Portfolio
from portfolios.selectors import access
from portfolios.selectors import positions as book

REASONS = {
    "no_price": "no price is known",
    "no_settlement_price": "expired, and the close it settles at is missing",
    "price_stale": "price older than five sessions: left out of the risk",
    "price_suspect": "a newer price is held back: left out of the risk until it is decided",
}
DELTA_REASONS = {"no_delta": "no Greeks of this session: left out of the risk"}
PANELS = {"positions": "etftrader/positions_table.html"}
MAX_AGE = 30  # seconds after which a live figure looks old
NOT_A_FILTER = {"panel", "format"}
COLUMNS: tuple[dict[str, Any], ...] = (
    {"key": "symbol", "label": "Symbol", "sub": "name", "sort": True, "css": "fold"},
    {"key": "type", "label": "Type", "priority": "p2"},
    {"key": "quantity", "label": "Quantity", "fmt": "qty", "sort": True, "priority": "p2"},
    {"key": "average", "label": "Avg price", "fmt": "price", "term": "average_price",
     "priority": "p3"},
    {"key": "price", "label": "Last", "fmt": "price", "term": "price", "live": True,
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
    {"key": "tags", "label": "Tags", "priority": "p3", "css": "fold"},
    {"key": "quality", "label": "Price", "kind": "tag", "priority": "p2"},
    {"key": "trade", "label": "", "kind": "template", "template": "portfolios/cell_trade.html",
     "priority": "p3"},
)  # fmt: skip
_FILE = (
    ("symbol", "symbol"),
    ("type", "type"),
    ("quantity", "quantity"),
    ("average_price", "average"),
    ("last", "price"),
    ("exposure", "exposure"),
    ("delta_exposure", "delta_exposure"),
    ("weight", "weight"),
    ("day_pnl", "day_pnl"),
    ("unrealized_pnl", "unrealized"),
    ("unrealized_return", "gain"),
    ("var_share", "share"),
    ("sector", "sector"),
    ("underlying", "underlying"),
    ("contract", "contract"),
    ("tags", "tags"),
    ("price_class", "price_class"),
    ("price_session", "price_session"),
)


@login_required
def positions(request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
    """What exactly do I hold and how is each doing?"""
    portfolio = access.portfolio_for(Actor.of(request), portfolio_id)
    moment = moment_of(request)
    asked = past_session(request, moment)
    found = worths.worth(portfolio=portfolio, moment=moment, as_of=asked)
    record = None
    if asked is None:
        record = worths.live_risk(portfolio_id=portfolio.pk, moment=moment)
    every: list[Row] = []
    if found is not None:
        shares = worths.var_shares(
            portfolio_id=portfolio.pk,
            until=min(found.session_date, moment.session_date),
            record=record,
        )
        every = selector.rows(
            worth=found, shares=shares, tags=book.tags_of(portfolio_id=portfolio.pk)
        )
    wish = selector.wish_of(request.GET)
    shown = selector.chosen(every, wish)
    if request.GET.get("format") == "csv":
        return _file(portfolio, selector.grouped(shown, wish.group))
    context = {
        "portfolio": portfolio,
        "tab": "positions",
        "moment": moment,
        "asked": asked,
        "is_now": asked is None,
        "refresh": "" if asked else "order.filled",
        "found": found,
        "table": _table(
            portfolio, shown, wish, of=len(every), now=asked is None, aging=record is not None
        ),
        "fields": _fields(every, wish),
        "clear_url": "?",
        "query": urlencode({k: v for k, v in request.GET.items() if k not in NOT_A_FILTER}),
        "csv_url": f"?{urlencode({**request.GET.dict(), 'format': 'csv'})}",
        "count": len(shown),
        "of": len(every),
    }
    return render_page(request, "etftrader/positions.html", context, panels=PANELS)


def _table(
    portfolio: Portfolio, shown: Sequence[Row], wish: Wish, *, of: int, now: bool, aging: bool
) -> dict[str, Any]:
    lines: list[dict[str, Any]] = []
    for group in selector.grouped(shown, wish.group):
        if group.name:
            lines.append(_subtotal(group))
        lines += [_line(row, portfolio, live=now) for row in group.rows]
    total = selector.sums(shown)
    optional = any(row.contract for row in shown)
    # a subtotal belongs to the rows below it, so grouped rows are not sorted in the page
    sort = not wish.group
    return {
        "id": "positions-table",
        "caption": "Open positions",
        "columns": [
            {**each, "sort": each.get("sort", False) and sort}
            for each in COLUMNS
            if optional or each["key"] != "delta_exposure"
        ],
        "rows": lines,
        "totals": {"symbol": "Total"} | total if shown else None,
        "max_age": MAX_AGE if aging else "",
        "filtered": bool(of) and not shown,
        "clear_url": "?",
        "empty": {
            "text": "Nothing is held. Bring positions in from a file, or buy the first one.",
            "filtered_text": f"None of {of} positions matches: {wish.words}.",
            "url": reverse("imports"),
            "label": "Import CSV",
        },
    }


def _line(row: Row, portfolio: Portfolio, *, live: bool) -> dict[str, Any]:
    trade = reverse("trade", args=[portfolio.pk])
    reason = REASONS.get(row.reason, row.reason.replace("_", " "))
    why = reason or "no price"
    return {
        "id": row.symbol,
        "symbol": row.contract or row.symbol,
        "url": reverse("quote", args=[row.symbol]),
        "trade": f"{trade}?{urlencode({'symbol': row.symbol})}",
        "name": row.sector if not row.contract else "",
        "type": row.type,
        "quantity": row.quantity,
        "average": row.average,
        "price": row.price,
        "exposure": row.exposure,
        "delta_exposure": row.delta_exposure,
        "delta_exposure_reason": DELTA_REASONS.get(row.delta_reason, why),
        "weight": row.weight,
        "day_pnl": row.day_pnl,
        "unrealized": row.unrealized,
        "gain": row.gain,
        "share": row.share,
        "tags": row.tags or " ",
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
        **{f"{key}_reason": why for key in ("price", "exposure", "weight", "unrealized", "gain")},
        "day_pnl_reason": reason or "no close of the day before",
        "share_reason": reason or "left out of the VaR",
    }


def _subtotal(group: Group) -> dict[str, Any]:
    count = f"{len(group.rows)} position{'' if len(group.rows) == 1 else 's'}"
    return {"symbol": group.name, "name": count, "css": "total", **selector.sums(group.rows)}


def _fields(every: Sequence[Row], wish: Wish) -> list[dict[str, Any]]:
    names = sorted({tag for row in every for tag in row.tag_names})
    held = {row.type for row in every} | {book.LONG, book.SHORT, wish.type}
    types = [each for each in book.TYPES if each in held]
    fields: list[dict[str, Any]] = [
        {"name": "q", "label": "Search", "value": wish.search},
        _choice("type", "Type", wish.type, [(each, each) for each in types]),
    ]
    if names:
        fields.append(_choice("tag", "Tag", wish.tag, [(name, name) for name in names]))
    fields.append(_choice("group", "Group", wish.group, list(selector.GROUPS.items())))
    return fields


def _choice(name: str, label: str, value: str, choices: list[tuple[str, str]]) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "value": value,
        "choices": [{"value": key, "label": text} for key, text in choices],
    }


def _file(portfolio: Portfolio, groups: Sequence[Group]) -> HttpResponse:
    """Exactly the rows on screen, in their order."""
    rows = [[getattr(row, key) for _, key in _FILE] for group in groups for row in group.rows]
    body = tables.write([name for name, _ in _FILE], rows)
    headers: Mapping[str, str] = {
        "Content-Disposition": f'attachment; filename="positions-{portfolio.pk}.csv"'
    }
    return HttpResponse(body, content_type="text/csv; charset=utf-8", headers=headers)
