"""Orders and trades on the wire, and the bodies that ask for them."""

from typing import Any

from rest_framework import serializers

from etftrader.core.api.fields import MomentField, MoneyField, StrictSerializer
from trading import live
from trading.choices import OrderState, OrderType, PriceSource, Side, TimeInForce
from trading.constants import CLIENT_ORDER_ID_LENGTH, NOTE_LENGTH
from trading.models import Order, Trade
from trading.selectors import trades
from trading.services.tickets import Ticket


class TicketBody(StrictSerializer):
    """A market order."""

    symbol = serializers.CharField(max_length=32)
    side = serializers.ChoiceField(choices=Side.choices)
    quantity = MoneyField(positive=True)
    order_type = serializers.ChoiceField(choices=OrderType.choices, default=OrderType.MARKET)
    client_order_id = serializers.CharField(max_length=CLIENT_ORDER_ID_LENGTH, required=False)
    note = serializers.CharField(max_length=NOTE_LENGTH, required=False, allow_blank=True)
    confirm_duplicate = serializers.BooleanField(required=False)

    def ticket(self, key: str | None = None) -> Ticket:
        """The ticket; without a client order id the idempotency key names the order."""
        said: dict[str, Any] = self.validated_data
        return Ticket(
            symbol=said["symbol"],
            side=said["side"],
            quantity=said["quantity"],
            client_order_id=said.get("client_order_id") or key or "",
            order_type=said["order_type"],
            note=said.get("note", ""),
        )


class OrderBody(TicketBody):
    """A market order that names its portfolio, or the account whose one portfolio it is for."""

    portfolio_id = serializers.UUIDField(required=False)
    account = serializers.UUIDField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One of the two, not both."""
        if ("portfolio_id" in attrs) == ("account" in attrs):
            raise serializers.ValidationError(
                {"portfolio_id": ["Give either portfolio_id or account."]}
            )
        return attrs


class TradeBody(TicketBody):
    """A trade by symbol: order, check and fill in one."""

    portfolio_id = serializers.UUIDField()


class OrderSerializer(serializers.ModelSerializer):
    """One order, whatever became of it."""

    url = serializers.SerializerMethodField()
    portfolio = serializers.UUIDField(source="portfolio_id")
    symbol = serializers.CharField(source="instrument.symbol")
    quantity = MoneyField()
    filled_quantity = MoneyField()
    average_price = MoneyField(allow_null=True)
    side = serializers.ChoiceField(choices=Side.choices)
    order_type = serializers.ChoiceField(choices=OrderType.choices)
    time_in_force = serializers.ChoiceField(choices=TimeInForce.choices)
    state = serializers.ChoiceField(choices=OrderState.choices)
    reasons = serializers.ListField(child=serializers.CharField())
    check_id = serializers.UUIDField(source="check_made_id", allow_null=True)
    check_url = serializers.SerializerMethodField()
    placed_by = serializers.CharField(source="placed_by.email", allow_null=True, default=None)
    placed_as_of = MomentField()
    created_at = MomentField()
    updated_at = MomentField()

    class Meta:
        model = Order
        fields = (
            "id",
            "url",
            "portfolio",
            "client_order_id",
            "symbol",
            "side",
            "quantity",
            "order_type",
            "time_in_force",
            "state",
            "filled_quantity",
            "average_price",
            "reasons",
            "check_id",
            "check_url",
            "source",
            "note",
            "placed_as_of",
            "session_date",
            "placed_by",
            "version",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields

    def get_url(self, order: Order) -> str:
        """The canonical address."""
        return live.order_url(order.pk)

    def get_check_url(self, order: Order) -> str | None:
        """Where the check that counted can be read."""
        return live.check_url(order) if order.check_made_id else None


class TradeSerializer(serializers.ModelSerializer):
    """One fill with its costs."""

    url = serializers.SerializerMethodField()
    portfolio = serializers.UUIDField(source="portfolio_id")
    order = serializers.UUIDField(source="order_id")
    symbol = serializers.CharField(source="instrument.symbol")
    side = serializers.ChoiceField(choices=Side.choices)
    price_source = serializers.ChoiceField(choices=PriceSource.choices)
    quantity = MoneyField()
    price = MoneyField()
    reference_price = MoneyField()
    commission = MoneyField()
    spread_cost = MoneyField()
    impact_cost = MoneyField()
    total_cost = serializers.SerializerMethodField()
    cost_bp = serializers.SerializerMethodField()
    realized_pnl = MoneyField()
    executed_at = MomentField()
    recorded_at = MomentField()

    class Meta:
        model = Trade
        fields = (
            "id",
            "url",
            "portfolio",
            "order",
            "symbol",
            "side",
            "quantity",
            "price",
            "price_source",
            "reference_price",
            "commission",
            "spread_cost",
            "impact_cost",
            "total_cost",
            "cost_bp",
            "currency",
            "realized_pnl",
            "executed_at",
            "session_date",
            "recorded_at",
        )
        read_only_fields = fields

    def get_url(self, trade: Trade) -> str:
        """The canonical address."""
        return live.trade_url(trade.pk)

    def get_total_cost(self, trade: Trade) -> str:
        """Commission, spread and impact together."""
        return live.amount(trades.cost(trade))

    def get_cost_bp(self, trade: Trade) -> float | None:
        """Total cost in basis points of the traded value."""
        return trades.cost_bp(trade)
