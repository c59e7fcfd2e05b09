"""What trading costs in a portfolio."""

from django.db import models

from etftrader.core.models import Entity, EstimateField, ExactField
from portfolios.models import Portfolio
from portfolios.models.owned import OwnedQuerySet


class CostModel(Entity):
    """A portfolio's own costs; without a row the default preset holds."""

    portfolio = models.OneToOneField(Portfolio, models.PROTECT, related_name="+")
    preset = models.CharField(max_length=16, default="default")
    commission_per_trade = ExactField()
    commission_per_share = ExactField(default=0)
    commission_minimum = ExactField(default=0)
    half_spread_bp = EstimateField()
    impact_y = EstimateField()
    max_participation = EstimateField(default=0.1)

    objects = OwnedQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.preset} #{self.pk}"
