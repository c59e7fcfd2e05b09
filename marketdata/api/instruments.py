"""Instruments: the list with search and filters, and one by its symbol."""

from typing import Any

from django.db.models import Q
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api.fields import EstimateField, MoneyField
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import NotFound
from marketdata.models import Instrument
from marketdata.selectors import instruments


class InstrumentSerializer(serializers.ModelSerializer):
    """What can be held or watched."""

    multiplier = MoneyField()
    assumed_half_spread_bp = EstimateField(allow_null=True)
    assumed_dividend_yield = EstimateField(allow_null=True)
    private = serializers.SerializerMethodField()

    class Meta:
        model = Instrument
        fields = (
            "id",
            "symbol",
            "name",
            "kind",
            "asset_class",
            "sector",
            "segment",
            "country",
            "factor_tilt",
            "currency",
            "exchange",
            "multiplier",
            "pricing",
            "price_basis",
            "liquidity_class",
            "assumed_volume",
            "assumed_half_spread_bp",
            "assumed_dividend_yield",
            "private",
            "active",
            "version",
        )

    def get_private(self, row: Instrument) -> bool:
        """Whether it is the caller's own, valued by hand."""
        return row.owner_id is not None


@operation(
    get=Op("signed_in", summary="Instruments you may see", lists=True, query=("search",))
)
class Instruments(ApiView):
    """GET /instruments: public ones and your own; `search` looks at symbols and names."""

    serializer_class = InstrumentSerializer
    queryset = Instrument.objects.none()
    filterset_fields = (
        "symbol",
        "kind",
        "asset_class",
        "sector",
        "segment",
        "country",
        "currency",
        "pricing",
        "active",
    )
    ordering_fields = ("symbol", "name", "kind", "sector")
    ordering = ("symbol",)

    def get(self, request: Any) -> Response:
        """By symbol."""
        rows = Instrument.objects.for_actor(self.actor)
        text = request.query_params.get("search", "").strip()[:120]
        if text:
            rows = rows.filter(Q(symbol__istartswith=text) | Q(name__icontains=text))
        return self.listing(rows, InstrumentSerializer)


@operation(get=Op("signed_in", summary="One instrument by symbol or alias"))
class OneInstrument(ApiView):
    """GET /instruments/{symbol}: other spellings such as BRK.B are understood."""

    serializer_class = InstrumentSerializer

    def get(self, request: Any, symbol: str) -> Response:
        """The instrument; 404 with suggestions when nothing has this symbol."""
        return Response(InstrumentSerializer(named(symbol, self)).data)


def named(symbol: str, view: ApiView) -> Instrument:
    """The instrument of an address. Raises NotFound with suggestions."""
    try:
        return instruments.find(symbol, view.actor)
    except instruments.UnknownSymbol as unknown:
        near = unknown.figures.get("suggestions", [])
        raise NotFound(unknown.detail, suggestions=near) from unknown
