"""Instruments: the list with search and filters, one by symbol or id, and what operators keep."""

from decimal import Decimal
from typing import Any

from django.db.models import Q
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.actor import Actor
from etftrader.core.api import batch, versions
from etftrader.core.api.fields import (
    EstimateField,
    MomentField,
    MoneyField,
    StrictSerializer,
    WholeField,
)
from etftrader.core.api.idempotent import once
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput, NotAllowed, NotFound
from marketdata.api.asked import Words
from marketdata.choices import InstrumentKind
from marketdata.models import Instrument
from marketdata.selectors import instruments, keeping
from marketdata.services import instrument_edits as write

KEPT = "Operators keep what everybody sees, you your own private funds; others get 403."
BY_SYMBOL = {"symbol": "Symbol, other spelling or id of the instrument, such as SPY or BRK.B."}
MAX_VOLUME = 10**12
MADE = {
    "search": "Only rows whose symbol begins with this text or whose name contains it.",
}


class InstrumentSerializer(serializers.ModelSerializer):
    """What can be held or watched."""

    multiplier = MoneyField()
    assumed_half_spread_bp = EstimateField(allow_null=True)
    assumed_dividend_yield = EstimateField(allow_null=True)
    private = serializers.SerializerMethodField()
    url = serializers.SerializerMethodField()
    created_at = MomentField()
    updated_at = MomentField()

    class Meta:
        model = Instrument
        fields = (
            "id",
            "url",
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
            "created_at",
            "updated_at",
        )

    def get_private(self, row: Instrument) -> bool:
        """Whether it is the caller's own, valued by hand."""
        return row.owner_id is not None

    def get_url(self, row: Instrument) -> str:
        """Its address, by symbol."""
        return f"/api/v1/instruments/{row.symbol}"


class InstrumentTerms(StrictSerializer):
    """What may change of an instrument; symbol, kind, currency and multiplier stay as they are."""

    symbol = Words(max_length=32, required=False)
    kind = serializers.ChoiceField(InstrumentKind.choices, required=False)
    currency = Words(max_length=3, required=False)
    multiplier = MoneyField(positive=True, required=False)
    name = Words(max_length=120, required=False)
    asset_class = Words(max_length=24, required=False)
    sector = Words(max_length=60, required=False, allow_blank=True)
    segment = Words(max_length=60, required=False, allow_blank=True)
    country = Words(max_length=40, required=False, allow_blank=True)
    factor_tilt = Words(max_length=24, required=False, allow_blank=True)
    exchange = Words(max_length=8, required=False, allow_blank=True)
    liquidity_class = WholeField(min_value=1, max_value=9, required=False, allow_null=True)
    assumed_volume = WholeField(max_value=MAX_VOLUME, required=False, allow_null=True)
    assumed_half_spread_bp = EstimateField(
        min_value=0.0, max_value=10_000.0, required=False, allow_null=True
    )
    assumed_dividend_yield = EstimateField(
        min_value=0.0, max_value=1.0, required=False, allow_null=True
    )
    active = serializers.BooleanField(required=False)


class NewInstrument(InstrumentTerms):
    """An instrument by symbol and name; a `private_fund` is yours alone and valued by you."""

    symbol = Words(max_length=32)
    name = Words(max_length=120)
    kind = serializers.ChoiceField(InstrumentKind.choices, default=InstrumentKind.STOCK.value)
    asset_class = Words(max_length=24, default="equity")
    currency = Words(max_length=3, default="USD")
    multiplier = MoneyField(positive=True, default=Decimal(1))


class InstrumentChange(batch.Keyed, InstrumentTerms):
    """A change of one of many."""


class InstrumentFilters(filters.FilterSet):
    """Filters of the list."""

    symbol = filters.CharFilter(lookup_expr="iexact")
    symbol__in = filters.BaseInFilter(field_name="symbol", lookup_expr="in")
    name__icontains = filters.CharFilter(field_name="name", lookup_expr="icontains")
    updated_at__gt = filters.IsoDateTimeFilter(field_name="updated_at", lookup_expr="gt")

    class Meta:
        model = Instrument
        fields = (
            "kind",
            "asset_class",
            "sector",
            "segment",
            "country",
            "currency",
            "exchange",
            "pricing",
            "active",
        )


@operation(
    get=Op("signed_in", summary="Instruments you may see", lists=True, query=MADE),
    post=Op("signed_in:trade", summary="Create an instrument", operators=KEPT),
)
class Instruments(ApiView):
    """GET, POST /instruments: public ones and your own; `search` looks at symbols and names."""

    serializer_class = InstrumentSerializer
    queryset = Instrument.objects.none()
    filterset_class = InstrumentFilters
    ordering_fields = ("symbol", "name", "kind", "sector", "updated_at")
    ordering = ("symbol",)

    def get(self, request: Any) -> Response:
        """By symbol."""
        rows = Instrument.objects.for_actor(self.actor)
        text = request.query_params.get("search", "").strip()[:120]
        if text:
            rows = rows.filter(Q(symbol__istartswith=text) | Q(name__icontains=text))
        return self.listing(rows, InstrumentSerializer)

    @extend_schema(request=NewInstrument, responses={201: InstrumentSerializer})
    def post(self, request: Any) -> Response:
        """201 with the instrument; operators make public ones, anybody a private fund."""
        item = self.checked(NewInstrument)
        return once(request, lambda: Response(create(item, self.actor), 201))


@operation(
    post=Op(
        "signed_in:trade", summary="Create many instruments", query=batch.PARTIAL, operators=KEPT
    ),
    patch=Op(
        "signed_in:trade", summary="Change many instruments", query=batch.PARTIAL, operators=KEPT
    ),
    delete=Op(
        "signed_in:trade", summary="Retire many instruments", query=batch.PARTIAL, operators=KEPT
    ),
)
class InstrumentBatch(ApiView):
    """POST, PATCH, DELETE /instruments/batch: all or nothing, or each item by itself."""

    @extend_schema(request=NewInstrument(many=True), responses={201: dict, 207: dict})
    def post(self, request: Any) -> Response:
        """The new instruments in order."""

        def effect() -> Response:
            return batch.create(
                request, serializer=NewInstrument, make=lambda item: create(item, self.actor)
            )

        return once(request, effect)

    @extend_schema(request=InstrumentChange(many=True), responses={200: dict, 207: dict})
    def patch(self, request: Any) -> Response:
        """The changed instruments in order; `id` is an id or a symbol."""

        def alter(key: str, version: int | None, fields: dict[str, Any]) -> dict[str, Any]:
            row = keeper(key, self.actor)
            return change(row, fields, version, self.actor)

        return batch.change(request, serializer=InstrumentChange, alter=alter)

    @extend_schema(responses={200: dict, 207: dict})
    def delete(self, request: Any) -> Response:
        """The retired instruments in order; one that is held refuses."""

        def drop(key: str, version: int | None) -> dict[str, Any]:
            row = keeper(key, self.actor)
            done = write.retire(instrument_id=row.pk, version=version, by=self.actor)
            return document(done)

        return batch.remove(request, drop=drop)


@operation(
    get=Op("signed_in", summary="One instrument by symbol, alias or id"),
    put=Op("signed_in:trade", summary="Replace what may change of an instrument", operators=KEPT),
    patch=Op("signed_in:trade", summary="Change an instrument", operators=KEPT),
    delete=Op("signed_in:trade", summary="Retire an instrument; its history stays", operators=KEPT),
)
class OneInstrument(ApiView):
    """GET, PUT, PATCH, DELETE /instruments/{symbol}: other spellings are understood."""

    serializer_class = InstrumentSerializer
    path_words = BY_SYMBOL

    def get(self, request: Any, symbol: str) -> Response:
        """The instrument; 404 with suggestions when nothing has this symbol."""
        row = named(symbol, self)
        if versions.is_unchanged(request, row):
            return versions.tagged(Response(status=304), row)
        return versions.tagged(Response(document(row)), row)

    @extend_schema(request=NewInstrument, responses={200: InstrumentSerializer})
    def put(self, request: Any, symbol: str) -> Response:
        """The instrument afterwards; what is left out is emptied."""
        empty = dict.fromkeys(write.WORDS, "") | dict.fromkeys(write.ASSUMED)
        return self._changed(symbol, NewInstrument, empty | {"active": True})

    @extend_schema(request=InstrumentTerms, responses={200: InstrumentSerializer})
    def patch(self, request: Any, symbol: str) -> Response:
        """The instrument afterwards."""
        return self._changed(symbol, InstrumentTerms, {})

    @extend_schema(responses={200: InstrumentSerializer})
    def delete(self, request: Any, symbol: str) -> Response:
        """The retired instrument; 409 with the reasons while somebody holds it."""
        row = keeper(symbol, self.actor, missing=NotFound)
        version = versions.check(request, row)
        done = write.retire(instrument_id=row.pk, version=version, by=self.actor)
        return versions.tagged(Response(document(done)), done)

    def _changed(self, symbol: str, body: Any, before: dict[str, Any]) -> Response:
        row = keeper(symbol, self.actor, missing=NotFound)
        version = versions.check(self.request, row)
        fields = before | self.checked(body)
        done = write.update(instrument_id=row.pk, changes=fields, version=version, by=self.actor)
        return versions.tagged(Response(document(done)), done)


def create(item: dict[str, Any], actor: Actor) -> dict[str, Any]:
    """Make the instrument of a checked body; its document. Raises NotAllowed."""
    kind = InstrumentKind(item["kind"])
    if kind in write.WITH_TERMS:
        raise BadInput(
            f"Instruments of this kind come with their terms: POST /{write.WITH_TERMS[kind]}.",
            attr="kind",
        )
    if kind != InstrumentKind.PRIVATE and not keeping.is_operator(actor):
        raise NotAllowed("Operators add what everybody sees; a private_fund may be your own.")
    return document(write.create(fields=item, by=actor))


def change(
    row: Instrument, fields: dict[str, Any], version: int | None, actor: Actor
) -> dict[str, Any]:
    """Change an instrument; its document."""
    done = write.update(instrument_id=row.pk, changes=fields, version=version, by=actor)
    return document(done)


def keeper(key: str, actor: Actor, *, missing: Any = BadInput) -> Instrument:
    """The instrument of a symbol or an id, for somebody who keeps it.

    Raises `missing` with suggestions where the actor sees none, NotAllowed where somebody else
    keeps it.
    """
    try:
        row = keeping.named(key, actor)
    except instruments.UnknownSymbol as unknown:
        near = unknown.figures.get("suggestions", [])
        place = {} if missing is NotFound else {"attr": "id", "code": unknown.code}
        raise missing(unknown.detail, suggestions=near, **place) from unknown
    keeping.require(actor, row)
    return row


def named(symbol: str, view: ApiView) -> Instrument:
    """The instrument of an address. Raises NotFound with suggestions."""
    try:
        return keeping.named(symbol, view.actor)
    except instruments.UnknownSymbol as unknown:
        near = unknown.figures.get("suggestions", [])
        raise NotFound(unknown.detail, suggestions=near) from unknown


def document(row: Instrument) -> dict[str, Any]:
    """An instrument on the wire."""
    return dict(InstrumentSerializer(row).data)
