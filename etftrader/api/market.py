"""Market data that needs the books: sectors of what is held, fresh prices, a fresh chain."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.api.data import MOST_SYMBOLS, DataUpdate
from etftrader.core.api import parameters
from etftrader.core.api.fields import StrictSerializer
from etftrader.core.api.idempotent import once
from etftrader.core.api.jobs import accepted
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.selectors import sectors
from etftrader.selectors.sectors import Sector
from etftrader.services import updates
from etftrader.views.permissions import may_operate
from marketdata.api import asked
from marketdata.api.fundamentals import Nothing
from marketdata.api.instruments import BY_SYMBOL, named

SYMBOLS = {
    "symbols": parameters.several(
        "Symbols separated by commas, at most 200; what you hold without it.", asked.MAX_SYMBOLS
    )
}
OWN = "Operators fetch any symbol; others those they hold, once in five minutes. Else 403 or 409."


class RefreshWish(StrictSerializer):
    """Whose prices to fetch; without symbols everything that is missing."""

    symbols = serializers.ListField(
        child=serializers.CharField(max_length=24),
        required=False,
        allow_empty=False,
        max_length=MOST_SYMBOLS,
    )


@operation(
    get=Op("signed_in", summary="Sectors of named symbols, or of what you hold", query=SYMBOLS)
)
class Sectors(ApiView):
    """GET /market/sectors?symbols=AAPL,XLE."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """One entry a symbol; a sector that is not known is null with a reason."""
        named = request.query_params.get("symbols")
        wanted = asked.symbols(request) if named is not None else sectors.held(actor=self.actor)
        found = [document(each) for each in sectors.of_symbols(wanted=wanted, actor=self.actor)]
        return Response({"count": len(found), "results": found})


@operation(
    post=Op("signed_in:trade", summary="Fetch prices of some symbols", limit="jobs", operators=OWN)
)
class Refresh(DataUpdate):
    """POST /market/refresh: /data/update for symbols alone, under the same rules."""

    @extend_schema(request=RefreshWish, responses={202: dict})
    def post(self, request: Any) -> Response:
        """202 with the job; in a replay only an empty body, which plays the next session."""
        return self.bring(request, self.checked(RefreshWish))


@operation(
    post=Op("signed_in:trade", summary="Fetch the option chain of an underlying", limit="jobs")
)
class ChainRefresh(ApiView):
    """POST /market/options/{symbol}/refresh."""

    path_words = BY_SYMBOL

    @extend_schema(request=Nothing, responses={202: dict})
    def post(self, request: Any, symbol: str) -> Response:
        """202 with the job; its one item says what came of it.

        Operators have any chain fetched, owners those of what they hold or watch, five in five
        minutes. 409 `no_chain` where nothing can be asked.
        """
        underlying = named(symbol, self)
        self.checked(Nothing)
        everything = may_operate(self.actor) or self.actor.is_staff

        def effect() -> Response:
            run = updates.fetch_chain(underlying=underlying, everything=everything, by=self.actor)
            return accepted(run)

        return once(request, effect)


def document(each: Sector) -> dict[str, Any]:
    """A sector on the wire."""
    return {
        "symbol": each.symbol,
        "kind": each.kind or None,
        "sector": each.sector or None,
        "segment": each.segment or None,
        "source": each.source or None,
        "reason": each.reason or None,
    }
