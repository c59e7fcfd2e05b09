"""Baskets over the API: check, place, list, read, cancel; one verdict for all their orders."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from etftrader.core.actor import Actor
from etftrader.core.api import problems, versions
from etftrader.core.api.idempotent import once
from etftrader.core.api.lists import Pages
from etftrader.core.api.registry import CHECKED, UNCHANGED, Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import NotFound
from marketdata.selectors import sessions
from portfolios.api.owned import OwnedView
from portfolios.constants import Action
from portfolios.selectors import access
from trading import live
from trading.api.basket_documents import BasketBody, BasketSerializer
from trading.api.orders import key_of
from trading.choices import BasketState
from trading.models import Basket
from trading.selectors import baskets as read
from trading.selectors import orders as words
from trading.services import baskets
from trading.services.placing import PlacingBasket

FILTERS = {"kind": ["exact"], "session_date": ["exact", "gte", "lte"], "created_at": ["gte", "lt"]}


@operation(
    get=Op("portfolio:view", "List a portfolio's baskets and option spreads", lists=True),
    post=Op("portfolio:trade", "Place a basket or an option spread", limit="orders", money=True),
)
class PortfolioBaskets(ApiView):
    """Baskets of one portfolio, newest first; POST places one, all of it or nothing."""

    pagination_class = Pages
    filterset_fields = FILTERS
    ordering_fields = ("created_at", "session_date")
    serializer_class = BasketSerializer
    queryset = Basket.objects.none()

    def get(self, request: Request, portfolio_id: UUID) -> Any:
        """List."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        return self.listing(read.of_portfolio(portfolio.pk), BasketSerializer)

    @extend_schema(request=BasketBody, responses={201: BasketSerializer})
    def post(self, request: Request, portfolio_id: UUID) -> Response:
        """Place it; the answer is 201 filled or accepted, 422 with every leg rejected and kept."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.TRADE)
        body = BasketBody(data=request.data)
        body.is_valid(raise_exception=True)
        placing = PlacingBasket(
            portfolio_id=portfolio.pk,
            ticket=body.ticket(key_of(request)),
            by=Actor.of(request),
            market_clock=sessions.moment,
        )
        response = once(request, lambda: answer(request, placing.submit()), before=placing.gather)
        if response.status_code == 422:
            # what is kept is the body; its media type belongs to it
            response.content_type = problems.CONTENT_TYPE
        return response


@operation(post=Op("portfolio:trade", "Check a basket without placing it", limit="orders"))
class BasketCheck(ApiView):
    """The pre-trade document of a basket that is not placed; only the check itself is kept."""

    serializer_class = BasketBody

    def post(self, request: Request, portfolio_id: UUID) -> Response:
        """Judge and answer the document, approved or not: the whole, and leg by leg in order."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.TRADE)
        body = BasketBody(data=request.data)
        body.is_valid(raise_exception=True)

        def effect() -> Response:
            made = baskets.check(
                portfolio_id=portfolio.pk,
                ticket=body.ticket(),
                by=self.actor,
                moment=sessions.moment(),
            )
            return Response(made.document | {"id": str(made.pk)})

        return once(request, effect)


@operation(get=Op("signed_in", "Read a basket", versions=UNCHANGED))
class BasketDetail(OwnedView):
    """One basket with its orders."""

    serializer_class = BasketSerializer

    def get(self, request: Request, basket_id: UUID) -> Response:
        """Read it; its ETag grows with every change of an order of it."""
        basket = one(self.actor, basket_id)
        self.shown([basket])
        tag = versioned(basket)
        if versions.is_unchanged(request, tag):
            return versions.tagged(Response(status=304), tag)
        return versions.tagged(Response(BasketSerializer(basket).data), tag)


@operation(
    post=Op(
        "portfolio:trade", "Cancel what of a basket is not filled", money=True, versions=CHECKED
    )
)
class BasketCancel(ApiView):
    """Cancel every order of a basket that works; a finished one answers 409 with its state."""

    serializer_class = BasketSerializer

    @extend_schema(request=None, responses={200: BasketSerializer})
    def post(self, request: Request, basket_id: UUID) -> Response:
        """Cancel."""
        basket = one(self.actor, basket_id)
        access.portfolio_for(self.actor, basket.portfolio_id, Action.TRADE)
        with versions.telling(lambda: current(self.actor, basket_id)):

            def effect() -> Response:
                done = baskets.cancel(
                    basket_id=basket.pk,
                    if_match_version=versions.check(request, versioned(basket)),
                    by=self.actor,
                    moment=sessions.moment(),
                )
                return Response(BasketSerializer(done).data)

            return once(request, effect)


def answer(request: Request, basket: Basket) -> Response:
    """201 with the basket, or the problem that says which checks refused which leg."""
    told = BasketSerializer(basket).data
    if read.state(basket) != BasketState.REJECTED:
        return Response(told, 201)
    document = basket.check_made.document
    reasons = read.reasons(basket)
    problem = problems.document(
        request,
        status=422,
        code="pretrade_rejected",
        detail=f"The basket was rejected: {'; '.join(words.in_words(reasons))}.",
        reasons=reasons,
        verdict=document["verdict"],
        checks=document["checks"],
        before=document["before"],
        after=document["after"],
        legs=document["legs"],
        check_url=live.check_url(basket),
        basket_url=live.basket_url(basket.pk),
        basket=dict(told),
    )
    return Response(problem, 422, content_type=problems.CONTENT_TYPE)


def one(actor: Actor, basket_id: UUID) -> Basket:
    """A basket the actor sees. Raises NotFound."""
    found = read.visible(actor).filter(pk=basket_id).first()
    if found is None:
        raise NotFound("There is no such basket.")
    return found


def versioned(basket: Basket) -> Any:
    """What entity tags ask for."""
    return SimpleNamespace(version=read.version(basket))


def current(actor: Actor, basket_id: UUID) -> tuple[Any, Any]:
    """A basket and its document as they are now."""
    basket = one(actor, basket_id)
    return versioned(basket), BasketSerializer(basket).data
