"""Transfers of cash and of holdings between two portfolios of one owner."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api.fields import MoneyField, StrictSerializer
from etftrader.core.api.fields import moment as told
from etftrader.core.api.idempotent import once
from etftrader.core.api.lists import CursorPages
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput, NotFound
from etftrader.core.money import plain
from marketdata.api import as_of
from marketdata.selectors import exchange_rates, instruments, prices, sessions
from marketdata.selectors.prices import Mark
from portfolios.api.cash import Correction
from portfolios.constants import Action
from portfolios.models import Portfolio, Transfer
from portfolios.selectors import access
from portfolios.selectors import cash as read
from portfolios.services import reversals, transfers

FORMS = {"cash": {"amount"}, "holding": {"symbol", "quantity"}}


class NewTransfer(StrictSerializer):
    """Cash with its amount, or a holding with symbol and units; both above zero."""

    to = serializers.UUIDField()
    type = serializers.ChoiceField(sorted(FORMS))
    amount = MoneyField(positive=True, required=False)
    symbol = serializers.CharField(max_length=32, required=False)
    quantity = MoneyField(positive=True, required=False)
    reason = serializers.CharField(max_length=300, default="", allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Each kind has its own fields."""
        given = {name for name in ("amount", "symbol", "quantity") if name in attrs}
        wanted = FORMS[attrs["type"]]
        for name in sorted(wanted ^ given):
            said = "is needed" if name in wanted else "does not belong"
            raise serializers.ValidationError({name: f"It {said} here."})
        return attrs


class TransferRow(serializers.Serializer):
    """A transfer of a list."""

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Write it."""
        return document(instance)


def document(row: Transfer) -> dict[str, Any]:
    """A transfer on the wire: quantity, amount and cost basis signed as held."""
    thing = row.instrument
    return {
        "id": str(row.pk),
        "from": str(row.origin_id),
        "to": str(row.target_id),
        "type": "holding" if thing else "cash",
        "symbol": thing.symbol if thing else None,
        "quantity": _shown(row.quantity),
        "price": _shown(row.price),
        "amount": plain(row.amount),
        "cost_basis": _shown(row.cost_basis),
        "currency": row.currency,
        "session_date": row.session_date.isoformat(),
        "ledger_seq": {"from": row.origin_seq, "to": row.target_seq},
        "reason": row.reason,
        "created_at": told(row.created_at),
    }


def _shown(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)


@operation(
    get=Op(
        "portfolio:view",
        "List transfers to and from a portfolio",
        lists=True,
        query=as_of.AS_OF,
    ),
    post=Op("portfolio:trade", "Transfer cash or a holding to another portfolio", money=True),
)
class Transfers(ApiView):
    """GET, POST /api/v1/portfolios/{portfolio_id}/transfers."""

    pagination_class = CursorPages
    cursor_ordering = ("-created_at", "-pk")
    serializer_class = TransferRow
    queryset = Transfer.objects.none()

    def get(self, request: Any, portfolio_id: UUID) -> Response | HttpResponse:
        """Newest first, both directions."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        until = as_of.past(request)
        return self.listing(read.transfers(portfolio=portfolio, until=until), TransferRow)

    @extend_schema(request=NewTransfer, responses={201: dict})
    def post(self, request: Any, portfolio_id: UUID) -> Response:
        """The transfer; a holding goes at its price of this moment."""
        origin = access.portfolio_for(self.actor, portfolio_id, Action.TRADE)
        asked = self.checked(NewTransfer)
        target = self._target(asked["to"])
        symbol = asked.get("symbol")
        thing = instruments.find(symbol, self.actor) if symbol else None
        moment = sessions.moment()
        act = transfers.Act(moment.current, self.actor, asked["reason"])
        marks: dict[UUID, Mark] = {}
        rates: dict[UUID, Decimal | None] = {}

        def gather() -> None:
            if thing is not None:
                marks.update(prices.live_marks(instruments=[thing], moment=moment))
                known = exchange_rates.of_moment(thing, origin.base_currency, moment)
                rates[thing.pk] = known

        def effect() -> Response:
            between: dict[str, Any] = {"origin_id": origin.pk, "target_id": target.pk, "act": act}
            if thing is None:
                made = transfers.of_cash(amount=asked["amount"], **between)
            else:
                price = marks[thing.pk].price
                made = transfers.of_holding(
                    instrument=thing,
                    quantity=asked["quantity"],
                    price=price,
                    rate=rates[thing.pk],
                    **between,
                )
            return Response(document(made), 201)

        return once(request, effect, before=gather)

    def _target(self, portfolio_id: UUID) -> Portfolio:
        try:
            return access.portfolio_for(self.actor, portfolio_id, Action.TRADE)
        except NotFound as error:
            raise BadInput(error.detail, attr="to", code="does_not_exist") from error


@operation(post=Op("portfolio:trade", "Take a transfer back on both sides", money=True))
class TransferReversal(ApiView):
    """POST /api/v1/portfolios/{portfolio_id}/transfers/{transfer_id}/reverse."""

    @extend_schema(request=Correction, responses={201: dict})
    def post(self, request: Any, portfolio_id: UUID, transfer_id: UUID) -> Response:
        """The transfer with the number of its reversal in this portfolio."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.TRADE)
        row = read.transfers(portfolio=portfolio).filter(pk=transfer_id).first()
        if row is None:
            raise NotFound("There is no such transfer.")
        other = row.target_id if row.origin_id == portfolio.pk else row.origin_id
        access.portfolio_for(self.actor, other, Action.TRADE)
        asked = self.checked(Correction)

        def effect() -> Response:
            made = reversals.reverse(
                portfolio_id=portfolio.pk,
                source=f"transfer:{row.pk}",
                reason=asked["reason"],
                by=self.actor,
            )
            return Response(document(row) | {"reversal_seq": made.seq}, 201)

        return once(request, effect)
