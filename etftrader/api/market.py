"""Market data that needs the books: sectors of what is held, and fresh prices for a few symbols."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.api.data import MOST_SYMBOLS, DataUpdate
from etftrader.core.api.fields import StrictSerializer
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.selectors import sectors
from etftrader.selectors.sectors import Sector
from marketdata.api import asked

SYMBOLS = {"symbols": "Symbols separated by commas, at most 200; what you hold without it."}


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


@operation(post=Op("signed_in:trade", summary="Fetch prices of some symbols", limit="jobs"))
class Refresh(DataUpdate):
    """POST /market/refresh: /data/update for symbols alone, under the same rules."""

    @extend_schema(request=RefreshWish, responses={202: dict})
    def post(self, request: Any) -> Response:
        """202 with the job; in a replay only an empty body, which plays the next session."""
        return self.bring(request, self.checked(RefreshWish))


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
