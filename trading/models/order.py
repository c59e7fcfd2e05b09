"""Orders, each change of their state, and the kill switch."""

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import Q

from etftrader.core.models import Entity, ExactField, StaffQuerySet
from marketdata.models import Instrument
from portfolios.models import Portfolio
from portfolios.models.owned import OwnedQuerySet
from risk.models import PreTradeCheck
from trading.choices import OrderSource, OrderState, OrderType, Side, TimeInForce
from trading.models.basket import Basket

STOPPED = (OrderType.STOP, OrderType.STOP_LIMIT)
# said twice: a comparison with null refuses nothing
_LIMIT = Q(limit_price__isnull=False, limit_price__gt=0)
_STOP = Q(stop_price__isnull=False, stop_price__gt=0)
# each type has exactly its own prices
PRICED = (
    Q(
        order_type__in=(OrderType.MARKET, OrderType.MARKET_ON_CLOSE),
        limit_price__isnull=True,
        stop_price__isnull=True,
    )
    | Q(order_type=OrderType.LIMIT, stop_price__isnull=True) & _LIMIT
    | Q(order_type=OrderType.STOP, limit_price__isnull=True) & _STOP
    | Q(order_type=OrderType.STOP_LIMIT) & _LIMIT & _STOP
)


class Order(Entity):
    """One wish to trade; a refused one is kept with the check that refused it."""

    portfolio = models.ForeignKey(Portfolio, models.PROTECT, related_name="+")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    client_order_id = models.CharField(max_length=64)
    side = models.CharField(max_length=4, choices=Side.choices)
    quantity = ExactField()
    order_type = models.CharField(
        max_length=16, choices=OrderType.choices, default=OrderType.MARKET
    )
    limit_price = ExactField(null=True, blank=True)
    stop_price = ExactField(null=True, blank=True)
    triggered_at = models.DateTimeField(null=True, blank=True)  # market clock: its stop was reached
    time_in_force = models.CharField(
        max_length=4, choices=TimeInForce.choices, default=TimeInForce.DAY
    )
    state = models.CharField(max_length=16, choices=OrderState.choices)
    filled_quantity = ExactField(default=0)
    average_price = ExactField(null=True, blank=True)
    source = models.CharField(max_length=10, choices=OrderSource.choices, default=OrderSource.USER)
    reasons = models.JSONField(default=list)  # denial codes, solvency first
    note = models.CharField(max_length=300, blank=True)
    check_made = models.ForeignKey(
        PreTradeCheck, models.PROTECT, null=True, blank=True, related_name="+"
    )
    placed_as_of = models.DateTimeField()  # market clock: a fill uses only what came after
    replaced_as_of = models.DateTimeField(null=True, blank=True)  # its terms are those since then
    session_date = models.DateField()  # the session it belongs to, or the last one before it
    placed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    last_bar = models.DateTimeField(null=True, blank=True)  # it fills at most once a bar
    basket = models.ForeignKey(Basket, models.PROTECT, null=True, blank=True, related_name="legs")
    leg = models.PositiveSmallIntegerField(null=True, blank=True)  # its place there, from 1

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["portfolio", "client_order_id"], name="client_order_id_once"
            ),
            models.UniqueConstraint(fields=["basket", "leg"], name="legs_are_numbered"),
            models.CheckConstraint(
                condition=Q(basket__isnull=True, leg__isnull=True)
                | Q(basket__isnull=False, leg__isnull=False, leg__gte=1),
                name="a_leg_has_a_basket",
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="order_has_quantity"),
            models.CheckConstraint(
                condition=Q(filled_quantity__gte=0, filled_quantity__lte=models.F("quantity")),
                name="never_filled_beyond_the_order",
            ),
            models.CheckConstraint(
                condition=Q(state__in=OrderState.values), name="order_state_is_known"
            ),
            models.CheckConstraint(condition=PRICED, name="order_type_has_its_prices"),
            models.CheckConstraint(
                condition=Q(triggered_at__isnull=True) | Q(order_type__in=STOPPED),
                name="only_a_stop_is_triggered",
            ),
            models.CheckConstraint(
                condition=Q(time_in_force__in=TimeInForce.values)
                & (Q(time_in_force=TimeInForce.DAY) | ~Q(order_type=OrderType.MARKET_ON_CLOSE)),
                name="order_time_in_force",
            ),
        ]
        indexes = [
            models.Index(fields=["portfolio", "-created_at"], name="newest_orders"),
            models.Index(
                fields=["portfolio"],
                condition=Q(state__in=("accepted", "partially_filled")),
                name="working_orders",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} {self.state} #{self.pk}"

    @property
    def remaining(self) -> Decimal:
        """Units not filled."""
        return self.quantity - self.filled_quantity


class OrderEvent(models.Model):
    """One change of an order's state, numbered within its portfolio. Append-only."""

    id = models.BigAutoField(primary_key=True)
    portfolio = models.ForeignKey(Portfolio, models.PROTECT, related_name="+")
    number = models.PositiveIntegerField()
    order = models.ForeignKey(Order, models.PROTECT, related_name="events")
    from_state = models.CharField(max_length=16, blank=True)
    to_state = models.CharField(max_length=16, choices=OrderState.choices)
    as_of = models.DateTimeField()  # market clock
    recorded_at = models.DateTimeField()
    by_label = models.CharField(max_length=254)
    detail = models.JSONField(default=dict)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["portfolio", "number"], name="order_events_are_numbered"
            )
        ]

    def __str__(self) -> str:
        return f"{self.from_state} to {self.to_state} #{self.pk}"


class TradingHalt(Entity):
    """The site-wide kill switch: while one is open, no order is taken or filled."""

    reason = models.CharField(max_length=300)
    started_by = models.CharField(max_length=254)
    ended_by = models.CharField(max_length=254, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = StaffQuerySet.as_manager()

    def __str__(self) -> str:
        return f"halt #{self.pk}"
