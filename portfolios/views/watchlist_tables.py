"""Tables of the watchlists' page: quotes of a list, what nobody knows, what became of many."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from etftrader.core.actor import Actor
from etftrader.core.errors import NotFound
from marketdata.choices import PriceClass
from marketdata.selectors import sessions
from marketdata.selectors.sessions import Moment
from portfolios.choices import ItemState
from portfolios.models import WatchlistItem
from portfolios.selectors import access
from portfolios.selectors import watchlists as read
from portfolios.selectors.watchlists import Row
from portfolios.services.watchlists import Verdict

MAX_AGE = 30  # seconds without a word after which a live figure looks old
NO_SPREAD = "its source tells no bid and ask"
REASONS = {
    "no_price": "no price is known yet",
    "price_stale": "older than five sessions",
    "price_suspect": "a newer price is held back until a person has looked",
}
COLUMNS: tuple[dict[str, Any], ...] = (
    {"key": "symbol", "label": "Symbol", "sub": "name", "sort": True, "css": "fold"},
    {"key": "price", "label": "Last", "fmt": "price", "live": True, "sort": True},
    {"key": "change", "label": "Change", "fmt": "signed:price", "tone": True, "live": True,
     "sort": True, "priority": "p2"},
    {"key": "rate", "label": "Change %", "fmt": "signed:pct2", "tone": True,
     "live": "changeRate", "sort": True},
    {"key": "bid", "label": "Bid", "fmt": "price", "live": True, "priority": "p2"},
    {"key": "ask", "label": "Ask", "fmt": "price", "live": True, "priority": "p2"},
    {"key": "spread", "label": "Spread", "fmt": "bp1", "css": "spread", "priority": "p3"},
    {"key": "volume", "label": "Volume", "fmt": "int", "live": True, "priority": "p3"},
    {"key": "spark", "label": "30 sessions", "kind": "template",
     "template": "portfolios/cell_closes.html", "priority": "p2"},
    {"key": "source", "label": "Source", "live": True, "priority": "p3"},
    {"key": "age", "label": "Age", "kind": "template",
     "template": "portfolios/cell_age.html",
     "parts": (("word", "Price class"), ("session", "Price of"), ("at", "As of"))},
    {"key": "note", "label": "Note", "css": "wrap", "priority": "p3"},
    {"key": "trade", "label": "", "kind": "template", "template": "portfolios/cell_trade.html"},
)  # fmt: skip
SAID = {
    "added": ("added", "ok"),
    "unknown": ("unresolved", "watch"),
    "already_there": ("on the list before", "plain"),
    "refused": ("refused", "bad"),
}


def of_list(
    items: Sequence[WatchlistItem], *, moment: Moment, actor: Actor, same: str = ""
) -> dict[str, Any]:
    """The table of what is known, and beside it what is not; `same` names a past close."""
    rows = read.rows(items, moment=moment, actor=actor)
    standings = read.standings(items)
    trade = _ticket(actor) if rows and not same else ""
    unknown = [each for each in items if standings[each.pk].state != ItemState.RESOLVED]
    return {
        "table": {
            "id": "watchlist",
            "caption": "Symbols of the list with their newest prices",
            "columns": COLUMNS,
            "rows": [_line(each, trade, moment, same) for each in rows],
            "max_age": MAX_AGE if moment.in_session else "",
            "empty": {
                "text": "Nothing is followed here yet. Add one symbol, or paste a whole column."
            },
        },
        "unknown": [_unknown(each, standings[each.pk]) for each in unknown],
        "count": len(items),
        "clock": "wall" if sessions.is_live() else "market",
    }


def editable(items: Sequence[WatchlistItem]) -> list[dict[str, Any]]:
    """The rows of the list while it is arranged."""
    last = len(items) - 1
    return [
        {
            "id": each.pk,
            "symbol": each.symbol,
            "name": each.instrument.name if each.instrument else "",
            "note": each.note,
            "first": place == 0,
            "last": place == last,
        }
        for place, each in enumerate(items)
    ]


def verdicts(of: Sequence[Verdict]) -> dict[str, Any]:
    """What became of each symbol that was pasted."""
    standings = read.standings([each.item for each in of if each.item is not None])
    rows = []
    for each in of:
        word, kind = SAID[each.verdict]
        detail = each.detail
        if each.item is not None:
            standing = standings[each.item.pk]
            detail = each.item.instrument.name if each.item.instrument else standing.reason
            if standing.state == ItemState.LOOKING_UP:
                word, kind, detail = "looking it up", "info", "a source is being asked"
        rows.append(
            {"symbol": each.symbol, "verdict": {"text": word, "kind": kind}, "detail": detail}
        )
    return {
        "id": "verdicts",
        "caption": "What became of each symbol",
        "columns": [
            {"key": "symbol", "label": "Symbol"},
            {"key": "verdict", "label": "Verdict", "kind": "tag"},
            {"key": "detail", "label": "", "css": "wrap"},
        ],
        "rows": rows,
    }


def _line(row: Row, trade: str, moment: Moment, same: str) -> dict[str, Any]:
    told, item = row.quote, row.item
    why = REASONS.get(told.reason, told.reason.replace("_", " ")) or "no price is known yet"
    symbol = told.symbol
    live = moment.in_session and told.quality != PriceClass.MANUAL
    return {
        "id": symbol,
        "symbol": symbol,
        "url": f"{reverse('quote', args=[symbol])}{'?' if same else ''}{same}",
        "name": item.instrument.name if item.instrument else "",
        "price": told.price,
        "change": row.change,
        "rate": row.change_rate,
        "bid": told.bid,
        "ask": told.ask,
        "spread": row.spread_bp,
        "volume": told.volume,
        "spark": row.closes,
        "source": told.source or None,
        "age": _age(row, moment),
        "note": item.note or " ",
        "trade": f"{trade}?{urlencode({'symbol': symbol})}" if trade and _tradable(item) else "",
        # a full channel: the path of a symbol may hold dots
        "live": f"quotes:{symbol}" if live else "",
        "price_reason": why,
        "change_reason": why if told.price is None else "no close of the day before",
        "rate_reason": why if told.price is None else "no close of the day before",
        "bid_reason": NO_SPREAD,
        "ask_reason": NO_SPREAD,
        "spread_reason": NO_SPREAD,
        "volume_reason": "its source tells no volume",
        "source_reason": why,
    }


def _age(row: Row, moment: Moment) -> dict[str, Any]:
    """How old the price is, on the market's clock, and the class that follows."""
    told = row.quote
    seconds = None
    if told.as_of is not None:
        seconds = max(0, int((moment.as_of - told.as_of).total_seconds()))
    kind = {PriceClass.LIVE: "ok", PriceClass.STALE: "watch", PriceClass.SUSPECT: "bad"}
    return {
        "seconds": seconds,
        "at": told.as_of,
        "session": told.session_date,
        "symbol": told.symbol,
        "word": told.quality or "missing",
        "label": "close" if told.quality == PriceClass.EOD else told.quality or "missing",
        "kind": kind.get(PriceClass(told.quality), "plain") if told.quality else "bad",
        "title": f"of {told.session_date}" if told.session_date else "no price is known yet",
    }


def _unknown(item: WatchlistItem, standing: read.Standing) -> dict[str, Any]:
    return {
        "id": item.pk,
        "symbol": item.symbol,
        "looking": standing.state == ItemState.LOOKING_UP,
        "reason": standing.reason,
        "near": standing.near,
        "may_retry": read.may_look_up() and standing.state == ItemState.UNRESOLVED,
    }


def _tradable(item: WatchlistItem) -> bool:
    found = item.instrument
    return found is not None and found.active and found.kind != "index" and found.owner_id is None


def _ticket(actor: Actor) -> str:
    """The address of the ticket of one's usual portfolio; empty without one."""
    try:
        return reverse("trade", args=[access.default_portfolio(actor).pk])
    except NotFound:
        return ""
