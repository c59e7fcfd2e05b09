"""Baskets as they are read: with their orders, from which everything that changes follows."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet

from etftrader.core.actor import Actor
from trading.calculations import baskets as kernel
from trading.choices import BasketKind, BasketState
from trading.models import Basket, Order
from trading.selectors.orders import WORKING


def visible(actor: Actor) -> QuerySet[Basket]:
    """Every basket the actor may see, newest first, with its orders."""
    return _whole(Basket.objects.for_actor(actor))


def of_portfolio(portfolio_id: UUID) -> QuerySet[Basket]:
    """A portfolio's baskets, newest first, with their orders."""
    return _whole(Basket.objects.filter(portfolio_id=portfolio_id))


def loaded(basket_id: UUID) -> Basket:
    """One basket with its orders, for whoever holds its portfolio's lock."""
    return _whole(Basket.objects.filter(pk=basket_id)).get()


def waiting_spreads(*, portfolio_ids: Iterable[UUID] | None = None) -> list[Basket]:
    """Spreads of which something waits, oldest first within their portfolios."""
    legs = Order.objects.filter(state__in=WORKING, basket__kind=BasketKind.SPREAD)
    if portfolio_ids is not None:
        legs = legs.filter(portfolio_id__in=list(portfolio_ids))
    keys = list(legs.order_by().values_list("basket_id", flat=True).distinct())
    if not keys:
        return []
    rows = _whole(Basket.objects.filter(pk__in=keys))
    return list(rows.order_by("portfolio_id", "created_at", "pk"))


def state(basket: Basket) -> BasketState:
    """Where its orders stand together."""
    legs = list(basket.legs.all())
    filled = any(each.filled_quantity for each in legs)
    return BasketState(kernel.state([each.state for each in legs], filled=filled))


def reasons(basket: Basket) -> list[str]:
    """Why its orders were refused, each code once, in the order of the legs."""
    found = [code for each in basket.legs.all() for code in each.reasons]
    return list(dict.fromkeys(found))


def version(basket: Basket) -> int:
    """A number that grows with every change of an order of it."""
    return sum(each.version for each in basket.legs.all())


def label(basket: Basket) -> str:
    """What people call it: "Basket of 3", "Vertical"."""
    if basket.spread_name:
        return str(basket.get_spread_name_display())
    return f"Basket of {len(basket.legs.all())}"


def _whole(rows: "QuerySet[Basket]") -> "QuerySet[Basket]":
    legs: Any = Order.objects.select_related("instrument", "placed_by", "check_made", "basket")
    return (
        rows.select_related("placed_by", "portfolio", "check_made")
        .prefetch_related(Prefetch("legs", queryset=legs.order_by("leg")))
        .order_by("-created_at", "-pk")
    )
