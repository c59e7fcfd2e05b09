"""What a source says of an instrument beside its price, dated."""

from django.db import models

from etftrader.core.models import Entity, EstimateField, ExactField, SharedQuerySet
from marketdata.choices import Source
from marketdata.models.instrument import Instrument


class Fundamental(models.Model):
    """Fund and company data as of one day."""

    id = models.BigAutoField(primary_key=True)
    instrument = models.ForeignKey(Instrument, models.CASCADE, related_name="fundamentals")
    as_of = models.DateField()
    source = models.CharField(max_length=12, choices=Source.choices)
    expense_ratio = EstimateField(null=True)  # fraction a year
    dividend_yield = EstimateField(null=True)  # fraction a year
    pe = EstimateField(null=True)
    pb = EstimateField(null=True)
    aum = ExactField(null=True)  # dollars
    duration = EstimateField(null=True)  # years
    category = models.CharField(max_length=80, blank=True)
    sector_weights = models.JSONField(default=dict)  # fraction by sector
    top_holdings = models.JSONField(default=list)  # {symbol, name, weight}

    objects = SharedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["instrument", "as_of", "source"], name="fundamental_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.as_of} #{self.pk}"


class Valuation(Entity):
    """Somebody's estimate of what an instrument is worth; never a price."""

    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="valuations")
    as_of_date = models.DateField()
    method = models.CharField(max_length=40)  # dcf, multiples, …
    ev = ExactField(null=True, blank=True)
    equity_value = ExactField(null=True, blank=True)
    target_price = ExactField(null=True, blank=True)
    multiples = models.JSONField(default=dict, blank=True)
    discount_rate = EstimateField(null=True, blank=True)  # fraction a year
    growth_rate = EstimateField(null=True, blank=True)  # fraction a year
    created_by = models.UUIDField(null=True, blank=True)

    objects = SharedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["instrument", "as_of_date", "method"], name="valuation_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.as_of_date} #{self.pk}"
