"""Every verdict, kept."""

import uuid

from django.db import models

from etftrader.core.models import EstimateField
from portfolios.models import Portfolio
from portfolios.models.owned import OwnedQuerySet
from risk.choices import CheckStatus


class PreTradeCheck(models.Model):
    """One judgement of a proposed trade, with all its figures. Append-only."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    portfolio = models.ForeignKey(Portfolio, models.PROTECT, related_name="+")
    context = models.CharField(max_length=12)  # preview, order, fill
    status = models.CharField(max_length=11, choices=CheckStatus.choices)
    reasons = models.JSONField(default=list)
    warnings = models.JSONField(default=list)
    symbol = models.CharField(max_length=32)
    side = models.CharField(max_length=4)
    quantity = models.CharField(max_length=24)
    inputs_hash = models.CharField(max_length=64)
    data_version = models.CharField(max_length=80)
    document = models.JSONField()
    as_of = models.DateTimeField()  # market clock
    latency_ms = EstimateField()
    created_by = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField()

    objects = OwnedQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["portfolio", "-created_at"], name="newest_checks")]

    def __str__(self) -> str:
        return f"{self.status} {self.side} {self.quantity} {self.symbol} #{self.pk}"
