"""Valuations: what somebody estimates an instrument to be worth. Never a price of the market."""

from typing import Any
from uuid import UUID

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.actor import Actor
from etftrader.core.api import batch, versions
from etftrader.core.api.fields import EstimateField, MoneyField, StrictSerializer
from etftrader.core.api.fields import moment as told
from etftrader.core.api.idempotent import once
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput
from etftrader.core.money import plain
from marketdata.api import as_of
from marketdata.api.asked import Words
from marketdata.models import Valuation
from marketdata.selectors import keeping, sessions, valuations
from marketdata.services import valuations as write

KEPT = "Operators value public instruments, you your private funds; others get 403."
TYPED = {"search": "Only rows whose symbol begins with this text or whose method contains it."}


class ValuationTerms(StrictSerializer):
    """Figures of a valuation: dollars as text, rates as fractions a year, multiples by name."""

    as_of_date = serializers.DateField(required=False)
    method = Words(max_length=40, required=False)
    ev = MoneyField(required=False, allow_null=True)
    equity_value = MoneyField(required=False, allow_null=True)
    target_price = MoneyField(required=False, allow_null=True)
    multiples = serializers.JSONField(required=False, allow_null=True)
    discount_rate = EstimateField(required=False, allow_null=True)
    growth_rate = EstimateField(required=False, allow_null=True)


class NewValuation(ValuationTerms):
    """A valuation of an instrument (symbol or id) on a day by a method, such as dcf."""

    instrument = Words(max_length=40)
    as_of_date = serializers.DateField()
    method = Words(max_length=40)


class ValuationChange(batch.Keyed, ValuationTerms):
    """A change of one of many."""


class ValuationFilters(filters.FilterSet):
    """Filters of the list."""

    symbol = filters.CharFilter(field_name="instrument__symbol", lookup_expr="iexact")
    instrument = filters.UUIDFilter(
        field_name="instrument_id", help_text="Only valuations of the instrument with this id."
    )
    as_of_date__gte = filters.DateFilter(field_name="as_of_date", lookup_expr="gte")
    as_of_date__lte = filters.DateFilter(field_name="as_of_date", lookup_expr="lte")
    updated_at__gt = filters.IsoDateTimeFilter(field_name="updated_at", lookup_expr="gt")

    class Meta:
        model = Valuation
        fields = ("method", "as_of_date")


class ValuationDocument(serializers.Serializer):
    """A valuation as the API shows it."""

    def to_representation(self, row: Valuation) -> dict[str, Any]:
        """Money as text, rates as numbers."""
        return document(row)


@operation(
    get=Op(
        "signed_in",
        summary="Valuations of instruments you see",
        lists=True,
        query=TYPED | as_of.AS_OF,
    ),
    post=Op("signed_in:trade", summary="Keep a valuation", operators=KEPT),
)
class Valuations(ApiView):
    """GET, POST /valuations: newest first, none after the market clock."""

    serializer_class = ValuationDocument
    queryset = Valuation.objects.none()
    filterset_class = ValuationFilters
    ordering_fields = ("as_of_date", "method", "target_price", "updated_at")

    def get(self, request: Any) -> Response:
        """A page."""
        rows = valuations.visible(actor=self.actor, until=as_of.asked(request).until)
        text = request.query_params.get("search", "").strip()[:60]
        if text:
            rows = rows.filter(instrument__symbol__istartswith=text) | rows.filter(
                method__icontains=text
            )
        return self.listing(rows, ValuationDocument)

    @extend_schema(request=NewValuation, responses={201: dict})
    def post(self, request: Any) -> Response:
        """201 with the valuation; 409 where that day and method have one."""
        item = self.checked(NewValuation)
        return once(request, lambda: Response(create(item, self.actor), 201))


@operation(
    post=Op("signed_in:trade", summary="Keep many valuations", query=batch.PARTIAL, operators=KEPT),
    patch=Op(
        "signed_in:trade", summary="Change many valuations", query=batch.PARTIAL, operators=KEPT
    ),
    delete=Op(
        "signed_in:trade", summary="Take many valuations back", query=batch.PARTIAL, operators=KEPT
    ),
)
class ValuationBatch(ApiView):
    """POST, PATCH, DELETE /valuations/batch: all or nothing, or each item by itself."""

    @extend_schema(request=NewValuation(many=True), responses={201: dict, 207: dict})
    def post(self, request: Any) -> Response:
        """The new valuations in order."""

        def effect() -> Response:
            return batch.create(
                request, serializer=NewValuation, make=lambda item: create(item, self.actor)
            )

        return once(request, effect)

    @extend_schema(request=ValuationChange(many=True), responses={200: dict, 207: dict})
    def patch(self, request: Any) -> Response:
        """The changed valuations in order."""

        def alter(key: str, version: int | None, fields: dict[str, Any]) -> dict[str, Any]:
            row = kept(key, self.actor)
            done = write.update(valuation_id=row.pk, changes=fields, version=version, by=self.actor)
            return document(done)

        return batch.change(request, serializer=ValuationChange, alter=alter)

    @extend_schema(responses={200: dict, 207: dict})
    def delete(self, request: Any) -> Response:
        """The valuations as they were, in order."""

        def drop(key: str, version: int | None) -> dict[str, Any]:
            row = kept(key, self.actor)
            return document(write.delete(valuation_id=row.pk, version=version, by=self.actor))

        return batch.remove(request, drop=drop)


@operation(
    get=Op("signed_in", summary="One valuation", query=as_of.AS_OF),
    put=Op("signed_in:trade", summary="Replace the figures of a valuation", operators=KEPT),
    patch=Op("signed_in:trade", summary="Change figures of a valuation", operators=KEPT),
    delete=Op("signed_in:trade", summary="Take a valuation back", operators=KEPT),
)
class OneValuation(ApiView):
    """GET, PUT, PATCH, DELETE /valuations/{valuation_id}."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, valuation_id: UUID) -> Response:
        """The valuation with its entity tag."""
        until = as_of.asked(request).until
        row = valuations.find(valuation_id=valuation_id, actor=self.actor, until=until)
        if versions.is_unchanged(request, row):
            return versions.tagged(Response(status=304), row)
        return versions.tagged(Response(document(row)), row)

    @extend_schema(request=NewValuation, responses={200: dict})
    def put(self, request: Any, valuation_id: UUID) -> Response:
        """The valuation afterwards; figures that are left out are emptied."""
        row = kept(valuation_id, self.actor)
        version = versions.check(request, row)
        item = self.checked(NewValuation)
        if keeping.to_keep(item.pop("instrument"), self.actor).pk != row.instrument_id:
            raise BadInput(
                "The instrument of a valuation stays. Make another valuation.",
                attr="instrument",
                code="immutable",
            )
        return self._changed(row, dict.fromkeys(write.FIGURES) | item, version)

    @extend_schema(request=ValuationTerms, responses={200: dict})
    def patch(self, request: Any, valuation_id: UUID) -> Response:
        """The valuation afterwards."""
        row = kept(valuation_id, self.actor)
        version = versions.check(request, row)
        return self._changed(row, self.checked(ValuationTerms), version)

    @extend_schema(responses={204: None})
    def delete(self, request: Any, valuation_id: UUID) -> Response:
        """204; the audit trail keeps what it said."""
        row = kept(valuation_id, self.actor)
        version = versions.check(request, row)
        write.delete(valuation_id=row.pk, version=version, by=self.actor)
        return Response(status=204)

    def _changed(self, row: Valuation, changes: dict[str, Any], version: int | None) -> Response:
        done = write.update(valuation_id=row.pk, changes=changes, version=version, by=self.actor)
        return versions.tagged(Response(document(done)), done)


def create(item: dict[str, Any], actor: Actor) -> dict[str, Any]:
    """Keep the valuation of a checked body; its document."""
    instrument = keeping.to_keep(item["instrument"], actor)
    made = write.create(instrument=instrument, fields=item, until=sessions.latest(), by=actor)
    return document(made)


def kept(key: UUID | str, actor: Actor) -> Valuation:
    """A valuation the actor keeps. Raises NotFound, NotAllowed."""
    row = valuations.find(valuation_id=key, actor=actor, until=sessions.latest())
    keeping.require(actor, row.instrument)
    return row


def document(row: Valuation) -> dict[str, Any]:
    """A valuation on the wire."""
    return {
        "id": str(row.pk),
        "url": f"/api/v1/valuations/{row.pk}",
        "instrument": str(row.instrument_id),
        "symbol": row.instrument.symbol,
        "currency": row.instrument.currency,
        "as_of_date": row.as_of_date,
        "method": row.method,
        **{name: plain(getattr(row, name)) for name in write.MONEY_FIGURES},
        "multiples": row.multiples,
        **{name: getattr(row, name) for name in write.RATES},
        "version": row.version,
        "created_at": told(row.created_at),
        "updated_at": told(row.updated_at),
    }
