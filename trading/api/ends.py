"""Ends of orders over the API: all that wait at once, and taking a filled one back."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from etftrader.core.api import versions
from etftrader.core.api.idempotent import once
from etftrader.core.api.registry import CHECKED, Op, operation
from etftrader.core.api.views import ApiView
from marketdata.selectors import sessions
from portfolios.constants import Action
from portfolios.selectors import access
from trading import live
from trading.api import orders
from trading.api.serializers import OrderSerializer, ReasonBody
from trading.selectors import orders as read
from trading.services import amending, busts


@operation(post=Op("portfolio:trade", "Cancel every order that waits in a portfolio"))
class CancelOpen(ApiView):
    """POST: take back all that is not filled; the answer names them."""

    serializer_class = OrderSerializer

    @extend_schema(request=None, responses={200: dict})
    def post(self, request: Request, portfolio_id: UUID) -> Response:
        """How many were cancelled, and which; none is no error."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.TRADE)

        def effect() -> Response:
            ended = amending.cancel_open(
                portfolio_id=portfolio.pk, by=self.actor, moment=sessions.moment()
            )
            told: dict[str, Any] = {"cancelled": len(ended)}
            told["orders"] = [
                {"id": str(each.pk), "url": live.order_url(each.pk)} for each in ended
            ]
            return Response(told)

        return once(request, effect)


@operation(
    post=Op(
        "operator:trade",
        "Take a filled order back by reversing its trades",
        money=True,
        versions=CHECKED,
    )
)
class OrderBust(ApiView):
    """POST: reverse every fill of an order, with a reason."""

    serializer_class = ReasonBody

    @extend_schema(request=ReasonBody, responses={200: OrderSerializer})
    def post(self, request: Request, order_id: UUID) -> Response:
        """The busted order; 409 with what stands in the way when later bookings rest on it."""
        order = orders.one(read.visible(self.actor).filter(pk=order_id))
        body = ReasonBody(data=request.data)
        body.is_valid(raise_exception=True)
        with versions.telling(lambda: orders.current(self.actor, order_id)):

            def effect() -> Response:
                done = busts.bust(
                    order_id=order.pk,
                    reason=body.validated_data["reason"],
                    if_match_version=versions.check(request, order),
                    by=self.actor,
                    moment=sessions.moment(),
                )
                return Response(OrderSerializer(done).data)

            return once(request, effect)
