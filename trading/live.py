"""What the orders channel of a portfolio says; each message is a row first."""

from decimal import Decimal
from typing import TypedDict
from uuid import UUID

from etftrader.core.money import plain
from etftrader.core.push import publish
from trading.models import Basket, Order, OrderEvent, Trade

API = "/api/v1"


class OrderUpdate(TypedDict):
    """One order after a change; `number` counts the portfolio's order events."""

    number: int
    id: str
    url: str
    client_order_id: str
    symbol: str
    side: str
    quantity: str
    filled_quantity: str
    average_price: str | None
    state: str
    reasons: list[str]
    as_of: str


class TradeUpdate(TypedDict):
    """One fill."""

    number: int
    id: str
    url: str
    order: str
    symbol: str
    side: str
    quantity: str
    price: str
    price_source: str
    executed_at: str


def order_url(order_id: UUID) -> str:
    """The canonical address of an order, for links in refusals and messages."""
    return f"{API}/orders/{order_id}"


def trade_url(trade_id: UUID) -> str:
    """The canonical address of a trade."""
    return f"{API}/trades/{trade_id}"


def basket_url(basket_id: UUID) -> str:
    """The canonical address of a basket."""
    return f"{API}/baskets/{basket_id}"


def check_url(order: Order | Basket) -> str:
    """Where the check that counted for an order or a basket can be read."""
    return f"{API}/portfolios/{order.portfolio_id}/pre-trade-checks?id={order.check_made_id}"


def amount(value: Decimal) -> str:
    """An exact number as JSON text."""
    return plain(value) or ""


def order_update(order: Order, event: OrderEvent) -> OrderUpdate:
    """What the orders channel says of an order after one of its events."""
    return OrderUpdate(
        number=event.number,
        id=str(order.pk),
        url=order_url(order.pk),
        client_order_id=order.client_order_id,
        symbol=order.instrument.symbol,
        side=order.side,
        quantity=amount(order.quantity),
        filled_quantity=amount(order.filled_quantity),
        average_price=plain(order.average_price),
        state=order.state,
        reasons=list(order.reasons),
        as_of=event.as_of.isoformat(),
    )


def publish_order(order: Order, event: OrderEvent) -> None:
    """Tell whoever watches the portfolio's orders."""
    update = order_update(order, event)
    publish(f"portfolio.{order.portfolio_id}.orders", f"order.{order.state}", update)


def publish_trade(trade: Trade, event: OrderEvent) -> None:
    """Tell of a fill, with the number of the order event it belongs to."""
    update = TradeUpdate(
        number=event.number,
        id=str(trade.pk),
        url=trade_url(trade.pk),
        order=str(trade.order_id),
        symbol=trade.instrument.symbol,
        side=trade.side,
        quantity=amount(trade.quantity),
        price=amount(trade.price),
        price_source=trade.price_source,
        executed_at=trade.executed_at.isoformat(),
    )
    publish(f"portfolio.{trade.portfolio_id}.orders", "trade.created", update)
