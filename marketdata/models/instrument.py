"""What can be held or watched: funds, stocks, indices, privately valued things."""

from typing import Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper

from etftrader.core.actor import Actor
from etftrader.core.models import Entity, EstimateField, ExactField, SharedQuerySet
from marketdata.choices import InstrumentKind, PriceBasis, Pricing


class InstrumentQuerySet(SharedQuerySet):
    """Instruments: public ones for everybody, privately valued ones for their owner."""

    def for_actor(self, actor: Actor, action: str = "view") -> Self:
        """What the actor may see."""
        if not actor.is_authenticated:
            return self.none()
        return self.filter(Q(owner_id__isnull=True) | Q(owner_id=actor.user_id))

    def tradable(self) -> Self:
        """What an order may name."""
        return self.filter(active=True, pricing=Pricing.AUTO).exclude(kind=InstrumentKind.INDEX)


class Instrument(Entity):
    """One fund, stock or index, known by its symbol."""

    symbol = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=16, choices=InstrumentKind.choices)
    asset_class = models.CharField(max_length=24, default="equity")
    sector = models.CharField(max_length=60, blank=True)
    segment = models.CharField(max_length=60, blank=True)
    country = models.CharField(max_length=40, blank=True)
    factor_tilt = models.CharField(max_length=24, blank=True)
    currency = models.CharField(max_length=3, default="USD")
    exchange = models.CharField(max_length=8, blank=True)
    multiplier = ExactField(default=1)
    pricing = models.CharField(max_length=8, choices=Pricing.choices, default=Pricing.AUTO)
    price_basis = models.CharField(max_length=12, choices=PriceBasis.choices)
    liquidity_class = models.PositiveSmallIntegerField(null=True, blank=True)
    assumed_volume = models.PositiveBigIntegerField(null=True, blank=True)  # shares a day
    assumed_half_spread_bp = EstimateField(null=True, blank=True)
    assumed_dividend_yield = EstimateField(null=True, blank=True)
    owner_id = models.UUIDField(null=True, blank=True)  # of a privately valued thing
    active = models.BooleanField(default=True)

    objects = InstrumentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(Upper("symbol"), name="symbol_ignores_case"),
            models.CheckConstraint(condition=Q(multiplier__gt=0), name="multiplier_is_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} #{self.pk}"


class InstrumentAlias(models.Model):
    """Another spelling of a symbol, such as BRK.B for BRK-B."""

    id = models.BigAutoField(primary_key=True)
    instrument = models.ForeignKey(Instrument, models.CASCADE, related_name="aliases")
    alias = models.CharField(max_length=32, unique=True)

    objects = SharedQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.alias} #{self.pk}"
