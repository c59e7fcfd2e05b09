"""Orders over the API: place, check, list, read, cancel; a refused order is kept, with 422."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django_filters import rest_framework as filters
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
from marketdata.api import as_of
from marketdata.selectors import sessions
from portfolios.api.owned import OF_PORTFOLIO, OwnedView
from portfolios.constants import Action
from portfolios.models import Portfolio
from portfolios.selectors import access
from trading import live
from trading.api.serializers import OrderBody, OrderSerializer, ReplaceBody, TicketBody
from trading.choices import OrderState
from trading.models import Order
from trading.selectors import orders as read
from trading.selectors import past_orders
from trading.services import amending, orders
from trading.services.amending import Changes
from trading.services.placing import Placing
from trading.services.tickets import Ticket

MISSING = "There is no such order."
PLACE = Op("portfolio:trade", "Place an order", limit="orders", money=True)
IN_BOOK = {
    "portfolio_id": parameters.Parameter(
        "Id of the portfolio to look in; all you may see without it.", format="uuid"
    )
}
FILTERS = {
    "side": ["exact"],
    "order_type": ["exact", "in"],
    "time_in_force": ["exact"],
    "instrument__symbol": ["exact"],
    "session_date": ["exact", "gte", "lte"],
    "created_at": ["gte", "lt"],
}


class States(filters.BaseInFilter, filters.ChoiceFilter):
    """Several states, separated by commas."""


class OrderFilters(filters.FilterSet):
    """Filters of the orders; at a past close by the state each had then."""

    state = filters.ChoiceFilter(choices=OrderState.choices, method="of_then")
    state__in = States(
        field_name="state", lookup_expr="in", choices=OrderState.choices, method="of_then"
    )

    class Meta:
        model = Order
        fields = FILTERS

    def of_then(self, rows: Any, name: str, value: Any) -> Any:
        """Those in the state of then."""
        column = "then" if "then" in rows.query.annotations else "state"
        return rows.filter(**{f"{column}__in": value if isinstance(value, list) else [value]})


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
    if order.state != OrderState.REJECTED:
        return Response(OrderSerializer(order).data, 201)
    return refused(request, order, order.reasons, "The order was rejected")


def refused(request: Request, order: Order, reasons: list[str], what: str) -> Response:
    """The problem with the figures of the check that refused an order, or a change of it."""
    told = OrderSerializer(order).data
    document = order.check_made.document if order.check_made else {}
    words = "; ".join(read.in_words(reasons))
    problem = problems.document(
        request,
        status=422,
        code="pretrade_rejected",
        detail=f"{what}: {words}.",
        reasons=list(reasons),
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


@operation(
    get=Op("portfolio:view", "List a portfolio's orders", lists=True, query=as_of.AS_OF), post=PLACE
)
class PortfolioOrders(ApiView):
    """Orders of one portfolio, newest first; POST places one."""

    pagination_class = Pages
    filterset_class = OrderFilters
    ordering_fields = ("created_at", "session_date")
    serializer_class = OrderSerializer
    queryset = Order.objects.none()

    def get(self, request: Request, portfolio_id: UUID) -> HttpResponse:
        """List."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        return told(self, read.of_portfolio(portfolio.pk))

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
        query=OF_PORTFOLIO | as_of.AS_OF,
    ),
    post=Op("signed_in:trade", "Place an order", limit="orders", money=True),
)
class Orders(OwnedView):
    """Orders of all portfolios; POST names its portfolio or an account with one."""

    pagination_class = Pages
    filterset_class = OrderFilters
    ordering_fields = ("created_at", "session_date")
    serializer_class = OrderSerializer
    queryset = Order.objects.none()

    def get(self, request: Request) -> HttpResponse:
        """List."""
        return told(self, self.of_portfolio(read.visible(self.actor)))

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


@operation(
    get=Op("signed_in", "Read an order", query=as_of.AS_OF, versions=UNCHANGED),
    patch=Op(
        "portfolio:trade",
        "Replace the terms of a waiting order",
        limit="orders",
        versions=CHECKED,
        refuses=(422,),
    ),
)
class OrderDetail(OwnedView):
    """One order; PATCH changes what of it still waits, under a new verdict."""

    serializer_class = OrderSerializer

    def get(self, request: Request, order_id: UUID) -> Response:
        """Read it, with its version as ETag."""
        order = one(read.visible(self.actor).filter(pk=order_id))
        self.shown([order])
        return detail(request, order)

    @extend_schema(request=ReplaceBody, responses={200: OrderSerializer})
    def patch(self, request: Request, order_id: UUID) -> Response:
        """The changed order; 422 when the new verdict refuses, and it stays as it was."""
        order = one(read.visible(self.actor).filter(pk=order_id))
        access.portfolio_for(self.actor, order.portfolio_id, Action.TRADE)
        body = ReplaceBody(data=request.data)
        body.is_valid(raise_exception=True)
        with versions.telling(lambda: current(self.actor, order_id)):
            made = amending.replace_order(
                order_id=order.pk,
                changes=Changes(**body.validated_data),
                if_match_version=versions.check(request, order),
                by=self.actor,
                moment=sessions.moment(),
            )
        if not made.approved:
            made.order.check_made = made.check
            return refused(request, made.order, made.check.reasons, "The change was rejected")
        return versions.tagged(Response(OrderSerializer(made.order).data), made.order)


@operation(
    get=Op(
        "signed_in",
        "Find an order by its client order id",
        query=IN_BOOK | as_of.AS_OF,
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
        order = one(rows if portfolio is None else rows.filter(portfolio=portfolio))
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
        order = one(read.visible(self.actor).filter(pk=order_id))
        access.portfolio_for(self.actor, order.portfolio_id, Action.TRADE)
        with versions.telling(lambda: current(self.actor, order_id)):

            def effect() -> Response:
                done = orders.cancel(
                    order_id=order.pk,
                    if_match_version=versions.check(request, order),
                    by=self.actor,
                    moment=sessions.moment(),
                )
                return Response(OrderSerializer(done).data)

            return once(request, effect)


def current(actor: Actor, order_id: UUID) -> tuple[Order, Any]:
    """An order and its document as they are now."""
    order = one(read.visible(actor).filter(pk=order_id))
    return order, OrderSerializer(order).data


def told(view: ApiView, rows: "QuerySet[Order]") -> HttpResponse:
    """A page of orders, at a past close of those placed by then, as each stood."""
    close = as_of.asked(view.request).close
    if close is None:
        return view.listing(rows, OrderSerializer)

    def tell(part: Any) -> Any:
        view.shown(part)
        then = past_orders.restored(part, at=close)
        return OrderSerializer(then, many=True, context={"at": close}).data

    return view.listed(past_orders.known(rows, at=close), tell)


def detail(request: Request, order: Order) -> Response:
    """The order with its entity tag, or 304; at a past close as it stood, without a tag."""
    close = as_of.asked(request).close
    if close is not None:
        then = past_orders.at(order, close=close)
        if then is None:
            raise NotFound(MISSING)
        return Response(OrderSerializer(then, context={"at": close}).data)
    if versions.is_unchanged(request, order):
        return versions.tagged(Response(status=304), order)
    return versions.tagged(Response(OrderSerializer(order).data), order)


def one(rows: "QuerySet[Order]") -> Order:
    """The only order of a query. Raises NotFound."""
    found = rows.first()
    if found is None:
        raise NotFound(MISSING)
    return found
