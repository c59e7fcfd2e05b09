"""Fills, with what they cost."""

import uuid

from django.db import models
from django.db.models import Q

from etftrader.core.models import ExactField
from marketdata.models import Instrument
from portfolios.models import Portfolio
from portfolios.models.owned import OwnedQuerySet
from trading.choices import PriceSource, Side
from trading.models.order import Order


class Trade(models.Model):
    """One fill. Append-only: a correction is a reversing trade."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    order = models.ForeignKey(Order, models.PROTECT, related_name="trades")
    portfolio = models.ForeignKey(Portfolio, models.PROTECT, related_name="+")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    side = models.CharField(max_length=4, choices=Side.choices)
    quantity = ExactField()
    price = ExactField()
    price_source = models.CharField(max_length=8, choices=PriceSource.choices)
    reference_price = ExactField()  # mid or close before costs
    commission = ExactField()
    spread_cost = ExactField()
    impact_cost = ExactField()
    currency = models.CharField(max_length=3)  # of price, commission and costs
    # units of the book's currency for one of these; null where both are the same
    exchange_rate = ExactField(null=True, blank=True, places=12)
    realized_pnl = ExactField(default=0)
    executed_at = models.DateTimeField()  # market clock: the bar it filled on
    session_date = models.DateField()
    recorded_at = models.DateTimeField()
    reverses = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="reversed_by"
    )

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(quantity__gt=0, price__gt=0), name="trade_has_quantity_and_price"
            ),
            models.UniqueConstraint(
                fields=["order", "executed_at"],
                condition=Q(reverses__isnull=True),
                name="a_bar_fills_an_order_once",
            ),
        ]
        indexes = [models.Index(fields=["portfolio", "-executed_at"], name="newest_trades")]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} at {self.price} #{self.pk}"
