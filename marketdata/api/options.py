"""Listed options: the chain of an underlying, contracts with their newest Greeks, new contracts."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api import batch, versions
from etftrader.core.api.fields import EstimateField, MoneyField, StrictSerializer
from etftrader.core.api.fields import moment as told
from etftrader.core.api.idempotent import once
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput
from etftrader.core.money import plain
from marketdata.api import asked
from marketdata.api.instruments import named
from marketdata.calculations import option_symbols
from marketdata.calculations.option_symbols import OptionSymbol, SymbolProblem
from marketdata.choices import OptionRight, VolSource
from marketdata.models import OptionContract, OptionGreeks
from marketdata.selectors import contracts, greeks, option_chain, sessions
from marketdata.selectors.option_chain import NO_GREEKS, Chain, Line, Side
from marketdata.selectors.sessions import Moment
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
RIGHTS = {OptionRight.CALL.value: option_symbols.CALL, OptionRight.PUT.value: option_symbols.PUT}


class NewOption(StrictSerializer):
    """A contract by its symbol, or by underlying, strike, expiry and type.

    Prices, volatilities and Greeks are read and answered with a warning: they are computed at
    every close and never taken from a request.
    """

    symbol = serializers.CharField(max_length=40, required=False)
    instrument = serializers.CharField(max_length=40, required=False)
    underlying = serializers.CharField(max_length=10, required=False)
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


class OptionFilters(filters.FilterSet):
    """Filters of the list."""

    underlying = filters.CharFilter(field_name="underlying__symbol", lookup_expr="iexact")
    expiry = filters.DateFilter()
    expiry__gte = filters.DateFilter(field_name="expiry", lookup_expr="gte")
    expiry__lte = filters.DateFilter(field_name="expiry", lookup_expr="lte")
    option_type = filters.ChoiceFilter(field_name="right", choices=OptionRight.choices)

    class Meta:
        model = OptionContract
        fields = ("style",)


class OptionDocument(serializers.Serializer):
    """A contract as the API shows it; `greeks` and `moment` come in the context."""

    def to_representation(self, row: OptionContract) -> dict[str, Any]:
        """Terms, and the newest figures."""
        return document(row, self.context["greeks"].get(row.pk))


@operation(
    get=Op("signed_in", summary="Option contracts", lists=True),
    post=Op("operator", summary="Create an option contract by its symbol"),
)
class Options(ApiView):
    """GET, POST /options."""

    serializer_class = OptionDocument
    queryset = OptionContract.objects.none()
    filterset_class = OptionFilters
    ordering_fields = ("expiry", "strike")
    ordering = ("underlying__symbol", "expiry", "strike", "right")

    def get(self, request: Any) -> Response:
        """By underlying, expiry and strike; each with its newest Greeks up to the clock."""
        known = OptionContract.objects.for_actor(self.actor)
        rows = self.filter_queryset(known.select_related("instrument", "underlying"))
        page = self.paginate_queryset(rows) or []
        figures = _newest(page)
        return self.get_paginated_response(
            OptionDocument(page, many=True, context={"greeks": figures}).data
        )

    @extend_schema(request=NewOption, responses={201: dict, 200: dict})
    def post(self, request: Any) -> Response:
        """201 with the contract; 200 when it was there already."""
        item = self.checked(NewOption)

        def effect() -> Response:
            made, new = create(item, self)
            return Response(made, 201 if new else 200)

        return once(request, effect)


@operation(post=Op("operator", summary="Create many option contracts", query=("partial",)))
class OptionBatch(ApiView):
    """POST /options/batch."""

    @extend_schema(request=NewOption(many=True), responses={201: dict, 207: dict})
    def post(self, request: Any) -> Response:
        """All or nothing; `partial=true` keeps the good items."""
        return once(
            request,
            lambda: batch.create(
                request, serializer=NewOption, make=lambda item: create(item, self)[0]
            ),
        )


@operation(get=Op("signed_in", summary="One option contract by symbol or id"))
class OneOption(ApiView):
    """GET /options/{symbol}: every form of the symbol is understood."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, symbol: str) -> Response:
        """The contract with its newest Greeks up to the clock."""
        row = contracts.find(symbol, self.actor)
        return versions.tagged(Response(document(row, _newest([row]).get(row.pk))), row)


@operation(get=Op("signed_in", summary="Option chain of an underlying", query=("expiry",)))
class OptionChain(ApiView):
    """GET /market/options/{symbol}: one expiry, the nearest without `expiry`."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, symbol: str) -> Response:
        """One row a strike with a call and a put side, and the living expiries."""
        underlying = named(symbol, self)
        moment = sessions.moment()
        expiry = asked.day(request, "expiry")
        chain = option_chain.table(underlying=underlying, moment=moment, expiry=expiry)
        if expiry is not None and expiry not in chain.expiries:
            near = ", ".join(str(day) for day in list(chain.expiries)[:12]) or "none"
            raise BadInput(
                f"No option on {underlying.symbol} expires on {expiry}. Known: {near}.",
                attr="expiry",
                code="unknown_expiry",
            )
        return Response(chain_document(chain, moment))


def create(item: dict[str, Any], view: ApiView) -> tuple[dict[str, Any], bool]:
    """Make the contract of a checked body; its document, and whether it is new."""
    symbol = _wanted(item)
    done = write.ensure(symbols=[symbol], by=view.actor)
    row = done.contracts[symbol.compact]
    body = document(row, _newest([row]).get(row.pk))
    body["warnings"] = [
        {"code": "adjusted_root", "detail": text} for text in done.warnings
    ] + _unused(item)
    return body, bool(done.created)


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


def _newest(rows: Any) -> dict[UUID, OptionGreeks]:
    return greeks.latest(contract_ids=[row.pk for row in rows], until=sessions.latest())


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


def chain_document(chain: Chain, moment: Moment) -> dict[str, Any]:
    """The table on the wire."""
    return {
        "underlying": chain.underlying.symbol,
        "as_of": told(moment.as_of),
        "session_date": moment.session_date,
        "currency": chain.underlying.currency,
        "expiry": chain.expiry,
        "expiries": [{"expiry": day, "contracts": count} for day, count in chain.expiries.items()],
        "reason": None if chain.expiries else "no_options",
        "count": len(chain.lines),
        "results": [_line(each, chain.expiry) for each in chain.lines],
    }


def _line(line: Line, expiry: date | None) -> dict[str, Any]:
    return {
        "root": line.root,
        "strike": plain(line.strike),
        "expiry": expiry,
        "call": _side(line.call),
        "put": _side(line.put),
    }


def _side(side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    quote, figures = side.quote, side.greeks
    reasons = {
        "quote": side.quote_reason,
        "implied_volatility": side.volatility_reason,
        "greeks": side.greeks_reason,
    }
    return {
        "symbol": side.contract.instrument.symbol,
        "bid": plain(quote.bid) if quote else None,
        "ask": plain(quote.ask) if quote else None,
        "mid": plain(_mid(quote.bid, quote.ask)) if quote else None,
        "last": plain(quote.last) if quote else None,
        "volume": quote.volume if quote else None,
        "open_interest": quote.open_interest if quote else None,
        "implied_volatility": quote.iv if quote else None,
        "vol_source": (quote.vol_source or None) if quote else None,
        **{name: getattr(figures, name) if figures else None for name in FIGURES},
        "model": (figures.model or None) if figures else None,
        "flags": list(figures.flags) if figures else [],
        "source": quote.source if quote else None,
        "session_date": quote.session_date if quote else None,
        "as_of": told(quote.as_of) if quote else None,
        "age_seconds": side.age_seconds,
        "quality": side.quality,
        "reasons": {name: why for name, why in reasons.items() if why},
    }


def _mid(bid: Decimal | None, ask: Decimal | None) -> Decimal | None:
    return (bid + ask) / 2 if bid and ask else None
