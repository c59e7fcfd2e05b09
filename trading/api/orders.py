"""Orders over the API: place, check, list, read, cancel; a refused order is kept, with 422."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from etftrader.core.actor import Actor
from etftrader.core.api import parameters, problems, versions
from etftrader.core.api.idempotent import once
from etftrader.core.api.lists import Pages
from etftrader.core.api.registry import CHECKED, UNCHANGED, Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput, NotFound
from marketdata.selectors import sessions
from portfolios.api.owned import OF_PORTFOLIO, OwnedView
from portfolios.constants import Action
from portfolios.models import Portfolio
from portfolios.selectors import access
from trading import live
from trading.api.serializers import OrderBody, OrderSerializer, TicketBody
from trading.choices import OrderState
from trading.models import Order
from trading.selectors import orders as read
from trading.services import orders
from trading.services.placing import Placing
from trading.services.tickets import Ticket

PLACE = Op("portfolio:trade", "Place a market order", limit="orders", money=True)
IN_BOOK = {
    "portfolio_id": parameters.Parameter(
        "Id of the portfolio to look in; all you may see without it.", format="uuid"
    )
}
FILTERS = {"state": ["exact", "in"], "side": ["exact"], "instrument__symbol": ["exact"]}


def place(request: Request, portfolio: Portfolio, ticket: Ticket) -> Response:
    """Submit under the request's key: the same request again gives the same answer."""
    placing = Placing(
        portfolio_id=portfolio.pk,
        ticket=ticket,
        by=Actor.of(request),
        market_clock=sessions.moment,
    )
    response = once(request, lambda: answer(request, placing.submit()), before=placing.gather)
    if response.status_code == 422:
        # what is kept is the body; its media type belongs to it
        response.content_type = problems.CONTENT_TYPE
    return response


def answer(request: Request, order: Order) -> Response:
    """201 with the order, or the problem that says which checks refused it."""
    told = OrderSerializer(order).data
    if order.state != OrderState.REJECTED:
        return Response(told, 201)
    document = order.check_made.document if order.check_made else {}
    words = "; ".join(read.in_words(order.reasons))
    problem = problems.document(
        request,
        status=422,
        code="pretrade_rejected",
        detail=f"The order was rejected: {words}.",
        reasons=list(order.reasons),
        verdict=document.get("verdict"),
        checks=document.get("checks", []),
        before=document.get("before"),
        after=document.get("after"),
        check_url=live.check_url(order),
        order_url=live.order_url(order.pk),
        order=dict(told),
    )
    return Response(problem, 422, content_type=problems.CONTENT_TYPE)


def key_of(request: Request) -> str | None:
    """The client's idempotency key, which names an order that has no name of its own."""
    return request.META.get("HTTP_IDEMPOTENCY_KEY")


@operation(get=Op("portfolio:view", "List a portfolio's orders", lists=True), post=PLACE)
class PortfolioOrders(ApiView):
    """Orders of one portfolio, newest first; POST places one."""

    pagination_class = Pages
    filterset_fields = FILTERS
    ordering_fields = ("created_at", "session_date")
    serializer_class = OrderSerializer
    queryset = Order.objects.none()

    def get(self, request: Request, portfolio_id: UUID) -> Response:
        """List."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        return self.listing(read.of_portfolio(portfolio.pk), OrderSerializer)

    @extend_schema(request=TicketBody, responses={201: OrderSerializer})
    def post(self, request: Request, portfolio_id: UUID) -> Response:
        """Place an order; the answer is 201 accepted or filled, 422 rejected and kept."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.TRADE)
        body = TicketBody(data=request.data)
        body.is_valid(raise_exception=True)
        return place(request, portfolio, body.ticket(key_of(request)))


@operation(post=Op("portfolio:trade", "Check an order without placing it", limit="orders"))
class OrderCheck(ApiView):
    """The pre-trade document of an order that is not placed; only the check itself is kept."""

    serializer_class = TicketBody

    def post(self, request: Request, portfolio_id: UUID) -> Response:
        """Judge and answer the document, approved or not."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.TRADE)
        body = TicketBody(data=request.data)
        body.is_valid(raise_exception=True)

        def effect() -> Response:
            made = orders.check(
                portfolio_id=portfolio.pk,
                ticket=body.ticket(),
                by=self.actor,
                moment=sessions.moment(),
            )
            return Response(made.document | {"id": str(made.pk)})

        return once(request, effect)


@operation(
    get=Op(
        "signed_in",
        "List the orders of every portfolio you see",
        lists=True,
        query=OF_PORTFOLIO,
    ),
    post=Op("signed_in:trade", "Place a market order", limit="orders", money=True),
)
class Orders(OwnedView):
    """Orders of all portfolios; POST names its portfolio or an account with one."""

    pagination_class = Pages
    filterset_fields = FILTERS
    ordering_fields = ("created_at", "session_date")
    serializer_class = OrderSerializer
    queryset = Order.objects.none()

    def get(self, request: Request) -> Response:
        """List."""
        return self.listing(self.of_portfolio(read.visible(self.actor)), OrderSerializer)

    @extend_schema(request=OrderBody, responses={201: OrderSerializer})
    def post(self, request: Request) -> Response:
        """Place an order; the answers are those of the portfolio's own address."""
        body = OrderBody(data=request.data)
        body.is_valid(raise_exception=True)
        return place(request, self._portfolio(body.validated_data), body.ticket(key_of(request)))

    def _portfolio(self, said: dict[str, Any]) -> Portfolio:
        if "portfolio_id" in said:
            return access.portfolio_for(self.actor, said["portfolio_id"], Action.TRADE)
        seen = Portfolio.objects.for_actor(self.actor).open().filter(account_id=said["account"])
        found = list(seen.values_list("pk", flat=True)[:2])
        if not found:
            raise NotFound("There is no such account.")
        if len(found) > 1:
            raise BadInput(
                "This account has several portfolios; give portfolio_id.", attr="account"
            )
        return access.portfolio_for(self.actor, found[0], Action.TRADE)


@operation(get=Op("signed_in", "Read an order", versions=UNCHANGED))
class OrderDetail(OwnedView):
    """One order."""

    serializer_class = OrderSerializer

    def get(self, request: Request, order_id: UUID) -> Response:
        """Read it, with its version as ETag."""
        order = _one(read.visible(self.actor).filter(pk=order_id))
        self.shown([order])
        return detail(request, order)


@operation(
    get=Op(
        "signed_in",
        "Find an order by its client order id",
        query=IN_BOOK,
        versions=UNCHANGED,
    )
)
class OrderByClientId(OwnedView):
    """An order by the name its sender gave it; portfolios are searched newest order first."""

    path_words = {"cid": "The client order id, as its sender wrote it."}
    serializer_class = OrderSerializer

    def get(self, request: Request, cid: str) -> Response:
        """Read it."""
        rows = read.visible(self.actor).filter(client_order_id=cid)
        portfolio = self.asked_portfolio("portfolio_id")
        order = _one(rows if portfolio is None else rows.filter(portfolio=portfolio))
        self.shown([order])
        return detail(request, order)


@operation(
    post=Op(
        "portfolio:trade", "Cancel what of an order is not filled", money=True, versions=CHECKED
    )
)
class OrderCancel(ApiView):
    """Cancel a working order; a finished one answers 409 with its state."""

    serializer_class = OrderSerializer

    @extend_schema(request=None, responses={200: OrderSerializer})
    def post(self, request: Request, order_id: UUID) -> Response:
        """Cancel."""
        order = _one(read.visible(self.actor).filter(pk=order_id))
        access.portfolio_for(self.actor, order.portfolio_id, Action.TRADE)
        with versions.telling(lambda: self._current(order_id)):
            version = versions.check(request, order)

            def effect() -> Response:
                done = orders.cancel(
                    order_id=order.pk,
                    if_match_version=version,
                    by=self.actor,
                    moment=sessions.moment(),
                )
                return Response(OrderSerializer(done).data)

            return once(request, effect)

    def _current(self, order_id: UUID) -> tuple[Order, Any]:
        order = _one(read.visible(self.actor).filter(pk=order_id))
        return order, OrderSerializer(order).data


def detail(request: Request, order: Order) -> Response:
    """The order with its entity tag, or 304."""
    if versions.is_unchanged(request, order):
        return versions.tagged(Response(status=304), order)
    return versions.tagged(Response(OrderSerializer(order).data), order)


def _one(rows: "QuerySet[Order]") -> Order:
    found = rows.first()
    if found is None:
        raise NotFound("There is no such order.")
    return found
