"""Listed options: contracts with their newest Greeks, and what operators keep of them."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import Q
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api import batch, tags
from etftrader.core.api.fields import EstimateField, MoneyField, StrictSerializer
from etftrader.core.api.fields import moment as told
from etftrader.core.api.idempotent import once
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput
from etftrader.core.money import plain
from marketdata.api import as_of
from marketdata.api.asked import Words
from marketdata.calculations import option_symbols
from marketdata.calculations.option_symbols import OptionSymbol, SymbolProblem
from marketdata.choices import ExerciseStyle, OptionRight, Settlement, VolSource
from marketdata.models import OptionContract, OptionGreeks
from marketdata.selectors import contracts, greeks, sessions
from marketdata.selectors.option_chain import NO_GREEKS
from marketdata.services import contracts as write

FIGURES = ("delta", "gamma", "theta", "vega", "rho")
IMPLIED = (VolSource.QUOTE, VolSource.BUNDLED_SMILE)
PARTS = ("underlying", "strike", "expiry", "option_type")
COMPUTED = (
    "risk_free_rate",
    "volatility",
    "bs_price",
    *FIGURES,
    "implied_volatility",
)
TYPED = {"search": "Only contracts whose symbol or underlying begins with this text."}
RIGHTS = {OptionRight.CALL.value: option_symbols.CALL, OptionRight.PUT.value: option_symbols.PUT}


class NewOption(StrictSerializer):
    """A contract by its symbol, or by underlying, strike, expiry and type.

    Prices, volatilities and Greeks are read and answered with a warning: they are computed at
    every close and never taken from a request.
    """

    symbol = Words(max_length=40, required=False)
    instrument = Words(max_length=40, required=False)
    underlying = Words(max_length=10, required=False)
    strike = MoneyField(positive=True, required=False)
    expiry = serializers.DateField(required=False)
    option_type = serializers.ChoiceField(choices=OptionRight.choices, required=False)
    risk_free_rate = EstimateField(required=False, allow_null=True)
    volatility = EstimateField(required=False, allow_null=True)
    bs_price = MoneyField(required=False, allow_null=True)
    delta = EstimateField(required=False, allow_null=True)
    gamma = EstimateField(required=False, allow_null=True)
    theta = EstimateField(required=False, allow_null=True)
    vega = EstimateField(required=False, allow_null=True)
    rho = EstimateField(required=False, allow_null=True)
    implied_volatility = EstimateField(required=False, allow_null=True)


class OptionTerms(NewOption):
    """What may change: how it is exercised and settled. The rest is its symbol and must agree."""

    style = serializers.ChoiceField(  # type: ignore[assignment]  # a field of that name
        choices=ExerciseStyle.choices, required=False
    )
    settlement = serializers.ChoiceField(choices=Settlement.choices, required=False)
    am_settled = serializers.BooleanField(required=False)


class WholeOption(OptionTerms):
    """All that may change of a contract."""

    style = serializers.ChoiceField(choices=ExerciseStyle.choices)  # type: ignore[assignment]
    settlement = serializers.ChoiceField(choices=Settlement.choices)
    am_settled = serializers.BooleanField()


class OptionChange(batch.Keyed, OptionTerms):
    """A change of one of many; `id` is an id or a symbol."""


class OptionFilters(filters.FilterSet):
    """Filters of the list."""

    underlying = filters.CharFilter(field_name="underlying__symbol", lookup_expr="iexact")
    expiry = filters.DateFilter()
    expiry__gte = filters.DateFilter(field_name="expiry", lookup_expr="gte")
    expiry__lte = filters.DateFilter(field_name="expiry", lookup_expr="lte")
    option_type = filters.ChoiceFilter(field_name="right", choices=OptionRight.choices)
    active = filters.BooleanFilter(field_name="instrument__active")
    updated_at__gt = filters.IsoDateTimeFilter(field_name="updated_at", lookup_expr="gt")

    class Meta:
        model = OptionContract
        fields = ("style",)


class OptionDocument(serializers.Serializer):
    """A contract as the API shows it; `greeks` by contract come in the context."""

    def to_representation(self, row: OptionContract) -> dict[str, Any]:
        """Terms, and the newest figures."""
        return document(row, self.context["greeks"].get(row.pk))


@operation(
    get=Op("signed_in", summary="Option contracts", lists=True, query=TYPED | as_of.AS_OF),
    post=Op("operator:trade", summary="Create an option contract by its symbol"),
)
class Options(ApiView):
    """GET, POST /options."""

    serializer_class = OptionDocument
    queryset = OptionContract.objects.none()
    filterset_class = OptionFilters
    ordering_fields = ("expiry", "strike", "updated_at")
    ordering = ("root", "expiry", "strike", "right")

    def get(self, request: Any) -> Response:
        """By underlying, expiry and strike; each with its newest Greeks up to a close."""
        until = as_of.asked(request).until
        known = OptionContract.objects.for_actor(self.actor)
        words = request.query_params.get("search", "").strip()[:40]
        if words:
            known = known.filter(
                Q(instrument__symbol__istartswith=words) | Q(underlying__symbol__istartswith=words)
            )
        rows = known.prefetch_related("instrument", "underlying")
        return self.listed(rows, lambda part: _told(part, until))

    @extend_schema(request=NewOption, responses={201: dict, 200: dict})
    def post(self, request: Any) -> Response:
        """201 with the contract; 200 when it was there already."""
        item = self.checked(NewOption)

        def effect() -> Response:
            made, new = create(item, self)
            return Response(made, 201 if new else 200)

        return once(request, effect)


@operation(
    post=Op("operator:trade", summary="Create many option contracts", query=batch.PARTIAL),
    patch=Op("operator:trade", summary="Correct many option contracts", query=batch.PARTIAL),
    delete=Op("operator:trade", summary="Retire many option contracts", query=batch.PARTIAL),
)
class OptionBatch(ApiView):
    """POST, PATCH, DELETE /options/batch: all or nothing; `partial=true` keeps the good items."""

    @extend_schema(request=NewOption(many=True), responses={201: dict, 207: dict})
    def post(self, request: Any) -> Response:
        """The contracts in order."""
        return once(
            request,
            lambda: batch.create(
                request, serializer=NewOption, make=lambda item: create(item, self)[0]
            ),
        )

    @extend_schema(request=OptionChange(many=True), responses={200: dict, 207: dict})
    def patch(self, request: Any) -> Response:
        """The changed contracts in order."""

        def alter(key: str, version: int | None, item: dict[str, Any]) -> dict[str, Any]:
            row = contracts.find(key, self.actor)
            return change(row, item, row.version if version is None else version, self)[1]

        return batch.change(request, serializer=OptionChange, alter=alter)

    @extend_schema(responses={200: dict, 207: dict})
    def delete(self, request: Any) -> Response:
        """The retired contracts in order; one that is held refuses."""

        def drop(key: str, version: int | None) -> dict[str, Any]:
            row = contracts.find(key, self.actor)
            expected = row.version if version is None else version
            done = write.retire(contract_id=row.pk, version=expected, by=self.actor)
            return shown(done)

        return batch.remove(request, drop=drop)


@operation(
    get=Op("signed_in", summary="One option contract by symbol or id", query=as_of.AS_OF),
    put=Op("operator:trade", summary="Replace how an option contract is exercised and settled"),
    patch=Op("operator:trade", summary="Correct how an option contract is exercised and settled"),
    delete=Op("operator:trade", summary="Retire an option contract; its quotes stay"),
)
class OneOption(ApiView):
    """GET, PUT, PATCH, DELETE /options/{symbol}: every form of the symbol is understood."""

    path_words = {
        "symbol": "Symbol of the contract in any form, such as SPY160819C00212000; or its id."
    }

    @extend_schema(responses={200: dict})
    def get(self, request: Any, symbol: str) -> Response:
        """The contract with its newest Greeks up to the clock, or to the close of `as_of`."""
        until = as_of.asked(request).until
        row = contracts.find(symbol, self.actor)
        return tags.read(request, row, shown(row, until))

    @extend_schema(request=WholeOption, responses={200: dict})
    def put(self, request: Any, symbol: str) -> Response:
        """The contract afterwards; style, settlement and am_settled are required."""
        return self._changed(self._asked(symbol), self.checked(WholeOption))

    @extend_schema(request=OptionTerms, responses={200: dict})
    def patch(self, request: Any, symbol: str) -> Response:
        """The contract afterwards; strike, expiry, type and underlying are its symbol and stay."""
        return self._changed(self._asked(symbol), self.checked(OptionTerms))

    @extend_schema(responses={200: dict})
    def delete(self, request: Any, symbol: str) -> Response:
        """The retired contract; 409 with the reasons while somebody holds it."""
        row = self._asked(symbol)
        done = write.retire(contract_id=row.pk, version=row.version, by=self.actor)
        told = shown(done)
        return tags.tagged(Response(told), done, told)

    def _asked(self, symbol: str) -> OptionContract:
        row = contracts.find(symbol, self.actor)
        tags.check(self.request, row)
        return row

    def _changed(self, row: OptionContract, item: dict[str, Any]) -> Response:
        after, told = change(row, item, row.version, self)
        return tags.tagged(Response(told), after, told)


def create(item: dict[str, Any], view: ApiView) -> tuple[dict[str, Any], bool]:
    """Make the contract of a checked body; its document, and whether it is new."""
    symbol = _wanted(item)
    done = write.ensure(symbols=[symbol], by=view.actor)
    row = done.contracts[symbol.compact]
    body = shown(row)
    body["warnings"] = [
        {"code": "adjusted_root", "detail": text} for text in done.warnings
    ] + _unused(item)
    return body, bool(done.created)


def change(
    row: OptionContract, item: dict[str, Any], version: int, view: ApiView
) -> tuple[OptionContract, dict[str, Any]]:
    """Correct a contract by a checked body: the row and its document. Raises BadInput."""
    said = any(name in item for name in ("symbol", "instrument", *PARTS))
    known = contracts.read(row.instrument.symbol)
    names = [item[name] for name in ("symbol", "instrument") if name in item]
    if said and (
        any(contracts.read(each).compact != known.compact for each in names)
        or not _agrees(known, item)
    ):
        raise BadInput(
            "Underlying, strike, expiry and type are the contract. Make another contract.",
            attr=next(name for name in ("symbol", "instrument", *PARTS) if name in item),
            code="immutable",
        )
    done = write.update(contract_id=row.pk, version=version, changes=item, by=view.actor)
    return done, shown(done) | {"warnings": _unused(item)}


def _wanted(item: Mapping[str, Any]) -> OptionSymbol:
    """The symbol a body means; what it says twice must agree. Raises BadInput."""
    texts = [item[name] for name in ("symbol", "instrument") if name in item]
    symbols = [contracts.read(text) for text in texts]
    given = [name for name in PARTS if name in item]
    if given and len(given) < len(PARTS) and not symbols:
        missing = next(name for name in PARTS if name not in item)
        raise BadInput("This field is required.", attr=missing, code="required")
    if not symbols and not given:
        raise BadInput(
            "Send symbol, or underlying, strike, expiry and option_type.",
            attr="symbol",
            code="required",
        )
    if not symbols:
        return _built(item)
    if len({each.compact for each in symbols}) > 1 or not _agrees(symbols[0], item):
        raise BadInput(
            "The symbol and the other fields name different contracts.",
            attr="symbol",
            code="contradiction",
        )
    return symbols[0]


def _built(item: Mapping[str, Any]) -> OptionSymbol:
    try:
        return option_symbols.build(
            item["underlying"].strip(), item["expiry"], RIGHTS[item["option_type"]], item["strike"]
        )
    except SymbolProblem as problem:
        field = "underlying" if problem.field in ("root", "symbol") else problem.field
        raise BadInput(problem.detail, attr=field, code="bad_option_symbol") from problem


def _agrees(symbol: OptionSymbol, item: Mapping[str, Any]) -> bool:
    said = {
        "underlying": (symbol.root, symbol.underlying),
        "strike": (symbol.strike,),
        "expiry": (symbol.expiry,),
        "option_type": ("call" if symbol.right == option_symbols.CALL else "put",),
    }
    return all(
        (item[name].strip().upper() if name == "underlying" else item[name]) in said[name]
        for name in PARTS
        if name in item
    )


def _unused(item: Mapping[str, Any]) -> list[dict[str, str]]:
    given = [name for name in COMPUTED if item.get(name) is not None]
    if not given:
        return []
    return [
        {
            "code": "computed_here",
            "detail": f"{', '.join(given)}: computed at every close, not taken from a request",
        }
    ]


def _told(rows: Sequence[OptionContract], until: date) -> Any:
    return OptionDocument(rows, many=True, context={"greeks": _newest(rows, until)}).data


def _newest(rows: Any, until: date) -> dict[UUID, OptionGreeks]:
    return greeks.latest(contract_ids=[row.pk for row in rows], until=until)


def shown(row: OptionContract, until: date | None = None) -> dict[str, Any]:
    """The document of one contract, with its newest Greeks up to a close or the clock."""
    return document(row, _newest([row], until or sessions.latest()).get(row.pk))


def document(row: OptionContract, figures: OptionGreeks | None) -> dict[str, Any]:
    """A contract on the wire: theta a calendar day, vega and rho a point, rates a year."""
    values = figured(figures)
    return {
        "id": str(row.pk),
        "url": f"/api/v1/options/{row.instrument.symbol}",
        "symbol": row.instrument.symbol,
        "instrument": str(row.instrument_id),
        "underlying": row.underlying.symbol,
        "root": row.root,
        "strike": plain(row.strike),
        "expiry": row.expiry,
        "option_type": row.right,
        "style": row.style,
        "settlement": row.settlement,
        "am_settled": row.am_settled,
        "adjusted": row.adjusted,
        "multiplier": plain(row.instrument.multiplier),
        "currency": row.instrument.currency,
        "active": row.instrument.active,
        **values,
        "warnings": [],
        "version": row.version,
        "created_at": told(row.created_at),
        "updated_at": told(row.updated_at),
    }


def figured(row: OptionGreeks | None) -> dict[str, Any]:
    """Figures of one session, null with a reason where there is none."""
    why = (row.reason if row else NO_GREEKS) or None
    implied = row.iv if row and row.vol_source in IMPLIED else None
    found: dict[str, Any] = {
        "risk_free_rate": row.rate if row else None,
        "volatility": row.iv if row else None,
        "bs_price": row.price if row else None,
        **{name: getattr(row, name) if row else None for name in FIGURES},
        "implied_volatility": implied,
        "dividend_yield": row.dividend_yield if row else None,
        "underlying_price": row.underlying_price if row else None,
        "t_years": row.t_years if row else None,
    }
    reasons = {name: why or "unknown" for name, value in found.items() if value is None}
    if row and implied is None:
        reasons["implied_volatility"] = why or "no_two_sided_quote"
    return found | {
        "model": (row.model if row else "") or None,
        "vol_source": (row.vol_source if row else "") or None,
        "session_date": row.session_date if row else None,
        "status": why,
        "flags": list(row.flags) if row else [],
        "reasons": reasons,
    }
