"""Bonds: the list, one by id, new ones, and changes of their terms."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api import batch, tags
from etftrader.core.api.fields import EstimateField, MoneyField, StrictSerializer, WholeField
from etftrader.core.api.fields import moment as told
from etftrader.core.api.idempotent import once
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput
from etftrader.core.money import plain
from marketdata.api import as_of
from marketdata.api.asked import Words
from marketdata.choices import DayCount
from marketdata.models import Bond
from marketdata.selectors import bonds, sessions
from marketdata.selectors.bonds import Valued
from marketdata.services import bonds as write

MONTHS = 12
MOST_YEARS = 100
LARGEST = Decimal(1_000_000_000)
COMPUTED = ("duration", "convexity")
# of a bond that is put whole, where nothing else is sent
NEW_TERMS = {"frequency": 2, "basis": DayCount.ACT_ACT.value, "issued": None, "ytm": None}
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
    basis = serializers.ChoiceField(
        choices=DayCount.choices,
        required=False,
        help_text="How interest is counted between coupon days; act/act for a new bond.",
    )
    maturity = serializers.DateField(required=False)
    maturity_years = EstimateField(required=False, min_value=0.0, max_value=MOST_YEARS)
    issued = serializers.DateField(
        required=False,
        allow_null=True,
        help_text="The day interest runs from; the first coupon is short where it is no coupon "
        "day. Without it every coupon is a full one.",
    )
    ytm = EstimateField(required=False, allow_null=True)
    duration = EstimateField(required=False, allow_null=True)
    convexity = EstimateField(required=False, allow_null=True)


class NewBond(BondTerms):
    """A bond by its symbol, coupon and maturity; `instrument` becomes the symbol of its own."""

    instrument = Words(max_length=32)
    currency = Words(max_length=3, default="USD")
    coupon_rate = EstimateField()


class WholeBond(NewBond):
    """A bond with all its terms; the currency stays and need not be sent."""

    currency = Words(max_length=3, required=False)


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
        "signed_in",
        summary="Bonds with yield, duration and convexity",
        lists=True,
        query=TYPED | as_of.AS_OF,
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
        """By maturity, with figures as of the market clock's session, or the close of `as_of`."""
        day = as_of.asked(request).until
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
            return change(row, item, row.version if version is None else version, self)[1]

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
    get=Op("signed_in", summary="One bond", query=as_of.AS_OF),
    put=Op("operator:trade", summary="Replace the terms of a bond"),
    patch=Op("operator:trade", summary="Change the terms of a bond"),
    delete=Op("operator:trade", summary="Retire a bond; its prices stay"),
)
class OneBond(ApiView):
    """GET, PUT, PATCH, DELETE /bonds/{bond_id}."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, bond_id: UUID) -> Response:
        """The bond with figures as of the market clock's session, or of the close of `as_of`."""
        day = as_of.asked(request).until
        row = bonds.find(bond_id=bond_id, actor=self.actor, until=day)
        return tags.read(request, row, document(row, day))

    @extend_schema(request=WholeBond, responses={200: dict})
    def put(self, request: Any, bond_id: UUID) -> Response:
        """The bond afterwards; symbol, currency and face value stay, the rest is as a new one's."""
        row = self._asked(bond_id)
        item = self.checked(WholeBond)
        _require_kept(row, item)
        item = NEW_TERMS | item
        terms = _terms(item, None)
        if "maturity" not in terms:
            raise _no_maturity()
        item.setdefault("name", write.title(terms["coupon_rate"], terms["maturity"]))
        return self._changed(row, item)

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
        return tags.tagged(Response(told), after, told)

    def _asked(self, bond_id: UUID) -> Bond:
        row = bonds.find(bond_id=bond_id, actor=self.actor, until=sessions.latest())
        tags.check(self.request, row)
        return row

    def _changed(self, row: Bond, item: dict[str, Any]) -> Response:
        after, told = change(row, item, row.version, self)
        return tags.tagged(Response(told), after, told)


def shown(bond_id: UUID, view: ApiView) -> tuple[Bond, dict[str, Any]]:
    """A bond and its document. Raises NotFound."""
    day = sessions.latest()
    row = bonds.find(bond_id=bond_id, actor=view.actor, until=day)
    return row, document(row, day)


def change(
    row: Bond, item: dict[str, Any], version: int, view: ApiView
) -> tuple[Bond, dict[str, Any]]:
    """Change the terms a body names; the bond and its document afterwards."""
    write.update(
        bond_id=row.pk,
        version=version,
        changes=_terms(item, row.issued),
        name=item.get("name"),
        by=view.actor,
    )
    after, told = shown(row.pk, view)
    return after, _noted(told, item)


def create(item: dict[str, Any], view: ApiView) -> dict[str, Any]:
    """Make the bond of a checked body; its document."""
    terms = _terms(item, item.get("issued"))
    if "maturity" not in terms:
        raise _no_maturity()
    made = write.create(
        symbol=item["instrument"],
        terms=write.Terms(**terms),
        name=item.get("name", ""),
        currency=item["currency"],
        by=view.actor,
    )
    return _noted(shown(made.pk, view)[1], item)


def _require_kept(row: Bond, item: dict[str, Any]) -> None:
    """Take symbol and currency out of a body. Raises BadInput where one is not the bond's."""
    for name, sent in (("symbol", "instrument"), ("currency", "currency")):
        if item.pop(sent, getattr(row.instrument, name)).strip().upper() != getattr(
            row.instrument, name
        ):
            raise BadInput(
                f"The {name} of a bond stays. Make another bond.", attr=sent, code="immutable"
            )


def _no_maturity() -> BadInput:
    return BadInput("Send maturity, or maturity_years.", attr="maturity", code="required")


def _terms(item: dict[str, Any], issued: date | None) -> dict[str, Any]:
    """The terms a body names; years are counted from the issue, else from the clock's session."""
    names = ("coupon_rate", "face_value", "frequency", "basis", "maturity", "issued", "ytm")
    found = {name: item[name] for name in names if name in item}
    years = item.get("maturity_years")
    if years is None:
        return found
    if "maturity" in found:
        raise BadInput(
            "Send maturity or maturity_years, not both.", attr="maturity_years", code="twice"
        )
    start = item.get("issued", issued)
    write.check_issued(start)
    found["maturity"] = _later(start or sessions.latest(), years)
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


def _noted(document: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    """The document of a body, with a warning of what was sent and not taken."""
    given = [name for name in COMPUTED if item.get(name) is not None]
    if not given:
        return document
    detail = f"{', '.join(given)}: computed from terms and price, not taken from a request"
    unused = {"code": "computed_here", "detail": detail}
    return document | {"warnings": [*document["warnings"], unused]}


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
        "basis": row.basis,
        "maturity": row.maturity,
        "maturity_years": found.years,
        "issued": row.issued,
        "active": row.instrument.active,
        "stated_ytm": row.ytm,
        **figures,
        "ytm_source": found.ytm_source,
        "price": plain(found.price),
        "price_date": found.price_date,
        "price_age_sessions": found.price_age,
        "session_date": session_date,
        "reasons": {name: why for name, value in figures.items() if value is None}
        | ({} if found.price is not None else {"price": "no_price"}),
        "warnings": _aged(found, session_date),
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
        "dirty_price": risk.dirty,
    }


def _aged(found: Valued, session_date: date) -> list[dict[str, str]]:
    if not found.price_age:
        return []
    told = f"The price is of {found.price_date}, {found.price_age} sessions before {session_date}"
    if found.price_stale:
        return [{"code": bonds.PRICE_STALE, "detail": f"{told}: too old to compute with."}]
    return [{"code": "price_not_of_session", "detail": f"{told}."}]
