"""Orders and trades as table rows for the pages."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.urls import reverse

from marketdata.selectors import terms
from trading.calculations import order_states
from trading.models import Order, Trade
from trading.selectors import orders as read
from trading.selectors import trades as fills


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
            {"key": "price", "label": "Average price", "fmt": "price", "priority": "p2"},
            {"key": "state", "label": "Status", "kind": "tag"},
            {"key": "reasons", "label": "Failing checks", "priority": "p2", "css": "fold"},
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
        "state": order.get_state_display(),
        "reasons": ", ".join(read.in_words(order.reasons)),
        "by": order.placed_by.get_username() if order.placed_by else "system",
        "client_id": order.client_order_id,
        "actions": [],
    }
    if may_trade and order.state in order_states.OPEN:
        url = reverse("order_cancel", kwargs=keys)
        row["actions"] = [{"label": "Cancel", "url": url, "method": "post"}]
    return row


def trades(
    rows: Iterable[Trade], portfolio_id: UUID, *, table_id: str = "trades", page: Any = None
) -> dict[str, Any]:
    """The blotter of fills with what each cost."""
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
            {"key": "by", "label": "User", "priority": "p3"},
        ],
        "rows": [_trade(trade, names, portfolio_id) for trade in shown],
        "empty": {
            "text": "No trades yet.",
            "url": reverse("trade", kwargs={"portfolio_id": portfolio_id}),
            "label": "Trade",
        },
        "page": page,
    }


_SOURCES = {"SIM": "simulated price", "close": "real close", "booked": "booked"}


def _trade(trade: Trade, names: Mapping[UUID, str], portfolio_id: UUID) -> dict[str, Any]:
    placed_by = trade.order.placed_by
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
        "commission": trade.commission,
        "spread": trade.spread_cost,
        "impact": trade.impact_cost,
        "cost_bp": fills.cost_bp(trade),
        "realized": trade.realized_pnl,
        "by": placed_by.get_username() if placed_by else "system",
    }
