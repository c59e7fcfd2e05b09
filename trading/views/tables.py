"""Orders and trades as table rows for the pages."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from statistics import median
from typing import Any
from uuid import UUID

from django.urls import reverse

from etftrader.core.formats import eastern, show
from etftrader.core.money import plain
from marketdata.selectors import terms
from trading.calculations import order_states
from trading.choices import TimeInForce
from trading.models import Order, Trade
from trading.selectors import orders as read
from trading.selectors import trades as fills

AGAIN = (
    *("ticker", "side", "quantity", "price", "trade_date", "executed_at"),
    *("fee", "reference", "reversed_by"),
)


def orders(
    rows: Iterable[Order], portfolio_id: UUID, *, may_trade: bool, empty: str, page: Any = None
) -> dict[str, Any]:
    """The blotter of orders; working ones can be cancelled."""
    shown = list(rows)
    names = terms.names(order.instrument for order in shown)
    return {
        "id": "orders",
        "caption": "Orders, newest first",
        "columns": [
            {
                "key": "placed",
                "label": "Placed, ET",
                "kind": "moment",
                "moment": "stamp",
                "css": "fold",
            },
            {"key": "symbol", "label": "Symbol", "link": "url", "css": "fold"},
            {"key": "side", "label": "Side"},
            {"key": "quantity", "label": "Quantity", "fmt": "qty"},
            {"key": "filled", "label": "Filled", "fmt": "qty", "priority": "p2"},
            {"key": "type", "label": "Type", "priority": "p2", "css": "fold"},
            {"key": "price", "label": "Average price", "fmt": "price", "priority": "p2"},
            {"key": "state", "label": "Status", "kind": "tag"},
            {"key": "check", "label": "Check", "priority": "p2", "css": "fold"},
            {
                "key": "basket",
                "label": "Basket",
                "link": "basket_url",
                "priority": "p2",
                "css": "fold",
            },
            {"key": "by", "label": "User", "priority": "p3"},
            {"key": "client_id", "label": "Client id", "priority": "p3", "css": "fold"},
            {"key": "actions", "label": "", "kind": "actions"},
        ],
        "rows": [_order(order, names, portfolio_id, may_trade) for order in shown],
        "empty": {
            "text": empty,
            "url": reverse("trade", kwargs={"portfolio_id": portfolio_id}),
            "label": "Trade",
        },
        "page": page,
    }


def _order(
    order: Order, names: Mapping[UUID, str], portfolio_id: UUID, may_trade: bool
) -> dict[str, Any]:
    keys = {"portfolio_id": portfolio_id, "order_id": order.pk}
    row = {
        "id": str(order.pk),
        "url": reverse("order_detail", kwargs=keys),
        "placed": order.placed_as_of,
        "symbol": names[order.instrument_id],
        "side": order.get_side_display(),
        "quantity": order.quantity,
        "filled": order.filled_quantity,
        "price": order.average_price,
        "price_reason": "not filled",
        "type": terms_of(order),
        "check": _check(order),
        "state": order.get_state_display(),
        "by": order.placed_by.get_username() if order.placed_by else "system",
        "client_id": order.client_order_id,
        "basket": _basket(order),
        "basket_url": _basket_url(order),
        "actions": [],
    }
    if may_trade and order.state in order_states.OPEN and not read.is_of_spread(order):
        url = reverse("order_cancel", kwargs=keys)
        row["actions"] = [
            {"label": "Cancel", "url": url, "method": "post"},
        ]
    return row


def _basket(order: Order) -> str:
    """What an order is a leg of."""
    if order.basket is None:
        return ""
    name = order.basket.get_spread_name_display() if order.basket.spread_name else "Basket"
    return f"{name}, leg {order.leg}"


def _basket_url(order: Order) -> str:
    if order.basket is None:
        return ""
    keys = {"portfolio_id": order.portfolio_id, "basket_id": order.basket.pk}
    return reverse("basket_detail", kwargs=keys)


def _check(order: Order) -> str:
    """Which checks failed, else what the one that counted said."""
    if order.reasons:
        return ", ".join(read.in_words(order.reasons))
    return order.check_made.status.capitalize() if order.check_made else "none"


def terms_of(order: Order) -> str:
    """What an order asks of the market: "Stop-limit 106.00, stop 105.00, good till cancelled"."""
    words = [str(order.get_order_type_display())]
    if order.limit_price is not None:
        words[0] += f" {plain(order.limit_price)}"
    if order.stop_price is not None:
        reached = " reached" if order.triggered_at is not None else ""
        stop = f" {plain(order.stop_price)}{reached}"
        if order.limit_price is None:
            words[0] += stop
        else:
            words.append(f"stop{stop}")
    if order.time_in_force == TimeInForce.GTC:
        words.append("good till cancelled")
    return ", ".join(words)


def trades(
    rows: Iterable[Trade],
    portfolio_id: UUID,
    *,
    table_id: str = "trades",
    page: Any = None,
    at: datetime | None = None,
) -> dict[str, Any]:
    """The blotter of fills with what each cost; at a past close without later reversals."""
    shown = list(rows)
    names = terms.names(trade.instrument for trade in shown)
    return {
        "id": table_id,
        "caption": "Trades, newest first",
        "columns": [
            {"key": "at", "label": "Executed, ET", "kind": "moment", "moment": "stamp"},
            {"key": "symbol", "label": "Symbol", "link": "url", "css": "fold"},
            {"key": "side", "label": "Side"},
            {"key": "quantity", "label": "Quantity", "fmt": "qty"},
            {"key": "price", "label": "Price", "fmt": "price"},
            {"key": "source", "label": "Price is", "priority": "p2"},
            {"key": "commission", "label": "Commission", "fmt": "money2", "priority": "p3"},
            {"key": "spread", "label": "Spread", "fmt": "money2", "priority": "p3"},
            {"key": "impact", "label": "Impact", "fmt": "money2", "priority": "p3"},
            {"key": "cost_bp", "label": "Cost", "fmt": "bp1", "priority": "p2"},
            {"key": "realized", "label": "Realised", "fmt": "signed:money2", "tone": True},
            {"key": "undone", "label": "Taken back", "priority": "p2"},
            {"key": "by", "label": "User", "priority": "p3"},
        ],
        "rows": [_trade(trade, names, portfolio_id, at) for trade in shown],
        "again": AGAIN,
        "empty": {
            "text": "No trades yet.",
            "url": reverse("trade", kwargs={"portfolio_id": portfolio_id}),
            "label": "Trade",
        },
        "page": page,
    }


def costs(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What each fill of a table cost in basis points, over time, and the middle of them."""
    known = [each for each in rows if each["cost_bp"] is not None]
    middle = median(each["cost_bp"] for each in known) if known else 0.0
    text = show(middle, "bp1")
    return {
        "id": "cost-by-fill",
        "title": "Cost of each fill, basis points of its value",
        "conclusion": f"Half of these {len(known)} fills cost {text} or less.",
        "fmt": "bp1",
        "head": "Cost",
        "any": any(each["cost_bp"] for each in known),
        "dots": [
            {
                "at": each["at"],
                "value": each["cost_bp"],
                "label": f"{eastern(each['at'], 'stamp')} {each['side'].lower()} "
                f"{show(each['quantity'], 'qty')} {each['symbol']}: {show(each['cost_bp'], 'bp1')}",
            }
            for each in known
        ],
        "level": {"value": middle, "label": f"median {text}"},
        "empty": "No fill has a cost yet.",
    }


_SOURCES = {
    "SIM": "simulated price",
    "quote": "live quote",
    "close": "real close",
    "open": "real open",
    "range": "within the day's range",
    "booked": "booked",
}


def _trade(
    trade: Trade, names: Mapping[UUID, str], portfolio_id: UUID, at: datetime | None
) -> dict[str, Any]:
    placed_by = trade.order.placed_by
    rate = trade.exchange_rate or 1  # costs are shown in the book's money, as what it realised is
    return {
        "id": str(trade.pk),
        "url": reverse(
            "order_detail", kwargs={"portfolio_id": portfolio_id, "order_id": trade.order_id}
        ),
        "at": trade.executed_at,
        "symbol": names[trade.instrument_id],
        "side": trade.get_side_display(),
        "quantity": trade.quantity,
        "price": trade.price,
        "source": _SOURCES.get(trade.price_source, trade.price_source),
        "commission": trade.commission * rate,
        "spread": trade.spread_cost * rate,
        "impact": trade.impact_cost * rate,
        "cost_bp": fills.cost_bp(trade),
        "realized": trade.realized_pnl,
        "undone": _undone(trade, at),
        "by": placed_by.get_username() if placed_by else "system",
        "again": _again(trade, at),
    }


def _again(trade: Trade, at: datetime | None) -> dict[str, Any]:
    """The fill as an import reads it; what was taken back says so, and is not booked."""
    return {
        "ticker": trade.instrument.symbol,
        "side": trade.side.upper(),
        "quantity": trade.quantity,
        "price": trade.price,
        "trade_date": trade.session_date.isoformat(),
        "executed_at": trade.executed_at.isoformat(),
        "fee": trade.commission,
        "reference": str(trade.pk),
        "reversed_by": _undone(trade, at),
    }


def _undone(trade: Trade, at: datetime | None) -> str:
    """Whether a fill was reversed, or reverses one."""
    if trade.reverses_id is not None:
        return "reversal"
    return "reversed" if fills.reversal(trade, at) is not None else ""
