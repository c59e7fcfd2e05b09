"""Orders and trades on the wire, and the bodies that ask for them."""

from typing import Any

from rest_framework import serializers

from etftrader.core.api.fields import MomentField, MoneyField, StrictSerializer
from trading import live
from trading.choices import OrderState, OrderType, PriceSource, Side, TimeInForce
from trading.constants import CLIENT_ORDER_ID_LENGTH, NOTE_LENGTH
from trading.models import Order, Trade
from trading.selectors import past_orders, trades
from trading.services.tickets import Ticket

SIZES = ("quantity", "amount", "target_weight")
REQUIRED = serializers.ErrorDetail("This field is required.", code="required")


class TicketBody(StrictSerializer):
    """An order; a market order for the day unless it says otherwise."""

    symbol = serializers.CharField(max_length=32)
    side = serializers.ChoiceField(choices=Side.choices, required=False)
    quantity = MoneyField(positive=True, required=False)
    amount = MoneyField(positive=True, required=False)
    target_weight = MoneyField(required=False)
    order_type = serializers.ChoiceField(choices=OrderType.choices, default=OrderType.MARKET)
    limit_price = MoneyField(positive=True, required=False, allow_null=True)
    stop_price = MoneyField(positive=True, required=False, allow_null=True)
    time_in_force = serializers.ChoiceField(choices=TimeInForce.choices, default=TimeInForce.DAY)
    client_order_id = serializers.CharField(max_length=CLIENT_ORDER_ID_LENGTH, required=False)
    note = serializers.CharField(max_length=NOTE_LENGTH, required=False, allow_blank=True)
    confirm_duplicate = serializers.BooleanField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A size, and a side unless a target weight finds it."""
        missing = {}
        if "side" not in attrs and "target_weight" not in attrs:
            missing["side"] = [REQUIRED]
        if not any(name in attrs for name in SIZES):
            missing["quantity"] = [REQUIRED]
        if missing:
            raise serializers.ValidationError(missing)
        return attrs

    def ticket(self, key: str | None = None) -> Ticket:
        """The ticket; without a client order id the idempotency key names the order."""
        return ticket_of(self.validated_data, key)


def ticket_of(said: dict[str, Any], key: str | None = None) -> Ticket:
    """The ticket of checked fields."""
    names = ("limit_price", "stop_price", *SIZES)
    return Ticket(
        symbol=said["symbol"],
        side=said.get("side", ""),
        client_order_id=said.get("client_order_id") or key or "",
        order_type=said["order_type"],
        time_in_force=said["time_in_force"],
        note=said.get("note", ""),
        **{name: said.get(name) for name in names},
    )


class ReplaceBody(StrictSerializer):
    """What of a waiting order is to be different."""

    quantity = MoneyField(positive=True, required=False)
    limit_price = MoneyField(positive=True, required=False)
    stop_price = MoneyField(positive=True, required=False)
    time_in_force = serializers.ChoiceField(choices=TimeInForce.choices, required=False)


class ReasonBody(StrictSerializer):
    """Why."""

    reason = serializers.CharField(max_length=NOTE_LENGTH)


class OrderBody(TicketBody):
    """An order that names its portfolio, or the account whose one portfolio it is for."""

    portfolio_id = serializers.UUIDField(required=False)
    account = serializers.UUIDField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One of the two, not both."""
        attrs = super().validate(attrs)
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
    limit_price = MoneyField(allow_null=True)
    stop_price = MoneyField(allow_null=True)
    side = serializers.ChoiceField(choices=Side.choices)
    order_type = serializers.ChoiceField(choices=OrderType.choices)
    time_in_force = serializers.ChoiceField(choices=TimeInForce.choices)
    state = serializers.ChoiceField(choices=OrderState.choices)
    reasons = serializers.ListField(child=serializers.CharField())
    check_id = serializers.UUIDField(source="check_made_id", allow_null=True)
    check_url = serializers.SerializerMethodField()
    basket = serializers.UUIDField(source="basket_id", allow_null=True)
    leg = serializers.IntegerField(allow_null=True)
    placed_by = serializers.CharField(source="placed_by.email", allow_null=True, default=None)
    placed_as_of = MomentField()
    triggered_at = MomentField(allow_null=True)
    replaced_as_of = MomentField(allow_null=True)
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
            "limit_price",
            "stop_price",
            "time_in_force",
            "state",
            "filled_quantity",
            "average_price",
            "reasons",
            "check_id",
            "check_url",
            "basket",
            "leg",
            "source",
            "note",
            "placed_as_of",
            "triggered_at",
            "replaced_as_of",
            "session_date",
            "placed_by",
            "version",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields

    def to_representation(self, order: Order) -> dict[str, Any]:
        """As it stands; at a past close without what was changed since, which it names."""
        document = super().to_representation(order)
        at = self.context.get("at")
        lost = past_orders.lost(order, at=at) if at else ()
        return document | dict.fromkeys(lost) | ({"not_kept": list(lost)} if at else {})

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
    exchange_rate = MoneyField(allow_null=True)
    realized_pnl = MoneyField()
    reverses = serializers.UUIDField(source="reverses_id", allow_null=True)
    reversed_by = serializers.SerializerMethodField()
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
            "exchange_rate",
            "realized_pnl",
            "reverses",
            "reversed_by",
            "executed_at",
            "session_date",
            "recorded_at",
        )
        read_only_fields = fields

    def get_url(self, trade: Trade) -> str:
        """The canonical address."""
        return live.trade_url(trade.pk)

    def get_reversed_by(self, trade: Trade) -> str | None:
        """The trade that took it back."""
        later = trades.reversal(trade, self.context.get("at"))
        return str(later.pk) if later is not None else None

    def get_total_cost(self, trade: Trade) -> str:
        """Commission, spread and impact together."""
        return live.amount(trades.cost(trade))

    def get_cost_bp(self, trade: Trade) -> float | None:
        """Total cost in basis points of the traded value."""
        return trades.cost_bp(trade)
