"""Greeks of one portfolio: by underlying, one underlying with its scenarios, computed again."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from etftrader.core.api import parameters
from etftrader.core.api.fields import StrictSerializer
from etftrader.core.api.idempotent import once
from etftrader.core.api.jobs import accepted
from etftrader.core.api.lists import bounded
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput, NotFound
from marketdata.api import as_of
from marketdata.selectors import sessions
from portfolios.api import greek_documents
from portfolios.constants import Action
from portfolios.models import Portfolio
from portfolios.selectors import access, greeks, option_scenarios
from portfolios.services import greeks as write

LONGEST = 24  # characters of a shift


class Nothing(StrictSerializer):
    """An empty body."""


def book_of(request: Any, portfolio: Portfolio) -> greeks.Book:
    """Greeks now, or at the session `as_of` asks for. Raises BadInput and NotEnoughData."""
    asked = as_of.asked(request)
    if asked.past is None:
        return greeks.now(portfolio=portfolio, moment=asked.now)
    found = greeks.at(portfolio=portfolio, session_date=asked.past)
    if found is None:
        raise as_of.before_book(asked.past)
    return found


def shift_asked(request: Any) -> float:
    """The volatility shift as a fraction; 0 when absent. Raises BadInput."""
    text = request.query_params.get("vol_shift")
    if text is None:
        return 0.0
    low, high = option_scenarios.LOWEST_SHIFT, option_scenarios.HIGHEST_SHIFT
    try:
        shift = float(text) if text.isascii() and len(text) <= LONGEST else None
    except ValueError:
        shift = None
    # a comparison with NaN is false
    if shift is None or not low <= shift <= high:
        raise BadInput(
            f"vol_shift is a fraction from {low} to {high}, such as 0.15.", attr="vol_shift"
        )
    return shift


@operation(
    get=Op(
        "portfolio:view",
        "Greeks by underlying, now or at a close",
        query=as_of.AS_OF,
        refuses=(422,),
    )
)
class Greeks(ApiView):
    """GET /portfolios/{portfolio_id}/greeks."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """Totals, underlyings with their legs, the expiry ladder, what is left out."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        return Response(greek_documents.book(book_of(request, portfolio)))


@operation(
    get=Op(
        "portfolio:view",
        "Legs of one underlying, its profit profile and its grid of spot and volatility",
        query={
            **as_of.AS_OF,
            "horizon_days": parameters.Parameter(
                "Calendar days to the later line of the profile, 0 to "
                f"{option_scenarios.LONGEST_DAYS}; {option_scenarios.HORIZON_DAYS} without it.",
                type="integer",
                minimum=0,
                maximum=option_scenarios.LONGEST_DAYS,
                default=option_scenarios.HORIZON_DAYS,
            ),
            "vol_shift": parameters.Parameter(
                "Fraction by which every volatility of the profile is moved, "
                f"{option_scenarios.LOWEST_SHIFT} to {option_scenarios.HIGHEST_SHIFT}; "
                "0 without it.",
                type="number",
                minimum=option_scenarios.LOWEST_SHIFT,
                maximum=option_scenarios.HIGHEST_SHIFT,
                default=0,
            ),
        },
        refuses=(422,),
    )
)
class UnderlyingGreeks(ApiView):
    """GET /portfolios/{portfolio_id}/greeks/{underlying}."""

    path_words = {"underlying": "Symbol of the underlying, such as SPY."}

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID, underlying: str) -> Response:
        """Full revaluation, with the second-order expansion beside it."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        days = bounded(
            request,
            "horizon_days",
            option_scenarios.HORIZON_DAYS,
            low=0,
            high=option_scenarios.LONGEST_DAYS,
        )
        shift = shift_asked(request)
        found = book_of(request, portfolio)
        group = found.group(underlying)
        if group is None:
            raise NotFound("Nothing is held on this underlying.")
        shown = option_scenarios.scenario(group=group, horizon_days=days, volatility_shift=shift)
        return Response(greek_documents.underlying(found, group, shown))


@operation(post=Op("portfolio:calculate", "Compute the Greeks of the last close", limit="jobs"))
class CalculateGreeks(ApiView):
    """POST /portfolios/{portfolio_id}/greeks/calculate."""

    @extend_schema(request=Nothing, responses={202: dict})
    def post(self, request: Any, portfolio_id: UUID) -> Response:
        """202 with the job; 409 `asked_recently` within five minutes for owners."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.CALCULATE)
        self.checked(Nothing)

        def effect() -> Response:
            run = write.ask(portfolio=portfolio, session_date=sessions.latest(), by=self.actor)
            return accepted(run)

        return once(request, effect)
