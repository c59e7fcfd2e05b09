"""What trading costs in a portfolio."""

from decimal import Decimal

from django.db import models
from django.db.models import Q

from etftrader.core.models import Entity, EstimateField, ExactField
from portfolios.models import Portfolio
from portfolios.models.owned import OwnedQuerySet
from trading.choices import CostPreset


class CostModel(Entity):
    """A portfolio's own costs; without a row the default preset holds."""

    portfolio = models.OneToOneField(Portfolio, models.PROTECT, related_name="+")
    preset = models.CharField(max_length=16, choices=CostPreset.choices, default=CostPreset.CUSTOM)
    commission_per_trade = ExactField()
    commission_per_share = ExactField(default=0)
    commission_minimum = ExactField(default=0)  # of shares
    commission_per_contract = ExactField(default=Decimal("0.65"))  # options pay only this
    half_spread_bp = EstimateField(null=True, blank=True)  # null: of the instrument's own class
    impact_y = EstimateField()
    max_participation = EstimateField(default=0.1)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    commission_per_trade__gte=0,
                    commission_per_share__gte=0,
                    commission_minimum__gte=0,
                    commission_per_contract__gte=0,
                    impact_y__gte=0,
                    max_participation__gt=0,
                    max_participation__lte=1,
                )
                & (Q(half_spread_bp__isnull=True) | Q(half_spread_bp__gte=0)),
                name="costs_are_not_negative",
            )
        ]

    def __str__(self) -> str:
        return f"{self.preset} #{self.pk}"
