"""Bonds: the list, one by id, new ones, and changes of their terms."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api import batch, versions
from etftrader.core.api.fields import EstimateField, MoneyField, StrictSerializer, WholeField
from etftrader.core.api.fields import moment as told
from etftrader.core.api.idempotent import once
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput
from etftrader.core.money import plain
from marketdata.api.asked import Words
from marketdata.models import Bond
from marketdata.selectors import bonds, sessions
from marketdata.selectors.bonds import Valued
from marketdata.services import bonds as write

MONTHS = 12
MOST_YEARS = 100
LARGEST = Decimal(1_000_000_000)
COMPUTED = ("duration", "convexity")
TYPED = {"search": "Only bonds whose symbol begins with this text or whose name contains it."}


class BondTerms(StrictSerializer):
    """What may change of a bond. Rates are fractions a year: 4.5 % is 0.045.

    Duration and convexity are read and answered with a warning: they follow from the terms and
    the price, and are never taken from a request.
    """

    name = Words(max_length=120, required=False)
    face_value = MoneyField(positive=True, max_value=LARGEST, required=False)
    coupon_rate = EstimateField(required=False)
    frequency = WholeField(min_value=1, max_value=12, required=False)
    maturity = serializers.DateField(required=False)
    maturity_years = EstimateField(required=False, min_value=0.0, max_value=MOST_YEARS)
    issued = serializers.DateField(required=False, allow_null=True)
    ytm = EstimateField(required=False, allow_null=True)
    duration = EstimateField(required=False, allow_null=True)
    convexity = EstimateField(required=False, allow_null=True)


class NewBond(BondTerms):
    """A bond by its symbol, coupon and maturity; `instrument` becomes the symbol of its own."""

    instrument = Words(max_length=32)
    currency = Words(max_length=3, default="USD")
    coupon_rate = EstimateField()


class BondChange(batch.Keyed, BondTerms):
    """A change of one of many."""


class BondFilters(filters.FilterSet):
    """Filters of the list."""

    symbol = filters.CharFilter(field_name="instrument__symbol", lookup_expr="iexact")
    maturity__gte = filters.DateFilter(field_name="maturity", lookup_expr="gte")
    maturity__lte = filters.DateFilter(field_name="maturity", lookup_expr="lte")
    active = filters.BooleanFilter(field_name="instrument__active")
    updated_at__gt = filters.IsoDateTimeFilter(field_name="updated_at", lookup_expr="gt")

    class Meta:
        model = Bond
        fields = ("maturity", "frequency")


class BondDocument(serializers.Serializer):
    """A bond as the API shows it; the session comes in the context."""

    def to_representation(self, row: Bond) -> dict[str, Any]:
        """Terms, and figures as of the session."""
        return document(row, self.context["session_date"])


@operation(
    get=Op(
        "signed_in", summary="Bonds with yield, duration and convexity", lists=True, query=TYPED
    ),
    post=Op("operator:trade", summary="Create a bond"),
)
class Bonds(ApiView):
    """GET, POST /bonds."""

    serializer_class = BondDocument
    queryset = Bond.objects.none()
    filterset_class = BondFilters
    ordering_fields = ("maturity", "coupon_rate", "updated_at")
    ordering = ("maturity", "instrument__symbol")

    def get(self, request: Any) -> Response:
        """By maturity, with figures as of the market clock's session."""
        day = sessions.latest()
        words = request.query_params.get("search", "").strip()[:120]
        rows = bonds.with_prices(actor=self.actor, until=day, words=words)
        return self.listing(rows, BondDocument, session_date=day)

    @extend_schema(request=NewBond, responses={201: dict})
    def post(self, request: Any) -> Response:
        """201 with the bond."""
        item = self.checked(NewBond)
        return once(request, lambda: Response(create(item, self), 201))


@operation(
    post=Op("operator:trade", summary="Create many bonds", query=batch.PARTIAL),
    patch=Op("operator:trade", summary="Change the terms of many bonds", query=batch.PARTIAL),
    delete=Op("operator:trade", summary="Retire many bonds", query=batch.PARTIAL),
)
class BondBatch(ApiView):
    """POST, PATCH, DELETE /bonds/batch: all or nothing; `partial=true` keeps the good items."""

    @extend_schema(request=NewBond(many=True), responses={201: dict, 207: dict})
    def post(self, request: Any) -> Response:
        """The new bonds in order."""
        return once(
            request,
            lambda: batch.create(request, serializer=NewBond, make=lambda item: create(item, self)),
        )

    @extend_schema(request=BondChange(many=True), responses={200: dict, 207: dict})
    def patch(self, request: Any) -> Response:
        """The changed bonds in order."""

        def alter(key: str, version: int | None, item: dict[str, Any]) -> dict[str, Any]:
            row = bonds.find(bond_id=key, actor=self.actor, until=sessions.latest())
            return change(row, item, row.version if version is None else version, self)

        return batch.change(request, serializer=BondChange, alter=alter)

    @extend_schema(responses={200: dict, 207: dict})
    def delete(self, request: Any) -> Response:
        """The retired bonds in order; one that is held refuses."""

        def drop(key: str, version: int | None) -> dict[str, Any]:
            row = bonds.find(bond_id=key, actor=self.actor, until=sessions.latest())
            expected = row.version if version is None else version
            write.retire(bond_id=row.pk, version=expected, by=self.actor)
            return shown(row.pk, self)[1]

        return batch.remove(request, drop=drop)


@operation(
    get=Op("signed_in", summary="One bond"),
    put=Op("operator:trade", summary="Replace the terms of a bond"),
    patch=Op("operator:trade", summary="Change the terms of a bond"),
    delete=Op("operator:trade", summary="Retire a bond; its prices stay"),
)
class OneBond(ApiView):
    """GET, PUT, PATCH, DELETE /bonds/{bond_id}."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, bond_id: UUID) -> Response:
        """The bond with figures as of the market clock's session."""
        row, told = shown(bond_id, self)
        return versions.tagged(Response(told), row)

    @extend_schema(request=NewBond, responses={200: dict})
    def put(self, request: Any, bond_id: UUID) -> Response:
        """The bond afterwards; symbol, currency and face value stay, the rest is as sent."""
        row = self._asked(bond_id)
        item = self.checked(NewBond)
        for name in ("symbol", "currency"):
            sent = item.pop("instrument" if name == "symbol" else name)
            if sent.strip().upper() != getattr(row.instrument, name):
                raise BadInput(
                    f"The {name} of a bond stays. Make another bond.",
                    attr="instrument" if name == "symbol" else name,
                    code="immutable",
                )
        if "maturity" not in item and "maturity_years" not in item:
            raise BadInput("Send maturity, or maturity_years.", attr="maturity", code="required")
        empty = {"frequency": 2, "issued": None, "ytm": None}
        return self._changed(row, empty | item)

    @extend_schema(request=BondTerms, responses={200: dict})
    def patch(self, request: Any, bond_id: UUID) -> Response:
        """The changed bond; the face value stays."""
        return self._changed(self._asked(bond_id), self.checked(BondTerms))

    @extend_schema(responses={200: dict})
    def delete(self, request: Any, bond_id: UUID) -> Response:
        """The retired bond; 409 with the reasons while somebody holds it."""
        row = self._asked(bond_id)
        write.retire(bond_id=row.pk, version=row.version, by=self.actor)
        after, told = shown(row.pk, self)
        return versions.tagged(Response(told), after)

    def _asked(self, bond_id: UUID) -> Bond:
        row = bonds.find(bond_id=bond_id, actor=self.actor, until=sessions.latest())
        versions.check(self.request, row)
        return row

    def _changed(self, row: Bond, item: dict[str, Any]) -> Response:
        told = change(row, item, row.version, self)
        after = bonds.find(bond_id=row.pk, actor=self.actor, until=sessions.latest())
        return versions.tagged(Response(told), after)


def shown(bond_id: UUID, view: ApiView) -> tuple[Bond, dict[str, Any]]:
    """A bond and its document. Raises NotFound."""
    day = sessions.latest()
    row = bonds.find(bond_id=bond_id, actor=view.actor, until=day)
    return row, document(row, day)


def change(row: Bond, item: dict[str, Any], version: int, view: ApiView) -> dict[str, Any]:
    """Change the terms a body names; the document afterwards."""
    write.update(
        bond_id=row.pk,
        version=version,
        changes=_terms(item, row.issued),
        name=item.get("name"),
        by=view.actor,
    )
    return shown(row.pk, view)[1] | {"warnings": _unused(item)}


def create(item: dict[str, Any], view: ApiView) -> dict[str, Any]:
    """Make the bond of a checked body; its document."""
    terms = _terms(item, item.get("issued"))
    if "maturity" not in terms:
        raise BadInput("Send maturity, or maturity_years.", attr="maturity", code="required")
    made = write.create(
        symbol=item["instrument"],
        terms=write.Terms(**terms),
        name=item.get("name", ""),
        currency=item["currency"],
        by=view.actor,
    )
    day = sessions.latest()
    row = bonds.find(bond_id=made.pk, actor=view.actor, until=day)
    return document(row, day) | {"warnings": _unused(item)}


def _terms(item: dict[str, Any], issued: date | None) -> dict[str, Any]:
    """The terms a body names; years are counted from the issue, else from the clock's session."""
    names = ("coupon_rate", "face_value", "frequency", "maturity", "issued", "ytm")
    found = {name: item[name] for name in names if name in item}
    years = item.get("maturity_years")
    if years is None:
        return found
    if "maturity" in found:
        raise BadInput(
            "Send maturity or maturity_years, not both.", attr="maturity_years", code="twice"
        )
    start = item.get("issued") or issued or sessions.latest()
    found["maturity"] = _later(start, years)
    return found


def _later(start: date, years: float) -> date:
    months = round(years * MONTHS)
    if abs(years * MONTHS - months) > 1e-6:
        raise BadInput(
            "Years to maturity are counted in whole months; send maturity for another day.",
            attr="maturity_years",
        )
    year, month = divmod(start.year * MONTHS + start.month - 1 + months, MONTHS)
    for day in range(start.day, 27, -1):
        try:
            return date(year, month + 1, day)
        except ValueError:
            continue  # the month is shorter
    return date(year, month + 1, min(start.day, 28))


def _unused(item: dict[str, Any]) -> list[dict[str, str]]:
    given = [name for name in COMPUTED if item.get(name) is not None]
    if not given:
        return []
    detail = f"{', '.join(given)}: computed from terms and price, not taken from a request"
    return [{"code": "computed_here", "detail": detail}]


def document(row: Bond, session_date: date) -> dict[str, Any]:
    """A bond on the wire: prices per 100 of face, durations in years, rates a year."""
    found = bonds.valued(row, on=session_date)
    figures = _figures(found)
    why = found.reason or found.figures.reason or "unknown"
    return {
        "id": str(row.pk),
        "url": f"/api/v1/bonds/{row.pk}",
        "symbol": row.instrument.symbol,
        "instrument": str(row.instrument_id),
        "name": row.instrument.name,
        "currency": row.instrument.currency,
        "face_value": plain(row.face_value),
        "coupon_rate": row.coupon_rate,
        "frequency": row.frequency,
        "maturity": row.maturity,
        "maturity_years": found.years,
        "issued": row.issued,
        "active": row.instrument.active,
        "stated_ytm": row.ytm,
        **figures,
        "ytm_source": found.ytm_source,
        "price": plain(found.price),
        "price_date": found.price_date,
        "session_date": session_date,
        "reasons": {name: why for name, value in figures.items() if value is None}
        | ({} if found.price is not None else {"price": "no_price"}),
        "warnings": [],
        "version": row.version,
        "created_at": told(row.created_at),
        "updated_at": told(row.updated_at),
    }


def _figures(found: Valued) -> dict[str, float | None]:
    risk = found.figures
    return {
        "ytm": found.ytm,
        "duration": risk.modified_duration,
        "macaulay_duration": risk.macaulay_duration,
        "convexity": risk.convexity,
        "dv01": risk.dv01,
        "clean_price": risk.clean,
        "accrued_interest": risk.accrued,
    }
