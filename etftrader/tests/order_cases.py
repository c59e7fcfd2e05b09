"""Rows of orders, baskets and their costs in the lists of T-19, T-20 and T-41."""

from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from etftrader.core.actor import Actor
from marketdata.selectors import sessions
from trading.models import CostModel, Order
from trading.services import baskets, orders
from trading.services.basket_tickets import BasketTicket
from trading.tests import world

V1 = "/api/v1"
P, ONE = f"{V1}/portfolios/<uuid:portfolio_id>", f"{V1}/orders/<uuid:order_id>"
BASKETS, BASKET = f"{P}/baskets", f"{V1}/baskets/<uuid:basket_id>"
ANY = {"HTTP_IF_MATCH": "*"}
BUY = {"symbol": "AAA", "side": "buy", "quantity": "10"}
PAIR = {"legs": [BUY | {"quantity": "1"}, BUY | {"symbol": "BBB", "quantity": "1"}]}
WHY = {"reason": "typing error"}
CHECK = "nothing is booked: the kept check is the record, with who asked for it"


def of_order(stage: SimpleNamespace) -> int:
    return Order.objects.get(pk=stage.ids["order_id"]).version


def of_costs(stage: SimpleNamespace) -> int:
    row = CostModel.objects.filter(portfolio=stage.book).first()
    return row.version if row is not None else 0


EDITABLE: dict[str, tuple[list[dict[str, Any]], Callable[[SimpleNamespace], int]]] = {
    f"PUT {P}/costs": ([{"preset": "zero"}, {"preset": "simple"}], of_costs),
    f"PATCH {ONE}": ([{"quantity": "2"}, {"quantity": "3"}], of_order),
}


def in_book(stage: SimpleNamespace) -> dict[str, Any]:
    return BUY | {"portfolio_id": str(stage.book.pk)}


def filled(stage: SimpleNamespace) -> dict[str, Any]:
    order = orders.submit(
        portfolio_id=stage.book.pk,
        ticket=world.buy("1"),
        by=Actor.of_user(stage.owner),
        moment=sessions.moment(),
    )
    assert order.state == "filled", order.reasons
    return {"order_id": order.pk}


def make(book: Any, owner: Any, *, name: str = "waits") -> dict[str, Any]:
    """A basket that waits."""
    legs = [
        world.buy("1", each, order_type="limit", limit_price=Decimal(1)) for each in ("AAA", "BBB")
    ]
    made = baskets.submit(
        portfolio_id=book.pk,
        ticket=BasketTicket(legs=tuple(legs), client_basket_id=f"{name}-basket", note=name),
        by=Actor.of_user(owner),
        moment=sessions.moment(),
    )
    return {"basket_id": made.pk}


def in_basket(stage: SimpleNamespace) -> dict[str, Any]:
    return make(stage.book, stage.owner)


AUDITED: dict[str, Any] = {
    f"POST {BASKETS}": (PAIR, {}, None),
    f"POST {BASKET}/cancel": ({}, {}, in_basket),
    f"POST {V1}/orders": (in_book, {}, None),
    f"POST {V1}/trades": (in_book, {}, None),
    f"POST {P}/orders": (BUY, {}, None),
    f"POST {P}/orders/batch": ([BUY], {}, None),
    f"POST {P}/orders/cancel-open": ({}, {}, None),
    f"PATCH {ONE}": ({"quantity": "2"}, ANY, None),
    f"POST {ONE}/cancel": ({}, {}, None),
    f"POST {ONE}/bust": (WHY, {}, filled),
    f"PUT {P}/costs": ({"preset": "zero"}, ANY, None),
}
# the order ends, and its one fill is taken out of the books; a basket and each of its orders
SEVERAL = {
    f"POST {ONE}/bust": ["order.busted", "ledger.reverse"],
    f"POST {BASKETS}": ["order.filled", "order.filled", "basket.filled"],
    f"POST {BASKET}/cancel": ["order.cancelled", "order.cancelled", "basket.cancelled"],
}
FREE: dict[str, tuple[str, Any]] = {
    f"POST {P}/orders/check": (CHECK, (BUY, {}, None)),
    f"POST {BASKETS}/check": (CHECK, (PAIR, {}, None)),
}
# bodies in which only the id decides
BODIES: dict[str, Any] = {
    f"POST {V1}/orders": BUY,
    f"POST {V1}/trades": BUY,
    f"POST {P}/orders": BUY,
    f"POST {P}/orders/check": BUY,
    f"POST {P}/orders/batch": BUY,
    f"POST {BASKETS}": PAIR,
    f"POST {BASKETS}/check": PAIR,
    f"PATCH {ONE}": {"quantity": "2"},
    f"POST {ONE}/bust": WHY,
    f"PUT {P}/costs": {"preset": "zero"},
}
