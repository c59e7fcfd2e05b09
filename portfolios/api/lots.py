"""Lots over the API: what is left of each purchase, and what became of the rest."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api import parameters
from etftrader.core.api.registry import Op, operation
from etftrader.core.errors import BadInput, NotFound
from etftrader.core.money import plain, to_money
from marketdata.api import as_of
from marketdata.models import Instrument
from portfolios.api import reports
from portfolios.api.owned import OwnedView
from portfolios.calculations.lots import ClosedLot, Lot, Method
from portfolios.models import Portfolio, Position
from portfolios.selectors import access
from portfolios.selectors import lots as read

STATES = ("open", "closed")
METHOD = {
    "method": parameters.Parameter(
        "fifo: oldest first at their own cost; average: all at the average cost.",
        enum=[each.value for each in Method],
    ),
    "state": parameters.Parameter(
        "open: what is still held; closed: what was sold. Both without it.", enum=list(STATES)
    ),
}
OF_SYMBOL = as_of.AS_OF | METHOD | {"symbol": "Only the lots of this symbol."}


class LotRow(serializers.Serializer):
    """A lot of a list; it comes written already."""

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Pass it on."""
        return instance


class LotsView(OwnedView):
    """What the lots of a portfolio and of a position share."""

    serializer_class = LotRow
    queryset = Position.objects.none()

    def told(
        self, request: Any, portfolio: Portfolio, instrument_ids: list[UUID] | None = None
    ) -> Response | HttpResponse:
        """Open ones by symbol and day, then closed ones."""
        method = _one_of(request, "method", [each.value for each in Method]) or "fifo"
        state = _one_of(request, "state", STATES)
        asked = as_of.past(request)
        lines = reports.worth_of(request, portfolio).valuation.lines
        prices = {each.line.instrument_id: each.mark.price if each.mark else None for each in lines}
        found = read.of_portfolio(
            portfolio=portfolio,
            method=Method(method),
            until=asked,
            instrument_ids=instrument_ids,
        )
        symbol = request.query_params.get("symbol", "").upper()
        rows = [each for each in found if not symbol or each.instrument.symbol == symbol]
        written = [
            _open(portfolio, each.instrument, lot, method, prices)
            for each in rows
            for lot in each.lots.open
            if state != "closed"
        ]
        written += [
            _closed(portfolio, each.instrument, lot, method)
            for each in rows
            for lot in each.lots.closed
            if state != "open"
        ]
        return self.listing(written, LotRow)


def _one_of(request: Any, name: str, known: Any) -> str:
    text = request.query_params.get(name, "")
    if text and text not in known:
        raise BadInput(f"It is one of {', '.join(known)}.", attr=name)
    return text


def _head(
    portfolio: Portfolio, thing: Instrument, lot: Lot | ClosedLot, method: str
) -> dict[str, Any]:
    return {
        "portfolio": str(portfolio.pk),
        "symbol": thing.symbol,
        "method": method,
        "state": "open" if isinstance(lot, Lot) else "closed",
        "opened_on": lot.opened_on.isoformat(),
        "quantity": plain(lot.quantity),
        "price": plain(to_money(read.cost_per_unit(lot.cost, lot.quantity, thing.multiplier))),
        "cost_basis": plain(lot.cost),
    }


def _open(
    portfolio: Portfolio,
    thing: Instrument,
    lot: Lot,
    method: str,
    prices: Mapping[UUID, Decimal | None],
) -> dict[str, Any]:
    mark = prices.get(thing.pk)
    worth = None if mark is None else to_money(lot.quantity * mark * thing.multiplier)
    return _head(portfolio, thing, lot, method) | {
        "closed_on": None,
        "holding_days": None,
        "mark": None if mark is None else plain(mark),
        "exposure": None if worth is None else plain(worth),
        "unrealized_pnl": None if worth is None else plain(worth - lot.cost),
        "proceeds": None,
        "realized_pnl": None,
        "reasons": {} if worth is not None else {"exposure": "no_price"},
    }


def _closed(portfolio: Portfolio, thing: Instrument, lot: ClosedLot, method: str) -> dict[str, Any]:
    return _head(portfolio, thing, lot, method) | {
        "closed_on": lot.closed_on.isoformat(),
        "holding_days": lot.days,
        "mark": None,
        "exposure": None,
        "unrealized_pnl": None,
        "proceeds": plain(lot.proceeds),
        "realized_pnl": plain(lot.realized),
        "reasons": {},
    }


@operation(
    get=Op(
        "portfolio:view",
        "List a portfolio's lots",
        lists=True,
        query=OF_SYMBOL,
        refuses=(422,),
    )
)
class PortfolioLots(LotsView):
    """GET /api/v1/portfolios/{portfolio_id}/lots."""

    def get(self, request: Any, portfolio_id: UUID) -> Response | HttpResponse:
        """Now, or as they stood at a past close."""
        return self.told(request, access.portfolio_for(self.actor, portfolio_id))


@operation(
    get=Op(
        "signed_in",
        "List a position's lots",
        lists=True,
        query=as_of.AS_OF | METHOD,
        refuses=(422,),
    )
)
class PositionLots(LotsView):
    """GET /api/v1/positions/{position_id}/lots."""

    def get(self, request: Any, position_id: UUID) -> Response | HttpResponse:
        """The same for one position."""
        rows = Position.objects.for_actor(self.actor).select_related("portfolio")
        row = rows.filter(pk=position_id).first()
        if row is None:
            raise NotFound("There is no such position.")
        self.shown([row])
        self.noted = True
        return self.told(request, row.portfolio, [row.instrument_id])
