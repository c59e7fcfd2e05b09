"""Orders, each change of their state, and the kill switch."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from etftrader.core.models import Entity, ExactField, StaffQuerySet
from marketdata.models import Instrument
from portfolios.models import Portfolio
from portfolios.models.owned import OwnedQuerySet
from risk.models import PreTradeCheck
from trading.choices import OrderSource, OrderState, OrderType, Side, TimeInForce


class Order(Entity):
    """One wish to trade; a refused one is kept with the check that refused it."""

    portfolio = models.ForeignKey(Portfolio, models.PROTECT, related_name="+")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    client_order_id = models.CharField(max_length=64)
    side = models.CharField(max_length=4, choices=Side.choices)
    quantity = ExactField()
    order_type = models.CharField(
        max_length=10, choices=OrderType.choices, default=OrderType.MARKET
    )
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
    session_date = models.DateField()  # the session it belongs to, or the last one before it
    placed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    last_bar = models.DateTimeField(null=True, blank=True)  # it fills at most once a bar

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["portfolio", "client_order_id"], name="client_order_id_once"
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="order_has_quantity"),
            models.CheckConstraint(
                condition=Q(filled_quantity__gte=0, filled_quantity__lte=models.F("quantity")),
                name="never_filled_beyond_the_order",
            ),
            models.CheckConstraint(
                condition=Q(state__in=OrderState.values), name="order_state_is_known"
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
