"""Many orders of one portfolio at once, judged in their order: all of them, or each by itself."""

from itertools import count
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from etftrader.core.actor import Actor
from etftrader.core.api import batch
from etftrader.core.api.idempotent import once
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import DomainError, LimitBreached
from marketdata.selectors import sessions
from portfolios.constants import Action
from portfolios.models import Portfolio
from portfolios.selectors import access
from trading.api.orders import key_of
from trading.api.serializers import OrderSerializer, TicketBody, ticket_of
from trading.choices import OrderState
from trading.constants import CLIENT_ORDER_ID_LENGTH
from trading.selectors import orders as read
from trading.services import orders
from trading.services.orders import Ready


@operation(
    post=Op(
        "portfolio:trade", "Place several orders", limit="orders", money=True, query=batch.PARTIAL
    )
)
class OrderBatch(ApiView):
    """POST: up to 500 orders; each counts in the verdicts of those after it."""

    serializer_class = TicketBody

    @extend_schema(request=TicketBody(many=True), responses={201: OrderSerializer, 207: dict})
    def post(self, request: Request, portfolio_id: UUID) -> Response:
        """The orders; one that is refused refuses all, unless `partial=true` keeps it with 422."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.TRADE)
        work = Batch(request, portfolio, batch.is_partial(request))

        def effect() -> Response:
            return batch.create(request, serializer=work.item(), make=work.made)

        return once(request, effect, before=work.gather)


class Batch:
    """One request's orders: gathered together before the lock, placed one after the other."""

    def __init__(self, request: Any, portfolio: Portfolio, partial: bool) -> None:
        self.request, self.portfolio, self.partial = request, portfolio, partial
        self.by = Actor.of(request)
        self.ready: dict[int, Ready | DomainError] = {}

    def item(self) -> type[TicketBody]:
        """The serializer of an item, which tells its place."""
        places = count()

        class Item(TicketBody):
            """One order of a batch."""

            def to_internal_value(self, data: Any) -> dict[str, Any]:
                place = next(places)
                return {**super().to_internal_value(data), "place": place}

        return Item

    def gather(self) -> None:
        """What every verdict needs, for all that have no error of their own."""
        items = self.request.data
        if not isinstance(items, list) or len(items) > batch.MAX_ITEMS:
            return
        bodies = {place: TicketBody(data=each) for place, each in enumerate(items)}
        good = {place: body for place, body in bodies.items() if body.is_valid()}
        tickets = [ticket_of(body.validated_data, self._key(place)) for place, body in good.items()]
        gathered = orders.gather_many(
            portfolio_id=self.portfolio.pk, tickets=tickets, by=self.by, moment=sessions.moment()
        )
        self.ready = dict(zip(good, gathered, strict=True))

    def made(self, item: dict[str, Any]) -> batch.Done:
        """One order placed. Raises what its gathering raised, and where all stand together 422."""
        place = item["place"]
        ready = self.ready[place]
        if isinstance(ready, DomainError):
            raise ready
        order = orders.submit(
            portfolio_id=self.portfolio.pk,
            ticket=ready.ticket,
            by=self.by,
            moment=ready.moment,
            market_clock=sessions.moment,
            ready=ready,
        )
        document = dict(OrderSerializer(order).data)
        if order.state != OrderState.REJECTED:
            return document
        if self.partial:
            return document, 422
        raise LimitBreached(
            f"The order was rejected: {'; '.join(read.in_words(order.reasons))}.",
            code="pretrade_rejected",
            reasons=list(order.reasons),
        )

    def _key(self, place: int) -> str:
        """The name of an item without one; a key that leaves no room for its place gives none."""
        key = key_of(self.request)
        name = f"{key}:{place}"
        return name if key and len(name) <= CLIENT_ORDER_ID_LENGTH else ""
